#include "support/fault.h"

#include "base/arena.h"
#include "base/table.h"
#include <stdlib.h>

struct fault fault;

static bool fails(enum fault_layer layer)
{
    bool f = false;
    if (!fault.on || fault.layer != layer)
        return false;
    fault.count++;
    switch (fault.mode) {
    case FAULT_NONE:
        break;
    case FAULT_ONCE:
        f = fault.count == fault.at;
        break;
    case FAULT_ON:
        f = fault.count >= fault.at;
        break;
    case FAULT_CHANCE:
        fault.random ^= fault.random << 13;
        fault.random ^= fault.random >> 7;
        fault.random ^= fault.random << 17;
        f = fault.random % 1000 < fault.at;
        break;
    }
    fault.failed += f;
    return f;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_sw_arena_get(struct sw_arena *a, size_t n);
struct sw_slice __real_sw_arena_dup(struct sw_arena *a, struct sw_slice s);
void *__real_sw_slab_get(struct sw_slab *s, size_t n);
void *__real_sw_table_add(struct sw_table *t, uint32_t generation, struct sw_ref *ref);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_sw_arena_get(struct sw_arena *a, size_t n);
struct sw_slice __wrap_sw_arena_dup(struct sw_arena *a, struct sw_slice s);
void *__wrap_sw_slab_get(struct sw_slab *s, size_t n);
void *__wrap_sw_table_add(struct sw_table *t, uint32_t generation, struct sw_ref *ref);

void *__wrap_malloc(size_t n)
{
    return fails(FAULT_SYSTEM) ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails(FAULT_SYSTEM) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails(FAULT_SYSTEM) ? NULL : __real_realloc(p, n);
}

void *__wrap_sw_arena_get(struct sw_arena *a, size_t n)
{
    return fails(FAULT_ROOM) ? NULL : __real_sw_arena_get(a, n);
}

struct sw_slice __wrap_sw_arena_dup(struct sw_arena *a, struct sw_slice s)
{
    return fails(FAULT_ROOM) ? (struct sw_slice){NULL, 0} : __real_sw_arena_dup(a, s);
}

void *__wrap_sw_slab_get(struct sw_slab *s, size_t n)
{
    return fails(FAULT_ROOM) ? NULL : __real_sw_slab_get(s, n);
}

void *__wrap_sw_table_add(struct sw_table *t, uint32_t generation, struct sw_ref *ref)
{
    return fails(FAULT_ROOM) ? NULL : __real_sw_table_add(t, generation, ref);
}

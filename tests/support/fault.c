#include "support/fault.h"

#include "base/arena.h"
#include "base/table.h"
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>

struct fault fault;

static bool fails(enum fault_layer layer)
{
    bool f = false;
    if (!fault.on)
        return false;
    uint64_t count = ++fault.count[layer];
    if (fault.layer != layer)
        return false;
    switch (fault.mode) {
    case FAULT_NONE:
        break;
    case FAULT_ONCE:
        f = count == fault.at;
        break;
    case FAULT_ON:
        f = count >= fault.at;
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

/* ---- the functions that the linker puts before the real ones ---- */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void *__real_sw_arena_get(struct sw_arena *a, size_t n);
struct sw_slice __real_sw_arena_dup(struct sw_arena *a, struct sw_slice s);
void *__real_sw_slab_get(struct sw_slab *s, size_t n);
void *__real_sw_table_add(struct sw_table *t, uint32_t generation, struct sw_ref *ref);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
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

char *__wrap_strdup(const char *s)
{
    return fails(FAULT_SYSTEM) ? NULL : __real_strdup(s);
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

/* ---- the library's heap ---- */

static void *library_get(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return n == 0 || fails(FAULT_LIBRARY) ? NULL : __real_malloc(n);
}

static void *library_again(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    if (n == 0) {
        free(p);
        return NULL;
    }
    /* A block that becomes smaller is never refused by a heap, and OpenSSL 3.0 loses entries if it
     * is: contract() in crypto/lhash/lhash.c unlinks a chain before it asks. */
    if (p && n <= malloc_usable_size(p))
        return __real_realloc(p, n);
    return fails(FAULT_LIBRARY) ? NULL : __real_realloc(p, n);
}

static void library_put(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

uint64_t __wrap_sw_crypto_mem_failures(void);
uint64_t __wrap_sw_crypto_mem_failures(void)
{
    return fault.failed;
}

__attribute__((constructor)) static void start(void)
{
    CRYPTO_set_mem_functions(library_get, library_again, library_put);
}

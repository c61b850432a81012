#include "base/table.h"

#include <stdlib.h>
#include <string.h>

enum { PER_CHUNK = 256 };

struct cell {
    uint32_t generation; /* 0: free */
    uint32_t next_free;
    _Alignas(16) char object[];
};

enum sw_status sw_table_init(struct sw_table *t, size_t size, uint32_t max)
{
    size_t cell = (sizeof(struct cell) + size + 15) & ~(size_t)15;
    char **chunks = calloc(max / PER_CHUNK + 1, sizeof(char *));
    if (!chunks)
        return SW_LIMIT_MEMORY;
    *t = (struct sw_table){.size = cell, .max = max, .chunks = chunks};
    return SW_OK;
}

void sw_table_fini(struct sw_table *t)
{
    for (uint32_t i = 0; t->chunks && i * PER_CHUNK < t->slots; i++)
        free(t->chunks[i]);
    free(t->chunks);
    *t = (struct sw_table){0};
}

static struct cell *cell_at(const struct sw_table *t, uint32_t slot)
{
    return (struct cell *)(void *)(t->chunks[slot / PER_CHUNK] + slot % PER_CHUNK * t->size);
}

static bool more(struct sw_table *t)
{
    uint32_t chunk = t->slots / PER_CHUNK;
    char *p = malloc(t->size * PER_CHUNK);
    if (!p)
        return false;
    t->chunks[chunk] = p;
    for (uint32_t i = 0; i < PER_CHUNK; i++) {
        struct cell *c = (struct cell *)(void *)(p + i * t->size);
        c->generation = 0;
        c->next_free = i + 1 < PER_CHUNK ? t->slots + i + 2 : t->free;
    }
    t->free = t->slots + 1;
    t->slots += PER_CHUNK;
    return true;
}

void *sw_table_add(struct sw_table *t, uint32_t generation, struct sw_ref *ref)
{
    if (t->used == t->max || (!t->free && !more(t)))
        return NULL;
    uint32_t slot = t->free - 1;
    struct cell *c = cell_at(t, slot);
    t->free = c->next_free;
    t->used++;
    c->generation = generation | 1;
    *ref = (struct sw_ref){slot, c->generation};
    return memset(c->object, 0, t->size - sizeof(struct cell));
}

void *sw_table_get(const struct sw_table *t, struct sw_ref ref)
{
    if (ref.slot >= t->slots || !ref.generation)
        return NULL;
    struct cell *c = cell_at(t, ref.slot);
    return c->generation == ref.generation ? c->object : NULL;
}

void sw_table_del(struct sw_table *t, struct sw_ref ref)
{
    if (!sw_table_get(t, ref))
        return;
    struct cell *c = cell_at(t, ref.slot);
    c->generation = 0;
    c->next_free = t->free;
    t->free = ref.slot + 1;
    t->used--;
}

void *sw_table_at(const struct sw_table *t, uint32_t slot, struct sw_ref *ref)
{
    struct cell *c = cell_at(t, slot);
    *ref = (struct sw_ref){slot, c->generation};
    return c->generation ? c->object : NULL;
}

#include "base/arena.h"

struct sw_arena_chunk {
    struct sw_arena_chunk *older;
    size_t size; /* of the whole block */
};

enum {
    CHUNK_MIN = 1024,
    ALIGN = 16,
    HEAD = (sizeof(struct sw_arena_chunk) + ALIGN - 1) & ~(ALIGN - 1)
};

static size_t round_up(size_t n)
{
    return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

void sw_arena_init(struct sw_arena *a, struct sw_slab *slab)
{
    *a = (struct sw_arena){.slab = slab};
}

static bool grow(struct sw_arena *a, size_t n)
{
    size_t want = n + HEAD;
    if (want < CHUNK_MIN)
        want = CHUNK_MIN;
    if (a->chunk && want < a->chunk->size * 2 && a->chunk->size < 16384)
        want = a->chunk->size * 2;
    want = sw_slab_size(want);
    struct sw_arena_chunk *c = sw_slab_get(a->slab, want);
    if (!c)
        return false;
    c->older = a->chunk;
    c->size = want;
    a->chunk = c;
    a->used = HEAD;
    return true;
}

/* Room for `n` bytes, a multiple of ALIGN, in the newest chunk. */
static bool make_room(struct sw_arena *a, size_t n)
{
    return (a->chunk && a->chunk->size - a->used >= n) || grow(a, n);
}

void sw_arena_reserve(struct sw_arena *a, size_t n)
{
    if (n <= SIZE_MAX / 2)
        (void)make_room(a, round_up(n));
}

void *sw_arena_get(struct sw_arena *a, size_t n)
{
    if (n > SIZE_MAX / 2) /* no object is that large, and rounding up must not wrap around */
        return NULL;
    n = round_up(n);
    if (!make_room(a, n))
        return NULL;
    void *p = (char *)a->chunk + a->used;
    a->used += n;
    return p;
}

struct sw_slice sw_arena_dup(struct sw_arena *a, struct sw_slice s)
{
    char *p = sw_arena_get(a, s.n ? s.n : 1);
    if (!p)
        return (struct sw_slice){NULL, 0};
    if (s.n)
        memcpy(p, s.p, s.n);
    return sw_slice(p, s.n);
}

static void drop_older(struct sw_arena *a, struct sw_arena_chunk *c)
{
    while (c) {
        struct sw_arena_chunk *older = c->older;
        sw_slab_put(a->slab, c, c->size);
        c = older;
    }
}

void sw_arena_reset(struct sw_arena *a)
{
    struct sw_arena_chunk *kept = a->chunk, *c = a->chunk;
    for (; c; c = c->older)
        kept = c->size > kept->size ? c : kept;
    while ((c = a->chunk)) {
        a->chunk = c->older;
        if (c != kept)
            sw_slab_put(a->slab, c, c->size);
    }
    if (kept)
        kept->older = NULL;
    a->chunk = kept;
    a->used = kept ? HEAD : 0;
}

void sw_arena_release(struct sw_arena *a)
{
    drop_older(a, a->chunk);
    a->chunk = NULL;
    a->used = 0;
}

void sw_arena_join(struct sw_arena *to, struct sw_arena *from)
{
    struct sw_arena_chunk *last = from->chunk;
    if (!last)
        return;
    while (last->older)
        last = last->older;
    last->older = to->chunk;
    to->chunk = from->chunk;
    to->used = to->chunk->size; /* nothing is taken from it any more */
    from->chunk = NULL;
    from->used = 0;
}

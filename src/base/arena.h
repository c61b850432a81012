/* Memory that dies together: what one request or one event needs, released in one go. */
#ifndef SW_BASE_ARENA_H
#define SW_BASE_ARENA_H

#include "base/slab.h"
#include "base/slice.h"

struct sw_arena {
    struct sw_slab *slab;
    struct sw_arena_chunk *chunk; /* the newest; older ones behind it */
    size_t used;                  /* of the newest chunk */
};

/** An empty arena that takes its chunks from `slab`. */
void sw_arena_init(struct sw_arena *a, struct sw_slab *slab);

/** Makes sure that the next `n` bytes come without a further chunk. Best effort. */
void sw_arena_reserve(struct sw_arena *a, size_t n);

/** `n` bytes aligned for any object, or NULL if memory is out. Not cleared. */
void *sw_arena_get(struct sw_arena *a, size_t n);

/** A copy of `s` in the arena; .p is NULL if memory is out (an empty slice has a non-NULL .p). */
struct sw_slice sw_arena_dup(struct sw_arena *a, struct sw_slice s);

/** Gives back all but the largest chunk and starts anew: for scratch that is used again and again.
 */
void sw_arena_reset(struct sw_arena *a);

/** Gives everything back; the arena is empty and usable again. */
void sw_arena_release(struct sw_arena *a);

/** Moves all memory of `from` to `to`, where it lives on until that is released. */
void sw_arena_join(struct sw_arena *to, struct sw_arena *from);

#endif

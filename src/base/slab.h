/* Recycled memory blocks in power-of-two classes, one set per worker and without locks: in the
 * steady state a message is relayed without asking the C library for memory. */
#ifndef SW_BASE_SLAB_H
#define SW_BASE_SLAB_H

#include <stddef.h>
#include <stdint.h>

enum {
    SW_SLAB_SHIFT_MIN = 7,  /* smallest block: 128 bytes, a cache line pair */
    SW_SLAB_SHIFT_MAX = 17, /* largest recycled block: 128 KiB, two of the largest datagrams */
    SW_SLAB_CLASSES = SW_SLAB_SHIFT_MAX - SW_SLAB_SHIFT_MIN + 1,
};

/* Free bytes a class keeps for reuse; what a burst needed beyond it goes back to the system. */
#define SW_SLAB_KEEP_BYTES ((size_t)8 << 20)

struct sw_slab {
    struct sw_slab_free *free[SW_SLAB_CLASSES];
    uint32_t free_count[SW_SLAB_CLASSES];
    size_t used_bytes;    /* handed out now */
    uint64_t from_system; /* blocks that malloc had to give: constant in the steady state */
};

/** An empty set. */
void sw_slab_init(struct sw_slab *s);

/** Gives all free blocks back to the system. Blocks in use stay their holders'. */
void sw_slab_fini(struct sw_slab *s);

/** The size that a request for `n` bytes is rounded up to: a holder may use all of it. */
size_t sw_slab_size(size_t n);

/** A block of at least `n` bytes, or NULL if the system has none. Not cleared. */
void *sw_slab_get(struct sw_slab *s, size_t n);

/** Gives a block back; `n` is what it was asked for with (or its sw_slab_size). NULL is ignored. */
void sw_slab_put(struct sw_slab *s, void *p, size_t n);

#endif

/* Objects of one size in numbered slots, each with a generation: {slot, generation} names an object
 * without ever pointing at a dead one. Slots are taken from chunks that are never moved. */
#ifndef SW_BASE_TABLE_H
#define SW_BASE_TABLE_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sw_ref {
    uint32_t slot;
    uint32_t generation; /* 0: refers to nothing */
};

struct sw_table {
    size_t size;    /* of an object, with its cell's head */
    uint32_t max;   /* objects at most */
    uint32_t used;  /* objects now */
    uint32_t slots; /* slots made so far */
    uint32_t free;  /* first free slot + 1; 0: none */
    char **chunks;
};

/** A table for at most `max` objects of `size` bytes. SW_LIMIT_MEMORY */
SW_MUST_USE enum sw_status sw_table_init(struct sw_table *t, size_t size, uint32_t max);

/** Frees all chunks; what the objects own is their owner's concern. */
void sw_table_fini(struct sw_table *t);

/**
 * A cleared object in a free slot; `generation` (made odd, so never 0) should be unpredictable
 * where a peer could profit from guessing it. NULL: `max` reached or memory is out.
 */
void *sw_table_add(struct sw_table *t, uint32_t generation, struct sw_ref *ref);

/** The object a reference names, or NULL if it is gone. */
void *sw_table_get(const struct sw_table *t, struct sw_ref ref);

/** Frees an object's slot. */
void sw_table_del(struct sw_table *t, struct sw_ref ref);

/** The object in slot `slot` and its reference, or NULL: for walks from 0 to t->slots. */
void *sw_table_at(const struct sw_table *t, uint32_t slot, struct sw_ref *ref);

#endif

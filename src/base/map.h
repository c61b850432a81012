/* An intrusive hash map with 128-bit keys that are already hashes (SipHash), so that a bucket is
 * picked from the key itself and no peer can choose its bucket. The number of buckets is fixed at
 * the start: no pause for growing, and untouched buckets cost no memory. */
#ifndef SW_BASE_MAP_H
#define SW_BASE_MAP_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sw_key {
    uint64_t a, b;
};

struct sw_map_node {
    struct sw_map_node *next;
    struct sw_key key;
};

struct sw_map {
    struct sw_map_node **buckets;
    size_t mask;
    size_t count;
};

static inline bool sw_key_eq(struct sw_key x, struct sw_key y)
{
    return x.a == y.a && x.b == y.b;
}

/** Buckets for about `expected` elements. SW_LIMIT_MEMORY */
SW_MUST_USE enum sw_status sw_map_init(struct sw_map *m, size_t expected);

/** Frees the buckets; the elements are their owner's. */
void sw_map_fini(struct sw_map *m);

/** The node with this key, or NULL. */
struct sw_map_node *sw_map_get(const struct sw_map *m, struct sw_key key);

/** Adds a node whose key the map does not hold yet. */
void sw_map_add(struct sw_map *m, struct sw_map_node *node, struct sw_key key);

/** Takes a node out; nothing happens if it is not in. */
void sw_map_del(struct sw_map *m, struct sw_map_node *node);

#endif

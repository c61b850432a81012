#include "base/map.h"

#include <stdlib.h>

enum sw_status sw_map_init(struct sw_map *m, size_t expected)
{
    size_t n = 16;
    while (n < expected)
        n *= 2;
    struct sw_map_node **buckets = calloc(n, sizeof(struct sw_map_node *));
    if (!buckets)
        return SW_LIMIT_MEMORY;
    *m = (struct sw_map){.buckets = buckets, .mask = n - 1};
    return SW_OK;
}

void sw_map_fini(struct sw_map *m)
{
    free(m->buckets);
    *m = (struct sw_map){0};
}

struct sw_map_node *sw_map_get(const struct sw_map *m, struct sw_key key)
{
    struct sw_map_node *n = m->buckets[key.a & m->mask];
    while (n && !sw_key_eq(n->key, key))
        n = n->next;
    return n;
}

void sw_map_add(struct sw_map *m, struct sw_map_node *node, struct sw_key key)
{
    struct sw_map_node **bucket = &m->buckets[key.a & m->mask];
    node->key = key;
    node->next = *bucket;
    *bucket = node;
    m->count++;
}

void sw_map_del(struct sw_map *m, struct sw_map_node *node)
{
    for (struct sw_map_node **at = &m->buckets[node->key.a & m->mask]; *at; at = &(*at)->next)
        if (*at == node) {
            *at = node->next;
            m->count--;
            return;
        }
}

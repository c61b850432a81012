#include "crypto/leafcache.h"

#include "base/list.h"
#include "crypto/siphash.h"
#include <stdlib.h>

struct leaf {
    struct sw_map_node node;
    struct sw_list age;
    int64_t good_until_s;
    uint32_t count;
    uint32_t id[]; /* then a byte of uses for each */
};

static uint8_t *uses_of(struct leaf *x)
{
    return (uint8_t *)(x->id + x->count);
}

struct sw_leafcache {
    struct sw_map map;
    struct sw_list by_age;
};

/* The digest is a peer's certificate's: colliding on purpose would need a collision of SHA-256. */
static struct sw_key key_of(const struct sw_leaf_key *k)
{
    struct sw_siphash h;
    sw_siphash_init(&h, (struct sw_sip_key){1, 2});
    sw_siphash_add(&h, k->sha256, sizeof(k->sha256));
    sw_siphash_add(&h, &k->trust, sizeof(k->trust));
    sw_siphash_add(&h, &k->revocations, sizeof(k->revocations));
    sw_siphash_add(&h, &k->of_client, sizeof(k->of_client));
    sw_siphash_add(&h, &k->security_level, sizeof(k->security_level));
    return sw_siphash_end(&h);
}

struct sw_leafcache *sw_leafcache_new(void)
{
    struct sw_leafcache *c = calloc(1, sizeof(*c));
    if (!c || sw_map_init(&c->map, SW_LEAFCACHE_MAX) != SW_OK) {
        free(c);
        return NULL;
    }
    sw_list_init(&c->by_age);
    return c;
}

static void drop(struct sw_leafcache *c, struct leaf *x)
{
    sw_map_del(&c->map, &x->node);
    sw_list_del(&x->age);
    free(x);
}

void sw_leafcache_clear(struct sw_leafcache *c)
{
    while (!sw_list_empty(&c->by_age))
        drop(c, SW_CONTAINER(c->by_age.next, struct leaf, age));
}

void sw_leafcache_free(struct sw_leafcache *c)
{
    if (!c)
        return;
    sw_leafcache_clear(c);
    sw_map_fini(&c->map);
    free(c);
}

bool sw_leafcache_find(const struct sw_leafcache *c, const struct sw_leaf_key *key, int64_t now_s,
                       struct sw_vouched *out)
{
    struct sw_map_node *n = sw_map_get(&c->map, key_of(key));
    struct leaf *x = n ? SW_CONTAINER(n, struct leaf, node) : NULL;
    if (!x || x->good_until_s <= now_s)
        return false;
    memcpy(out->id, x->id, x->count * sizeof(x->id[0]));
    memcpy(out->uses, uses_of(x), x->count);
    out->count = x->count;
    return true;
}

void sw_leafcache_add(struct sw_leafcache *c, const struct sw_leaf_key *key, int64_t now_s,
                      int64_t until_s, const struct sw_vouched *vouched)
{
    struct sw_key k = key_of(key);
    struct sw_map_node *old = sw_map_get(&c->map, k);
    struct leaf *x = malloc(sizeof(*x) + vouched->count * (sizeof(x->id[0]) + 1));
    if (old)
        drop(c, SW_CONTAINER(old, struct leaf, node));
    if (!x)
        return;
    x->good_until_s = until_s < now_s + SW_LEAFCACHE_S ? until_s : now_s + SW_LEAFCACHE_S;
    x->count = vouched->count;
    memcpy(x->id, vouched->id, vouched->count * sizeof(x->id[0]));
    memcpy(uses_of(x), vouched->uses, vouched->count);
    if (c->map.count == SW_LEAFCACHE_MAX)
        drop(c, SW_CONTAINER(c->by_age.next, struct leaf, age));
    sw_map_add(&c->map, &x->node, k);
    sw_list_add(&c->by_age, &x->age);
}

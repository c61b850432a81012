#include "worker/dnscache.h"

#include "sys/random.h"

struct entry {
    struct sw_map_node node; /* first */
    struct sw_list by_use;
    size_t size;
    int64_t until_ms;
    struct sw_dns_answer answer; /* its records stand behind the entry */
};

enum sw_status sw_dnscache_init(struct sw_dnscache *c, struct sw_slab *slab, uint32_t expected)
{
    *c = (struct sw_dnscache){.slab = slab};
    sw_list_init(&c->by_use);
    enum sw_status s = sw_random(&c->key, sizeof(c->key));
    return s == SW_OK ? sw_map_init(&c->map, expected) : s;
}

static void drop(struct sw_dnscache *c, struct entry *e)
{
    sw_map_del(&c->map, &e->node);
    sw_list_del(&e->by_use);
    c->bytes -= e->size;
    c->count--;
    sw_slab_put(c->slab, e, e->size);
}

void sw_dnscache_clear(struct sw_dnscache *c, uint32_t version)
{
    while (!sw_list_empty(&c->by_use))
        drop(c, SW_CONTAINER(c->by_use.next, struct entry, by_use));
    c->version = version;
}

void sw_dnscache_fini(struct sw_dnscache *c)
{
    if (!c->slab)
        return;
    sw_dnscache_clear(c, 0);
    sw_map_fini(&c->map);
    c->slab = NULL;
}

/* The key is the question: 128 bits that nobody outside can aim at. */
static struct sw_key key_of(const struct sw_dnscache *c, const struct sw_dns_question *q)
{
    struct sw_siphash h;
    sw_siphash_init(&h, c->key);
    sw_siphash_add(&h, &q->type, sizeof(q->type));
    sw_siphash_slice(&h, sw_slice_str(q->name));
    return sw_siphash_end(&h);
}

bool sw_dnscache_get(struct sw_dnscache *c, const struct sw_dns_question *q, int64_t now_ms,
                     struct sw_dns_answer *out)
{
    struct entry *e = (struct entry *)sw_map_get(&c->map, key_of(c, q));
    if (!e || e->until_ms <= now_ms) /* it goes when another one comes */
        return false;
    sw_list_del(&e->by_use);
    sw_list_add(&c->by_use, &e->by_use);
    *out = e->answer;
    out->ttl_s = (uint32_t)((e->until_ms - now_ms) / 1000);
    return true;
}

/* The one for which there is room no more; true if it would have lived on. */
static bool drop_oldest(struct sw_dnscache *c, int64_t now_ms)
{
    struct entry *e = SW_CONTAINER(c->by_use.next, struct entry, by_use);
    bool lived = e->until_ms > now_ms;
    drop(c, e);
    return lived;
}

uint32_t sw_dnscache_put(struct sw_dnscache *c, const struct sw_dns_question *q,
                         const struct sw_dns_answer *a, uint32_t max, int64_t now_ms)
{
    struct sw_key key = key_of(c, q);
    struct entry *e = (struct entry *)sw_map_get(&c->map, key);
    size_t size = sizeof(*e) + a->records.n;
    uint32_t dropped = 0;
    if (e)
        drop(c, e);
    if (a->ttl_s == 0 || max == 0 || size > SW_DNSCACHE_BYTES_MAX)
        return 0;
    while (c->count && (c->count >= max || c->bytes + size > SW_DNSCACHE_BYTES_MAX))
        dropped += drop_oldest(c, now_ms);
    e = sw_slab_get(c->slab, size);
    if (!e)
        return dropped;
    *e = (struct entry){.size = size, .answer = *a, .until_ms = now_ms + (int64_t)a->ttl_s * 1000};
    if (a->records.n)
        memcpy(e + 1, a->records.p, a->records.n);
    e->answer.records = sw_slice((const char *)(e + 1), a->records.n);
    sw_map_add(&c->map, &e->node, key);
    sw_list_add(&c->by_use, &e->by_use);
    c->bytes += size;
    c->count++;
    return dropped;
}

#include "proxy/calls.h"

#include <stdlib.h>
#include <string.h>

enum sw_status sw_calls_init(struct sw_calls *c, uint32_t count, struct sw_sip_key key,
                             struct sw_calls_open *open)
{
    uint32_t buckets = 1;
    *c = (struct sw_calls){.key = key, .open = open};
    sw_list_init(&c->used);
    sw_list_init(&c->free);
    if (!count)
        return SW_OK;
    while (buckets < count)
        buckets *= 2;
    c->call = calloc(count, sizeof(*c->call));
    c->buckets = calloc(buckets, sizeof(*c->buckets));
    if (!c->call || !c->buckets) {
        sw_calls_fini(c);
        return SW_LIMIT_MEMORY;
    }
    for (uint32_t i = 0; i < buckets; i++)
        sw_list_init(&c->buckets[i]);
    for (uint32_t i = 0; i < count; i++) {
        sw_list_init(&c->call[i].bucket);
        sw_list_add(&c->free, &c->call[i].node);
    }
    c->count = count;
    c->mask = buckets - 1;
    return SW_OK;
}

void sw_calls_fini(struct sw_calls *c)
{
    free(c->call);
    free(c->buckets);
    c->call = NULL;
    c->buckets = NULL;
    c->count = 0;
}

uint64_t sw_calls_key(const struct sw_calls *c, struct sw_slice call_id, struct sw_slice tag,
                      struct sw_slice other_tag)
{
    uint64_t tags =
        sw_siphash64(c->key, tag.p, tag.n) + sw_siphash64(c->key, other_tag.p, other_tag.n);
    struct sw_siphash h;
    sw_siphash_init(&h, c->key);
    sw_siphash_slice(&h, call_id);
    sw_siphash_add(&h, &tags, sizeof(tags));
    return sw_siphash_end(&h).a | 1;
}

static struct sw_list *bucket_of(const struct sw_calls *c, uint64_t key)
{
    return &c->buckets[(key >> 1) & c->mask];
}

static struct sw_call *find(const struct sw_calls *c, uint64_t key)
{
    struct sw_list *head = c->count ? bucket_of(c, key) : NULL;
    for (struct sw_list *n = head ? head->next : NULL; n != head; n = n->next)
        if (SW_CONTAINER(n, struct sw_call, bucket)->key == key)
            return SW_CONTAINER(n, struct sw_call, bucket);
    return NULL;
}

/* A BYE came to another worker. */
static bool is_over(const struct sw_calls *c, const struct sw_call *x)
{
    return x->shared && !sw_calls_open_has(c->open, x->key);
}

static void release(struct sw_calls *c, struct sw_call *x)
{
    if (x->shared)
        sw_calls_open_del(c->open, x->key);
    sw_list_del(&x->node);
    sw_list_del(&x->bucket);
    x->key = 0;
    x->shared = false;
    sw_list_add(&c->free, &x->node);
}

/* Of the oldest calls one that is over, else the oldest. */
static void make_room(struct sw_calls *c)
{
    enum { LOOKED_AT = 4 };
    struct sw_call *oldest = SW_CONTAINER(c->used.next, struct sw_call, node), *x = oldest;
    for (int i = 1; i < LOOKED_AT && !is_over(c, x) && x->node.next != &c->used; i++)
        x = SW_CONTAINER(x->node.next, struct sw_call, node);
    release(c, is_over(c, x) ? x : oldest);
}

struct sw_call *sw_calls_put(struct sw_calls *c, uint64_t key)
{
    struct sw_call *x = find(c, key);
    if (!c->count || x) {
        if (x)
            x->shared = sw_calls_open_add(c->open, key);
        return x;
    }
    if (sw_list_empty(&c->free))
        make_room(c);
    x = SW_CONTAINER(c->free.next, struct sw_call, node);
    sw_list_del(&x->node);
    sw_list_del(&x->bucket);
    x->key = key;
    x->shared = sw_calls_open_add(c->open, key);
    sw_list_add(&c->used, &x->node);
    sw_list_add(bucket_of(c, key), &x->bucket);
    return x;
}

bool sw_calls_del(struct sw_calls *c, uint64_t key)
{
    struct sw_call *x = find(c, key);
    if (!x)
        return sw_calls_open_del(c->open, key);
    bool over = is_over(c, x);
    release(c, x);
    return !over;
}

const struct sw_call *sw_calls_at(struct sw_calls *c, uint32_t i)
{
    struct sw_call *x = i < c->count && c->call[i].key ? &c->call[i] : NULL;
    if (!x || !is_over(c, x))
        return x;
    release(c, x);
    return NULL;
}

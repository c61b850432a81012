#include "conn/pool.h"

#include "base/list.h"
#include "base/map.h"
#include <pthread.h>
#include <stdlib.h>

enum { SHARDS = 64, PER_SHARD = 256 };

/* The connections of one peer with one address. */
struct group {
    struct sw_map_node node;
    struct sw_list entries;
};

struct entry {
    struct sw_list node;
    struct sw_flow flow;
    bool open;
};

struct shard {
    pthread_mutex_t lock;
    struct sw_map groups;
};

struct sw_pool {
    struct shard shards[SHARDS];
};

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

/* Peers and addresses here are authenticated: a plain mix is enough. */
static struct sw_key key_of(uint32_t peer, const struct sw_endpoint *ip)
{
    uint64_t a, b;
    memcpy(&a, ip->ip, 8);
    memcpy(&b, ip->ip + 8, 8);
    return (struct sw_key){mix(a ^ peer), mix(b ^ (uint64_t)peer << 32 ^ ip->family)};
}

static uint32_t owner_id(const struct sw_flow *flow)
{
    return flow->peer == SW_PEER_VERIFIED ? flow->domain_id : flow->peer;
}

static struct shard *shard_of(struct sw_pool *p, struct sw_key key)
{
    return &p->shards[key.b % SHARDS];
}

struct sw_pool *sw_pool_new(void)
{
    struct sw_pool *p = calloc(1, sizeof(*p));
    for (int i = 0; p && i < SHARDS; i++) {
        pthread_mutex_init(&p->shards[i].lock, NULL);
        if (sw_map_init(&p->shards[i].groups, PER_SHARD) != SW_OK) {
            sw_pool_free(p);
            return NULL;
        }
    }
    return p;
}

static void free_group(struct shard *s, struct group *g)
{
    while (!sw_list_empty(&g->entries)) {
        struct entry *e = SW_CONTAINER(g->entries.next, struct entry, node);
        sw_list_del(&e->node);
        free(e);
    }
    sw_map_del(&s->groups, &g->node);
    free(g);
}

void sw_pool_free(struct sw_pool *p)
{
    if (!p)
        return;
    for (int i = 0; i < SHARDS; i++) {
        struct shard *s = &p->shards[i];
        for (size_t b = 0; s->groups.count && b <= s->groups.mask; b++)
            while (s->groups.buckets[b])
                free_group(s, SW_CONTAINER(s->groups.buckets[b], struct group, node));
        sw_map_fini(&s->groups);
        pthread_mutex_destroy(&s->lock);
    }
    free(p);
}

static struct group *find_group(struct shard *s, struct sw_key key)
{
    struct sw_map_node *n = sw_map_get(&s->groups, key);
    return n ? SW_CONTAINER(n, struct group, node) : NULL;
}

/* The address of the peer that requests over this connection are for: port 0: none is known. */
static uint16_t port_of(const struct sw_flow *f)
{
    return f->outbound ? f->remote.port : f->alias_port;
}

/* What was looked up by one of a peer's domains goes to who proved that one. A pin, an address and
 * a chain whose name is not asked for stand for all of them, once they are proved. RFC 5922 4,
 * RFC 5923 8.1 */
static bool proves(const struct entry *e, uint32_t domain)
{
    return !domain || e->flow.domain_id == domain || (e->open && !e->flow.domain_id);
}

/* A connection that was made with one local identity, for one domain of ours, is never used for
 * another, and goes on in the dialogs that were set up over it: RFC 5923 9.3. The peer's identity
 * is the directory's key: who is the peer by its certificate, inbound as outbound. RFC
 * 5923 8.1, 8.2 */
static bool fits(const struct entry *e, const struct sw_pool_want *w)
{
    const struct sw_flow *f = &e->flow;
    bool is_dialogs = w->prefer.generation && sw_flow_id_eq(&f->id, &w->prefer) &&
                      f->local_id == w->prefer_local_id;
    if (f->transport != w->transport || f->listener != w->listener ||
        (f->local_id != w->local_id && !is_dialogs))
        return false;
    if (!proves(e, w->domain))
        return false;
    if (w->any_of_peer && !f->outbound)
        return true;
    if (!f->outbound && !(w->alias && f->alias_port))
        return false;
    if (!w->remote.port && (w->any_of_peer || !f->outbound))
        return true;
    return port_of(f) == w->remote.port;
}

/* A better one: the preferred, an open one of the asking worker, an open one, one that the asking
 * worker dials, one that is dialled. Of two that are as good, the one that both ends have first: so
 * that what is surplus gets idle at both. */
enum rank { NONE, DIALLED, OWN_DIALLED, OPEN, OWN_OPEN, PREFERRED };

static enum rank rank(const struct entry *e, const struct sw_pool_want *w)
{
    bool own = e->flow.id.worker == w->worker;
    if (w->prefer.generation && e->open && sw_flow_id_eq(&e->flow.id, &w->prefer))
        return PREFERRED;
    if (e->open)
        return own ? OWN_OPEN : OPEN;
    return own ? OWN_DIALLED : DIALLED;
}

static bool before(const struct entry *e, const struct sw_flow *flow)
{
    return e->flow.order < flow->order;
}

enum sw_pool_answer sw_pool_find(struct sw_pool *p, const struct sw_pool_want *want,
                                 struct sw_flow *flow)
{
    struct sw_key key = key_of(want->peer, &want->remote);
    struct shard *s = shard_of(p, key);
    enum sw_pool_answer answer = SW_POOL_DIAL;
    enum rank best = NONE;
    uint32_t count = 0;
    pthread_mutex_lock(&s->lock);
    struct group *g = find_group(s, key);
    for (struct sw_list *n = g ? g->entries.next : NULL; g && n != &g->entries; n = n->next) {
        const struct entry *e = SW_CONTAINER(n, struct entry, node);
        if (!fits(e, want))
            continue;
        count++;
        if (rank(e, want) > best || (best >= OPEN && rank(e, want) == best && before(e, flow))) {
            best = rank(e, want);
            *flow = e->flow;
        }
    }
    if (best >= OPEN)
        answer = SW_POOL_OPEN;
    else if (best == OWN_DIALLED || (best == DIALLED && count >= want->limit))
        answer = SW_POOL_WAIT;
    if (answer != SW_POOL_DIAL)
        pthread_mutex_unlock(&s->lock);
    if (best != NONE)
        flow->ident = NULL; /* its owner's */
    return answer;
}

static struct entry *find_entry(struct group *g, const struct sw_flow_id *id)
{
    for (struct sw_list *n = g->entries.next; n != &g->entries; n = n->next) {
        struct entry *e = SW_CONTAINER(n, struct entry, node);
        if (sw_flow_id_eq(&e->flow.id, id))
            return e;
    }
    return NULL;
}

static enum sw_status put_locked(struct shard *s, struct sw_key key, const struct sw_flow *flow,
                                 bool open)
{
    struct group *g = find_group(s, key);
    if (!g) {
        g = malloc(sizeof(*g));
        if (!g)
            return SW_LIMIT_MEMORY;
        sw_list_init(&g->entries);
        sw_map_add(&s->groups, &g->node, key);
    }
    struct entry *e = find_entry(g, &flow->id);
    if (!e) {
        e = malloc(sizeof(*e));
        if (!e) {
            if (sw_list_empty(&g->entries))
                free_group(s, g);
            return SW_LIMIT_MEMORY;
        }
        sw_list_add(&g->entries, &e->node);
    }
    e->flow = *flow;
    e->flow.ident = NULL;
    e->open = open;
    return SW_OK;
}

enum sw_status sw_pool_dialled(struct sw_pool *p, const struct sw_pool_want *want,
                               const struct sw_flow *flow)
{
    struct sw_key key = key_of(want->peer, &want->remote);
    struct shard *s = shard_of(p, key);
    enum sw_status st = flow ? put_locked(s, key, flow, false) : SW_OK;
    pthread_mutex_unlock(&s->lock);
    return st;
}

enum sw_status sw_pool_put(struct sw_pool *p, const struct sw_flow *flow, bool open)
{
    struct sw_key key = key_of(owner_id(flow), &flow->remote);
    struct shard *s = shard_of(p, key);
    pthread_mutex_lock(&s->lock);
    enum sw_status st = put_locked(s, key, flow, open);
    pthread_mutex_unlock(&s->lock);
    return st;
}

bool sw_pool_is_surplus(struct sw_pool *p, const struct sw_flow *flow, uint32_t local_id,
                        uint32_t limit)
{
    struct sw_key key = key_of(owner_id(flow), &flow->remote);
    struct shard *s = shard_of(p, key);
    uint32_t before_it = 0;
    if (!flow->outbound)
        return false;
    if (flow->local_id != local_id)
        return true;
    pthread_mutex_lock(&s->lock);
    struct group *g = find_group(s, key);
    for (struct sw_list *n = g ? g->entries.next : NULL; g && n != &g->entries; n = n->next) {
        const struct entry *e = SW_CONTAINER(n, struct entry, node);
        const struct sw_flow *f = &e->flow;
        before_it += e->open && f->mutual && f->transport == flow->transport &&
                     f->listener == flow->listener && f->local_id == flow->local_id &&
                     f->domain_id == flow->domain_id && port_of(f) == flow->remote.port &&
                     f->order < flow->order;
    }
    pthread_mutex_unlock(&s->lock);
    return flow->mutual && before_it >= limit;
}

void sw_pool_del(struct sw_pool *p, const struct sw_flow *flow)
{
    struct sw_key key = key_of(owner_id(flow), &flow->remote);
    struct shard *s = shard_of(p, key);
    pthread_mutex_lock(&s->lock);
    struct group *g = find_group(s, key);
    struct entry *e = g ? find_entry(g, &flow->id) : NULL;
    if (e) {
        sw_list_del(&e->node);
        free(e);
    }
    if (g && sw_list_empty(&g->entries))
        free_group(s, g);
    pthread_mutex_unlock(&s->lock);
}

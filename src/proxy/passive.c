#include "proxy/passive.h"

bool sw_passive_may_try(const struct sw_load *l, int64_t now_ms)
{
    return !l || atomic_load_explicit(&l->try_at_ms, memory_order_relaxed) <= now_ms;
}

static struct sw_load *load_of(const struct sw_proxy *p, const struct sw_peer_conf *peer)
{
    return peer ? sw_proxy_state(p, peer)->load : NULL;
}

/* Unlike sw_target_is_up: who is to be tried again is still down. */
static bool is_down(const struct sw_proxy *p, const struct sw_peer_conf *peer)
{
    const struct sw_peer_state *s = sw_proxy_state(p, peer);
    return atomic_load_explicit(&s->ping_failed, memory_order_relaxed) ||
           atomic_load_explicit(&s->down_until_ms, memory_order_relaxed) > p->e->now_ms ||
           (s->load && atomic_load_explicit(&s->load->try_at_ms, memory_order_relaxed));
}

void sw_passive_tell(struct sw_proxy *p, const struct sw_peer_conf *peer, const char *key,
                     int64_t n, const char *why)
{
    struct sw_load *l = load_of(p, peer);
    if (!peer)
        return;
    bool down = is_down(p, peer);
    if (l && atomic_exchange_explicit(&l->told_down, down, memory_order_relaxed) == down)
        return;
    if (l)
        atomic_store_explicit(&l->since_ms, p->e->now_ms, memory_order_relaxed);
    const struct sw_field fields[] = {sw_field_text("peer", peer->name), sw_field_number(key, n),
                                      sw_field_str("why", why)};
    sw_engine_note(p->e, down ? SW_LEVEL_WARN : SW_LEVEL_INFO, down ? "peer_down" : "peer_up",
                   fields, 3);
}

void sw_passive_trying(struct sw_proxy *p, const struct sw_peer_conf *peer)
{
    struct sw_load *l = load_of(p, peer);
    int64_t at = l ? atomic_load_explicit(&l->try_at_ms, memory_order_relaxed) : 0;
    if (at && at <= p->e->now_ms)
        atomic_compare_exchange_strong_explicit(&l->try_at_ms, &at,
                                                p->e->now_ms + peer->retry_after_ms,
                                                memory_order_relaxed, memory_order_relaxed);
}

void sw_passive_failed(struct sw_proxy *p, const struct sw_peer_conf *peer, const char *why)
{
    struct sw_load *l = load_of(p, peer);
    if (!l || !peer->fail_after)
        return;
    uint32_t failed = atomic_fetch_add_explicit(&l->failed, 1, memory_order_relaxed) + 1;
    atomic_store_explicit(&l->why, why, memory_order_relaxed);
    if (failed < peer->fail_after)
        return;
    atomic_store_explicit(&l->try_at_ms, p->e->now_ms + peer->retry_after_ms, memory_order_relaxed);
    sw_passive_tell(p, peer, "failed", failed, why);
}

void sw_passive_lost(struct sw_proxy *p, const struct sw_peer_conf *peer)
{
    struct sw_load *l = load_of(p, peer);
    if (l &&
        atomic_exchange_explicit(&l->lost_ms, p->e->now_ms, memory_order_relaxed) != p->e->now_ms)
        sw_passive_failed(p, peer, "its connections are lost before it answers");
}

void sw_passive_clear(struct sw_proxy *p, const struct sw_peer_conf *peer)
{
    struct sw_load *l = load_of(p, peer);
    if (!l)
        return;
    /* most of the time there is nothing to write: the line stays shared between the workers */
    if (atomic_load_explicit(&l->failed, memory_order_relaxed))
        atomic_store_explicit(&l->failed, 0, memory_order_relaxed);
    if (atomic_load_explicit(&l->try_at_ms, memory_order_relaxed))
        atomic_store_explicit(&l->try_at_ms, 0, memory_order_relaxed);
}

void sw_passive_answered(struct sw_proxy *p, const struct sw_peer_conf *peer)
{
    struct sw_load *l = load_of(p, peer);
    sw_passive_clear(p, peer);
    if (l && atomic_load_explicit(&l->told_down, memory_order_relaxed))
        sw_passive_tell(p, peer, "failed", 0, "it answers again");
}

#include "proxy/limit.h"

bool sw_limit_exempt(const struct sw_request *q)
{
    return q->side >= 0 || q->m->method == SW_BYE;
}

struct sw_slice sw_limit_retry_after(struct sw_proxy *p, uint16_t seconds)
{
    struct sw_buf b = sw_engine_buf(p->e, 32);
    sw_buf_lit(&b, "Retry-After: ");
    sw_buf_u64(&b, seconds);
    sw_buf_lit(&b, "\r\n");
    return b.full ? sw_slice("", 0) : sw_buf_view(&b);
}

static struct sw_load *load_of(const struct sw_proxy *p, const struct sw_peer_conf *peer)
{
    return peer ? sw_proxy_state(p, peer)->load : NULL;
}

/* One line in ten seconds for each peer and direction. */
static void refused(struct sw_proxy *p, const struct sw_peer_conf *peer, enum sw_load_way_of way,
                    const char *limit, uint32_t most)
{
    struct sw_load *l = load_of(p, peer);
    uint32_t held = sw_load_refused(&l->way[way], p->e->now_ms);
    if (!held)
        return;
    const struct sw_field fields[] = {
        sw_field_text("peer", peer->name),
        sw_field_str("direction", way == SW_LOAD_FROM ? "from" : "to"),
        sw_field_str("limit", limit),
        sw_field_number("most", most),
        sw_field_number("refused", held),
        sw_field_str("why", way == SW_LOAD_FROM ? "it sends more than its limits allow"
                                                : "more is to be sent to it than its limits allow"),
    };
    sw_engine_note(p->e, SW_LEVEL_WARN, "peer_limited", fields, 6);
}

/* 0: it may go on and is counted; else the seconds until it may be tried again. */
static uint16_t enter(struct sw_proxy *p, const struct sw_peer_conf *peer, enum sw_limit_as as,
                      enum sw_load_way_of way, struct sw_load **out)
{
    struct sw_load *l = load_of(p, peer);
    const struct sw_peer_limits *most = &peer->limits;
    if (!sw_load_enter(l, way, as == SW_LIMIT_AS_EXEMPT ? 0 : most->transactions)) {
        sw_proxy_count(p, SW_LIMITED_PEER_TRANSACTIONS);
        refused(p, peer, way, "transactions", most->transactions);
        return SW_LIMIT_LATER_S;
    }
    *out = l;
    if (as != SW_LIMIT_AS_NEW)
        return 0;
    if (!sw_load_take(&l->way[way], most->calls_per_s, p->e->now_ms)) {
        sw_load_leave(out, way);
        sw_proxy_count(p, SW_LIMITED_PEER_CALLS_PER_SECOND);
        refused(p, peer, way, "calls_per_second", most->calls_per_s);
        return SW_LIMIT_SOON_S;
    }
    sw_load_begun(&l->way[way], p->e->now_ms);
    return 0;
}

bool sw_limit_from(struct sw_proxy *p, const struct sw_request *q, struct sw_load **out,
                   struct sw_refusal *refusal)
{
    const struct sw_peer_conf *peer = sw_proxy_peer(p->conf, q->flow->peer);
    *out = NULL;
    enum sw_limit_as as = sw_limit_exempt(q) ? SW_LIMIT_AS_EXEMPT : SW_LIMIT_AS_NEW;
    uint16_t retry_s = load_of(p, peer) ? enter(p, peer, as, SW_LOAD_FROM, out) : 0;
    if (!retry_s)
        return true;
    sw_refuse(refusal, 503, "Limit Reached", "a limit of the peer", NULL);
    refusal->extra = sw_limit_retry_after(p, retry_s);
    return false;
}

bool sw_limit_to(struct sw_proxy *p, uint32_t peer_id, enum sw_limit_as as, struct sw_load **out,
                 uint16_t *retry_s)
{
    const struct sw_peer_conf *peer = sw_proxy_peer(p->conf, peer_id);
    *out = NULL;
    *retry_s = load_of(p, peer) ? enter(p, peer, as, SW_LOAD_TO, out) : 0;
    return !*retry_s;
}

bool sw_limit_has_room(const struct sw_proxy *p, uint32_t peer_id, enum sw_limit_as as)
{
    const struct sw_peer_conf *peer = sw_proxy_peer(p->conf, peer_id);
    const struct sw_load *l = load_of(p, peer);
    if (!l || as == SW_LIMIT_AS_EXEMPT)
        return true;
    const struct sw_load_way *w = &l->way[SW_LOAD_TO];
    return (!peer->limits.transactions ||
            atomic_load_explicit(&w->now, memory_order_relaxed) < peer->limits.transactions) &&
           (as == SW_LIMIT_AS_TRIED ||
            sw_load_has_token(w, peer->limits.calls_per_s, p->e->now_ms));
}

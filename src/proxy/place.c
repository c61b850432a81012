#include "proxy/place.h"

#include "proxy/passive.h"
#include "sip/lex.h"

/* docs/threat-model.md: longer is not believed. */
enum { DAY_S = 24 * 3600 };

static struct sw_endpoint address(const struct sw_peer_conf *peer, uint32_t i,
                                  enum sw_transport transport)
{
    struct sw_endpoint e = peer->addresses[i];
    e.port = e.port ? e.port : sw_transport_port(transport);
    return e;
}

struct sw_place_walk sw_place_begin(const struct sw_proxy *p, const struct sw_peer_conf *peer,
                                    enum sw_transport transport)
{
    struct sw_place_walk w = {.peer = peer, .transport = (uint8_t)transport};
    for (uint32_t i = 0; peer && i < peer->address_count && i < 64; i++) {
        const struct sw_endpoint e = address(peer, i, transport);
        if (sw_avoid_has(p->avoid, peer->id, &e, transport, p->e->now_ms))
            w.avoided |= UINT64_C(1) << i;
    }
    return w;
}

bool sw_place_next(struct sw_place_walk *w, struct sw_endpoint *out)
{
    const uint32_t count = w->peer ? w->peer->address_count : 0;
    for (;;) {
        while (w->next < count && (w->next < 64 && w->avoided >> w->next & 1) != w->last)
            w->next++;
        if (w->next < count)
            break;
        if (w->last)
            return false;
        w->last = true;
        w->next = 0;
    }
    *out = address(w->peer, w->next++, (enum sw_transport)w->transport);
    return true;
}

/* The seconds of Retry-After, at most a day. False: it does not say. RFC 3261 20.33 */
static bool retry_after(const struct sw_msg *m, uint64_t *seconds)
{
    struct sw_lex l = sw_lex(sw_msg_value(m, SW_HDR_RETRY_AFTER));
    if (!l.p || l.p == l.end || !sw_ascii_digit(*l.p))
        return false;
    if (!sw_lex_number(&l, DAY_S, seconds))
        *seconds = DAY_S;
    return true;
}

/* True if the place is avoided: `*until_ms` is no later then. */
static bool is_out(const struct sw_proxy *p, uint32_t peer, const struct sw_endpoint *e,
                   unsigned transport, int64_t *until_ms)
{
    int64_t until = sw_avoid_until(p->avoid, peer, e, transport);
    *until_ms = until < *until_ms ? until : *until_ms;
    return until > p->e->now_ms;
}

/* It is where `t` led: by a connection that the peer opened, that machine. */
static bool is_same(const struct sw_target *t, const struct sw_endpoint *e)
{
    return t->remote.port ? sw_endpoint_eq(&t->remote, e) : sw_endpoint_ip_eq(&t->remote, e);
}

/* Of the configured addresses none is left but those of `t`, which are avoided from now on. */
static bool is_last_address(struct sw_proxy *p, const struct sw_peer_conf *peer,
                            const struct sw_target *t, int64_t *until_ms)
{
    const enum sw_transport transport = sw_place_transport(peer);
    const int64_t held_ms = *until_ms;
    bool last = true;
    for (uint32_t i = 0; i < peer->address_count; i++) {
        const struct sw_endpoint e = address(peer, i, transport);
        if (is_same(t, &e))
            sw_avoid_hold(p->avoid, peer->id, &e, transport, held_ms);
        else
            last = is_out(p, peer->id, &e, transport, until_ms) && last;
    }
    return last;
}

/* The same for what the DNS had. Inside a dialog it is not known what else there is. */
static bool is_last_found(struct sw_proxy *p, const struct sw_choice *c, const struct sw_target *t,
                          int64_t *until_ms)
{
    bool last = t->located && c->found_end && c->found[0].peer == t->peer && !c->found_more;
    for (uint32_t i = 0; last && i < c->found_end; i++) {
        const struct sw_target *x = &c->found[i];
        bool same = is_same(t, &x->remote) && x->transport == t->transport;
        last = same || is_out(p, x->peer, &x->remote, x->transport, until_ms);
    }
    return last;
}

static bool is_last(struct sw_proxy *p, const struct sw_peer_conf *peer, const struct sw_choice *c,
                    const struct sw_target *t, int64_t *until_ms)
{
    if (t->clear) /* its other places were refused, or it would not have been tried */
        return true;
    if (peer->address_count)
        return is_last_address(p, peer, t, until_ms);
    return !peer->domain_count || is_last_found(p, c, t, until_ms);
}

void sw_place_unavailable(struct sw_proxy *p, const struct sw_choice *c, const struct sw_target *t,
                          const struct sw_msg *m)
{
    const struct sw_peer_conf *peer = sw_proxy_peer(p->conf, t->peer);
    uint64_t seconds;
    if (!peer || !retry_after(m, &seconds)) { /* nobody else fills the set for a day */
        sw_branch_mark(p, t, true);
        return;
    }
    int64_t until_ms = p->e->now_ms + (int64_t)seconds * 1000;
    if (t->remote.port && !t->clear)
        sw_avoid_hold(p->avoid, peer->id, &t->remote, t->transport, until_ms);
    if (!is_last(p, peer, c, t, &until_ms))
        return;
    atomic_store_explicit(&sw_proxy_state(p, peer)->down_until_ms, until_ms, memory_order_relaxed);
    sw_passive_tell(p, peer, "retry_after_s", (until_ms - p->e->now_ms + 999) / 1000,
                    "it answered 503 with Retry-After");
}

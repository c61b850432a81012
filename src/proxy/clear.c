#include "proxy/clear.h"

#include "proxy/sips.h"

enum { DAY_MS = 24 * 3600 * 1000, MINUTE_MS = 60 * 1000 };

bool sw_peer_spoke_tls(const struct sw_proxy *p, const struct sw_peer_conf *peer)
{
    int64_t spoke =
        atomic_load_explicit(&sw_proxy_state(p, peer)->spoke_tls_ms, memory_order_relaxed);
    return spoke && p->e->now_ms - spoke < DAY_MS;
}

bool sw_clear_is_allowed(const struct sw_proxy *p, const struct sw_peer_conf *peer,
                         const struct sw_vitals *v, const struct sw_routes *r)
{
    return peer && peer->best_effort && sw_target_scheme(v, r) == SW_SCHEME_SIP &&
           !sw_tls_is_demanded(v, r) && !r->opened_sips && !sw_peer_spoke_tls(p, peer);
}

void sw_peer_speaks_tls(struct sw_proxy *p, const struct sw_flow *flow)
{
    if (!p->conf->best_effort || !sw_transport_secure((enum sw_transport)flow->transport))
        return;
    const struct sw_peer_conf *peer = sw_proxy_peer(p->conf, flow->peer);
    struct sw_peer_state *s = peer && peer->best_effort ? sw_proxy_state(p, peer) : NULL;
    if (s && p->e->now_ms - atomic_load_explicit(&s->spoke_tls_ms, memory_order_relaxed) >=
                 MINUTE_MS) /* not for each message: all workers share it */
        atomic_store_explicit(&s->spoke_tls_ms, p->e->now_ms, memory_order_relaxed);
}

void sw_clear_begin(struct sw_choice *c, const struct sw_target *t)
{
    if (t->transport != SW_TLS || c->tls_peer == t->peer)
        return;
    c->tls_peer = t->peer;
    c->tls_refused = c->tls_failed = false;
}

void sw_clear_outcome(struct sw_choice *c, const struct sw_target *t, bool refused)
{
    if (t->transport != SW_TLS || t->peer != c->tls_peer)
        return;
    c->tls_refused |= refused;
    c->tls_failed |= !refused;
}

void sw_clear_skipped(struct sw_choice *c, const struct sw_target *t)
{
    sw_clear_begin(c, t);
    sw_clear_outcome(c, t, false);
}

bool sw_clear_may_be_tried(const struct sw_proxy *p, const struct sw_fork *f,
                           const struct sw_choice *c, const struct sw_target *t)
{
    return c->tls_peer == t->peer && c->tls_refused && !c->tls_failed &&
           sw_clear_is_allowed(p, sw_proxy_peer(p->conf, t->peer), &f->vitals, f->routes);
}

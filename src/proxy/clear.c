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

void sw_clear_left(struct sw_proxy *p, const struct sw_msg *m, const struct sw_vitals *v,
                   const struct sw_flow *out)
{
    if (!p->conf->best_effort || sw_transport_secure((enum sw_transport)out->transport))
        return;
    const struct sw_peer_conf *peer = sw_proxy_peer(p->conf, out->peer);
    char *text = sw_arena_get(&p->e->scratch, SW_ENDPOINT_TEXT_MAX);
    if (!peer || !peer->best_effort)
        return;
    sw_proxy_count(p, SW_COUNT_IN_THE_CLEAR);
    const struct sw_field fields[] = {
        sw_field_text("peer", peer->name),
        sw_field_str("why", v->to_tag.n ? "its dialog began without TLS, or TLS was refused"
                                        : "it has security: best-effort, and TLS was refused"),
        sw_field_text("method", sw_msg_method(m)),
        sw_field_str("address", text ? sw_endpoint_text(&out->remote, text) : "-"),
        sw_field_text("transport", sw_transport_name((enum sw_transport)out->transport)),
        sw_field_text("call_id", v->call_id),
    };
    sw_engine_note(p->e, SW_LEVEL_WARN, "sent_in_the_clear", fields, 6);
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

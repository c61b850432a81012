#include "gateway/response.h"

#include "gateway/intake.h"
#include "gateway/unhide.h"
#include "proxy/clear.h"
#include "proxy/ingress.h"
#include "proxy/party.h"

/* What was asked over TLS is answered by the peer whose identity held, over TLS. */
static bool may_answer(const struct sw_proxy *p, const struct sw_client *c,
                       const struct sw_flow *flow)
{
    return !sw_transport_secure((enum sw_transport)c->transport) ||
           (sw_transport_secure((enum sw_transport)flow->transport) &&
            sw_party_is(p->conf, flow, c->peer));
}

static void note_refused(struct sw_proxy *p, const struct sw_client *c, const struct sw_flow *flow,
                         const struct sw_msg *m, const struct sw_vitals *v, const char *why)
{
    char *text = sw_arena_get(&p->e->scratch, SW_ENDPOINT_TEXT_MAX);
    if (!text)
        return;
    const struct sw_field fields[] = {
        sw_field_number("status", m->status),
        sw_field_str("why", why),
        sw_field_text("wanted", sw_proxy_peer_name(p, c->peer)),
        sw_field_text("peer", sw_proxy_peer_name(p, flow->peer)),
        sw_field_text("transport", sw_transport_name((enum sw_transport)flow->transport)),
        sw_field_str("remote", sw_endpoint_text(&flow->remote, text)),
        sw_field_text("call_id", v->call_id),
    };
    sw_engine_note(p->e, SW_LEVEL_WARN, "response_refused", fields, 7);
}

/* "If no Via header field values remain, [...] the response was meant for this element and MUST NOT
 * be forwarded", and all that is forwarded had one: it lost ours with what it hides, or the others.
 * RFC 3261 16.7 step 3 */
static bool lost_its_way(const struct sw_client *c, const struct sw_msg *m)
{
    struct sw_values values = sw_values(m, SW_HDR_VIA);
    struct sw_via via;
    bool goes_on = c->user ? c->user_kind == SW_USER_BRANCH : c->txn.state == SW_TXN_ACCEPTED;
    return goes_on &&
           (sw_values_via(&values, &via) != SW_OK || sw_values_via(&values, &via) != SW_OK);
}

/* A response that comes from no peer and has no branch of a transaction that runs. */
static bool unasked(const struct sw_proxy *p, const struct sw_event *ev)
{
    struct sw_owner o;
    uint32_t peer =
        ev->flow->transport == SW_UDP ? sw_ingress_inbound(p->conf, ev->flow).peer : ev->flow->peer;
    if (peer != SW_PEER_NOBODY && peer != SW_PEER_VERIFIED)
        return false;
    return !sw_owner_peek(ev->bytes, &o) || o.instance != p->e->conf.instance ||
           !sw_client_get(p->e, o.client);
}

void sw_gateway_response(struct sw_gateway *g, const struct sw_event *ev)
{
    struct sw_proxy *p = &g->proxy;
    struct sw_msg m;
    struct sw_vitals v;
    struct sw_verdict verdict = {0, "Bad Status-Line", "RFC 3261 7.2"};
    bool ended = false;
    if (unasked(p, ev) && sw_gateway_one_too_many(g, ev))
        return;
    enum sw_status s = sw_msg_parse(ev->bytes.p, ev->bytes.n, g->hdrs, p->conf->headers_max, &m);
    if (s == SW_LIMIT) {
        verdict = (struct sw_verdict){0, "Too Many Header Fields", "limit: headers"};
        sw_proxy_count(p, SW_LIMITED_HEADERS);
    }
    if (s != SW_OK || sw_check_response(&m, ev->flow->transport == SW_UDP, &v, &verdict) != SW_OK) {
        sw_proxy_count(p, SW_COUNT_MALFORMED_DROPPED);
        sw_gateway_note_malformed(p, ev->flow, &m, verdict.why, verdict.rule);
        return;
    }
    struct sw_client *c = sw_client_match(p->e, &v);
    /* RFC 6026 7.3: never forwarded; RFC 3261 18.1.2: nor with a sent-by that we do not write */
    if (!c || !sw_proxy_is_ours(p->conf, v.via.host, v.via.port)) {
        sw_proxy_count(p, SW_COUNT_STRAY_RESPONSES);
        return;
    }
    if (!may_answer(p, c, ev->flow)) {
        sw_proxy_count(p, SW_COUNT_FOREIGN_RESPONSES);
        note_refused(p, c, ev->flow, &m, &v, "the request went to another peer over TLS");
        return;
    }
    if (!sw_gateway_unhide_response(g, ev->flow, c->peer, &m, &v)) {
        sw_proxy_count(p, SW_COUNT_FOREIGN_RESPONSES);
        return;
    }
    if (lost_its_way(c, &m)) {
        sw_proxy_count(p, SW_COUNT_FOREIGN_RESPONSES);
        note_refused(p, c, ev->flow, &m, &v,
                     "no Via is left behind ours: the peer must copy Via as it came");
        return;
    }
    sw_peer_speaks_tls(p, ev->flow);
    void *user = c->user;
    uint8_t kind = c->user_kind;
    bool accepted = c->txn.state == SW_TXN_ACCEPTED;
    if (!sw_client_receive(p->e, c, &m, &ended))
        return;
    if (user && kind == SW_USER_BRANCH)
        sw_branch_response(p, user, &m, &v, ended);
    else if (user && kind == SW_USER_PING && m.status >= 200)
        sw_ping_answered(p, user, m.status);
    else if (!user && accepted)
        sw_fork_late_2xx(p, c, &m, &v);
}

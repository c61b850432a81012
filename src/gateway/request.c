#include "gateway/request.h"

#include "gateway/ack.h"
#include "gateway/intake.h"
#include "gateway/unhide.h"
#include "proxy/alias.h"
#include "proxy/asserted.h"
#include "proxy/clear.h"
#include "proxy/hops.h"
#include "proxy/ingress.h"
#include "proxy/response.h"

/* What the sender's certificate proves, if it showed one. */
static struct sw_slice presented(struct sw_proxy *p, const struct sw_flow *flow)
{
    enum { ENOUGH = 512 };
    struct sw_buf b = sw_engine_buf(p->e, ENOUGH);
    sw_ident_put_names(flow->ident, &b);
    return sw_buf_view(&b);
}

void sw_gateway_note_refusal(struct sw_proxy *p, const struct sw_request *q,
                             const struct sw_refusal *r)
{
    bool ack = q->m->method == SW_ACK; /* never answered: nobody else tells of it */
    enum sw_level level =
        r->code ? SW_LEVEL_INFO : SW_LEVEL_DEBUG; /* what is dropped is not worth more */
    char *text = sw_arena_get(&p->e->scratch, SW_ENDPOINT_TEXT_MAX);
    if (!text)
        return;
    struct sw_field f[12] = {
        sw_field_number("status", ack ? 0 : r->code),
        sw_field_str("why", r->why),
        sw_field_text("method", sw_msg_method(q->m)),
        sw_field_text("uri", sw_msg_uri(q->m)),
        sw_field_text("peer", sw_proxy_peer_name(p, q->flow->peer)),
        sw_field_str("remote", sw_endpoint_text(&q->flow->remote, text)),
        sw_field_text("transport", sw_transport_name((enum sw_transport)q->flow->transport)),
        sw_field_text("call_id", q->v->call_id),
    };
    size_t n = 8;
    if (q->flow->ident)
        f[n++] = sw_field_text("presented", presented(p, q->flow));
    if (r->target.n)
        f[n++] = sw_field_text("target", r->target);
    if (r->help)
        f[n++] = sw_field_str("help", r->help);
    sw_engine_note(p->e, level, "request_refused", f, n);
}

/* Answers through the transaction, so that repeats and the ACK find it. */
static void refuse(struct sw_proxy *p, struct sw_server *s, const struct sw_request *q,
                   const struct sw_refusal *r)
{
    sw_gateway_note_refusal(p, q, r);
    sw_response_local(p, s, q->m, q->v, q->flow, r);
}

static void refuse_stateless(struct sw_proxy *p, const struct sw_request *q,
                             const struct sw_refusal *r)
{
    sw_gateway_note_refusal(p, q, r);
    if (q->m->method != SW_ACK) /* an ACK is never answered: RFC 3261 17 */
        sw_response_stateless(p, q->m, q->v, q->flow, r);
}

/* OPTIONS for the gateway itself: RFC 3261 11.2, docs/config.md "URIs of ours". */
static void answer_options(struct sw_proxy *p, const struct sw_request *q)
{
    const struct sw_listener_conf *l = &p->conf->listeners[q->flow->listener];
    struct sw_buf b = sw_engine_buf(p->e, 1024);
    sw_buf_lit(&b, "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REGISTER, SUBSCRIBE, NOTIFY, "
                   "PUBLISH, MESSAGE, INFO, UPDATE, REFER, PRACK\r\n"
                   "Accept: */*\r\nContact: <");
    sw_own_uri_put(&b, l, q->flow->transport, q->v->uri.scheme == SW_SCHEME_SIPS);
    sw_buf_lit(&b, ">\r\n");
    const struct sw_refusal r = {.code = 200, .extra = sw_buf_view(&b)};
    sw_response_stateless(p, q->m, q->v, q->flow, &r);
}

static bool for_us(const struct sw_proxy *p, const struct sw_request *q)
{
    const struct sw_uri *u = &q->v->uri;
    return q->m->method == SW_OPTIONS && sw_uri_is_sip(u) && !u->userinfo.p && q->r->count == 0 &&
           q->side < 0 && sw_proxy_is_ours(p->conf, u->host, u->port);
}

void sw_gateway_trying(struct sw_proxy *p, struct sw_server *s, const struct sw_msg *m,
                       const struct sw_vitals *v, const struct sw_flow *flow)
{
    const struct sw_refusal r = {.code = 100};
    sw_response_local(p, s, m, v, flow, &r);
}

/* Nothing new is begun: no slot or memory, or too late already. RFC 3261 21.5.4 */
static void refuse_busy(struct sw_proxy *p, const struct sw_request *q, const char *why)
{
    sw_proxy_count(p, SW_COUNT_STATELESS_503);
    const struct sw_refusal busy = {
        .code = 503, .extra = SW_SLICE("Retry-After: 5\r\n"), .why = why};
    refuse_stateless(p, q, &busy);
}

/* A request that no transaction knows: policy, target, forward. RFC 3261 16.2 */
static void new_request(struct sw_proxy *p, struct sw_request *q, struct sw_key key)
{
    struct sw_refusal refusal = {0};
    struct sw_targets targets;
    struct sw_load *load = NULL;
    if (p->e->now_ms < p->overloaded_until_ms && q->v->to_tag.n == 0) {
        sw_proxy_count(p, SW_LIMITED_LATENESS);
        refuse_busy(p, q, "limit lateness");
        return;
    }
    bool allowed = sw_policy_request(p, q, &refusal);
    if (allowed && for_us(p, q)) {
        answer_options(p, q);
        return;
    }
    struct sw_server *s = sw_server_new(p->e, q->flow, q->v, key);
    if (!s) {
        refuse_busy(p, q, "limit transactions");
        return;
    }
    sw_proxy_count(p, SW_COUNT_REQUESTS);
    if (allowed && !sw_limit_from(p, q, &load, &refusal)) {
        sw_response_local(p, s, q->m, q->v, q->flow, &refusal); /* it was noted */
        return;
    }
    if (!allowed || !sw_target_find(p, q, &targets, &refusal)) {
        sw_load_leave(&load, SW_LOAD_FROM);
        refuse(p, s, q, &refusal);
        return;
    }
    struct sw_fork *f = sw_fork_new(p, s, q, &targets, &load);
    if (!f) {
        sw_load_leave(&load, SW_LOAD_FROM);
        const struct sw_refusal no_memory = {.code = 500, .why = "limit memory"};
        refuse(p, s, q, &no_memory);
        return;
    }
    if (q->m->method == SW_INVITE)
        sw_gateway_trying(p, s, q->m, q->v, q->flow);
    else if (q->m->method == SW_BYE)
        sw_call_over(p, q->v);
    sw_asserted_tell(p, q);
    sw_fork_next(p, f);
}

/* CANCEL is answered here and goes on as our own to each branch. RFC 3261 9.2, 16.10 */
static void cancel(struct sw_proxy *p, struct sw_request *q, struct sw_key key,
                   struct sw_server *target)
{
    struct sw_server *s = sw_server_new(p->e, q->flow, q->v, key);
    struct sw_refusal r = {.code = target ? 200 : 481, .why = "no transaction to cancel"};
    if (!s) {
        refuse_busy(p, q, "limit transactions");
        return;
    }
    if (!target) {
        refuse(p, s, q, &r);
        return;
    }
    sw_response_local(p, s, q->m, q->v, q->flow, &r);
    if (target->user && target->method == SW_INVITE)
        sw_fork_cancel(p, target->user);
}

/* The transaction that a CANCEL means: its INVITE, or any other method, on which it has no effect.
 */
static struct sw_server *cancel_target(struct sw_proxy *p, const struct sw_request *q,
                                       struct sw_key *invite_key)
{
    struct sw_vitals v = *q->v;
    *invite_key = sw_server_key(p->e, q->flow, q->m, q->v, true);
    struct sw_server *s = sw_server_find(p->e, *invite_key);
    for (unsigned m = SW_BYE; !s && m < SW_METHOD_OTHER; m++) {
        v.cseq_method = sw_method_name((enum sw_method)m);
        if (m != SW_CANCEL)
            s = sw_server_find(p->e, sw_server_key(p->e, q->flow, q->m, &v, false));
    }
    return s;
}

/* Asks whether another worker has the INVITE; answered by SW_EV_NO_OWNER if none has. */
static bool ask_others(struct sw_proxy *p, const struct sw_event *ev, struct sw_key key)
{
    struct sw_action *a = NULL;
    if (p->e->conf.directory && ev->kind == SW_EV_MESSAGE && !ev->handed)
        a = sw_action_add(p->e->out, SW_ACT_FIND);
    if (a)
        a->key = key;
    return a;
}

static void known_request(struct sw_proxy *p, const struct sw_event *ev, struct sw_request *q)
{
    struct sw_key invite, key = sw_server_key(p->e, q->flow, q->m, q->v, false);
    struct sw_server *s = sw_server_find(p->e, key);
    if (s) {
        if (sw_server_again(p->e, s, q->m->method == SW_ACK ? SW_TXN_ACK : SW_TXN_REQUEST))
            sw_ack_forward(p, q);
        return;
    }
    if (q->m->method == SW_ACK) {
        if (!sw_response_own_tag(p, q->v) && !ask_others(p, ev, key))
            sw_ack_forward(p, q);
    } else if (q->m->method == SW_CANCEL) {
        s = cancel_target(p, q, &invite);
        if (s || !ask_others(p, ev, invite))
            cancel(p, q, key, s);
    } else {
        new_request(p, q, key);
    }
}

/* A request of nobody gets what the listener says. A peer that may be talked to in the clear is
 * known by the seal of a dialog that it is in, and by its address. */
static bool nobody(struct sw_proxy *p, struct sw_flow *flow, struct sw_request *q)
{
    if (q->r->sealed && flow->transport == SW_UDP)
        for (int i = 0; i < 2; i++) {
            const struct sw_side *side = &q->r->seal.side[i];
            const struct sw_peer_conf *peer = sw_proxy_peer(p->conf, side->peer);
            if (peer && peer->best_effort && side->transport == SW_UDP &&
                sw_endpoint_eq(&side->remote, &flow->remote)) {
                flow->peer = peer->id;
                return false;
            }
        }
    struct sw_refusal r = {.code = 403,
                           .reason = "Not Known Here",
                           .why = "the sender is no peer",
                           .help = "a peer is known by its certificate or by its source address"};
    if (p->conf->listeners[flow->listener].unknown == SW_UNKNOWN_REJECT) {
        sw_proxy_count(p, SW_COUNT_NOBODY_ANSWERED);
        refuse_stateless(p, q, &r);
        return true;
    }
    sw_proxy_count(p, SW_COUNT_NOBODY_DROPPED);
    r.code = 0;
    r.why = "the sender is no peer, and the listener drops what is nobody's";
    sw_gateway_note_refusal(p, q, &r);
    return true;
}

void sw_gateway_request(struct sw_gateway *g, const struct sw_event *ev)
{
    struct sw_proxy *p = &g->proxy;
    struct sw_flow flow = *ev->flow;
    struct sw_msg m;
    struct sw_vitals v;
    struct sw_routes routes;
    struct sw_request q = {.flow = &flow, .m = &m, .v = &v, .r = &routes, .side = -1};
    if (flow.transport == SW_UDP)
        flow.peer = sw_ingress_inbound(p->conf, &flow).peer;
    if (flow.peer == SW_PEER_NOBODY && flow.transport == SW_UDP &&
        p->conf->listeners[flow.listener].unknown == SW_UNKNOWN_DROP && !p->conf->best_effort) {
        sw_proxy_count(p, SW_COUNT_NOBODY_DROPPED); /* not worth a look */
        return;
    }
    bool stranger = flow.peer == SW_PEER_NOBODY || flow.peer == SW_PEER_VERIFIED;
    bool too_many = stranger && !ev->handed && sw_gateway_one_too_many(g, ev);
    if (too_many && !sw_sources_may_answer(&g->sources, &flow, p->e->now_ms))
        return;
    sw_peer_speaks_tls(p, &flow);
    if (!sw_gateway_read_request(g, ev, &flow, &m, &v))
        return;
    if (too_many) { /* it is not repeated over a connection: RFC 3261 17.1.2.2, 21.5.4 */
        refuse_busy(p, &q, "limit source_messages_per_second");
        return;
    }
    if (flow.crowded) {
        refuse_busy(p, &q, "limit connections of the peer");
        return;
    }
    sw_routes_read(p->conf, &m, &v, &routes);
    if (flow.peer == SW_PEER_NOBODY && nobody(p, &flow, &q))
        return;
    sw_alias_read(p, ev->flow, &v.via);
    sw_gateway_unhide_request(g, &q);
    known_request(p, ev, &q);
}

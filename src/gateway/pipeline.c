#include "gateway/pipeline.h"

#include "gateway/ack.h"
#include "gateway/list.h"
#include "gateway/trace.h"
#include "proxy/ingress.h"
#include "proxy/response.h"

enum sw_status sw_gateway_init(struct sw_gateway *g, const struct sw_gateway_conf *conf,
                               int64_t now_ms)
{
    memset(g, 0, sizeof(*g));
    sw_slab_init(&g->slab);
    g->trace = conf->trace;
    g->pings = conf->pings;
    g->proxy =
        (struct sw_proxy){.e = &g->engine, .conf = conf->live.proxy, .peers = conf->live.peers};
    sw_list_init(&g->proxy.forks);
    enum sw_status s = sw_engine_init(&g->engine, &conf->engine, &g->slab, now_ms);
    if (s == SW_OK)
        s = sw_sources_init(&g->sources, conf->live.proxy->source_messages_per_s,
                            conf->engine.table_key);
    if (s == SW_OK && conf->pings)
        s = sw_health_init(&g->health, &g->proxy);
    return s;
}

void sw_gateway_fini(struct sw_gateway *g)
{
    g->engine.out = NULL;
    while (!sw_list_empty(&g->proxy.forks))
        sw_fork_free(&g->proxy, SW_CONTAINER(g->proxy.forks.next, struct sw_fork, node));
    sw_health_fini(&g->health, &g->proxy);
    sw_sources_fini(&g->sources);
    sw_engine_fini(&g->engine);
    sw_slab_fini(&g->slab);
}

int64_t sw_gateway_deadline(void *gateway)
{
    const struct sw_gateway *g = gateway;
    return sw_engine_deadline(&g->engine);
}

/* ---- a request, from the top ---- */

/* What the sender's certificate proves, if it showed one. */
static struct sw_slice presented(struct sw_proxy *p, const struct sw_flow *flow)
{
    enum { ENOUGH = 512 };
    struct sw_buf b = sw_engine_buf(p->e, ENOUGH);
    sw_ident_put_names(flow->ident, &b);
    return sw_buf_view(&b);
}

static void note_refusal(struct sw_proxy *p, const struct sw_request *q, const struct sw_refusal *r)
{
    enum sw_level level =
        r->code ? SW_LEVEL_INFO : SW_LEVEL_DEBUG; /* what is dropped is not worth more */
    char *text = sw_arena_get(&p->e->scratch, SW_ENDPOINT_TEXT_MAX);
    if (!text)
        return;
    struct sw_field f[12] = {
        sw_field_number("status", r->code),
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
    if (r->help)
        f[n++] = sw_field_str("help", r->help);
    sw_engine_note(p->e, level, "request_refused", f, n);
}

/* Answers through the transaction, so that repeats and the ACK find it. */
static void refuse(struct sw_proxy *p, struct sw_server *s, const struct sw_request *q,
                   const struct sw_refusal *r)
{
    note_refusal(p, q, r);
    sw_response_local(p, s, q->m, q->v, q->flow, r);
}

static void refuse_stateless(struct sw_proxy *p, const struct sw_request *q,
                             const struct sw_refusal *r)
{
    note_refusal(p, q, r);
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
                   "Accept: */*\r\nContact: <sip");
    if (q->v->uri.scheme == SW_SCHEME_SIPS)
        sw_buf_char(&b, 's');
    sw_buf_char(&b, ':');
    sw_buf_slice(&b, l->host);
    sw_buf_char(&b, ':');
    sw_buf_u64(&b, l->port);
    if (q->flow->transport != SW_UDP && q->v->uri.scheme != SW_SCHEME_SIPS) {
        sw_buf_lit(&b, ";transport=");
        sw_buf_slice(&b, sw_transport_name((enum sw_transport)q->flow->transport));
    }
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

/* 100 at once: we cannot know that an answer comes within 200 ms. RFC 3261 17.2.1, 16.2 */
static void trying(struct sw_proxy *p, struct sw_server *s, const struct sw_msg *m,
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
    if (!allowed || !sw_target_find(p, q, &targets, &refusal)) {
        refuse(p, s, q, &refusal);
        return;
    }
    struct sw_fork *f = sw_fork_new(p, s, q, &targets);
    if (!f) {
        const struct sw_refusal no_memory = {.code = 500, .why = "limit memory"};
        refuse(p, s, q, &no_memory);
        return;
    }
    if (q->m->method == SW_INVITE)
        trying(p, s, q->m, q->v, q->flow);
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

static void note_malformed(struct sw_proxy *p, const struct sw_flow *flow, const struct sw_msg *m,
                           const char *why, const char *rule)
{
    char *text = sw_arena_get(&p->e->scratch, SW_ENDPOINT_TEXT_MAX);
    if (!text)
        return;
    const struct sw_field fields[] = {
        sw_field_str("why", why),
        sw_field_str("rule", rule),
        sw_field_number("offset", m->bad.rule ? (int64_t)m->bad.offset : -1),
        sw_field_text("peer", sw_proxy_peer_name(p, flow->peer)),
        sw_field_str("remote", sw_endpoint_text(&flow->remote, text)),
    };
    sw_engine_note(p->e, SW_LEVEL_INFO, "message_malformed", fields, 5);
}

static void note_source(struct sw_proxy *p, const struct sw_flow *flow, uint32_t dropped)
{
    char *text = sw_arena_get(&p->e->scratch, SW_ENDPOINT_TEXT_MAX);
    if (!text)
        return;
    const struct sw_field fields[] = {
        sw_field_str("why", "limit source_messages_per_second"),
        sw_field_str("remote", sw_endpoint_text(&flow->remote, text)),
        sw_field_text("transport", sw_transport_name((enum sw_transport)flow->transport)),
        sw_field_text("listener", p->conf->listeners[flow->listener].name),
        sw_field_number("limit", p->conf->source_messages_per_s),
        sw_field_number("dropped", dropped),
        sw_field_str("help", "make it a peer with source if its messages are wanted"),
    };
    sw_engine_note(p->e, SW_LEVEL_WARN, "source_limited", fields, 7);
}

/* True if a datagram of nobody is one too many of its address: it is dropped unread. */
static bool one_too_many(struct sw_gateway *g, const struct sw_event *ev)
{
    struct sw_proxy *p = &g->proxy;
    uint32_t say;
    if (ev->kind != SW_EV_MESSAGE || ev->handed || ev->flow->transport != SW_UDP ||
        sw_proxy_is_clear_address(p->conf, &ev->flow->remote) ||
        sw_sources_take(&g->sources, &ev->flow->remote, p->e->now_ms, &say))
        return false;
    sw_proxy_count(p, SW_LIMITED_SOURCE_MESSAGES_PER_SECOND);
    if (say)
        note_source(p, ev->flow, say);
    return true;
}

/* Parses and checks a request; what fails is answered if it can be. */
static bool read_request(struct sw_gateway *g, const struct sw_event *ev,
                         const struct sw_flow *flow, struct sw_msg *m, struct sw_vitals *v)
{
    struct sw_proxy *p = &g->proxy;
    struct sw_verdict verdict = {0, "Not A SIP Request", "RFC 3261 25.1"};
    enum sw_status s = sw_msg_parse(ev->bytes.p, ev->bytes.n, g->hdrs, p->conf->headers_max, m);
    bool datagram = flow->transport == SW_UDP;
    if (ev->status == SW_LIMIT_SIZE) { /* only its head is here: RFC 3261 21.5.7 */
        enum sw_status checked = sw_check_request(m, true, v, &verdict);
        verdict.code = checked == SW_OK || verdict.code ? 513 : 0;
        verdict.why = sw_reason(513);
        verdict.rule = "limit: body_bytes";
        sw_proxy_count(p, SW_LIMITED_BODY_BYTES);
    } else if (ev->status == SW_PEER_PROTOCOL) { /* in the clear where TLS is spoken */
        enum sw_status checked = sw_check_request(m, true, v, &verdict);
        verdict.code = checked == SW_OK || verdict.code ? 400 : 0;
        verdict.why = "This Port Speaks TLS";
        verdict.rule = "listener: transport tls";
    } else if (s == SW_OK && sw_check_request(m, datagram, v, &verdict) == SW_OK) {
        if (m->uri_n <= p->conf->uri_max)
            return true;
        verdict = (struct sw_verdict){414, sw_reason(414), "limit: uri_bytes"};
        sw_proxy_count(p, SW_LIMITED_URI_BYTES); /* RFC 3261 21.4.13 */
    } else if (s == SW_LIMIT) { /* what stands after the last row that was read is not known */
        enum sw_status checked = sw_check_request(m, datagram, v, &verdict);
        verdict.code = checked == SW_OK || verdict.code ? 400 : 0;
        verdict.why = "Too Many Header Fields";
        verdict.rule = "limit: headers";
        sw_proxy_count(p, SW_LIMITED_HEADERS);
    }
    note_malformed(p, flow, m, verdict.why, verdict.rule);
    if (verdict.code && m->method != SW_ACK) {
        sw_proxy_count(p, SW_COUNT_MALFORMED_ANSWERED);
        const struct sw_refusal r = {.code = verdict.code, .reason = verdict.why};
        m->bad.rule = verdict.rule; /* so that the answer copies nothing unseen */
        sw_response_stateless(p, m, v, flow, &r);
    } else {
        sw_proxy_count(p, SW_COUNT_MALFORMED_DROPPED);
    }
    return false;
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
    note_refusal(p, q, &r);
    return true;
}

static void request(struct sw_gateway *g, const struct sw_event *ev)
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
    if (flow.peer == SW_PEER_NOBODY && one_too_many(g, ev))
        return;
    if (!read_request(g, ev, &flow, &m, &v))
        return;
    sw_routes_read(p->conf, &m, &v, &routes);
    if (flow.peer == SW_PEER_NOBODY && nobody(p, &flow, &q))
        return;
    known_request(p, ev, &q);
}

/* ---- a response, on the way back ---- */

/* What was asked over TLS is answered by the peer whose identity held, over TLS. */
static bool may_answer(const struct sw_client *c, const struct sw_flow *flow)
{
    return !sw_transport_secure((enum sw_transport)c->transport) ||
           (sw_transport_secure((enum sw_transport)flow->transport) && flow->peer == c->peer);
}

static void note_foreign(struct sw_proxy *p, const struct sw_client *c, const struct sw_flow *flow,
                         const struct sw_msg *m, const struct sw_vitals *v)
{
    char *text = sw_arena_get(&p->e->scratch, SW_ENDPOINT_TEXT_MAX);
    if (!text)
        return;
    const struct sw_field fields[] = {
        sw_field_number("status", m->status),
        sw_field_str("why", "the request went to another peer over TLS"),
        sw_field_text("wanted", sw_proxy_peer_name(p, c->peer)),
        sw_field_text("peer", sw_proxy_peer_name(p, flow->peer)),
        sw_field_text("transport", sw_transport_name((enum sw_transport)flow->transport)),
        sw_field_str("remote", sw_endpoint_text(&flow->remote, text)),
        sw_field_text("call_id", v->call_id),
    };
    sw_engine_note(p->e, SW_LEVEL_WARN, "response_refused", fields, 7);
}

/* A response that comes from no peer's address and has no branch of a transaction that runs. */
static bool unasked(const struct sw_proxy *p, const struct sw_event *ev)
{
    struct sw_owner o;
    if (ev->flow->transport != SW_UDP ||
        sw_ingress_inbound(p->conf, ev->flow).peer != SW_PEER_NOBODY)
        return false;
    return !sw_owner_peek(ev->bytes, &o) || o.instance != p->e->conf.instance ||
           !sw_client_get(p->e, o.client);
}

static void response(struct sw_gateway *g, const struct sw_event *ev)
{
    struct sw_proxy *p = &g->proxy;
    struct sw_msg m;
    struct sw_vitals v;
    struct sw_verdict verdict = {0, "Bad Status-Line", "RFC 3261 7.2"};
    bool ended = false;
    if (unasked(p, ev) && one_too_many(g, ev))
        return;
    enum sw_status s = sw_msg_parse(ev->bytes.p, ev->bytes.n, g->hdrs, p->conf->headers_max, &m);
    if (s == SW_LIMIT) {
        verdict = (struct sw_verdict){0, "Too Many Header Fields", "limit: headers"};
        sw_proxy_count(p, SW_LIMITED_HEADERS);
    }
    if (s != SW_OK || sw_check_response(&m, ev->flow->transport == SW_UDP, &v, &verdict) != SW_OK) {
        sw_proxy_count(p, SW_COUNT_MALFORMED_DROPPED);
        note_malformed(p, ev->flow, &m, verdict.why, verdict.rule);
        return;
    }
    struct sw_client *c = sw_client_match(p->e, &v);
    /* RFC 6026 7.3: never forwarded; RFC 3261 18.1.2: nor with a sent-by that we do not write */
    if (!c || !sw_proxy_is_ours(p->conf, v.via.host, v.via.port)) {
        sw_proxy_count(p, SW_COUNT_STRAY_RESPONSES);
        return;
    }
    if (!may_answer(c, ev->flow)) {
        sw_proxy_count(p, SW_COUNT_FOREIGN_RESPONSES);
        note_foreign(p, c, ev->flow, &m, &v);
        return;
    }
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

/* ---- what is not a message ---- */

static void client_failed(struct sw_proxy *p, void *user, uint8_t kind, unsigned as_status)
{
    if (user && kind == SW_USER_BRANCH)
        sw_branch_failed(p, user, as_status);
    else if (user && kind == SW_USER_PING)
        sw_ping_answered(p, user, 0);
}

static void fail_client(struct sw_proxy *p, struct sw_client *c)
{
    void *user = c->user;
    uint8_t kind = c->user_kind;
    if (sw_client_fail(p->e, c)) /* RFC 3261 16.9: as if a 503 had come */
        client_failed(p, user, kind, 503);
}

/* Told in portions, so that a connection with thousands of transactions does not take one long
 * turn. */
static void tell_stranded(struct sw_proxy *p)
{
    struct sw_client *c;
    while (sw_engine_has_room(p->e) && (c = sw_client_stranded(p->e)))
        fail_client(p, c);
}

static void opened(struct sw_proxy *p, const struct sw_event *ev)
{
    struct sw_send *s = sw_send_get(p->e, ev->job);
    if (!s)
        return;
    void *user = s->user;
    uint8_t kind = s->user_kind;
    if (s->owner != SW_SEND_USER) {
        sw_parked_opened(p, s, ev);
        return;
    }
    sw_send_drop(p->e, ev->job);
    if (kind == SW_USER_BRANCH)
        sw_branch_opened(p, user, ev->status, ev->flow);
    else
        sw_ping_opened(p, user, ev->status, ev->flow);
}

/* The answer to an OPEN never came: its mailbox was full. */
static void never_opened(struct sw_proxy *p, struct sw_ref job)
{
    const struct sw_event ev = {.kind = SW_EV_OPENED, .status = SW_PEER_TIMEOUT, .job = job};
    opened(p, &ev);
}

static void time_passed(struct sw_proxy *p)
{
    tell_stranded(p);
    for (;;) {
        struct sw_due due = sw_engine_due(p->e);
        switch (due.kind) {
        case SW_DUE_NONE:
            return;
        case SW_DUE_CLIENT:
            client_failed(p, due.user, due.user_kind, 408);
            break;
        case SW_DUE_TRYING:
            if (due.user) {
                struct sw_fork *f = due.user;
                trying(p, due.server, &f->msg, &f->vitals, &f->in);
            }
            break;
        case SW_DUE_NO_ACK:
            break;
        case SW_DUE_SEND:
            never_opened(p, due.job);
            break;
        case SW_DUE_USER:
            if (due.timer->kind == SW_TK_TIMER_C)
                sw_branch_timer_c(p, SW_CONTAINER(due.timer, struct sw_branch, timer_c));
            else if (due.timer->kind == SW_TK_ANSWER)
                sw_branch_timeout(p, SW_CONTAINER(due.timer, struct sw_branch, answer));
            else
                sw_ping_due(p, SW_CONTAINER(due.timer, struct sw_ping, timer));
            break;
        }
    }
}

static void send_failed(struct sw_proxy *p, const struct sw_event *ev)
{
    struct sw_client *c;
    switch ((enum sw_send_for)ev->cookie.why) {
    case SW_FOR_CLIENT:
        c = sw_client_get(p->e, ev->cookie.ref);
        if (c)
            fail_client(p, c);
        return;
    case SW_FOR_RESPONSE:
    case SW_FOR_ACK:
        sw_parked_again(p, ev);
        return;
    case SW_FOR_NOTHING:
        return;
    }
}

/* Whose a connection is, told to those who hold it. RFC 5922 7.3, 7.4 */
static void identify(struct sw_proxy *p, const struct sw_event *ev)
{
    const struct sw_flow *flow = ev->flow;
    const struct sw_peer_conf *wanted = flow->outbound ? sw_proxy_peer(p->conf, flow->peer) : NULL;
    struct sw_ingress in = {0};
    enum sw_status s = SW_OK;
    if (flow->outbound && !wanted)
        s = SW_DENIED;
    else if (flow->outbound)
        s = sw_ingress_outbound(p->conf, wanted, flow, &in);
    else {
        in = sw_ingress_inbound(p->conf, flow);
        s = in.status;
    }
    struct sw_action *a = sw_action_add(p->e->out, s == SW_OK ? SW_ACT_ADMIT : SW_ACT_CLOSE);
    if (!a)
        return;
    a->verdict.flow = flow->id;
    a->verdict.peer = in.peer;
    a->verdict.status = s;
    a->verdict.why = in.why;
    a->verdict.got = in.got;
    a->verdict.domain_id = in.peer == SW_PEER_VERIFIED ? sw_proxy_domain_id(in.got) : 0;
    struct sw_peer_state *state = sw_proxy_state(p, sw_proxy_peer(p->conf, in.peer));
    if (s == SW_OK && state && flow->transport == SW_TLS)
        atomic_store_explicit(&state->spoke_tls_ms, p->e->now_ms, memory_order_relaxed);
}

/* What lives on knows peers by their id and listeners by their index, which stay: nothing of the
 * old configuration is used after this. */
static void adopt(struct sw_gateway *g, const struct sw_gateway_live *live)
{
    struct sw_proxy *p = &g->proxy;
    const struct sw_proxy_conf *old = p->conf;
    p->conf = live->proxy;
    p->peers = live->peers;
    if (g->sources.sets)
        g->sources.per_s = p->conf->source_messages_per_s;
    else if (sw_sources_init(&g->sources, p->conf->source_messages_per_s, g->sources.key) != SW_OK)
        g->sources.per_s = 0; /* memory is out: as before the reload */
    if (g->pings)
        sw_health_adopt(&g->health, p, old);
}

/* A worker that stays too late to its timers has more to do than it can: it begins nothing new for
 * a second. One late wake-up, such as after the machine was halted, is none. RFC 3261 21.5.4 */
static void judge_lateness(struct sw_proxy *p, int64_t now_ms)
{
    int64_t due = sw_engine_deadline(p->e), limit = p->conf->lateness_ms;
    if (!limit || due == SW_TIMER_NEVER || now_ms - due <= limit)
        p->late_since_ms = 0;
    else if (!p->late_since_ms)
        p->late_since_ms = now_ms;
    else if (now_ms - p->late_since_ms > limit)
        p->overloaded_until_ms = now_ms + 1000;
}

void sw_gateway_step(void *gateway, const struct sw_event *ev, struct sw_actions *out,
                     int64_t now_ms)
{
    struct sw_gateway *g = gateway;
    struct sw_proxy *p = &g->proxy;
    uint64_t lost = out->lost;
    if (ev->kind == SW_EV_TIME)
        judge_lateness(p, now_ms);
    sw_engine_begin(p->e, out, now_ms);
    if (g->trace)
        sw_trace_in(g, ev);
    switch (ev->kind) {
    case SW_EV_MESSAGE:
        if (sw_slice_starts_case(ev->bytes, SW_SLICE("SIP/2.0 ")))
            response(g, ev);
        else
            request(g, ev);
        break;
    case SW_EV_NO_OWNER:
        request(g, ev);
        break;
    case SW_EV_TIME:
        time_passed(p);
        break;
    case SW_EV_OPENED:
        opened(p, ev);
        break;
    case SW_EV_CLOSED:
        sw_client_strand(p->e, &ev->flow_id);
        tell_stranded(p);
        break;
    case SW_EV_SEND_FAILED:
        send_failed(p, ev);
        break;
    case SW_EV_IDENTIFY:
        identify(p, ev);
        break;
    case SW_EV_LIST:
        sw_gateway_list(g, ev->from);
        break;
    case SW_EV_ADOPT:
        adopt(g, ev->conf);
        break;
    case SW_EV_DRAIN:
        break;
    }
    if (g->trace)
        sw_trace_out(g);
    sw_count_many(p->e->conf.counters, SW_LIMITED_ACTIONS, out->lost - lost);
}

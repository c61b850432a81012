#include "gateway/pipeline.h"

#include "gateway/ack.h"
#include "gateway/list.h"
#include "gateway/request.h"
#include "gateway/reroute.h"
#include "gateway/response.h"
#include "gateway/trace.h"
#include "proxy/alias.h"
#include "proxy/blame.h"
#include "proxy/ingress.h"
#include "proxy/local.h"
#include "proxy/party.h"

enum sw_status sw_gateway_init(struct sw_gateway *g, const struct sw_gateway_conf *conf,
                               int64_t now_ms)
{
    memset(g, 0, sizeof(*g));
    sw_slab_init(&g->slab);
    g->trace = conf->trace;
    g->pings = conf->pings;
    g->proxy =
        (struct sw_proxy){.e = &g->engine, .conf = conf->live.proxy, .peers = conf->live.peers};
    g->proxy.avoid = conf->live.avoid;
    sw_list_init(&g->proxy.forks);
    enum sw_status s = sw_engine_init(&g->engine, &conf->engine, &g->slab, now_ms);
    if (s == SW_OK)
        s = sw_table_init(&g->proxy.locations, sizeof(struct sw_location), SW_LOCATIONS_MAX);
    if (s == SW_OK)
        s = sw_sources_init(&g->sources, conf->live.proxy->source_messages_per_s,
                            conf->engine.table_key, conf->sources);
    if (s == SW_OK)
        s = sw_calls_init(&g->proxy.calls, conf->calls, conf->engine.table_key, conf->calls_open);
    if (s == SW_OK)
        s = sw_challenged_init(&g->proxy.challenged, conf->engine.table_key);
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
    sw_locations_fini(&g->proxy);
    sw_sources_fini(&g->sources);
    sw_calls_fini(&g->proxy.calls);
    sw_challenged_fini(&g->proxy.challenged);
    sw_engine_fini(&g->engine);
    sw_slab_fini(&g->slab);
}

int64_t sw_gateway_deadline(void *gateway)
{
    const struct sw_gateway *g = gateway;
    return sw_engine_deadline(&g->engine);
}

/* ---- what is not a message ---- */

static void client_failed(struct sw_proxy *p, void *user, uint8_t kind, unsigned as_status,
                          bool ours)
{
    if (user && kind == SW_USER_BRANCH)
        sw_branch_failed(p, user, as_status, ours);
    else if (user && kind == SW_USER_PING && ours)
        sw_ping_put_off(p, user);
    else if (user && kind == SW_USER_PING)
        sw_ping_answered(p, user, 0);
}

/* The connection of an INVITE that rings is lost: it is cancelled over another one, so that it does
 * not ring on. RFC 5923 8.1 */
static bool cancel_elsewhere(struct sw_proxy *p, struct sw_client *c)
{
    struct sw_slice bytes;
    struct sw_event lost = {
        .kind = SW_EV_SEND_FAILED, .remote = c->remote, .segs = &bytes, .seg_count = 1};
    if (c->user && c->user_kind == SW_USER_BRANCH)
        lost.domain = ((const struct sw_branch *)c->user)->target.domain;
    if (!sw_client_abandon(p->e, c, &bytes, &lost.cookie))
        return false;
    sw_parked_again(p, &lost);
    return true;
}

static void fail_client(struct sw_proxy *p, struct sw_client *c)
{
    void *user = c->user;
    uint8_t kind = c->user_kind;
    bool ours = c->ours;
    if (cancel_elsewhere(p, c)) {
        client_failed(p, user, kind, 503, ours);
        return;
    }
    if (sw_client_fail(p->e, c)) /* RFC 3261 16.9: as if a 503 had come */
        client_failed(p, user, kind, 503, ours);
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

/* The location is over: its user takes what it found, and drops it. */
static void located(struct sw_proxy *p, struct sw_location *x)
{
    if (x->user_kind == SW_USER_BRANCH)
        sw_branch_located(p, x->user);
    else if (x->user_kind == SW_USER_PING)
        sw_ping_located(p, x->user);
    else
        sw_reroute_located(p, x);
}

/* The answer to an OPEN never came: its mailbox was full. */
static void never_opened(struct sw_proxy *p, struct sw_ref job)
{
    const struct sw_event ev = {.kind = SW_EV_OPENED, .status = SW_LIMIT, .job = job};
    opened(p, &ev);
}

static void timed_out(struct sw_proxy *p, struct sw_location *x)
{
    if (sw_location_over(x))
        return; /* kept for its places */
    sw_location_due(p, x);
    located(p, x);
}

static void answered(struct sw_proxy *p, const struct sw_event *ev)
{
    struct sw_location *x = sw_location_answered(p, ev);
    if (x)
        located(p, x);
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
            client_failed(p, due.user, due.user_kind, 408, false);
            break;
        case SW_DUE_TRYING:
            if (due.user) {
                struct sw_fork *f = due.user;
                sw_gateway_trying(p, due.server, &f->msg, &f->vitals, &f->in);
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
            else if (due.timer->kind == SW_TK_LOCATE)
                timed_out(p, SW_CONTAINER(due.timer, struct sw_location, timer));
            else if (due.timer->kind == SW_TK_PING_ANSWER)
                sw_ping_silent(p, SW_CONTAINER(due.timer, struct sw_ping, answer));
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
        if (c) {
            c->ours = sw_blame_is_ours(ev->status);
            fail_client(p, c);
        }
        return;
    case SW_FOR_RESPONSE:
    case SW_FOR_ACK:
    case SW_FOR_HOP:
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
    struct sw_peer_conf one;
    uint32_t located = sw_party_located(wanted, ev->domain, &one);
    wanted = located ? &one : wanted;
    const struct sw_ingress_server server = {wanted, ev->domain, ev->server, ev->located};
    enum sw_status dane = flow->outbound ? sw_ingress_dane(p->conf, &server, flow, &in) : SW_AGAIN;
    if (dane != SW_AGAIN)
        s = dane;
    else if (flow->outbound && !wanted && ev->domain.n && sw_party_is_domain(sw_flow_owner(flow)))
        s = sw_ingress_stranger(p->conf, ev->domain, flow, &in);
    else if (flow->outbound && !wanted)
        s = SW_DENIED;
    else if (flow->outbound)
        s = sw_ingress_outbound(p->conf, wanted, flow, &in);
    else {
        in = sw_ingress_inbound(p->conf, flow);
        s = in.status;
    }
    uint32_t domain_id = 0;
    if (in.peer == SW_PEER_VERIFIED && flow->outbound && s == SW_OK)
        s = sw_party_found(p->conf, flow, &in, &domain_id);
    else if (in.peer == SW_PEER_VERIFIED)
        domain_id = sw_proxy_domain_id(p->conf, in.got);
    sw_alias_judge(p, flow, in.peer);
    struct sw_action *a = sw_action_add(p->e->out, s == SW_OK ? SW_ACT_ADMIT : SW_ACT_CLOSE);
    if (!a)
        return;
    a->verdict.flow = flow->id;
    a->verdict.peer = in.peer;
    a->verdict.status = s;
    a->verdict.why = in.why;
    a->verdict.help = in.help;
    a->verdict.claimed = in.claimed;
    a->verdict.got = in.got;
    a->verdict.domain_id = domain_id;
    a->verdict.proof = in.peer == SW_PEER_VERIFIED ? SW_PROOF_NAME : SW_PROOF_NONE;
    a->verdict.local_domain = sw_local_domain_named(p->conf, in.peer, ev->asked);
    const struct sw_peer_conf *peer = sw_proxy_peer(p->conf, in.peer);
    struct sw_peer_state *state = sw_proxy_state(p, peer);
    if (peer)
        a->verdict.proof = sw_ingress_proof(located ? &one : peer, flow, &a->verdict.domain_id);
    if (peer && dane == SW_OK) {
        a->verdict.proof = SW_PROOF_NAME;
        a->verdict.domain_id = sw_peer_domain(peer, ev->located);
    }
    if (located && a->verdict.domain_id)
        a->verdict.domain_id = located;
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
    p->avoid = live->avoid;
    if (g->sources.table)
        g->sources.per_s = p->conf->source_messages_per_s;
    else if (sw_sources_init(&g->sources, p->conf->source_messages_per_s, g->sources.key, NULL) !=
             SW_OK)
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
            sw_gateway_response(g, ev);
        else
            sw_gateway_request(g, ev);
        break;
    case SW_EV_NO_OWNER:
        sw_gateway_request(g, ev);
        break;
    case SW_EV_TIME:
        time_passed(p);
        break;
    case SW_EV_OPENED:
        opened(p, ev);
        break;
    case SW_EV_CLOSED:
        sw_client_strand(p->e, &ev->flow_id, sw_blame_is_ours(ev->status));
        tell_stranded(p);
        break;
    case SW_EV_SEND_FAILED:
        send_failed(p, ev);
        break;
    case SW_EV_IDENTIFY:
        identify(p, ev);
        break;
    case SW_EV_LIST:
        sw_gateway_list(g, (enum sw_list_what)ev->list, ev->from);
        break;
    case SW_EV_ADOPT:
        adopt(g, ev->conf);
        break;
    case SW_EV_LISTENER:
        if (g->pings)
            sw_health_listener(&g->health, p, ev->listener, ev->status == SW_OK);
        break;
    case SW_EV_ANSWER:
        answered(p, ev);
        break;
    case SW_EV_DRAIN:
        break;
    }
    if (g->trace)
        sw_trace_out(g);
    sw_count_many(p->e->conf.counters, SW_LIMITED_ACTIONS, out->lost - lost);
}

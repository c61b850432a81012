#include "proxy/fork.h"

#include "proxy/blame.h"
#include "proxy/clear.h"
#include "proxy/hops.h"
#include "proxy/local.h"
#include "proxy/party.h"
#include "proxy/passive.h"
#include "proxy/place.h"
#include "proxy/response.h"
#include "proxy/sips.h"
#include "proxy/station.h"

/* RFC 3261 18.1.1: above this a request leaves over a congestion-controlled transport. */
enum { UDP_MAX_BYTES = 1300, TCP_TRY_MS = 2000 };

/* After a CANCEL a final response is waited for as long as a transaction lives: RFC 3261 9.1. */
static void limit_wait(struct sw_proxy *p, struct sw_branch *b)
{
    sw_timer_start(&p->e->timers, &b->timer_c, p->e->now_ms + SW_T_LIFE_MS);
}

void sw_branch_done(struct sw_proxy *p, struct sw_branch *b)
{
    struct sw_client *c = sw_client_get(p->e, b->client);
    sw_timer_stop(&p->e->timers, &b->timer_c);
    sw_timer_stop(&p->e->timers, &b->answer);
    sw_send_drop(p->e, b->send);
    sw_load_leave(&b->load, SW_LOAD_TO);
    sw_location_drop(p, b->location);
    b->state = SW_BRANCH_DONE;
    b->client = (struct sw_ref){0};
    if (c && sw_client_waiting(c))
        sw_client_free(p->e, c);
    else if (c)
        sw_client_orphan(c);
}

/* An alternative, the next group, or the end. */
static void advance(struct sw_proxy *p, struct sw_fork *f, struct sw_choice *c)
{
    if (!sw_fork_alternative(p, f, c) && !sw_fork_pending(f))
        sw_fork_next(p, f);
}

/* What the end of an attempt leads to. In place of one that was passed over another is tried. */
void sw_branch_go_on(struct sw_proxy *p, struct sw_branch *b)
{
    struct sw_fork *f = b->fork;
    if (f->answered)
        sw_fork_settle(p, f);
    else if (!b->passed_over)
        advance(p, f, b->choice);
}

/* A call is counted once for a peer, however many of its servers it is tried at. */
static enum sw_limit_as counted_as(const struct sw_fork *f, uint32_t peer)
{
    if (f->exempt)
        return SW_LIMIT_AS_EXEMPT;
    for (const struct sw_list *n = f->branches.next; n != &f->branches; n = n->next) {
        const struct sw_branch *b = SW_CONTAINER(n, struct sw_branch, node);
        if (b->target.peer == peer && !b->target.locate)
            return SW_LIMIT_AS_TRIED;
    }
    return SW_LIMIT_AS_NEW;
}

static bool one_has_room(const struct sw_proxy *p, const struct sw_fork *f,
                         const struct sw_target *t, uint32_t at, uint32_t end)
{
    while (at < end && !sw_limit_has_room(p, t[at].peer, counted_as(f, t[at].peer)))
        at++;
    return at < end;
}

bool sw_branch_has_next(const struct sw_proxy *p, const struct sw_fork *f,
                        const struct sw_choice *c)
{
    return !sw_fork_is_over(p, f) &&
           (one_has_room(p, f, c->found, c->found_next, c->found_end) ||
            one_has_room(p, f, f->targets, c->next, c->end) ||
            one_has_room(p, f, f->targets, f->target_next, f->target_count));
}

/* It cannot be made as it must leave: nothing of it does. */
static void note_unmade(struct sw_proxy *p, const struct sw_branch *b, enum sw_status status)
{
    const struct sw_field fields[] = {
        sw_field_str("what", "request"),
        sw_field_str("why", status == SW_LIMIT_SIZE
                                ? "what is inside cannot be hidden: too long, a Contact is no "
                                  "address, or what was hidden from this peer would be told to it"
                            : status == SW_LIMIT_MEMORY ? "limit memory"
                                                        : "it would need too many changes"),
        sw_field_text("peer", sw_proxy_peer_name(p, b->target.peer)),
        sw_field_text("call_id", b->fork->vitals.call_id),
    };
    sw_engine_note(p->e, SW_LEVEL_WARN, "message_lost", fields, 4);
}

static const struct sw_peer_conf *peer_of(const struct sw_proxy *p, const struct sw_branch *b)
{
    return sw_proxy_peer(p->conf, b->target.peer);
}

/* Without an answer, also from the DNS about its domain. The peer is not to blame where only a
 * connection that was open would have done. */
static void no_answer(struct sw_proxy *p, const struct sw_branch *b, const char *why)
{
    if (b->target.remote.port || b->target.locate == SW_TARGET_PEER)
        sw_blame_peer(p, b->fork, b->choice, &b->target, why);
}

static struct sw_flow target_flow(const struct sw_proxy *p, const struct sw_target *t,
                                  enum sw_transport transport)
{
    return (struct sw_flow){
        .id = sw_engine_udp_flow(p->e, t->listener),
        .remote = t->remote,
        .peer = t->peer,
        .listener = t->listener,
        .transport = (uint8_t)transport,
    };
}

/* The request's own URIs do, or what a number led to. */
static bool demands_tls(const struct sw_branch *b)
{
    return sw_tls_is_demanded(&b->fork->vitals, b->fork->routes) ||
           sw_slice_starts_case(b->target.uri, SW_SLICE("sips:"));
}

/* Hands the request to a client transaction over `out`. SW_AGAIN: too large for a datagram, and TCP
 * is to be tried first. */
static enum sw_status transmit(struct sw_proxy *p, struct sw_branch *b, const struct sw_flow *out)
{
    struct sw_fork *f = b->fork;
    struct sw_forwarded x;
    struct sw_client *c =
        sw_client_new(p->e, (enum sw_method)f->msg.method, out, b, SW_USER_BRANCH);
    if (!c)
        return SW_LIMIT;
    struct sw_forward fw = {
        .m = &f->msg,
        .v = &f->vitals,
        .r = f->routes,
        .in = &f->in,
        .out = out,
        .target = &b->target,
        .rewrite = f->rewrite,
        .owner = {p->e->conf.instance, p->e->conf.worker, c->ref, f->loop},
        .breadth = b->choice->breadth,
    };
    enum sw_status s = sw_forward_render(p->conf, &f->arena, &fw, &x);
    if (s != SW_OK)
        note_unmade(p, b, s);
    if (s == SW_OK && out->transport == SW_UDP && b->target.large_over_tcp && !b->over_tcp &&
        x.total > UDP_MAX_BYTES)
        s = SW_AGAIN;
    if (s != SW_OK) {
        sw_client_free(p->e, c);
        return s;
    }
    b->state = SW_BRANCH_SENT;
    b->out = sw_call_side(out);
    b->out_name = sw_call_name(p->conf, f, &b->target, out);
    b->client = c->ref;
    c->server = f->server;
    c->sips = demands_tls(b);
    sw_client_start(p->e, c, x.segs, x.count, x.total);
    sw_proxy_count(p, SW_COUNT_RELAYED);
    sw_clear_left(p, &f->msg, &f->vitals, out);
    if (f->msg.method == SW_INVITE)
        sw_timer_start_fifo(&p->e->timers, &b->timer_c, SW_FIFO_TIMER_C,
                            p->e->now_ms + SW_TIMER_C_MS);
    return SW_OK;
}

static enum sw_status open_flow(struct sw_proxy *p, struct sw_branch *b, enum sw_transport t,
                                uint32_t timeout_ms)
{
    struct sw_want want = {
        .remote = b->target.remote,
        .prefer = b->target.prefer,
        .peer = b->target.peer,
        .listener = b->target.listener,
        .transport = (uint8_t)t,
        .any_of_peer = b->target.any_of_peer,
        .alias = b->target.alias,
        .local_id = b->target.local_id,
        .local_domain =
            sw_local_domain(p->conf, b->target.peer, &b->fork->msg, &b->fork->vitals.uri),
        .timeout_ms = timeout_ms,
        .dane = b->target.dane,
    };
    sw_party_want(p->conf, b->target.domain, &want);
    b->state = SW_BRANCH_OPENING;
    return sw_send_park(p->e, b, SW_USER_BRANCH, &want, &b->send);
}

static const char *failure_reason(enum sw_status s)
{
    if (s == SW_LIMIT_SIZE) /* what is inside, from a peer with `hide_inside` */
        return "Cannot Be Hidden";
    switch (sw_status_class(s)) {
    case SW_CLASS_DENIED:
        return "Next Hop Did Not Prove Its Identity";
    case SW_CLASS_CRYPTO:
        return "TLS To Next Hop Failed";
    case SW_CLASS_LIMIT:
        return "Out Of Resources";
    default:
        return "Next Hop Unreachable";
    }
}

/* A request that demands TLS leaves to a proved name only, whatever connection was found; so does
 * one that a number's sips URI makes such. RFC 3261 26.2.2, RFC 5630 5.3 */
static bool may_leave(const struct sw_branch *b, const struct sw_flow *flow)
{
    return !demands_tls(b) || sw_sips_flow_fits(flow, &b->target.prefer);
}

bool sw_branch_start(struct sw_proxy *p, struct sw_fork *f, struct sw_choice *choice,
                     const struct sw_target *t)
{
    struct sw_load *load;
    uint16_t retry_s;
    enum sw_status s = SW_LIMIT;
    if (t->locate)
        return sw_branch_locate(p, f, choice, t);
    if (!sw_limit_to(p, t->peer, counted_as(f, t->peer), &load, &retry_s)) {
        f->retry_s = retry_s;
        sw_clear_skipped(choice, t);
        sw_fork_consider(f, 503, NULL, NULL);
        return false;
    }
    struct sw_branch *b = sw_arena_get(&f->arena, sizeof(*b));
    if (!b) {
        sw_load_leave(&load, SW_LOAD_TO);
        sw_clear_skipped(choice, t);
        return false;
    }
    *b = (struct sw_branch){.fork = f, .choice = choice, .target = *t, .state = SW_BRANCH_DONE};
    b->load = load;
    f->tried++;
    sw_passive_trying(p, peer_of(p, b));
    sw_timer_init(&b->timer_c, SW_TK_TIMER_C);
    sw_timer_init(&b->answer, SW_TK_ANSWER);
    sw_list_add(&f->branches, &b->node);
    sw_clear_begin(choice, t);
    if (t->transport == SW_UDP) {
        struct sw_flow out = target_flow(p, t, SW_UDP);
        s = transmit(p, b, &out);
        b->over_tcp = s == SW_AGAIN;
        if (s == SW_AGAIN)
            s = open_flow(p, b, SW_TCP, TCP_TRY_MS);
    } else {
        s = open_flow(p, b, (enum sw_transport)t->transport, 0);
    }
    if (s != SW_OK) {
        sw_clear_outcome(b->choice, &b->target, false);
        sw_branch_done(p, b);
        sw_fork_consider(f, 503, NULL, failure_reason(s));
        return false;
    }
    if (sw_branch_has_next(p, f, choice) && t->timeout_ms)
        sw_timer_start(&p->e->timers, &b->answer, p->e->now_ms + t->timeout_ms);
    return true;
}

static void note_unreachable(struct sw_proxy *p, const struct sw_branch *b, enum sw_status status)
{
    char *text = sw_arena_get(&p->e->scratch, SW_ENDPOINT_TEXT_MAX);
    if (!text)
        return;
    const struct sw_field fields[] = {
        sw_field_text("peer", sw_proxy_peer_name(p, b->target.peer)),
        sw_field_str("address", sw_endpoint_text(&b->target.remote, text)),
        sw_field_text("transport", sw_transport_name((enum sw_transport)b->target.transport)),
        sw_field_str("status", sw_status_name(status)),
        sw_field_text("call_id", b->fork->vitals.call_id),
        sw_field_str("then", sw_branch_has_next(p, b->fork, b->choice)
                                 ? "the next target is tried"
                                 : "there is no further target"),
    };
    sw_engine_note(p->e, SW_LEVEL_WARN, "target_unreachable", fields, 6);
}

void sw_branch_opened(struct sw_proxy *p, struct sw_branch *b, enum sw_status status,
                      const struct sw_flow *flow)
{
    struct sw_fork *f = b->fork;
    b->send = (struct sw_ref){0};
    struct sw_flow udp = target_flow(p, &b->target, SW_UDP);
    if (status != SW_OK && b->over_tcp) { /* RFC 3261 18.1.1: back to UDP */
        flow = &udp;
        status = SW_OK;
    }
    bool ours =
        status == SW_OK || sw_blame_is_ours(status); /* it is there: what is wrong is here */
    if (status == SW_OK)
        status = may_leave(b, flow) ? transmit(p, b, flow) : SW_DENIED_IDENTITY;
    if (status == SW_OK)
        return;
    note_unreachable(p, b, status);
    sw_clear_outcome(b->choice, &b->target, status == SW_PEER_REFUSED);
    if (status == SW_LIMIT_PEER)
        f->retry_s = SW_LIMIT_LATER_S;
    if (!ours) {
        sw_branch_mark(p, &b->target, true);
        no_answer(p, b, failure_reason(status));
    }
    sw_branch_done(p, b);
    sw_fork_consider(f, 503, NULL, failure_reason(status));
    sw_branch_go_on(p, b);
}

void sw_branch_cancel(struct sw_proxy *p, struct sw_branch *b)
{
    struct sw_client *c = sw_client_get(p->e, b->client);
    if (b->state <= SW_BRANCH_OPENING) { /* nothing was sent: it is as if it never was */
        sw_branch_done(p, b);
        return;
    }
    if (b->state == SW_BRANCH_DONE || b->cancelled || !c || c->method != SW_INVITE)
        return;
    b->cancelled = true; /* without provisional response the CANCEL waits for one: RFC 3261 9.1 */
    if (sw_client_cancel(p->e, c))
        limit_wait(p, b);
}

static void provisional(struct sw_proxy *p, struct sw_branch *b, const struct sw_msg *m,
                        const struct sw_vitals *v)
{
    struct sw_fork *f = b->fork;
    struct sw_client *c = sw_client_get(p->e, b->client);
    struct sw_server *s = sw_server_get(p->e, f->server);
    if (b->passed_over)
        b->cancelled = true;
    if (b->cancelled) {
        if (c && sw_client_cancel(p->e, c))
            limit_wait(p, b);
    } else if (m->status > 100 && f->msg.method == SW_INVITE) {
        sw_timer_start_fifo(&p->e->timers, &b->timer_c, SW_FIFO_TIMER_C,
                            p->e->now_ms + SW_TIMER_C_MS);
    }
    /* never a provisional other than 100 for a non-INVITE: RFC 4320 4.1 */
    if (m->status > 100 && s && !f->answered && f->msg.method == SW_INVITE && !b->passed_over)
        sw_response_forward(p, s, m, v, b->target.peer, sw_slice("", 0));
}

static void success(struct sw_proxy *p, struct sw_branch *b, const struct sw_msg *m,
                    const struct sw_vitals *v)
{
    struct sw_fork *f = b->fork;
    struct sw_server *s = sw_server_get(p->e, f->server);
    bool forward = s && (!f->answered || f->msg.method == SW_INVITE);
    if (f->msg.method == SW_INVITE && f->vitals.to_tag.n == 0)
        sw_call_answered(p, f, b, m, v);
    sw_branch_done(p, b);
    if (forward)
        sw_response_forward(p, s, m, v, b->target.peer, sw_slice("", 0));
    f->answered = true;
    sw_load_leave(&f->load, SW_LOAD_FROM); /* those that are still to be cancelled are ours */
    sw_fork_cancel(p, f);
    sw_fork_settle(p, f);
}

static void consider(const struct sw_branch *b, const struct sw_msg *m)
{
    if (sw_fork_consider(b->fork, m->status, m, NULL))
        b->fork->best_from = b->target.peer;
}

static void failure(struct sw_proxy *p, struct sw_branch *b, const struct sw_msg *m,
                    const struct sw_vitals *v)
{
    struct sw_fork *f = b->fork;
    struct sw_server *s = sw_server_get(p->e, f->server);
    sw_branch_done(p, b);
    if (m->status == 503)
        sw_place_unavailable(p, b->choice, &b->target, m);
    else if (!b->passed_over)
        sw_choice_close(b->choice); /* "486 and the like are final" */
    if (m->status == 401 || m->status == 407)
        sw_challenged_add(&p->challenged, f->vitals.call_id, b->target.peer, p->e->now_ms);
    bool own_cancel = b->passed_over && !f->cancelled; /* its 487 is our doing, not an answer */
    if (own_cancel || (m->status == 408 && f->msg.method != SW_INVITE)) { /* RFC 4320 4.2 */
        sw_fork_consider(f, 408, NULL, NULL);
        sw_branch_go_on(p, b);
        return;
    }
    bool best = !f->best_status || sw_response_rank(m->status) < sw_response_rank(f->best_status);
    if (m->status / 100 == 6 && sw_fork_pending(f)) {
        consider(b, m);
        sw_fork_cancel(p, f);
        return;
    }
    bool last = m->status / 100 == 6 || !sw_branch_has_next(p, f, b->choice);
    if (s && !f->answered && best && last && m->status != 503 && !sw_fork_pending(f)) {
        f->answered = true; /* the straight way: nothing to compare with, nothing to keep */
        sw_response_forward(p, s, m, v, b->target.peer, sw_slice("", 0));
        sw_fork_free(p, f);
        return;
    }
    consider(b, m);
    sw_branch_go_on(p, b);
}

void sw_branch_response(struct sw_proxy *p, struct sw_branch *b, const struct sw_msg *m,
                        const struct sw_vitals *v, bool ended)
{
    if (ended)
        b->client = (struct sw_ref){0};
    if (!b->heard)
        sw_branch_mark(p, &b->target, false);
    b->heard = true;
    sw_clear_outcome(b->choice, &b->target, false);
    sw_timer_stop(&p->e->timers, &b->answer);
    if (m->status != 503)
        sw_passive_answered(p, peer_of(p, b));
    if (m->status < 200)
        provisional(p, b, m, v);
    else if (m->status < 300)
        success(p, b, m, v);
    else
        failure(p, b, m, v);
}

/* Leaves out the alternatives that are the same machine: the request reached it, and it would get
 * it a second time. */
static void skip_machine(const struct sw_branch *b)
{
    struct sw_choice *c = b->choice;
    while (sw_choice_left(c)) {
        const struct sw_target *t = sw_choice_peek(b->fork, c);
        if (t->locate || t->peer != b->target.peer || t->transport != b->target.transport ||
            !sw_endpoint_ip_eq(&t->remote, &b->target.remote))
            return;
        sw_choice_skip(c);
    }
}

void sw_branch_failed(struct sw_proxy *p, struct sw_branch *b, unsigned as_status, bool ours)
{
    struct sw_fork *f = b->fork;
    b->client = (struct sw_ref){0};
    sw_branch_done(p, b);
    if (!b->heard && !ours && !b->passed_over) /* else it was marked then */
        sw_branch_mark(p, &b->target, true);
    if (as_status == 408 && b->heard && !b->passed_over)
        sw_choice_close(b->choice);
    else if (as_status == 408 && !b->passed_over) /* RFC 3263 4.3 */
        skip_machine(b);
    sw_clear_outcome(b->choice, &b->target, false);
    if (as_status == 503 && !ours && !b->passed_over && b->target.remote.port)
        sw_blame_loss(p, f, b->choice, &b->target);
    else if (as_status == 408 && !b->heard && !b->passed_over)
        no_answer(p, b, "it does not answer requests");
    sw_fork_consider(f, as_status, NULL, as_status == 503 ? "Connection To Next Hop Lost" : NULL);
    sw_branch_go_on(p, b);
}

void sw_branch_timer_c(struct sw_proxy *p, struct sw_branch *b)
{
    struct sw_client *c = sw_client_get(p->e, b->client);
    if (c && sw_client_cancel(p->e, c)) { /* also if memory was out when it was to be cancelled */
        b->cancelled = true;
        limit_wait(p, b);
        return;
    }
    if (c)
        sw_client_free(p->e, c);
    sw_branch_failed(p, b, 408, false);
}

/* Goes to the next target, if the request left to one that is another machine. False: there is
 * none, and the answer is waited for. */
static bool next_elsewhere(const struct sw_proxy *p, const struct sw_branch *b)
{
    const struct sw_choice was = *b->choice;
    if (b->state == SW_BRANCH_SENT)
        skip_machine(b);
    if (sw_branch_has_next(p, b->fork, b->choice))
        return true;
    *b->choice = was;
    return false;
}

void sw_branch_timeout(struct sw_proxy *p, struct sw_branch *b)
{
    struct sw_fork *f = b->fork;
    if (b->heard || b->state == SW_BRANCH_DONE || !next_elsewhere(p, b))
        return;
    sw_clear_outcome(b->choice, &b->target, false);
    no_answer(p, b, "it does not answer requests in time");
    /* also while it is connected to: that this fails is told to nobody any more. RFC 3263 4.3 */
    if (b->state == SW_BRANCH_SENT || !b->over_tcp)
        sw_branch_mark(p, &b->target, true);
    if (b->state <= SW_BRANCH_OPENING) {
        sw_branch_done(p, b);
        sw_fork_consider(f, 503, NULL, "Next Hop Unreachable");
    } else {
        b->passed_over = true;
        sw_fork_consider(f, 408, NULL, NULL);
    }
    advance(p, f, b->choice);
}

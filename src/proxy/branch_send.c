/* A target's request leaves, at once or as soon as there is a connection for it. */
#include "proxy/fork.h"

#include "proxy/blame.h"
#include "proxy/clear.h"
#include "proxy/hops.h"
#include "proxy/local.h"
#include "proxy/party.h"
#include "proxy/passive.h"
#include "proxy/sips.h"
#include "proxy/station.h"

/* RFC 3261 18.1.1: above this a request leaves over a congestion-controlled transport. */
enum { UDP_MAX_BYTES = 1300, TCP_TRY_MS = 2000 };

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
    if (!sw_limit_to(p, t->peer, sw_fork_counted_as(f, t->peer), &load, &retry_s)) {
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
    sw_passive_trying(p, sw_proxy_peer(p->conf, t->peer));
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
        sw_branch_no_answer(p, b, failure_reason(status));
    }
    sw_branch_done(p, b);
    sw_fork_consider(f, 503, NULL, failure_reason(status));
    sw_branch_go_on(p, b);
}

#include "proxy/fork.h"

#include "proxy/blame.h"
#include "proxy/clear.h"
#include "proxy/hops.h"
#include "proxy/passive.h"
#include "proxy/place.h"
#include "proxy/response.h"
#include "proxy/station.h"

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

enum sw_limit_as sw_fork_counted_as(const struct sw_fork *f, uint32_t peer)
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
    while (at < end && !sw_limit_has_room(p, t[at].peer, sw_fork_counted_as(f, t[at].peer)))
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

static const struct sw_peer_conf *peer_of(const struct sw_proxy *p, const struct sw_branch *b)
{
    return sw_proxy_peer(p->conf, b->target.peer);
}

void sw_branch_no_answer(struct sw_proxy *p, const struct sw_branch *b, const char *why)
{
    if (b->target.remote.port || b->target.locate == SW_TARGET_PEER)
        sw_blame_peer(p, b->fork, b->choice, &b->target, why);
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
        sw_branch_no_answer(p, b, "it does not answer requests");
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
    sw_branch_no_answer(p, b, "it does not answer requests in time");
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

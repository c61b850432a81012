/* Actions become calls. */
#include "conn/count.h"
#include "sys/log.h"
#include "worker/lookup.h"
#include "worker/walk.h"
#include "worker/worker.h"

#include <stdlib.h>

struct sw_pending *sw_worker_later(struct sw_worker *w, enum sw_event_kind kind,
                                   enum sw_status status)
{
    if (w->pending_count == w->pending_cap) {
        uint32_t cap = w->pending_cap ? w->pending_cap * 2 : 64;
        struct sw_pending *more = realloc(w->pending, cap * sizeof(*more));
        if (!more)
            return NULL;
        w->pending = more;
        w->pending_cap = cap;
    }
    struct sw_pending *p = &w->pending[w->pending_count++];
    *p = (struct sw_pending){.ev = {.kind = kind, .status = status}};
    return p;
}

void sw_worker_send_failed(struct sw_worker *w, const struct sw_send_act *s, enum sw_status status)
{
    struct sw_pending *p = s->cookie.why ? sw_worker_later(w, SW_EV_SEND_FAILED, status) : NULL;
    char *copy = p ? malloc(s->total + 1) : NULL;
    if (!p)
        return;
    p->ev.cookie = s->cookie;
    p->ev.flow_id = s->flow;
    p->ev.remote = s->remote;
    if (!copy)
        return;
    sw_segs_copy(s->segs, s->seg_count, copy);
    p->seg = sw_slice(copy, s->total);
}

struct sw_conn *sw_worker_own_conn(struct sw_worker *w, const struct sw_flow_id *id)
{
    if (id->instance != w->conns.conf.instance || id->worker != w->index)
        return NULL;
    return sw_conn_get(&w->conns, (struct sw_ref){id->slot, id->generation});
}

static enum sw_status send_datagram(struct sw_worker *w, const struct sw_send_act *s)
{
    const struct sw_workers *all = w->all;
    if (s->flow.slot >= all->listener_count || !all->listeners[s->flow.slot].udp)
        return SW_SYS_UNREACHABLE;
    if (w->away[s->flow.slot]) /* IPv6 would send it all the same */
        return SW_SYS_AWAY;
    enum sw_status st =
        sw_udp_send(all->listeners[s->flow.slot].udp[w->index], &s->remote, s->segs, s->seg_count);
    return st == SW_AGAIN ? SW_OK : st; /* lost like any other datagram: it will be repeated */
}

static enum sw_status send_elsewhere(struct sw_worker *w, const struct sw_send_act *s)
{
    if (s->flow.instance != w->conns.conf.instance || s->flow.worker >= w->all->count)
        return SW_PEER_CLOSED;
    const struct sw_mail mail = {
        .kind = SW_MAIL_SEND,
        .from = w->index,
        .flow_id = s->flow,
        .remote = s->remote,
        .cookie = s->cookie,
    };
    return sw_worker_post(&w->all->worker[s->flow.worker], &mail, s->segs, s->seg_count);
}

static void perform_send(struct sw_worker *w, const struct sw_send_act *s)
{
    enum sw_status st;
    if (s->flow.worker == SW_WORKER_ANY) {
        st = send_datagram(w, s);
    } else if (s->flow.worker == w->index) {
        struct sw_conn *c = sw_worker_own_conn(w, &s->flow);
        st = c ? sw_conn_send(&w->conns, c, s->segs, s->seg_count, s->total) : SW_PEER_CLOSED;
        if (c && st == SW_LIMIT_SIZE) {
            sw_count(w->counters, SW_LIMITED_OUTPUT_BYTES);
            sw_worker_conn_over(w, c, st, "limit output_bytes: the peer does not read");
        }
    } else {
        st = send_elsewhere(w, s);
    }
    sw_count(w->counters, SW_COUNT_SENT_UDP + s->cookie.transport);
    if (st != SW_OK)
        sw_worker_send_failed(w, s, st);
}

static void perform_find(struct sw_worker *w, struct sw_key key, const struct sw_event *ev)
{
    struct sw_directory *d = w->all->directory;
    uint16_t owner = d ? sw_directory_find(d, key) : SW_WORKER_ANY;
    w->no_owner = true;
    if (owner == SW_WORKER_ANY || owner == w->index || !ev->flow)
        return;
    struct sw_mail mail = {.kind = SW_MAIL_MESSAGE, .from = w->index, .flow = *ev->flow};
    mail.flow.ident = NULL;
    if (sw_worker_post(&w->all->worker[owner], &mail, &ev->bytes, 1) == SW_OK) {
        w->no_owner = false;
        sw_count(w->counters, SW_COUNT_HANDED_OVER);
    }
}

/* The verdict about a connection that is open already. */
static void verdict_again(struct sw_worker *w, struct sw_conn *c, const struct sw_action *a)
{
    if (a->kind == SW_ACT_CLOSE) {
        sw_worker_conn_over(w, c, a->verdict.status,
                            a->verdict.why ? a->verdict.why
                                           : "its peer is not in the configuration any more");
        return;
    }
    if (c->flow.crowded) /* it is about to end */
        return;
    if (c->flow.peer == a->verdict.peer && c->flow.domain_id == a->verdict.domain_id &&
        c->flow.proof == a->verdict.proof)
        return;
    if (c->listed)
        sw_pool_del(w->all->pool, &c->flow);
    (void)sw_conn_count(&w->conns, c, a->verdict.peer, false); /* it is open already */
    sw_conn_belongs(c, a->verdict.peer, a->verdict.domain_id);
    c->flow.proof = a->verdict.proof;
    c->listed =
        c->flow.peer != SW_PEER_NOBODY && sw_pool_put(w->all->pool, &c->flow, true) == SW_OK;
    sw_attempt_open(&w->conns, c, a->verdict.why, a->verdict.help, a->verdict.got);
}

/* An accepted connection over the limit of the peer whose it turned out to be: it stays until its
 * first message is refused, so that whoever sends that is told when to try again. RFC 3261 21.5.4
 */
static void one_too_many(struct sw_worker *w, struct sw_conn *c, uint32_t peer)
{
    struct sw_flow flow = c->flow;
    flow.peer = peer;
    sw_count(w->counters, SW_COUNT_CONNECTIONS_FAILED);
    sw_count(w->counters, SW_LIMITED_PEER_CONNECTIONS);
    sw_attempt_refused(&w->conns, &flow, &sw_conn_one_too_many);
    c->flow.crowded = true;
    sw_conn_admit(&w->conns, c, SW_PEER_NOBODY, 0);
}

static void perform_verdict(struct sw_worker *w, const struct sw_action *a)
{
    struct sw_conn *c = sw_worker_own_conn(w, &a->verdict.flow);
    if (c && c->state == SW_CONN_OPEN)
        verdict_again(w, c, a);
    if (!c || c->state != SW_CONN_IDENTITY)
        return;
    if (a->kind == SW_ACT_CLOSE) {
        sw_count(w->counters, SW_COUNT_CONNECTIONS_FAILED);
        const struct sw_attempt_verdict v = {a->verdict.status, a->verdict.why, a->verdict.help,
                                             a->verdict.got, a->verdict.claimed};
        sw_attempt_denied(&w->conns, c, &v);
        sw_worker_conn_over(w, c, a->verdict.status, NULL);
        return;
    }
    c->flow.proof = a->verdict.proof;
    if (!c->flow.outbound)
        sw_conn_is_for(&w->conns, c, a->verdict.local_domain);
    if (!c->load && !sw_conn_count(&w->conns, c, a->verdict.peer, true)) {
        one_too_many(w, c, a->verdict.peer);
        return;
    }
    sw_conn_admit(&w->conns, c, a->verdict.peer, a->verdict.domain_id);
    sw_attempt_open(&w->conns, c, a->verdict.why, a->verdict.help, a->verdict.got);
    if (c->flow.peer != SW_PEER_NOBODY)
        c->listed = sw_pool_put(w->all->pool, &c->flow, true) == SW_OK;
    sw_worker_opened(w, c, SW_OK);
}

/* The connection goes into the alias table under the address that its peer advertises. It leaves
 * the table when it closes, or becomes another peer's. RFC 5923 8.2 */
static void perform_alias(struct sw_worker *w, const struct sw_action *a)
{
    struct sw_conn *c = sw_worker_own_conn(w, &a->alias.flow);
    if (!c || c->state != SW_CONN_OPEN || !c->listed || c->flow.outbound)
        return;
    c->flow.alias_port = a->alias.port;
    if (sw_pool_put(w->all->pool, &c->flow, true) != SW_OK)
        c->flow.alias_port = 0;
    else if (c->flow.alias_port)
        sw_attempt_alias(&w->conns, c);
}

static void perform(struct sw_worker *w, const struct sw_action *a, const struct sw_event *ev)
{
    switch (a->kind) {
    case SW_ACT_SEND:
        perform_send(w, &a->send);
        return;
    case SW_ACT_OPEN:
        sw_worker_open(w, &a->open);
        return;
    case SW_ACT_LOOKUP:
        sw_worker_lookup(w, &a->lookup);
        return;
    case SW_ACT_FIND:
        perform_find(w, a->key, ev);
        return;
    case SW_ACT_PUBLISH:
        if (w->all->directory && sw_directory_put(w->all->directory, a->key, w->index) != SW_OK)
            return; /* then only this worker finds it */
        return;
    case SW_ACT_UNPUBLISH:
        if (w->all->directory)
            sw_directory_del(w->all->directory, a->key, w->index);
        return;
    case SW_ACT_ALIAS:
        perform_alias(w, a);
        return;
    case SW_ACT_ADMIT:
    case SW_ACT_CLOSE:
        perform_verdict(w, a);
        return;
    case SW_ACT_ROW:
        if (w->walk)
            sw_walk_row(w->walk, a->note.fields, a->note.count, a->note.next);
        return;
    case SW_ACT_NOTE:
        sw_log(a->note.level, a->note.event, a->note.fields, a->note.count);
        return;
    }
}

static void one_event(struct sw_worker *w, const struct sw_event *ev)
{
    w->actions.count = 0;
    w->no_owner = false;
    w->step.step(w->step.user, ev, &w->actions, w->now_ms);
    for (uint32_t i = 0; i < w->actions.count; i++)
        perform(w, &w->actions.a[i], ev);
    if (!w->no_owner)
        return;
    struct sw_event again = *ev;
    again.kind = SW_EV_NO_OWNER;
    w->no_owner = false;
    w->actions.count = 0;
    w->step.step(w->step.user, &again, &w->actions, w->now_ms);
    for (uint32_t i = 0; i < w->actions.count; i++)
        perform(w, &w->actions.a[i], &again);
}

/* Events that actions caused, in their order; they may cause more. */
void sw_worker_pending(struct sw_worker *w)
{
    for (uint32_t i = 0; i < w->pending_count; i++) {
        struct sw_pending p = w->pending[i]; /* the array may move */
        p.ev.flow = p.flow.id.generation ? &p.flow : NULL;
        if (p.ev.kind == SW_EV_SEND_FAILED) {
            p.ev.segs = &p.seg;
            p.ev.seg_count = p.seg.p ? 1 : 0;
        }
        if (p.ev.kind == SW_EV_ANSWER)
            p.ev.answer = &p.answer;
        one_event(w, &p.ev);
        free((void *)(uintptr_t)p.seg.p);
    }
    w->pending_count = 0;
}

void sw_worker_event(struct sw_worker *w, const struct sw_event *ev)
{
    one_event(w, ev);
    if (w->pending_count)
        sw_worker_pending(w);
}

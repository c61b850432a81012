#include "sim/sim.h"

#include "engine/owner.h"
#include "sim/inside.h"
#include "sim/stream.h"
#include "sim/twice.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- set-up ---- */

struct sim *sim_new(uint64_t seed)
{
    struct sim *s = calloc(1, sizeof(*s));
    assert(s);
    twice_reset();
    s->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    s->now_ms = 1000;
    s->net = (struct sim_net){.delay_min_ms = 1, .delay_max_ms = 1};
    return s;
}

/* Nodes are used again: making one costs more than a short life in it. */
static struct sim_node *spare[16];
static unsigned spare_count;

static struct sim_node *node_take(void)
{
    struct sim_node *n;
    if (!spare_count) {
        n = calloc(1, sizeof(*n));
        assert(n);
        n->pool = sw_pool_new();
        n->directory = sw_directory_new(1024);
        return n;
    }
    n = spare[--spare_count];
    *n = (struct sim_node){.pool = n->pool, .directory = n->directory};
    return n;
}

static void node_give(struct sim_node *n)
{
    if (n->published == 0 && spare_count < sizeof(spare) / sizeof(spare[0])) {
        spare[spare_count++] = n;
        return;
    }
    sw_pool_free(n->pool);
    sw_directory_free(n->directory);
    free(n);
}

void sim_free(struct sim *s)
{
    for (size_t i = 0; i < s->queue_n; i++) {
        free(s->queue[i]->bytes);
        free(s->queue[i]);
    }
    for (size_t i = 0; i < s->conn_count; i++) {
        struct sim_conn *c = s->conns[i];
        for (int side = 0; side < 2; side++) {
            if (c->listed[side] && !c->dead)
                sw_pool_del(c->end[side]->node->pool, &c->flow[side]);
            sim_stream_free(c->stream[side]);
        }
        free(c);
    }
    for (unsigned i = 0; i < s->node_count; i++) {
        if (s->nodes[i]->end)
            s->nodes[i]->end(s->nodes[i]->end_user);
        node_give(s->nodes[i]);
    }
    free(s->queue);
    free(s->conns);
    free(s);
}

struct sw_endpoint sim_endpoint(const char *text)
{
    struct sw_endpoint e = {0};
    bool ok = sw_endpoint_parse(sw_slice_str(text), 5060, &e);
    assert(ok);
    (void)ok;
    return e;
}

struct sim_node *sim_node_add(struct sim *s, const char *name, unsigned workers)
{
    struct sim_node *n = node_take();
    assert(s->node_count < 16 && workers <= SIM_WORKERS_MAX);
    n->sim = s;
    n->name = name;
    n->workers = n->connections = workers;
    n->instance = 100 + s->node_count;
    for (unsigned i = 0; i < workers; i++) {
        n->worker[i].node = n;
        n->worker[i].index = (uint16_t)i;
        n->worker[i].woken_at = SW_TIMER_NEVER;
    }
    s->nodes[s->node_count++] = n;
    return n;
}

void sim_listen(struct sim_node *n, const char *address, enum sw_transport transport)
{
    n->listener[n->listeners++] = (struct sim_listener){sim_endpoint(address), transport};
}

/* ---- actions ---- */

static void find_owner(struct sim_worker *w, struct sw_key key, const struct sw_event *ev)
{
    uint16_t owner = sw_directory_find(w->node->directory, key);
    struct sim_event *e = NULL;
    if (owner < w->node->workers && owner != w->index)
        e = sim_post(&w->node->worker[owner], w, SIM_MAIL_MESSAGE);
    w->no_owner = !e;
    if (!e)
        return;
    e->flow = *ev->flow;
    e->flow.ident = NULL;
    e->handed = true;
    sim_carry(e, &ev->bytes, 1);
}

static void perform(struct sim_worker *w, const struct sw_action *a, const struct sw_event *ev)
{
    switch (a->kind) {
    case SW_ACT_SEND:
        if (a->send.flow.worker == SW_WORKER_ANY)
            sim_send_datagram(w, &a->send);
        else
            sim_send_stream(w, &a->send);
        return;
    case SW_ACT_OPEN:
        sim_open_flow(w, &a->open);
        return;
    case SW_ACT_LOOKUP:
        sim_lookup(w, &a->lookup);
        return;
    case SW_ACT_FIND:
        find_owner(w, a->key, ev);
        return;
    case SW_ACT_PUBLISH:
        if (sw_directory_put(w->node->directory, a->key, w->index) != SW_OK)
            abort();
        w->node->published++;
        return;
    case SW_ACT_UNPUBLISH:
        w->node->published--;
        sw_directory_del(w->node->directory, a->key, w->index);
        return;
    case SW_ACT_ALIAS:
        sim_alias(w, a);
        return;
    case SW_ACT_ADMIT:
    case SW_ACT_CLOSE:
        sim_verdict(w, a);
        return;
    case SW_ACT_ROW:
        if (w->node->sim->row)
            w->node->sim->row(w->node->sim->row_user, &a->note);
        return;
    case SW_ACT_NOTE:
        if (w->node->sim->note)
            w->node->sim->note(w->node->sim->note_user, &a->note);
        if (w->node->sim->verbose)
            printf("%8lld %-8s note %s\n", (long long)w->node->sim->now_ms, w->node->name,
                   a->note.event);
        return;
    }
}

/* ---- running ---- */

static void plan_wake(struct sim_worker *w)
{
    struct sim *s = w->node->sim;
    int64_t at = w->step.deadline(w->step.user);
    if (at >= w->woken_at || at == SW_TIMER_NEVER)
        return;
    w->woken_at = at < s->now_ms ? s->now_ms : at;
    sim_later(s, WAKE, w, w->woken_at);
}

static void step(struct sim_worker *w, const struct sw_event *ev)
{
    struct sim *s = w->node->sim;
    w->actions.count = 0;
    w->no_owner = false;
    s->stats.steps++;
    w->step.step(w->step.user, ev, &w->actions, s->now_ms);
    assert(w->actions.lost == 0);
    for (uint32_t i = 0; i < w->actions.count; i++)
        perform(w, &w->actions.a[i], ev);
    if (w->no_owner) {
        struct sw_event again = *ev;
        again.kind = SW_EV_NO_OWNER;
        step(w, &again);
        return;
    }
    plan_wake(w);
}

void sim_tell(struct sim_worker *w, const struct sw_event *ev)
{
    step(w, ev);
}

static void message(struct sim_worker *w, const struct sw_flow *flow, const struct sim_event *e)
{
    struct sw_owner owner;
    struct sw_event ev = {.kind = SW_EV_MESSAGE,
                          .status = e->status,
                          .flow = flow,
                          .bytes = sw_slice(e->bytes, e->n),
                          .handed = e->handed};
    if (!e->handed && w->node->workers > 1 && e->n > 8 && memcmp(e->bytes, "SIP/2.0 ", 8) == 0 &&
        sw_owner_peek(ev.bytes, &owner) && owner.instance == w->node->instance &&
        owner.worker != w->index && owner.worker < w->node->workers) {
        struct sim_event *m = sim_post(&w->node->worker[owner.worker], w, SIM_MAIL_MESSAGE);
        if (m) {
            m->flow = *flow;
            m->flow.ident = NULL;
            m->handed = true;
            sim_carry(m, &ev.bytes, 1);
            return;
        }
    }
    step(w, &ev);
}

static void identify(struct sim_conn *c, int side)
{
    const struct sw_event ev = {.kind = SW_EV_IDENTIFY,
                                .flow = &c->flow[side],
                                .flow_id = c->flow[side].id,
                                .domain = side == 0 ? sw_slice_str(c->domain) : sw_slice("", 0),
                                .server = side == 0 ? sw_slice_str(c->server) : sw_slice("", 0),
                                .located = side == 0 ? sw_slice_str(c->located) : sw_slice("", 0)};
    step(c->end[side], &ev);
}

static void datagram(struct sim_event *e)
{
    struct sim_worker *w = e->to;
    const struct sw_flow flow = {
        .id = {.instance = w->node->instance, .worker = SW_WORKER_ANY, .slot = e->listener},
        .local = w->node->listener[e->listener].address,
        .remote = e->from,
        .listener = e->listener,
        .transport = SW_UDP,
    };
    if (e->n)
        message(w, &flow, e);
}

/* One message out of a stream. */
static void cut(void *segment, struct sw_slice bytes, enum sw_status status)
{
    struct sim_event e = *(const struct sim_event *)segment;
    e.bytes = (char *)(uintptr_t)bytes.p;
    e.n = bytes.n;
    e.status = status;
    if (!e.conn->dead)
        message(e.to, &e.conn->flow[e.side], &e);
}

static void segment(struct sim_event *e)
{
    struct sim_conn *c = e->conn;
    if (c->dead || e->to->node->deaf)
        return;
    if (!e->to->node->takes_bytes)
        message(e->to, &c->flow[e->side], e);
    else if (!sim_stream_feed(&c->stream[e->side], sw_slice(e->bytes, e->n), cut, e))
        sim_kill_conn(c, SW_PEER_SYNTAX);
}

/* What the zone says at that moment. */
static void answered(struct sim_event *e)
{
    struct sim_dns *dns = &e->to->node->dns;
    struct sw_dns_answer answer = {.status = e->status};
    struct sw_dns_question q;
    memcpy(&q, e->bytes, sizeof(q));
    if (e->status == SW_OK)
        answer = zone_answer(dns->zone, &q);
    const struct sw_event ev = {.kind = SW_EV_ANSWER, .job = e->job, .answer = &answer};
    step(e->to, &ev);
}

static void run_event(struct sim *s, struct sim_event *e)
{
    struct sim_worker *w = e->to;
    struct sw_event ev = {.status = e->status, .flow_id = e->flow.id, .job = e->job};
    struct sw_slice seg = sw_slice(e->bytes, e->n);
    switch ((int)e->kind) {
    case DATAGRAM:
        datagram(e);
        return;
    case SEGMENT:
        segment(e);
        return;
    case CONNECT: /* the handshake is done: first the server looks who it is, then the client */
        if (e->conn->dead)
            return;
        if (e->to->node->swallows) {
            sim_kill_conn(e->conn, SW_PEER_TIMEOUT);
            return;
        }
        identify(e->conn, 1);
        if (!e->conn->dead)
            sim_later(s, CONNECTED, e->conn->end[0], s->now_ms + sim_delay(s))->conn = e->conn;
        return;
    case CONNECTED:
        if (!e->conn->dead)
            identify(e->conn, 0);
        return;
    case CLOSED:
    case MAIL + SIM_MAIL_CLOSED:
        ev.kind = SW_EV_CLOSED;
        step(w, &ev);
        return;
    case MAIL + SIM_MAIL_MESSAGE:
        message(w, &e->flow, e);
        return;
    case MAIL + SIM_MAIL_SEND:
        sim_mail_send(e);
        return;
    case MAIL + SIM_MAIL_WAIT:
        sim_mail_wait(e);
        return;
    case ANSWERED:
        answered(e);
        return;
    case SEND_FAILED:
    case MAIL + SIM_MAIL_SEND_FAILED:
        ev.kind = SW_EV_SEND_FAILED;
        ev.cookie = e->cookie;
        ev.remote = e->dest;
        ev.segs = &seg;
        ev.seg_count = 1;
        step(w, &ev);
        return;
    case OPENED:
    case MAIL + SIM_MAIL_OPENED:
        ev.kind = SW_EV_OPENED;
        ev.flow = e->status == SW_OK ? &e->flow : NULL;
        step(w, &ev);
        return;
    case WAKE:
        if (w->woken_at == e->at_ms)
            w->woken_at = SW_TIMER_NEVER;
        ev.kind = SW_EV_TIME;
        step(w, &ev);
        return;
    }
}

uint64_t sim_run_events(struct sim *s, int64_t until_ms, uint64_t most)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < s->node_count; i++)
        for (unsigned k = 0; k < s->nodes[i]->workers; k++)
            plan_wake(&s->nodes[i]->worker[k]);
    for (; n < most && s->queue_n && s->queue[0]->at_ms <= until_ms; n++) {
        struct sim_event *e = sim_take(s);
        assert(e->at_ms >= s->now_ms);
        s->now_ms = e->at_ms;
        run_event(s, e);
        if (e->kind >= MAIL)
            e->to->mail_waiting--;
        free(e->bytes);
        free(e);
    }
    return n;
}

void sim_run(struct sim *s, int64_t until_ms)
{
    sim_run_events(s, until_ms, UINT64_MAX);
    if (until_ms > s->now_ms && until_ms != INT64_MAX)
        s->now_ms = until_ms;
}

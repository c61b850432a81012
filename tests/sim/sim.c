#include "sim/sim.h"

#include "engine/owner.h"
#include "sim/stream.h"
#include "sip/edit.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum event_kind {
    DATAGRAM,
    SEGMENT,
    CONNECT,
    CONNECTED,
    CLOSED,
    MAIL_MESSAGE,
    MAIL_SEND,
    OPENED,
    WAKE
};

struct sim_event {
    int64_t at_ms;
    uint64_t seq;
    enum event_kind kind;
    struct sim_worker *to;
    struct sw_endpoint from, dest;
    struct sim_conn *conn;
    int side;
    uint16_t listener;
    struct sw_flow flow;
    struct sw_ref job;
    struct sw_cookie cookie;
    enum sw_status status;
    struct sw_want want;
    bool handed;
    char *bytes;
    size_t n;
};

struct waiter {
    struct sw_ref job;
    struct sim_worker *worker;
};

/* A connection between two nodes; side 0 dialled. */
struct sim_conn {
    struct sim_worker *end[2];
    struct sw_flow flow[2];
    int64_t next_ms[2]; /* nothing overtakes on a stream */
    struct waiter waiters[64];
    unsigned waiter_count;
    bool up[2]; /* admitted by this side */
    bool dead;
    bool listed[2];
    struct sim_stream *stream[2]; /* to a node that takes bytes */
};

/* ---- time and chance ---- */

uint64_t sim_random(struct sim *s, uint64_t n)
{
    s->random ^= s->random << 13; /* xorshift64: repeatable, nothing more */
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return n ? s->random % n : 0;
}

static bool chance(struct sim *s, unsigned per_1000)
{
    return per_1000 && sim_random(s, 1000) < per_1000;
}

static int64_t delay(struct sim *s)
{
    return s->net.delay_min_ms +
           (int64_t)sim_random(s, (uint64_t)(s->net.delay_max_ms - s->net.delay_min_ms) + 1);
}

static bool earlier(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->seq < b->seq;
}

static struct sim_event *later(struct sim *s, enum event_kind kind, struct sim_worker *to,
                               int64_t at_ms)
{
    struct sim_event *e = calloc(1, sizeof(*e));
    if (s->queue_n == s->queue_cap) {
        s->queue_cap = s->queue_cap ? s->queue_cap * 2 : 256;
        s->queue = realloc(s->queue, s->queue_cap * sizeof(*s->queue));
    }
    assert(e && s->queue && at_ms >= s->now_ms);
    *e = (struct sim_event){.at_ms = at_ms, .seq = s->seq++, .kind = kind, .to = to};
    size_t i = s->queue_n++;
    for (; i && earlier(e, s->queue[(i - 1) / 2]); i = (i - 1) / 2)
        s->queue[i] = s->queue[(i - 1) / 2];
    s->queue[i] = e;
    return e;
}

static struct sim_event *take(struct sim *s)
{
    struct sim_event *first = s->queue[0], *last = s->queue[--s->queue_n];
    size_t i = 0;
    for (;;) {
        size_t c = 2 * i + 1;
        if (c >= s->queue_n)
            break;
        if (c + 1 < s->queue_n && earlier(s->queue[c + 1], s->queue[c]))
            c++;
        if (!earlier(s->queue[c], last))
            break;
        s->queue[i] = s->queue[c];
        i = c;
    }
    if (s->queue_n)
        s->queue[i] = last;
    return first;
}

static void carry(struct sim_event *e, const struct sw_slice *segs, size_t count)
{
    e->n = sw_segs_total(segs, count);
    e->bytes = malloc(e->n + 1);
    assert(e->bytes);
    sw_segs_copy(segs, count, e->bytes);
}

/* ---- set-up ---- */

struct sim *sim_new(uint64_t seed)
{
    struct sim *s = calloc(1, sizeof(*s));
    assert(s);
    s->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    s->now_ms = 1000;
    s->net = (struct sim_net){.delay_min_ms = 1, .delay_max_ms = 1};
    return s;
}

void sim_free(struct sim *s)
{
    for (size_t i = 0; i < s->queue_n; i++) {
        free(s->queue[i]->bytes);
        free(s->queue[i]);
    }
    for (size_t i = 0; i < s->conn_count; i++) {
        sim_stream_free(s->conns[i]->stream[0]);
        sim_stream_free(s->conns[i]->stream[1]);
        free(s->conns[i]);
    }
    for (unsigned i = 0; i < s->node_count; i++) {
        sw_pool_free(s->nodes[i]->pool);
        sw_directory_free(s->nodes[i]->directory);
        free(s->nodes[i]);
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
    struct sim_node *n = calloc(1, sizeof(*n));
    assert(n && s->node_count < 16 && workers <= SIM_WORKERS_MAX);
    n->sim = s;
    n->name = name;
    n->workers = workers;
    n->instance = 100 + s->node_count;
    n->pool = sw_pool_new();
    n->directory = sw_directory_new(1024);
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

/* ---- finding who is meant ---- */

static bool takes(const struct sim_listener *l, enum sw_transport t)
{
    return l->transport == t || (l->transport == SW_UDP && t == SW_TCP);
}

static struct sim_node *node_at(struct sim *s, const struct sw_endpoint *a, enum sw_transport t,
                                uint16_t *listener)
{
    for (unsigned i = 0; i < s->node_count; i++)
        for (unsigned k = 0; k < s->nodes[i]->listeners; k++)
            if (takes(&s->nodes[i]->listener[k], t) &&
                sw_endpoint_eq(&s->nodes[i]->listener[k].address, a)) {
                *listener = (uint16_t)k;
                return s->nodes[i];
            }
    return NULL;
}

/* The kernel spreads datagrams by their addresses: the same pair always meets the same worker. */
static struct sim_worker *udp_worker(struct sim_node *n, const struct sw_endpoint *from)
{
    struct sim *s = n->sim;
    unsigned w = (from->port * 31u + from->ip[3]) % n->workers;
    if (chance(s, s->net.handed_elsewhere))
        w = (unsigned)sim_random(s, n->workers);
    return &n->worker[w];
}

static struct sim_conn *conn_of(struct sim *s, const struct sw_flow_id *id, int *side)
{
    size_t i = id->slot / 2;
    *side = (int)(id->slot % 2);
    if (i >= s->conn_count || !sw_flow_id_eq(&s->conns[i]->flow[*side].id, id))
        return NULL;
    return s->conns[i];
}

/* ---- actions ---- */

static void step(struct sim_worker *w, const struct sw_event *ev);

static void see(struct sim_worker *w, const struct sw_endpoint *to, enum sw_transport t,
                const struct sim_event *e)
{
    struct sim *s = w->node->sim;
    if (s->watch)
        s->watch(s->watch_user, w->node, to, t, sw_slice(e->bytes, e->n));
    if (s->verbose) {
        const char *id = strstr(e->bytes, "Call-ID: ");
        printf("%8lld %s.%u -> %u.%u:%u %s: %.*s %.*s\n", (long long)s->now_ms, w->node->name,
               w->index, to->ip[1], to->ip[3], to->port, sw_transport_name(t).p,
               (int)strcspn(e->bytes, "\r"), e->bytes, id ? (int)strcspn(id, "\r") : 0, id);
    }
}

static void send_failed(struct sim_worker *w, const struct sw_send_act *a, enum sw_status status)
{
    if (a->cookie.why == SW_FOR_NOTHING)
        return;
    struct sim_event *e = later(w->node->sim, MAIL_SEND, w, w->node->sim->now_ms);
    e->cookie = a->cookie;
    e->status = status;
    e->dest = a->remote;
    e->flow.id = a->flow;
    carry(e, a->segs, a->seg_count);
}

static void send_datagram(struct sim_worker *w, const struct sw_send_act *a)
{
    struct sim *s = w->node->sim;
    uint16_t listener;
    struct sim_node *to = node_at(s, &a->remote, SW_UDP, &listener);
    s->stats.datagrams++;
    if (!to) { /* ICMP says so */
        send_failed(w, a, SW_PEER_REFUSED);
        return;
    }
    const struct sim_fault *fault =
        s->stats.datagrams == s->net.fault.at ? &s->net.fault : &(struct sim_fault){0};
    int copies = 1 + (chance(s, s->net.twice) || fault->twice);
    s->stats.doubled += copies == 2;
    const struct sw_endpoint *from = &w->node->listener[a->flow.slot].address;
    for (; copies; copies--) {
        struct sim_event *e = later(s, DATAGRAM, udp_worker(to, from),
                                    s->now_ms + delay(s) + (copies == 1 ? fault->late_ms : 0));
        e->from = *from;
        e->listener = listener;
        carry(e, a->segs, a->seg_count);
        e->bytes[e->n] = 0;
        see(w, &a->remote, SW_UDP, e);
        if (chance(s, s->net.loss) || fault->lose || to->deaf ||
            (s->net.large_lost && e->n > 1300)) {
            s->stats.lost++;
            e->n = 0; /* arrives as nothing */
        }
    }
}

static void send_stream(struct sim_worker *w, const struct sw_send_act *a)
{
    struct sim *s = w->node->sim;
    int side;
    struct sim_conn *c = conn_of(s, &a->flow, &side);
    if (!c || c->dead || !c->up[side]) {
        send_failed(w, a, SW_PEER_CLOSED);
        return;
    }
    int64_t at = s->now_ms + delay(s);
    if (at > c->next_ms[side]) /* else after what was sent before */
        c->next_ms[side] = at;
    struct sim_event *e = later(s, SEGMENT, c->end[1 - side], c->next_ms[side]);
    e->conn = c;
    e->side = 1 - side;
    s->stats.segments++;
    carry(e, a->segs, a->seg_count);
    e->bytes[e->n] = 0;
    see(w, &c->flow[side].remote, (enum sw_transport)c->flow[side].transport, e);
}

static void opened(struct sim_worker *w, struct sw_ref job, enum sw_status status,
                   const struct sw_flow *flow)
{
    struct sim_event *e = later(w->node->sim, OPENED, w, w->node->sim->now_ms);
    e->job = job;
    e->status = status;
    if (flow)
        e->flow = *flow;
}

static void wait_for(struct sim_conn *c, struct sim_worker *w, struct sw_ref job)
{
    if (c->waiter_count < 64)
        c->waiters[c->waiter_count++] = (struct waiter){job, w};
    else
        opened(w, job, SW_LIMIT, NULL);
}

static struct sim_conn *conn_new(struct sim *s, struct sim_worker *from, struct sim_node *to,
                                 const struct sw_want *want, uint16_t listener)
{
    struct sim_conn *c = calloc(1, sizeof(*c));
    if (s->conn_count == s->conn_cap) {
        s->conn_cap = s->conn_cap ? s->conn_cap * 2 : 64;
        s->conns = realloc(s->conns, s->conn_cap * sizeof(struct sim_conn *));
    }
    assert(c && s->conns);
    uint32_t slot = (uint32_t)s->conn_count * 2;
    uint16_t ephemeral = (uint16_t)(20000 + s->conn_count % 40000);
    c->end[0] = from;
    c->end[1] = &to->worker[sim_random(s, to->workers)];
    c->flow[0] = (struct sw_flow){
        .id = {from->node->instance, 0, from->index, slot, (uint32_t)s->conn_count * 2 + 1},
        .local = from->node->listener[want->listener].address,
        .remote = want->remote,
        .peer = want->peer,
        .listener = want->listener,
        .transport = want->transport,
        .outbound = true,
        .ident = want->transport == SW_TLS ? to->ident : NULL,
    };
    c->flow[0].local.port = ephemeral;
    c->flow[1] = (struct sw_flow){
        .id = {to->instance, 0, c->end[1]->index, slot + 1, (uint32_t)s->conn_count * 2 + 1},
        .local = want->remote,
        .remote = c->flow[0].local,
        .listener = listener,
        .transport = want->transport,
        .ident = want->transport == SW_TLS ? from->node->ident : NULL,
    };
    s->conns[s->conn_count++] = c;
    s->stats.connects++;
    return c;
}

static void dial(struct sim_worker *w, const struct sw_want *want, const struct sw_pool_want *pw)
{
    struct sim *s = w->node->sim;
    uint16_t listener;
    struct sim_node *to =
        want->remote.port ? node_at(s, &want->remote, (enum sw_transport)want->transport, &listener)
                          : NULL;
    struct sim_conn *c = to && !to->deaf ? conn_new(s, w, to, want, listener) : NULL;
    bool listed = sw_pool_dialled(w->node->pool, pw, c ? &c->flow[0] : NULL) == SW_OK;
    if (!c) {
        opened(w, want->job, want->remote.port ? SW_PEER_REFUSED : SW_PEER_CLOSED, NULL);
        return;
    }
    wait_for(c, w, want->job);
    c->listed[0] = listed;
    later(s, CONNECT, c->end[1], s->now_ms + delay(s))->conn = c;
}

static void open_flow(struct sim_worker *w, const struct sw_want *want)
{
    struct sw_flow flow;
    const struct sw_pool_want pw = {
        .peer = want->peer,
        .remote = want->remote,
        .prefer = want->prefer,
        .listener = want->listener,
        .worker = w->index,
        .transport = want->transport,
        .any_of_peer = want->any_of_peer,
        .limit = w->node->workers,
    };
    int side;
    struct sim_conn *c;
    switch (sw_pool_find(w->node->pool, &pw, &flow)) {
    case SW_POOL_OPEN:
        opened(w, want->job, SW_OK, &flow);
        return;
    case SW_POOL_WAIT:
        c = conn_of(w->node->sim, &flow.id, &side);
        wait_for(c, w, want->job);
        return;
    case SW_POOL_DIAL:
        dial(w, want, &pw);
        return;
    }
}

static void kill_conn(struct sim_conn *c, enum sw_status status)
{
    struct sim *s = c->end[0]->node->sim;
    if (c->dead)
        return;
    c->dead = true;
    for (int side = 0; side < 2; side++) {
        struct sim_node *n = c->end[side]->node;
        if (c->listed[side])
            sw_pool_del(n->pool, &c->flow[side]);
        for (unsigned i = 0; i < n->workers; i++) {
            struct sim_event *e = later(s, CLOSED, &n->worker[i], s->now_ms + 1);
            e->flow.id = c->flow[side].id;
            e->status = status;
        }
    }
    for (unsigned i = 0; i < c->waiter_count; i++)
        opened(c->waiters[i].worker, c->waiters[i].job, status, NULL);
    c->waiter_count = 0;
}

static void verdict(struct sim_worker *w, const struct sw_action *a)
{
    int side;
    struct sim_conn *c = conn_of(w->node->sim, &a->verdict.flow, &side);
    if (!c || c->dead)
        return;
    if (a->kind == SW_ACT_CLOSE) {
        kill_conn(c, a->verdict.status);
        return;
    }
    c->up[side] = true;
    c->flow[side].peer = a->verdict.peer;
    c->flow[side].domain_id = a->verdict.domain_id;
    if (a->verdict.peer != SW_PEER_NOBODY)
        c->listed[side] = sw_pool_put(w->node->pool, &c->flow[side], true) == SW_OK;
    for (unsigned i = 0; side == 0 && i < c->waiter_count; i++)
        opened(c->waiters[i].worker, c->waiters[i].job, SW_OK, &c->flow[0]);
    if (side == 0)
        c->waiter_count = 0;
}

static void find_owner(struct sim_worker *w, struct sw_key key, const struct sw_event *ev)
{
    struct sim *s = w->node->sim;
    uint16_t owner = sw_directory_find(w->node->directory, key);
    w->no_owner = owner >= w->node->workers || owner == w->index;
    if (w->no_owner)
        return;
    struct sim_event *e = later(s, MAIL_MESSAGE, &w->node->worker[owner], s->now_ms);
    e->flow = *ev->flow;
    e->handed = true;
    s->stats.mails++;
    carry(e, &ev->bytes, 1);
}

static void perform(struct sim_worker *w, const struct sw_action *a, const struct sw_event *ev)
{
    switch (a->kind) {
    case SW_ACT_SEND:
        if (a->send.flow.worker == SW_WORKER_ANY)
            send_datagram(w, &a->send);
        else
            send_stream(w, &a->send);
        return;
    case SW_ACT_OPEN:
        open_flow(w, &a->open);
        return;
    case SW_ACT_FIND:
        find_owner(w, a->key, ev);
        return;
    case SW_ACT_PUBLISH:
        if (sw_directory_put(w->node->directory, a->key, w->index) != SW_OK)
            abort();
        return;
    case SW_ACT_UNPUBLISH:
        sw_directory_del(w->node->directory, a->key, w->index);
        return;
    case SW_ACT_ADMIT:
    case SW_ACT_CLOSE:
        verdict(w, a);
        return;
    case SW_ACT_NOTE:
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
    later(s, WAKE, w, w->woken_at);
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

static void message(struct sim_worker *w, const struct sw_flow *flow, const struct sim_event *e)
{
    struct sim *s = w->node->sim;
    struct sw_owner owner;
    struct sw_event ev = {.kind = SW_EV_MESSAGE,
                          .status = e->status,
                          .flow = flow,
                          .bytes = sw_slice(e->bytes, e->n),
                          .handed = e->handed};
    if (!e->handed && w->node->workers > 1 && e->n > 8 && memcmp(e->bytes, "SIP/2.0 ", 8) == 0 &&
        sw_owner_peek(ev.bytes, &owner) && owner.instance == w->node->instance &&
        owner.worker != w->index && owner.worker < w->node->workers) {
        struct sim_event *m = later(s, MAIL_MESSAGE, &w->node->worker[owner.worker], s->now_ms);
        m->flow = *flow;
        m->handed = true;
        s->stats.mails++;
        carry(m, &ev.bytes, 1);
        return;
    }
    step(w, &ev);
}

static void identify(struct sim_conn *c, int side)
{
    const struct sw_event ev = {
        .kind = SW_EV_IDENTIFY, .flow = &c->flow[side], .flow_id = c->flow[side].id};
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
        kill_conn(c, SW_PEER_SYNTAX);
}

static void run_event(struct sim *s, struct sim_event *e)
{
    struct sim_worker *w = e->to;
    struct sw_event ev = {.status = e->status, .flow_id = e->flow.id, .job = e->job};
    struct sw_slice seg = sw_slice(e->bytes, e->n);
    switch (e->kind) {
    case DATAGRAM:
        datagram(e);
        return;
    case SEGMENT:
        segment(e);
        return;
    case CONNECT: /* the handshake is done: first the server looks who it is, then the client */
        if (e->conn->dead)
            return;
        identify(e->conn, 1);
        if (!e->conn->dead)
            later(s, CONNECTED, e->conn->end[0], s->now_ms + delay(s))->conn = e->conn;
        return;
    case CONNECTED:
        if (!e->conn->dead)
            identify(e->conn, 0);
        return;
    case CLOSED:
        ev.kind = SW_EV_CLOSED;
        step(w, &ev);
        return;
    case MAIL_MESSAGE:
        message(w, &e->flow, e);
        return;
    case MAIL_SEND:
        ev.kind = SW_EV_SEND_FAILED;
        ev.cookie = e->cookie;
        ev.remote = e->dest;
        ev.segs = &seg;
        ev.seg_count = 1;
        step(w, &ev);
        return;
    case OPENED:
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
        struct sim_event *e = take(s);
        assert(e->at_ms >= s->now_ms);
        s->now_ms = e->at_ms;
        run_event(s, e);
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

void sim_break(struct sim *s, const struct sim_node *a, const struct sim_node *b)
{
    for (size_t i = 0; i < s->conn_count; i++) {
        struct sim_conn *c = s->conns[i];
        if ((c->end[0]->node == a && c->end[1]->node == b) ||
            (c->end[0]->node == b && c->end[1]->node == a))
            kill_conn(c, SW_PEER_RESET);
    }
}

void sim_break_one(struct sim *s)
{
    if (s->conn_count)
        kill_conn(s->conns[sim_random(s, s->conn_count)], SW_PEER_RESET);
}

unsigned sim_open_conns(const struct sim *s)
{
    unsigned n = 0;
    for (size_t i = 0; i < s->conn_count; i++)
        n += !s->conns[i]->dead;
    return n;
}

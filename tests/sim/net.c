#include "sim/inside.h"

#include "base/local.h"
#include "sip/edit.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

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
    if (sim_chance(s, s->net.handed_elsewhere))
        w = (unsigned)sim_random(s, n->workers);
    return &n->worker[w];
}

struct sim_conn *sim_conn_of(struct sim *s, const struct sw_flow_id *id, int *side)
{
    size_t i = id->slot / 2;
    *side = (int)(id->slot % 2);
    if (i >= s->conn_count || !sw_flow_id_eq(&s->conns[i]->flow[*side].id, id))
        return NULL;
    return s->conns[i];
}

/* ---- actions ---- */

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
    struct sim_event *e = sim_later(w->node->sim, SEND_FAILED, w, w->node->sim->now_ms);
    e->cookie = a->cookie;
    e->status = status;
    e->dest = a->remote;
    e->flow.id = a->flow;
    sim_carry(e, a->segs, a->seg_count);
}

void sim_send_datagram(struct sim_worker *w, const struct sw_send_act *a)
{
    struct sim *s = w->node->sim;
    uint16_t listener;
    struct sim_node *to = node_at(s, &a->remote, SW_UDP, &listener);
    s->stats.datagrams++;
    if (w->node->fails != SW_OK) {
        send_failed(w, a, w->node->fails);
        return;
    }
    if (!to) { /* ICMP says so */
        send_failed(w, a, SW_PEER_REFUSED);
        return;
    }
    const struct sim_fault *fault =
        s->stats.datagrams == s->net.fault.at ? &s->net.fault : &(struct sim_fault){0};
    int copies = 1 + (sim_chance(s, s->net.twice) || fault->twice);
    s->stats.doubled += copies == 2;
    const struct sw_endpoint *from = &w->node->listener[a->flow.slot].address;
    for (; copies; copies--) {
        struct sim_event *e =
            sim_later(s, DATAGRAM, udp_worker(to, from),
                      s->now_ms + sim_delay(s) + (copies == 1 ? fault->late_ms : 0));
        e->from = *from;
        e->listener = listener;
        sim_carry(e, a->segs, a->seg_count);
        e->bytes[e->n] = 0;
        see(w, &a->remote, SW_UDP, e);
        if (sim_chance(s, s->net.loss) || fault->lose || to->deaf ||
            (s->net.large_lost && e->n > 1300)) {
            s->stats.lost++;
            e->n = 0; /* arrives as nothing */
        }
    }
}

/* Over a connection of this worker. False: it is closed. */
static bool over_conn(struct sim_worker *w, const struct sw_flow_id *flow,
                      const struct sw_slice *segs, size_t count)
{
    struct sim *s = w->node->sim;
    int side;
    struct sim_conn *c = sim_conn_of(s, flow, &side);
    if (!c || c->dead || !c->up[side])
        return false;
    int64_t at = s->now_ms + sim_delay(s);
    if (at > c->next_ms[side]) /* else after what was sent before */
        c->next_ms[side] = at;
    struct sim_event *e = sim_later(s, SEGMENT, c->end[1 - side], c->next_ms[side]);
    e->conn = c;
    e->side = 1 - side;
    s->stats.segments++;
    sim_carry(e, segs, count);
    e->bytes[e->n] = 0;
    see(w, &c->flow[side].remote, (enum sw_transport)c->flow[side].transport, e);
    return true;
}

void sim_send_stream(struct sim_worker *w, const struct sw_send_act *a)
{
    if (a->flow.instance != w->node->instance || a->flow.worker >= w->node->workers) {
        send_failed(w, a, SW_PEER_CLOSED);
        return;
    }
    if (a->flow.worker == w->index) {
        if (!over_conn(w, &a->flow, a->segs, a->seg_count))
            send_failed(w, a, SW_PEER_CLOSED);
        return;
    }
    struct sim_event *e = sim_post(&w->node->worker[a->flow.worker], w, SIM_MAIL_SEND);
    if (!e) {
        send_failed(w, a, SW_LIMIT);
        return;
    }
    e->cookie = a->cookie;
    e->dest = a->remote;
    e->flow.id = a->flow;
    sim_carry(e, a->segs, a->seg_count);
}

void sim_mail_send(const struct sim_event *e)
{
    const struct sw_slice bytes = sw_slice(e->bytes, e->n);
    int side;
    if (over_conn(e->to, &e->flow.id, &bytes, 1)) {
        sim_conn_of(e->to->node->sim, &e->flow.id, &side)->users[side] |= 1u << e->sender->index;
        return;
    }
    struct sim_event *back = sim_post(e->sender, e->to, SIM_MAIL_SEND_FAILED);
    if (!back)
        return; /* its timers will find out */
    back->cookie = e->cookie;
    back->dest = e->dest;
    back->flow = e->flow;
    back->status = SW_PEER_CLOSED;
    sim_carry(back, &bytes, 1);
}

static void opened(struct sim_worker *w, struct sw_ref job, enum sw_status status,
                   const struct sw_flow *flow)
{
    struct sim_event *e = sim_later(w->node->sim, OPENED, w, w->node->sim->now_ms);
    e->job = job;
    e->status = status;
    if (flow)
        e->flow = *flow;
}

/* Tells a worker of a connection that `owner` has, or dialled. */
static void tell(struct sim_worker *owner, const struct waiter *x, enum sw_status status,
                 const struct sw_flow *flow)
{
    if (x->worker == owner) {
        opened(owner, x->job, status, flow);
        return;
    }
    struct sim_event *e = sim_post(x->worker, owner, SIM_MAIL_OPENED);
    if (!e)
        return; /* its timers will find out */
    e->job = x->job;
    e->status = status;
    if (flow)
        e->flow = *flow;
}

static void tell_waiters(struct sim_conn *c, enum sw_status status, const struct sw_flow *flow)
{
    for (unsigned i = 0; i < c->waiter_count; i++)
        tell(c->end[0], &c->waiters[i], status, flow);
    c->waiter_count = 0;
}

static void wait_for(struct sim_conn *c, struct sim_worker *w, struct sw_ref job)
{
    const struct waiter x = {job, w};
    if (c->waiter_count < 64)
        c->waiters[c->waiter_count++] = x;
    else
        tell(c->end[0], &x, SW_LIMIT, NULL);
}

void sim_mail_wait(const struct sim_event *e)
{
    int side;
    struct sim_conn *c = sim_conn_of(e->to->node->sim, &e->flow.id, &side);
    const struct waiter x = {e->job, e->sender};
    if (!c || c->dead)
        tell(e->to, &x, SW_PEER_CLOSED, NULL);
    else if (c->up[side])
        tell(e->to, &x, SW_OK, &c->flow[side]);
    else
        wait_for(c, e->sender, e->job);
}

static uint32_t local_id_for(const struct sim_node *n, const struct sw_want *want)
{
    return want->transport == SW_TLS ? sw_local_id(n->local_id, 0, want->local_domain) : 0;
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
    uint32_t order = want->transport == SW_TLS ? (uint32_t)s->conn_count + 1 : 0;
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
        .local_id = local_id_for(from->node, want),
        .order = order,
    };
    c->flow[0].local.port = ephemeral;
    c->flow[1] = (struct sw_flow){
        .id = {to->instance, 0, c->end[1]->index, slot + 1, (uint32_t)s->conn_count * 2 + 1},
        .local = want->remote,
        .remote = c->flow[0].local,
        .listener = listener,
        .transport = want->transport,
        .ident = want->transport == SW_TLS ? from->node->ident : NULL,
        .local_id = want->transport == SW_TLS ? to->local_id : 0,
        .order = order,
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
    struct sim_conn *c =
        to && !to->deaf && w->node->fails == SW_OK ? conn_new(s, w, to, want, listener) : NULL;
    if (c)
        c->flow[0].domain_id = want->domain_of;
    bool listed = sw_pool_dialled(w->node->pool, pw, c ? &c->flow[0] : NULL) == SW_OK;
    if (!c) {
        opened(w, want->job,
               !want->remote.port        ? SW_PEER_CLOSED
               : w->node->fails != SW_OK ? w->node->fails
                                         : SW_PEER_REFUSED,
               NULL);
        return;
    }
    wait_for(c, w, want->job);
    if (!sim_dane_fits(c, &want->dane)) {
        c->listed[0] = listed;
        sim_kill_conn(c, SW_CRYPTO_VERIFY);
        return;
    }
    if (want->domain.n && want->domain.n < sizeof(c->domain))
        memcpy(c->domain, want->domain.p, want->domain.n);
    c->listed[0] = listed;
    int64_t takes_ms = to->swallows ? SIM_DIAL_MS : sim_delay(s);
    sim_later(s, CONNECT, c->end[1], s->now_ms + takes_ms)->conn = c;
}

void sim_open_flow(struct sim_worker *w, const struct sw_want *want)
{
    struct sw_flow flow;
    const struct sw_pool_want pw = {
        .peer = want->peer,
        .remote = want->remote,
        .prefer = want->prefer,
        .prefer_local_id = want->local_id,
        .listener = want->listener,
        .worker = w->index,
        .transport = want->transport,
        .any_of_peer = want->any_of_peer,
        .domain = want->domain_of,
        .alias = want->alias,
        .local_id = want->any_of_peer ? want->local_id : local_id_for(w->node, want),
        .limit = w->node->connections,
    };
    int side;
    switch (sw_pool_find(w->node->pool, &pw, &flow)) {
    case SW_POOL_OPEN:
        opened(w, want->job, SW_OK, &flow);
        return;
    case SW_POOL_WAIT:
        if (flow.id.worker == w->index) {
            wait_for(sim_conn_of(w->node->sim, &flow.id, &side), w, want->job);
            return;
        }
        struct sim_event *e = sim_post(&w->node->worker[flow.id.worker], w, SIM_MAIL_WAIT);
        if (!e) {
            opened(w, want->job, SW_LIMIT, NULL);
            return;
        }
        e->job = want->job;
        e->flow = flow;
        return;
    case SW_POOL_DIAL:
        dial(w, want, &pw);
        return;
    }
}

void sim_lookup(struct sim_worker *w, const struct sw_lookup_act *a)
{
    struct sim *s = w->node->sim;
    struct sim_dns *dns = &w->node->dns;
    dns->asked++;
    if (sim_chance(s, dns->lost))
        return;
    int64_t spread = dns->delay_max_ms - dns->delay_min_ms;
    struct sim_event *e =
        sim_later(s, ANSWERED, w,
                  s->now_ms + dns->delay_min_ms + (int64_t)sim_random(s, (uint64_t)spread + 1));
    const struct sw_slice question = sw_slice((const char *)&a->question, sizeof(a->question));
    e->job = a->job;
    e->status = !dns->zone || sim_chance(s, dns->failed) ? SW_PEER_DNS : SW_OK;
    sim_carry(e, &question, 1);
}

void sim_kill_conn(struct sim_conn *c, enum sw_status status)
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
            struct sim_event *e = NULL;
            if (i == c->end[side]->index)
                e = sim_later(s, CLOSED, &n->worker[i], s->now_ms + 1);
            else if (c->users[side] >> i & 1)
                e = sim_post(&n->worker[i], c->end[side], SIM_MAIL_CLOSED);
            if (!e)
                continue; /* it never used it, or its timers will find out */
            e->flow.id = c->flow[side].id;
            e->status = status;
        }
    }
    tell_waiters(c, status, NULL);
}

void sim_verdict(struct sim_worker *w, const struct sw_action *a)
{
    int side;
    struct sim_conn *c = sim_conn_of(w->node->sim, &a->verdict.flow, &side);
    if (!c || c->dead)
        return;
    if (a->kind == SW_ACT_CLOSE) {
        sim_kill_conn(c, a->verdict.status);
        return;
    }
    c->up[side] = true;
    c->flow[side].peer = a->verdict.peer;
    c->flow[side].domain_id = a->verdict.domain_id;
    c->flow[side].proof = a->verdict.proof;
    c->flow[side].mutual =
        c->flow[side].ident && c->flow[1 - side].ident && a->verdict.peer != SW_PEER_NOBODY;
    if (a->verdict.peer != SW_PEER_NOBODY)
        c->listed[side] = sw_pool_put(w->node->pool, &c->flow[side], true) == SW_OK;
    if (side == 0)
        tell_waiters(c, SW_OK, &c->flow[0]);
}

void sim_alias(struct sim_worker *w, const struct sw_action *a)
{
    int side;
    struct sim_conn *c = sim_conn_of(w->node->sim, &a->alias.flow, &side);
    if (!c || c->dead || !c->listed[side])
        return;
    c->flow[side].alias_port = a->alias.port;
    if (sw_pool_put(w->node->pool, &c->flow[side], true) != SW_OK)
        abort();
}

/* ---- for tests ---- */

void sim_break(struct sim *s, const struct sim_node *a, const struct sim_node *b)
{
    for (size_t i = 0; i < s->conn_count; i++) {
        struct sim_conn *c = s->conns[i];
        if ((c->end[0]->node == a && c->end[1]->node == b) ||
            (c->end[0]->node == b && c->end[1]->node == a))
            sim_kill_conn(c, SW_PEER_RESET);
    }
}

void sim_break_one(struct sim *s)
{
    if (s->conn_count)
        sim_kill_conn(s->conns[sim_random(s, s->conn_count)], SW_PEER_RESET);
}

unsigned sim_open_conns(const struct sim *s)
{
    unsigned n = 0;
    for (size_t i = 0; i < s->conn_count; i++)
        n += !s->conns[i]->dead;
    return n;
}

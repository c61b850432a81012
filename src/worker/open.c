/* A wish for a connection becomes one that is open, one that opens, or a new one. */
#include "conn/count.h"
#include "worker/worker.h"

static void opened_now(struct sw_worker *w, struct sw_ref job, enum sw_status status,
                       const struct sw_flow *flow)
{
    struct sw_pending *p = sw_worker_later(w, SW_EV_OPENED, status);
    if (!p)
        return;
    p->ev.job = job;
    if (flow)
        p->flow = *flow;
}

static enum sw_status wait_for(struct sw_worker *w, struct sw_conn *c, struct sw_ref job,
                               uint16_t worker)
{
    struct sw_waiter *x = sw_slab_get(&w->conns.slab, sizeof(*x));
    if (!x)
        return SW_LIMIT_MEMORY;
    x->job = job;
    x->worker = worker;
    sw_list_add(&c->waiters, &x->node);
    return SW_OK;
}

/* A connection that could not even begin. */
static void no_socket(struct sw_worker *w, const struct sw_want *want, enum sw_status st)
{
    const struct sw_flow flow = {.remote = want->remote,
                                 .peer = want->peer,
                                 .listener = want->listener,
                                 .transport = want->transport,
                                 .outbound = true};
    static const struct sw_attempt_refusal limit = {
        .phase = "policy",
        .code = "too_many_connections",
        .why = "limit connections, or memory is out",
        .help = "raise limits.connections if these are wanted"};
    static const struct sw_attempt_refusal tls = {
        .phase = "handshake",
        .code = "tls_failed",
        .why = "the TLS session could not be set up",
        .help = "is memory out, or does the identity not fit the policy of the peer?"};
    static const struct sw_attempt_refusal tcp = {
        .phase = "tcp",
        .code = "tcp_unreachable",
        .why = "the system refuses to connect there",
        .help = "is there a route to the address from the address of the listener?"};
    enum sw_status_class class = sw_status_class(st);
    struct sw_attempt_refusal r = st == SW_LIMIT_PEER        ? sw_conn_one_too_many
                                  : class == SW_CLASS_LIMIT  ? limit
                                  : class == SW_CLASS_CRYPTO ? tls
                                                             : tcp;
    r.status = st;
    sw_count(w->counters, SW_COUNT_CONNECTIONS_FAILED);
    if (want->listener < w->conns.conf.listener_count)
        sw_attempt_refused(&w->conns, &flow, &r);
}

/* Other workers that look for the same place wait for sw_pool_dialled. */
static enum sw_status dial(struct sw_worker *w, const struct sw_want *want,
                           const struct sw_pool_want *pw)
{
    struct sw_conn *c = NULL;
    enum sw_status st = SW_PEER_CLOSED; /* only an existing connection would have done */
    if (want->remote.port && want->listener < w->all->listener_count && w->away[want->listener])
        st = SW_SYS_AWAY;
    else if (want->remote.port && want->domain_of)
        st = sw_conn_dial_domain(&w->conns, want->peer, want->domain, want->domain_of,
                                 want->listener, &want->remote, &c);
    else if (want->remote.port && want->domain.n)
        st = sw_conn_dial_stranger(&w->conns, want->peer, want->domain, want->listener,
                                   &want->remote, &c);
    else if (want->remote.port)
        st = sw_conn_dial(&w->conns, want->peer, want->listener, (enum sw_transport)want->transport,
                          &want->remote, &c);
    if (st == SW_OK && want->dane.records.n && c->tls) {
        st = sw_conn_believe(c, &want->dane);
        if (st != SW_OK)
            sw_conn_drop(&w->conns, c);
    }
    if (st == SW_LIMIT || st == SW_LIMIT_PEER)
        sw_count(w->counters,
                 st == SW_LIMIT ? SW_LIMITED_CONNECTIONS : SW_LIMITED_PEER_CONNECTIONS);
    if (st != SW_OK && want->remote.port)
        no_socket(w, want, st);
    if (st == SW_OK)
        sw_conn_is_for(&w->conns, c, want->local_domain);
    bool listed = sw_pool_dialled(w->all->pool, pw, st == SW_OK ? &c->flow : NULL) == SW_OK;
    if (st != SW_OK)
        return st;
    sw_count(w->counters, SW_COUNT_CONNECTIONS_DIALLED);
    c->listed = listed;
    atomic_fetch_add_explicit(&w->load, 1, memory_order_relaxed);
    if (want->timeout_ms)
        sw_timer_start(&w->conns.timers, &c->timer, w->now_ms + want->timeout_ms);
    st = wait_for(w, c, want->job, w->index);
    if (st != SW_OK)
        sw_worker_conn_over(w, c, st, "limit memory");
    return st;
}

/* Beyond these, one that is being dialled is waited for. */
static uint32_t dials_at_once(const struct sw_worker *w, uint32_t peer)
{
    const struct sw_conn_peer *p = sw_conn_peer_find(&w->conns, peer);
    uint32_t most = w->conf->connections_per_peer;
    return p && p->connections && p->connections < most ? p->connections : most;
}

/* What was begun with an identity that the peer is not shown now goes on over a connection of
 * today's, one that could be dialled as well. RFC 5923 9.3 */
static enum sw_pool_answer look_for(struct sw_worker *w, const struct sw_want *want,
                                    struct sw_pool_want *pw, struct sw_flow *flow)
{
    uint32_t now = want->transport == SW_TLS
                       ? sw_conn_shown_id(&w->conns, want->peer, want->listener, want->local_domain)
                       : 0;
    pw->local_id = want->any_of_peer ? want->local_id : now;
    enum sw_pool_answer found = sw_pool_find(w->all->pool, pw, flow);
    if (found != SW_POOL_DIAL || pw->local_id == now || !want->remote.port ||
        sw_pool_dialled(w->all->pool, pw, NULL) != SW_OK)
        return found;
    pw->local_id = now;
    pw->any_of_peer = false;
    return sw_pool_find(w->all->pool, pw, flow);
}

void sw_worker_open(struct sw_worker *w, const struct sw_want *want)
{
    struct sw_flow flow;
    struct sw_pool_want pw = {
        .peer = want->peer,
        .remote = want->remote,
        .prefer = want->prefer,
        .prefer_local_id = want->local_id,
        .listener = want->listener,
        .worker = w->index,
        .transport = want->transport,
        .any_of_peer = want->any_of_peer,
        .domain = want->domain_of,
        .limit = dials_at_once(w, want->peer),
        .alias = want->alias,
    };
    enum sw_status st = SW_OK;
    enum sw_pool_answer found = look_for(w, want, &pw, &flow);
    if (found == SW_POOL_OPEN) {
        opened_now(w, want->job, SW_OK, &flow);
        return;
    }
    struct sw_conn *c = found == SW_POOL_WAIT ? sw_worker_own_conn(w, &flow.id) : NULL;
    if (found == SW_POOL_DIAL) {
        st = dial(w, want, &pw);
    } else if (c) {
        st = wait_for(w, c, want->job, w->index);
    } else {
        sw_count(w->counters, SW_LIMITED_CONNECTIONS_PER_PEER);
        const struct sw_mail mail = {
            .kind = SW_MAIL_WAIT, .from = w->index, .job = want->job, .flow_id = flow.id};
        st = sw_worker_post(&w->all->worker[flow.id.worker], &mail, NULL, 0);
    }
    if (st != SW_OK)
        opened_now(w, want->job, st, NULL);
}

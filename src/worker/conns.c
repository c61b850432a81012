/* What happens to connections: their phases, their end, and the messages they bring. */
#include "conn/attempt.h"
#include "engine/owner.h"
#include "sys/log.h"
#include "worker/worker.h"

void sw_worker_message(struct sw_worker *w, const struct sw_event *ev)
{
    struct sw_owner owner;
    if (!ev->handed)
        sw_count(w->counters, SW_COUNT_RECEIVED_UDP + ev->flow->transport);
    /* a response goes to the worker that sent the request: its branch says which */
    if (w->all->count > 1 && !ev->handed && ev->status == SW_OK &&
        sw_slice_starts_case(ev->bytes, SW_SLICE("SIP/2.0 ")) && sw_owner_peek(ev->bytes, &owner) &&
        owner.instance == w->conns.conf.instance && owner.worker != w->index &&
        owner.worker < w->all->count) {
        struct sw_mail mail = {.kind = SW_MAIL_MESSAGE, .from = w->index, .flow = *ev->flow};
        mail.flow.ident = NULL;
        sw_count(w->counters, SW_COUNT_HANDED_OVER);
        if (sw_worker_post(&w->all->worker[owner.worker], &mail, &ev->bytes, 1) == SW_OK)
            return;
    }
    sw_worker_event(w, ev);
}

void sw_worker_opened(struct sw_worker *w, struct sw_conn *c, enum sw_status status)
{
    while (!sw_list_empty(&c->waiters)) {
        struct sw_waiter *x = SW_CONTAINER(c->waiters.next, struct sw_waiter, node);
        struct sw_mail mail = {
            .kind = SW_MAIL_OPENED, .from = w->index, .job = x->job, .status = status};
        mail.flow = c->flow;
        mail.flow.ident = NULL;
        sw_list_del(&x->node);
        if (x->worker == w->index) {
            struct sw_pending *p = sw_worker_later(w, SW_EV_OPENED, status);
            if (p) {
                p->ev.job = x->job;
                p->flow = mail.flow;
            }
        } else if (sw_worker_post(&w->all->worker[x->worker], &mail, NULL, 0) != SW_OK) {
            continue; /* its timers will find out */
        }
        sw_slab_put(&w->conns.slab, x, sizeof(*x));
    }
}

/* Those who sent over it are told that it is closed: RFC 3261 18.4. */
static void tell_users(struct sw_worker *w, const struct sw_conn *c, enum sw_status status)
{
    struct sw_pending *p = sw_worker_later(w, SW_EV_CLOSED, status);
    if (p)
        p->ev.flow_id = c->flow.id;
    for (uint16_t i = 0; i < w->all->count; i++) {
        const struct sw_mail mail = {
            .kind = SW_MAIL_CLOSED, .from = w->index, .status = status, .flow_id = c->flow.id};
        if (i != w->index && (c->users >> (i % 64) & 1) &&
            sw_worker_post(&w->all->worker[i], &mail, NULL, 0) != SW_OK)
            continue; /* its timers will find out */
    }
}

void sw_worker_conn_over(struct sw_worker *w, struct sw_conn *c, enum sw_status status,
                         const char *why)
{
    bool was_open = c->state == SW_CONN_OPEN, was_closing = c->state == SW_CONN_CLOSING;
    bool reset = status == SW_PEER_RESET || status == SW_LIMIT_MEMORY;
    if (c->state == SW_CONN_GONE)
        return;
    if (was_open)
        sw_attempt_closed(&w->conns, c, status, why ? why : "the peer closed it");
    if (c->listed)
        sw_pool_del(w->all->pool, &c->flow);
    c->listed = false;
    if (!was_closing) {
        atomic_fetch_sub_explicit(&w->load, 1, memory_order_relaxed);
        sw_worker_opened(w, c, status == SW_OK ? SW_PEER_CLOSED : status);
        tell_users(w, c, status);
    }
    if (was_closing || reset || c->state == SW_CONN_CONNECTING)
        sw_conn_drop(&w->conns, c);
    else
        sw_conn_close(&w->conns, c, status == SW_PEER_CLOSED);
}

static void failed(struct sw_worker *w, struct sw_conn *c, enum sw_status status, const char *why)
{
    sw_count(w->counters, SW_COUNT_CONNECTIONS_FAILED);
    sw_attempt_failed(&w->conns, c, status, why, sw_slice("", 0));
    sw_worker_conn_over(w, c, status, why);
}

/* Phase 3: the step says whose it is; then what came with the handshake's end is read. */
static void identify(struct sw_worker *w, struct sw_conn *c)
{
    const struct sw_event ev = {.kind = SW_EV_IDENTIFY, .flow = &c->flow, .flow_id = c->flow.id};
    struct sw_ref ref = c->ref;
    sw_worker_event(w, &ev);
    c = sw_conn_get(&w->conns, ref);
    if (c && c->state == SW_CONN_OPEN && c->tls)
        sw_worker_conn_read(w, c, true);
}

void sw_worker_conn_step(struct sw_worker *w, struct sw_conn *c)
{
    enum sw_status st;
    if (c->state == SW_CONN_CONNECTING) {
        st = sw_conn_connected(&w->conns, c);
        if (st != SW_OK) {
            failed(w, c, st, "TCP was not connected");
            return;
        }
    }
    if (c->state == SW_CONN_HANDSHAKE) {
        st = sw_conn_handshake(&w->conns, c);
        if (st == SW_AGAIN)
            return;
        if (st != SW_OK) {
            failed(w, c, st, "the peer closed during the handshake");
            return;
        }
    }
    if (c->state == SW_CONN_IDENTITY && !c->waits)
        identify(w, c);
}

void sw_worker_settle(struct sw_worker *w, struct sw_conn *c, bool last)
{
    enum sw_status st = sw_conn_settle(&w->conns, c, last);
    if (st == SW_OK)
        identify(w, c);
    else if (st != SW_AGAIN)
        failed(w, c, st, "its certificate was refused");
}

static const char *end_reason(enum sw_status st)
{
    switch (st) {
    case SW_PEER_MISSING:
        return "no valid Content-Length on a stream (RFC 3261 18.3)";
    case SW_LIMIT_SIZE:
        return "limit message size";
    case SW_PEER_SYNTAX:
        return "what came is not SIP";
    case SW_PEER_CLOSED:
        return "the peer closed it";
    case SW_CRYPTO_ALERT:
        return "the peer sent a fatal alert";
    default:
        return "it broke";
    }
}

/* The end of a connection that was open. A TLS 1.3 server refuses a client only after its
 * handshake: an end before the peer's first byte counts as a failed handshake. */
static void ended(struct sw_worker *w, struct sw_conn *c, enum sw_status st, const char *why)
{
    if (c->state == SW_CONN_OPEN && c->tls && c->flow.outbound && !c->heard) {
        sw_count(w->counters, SW_COUNT_CONNECTIONS_FAILED);
        sw_attempt_failed(&w->conns, c, st, "the peer ended it right after the handshake",
                          sw_slice("", 0));
    }
    sw_worker_conn_over(w, c, st, why);
}

/* Bytes that are no SIP end the connection; a head that cannot be framed is answered first. */
static void unframed(struct sw_worker *w, struct sw_conn *c, enum sw_status st,
                     struct sw_slice head)
{
    struct sw_ref ref = c->ref;
    if (st == SW_LIMIT_SIZE && !head.n)
        sw_count(w->counters, SW_LIMITED_HEADER_BYTES);
    if (head.n) {
        const struct sw_event ev = {
            .kind = SW_EV_MESSAGE, .status = st, .flow = &c->flow, .bytes = head};
        sw_worker_message(w, &ev);
    }
    c = sw_conn_get(&w->conns, ref);
    if (c)
        ended(w, c, st, end_reason(st));
}

void sw_worker_conn_broken(struct sw_worker *w, struct sw_conn *c)
{
    struct sw_ref ref = c->ref;
    if (c->state == SW_CONN_OPEN)
        sw_worker_conn_read(w, c, false);
    c = sw_conn_get(&w->conns, ref);
    if (c && c->state != SW_CONN_GONE && c->state != SW_CONN_CLOSING)
        ended(w, c, SW_PEER_RESET, "sending failed");
}

void sw_worker_conn_read(struct sw_worker *w, struct sw_conn *c, bool rest)
{
    struct sw_ref ref = c->ref;
    struct sw_slice bytes = sw_slice("", 0);
    enum sw_status st = SW_OK;
    if (rest)
        sw_conn_read_rest(&w->conns, c);
    else
        st = sw_conn_read(&w->conns, c);
    while (st == SW_OK) {
        st = sw_conn_next(&w->conns, c, &bytes);
        if (st != SW_OK)
            break;
        const struct sw_event ev = {.kind = SW_EV_MESSAGE, .flow = &c->flow, .bytes = bytes};
        sw_worker_message(w, &ev);
        c = sw_conn_get(&w->conns, ref);
        if (!c || c->state == SW_CONN_GONE)
            return;
    }
    if (st != SW_AGAIN)
        unframed(w, c, st, bytes);
}

void sw_worker_accepted(struct sw_worker *w, int fd, uint16_t listener, bool tls,
                        const struct sw_endpoint *remote)
{
    struct sw_conn *c;
    if (sw_conn_accepted(&w->conns, fd, listener, tls, remote, &c) != SW_OK) {
        atomic_fetch_sub_explicit(&w->load, 1, memory_order_relaxed);
        sw_count(w->counters, SW_LIMITED_CONNECTIONS);
        SW_LOG(SW_LEVEL_WARN, "accept_refused", sw_field_str("why", "limit connections"),
               sw_field_str("help", "raise limits.connections if these are wanted"));
        return;
    }
    sw_count(w->counters, SW_COUNT_CONNECTIONS_ACCEPTED);
    if (!tls)
        sw_worker_conn_step(w, c);
}

/* What happens to connections: their phases, their end, and the messages they bring. */
#include "conn/attempt.h"
#include "conn/count.h"
#include "conn/halfopen.h"
#include "engine/owner.h"
#include "sys/log.h"
#include "worker/worker.h"

#include <unistd.h>

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
            /* its timers will find out */
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
    bool reset = status == SW_PEER_RESET || status == SW_LIMIT_MEMORY || status == SW_SYS_AWAY;
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

void sw_worker_conn_failed(struct sw_worker *w, struct sw_conn *c, enum sw_status status,
                           const char *why)
{
    sw_count(w->counters, SW_COUNT_CONNECTIONS_FAILED);
    sw_attempt_failed(&w->conns, c, status, why, sw_slice("", 0));
    sw_worker_conn_over(w, c, status, why);
}

/* Phase 3: the step says whose it is; then what came with the handshake's end is read. */
static void identify(struct sw_worker *w, struct sw_conn *c)
{
    struct sw_tls_info info = {0};
    if (c->tls && !c->flow.outbound)
        sw_tls_info(c->tls, &info);
    const struct sw_event ev = {.kind = SW_EV_IDENTIFY,
                                .flow = &c->flow,
                                .flow_id = c->flow.id,
                                .domain = sw_conn_domain(c),
                                .asked = info.server_name,
                                .server = sw_conn_server(c),
                                .located = sw_conn_located(c)};
    struct sw_ref ref = c->ref;
    sw_worker_event(w, &ev);
    c = sw_conn_get(&w->conns, ref);
    if (c && c->state == SW_CONN_OPEN && c->tls)
        sw_worker_conn_read(w, c, true);
}

/* A client without TLS is told so in its own language, and then the connection ends. */
static void wrong_protocol(struct sw_worker *w, struct sw_conn *c)
{
    const struct sw_slice http = SW_SLICE("HTTP/1.1 400 Bad Request\r\n"
                                          "Content-Type: text/plain\r\n"
                                          "Content-Length: 31\r\n"
                                          "Connection: close\r\n\r\n"
                                          "This port speaks SIP over TLS.\n");
    bool is_http = sw_tls_heard(c->tls, SW_WIRE_HTTP), is_sip = sw_tls_heard(c->tls, SW_WIRE_SIP);
    struct sw_ref ref = c->ref;
    if (c->flow.outbound || (!is_http && !is_sip)) {
        sw_worker_conn_failed(w, c, SW_PEER_PROTOCOL, NULL);
        return;
    }
    sw_count(w->counters, SW_COUNT_CONNECTIONS_FAILED);
    sw_attempt_failed(&w->conns, c, SW_PEER_PROTOCOL, NULL, sw_slice("", 0));
    struct sw_slice said = sw_conn_without_tls(&w->conns, c);
    if (is_http && sw_conn_send(&w->conns, c, &http, 1, http.n) != SW_OK)
        is_http = false; /* then it is closed without a word */
    const struct sw_event ev = {
        .kind = SW_EV_MESSAGE, .status = SW_PEER_PROTOCOL, .flow = &c->flow, .bytes = said};
    if (is_sip && !sw_slice_starts_case(said, SW_SLICE("SIP/2.0 ")))
        sw_worker_event(w, &ev);
    c = sw_conn_get(&w->conns, ref);
    if (c)
        sw_worker_conn_over(w, c, SW_PEER_PROTOCOL, "it speaks without TLS on a TLS port");
}

void sw_worker_conn_step(struct sw_worker *w, struct sw_conn *c)
{
    enum sw_status st;
    if (c->state == SW_CONN_CONNECTING) {
        st = sw_conn_connected(&w->conns, c);
        if (st != SW_OK) {
            sw_worker_conn_failed(w, c, st, "TCP was not connected");
            return;
        }
    }
    if (c->state == SW_CONN_HANDSHAKE) {
        st = sw_conn_handshake(&w->conns, c);
        if (st == SW_AGAIN)
            return;
        if (st == SW_PEER_PROTOCOL) {
            wrong_protocol(w, c);
            return;
        }
        if (st != SW_OK) {
            sw_worker_conn_failed(w, c, st,
                                  st == SW_LIMIT
                                      ? "its certificate has more than 512 names, or memory is out"
                                      : "the peer closed during the handshake");
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
        sw_worker_conn_failed(w, c, st, "its certificate was refused");
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
    case SW_PEER_PROTOCOL:
        return "it asked for a renegotiation a fourth time";
    case SW_PEER_TIMEOUT:
        return "limit unacknowledged: what we sent did not arrive";
    default:
        return "it broke";
    }
}

/* The end of a connection that was open. A TLS 1.3 server refuses a client only after its
 * handshake: an end before the peer's first byte counts as a failed handshake. */
static void ended(struct sw_worker *w, struct sw_conn *c, enum sw_status st, const char *why)
{
    bool refused = c->state == SW_CONN_OPEN && c->tls && c->flow.outbound && !c->heard;
    if (refused)
        sw_count(w->counters, SW_COUNT_CONNECTIONS_FAILED);
    if (refused || (c->state == SW_CONN_OPEN && sw_status_class(st) == SW_CLASS_CRYPTO))
        sw_attempt_failed(&w->conns, c, st, "the peer ended it right after the handshake",
                          sw_slice("", 0));
    sw_worker_conn_over(w, c, st, why);
}

/* TLS where there is none: an alert is what such a client understands. RFC 8446 6 */
static void tls_on_plain(struct sw_worker *w, struct sw_conn *c)
{
    const struct sw_slice handshake_failure = SW_SLICE("\x15\x03\x01\x00\x02\x02\x28");
    static const struct sw_attempt_refusal r = {
        .status = SW_PEER_PROTOCOL,
        .phase = "policy",
        .code = "tls_on_plain_port",
        .why = "the peer speaks TLS on a port without it",
        .help = "the peer must connect to the port of a listener with transport: tls, or do "
                "without TLS here"};
    sw_count(w->counters, SW_COUNT_CONNECTIONS_FAILED);
    sw_attempt_refused(&w->conns, &c->flow, &r);
    if (sw_conn_send(&w->conns, c, &handshake_failure, 1, handshake_failure.n) != SW_OK)
        return; /* then it is closed without a word */
}

/* Bytes that are no SIP end the connection; a head that cannot be framed is answered first. */
static void unframed(struct sw_worker *w, struct sw_conn *c, enum sw_status st,
                     struct sw_slice head)
{
    struct sw_ref ref = c->ref;
    if (st == SW_LIMIT_SIZE && !head.n)
        sw_count(w->counters, SW_LIMITED_HEADER_BYTES);
    if (st == SW_PEER_TIMEOUT)
        sw_count(w->counters, SW_LIMITED_UNACKNOWLEDGED);
    if (head.n) {
        const struct sw_event ev = {
            .kind = SW_EV_MESSAGE, .status = st, .flow = &c->flow, .bytes = head};
        sw_worker_message(w, &ev);
    }
    c = sw_conn_get(&w->conns, ref);
    if (c && st == SW_PEER_SYNTAX && sw_conn_hears_tls(&w->conns, c))
        tls_on_plain(w, c);
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
        if (c->flow.crowded) {
            sw_worker_conn_over(w, c, SW_LIMIT_PEER, sw_conn_one_too_many.why);
            return;
        }
    }
    if (st != SW_AGAIN)
        unframed(w, c, st, bytes);
}

/* A socket that is not taken up. */
static void not_taken(struct sw_worker *w, uint16_t listener, bool tls,
                      const struct sw_endpoint *remote, const struct sw_attempt_refusal *r)
{
    const struct sw_flow flow = {.remote = *remote,
                                 .local = w->conns.conf.listeners[listener].address,
                                 .listener = listener,
                                 .transport = tls ? SW_TLS : SW_TCP};
    atomic_fetch_sub_explicit(&w->load, 1, memory_order_relaxed);
    sw_attempt_refused(&w->conns, &flow, r);
}

static void too_many_handshakes(struct sw_worker *w, int fd, uint16_t listener,
                                const struct sw_endpoint *remote)
{
    static const struct sw_attempt_refusal r = {
        .status = SW_LIMIT,
        .phase = "policy",
        .code = "too_many_handshakes",
        .why = "limit handshakes_per_source: so many of its handshakes are not done yet",
        .help = "an attack, or a slow network; raise limits.handshakes_per_source if many share "
                "this address"};
    close(fd);
    sw_count(w->counters, SW_LIMITED_HANDSHAKES_PER_SOURCE);
    not_taken(w, listener, true, remote, &r);
}

/* A client may ask for the same session again and again: no worker gets much more than the others.
 */
static bool is_free(const struct sw_worker *w, const struct sw_worker *to)
{
    enum { SOME = 16 };
    return atomic_load_explicit(&to->load, memory_order_relaxed) <
           2 * atomic_load_explicit(&w->load, memory_order_relaxed) + SOME;
}

bool sw_worker_pass_on(struct sw_worker *w, struct sw_conn *c)
{
    uint16_t owner;
    if (w->all->count < 2 || !sw_conn_is_elsewhere(&w->conns, c, &owner) ||
        owner >= w->all->count || !is_free(w, &w->all->worker[owner]))
        return false;
    struct sw_worker *to = &w->all->worker[owner];
    const struct sw_mail mail = {.kind = SW_MAIL_ACCEPTED,
                                 .from = w->index,
                                 .fd = c->fd,
                                 .listener = c->flow.listener,
                                 .tls = true,
                                 .passed = true,
                                 .remote = c->flow.remote};
    atomic_fetch_add_explicit(&to->load, 1, memory_order_relaxed);
    sw_conn_let_go(&w->conns, c); /* after the post the descriptor may be another's */
    if (sw_worker_post(to, &mail, NULL, 0) != SW_OK) {
        atomic_fetch_sub_explicit(&to->load, 1, memory_order_relaxed);
        enum sw_status st = sw_conn_take_back(&w->conns, c);
        if (st != SW_OK)
            sw_worker_conn_failed(w, c, st, NULL);
        return st != SW_OK;
    }
    atomic_fetch_sub_explicit(&w->load, 1, memory_order_relaxed);
    sw_conn_leave(&w->conns, c);
    return true;
}

void sw_worker_accepted(struct sw_worker *w, int fd, uint16_t listener, bool tls, bool passed,
                        const struct sw_endpoint *remote)
{
    static const struct sw_attempt_refusal full = {
        .status = SW_LIMIT,
        .phase = "policy",
        .code = "too_many_connections",
        .why = "limit connections, or memory is out",
        .help = "raise limits.connections if these are wanted"};
    struct sw_halfopen *half = tls ? w->all->halfopen : NULL;
    struct sw_conn *c;
    if (half && !sw_halfopen_enter(half, remote, w->conns.conf.limits.handshakes_per_source)) {
        too_many_handshakes(w, fd, listener, remote);
        return;
    }
    if (sw_conn_accepted(&w->conns, fd, listener, tls, remote, &c) != SW_OK) {
        if (half)
            sw_halfopen_leave(half, remote);
        sw_count(w->counters, SW_LIMITED_CONNECTIONS);
        SW_LOG(SW_LEVEL_WARN, "accept_refused", sw_field_str("why", "limit connections"),
               sw_field_str("help", "raise limits.connections if these are wanted"));
        not_taken(w, listener, tls, remote, &full);
        return;
    }
    c->halfopen = half;
    if (!passed)
        sw_count(w->counters, SW_COUNT_CONNECTIONS_ACCEPTED);
    if (!tls)
        sw_worker_conn_step(w, c);
}

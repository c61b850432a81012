/* Reading of a connection: bytes, records, framing. */
#include "conn/attempt.h"
#include "conn/inside.h"
#include "loop/sock.h"

#include <errno.h>

static void rx_start(struct sw_conns *s, struct sw_conn *c)
{
    s->rx = (struct sw_conn_rx){
        .conn = c,
        .p = c->part ? c->part : s->scratch_plain,
        .n = c->part_n,
        .cap = c->part ? c->part_cap : s->plain_cap,
    };
}

/* Makes room behind what is there; an incomplete message's own block grows by doubling. */
static enum sw_status rx_room(struct sw_conns *s)
{
    struct sw_conn_rx *rx = &s->rx;
    struct sw_conn *c = rx->conn;
    if (rx->at) {
        memmove(rx->p, rx->p + rx->at, rx->n - rx->at);
        rx->n -= rx->at;
        rx->at = 0;
    }
    if (rx->n < rx->cap)
        return SW_OK;
    if (rx->p == s->scratch_plain || rx->cap >= s->plain_cap)
        return SW_LIMIT_SIZE; /* cannot be: the framer's limits are below */
    size_t cap = sw_slab_size(rx->cap * 2);
    char *p = sw_slab_get(&s->slab, cap);
    if (!p)
        return SW_LIMIT_MEMORY;
    memcpy(p, rx->p, rx->n);
    sw_slab_put(&s->slab, c->part, c->part_cap);
    c->part = rx->p = p;
    c->part_cap = (uint32_t)cap;
    rx->cap = cap;
    return SW_OK;
}

static enum sw_status recv_status(ssize_t n)
{
    if (n > 0)
        return SW_OK;
    return n == 0 ? SW_PEER_CLOSED : sw_sock_status(errno);
}

/* One read of the socket: encrypted bytes for the session, or plain ones straight to their place.
 */
enum sw_status sw_conn_read(struct sw_conns *s, struct sw_conn *c)
{
    rx_start(s, c);
    if (c->tls) {
        ssize_t n = recv(c->fd, s->scratch_wire, SW_CONN_WIRE_BYTES, 0);
        enum sw_status st = recv_status(n);
        if (st == SW_OK)
            sw_tls_feed(c->tls, sw_slice(s->scratch_wire, (size_t)n));
        return st;
    }
    enum sw_status st = rx_room(s);
    if (st != SW_OK)
        return st;
    ssize_t n = recv(c->fd, s->rx.p + s->rx.n, s->rx.cap - s->rx.n, 0);
    st = recv_status(n);
    if (st == SW_OK)
        s->rx.n += (size_t)n;
    return st;
}

void sw_conn_read_rest(struct sw_conns *s, struct sw_conn *c)
{
    rx_start(s, c);
}

/* The peer asks for a renegotiation and was told no: a record of it, and not many times. */
static bool told_no(struct sw_conns *s, struct sw_conn *c)
{
    enum { RENEGOTIATIONS_MAX = 3 };
    unsigned n = sw_tls_renegotiations(c->tls);
    for (; c->renegotiations < n && c->renegotiations <= RENEGOTIATIONS_MAX; c->renegotiations++)
        sw_attempt_renegotiation(s, c);
    return n > RENEGOTIATIONS_MAX;
}

/* More plain bytes out of the session. */
static enum sw_status rx_more(struct sw_conns *s)
{
    struct sw_conn_rx *rx = &s->rx;
    size_t n = 0;
    if (!rx->conn->tls)
        return SW_AGAIN;
    enum sw_status st = rx_room(s);
    if (st == SW_OK)
        st = sw_tls_read(rx->conn->tls, rx->p + rx->n, rx->cap - rx->n, &n);
    if (st == SW_OK)
        rx->n += n;
    if (told_no(s, rx->conn))
        st = SW_PEER_PROTOCOL;
    if (sw_tls_output(s->tls).n) { /* a key update, an alert */
        enum sw_status sent = sw_conn_take_output(s, rx->conn);
        if (sent == SW_AGAIN)
            sw_conn_want_write(s, rx->conn, true);
    }
    return st;
}

/* Keeps what is incomplete until more comes; nothing is kept of an idle connection. */
static enum sw_status rx_keep(struct sw_conns *s)
{
    struct sw_conn_rx *rx = &s->rx;
    struct sw_conn *c = rx->conn;
    size_t left = rx->n - rx->at;
    rx->conn = NULL;
    if (left == 0) {
        sw_slab_put(&s->slab, c->part, c->part_cap);
        c->part = NULL;
        c->part_n = c->part_cap = 0;
        if (c->part_late)
            sw_timer_start(&s->timers, &c->timer,
                           (c->flow.crowded ? c->active_ms : s->now_ms) + sw_conn_quiet_ms(s, c));
        c->part_late = false;
        return SW_AGAIN;
    }
    if (!c->part) {
        size_t cap = sw_slab_size(left + 1);
        c->part = sw_slab_get(&s->slab, cap);
        if (!c->part)
            return SW_LIMIT_MEMORY;
        c->part_cap = (uint32_t)cap;
    }
    memmove(c->part, rx->p + rx->at, left);
    c->part_n = (uint32_t)left;
    if (!c->part_late)
        sw_timer_start(&s->timers, &c->timer, s->now_ms + s->conf.limits.message_ms);
    c->part_late = true;
    return SW_AGAIN;
}

static void pong(struct sw_conns *s, struct sw_conn *c)
{
    const struct sw_slice crlf = SW_SLICE("\r\n");
    if (c->flow.crowded) /* it has the time for one request */
        return;
    if (sw_conn_send(s, c, &crlf, 1, crlf.n) == SW_OK)
        c->messages_out--;
}

static enum sw_status cut(struct sw_conns *s, struct sw_conn *c, struct sw_slice *out)
{
    struct sw_conn_rx *rx = &s->rx;
    for (;;) {
        struct sw_framed f;
        const char *p = rx->p + rx->at;
        enum sw_status st = sw_frame_next(&c->frame, p, rx->n - rx->at, &s->conf.limits.frame, &f);
        *out = sw_slice(p, f.n);
        if (st != SW_OK)
            return st;
        rx->at += f.n;
        if (f.kind == SW_FRAME_MESSAGE)
            return SW_OK;
        if (f.kind == SW_FRAME_PING)
            pong(s, c); /* RFC 5626 5.4 */
    }
}

static void set_paused(struct sw_conns *s, struct sw_conn *c, bool on)
{
    c->is_paused = on;
    sw_list_del(&c->paused);
    if (on)
        sw_list_add(&s->paused, &c->paused);
    sw_conn_watch_needed(s, c);
}

bool sw_conn_pause(struct sw_conns *s, struct sw_conn *c)
{
    uint64_t limit = s->conf.limits.messages_per_s;
    int64_t second = s->now_ms / 1000;
    if (c->second != second) { /* what one read took too many counts for the next seconds */
        uint64_t paid = (uint64_t)(second - c->second) * limit;
        c->this_second = c->this_second > paid ? c->this_second - (uint32_t)paid : 0;
        c->second = second;
    }
    if (!limit || c->this_second < limit)
        return false;
    sw_count(s->conf.counters, SW_LIMITED_MESSAGES_PER_SECOND);
    set_paused(s, c, true);
    sw_attempt_paused(s, c);
    return true;
}

int64_t sw_conns_resume_at(const struct sw_conns *s)
{
    if (sw_list_empty(&s->paused))
        return SW_TIMER_NEVER;
    return (SW_CONTAINER(s->paused.next, struct sw_conn, paused)->second + 1) * 1000;
}

void sw_conns_resume(struct sw_conns *s)
{
    while (sw_conns_resume_at(s) <= s->now_ms)
        set_paused(s, SW_CONTAINER(s->paused.next, struct sw_conn, paused), false);
}

enum sw_status sw_conn_next(struct sw_conns *s, struct sw_conn *c, struct sw_slice *out)
{
    *out = sw_slice("", 0);
    if (s->rx.conn != c)
        return SW_AGAIN;
    if (c->state != SW_CONN_OPEN) {
        s->rx.conn = NULL;
        return SW_AGAIN;
    }
    for (;;) {
        enum sw_status st = cut(s, c, out);
        if (st == SW_OK) {
            c->messages_in++;
            c->this_second++;
            c->heard = true;
            c->active_ms = s->now_ms;
        }
        if (st != SW_AGAIN)
            return st;
        st = rx_more(s);
        if (st == SW_AGAIN)
            return rx_keep(s);
        if (st != SW_OK)
            return st;
    }
}

bool sw_conn_hears_tls(const struct sw_conns *s, const struct sw_conn *c)
{
    const struct sw_conn_rx *rx = &s->rx;
    return rx->conn == c && !c->tls && !c->heard && rx->n > rx->at &&
           sw_tls_wire_of(sw_slice(rx->p + rx->at, rx->n - rx->at)) == SW_WIRE_TLS;
}

/* Reading and writing of a connection: framing, records, and the coalescing of a turn's output. */
#include "conn/conn.h"

#include "conn/attempt.h"
#include "loop/sock.h"
#include <errno.h>
#include <unistd.h>

enum { WIRE_BYTES = 64 * 1024, DISCARD_BYTES = 4096 };

static void watch(struct sw_conns *s, struct sw_conn *c)
{
    sw_conn_watch(s, c,
                  (c->is_paused || c->waits ? 0u : SW_WANT_READ) |
                      (c->want_write ? SW_WANT_WRITE : 0u));
}

static enum sw_status take_output(struct sw_conns *s, struct sw_conn *c);
static void want_write(struct sw_conns *s, struct sw_conn *c, bool want);

/* ---- reading ---- */

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
        ssize_t n = recv(c->fd, s->scratch_wire, WIRE_BYTES, 0);
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
        enum sw_status sent = take_output(s, rx->conn);
        if (sent == SW_AGAIN)
            want_write(s, rx->conn, true);
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
            sw_timer_start(&s->timers, &c->timer, s->now_ms + s->conf.limits.idle_ms);
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
    watch(s, c);
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

/* ---- writing ---- */

static enum sw_status grow_out(struct sw_conns *s, struct sw_conn *c, size_t need)
{
    size_t cap = sw_slab_size(need < 4096 ? 4096 : need);
    char *p = sw_slab_get(&s->slab, cap);
    if (!p)
        return SW_LIMIT_MEMORY;
    if (c->out_n)
        memcpy(p, c->out, c->out_n);
    sw_slab_put(&s->slab, c->out, c->out_cap);
    c->out = p;
    c->out_cap = (uint32_t)cap;
    return SW_OK;
}

enum sw_status sw_conn_send(struct sw_conns *s, struct sw_conn *c, const struct sw_slice *segs,
                            size_t count, size_t total)
{
    if (c->state != SW_CONN_OPEN)
        return SW_PEER_CLOSED;
    if (c->out_n + total > s->conf.limits.output_max)
        return SW_LIMIT_SIZE;
    if (c->out_n + total > c->out_cap) {
        enum sw_status st = grow_out(s, c, c->out_n + total);
        if (st != SW_OK)
            return st;
    }
    char *to = c->out + c->out_n;
    for (size_t i = 0; i < count; i++) {
        if (segs[i].n) /* none: memory was out when the bytes were to be kept */
            memcpy(to, segs[i].p, segs[i].n);
        to += segs[i].n;
    }
    c->out_n += (uint32_t)total;
    c->messages_out++;
    c->active_ms = s->now_ms;
    if (sw_list_empty(&c->dirty))
        sw_list_add(&s->dirty, &c->dirty);
    return SW_OK;
}

static void want_write(struct sw_conns *s, struct sw_conn *c, bool want)
{
    if (c->want_write == want)
        return;
    c->want_write = want;
    watch(s, c);
}

/* As much as the kernel takes; `*sent` says how much that was. */
static enum sw_status put(struct sw_conn *c, const char *p, size_t n, size_t *sent)
{
    *sent = 0;
    while (*sent < n) {
        ssize_t w = send(c->fd, p + *sent, n - *sent, MSG_NOSIGNAL);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return sw_sock_status(errno);
        *sent += (size_t)w;
    }
    return SW_OK;
}

/* Encrypted bytes that the kernel did not take are kept; they go before anything else. */
static enum sw_status keep_wire(struct sw_conns *s, struct sw_conn *c, const char *p, size_t n)
{
    size_t old = c->wire_n - c->wire_at;
    if (old + n > (size_t)s->conf.limits.output_max + SW_TLS_CHUNK)
        return SW_LIMIT_SIZE;
    char *wire = sw_slab_get(&s->slab, old + n);
    if (!wire)
        return SW_LIMIT_MEMORY;
    if (old)
        memcpy(wire, c->wire + c->wire_at, old);
    memcpy(wire + old, p, n);
    sw_slab_put(&s->slab, c->wire, c->wire_n);
    c->wire = wire;
    c->wire_n = (uint32_t)(old + n);
    c->wire_at = 0;
    return SW_OK;
}

static enum sw_status flush_wire(struct sw_conns *s, struct sw_conn *c)
{
    size_t sent;
    if (!c->wire_n)
        return SW_OK;
    enum sw_status st = put(c, c->wire + c->wire_at, c->wire_n - c->wire_at, &sent);
    c->wire_at += (uint32_t)sent;
    if (st != SW_OK)
        return st;
    sw_slab_put(&s->slab, c->wire, c->wire_n);
    c->wire = NULL;
    c->wire_n = c->wire_at = 0;
    return SW_OK;
}

/* Takes the session's output: to the kernel, or behind what waits for it. SW_AGAIN: something
 * waits. */
static enum sw_status take_output(struct sw_conns *s, struct sw_conn *c)
{
    struct sw_slice o = sw_tls_output(s->tls);
    size_t sent = 0;
    enum sw_status st = c->wire_n ? SW_AGAIN : SW_OK;
    if (o.n && st == SW_OK)
        st = put(c, o.p, o.n, &sent);
    if (st == SW_AGAIN && sent < o.n) {
        enum sw_status kept = keep_wire(s, c, o.p + sent, o.n - sent);
        st = kept == SW_OK ? SW_AGAIN : kept;
    }
    sw_tls_output_taken(s->tls);
    return st;
}

static enum sw_status flush_tls(struct sw_conns *s, struct sw_conn *c)
{
    size_t done = 0;
    enum sw_status st = take_output(s, c); /* what a handshake, a close or a key update left */
    while (st == SW_OK && done < c->out_n) {
        size_t n = c->out_n - done;
        n = n < SW_TLS_CHUNK ? n : SW_TLS_CHUNK;
        st = sw_tls_write(c->tls, sw_slice(c->out + done, n));
        enum sw_status sent = take_output(s, c); /* of a write that failed: an alert */
        if (st == SW_OK) {
            done += n;
            st = sent;
        }
    }
    if (done && done < c->out_n)
        memmove(c->out, c->out + done, c->out_n - done);
    c->out_n -= (uint32_t)done;
    return st;
}

static enum sw_status flush_plain(struct sw_conn *c)
{
    size_t sent = 0;
    enum sw_status st = put(c, c->out, c->out_n, &sent);
    if (sent && sent < c->out_n)
        memmove(c->out, c->out + sent, c->out_n - sent);
    c->out_n -= (uint32_t)sent;
    return st;
}

enum sw_status sw_conn_flush(struct sw_conns *s, struct sw_conn *c)
{
    enum sw_status st = flush_wire(s, c);
    sw_list_del(&c->dirty);
    if (c->tls && (st == SW_OK || st == SW_AGAIN))
        st = flush_tls(s, c);
    else if (c->tls)
        sw_tls_output_taken(s->tls); /* lost with the connection: it is not the next one's */
    else if (st == SW_OK)
        st = flush_plain(c);
    if (!c->out_n && c->out) {
        sw_slab_put(&s->slab, c->out, c->out_cap);
        c->out = NULL;
        c->out_cap = 0;
    }
    want_write(s, c, st == SW_AGAIN);
    return st == SW_AGAIN ? SW_OK : st;
}

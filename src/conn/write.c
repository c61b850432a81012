/* Writing of a connection: records, and the coalescing of a turn's output. */
#include "conn/inside.h"
#include "loop/sock.h"

#include <errno.h>

void sw_conn_watch_needed(struct sw_conns *s, struct sw_conn *c)
{
    sw_conn_watch(s, c,
                  (c->is_paused || c->waits ? 0u : SW_WANT_READ) |
                      (c->want_write ? SW_WANT_WRITE : 0u));
}

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

void sw_conn_want_write(struct sw_conns *s, struct sw_conn *c, bool want)
{
    if (c->want_write == want)
        return;
    c->want_write = want;
    sw_conn_watch_needed(s, c);
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

enum sw_status sw_conn_take_output(struct sw_conns *s, struct sw_conn *c)
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
    enum sw_status st =
        sw_conn_take_output(s, c); /* what a handshake, a close or a key update left */
    while (st == SW_OK && done < c->out_n) {
        size_t n = c->out_n - done;
        n = n < SW_TLS_CHUNK ? n : SW_TLS_CHUNK;
        st = sw_tls_write(c->tls, sw_slice(c->out + done, n));
        enum sw_status sent = sw_conn_take_output(s, c); /* of a write that failed: an alert */
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
    sw_conn_want_write(s, c, st == SW_AGAIN);
    return st == SW_AGAIN ? SW_OK : st;
}

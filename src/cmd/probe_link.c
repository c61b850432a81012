/* Bytes of one probed address: a socket, and TLS on it. One connection, so waiting is done in
 * poll(). */
#include "cmd/probe.h"

#include "loop/sock.h"
#include "sys/clock.h"
#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* How long the peer's close_notify is waited for. */
enum { CLOSE_MS = 500 };

static enum sw_status await(const struct probe_link *l, short events)
{
    struct pollfd p = {.fd = l->fd, .events = events};
    for (;;) {
        int64_t left = l->deadline_ms - sw_clock_ms();
        if (left <= 0)
            return SW_PEER_TIMEOUT;
        int n = poll(&p, 1, (int)left);
        if (n > 0)
            return SW_OK;
        if (n < 0 && errno != EINTR)
            return SW_SYS;
    }
}

enum sw_status probe_link_connect(struct probe_link *l, const struct sw_endpoint *to,
                                  const struct sw_endpoint *from)
{
    l->fd = l->transport == SW_UDP ? sw_sock_connect_datagram(to, from)
                                   : sw_sock_connect(to, from, false);
    if (l->fd < 0)
        return sw_sock_status(errno);
    if (l->transport == SW_UDP)
        return SW_OK;
    enum sw_status s = await(l, POLLOUT);
    return s == SW_OK ? sw_sock_connected(l->fd) : s;
}

/* All of it, or why not. */
static enum sw_status put(const struct probe_link *l, struct sw_slice s)
{
    while (s.n) {
        ssize_t n = send(l->fd, s.p, s.n, MSG_NOSIGNAL);
        if (n >= 0) {
            s = sw_slice_from(s, (size_t)n);
            continue;
        }
        enum sw_status st = sw_sock_status(errno);
        if (st == SW_AGAIN)
            st = await(l, POLLOUT);
        if (st != SW_OK)
            return st;
    }
    return SW_OK;
}

static enum sw_status get(const struct probe_link *l, char *p, size_t cap, size_t *n)
{
    *n = 0;
    for (;;) {
        if (sw_clock_ms() >= l->deadline_ms) /* also with a peer that never stops sending */
            return SW_PEER_TIMEOUT;
        ssize_t r = recv(l->fd, p, cap, 0);
        *n = r > 0 ? (size_t)r : 0;
        if (r > 0 || (r == 0 && l->transport == SW_UDP))
            return SW_OK;
        if (r == 0)
            return SW_PEER_CLOSED;
        enum sw_status st = sw_sock_status(errno);
        if (st == SW_AGAIN)
            st = await(l, POLLIN);
        if (st != SW_OK)
            return st;
    }
}

static enum sw_status flush(const struct probe_link *l)
{
    enum sw_status s = put(l, sw_tls_output(l->worker));
    sw_tls_output_taken(l->worker);
    return s;
}

static enum sw_status feed(struct probe_link *l)
{
    enum sw_status s = get(l, l->in, sizeof(l->in), &l->in_n);
    if (s == SW_OK)
        sw_tls_feed(l->tls, sw_slice(l->in, l->in_n));
    return s;
}

enum sw_status probe_link_handshake(struct probe_link *l)
{
    for (;;) {
        enum sw_status s = sw_tls_handshake(l->tls);
        enum sw_status flushed = flush(l); /* an alert of ours, too */
        if (s != SW_AGAIN) {
            l->open = s == SW_OK;
            return s;
        }
        /* what the peer said before it closed its side tells more than the broken write */
        if (flushed != SW_OK && flushed != SW_PEER_RESET)
            return flushed;
        s = feed(l);
        if (s != SW_OK)
            return s;
    }
}

enum sw_status probe_link_send(struct probe_link *l, struct sw_slice bytes)
{
    if (!l->tls)
        return put(l, bytes);
    enum sw_status s = sw_tls_write(l->tls, bytes);
    return s == SW_OK ? flush(l) : s;
}

enum sw_status probe_link_read(struct probe_link *l, char *p, size_t cap, size_t *n)
{
    if (!l->tls)
        return get(l, p, cap, n);
    for (;;) {
        enum sw_status s = sw_tls_read(l->tls, p, cap, n);
        if (s != SW_AGAIN)
            return s;
        s = flush(l); /* an answer to a KeyUpdate */
        if (s == SW_OK || s == SW_PEER_RESET)
            s = feed(l);
        if (s != SW_OK)
            return s;
    }
}

/* What comes now is nobody's. */
static void drain(struct probe_link *l)
{
    char rest[1024];
    size_t n;
    while ((l->open ? probe_link_read(l, rest, sizeof(rest), &n)
                    : get(l, rest, sizeof(rest), &n)) == SW_OK)
        continue;
}

void probe_link_close(struct probe_link *l)
{
    if (l->fd < 0)
        return;
    l->deadline_ms = sw_clock_ms() + CLOSE_MS;
    if (l->tls) {
        if (l->open)
            sw_tls_close(l->tls);
        /* bytes that are left unread would make the kernel take our alert back */
        if (flush(l) == SW_OK && shutdown(l->fd, SHUT_WR) == 0)
            drain(l);
        sw_tls_free(l->tls);
        l->tls = NULL;
    }
    close(l->fd);
    l->fd = -1;
}

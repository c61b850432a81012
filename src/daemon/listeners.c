/* The sockets of the listeners: opened before the workers start, one of each kind per worker. */
#include "daemon/daemon.h"
#include "loop/sock.h"
#include "sys/log.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { UDP_BUFFER_BYTES = 8 << 20 };

static const char *listen_help(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "another process has the address: stop it, or change it";
    case EADDRNOTAVAIL:
        return "no interface has the address: correct it, or set freebind: true if it is a virtual "
               "address that may come later";
    case EACCES:
        return "ports below 1024 need the right to bind them (CAP_NET_BIND_SERVICE)";
    default:
        return "the address must be one that this machine can listen on";
    }
}

static void note_listen_failed(const struct sw_config_listener *l, bool datagram, const char *name)
{
    char text[SW_ENDPOINT_TEXT_MAX];
    int error = errno;
    enum sw_transport t = datagram ? SW_UDP : l->transport == SW_UDP ? SW_TCP : l->transport;
    SW_LOG(SW_LEVEL_ERROR, "listen_failed", sw_field_str("listener", name),
           sw_field_text("transport", sw_transport_name(t)),
           sw_field_str("address", sw_endpoint_text(&l->address, text)),
           sw_field_str("why", strerror(error)), sw_field_str("help", listen_help(error)));
}

static int open_one(const struct sw_config_listener *l, bool datagram, bool share_port,
                    const char *name)
{
    const struct sw_sock_conf conf = {
        .address = l->address,
        .datagram = datagram,
        .freebind = l->freebind,
        .share_port = share_port,
        .receive_bytes = datagram ? UDP_BUFFER_BYTES : 0,
    };
    int fd = sw_sock_listen(&conf);
    if (fd < 0)
        note_listen_failed(l, datagram, name);
    return fd;
}

/* A first socket without SO_REUSEPORT finds out whether another process has the address: with it,
 * two gateways would share the traffic unnoticed. */
static bool is_free(const struct sw_config_listener *l, bool datagram, const char *name)
{
    int fd = open_one(l, datagram, false, name);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool open_kind(struct sw_daemon *d, uint32_t i, bool datagram, int **out)
{
    const struct sw_config_listener *l = &d->now->config.listeners[i];
    const char *name = d->now->config.conn_listeners[i].name;
    if (!is_free(l, datagram, name))
        return false;
    *out = malloc(d->now->config.workers * sizeof(int));
    for (unsigned w = 0; *out && w < d->now->config.workers; w++)
        (*out)[w] = -1;
    for (unsigned w = 0; *out && w < d->now->config.workers; w++) {
        (*out)[w] = open_one(l, datagram, true, name);
        if ((*out)[w] < 0)
            return false;
    }
    return *out;
}

bool sw_listeners_open(struct sw_daemon *d)
{
    uint32_t n = d->now->config.proxy.listener_count;
    d->listeners = calloc(n, sizeof(*d->listeners));
    if (!d->listeners)
        return false;
    bool ok = true;
    for (uint32_t i = 0; i < n; i++) {
        struct sw_worker_listener *l = &d->listeners[i];
        l->tls = d->now->config.listeners[i].transport == SW_TLS;
        l->datagram = d->now->config.listeners[i].transport == SW_UDP;
        if (l->datagram && !open_kind(d, i, true, &l->udp))
            ok = false;
        if (!open_kind(d, i, false, &l->tcp)) /* TCP beside UDP: RFC 3261 18.2.1 */
            ok = false;
    }
    return ok;
}

static void close_kind(int *fds, unsigned count)
{
    for (unsigned w = 0; fds && w < count; w++)
        if (fds[w] >= 0)
            close(fds[w]);
    free(fds);
}

void sw_listeners_close(struct sw_daemon *d)
{
    for (uint32_t i = 0; d->listeners && i < d->now->config.proxy.listener_count; i++) {
        close_kind(d->listeners[i].udp, d->now->config.workers);
        close_kind(d->listeners[i].tcp, d->now->config.workers);
    }
    free(d->listeners);
    d->listeners = NULL;
}

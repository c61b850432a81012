/* Connections that we open: to a peer, to a stranger, and under which of our identities. */
#include "base/local.h"
#include "conn/count.h"
#include "conn/inside.h"
#include "loop/sock.h"

#include <errno.h>

const struct sw_conn_peer *sw_conn_peer_find(const struct sw_conns *s, uint32_t id)
{
    uint32_t low = 0, high = s->conf.peer_count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (s->conf.peers[mid].id == id)
            return &s->conf.peers[mid];
        if (s->conf.peers[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

const struct sw_tls_identity *sw_conn_identity(const struct sw_conn_peer *peer)
{
    return peer ? peer->tls.identity : NULL;
}

static const struct sw_tls_identity *shown(const struct sw_conns *s, uint32_t peer,
                                           uint16_t listener)
{
    const struct sw_conn_peer *p = sw_conn_peer_find(s, peer);
    if (p)
        return p->tls.identity;
    return listener < s->conf.listener_count ? s->conf.listeners[listener].out.identity : NULL;
}

uint32_t sw_conn_shown_id(const struct sw_conns *s, uint32_t peer, uint16_t listener,
                          uint32_t domain)
{
    const struct sw_tls_identity *id = shown(s, peer, listener);
    return sw_local_id(id ? id->local_id : 0, id ? id->local_domain : 0, domain);
}

void sw_conn_is_for(const struct sw_conns *s, struct sw_conn *c, uint32_t domain)
{
    if (!c->tls) /* nothing is proved on it: it is nobody's connection but the gateway's */
        return;
    const struct sw_tls_identity *out =
        c->flow.outbound ? shown(s, c->flow.peer, c->flow.listener) : NULL;
    uint32_t id = c->flow.outbound ? (out ? out->local_id : 0) : sw_tls_local_id(c->tls),
             own = c->flow.outbound ? (out ? out->local_domain : 0) : sw_tls_local_domain(c->tls);
    c->local_domain = domain ? domain : own;
    c->flow.local_id = sw_local_id(id, own, domain);
}

static enum sw_status dial(struct sw_conns *s, const struct sw_flow *flow,
                           const struct sw_tls_params *tls, struct sw_conn **out)
{
    const struct sw_conn_listener *l = &s->conf.listeners[flow->listener];
    int fd = sw_sock_connect(&flow->remote, &l->address, l->freebind);
    if (fd < 0)
        return sw_sock_status(errno);
    enum sw_status st = sw_conn_make(s, fd, flow, tls, SW_WANT_WRITE, out);
    if (st != SW_OK)
        return st;
    sw_conn_enter(s, *out, SW_CONN_CONNECTING, s->conf.limits.connect_ms);
    return SW_OK;
}

/* Dials a peer; it counts in what the peer may have. */
static enum sw_status dial_peer(struct sw_conns *s, const struct sw_conn_peer *p,
                                const struct sw_flow *flow, const struct sw_tls_params *tls,
                                struct sw_conn **out)
{
    struct sw_load *load;
    if (!sw_conn_place(p, SW_LOAD_TO, true, &load))
        return SW_LIMIT_PEER;
    enum sw_status st = dial(s, flow, tls, out);
    if (st != SW_OK) {
        sw_load_disconnect(&load, SW_LOAD_TO);
        return st;
    }
    (*out)->load = load;
    return SW_OK;
}

enum sw_status sw_conn_dial(struct sw_conns *s, uint32_t peer, uint16_t listener,
                            enum sw_transport transport, const struct sw_endpoint *remote,
                            struct sw_conn **out)
{
    const struct sw_conn_peer *p = sw_conn_peer_find(s, peer);
    const struct sw_flow flow = {
        .remote = *remote,
        .peer = peer,
        .listener = listener,
        .transport = (uint8_t)transport,
        .outbound = true,
        .local_id = transport == SW_TLS ? sw_conn_shown_id(s, peer, listener, 0) : 0,
    };
    if (!p || listener >= s->conf.listener_count || !remote->port)
        return SW_SYS_UNREACHABLE;
    return dial_peer(s, p, &flow, transport == SW_TLS ? &p->tls : NULL, out);
}

/* What is shown and believed, and the name as server name. RFC 5922 7.8, RFC 9325 3.7 */
static enum sw_status name(struct sw_conns *s, const struct sw_tls_params *tls,
                           struct sw_slice domain, struct sw_conn_named **out)
{
    if (domain.n && domain.p[domain.n - 1] == '.') /* "without a trailing dot": RFC 6066 3 */
        domain.n--;
    if (domain.n == 0 || domain.n >= SW_CONN_DOMAIN_MAX)
        return SW_SYS_UNREACHABLE;
    struct sw_endpoint ip;
    struct sw_conn_named *x = sw_slab_get(&s->slab, sizeof(*x));
    if (!x)
        return SW_LIMIT_MEMORY;
    memcpy(x->domain, domain.p, domain.n);
    x->domain[domain.n] = '\0';
    x->of_peer = false;
    x->tls = *tls;
    x->tls.server_name = sw_endpoint_ip_parse(domain, &ip) ? NULL : x->domain; /* RFC 6066 3 */
    *out = x;
    return SW_OK;
}

enum sw_status sw_conn_dial_domain(struct sw_conns *s, uint32_t peer, struct sw_slice domain,
                                   uint32_t domain_of, uint16_t listener,
                                   const struct sw_endpoint *remote, struct sw_conn **out)
{
    const struct sw_conn_peer *p = sw_conn_peer_find(s, peer);
    const struct sw_flow flow = {
        .remote = *remote,
        .peer = peer,
        .domain_id = domain_of,
        .listener = listener,
        .transport = SW_TLS,
        .outbound = true,
        .local_id = sw_conn_shown_id(s, peer, listener, 0),
    };
    struct sw_conn_named *x;
    if (!p || listener >= s->conf.listener_count || !remote->port)
        return SW_SYS_UNREACHABLE;
    enum sw_status st = name(s, &p->tls, domain, &x);
    if (st != SW_OK)
        return st;
    x->of_peer = true;
    st = dial_peer(s, p, &flow, &x->tls, out);
    if (st == SW_OK)
        (*out)->named = x;
    else
        sw_slab_put(&s->slab, x, sizeof(*x));
    return st;
}

enum sw_status sw_conn_dial_stranger(struct sw_conns *s, uint32_t peer, struct sw_slice domain,
                                     uint16_t listener, const struct sw_endpoint *remote,
                                     struct sw_conn **out)
{
    const struct sw_flow flow = {
        .remote = *remote,
        .peer = peer,
        .listener = listener,
        .transport = SW_TLS,
        .outbound = true,
        .local_id = sw_conn_shown_id(s, peer, listener, 0),
    };
    struct sw_conn_named *x;
    if (listener >= s->conf.listener_count || !remote->port ||
        !s->conf.listeners[listener].out.trust)
        return SW_SYS_UNREACHABLE;
    enum sw_status st = name(s, &s->conf.listeners[listener].out, domain, &x);
    if (st != SW_OK)
        return st;
    *out = NULL;
    st = dial(s, &flow, &x->tls, out);
    if (st == SW_OK)
        (*out)->named = x;
    else
        sw_slab_put(&s->slab, x, sizeof(*x));
    return st;
}

enum sw_status sw_conn_connected(struct sw_conns *s, struct sw_conn *c)
{
    enum sw_status st = sw_sock_connected(c->fd);
    if (st != SW_OK)
        return st;
    c->flow.local = sw_sock_local(c->fd);
    sw_sock_limit_unacknowledged(c->fd, s->conf.limits.unacknowledged_ms);
    sw_conn_watch(s, c, SW_WANT_READ);
    sw_conn_enter(s, c, c->tls ? SW_CONN_HANDSHAKE : SW_CONN_IDENTITY, s->conf.limits.handshake_ms);
    return SW_OK;
}

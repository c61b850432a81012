/* Connections that are accepted, and those that belong to another worker. */
#include "conn/inside.h"
#include "loop/sock.h"

enum sw_status sw_conn_accepted(struct sw_conns *s, int fd, uint16_t listener, bool tls,
                                const struct sw_endpoint *remote, struct sw_conn **out)
{
    const struct sw_conn_listener *l = &s->conf.listeners[listener];
    const struct sw_flow flow = {
        .remote = *remote,
        .listener = listener,
        .transport = tls ? SW_TLS : SW_TCP,
    };
    enum sw_status st = sw_conn_make(s, fd, &flow, tls ? &l->tls : NULL, SW_WANT_READ, out);
    if (st != SW_OK)
        return st;
    sw_sock_limit_unacknowledged(fd, s->conf.limits.unacknowledged_ms);
    sw_conn_enter(s, *out, tls ? SW_CONN_HANDSHAKE : SW_CONN_IDENTITY, s->conf.limits.handshake_ms);
    return SW_OK;
}

bool sw_conn_is_elsewhere(struct sw_conns *s, struct sw_conn *c, uint16_t *worker)
{
    if (c->placed || c->flow.outbound || !c->tls)
        return false;
    c->placed = true;
    ssize_t n = recv(c->fd, s->scratch_wire, SW_CONN_WIRE_BYTES, MSG_PEEK);
    return n > 0 && sw_tls_session_owner(s->tls, sw_slice(s->scratch_wire, (size_t)n), worker) &&
           *worker != s->conf.worker;
}

void sw_conn_let_go(struct sw_conns *s, struct sw_conn *c)
{
    sw_loop_del(s->loop, c->fd);
}

enum sw_status sw_conn_take_back(struct sw_conns *s, struct sw_conn *c)
{
    c->watched = SW_WANT_READ;
    return sw_loop_add(s->loop, c->fd, SW_WANT_READ,
                       (uint64_t)c->ref.generation << 32 | c->ref.slot);
}

void sw_conn_leave(struct sw_conns *s, struct sw_conn *c)
{
    c->fd = -1;
    sw_conn_drop(s, c);
}

/* A connection from its first handshake message until it is somebody's: phases 2 and 3, and its
 * certificate judged again later. */
#include "base/local.h"
#include "conn/attempt.h"
#include "conn/inside.h"
#include "loop/sock.h"

#include <errno.h>

void sw_conn_queue_step(struct sw_conns *s, struct sw_conn *c)
{
    if (!sw_list_empty(&c->steps))
        return;
    sw_list_add(c->flow.outbound ? &s->steps_out : &s->steps_in, &c->steps);
}

/* New ones stand behind those that are muted. */
static void mute(struct sw_conns *s, struct sw_list *steps)
{
    for (struct sw_list *n = steps->prev; n != steps; n = n->prev) {
        struct sw_conn *c = SW_CONTAINER(n, struct sw_conn, steps);
        if (!c->watched)
            return;
        sw_conn_watch(s, c, 0);
    }
}

void sw_conn_mute_steps(struct sw_conns *s)
{
    mute(s, &s->steps_out);
    mute(s, &s->steps_in);
}

/* Told before the client answers: one that checks names ends the connection now. */
static void tell_unknown_name(struct sw_conns *s, struct sw_conn *c)
{
    if (c->name_told || !sw_tls_name_unknown(c->tls))
        return;
    c->name_told = true;
    sw_attempt_name_unknown(s, c);
}

static const struct sw_tls_params *params_of(const struct sw_conns *s, const struct sw_conn *c)
{
    const struct sw_conn_peer *p = c->flow.outbound ? sw_conn_peer_find(s, c->flow.peer) : NULL;
    if (!p && c->named &&
        !c->named->of_peer) /* what it is judged by is the listener's, also after a reload */
        return &s->conf.listeners[c->flow.listener].out;
    return p ? &p->tls : c->flow.outbound ? NULL : &s->conf.listeners[c->flow.listener].tls;
}

/* Nothing is read meanwhile: what came with the end of the handshake is kept. */
static enum sw_status wait_for_answer(struct sw_conns *s, struct sw_conn *c)
{
    enum sw_status st = sw_tls_keep_fed(c->tls);
    if (st != SW_OK)
        return st;
    sw_conn_watch(s, c, c->want_write ? SW_WANT_WRITE : 0);
    sw_conn_enter(s, c, SW_CONN_IDENTITY, s->conf.limits.answer_ms);
    c->waits = true;
    s->waiting++;
    return SW_OK;
}

/* The certificate holds, and phase 3 begins. One whose names cannot be kept is not none: it would
 * be let in where none is asked for. */
static enum sw_status believed(struct sw_conns *s, struct sw_conn *c)
{
    sw_conn_watch(s, c, SW_WANT_READ | (c->want_write ? SW_WANT_WRITE : 0));
    c->flow.ident = sw_tls_take_ident(c->tls);
    struct sw_tls_info info;
    sw_tls_info(c->tls, &info);
    c->flow.tls_minor = info.minor;
    c->flow.suite = info.suite_number;
    c->flow.local_id =
        sw_local_id(sw_tls_local_id(c->tls), sw_tls_local_domain(c->tls), c->local_domain);
    c->flow.order = sw_tls_order(c->tls);
    sw_conn_enter(s, c, SW_CONN_IDENTITY, s->conf.limits.handshake_ms);
    return c->flow.ident || !sw_tls_has_certificate(c->tls) ? SW_OK : SW_LIMIT;
}

enum sw_status sw_conn_handshake(struct sw_conns *s, struct sw_conn *c)
{
    ssize_t n = recv(c->fd, s->scratch_wire, SW_CONN_WIRE_BYTES, 0);
    sw_list_del(&c->steps);
    if (n == 0)
        return SW_PEER_CLOSED;
    if (n < 0 && sw_sock_status(errno) != SW_AGAIN)
        return sw_sock_status(errno);
    s->wire_read = n > 0 ? (size_t)n : 0;
    sw_tls_feed(c->tls, sw_slice(s->scratch_wire, s->wire_read));
    enum sw_status st = sw_tls_handshake(c->tls);
    tell_unknown_name(s, c);
    enum sw_status sent = sw_conn_flush(s, c);
    if (st == SW_AGAIN && sent == SW_OK)
        sw_conn_watch(s, c, SW_WANT_READ | (c->want_write ? SW_WANT_WRITE : 0));
    if (st != SW_OK)
        return st == SW_AGAIN && sent != SW_OK ? sent : st;
    if (sent != SW_OK)
        return sent;
    if (sw_tls_waits(c->tls))
        return wait_for_answer(s, c);
    return believed(s, c);
}

enum sw_status sw_conn_settle(struct sw_conns *s, struct sw_conn *c, bool last)
{
    const struct sw_tls_params *params = params_of(s, c);
    enum sw_status st = sw_tls_judge_again(c->tls, params ? params->trust : NULL, last);
    if (st != SW_OK)
        return st;
    c->waits = false;
    s->waiting--;
    return believed(s, c);
}

struct sw_slice sw_conn_without_tls(struct sw_conns *s, struct sw_conn *c)
{
    sw_tls_free(c->tls);
    c->tls = NULL;
    c->flow.transport = SW_TCP;
    sw_conn_enter(s, c, SW_CONN_OPEN, s->conf.limits.handshake_ms);
    return sw_slice(s->scratch_wire, s->wire_read);
}

void sw_conn_belongs(struct sw_conn *c, uint32_t peer, uint32_t domain_id)
{
    c->flow.peer = peer;
    c->flow.domain_id = domain_id;
    c->flow.alias_port = 0; /* it was said by whom it was before */
    c->flow.mutual = c->tls && c->flow.ident && peer != SW_PEER_NOBODY && sw_tls_has_shown(c->tls);
}

void sw_conn_admit(struct sw_conns *s, struct sw_conn *c, uint32_t peer, uint32_t domain_id)
{
    sw_conn_belongs(c, peer, domain_id);
    c->active_ms = s->now_ms;
    sw_conn_enter(s, c, SW_CONN_OPEN, sw_conn_quiet_ms(s, c));
    if (c->tls &&
        !c->flow.outbound) /* a client has judged our certificate before it said Finished */
        sw_tls_forget_hellos(c->tls);
}

enum sw_status sw_conn_judge_again(struct sw_conns *s, struct sw_conn *c)
{
    const struct sw_tls_params *params = params_of(s, c);
    if (!c->tls || !c->flow.ident || !params)
        return SW_OK;
    enum sw_status st = sw_tls_judge_again(c->tls, params->trust, false);
    if (st == SW_AGAIN) /* until the answer is there it proves what it proved */
        return SW_OK;
    if (st != SW_OK)
        return st;
    struct sw_ident *now = sw_tls_take_ident(c->tls);
    if (!now)
        return SW_LIMIT_MEMORY;
    sw_ident_free((struct sw_ident *)(uintptr_t)c->flow.ident);
    c->flow.ident = now;
    return SW_OK;
}

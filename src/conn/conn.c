#include "conn/conn.h"

#include "conn/attempt.h"
#include "conn/count.h"
#include "conn/halfopen.h"
#include "crypto/hmac.h"
#include "loop/sock.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Encrypted bytes read in one go: several records. */
enum { WIRE_BYTES = 64 * 1024, CLOSING_MS = 5000 };

static enum sw_status remember(struct sw_conns *s)
{
    struct sw_tls_resumption r = *s->conf.resumption;
    r.worker = s->conf.worker;
    s->conf.resumption = NULL;
    enum sw_status st = sw_tls_worker_remember(s->tls, &r);
    sw_wipe(&r, sizeof(r));
    return st;
}

enum sw_status sw_conns_init(struct sw_conns *s, const struct sw_conn_conf *conf,
                             struct sw_loop *loop, int64_t now_ms,
                             void (*seen)(void *user, const struct sw_tls_seen *m))
{
    const struct sw_frame_limits *f = &conf->limits.frame;
    memset(s, 0, sizeof(*s));
    s->conf = *conf;
    s->loop = loop;
    s->now_ms = now_ms;
    s->generation = (uint64_t)conf->instance << 16 ^ (uint64_t)conf->worker << 8;
    s->plain_cap = (size_t)f->head_max + f->body_max + WIRE_BYTES;
    sw_slab_init(&s->slab);
    sw_timers_init(&s->timers, now_ms);
    sw_list_init(&s->dirty);
    sw_list_init(&s->steps_out);
    sw_list_init(&s->steps_in);
    sw_list_init(&s->gone);
    sw_list_init(&s->paused);
    s->scratch_wire = malloc(WIRE_BYTES);
    s->scratch_plain = malloc(s->plain_cap);
    s->tls = sw_tls_worker_new(conf->policies, conf->policy_count, seen);
    enum sw_status st = sw_table_init(&s->table, sizeof(struct sw_conn), conf->limits.connections);
    if (st == SW_OK && s->tls && conf->resumption)
        st = remember(s);
    if (st == SW_OK && (!s->scratch_wire || !s->scratch_plain || !s->tls))
        st = SW_LIMIT_MEMORY;
    if (st != SW_OK)
        sw_conns_fini(s);
    return st;
}

enum sw_status sw_conns_adopt(struct sw_conns *s, const struct sw_conn_conf *conf)
{
    struct sw_conn_conf next = *conf;
    next.instance = s->conf.instance;
    next.node = s->conf.node;
    next.worker = s->conf.worker;
    next.counters = s->conf.counters;
    next.failures = s->conf.failures;
    next.halfopen = s->conf.halfopen;
    next.limits.frame = s->conf.limits.frame;
    next.limits.connections = s->conf.limits.connections;
    next.resumption = NULL;
    enum sw_status st = sw_tls_worker_adopt(s->tls, conf->policies, conf->policy_count);
    if (st == SW_OK)
        s->conf = next;
    return st;
}

void sw_conns_fini(struct sw_conns *s)
{
    struct sw_ref ref;
    for (uint32_t i = 0; s->table.chunks && i < s->table.slots; i++)
        if (sw_table_at(&s->table, i, &ref))
            sw_conn_drop(s, sw_table_at(&s->table, i, &ref));
    if (s->table.chunks)
        sw_conns_sweep(s);
    sw_table_fini(&s->table);
    sw_tls_worker_free(s->tls);
    free(s->scratch_wire);
    free(s->scratch_plain);
    sw_slab_fini(&s->slab);
    s->tls = NULL;
    s->scratch_wire = s->scratch_plain = NULL;
}

const char *sw_conn_state_name(enum sw_conn_state state)
{
    static const char *const names[] = {"connecting", "handshake", "identity",
                                        "open",       "closing",   "gone"};
    return state <= SW_CONN_GONE ? names[state] : "unknown";
}

struct sw_conn *sw_conn_get(const struct sw_conns *s, struct sw_ref ref)
{
    return sw_table_get(&s->table, ref);
}

/* The one place where a connection changes its state. */
static void enter(struct sw_conns *s, struct sw_conn *c, enum sw_conn_state state, int64_t limit_ms)
{
    c->state = (uint8_t)state;
    if (c->waits && state != SW_CONN_IDENTITY) {
        c->waits = false;
        s->waiting--;
    }
    if (state > SW_CONN_OPEN)
        sw_conn_uncount(c);
    if (state >= SW_CONN_OPEN) {
        sw_hold_drop(c->hold);
        c->hold = NULL;
        if (c->halfopen)
            sw_halfopen_leave(s->conf.halfopen, &c->flow.remote);
        c->halfopen = false;
    }
    if (limit_ms)
        sw_timer_start(&s->timers, &c->timer, s->now_ms + limit_ms);
    else
        sw_timer_stop(&s->timers, &c->timer);
}

void sw_conn_watch(struct sw_conns *s, struct sw_conn *c, unsigned want)
{
    if (c->watched == want)
        return;
    c->watched = (uint8_t)want;
    sw_loop_change(s->loop, c->fd, want, (uint64_t)c->ref.generation << 32 | c->ref.slot);
}

static enum sw_status start_tls(struct sw_conns *s, struct sw_conn *c,
                                const struct sw_tls_params *params)
{
    c->tls = sw_tls_new(s->tls, params, c);
    if (c->tls && c->flow.outbound)
        sw_tls_target(c->tls, &c->flow.remote);
    return c->tls ? SW_OK : SW_CRYPTO;
}

/* A connection around a socket, which is closed if this fails. */
static enum sw_status make(struct sw_conns *s, int fd, const struct sw_flow *flow,
                           const struct sw_tls_params *tls, unsigned want, struct sw_conn **out)
{
    struct sw_ref ref;
    s->generation += 0x10001;
    struct sw_conn *c = sw_table_add(&s->table, (uint32_t)s->generation, &ref);
    if (!c) {
        close(fd);
        return SW_LIMIT;
    }
    c->flow = *flow;
    c->flow.id = (struct sw_flow_id){.instance = s->conf.instance,
                                     .node = s->conf.node,
                                     .worker = s->conf.worker,
                                     .slot = ref.slot,
                                     .generation = ref.generation};
    c->flow.local = sw_sock_local(fd);
    c->ref = ref;
    c->hold = s->conf.hold;
    sw_hold_take(c->hold);
    c->fd = fd;
    c->started_ms = c->active_ms = s->now_ms;
    sw_timer_init(&c->timer, 0);
    sw_list_init(&c->dirty);
    sw_list_init(&c->steps);
    sw_list_init(&c->paused);
    sw_list_init(&c->waiters);
    enum sw_status st = tls ? start_tls(s, c, tls) : SW_OK;
    if (st == SW_OK)
        st = sw_loop_add(s->loop, fd, want, (uint64_t)ref.generation << 32 | ref.slot);
    c->watched = (uint8_t)want;
    if (st != SW_OK) {
        sw_conn_drop(s, c);
        return st;
    }
    *out = c;
    return SW_OK;
}

enum sw_status sw_conn_accepted(struct sw_conns *s, int fd, uint16_t listener, bool tls,
                                const struct sw_endpoint *remote, struct sw_conn **out)
{
    const struct sw_conn_listener *l = &s->conf.listeners[listener];
    const struct sw_flow flow = {
        .remote = *remote,
        .listener = listener,
        .transport = tls ? SW_TLS : SW_TCP,
    };
    enum sw_status st = make(s, fd, &flow, tls ? &l->tls : NULL, SW_WANT_READ, out);
    if (st != SW_OK)
        return st;
    sw_sock_limit_unacknowledged(fd, s->conf.limits.unacknowledged_ms);
    enter(s, *out, tls ? SW_CONN_HANDSHAKE : SW_CONN_IDENTITY, s->conf.limits.handshake_ms);
    return SW_OK;
}

bool sw_conn_is_elsewhere(struct sw_conns *s, struct sw_conn *c, uint16_t *worker)
{
    if (c->placed || c->flow.outbound || !c->tls)
        return false;
    c->placed = true;
    ssize_t n = recv(c->fd, s->scratch_wire, WIRE_BYTES, MSG_PEEK);
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

uint32_t sw_conn_local_id(const struct sw_conn_peer *peer)
{
    return peer && peer->tls.identity ? peer->tls.identity->local_id : 0;
}

uint32_t sw_conn_shown_id(const struct sw_conns *s, uint32_t peer, uint16_t listener)
{
    const struct sw_conn_peer *p = sw_conn_peer_find(s, peer);
    const struct sw_tls_identity *id = p ? p->tls.identity
                                       : listener < s->conf.listener_count
                                           ? s->conf.listeners[listener].out.identity
                                           : NULL;
    return id ? id->local_id : 0;
}

static enum sw_status dial(struct sw_conns *s, const struct sw_flow *flow,
                           const struct sw_tls_params *tls, struct sw_conn **out)
{
    const struct sw_conn_listener *l = &s->conf.listeners[flow->listener];
    int fd = sw_sock_connect(&flow->remote, &l->address, l->freebind);
    if (fd < 0)
        return sw_sock_status(errno);
    enum sw_status st = make(s, fd, flow, tls, SW_WANT_WRITE, out);
    if (st != SW_OK)
        return st;
    enter(s, *out, SW_CONN_CONNECTING, s->conf.limits.connect_ms);
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
        .local_id = transport == SW_TLS ? sw_conn_local_id(p) : 0,
    };
    if (!p || listener >= s->conf.listener_count || !remote->port)
        return SW_SYS_UNREACHABLE;
    struct sw_load *load;
    if (!sw_conn_place(p, SW_LOAD_TO, true, &load))
        return SW_LIMIT_PEER;
    enum sw_status st = dial(s, &flow, transport == SW_TLS ? &p->tls : NULL, out);
    if (st != SW_OK) {
        sw_load_disconnect(&load, SW_LOAD_TO);
        return st;
    }
    (*out)->load = load;
    return SW_OK;
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
        .local_id = sw_conn_shown_id(s, peer, listener),
    };
    if (domain.n && domain.p[domain.n - 1] == '.') /* "without a trailing dot": RFC 6066 3 */
        domain.n--;
    if (listener >= s->conf.listener_count || !remote->port || domain.n == 0 ||
        domain.n >= SW_CONN_DOMAIN_MAX || !s->conf.listeners[listener].out.trust)
        return SW_SYS_UNREACHABLE;
    struct sw_conn_stranger *x = sw_slab_get(&s->slab, sizeof(*x));
    if (!x)
        return SW_LIMIT_MEMORY;
    memcpy(x->domain, domain.p, domain.n);
    x->domain[domain.n] = '\0';
    x->tls = s->conf.listeners[listener].out;
    x->tls.server_name = x->domain; /* RFC 5922 7.8, RFC 9325 3.7 */
    *out = NULL;
    enum sw_status st = dial(s, &flow, &x->tls, out);
    if (st == SW_OK)
        (*out)->stranger = x;
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
    enter(s, c, c->tls ? SW_CONN_HANDSHAKE : SW_CONN_IDENTITY, s->conf.limits.handshake_ms);
    return SW_OK;
}

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
    if (!p && c->stranger) /* what it is judged by is the listener's, also after a reload */
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
    enter(s, c, SW_CONN_IDENTITY, s->conf.limits.answer_ms);
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
    c->flow.local_id = sw_tls_local_id(c->tls);
    c->flow.order = sw_tls_order(c->tls);
    enter(s, c, SW_CONN_IDENTITY, s->conf.limits.handshake_ms);
    return c->flow.ident || !sw_tls_has_certificate(c->tls) ? SW_OK : SW_LIMIT;
}

enum sw_status sw_conn_handshake(struct sw_conns *s, struct sw_conn *c)
{
    ssize_t n = recv(c->fd, s->scratch_wire, WIRE_BYTES, 0);
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
    enter(s, c, SW_CONN_OPEN, s->conf.limits.handshake_ms);
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
    enter(s, c, SW_CONN_OPEN, sw_conn_quiet_ms(s, c));
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

static void forget(struct sw_conns *s, char **p, uint32_t *n, uint32_t *cap)
{
    sw_slab_put(&s->slab, *p, *cap);
    *p = NULL;
    *n = *cap = 0;
}

void sw_conn_close(struct sw_conns *s, struct sw_conn *c, bool peer_closed)
{
    if (c->state == SW_CONN_CLOSING || c->state == SW_CONN_GONE)
        return;
    enum sw_status st = sw_conn_flush(s, c);
    if (st == SW_OK && c->tls) {
        sw_tls_close(c->tls);
        st = sw_conn_flush(s, c);
    }
    sw_list_del(&c->steps);
    sw_list_del(&c->paused);
    c->is_paused = false;
    sw_count(s->conf.counters, SW_COUNT_CONNECTIONS_CLOSED);
    if (st != SW_OK || peer_closed) {
        sw_conn_drop(s, c);
        return;
    }
    if (!c->want_write)
        shutdown(c->fd, SHUT_WR);
    sw_conn_watch(s, c, SW_WANT_READ | (c->want_write ? SW_WANT_WRITE : 0));
    enter(s, c, SW_CONN_CLOSING, CLOSING_MS);
}

enum sw_status sw_conn_close_further(struct sw_conns *s, struct sw_conn *c)
{
    enum sw_status st = sw_conn_flush(s, c);
    if (st == SW_OK && !c->want_write)
        shutdown(c->fd, SHUT_WR);
    return st;
}

void sw_conn_drop(struct sw_conns *s, struct sw_conn *c)
{
    if (c->state == SW_CONN_GONE)
        return;
    enter(s, c, SW_CONN_GONE, 0);
    if (s->rx.conn == c)
        s->rx.conn = NULL;
    sw_list_del(&c->dirty);
    sw_list_del(&c->steps);
    sw_list_del(&c->paused);
    c->is_paused = false;
    sw_list_add(&s->gone, &c->dirty);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

void sw_conns_sweep(struct sw_conns *s)
{
    while (!sw_list_empty(&s->gone)) {
        struct sw_conn *c = SW_CONTAINER(s->gone.next, struct sw_conn, dirty);
        sw_list_del(&c->dirty);
        sw_tls_free(c->tls);
        sw_ident_free((struct sw_ident *)(uintptr_t)c->flow.ident);
        forget(s, &c->part, &c->part_n, &c->part_cap);
        forget(s, &c->out, &c->out_n, &c->out_cap);
        sw_slab_put(&s->slab, c->wire, c->wire_n);
        sw_slab_put(&s->slab, c->stranger, sizeof(*c->stranger));
        free(c->server);
        sw_table_del(&s->table, c->ref);
    }
}

uint32_t sw_conn_quiet_ms(const struct sw_conns *s, const struct sw_conn *c)
{
    const struct sw_conn_limits *l = &s->conf.limits;
    return c->flow.outbound && c->tls && l->surplus_ms < l->idle_ms ? l->surplus_ms : l->idle_ms;
}

struct sw_conn *sw_conns_expired(struct sw_conns *s)
{
    struct sw_timer *x;
    while ((x = sw_timers_pop(&s->timers, s->now_ms))) {
        struct sw_conn *c = SW_CONTAINER(x, struct sw_conn, timer);
        int64_t quiet_until = c->active_ms + sw_conn_quiet_ms(s, c);
        if (c->state != SW_CONN_OPEN || c->part_late || quiet_until <= s->now_ms)
            return c;
        sw_timer_start(&s->timers, &c->timer, quiet_until); /* there was traffic since */
    }
    return NULL;
}

/* The table of a worker's connections, and what every one has: made, changing state, closed. */
#include "conn/count.h"
#include "conn/halfopen.h"
#include "conn/inside.h"
#include "crypto/hmac.h"
#include "loop/sock.h"

#include <stdlib.h>
#include <unistd.h>

enum { CLOSING_MS = 5000 };

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
    s->plain_cap = (size_t)f->head_max + f->body_max + SW_CONN_WIRE_BYTES;
    sw_slab_init(&s->slab);
    sw_timers_init(&s->timers, now_ms);
    sw_list_init(&s->dirty);
    sw_list_init(&s->steps_out);
    sw_list_init(&s->steps_in);
    sw_list_init(&s->gone);
    sw_list_init(&s->paused);
    s->scratch_wire = malloc(SW_CONN_WIRE_BYTES);
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

void sw_conn_enter(struct sw_conns *s, struct sw_conn *c, enum sw_conn_state state,
                   int64_t limit_ms)
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

enum sw_status sw_conn_make(struct sw_conns *s, int fd, const struct sw_flow *flow,
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
    sw_conn_enter(s, c, SW_CONN_CLOSING, CLOSING_MS);
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
    sw_conn_enter(s, c, SW_CONN_GONE, 0);
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
        sw_slab_put(&s->slab, c->named, sizeof(*c->named));
        free(c->server);
        sw_table_del(&s->table, c->ref);
    }
}

uint32_t sw_conn_quiet_ms(const struct sw_conns *s, const struct sw_conn *c)
{
    enum { CROWDED_MS = 5000 }; /* for the request that it was opened for */
    const struct sw_conn_limits *l = &s->conf.limits;
    if (c->flow.crowded)
        return CROWDED_MS < l->idle_ms ? CROWDED_MS : l->idle_ms;
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

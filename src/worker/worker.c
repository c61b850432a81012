#include "worker/worker.h"
#include "worker/walk.h"

#include "conn/attempt.h"
#include "conn/count.h"
#include "crypto/mem.h"
#include "sys/clock.h"
#include <stdlib.h>
#include <unistd.h>

enum {
    MAILBOX_BYTES = 1 << 20,
    STEPS_PER_TURN = 1,    /* handshake steps: one can take a millisecond */
    STEPS_US = 200,        /* or as many as begin in this */
    MAIL_LATELY_US = 1000, /* mail came that short ago: more may follow */
    MAIL_SPIN_US = 20,     /* then it is cheaper to look again than to sleep */
    CLOSING_MS = 300,      /* at the end peers get that long to close their side */
};

enum sw_status sw_worker_init(struct sw_worker *w, struct sw_workers *all, uint16_t index,
                              const struct sw_step *step, uint32_t (*transactions)(void *user),
                              bool trace)
{
    memset(w, 0, sizeof(*w));
    w->all = all;
    w->index = index;
    w->step = *step;
    w->conf = all->conf;
    sw_hold_take(&w->conf->hold);
    struct sw_conn_conf conf = w->conf->conn;
    conf.worker = index;
    conf.failures = all->failures;
    conf.halfopen = all->halfopen;
    w->transactions = transactions;
    w->counters = &all->counters[index];
    conf.counters = w->counters;
    w->loop.fd = w->address_fd = -1;
    w->now_ms = sw_clock_ms();
    enum sw_status s = sw_loop_init(&w->loop);
    if (s == SW_OK)
        s = sw_mailbox_init(&w->mailbox, MAILBOX_BYTES);
    if (s == SW_OK)
        s = sw_udp_init(&w->udp);
    if (s == SW_OK)
        s = sw_conns_init(&w->conns, &conf, &w->loop, w->now_ms, trace ? sw_attempt_seen : NULL);
    if (s == SW_OK)
        s = sw_dnscache_init(&w->dns, &w->conns.slab, w->conf->dns_cache);
    w->dns.version = w->conf->dns_version;
    if (s == SW_OK)
        s = sw_worker_watch_listeners(w);
    if (s == SW_OK)
        s = sw_worker_watch_addresses(w);
    sw_worker_judge_later(w);
    if (s != SW_OK)
        sw_worker_fini(w);
    return s;
}

/* Waiters and pending events hold memory of their own. */
static void drop_waiters(struct sw_worker *w)
{
    struct sw_ref ref;
    for (uint32_t i = 0; w->conns.table.chunks && i < w->conns.table.slots; i++) {
        struct sw_conn *c = sw_table_at(&w->conns.table, i, &ref);
        while (c && !sw_list_empty(&c->waiters)) {
            struct sw_waiter *x = SW_CONTAINER(c->waiters.next, struct sw_waiter, node);
            sw_list_del(&x->node);
            sw_slab_put(&w->conns.slab, x, sizeof(*x));
        }
    }
}

/* Sockets that were handed over and never taken up. */
static void drop_mail(struct sw_worker *w)
{
    struct sw_slice block;
    while (w->mailbox.ring && (block = sw_mailbox_peek(&w->mailbox)).p) {
        struct sw_mail m;
        memcpy(&m, block.p, sizeof(m));
        if (m.kind == SW_MAIL_ACCEPTED)
            close(m.fd);
        if (m.kind == SW_MAIL_WALK)
            sw_walk_unref(m.walk);
        sw_mailbox_done(&w->mailbox);
    }
}

void sw_worker_fini(struct sw_worker *w)
{
    drop_waiters(w);
    drop_mail(w);
    for (uint32_t i = 0; i < w->pending_count; i++)
        free((void *)(uintptr_t)w->pending[i].seg.p);
    free(w->pending);
    w->pending = NULL;
    w->pending_count = 0;
    sw_dnscache_fini(&w->dns);
    if (w->conns.table.chunks)
        sw_conns_fini(&w->conns);
    sw_udp_fini(&w->udp);
    sw_mailbox_fini(&w->mailbox);
    if (w->away && w->address_fd >= 0)
        close(w->address_fd);
    free(w->away);
    w->away = NULL;
    w->address_fd = -1;
    sw_loop_fini(&w->loop);
    if (w->conf)
        sw_hold_drop(&w->conf->hold);
    w->conf = NULL;
}

/* ---- the parts of a turn ---- */

static void flush(struct sw_worker *w)
{
    while (!sw_list_empty(&w->conns.dirty)) {
        struct sw_conn *c = SW_CONTAINER(w->conns.dirty.next, struct sw_conn, dirty);
        if (sw_conn_flush(&w->conns, c) != SW_OK)
            sw_worker_conn_broken(w, c);
        if (w->pending_count)
            sw_worker_pending(w);
    }
}

static void conn_expired(struct sw_worker *w, struct sw_conn *c)
{
    switch ((enum sw_conn_state)c->state) {
    case SW_CONN_CONNECTING:
    case SW_CONN_HANDSHAKE:
    case SW_CONN_IDENTITY:
        if (c->waits) {
            sw_worker_settle(w, c, true);
            return;
        }
        sw_count(w->counters,
                 c->state == SW_CONN_CONNECTING ? SW_LIMITED_CONNECT : SW_LIMITED_HANDSHAKE);
        sw_worker_conn_failed(w, c, SW_PEER_TIMEOUT,
                              c->state == SW_CONN_CONNECTING ? "limit connect: no answer to TCP"
                                                             : "limit handshake: it took too long");
        return;
    case SW_CONN_OPEN:
        if (c->flow.crowded) {
            sw_worker_conn_over(w, c, SW_LIMIT_PEER, sw_conn_one_too_many.why);
            return;
        }
        if (sw_worker_surplus(w, c))
            return;
        sw_count(w->counters, c->part_late ? SW_LIMITED_MESSAGE : SW_LIMITED_IDLE);
        sw_worker_conn_over(w, c, SW_PEER_TIMEOUT,
                            c->part_late ? "limit message: the rest of a message did not come"
                                         : "limit idle: nothing passed for that long");
        return;
    case SW_CONN_CLOSING:
    case SW_CONN_GONE:
        sw_conn_drop(&w->conns, c);
        return;
    }
}

static void timers(struct sw_worker *w)
{
    struct sw_conn *c;
    sw_conns_resume(&w->conns);
    while ((c = sw_conns_expired(&w->conns))) {
        conn_expired(w, c);
        if (w->pending_count)
            sw_worker_pending(w);
    }
    for (int i = 0; i < 64 && w->step.deadline(w->step.user) <= w->now_ms; i++) {
        const struct sw_event ev = {.kind = SW_EV_TIME};
        sw_worker_event(w, &ev);
    }
    if (w->accept_again_ms && w->accept_again_ms <= w->now_ms && !w->all->draining) {
        w->accept_again_ms = 0;
        sw_worker_watch_accept(w, true);
    }
}

/* Outbound first: requests wait for them. Then inbound ones, oldest first. */
static bool handshakes(struct sw_worker *w)
{
    struct sw_list *out = &w->conns.steps_out, *in = &w->conns.steps_in;
    if (sw_list_empty(out) && sw_list_empty(in))
        return false;
    int64_t until = sw_clock_us() + STEPS_US;
    for (int n = 0; n < STEPS_PER_TURN || sw_clock_us() < until; n++) {
        struct sw_list *first = !sw_list_empty(out) ? out->next : in->next;
        if (first == in)
            break;
        sw_worker_conn_step(w, SW_CONTAINER(first, struct sw_conn, steps));
        if (w->pending_count)
            sw_worker_pending(w);
    }
    sw_conn_mute_steps(&w->conns);
    return !sw_list_empty(out) || !sw_list_empty(in);
}

static int wait_ms(struct sw_worker *w)
{
    int64_t at = w->step.deadline(w->step.user);
    int64_t conns = sw_timers_next(&w->conns.timers);
    at = conns < at ? conns : at;
    if (w->accept_again_ms && w->accept_again_ms < at)
        at = w->accept_again_ms;
    int64_t resume = sw_conns_resume_at(&w->conns);
    at = resume < at ? resume : at;
    int64_t judge = sw_worker_judge_at(w);
    at = judge < at ? judge : at;
    at = w->addresses_at_ms < at ? w->addresses_at_ms : at;
    if (w->closing && w->closing_until_ms < at)
        at = w->closing_until_ms;
    int64_t ms = at == SW_TIMER_NEVER ? 60000 : at - w->now_ms;
    return (int)(ms < 0 ? 0 : ms > 60000 ? 60000 : ms);
}

/* Mail came lately: looking again for a moment is cheaper than to be woken. */
static bool mail_follows(struct sw_worker *w)
{
    int64_t now = sw_clock_us(), until = now + MAIL_SPIN_US;
    if (now - w->mail_us > MAIL_LATELY_US)
        return false;
    do {
        if (sw_mailbox_peek(&w->mailbox).p)
            return true;
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
    } while (sw_clock_us() < until);
    return false;
}

static unsigned wait_ready(struct sw_worker *w, bool leftovers, struct sw_ready *r)
{
    unsigned n = sw_loop_wait(&w->loop, 0, r);
    if (n || leftovers || mail_follows(w))
        return n;
    int ms = wait_ms(w);
    if (ms == 0 || !sw_mailbox_sleep(&w->mailbox))
        return 0;
    n = sw_loop_wait(&w->loop, ms, r);
    sw_mailbox_awake(&w->mailbox, false);
    return n;
}

/* Every connection gets a close_notify, and a moment to answer it. */
static bool close_all(struct sw_worker *w)
{
    struct sw_ref ref;
    if (!w->closing) {
        w->closing = true;
        w->closing_until_ms = w->now_ms + CLOSING_MS;
        for (uint32_t i = 0; i < w->conns.table.slots; i++) {
            struct sw_conn *c = sw_table_at(&w->conns.table, i, &ref);
            if (c)
                sw_worker_conn_over(w, c, SW_OK, "we stop");
        }
        sw_worker_pending(w);
    }
    return w->conns.table.used == 0 || w->now_ms >= w->closing_until_ms;
}

static bool turn(struct sw_worker *w, bool *leftovers)
{
    struct sw_ready r[SW_READY_MAX];
    unsigned n = wait_ready(w, *leftovers, r);
    w->now_ms = w->conns.now_ms = sw_clock_ms();
    if (w->all->draining && w->accept_again_ms != SW_TIMER_NEVER) {
        w->accept_again_ms = SW_TIMER_NEVER;
        sw_worker_watch_accept(w, false);
    }
    sw_worker_adopt(w);
    sw_worker_learn(w);
    *leftovers = sw_worker_mail(w);
    if (*leftovers)
        w->mail_us = sw_clock_us();
    for (unsigned i = 0; i < n; i++)
        sw_worker_ready(w, &r[i]);
    *leftovers = sw_worker_addresses(w) || *leftovers;
    timers(w);
    flush(w);
    *leftovers = handshakes(w) || *leftovers;
    *leftovers = sw_worker_judge(w) || *leftovers;
    flush(w);
    sw_conns_sweep(&w->conns);
    atomic_store_explicit(&w->open_transactions, w->transactions(w->step.user),
                          memory_order_relaxed);
    return !w->all->stopping || !close_all(w);
}

void *sw_worker_run(void *worker)
{
    struct sw_worker *w = worker;
    bool leftovers = false;
    while (turn(w, &leftovers))
        ;
    sw_crypto_mem_end();
    return NULL;
}

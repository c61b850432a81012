#include "base/timer.h"

void sw_timers_init(struct sw_timers *t, int64_t now_ms)
{
    t->now_ms = now_ms;
    sw_list_init(&t->expired);
    for (unsigned i = 0; i < SW_TIMER_FIFOS; i++)
        sw_list_init(&t->fifo[i]);
    for (unsigned l = 0; l < SW_TIMER_LEVELS; l++) {
        t->pending[l] = 0;
        for (unsigned s = 0; s < SW_TIMER_SLOTS; s++)
            sw_list_init(&t->slot[l][s]);
    }
}

/* The lowest level on which the deadline lies less than one turn ahead; there its slot is not the
 * current one (else a lower level would have done). */
static void wheel_add(struct sw_timers *t, struct sw_timer *x)
{
    uint64_t now = (uint64_t)t->now_ms, at = (uint64_t)x->deadline_ms;
    x->queue = SW_TIMER_WHEEL;
    if (x->deadline_ms <= t->now_ms) {
        sw_list_add(&t->expired, &x->node);
        return;
    }
    for (unsigned l = 0; l < SW_TIMER_LEVELS; l++) {
        uint64_t ahead = (at >> 6 * l) - (now >> 6 * l);
        if (ahead < SW_TIMER_SLOTS || l == SW_TIMER_LEVELS - 1) {
            uint64_t tick = ahead < SW_TIMER_SLOTS ? at >> 6 * l : (now >> 6 * l) + 63;
            unsigned s = (unsigned)(tick & 63);
            sw_list_add(&t->slot[l][s], &x->node);
            t->pending[l] |= UINT64_C(1) << s;
            return;
        }
    }
}

void sw_timer_start(struct sw_timers *t, struct sw_timer *x, int64_t deadline_ms)
{
    sw_timer_stop(t, x);
    x->deadline_ms = deadline_ms;
    wheel_add(t, x);
}

void sw_timer_start_fifo(struct sw_timers *t, struct sw_timer *x, unsigned queue,
                         int64_t deadline_ms)
{
    sw_timer_stop(t, x);
    x->deadline_ms = deadline_ms;
    struct sw_list *f = &t->fifo[queue];
    if (!sw_list_empty(f) &&
        SW_CONTAINER(f->prev, struct sw_timer, node)->deadline_ms > deadline_ms) {
        wheel_add(t, x);
        return;
    }
    x->queue = (uint8_t)queue;
    sw_list_add(f, &x->node);
}

void sw_timer_stop(struct sw_timers *t, struct sw_timer *x)
{
    (void)t; /* an emptied slot's bit is cleared when its time comes */
    if (x->queue == SW_TIMER_IDLE)
        return;
    sw_list_del(&x->node);
    x->queue = SW_TIMER_IDLE;
}

/* Empties the slots of one level that time has reached into `due`. */
static void drain_level(struct sw_timers *t, unsigned l, uint64_t from, uint64_t to,
                        struct sw_list *due)
{
    uint64_t reached = to - from >= SW_TIMER_SLOTS ? ~UINT64_C(0) : 0;
    for (uint64_t tick = from + 1; !reached && tick <= to; tick++)
        if (t->pending[l] >> (tick & 63) & 1) {
            sw_list_splice(due, &t->slot[l][tick & 63]);
            t->pending[l] &= ~(UINT64_C(1) << (tick & 63));
        }
    if (!reached)
        return;
    for (unsigned s = 0; s < SW_TIMER_SLOTS; s++)
        sw_list_splice(due, &t->slot[l][s]);
    t->pending[l] = 0;
}

static void advance(struct sw_timers *t, int64_t now_ms)
{
    uint64_t from = (uint64_t)t->now_ms, to = (uint64_t)now_ms;
    struct sw_list due;
    sw_list_init(&due);
    for (unsigned l = 0; l < SW_TIMER_LEVELS && from >> 6 * l != to >> 6 * l; l++)
        if (t->pending[l])
            drain_level(t, l, from >> 6 * l, to >> 6 * l, &due);
    t->now_ms = now_ms;
    while (!sw_list_empty(&due)) {
        struct sw_timer *x = SW_CONTAINER(due.next, struct sw_timer, node);
        sw_list_del(&x->node);
        wheel_add(t, x);
    }
}

struct sw_timer *sw_timers_pop(struct sw_timers *t, int64_t now_ms)
{
    if (now_ms > t->now_ms)
        advance(t, now_ms);
    struct sw_list *first = NULL;
    if (!sw_list_empty(&t->expired))
        first = t->expired.next;
    for (unsigned i = 0; !first && i < SW_TIMER_FIFOS; i++) {
        struct sw_list *f = &t->fifo[i];
        if (!sw_list_empty(f) &&
            SW_CONTAINER(f->next, struct sw_timer, node)->deadline_ms <= t->now_ms)
            first = f->next;
    }
    if (!first)
        return NULL;
    struct sw_timer *x = SW_CONTAINER(first, struct sw_timer, node);
    sw_timer_stop(t, x);
    return x;
}

/* The start of the first slot of level `l` that may hold timers. */
static int64_t level_next(const struct sw_timers *t, unsigned l)
{
    uint64_t tick = (uint64_t)t->now_ms >> 6 * l;
    unsigned here = (unsigned)((tick + 1) & 63);
    uint64_t ahead = t->pending[l] >> here | (here ? t->pending[l] << (64 - here) : 0);
    return (int64_t)((tick + 1 + (uint64_t)__builtin_ctzll(ahead)) << 6 * l);
}

int64_t sw_timers_next(const struct sw_timers *t)
{
    if (!sw_list_empty(&t->expired))
        return t->now_ms;
    int64_t next = SW_TIMER_NEVER;
    for (unsigned l = 0; l < SW_TIMER_LEVELS; l++)
        if (t->pending[l]) {
            int64_t at = level_next(t, l);
            next = at < next ? at : next;
        }
    for (unsigned i = 0; i < SW_TIMER_FIFOS; i++)
        if (!sw_list_empty(&t->fifo[i])) {
            int64_t at = SW_CONTAINER(t->fifo[i].next, struct sw_timer, node)->deadline_ms;
            next = at < next ? at : next;
        }
    return next;
}

/* Timers in O(1): constant delays stand in a FIFO each, all others in one hierarchical wheel of
 * 1 ms slots. Nothing is called back: expired timers are popped. Time is given by the caller. */
#ifndef SW_BASE_TIMER_H
#define SW_BASE_TIMER_H

#include "base/list.h"
#include <stdint.h>

enum {
    SW_TIMER_LEVELS = 5, /* 64^5 ms: twelve days */
    SW_TIMER_SLOTS = 64,
    SW_TIMER_FIFOS = 8,
    SW_TIMER_WHEEL = 255, /* the queue number of a timer in the wheel */
    SW_TIMER_IDLE = 254,  /* ... of one that does not run */
};

#define SW_TIMER_NEVER INT64_MAX

struct sw_timer {
    struct sw_list node;
    int64_t deadline_ms;
    uint8_t kind;  /* the owner's: tells which structure it stands in */
    uint8_t queue; /* a FIFO's number, SW_TIMER_WHEEL or SW_TIMER_IDLE */
};

struct sw_timers {
    int64_t now_ms;
    struct sw_list expired;
    struct sw_list fifo[SW_TIMER_FIFOS];
    uint64_t pending[SW_TIMER_LEVELS]; /* a bit per slot that holds timers */
    struct sw_list slot[SW_TIMER_LEVELS][SW_TIMER_SLOTS];
};

/** An empty set whose time starts at `now_ms`. */
void sw_timers_init(struct sw_timers *t, int64_t now_ms);

/** A timer that does not run; `kind` is for its owner. */
static inline void sw_timer_init(struct sw_timer *x, uint8_t kind)
{
    sw_list_init(&x->node);
    x->deadline_ms = 0;
    x->kind = kind;
    x->queue = SW_TIMER_IDLE;
}

static inline bool sw_timer_running(const struct sw_timer *x)
{
    return x->queue != SW_TIMER_IDLE;
}

/** Starts, or starts again, a timer in the wheel. A moment already past expires at the next pop. */
void sw_timer_start(struct sw_timers *t, struct sw_timer *x, int64_t deadline_ms);

/**
 * Starts a timer in FIFO `queue` (below SW_TIMER_FIFOS). All timers of one FIFO have the same
 * delay, so that deadlines never decrease along it; one that would is put in the wheel instead.
 */
void sw_timer_start_fifo(struct sw_timers *t, struct sw_timer *x, unsigned queue,
                         int64_t deadline_ms);

/** Stops a timer; one that does not run stays as it is. */
void sw_timer_stop(struct sw_timers *t, struct sw_timer *x);

/** The next timer due at `now_ms`, stopped already, or NULL. Call until NULL. */
struct sw_timer *sw_timers_pop(struct sw_timers *t, int64_t now_ms);

/** When to pop next, at the latest the earliest deadline, or SW_TIMER_NEVER. */
int64_t sw_timers_next(const struct sw_timers *t);

#endif

/* Runs a transaction machine against a table of what its figure says, and against a clock. */
#ifndef TESTS_SUPPORT_MACHINE_H
#define TESTS_SUPPORT_MACHINE_H

#include "support/unit.h"
#include "txn/txn.h"

struct machine_cell {
    unsigned todo;
    enum sw_txn_state to;
    int32_t retry_ms, life_ms;
};

/* One pair of state and event that does something; what no row names is ignored. */
struct machine_row {
    enum sw_txn_state from;
    enum sw_txn_event event;
    struct machine_cell unreliable, reliable;
};

#define MACHINE_SAME(...) __VA_ARGS__, __VA_ARGS__

enum { MACHINE_LEAVE = -1 };

static inline void machine_matches(enum sw_txn_kind kind, const struct machine_row *rows,
                                   size_t count)
{
    for (int state = SW_TXN_CALLING; state <= SW_TXN_TERMINATED; state++)
        for (int event = SW_TXN_START; event <= SW_TXN_ERROR; event++)
            for (int reliable = 0; reliable < 2; reliable++) {
                struct machine_cell want = {0, (enum sw_txn_state)state, MACHINE_LEAVE,
                                            MACHINE_LEAVE};
                for (size_t i = 0; i < count; i++)
                    if ((int)rows[i].from == state && (int)rows[i].event == event)
                        want = reliable ? rows[i].reliable : rows[i].unreliable;
                struct sw_txn t = sw_txn(kind, reliable);
                t.state = (uint8_t)state;
                t.interval_ms = SW_T1_MS;
                struct sw_txn_out out = sw_txn_event(&t, (enum sw_txn_event)event);
                if (out.todo != want.todo || t.state != want.to || out.retry_ms != want.retry_ms ||
                    out.life_ms != want.life_ms)
                    print_error("%s, event %d, reliable %d\n",
                                sw_txn_state_name((enum sw_txn_state)state), event, reliable);
                assert_int_equal(out.todo, want.todo);
                assert_int_equal(t.state, want.to);
                assert_int_equal(out.retry_ms, want.retry_ms);
                assert_int_equal(out.life_ms, want.life_ms);
            }
}

/* A machine with its two timers in virtual time. */
struct machine {
    struct sw_txn t;
    int64_t now_ms, retry_ms, life_ms; /* of the timers: when; 0: stopped */
    int64_t sent_ms[64];               /* when SW_DO_SEND was asked for */
    unsigned sent, todo;               /* `todo`: all that was asked for */
};

static inline void machine_feed(struct machine *m, enum sw_txn_event event)
{
    struct sw_txn_out out = sw_txn_event(&m->t, event);
    m->todo |= out.todo;
    if (out.todo & SW_DO_SEND) {
        assert_true(m->sent < UNIT_COUNT(m->sent_ms));
        m->sent_ms[m->sent++] = m->now_ms;
    }
    if (out.retry_ms >= 0)
        m->retry_ms = out.retry_ms ? m->now_ms + out.retry_ms : 0;
    if (out.life_ms >= 0)
        m->life_ms = out.life_ms ? m->now_ms + out.life_ms : 0;
}

/** Lets time pass until `until_ms`, or until no timer runs. */
static inline void machine_run(struct machine *m, int64_t until_ms)
{
    while (m->retry_ms || m->life_ms) {
        bool retry = m->retry_ms && (!m->life_ms || m->retry_ms < m->life_ms);
        int64_t at = retry ? m->retry_ms : m->life_ms;
        if (at > until_ms)
            break;
        m->now_ms = at;
        *(retry ? &m->retry_ms : &m->life_ms) = 0;
        machine_feed(m, retry ? SW_TXN_RETRY : SW_TXN_LIFE);
    }
    if (m->retry_ms || m->life_ms)
        m->now_ms = until_ms;
}

static inline void machine_sent_at(const struct machine *m, const int64_t *ms, size_t count)
{
    assert_int_equal(m->sent, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(m->sent_ms[i], ms[i]);
}

#endif

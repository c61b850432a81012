#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/timer.h"
#include "support/random.h"

static const int64_t wheel_turn_ms = INT64_C(1) << 6 * SW_TIMER_LEVELS;

static void test_timer_fires_at_its_deadline_not_before(void **state)
{
    static const int64_t delays[] = {1,       2,       63,       64,       65,        127,   4095,
                                     4096,    4097,    262143,   4096,     8191,      32000, 262144,
                                     1800000, 3600000, 16777216, 86400000, 1073741823};
    static const int64_t starts[] = {0, 1, 63, 64, 4095, 1234567890123};
    (void)state;
    for (unsigned i = 0; i < sizeof(delays) / sizeof(delays[0]); i++)
        for (unsigned k = 0; k < sizeof(starts) / sizeof(starts[0]); k++) {
            struct sw_timers t;
            struct sw_timer x;
            int64_t due = starts[k] + delays[i];
            sw_timers_init(&t, starts[k]);
            sw_timer_init(&x, 7);
            sw_timer_start(&t, &x, due);
            assert_null(sw_timers_pop(&t, due - 1));
            assert_true(sw_timer_running(&x));
            assert_ptr_equal(sw_timers_pop(&t, due), &x);
            assert_false(sw_timer_running(&x));
            assert_int_equal(x.kind, 7);
            assert_null(sw_timers_pop(&t, due));
            assert_true(sw_timers_next(&t) == SW_TIMER_NEVER);
        }
}

/* Who sleeps until sw_timers_next wakes once per level on the way (once more for a deadline almost
 * a whole turn ahead), and then in time. */
static void test_timer_next_leads_to_the_deadline_in_few_steps(void **state)
{
    struct rng r = rng_start(__func__);
    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct sw_timers t;
        struct sw_timer x;
        int64_t now = (int64_t)rng_below(&r, UINT64_C(1) << 44);
        int64_t due = now + 1 + (int64_t)(rng_next(&r) >> (34 + rng_below(&r, 30)));
        int steps = 0;
        sw_timers_init(&t, now);
        sw_timer_init(&x, 0);
        sw_timer_start(&t, &x, due);
        for (struct sw_timer *popped = NULL; !popped; steps++) {
            int64_t next = sw_timers_next(&t);
            assert_in_range(next, now + 1, due);
            now = next;
            popped = sw_timers_pop(&t, now);
        }
        assert_true(now == due);
        assert_in_range(steps, 1, SW_TIMER_LEVELS + 1);
    }
}

static void test_timer_beyond_the_wheel_is_still_exact(void **state)
{
    struct sw_timers t;
    struct sw_timer x, never;
    int64_t now = 5, due = now + 10 * wheel_turn_ms + 17;
    (void)state;
    sw_timers_init(&t, now);
    sw_timer_init(&x, 0);
    sw_timer_init(&never, 0);
    sw_timer_start(&t, &x, due);
    sw_timer_start(&t, &never, INT64_MAX);
    while (now < due) {
        assert_null(sw_timers_pop(&t, now));
        int64_t next = sw_timers_next(&t);
        assert_in_range(next, now + 1, due);
        now = next;
    }
    assert_ptr_equal(sw_timers_pop(&t, due), &x);
    assert_true(sw_timer_running(&never));
}

static void test_timer_in_the_past_expires_at_the_next_pop(void **state)
{
    struct sw_timers t;
    struct sw_timer x[4];
    const int64_t past[] = {1000, 999, 0, INT64_MIN};
    (void)state;
    sw_timers_init(&t, 1000);
    for (int i = 0; i < 4; i++) {
        sw_timer_init(&x[i], 0);
        sw_timer_start(&t, &x[i], past[i]);
        assert_true(sw_timers_next(&t) <= 1000);
        assert_ptr_equal(sw_timers_pop(&t, 1000), &x[i]);
    }
    sw_timer_start_fifo(&t, &x[0], 0, 900);
    assert_true(sw_timers_next(&t) <= 1000);
    assert_ptr_equal(sw_timers_pop(&t, 1000), &x[0]);
}

static void test_timer_stop_is_final_and_harmless_when_idle(void **state)
{
    struct sw_timers t;
    struct sw_timer x;
    (void)state;
    sw_timers_init(&t, 0);
    sw_timer_init(&x, 0);
    sw_timer_stop(&t, &x);
    for (int fifo = 0; fifo < 2; fifo++) {
        if (fifo)
            sw_timer_start_fifo(&t, &x, 3, 50);
        else
            sw_timer_start(&t, &x, 50);
        sw_timer_stop(&t, &x);
        sw_timer_stop(&t, &x);
        assert_false(sw_timer_running(&x));
        assert_null(sw_timers_pop(&t, 50 + fifo));
    }
    sw_timer_start(&t, &x, 10); /* expired but not popped yet */
    assert_true(sw_timers_next(&t) <= 51);
    sw_timer_stop(&t, &x);
    assert_null(sw_timers_pop(&t, 1000));
}

static void test_timer_start_again_moves_the_deadline(void **state)
{
    struct sw_timers t;
    struct sw_timer x;
    (void)state;
    sw_timers_init(&t, 0);
    sw_timer_init(&x, 0);
    sw_timer_start(&t, &x, 10);
    sw_timer_start(&t, &x, 500);
    assert_null(sw_timers_pop(&t, 499));
    sw_timer_start_fifo(&t, &x, 0, 700);
    assert_null(sw_timers_pop(&t, 699));
    sw_timer_start(&t, &x, 701);
    assert_null(sw_timers_pop(&t, 700));
    assert_ptr_equal(sw_timers_pop(&t, 701), &x);
    assert_null(sw_timers_pop(&t, 10000));
}

static void test_timer_fifo_keeps_the_order_of_starting(void **state)
{
    enum { N = 10 };
    struct sw_timers t;
    struct sw_timer x[N];
    (void)state;
    sw_timers_init(&t, 0);
    for (int i = 0; i < N; i++) {
        sw_timer_init(&x[i], 0);
        sw_timer_start_fifo(&t, &x[i], 2, 100 + i / 2);
        assert_int_equal(x[i].queue, 2);
    }
    assert_true(sw_timers_next(&t) == 100);
    for (int i = 0; i < N; i++)
        assert_ptr_equal(sw_timers_pop(&t, 200), &x[i]);
}

static void test_timer_fifo_sends_a_smaller_deadline_to_the_wheel(void **state)
{
    struct sw_timers t;
    struct sw_timer x, early;
    (void)state;
    sw_timers_init(&t, 0);
    sw_timer_init(&x, 0);
    sw_timer_init(&early, 0);
    sw_timer_start_fifo(&t, &x, 1, 100);
    sw_timer_start_fifo(&t, &early, 1, 99);
    assert_int_equal(early.queue, SW_TIMER_WHEEL);
    assert_ptr_equal(sw_timers_pop(&t, 99), &early);
    assert_null(sw_timers_pop(&t, 99));
    assert_ptr_equal(sw_timers_pop(&t, 100), &x);
}

static void test_timer_time_never_goes_back(void **state)
{
    struct sw_timers t;
    struct sw_timer x;
    (void)state;
    sw_timers_init(&t, 100);
    sw_timer_init(&x, 0);
    sw_timer_start(&t, &x, 110);
    assert_null(sw_timers_pop(&t, 90));
    assert_null(sw_timers_pop(&t, 109));
    assert_null(sw_timers_pop(&t, 0));
    assert_ptr_equal(sw_timers_pop(&t, 110), &x);
}

/* ---- random operations against a plain list of deadlines ---- */

enum { TIMERS = 200, IDLE = -1 };

static const int64_t fifo_delays[SW_TIMER_FIFOS] = {0, 1, 500, 4000, 5000, 32000, 180000, 64};

struct world {
    struct rng r;
    struct sw_timers t;
    struct sw_timer x[TIMERS];
    int64_t due[TIMERS]; /* the model; IDLE: does not run */
    int64_t now;
};

static int64_t earliest(const struct world *w)
{
    int64_t at = SW_TIMER_NEVER;
    for (int i = 0; i < TIMERS; i++)
        if (w->due[i] != IDLE && w->due[i] < at)
            at = w->due[i];
    return at;
}

/* Delays of every size, those at the edges of levels and those in the past among them. */
static int64_t some_delay(struct rng *r)
{
    int64_t edge = INT64_C(1) << 6 * (rng_below(r, SW_TIMER_LEVELS + 1));
    switch (rng_below(r, 4)) {
    case 0:
        return (int64_t)rng_below(r, 100) - 20;
    case 1:
        return edge - 2 + (int64_t)rng_below(r, 5);
    default:
        return (int64_t)rng_below(r, (uint64_t)edge * 2);
    }
}

static void start_or_stop(struct world *w)
{
    size_t i = rng_below(&w->r, TIMERS);
    unsigned queue = (unsigned)rng_below(&w->r, SW_TIMER_FIFOS);
    int64_t due;
    switch (rng_below(&w->r, 5)) {
    case 0:
        sw_timer_stop(&w->t, &w->x[i]);
        w->due[i] = IDLE;
        return;
    case 1:
    case 2:
        due = w->now + fifo_delays[queue] - (rng_below(&w->r, 20) == 0);
        due = due < 0 ? 0 : due;
        sw_timer_start_fifo(&w->t, &w->x[i], queue, due);
        break;
    default:
        due = w->now + some_delay(&w->r);
        due = due < 0 ? 0 : due;
        sw_timer_start(&w->t, &w->x[i], due);
        break;
    }
    w->due[i] = due;
}

static void advance(struct world *w)
{
    int64_t first = earliest(w), next = sw_timers_next(&w->t);
    switch (rng_below(&w->r, 4)) {
    case 0:
        w->now += (int64_t)rng_below(&w->r, 70);
        break;
    case 1:
        w->now += (int64_t)(rng_next(&w->r) >> (34 + rng_below(&w->r, 30)));
        break;
    case 2:
        if (first != SW_TIMER_NEVER && first - 1 > w->now)
            w->now = first - 1;
        break;
    default:
        if (next != SW_TIMER_NEVER && next > w->now)
            w->now = next;
        break;
    }
    for (struct sw_timer *x; (x = sw_timers_pop(&w->t, w->now));) {
        ptrdiff_t i = x - w->x;
        assert_true(w->due[i] != IDLE && w->due[i] <= w->now); /* not early, not twice */
        assert_false(sw_timer_running(x));
        w->due[i] = IDLE;
    }
    assert_true(earliest(w) > w->now);           /* none late */
    assert_true(sw_timers_next(&w->t) > w->now); /* who sleeps until then does not spin */
}

static void test_timer_agrees_with_a_plain_list(void **state)
{
    static struct world w;
    (void)state;
    w = (struct world){.r = rng_start(__func__)};
    for (int world = 0; world < 20; world++) {
        w.now = world == 0 ? 0 : (int64_t)rng_below(&w.r, UINT64_C(1) << 42);
        sw_timers_init(&w.t, w.now);
        for (int i = 0; i < TIMERS; i++) {
            sw_timer_init(&w.x[i], 0);
            w.due[i] = IDLE;
        }
        for (int step = 0; step < 4000; step++) {
            if (rng_below(&w.r, 4))
                start_or_stop(&w);
            else
                advance(&w);
            int64_t first = earliest(&w);
            assert_true(sw_timers_next(&w.t) <= (first > w.now ? first : w.now));
            for (int i = 0; i < TIMERS; i++)
                assert_int_equal(sw_timer_running(&w.x[i]), w.due[i] != IDLE);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timer_fires_at_its_deadline_not_before),
        cmocka_unit_test(test_timer_next_leads_to_the_deadline_in_few_steps),
        cmocka_unit_test(test_timer_beyond_the_wheel_is_still_exact),
        cmocka_unit_test(test_timer_in_the_past_expires_at_the_next_pop),
        cmocka_unit_test(test_timer_stop_is_final_and_harmless_when_idle),
        cmocka_unit_test(test_timer_start_again_moves_the_deadline),
        cmocka_unit_test(test_timer_fifo_keeps_the_order_of_starting),
        cmocka_unit_test(test_timer_fifo_sends_a_smaller_deadline_to_the_wheel),
        cmocka_unit_test(test_timer_time_never_goes_back),
        cmocka_unit_test(test_timer_agrees_with_a_plain_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

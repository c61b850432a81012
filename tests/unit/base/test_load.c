/* What goes on with one peer: counts that end, a bucket of tokens, requests of a second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/load.h"

enum { NOW_MS = 5000000 };

static struct sw_load *l;

static int set_up(void **state)
{
    (void)state;
    l = sw_load_new();
    return l ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    sw_load_unref(l);
    return 0;
}

static uint32_t now(enum sw_load_way_of way)
{
    return atomic_load(&l->way[way].now);
}

static void test_transactions_of_both_ways_are_counted_apart_up_to_the_limit(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(sw_load_enter(l, SW_LOAD_FROM, 3));
    assert_false(sw_load_enter(l, SW_LOAD_FROM, 3));
    assert_int_equal(now(SW_LOAD_FROM), 3);
    assert_true(sw_load_enter(l, SW_LOAD_TO, 1));
    assert_false(sw_load_enter(l, SW_LOAD_TO, 1));
    assert_true(sw_load_enter(l, SW_LOAD_FROM, 0)); /* any number */
    assert_int_equal(now(SW_LOAD_FROM), 4);
    for (int i = 0; i < 4; i++) {
        struct sw_load *held = l;
        sw_load_leave(&held, SW_LOAD_FROM);
        assert_null(held);
        sw_load_leave(&held, SW_LOAD_FROM); /* it did: nothing happens */
    }
    struct sw_load *held = l;
    sw_load_leave(&held, SW_LOAD_TO);
    assert_int_equal(now(SW_LOAD_FROM), 0);
    assert_int_equal(now(SW_LOAD_TO), 0);
}

/* The configuration is gone, what began under it ends all the same: asan tells if it does not. */
static void test_a_transaction_outlives_the_configuration_it_began_under(void **state)
{
    (void)state;
    struct sw_load *other = sw_load_new(), *held = other;
    assert_non_null(other);
    assert_true(sw_load_enter(other, SW_LOAD_TO, 1));
    assert_true(sw_load_connect(other, SW_LOAD_TO, 1));
    sw_load_unref(other);
    sw_load_leave(&held, SW_LOAD_TO);
    held = other;
    assert_int_equal(atomic_load(&other->way[SW_LOAD_TO].connections), 1);
    sw_load_disconnect(&held, SW_LOAD_TO);
}

static unsigned taken(uint32_t per_s, int64_t now_ms, unsigned tries)
{
    unsigned n = 0;
    for (unsigned i = 0; i < tries; i++) {
        bool may = sw_load_has_token(&l->way[SW_LOAD_TO], per_s, now_ms);
        bool took = sw_load_take(&l->way[SW_LOAD_TO], per_s, now_ms);
        assert_int_equal(may, took);
        n += took;
    }
    return n;
}

static void test_bucket_holds_a_second_of_tokens_and_fills_evenly(void **state)
{
    (void)state;
    assert_int_equal(taken(10, NOW_MS, 100), 10);
    assert_int_equal(taken(10, NOW_MS + 99, 100), 0);
    assert_int_equal(taken(10, NOW_MS + 100, 100), 1);
    assert_int_equal(taken(10, NOW_MS + 350, 100), 2);
    assert_int_equal(taken(10, NOW_MS + 400, 100), 1); /* what was left over is not lost */
    assert_int_equal(taken(10, NOW_MS + 1400, 100), 10);
    assert_int_equal(taken(10, NOW_MS + 1400 + 3600000, 100), 10); /* and no more than that */
    assert_int_equal(taken(0, NOW_MS + 1400 + 3600000, 100), 100);
}

static void test_bucket_goes_on_when_its_limit_changes(void **state)
{
    (void)state;
    assert_int_equal(taken(2, NOW_MS, 10), 2);
    assert_int_equal(taken(1000, NOW_MS, 10), 0); /* it is as empty as it was */
    assert_int_equal(taken(1000, NOW_MS + 5, 10), 5);
}

static void test_clock_that_stands_behind_gives_no_further_tokens(void **state)
{
    (void)state;
    assert_int_equal(taken(10, NOW_MS, 10), 10);
    assert_int_equal(taken(10, NOW_MS - 50, 10), 0); /* another worker's turn began earlier */
}

static void test_requests_of_the_last_whole_second_are_told(void **state)
{
    (void)state;
    struct sw_load_way *w = &l->way[SW_LOAD_FROM];
    assert_int_equal(sw_load_per_second(w, NOW_MS), 0);
    for (int i = 0; i < 7; i++)
        sw_load_begun(w, NOW_MS + i * 100);
    assert_int_equal(sw_load_per_second(w, NOW_MS + 999), 0); /* it is not over */
    assert_int_equal(sw_load_per_second(w, NOW_MS + 1000), 7);
    sw_load_begun(w, NOW_MS + 1001);
    sw_load_begun(w, NOW_MS + 990); /* a worker that is late */
    assert_int_equal(sw_load_per_second(w, NOW_MS + 1999), 7);
    assert_int_equal(sw_load_per_second(w, NOW_MS + 2000), 2);
    assert_int_equal(sw_load_per_second(w, NOW_MS + 3000), 0);
    assert_int_equal(atomic_load(&w->begun), 9);
}

static void test_refusals_are_told_once_in_ten_seconds_with_their_number(void **state)
{
    (void)state;
    struct sw_load_way *w = &l->way[SW_LOAD_TO];
    assert_int_equal(sw_load_refused(w, NOW_MS), 1);
    for (int i = 0; i < 5; i++)
        assert_int_equal(sw_load_refused(w, NOW_MS + 9999), 0);
    assert_int_equal(sw_load_refused(w, NOW_MS + SW_LOAD_SAY_MS), 6);
    assert_int_equal(atomic_load(&w->refused), 7);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_transactions_of_both_ways_are_counted_apart_up_to_the_limit),
        TEST(test_a_transaction_outlives_the_configuration_it_began_under),
        TEST(test_bucket_holds_a_second_of_tokens_and_fills_evenly),
        TEST(test_bucket_goes_on_when_its_limit_changes),
        TEST(test_clock_that_stands_behind_gives_no_further_tokens),
        TEST(test_requests_of_the_last_whole_second_are_told),
        TEST(test_refusals_are_told_once_in_ten_seconds_with_their_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

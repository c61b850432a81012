#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "conn/failures.h"
#include "support/random.h"
#include <pthread.h>
#include <stdlib.h>

static struct sw_failures *g_all;
static struct sw_failure_row g_row;

static int start(void **state)
{
    (void)state;
    g_all = sw_failures_new();
    return g_all ? 0 : -1;
}

static int finish(void **state)
{
    (void)state;
    sw_failures_free(g_all);
    return 0;
}

static void add(uint64_t what, int64_t at_ms, const char *peer, const char *text)
{
    const struct sw_failure x = {.what = what,
                                 .wall_ms = at_ms,
                                 .peer = sw_slice_str(peer),
                                 .text = sw_slice_str(text),
                                 .names = SW_SLICE("DNS:a.test")};
    sw_failures_add(g_all, &x);
}

static void assert_row(uint64_t number, const char *peer, const char *text, uint64_t count)
{
    assert_true(sw_failures_row(g_all, number, &g_row));
    assert_true(sw_slice_eq(g_row.x.peer, sw_slice_str(peer)));
    assert_true(sw_slice_eq(g_row.x.text, sw_slice_str(text)));
    assert_true(sw_slice_eq(g_row.x.names, SW_SLICE("DNS:a.test")));
    assert_int_equal(g_row.count, count);
}

static void test_failures_are_kept_in_their_order(void **state)
{
    uint64_t first, end;
    (void)state;
    sw_failures_range(g_all, &first, &end);
    assert_int_equal(first, end);
    assert_false(sw_failures_row(g_all, 0, &g_row));
    add(1, 1000, "carrier", ",\"why\":\"one\"");
    add(2, 2000, "", ",\"why\":\"two\"");
    sw_failures_range(g_all, &first, &end);
    assert_int_equal(first, 0);
    assert_int_equal(end, 2);
    assert_row(0, "carrier", ",\"why\":\"one\"", 1);
    assert_row(1, "", ",\"why\":\"two\"", 1);
    assert_false(sw_failures_row(g_all, 2, &g_row));
}

static void test_failures_count_repeats_and_say_them_now_and_then(void **state)
{
    bool say;
    (void)state;
    assert_int_equal(sw_failures_again(g_all, 7, 1000, &say), 0);
    assert_false(say);
    add(7, 1000, "p", "x");
    assert_int_equal(sw_failures_again(g_all, 7, 1001, &say), 2);
    assert_false(say);
    assert_int_equal(sw_failures_again(g_all, 7, 1000 + SW_FAILURE_SAY_MS, &say), 3);
    assert_true(say);
    assert_int_equal(sw_failures_again(g_all, 7, 1001 + SW_FAILURE_SAY_MS, &say), 4);
    assert_false(say);
    add(7, 2000 + SW_FAILURE_SAY_MS, "p", "y"); /* two workers at once: still one record */
    assert_row(0, "p", "x", 5);
    assert_int_equal(g_row.x.wall_ms, 1000);
    assert_int_equal(g_row.last_ms, 2000 + SW_FAILURE_SAY_MS);
    assert_false(sw_failures_row(g_all, 1, &g_row));
}

static void test_failures_the_oldest_goes_when_there_are_too_many(void **state)
{
    uint64_t first, end;
    bool say;
    (void)state;
    for (uint64_t i = 0; i < SW_FAILURES_MAX + 5; i++)
        add(100 + i, (int64_t)i, "p", "x");
    sw_failures_range(g_all, &first, &end);
    assert_int_equal(first, 5);
    assert_int_equal(end, SW_FAILURES_MAX + 5);
    assert_false(sw_failures_row(g_all, 4, &g_row));
    assert_row(5, "p", "x", 1);
    assert_int_equal(g_row.x.wall_ms, 5);
    assert_int_equal(sw_failures_again(g_all, 104, 0, &say), 0); /* forgotten */
    assert_int_equal(sw_failures_again(g_all, 105, 0, &say), 2);
}

static void test_failures_that_are_too_large_are_not_kept(void **state)
{
    char *large = calloc(1, SW_FAILURE_BYTES + 2);
    (void)state;
    assert_non_null(large);
    memset(large, 'x', SW_FAILURE_BYTES + 1);
    add(1, 0, "", large);
    assert_false(sw_failures_row(g_all, 0, &g_row));
    free(large);
}

/* A field that has no room is left out whole, and what is smaller still finds its place. */
static void test_failures_put_leaves_out_what_does_not_fit(void **state)
{
    char text[32];
    struct sw_buf b = sw_buf(text, sizeof(text));
    const struct sw_field f[] = {
        sw_field_str("a", "one"),
        sw_field_str("b", "much too long for the rest of it"),
        sw_field_number("c", 3),
    };
    (void)state;
    sw_failures_put(&b, f, 3);
    assert_true(sw_slice_eq(sw_buf_view(&b), SW_SLICE(",\"a\":\"one\",\"c\":3")));
}

/* Some write and one reads, as in the gateway; the thread sanitizer watches. */
static void *write_many(void *seed)
{
    struct rng random = {(uintptr_t)seed};
    bool say;
    for (int i = 0; i < 5000; i++) {
        uint64_t what = rng_below(&random, 3000);
        if (!sw_failures_again(g_all, what, i, &say))
            add(what, i, "p", "x");
    }
    return NULL;
}

static void test_failures_of_several_workers_are_all_counted(void **state)
{
    enum { WRITERS = 3 };
    pthread_t t[WRITERS];
    uint64_t first, end;
    (void)state;
    for (uintptr_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, write_many, (void *)(i + 1)), 0);
    for (int k = 0; k < 200; k++) {
        sw_failures_range(g_all, &first, &end);
        if (end > first && sw_failures_row(g_all, end - 1, &g_row))
            assert_true(sw_slice_eq(g_row.x.text, SW_SLICE("x")) && g_row.count >= 1);
    }
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(t[i], NULL);
    sw_failures_range(g_all, &first, &end);
    assert_int_equal(end - first, SW_FAILURES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_failures_are_kept_in_their_order, start, finish),
        cmocka_unit_test_setup_teardown(test_failures_count_repeats_and_say_them_now_and_then,
                                        start, finish),
        cmocka_unit_test_setup_teardown(test_failures_the_oldest_goes_when_there_are_too_many,
                                        start, finish),
        cmocka_unit_test_setup_teardown(test_failures_that_are_too_large_are_not_kept, start,
                                        finish),
        cmocka_unit_test(test_failures_put_leaves_out_what_does_not_fit),
        cmocka_unit_test_setup_teardown(test_failures_of_several_workers_are_all_counted, start,
                                        finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conn/halfopen.h"
#include <pthread.h>

static struct sw_halfopen *g_half;

static int start(void **state)
{
    (void)state;
    g_half = sw_halfopen_new();
    return g_half ? 0 : -1;
}

static int finish(void **state)
{
    (void)state;
    sw_halfopen_free(g_half);
    return 0;
}

static struct sw_endpoint at(const char *text)
{
    struct sw_endpoint e;
    assert_true(sw_endpoint_parse(sw_slice_str(text), 5061, &e));
    return e;
}

static void test_halfopen_refuses_a_source_beyond_its_number(void **state)
{
    const struct sw_endpoint a = at("192.0.2.1:1"), a2 = at("192.0.2.1:2"), b = at("192.0.2.2:1");
    (void)state;
    assert_true(sw_halfopen_enter(g_half, &a, 2));
    assert_true(sw_halfopen_enter(g_half, &a2, 2)); /* whatever the port */
    assert_false(sw_halfopen_enter(g_half, &a, 2));
    assert_false(sw_halfopen_enter(g_half, &a, 2)); /* a refused one does not count */
    assert_true(sw_halfopen_enter(g_half, &b, 2));
    sw_halfopen_leave(g_half, &a);
    assert_true(sw_halfopen_enter(g_half, &a, 2));
    assert_false(sw_halfopen_enter(g_half, &a, 2));
    assert_true(sw_halfopen_enter(g_half, &a, 0)); /* no limit */
    assert_true(sw_halfopen_enter(g_half, &a, 4)); /* and yet they were counted */
    assert_false(sw_halfopen_enter(g_half, &a, 4));
}

/* RFC 4291 2.5.1: one host may have a /64 of addresses. */
static void test_halfopen_takes_a_prefix_of_ipv6_for_one_source(void **state)
{
    const struct sw_endpoint a = at("[2001:db8:1:2::1]:1"), same = at("[2001:db8:1:2:ffff::9]:1"),
                             other = at("[2001:db8:1:3::1]:1");
    (void)state;
    assert_true(sw_halfopen_enter(g_half, &a, 1));
    assert_false(sw_halfopen_enter(g_half, &same, 1));
    assert_true(sw_halfopen_enter(g_half, &other, 1));
}

static void *come_and_go(void *from)
{
    for (int i = 0; i < 20000; i++)
        if (sw_halfopen_enter(g_half, from, 3))
            sw_halfopen_leave(g_half, from);
    return NULL;
}

static void test_halfopen_of_several_workers_ends_at_nothing(void **state)
{
    enum { WORKERS = 4 };
    struct sw_endpoint a = at("192.0.2.1:1");
    pthread_t t[WORKERS];
    (void)state;
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, come_and_go, &a), 0);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(t[i], NULL);
    assert_true(sw_halfopen_enter(g_half, &a, 1));
    assert_false(sw_halfopen_enter(g_half, &a, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_halfopen_refuses_a_source_beyond_its_number, start,
                                        finish),
        cmocka_unit_test_setup_teardown(test_halfopen_takes_a_prefix_of_ipv6_for_one_source, start,
                                        finish),
        cmocka_unit_test_setup_teardown(test_halfopen_of_several_workers_ends_at_nothing, start,
                                        finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

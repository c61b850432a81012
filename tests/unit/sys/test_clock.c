#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sys/clock.h"
#include <time.h>

static int64_t system_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void test_clock_never_goes_back(void **state)
{
    int64_t us = sw_clock_us(), ms = sw_clock_ms();
    (void)state;
    for (int i = 0; i < 100000; i++) {
        int64_t next_us = sw_clock_us(), next_ms = sw_clock_ms();
        assert_true(next_us >= us && next_ms >= ms);
        us = next_us;
        ms = next_ms;
    }
}

/* Between two readings of the one lies what the other says. */
static void test_clock_has_one_time_in_two_units(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        int64_t before = sw_clock_us(), ms = sw_clock_ms(), after = sw_clock_us();
        assert_in_range(ms, before / 1000, after / 1000);
    }
}

static void test_clock_measures_what_passes(void **state)
{
    int64_t begun = system_us(), us = sw_clock_us(), ms = sw_clock_ms(), after = system_us(), end;
    (void)state;
    while ((end = system_us()) < after + 5000)
        ;
    assert_true(sw_clock_us() - us >= end - after);
    assert_true(sw_clock_ms() - ms >= (end - after) / 1000 - 1);
    assert_true(sw_clock_us() - us <= system_us() - begun + 1);
}

static void test_clock_of_the_wall_is_the_systems(void **state)
{
    time_t before = time(NULL);
    int64_t s = sw_clock_wall_s(), ms = sw_clock_wall_ms();
    time_t after = time(NULL);
    (void)state;
    /* time() may be a tick behind */
    assert_in_range(s, before, after + 1);
    assert_in_range(ms / 1000, s, after + 1);
    assert_true(s > INT64_C(1700000000)); /* seconds since 1970, and in no other unit */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_never_goes_back),
        cmocka_unit_test(test_clock_has_one_time_in_two_units),
        cmocka_unit_test(test_clock_measures_what_passes),
        cmocka_unit_test(test_clock_of_the_wall_is_the_systems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/counters.h"
#include <stdio.h>
#include <string.h>

static void test_counters_each_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < SW_COUNTERS; i++) {
        assert_non_null(sw_counter_name((enum sw_counter)i));
        for (int k = 0; k < i; k++)
            assert_string_not_equal(sw_counter_name((enum sw_counter)i),
                                    sw_counter_name((enum sw_counter)k));
    }
    assert_string_equal(sw_counter_name(SW_COUNTERS), "unknown");
}

static void test_counters_add_up_and_leave_the_others_alone(void **state)
{
    (void)state;
    struct sw_counters x = {0};
    sw_count(&x, SW_COUNT_RELAYED);
    sw_count(&x, SW_COUNT_RELAYED);
    sw_count_many(&x, SW_LIMITED_DESCRIPTORS, 5);
    for (int i = 0; i < SW_COUNTERS; i++)
        assert_int_equal(sw_counted(&x, (enum sw_counter)i), i == SW_COUNT_RELAYED         ? 2
                                                             : i == SW_LIMITED_DESCRIPTORS ? 5
                                                                                           : 0);
}

static void test_counters_know_an_answer_by_its_status(void **state)
{
    (void)state;
    struct sw_counters x = {0};
    for (int i = SW_COUNT_ANSWERED_400; i < SW_COUNT_ANSWERED_OTHER; i++) {
        unsigned status;
        assert_int_equal(sscanf(sw_counter_name((enum sw_counter)i), "answered_%u", &status), 1);
        sw_count_answer(&x, status);
        assert_int_equal(sw_counted(&x, (enum sw_counter)i), 1);
    }
    sw_count_answer(&x, 302);
    sw_count_answer(&x, 699);
    assert_int_equal(sw_counted(&x, SW_COUNT_ANSWERED_OTHER), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters_each_has_a_name_of_its_own),
        cmocka_unit_test(test_counters_add_up_and_leave_the_others_alone),
        cmocka_unit_test(test_counters_know_an_answer_by_its_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"

static void test_slice_trim_removes_white_space_at_both_ends(void **state)
{
    (void)state;
    struct sw_slice s = sw_slice_trim(SW_SLICE(" \t a b\r\n"));
    assert_int_equal(s.n, 3);
    assert_memory_equal(s.p, "a b", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slice_trim_removes_white_space_at_both_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

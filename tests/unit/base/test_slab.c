#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slab.h"
#include "support/random.h"
#include <string.h>

static const size_t largest = (size_t)1 << SW_SLAB_SHIFT_MAX;

static void test_slab_size_is_the_next_power_of_two(void **state)
{
    static const struct {
        size_t asked, given;
    } rows[] = {
        {0, 128},           {1, 128},         {127, 128},       {128, 128},
        {129, 256},         {256, 256},       {257, 512},       {65536, 65536},
        {65537, 131072},    {131072, 131072}, {131073, 131073}, /* not recycled: exact */
        {1000000, 1000000},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(sw_slab_size(rows[i].asked), rows[i].given);
}

static void test_slab_block_may_be_used_in_its_whole_size(void **state)
{
    struct sw_slab s;
    (void)state;
    sw_slab_init(&s);
    for (size_t n = 0; n <= 2 * largest; n = n * 3 / 2 + 1) {
        void *p = sw_slab_get(&s, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        memset(p, 0x5a, sw_slab_size(n));
        assert_int_equal(s.used_bytes, sw_slab_size(n));
        sw_slab_put(&s, p, n);
        assert_int_equal(s.used_bytes, 0);
    }
    sw_slab_fini(&s);
}

static void test_slab_takes_a_block_back_by_its_asked_or_its_real_size(void **state)
{
    struct sw_slab s;
    (void)state;
    sw_slab_init(&s);
    void *a = sw_slab_get(&s, 200), *b = sw_slab_get(&s, 200);
    assert_int_equal(s.used_bytes, 512);
    sw_slab_put(&s, a, 200);
    sw_slab_put(&s, b, sw_slab_size(200));
    assert_int_equal(s.used_bytes, 0);
    sw_slab_fini(&s);
}

static void test_slab_put_ignores_null(void **state)
{
    struct sw_slab s;
    (void)state;
    sw_slab_init(&s);
    sw_slab_put(&s, NULL, 500);
    assert_int_equal(s.used_bytes, 0);
    sw_slab_fini(&s);
}

static void test_slab_blocks_in_use_do_not_overlap(void **state)
{
    enum { N = 64 };
    struct rng r = rng_start(__func__);
    struct sw_slab s;
    uint8_t *p[N] = {NULL};
    size_t size[N], used = 0;
    (void)state;
    sw_slab_init(&s);
    for (int round = 0; round < 5000; round++) {
        size_t i = rng_below(&r, N);
        if (p[i]) {
            for (size_t k = 0; k < size[i]; k++)
                assert_int_equal(p[i][k], i);
            sw_slab_put(&s, p[i], size[i]);
            used -= sw_slab_size(size[i]);
            p[i] = NULL;
        } else {
            size[i] = rng_below(&r, 3000);
            p[i] = sw_slab_get(&s, size[i]);
            assert_non_null(p[i]);
            memset(p[i], (int)i, size[i]);
            used += sw_slab_size(size[i]);
        }
        assert_int_equal(s.used_bytes, used);
    }
    for (size_t i = 0; i < N; i++)
        sw_slab_put(&s, p[i], p[i] ? size[i] : 0);
    sw_slab_fini(&s);
}

#ifndef SW_SLAB_PLAIN /* sanitizer builds recycle nothing */
static void test_slab_asks_the_system_for_nothing_in_the_steady_state(void **state)
{
    struct sw_slab s;
    (void)state;
    sw_slab_init(&s);
    for (int round = 0; round < 100; round++) {
        void *small = sw_slab_get(&s, 100), *large = sw_slab_get(&s, largest);
        sw_slab_put(&s, large, largest);
        sw_slab_put(&s, small, 100);
        assert_int_equal(s.from_system, 2);
    }
    sw_slab_fini(&s);
}

static void test_slab_keeps_no_more_than_its_limit(void **state)
{
    enum { N = 2 * (SW_SLAB_KEEP_BYTES >> SW_SLAB_SHIFT_MAX) };
    struct sw_slab s;
    void *p[N];
    (void)state;
    sw_slab_init(&s);
    for (size_t i = 0; i < N; i++)
        p[i] = sw_slab_get(&s, largest);
    for (size_t i = 0; i < N; i++)
        sw_slab_put(&s, p[i], largest);
    assert_int_equal(s.free_count[SW_SLAB_CLASSES - 1] * largest, SW_SLAB_KEEP_BYTES);
    sw_slab_fini(&s);
    assert_int_equal(s.free_count[SW_SLAB_CLASSES - 1], 0);
}

static void test_slab_does_not_recycle_beyond_the_largest_class(void **state)
{
    struct sw_slab s;
    (void)state;
    sw_slab_init(&s);
    sw_slab_put(&s, sw_slab_get(&s, largest + 1), largest + 1);
    for (unsigned c = 0; c < SW_SLAB_CLASSES; c++)
        assert_int_equal(s.free_count[c], 0);
    sw_slab_fini(&s);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slab_size_is_the_next_power_of_two),
        cmocka_unit_test(test_slab_block_may_be_used_in_its_whole_size),
        cmocka_unit_test(test_slab_takes_a_block_back_by_its_asked_or_its_real_size),
        cmocka_unit_test(test_slab_put_ignores_null),
        cmocka_unit_test(test_slab_blocks_in_use_do_not_overlap),
#ifndef SW_SLAB_PLAIN
        cmocka_unit_test(test_slab_asks_the_system_for_nothing_in_the_steady_state),
        cmocka_unit_test(test_slab_keeps_no_more_than_its_limit),
        cmocka_unit_test(test_slab_does_not_recycle_beyond_the_largest_class),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

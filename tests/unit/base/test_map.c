#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/map.h"
#include "support/random.h"

static void test_map_finds_what_was_added(void **state)
{
    struct sw_map m;
    struct sw_map_node x, y;
    (void)state;
    assert_int_equal(sw_map_init(&m, 10), SW_OK);
    assert_null(sw_map_get(&m, (struct sw_key){1, 2}));
    sw_map_add(&m, &x, (struct sw_key){1, 2});
    sw_map_add(&m, &y, (struct sw_key){3, 4});
    assert_ptr_equal(sw_map_get(&m, (struct sw_key){1, 2}), &x);
    assert_ptr_equal(sw_map_get(&m, (struct sw_key){3, 4}), &y);
    assert_int_equal(m.count, 2);
    sw_map_del(&m, &x);
    assert_null(sw_map_get(&m, (struct sw_key){1, 2}));
    assert_int_equal(m.count, 1);
    sw_map_fini(&m);
}

static void test_map_compares_all_128_bits(void **state)
{
    struct sw_map m;
    struct sw_map_node x;
    (void)state;
    assert_int_equal(sw_map_init(&m, 10), SW_OK);
    sw_map_add(&m, &x, (struct sw_key){7, 7});
    for (unsigned bit = 0; bit < 64; bit++) {
        assert_null(sw_map_get(&m, (struct sw_key){7 ^ UINT64_C(1) << bit, 7}));
        assert_null(sw_map_get(&m, (struct sw_key){7, 7 ^ UINT64_C(1) << bit}));
    }
    sw_map_fini(&m);
}

static void test_map_removal_of_an_absent_node_changes_nothing(void **state)
{
    struct sw_map m;
    struct sw_map_node x, twin = {.key = {5, 5}};
    (void)state;
    assert_int_equal(sw_map_init(&m, 0), SW_OK);
    sw_map_del(&m, &twin);
    assert_int_equal(m.count, 0);
    sw_map_add(&m, &x, (struct sw_key){5, 5});
    sw_map_del(&m, &twin); /* the same key, but another node */
    assert_ptr_equal(sw_map_get(&m, (struct sw_key){5, 5}), &x);
    sw_map_del(&m, &x);
    sw_map_del(&m, &x);
    assert_int_equal(m.count, 0);
    sw_map_fini(&m);
}

static void test_map_holds_more_than_was_expected(void **state)
{
    enum { N = 1000 };
    static struct sw_map_node nodes[N];
    struct sw_map m;
    (void)state;
    assert_int_equal(sw_map_init(&m, 1), SW_OK);
    for (uint64_t i = 0; i < N; i++)
        sw_map_add(&m, &nodes[i], (struct sw_key){i << 32, i}); /* all in one bucket */
    for (uint64_t i = 0; i < N; i++)
        assert_ptr_equal(sw_map_get(&m, (struct sw_key){i << 32, i}), &nodes[i]);
    assert_int_equal(m.count, N);
    sw_map_fini(&m);
}

static void test_map_agrees_with_an_array(void **state)
{
    enum { N = 200 };
    struct rng r = rng_start(__func__);
    struct sw_map_node nodes[N] = {0};
    bool in[N] = {false};
    struct sw_key keys[N];
    struct sw_map m;
    size_t count = 0;
    (void)state;
    assert_int_equal(sw_map_init(&m, 32), SW_OK);
    for (uint64_t i = 0; i < N; i++)
        keys[i] = (struct sw_key){rng_next(&r), i};
    for (int round = 0; round < 20000; round++) {
        size_t i = rng_below(&r, N);
        if (in[i])
            sw_map_del(&m, &nodes[i]);
        else
            sw_map_add(&m, &nodes[i], keys[i]);
        count += in[i] ? -(size_t)1 : 1;
        in[i] = !in[i];
        size_t k = rng_below(&r, N);
        assert_ptr_equal(sw_map_get(&m, keys[k]), in[k] ? &nodes[k] : NULL);
        assert_int_equal(m.count, count);
    }
    sw_map_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map_finds_what_was_added),
        cmocka_unit_test(test_map_compares_all_128_bits),
        cmocka_unit_test(test_map_removal_of_an_absent_node_changes_nothing),
        cmocka_unit_test(test_map_holds_more_than_was_expected),
        cmocka_unit_test(test_map_agrees_with_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

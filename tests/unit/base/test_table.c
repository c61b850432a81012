#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/table.h"
#include "support/random.h"
#include <string.h>

struct thing {
    uint64_t number;
    char rest[24];
};

static struct sw_table table_of(uint32_t max)
{
    struct sw_table t;
    assert_int_equal(sw_table_init(&t, sizeof(struct thing), max), SW_OK);
    return t;
}

static void test_table_object_is_cleared_and_aligned(void **state)
{
    static const struct thing zero;
    struct sw_table t = table_of(10);
    struct sw_ref ref;
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct thing *x = sw_table_add(&t, 5, &ref);
        assert_non_null(x);
        assert_int_equal((uintptr_t)x % 16, 0);
        assert_memory_equal(x, &zero, sizeof(zero));
        memset(x, 0xff, sizeof(*x));
        sw_table_del(&t, ref); /* the same slot comes again */
    }
    sw_table_fini(&t);
}

static void test_table_reference_dies_with_its_object(void **state)
{
    struct sw_table t = table_of(10);
    struct sw_ref old, new;
    (void)state;
    void *x = sw_table_add(&t, 100, &old);
    assert_ptr_equal(sw_table_get(&t, old), x);
    sw_table_del(&t, old);
    assert_null(sw_table_get(&t, old));
    void *y = sw_table_add(&t, 200, &new);
    assert_int_equal(new.slot, old.slot);
    assert_null(sw_table_get(&t, old));
    sw_table_del(&t, old); /* must not hit who lives there now */
    assert_ptr_equal(sw_table_get(&t, new), y);
    assert_int_equal(t.used, 1);
    sw_table_fini(&t);
}

static void test_table_generation_is_never_zero(void **state)
{
    struct sw_table t = table_of(10);
    struct sw_ref ref;
    const uint32_t generations[] = {0, 1, 2, UINT32_MAX - 1, UINT32_MAX};
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        void *x = sw_table_add(&t, generations[i], &ref);
        assert_int_equal(ref.generation, generations[i] | 1);
        assert_ptr_equal(sw_table_get(&t, ref), x);
    }
    sw_table_fini(&t);
}

static void test_table_refuses_references_that_it_never_gave(void **state)
{
    struct sw_table t = table_of(1000);
    struct sw_ref ref;
    (void)state;
    assert_null(sw_table_get(&t, (struct sw_ref){0, 0}));
    assert_null(sw_table_get(&t, (struct sw_ref){0, 1}));
    assert_non_null(sw_table_add(&t, 7, &ref));
    const struct sw_ref wrong[] = {
        {ref.slot, 0},       {ref.slot, 9},    {ref.slot + 1, 7},
        {t.slots - 1, 0},    {t.slots - 1, 1}, {t.slots, 7},
        {1000, 7},           {UINT32_MAX, 7},  {UINT32_MAX, UINT32_MAX},
        {ref.slot + 256, 7},
    };
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_null(sw_table_get(&t, wrong[i]));
        sw_table_del(&t, wrong[i]);
    }
    assert_int_equal(t.used, 1);
    sw_table_fini(&t);
}

static void test_table_holds_exactly_max_objects(void **state)
{
    static const uint32_t sizes[] = {0, 1, 255, 256, 257, 600};
    (void)state;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct sw_table t = table_of(sizes[i]);
        struct sw_ref ref = {0};
        for (uint32_t k = 0; k < sizes[i]; k++)
            assert_non_null(sw_table_add(&t, k, &ref));
        assert_null(sw_table_add(&t, 1, &ref));
        assert_int_equal(t.used, sizes[i]);
        if (sizes[i]) {
            sw_table_del(&t, ref);
            assert_non_null(sw_table_add(&t, 1, &ref));
            assert_null(sw_table_add(&t, 1, &ref));
        }
        sw_table_fini(&t);
    }
}

static void test_table_never_moves_an_object(void **state)
{
    enum { N = 2000 };
    static struct thing *x[N];
    static struct sw_ref ref[N];
    struct sw_table t = table_of(N);
    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        x[i] = sw_table_add(&t, i, &ref[i]);
        assert_non_null(x[i]);
        x[i]->number = i;
    }
    for (uint32_t i = 0; i < N; i++) {
        assert_ptr_equal(sw_table_get(&t, ref[i]), x[i]);
        assert_int_equal(x[i]->number, i);
    }
    sw_table_fini(&t);
}

static void test_table_walk_sees_every_object_once(void **state)
{
    enum { N = 700 };
    struct sw_table t = table_of(N);
    struct sw_ref ref[N], at;
    int seen[N] = {0};
    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        struct thing *x = sw_table_add(&t, i, &ref[i]);
        assert_non_null(x);
        x->number = i;
    }
    for (uint32_t i = 0; i < N; i += 3)
        sw_table_del(&t, ref[i]);
    for (uint32_t slot = 0; slot < t.slots; slot++) {
        struct thing *x = sw_table_at(&t, slot, &at);
        if (!x)
            continue;
        assert_ptr_equal(sw_table_get(&t, at), x);
        seen[x->number]++;
    }
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(seen[i], i % 3 != 0);
    sw_table_fini(&t);
}

static void test_table_agrees_with_an_array(void **state)
{
    enum { N = 400, MAX = 300 };
    struct rng r = rng_start(__func__);
    struct sw_table t = table_of(MAX);
    struct sw_ref ref[N] = {{0, 0}};
    uint64_t number[N] = {0}; /* 0: not in */
    uint32_t used = 0;
    (void)state;
    for (uint64_t round = 1; round < 50000; round++) {
        size_t i = rng_below(&r, N);
        struct thing *x = sw_table_get(&t, ref[i]);
        assert_int_equal(x ? x->number : 0, number[i]);
        if (x) {
            sw_table_del(&t, ref[i]);
            number[i] = 0;
            used--;
        } else if ((x = sw_table_add(&t, (uint32_t)(2 * round), &ref[i]))) {
            x->number = number[i] = round;
            used++;
        } else {
            assert_int_equal(used, MAX);
        }
        assert_int_equal(t.used, used);
    }
    sw_table_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_object_is_cleared_and_aligned),
        cmocka_unit_test(test_table_reference_dies_with_its_object),
        cmocka_unit_test(test_table_generation_is_never_zero),
        cmocka_unit_test(test_table_refuses_references_that_it_never_gave),
        cmocka_unit_test(test_table_holds_exactly_max_objects),
        cmocka_unit_test(test_table_never_moves_an_object),
        cmocka_unit_test(test_table_walk_sees_every_object_once),
        cmocka_unit_test(test_table_agrees_with_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

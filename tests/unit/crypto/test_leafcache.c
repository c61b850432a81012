#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/leafcache.h"

enum { NOW = 1000000, LATER = NOW + 100000 };

static struct sw_leaf_key leaf(uint32_t number)
{
    struct sw_leaf_key k = {.trust = 5, .security_level = 2, .of_client = true};
    memcpy(k.sha256, &number, sizeof(number));
    return k;
}

static struct sw_vouched vouched(uint32_t first, uint32_t count)
{
    struct sw_vouched v = {.count = count};
    for (uint32_t i = 0; i < count; i++)
        v.id[i] = first + i, v.uses[i] = (uint8_t)(first + i);
    return v;
}

static int start(void **state)
{
    *state = sw_leafcache_new();
    return *state ? 0 : -1;
}

static int finish(void **state)
{
    sw_leafcache_free(*state);
    return 0;
}

static void test_leafcache_gives_back_who_vouched(void **state)
{
    const struct sw_leaf_key a = leaf(1), b = leaf(2);
    const struct sw_vouched none = vouched(0, 0), most = vouched(7, SW_VOUCHED_MAX);
    struct sw_vouched out = vouched(99, 1);
    assert_false(sw_leafcache_find(*state, &a, NOW, &out));
    assert_int_equal(out.count, 1);
    sw_leafcache_add(*state, &a, NOW, LATER, &most);
    sw_leafcache_add(*state, &b, NOW, LATER, &none);
    assert_true(sw_leafcache_find(*state, &a, NOW, &out));
    assert_int_equal(out.count, SW_VOUCHED_MAX);
    assert_memory_equal(out.id, most.id, sizeof(out.id));
    assert_memory_equal(out.uses, most.uses, sizeof(out.uses));
    assert_true(sw_leafcache_find(*state, &b, NOW, &out));
    assert_int_equal(out.count, 0);
}

/* A success under other rules says nothing. */
static void test_leafcache_minds_everything_a_verification_depends_on(void **state)
{
    const struct sw_leaf_key a = leaf(1);
    const struct sw_vouched v = vouched(1, 1);
    struct sw_vouched out;
    sw_leafcache_add(*state, &a, NOW, LATER, &v);
    struct sw_leaf_key x = a;
    x.of_client = false;
    assert_false(sw_leafcache_find(*state, &x, NOW, &out));
    x = a;
    x.security_level = 0;
    assert_false(sw_leafcache_find(*state, &x, NOW, &out));
    x = a;
    x.trust = 6;
    assert_false(sw_leafcache_find(*state, &x, NOW, &out));
    for (unsigned bit = 0; bit < 256; bit++) {
        x = a;
        x.sha256[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(sw_leafcache_find(*state, &x, NOW, &out));
    }
    assert_true(sw_leafcache_find(*state, &a, NOW, &out));
}

static void test_leafcache_entry_is_good_for_a_limited_time(void **state)
{
    static const struct {
        int64_t until_s, good_s; /* end of the chain; seconds for which it is believed */
    } rows[] = {
        {NOW + 10, 10},
        {NOW + SW_LEAFCACHE_S - 1, SW_LEAFCACHE_S - 1},
        {NOW + SW_LEAFCACHE_S, SW_LEAFCACHE_S},
        {NOW + SW_LEAFCACHE_S + 1, SW_LEAFCACHE_S},
        {INT64_MAX, SW_LEAFCACHE_S},
    };
    const struct sw_leaf_key a = leaf(1);
    const struct sw_vouched v = vouched(1, 1);
    struct sw_vouched out;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        sw_leafcache_add(*state, &a, NOW, rows[i].until_s, &v);
        assert_true(sw_leafcache_find(*state, &a, NOW + rows[i].good_s - 1, &out));
        assert_false(sw_leafcache_find(*state, &a, NOW + rows[i].good_s, &out));
    }
    sw_leafcache_add(*state, &a, NOW, NOW, &v);
    assert_false(sw_leafcache_find(*state, &a, NOW, &out));
    sw_leafcache_add(*state, &a, NOW, 0, &v);
    assert_false(sw_leafcache_find(*state, &a, NOW, &out));
}

static void test_leafcache_keeps_the_last_word_on_a_leaf(void **state)
{
    const struct sw_leaf_key a = leaf(1);
    const struct sw_vouched first = vouched(1, 3), second = vouched(9, 1);
    struct sw_vouched out;
    sw_leafcache_add(*state, &a, NOW, NOW + 10, &first);
    sw_leafcache_add(*state, &a, NOW + 5, LATER, &second);
    assert_true(sw_leafcache_find(*state, &a, NOW + 20, &out));
    assert_int_equal(out.count, 1);
    assert_int_equal(out.id[0], 9);
}

static bool has(void *cache, uint32_t number)
{
    const struct sw_leaf_key k = leaf(number);
    struct sw_vouched out;
    bool found = sw_leafcache_find(cache, &k, NOW, &out);
    if (found)
        assert_int_equal(out.id[0], number);
    return found;
}

static void put(void *cache, uint32_t number)
{
    const struct sw_leaf_key k = leaf(number);
    const struct sw_vouched v = vouched(number, 1);
    sw_leafcache_add(cache, &k, NOW, LATER, &v);
}

static void test_leafcache_drops_the_oldest_when_full(void **state)
{
    for (uint32_t i = 0; i < SW_LEAFCACHE_MAX; i++)
        put(*state, i);
    for (uint32_t i = 0; i < SW_LEAFCACHE_MAX; i++)
        assert_true(has(*state, i));
    put(*state, 0); /* verified anew: now the youngest, and no further entry */
    assert_true(has(*state, 1));
    put(*state, SW_LEAFCACHE_MAX);
    assert_false(has(*state, 1));
    assert_true(has(*state, 0));
    for (uint32_t i = 2; i <= SW_LEAFCACHE_MAX; i++)
        assert_true(has(*state, i));
    for (uint32_t i = 0; i < 3 * SW_LEAFCACHE_MAX; i++)
        put(*state, 100000 + i);
    for (uint32_t i = 0; i < 3 * SW_LEAFCACHE_MAX; i++)
        assert_int_equal(has(*state, 100000 + i), i >= 2 * SW_LEAFCACHE_MAX);
}

static void test_leafcache_free_takes_null(void **state)
{
    sw_leafcache_free(NULL);
    assert_false(has(*state, 1));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_leafcache_gives_back_who_vouched),
        TEST(test_leafcache_minds_everything_a_verification_depends_on),
        TEST(test_leafcache_entry_is_good_for_a_limited_time),
        TEST(test_leafcache_keeps_the_last_word_on_a_leaf),
        TEST(test_leafcache_drops_the_oldest_when_full),
        TEST(test_leafcache_free_takes_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

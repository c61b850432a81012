#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sys/random.h"
#include <stdlib.h>
#include <string.h>

/* Sizes about 256 and 1 MiB: the system may give less than it is asked for. */
static const size_t sizes[] = {1, 2, 31, 32, 255, 256, 257, 4096, (1 << 20) + 3};

/* Every byte is filled: over some rounds none stays what it was. */
static void test_random_fills_every_byte_and_no_more(void **state)
{
    enum { ROUNDS = 8, GUARD = 16 };
    (void)state;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t n = sizes[i];
        uint8_t *p = malloc(n + GUARD), *changed = calloc(1, n);
        assert_true(p && changed);
        for (int round = 0; round < ROUNDS; round++) {
            memset(p, 0, n);
            memset(p + n, 0x5a, GUARD);
            assert_int_equal(sw_random(p, n), SW_OK);
            for (size_t k = 0; k < n; k++)
                changed[k] |= p[k];
            for (size_t k = n; k < n + GUARD; k++)
                assert_int_equal(p[k], 0x5a);
        }
        for (size_t k = 0; k < n; k++) /* by chance once in 2^64 */
            assert_int_not_equal(changed[k], 0);
        free(p);
        free(changed);
    }
}

static void test_random_of_nothing_is_good(void **state)
{
    char byte = 7;
    (void)state;
    assert_int_equal(sw_random(&byte, 0), SW_OK);
    assert_int_equal(byte, 7);
}

static int order(const void *a, const void *b)
{
    return memcmp(a, b, 16);
}

static void test_random_does_not_repeat(void **state)
{
    enum { MANY = 4096 };
    static uint8_t keys[MANY][16];
    (void)state;
    for (int i = 0; i < MANY; i++)
        assert_int_equal(sw_random(keys[i], sizeof(keys[i])), SW_OK);
    qsort(keys, MANY, sizeof(keys[0]), order);
    for (int i = 1; i < MANY; i++)
        assert_memory_not_equal(keys[i - 1], keys[i], sizeof(keys[i]));
}

/* Half of the bits are set, within eight standard deviations. */
static void test_random_bits_are_even(void **state)
{
    enum { BYTES = 1 << 16, BITS = BYTES * 8, OFF = 8 * 362 };
    static uint8_t p[BYTES];
    int64_t set = 0;
    (void)state;
    assert_int_equal(sw_random(p, sizeof(p)), SW_OK);
    for (int i = 0; i < BYTES; i++)
        set += __builtin_popcount(p[i]);
    assert_in_range(set, BITS / 2 - OFF, BITS / 2 + OFF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_fills_every_byte_and_no_more),
        cmocka_unit_test(test_random_of_nothing_is_good),
        cmocka_unit_test(test_random_does_not_repeat),
        cmocka_unit_test(test_random_bits_are_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

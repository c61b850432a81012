#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "support/random.h"

static void assert_holds(const struct sw_buf *b, const char *text)
{
    assert_int_equal(b->n, strlen(text));
    assert_memory_equal(sw_buf_view(b).p, text, b->n);
}

static void test_buf_put_fills_up_to_the_last_byte(void **state)
{
    char p[5] = "....!";
    struct sw_buf b = sw_buf(p, 4);
    (void)state;
    sw_buf_lit(&b, "ab");
    sw_buf_str(&b, "c");
    sw_buf_char(&b, 'd');
    assert_false(b.full);
    assert_holds(&b, "abcd");
    sw_buf_char(&b, 'e');
    assert_true(b.full);
    assert_holds(&b, "abcd");
    assert_int_equal(p[4], '!');
}

static void test_buf_put_appends_all_or_none(void **state)
{
    char p[4];
    struct sw_buf b = sw_buf(p, sizeof(p));
    (void)state;
    sw_buf_slice(&b, SW_SLICE("abc"));
    sw_buf_slice(&b, SW_SLICE("de"));
    assert_true(b.full);
    assert_holds(&b, "abc");
}

/* A builder asks once, at the end: what fits later must not hide what was lost. */
static void test_buf_full_stays(void **state)
{
    char p[4];
    struct sw_buf b = sw_buf(p, sizeof(p));
    (void)state;
    sw_buf_lit(&b, "abcde");
    sw_buf_lit(&b, "f");
    assert_true(b.full);
}

static void test_buf_without_memory_takes_only_nothing(void **state)
{
    struct sw_buf b = sw_buf(NULL, 0);
    (void)state;
    sw_buf_slice(&b, (struct sw_slice){NULL, 0});
    assert_false(b.full);
    sw_buf_char(&b, 'a');
    assert_true(b.full);
    assert_int_equal(b.n, 0);
}

static void test_buf_put_of_a_huge_length_does_not_wrap_around(void **state)
{
    char p[4];
    struct sw_buf b = sw_buf(p, sizeof(p));
    (void)state;
    sw_buf_lit(&b, "ab");
    sw_buf_put(&b, p, SIZE_MAX);
    sw_buf_put(&b, p, SIZE_MAX - 1);
    assert_true(b.full);
    assert_holds(&b, "ab");
}

static void test_buf_numbers_are_decimal(void **state)
{
    static const struct {
        int64_t value;
        const char *text;
    } rows[] = {
        {0, "0"},
        {7, "7"},
        {10, "10"},
        {-1, "-1"},
        {-10, "-10"},
        {INT64_MAX, "9223372036854775807"},
        {INT64_MIN, "-9223372036854775808"},
    };
    char p[32];
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_buf b = sw_buf(p, sizeof(p));
        sw_buf_i64(&b, rows[i].value);
        assert_holds(&b, rows[i].text);
    }
    struct sw_buf b = sw_buf(p, sizeof(p));
    sw_buf_u64(&b, UINT64_MAX);
    assert_holds(&b, "18446744073709551615");
}

static void test_buf_number_comes_back_from_its_text(void **state)
{
    struct rng r = rng_start(__func__);
    char p[20];
    (void)state;
    for (int i = 0; i < 10000; i++) {
        uint64_t v = rng_next(&r) >> rng_below(&r, 64), back;
        struct sw_buf b = sw_buf(p, sizeof(p));
        sw_buf_u64(&b, v);
        assert_false(b.full);
        assert_true(sw_slice_u64(sw_buf_view(&b), UINT64_MAX, &back));
        assert_true(back == v);
    }
}

static void test_buf_hex_is_lower_case_with_two_digits_a_byte(void **state)
{
    char p[16];
    struct sw_buf b = sw_buf(p, sizeof(p));
    (void)state;
    sw_buf_hex(&b, "\x00\x0f\xa0\xff", 4);
    assert_false(b.full);
    assert_holds(&b, "000fa0ff");
    struct sw_buf small = sw_buf(p, 3);
    sw_buf_hex(&small, "\xab\xcd", 2);
    assert_true(small.full);
    assert_holds(&small, "ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf_put_fills_up_to_the_last_byte),
        cmocka_unit_test(test_buf_put_appends_all_or_none),
        cmocka_unit_test(test_buf_full_stays),
        cmocka_unit_test(test_buf_without_memory_takes_only_nothing),
        cmocka_unit_test(test_buf_put_of_a_huge_length_does_not_wrap_around),
        cmocka_unit_test(test_buf_numbers_are_decimal),
        cmocka_unit_test(test_buf_number_comes_back_from_its_text),
        cmocka_unit_test(test_buf_hex_is_lower_case_with_two_digits_a_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

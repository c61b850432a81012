#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/random.h"

static void test_slice_trim_removes_white_space_at_both_ends(void **state)
{
    static const struct {
        struct sw_slice in, out;
    } rows[] = {
        {SW_SLICE(" \t a b\r\n"), SW_SLICE("a b")}, {SW_SLICE("a"), SW_SLICE("a")},
        {SW_SLICE(" \r\n\t "), SW_SLICE("")},       {SW_SLICE(""), SW_SLICE("")},
        {SW_SLICE("\va\f"), SW_SLICE("\va\f")},     {SW_SLICE("\0 a \0"), SW_SLICE("\0 a \0")},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_true(sw_slice_eq(sw_slice_trim(rows[i].in), rows[i].out));
    assert_int_equal(sw_slice_trim((struct sw_slice){NULL, 0}).n, 0);
}

static void test_slice_equality_compares_length_and_bytes(void **state)
{
    (void)state;
    assert_true(sw_slice_eq(SW_SLICE(""), (struct sw_slice){NULL, 0}));
    assert_true(sw_slice_eq(SW_SLICE("a\0b"), SW_SLICE("a\0b")));
    assert_false(sw_slice_eq(SW_SLICE("a\0b"), SW_SLICE("a\0c")));
    assert_false(sw_slice_eq(SW_SLICE("ab"), SW_SLICE("abc")));
    assert_false(sw_slice_eq(SW_SLICE("ab"), SW_SLICE("AB")));
    assert_true(sw_slice_eq_case(SW_SLICE("aB1;"), SW_SLICE("Ab1;")));
    assert_false(sw_slice_eq_case(SW_SLICE("ab"), SW_SLICE("abc")));
}

/* Only A to Z have another case: neither '@' and '`', nor letters of any other code page. */
static void test_slice_case_is_that_of_ascii_letters_only(void **state)
{
    (void)state;
    for (int x = 0; x < 256; x++)
        for (int y = 0; y < 256; y++) {
            char a = (char)x, b = (char)y;
            int lx = x >= 'A' && x <= 'Z' ? x + 32 : x, ly = y >= 'A' && y <= 'Z' ? y + 32 : y;
            assert_int_equal(sw_slice_eq_case(sw_slice(&a, 1), sw_slice(&b, 1)), lx == ly);
        }
}

static void test_slice_starts_case_finds_a_prefix(void **state)
{
    (void)state;
    assert_true(sw_slice_starts_case(SW_SLICE("SIP:a"), SW_SLICE("sip:")));
    assert_true(sw_slice_starts_case(SW_SLICE("sip:"), SW_SLICE("sip:")));
    assert_true(sw_slice_starts_case(SW_SLICE("x"), SW_SLICE("")));
    assert_true(sw_slice_starts_case((struct sw_slice){NULL, 0}, SW_SLICE("")));
    assert_false(sw_slice_starts_case(SW_SLICE("sip"), SW_SLICE("sip:")));
    assert_false(sw_slice_starts_case(SW_SLICE("sips:"), SW_SLICE("sip:")));
}

static void test_slice_find_gives_the_first_offset_or_the_length(void **state)
{
    (void)state;
    assert_int_equal(sw_slice_find(SW_SLICE("a;b;"), ';'), 1);
    assert_int_equal(sw_slice_find(SW_SLICE("ab"), ';'), 2);
    assert_int_equal(sw_slice_find(SW_SLICE("a\0b"), 0), 1);
    assert_int_equal(sw_slice_find((struct sw_slice){NULL, 0}, ';'), 0);
    assert_int_equal(sw_slice_find(sw_slice("ab;", 2), ';'), 2);
}

static void test_slice_from_never_leaves_the_slice(void **state)
{
    struct sw_slice s = SW_SLICE("abc");
    (void)state;
    assert_true(sw_slice_eq(sw_slice_from(s, 0), s));
    assert_true(sw_slice_eq(sw_slice_from(s, 2), SW_SLICE("c")));
    const size_t behind[] = {3, 4, SIZE_MAX};
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(sw_slice_from(s, behind[i]).n, 0);
        assert_ptr_equal(sw_slice_from(s, behind[i]).p, s.p + 3);
    }
}

static void test_slice_str_of_null_is_empty(void **state)
{
    (void)state;
    assert_int_equal(sw_slice_str(NULL).n, 0);
    assert_int_equal(sw_slice_str("ab").n, 2);
}

static void test_slice_u64_reads_a_number_up_to_max(void **state)
{
    static const struct {
        struct sw_slice text;
        uint64_t max, value;
    } rows[] = {
        {SW_SLICE("0"), 0, 0},
        {SW_SLICE("000"), 9, 0},
        {SW_SLICE("65535"), 65535, 65535},
        {SW_SLICE("0000000000000000000000000000007"), 7, 7},
        {SW_SLICE("18446744073709551615"), UINT64_MAX, UINT64_MAX},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t v = 42;
        assert_true(sw_slice_u64(rows[i].text, rows[i].max, &v));
        assert_true(v == rows[i].value);
    }
}

static void test_slice_u64_refuses_what_is_no_number_and_leaves_the_value(void **state)
{
    static const struct {
        struct sw_slice text;
        uint64_t max;
    } rows[] = {
        {SW_SLICE(""), 9},
        {SW_SLICE("-1"), 9},
        {SW_SLICE("+1"), 9},
        {SW_SLICE(" 1"), 9},
        {SW_SLICE("1 "), 9},
        {SW_SLICE("1\0"), 9},
        {SW_SLICE("0x1"), 9},
        {SW_SLICE("1e1"), 99},
        {SW_SLICE("10"), 9},
        {SW_SLICE("65536"), 65535},
        {SW_SLICE("\xd9\xa1"), 9}, /* a digit of another script */
        {SW_SLICE("18446744073709551616"), UINT64_MAX},
        {SW_SLICE("36893488147419103232"), UINT64_MAX}, /* twice 2^64: 0 if it wrapped */
        {SW_SLICE("99999999999999999999999999"), UINT64_MAX},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t v = 42;
        assert_false(sw_slice_u64(rows[i].text, rows[i].max, &v));
        assert_int_equal(v, 42);
    }
}

static void test_slice_glob_matches_whole_texts(void **state)
{
    static const struct {
        struct sw_slice pattern, text;
        bool matches;
    } rows[] = {
        {SW_SLICE(""), SW_SLICE(""), true},
        {SW_SLICE(""), SW_SLICE("a"), false},
        {SW_SLICE("*"), SW_SLICE(""), true},
        {SW_SLICE("***"), SW_SLICE("abc"), true},
        {SW_SLICE("a"), SW_SLICE(""), false},
        {SW_SLICE("ABC"), SW_SLICE("abc"), true},
        {SW_SLICE("*.example.com"), SW_SLICE("a.b.EXAMPLE.com"), true},
        {SW_SLICE("*.example.com"), SW_SLICE("example.com"), false},
        {SW_SLICE("*.example.com"), SW_SLICE("a.example.com.evil"), false},
        {SW_SLICE("+49*"), SW_SLICE("+4930123"), true},
        {SW_SLICE("+49*"), SW_SLICE("+48"), false},
        {SW_SLICE("a*b*c"), SW_SLICE("abbc"), true},
        {SW_SLICE("a*b*c"), SW_SLICE("acb"), false},
        {SW_SLICE("*ab"), SW_SLICE("aab"), true},
        {SW_SLICE("a?c"), SW_SLICE("abc"), false}, /* only the star is special */
        {SW_SLICE("a*"), SW_SLICE("a\0b"), true},
        {SW_SLICE("[a]"), SW_SLICE("a"), false},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(sw_slice_glob(rows[i].pattern, rows[i].text), rows[i].matches);
}

static bool glob_model(struct sw_slice p, struct sw_slice s)
{
    if (p.n == 0)
        return s.n == 0;
    if (p.p[0] == '*')
        return glob_model(sw_slice_from(p, 1), s) || (s.n && glob_model(p, sw_slice_from(s, 1)));
    return s.n && p.p[0] == s.p[0] && glob_model(sw_slice_from(p, 1), sw_slice_from(s, 1));
}

static void test_slice_glob_agrees_with_a_recursive_model(void **state)
{
    struct rng r = rng_start(__func__);
    (void)state;
    for (int round = 0; round < 50000; round++) {
        char p[8], s[10];
        struct sw_slice pattern = {p, rng_below(&r, sizeof(p) + 1)};
        struct sw_slice text = {s, rng_below(&r, sizeof(s) + 1)};
        for (size_t i = 0; i < pattern.n; i++)
            p[i] = "ab*"[rng_below(&r, 3)];
        for (size_t i = 0; i < text.n; i++)
            s[i] = "ab"[rng_below(&r, 2)];
        assert_int_equal(sw_slice_glob(pattern, text), glob_model(pattern, text));
    }
}

/* A matcher that tries every split of every star would not come back from this. */
static void test_slice_glob_is_not_slowed_by_many_stars(void **state)
{
    char pattern[401], text[4000];
    (void)state;
    for (size_t i = 0; i < 400; i++)
        pattern[i] = i % 2 ? '*' : 'a';
    pattern[400] = 'b';
    memset(text, 'a', sizeof(text));
    assert_false(sw_slice_glob(sw_slice(pattern, 401), sw_slice(text, sizeof(text))));
    text[sizeof(text) - 1] = 'b';
    assert_true(sw_slice_glob(sw_slice(pattern, 401), sw_slice(text, sizeof(text))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slice_trim_removes_white_space_at_both_ends),
        cmocka_unit_test(test_slice_equality_compares_length_and_bytes),
        cmocka_unit_test(test_slice_case_is_that_of_ascii_letters_only),
        cmocka_unit_test(test_slice_starts_case_finds_a_prefix),
        cmocka_unit_test(test_slice_find_gives_the_first_offset_or_the_length),
        cmocka_unit_test(test_slice_from_never_leaves_the_slice),
        cmocka_unit_test(test_slice_str_of_null_is_empty),
        cmocka_unit_test(test_slice_u64_reads_a_number_up_to_max),
        cmocka_unit_test(test_slice_u64_refuses_what_is_no_number_and_leaves_the_value),
        cmocka_unit_test(test_slice_glob_matches_whole_texts),
        cmocka_unit_test(test_slice_glob_agrees_with_a_recursive_model),
        cmocka_unit_test(test_slice_glob_is_not_slowed_by_many_stars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Patterns against what POSIX says of them, and against the C library's own reading; and those that
 * would take for ever. */
#include "support/unit.h"

#include "base/buf.h"
#include "sip/pattern.h"

#include <regex.h>
#include <stdio.h>

static struct sw_slab slab;
static struct sw_arena arena;
static struct sw_pattern pattern;
static struct sw_pattern_error error;
static struct rng rng;

static int set_up(void **state)
{
    (void)state;
    sw_slab_init(&slab);
    sw_arena_init(&arena, &slab);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sw_arena_release(&arena);
    sw_slab_fini(&slab);
    return 0;
}

static enum sw_status compile(const char *text)
{
    return sw_pattern_compile(sw_slice_str(text), false, &arena, &pattern, &error);
}

static bool match(const char *text, struct sw_slice group[SW_PATTERN_GROUPS])
{
    struct sw_slice s = unit_exact(text, strlen(text));
    bool found = sw_pattern_search(&pattern, s, group) == SW_OK;
    for (int i = 0; i < SW_PATTERN_GROUPS; i++) /* into the text that stays */
        if (group[i].p)
            group[i].p = text + (group[i].p - s.p);
    unit_free(s);
    return found;
}

/* IEEE 1003.1 9.4, and which of several matches it is */
static void test_pattern_finds_what_it_says(void **state)
{
    static const struct {
        const char *pattern, *text;
        const char *whole, *first, *second; /* NULL: no match, no part in it */
    } rows[] = {
        {"^\\+49(30[0-9]+)$", "+4930123", "+4930123", "30123", NULL},
        {"^\\+49(30[0-9]+)$", "+4930", NULL, NULL, NULL},
        {"^\\+49(30[0-9]+)$", "x+4930123", NULL, NULL, NULL},
        {"30", "+493012", "30", NULL, NULL},
        {"", "abc", "", NULL, NULL},
        {"^$", "", "", NULL, NULL},
        {"^$", "a", NULL, NULL, NULL},
        {"a.c", "xabcx", "abc", NULL, NULL},
        {"a|bc|", "bc", "bc", NULL, NULL},
        {"(a|ab)(c|bcd)", "abcd", "abcd", "a", "bcd"}, /* the first alternative goes first */
        {"(a*)(a*)", "aaa", "aaa", "aaa", ""},
        {"(a)|(b)", "b", "b", NULL, "b"},
        {"(ab)+", "xababab", "ababab", "ab", NULL},
        {"a{2}", "aaa", "aa", NULL, NULL},
        {"^a{2,}$", "aaaa", "aaaa", NULL, NULL},
        {"^a{2,}$", "a", NULL, NULL, NULL},
        {"^a{1,3}$", "aaaa", NULL, NULL, NULL},
        {"^(a{0,3})$", "", "", "", NULL},
        {"^[[:digit:]]{3,5}$", "1234", "1234", NULL, NULL},
        {"^[^0-9]+$", "abc", "abc", NULL, NULL},
        {"^[^0-9]+$", "ab1", NULL, NULL, NULL},
        {"[]a]+", "x]a]", "]a]", NULL, NULL},
        {"[a-]+", "x-a-", "-a-", NULL, NULL},
        {"[[]", "[", "[", NULL, NULL},
        {"[[:alpha:][:digit:]_]+", "--a_9--", "a_9", NULL, NULL},
        {"\\^\\.\\[\\$\\(\\)\\|\\*\\+\\?\\{\\\\", "^.[$()|*+?{\\", "^.[$()|*+?{\\", NULL, NULL},
        {"a}", "a}", "a}", NULL, NULL},
        {"x(^a)", "xa", NULL, NULL, NULL},
        {"(a*)*b", "aab", "aab", NULL, NULL},
        {"(a|b*)*c", "abbac", "abbac", NULL, NULL},
        {"((a)|b)*", "ab", "ab", "b", NULL},
    };
    (void)state;
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_slice g[SW_PATTERN_GROUPS];
        print_message("%s on \"%s\"\n", rows[i].pattern, rows[i].text);
        assert_int_equal(compile(rows[i].pattern), SW_OK);
        assert_int_equal(match(rows[i].text, g), rows[i].whole != NULL);
        assert_slice(g[0], rows[i].whole);
        if (rows[i].first || !strchr(rows[i].pattern, '('))
            assert_slice(g[1], rows[i].first);
        if (rows[i].second)
            assert_slice(g[2], rows[i].second);
        if (!rows[i].whole)
            for (int k = 0; k < SW_PATTERN_GROUPS; k++)
                assert_null(g[k].p);
    }
}

static void test_pattern_that_is_wrong_says_where(void **state)
{
    static const struct {
        const char *pattern;
        size_t offset;
    } rows[] = {
        {"(a", 2},
        {"a)", 1},
        {"[a", 2},
        {"[z-a]", 3},
        {"[[:digits:]]", 3},
        {"*a", 1},
        {"a{3,2}", 6},
        {"a\\", 2},
        {"((a{1000}){1000}){1000}", 23},
        {"(1)(2)(3)(4)(5)(6)(7)(8)(9)(10)", 31},
        {"\\C", 2},
    };
    (void)state;
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        assert_int_equal(compile(rows[i].pattern), SW_PEER_SYNTAX);
        print_message("%s: %zu: %s\n", rows[i].pattern, error.offset, error.what);
        assert_true(error.what[0]);
        assert_in_range(error.offset, rows[i].offset > 1 ? rows[i].offset - 1 : 0,
                        rows[i].offset + 1);
        assert_null(pattern.code);
    }
    char many[SW_PATTERN_TEXT_MAX + 2];
    memset(many, 'a', sizeof(many));
    many[sizeof(many) - 1] = 0;
    assert_int_equal(compile(many), SW_PEER_SYNTAX);
    many[SW_PATTERN_TEXT_MAX] = 0;
    assert_int_equal(compile(many), SW_OK);
    memset(many, '(', 100);
    memset(many + 100, ')', 100);
    many[200] = 0;
    assert_int_equal(compile(many), SW_PEER_SYNTAX);
}

static void test_pattern_any_case(void **state)
{
    struct sw_slice g[SW_PATTERN_GROUPS];
    (void)state;
    assert_int_equal(sw_pattern_compile(sw_slice_str("^ab+$"), true, &arena, &pattern, &error),
                     SW_OK);
    assert_true(match("AbBb", g));
    assert_int_equal(compile("^ab+$"), SW_OK);
    assert_false(match("AbBb", g));
}

static void test_pattern_texts_above_the_limit_never_match(void **state)
{
    char text[SW_PATTERN_INPUT_MAX + 2];
    struct sw_slice g[SW_PATTERN_GROUPS];
    (void)state;
    memset(text, 'a', sizeof(text));
    assert_int_equal(compile("a"), SW_OK);
    assert_int_equal(sw_pattern_search(&pattern, sw_slice(text, SW_PATTERN_INPUT_MAX), g), SW_OK);
    assert_int_equal(sw_pattern_search(&pattern, sw_slice(text, SW_PATTERN_INPUT_MAX + 1), g),
                     SW_LIMIT);
}

/* A matcher that goes back would not come to an end with these. */
static void test_pattern_no_input_takes_long(void **state)
{
    static const char *const patterns[] = {
        "(a+)+$",
        "((a*)*)*$",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)b",
        "(a?){80}a{80}b",
        "(a|aa|aaa)*(a|aa|aaa)*(a|aa|aaa)*$",
        "^(a|b)*a(a|b){60}$",
        "(x+x+)+y",
        "(.|a|[a-z]|a?){30}b",
        "^(a+|(?R))+$",
        "(?:a(?1)|b)*(x?)",
        "(a*)\\1\\1\\1b",
    };
    (void)state;
    for (size_t i = 0; i < UNIT_COUNT(patterns); i++) {
        char text[SW_PATTERN_INPUT_MAX];
        struct sw_slice g[SW_PATTERN_GROUPS];
        assert_int_equal(compile(patterns[i]), SW_OK);
        for (int k = 0; k < 64; k++) {
            for (size_t n = 0; n < sizeof(text); n++)
                text[n] = k < 16 ? 'a' : "abx"[rng_next(&rng) % 3];
            text[sizeof(text) - 1] = k % 2 ? '!' : 'a';
            assert_int_not_equal(sw_pattern_search(&pattern, sw_slice(text, sizeof(text)), g),
                                 SW_LIMIT_MEMORY);
        }
    }
}

/* A random pattern that both read alike. */
static void random_pattern(struct sw_buf *b, int depth)
{
    static const char *const atoms[] = {"a", "b", ".", "[ab]", "[^a]", "ab", "[[:alpha:]]"};
    static const char *const repeats[] = {"",  "",    "",      "*",     "+",
                                          "?", "{2}", "{1,2}", "{0,3}", "{2,}"};
    unsigned pieces = 1 + rng_next(&rng) % 3;
    for (unsigned i = 0; i < pieces; i++) {
        if (depth > 0 && rng_next(&rng) % 3 == 0) {
            sw_buf_char(b, '(');
            random_pattern(b, depth - 1);
            sw_buf_str(b,
                       rng_next(&rng) % 2 ? ")?" : ")"); /* a run of runs would be too much work */
        } else {
            sw_buf_str(b, atoms[rng_next(&rng) % UNIT_COUNT(atoms)]);
            sw_buf_str(b, repeats[rng_next(&rng) % UNIT_COUNT(repeats)]);
        }
    }
    if (depth > 0 && rng_next(&rng) % 4 == 0) {
        sw_buf_char(b, '|');
        random_pattern(b, depth - 1);
    }
}

static void compare(const char *text, bool anchored)
{
    regex_t libc;
    assert_int_equal(regcomp(&libc, text, REG_EXTENDED), 0);
    for (int k = 0; k < 20; k++) {
        char s[9];
        size_t n = rng_next(&rng) % sizeof(s);
        struct sw_slice g[SW_PATTERN_GROUPS];
        regmatch_t m[1];
        for (size_t i = 0; i < n; i++)
            s[i] = "abc"[rng_next(&rng) % 3];
        s[n] = 0;
        bool theirs = regexec(&libc, s, 1, m, 0) == 0, ours = match(s, g);
        if (theirs != ours)
            print_error("%s on \"%s\": %d\n", text, s, ours);
        assert_int_equal(ours, theirs);
        if (ours) /* both are the leftmost */
            assert_int_equal(g[0].p - s, m[0].rm_so);
        if (ours && anchored)
            assert_int_equal(g[0].n, n);
    }
    regfree(&libc);
}

static void test_pattern_agrees_with_the_c_library(void **state)
{
    (void)state;
    for (int i = 0; i < 1500; i++) {
        char text[SW_PATTERN_TEXT_MAX + 1];
        struct sw_buf b = sw_buf(text, sizeof(text) - 1);
        bool anchored = i % 2;
        if (anchored)
            sw_buf_str(&b, "^(");
        random_pattern(&b, 2);
        if (anchored)
            sw_buf_str(&b, ")$");
        text[b.n] = 0;
        if (b.full || compile(text) != SW_OK)
            continue; /* more groups or steps than there may be */
        compare(text, anchored);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pattern_finds_what_it_says),
        TEST(test_pattern_that_is_wrong_says_where),
        TEST(test_pattern_any_case),
        TEST(test_pattern_texts_above_the_limit_never_match),
        TEST(test_pattern_no_input_takes_long),
        TEST(test_pattern_agrees_with_the_c_library),
    };
    rng = rng_start("unit-sip-pattern");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

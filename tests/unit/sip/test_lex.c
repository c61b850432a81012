#include "support/unit.h"

#include "sip/lex.h"

static struct sw_lex lex_of(const char *text)
{
    return sw_lex(sw_slice_str(text));
}

static const char *rest(const struct sw_lex *l)
{
    return l->p;
}

#define ALPHANUM "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define MARKS    "-_.!~*'()"

/* RFC 3261 25.1 */
static void test_lex_classes_are_those_of_the_grammar(void **state)
{
    (void)state;
    static const struct {
        uint8_t ch;
        const char *others;
        const char *lenient; /* outside the grammar, but taken */
    } rows[] = {
        {SW_CH_TOKEN, "-.!%*_+`'~", ""},
        {SW_CH_WORD, "-.!%*_+`'~()<>:\\\"/[]?{}", ""},
        {SW_CH_HOST, "-.", "_"},
        {SW_CH_USER, MARKS "&=+$,;?/", "#"},
        {SW_CH_PARAM, MARKS "[]/:&+$", ""},
        {SW_CH_HEADER, MARKS "[]/?:+$", ""},
        {SW_CH_SCHEME, "+-.", ""},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        for (int c = 0; c < 256; c++) {
            bool wanted = c && (strchr(ALPHANUM, c) || strchr(rows[i].others, c) ||
                                strchr(rows[i].lenient, c));
            if (sw_ch((char)c, rows[i].ch) != wanted)
                print_error("class %u, byte 0x%02x\n", rows[i].ch, c);
            assert_int_equal(sw_ch((char)c, rows[i].ch), wanted);
        }
}

/* RFC 3261 25.1: LWS */
static void test_lex_ws_takes_folded_lines_and_stops_at_line_ends(void **state)
{
    (void)state;
    static const struct {
        const char *text, *rest;
    } rows[] = {
        {"", ""},
        {"x", "x"},
        {" \t x", "x"},
        {"\r\n x", "x"},
        {" \r\n\t\r\n x", "x"},
        {"\r\nx", "\r\nx"},
        {" \r\nx", "\r\nx"},
        {"\r\n", "\r\n"},
        {"\r\n ", ""},
        {"\n x", "\n x"},
        {"\r x", "\r x"},
        {"\r\n\r\n x", "\r\n\r\n x"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_lex l = lex_of(rows[i].text);
        sw_lex_ws(&l);
        assert_string_equal(rest(&l), rows[i].rest);
    }
}

static void test_lex_sep_takes_white_space_around_or_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool found;
        const char *rest;
    } rows[] = {
        {";x", true, "x"},       {" ; x", true, "x"}, {"\r\n ;\r\n x", true, "x"},
        {";", true, ""},         {"", false, ""},     {" x", false, " x"},
        {"  ", false, "  "},     {";;", true, ";"},   {"\r\n;", false, "\r\n;"},
        {";\r\n", true, "\r\n"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_lex l = lex_of(rows[i].text);
        assert_int_equal(sw_lex_sep(&l, ';'), rows[i].found);
        assert_string_equal(rest(&l), rows[i].rest);
    }
}

static void test_lex_peek_and_char_know_the_end(void **state)
{
    (void)state;
    struct sw_lex l = sw_lex(sw_slice("a\0", 2));
    assert_int_equal(sw_lex_peek(&l), 'a');
    assert_false(sw_lex_char(&l, 'b'));
    assert_true(sw_lex_char(&l, 'a'));
    assert_int_equal(sw_lex_peek(&l), 0);
    assert_false(sw_lex_end(&l));
    assert_true(sw_lex_char(&l, 0));
    assert_true(sw_lex_end(&l));
    assert_int_equal(sw_lex_peek(&l), 0);
    assert_false(sw_lex_char(&l, 0));
}

static void test_lex_run_is_the_longest_of_its_classes(void **state)
{
    (void)state;
    struct sw_lex l = lex_of("abc-1:2 x");
    assert_slice(sw_lex_run(&l, SW_CH_TOKEN), "abc-1");
    assert_slice(sw_lex_run(&l, SW_CH_TOKEN), "");
    assert_slice(sw_lex_run(&l, SW_CH_TOKEN | SW_CH_PARAM), ":2");
    assert_string_equal(rest(&l), " x");
}

static void test_lex_escaped_takes_whole_escapes_only(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        const char *out;
    } rows[] = {
        {"abc@", true, "abc"},
        {"", true, ""},
        {"@", true, ""},
        {"%41", true, "%41"},
        {"a%2fb%2F.", true, "a%2fb%2F."},
        {"%", false, ""},
        {"a%4", false, ""},
        {"%4g", false, ""},
        {"%g4", false, ""},
        {"%%41", false, ""},
        {"a%\r\n", false, ""},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_slice text = unit_exact(rows[i].text, strlen(rows[i].text)), out = {NULL, 0};
        struct sw_lex l = sw_lex(text);
        assert_int_equal(sw_lex_escaped(&l, SW_CH_USER, &out), rows[i].ok);
        if (rows[i].ok)
            assert_slice(out, rows[i].out);
        unit_free(text);
    }
}

/* RFC 3261 25.1: quoted-string, quoted-pair */
static void test_lex_quoted_ends_at_the_unescaped_quote(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        const char *out, *rest;
    } rows[] = {
        {"\"\"x", true, "", "x"},
        {"\"a b\";c", true, "a b", ";c"},
        {"\"a\\\"b\"", true, "a\\\"b", ""},
        {"\"a\\\\\"b", true, "a\\\\", "b"},
        {"\"a\r\n b\"", true, "a\r\n b", ""},
        {"\"\xc3\xa9\"", true, "\xc3\xa9", ""},
        {"", false, NULL, ""},
        {"a", false, NULL, "a"},
        {"\"", false, NULL, "\""},
        {"\"abc", false, NULL, "\"abc"},
        {"\"a\\\"", false, NULL, "\"a\\\""},
        {"\"a\\", false, NULL, "\"a\\"},
        {"\"a\\\r\n\"", false, NULL, "\"a\\\r\n\""},
        {"\"a\\\n\"", false, NULL, "\"a\\\n\""},
        {"\"a\tb\\\x07\"", true, "a\tb\\\x07", ""},
        {"\"a\x07\"", false, NULL, "\"a\x07\""},
        {"\"a\x7f\"", false, NULL, "\"a\x7f\""},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_slice text = unit_exact(rows[i].text, strlen(rows[i].text)), out = {NULL, 0};
        struct sw_lex l = sw_lex(text);
        assert_int_equal(sw_lex_quoted(&l, &out), rows[i].ok);
        if (rows[i].ok)
            assert_slice(out, rows[i].out);
        assert_slice(sw_slice(l.p, (size_t)(l.end - l.p)), rows[i].rest);
        unit_free(text);
    }
}

static void test_lex_number_keeps_to_its_limit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t max;
        bool ok;
        uint64_t value;
    } rows[] = {
        {"0", 0, true, 0},
        {"1", 0, false, 0},
        {"00042x", 99, true, 42},
        {"65535", 65535, true, 65535},
        {"65536", 65535, false, 0},
        {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, false, 0},
        {"99999999999999999999999999", UINT64_MAX, false, 0},
        {"", 9, false, 0},
        {"x", 9, false, 0},
        {"-1", 9, false, 0},
        {"+1", 9, false, 0},
        {" 1", 9, false, 0},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_lex l = lex_of(rows[i].text);
        uint64_t value = 777;
        assert_int_equal(sw_lex_number(&l, rows[i].max, &value), rows[i].ok);
        assert_int_equal(value, rows[i].ok ? rows[i].value : 777);
    }
}

/* RFC 3261 25.1: host, IPv6reference */
static void test_lex_host_takes_names_and_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        const char *out, *rest;
    } rows[] = {
        {"example.com:5060", true, "example.com", ":5060"},
        {"example.com.", true, "example.com.", ""},
        {"a", true, "a", ""},
        {"sip_1.test;x", true, "sip_1.test", ";x"},
        {"192.0.2.1>", true, "192.0.2.1", ">"},
        {"[2001:db8::1]:5061", true, "[2001:db8::1]", ":5061"},
        {"[::ffff:192.0.2.1]", true, "[::ffff:192.0.2.1]", ""},
        {"[::]", true, "[::]", ""},
        {"", false, NULL, NULL},
        {":5060", false, NULL, NULL},
        {".example.com", false, NULL, NULL},
        {"-example.com", false, NULL, NULL},
        {"[", false, NULL, NULL},
        {"[]", false, NULL, NULL},
        {"[::1", false, NULL, NULL},
        {"[192.0.2.1]", false, NULL, NULL},
        {"[::g]", false, NULL, NULL},
        {"[1:2:3:4:5:6:7:8:9]", false, NULL, NULL},
        {"[example.com]", false, NULL, NULL},
        {"\xc3\xa9.com", false, NULL, NULL},
        {"a-b.c--d.e5;x", true, "a-b.c--d.e5", ";x"},
        {"4f3a2b1c:5060", true, "4f3a2b1c", ":5060"},
        {"1.2.3.4.example", true, "1.2.3.4.example", ""},
        {".", false, NULL, NULL},
        {"a..b", false, NULL, NULL},
        {"a.b..", false, NULL, NULL},
        {"a.-b", false, NULL, NULL},
        {"a-.b", false, NULL, NULL},
        {"a.b-", false, NULL, NULL},
        {"1.2.3", false, NULL, NULL},
        {"1.2.3.4.5", false, NULL, NULL},
        {"1.2.3.4.", false, NULL, NULL},
        {"256.0.0.1", false, NULL, NULL},
        {"2130706433", false, NULL, NULL},
        {"example.5060", false, NULL, NULL},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_slice text = unit_exact(rows[i].text, strlen(rows[i].text)), out = {NULL, 0};
        struct sw_lex l = sw_lex(text);
        assert_int_equal(sw_lex_host(&l, &out), rows[i].ok);
        if (rows[i].ok) {
            assert_slice(out, rows[i].out);
            assert_slice(sw_slice(l.p, (size_t)(l.end - l.p)), rows[i].rest);
        }
        unit_free(text);
    }
}

/* Whatever comes, no step goes beyond the end; the address sanitizer is the judge of the rest. */
static void test_lex_no_step_leaves_the_text(void **state)
{
    (void)state;
    static const char bytes[] = "a0;,:=%\"\\[] \t\r\n\0\xff<>@";
    struct rng r = rng_start(__func__);
    for (int round = 0; round < 20000; round++) {
        char text[24];
        size_t n = rng_below(&r, sizeof(text));
        for (size_t i = 0; i < n; i++)
            text[i] = bytes[rng_below(&r, sizeof(bytes) - 1)];
        struct sw_slice s = unit_exact(text, n), out = {NULL, 0};
        uint64_t number;
        for (int step = 0; step < 6; step++) {
            struct sw_lex l = sw_lex(s);
            step == 0   ? sw_lex_ws(&l)
            : step == 1 ? (void)sw_lex_sep(&l, ';')
            : step == 2 ? (void)sw_lex_escaped(&l, SW_CH_USER, &out)
            : step == 3 ? (void)sw_lex_quoted(&l, &out)
            : step == 4 ? (void)sw_lex_number(&l, 99, &number)
                        : (void)sw_lex_host(&l, &out);
            assert_true(l.p >= s.p && l.p <= l.end && l.end == s.p + s.n);
        }
        unit_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lex_classes_are_those_of_the_grammar),
        cmocka_unit_test(test_lex_ws_takes_folded_lines_and_stops_at_line_ends),
        cmocka_unit_test(test_lex_sep_takes_white_space_around_or_nothing),
        cmocka_unit_test(test_lex_peek_and_char_know_the_end),
        cmocka_unit_test(test_lex_run_is_the_longest_of_its_classes),
        cmocka_unit_test(test_lex_escaped_takes_whole_escapes_only),
        cmocka_unit_test(test_lex_quoted_ends_at_the_unescaped_quote),
        cmocka_unit_test(test_lex_number_keeps_to_its_limit),
        cmocka_unit_test(test_lex_host_takes_names_and_addresses),
        cmocka_unit_test(test_lex_no_step_leaves_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

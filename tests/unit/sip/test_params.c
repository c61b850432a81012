#include "support/unit.h"

#include "sip/params.h"

struct row {
    const char *text;
    enum sw_status status;
    const char *name, *value; /* value NULL: no "=" */
    const char *whole, *rest;
    bool quoted;
};

typedef enum sw_status next_fn(struct sw_lex *l, struct sw_param *out);

static void run(const struct row *rows, size_t count, next_fn *next)
{
    for (size_t i = 0; i < count; i++) {
        struct sw_slice text = unit_exact(rows[i].text, strlen(rows[i].text));
        struct sw_lex l = sw_lex(text);
        struct sw_param x = {.name = SW_SLICE("untouched")};
        enum sw_status s = next(&l, &x);
        if (s != rows[i].status)
            print_error("%s\n", rows[i].text);
        assert_int_equal(s, rows[i].status);
        if (s == SW_OK) {
            assert_slice(x.name, rows[i].name);
            assert_slice(x.value, rows[i].value);
            assert_slice(x.whole, rows[i].whole);
            assert_int_equal(x.quoted, rows[i].quoted);
            assert_slice(sw_slice(l.p, (size_t)(l.end - l.p)), rows[i].rest);
        } else {
            assert_slice(x.name, "untouched");
        }
        unit_free(text);
    }
}

/* RFC 3261 25.1: generic-param = token [ EQUAL gen-value ] */
static void test_params_header_takes_tokens_hosts_and_quoted_strings(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {";a", SW_OK, "a", NULL, "a", "", false},
        {";tag=x;y", SW_OK, "tag", "x", "tag=x", ";y", false},
        {" ; a = b ;c", SW_OK, "a", "b", "a = b", " ;c", false},
        {"\r\n ;\r\n a=b", SW_OK, "a", "b", "a=b", "", false},
        {";a ;b", SW_OK, "a", NULL, "a", " ;b", false},
        {";a=\"b;c=\\\"d\";e", SW_OK, "a", "b;c=\\\"d", "a=\"b;c=\\\"d\"", ";e", true},
        {";a=\"\"", SW_OK, "a", "", "a=\"\"", "", true},
        {";maddr=[2001:db8::1],x", SW_OK, "maddr", "[2001:db8::1]", "maddr=[2001:db8::1]", ",x",
         false},
        {";a=b,c", SW_OK, "a", "b", "a=b", ",c", false},
        {"", SW_AGAIN, NULL, NULL, NULL, NULL, false},
        {",", SW_AGAIN, NULL, NULL, NULL, NULL, false},
        {"a;b", SW_AGAIN, NULL, NULL, NULL, NULL, false},
        {"  ", SW_AGAIN, NULL, NULL, NULL, NULL, false},
        {";", SW_PEER_SYNTAX, NULL, NULL, NULL, NULL, false},
        {";;a", SW_PEER_SYNTAX, NULL, NULL, NULL, NULL, false},
        {";=b", SW_PEER_SYNTAX, NULL, NULL, NULL, NULL, false},
        {";a=", SW_PEER_SYNTAX, NULL, NULL, NULL, NULL, false},
        {";a=;b", SW_PEER_SYNTAX, NULL, NULL, NULL, NULL, false},
        {";a=\"b", SW_PEER_SYNTAX, NULL, NULL, NULL, NULL, false},
        {";a=[::1", SW_PEER_SYNTAX, NULL, NULL, NULL, NULL, false},
        {";a=[x]", SW_PEER_SYNTAX, NULL, NULL, NULL, NULL, false},
    };
    run(rows, UNIT_COUNT(rows), sw_param_next);
}

static void test_params_header_takes_ipv6_without_brackets(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {";received=2001:db8::1;x", SW_OK, "received", "2001:db8::1", "received=2001:db8::1", ";x",
         false},
        {";received=::1", SW_OK, "received", "::1", "received=::1", "", false},
        {";received=::ffff:192.0.2.1", SW_OK, "received", "::ffff:192.0.2.1",
         "received=::ffff:192.0.2.1", "", false},
    };
    run(rows, UNIT_COUNT(rows), sw_param_next);
}

/* RFC 3261 25.1: other-param = pname [ "=" pvalue ], no white space, no quotes */
static void test_params_uri_takes_paramchars_and_escapes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {";lr", SW_OK, "lr", NULL, "lr", "", false},
        {";transport=tcp;lr", SW_OK, "transport", "tcp", "transport=tcp", ";lr", false},
        {";a=[x]/:&+$(%20)?h", SW_OK, "a", "[x]/:&+$(%20)", "a=[x]/:&+$(%20)", "?h", false},
        {";%61=b", SW_OK, "%61", "b", "%61=b", "", false},
        {";a b", SW_OK, "a", NULL, "a", " b", false},
        {"", SW_AGAIN, NULL, NULL, NULL, NULL, false},
        {" ;a", SW_AGAIN, NULL, NULL, NULL, NULL, false},
        {"?a", SW_AGAIN, NULL, NULL, NULL, NULL, false},
        {";", SW_PEER_SYNTAX, NULL, NULL, NULL, NULL, false},
        {";;", SW_PEER_SYNTAX, NULL, NULL, NULL, NULL, false},
        {";=x", SW_PEER_SYNTAX, NULL, NULL, NULL, NULL, false},
        {";a=", SW_PEER_SYNTAX, NULL, NULL, NULL, NULL, false},
        {";a=\"b\"", SW_PEER_SYNTAX, NULL, NULL, NULL, NULL, false},
        {";a=%4", SW_PEER_SYNTAX, NULL, NULL, NULL, NULL, false},
        {";%zz", SW_PEER_SYNTAX, NULL, NULL, NULL, NULL, false},
    };
    run(rows, UNIT_COUNT(rows), sw_uri_param_next);
}

/* RFC 3261 7.3.1: parameter names are case-insensitive */
static void test_params_find_looks_without_regard_to_case(void **state)
{
    (void)state;
    struct sw_param x;
    struct sw_slice text = SW_SLICE(";a=1;TAG=2;tag=3;b=\"tag=4\"");
    assert_true(sw_param_find(text, SW_SLICE("tag"), &x));
    assert_slice(x.value, "2");
    assert_true(sw_param_find(text, SW_SLICE("B"), &x));
    assert_slice(x.value, "tag=4");
    assert_true(x.quoted);
}

static void test_params_find_leaves_out_untouched_without_a_match(void **state)
{
    (void)state;
    static const char *const texts[] = {"",        ";tags=1;ta=2", ";x=\";tag=1\"",
                                        ";;tag=1", ";a=,;tag=1",   "tag=1"};
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        struct sw_param x = {.value = SW_SLICE("untouched")};
        assert_false(sw_param_find(sw_slice_str(texts[i]), SW_SLICE("tag"), &x));
        assert_slice(x.value, "untouched");
    }
}

/* A cut anywhere gives a shorter value, an end or an error, never a byte from behind the cut. */
static void test_params_truncated_text_is_not_overrun(void **state)
{
    (void)state;
    static const char text[] = " ;a = \"b\\\"c\" ; d=[2001:db8::1];e=::1;f";
    for (size_t n = 0; n < sizeof(text); n++) {
        struct sw_slice s = unit_exact(text, n);
        struct sw_lex l = sw_lex(s);
        struct sw_param x;
        enum sw_status st;
        unsigned count = 0;
        while ((st = sw_param_next(&l, &x)) == SW_OK) {
            assert_true(x.whole.p > s.p && x.whole.p + x.whole.n <= s.p + s.n);
            count++;
        }
        assert_true(st == SW_AGAIN || st == SW_PEER_SYNTAX);
        if (n == sizeof(text) - 1)
            assert_int_equal(count, 4);
        unit_free(s);
    }
}

/* RFC 3261 25.1: qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ) */
static void test_params_q_is_read_in_thousandths(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int q; /* -1: none */
    } rows[] = {{"0", 0},       {"1", 1000},    {"0.7", 700}, {"0.07", 70},    {"0.007", 7},
                {"0.123", 123}, {"0.", 0},      {"1.", 1000}, {"1.000", 1000}, {"0.000", 0},
                {"0.999", 999}, {"", -1},       {".5", -1},   {"2", -1},       {"1.001", -1},
                {"1.1", -1},    {"0.1234", -1}, {"00", -1},   {"01", -1},      {"0,5", -1},
                {"-0", -1},     {"0.5 ", -1},   {"0.5x", -1}, {"0..5", -1},    {"+1", -1},
                {"1e0", -1},    {"0.5\n", -1},  {"0.-1", -1}, {" 1", -1},      {"9.999", -1}};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_slice text = unit_exact(rows[i].text, strlen(rows[i].text));
        uint16_t q = 4242;
        if (sw_q_parse(text, &q) != (rows[i].q >= 0))
            print_error("%s\n", rows[i].text);
        assert_int_equal(q, rows[i].q >= 0 ? rows[i].q : 4242);
        unit_free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_params_header_takes_tokens_hosts_and_quoted_strings),
        cmocka_unit_test(test_params_header_takes_ipv6_without_brackets),
        cmocka_unit_test(test_params_uri_takes_paramchars_and_escapes),
        cmocka_unit_test(test_params_find_looks_without_regard_to_case),
        cmocka_unit_test(test_params_find_leaves_out_untouched_without_a_match),
        cmocka_unit_test(test_params_q_is_read_in_thousandths),
        cmocka_unit_test(test_params_truncated_text_is_not_overrun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

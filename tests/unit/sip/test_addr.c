#include "support/unit.h"

#include "sip/addr.h"

/* RFC 3261 20.10 and 25.1 */
static void test_addr_forms_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text, *display, *uri, *params;
    } rows[] = {
        {"sip:a@b", "", "sip:a@b", ""},
        {"<sip:a@b>", "", "sip:a@b", ""},
        {" <sip:a@b> ", "", "sip:a@b", ""},
        {"Bob <sip:a@b>;tag=1", "Bob", "sip:a@b", ";tag=1"},
        {"Bob B. Smith  <sip:a@b>", "Bob B. Smith", "sip:a@b", ""},
        {"\"Bob\" <sip:a@b>", "\"Bob\"", "sip:a@b", ""},
        {"\"B, \\\"o\\\" <sip:x@y>;b\"<sip:a@b>;tag=2", "\"B, \\\"o\\\" <sip:x@y>;b\"", "sip:a@b",
         ";tag=2"},
        {"\"\" <sip:a@b>", "\"\"", "sip:a@b", ""},
        {"J\xc3\xb6rg <sip:a@b>", "J\xc3\xb6rg", "sip:a@b", ""},
        {"Bob\r\n <sip:a@b>\r\n ;tag=1", "Bob", "sip:a@b", "\r\n ;tag=1"},
        {"<sip:a@b;lr?x=y>;q=0.5 ; x", "", "sip:a@b;lr?x=y", ";q=0.5 ; x"},
        {"<sip:a,b;c@d>", "", "sip:a,b;c@d", ""},
        {"<tel:+1>;tag=3", "", "tel:+1", ";tag=3"},
        {"tel:+1;tag=3", "", "tel:+1", ";tag=3"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_slice text = unit_exact(rows[i].text, strlen(rows[i].text));
        struct sw_addr a;
        enum sw_status s = sw_addr_parse(text, &a);
        if (s != SW_OK)
            print_error("%s\n", rows[i].text);
        assert_int_equal(s, SW_OK);
        assert_slice(a.display, rows[i].display);
        assert_slice(a.uri, rows[i].uri);
        assert_slice(a.params, rows[i].params);
        assert_true(sw_slice_eq(a.whole, sw_slice_trim(sw_slice_str(rows[i].text))));
        unit_free(text);
    }
}

/* RFC 3261 19.3, 25.1: a token, once; what is made of a bad one is for the checks */
static void test_addr_tag_is_found_and_a_bad_one_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *text, *tag;
        bool bad;
    } rows[] = {
        {"<sip:a@b>", "", false},
        {"<sip:a@b;tag=1>", "", false},
        {"<sip:a@b>;tag=1", "1", false},
        {"sip:a@b;x=y ; TAG = a-b ;z", "a-b", false},
        {"<sip:a@b>;tags=1;ta=2", "", false},
        {"<sip:a@b>;tag", NULL, true},
        {"<sip:a@b>;tag=\"1\"", "1", true},
        {"<sip:a@b>;tag=1;x;Tag=1", "1", true},
        {"<sip:a@b>;tag;tag=1", "1", true},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_addr a;
        assert_int_equal(sw_addr_parse(sw_slice_str(rows[i].text), &a), SW_OK);
        assert_slice(a.tag, rows[i].tag);
        assert_int_equal(a.bad_tag, rows[i].bad);
    }
}

static void test_addr_broken_values_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "bob",
        "<>",
        "<sip:a@b",
        "sip:a@b>",
        "\"Bob <sip:a@b>",
        "\"Bob\" sip:a@b",
        "\"Bob\\\" <sip:a@b>",
        "Bob <sip:a@b> x",
        "<sip:a@b>;",
        "<sip:a@b>;;a",
        "<sip:a@b>;tag=",
        "sip:a@b c",
        "sip:a@b?x=y",
        "a,b <sip:a@b>",
        "<sip:a@b>,<sip:c@d>",
        "*",
        ";tag=1",
        "a b:c",
    };
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        struct sw_slice text = unit_exact(texts[i], strlen(texts[i]));
        struct sw_addr a = {.uri = SW_SLICE("untouched")};
        enum sw_status s = sw_addr_parse(text, &a);
        if (s != SW_PEER_SYNTAX)
            print_error("%s\n", texts[i]);
        assert_int_equal(s, SW_PEER_SYNTAX);
        assert_slice(a.uri, "untouched");
        unit_free(text);
    }
}

/* RFC 3261 20: without brackets, ";" and "," and "?" belong to the header */
static void test_addr_bare_uri_ends_before_header_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *text, *uri, *params, *rest;
    } rows[] = {
        {"sip:a@b;tag=1,x", "sip:a@b", ";tag=1", ",x"},
        {"sip:a@b , x", "sip:a@b", "", ", x"},
        {"sip:a@b?h=v", "sip:a@b", "", "?h=v"},
        {"sip:a@b<", "sip:a@b", "", "<"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_lex l = sw_lex(sw_slice_str(rows[i].text));
        struct sw_addr a;
        assert_int_equal(sw_addr_next(&l, &a), SW_OK);
        assert_slice(a.uri, rows[i].uri);
        assert_slice(a.params, rows[i].params);
        assert_string_equal(l.p, rows[i].rest);
    }
}

static void test_addr_next_walks_a_list_and_stays_where_it_failed(void **state)
{
    (void)state;
    struct sw_lex l = sw_lex(SW_SLICE("<sip:a@b>;q=1, \"x, y\" <sip:c@d> ,?"));
    struct sw_addr a;
    assert_int_equal(sw_addr_next(&l, &a), SW_OK);
    assert_slice(a.whole, "<sip:a@b>;q=1");
    assert_true(sw_lex_sep(&l, ','));
    assert_int_equal(sw_addr_next(&l, &a), SW_OK);
    assert_slice(a.whole, "\"x, y\" <sip:c@d>");
    assert_true(sw_lex_sep(&l, ','));
    assert_int_equal(sw_addr_next(&l, &a), SW_PEER_SYNTAX);
    assert_string_equal(l.p, "?");
}

static void test_addr_random_bytes_stay_inside_the_text(void **state)
{
    (void)state;
    struct rng r = rng_start(__func__);
    static const char bytes[] = "sip:a@b<>\"\\;,=? \t\r\n\0\xc3[]";
    unsigned parsed = 0;
    for (int round = 0; round < 50000; round++) {
        char text[20];
        size_t n = rng_below(&r, sizeof(text));
        for (size_t i = 0; i < n; i++)
            text[i] = bytes[rng_below(&r, sizeof(bytes) - 1)];
        struct sw_slice s = unit_exact(text, n);
        struct sw_addr a;
        if (sw_addr_parse(s, &a) == SW_OK) {
            assert_true(a.uri.n > 0 && a.uri.p >= a.whole.p);
            assert_true(a.uri.p + a.uri.n <= a.whole.p + a.whole.n);
            assert_true(a.whole.p >= s.p && a.whole.p + a.whole.n <= s.p + s.n);
            assert_ptr_equal(a.params.p + a.params.n, a.whole.p + a.whole.n);
            parsed++;
        }
        unit_free(s);
    }
    assert_true(parsed > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addr_forms_are_read),
        cmocka_unit_test(test_addr_tag_is_found_and_a_bad_one_is_told),
        cmocka_unit_test(test_addr_broken_values_are_refused),
        cmocka_unit_test(test_addr_bare_uri_ends_before_header_parameters),
        cmocka_unit_test(test_addr_next_walks_a_list_and_stays_where_it_failed),
        cmocka_unit_test(test_addr_random_bytes_stay_inside_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "support/message.h"

#include <stdio.h>

#define LINE "INVITE sip:bob@biloxi.com SIP/2.0\r\n"

static struct message x;

static void test_msg_request_is_indexed(void **state)
{
    (void)state;
    message(&x, LINE "To: <sip:bob@biloxi.com>\r\nX-Other:  1 \r\n\r\nbody\r\n\r\n");
    assert_true(sw_msg_is_request(&x.m));
    assert_int_equal(x.m.method, SW_INVITE);
    assert_slice(sw_msg_method(&x.m), "INVITE");
    assert_slice(sw_msg_uri(&x.m), "sip:bob@biloxi.com");
    assert_slice(sw_msg_body(&x.m), "body\r\n\r\n");
    assert_int_equal(x.m.hdr_count, 2);
    assert_slice(sw_hdr_name(&x.m, &x.hdrs[1]), "X-Other");
    assert_slice(sw_hdr_value(&x.m, &x.hdrs[1]), "1");
    assert_int_equal(x.hdrs[1].id, SW_HDR_OTHER);
    assert_slice(sw_msg_value(&x.m, SW_HDR_TO), "<sip:bob@biloxi.com>");
    assert_null(sw_msg_hdr(&x.m, SW_HDR_FROM));
    assert_slice(sw_msg_value(&x.m, SW_HDR_FROM), NULL);
    message_free(&x);
}

/* RFC 3261 7.2 */
static void test_msg_status_line_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        unsigned status;
        const char *reason;
    } rows[] = {
        {"SIP/2.0 200 OK\r\n\r\n", 200, "OK"},
        {"SIP/2.0 481 Call/Transaction Does Not Exist\r\n\r\n", 481,
         "Call/Transaction Does Not Exist"},
        {"SIP/2.0 180 \r\n\r\n", 180, ""},
        {"SIP/2.0 100\r\n\r\n", 100, ""},
        {"sip/2.0 699 \xc3\xa9\r\n\r\n", 699, "\xc3\xa9"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        message(&x, rows[i].line);
        assert_false(sw_msg_is_request(&x.m));
        assert_int_equal(x.m.status, rows[i].status);
        assert_slice(sw_slice(x.m.p + x.m.reason_at, x.m.reason_n), rows[i].reason);
        assert_int_equal(x.m.hdr_count, 0);
        message_free(&x);
    }
}

/* RFC 3261 7.3.1 and 7.3.3: white space before the colon, folding, compact forms, any case */
static void test_msg_rows_are_known_in_every_form(void **state)
{
    (void)state;
    static const struct {
        const char *row;
        enum sw_hdr_id id;
        const char *value;
    } rows[] = {
        {"Subject: lunch\r\n", SW_HDR_SUBJECT, "lunch"},
        {"Subject      :      lunch\r\n", SW_HDR_SUBJECT, "lunch"},
        {"sUbJeCt\t:lunch\r\n", SW_HDR_SUBJECT, "lunch"},
        {"s:lunch\r\n", SW_HDR_SUBJECT, "lunch"},
        {"V: SIP/2.0/UDP h\r\n", SW_HDR_VIA, "SIP/2.0/UDP h"},
        {"Subject: pick up\r\n  the phone\r\n\tnow\r\n", SW_HDR_SUBJECT,
         "pick up\r\n  the phone\r\n\tnow"},
        {"Subject:\r\n lunch\r\n", SW_HDR_SUBJECT, "lunch"},
        {"Subject: lunch\r\n \r\n", SW_HDR_SUBJECT, "lunch"},
        {"Subject:\r\n", SW_HDR_SUBJECT, ""},
        {"Subject: a: b\r\n", SW_HDR_SUBJECT, "a: b"},
        {"Sub: x\r\n", SW_HDR_OTHER, "x"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char text[128];
        snprintf(text, sizeof(text), LINE "%s\r\n", rows[i].row);
        message(&x, text);
        assert_int_equal(x.m.hdr_count, 1);
        assert_int_equal(x.hdrs[0].id, rows[i].id);
        assert_slice(sw_hdr_value(&x.m, &x.hdrs[0]), rows[i].value);
        assert_int_equal(x.hdrs[0].end, x.m.blank_at);
        message_free(&x);
    }
}

static void test_msg_rows_with_one_id_are_chained_in_order(void **state)
{
    (void)state;
    message(&x, LINE "v: a\r\nTo: t\r\nVia: b\r\nX: 1\r\nVIA: c\r\n\r\n");
    const struct sw_hdr *h = sw_msg_hdr(&x.m, SW_HDR_VIA);
    for (const char *want = "abc"; *want; want++, h = sw_hdr_next(&x.m, h)) {
        assert_non_null(h);
        assert_int_equal(*sw_hdr_value(&x.m, h).p, *want);
    }
    assert_null(h);
    assert_null(sw_hdr_next(&x.m, sw_msg_hdr(&x.m, SW_HDR_TO)));
    message_free(&x);
}

/* A request with a broken part is indexed, so that it can be answered. RFC 3261 7, 25.1 */
static void test_msg_broken_requests_are_indexed_and_say_so(void **state)
{
    (void)state;
    static const struct {
        const char *text, *rule;
    } rows[] = {
        {"INVITE  sip:b SIP/2.0\r\nTo: t\r\n\r\n", "RFC 3261 7.1: Request-URI"},
        {"INVITE sip:b\r\nTo: t\r\n\r\n", "RFC 3261 7.1: Request-URI"},
        {"INVITE\r\nTo: t\r\n\r\n", "RFC 3261 7.1: Method"},
        {"INV@TE sip:b SIP/2.0\r\nTo: t\r\n\r\n", "RFC 3261 7.1: Method"},
        {"INVITE sip:b  SIP/2.0\r\nTo: t\r\n\r\n", "RFC 3261 7.1: SIP-Version"},
        {"INVITE sip:b SIP/2.0 \r\nTo: t\r\n\r\n", "RFC 3261 7.1: SIP-Version"},
        {"INVITE sip:b HTTP/1.1\r\nTo: t\r\n\r\n", "RFC 3261 7.1: SIP-Version"},
        {"INVITE sip:b SIP/2.0\nTo: t\r\n\r\n", "RFC 3261 25.1: LF without CR"},
        {LINE "To: t\n\r\n", "RFC 3261 25.1: LF without CR"},
        {LINE "To: t\r\n\n", "RFC 3261 25.1: LF without CR"},
        {LINE "Subject: a\nTo: t\r\n\r\n", "RFC 3261 25.1: LF without CR"},
        {LINE "To: t\r\nSubject: a\rb\r\n\r\n", "RFC 3261 25.1: CR without LF"},
        {LINE "To: t\r\nSubject: a\r\r\n\r\n", "RFC 3261 25.1: CR without LF"},
        {"INVITE sip:b\r SIP/2.0\r\nTo: t\r\n\r\n", "RFC 3261 25.1: CR without LF"},
        {LINE "To: t\r\nno colon\r\n\r\n", "RFC 3261 7.3.1: header name"},
        {LINE "To: t\r\n: x\r\n\r\n", "RFC 3261 7.3.1: header name"},
        {LINE "To: t\r\nA B: x\r\n\r\n", "RFC 3261 7.3.1: header name"},
        {LINE "To: t\r\nX\r\n : x\r\n\r\n", "RFC 3261 7.3.1: header name"},
        {LINE " folded: x\r\nTo: t\r\n\r\n", "RFC 3261 7.3.1: header name"},
        {LINE "To: t\r\n", "RFC 3261 7: empty line"},
        {LINE "To: t\r\n\r", "RFC 3261 7: empty line"},
        {LINE "To: t\r\n\rbody", "RFC 3261 7: empty line"},
        {LINE "To: t", "RFC 3261 7: CRLF"},
        {LINE "To: t\r", "RFC 3261 7: CRLF"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        enum sw_status s = message_parse(&x, rows[i].text, strlen(rows[i].text));
        if (s != SW_OK || !x.m.bad.rule || strcmp(x.m.bad.rule, rows[i].rule) != 0)
            print_error("row %zu: %s\n", i, x.m.bad.rule ? x.m.bad.rule : "(none)");
        assert_int_equal(s, SW_OK);
        assert_string_equal(x.m.bad.rule, rows[i].rule);
        assert_true(x.m.bad.offset <= x.m.n);
        assert_true(x.m.method_n > 0);
        message_free(&x);
    }
}

static void test_msg_first_broken_part_is_reported(void **state)
{
    (void)state;
    static const char text[] = LINE "To: t\r\nno colon\r\n: x\r\nSubject: a\n\r\n";
    assert_int_equal(message_parse(&x, text, sizeof(text) - 1), SW_OK);
    assert_int_equal(x.m.bad.offset, strlen(LINE "To: t\r\nno "));
    assert_int_equal(x.m.hdr_count, 4);
    message_free(&x);
}

static void test_msg_what_is_no_message_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\r\n",
        "\r\n\r\n",
        " INVITE sip:b SIP/2.0\r\n\r\n",
        "\x16\x03\x01",
        "SIP/2.0 99 Low\r\n\r\n",
        "SIP/2.0 700 High\r\n\r\n",
        "SIP/2.0 2000 OK\r\n\r\n",
        "SIP/2.0 20 OK\r\n\r\n",
        "SIP/2.0 2x0 OK\r\n\r\n",
        "SIP/2.0 1:0 OK\r\n\r\n",
        "SIP/2.0 -20 OK\r\n\r\n",
        " sip:b SIP/2.0\r\n\r\n",
        "SIP/2.0  200 OK\r\n\r\n",
        "SIP/2.0 \r\n\r\n",
        "SIP/2.0 200OK\r\n\r\n",
        "SIP/3.0 200 OK\r\n\r\n",
        "SIP/2.0\t200 OK\r\n\r\n",
        "sip/2.00 200 OK\r\n\r\n",
        "SIP/ sip:b SIP/2.0\r\n\r\n",
        "SIP/2.0 200 OK\nTo: t\r\n\r\n",
        "SIP/2.0 200 OK\r\nno colon\r\n\r\n",
        "SIP/2.0 200 OK\r\nX: a\rb\r\n\r\n",
        "SIP/2.0 200 OK\r\nTo: t\r\n",
    };
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        enum sw_status s = message_parse(&x, texts[i], strlen(texts[i]));
        if (s != SW_PEER_SYNTAX)
            print_error("row %zu\n", i);
        assert_int_equal(s, SW_PEER_SYNTAX);
        assert_non_null(x.m.bad.rule);
        message_free(&x);
    }
}

static void test_msg_rows_have_a_limit(void **state)
{
    (void)state;
    for (unsigned count = SW_HDRS_MAX - 1; count <= SW_HDRS_MAX + 1; count++) {
        char text[SW_HDRS_MAX * 8];
        size_t n = (size_t)sprintf(text, LINE);
        for (unsigned i = 0; i < count; i++)
            n += (size_t)sprintf(text + n, "v:x\r\n");
        n += (size_t)sprintf(text + n, "\r\n");
        enum sw_status s = message_parse(&x, text, n);
        assert_int_equal(s, count <= SW_HDRS_MAX ? SW_OK : SW_LIMIT);
        assert_int_equal(x.m.hdr_count, count <= SW_HDRS_MAX ? count : SW_HDRS_MAX);
        message_free(&x);
    }
    struct sw_msg m;
    assert_int_equal(sw_msg_parse(LINE "\r\n", strlen(LINE) + 2, NULL, 0, &m), SW_OK);
    assert_int_equal(sw_msg_parse(LINE "a:b\r\n\r\n", strlen(LINE) + 7, NULL, 0, &m), SW_LIMIT);
}

/* RFC 3261 7.3.1: one value per row, or a list, in any combination */
static void test_msg_values_walk_rows_and_lists_alike(void **state)
{
    (void)state;
    static const char *const texts[] = {
        LINE "Route: <sip:alice@atlanta.com>\r\nSubject: Lunch\r\nRoute: <sip:bob@biloxi.com>\r\n"
             "Route: <sip:carol@chicago.com>\r\n\r\n",
        LINE "Route: <sip:alice@atlanta.com>, <sip:bob@biloxi.com>\r\n"
             "Route: <sip:carol@chicago.com>\r\nSubject: Lunch\r\n\r\n",
        LINE "Subject: Lunch\r\nRoute: <sip:alice@atlanta.com>, <sip:bob@biloxi.com>,\r\n"
             "       <sip:carol@chicago.com>\r\n\r\n",
        LINE "Route: <sip:alice@atlanta.com> ,\r\n\t<sip:bob@biloxi.com>\r\n"
             "Route: \r\n <sip:carol@chicago.com>\r\n\r\n",
    };
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        struct sw_addr a;
        message(&x, texts[i]);
        struct sw_values values = sw_values(&x.m, SW_HDR_ROUTE);
        assert_int_equal(sw_values_addr(&values, &a), SW_OK);
        assert_slice(a.uri, "sip:alice@atlanta.com");
        assert_int_equal(sw_values_addr(&values, &a), SW_OK);
        assert_slice(a.uri, "sip:bob@biloxi.com");
        assert_int_equal(sw_values_addr(&values, &a), SW_OK);
        assert_slice(a.uri, "sip:carol@chicago.com");
        assert_int_equal(sw_values_addr(&values, &a), SW_AGAIN);
        assert_int_equal(sw_values_addr(&values, &a), SW_AGAIN);
        message_free(&x);
    }
}

static void test_msg_values_know_via_and_tokens(void **state)
{
    (void)state;
    struct sw_via via;
    struct sw_slice t;
    message(&x, LINE "Via: SIP/2.0/UDP a, SIP/2.0/TLS b\r\nv: SIP/2.0/TCP c\r\n"
                     "Require: 100rel , timer\r\nRequire: path\r\n"
                     "Supported:\r\nk: gruu\r\nk: \r\n\r\n");
    struct sw_values values = sw_values(&x.m, SW_HDR_VIA);
    for (const char *want = "abc"; *want; want++) {
        assert_int_equal(sw_values_via(&values, &via), SW_OK);
        assert_int_equal(*via.host.p, *want);
        assert_ptr_equal(values.hdr, *want == 'c' ? &x.hdrs[1] : &x.hdrs[0]);
    }
    assert_int_equal(sw_values_via(&values, &via), SW_AGAIN);
    values = sw_values(&x.m, SW_HDR_REQUIRE);
    static const char *const tokens[] = {"100rel", "timer", "path"};
    for (size_t i = 0; i < UNIT_COUNT(tokens); i++) {
        assert_int_equal(sw_values_token(&values, &t), SW_OK);
        assert_slice(t, tokens[i]);
    }
    assert_int_equal(sw_values_token(&values, &t), SW_AGAIN);
    values = sw_values(&x.m, SW_HDR_SUPPORTED); /* RFC 3261 20.37, 25.1: it may be empty */
    assert_int_equal(sw_values_token(&values, &t), SW_OK);
    assert_slice(t, "gruu");
    assert_int_equal(sw_values_token(&values, &t), SW_AGAIN);
    values = sw_values(&x.m, SW_HDR_PROXY_REQUIRE);
    assert_int_equal(sw_values_token(&values, &t), SW_AGAIN);
    message_free(&x);
}

static void test_msg_values_refuse_what_is_no_list(void **state)
{
    (void)state;
    static const char *const texts[] = {LINE "Require: a b\r\nRoute: <sip:a> x\r\n\r\n",
                                        LINE "Require: ,a\r\nRoute: ,<sip:a>\r\n\r\n",
                                        LINE "Require: a;b\r\nRoute: sip:a?x\r\n\r\n"};
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        struct sw_slice t;
        struct sw_addr a;
        message(&x, texts[i]);
        struct sw_values values = sw_values(&x.m, SW_HDR_REQUIRE);
        assert_int_equal(sw_values_token(&values, &t), SW_PEER_SYNTAX);
        values = sw_values(&x.m, SW_HDR_ROUTE);
        assert_int_equal(sw_values_addr(&values, &a), SW_PEER_SYNTAX);
        message_free(&x);
    }
}

/* RFC 3261 25.1: 1#value, so a row is not empty, and no comma is the first or the last */
static void test_msg_values_refuse_empty_rows_and_commas_without_value(void **state)
{
    (void)state;
    static const struct {
        const char *rows;
        unsigned good; /* values before the mistake */
    } texts[] = {
        {"Require:\r\nRoute:\r\n", 0},
        {"Require: \t\r\nRoute: \r\n \r\n", 0},
        {"Require: ,\r\nRoute: ,\r\n", 0},
        {"Require: a,\r\nRoute: <sip:a>,\r\n", 0},
        {"Require: a , \r\nRoute: <sip:a> ,\r\n \r\n", 0},
        {"Require: a,,b\r\nRoute: <sip:a>,,<sip:b>\r\n", 1},
        {"Require: a\r\nRequire:\r\nRoute: <sip:a>\r\nRoute:\r\n", 1},
        {"Require: a\r\nRequire:\r\nRequire: b\r\nRoute: <sip:a>\r\nRoute:\r\nRoute: <sip:b>\r\n",
         1},
        {"Require: a, b,\r\nRequire: c\r\nRoute: <sip:a>, <sip:b>,\r\nRoute: <sip:c>\r\n", 1},
    };
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        char text[512];
        struct sw_slice t;
        struct sw_addr a;
        snprintf(text, sizeof(text), LINE "%s\r\n", texts[i].rows);
        message(&x, text);
        struct sw_values tokens = sw_values(&x.m, SW_HDR_REQUIRE);
        struct sw_values addrs = sw_values(&x.m, SW_HDR_ROUTE);
        for (unsigned k = 0; k < texts[i].good; k++) {
            assert_int_equal(sw_values_token(&tokens, &t), SW_OK);
            assert_int_equal(sw_values_addr(&addrs, &a), SW_OK);
        }
        assert_int_equal(sw_values_token(&tokens, &t), SW_PEER_SYNTAX);
        assert_int_equal(sw_values_addr(&addrs, &a), SW_PEER_SYNTAX);
        message_free(&x);
    }
}

/* Start line, rows, empty line and body lie one behind the other and leave no byte out. */
static void assert_tiled(const struct sw_msg *m)
{
    uint32_t at = m->headers_at;
    for (uint32_t i = 0; i < m->hdr_count; i++) {
        const struct sw_hdr *h = &m->hdrs[i];
        assert_int_equal(h->at, at);
        assert_true(h->at + h->name_n <= h->value && h->value + h->value_n <= h->end);
        at = h->end;
    }
    assert_int_equal(m->blank_at, at);
    assert_true(m->blank_at <= m->body_at && m->body_at <= m->n);
    assert_true(m->bad.rule || m->body_at == at + 2);
}

static const char sample[] = LINE "v: SIP/2.0/UDP h;branch=z9hG4bKa\r\nTo: <sip:b>\r\n"
                                  "Subject: a\r\n b\r\nCall-ID: 1\r\nl: 4\r\n\r\nbody";

static void test_msg_truncation_anywhere_is_noticed(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof(sample) - 1; n++) {
        bool whole = n >= sizeof(sample) - 1 - 4;
        if (message_parse(&x, sample, n) == SW_OK)
            assert_tiled(&x.m);
        assert_int_equal(x.m.bad.rule == NULL, whole);
        message_free(&x);
    }
}

static void test_msg_changed_bytes_keep_the_index_whole(void **state)
{
    (void)state;
    struct rng r = rng_start(__func__);
    static const char bytes[] = "\r\n\r\n :\t,;a\0\xff";
    unsigned parsed = 0;
    for (int round = 0; round < 50000; round++) {
        char text[sizeof(sample) - 1];
        memcpy(text, sample, sizeof(text));
        for (uint64_t k = 1 + rng_below(&r, 4); k > 0; k--)
            text[rng_below(&r, sizeof(text))] = bytes[rng_below(&r, sizeof(bytes) - 1)];
        if (message_parse(&x, text, sizeof(text)) == SW_OK) {
            assert_tiled(&x.m);
            parsed++;
        }
        message_free(&x);
    }
    assert_true(parsed > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_msg_request_is_indexed),
        cmocka_unit_test(test_msg_status_line_is_read),
        cmocka_unit_test(test_msg_rows_are_known_in_every_form),
        cmocka_unit_test(test_msg_rows_with_one_id_are_chained_in_order),
        cmocka_unit_test(test_msg_broken_requests_are_indexed_and_say_so),
        cmocka_unit_test(test_msg_first_broken_part_is_reported),
        cmocka_unit_test(test_msg_what_is_no_message_is_refused),
        cmocka_unit_test(test_msg_rows_have_a_limit),
        cmocka_unit_test(test_msg_values_walk_rows_and_lists_alike),
        cmocka_unit_test(test_msg_values_know_via_and_tokens),
        cmocka_unit_test(test_msg_values_refuse_what_is_no_list),
        cmocka_unit_test(test_msg_values_refuse_empty_rows_and_commas_without_value),
        cmocka_unit_test(test_msg_truncation_anywhere_is_noticed),
        cmocka_unit_test(test_msg_changed_bytes_keep_the_index_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

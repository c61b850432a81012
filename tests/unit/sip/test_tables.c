#include "support/unit.h"

#include "sip/tables.h"

static const struct {
    const char *name;
    enum sw_hdr_id id;
    enum sw_hdr_kind kind;
    char compact;
} headers[] = {
    {"Via", SW_HDR_VIA, SW_KIND_LIST, 'v'},
    {"Route", SW_HDR_ROUTE, SW_KIND_LIST, 0},
    {"Record-Route", SW_HDR_RECORD_ROUTE, SW_KIND_LIST, 0},
    {"From", SW_HDR_FROM, SW_KIND_ONE, 'f'},
    {"To", SW_HDR_TO, SW_KIND_ONE, 't'},
    {"Call-ID", SW_HDR_CALL_ID, SW_KIND_ONE, 'i'},
    {"CSeq", SW_HDR_CSEQ, SW_KIND_ONE, 0},
    {"Contact", SW_HDR_CONTACT, SW_KIND_LIST, 'm'},
    {"Max-Forwards", SW_HDR_MAX_FORWARDS, SW_KIND_ONE, 0},
    {"Content-Length", SW_HDR_CONTENT_LENGTH, SW_KIND_ONE, 'l'},
    {"Content-Type", SW_HDR_CONTENT_TYPE, SW_KIND_ONE, 'c'},
    {"Content-Encoding", SW_HDR_CONTENT_ENCODING, SW_KIND_LIST, 'e'},
    {"Proxy-Require", SW_HDR_PROXY_REQUIRE, SW_KIND_LIST, 0},
    {"Require", SW_HDR_REQUIRE, SW_KIND_LIST, 0},
    {"Supported", SW_HDR_SUPPORTED, SW_KIND_LIST, 'k'},
    {"Unsupported", SW_HDR_UNSUPPORTED, SW_KIND_LIST, 0},
    {"Expires", SW_HDR_EXPIRES, SW_KIND_ONE, 0},
    {"Retry-After", SW_HDR_RETRY_AFTER, SW_KIND_ONE, 0},
    {"Timestamp", SW_HDR_TIMESTAMP, SW_KIND_ONE, 0},
    {"Authorization", SW_HDR_AUTHORIZATION, SW_KIND_MANY, 0},
    {"Proxy-Authorization", SW_HDR_PROXY_AUTHORIZATION, SW_KIND_MANY, 0},
    {"WWW-Authenticate", SW_HDR_WWW_AUTHENTICATE, SW_KIND_MANY, 0},
    {"Proxy-Authenticate", SW_HDR_PROXY_AUTHENTICATE, SW_KIND_MANY, 0},
    {"Max-Breadth", SW_HDR_MAX_BREADTH, SW_KIND_ONE, 0},
    {"Path", SW_HDR_PATH, SW_KIND_LIST, 0},
    {"Service-Route", SW_HDR_SERVICE_ROUTE, SW_KIND_LIST, 0},
    {"Event", SW_HDR_EVENT, SW_KIND_ONE, 'o'},
    {"Allow-Events", SW_HDR_ALLOW_EVENTS, SW_KIND_LIST, 'u'},
    {"Refer-To", SW_HDR_REFER_TO, SW_KIND_ONE, 'r'},
    {"Referred-By", SW_HDR_REFERRED_BY, SW_KIND_ONE, 'b'},
    {"Subject", SW_HDR_SUBJECT, SW_KIND_ONE, 's'},
    {"Session-Expires", SW_HDR_SESSION_EXPIRES, SW_KIND_ONE, 'x'},
    {"Accept-Contact", SW_HDR_ACCEPT_CONTACT, SW_KIND_LIST, 'a'},
    {"Reject-Contact", SW_HDR_REJECT_CONTACT, SW_KIND_LIST, 'j'},
    {"Request-Disposition", SW_HDR_REQUEST_DISPOSITION, SW_KIND_LIST, 'd'},
    {"Identity", SW_HDR_IDENTITY, SW_KIND_LIST, 'y'},
    {"Warning", SW_HDR_WARNING, SW_KIND_LIST, 0},
    {"Date", SW_HDR_DATE, SW_KIND_ONE, 0},
    {"Min-Expires", SW_HDR_MIN_EXPIRES, SW_KIND_ONE, 0},
    {"P-Asserted-Identity", SW_HDR_P_ASSERTED_IDENTITY, SW_KIND_LIST, 0},
    {"P-Preferred-Identity", SW_HDR_P_PREFERRED_IDENTITY, SW_KIND_LIST, 0},
    {"Privacy", SW_HDR_PRIVACY, SW_KIND_MANY, 0},
    {"Security-Client", SW_HDR_SECURITY_CLIENT, SW_KIND_LIST, 0},
    {"Security-Server", SW_HDR_SECURITY_SERVER, SW_KIND_LIST, 0},
    {"Security-Verify", SW_HDR_SECURITY_VERIFY, SW_KIND_LIST, 0},
};

static void test_tables_methods_have_one_name_each(void **state)
{
    (void)state;
    for (int m = SW_INVITE; m < SW_METHOD_OTHER; m++) {
        struct sw_slice name = sw_method_name((enum sw_method)m);
        assert_true(name.n > 0);
        assert_int_equal(sw_method_find(name), m);
    }
    assert_int_equal(sw_method_name(SW_METHOD_OTHER).n, 0);
}

/* RFC 3261 7.1: method names are case-sensitive */
static void test_tables_other_spellings_of_a_method_are_extensions(void **state)
{
    (void)state;
    const char *const others[] = {"", "invite", "Invite", "INVIT", "INVITES", " INVITE", "FOO"};
    for (size_t i = 0; i < UNIT_COUNT(others); i++)
        assert_int_equal(sw_method_find(sw_slice_str(others[i])), SW_METHOD_OTHER);
    assert_int_equal(sw_method_find(sw_slice("BYE\0", 4)), SW_METHOD_OTHER);
    assert_int_equal(sw_method_find((struct sw_slice){NULL, 0}), SW_METHOD_OTHER);
}

static void test_tables_every_header_is_listed_here(void **state)
{
    (void)state;
    assert_int_equal(UNIT_COUNT(headers), SW_HDR_COUNT - 1);
    for (size_t i = 0; i < UNIT_COUNT(headers); i++)
        assert_int_equal(headers[i].id, i + 1);
}

/* RFC 3261 7.3.1: field names are case-insensitive */
static void test_tables_header_names_are_found_in_any_case(void **state)
{
    (void)state;
    struct rng r = rng_start(__func__);
    for (size_t i = 0; i < UNIT_COUNT(headers); i++) {
        struct sw_slice name = sw_slice_str(headers[i].name);
        char text[32];
        for (int round = 0; round < 8; round++) {
            for (size_t k = 0; k < name.n; k++) {
                char c = name.p[k], low = sw_ascii_lower(c);
                text[k] = low >= 'a' && low <= 'z' && rng_below(&r, 2) ? (char)(c ^ 0x20) : c;
            }
            assert_int_equal(sw_hdr_find(sw_slice(text, name.n)), headers[i].id);
        }
    }
}

/* RFC 3261 7.3.3 */
static void test_tables_compact_forms_are_found_in_any_case(void **state)
{
    (void)state;
    enum sw_hdr_id wanted[256] = {SW_HDR_OTHER};
    for (size_t i = 0; i < UNIT_COUNT(headers); i++)
        if (headers[i].compact) {
            wanted[(uint8_t)headers[i].compact] = headers[i].id;
            wanted[(uint8_t)headers[i].compact ^ 0x20] = headers[i].id;
        }
    for (int c = 0; c < 256; c++) {
        char text = (char)c;
        assert_int_equal(sw_hdr_find(sw_slice(&text, 1)), wanted[c]);
    }
}

static void test_tables_near_misses_are_other_headers(void **state)
{
    (void)state;
    const char *const others[] = {"",
                                  "Via ",
                                  " Via",
                                  "Vi",
                                  "Vias",
                                  "Call_ID",
                                  "CallID",
                                  "User-Agent",
                                  "Allow",
                                  "Accept",
                                  "Seventeen-Letters",
                                  "\x16ia",
                                  "\xd6ia",
                                  "Record-Routes-Of-Twenty-Four"};
    for (size_t i = 0; i < UNIT_COUNT(others); i++)
        assert_int_equal(sw_hdr_find(sw_slice_str(others[i])), SW_HDR_OTHER);
    assert_int_equal(sw_hdr_find(sw_slice("To\0", 3)), SW_HDR_OTHER);
    assert_int_equal(sw_hdr_find((struct sw_slice){NULL, 0}), SW_HDR_OTHER);
}

static void test_tables_one_changed_letter_is_another_header(void **state)
{
    (void)state;
    for (size_t i = 0; i < UNIT_COUNT(headers); i++) {
        struct sw_slice name = sw_slice_str(headers[i].name);
        struct sw_slice copy = unit_exact(name.p, name.n);
        char *p = (char *)(uintptr_t)copy.p;
        for (size_t k = 0; k < name.n; k++) {
            for (int c = 0; c < 128; c++) {
                p[k] = (char)c;
                if (!sw_slice_eq_case(copy, name))
                    assert_int_not_equal(sw_hdr_find(copy), headers[i].id);
            }
            p[k] = '!';
            assert_int_equal(sw_hdr_find(copy), SW_HDR_OTHER);
            p[k] = (char)(name.p[k] ^ 0x80);
            assert_int_equal(sw_hdr_find(copy), SW_HDR_OTHER);
            p[k] = name.p[k];
        }
        unit_free(copy);
    }
}

/* RFC 3261 7.3.1: the four headers of authentication repeat without being lists */
static void test_tables_kinds_say_how_values_repeat(void **state)
{
    (void)state;
    for (size_t i = 0; i < UNIT_COUNT(headers); i++)
        assert_int_equal(sw_hdr_kind(headers[i].id), headers[i].kind);
    assert_int_equal(sw_hdr_kind(SW_HDR_OTHER), SW_KIND_MANY);
}

/* RFC 3261 21 */
static void test_tables_reasons_are_the_usual_phrases(void **state)
{
    (void)state;
    static const struct {
        unsigned code;
        const char *text;
    } rows[] = {
        {100, "Trying"},
        {180, "Ringing"},
        {200, "OK"},
        {302, "Moved Temporarily"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {408, "Request Timeout"},
        {416, "Unsupported URI Scheme"},
        {480, "Temporarily Unavailable"},
        {481, "Call/Transaction Does Not Exist"},
        {482, "Loop Detected"},
        {483, "Too Many Hops"},
        {487, "Request Terminated"},
        {503, "Service Unavailable"},
        {513, "Message Too Large"},
        {606, "Not Acceptable"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        assert_string_equal(sw_reason(rows[i].code), rows[i].text);
}

static void test_tables_every_code_has_a_reason_of_one_line(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 1000; code++) {
        const char *reason = sw_reason(code);
        assert_true(*reason);
        assert_null(strpbrk(reason, "\r\n"));
        assert_int_equal(strcmp(reason, "Unknown") == 0, code < 100 || code > 699);
    }
    assert_string_equal(sw_reason(499), "Request Failed");
    assert_string_equal(sw_reason(UINT32_MAX), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_methods_have_one_name_each),
        cmocka_unit_test(test_tables_other_spellings_of_a_method_are_extensions),
        cmocka_unit_test(test_tables_every_header_is_listed_here),
        cmocka_unit_test(test_tables_header_names_are_found_in_any_case),
        cmocka_unit_test(test_tables_compact_forms_are_found_in_any_case),
        cmocka_unit_test(test_tables_near_misses_are_other_headers),
        cmocka_unit_test(test_tables_one_changed_letter_is_another_header),
        cmocka_unit_test(test_tables_kinds_say_how_values_repeat),
        cmocka_unit_test(test_tables_reasons_are_the_usual_phrases),
        cmocka_unit_test(test_tables_every_code_has_a_reason_of_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

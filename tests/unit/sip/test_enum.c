#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sip/enum.h"
#include "sip/ere.h"
#include "support/zone.h"
#include <stdio.h>

static struct zone zone;
static struct sw_enum at;
static struct sw_slab slab;

static int fresh(void **state)
{
    (void)state;
    memset(&zone, 0, sizeof(zone));
    sw_slab_init(&slab);
    return 0;
}

static const char *number(const char *uri)
{
    static char out[SW_ENUM_NUMBER_MAX + 1];
    struct sw_uri u;
    assert_int_equal(sw_uri_parse(sw_slice_str(uri), &u, NULL), SW_OK);
    return sw_enum_number(&u, out) ? out : NULL;
}

static const char *substitute(const char *expression, const char *text)
{
    static char out[256];
    struct sw_buf b = sw_buf(out, sizeof(out) - 1);
    enum sw_status s = sw_ere_substitute(sw_slice_str(expression), sw_slice_str(text), &slab, &b);
    out[b.n] = 0;
    return s == SW_OK ? out : s == SW_AGAIN ? "no match" : s == SW_PEER_SYNTAX ? "syntax" : "limit";
}

static enum sw_enum_end look_up(const char *n)
{
    sw_enum_start(&at, n, SW_SLICE("e164.arpa"));
    for (int i = 0; sw_enum_next(&at); i++) {
        assert_true(i <= SW_ENUM_CHAIN_MAX);
        struct sw_dns_answer a = zone_answer(&zone, sw_enum_next(&at));
        sw_enum_answer(&at, &a, &slab);
    }
    return (enum sw_enum_end)at.end;
}

/* RFC 3966 5.1.4, RFC 6116 3.1 */
static void test_enum_reads_global_numbers(void **state)
{
    (void)state;
    assert_string_equal(number("tel:+44-1632-960(083)"), "+441632960083");
    assert_string_equal(number("sip:+49.30.1234;isub=1@example.test;user=phone"), "+49301234");
    assert_null(number("sip:+49301234@example.test"));
    assert_null(number("tel:0301234;phone-context=+49"));
    assert_null(number("tel:+1234567890123456789012345"));
    assert_null(number("sip:alice@example.test;user=phone"));
    /* letters written as their codes: RFC 3261 19.1.4 */
    assert_string_equal(number("sip:+49%33%30%2d1@example.test;user=phone"), "+49301");
    assert_string_equal(number("sip:%2B4930@example.test;user=phone"),
                        "+4930"); /* as routes see it */
    assert_string_equal(number("sip:%2b49%2E30;isub=1@example.test;user=phone"), "+4930");
    assert_null(number("sip:%2B4930@example.test"));
    assert_null(number("sip:+49%0030@example.test;user=phone"));
}

/* RFC 3402 3.2: delimiters, back references, flag "i" */
static void test_ere_substitutes(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"!^.*$!sip:info@example.com!", "+441632960083", "sip:info@example.com"},
        {"!^(\\+441632960083)$!sip:\\1@example.com!", "+441632960083",
         "sip:+441632960083@example.com"},
        {"!^\\+44([0-9]{4})([0-9]*)$!sip:\\2-\\1@x!", "+441632960083", "sip:960083-1632@x"},
        {"/^\\+(1|44)(.+)$/sip:\\1.\\2\\/y/", "+441632", "sip:44.1632/y"},
        {"!^\\+4{2,3}[^2-9](6|x)?.{0,}$!ok\\1!", "+441632", "ok6"},
        {"!(a)(b)?(c)*!\\1-\\2-\\3!i", "xABq", "A-B-"},
        {"![[:digit:]]+$!n!", "+12", "n"},
        {"!^x!n!", "+12", "no match"},
        {"!(a*)*b!n!", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "no match"},
        {"!a!\\1!", "a", "syntax"},
        {"!a!b", "a", "syntax"},
        {"!a!b!x", "a", "syntax"},
        {"!(a!b!", "a", "syntax"},
        {"!a)!b!", "a", "syntax"},
        {"!*a!b!", "a", "syntax"},
        {"![a!b!", "a", "syntax"},
        {"!a{3,2}!b!", "a", "syntax"},
        {"1a1b1", "a", "syntax"},
        {"", "a", "syntax"},
        {"!((((((((((a))))))))))!b!", "a", "syntax"},
        {"!(((a{32}){32}){32}){32}!b!", "a", "syntax"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(substitute(cases[i][0], cases[i][1]), cases[i][2]);
}

/* The example of RFC 6116 4 */
static void test_enum_finds_the_preferred_sip_uri(void **state)
{
    (void)state;
    const char *n = "3.8.0.0.6.9.2.3.6.1.4.4.e164.arpa";
    zone_naptr(&zone, n, 100, 52, "u", "E2U+email:mailto", "!^.*$!mailto:info@example.com!", "");
    zone_naptr(&zone, n, 100, 51, "U", "e2u+voice:tel+sip", "!^.*$!sip:second@example.com!", "");
    zone_naptr(&zone, n, 100, 50, "u", "E2U+sip", "!^(\\+441632960083)$!sip:\\1@example.com!", "");
    assert_int_equal(look_up("+441632960083"), SW_ENUM_FOUND);
    assert_string_equal(at.uri, "sip:+441632960083@example.com");
    assert_string_equal(at.question[0].name, n);
}

/* Other services, other flags, and what leads to no sip URI: RFC 6116 3.4.2, 3.4.3 */
static void test_enum_leaves_out_what_is_not_sip(void **state)
{
    (void)state;
    const char *n = "2.1.e164.arpa";
    zone_naptr(&zone, n, 1, 1, "u", "E2U+h323", "!^.*$!h323:a@b!", "");
    zone_naptr(&zone, n, 1, 2, "s", "E2U+sip", "", "_sip._udp.x.test");
    zone_naptr(&zone, n, 1, 3, "u", "E2U+sip", "!^.*$!mailto:a@b!", "");
    zone_naptr(&zone, n, 1, 4, "u", "E2U+sip", "!^.*$!sip:a@b c!", "");
    zone_naptr(&zone, n, 1, 5, "u", "SIPS+E2U", "!^.*$!sip:old@b!", "");
    zone_naptr(&zone, n, 1, 6, "u", "E2U+sip", "!^.*$!sip:a@b?Route=%3Csip:x%3E!", "");
    assert_int_equal(look_up("+12"), SW_ENUM_NO_NUMBER);
    assert_int_equal(look_up("+13"), SW_ENUM_NO_NUMBER);
}

/* "ENUM clients SHOULD also support ENUM NAPTRs according to the obsolete syntax": RFC 6116 5.2 */
static void test_enum_reads_the_services_of_rfc_2916(void **state)
{
    (void)state;
    const char *n = "2.1.e164.arpa";
    zone_naptr(&zone, n, 1, 1, "u", "tel+E2U", "!^.*$!tel:+1!", "");
    zone_naptr(&zone, n, 1, 2, "u", "SIP+e2u", "!^.*$!sip:old@example.com!", "");
    assert_int_equal(look_up("+12"), SW_ENUM_FOUND);
    assert_string_equal(at.uri, "sip:old@example.com");
}

/* "MUST be able to detect and recover from such a loop"; "continue at the next NAPTR": RFC
 * 6116 5.2.1 */
static void test_enum_follows_other_names_and_comes_back(void **state)
{
    (void)state;
    char name[32], next[32];
    zone_naptr(&zone, "2.1.e164.arpa", 1, 1, "", "", "", "c1.test");
    zone_naptr(&zone, "2.1.e164.arpa", 1, 2, "", "E2U+x", "ignored", "gone.test");
    zone_naptr(&zone, "2.1.e164.arpa", 1, 3, "u", "E2U+sip", "!^.*$!sips:last@b!", "");
    zone_naptr(&zone, "c1.test", 1, 1, "", "", "", "2.1.e164.arpa"); /* a circle */
    assert_int_equal(look_up("+12"), SW_ENUM_FOUND);
    assert_string_equal(at.uri, "sips:last@b");
    assert_int_equal(at.asked, 3);
    fresh(NULL);
    for (int i = 0; i < 20; i++) { /* a chain without end */
        snprintf(name, sizeof(name), "c%d.test", i);
        snprintf(next, sizeof(next), "c%d.test", i + 1);
        zone_naptr(&zone, i ? name : "2.1.e164.arpa", 1, 1, "", "", "", next);
    }
    assert_int_equal(look_up("+12"), SW_ENUM_NO_NUMBER);
    assert_int_equal(at.asked, SW_ENUM_CHAIN_MAX + 1);
}

/* "the client [...] continue[s] processing": further records, in order, also of other names. RFC
 * 6116 3.4.2, 5.2.1 */
static void test_enum_goes_on_behind_a_uri_that_leads_nowhere(void **state)
{
    (void)state;
    zone_naptr(&zone, "2.1.e164.arpa", 1, 3, "u", "E2U+sip", "!^.*$!sip:third@b!", "");
    zone_naptr(&zone, "2.1.e164.arpa", 1, 1, "u", "E2U+sip", "!^.*$!sip:first@b!", "");
    zone_naptr(&zone, "2.1.e164.arpa", 1, 2, "", "", "", "c1.test");
    zone_naptr(&zone, "c1.test", 9, 9, "u", "E2U+sip", "!^.*$!sip:second@b!", "");
    assert_int_equal(look_up("+12"), SW_ENUM_FOUND);
    assert_string_equal(at.uri, "sip:first@b");
    sw_enum_pass(&at);
    assert_string_equal(sw_enum_next(&at)->name, "c1.test");
    sw_enum_pass(&at); /* it has not come to one: nothing */
    struct sw_dns_answer a = zone_answer(&zone, sw_enum_next(&at));
    sw_enum_answer(&at, &a, &slab);
    assert_string_equal(at.uri, "sip:second@b");
    sw_enum_pass(&at);
    assert_int_equal(at.end, SW_ENUM_FOUND);
    assert_string_equal(at.uri, "sip:third@b");
    sw_enum_pass(&at);
    assert_int_equal(at.end, SW_ENUM_NO_NUMBER);
    assert_string_equal(at.why, "ENUM knows no further SIP URI for the number");
}

static void test_enum_tells_failures_from_absence(void **state)
{
    (void)state;
    char text[400];
    struct sw_buf b = sw_buf(text, sizeof(text) - 1);
    zone_fail(&zone, "2.1.e164.arpa", SW_DNS_NAPTR, SW_PEER_DNS);
    assert_int_equal(look_up("+12"), SW_ENUM_SILENT);
    sw_enum_put_reason(&b, &at);
    text[b.n] = 0;
    assert_string_equal(text, "+12: the name servers fail or do not answer: NAPTR 2.1.e164.arpa: "
                              "peer_dns");
    fresh(NULL);
    zone_fail(&zone, "2.1.e164.arpa", SW_DNS_NAPTR, SW_DENIED_BOGUS);
    assert_int_equal(look_up("+12"), SW_ENUM_BOGUS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_enum_reads_global_numbers, fresh),
        cmocka_unit_test_setup(test_ere_substitutes, fresh),
        cmocka_unit_test_setup(test_enum_finds_the_preferred_sip_uri, fresh),
        cmocka_unit_test_setup(test_enum_leaves_out_what_is_not_sip, fresh),
        cmocka_unit_test_setup(test_enum_reads_the_services_of_rfc_2916, fresh),
        cmocka_unit_test_setup(test_enum_follows_other_names_and_comes_back, fresh),
        cmocka_unit_test_setup(test_enum_goes_on_behind_a_uri_that_leads_nowhere, fresh),
        cmocka_unit_test_setup(test_enum_tells_failures_from_absence, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

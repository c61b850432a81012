/* Numbers with several records: those that can be used for the request are tried in order. RFC 6116
 * 3.4.2 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/station.h"
#include "sim/locate.h"

#include <stdio.h>

static const char SEVEN[] = "7.1.e164.arpa";

/* Records of +17 in their order, and what can be reached: other.test is at `one`. */
static void number_zone(struct zone *z, const char *const *uris, unsigned n)
{
    char rule[128];
    for (unsigned i = 0; i < n && uris[i]; i++) {
        snprintf(rule, sizeof(rule), "!^.*$!%s!", uris[i]);
        zone_naptr(z, SEVEN, 10, i, "u", "E2U+sip", rule, "");
    }
    zone_srv(z, "_sips._tcp.other.test", 1, 0, 5061, "one.hoster.test");
    zone_address(z, "one.hoster.test", "10.0.0.11");
    zone_fail(z, "silent.test", SW_DNS_NAPTR, SW_PEER_DNS);
    zone_fail(z, "forged.test", SW_DNS_NAPTR, SW_DENIED_BOGUS);
}

static void number_scene(struct located *x)
{
    located_init(x, "other.test");
    conf_peer(&x->gate.conf, "shy", "10.0.0.13:5061", SW_TLS, "shy.test")->sips = SW_SIPS_DENY;
    conf_peer(&x->gate.conf, "strict", "10.0.0.14:5061", SW_TLS, "strict.test")->sips =
        SW_SIPS_REQUIRE;
    x->gate.conf.routes[0].method = SW_SLICE("INVITE");
    route_lookup(&x->gate.conf, SW_LOOKUP_ENUM);
    located_start(x);
}

static void ask(struct located *x, bool sips)
{
    if (!sips) {
        send_request(x, "MESSAGE", "sip:+17@example.test;user=phone", "n1", "");
        return;
    }
    raw_send(x->two, "10.0.0.1:5061", SW_TLS,
             "MESSAGE sips:+17@example.test;user=phone SIP/2.0\r\n"
             "Via: SIP/2.0/TLS 10.0.0.12:5071;branch=z9hG4bK-s\r\nMax-Forwards: 70\r\n"
             "From: <sips:a@b.test>;tag=1\r\nTo: <sips:b@c>\r\nCall-ID: n1\r\nCSeq: 1 MESSAGE\r\n"
             "Content-Length: 0\r\n\r\n");
}

/* RFC 6116 3.4.2; RFC 5630 5.3: a sips request needs a sips URI, and another record may have it */
static void test_numbers_takes_the_first_uri_that_can_be_used(void **state)
{
    static const struct {
        bool sips;
        const char *uris[6];
        const char *outcome; /* the Request-URI that leaves, or the answer */
    } rows[] = {
        {true, {"sip:a@other.test", "sips:b@other.test"}, "sips:b@other.test"},
        {false, {"sip:a@other.test", "sips:b@other.test"}, "sip:a@other.test"},
        {false, {"sips:a@other.test", "sip:b@other.test"}, "sip:a@other.test"},
        {true, {"sips:a@shy.test", "sips:b@other.test"}, "sips:b@other.test"},
        {false, {"sip:a@strict.test", "sip:b@other.test"}, "sip:b@other.test"},
        {false, {"sip:a@example.test", "sip:b@10.0.0.11", "sip:c@other.test"}, "sip:c@other.test"},
        {false, {"sip:a@nowhere.test", "sip:c@other.test"}, "sip:c@other.test"},
        {false, {"sip:a@silent.test", "sip:c@other.test"}, "sip:c@other.test"},
        {false, {"sip:a@other.test;transport=udp", "sip:c@other.test"}, "sip:c@other.test"},
        /* none */
        {true, {"sip:a@other.test", "sip:b@other.test"}, "480 Number Has No SIPS URI"},
        {true, {"sip:a@other.test", "sips:b@nowhere.test"}, "404 Domain Does Not Exist"},
        {true, {"sips:b@example.test", "sip:a@other.test"}, "404 Number Leads Back Here"},
        {false, {"sip:a@nowhere.test", "sip:b@10.0.0.11"}, "404 Number Leads Nowhere"},
        {false, {"sip:a@silent.test", "sip:b@nowhere.test"}, "500 DNS Does Not Answer"},
        {false, {"sip:a@forged.test", "sip:b@nowhere.test"}, "500 DNS Answer Forged"},
        {false, {"sip:a@shy.test", "sip:b@strict.test"}, NULL}, /* nobody is there */
        {false,
         {"sip:a@n1.test", "sip:a@n2.test", "sip:a@n3.test", "sip:a@n4.test", "sip:a@other.test"},
         "404 Number Leads Nowhere"}, /* SW_NUMBER_LOCATED_MAX */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct located x;
        char start[128];
        number_scene(&x);
        number_zone(&x.zone, rows[i].uris, 6);
        ask(&x, rows[i].sips);
        run_ms(&x, 2000);
        const struct raw *asker = rows[i].sips ? x.two : x.pbx;
        bool leaves = rows[i].outcome && strncmp(rows[i].outcome, "sip", 3) == 0;
        snprintf(start, sizeof(start), leaves ? "MESSAGE %s SIP/2.0" : "SIP/2.0 %s",
                 rows[i].outcome ? rows[i].outcome : "500");
        if (raw_count(leaves ? x.one : asker, start) != 1) {
            for (unsigned k = 0; k < asker->count; k++)
                print_error("%s\n", asker->got[k].text);
            fail_msg("row %zu: %s", i, start);
        }
        assert_int_equal(raw_count(x.one, "MESSAGE"), leaves);
        if (leaves)
            raw_answer(x.one, raw_nth(x.one, "MESSAGE", 0), "200 OK", "");
        located_fini(&x);
    }
}

/* The preferred record leads to another name whose servers never answer: when the time is up, it is
 * over, though a URI stands behind it. */
static void test_numbers_end_when_their_time_is_up(void **state)
{
    struct located x;
    (void)state;
    number_scene(&x);
    zone_naptr(&x.zone, SEVEN, 1, 1, "", "", "", "c1.test");
    zone_naptr(&x.zone, SEVEN, 1, 2, "u", "E2U+sip", "!^.*$!sip:b@other.test!", "");
    x.gate.node->dns.delay_min_ms = x.gate.node->dns.delay_max_ms = 1000;
    ask(&x, false);
    run_ms(&x, 500);
    x.gate.node->dns.lost = 1000;
    run_ms(&x, SW_LOCATION_WAIT_MS);
    run_ms(&x, 10000);
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 500 DNS Does Not Answer"), 1);
    located_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_takes_the_first_uri_that_can_be_used),
        cmocka_unit_test(test_numbers_end_when_their_time_is_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

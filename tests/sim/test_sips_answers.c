/* What a request is told whose next hop the DNS or ENUM names, if it must not go there as it is:
 * the status, and the Warning of a 480. RFC 5630 5.3: "380 SIPS Not Allowed", "381 SIPS Required";
 * CONFORMANCE 5630-3, 5630-7 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/locate.h"

#include <stdio.h>

#define NOT_ALLOWED "380 sip.example.test \"SIPS Not Allowed\""
#define REQUIRED    "381 sip.example.test \"SIPS Required\""
#define NUMBER      "+17@example.test;user=phone"

/* A request over TLS from the peer partner.test, by a route with `rule`. */
struct asked {
    const char *uri, *route; /* route "": none */
    enum sw_lookup_rule rule;
    const char *answer, *warning; /* the start of the response; "": no Warning */
};

static void ask(struct located *x, const struct asked *a)
{
    char text[1024];
    snprintf(text, sizeof(text),
             "MESSAGE %s SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.12:5071;branch=z9hG4bK-s\r\n"
             "Max-Forwards: 70\r\n%sFrom: <sip:a@b.test>;tag=1\r\nTo: <sip:b@c>\r\n"
             "Call-ID: s\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
             a->uri, a->route);
    raw_send(x->two, "10.0.0.1:5061", SW_TLS, text);
    run_ms(x, 20000);
}

static void expect(struct located *x, const struct asked *a)
{
    const struct raw_message *m = raw_nth(x->two, "SIP/2.0 ", 0);
    const char *warning = m ? raw_header(m, "Warning") : "";
    bool good = m && strncmp(m->text, a->answer, strlen(a->answer)) == 0 &&
                strcmp(warning, a->warning) == 0;
    if (!good)
        print_error("%s%s:\n%s\n", a->uri, a->route, m ? m->text : "nothing");
    assert_true(good);
    assert_int_equal(raw_count(x->one, "MESSAGE"), 0);
}

/* other.test is nobody's: `zone` says where it is. */
static void one_domain(void (*zone)(struct zone *z), const struct asked *a)
{
    struct located x;
    located_init(&x, "other.test");
    x.gate.conf.routes[0].method = SW_SLICE("INVITE");
    route_lookup(&x.gate.conf, a->rule);
    located_start(&x);
    zone(&x.zone);
    zone_address(&x.zone, "one.hoster.test", "10.0.0.11");
    ask(&x, a);
    expect(&x, a);
    located_fini(&x);
}

static void no_tls(struct zone *z) /* "decidedly not available at this domain": RFC 2782 */
{
    zone_srv(z, "_sips._tcp.other.test", 0, 0, 0, "");
}

static void udp_only(struct zone *z) /* RFC 3263 4.1 */
{
    zone_naptr(z, "other.test", 1, 1, "s", "SIP+D2U", "", "_sip._udp.other.test");
    zone_srv(z, "_sip._udp.other.test", 1, 0, 5060, "one.hoster.test");
    zone_srv(z, "_sips._tcp.other.test", 0, 0, 0, "");
}

static void nothing(struct zone *z)
{
    (void)z;
}

/* A domain that exists and has no way over TLS is "known only by a sip contact". */
static void test_sips_answers_380_to_a_domain_without_tls(void **state)
{
    static const char route[] = "Route: <sips:other.test;lr>\r\n";
    void (*const zones[])(struct zone *) = {no_tls, udp_only};
    (void)state;
    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
        one_domain(zones[i], &(struct asked){"sips:b@other.test", "", SW_LOOKUP_DNS,
                                             "SIP/2.0 480 Domain Has No SIPS Server: other.test",
                                             NOT_ALLOWED});
        one_domain(zones[i], &(struct asked){
                                 "sip:b@far.test", route, SW_LOOKUP_DNS, /* RFC 5630 5.1.1 */
                                 "SIP/2.0 480 Domain Has No SIPS Server: other.test", NOT_ALLOWED});
        one_domain(zones[i],
                   &(struct asked){"sip:b@other.test", "", SW_LOOKUP_DNS,
                                   "SIP/2.0 404 Domain Has No SIP Server: other.test", ""});
    }
    one_domain(nothing, &(struct asked){"sips:b@other.test", "", SW_LOOKUP_DNS,
                                        "SIP/2.0 404 Domain Does Not Exist: other.test", ""});
}

static void number_to_sip(struct zone *z)
{
    zone_naptr(z, "7.1.e164.arpa", 1, 1, "u", "E2U+sip", "!^.*$!sip:x@other.test!", "");
    zone_srv(z, "_sips._tcp.other.test", 1, 0, 5061, "one.hoster.test");
}

static void number_to_no_tls(struct zone *z)
{
    zone_naptr(z, "7.1.e164.arpa", 1, 1, "u", "E2U+sip", "!^.*$!sips:x@other.test!", "");
    no_tls(z);
}

static void numbers_to_no_tls(struct zone *z)
{
    zone_naptr(z, "7.1.e164.arpa", 1, 1, "u", "E2U+sip", "!^.*$!sips:x@other.test!", "");
    zone_naptr(z, "7.1.e164.arpa", 2, 1, "u", "E2U+sip", "!^.*$!sip:x@other.test!", "");
    no_tls(z);
}

static void test_sips_answers_380_to_a_number_without_a_way_over_tls(void **state)
{
    (void)state;
    one_domain(number_to_sip, &(struct asked){"sips:" NUMBER, "", SW_LOOKUP_ENUM,
                                              "SIP/2.0 480 Number Has No SIPS URI", NOT_ALLOWED});
    one_domain(number_to_no_tls,
               &(struct asked){"sips:" NUMBER, "", SW_LOOKUP_ENUM,
                               "SIP/2.0 480 Domain Has No SIPS Server: other.test", NOT_ALLOWED});
    one_domain(number_to_no_tls, &(struct asked){"sip:" NUMBER, "", SW_LOOKUP_ENUM,
                                                 "SIP/2.0 404 Domain Has No SIP Server", ""});
    one_domain(numbers_to_no_tls,
               &(struct asked){"sips:" NUMBER, "", SW_LOOKUP_ENUM,
                               "SIP/2.0 480 Number Has No Way Over TLS", NOT_ALLOWED});
    one_domain(nothing, &(struct asked){"sips:" NUMBER, "", SW_LOOKUP_ENUM,
                                        "SIP/2.0 404 Number Not In ENUM", ""});
}

/* The number's URI is at a peer's domain: its `sips` and `verify` hold as by a route. */
static void test_sips_answers_as_the_peer_of_a_number_demands(void **state)
{
    static const struct {
        const char *is; /* the scheme of the number's URI */
        uint8_t sips, verify;
        struct asked a;
    } rows[] = {
        {"sip",
         SW_SIPS_REQUIRE,
         SW_VERIFY_DOMAIN,
         {"sip:" NUMBER, "", SW_LOOKUP_ENUM, "SIP/2.0 480 Number's Peer Wants SIPS", REQUIRED}},
        {"sips",
         SW_SIPS_REQUIRE,
         SW_VERIFY_DOMAIN, /* a sip request stays one: RFC 5630 5.3 */
         {"sip:" NUMBER, "", SW_LOOKUP_ENUM, "SIP/2.0 480 Number's Peer Wants SIPS", REQUIRED}},
        {"sip",
         SW_SIPS_REQUIRE,
         SW_VERIFY_DOMAIN,
         {"tel:+17", "", SW_LOOKUP_ENUM, "SIP/2.0 480 Number's Peer Wants SIPS", REQUIRED}},
        {"sips",
         SW_SIPS_DENY,
         SW_VERIFY_DOMAIN,
         {"sips:" NUMBER, "", SW_LOOKUP_ENUM, "SIP/2.0 416 Unsupported URI Scheme", ""}},
        {"sips",
         SW_SIPS_ALLOW,
         SW_VERIFY_CHAIN,
         {"sips:" NUMBER, "", SW_LOOKUP_ENUM, "SIP/2.0 480 Number's Peer Has No Proved Name",
          NOT_ALLOWED}},
        {"sip",
         SW_SIPS_ALLOW,
         SW_VERIFY_DOMAIN,
         {"sips:" NUMBER, "", SW_LOOKUP_ENUM, "SIP/2.0 480 Number Has No SIPS URI", NOT_ALLOWED}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct located x;
        char rule[64];
        located_init(&x, "spare.test");
        struct sw_peer_conf *peer =
            conf_peer(&x.gate.conf, "spare", "10.0.0.11:5061", SW_TLS, "spare.test");
        peer->sips = rows[i].sips;
        peer->verify = rows[i].verify;
        x.gate.conf.routes[0].method = SW_SLICE("INVITE");
        route_lookup(&x.gate.conf, SW_LOOKUP_ENUM);
        located_start(&x);
        snprintf(rule, sizeof(rule), "!^.*$!%s:x@spare.test!", rows[i].is);
        zone_naptr(&x.zone, "7.1.e164.arpa", 1, 1, "u", "E2U+sip", rule, "");
        ask(&x, &rows[i].a);
        expect(&x, &rows[i].a);
        located_fini(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sips_answers_380_to_a_domain_without_tls),
        cmocka_unit_test(test_sips_answers_380_to_a_number_without_a_way_over_tls),
        cmocka_unit_test(test_sips_answers_as_the_peer_of_a_number_demands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

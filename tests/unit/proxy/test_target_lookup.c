/* Routes that lead to where the DNS says: what their keys are matched against, and where a Route or
 * maddr may lead. docs/locating.md */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "target.h"

static void add_lookup(enum sw_lookup_rule rule, const char *domain_of)
{
    routes[conf.route_count++] = (struct sw_route_conf){
        .lookup = (uint8_t)rule,
        .domain = domain_of ? sw_slice_str(domain_of) : sw_slice(NULL, 0),
        .suffix = SW_SLICE("e164.arpa"),
    };
}

/* A route with a domain leads there, whatever a sender writes into Route and maddr. */
static void test_target_dns_stays_in_the_domain_of_its_route(void **state)
{
    static const struct {
        const char *uri, *rows;
        unsigned code;
    } cases[] = {
        {"sip:b@example.com", "", 0},
        {"sip:b@Example.COM.", "", 0},
        {"sip:b@other.test", "", 480},
        {"sip:b@example.com", "Route: <sip:evil.test;lr>\r\n", 403},
        {"sip:b@example.com", "Route: <sip:example.com;maddr=evil.test;lr>\r\n", 403},
        {"sip:b@example.com;maddr=evil.test", "", 403},
        {"sip:b@example.com;maddr=192.0.2.1", "", 403},
        {"sip:b@example.com", "Route: <sip:EXAMPLE.com;lr>\r\n", 0},
        {"sip:b@example.com", "Route: <sip:x.test;maddr=example.com;lr>\r\n", 0},
        {"sip:b@example.com;maddr=example.com", "", 0},
    };
    (void)state;
    add_lookup(SW_LOOKUP_DNS, "example.com");
    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        request(SW_PEER_VERIFIED, "INVITE", cases[i].uri, cases[i].rows);
        if (cases[i].code == 480) /* no route matches a stranger's */
            a.flow.peer = peers[PBX].id;
        unsigned code = ask();
        if (code != cases[i].code)
            print_error("%s %s\n", cases[i].uri, cases[i].rows);
        assert_int_equal(code, cases[i].code);
        if (code == 403)
            assert_string_equal(a.refusal.reason, "Next Hop Not Allowed");
        message_free(&a.x);
    }
    conf.route_count = 0;
    add_lookup(SW_LOOKUP_DNS, NULL); /* an operator who names none allows all */
    request(peers[PBX].id, "INVITE", "sip:b@example.com", "Route: <sip:evil.test;lr>\r\n");
    assert_int_equal(ask(), 0);
    assert_int_equal(a.targets.t[0].peer, sw_proxy_domain_id(&conf, SW_SLICE("evil.test")));
    message_free(&a.x);
}

/* "the proxy MUST [...] the topmost Route": the number is for whoever is behind it. RFC 3261 16.6
 * step 6, 7 */
static void test_target_enum_is_passed_over_if_a_route_remains(void **state)
{
    (void)state;
    add_lookup(SW_LOOKUP_ENUM, NULL);
    request(peers[PBX].id, "INVITE", "tel:+4930", "");
    assert_int_equal(ask(), 0);
    assert_int_equal(a.targets.t[0].locate, SW_TARGET_ENUM);
    message_free(&a.x);
    request(peers[PBX].id, "INVITE", "tel:+4930", "Route: <sip:192.0.2.100;lr>\r\n"); /* ours */
    assert_int_equal(ask(), 0);
    assert_int_equal(a.targets.t[0].locate, SW_TARGET_ENUM);
    message_free(&a.x);
    request(peers[PBX].id, "INVITE", "tel:+4930", "Route: <sip:far.test;lr>\r\n");
    assert_string_equal(sw_route_mismatch(&proxy, &routes[0], &a.q), "to");
    assert_int_equal(ask(), 480);
    assert_non_null(strstr(a.refusal.why, "to: enum"));
    add_lookup(SW_LOOKUP_DNS, NULL);
    assert_int_equal(ask(), 0);
    assert_int_equal(a.targets.t[0].locate, SW_TARGET_HOP);
    assert_int_equal(a.targets.t[0].peer, sw_proxy_domain_id(&conf, SW_SLICE("far.test")));
    assert_null(a.targets.t[0].uri.p); /* the number leaves as it came */
    message_free(&a.x);
}

/* Nobody gets past a rule by making a user part long: what cannot be resolved is refused. RFC 3261
 * 19.1.4, 21.4.13 */
static void test_target_user_part_beyond_what_routes_see_is_refused(void **state)
{
    static const uint16_t to[] = {CARRIER};
    static char uri[10000];
    (void)state;
    conf.uri_max = 65536;
    routes[0] = (struct sw_route_conf){.user = SW_SLICE("00*"), .reject = 403};
    routes[1] = (struct sw_route_conf){.to = to, .to_count = 1};
    conf.route_count = 2;
    for (int n = 0; n < 2; n++) { /* 00 and as many digits as are, or are not, too many */
        size_t length = n ? 9000 : 8192;
        memset(uri, '1', sizeof(uri));
        memcpy(uri, "sip:%30%30", 10);
        memcpy(uri + 4 + length, "@b.test", 8);
        request(peers[PBX].id, "INVITE", uri, "");
        assert_int_equal(ask(), n ? 414 : 403);
        message_free(&a.x);
        memcpy(uri, "tel:0-0111", 10);
        uri[4 + length] = 0;
        request(peers[PBX].id, "INVITE", uri, "");
        assert_int_equal(ask(), n ? 414 : 403);
        message_free(&a.x);
    }
    conf.uri_max = 8192;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_target_dns_stays_in_the_domain_of_its_route, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_target_enum_is_passed_over_if_a_route_remains, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_target_user_part_beyond_what_routes_see_is_refused,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

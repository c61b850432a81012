#include "unit/sip/locate.h"

/* "If TARGET is a numeric IP address, the client uses that address": RFC 3263 4.2 */
static void test_locate_takes_an_address_as_it_is(void **state)
{
    (void)state;
    struct sw_locate_goal g = goal("192.0.2.7");
    assert_int_equal(locate(&g), SW_LOCATE_FOUND);
    assert_string_equal(places(), "udp 192.0.2.7:5060"); /* "SHOULD use UDP for a SIP URI": 4.1 */
    assert_int_equal(at.step_count, 0);
    g.port = 5080;
    locate(&g);
    assert_string_equal(places(), "udp 192.0.2.7:5080");
    g.sips = true; /* RFC 3263 4.1: "and TCP for a SIPS URI", over TLS */
    locate(&g);
    assert_string_equal(places(), "tls 192.0.2.7:5080");
    g = goal("[2001:db8::7]");
    g.transport = SW_SLICE("TLS");
    locate(&g);
    assert_string_equal(places(), "tls [2001:db8::7]:5061");
    g.families = SW_LOCATE_IPV4;
    assert_int_equal(locate(&g), SW_LOCATE_UNFIT);
}

/* A domain with IPv6 addresses only, looked for from a listener with an IPv4 one: why there is none
 */
static void test_locate_says_which_family_it_left_out(void **state)
{
    (void)state;
    zone_address(&zone, "example.test", "2001:db8::1");
    struct sw_locate_goal g = goal("example.test");
    g.port = 5062;
    g.families = SW_LOCATE_IPV4;
    assert_int_equal(locate(&g), SW_LOCATE_NOT_THERE);
    assert_string_equal(reason(), "example.test: the domain has no SIP server and no address: A "
                                  "example.test: no records; IPv6 addresses are not asked for: "
                                  "the listener has an IPv4 one");
}

/* "a port is present in the URI, the client performs an A or AAAA record lookup": RFC 3263 4.2 */
static void test_locate_asks_for_addresses_only_if_a_port_is_given(void **state)
{
    (void)state;
    zone_srv(&zone, "_sip._udp.example.test", 1, 1, 9999, "wrong.test");
    zone_address(&zone, "example.test", "192.0.2.1");
    zone_address(&zone, "example.test", "192.0.2.2");
    struct sw_locate_goal g = goal("Example.Test.");
    g.port = 5062;
    assert_int_equal(locate(&g), SW_LOCATE_FOUND);
    assert_string_equal(questions(), "AAAA example.test, A example.test");
    assert_string_equal(places(), "udp 192.0.2.1:5062, udp 192.0.2.2:5062");
    g.sips = true;
    locate(&g);
    assert_string_equal(places(), "tls 192.0.2.1:5062, tls 192.0.2.2:5062");
}

static void rfc_zone(void) /* the example of RFC 3263 4.1, 4.2 */
{
    zone_naptr(&zone, "example.test", 50, 50, "s", "SIPS+D2T", "", "_sips._tcp.example.test");
    zone_naptr(&zone, "example.test", 90, 50, "s", "SIP+D2T", "", "_sip._tcp.example.test");
    zone_naptr(&zone, "example.test", 100, 50, "s", "SIP+D2U", "", "_sip._udp.example.test");
    zone_srv(&zone, "_sips._tcp.example.test", 0, 1, 5061, "s1.example.test");
    zone_srv(&zone, "_sip._tcp.example.test", 0, 1, 5060, "server1.example.test");
    zone_srv(&zone, "_sip._tcp.example.test", 1, 2, 5070, "server2.example.test");
    zone_srv(&zone, "_sip._udp.example.test", 0, 1, 5060, "server1.example.test");
    zone_address(&zone, "s1.example.test", "192.0.2.11");
    zone_address(&zone, "server1.example.test", "192.0.2.1");
    zone_address(&zone, "server1.example.test", "2001:db8::1");
    zone_address(&zone, "server2.example.test", "192.0.2.2");
}

/* The most preferred service that we have, and no other order: RFC 3263 4.1, RFC 3403 4.1 */
static void test_locate_follows_naptr_srv_and_addresses(void **state)
{
    (void)state;
    rfc_zone();
    struct sw_locate_goal g = goal("example.test");
    assert_int_equal(locate(&g), SW_LOCATE_FOUND);
    assert_string_equal(places(), "tls 192.0.2.11:5061");
    g.have = SW_LOCATE_BIT(SW_TCP) | SW_LOCATE_BIT(SW_UDP);
    assert_int_equal(locate(&g), SW_LOCATE_FOUND);
    assert_string_equal(
        questions(), "NAPTR example.test, SRV _sip._tcp.example.test, AAAA server1.example.test, "
                     "A server1.example.test, AAAA server2.example.test, A server2.example.test");
    /* both families in turn, IPv6 first: RFC 8305 4 */
    assert_string_equal(places(), "tcp [2001:db8::1]:5060, tcp 192.0.2.1:5060, tcp 192.0.2.2:5070");
    assert_int_equal(at.place[0].group, at.place[1].group);
    assert_int_not_equal(at.place[1].group, at.place[2].group);
}

/* "a client resolving a SIPS URI MUST discard any services that do not contain SIPS": RFC
 * 3263 4.1; CONFORMANCE 3263-1 */
static void test_locate_for_sips_takes_secure_services_only(void **state)
{
    (void)state;
    zone_naptr(&zone, "example.test", 10, 50, "s", "SIP+D2U", "", "_sip._udp.example.test");
    zone_naptr(&zone, "example.test", 20, 50, "s", "SIP+D2T", "", "_sip._tcp.example.test");
    zone_naptr(&zone, "example.test", 30, 50, "s", "sips+d2t", "", "_x._tcp.other.test");
    zone_srv(&zone, "_x._tcp.other.test", 0, 1, 5071, "s1.other.test");
    zone_address(&zone, "s1.other.test", "192.0.2.11");
    struct sw_locate_goal g = goal("example.test");
    g.sips = true;
    assert_int_equal(locate(&g), SW_LOCATE_FOUND);
    assert_string_equal(places(), "tls 192.0.2.11:5071");
    g.sips = false;
    g.tls_only = true;
    locate(&g);
    assert_string_equal(places(), "tls 192.0.2.11:5071");
    assert_null(strstr(questions(), "_sip."));
}

/* "If no NAPTR records are found, the client constructs SRV queries": RFC 3263 4.1;
 * CONFORMANCE 3263-2 */
static void test_locate_without_naptr_asks_for_each_service(void **state)
{
    (void)state;
    zone_srv(&zone, "_sips._tcp.example.test", 0, 1, 5061, "a.example.test");
    zone_srv(&zone, "_sip._udp.example.test", 0, 1, 5060, "a.example.test");
    zone_address(&zone, "a.example.test", "192.0.2.1");
    struct sw_locate_goal g = goal("example.test");
    g.sips = true;
    assert_int_equal(locate(&g), SW_LOCATE_FOUND);
    assert_string_equal(questions(), "NAPTR example.test, SRV _sips._tcp.example.test, "
                                     "AAAA a.example.test, A a.example.test");
    assert_string_equal(places(), "tls 192.0.2.1:5061");
    g.sips = false;
    locate(&g);
    assert_string_equal(places(), "tls 192.0.2.1:5061, udp 192.0.2.1:5060");
    g.have = SW_LOCATE_BIT(SW_UDP) | SW_LOCATE_BIT(SW_TCP);
    locate(&g);
    assert_string_equal(places(), "udp 192.0.2.1:5060");
}

/* "If no SRV records are found, the client SHOULD use TCP for a SIPS URI, and UDP for a SIP URI":
 * RFC 3263 4.1, at the default port: RFC 3263 4.2 */
static void test_locate_without_srv_takes_the_domains_own_address(void **state)
{
    (void)state;
    zone_address(&zone, "example.test", "192.0.2.9");
    struct sw_locate_goal g = goal("example.test");
    assert_int_equal(locate(&g), SW_LOCATE_FOUND);
    assert_string_equal(places(), "udp 192.0.2.9:5060");
    g.sips = true;
    locate(&g);
    assert_string_equal(places(), "tls 192.0.2.9:5061");
    /* a NAPTR that leads to no SRV record has told the transport all the same */
    zone_naptr(&zone, "example.test", 1, 1, "S", "SIP+D2T", "", "_sip._tcp.example.test");
    g.sips = false;
    locate(&g);
    assert_string_equal(places(), "tcp 192.0.2.9:5060");
}

/* "If the URI specifies a transport protocol in the transport parameter, that transport protocol
 * SHOULD be used": RFC 3263 4.1; the service of that transport: RFC 3263 4.2 */
static void test_locate_uses_the_transport_that_is_named(void **state)
{
    (void)state;
    rfc_zone();
    struct sw_locate_goal g = goal("example.test");
    g.transport = SW_SLICE("udp");
    assert_int_equal(locate(&g), SW_LOCATE_FOUND);
    assert_string_equal(questions(), "SRV _sip._udp.example.test, AAAA server1.example.test, "
                                     "A server1.example.test");
    assert_string_equal(places(), "udp [2001:db8::1]:5060, udp 192.0.2.1:5060");
    g.transport = SW_SLICE("tls"); /* as it is in use: RFC 3261 26.2.2 deprecates it */
    locate(&g);
    assert_string_equal(places(), "tls 192.0.2.11:5061");
    g.transport = SW_SLICE("tcp");
    g.sips = true; /* sips over tcp is TLS */
    locate(&g);
    assert_string_equal(places(), "tls 192.0.2.11:5061");
    g.transport = SW_SLICE("udp");
    assert_int_equal(locate(&g), SW_LOCATE_UNFIT);
    assert_non_null(strstr(reason(), "TLS is needed"));
    g.transport = SW_SLICE("sctp");
    assert_int_equal(locate(&g), SW_LOCATE_UNFIT);
}

/* Records of one order are alternatives, by preference: RFC 3403 4.1 */
static void test_locate_keeps_naptr_records_of_one_order(void **state)
{
    (void)state;
    zone_naptr(&zone, "example.test", 10, 20, "s", "SIP+D2U", "", "_sip._udp.example.test");
    zone_naptr(&zone, "example.test", 10, 10, "s", "SIP+D2T", "", "_sip._tcp.example.test");
    zone_naptr(&zone, "example.test", 11, 1, "s", "SIPS+D2T", "", "_sips._tcp.example.test");
    zone_srv(&zone, "_sip._udp.example.test", 0, 1, 5060, "u.example.test");
    zone_srv(&zone, "_sip._tcp.example.test", 0, 1, 5060, "t.example.test");
    zone_address(&zone, "u.example.test", "192.0.2.1");
    zone_address(&zone, "t.example.test", "192.0.2.2");
    struct sw_locate_goal g = goal("example.test");
    assert_int_equal(locate(&g), SW_LOCATE_FOUND);
    assert_string_equal(places(), "tcp 192.0.2.2:5060, udp 192.0.2.1:5060");
    sw_locate_start(&at, &g); /* the order of the answers makes no difference */
    answer_all(true);
    assert_string_equal(places(), "tcp 192.0.2.2:5060, udp 192.0.2.1:5060");
}

/* Lower priorities first, and weights as chances: RFC 2782 "Usage rules" */
static void test_locate_draws_servers_by_weight(void **state)
{
    (void)state;
    unsigned first[4] = {0};
    for (int i = 0; i < 10000; i++) {
        struct sw_locate_server s[] = {{.priority = 2, .weight = 1000, .port = 0},
                                       {.priority = 1, .weight = 0, .port = 1},
                                       {.priority = 1, .weight = 30, .port = 2},
                                       {.priority = 1, .weight = 10, .port = 3}};
        sw_locate_order(s, 4, &prng);
        assert_int_equal(s[3].port, 0);
        first[s[0].port]++;
    }
    assert_in_range(first[2], 7000, 7600); /* 30 of 41 */
    assert_in_range(first[3], 2200, 2700); /* 10 of 41 */
    assert_in_range(first[1], 150, 350);   /* "a very small chance" */
}

static void test_locate_says_what_came(void **state)
{
    (void)state;
    struct sw_locate_goal g = goal("nowhere.test");
    g.sips = true;
    assert_int_equal(locate(&g), SW_LOCATE_NO_NAME);
    assert_string_equal(reason(), "nowhere.test: the domain does not exist: NAPTR nowhere.test: no "
                                  "such name; SRV _sips._tcp.nowhere.test: no such name; AAAA "
                                  "nowhere.test: no such name; A nowhere.test: no such name");
    zone_srv(&zone, "_sips._tcp.nowhere.test", 1, 1, 5061, "gone.test");
    assert_int_equal(locate(&g), SW_LOCATE_NOT_THERE);
    assert_non_null(strstr(reason(), "SRV _sips._tcp.nowhere.test: 1 record;"));
    assert_non_null(strstr(reason(), "A gone.test: no such name"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_locate_takes_an_address_as_it_is, fresh),
        cmocka_unit_test_setup(test_locate_says_which_family_it_left_out, fresh),
        cmocka_unit_test_setup(test_locate_asks_for_addresses_only_if_a_port_is_given, fresh),
        cmocka_unit_test_setup(test_locate_follows_naptr_srv_and_addresses, fresh),
        cmocka_unit_test_setup(test_locate_for_sips_takes_secure_services_only, fresh),
        cmocka_unit_test_setup(test_locate_without_naptr_asks_for_each_service, fresh),
        cmocka_unit_test_setup(test_locate_without_srv_takes_the_domains_own_address, fresh),
        cmocka_unit_test_setup(test_locate_uses_the_transport_that_is_named, fresh),
        cmocka_unit_test_setup(test_locate_keeps_naptr_records_of_one_order, fresh),
        cmocka_unit_test_setup(test_locate_draws_servers_by_weight, fresh),
        cmocka_unit_test_setup(test_locate_says_what_came, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

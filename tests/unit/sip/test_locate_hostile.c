#include "unit/sip/locate.h"

#include <stdio.h>

/* "A Target of '.' means that the service is decidedly not available": RFC 2782 */
static void test_locate_believes_a_service_that_is_not_there(void **state)
{
    (void)state;
    zone_srv(&zone, "_sips._tcp.example.test", 0, 0, 0, "");
    zone_address(&zone, "example.test", "192.0.2.1");
    struct sw_locate_goal g = goal("example.test");
    g.sips = true;
    assert_int_equal(locate(&g), SW_LOCATE_NOT_THERE);
    assert_non_null(strstr(reason(), "decidedly not there"));
    assert_null(strstr(questions(), "A example.test"));
}

static void test_locate_leaves_out_port_0_and_broken_records(void **state)
{
    (void)state;
    zone_srv(&zone, "_sips._tcp.example.test", 0, 0, 0, "a.example.test");
    zone_raw(&zone, "_sips._tcp.example.test", SW_DNS_SRV, "\0\0\0", 3);
    zone_raw(&zone, "_sips._tcp.example.test", SW_DNS_SRV, "\0\1\0\1\23\304\3a;b\0", 11);
    zone_srv(&zone, "_sips._tcp.example.test", 9, 0, 5061, "b.example.test");
    zone_address(&zone, "a.example.test", "192.0.2.1");
    zone_address(&zone, "b.example.test", "192.0.2.2");
    struct sw_locate_goal g = goal("example.test");
    g.sips = true;
    assert_int_equal(locate(&g), SW_LOCATE_FOUND);
    assert_string_equal(places(), "tls 192.0.2.2:5061");
    assert_non_null(at.step[1].note);
    assert_int_equal(at.step[1].used, 1);
}

/* NAPTR records that no SIP client may follow: RFC 3263 4.1 */
static void test_locate_leaves_out_strange_naptr_records(void **state)
{
    (void)state;
    zone_naptr(&zone, "example.test", 1, 1, "", "SIPS+D2T", "", "example.test"); /* a loop */
    zone_naptr(&zone, "example.test", 1, 2, "u", "SIPS+D2T", "!^.*$!sip:x@y!", "");
    zone_naptr(&zone, "example.test", 1, 3, "s", "SIPS+D2T", "!a!b!", "_sips._tcp.x.test");
    zone_naptr(&zone, "example.test", 1, 4, "s", "SIPS+D2X", "", "_sips._tcp.x.test");
    zone_naptr(&zone, "example.test", 1, 5, "s", "SIPS+D2T", "", "");
    zone_address(&zone, "example.test", "192.0.2.1");
    struct sw_locate_goal g = goal("example.test");
    g.sips = true;
    assert_int_equal(locate(&g), SW_LOCATE_FOUND);
    assert_string_equal(questions(), "NAPTR example.test, SRV _sips._tcp.example.test, "
                                     "AAAA example.test, A example.test");
}

/* Services that lead to each other are names like any other: nothing is followed twice. */
static void test_locate_is_not_led_in_circles(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++)
        zone_naptr(&zone, "example.test", 1, i, "s", "SIPS+D2T", "", "example.test");
    zone_srv(&zone, "example.test", 1, 1, 5061, "example.test");
    struct sw_locate_goal g = goal("example.test");
    g.sips = true;
    assert_int_equal(locate(&g), SW_LOCATE_NOT_THERE);
    assert_string_equal(questions(), "NAPTR example.test, SRV example.test, AAAA example.test, "
                                     "A example.test");
}

static void test_locate_follows_only_so_many_records(void **state)
{
    (void)state;
    char name[64];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "h%u.example.test", i);
        zone_srv(&zone, "_sips._tcp.example.test", 100 - i, 1, 5061, name);
        zone_address(&zone, name, "192.0.2.1");
    }
    for (unsigned i = 1; i < 40; i++) {
        snprintf(name, sizeof(name), "192.0.2.%u", i);
        zone_address(&zone, "h63.example.test", name);
    }
    struct sw_locate_goal g = goal("example.test");
    assert_int_equal(locate(&g), SW_LOCATE_FOUND);
    assert_true(at.limited);
    assert_true(at.step_count <= SW_LOCATE_QUESTIONS_MAX);
    assert_true(at.place_count <= SW_LOCATE_PLACES_MAX);
    assert_int_equal(at.place[0].remote.port, 5061);
    assert_non_null(strstr(questions(), "h63.")); /* the best of those that were looked at */
    assert_null(strstr(questions(), "h1."));
}

static void test_locate_takes_no_address_of_another_family(void **state)
{
    (void)state;
    zone_raw(&zone, "example.test", SW_DNS_AAAA, "\300\0\2\1", 4);
    zone_raw(&zone, "example.test", SW_DNS_A, "0123456789abcdef", 16);
    zone_raw(&zone, "example.test", SW_DNS_A, "\340\0\0\1", 4); /* multicast */
    zone_raw(&zone, "example.test", SW_DNS_A, "\0\0\0\0", 4);
    struct sw_locate_goal g = goal("example.test");
    g.port = 5060;
    assert_int_equal(locate(&g), SW_LOCATE_NOT_THERE);
    assert_int_equal(at.place_count, 0);
}

/* A failure is no "no": the next question is not asked as if nothing were there. */
static void test_locate_tells_failures_from_absence(void **state)
{
    (void)state;
    zone_address(&zone, "example.test", "192.0.2.1");
    zone_fail(&zone, "example.test", SW_DNS_NAPTR, SW_PEER_DNS);
    struct sw_locate_goal g = goal("example.test");
    assert_int_equal(locate(&g), SW_LOCATE_SILENT);
    fresh(NULL);
    zone_fail(&zone, "example.test", SW_DNS_NAPTR, SW_DENIED_BOGUS); /* RFC 4035 5.5 */
    assert_int_equal(locate(&g), SW_LOCATE_BOGUS);
    assert_non_null(strstr(reason(), "forged"));
    fresh(NULL);
    zone_fail(&zone, "_sip._udp.example.test", SW_DNS_SRV, SW_PEER_DNS);
    zone_address(&zone, "example.test", "192.0.2.1");
    assert_int_equal(locate(&g), SW_LOCATE_SILENT);
    zone_srv(&zone, "_sips._tcp.example.test", 1, 1, 5061, "example.test");
    assert_int_equal(locate(&g), SW_LOCATE_FOUND); /* what is known is used */
    assert_string_equal(places(), "tls 192.0.2.1:5061");
}

static void test_locate_refuses_what_is_no_name(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ".", "a..b", "-;x", "a b.test", "0.0.0.0"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sw_locate_goal g = goal(bad[i]);
        assert_int_equal(locate(&g), SW_LOCATE_UNFIT);
    }
    char name[256];
    memset(name, 'a', 250);
    for (int i = 50; i < 250; i += 50)
        name[i] = '.';
    name[250] = 0;
    struct sw_locate_goal g = goal(name); /* its services have no room */
    assert_int_equal(locate(&g), SW_LOCATE_NO_NAME);
    g = goal("example.test");
    g.have = 0;
    assert_int_equal(locate(&g), SW_LOCATE_UNFIT);
}

static void test_locate_ignores_answers_that_it_does_not_wait_for(void **state)
{
    (void)state;
    const struct sw_dns_answer no = {.status = SW_PEER_NO_NAME};
    struct sw_locate_goal g = goal("example.test");
    uint32_t step;
    sw_locate_start(&at, &g);
    sw_locate_answer(&at, 0, &no, &prng); /* not asked yet */
    sw_locate_answer(&at, 77, &no, &prng);
    assert_int_equal(at.step_count, 1);
    assert_non_null(sw_locate_next(&at, &step));
    assert_null(sw_locate_next(&at, &step));
    sw_locate_answer(&at, step, &no, &prng);
    assert_true(at.step_count > 1);
    uint8_t count = at.step_count;
    sw_locate_answer(&at, step, &no, &prng); /* twice */
    assert_int_equal(at.step_count, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_locate_believes_a_service_that_is_not_there, fresh),
        cmocka_unit_test_setup(test_locate_leaves_out_port_0_and_broken_records, fresh),
        cmocka_unit_test_setup(test_locate_leaves_out_strange_naptr_records, fresh),
        cmocka_unit_test_setup(test_locate_is_not_led_in_circles, fresh),
        cmocka_unit_test_setup(test_locate_follows_only_so_many_records, fresh),
        cmocka_unit_test_setup(test_locate_takes_no_address_of_another_family, fresh),
        cmocka_unit_test_setup(test_locate_tells_failures_from_absence, fresh),
        cmocka_unit_test_setup(test_locate_refuses_what_is_no_name, fresh),
        cmocka_unit_test_setup(test_locate_ignores_answers_that_it_does_not_wait_for, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "locate.h"

static struct sw_locate_tlsa room;
static uint16_t unsigned_type; /* answers of this type are not signed */

enum { DIGEST = 3 + 32 };

/* "3 1 1" and a digest of that letter. */
static void tlsa(const char *name, unsigned usage, unsigned matching, char digest, size_t n)
{
    char bytes[ZONE_RDATA_MAX] = {(char)usage, 1, (char)matching};
    memset(bytes + 3, digest, n);
    zone_raw(&zone, name, SW_DNS_TLSA, bytes, n + 3);
}

static int signed_zone(void **state)
{
    fresh(state);
    memset(&room, 0, sizeof(room));
    unsigned_type = 0;
    zone.secure = true;
    zone_srv(&zone, "_sips._tcp.example.test", 1, 0, 5061, "one.hoster.test");
    zone_srv(&zone, "_sips._tcp.example.test", 2, 0, 7061, "two.hoster.test");
    zone_address(&zone, "one.hoster.test", "192.0.2.1");
    zone_address(&zone, "two.hoster.test", "192.0.2.2");
    return 0;
}

static struct sw_locate_goal tls_goal(void)
{
    struct sw_locate_goal g = goal("example.test");
    g.have = SW_LOCATE_BIT(SW_TLS);
    g.families = SW_LOCATE_IPV4;
    g.tlsa = &room;
    return g;
}

static enum sw_locate_end look(const struct sw_locate_goal *g)
{
    uint32_t step;
    room.n = 0;
    sw_locate_start(&at, g);
    while (sw_locate_next(&at, &step)) {
        struct sw_dns_answer a = zone_answer(&zone, &at.step[step].question);
        a.secure = a.secure && at.step[step].question.type != unsigned_type;
        sw_locate_answer(&at, step, &a, &prng);
    }
    assert_int_not_equal(at.end, SW_LOCATE_GOES_ON);
    return (enum sw_locate_end)at.end;
}

static unsigned asked(void)
{
    unsigned n = 0;
    for (int i = 0; i < at.step_count; i++)
        n += at.step[i].question.type == SW_DNS_TLSA;
    return n;
}

/* The name is made of the SRV record's port and target: RFC 7673 3.3 */
static void test_tlsa_records_are_those_of_the_server(void **state)
{
    (void)state;
    struct sw_locate_goal g = tls_goal();
    tlsa("_7061._tcp.two.hoster.test", 3, 1, 'a', 32);
    assert_int_equal(look(&g), SW_LOCATE_FOUND);
    assert_string_equal(places(), "tls 192.0.2.1:5061, tls 192.0.2.2:7061");
    assert_non_null(strstr(questions(), "TLSA _5061._tcp.one.hoster.test"));
    struct sw_dane none = sw_locate_dane(&at, &at.place[0]);
    struct sw_dane two = sw_locate_dane(&at, &at.place[1]);
    assert_int_equal(none.records.n, 0);
    assert_true(sw_slice_eq(two.host, SW_SLICE("two.hoster.test")));
    assert_int_equal(two.records.n, 2 + DIGEST);
    struct sw_slice rdata;
    struct sw_dns_tlsa r;
    assert_int_equal(sw_dns_next(&two.records, &rdata), SW_OK);
    assert_int_equal(sw_dns_read_tlsa(rdata, &r), SW_OK);
    assert_int_equal(r.usage, 3);
    assert_int_equal(r.data.p[31], 'a');
}

/* Off by default, and nothing to ask about UDP and TCP: RFC 6698 is about TLS. */
static void test_tlsa_records_are_asked_for_only_where_they_count(void **state)
{
    (void)state;
    struct sw_locate_goal g = tls_goal();
    g.tlsa = NULL;
    assert_int_equal(locate(&g), SW_LOCATE_FOUND);
    assert_int_equal(asked(), 0);
    g = tls_goal();
    g.have = SW_LOCATE_BIT(SW_UDP);
    zone_srv(&zone, "_sip._udp.example.test", 1, 0, 5060, "one.hoster.test");
    assert_int_equal(look(&g), SW_LOCATE_FOUND);
    assert_int_equal(asked(), 0);
}

/* "the entire chain of DNS RRset(s) returned MUST be secure": RFC 7673 3.1; "If no returned RRsets
 * are secure, the client MUST NOT perform a TLSA query": 3.2 */
static void test_what_is_not_signed_leads_to_no_tlsa_records(void **state)
{
    (void)state;
    static const uint16_t types[] = {SW_DNS_SRV, SW_DNS_A, SW_DNS_NAPTR};
    struct sw_locate_goal g = tls_goal();
    zone_naptr(&zone, "example.test", 1, 1, "s", "SIPS+D2T", "", "_sips._tcp.example.test");
    assert_int_equal(look(&g), SW_LOCATE_FOUND);
    assert_int_equal(asked(), 2);
    for (unsigned i = 0; i < 3; i++) {
        unsigned_type = types[i];
        assert_int_equal(look(&g), SW_LOCATE_FOUND);
        assert_int_equal(at.place_count, 2);
        assert_int_equal(asked(), 0);
    }
}

/* "insecure (or no TLSA records exist)": as if there were none. RFC 7673 3.4 */
static void test_tlsa_records_that_are_not_signed_do_not_count(void **state)
{
    (void)state;
    struct sw_locate_goal g = tls_goal();
    tlsa("_5061._tcp.one.hoster.test", 3, 1, 'a', 32);
    unsigned_type = SW_DNS_TLSA;
    assert_int_equal(look(&g), SW_LOCATE_FOUND);
    assert_int_equal(at.place_count, 2);
    assert_int_equal(sw_locate_dane(&at, &at.place[0]).records.n, 0);
    assert_non_null(strstr(reason(), "not signed, so they do not count"));
}

/* "bogus" or "indeterminate": the client "MUST NOT connect to the target server". RFC 7673 3.4 */
static void test_server_whose_tlsa_records_fail_is_passed_over(void **state)
{
    (void)state;
    static const enum sw_status how[] = {SW_DENIED_BOGUS, SW_PEER_DNS, SW_PEER_TIMEOUT};
    struct sw_locate_goal g = tls_goal();
    for (unsigned i = 0; i < 3; i++) {
        zone_remove(&zone, "_5061._tcp.one.hoster.test");
        zone_fail(&zone, "_5061._tcp.one.hoster.test", SW_DNS_TLSA, how[i]);
        assert_int_equal(look(&g), SW_LOCATE_FOUND);
        assert_string_equal(places(), "tls 192.0.2.2:7061");
    }
    zone_fail(&zone, "_7061._tcp.two.hoster.test", SW_DNS_TLSA, SW_DENIED_BOGUS);
    assert_int_equal(look(&g), SW_LOCATE_BOGUS);
}

/* What cannot be used is as if it were not there: RFC 6698 4.1 */
static void test_tlsa_records_that_cannot_be_used_are_passed_over(void **state)
{
    (void)state;
    struct sw_locate_goal g = tls_goal();
    tlsa("_5061._tcp.one.hoster.test", 4, 1, 'a', 32); /* usage */
    tlsa("_5061._tcp.one.hoster.test", 3, 3, 'a', 32); /* matching type */
    tlsa("_5061._tcp.one.hoster.test", 3, 1, 'a', 31); /* digest */
    tlsa("_5061._tcp.one.hoster.test", 3, 2, 'a', 32);
    assert_int_equal(look(&g), SW_LOCATE_FOUND);
    assert_int_equal(sw_locate_dane(&at, &at.place[0]).records.n, 0);
    tlsa("_5061._tcp.one.hoster.test", 3, 2, 'b', 64);
    assert_int_equal(look(&g), SW_LOCATE_FOUND);
    assert_int_equal(sw_locate_dane(&at, &at.place[0]).records.n, 2 + 3 + 64);
    assert_non_null(strstr(reason(), "5 records, used 1 (a record"));
}

/* A server with more than is kept might match what is left out. */
static void test_tlsa_records_beyond_the_limit_are_a_refusal(void **state)
{
    (void)state;
    struct sw_locate_goal g = tls_goal();
    for (int i = 0; i < SW_LOCATE_TLSA_BYTES / 500 + 1; i++)
        tlsa("_5061._tcp.one.hoster.test", 3, 0, 'a', 500);
    assert_int_equal(look(&g), SW_LOCATE_FOUND);
    assert_string_equal(places(), "tls 192.0.2.2:7061");
    assert_non_null(strstr(reason(), "more TLSA records than are kept"));
    /* the name servers did answer */
    tlsa("_7061._tcp.two.hoster.test", 3, 0, 'a', 500);
    assert_int_equal(look(&g), SW_LOCATE_SILENT);
    assert_null(strstr(reason(), "do not answer"));
    assert_non_null(strstr(reason(), "its servers have more TLSA records than are kept"));
}

/* A port that is given, or no SRV record: the server is the domain itself. RFC 6698 3 */
static void test_tlsa_records_of_the_domain_itself(void **state)
{
    (void)state;
    struct sw_locate_goal g = tls_goal();
    g.host = SW_SLICE("one.hoster.test");
    g.port = 6061;
    tlsa("_6061._tcp.one.hoster.test", 3, 1, 'a', 32);
    assert_int_equal(look(&g), SW_LOCATE_FOUND);
    assert_int_equal(sw_locate_dane(&at, &at.place[0]).records.n, 2 + DIGEST);
    g.port = 0;
    tlsa("_5061._tcp.one.hoster.test", 2, 1, 'b', 32);
    assert_int_equal(look(&g), SW_LOCATE_FOUND);
    assert_string_equal(places(), "tls 192.0.2.1:5061");
    assert_int_equal(sw_locate_dane(&at, &at.place[0]).records.p[2], 2);
    g.host = SW_SLICE("192.0.2.1"); /* no name, no records */
    assert_int_equal(look(&g), SW_LOCATE_FOUND);
    assert_int_equal(sw_locate_dane(&at, &at.place[0]).records.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_tlsa_records_are_those_of_the_server, signed_zone),
        cmocka_unit_test_setup(test_tlsa_records_are_asked_for_only_where_they_count, signed_zone),
        cmocka_unit_test_setup(test_what_is_not_signed_leads_to_no_tlsa_records, signed_zone),
        cmocka_unit_test_setup(test_tlsa_records_that_are_not_signed_do_not_count, signed_zone),
        cmocka_unit_test_setup(test_server_whose_tlsa_records_fail_is_passed_over, signed_zone),
        cmocka_unit_test_setup(test_tlsa_records_that_cannot_be_used_are_passed_over, signed_zone),
        cmocka_unit_test_setup(test_tlsa_records_beyond_the_limit_are_a_refusal, signed_zone),
        cmocka_unit_test_setup(test_tlsa_records_of_the_domain_itself, signed_zone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

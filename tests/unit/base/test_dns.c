#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/dns.h"

#define WIRE(s) sw_slice(s, sizeof(s) - 1)

static void test_dns_reads_an_srv_record(void **state)
{
    (void)state;
    struct sw_dns_srv r;
    assert_int_equal(sw_dns_read_srv(WIRE("\x00\x0a\x00\x14\x13\xc5\x03SIP\x07"
                                          "example\x04test\x00"),
                                     &r),
                     SW_OK);
    assert_int_equal(r.priority, 10);
    assert_int_equal(r.weight, 20);
    assert_int_equal(r.port, 5061);
    assert_string_equal(r.target, "sip.example.test");
    /* "A Target of "." means that the service is decidedly not available": RFC 2782 */
    assert_int_equal(sw_dns_read_srv(WIRE("\0\0\0\0\0\0\0"), &r), SW_OK);
    assert_string_equal(r.target, "");
}

static void test_dns_reads_a_naptr_record(void **state)
{
    (void)state;
    struct sw_dns_naptr r;
    assert_int_equal(
        sw_dns_read_naptr(WIRE("\0\x32\0\x32\x01s\x08SIPS+D2T\0\x05_sips\x04_tcp\x01x\0"), &r),
        SW_OK);
    assert_int_equal(r.order, 50);
    assert_int_equal(r.preference, 50);
    assert_true(sw_slice_eq(r.flags, sw_slice("s", 1)));
    assert_true(sw_slice_eq(r.service, sw_slice("SIPS+D2T", 8)));
    assert_int_equal(r.regexp.n, 0);
    assert_string_equal(r.replacement, "_sips._tcp.x");
}

static void test_dns_reads_addresses_and_tlsa(void **state)
{
    (void)state;
    struct sw_endpoint e;
    struct sw_dns_tlsa t;
    assert_int_equal(sw_dns_read_address(WIRE("\xc0\0\x02\x01"), &e), SW_OK);
    assert_int_equal(e.family, 4);
    assert_int_equal(e.port, 0);
    assert_int_equal(sw_dns_read_address(sw_slice("0123456789abcdef", 16), &e), SW_OK);
    assert_int_equal(e.family, 6);
    assert_int_equal(sw_dns_read_address(WIRE("abc"), &e), SW_PEER_SYNTAX);
    assert_int_equal(sw_dns_read_tlsa(WIRE("\x03\x01\x01xyz"), &t), SW_OK);
    assert_int_equal(t.usage, 3);
    assert_int_equal(t.data.n, 3);
    assert_int_equal(sw_dns_read_tlsa(WIRE("\x03\x01\x01"), &t), SW_PEER_SYNTAX);
}

static void test_dns_refuses_what_is_cut_or_has_odd_names(void **state)
{
    (void)state;
    static const char whole[] = "\0\0\0\0\x13\xc5\x03sip\x04test";
    struct sw_dns_srv r;
    assert_int_equal(sw_dns_read_srv(sw_slice(whole, sizeof(whole)), &r),
                     SW_OK); /* its NUL is the root */
    for (size_t n = 0; n < sizeof(whole); n++)
        assert_int_equal(sw_dns_read_srv(sw_slice(whole, n), &r), SW_PEER_SYNTAX);
    assert_int_equal(sw_dns_read_srv(WIRE("\0\0\0\0\0\0\x03s p\0"), &r), SW_PEER_SYNTAX);
    assert_int_equal(sw_dns_read_srv(WIRE("\0\0\0\0\0\0\x03s.p\0"), &r), SW_PEER_SYNTAX);
    assert_int_equal(sw_dns_read_srv(WIRE("\0\0\0\0\0\0\xc0\x0c"), &r), SW_PEER_SYNTAX);
    assert_int_equal(sw_dns_read_srv(WIRE("\0\0\0\0\0\0\0x"), &r), SW_PEER_SYNTAX);
}

static void test_dns_walks_records(void **state)
{
    (void)state;
    struct sw_slice rest = WIRE("\0\x01x\0\0\0\x02yz\0\x05x"), r;
    assert_int_equal(sw_dns_next(&rest, &r), SW_OK);
    assert_int_equal(r.n, 1);
    assert_int_equal(sw_dns_next(&rest, &r), SW_OK);
    assert_int_equal(r.n, 0);
    assert_int_equal(sw_dns_next(&rest, &r), SW_OK);
    assert_int_equal(r.n, 2);
    assert_int_equal(sw_dns_next(&rest, &r), SW_PEER_SYNTAX);
    rest = WIRE("");
    assert_int_equal(sw_dns_next(&rest, &r), SW_AGAIN);
}

static void test_dns_asks_for_names_only(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    ".",      "a..b",  ".a",
                                      "a b", "a:5061", "[::1]", "\xc3\xa4.test"};
    struct sw_dns_question q;
    char label[65], name[300];
    assert_int_equal(sw_dns_ask(&q, WIRE("_SIPS._tcp.Example.test."), SW_DNS_SRV), SW_OK);
    assert_string_equal(q.name, "_sips._tcp.example.test");
    assert_int_equal(q.type, SW_DNS_SRV);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(sw_dns_ask(&q, sw_slice_str(bad[i]), SW_DNS_A), SW_PEER_SYNTAX);
    memset(label, 'a', sizeof(label));
    assert_int_equal(sw_dns_ask(&q, sw_slice(label, 63), SW_DNS_A), SW_OK);
    assert_int_equal(sw_dns_ask(&q, sw_slice(label, 64), SW_DNS_A), SW_PEER_SYNTAX);
    for (size_t i = 0; i < sizeof(name); i++)
        name[i] = i % 2 ? '.' : 'a';
    assert_int_equal(sw_dns_ask(&q, sw_slice(name, 253), SW_DNS_A), SW_OK);
    assert_int_equal(sw_dns_ask(&q, sw_slice(name, 255), SW_DNS_A), SW_PEER_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dns_reads_an_srv_record),
        cmocka_unit_test(test_dns_reads_a_naptr_record),
        cmocka_unit_test(test_dns_reads_addresses_and_tlsa),
        cmocka_unit_test(test_dns_refuses_what_is_cut_or_has_odd_names),
        cmocka_unit_test(test_dns_walks_records),
        cmocka_unit_test(test_dns_asks_for_names_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls/wire.h"

static void test_wire_tells_what_a_peer_speaks(void **state)
{
    static const struct {
        struct sw_slice first;
        enum sw_tls_wire wire;
    } rows[] = {
        {SW_SLICE(""), SW_WIRE_UNKNOWN},
        {SW_SLICE("\x16"), SW_WIRE_TLS},
        {SW_SLICE("\x16\x03\x01\x02\x00"), SW_WIRE_TLS},
        {SW_SLICE("\x15\x03\x03\x00\x02"), SW_WIRE_TLS},
        {SW_SLICE("\x16\x09\x01\x02\x00"), SW_WIRE_UNKNOWN},
        {SW_SLICE("\x80\x2e\x01\x00\x02"), SW_WIRE_SSL2}, /* RFC 5246 E.2 */
        {SW_SLICE("\x80\x2e\x01\x03\x01"), SW_WIRE_SSL2},
        {SW_SLICE("\x80\x2e\x01\x03"), SW_WIRE_UNKNOWN},
        {SW_SLICE("\x80\x2e\x02\x00\x02"), SW_WIRE_UNKNOWN},
        {SW_SLICE("INVITE sip:a@b.t"), SW_WIRE_SIP},
        {SW_SLICE("INVIT"), SW_WIRE_SIP},
        {SW_SLICE("INVITES"), SW_WIRE_UNKNOWN},
        {SW_SLICE("OPTIONS sip:a.te"), SW_WIRE_SIP},
        {SW_SLICE("OPTIONS "), SW_WIRE_SIP},
        {SW_SLICE("OPTIONS / HTTP/1"), SW_WIRE_HTTP},
        {SW_SLICE("OPTIONS * HTTP/1"), SW_WIRE_HTTP},
        {SW_SLICE("SIP/2.0 200 OK"), SW_WIRE_SIP},
        {SW_SLICE("\r\n\r\n"), SW_WIRE_SIP},
        {SW_SLICE("\r\nREGISTER sip:"), SW_WIRE_SIP},
        {SW_SLICE("GET / HTTP/1.1"), SW_WIRE_HTTP},
        {SW_SLICE("PRI * HTTP/2.0\r\n"), SW_WIRE_HTTP},
        {SW_SLICE("HTTP/1.1 400"), SW_WIRE_HTTP},
        {SW_SLICE("SSH-2.0"), SW_WIRE_UNKNOWN},
        {SW_SLICE("\0\0\0\0"), SW_WIRE_UNKNOWN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(sw_tls_wire_of(rows[i].first), rows[i].wire);
}

static void test_wire_reads_the_length_of_a_hello(void **state)
{
    (void)state;
    assert_int_equal(sw_tls_wire_hello_bytes(SW_SLICE("\x16\x03\x01\x02\x00\x01\x01\x02\x03")),
                     0x010203);
    assert_int_equal(sw_tls_wire_hello_bytes(SW_SLICE("\x16\x03\x01\x02\x00\x01\x01\x02")), 0);
    assert_int_equal(sw_tls_wire_hello_bytes(SW_SLICE("\x16\x03\x01\x02\x00\x02\x01\x02\x03")), 0);
    assert_int_equal(sw_tls_wire_hello_bytes(SW_SLICE("INVITE si")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire_tells_what_a_peer_speaks),
        cmocka_unit_test(test_wire_reads_the_length_of_a_hello),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

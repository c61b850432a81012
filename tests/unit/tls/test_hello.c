#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "tls/hello.h"
#include <stdlib.h>

static void put(struct sw_buf *b, uint64_t v, unsigned bytes)
{
    while (bytes--)
        sw_buf_char(b, (char)(v >> 8 * bytes));
}

static void put_run(struct sw_buf *b, char c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sw_buf_char(b, c);
}

/* A ClientHello in one record; `psk` bytes of an identity, 0: without the extension. */
static size_t hello(char *out, size_t cap, size_t session, size_t psk)
{
    char inner[1024];
    struct sw_buf h = sw_buf(inner, sizeof(inner)), b = sw_buf(out, cap);
    put(&h, 0x0303, 2);
    put_run(&h, 'r', 32);
    put(&h, session, 1);
    put_run(&h, 's', session);
    put(&h, 2, 2); /* suites */
    put(&h, 0x1301, 2);
    put(&h, 1, 1); /* compression */
    put(&h, 0, 1);
    size_t ext = psk ? 4 + 2 + 2 + psk + 4 + 2 + 33 : 0;
    put(&h, 4 + 2 + ext, 2);
    put(&h, 10, 2); /* another extension */
    put(&h, 2, 2);
    put(&h, 0, 2);
    if (psk) {
        put(&h, 41, 2);
        put(&h, ext - 4, 2);
        put(&h, 2 + psk + 4, 2);
        put(&h, psk, 2);
        put_run(&h, 'p', psk);
        put(&h, 0, 4);
        put(&h, 33, 2);
        put_run(&h, 'b', 33);
    }
    put(&b, 0x160301, 3);
    put(&b, h.n + 4, 2);
    put(&b, 1, 1);
    put(&b, h.n, 3);
    sw_buf_slice(&b, sw_buf_view(&h));
    assert_false(b.full);
    return b.n;
}

/* RFC 8446 4.1.2, 4.2.11: in TLS 1.3 the session id says nothing. */
static void test_hello_names_the_session_that_is_asked_for(void **state)
{
    static const struct {
        size_t session, psk;
        char first; /* of the name; 0: there is none */
    } rows[] = {{0, 0, 0},     {32, 0, 's'}, {31, 0, 0},  {0, 32, 'p'},
                {32, 32, 'p'}, {32, 200, 0}, {32, 31, 0}, {0, 33, 0}};
    char wire[1024];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_slice id;
        size_t n = hello(wire, sizeof(wire), rows[i].session, rows[i].psk);
        bool found = sw_tls_hello_session(sw_slice(wire, n), &id);
        assert_int_equal(found, rows[i].first != 0);
        if (found) {
            assert_int_equal(id.n, SW_TLS_SESSION_ID_BYTES);
            assert_int_equal(id.p[0], rows[i].first);
            assert_int_equal(id.p[31], rows[i].first);
        }
    }
}

/* In memory of its own size, so that a sanitizer sees a byte too many. */
static void test_hello_that_is_cut_off_names_nothing(void **state)
{
    char wire[1024];
    size_t n = hello(wire, sizeof(wire), 32, 32);
    (void)state;
    for (size_t k = 0; k < n; k++) {
        struct sw_slice id;
        char *part = malloc(k ? k : 1);
        assert_non_null(part);
        memcpy(part, wire, k);
        assert_false(sw_tls_hello_session(sw_slice(part, k), &id));
        free(part);
    }
}

static void test_hello_of_another_kind_names_nothing(void **state)
{
    char wire[1024];
    struct sw_slice id;
    size_t n = hello(wire, sizeof(wire), 32, 0);
    (void)state;
    wire[0] = 0x17;
    assert_false(sw_tls_hello_session(sw_slice(wire, n), &id));
    wire[0] = 0x16;
    wire[5] = 2; /* ServerHello */
    assert_false(sw_tls_hello_session(sw_slice(wire, n), &id));
    assert_false(sw_tls_hello_session(SW_SLICE("OPTIONS sip:example.test SIP/2.0\r\n"), &id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello_names_the_session_that_is_asked_for),
        cmocka_unit_test(test_hello_that_is_cut_off_names_nothing),
        cmocka_unit_test(test_hello_of_another_kind_names_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

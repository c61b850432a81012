/* Which places of a peer are tried last, and for how long: RFC 3263 4.3, RFC 3261 21.5.4,
 * docs/locating.md "The order". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/locate.h"

#include <stdio.h>

enum { PARTNER, PBX };

static void ask(struct located *x, unsigned n)
{
    char call[16];
    snprintf(call, sizeof(call), "c%u", n);
    send_request(x, "MESSAGE", "sip:bob@example.test", call, "");
    run_ms(x, 500);
}

/* True if the last MESSAGE that `r` got is that of this call. */
static bool has(const struct raw *r, unsigned n)
{
    char call[16];
    unsigned count = raw_count(r, "MESSAGE");
    snprintf(call, sizeof(call), "c%u", n);
    return count && strcmp(raw_header(raw_nth(r, "MESSAGE", count - 1), "Call-ID"), call) == 0;
}

static void answer(struct located *x, struct raw *r, const char *status, const char *more)
{
    raw_answer(r, raw_nth(r, "MESSAGE", raw_count(r, "MESSAGE") - 1), status, more);
    run_ms(x, 500);
}

/* A server that swallows what opens a connection costs one request its `timeout`, not each. */
static void test_avoid_a_server_that_swallows_packets(void **state)
{
    struct located x;
    (void)state;
    located_partner(&x, "partner.test");
    x.one->node->swallows = true;
    ask(&x, 1);
    assert_int_equal(raw_count(x.two, "MESSAGE"), 0);
    run_ms(&x, 4000);
    assert_true(has(x.two, 1));
    answer(&x, x.two, "200 OK", "");
    ask(&x, 2);
    assert_true(has(x.two, 2));
    answer(&x, x.two, "200 OK", "");
    x.one->node->swallows = false;
    run_ms(&x, 40000); /* "for a while" */
    ask(&x, 3);
    assert_true(has(x.one, 3));
    answer(&x, x.one, "200 OK", "");
    located_fini(&x);
}

/* The connection is there, and what is sent over it is not answered. */
static void test_avoid_a_server_that_is_silent(void **state)
{
    struct located x;
    (void)state;
    located_partner(&x, "partner.test");
    ask(&x, 1);
    assert_true(has(x.one, 1));
    run_ms(&x, 4000);
    assert_true(has(x.two, 1));
    answer(&x, x.two, "200 OK", "");
    ask(&x, 2);
    assert_true(has(x.two, 2));
    answer(&x, x.one, "200 OK", ""); /* late: it is there after all */
    answer(&x, x.two, "200 OK", "");
    ask(&x, 3);
    assert_true(has(x.one, 3));
    answer(&x, x.one, "200 OK", "");
    located_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_avoid_a_server_that_swallows_packets),
        cmocka_unit_test(test_avoid_a_server_that_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

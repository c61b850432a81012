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

/* The partner has a list of addresses in place of the DNS. */
static void listed(struct located *x, const char *first, const char *second)
{
    struct conf *k = &x->gate.conf;
    located_init(x, "partner.test");
    k->peer_address[PARTNER][0] = sim_endpoint(first);
    k->peer_address[PARTNER][1] = sim_endpoint(second);
    k->peers[PARTNER].address_count = 2;
    conf_route(k, "pbx", "partner", NULL);
}

static void test_avoid_a_configured_address_that_failed(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) { /* refused; swallowed; silent; 503 */
        struct located x;
        listed(&x, "10.0.0.11:5061", "10.0.0.12:5071");
        located_start(&x);
        x.one->node->deaf = how == 0;
        x.one->node->swallows = how == 1;
        ask(&x, 1);
        if (how == 3)
            answer(&x, x.one, "503 Busy", "");
        else if (how)
            run_ms(&x, 4000);
        assert_true(has(x.two, 1));
        answer(&x, x.two, "200 OK", "");
        ask(&x, 2);
        assert_true(has(x.two, 2));
        answer(&x, x.two, "200 OK", "");
        x.one->node->deaf = x.one->node->swallows = false;
        run_ms(&x, 40000);
        ask(&x, 3);
        assert_true(has(x.one, 3));
        answer(&x, x.one, "200 OK", "");
        located_fini(&x);
    }
}

/* Without port it is the same place as with the default one. */
static void test_avoid_a_configured_address_without_port(void **state)
{
    struct located x;
    (void)state;
    listed(&x, "10.0.0.11:5061", "10.0.0.12:5071");
    x.gate.conf.peer_address[PARTNER][0].port = 0;
    located_start(&x);
    x.one->node->deaf = true;
    ask(&x, 1);
    assert_true(has(x.two, 1));
    answer(&x, x.two, "503 Busy", "");
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 500"), 1);
    x.one->node->deaf = false;
    ask(&x, 2); /* both failed: as they stand */
    assert_true(has(x.one, 2));
    answer(&x, x.one, "200 OK", "");
    ask(&x, 3);
    assert_true(has(x.one, 3));
    answer(&x, x.one, "200 OK", "");
    located_fini(&x);
}

/* The ACK of a call whose connection is gone has a name for its next hop, and the first address of
 * the peer is dead. RFC 3263 4.3 */
static void test_avoid_lets_an_ack_go_on_to_the_next_address(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        struct located x;
        listed(&x, "10.0.0.11:5061", "10.0.0.12:5071");
        located_start(&x);
        send_request(&x, "INVITE", "sip:bob@example.test", "c1", "");
        run_ms(&x, 500);
        raw_answer(x.one, raw_nth(x.one, "INVITE", 0), "200 OK",
                   "Contact: <sip:b@partner.test>\r\n");
        run_ms(&x, 500);
        sim_break(x.sim, x.gate.node, x.one->node);
        x.one->node->deaf = !known;
        x.one->node->swallows = known;
        if (known) { /* by another request: then it is not waited for */
            ask(&x, 2);
            run_ms(&x, SIM_DIAL_MS);
            answer(&x, x.two, "200 OK", "");
        }
        run_ms(&x, 100);
        send_inside(&x, "ACK", raw_nth(x.pbx, "SIP/2.0 200", 0), "sip:b@partner.test", "1 ACK");
        run_ms(&x, 1000);
        assert_int_equal(raw_count(x.two, "ACK"), 1);
        located_fini(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_avoid_a_server_that_swallows_packets),
        cmocka_unit_test(test_avoid_a_server_that_is_silent),
        cmocka_unit_test(test_avoid_a_configured_address_that_failed),
        cmocka_unit_test(test_avoid_a_configured_address_without_port),
        cmocka_unit_test(test_avoid_lets_an_ack_go_on_to_the_next_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

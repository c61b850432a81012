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

static bool is_down(const struct located *x)
{
    return atomic_load(&x->gate.conf.state[PARTNER].down_until_ms) > x->sim->now_ms;
}

static bool is_avoided(const struct located *x, const char *address)
{
    const struct sw_endpoint at = sim_endpoint(address);
    return sw_avoid_has(&x->gate.avoid, x->gate.conf.peers[PARTNER].id, &at, SW_TLS,
                        x->sim->now_ms);
}

/* Two servers by DNS, or by their addresses. */
static void two_servers(struct located *x, bool list)
{
    if (list) {
        listed(x, "10.0.0.11:5061", "10.0.0.12:5071");
        located_start(x);
    } else {
        located_partner(x, "partner.test");
    }
}

/* Retry-After is about the server that answered, however long other limits are. RFC 3261 21.5.4 */
static void test_avoid_for_retry_after_the_server_that_said_it(void **state)
{
    (void)state;
    for (int list = 0; list < 2; list++) {
        struct located x;
        two_servers(&x, list);
        ask(&x, 1);
        answer(&x, x.one, "503 Busy", "Retry-After: 3600\r\n");
        assert_true(has(x.two, 1));
        assert_false(is_down(&x));
        answer(&x, x.two, "200 OK", "");
        run_ms(&x, 40000); /* longer than limits.avoid */
        ask(&x, 2);
        assert_true(has(x.two, 2));
        answer(&x, x.two, "200 OK", "");
        run_ms(&x, 3560000);
        ask(&x, 3);
        assert_true(has(x.one, 3));
        answer(&x, x.one, "503 Busy", "Retry-After: 5 (soon)\r\n"); /* or shorter */
        answer(&x, x.two, "200 OK", "");
        run_ms(&x, 5000);
        ask(&x, 4);
        assert_true(has(x.one, 4));
        answer(&x, x.one, "200 OK", "");
        located_fini(&x);
    }
}

/* Neither a failure nor an answer to what it had before changes what it said. */
static void test_avoid_keeps_to_retry_after(void **state)
{
    struct located x;
    (void)state;
    two_servers(&x, true);
    send_request(&x, "INVITE", "sip:bob@example.test", "i1", "");
    run_ms(&x, 500);
    ask(&x, 1);
    answer(&x, x.one, "503 Busy", "Retry-After: 600\r\n");
    answer(&x, x.two, "200 OK", "");
    raw_answer(x.one, raw_nth(x.one, "INVITE", 0), "180 Ringing", "");
    run_ms(&x, 100);
    raw_answer(x.one, raw_nth(x.one, "INVITE", 0), "486 Busy Here", "");
    run_ms(&x, 100);
    assert_true(is_avoided(&x, "10.0.0.11:5061"));
    x.one->node->deaf = true;
    sim_break(x.sim, x.gate.node, x.one->node);
    ask(&x, 2);
    answer(&x, x.two, "503 Busy", ""); /* then the first one, which is gone */
    run_ms(&x, 40000);
    assert_true(is_avoided(&x, "10.0.0.11:5061"));
    assert_false(is_avoided(&x, "10.0.0.12:5071"));
    located_fini(&x);
}

/* "at most one day": more is a day, not nothing. */
static void test_avoid_for_a_day_at_most(void **state)
{
    static const char *const rows[] = {"Retry-After: 86401\r\n",
                                       "Retry-After: 99999999999999999999999999\r\n"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct located x;
        two_servers(&x, false);
        ask(&x, 1);
        answer(&x, x.one, "503 Busy", rows[i]);
        answer(&x, x.two, "200 OK", "");
        run_ms(&x, 86400000 - 2000);
        assert_true(is_avoided(&x, "10.0.0.11:5061"));
        run_ms(&x, 2000);
        assert_false(is_avoided(&x, "10.0.0.11:5061"));
        located_fini(&x);
    }
}

/* When no other server is left, the peer is down until the first of them may be tried again. */
static void test_avoid_all_servers_takes_the_peer_down(void **state)
{
    (void)state;
    for (int list = 0; list < 2; list++)
        for (int dead = 0; dead < 2; dead++) { /* the first one answered, or not */
            struct located x;
            two_servers(&x, list);
            x.one->node->deaf = dead;
            ask(&x, 1);
            if (!dead)
                answer(&x, x.one, "503 Busy", "Retry-After: 60\r\n");
            assert_false(is_down(&x));
            answer(&x, x.two, "503 Busy", "Retry-After: 600\r\n");
            assert_true(is_down(&x));
            run_ms(&x, dead ? 28000 : 58000);
            assert_true(is_down(&x));
            run_ms(&x, 2000);
            assert_false(is_down(&x));
            ask(&x, 2);
            if (dead)
                assert_true(has(x.two, 2)); /* it is asked when nothing else is left */
            answer(&x, dead ? x.two : x.one, "200 OK", "");
            located_fini(&x);
        }
}

/* A request inside a call tells of its server only. */
static void test_avoid_for_retry_after_inside_a_dialog(void **state)
{
    (void)state;
    for (int list = 0; list < 2; list++) {
        struct located x;
        two_servers(&x, list);
        send_request(&x, "INVITE", "sip:bob@example.test", "c1", "");
        run_ms(&x, 500);
        raw_answer(x.one, raw_nth(x.one, "INVITE", 0), "200 OK",
                   "Contact: <sip:b@10.0.0.11:5061>\r\n");
        run_ms(&x, 500);
        const struct raw_message *ok = raw_nth(x.pbx, "SIP/2.0 200", 0);
        send_inside(&x, "ACK", ok, "sip:b@10.0.0.11:5061", "1 ACK");
        send_inside(&x, "MESSAGE", ok, "sip:b@10.0.0.11:5061", "2 MESSAGE");
        run_ms(&x, 500);
        answer(&x, x.one, "503 Busy", "Retry-After: 600\r\n");
        assert_true(is_avoided(&x, "10.0.0.11:5061"));
        assert_false(is_down(&x));
        ask(&x, 2);
        assert_true(has(x.two, 2));
        answer(&x, x.two, "200 OK", "");
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
        cmocka_unit_test(test_avoid_for_retry_after_the_server_that_said_it),
        cmocka_unit_test(test_avoid_keeps_to_retry_after),
        cmocka_unit_test(test_avoid_for_a_day_at_most),
        cmocka_unit_test(test_avoid_all_servers_takes_the_peer_down),
        cmocka_unit_test(test_avoid_for_retry_after_inside_a_dialog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

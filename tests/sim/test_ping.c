/* What a ping asks, whom, and how long it waits: docs/groups.md "Health". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/locate.h"

enum { PARTNER };
enum { PING_MS = 30000, TIMEOUT_MS = 4000 };

/* The partner has two addresses in place of the DNS. */
static struct conf *begin(struct located *x)
{
    struct conf *k = &x->gate.conf;
    located_init(x, "partner.test");
    k->peer_address[PARTNER][0] = sim_endpoint("10.0.0.11:5061");
    k->peer_address[PARTNER][1] = sim_endpoint("10.0.0.12:5071");
    k->peers[PARTNER].address_count = 2;
    k->peers[PARTNER].ping_ms = PING_MS;
    return k;
}

static bool is_down(const struct located *x)
{
    return atomic_load(&x->gate.conf.state[PARTNER].ping_failed);
}

static void answer(struct located *x, struct raw *r, const char *status)
{
    raw_answer(r, raw_nth(r, "OPTIONS", raw_count(r, "OPTIONS") - 1), status, "");
    run_ms(x, 500);
}

/* "while it has further addresses, a dead one is no failure of the peer": RFC 3263 4.3 */
static void test_ping_asks_the_next_address(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) { /* refused; 503; silent */
        struct located x;
        begin(&x);
        located_start(&x);
        x.one->node->deaf = how == 0;
        run_ms(&x, PING_MS + 500);
        if (how == 1)
            answer(&x, x.one, "503 Service Unavailable");
        else if (how == 2)
            run_ms(&x, TIMEOUT_MS);
        assert_int_equal(raw_count(x.one, "OPTIONS"), how > 0);
        assert_int_equal(raw_count(x.two, "OPTIONS"), 1);
        assert_false(is_down(&x));
        answer(&x, x.two, "200 OK");
        assert_false(is_down(&x));
        run_ms(&x, PING_MS);
        x.one->node->deaf = false;
        if (how == 0) /* each ping begins with the first */
            assert_int_equal(raw_count(x.two, "OPTIONS"), 2);
        located_end(&x);
    }
}

static void test_ping_fails_when_all_addresses_do(void **state)
{
    struct located x;
    (void)state;
    begin(&x);
    located_start(&x);
    x.one->node->deaf = x.two->node->deaf = true;
    run_ms(&x, PING_MS + 500);
    assert_true(is_down(&x));
    x.two->node->deaf = false;
    run_ms(&x, PING_MS);
    answer(&x, x.two, "200 OK");
    assert_false(is_down(&x));
    located_end(&x);
}

/* As with requests: not after Timer F (RFC 3261 17.1.2.2), nor when a connection attempt ends. */
static void test_ping_waits_for_the_timeout_of_the_peer(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) { /* silent; it swallows what opens a connection */
        struct located x;
        begin(&x)->peers[PARTNER].address_count = 1;
        located_start(&x);
        x.one->node->swallows = how;
        run_ms(&x, PING_MS + 500);
        assert_int_equal(raw_count(x.one, "OPTIONS"), !how);
        run_ms(&x, TIMEOUT_MS - 600);
        assert_false(is_down(&x));
        run_ms(&x, 200);
        assert_true(is_down(&x));
        if (!how) /* too late: nobody waits for it any more */
            answer(&x, x.one, "200 OK");
        assert_true(is_down(&x));
        x.one->node->swallows = false;
        run_ms(&x, PING_MS);
        answer(&x, x.one, "200 OK");
        assert_false(is_down(&x));
        run_ms(&x, TIMEOUT_MS + 1000); /* the answer was in time */
        assert_false(is_down(&x));
        located_end(&x);
    }
}

/* Over UDP, with an interval that is shorter than the timeout, and without any timeout. */
static void test_ping_over_udp_waits_no_longer(void **state)
{
    (void)state;
    for (int never = 0; never < 2; never++) {
        struct located x;
        located_init(&x, "partner.test");
        struct sw_peer_conf *b = conf_peer(&x.gate.conf, "b", "10.1.0.8:5060", SW_UDP, NULL);
        struct raw *r = raw_new(x.sim, "b", "10.1.0.8:5060", SW_UDP);
        b->listener = 1;
        b->ping_ms = 1000;
        b->timeout_ms = never ? 0 : TIMEOUT_MS;
        located_start(&x);
        run_ms(&x, 1000 + TIMEOUT_MS + 100);
        assert_int_equal(atomic_load(&x.gate.conf.state[2].ping_failed), !never);
        if (never)
            run_ms(&x, 32000);
        assert_true(atomic_load(&x.gate.conf.state[2].ping_failed));
        run_ms(&x, 1000);
        answer(&x, r, "200 OK");
        assert_false(atomic_load(&x.gate.conf.state[2].ping_failed));
        located_end(&x);
    }
}

/* The question is on its way, or its connection is opened, while the configuration is another one.
 */
static void test_ping_times_out_after_a_reload(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) { /* it stays; it goes; it stays, without pings */
        struct located x;
        struct conf *k = located_next();
        begin(&x)->peers[PARTNER].address_count = 1;
        located_start(&x);
        x.one->node->swallows = true;
        run_ms(&x, PING_MS + 500);
        if (how != 1)
            conf_peer(k, "partner", "10.0.0.11:5061", SW_TLS, "partner.test")->ping_ms =
                how ? 0 : PING_MS;
        gate_adopt(&x.gate, k, 0);
        run_ms(&x, TIMEOUT_MS + 500);
        if (how != 1)
            assert_int_equal(atomic_load(&k->state[1].ping_failed), how == 0);
        run_ms(&x, PING_MS);
        located_end(&x);
    }
}

/* A list may grow shorter under a question that is on its way. */
static void test_ping_survives_a_reload(void **state)
{
    struct located x;
    (void)state;
    struct conf *k = located_next();
    begin(&x);
    located_start(&x);
    run_ms(&x, PING_MS + 500);
    answer(&x, x.one, "503 Service Unavailable");
    assert_int_equal(raw_count(x.two, "OPTIONS"), 1);
    conf_peer(k, "partner", "10.0.0.11:5061", SW_TLS, "partner.test")->ping_ms = PING_MS;
    gate_adopt(&x.gate, k, 0);
    run_ms(&x, 10);
    answer(&x, x.two, "503 Service Unavailable");
    assert_true(atomic_load(&k->state[1].ping_failed));
    run_ms(&x, PING_MS + 500);
    assert_int_equal(raw_count(x.one, "OPTIONS"), 2);
    answer(&x, x.one, "200 OK");
    assert_false(atomic_load(&k->state[1].ping_failed));
    located_end(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ping_asks_the_next_address),
        cmocka_unit_test(test_ping_fails_when_all_addresses_do),
        cmocka_unit_test(test_ping_waits_for_the_timeout_of_the_peer),
        cmocka_unit_test(test_ping_over_udp_waits_no_longer),
        cmocka_unit_test(test_ping_times_out_after_a_reload),
        cmocka_unit_test(test_ping_survives_a_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

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
    for (int how = 0; how < 3; how++) { /* refused; 503; silent until Timer F */
        struct located x;
        begin(&x);
        located_start(&x);
        x.one->node->deaf = how == 0;
        run_ms(&x, PING_MS + 500);
        if (how == 1)
            answer(&x, x.one, "503 Service Unavailable");
        else if (how == 2)
            run_ms(&x, 33000);
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
        cmocka_unit_test(test_ping_survives_a_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* security: best-effort with two peers: what is learned of one says nothing of the other.
 * docs/config.md "In the clear"; RFC 9325 3.2 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/raw.h"
#include "sim/world.h"
#include "support/fault.h"

#include <stdio.h>
#include <stdlib.h>

struct scene {
    struct sim *sim;
    struct gate gate;
    struct raw *caller, *first_clear, *second, *second_clear;
};

/* The first peer refuses TLS; the second is at `second_at`, 10.0.0.8:5061 where it is looked for.
 */
static void scene_init(struct scene *x, const char *second_at)
{
    struct conf *k = &x->gate.conf;
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(4);
    conf_init(k);
    conf_listener(k, "outside", "10.0.0.1:5061", SW_TLS, "sip.example.test");
    conf_listener(k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    conf_peer(k, "caller", "10.0.0.9:5061", SW_TLS, "caller.test");
    struct sw_peer_conf *a = conf_peer(k, "first", "10.0.0.7:5061", SW_TLS, "first.test");
    a->clear_address = sim_endpoint("10.1.0.7:5060");
    struct sw_peer_conf *b = conf_peer(k, "second", "10.0.0.8:5061", SW_TLS, "second.test");
    b->clear_address = sim_endpoint("10.1.0.8:5060");
    a->best_effort = b->best_effort = k->proxy.best_effort = true;
    conf_route(k, "caller", "first", "second", NULL);
    gate_start(&x->gate, x->sim, "gate", 1, "example.test", 4);
    x->caller = raw_new(x->sim, "caller", "10.0.0.9:5061", SW_TLS);
    x->first_clear = raw_new(x->sim, "first", "10.1.0.7:5060", SW_UDP);
    x->second = raw_new(x->sim, "second", second_at, SW_TLS);
    x->second_clear = raw_new(x->sim, "second-clear", "10.1.0.8:5060", SW_UDP);
    raw_proves(x->caller, "caller.test");
    raw_proves(x->second, "second.test");
}

static void scene_fini(struct scene *x)
{
    gate_finish(&x->gate);
}

/* The first peer gets it in the clear and is silent; after its `timeout` it is the second's turn.
 */
static void send_invite(struct scene *x)
{
    raw_send(x->caller, "10.0.0.1:5061", SW_TLS,
             "INVITE sip:bob@example.test SIP/2.0\r\n"
             "Via: SIP/2.0/TLS 10.0.0.9:5061;branch=z9hG4bKc\r\nMax-Forwards: 70\r\n"
             "From: <sip:x@x.test>;tag=1\r\nTo: <sip:y@y.test>\r\nCall-ID: c@x\r\n"
             "CSeq: 1 INVITE\r\nContact: <sip:x@10.0.0.9>\r\nContent-Length: 0\r\n\r\n");
}

static void invite(struct scene *x)
{
    send_invite(x);
    sim_run(x->sim, x->sim->now_ms + 5000);
    assert_true(raw_count(x->first_clear, "INVITE") > 0);
}

static void test_clear_is_not_for_a_peer_that_answered_over_tls(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, "10.0.0.8:5061");
    invite(&x);
    assert_int_equal(raw_count(x.second, "INVITE"), 1);
    raw_answer(x.second, raw_nth(x.second, "INVITE", 0), "503 Busy", "");
    sim_run(x.sim, x.sim->now_ms + 40000);
    assert_int_equal(x.second_clear->count, 0);
    scene_fini(&x);
}

static void test_clear_is_not_for_a_peer_whose_handshake_fails(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, "10.0.0.8:5061");
    x.second->refuse = true;
    invite(&x);
    sim_run(x.sim, x.sim->now_ms + 40000);
    assert_int_equal(raw_count(x.second, "INVITE"), 0);
    assert_int_equal(x.second_clear->count, 0);
    scene_fini(&x);
}

static void test_clear_is_for_each_peer_that_refuses_tls(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, "10.0.0.88:5061");
    invite(&x);
    assert_true(raw_count(x.second_clear, "INVITE") > 0);
    raw_answer(x.second_clear, raw_nth(x.second_clear, "INVITE", 0), "486 Busy Here", "");
    sim_run(x.sim, x.sim->now_ms + 40000);
    scene_fini(&x);
}

/* Another request learned meanwhile that the peer speaks TLS. */
static void test_clear_is_not_for_a_peer_that_spoke_tls_since_the_request_began(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, "10.0.0.88:5061");
    raw_send(x.second, "10.0.0.1:5061", SW_TLS,
             "OPTIONS sip:example.test SIP/2.0\r\n"
             "Via: SIP/2.0/TLS 10.0.0.8:5061;branch=z9hG4bKo\r\nMax-Forwards: 70\r\n"
             "From: <sip:x@x.test>;tag=1\r\nTo: <sip:y@y.test>\r\nCall-ID: o@x\r\n"
             "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n");
    invite(&x);
    sim_run(x.sim, x.sim->now_ms + 40000);
    assert_int_equal(x.second_clear->count, 0);
    scene_fini(&x);
}

/* The gateway's step, while memory may run out; nothing else of the scene meets that. */
static struct sw_step inner;
static unsigned refused; /* TLS targets, at connect */

static void short_of_memory(void *user, const struct sw_event *ev, struct sw_actions *out,
                            int64_t now_ms)
{
    refused += ev->kind == SW_EV_OPENED && ev->status == SW_PEER_REFUSED;
    fault.on = true;
    inner.step(user, ev, out, now_ms);
    fault.on = false;
}

/* A request for the second peer, at two addresses where nobody is, while one request for memory
 * fails; 0: none. True: it left in the clear. */
static bool left_in_the_clear(uint64_t at)
{
    struct scene x;
    scene_init(&x, "10.0.0.88:5061");
    conf_address(&x.gate.conf, "10.0.0.18:5061");
    x.gate.conf.to[0][0] = 2;
    x.gate.conf.routes[0].to_count = 1;
    refused = 0;
    inner = x.gate.node->worker[0].step;
    x.gate.node->worker[0].step.step = short_of_memory;
    fault = (struct fault){.layer = FAULT_ROOM, .mode = at ? FAULT_ONCE : FAULT_NONE, .at = at};
    send_invite(&x);
    sim_run(x.sim, x.sim->now_ms + 3000);
    x.gate.node->worker[0].step = inner;
    bool clear = raw_count(x.second_clear, "INVITE") > 0;
    scene_fini(&x);
    return clear;
}

/* "only when TLS was refused at connect": an address that could not be tried for lack of memory was
 * not. Each request for memory fails in turn. docs/config.md "In the clear" */
static void test_clear_is_not_for_a_peer_of_which_an_address_was_not_tried(void **state)
{
    unsigned clear = 0;
    (void)state;
    assert_true(left_in_the_clear(0));
    assert_int_equal(refused, 2);
    uint64_t last = fault.count[FAULT_ROOM];
    for (uint64_t at = 1; at <= last; at++)
        if (left_in_the_clear(at)) {
            assert_int_equal(refused, 2);
            clear++;
        }
    assert_in_range(clear, 1, last - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clear_is_not_for_a_peer_that_answered_over_tls),
        cmocka_unit_test(test_clear_is_not_for_a_peer_whose_handshake_fails),
        cmocka_unit_test(test_clear_is_for_each_peer_that_refuses_tls),
        cmocka_unit_test(test_clear_is_not_for_a_peer_that_spoke_tls_since_the_request_began),
        cmocka_unit_test(test_clear_is_not_for_a_peer_of_which_an_address_was_not_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

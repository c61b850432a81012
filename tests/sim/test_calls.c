/* Whole calls through whole gateways in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/world.h"

static const struct world_conf quiet = {
    .outside = SW_TLS,
    .inside = SW_UDP,
    .carrier = {.answer = 200, .ring_ms = 1, .answer_ms = 2000, .talk_ms = 1000, .hang_up = true},
    .pbx = {.answer = 200, .ring_ms = 1, .answer_ms = 2000, .talk_ms = 1000},
};

/* One call, answered and hung up, everything seen exactly once. */
static void assert_clean_call(const struct ua_call *caller, const struct ua *callee_ua,
                              unsigned index)
{
    assert_int_equal(caller->status, 200);
    assert_int_equal(caller->oks, 1);
    assert_int_equal(caller->ringing, 1);
    assert_int_equal(caller->timeouts, 0);
    assert_true(index < callee_ua->call_count);
    const struct ua_call *callee = &callee_ua->calls[index];
    assert_int_equal(callee->invites, 1);
    assert_int_equal(callee->acks, 1);
    assert_int_equal(caller->bye_finals + callee->bye_finals, 1);
    assert_int_equal(caller->byes + callee->byes, 1);
}

static void test_call_from_outside_reaches_the_inside_and_ends_cleanly(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1, &quiet);
    struct ua_call *c = ua_call(w.carrier, "sip:bob@example.test");
    world_finish(&w);
    assert_clean_call(c, w.pbx, 0);
    world_fini(&w);
}

static void test_call_from_inside_reaches_the_outside_over_tls(void **state)
{
    (void)state;
    struct world w;
    struct world_conf conf = quiet;
    conf.pbx.hang_up = true;
    conf.carrier.hang_up = false;
    world_init(&w, 2, &conf);
    struct ua_call *c = ua_call(w.pbx, "sip:+4912345@example.test");
    world_finish(&w);
    assert_clean_call(c, w.carrier, 0);
    world_fini(&w);
}

static void test_call_is_hung_up_by_the_callee(void **state)
{
    (void)state;
    struct world w;
    struct world_conf conf = quiet;
    conf.carrier.hang_up = false;
    conf.pbx.hang_up = true;
    world_init(&w, 3, &conf);
    struct ua_call *c = ua_call(w.carrier, "sip:bob@example.test");
    world_finish(&w);
    assert_clean_call(c, w.pbx, 0);
    assert_int_equal(c->byes, 1);
    world_fini(&w);
}

static void test_call_passes_two_gateways(void **state)
{
    (void)state;
    struct world w;
    struct world_conf conf = quiet;
    conf.two_gateways = true;
    world_init(&w, 4, &conf);
    struct ua_call *c = ua_call(w.carrier, "sip:bob@example.test");
    world_finish(&w);
    assert_clean_call(c, w.pbx, 0);
    world_fini(&w);
}

static void test_cancel_ends_a_ringing_call(void **state)
{
    (void)state;
    struct world w;
    struct world_conf conf = quiet;
    conf.pbx.answer = 0;
    conf.carrier.cancel_ms = 3000;
    world_init(&w, 5, &conf);
    struct ua_call *c = ua_call(w.carrier, "sip:bob@example.test");
    world_finish(&w);
    assert_int_equal(c->status, 487);
    assert_int_equal(c->finals, 1);
    assert_int_equal(c->cancel_finals, 1);
    assert_int_equal(w.pbx->calls[0].cancels, 1);
    assert_int_equal(w.pbx->calls[0].status, 487);
    world_fini(&w);
}

static void test_busy_is_passed_back_and_acknowledged_hop_by_hop(void **state)
{
    (void)state;
    struct world w;
    struct world_conf conf = quiet;
    conf.pbx.answer = 486;
    conf.pbx.ring_ms = 0;
    world_init(&w, 6, &conf);
    struct ua_call *c = ua_call(w.carrier, "sip:bob@example.test");
    world_finish(&w);
    assert_int_equal(c->status, 486);
    assert_int_equal(c->finals, 1);
    assert_int_equal(w.pbx->calls[0].acks, 0); /* absorbed by the transaction: RFC 3261 17.2.1 */
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call_from_outside_reaches_the_inside_and_ends_cleanly),
        cmocka_unit_test(test_call_from_inside_reaches_the_outside_over_tls),
        cmocka_unit_test(test_call_is_hung_up_by_the_callee),
        cmocka_unit_test(test_call_passes_two_gateways),
        cmocka_unit_test(test_cancel_ends_a_ringing_call),
        cmocka_unit_test(test_busy_is_passed_back_and_acknowledged_hop_by_hop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

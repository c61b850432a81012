#include "support/machine.h"

static void test_txn_machines_start_in_the_first_state_of_their_figure(void **state)
{
    (void)state;
    static const enum sw_txn_state first[] = {[SW_ICT] = SW_TXN_CALLING,
                                              [SW_NICT] = SW_TXN_TRYING,
                                              [SW_IST] = SW_TXN_PROCEEDING,
                                              [SW_NIST] = SW_TXN_TRYING};
    for (int kind = SW_ICT; kind <= SW_NIST; kind++)
        for (int reliable = 0; reliable < 2; reliable++) {
            struct sw_txn t = sw_txn((enum sw_txn_kind)kind, reliable);
            assert_int_equal(t.state, first[kind]);
            assert_int_equal(t.kind, kind);
            assert_int_equal(t.reliable, reliable);
        }
}

static void test_txn_event_picks_the_machine_by_kind(void **state)
{
    (void)state;
    struct sw_txn_out (*const machine[])(struct sw_txn *, enum sw_txn_event) = {
        sw_ict_event, sw_nict_event, sw_ist_event, sw_nist_event};
    for (int kind = SW_ICT; kind <= SW_NIST; kind++)
        for (int event = SW_TXN_START; event <= SW_TXN_ERROR; event++) {
            struct sw_txn a = sw_txn((enum sw_txn_kind)kind, false), b = a;
            struct sw_txn_out x = sw_txn_event(&a, (enum sw_txn_event)event);
            struct sw_txn_out y = machine[kind](&b, (enum sw_txn_event)event);
            assert_int_equal(x.todo, y.todo);
            assert_int_equal(x.retry_ms, y.retry_ms);
            assert_int_equal(a.state, b.state);
        }
}

static void test_txn_response_event_goes_by_the_class(void **state)
{
    (void)state;
    for (unsigned status = 100; status < 700; status++)
        assert_int_equal(sw_txn_response(status), status < 200   ? SW_TXN_1XX
                                                  : status < 300 ? SW_TXN_2XX
                                                                 : SW_TXN_3TO6XX);
}

static void test_txn_every_state_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int a = SW_TXN_CALLING; a <= SW_TXN_TERMINATED; a++) {
        assert_string_not_equal(sw_txn_state_name((enum sw_txn_state)a), "unknown");
        for (int b = SW_TXN_CALLING; b < a; b++)
            assert_string_not_equal(sw_txn_state_name((enum sw_txn_state)a),
                                    sw_txn_state_name((enum sw_txn_state)b));
    }
    assert_string_equal(sw_txn_state_name((enum sw_txn_state)(SW_TXN_TERMINATED + 1)), "unknown");
}

/* The caller destroys a transaction at once; no timer of it may be left. */
static void test_txn_random_events_end_exactly_once_and_without_timers(void **state)
{
    (void)state;
    struct rng r = rng_start(__func__);
    for (int round = 0; round < 20000; round++) {
        enum sw_txn_kind kind = (enum sw_txn_kind)rng_below(&r, 4);
        struct machine m = {.t = sw_txn(kind, rng_below(&r, 2))};
        machine_feed(&m, SW_TXN_START);
        for (int step = 0; step < 30 && m.t.state != SW_TXN_TERMINATED; step++) {
            m.todo = 0;
            if (rng_below(&r, 2))
                machine_run(&m, m.now_ms + (int64_t)rng_below(&r, 20000));
            else
                machine_feed(&m, (enum sw_txn_event)(1 + rng_below(&r, SW_TXN_ERROR)));
            assert_int_equal((m.todo & SW_DO_END) != 0, m.t.state == SW_TXN_TERMINATED);
        }
        if (m.t.state == SW_TXN_TERMINATED)
            assert_int_equal(m.retry_ms + m.life_ms, 0);
        m.todo = 0;
        for (int event = SW_TXN_START; m.t.state == SW_TXN_TERMINATED && event <= SW_TXN_ERROR;
             event++)
            machine_feed(&m, (enum sw_txn_event)event);
        assert_int_equal(m.todo, 0);
    }
}

/* Whatever came before, a transaction that heard of its request goes away by itself: only an INVITE
 * that rings, and a request that its user does not answer, wait for the user. */
static void test_txn_time_alone_ends_every_other_transaction(void **state)
{
    (void)state;
    struct rng r = rng_start(__func__);
    for (int round = 0; round < 5000; round++) {
        enum sw_txn_kind kind = (enum sw_txn_kind)rng_below(&r, 4);
        struct machine m = {.t = sw_txn(kind, rng_below(&r, 2))};
        machine_feed(&m, SW_TXN_START);
        for (uint64_t k = rng_below(&r, 6); k > 0; k--)
            machine_feed(&m, (enum sw_txn_event)(SW_TXN_1XX + rng_below(&r, 5)));
        m.sent = 0;
        machine_run(&m, m.now_ms + 2 * SW_T_LIFE_MS);
        bool waits = (m.t.state == SW_TXN_PROCEEDING && kind != SW_NICT) ||
                     (m.t.state == SW_TXN_TRYING && kind == SW_NIST);
        assert_true(waits || m.t.state == SW_TXN_TERMINATED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_txn_machines_start_in_the_first_state_of_their_figure),
        cmocka_unit_test(test_txn_event_picks_the_machine_by_kind),
        cmocka_unit_test(test_txn_response_event_goes_by_the_class),
        cmocka_unit_test(test_txn_every_state_has_a_name_of_its_own),
        cmocka_unit_test(test_txn_random_events_end_exactly_once_and_without_timers),
        cmocka_unit_test(test_txn_time_alone_ends_every_other_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "support/machine.h"

#define CALLING    SW_TXN_CALLING
#define PROCEEDING SW_TXN_PROCEEDING
#define COMPLETED  SW_TXN_COMPLETED
#define ACCEPTED   SW_TXN_ACCEPTED
#define GONE       SW_TXN_TERMINATED
#define LEAVE      MACHINE_LEAVE

/* RFC 3261 17.1.1.2 with figure 5 of RFC 6026 8.4. Timer D is 0 on reliable transports, so that
 * Completed is left as it is entered. A lost connection ends Proceeding too: RFC 3261 17.1.4. */
static const struct machine_row figure[] = {
    {CALLING, SW_TXN_START, {SW_DO_SEND, CALLING, 500, 32000}, {SW_DO_SEND, CALLING, 0, 32000}},
    {CALLING, SW_TXN_RETRY, MACHINE_SAME({SW_DO_SEND, CALLING, 1000, LEAVE})},
    {CALLING, SW_TXN_LIFE, MACHINE_SAME({SW_DO_TIMEOUT | SW_DO_END, GONE, 0, 0})},
    {CALLING, SW_TXN_ERROR, MACHINE_SAME({SW_DO_FAIL | SW_DO_END, GONE, 0, 0})},
    {CALLING, SW_TXN_1XX, MACHINE_SAME({SW_DO_PASS, PROCEEDING, 0, 0})},
    {CALLING, SW_TXN_2XX, MACHINE_SAME({SW_DO_PASS, ACCEPTED, 0, 32000})},
    {CALLING,
     SW_TXN_3TO6XX,
     {SW_DO_PASS | SW_DO_ACK, COMPLETED, 0, 32000},
     {SW_DO_PASS | SW_DO_ACK | SW_DO_END, GONE, 0, 0}},
    {PROCEEDING, SW_TXN_1XX, MACHINE_SAME({SW_DO_PASS, PROCEEDING, LEAVE, LEAVE})},
    {PROCEEDING, SW_TXN_2XX, MACHINE_SAME({SW_DO_PASS, ACCEPTED, 0, 32000})},
    {PROCEEDING,
     SW_TXN_3TO6XX,
     {SW_DO_PASS | SW_DO_ACK, COMPLETED, 0, 32000},
     {SW_DO_PASS | SW_DO_ACK | SW_DO_END, GONE, 0, 0}},
    {PROCEEDING, SW_TXN_LIFE, MACHINE_SAME({SW_DO_TIMEOUT | SW_DO_END, GONE, 0, 0})},
    {PROCEEDING, SW_TXN_ERROR, MACHINE_SAME({SW_DO_FAIL | SW_DO_END, GONE, 0, 0})},
    {COMPLETED, SW_TXN_3TO6XX, MACHINE_SAME({SW_DO_ACK, COMPLETED, LEAVE, LEAVE})},
    {COMPLETED, SW_TXN_LIFE, MACHINE_SAME({SW_DO_END, GONE, 0, 0})},
    {COMPLETED, SW_TXN_ERROR, MACHINE_SAME({SW_DO_FAIL | SW_DO_END, GONE, 0, 0})},
    {ACCEPTED, SW_TXN_2XX, MACHINE_SAME({SW_DO_PASS, ACCEPTED, LEAVE, LEAVE})},
    {ACCEPTED, SW_TXN_LIFE, MACHINE_SAME({SW_DO_END, GONE, 0, 0})},
};

static void test_ict_every_state_meets_every_event(void **state)
{
    (void)state;
    machine_matches(SW_ICT, figure, UNIT_COUNT(figure));
}

/* RFC 3261 17.1.1.2: Timer A doubles each time; 64*T1 is the time of seven requests */
static void test_ict_request_goes_out_seven_times_and_then_times_out(void **state)
{
    (void)state;
    static const int64_t ms[] = {0, 500, 1500, 3500, 7500, 15500, 31500};
    struct machine m = {.t = sw_txn(SW_ICT, false)};
    machine_feed(&m, SW_TXN_START);
    machine_run(&m, INT64_MAX);
    machine_sent_at(&m, ms, UNIT_COUNT(ms));
    assert_int_equal(m.now_ms, 32000);
    assert_int_equal(m.todo, SW_DO_SEND | SW_DO_TIMEOUT | SW_DO_END);
}

static void test_ict_request_goes_out_once_on_a_reliable_transport(void **state)
{
    (void)state;
    static const int64_t ms[] = {0};
    struct machine m = {.t = sw_txn(SW_ICT, true)};
    machine_feed(&m, SW_TXN_START);
    machine_run(&m, INT64_MAX);
    machine_sent_at(&m, ms, 1);
    assert_int_equal(m.now_ms, 32000);
    assert_true(m.todo & SW_DO_TIMEOUT);
}

/* RFC 3261 17.1.1.2: no more retransmissions, and Timer B is of Calling only */
static void test_ict_provisional_response_stops_both_timers(void **state)
{
    (void)state;
    struct machine m = {.t = sw_txn(SW_ICT, false)};
    machine_feed(&m, SW_TXN_START);
    machine_run(&m, 1000);
    machine_feed(&m, SW_TXN_1XX);
    machine_run(&m, 600000);
    assert_int_equal(m.sent, 2);
    assert_int_equal(m.t.state, SW_TXN_PROCEEDING);
}

/* The interval is kept in 16 bits. */
static void test_ict_interval_does_not_wrap(void **state)
{
    (void)state;
    struct sw_txn t = sw_txn(SW_ICT, false);
    int32_t last = sw_txn_event(&t, SW_TXN_START).retry_ms;
    for (int i = 0; i < 20; i++) {
        int32_t next = sw_txn_event(&t, SW_TXN_RETRY).retry_ms;
        assert_true(next >= last);
        last = next;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ict_every_state_meets_every_event),
        cmocka_unit_test(test_ict_request_goes_out_seven_times_and_then_times_out),
        cmocka_unit_test(test_ict_request_goes_out_once_on_a_reliable_transport),
        cmocka_unit_test(test_ict_provisional_response_stops_both_timers),
        cmocka_unit_test(test_ict_interval_does_not_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

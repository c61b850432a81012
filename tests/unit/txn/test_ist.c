#include "support/machine.h"

#define PROCEEDING SW_TXN_PROCEEDING
#define COMPLETED  SW_TXN_COMPLETED
#define CONFIRMED  SW_TXN_CONFIRMED
#define ACCEPTED   SW_TXN_ACCEPTED
#define GONE       SW_TXN_TERMINATED
#define LEAVE      MACHINE_LEAVE

/* RFC 3261 17.2.1 with figure 7 of RFC 6026 8.6; a transport error changes no state: RFC 6026 7.1
 */
static const struct machine_row figure[] = {
    {PROCEEDING, SW_TXN_START, MACHINE_SAME({SW_DO_PASS, PROCEEDING, LEAVE, LEAVE})},
    {PROCEEDING, SW_TXN_REQUEST, MACHINE_SAME({SW_DO_SEND, PROCEEDING, LEAVE, LEAVE})},
    {PROCEEDING, SW_TXN_1XX, MACHINE_SAME({SW_DO_SEND, PROCEEDING, LEAVE, LEAVE})},
    {PROCEEDING, SW_TXN_2XX, MACHINE_SAME({SW_DO_SEND, ACCEPTED, 0, 32000})},
    {PROCEEDING,
     SW_TXN_3TO6XX,
     {SW_DO_SEND, COMPLETED, 500, 32000},
     {SW_DO_SEND, COMPLETED, 0, 32000}},
    {PROCEEDING, SW_TXN_ERROR, MACHINE_SAME({SW_DO_FAIL, PROCEEDING, LEAVE, LEAVE})},
    {COMPLETED, SW_TXN_REQUEST, MACHINE_SAME({SW_DO_SEND, COMPLETED, LEAVE, LEAVE})},
    {COMPLETED, SW_TXN_RETRY, MACHINE_SAME({SW_DO_SEND, COMPLETED, 1000, LEAVE})},
    {COMPLETED, SW_TXN_LIFE, MACHINE_SAME({SW_DO_TIMEOUT | SW_DO_END, GONE, 0, 0})},
    {COMPLETED, SW_TXN_ACK, {0, CONFIRMED, 0, 5000}, {SW_DO_END, GONE, 0, 0}},
    {COMPLETED, SW_TXN_ERROR, MACHINE_SAME({SW_DO_FAIL, COMPLETED, LEAVE, LEAVE})},
    {CONFIRMED, SW_TXN_LIFE, MACHINE_SAME({SW_DO_END, GONE, 0, 0})},
    {ACCEPTED, SW_TXN_2XX, MACHINE_SAME({SW_DO_SEND, ACCEPTED, LEAVE, LEAVE})},
    {ACCEPTED, SW_TXN_ACK, MACHINE_SAME({SW_DO_PASS, ACCEPTED, LEAVE, LEAVE})},
    {ACCEPTED, SW_TXN_LIFE, MACHINE_SAME({SW_DO_END, GONE, 0, 0})},
    {ACCEPTED, SW_TXN_ERROR, MACHINE_SAME({SW_DO_FAIL, ACCEPTED, LEAVE, LEAVE})},
};

static void test_ist_every_state_meets_every_event(void **state)
{
    (void)state;
    machine_matches(SW_IST, figure, UNIT_COUNT(figure));
}

/* RFC 3261 17.2.1: Timer G doubles up to T2, Timer H ends it and tells the user */
static void test_ist_refusal_is_repeated_until_the_ack_is_given_up(void **state)
{
    (void)state;
    static const int64_t ms[] = {100,   600,   1600,  3600,  7600, 11600,
                                 15600, 19600, 23600, 27600, 31600};
    struct machine m = {.t = sw_txn(SW_IST, false), .now_ms = 100};
    machine_feed(&m, SW_TXN_START);
    machine_feed(&m, SW_TXN_3TO6XX);
    machine_run(&m, INT64_MAX);
    machine_sent_at(&m, ms, UNIT_COUNT(ms));
    assert_int_equal(m.now_ms, 32100);
    assert_true(m.todo & SW_DO_TIMEOUT);
}

static void test_ist_refusal_goes_out_once_on_a_reliable_transport(void **state)
{
    (void)state;
    struct machine m = {.t = sw_txn(SW_IST, true)};
    machine_feed(&m, SW_TXN_START);
    machine_feed(&m, SW_TXN_3TO6XX);
    machine_run(&m, INT64_MAX);
    assert_int_equal(m.sent, 1);
    assert_int_equal(m.now_ms, 32000);
    assert_true(m.todo & SW_DO_TIMEOUT);
}

/* RFC 3261 17.2.1: Timer I absorbs further ACKs */
static void test_ist_ack_stops_the_repeats_and_is_absorbed(void **state)
{
    (void)state;
    struct machine m = {.t = sw_txn(SW_IST, false)};
    machine_feed(&m, SW_TXN_START);
    machine_feed(&m, SW_TXN_3TO6XX);
    machine_run(&m, 600);
    machine_feed(&m, SW_TXN_ACK);
    m.todo = 0;
    machine_feed(&m, SW_TXN_ACK);
    machine_feed(&m, SW_TXN_REQUEST);
    assert_int_equal(m.todo, 0);
    machine_run(&m, INT64_MAX);
    assert_int_equal(m.sent, 2);
    assert_int_equal(m.now_ms, 5600);
    assert_int_equal(m.todo, SW_DO_END);
}

/* RFC 6026 7.1 and 8.7: Timer L is 64*T1 on all transports, the machine repeats no 2xx */
static void test_ist_accepted_absorbs_the_invite_for_64_t1(void **state)
{
    (void)state;
    for (int reliable = 0; reliable < 2; reliable++) {
        struct machine m = {.t = sw_txn(SW_IST, reliable), .now_ms = 100};
        machine_feed(&m, SW_TXN_START);
        machine_feed(&m, SW_TXN_2XX);
        machine_run(&m, 20000);
        m.todo = 0;
        machine_feed(&m, SW_TXN_REQUEST);
        assert_int_equal(m.todo, 0);
        machine_run(&m, INT64_MAX);
        assert_int_equal(m.sent, 1);
        assert_int_equal(m.now_ms, 32100);
        assert_int_equal(m.todo, SW_DO_END);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ist_every_state_meets_every_event),
        cmocka_unit_test(test_ist_refusal_is_repeated_until_the_ack_is_given_up),
        cmocka_unit_test(test_ist_refusal_goes_out_once_on_a_reliable_transport),
        cmocka_unit_test(test_ist_ack_stops_the_repeats_and_is_absorbed),
        cmocka_unit_test(test_ist_accepted_absorbs_the_invite_for_64_t1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

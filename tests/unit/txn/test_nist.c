#include "support/machine.h"

#define TRYING     SW_TXN_TRYING
#define PROCEEDING SW_TXN_PROCEEDING
#define COMPLETED  SW_TXN_COMPLETED
#define GONE       SW_TXN_TERMINATED
#define LEAVE      MACHINE_LEAVE

/* A final response: Timer J is 0 on reliable transports. */
#define FINAL                                                                                      \
    {SW_DO_SEND, COMPLETED, 0, 32000},                                                             \
    {                                                                                              \
        SW_DO_SEND | SW_DO_END, GONE, 0, 0                                                         \
    }

/* RFC 3261 17.2.2, figure 8; RFC 4320 4.1 */
static const struct machine_row figure[] = {
    {TRYING, SW_TXN_START, MACHINE_SAME({SW_DO_PASS, TRYING, 3500, LEAVE})},
    {TRYING, SW_TXN_RETRY, MACHINE_SAME({SW_DO_TRYING, TRYING, LEAVE, LEAVE})},
    {TRYING, SW_TXN_1XX, MACHINE_SAME({SW_DO_SEND, PROCEEDING, 0, LEAVE})},
    {TRYING, SW_TXN_2XX, FINAL},
    {TRYING, SW_TXN_3TO6XX, FINAL},
    {TRYING, SW_TXN_ERROR, MACHINE_SAME({SW_DO_FAIL | SW_DO_END, GONE, 0, 0})},
    {PROCEEDING, SW_TXN_REQUEST, MACHINE_SAME({SW_DO_SEND, PROCEEDING, LEAVE, LEAVE})},
    {PROCEEDING, SW_TXN_1XX, MACHINE_SAME({SW_DO_SEND, PROCEEDING, LEAVE, LEAVE})},
    {PROCEEDING, SW_TXN_2XX, FINAL},
    {PROCEEDING, SW_TXN_3TO6XX, FINAL},
    {PROCEEDING, SW_TXN_ERROR, MACHINE_SAME({SW_DO_FAIL | SW_DO_END, GONE, 0, 0})},
    {COMPLETED, SW_TXN_REQUEST, MACHINE_SAME({SW_DO_SEND, COMPLETED, LEAVE, LEAVE})},
    {COMPLETED, SW_TXN_LIFE, MACHINE_SAME({SW_DO_END, GONE, 0, 0})},
    {COMPLETED, SW_TXN_ERROR, MACHINE_SAME({SW_DO_FAIL | SW_DO_END, GONE, 0, 0})},
};

static void test_nist_every_state_meets_every_event(void **state)
{
    (void)state;
    machine_matches(SW_NIST, figure, UNIT_COUNT(figure));
}

/* RFC 4320 4.1: not before the client's Timer E is reset to T2, and without regard to transport
 * then; 0.5 + 1 + 2 s */
static void test_nist_trying_is_due_when_timer_e_reaches_t2(void **state)
{
    (void)state;
    for (int reliable = 0; reliable < 2; reliable++) {
        struct machine m = {.t = sw_txn(SW_NIST, reliable)};
        machine_feed(&m, SW_TXN_START);
        machine_run(&m, 3499);
        assert_int_equal(m.todo, SW_DO_PASS);
        machine_run(&m, 3500);
        assert_int_equal(m.todo, SW_DO_PASS | SW_DO_TRYING);
        machine_feed(&m, SW_TXN_1XX);
        assert_int_equal(m.t.state, SW_TXN_PROCEEDING);
        machine_run(&m, INT64_MAX);
        assert_int_equal(m.sent, 1);
    }
}

static void test_nist_answer_in_time_leaves_no_trying(void **state)
{
    (void)state;
    struct machine m = {.t = sw_txn(SW_NIST, false)};
    machine_feed(&m, SW_TXN_START);
    machine_run(&m, 3000);
    machine_feed(&m, SW_TXN_2XX);
    machine_run(&m, INT64_MAX);
    assert_false(m.todo & SW_DO_TRYING);
    assert_int_equal(m.now_ms, 35000);
}

/* RFC 3261 17.2.2: discarded in Trying, answered again later; other finals are discarded */
static void test_nist_repeats_get_what_was_answered_last(void **state)
{
    (void)state;
    struct machine m = {.t = sw_txn(SW_NIST, false)};
    machine_feed(&m, SW_TXN_START);
    machine_feed(&m, SW_TXN_REQUEST);
    assert_int_equal(m.sent, 0);
    machine_feed(&m, SW_TXN_3TO6XX);
    machine_feed(&m, SW_TXN_REQUEST);
    machine_feed(&m, SW_TXN_2XX);
    assert_int_equal(m.sent, 2);
    machine_run(&m, INT64_MAX);
    assert_int_equal(m.now_ms, 32000);
    assert_int_equal(m.sent, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nist_every_state_meets_every_event),
        cmocka_unit_test(test_nist_trying_is_due_when_timer_e_reaches_t2),
        cmocka_unit_test(test_nist_answer_in_time_leaves_no_trying),
        cmocka_unit_test(test_nist_repeats_get_what_was_answered_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

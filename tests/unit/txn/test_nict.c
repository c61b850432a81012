#include "support/machine.h"

#define TRYING     SW_TXN_TRYING
#define PROCEEDING SW_TXN_PROCEEDING
#define COMPLETED  SW_TXN_COMPLETED
#define GONE       SW_TXN_TERMINATED
#define LEAVE      MACHINE_LEAVE

/* A final response: Timer K is 0 on reliable transports. */
#define FINAL                                                                                      \
    {SW_DO_PASS, COMPLETED, 0, 5000},                                                              \
    {                                                                                              \
        SW_DO_PASS | SW_DO_END, GONE, 0, 0                                                         \
    }

/* RFC 3261 17.1.2.2, figure 6 */
static const struct machine_row figure[] = {
    {TRYING, SW_TXN_START, {SW_DO_SEND, TRYING, 500, 32000}, {SW_DO_SEND, TRYING, 0, 32000}},
    {TRYING, SW_TXN_RETRY, MACHINE_SAME({SW_DO_SEND, TRYING, 1000, LEAVE})},
    {TRYING, SW_TXN_LIFE, MACHINE_SAME({SW_DO_TIMEOUT | SW_DO_END, GONE, 0, 0})},
    {TRYING, SW_TXN_ERROR, MACHINE_SAME({SW_DO_FAIL | SW_DO_END, GONE, 0, 0})},
    {TRYING, SW_TXN_1XX, MACHINE_SAME({SW_DO_PASS, PROCEEDING, LEAVE, LEAVE})},
    {TRYING, SW_TXN_2XX, FINAL},
    {TRYING, SW_TXN_3TO6XX, FINAL},
    {PROCEEDING, SW_TXN_RETRY, MACHINE_SAME({SW_DO_SEND, PROCEEDING, 4000, LEAVE})},
    {PROCEEDING, SW_TXN_LIFE, MACHINE_SAME({SW_DO_TIMEOUT | SW_DO_END, GONE, 0, 0})},
    {PROCEEDING, SW_TXN_ERROR, MACHINE_SAME({SW_DO_FAIL | SW_DO_END, GONE, 0, 0})},
    {PROCEEDING, SW_TXN_1XX, MACHINE_SAME({SW_DO_PASS, PROCEEDING, LEAVE, LEAVE})},
    {PROCEEDING, SW_TXN_2XX, FINAL},
    {PROCEEDING, SW_TXN_3TO6XX, FINAL},
    {COMPLETED, SW_TXN_LIFE, MACHINE_SAME({SW_DO_END, GONE, 0, 0})},
};

static void test_nict_every_state_meets_every_event(void **state)
{
    (void)state;
    machine_matches(SW_NICT, figure, UNIT_COUNT(figure));
}

/* RFC 3261 17.1.2.2: 500 ms, 1 s, 2 s, 4 s, 4 s ... */
static void test_nict_request_is_repeated_up_to_every_t2(void **state)
{
    (void)state;
    static const int64_t ms[] = {0,     500,   1500,  3500,  7500, 11500,
                                 15500, 19500, 23500, 27500, 31500};
    struct machine m = {.t = sw_txn(SW_NICT, false)};
    machine_feed(&m, SW_TXN_START);
    machine_run(&m, INT64_MAX);
    machine_sent_at(&m, ms, UNIT_COUNT(ms));
    assert_int_equal(m.now_ms, 32000);
    assert_true(m.todo & SW_DO_TIMEOUT);
}

/* RFC 3261 17.1.2.2: the running Timer E fires, and is T2 from then on; Timer F goes on */
static void test_nict_request_is_repeated_every_t2_while_proceeding(void **state)
{
    (void)state;
    static const int64_t ms[] = {0, 500, 1500, 5500, 9500, 13500, 17500, 21500, 25500, 29500};
    struct machine m = {.t = sw_txn(SW_NICT, false)};
    machine_feed(&m, SW_TXN_START);
    machine_run(&m, 600);
    machine_feed(&m, SW_TXN_1XX);
    machine_run(&m, INT64_MAX);
    machine_sent_at(&m, ms, UNIT_COUNT(ms));
    assert_int_equal(m.now_ms, 32000);
    assert_true(m.todo & SW_DO_TIMEOUT);
}

static void test_nict_request_goes_out_once_on_a_reliable_transport(void **state)
{
    (void)state;
    struct machine m = {.t = sw_txn(SW_NICT, true)};
    machine_feed(&m, SW_TXN_START);
    machine_feed(&m, SW_TXN_1XX);
    machine_run(&m, INT64_MAX);
    assert_int_equal(m.sent, 1);
    assert_int_equal(m.now_ms, 32000);
    assert_true(m.todo & SW_DO_TIMEOUT);
}

static void test_nict_repeated_responses_are_absorbed_for_t4(void **state)
{
    (void)state;
    struct machine m = {.t = sw_txn(SW_NICT, false)};
    machine_feed(&m, SW_TXN_START);
    machine_run(&m, 700);
    machine_feed(&m, SW_TXN_2XX);
    m.todo = 0;
    machine_feed(&m, SW_TXN_2XX);
    machine_feed(&m, SW_TXN_3TO6XX);
    assert_int_equal(m.todo, 0);
    machine_run(&m, INT64_MAX);
    assert_int_equal(m.now_ms, 5700);
    assert_int_equal(m.todo, SW_DO_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nict_every_state_meets_every_event),
        cmocka_unit_test(test_nict_request_is_repeated_up_to_every_t2),
        cmocka_unit_test(test_nict_request_is_repeated_every_t2_while_proceeding),
        cmocka_unit_test(test_nict_request_goes_out_once_on_a_reliable_transport),
        cmocka_unit_test(test_nict_repeated_responses_are_absorbed_for_t4),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

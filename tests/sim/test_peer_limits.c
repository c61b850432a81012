/* The limits of one peer, for what it sends and for what is sent to it. docs/config.md "Limits of a
 * peer"; RFC 3261 20.33, 21.5.4 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/groups.h"

#include <stdio.h>
#include <stdlib.h>

enum { CALLER_PEER = 3 };

static void assert_refused(const struct scene *x, unsigned n, const char *retry_after)
{
    const struct raw_message *m = at(x, CALLER, "SIP/2.0 503", n);
    assert_non_null(m);
    assert_string_equal(raw_header(m, "Retry-After"), retry_after);
    assert_null(at(x, A, "INVITE", n));
    assert_null(at(x, B, "INVITE", n));
}

static void busy(struct scene *x, int peer, unsigned n)
{
    answer(x, peer, n, "486 Busy Here", "");
    assert_memory_equal(final_of(x, n), "486", 3);
}

static void test_more_calls_per_second_from_a_peer_get_503(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, NULL)->peers[CALLER_PEER].limits.calls_per_s = 3;
    scene_start(&x, 1);
    for (unsigned n = 1; n <= 5; n++) {
        call(&x, n); /* 200 ms each: 0.6 of a token comes back */
        assert_non_null(at(&x, A, "INVITE", n));
    }
    for (unsigned n = 6; n <= 7; n++) {
        char text[8];
        snprintf(text, sizeof(text), "%d", SW_LIMIT_SOON_S);
        call(&x, n);
        if (!at(&x, A, "INVITE", n))
            assert_refused(&x, n, text);
    }
    assert_true(gate_counted(&x.gate, SW_LIMITED_PEER_CALLS_PER_SECOND) >= 1);
    assert_int_equal(x.limited, 1);
    assert_string_equal(x.why, "it sends more than its limits allow");
    run(&x, 1000);
    call(&x, 8);
    assert_non_null(at(&x, A, "INVITE", 8));
    for (unsigned n = 1; n <= 8; n++)
        if (at(&x, A, "INVITE", n))
            busy(&x, A, n);
    scene_fini(&x);
}

/* The repeats of a request that was refused are no further requests: RFC 3261 17.2 */
static void test_repeat_of_a_refused_request_gets_the_same_answer(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, NULL)->peers[CALLER_PEER].limits.calls_per_s = 1;
    scene_start(&x, 1);
    call(&x, 1);
    call(&x, 2);
    assert_refused(&x, 2, "1");
    run(&x, 2000); /* by now there would be a token */
    call(&x, 2);
    assert_refused(&x, 2, "1");
    busy(&x, A, 1);
    scene_fini(&x);
}

static void test_calls_in_progress_can_go_on_and_end_at_any_rate(void **state)
{
    struct scene x;
    char route[600];
    (void)state;
    struct conf *k = scene_init(&x, NULL);
    k->peers[CALLER_PEER].limits = k->peers[A].limits =
        (struct sw_peer_limits){.calls_per_s = 1, .transactions = 1};
    k->routes[0].to_count = 1;
    scene_start(&x, 1);
    call(&x, 1);
    answer(&x, A, 1, "200 OK", "Contact: <sip:all@10.1.0.11:5060>\r\n");
    snprintf(route, sizeof(route), "Route: %s\r\n",
             raw_header(at(&x, CALLER, "SIP/2.0 200", 1), "Record-Route"));
    ask(&x, "ACK", 1, route);
    run(&x, 1000);
    call(&x, 2); /* takes the token and the place */
    answer(&x, A, 2, "180 Ringing", "");
    call(&x, 3);
    assert_refused(&x, 3, "5");
    ask(&x, "INFO", 1, route);
    ask(&x, "UPDATE", 1, route);
    ask(&x, "BYE", 1, route);
    assert_non_null(at(&x, A, "INFO", 1));
    assert_non_null(at(&x, A, "UPDATE", 1));
    assert_non_null(at(&x, A, "BYE", 1));
    ask(&x, "CANCEL", 2, "");
    assert_non_null(at(&x, A, "CANCEL", 2));
    answer(&x, A, 2, "487 Request Terminated", "");
    assert_non_null(at(&x, CALLER, "SIP/2.0 487", 2));
    raw_answer(x.peer[A], at(&x, A, "INFO", 1), "200 OK", "");
    raw_answer(x.peer[A], at(&x, A, "UPDATE", 1), "200 OK", "");
    raw_answer(x.peer[A], at(&x, A, "BYE", 1), "200 OK", "");
    run(&x, 200);
    assert_int_equal(now(&x, A, SW_LOAD_TO), 0);
    scene_fini(&x);
}

/* A BYE that lost its Route is not refused for the rate either. */
static void test_bye_without_route_is_never_refused(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, NULL)->peers[CALLER_PEER].limits =
        (struct sw_peer_limits){.calls_per_s = 1, .transactions = 1};
    scene_start(&x, 1);
    call(&x, 1);
    for (unsigned n = 2; n < 5; n++) {
        ask(&x, "BYE", n, "");
        assert_non_null(at(&x, A, "BYE", n));
        raw_answer(x.peer[A], at(&x, A, "BYE", n), "481 No", "");
    }
    busy(&x, A, 1);
    scene_fini(&x);
}

static void test_more_transactions_of_a_peer_get_503_until_one_ends(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, NULL)->peers[CALLER_PEER].limits.transactions = 2;
    scene_start(&x, 2);
    call(&x, 1);
    call(&x, 2);
    call(&x, 3);
    assert_refused(&x, 3, "5");
    assert_int_equal(now(&x, CALLER_PEER, SW_LOAD_FROM), 2);
    busy(&x, A, 1);
    call(&x, 4);
    assert_non_null(at(&x, A, "INVITE", 4));
    busy(&x, A, 2);
    busy(&x, A, 4);
    assert_int_equal(gate_counted(&x.gate, SW_LIMITED_PEER_TRANSACTIONS), 1);
    scene_fini(&x);
}

static void test_peer_at_its_rate_is_passed_over_and_503_if_none_is_left(void **state)
{
    struct scene x;
    (void)state;
    struct conf *k = scene_init(&x, NULL);
    k->peers[A].limits.calls_per_s = k->peers[B].limits.calls_per_s = 1;
    scene_start(&x, 1);
    call(&x, 1);
    assert_non_null(at(&x, A, "INVITE", 1));
    call(&x, 2);
    assert_null(at(&x, A, "INVITE", 2));
    assert_non_null(at(&x, B, "INVITE", 2));
    call(&x, 3);
    assert_refused(&x, 3, "1");
    assert_int_equal(x.limited, 2); /* of A and of B, once */
    assert_string_equal(x.why, "more is to be sent to it than its limits allow");
    busy(&x, A, 1);
    busy(&x, B, 2);
    scene_fini(&x);
}

static void test_peer_at_its_transactions_is_passed_over_until_one_ends(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, NULL)->peers[A].limits.transactions = 1;
    scene_start(&x, 1);
    call(&x, 1);
    call(&x, 2);
    assert_non_null(at(&x, A, "INVITE", 1));
    assert_null(at(&x, A, "INVITE", 2));
    assert_non_null(at(&x, B, "INVITE", 2));
    busy(&x, A, 1);
    call(&x, 3);
    assert_non_null(at(&x, A, "INVITE", 3));
    busy(&x, B, 2);
    busy(&x, A, 3);
    scene_fini(&x);
}

/* With parallel forking too: the others ring. */
static void test_parallel_fork_leaves_out_who_is_at_its_limit(void **state)
{
    struct scene x;
    (void)state;
    struct conf *k = scene_init(&x, NULL);
    k->routes[0].fork = SW_FORK_PARALLEL;
    k->peers[A].limits.transactions = 1;
    scene_start(&x, 1);
    call(&x, 1);
    call(&x, 2);
    assert_non_null(at(&x, A, "INVITE", 1));
    assert_null(at(&x, A, "INVITE", 2));
    assert_non_null(at(&x, B, "INVITE", 2));
    busy(&x, B, 2);
    answer(&x, A, 1, "486 Busy Here", "");
    busy(&x, B, 1);
    scene_fini(&x);
}

/* Where only a peer at its limit is left, the one that is slow is waited for. */
static void test_slow_peer_is_waited_for_if_the_next_is_at_its_limit(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, NULL)->peers[B].limits.transactions = 1;
    scene_start(&x, 1);
    call(&x, 1);
    run(&x, TIMEOUT_MS);
    assert_non_null(at(&x, B, "INVITE", 1)); /* has the place */
    call(&x, 2);
    run(&x, TIMEOUT_MS + 1000);
    assert_null(at(&x, B, "INVITE", 2));
    assert_string_equal(final_of(&x, 2), "");
    answer(&x, A, 2, "200 OK", "");
    assert_memory_equal(final_of(&x, 2), "200", 3);
    busy(&x, B, 1);
    scene_fini(&x);
}

static void test_limits_follow_a_reload(void **state)
{
    struct scene x;
    (void)state;
    struct conf *next = malloc(sizeof(*next));
    assert_non_null(next);
    scene_init(&x, NULL);
    scene_start(&x, 1);
    call(&x, 1);
    call(&x, 2);
    scene_init(NULL, next)->peers[CALLER_PEER].limits.transactions = 2;
    gate_adopt(&x.gate, next, 0);
    call(&x, 3);
    assert_refused(&x, 3, "5");
    busy(&x, A, 1);
    call(&x, 4);
    busy(&x, A, 2);
    busy(&x, A, 4);
    scene_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_more_calls_per_second_from_a_peer_get_503),
        cmocka_unit_test(test_repeat_of_a_refused_request_gets_the_same_answer),
        cmocka_unit_test(test_calls_in_progress_can_go_on_and_end_at_any_rate),
        cmocka_unit_test(test_bye_without_route_is_never_refused),
        cmocka_unit_test(test_more_transactions_of_a_peer_get_503_until_one_ends),
        cmocka_unit_test(test_peer_at_its_rate_is_passed_over_and_503_if_none_is_left),
        cmocka_unit_test(test_peer_at_its_transactions_is_passed_over_until_one_ends),
        cmocka_unit_test(test_parallel_fork_leaves_out_who_is_at_its_limit),
        cmocka_unit_test(test_slow_peer_is_waited_for_if_the_next_is_at_its_limit),
        cmocka_unit_test(test_limits_follow_a_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

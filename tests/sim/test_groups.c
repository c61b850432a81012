/* Peers as groups: which one is asked, when one counts as down, and how it comes back.
 * docs/groups.md; RFC 3261 16.6 step 9, 16.7, 21.5.4; RFC 3263 4.3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/groups.h"

#include <stdio.h>
#include <stdlib.h>

enum { CALLER_PEER = 3 }; /* its place in the configuration */

/* Fails over within the timeout: B gets it, A does not answer. */
static void failing_call(struct scene *x, unsigned n)
{
    call(x, n);
    assert_non_null(at(x, A, "INVITE", n));
    assert_null(at(x, B, "INVITE", n));
    run(x, TIMEOUT_MS);
    answer(x, B, n, "486 Busy Here", "");
    assert_memory_equal(final_of(x, n), "486", 3);
}

static void take_a_down(struct scene *x)
{
    for (unsigned n = 1; n <= 3; n++) {
        assert_int_equal(x->downs, 0);
        failing_call(x, n);
    }
    assert_int_equal(x->downs, 1);
    assert_string_equal(x->why, "it does not answer requests in time");
}

static void test_peer_that_fails_in_a_row_is_skipped(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, NULL);
    scene_start(&x, 1);
    take_a_down(&x);
    for (unsigned n = 4; n < 8; n++) {
        call(&x, n);
        assert_null(at(&x, A, "INVITE", n));
        answer(&x, B, n, "486 Busy Here", "");
    }
    assert_int_equal(x.downs, 1);
    assert_int_equal(x.ups, 0);
    scene_fini(&x);
}

static void test_one_request_tries_it_again_and_an_answer_brings_it_back_at_once(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, NULL);
    scene_start(&x, 1);
    take_a_down(&x);
    run(&x, RETRY_MS);
    call(&x, 4);
    call(&x, 5);
    assert_non_null(at(&x, A, "INVITE", 4)); /* one of them */
    assert_null(at(&x, A, "INVITE", 5));
    assert_int_equal(x.ups, 0);
    answer(&x, A, 4, "180 Ringing", "");
    assert_int_equal(x.ups, 1);
    assert_string_equal(x.why, "it answers again");
    call(&x, 6);
    assert_non_null(at(&x, A, "INVITE", 6));
    assert_int_equal(x.downs, 1);
    scene_fini(&x);
}

/* The one request that tries it again does so at all its addresses. */
static void test_peer_is_tried_again_at_each_address(void **state)
{
    struct scene x;
    (void)state;
    struct conf *k = scene_init(&x, NULL);
    k->peer_address[A][1] = k->peer_address[A][0];
    k->peer_address[A][0] = sim_endpoint("10.1.0.99:5060");
    k->peers[A].address_count = 2;
    scene_start(&x, 1);
    atomic_store(&k->state[A].load->try_at_ms, x.sim->now_ms);
    call(&x, 1);
    assert_non_null(at(&x, A, "INVITE", 1));
    answer(&x, A, 1, "486 Busy Here", "");
    call(&x, 2);
    answer(&x, A, 2, "486 Busy Here", "");
    scene_fini(&x);
}

static void test_failed_try_keeps_it_down_without_another_line(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, NULL);
    scene_start(&x, 1);
    take_a_down(&x);
    for (unsigned n = 4; n < 8; n += 2) {
        run(&x, RETRY_MS);
        failing_call(&x, n);
        call(&x, n + 1);
        assert_null(at(&x, A, "INVITE", n + 1));
        answer(&x, B, n + 1, "486 Busy Here", "");
    }
    assert_int_equal(x.downs, 1);
    assert_int_equal(x.ups, 0);
    scene_fini(&x);
}

static void test_any_answer_between_starts_the_row_anew(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, NULL);
    scene_start(&x, 1);
    for (unsigned n = 1; n < 9; n++) {
        if (n % 3 == 0) {
            call(&x, n);
            answer(&x, A, n, "404 Not Found", "");
        } else {
            failing_call(&x, n);
        }
    }
    assert_int_equal(x.downs, 0);
    scene_fini(&x);
}

static void test_fail_after_0_never_takes_it_down(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, NULL)->peers[A].fail_after = 0;
    scene_start(&x, 1);
    for (unsigned n = 1; n < 8; n++)
        failing_call(&x, n);
    assert_int_equal(x.downs, 0);
    scene_fini(&x);
}

/* Nobody is at the address: TCP says so at once, and no caller waits. */
static void test_peer_that_refuses_connections_is_skipped(void **state)
{
    struct scene x;
    (void)state;
    struct conf *k = scene_init(&x, NULL);
    k->peers[A].udp = false;
    k->peers[A].tcp = true;
    k->peer_address[A][0] = sim_endpoint("10.1.0.99:5060");
    scene_start(&x, 2);
    for (unsigned n = 1; n < 6; n++) {
        call(&x, n);
        run(&x, 1000);
        answer(&x, B, n, "486 Busy Here", "");
        assert_int_equal(x.downs, n >= 3);
    }
    assert_string_equal(x.why, "Next Hop Unreachable");
    scene_fini(&x);
}

/* While one of its addresses answers, the peer is up. */
static void test_dead_address_does_not_take_the_peer_down(void **state)
{
    struct scene x;
    (void)state;
    struct conf *k = scene_init(&x, NULL);
    k->peer_address[A][1] = k->peer_address[A][0];
    k->peer_address[A][0] = sim_endpoint("10.1.0.99:5060");
    k->peers[A].address_count = 2;
    scene_start(&x, 1);
    for (unsigned n = 1; n < 8; n++)
        call(&x, n); /* none is answered when the last one fails */
    assert_int_equal(x.downs, 0);
    for (unsigned n = 1; n < 8; n++)
        answer(&x, A, n, "486 Busy Here", "");
    assert_int_equal(x.downs, 0);
    scene_fini(&x);
}

/* Whoever waits for the first one meanwhile does not wait for it as well. */
static void test_peer_that_fails_while_a_request_waits_is_skipped(void **state)
{
    struct scene x;
    (void)state;
    struct conf *k = scene_init(&x, NULL);
    const uint16_t to[] = {0, 2, 1}; /* a, one at whose address nobody is, b */
    memcpy(k->to[0], to, sizeof(to));
    k->routes[0].to_count = 3;
    scene_start(&x, 1);
    call(&x, 1);
    run(&x, 2000);
    struct sw_load *load = k->state[2].load;
    atomic_store(&load->try_at_ms, x.sim->now_ms + RETRY_MS);
    run(&x, 2000);
    assert_non_null(at(&x, B, "INVITE", 1));
    assert_int_equal(atomic_load(&load->lost_ms), 0); /* it was not even tried */
    answer(&x, B, 1, "486 Busy Here", "");
    atomic_store(&load->try_at_ms, 0);
    call(&x, 2);
    run(&x, 4000);
    assert_int_not_equal(atomic_load(&load->lost_ms), 0);
    answer(&x, B, 2, "486 Busy Here", "");
    scene_fini(&x);
}

static void test_when_all_are_down_all_are_tried(void **state)
{
    struct scene x;
    (void)state;
    struct conf *k = scene_init(&x, NULL);
    k->routes[0].choose = SW_CHOOSE_HASH;
    scene_start(&x, 1);
    for (int i = 0; i < PEERS; i++)
        atomic_store(&k->state[i].load->try_at_ms, x.sim->now_ms + RETRY_MS);
    for (unsigned n = 1; n < 5; n++) {
        call(&x, n);
        run(&x, TIMEOUT_MS);
        assert_non_null(at(&x, A, "INVITE", n));
        assert_non_null(at(&x, B, "INVITE", n));
    }
    run(&x, 40000);
    scene_fini(&x);
}

/* The other side of the call is where it was, whatever new calls think of it. */
static void test_calls_in_progress_are_untouched(void **state)
{
    struct scene x;
    char route[600];
    (void)state;
    scene_init(&x, NULL);
    scene_start(&x, 1);
    call(&x, 100);
    answer(&x, A, 100, "200 OK", "Contact: <sip:all@10.1.0.11:5060>\r\n");
    snprintf(route, sizeof(route), "Route: %s\r\n",
             raw_header(at(&x, CALLER, "SIP/2.0 200", 100), "Record-Route"));
    ask(&x, "ACK", 100, route);
    assert_non_null(at(&x, A, "ACK", 100));
    take_a_down(&x);
    ask(&x, "BYE", 100, route);
    assert_non_null(at(&x, A, "BYE", 100));
    assert_null(at(&x, B, "BYE", 100));
    assert_int_equal(x.ups, 0);
    raw_answer(x.peer[A], at(&x, A, "BYE", 100), "200 OK", "");
    run(&x, 200);
    assert_int_equal(x.ups, 1); /* that is an answer as well */
    scene_fini(&x);
}

static void test_ping_brings_it_back(void **state)
{
    struct scene x;
    (void)state;
    struct conf *k = scene_init(&x, NULL), *next = malloc(sizeof(*next));
    assert_non_null(next);
    k->peers[A].ping_ms = 15000;
    scene_start(&x, 1);
    take_a_down(&x);
    for (unsigned n = 0; n < 150 && !raw_count(x.peer[A], "OPTIONS"); n++)
        run(&x, 100);
    assert_int_equal(x.ups, 0);
    raw_answer(x.peer[A], raw_nth(x.peer[A], "OPTIONS", 0), "200 OK", "");
    run(&x, 200);
    assert_int_equal(x.ups, 1);
    assert_string_equal(x.why, "OPTIONS was answered");
    call(&x, 10);
    assert_non_null(at(&x, A, "INVITE", 10));
    gate_adopt(&x.gate, scene_init(NULL, next), 0); /* without pings, so that it comes to rest */
    scene_fini(&x);
}

/* "once per change": the first 503 takes it down, and what is no 503 brings it back. */
static void test_retry_after_is_told_once(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, NULL);
    scene_start(&x, 1);
    call(&x, 1);
    call(&x, 2);
    answer(&x, A, 1, "503 Service Unavailable", "Retry-After: 5\r\n");
    answer(&x, A, 2, "503 Service Unavailable", "Retry-After: 5\r\n");
    assert_int_equal(x.downs, 1);
    answer(&x, B, 1, "486 Busy Here", "");
    answer(&x, B, 2, "486 Busy Here", "");
    call(&x, 3);
    assert_null(at(&x, A, "INVITE", 3));
    answer(&x, B, 3, "486 Busy Here", "");
    run(&x, 5000);
    call(&x, 4);
    answer(&x, A, 4, "486 Busy Here", "");
    assert_int_equal(x.downs, 1);
    assert_int_equal(x.ups, 1);
    scene_fini(&x);
}

/* ---- choice ---- */

static void test_least_loaded_gets_the_next_call(void **state)
{
    struct scene x;
    unsigned n[PEERS] = {0};
    (void)state;
    scene_init(&x, NULL)->routes[0].choose = SW_CHOOSE_LEAST_LOADED;
    scene_start(&x, 2);
    for (unsigned i = 0; i < 8; i++) {
        call(&x, i);
        for (int p = 0; p < PEERS; p++)
            n[p] += at(&x, p, "INVITE", i) != NULL;
    }
    assert_int_equal(n[A], 4);
    assert_int_equal(n[B], 4);
    for (unsigned i = 0; i < 8; i++)
        if (at(&x, A, "INVITE", i))
            answer(&x, A, i, "486 Busy Here", "");
    assert_int_equal(now(&x, A, SW_LOAD_TO), 0);
    for (unsigned i = 10; i < 14; i++) {
        call(&x, i);
        assert_non_null(at(&x, A, "INVITE", i));
    }
    for (unsigned i = 0; i < 14; i++)
        for (int p = 0; p < PEERS; p++)
            if (at(&x, p, "INVITE", i) && !*final_of(&x, i))
                answer(&x, p, i, "486 Busy Here", "");
    scene_fini(&x);
}

/* What the first choice does not take goes to the second one of its Call-ID. */
static void test_hash_sends_one_call_to_one_peer(void **state)
{
    struct scene x;
    unsigned n[PEERS] = {0};
    (void)state;
    scene_init(&x, NULL)->routes[0].choose = SW_CHOOSE_HASH;
    scene_start(&x, 2);
    for (unsigned i = 0; i < 20; i++) {
        call(&x, i);
        int p = at(&x, A, "INVITE", i) ? A : B;
        answer(&x, p, i, "486 Busy Here", "");
        ask(&x, "OPTIONS", i, "");
        assert_non_null(at(&x, p, "OPTIONS", i));
        raw_answer(x.peer[p], at(&x, p, "OPTIONS", i), "200 OK", "");
        n[p]++;
    }
    assert_in_range(n[A], 4, 16);
    scene_fini(&x);
}

/* "the nonce" is of the one that asked: the request with credentials goes to it, however the group
 * is chosen from, and whatever has come meanwhile. RFC 3261 8.1.3.5, 22.3 */
static void credentials(enum sw_choose how, const char *challenge)
{
    struct scene x;
    enum { CALLS = 16 };
    unsigned n[PEERS] = {0};
    scene_init(&x, NULL)->routes[0].choose = (uint8_t)how;
    scene_start(&x, 2);
    for (unsigned i = 0; i < CALLS; i++) {
        ask(&x, "OPTIONS", i, "");
        int p = at(&x, A, "OPTIONS", i) ? A : B;
        raw_answer(x.peer[p], at(&x, p, "OPTIONS", i), challenge, "");
        for (unsigned k = 0; k < 2; k++) /* calls that go on */
            call(&x, 100 + 2 * i + k);
        call(&x, i); /* the same Call-ID */
        assert_non_null(at(&x, p, "INVITE", i));
        answer(&x, p, i, "486 Busy Here", "");
        n[p]++;
    }
    assert_in_range(n[A], 2, CALLS - 2);
    for (unsigned i = 100; i < 100 + 2 * CALLS; i++)
        answer(&x, at(&x, A, "INVITE", i) ? A : B, i, "486 Busy Here", "");
    scene_fini(&x);
}

static void test_credentials_go_to_the_peer_that_asked_for_them(void **state)
{
    (void)state;
    for (int how = SW_CHOOSE_WEIGHT; how <= SW_CHOOSE_HASH; how++) {
        credentials((enum sw_choose)how, "401 Unauthorized");
        credentials((enum sw_choose)how, "407 Proxy Authentication Required");
    }
}

/* ---- what is in progress ---- */

static void test_counts_end_with_an_answer_a_cancel_and_silence(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, NULL);
    scene_start(&x, 1);
    for (unsigned n = 1; n <= 4; n++)
        call(&x, n);
    assert_int_equal(now(&x, A, SW_LOAD_TO), 4);
    assert_int_equal(now(&x, CALLER_PEER, SW_LOAD_FROM), 4);
    answer(&x, A, 1, "200 OK", "");
    assert_int_equal(now(&x, A, SW_LOAD_TO), 3);
    answer(&x, A, 2, "180 Ringing", "");
    ask(&x, "CANCEL", 2, "");
    assert_non_null(at(&x, A, "CANCEL", 2));
    answer(&x, A, 2, "487 Request Terminated", "");
    assert_int_equal(now(&x, A, SW_LOAD_TO), 2);
    ask(&x, "CANCEL", 3, ""); /* no provisional response came: RFC 3261 9.1 */
    run(&x, TIMEOUT_MS);      /* 4 goes to B as well */
    assert_int_equal(now(&x, B, SW_LOAD_TO), 1);
    answer(&x, B, 4, "486 Busy Here", "");
    run(&x, 70000);
    assert_int_equal(now(&x, A, SW_LOAD_TO), 0);
    assert_int_equal(now(&x, B, SW_LOAD_TO), 0);
    assert_int_equal(now(&x, CALLER_PEER, SW_LOAD_FROM), 0);
    scene_fini(&x);
}

/* The caller has its answer; what was passed over is waited for, and is the gateway's own. */
static void test_caller_counts_until_it_is_answered(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, NULL);
    scene_start(&x, 1);
    call(&x, 1);
    run(&x, TIMEOUT_MS);
    answer(&x, B, 1, "200 OK", "");
    assert_int_equal(now(&x, CALLER_PEER, SW_LOAD_FROM), 0);
    assert_int_equal(now(&x, A, SW_LOAD_TO), 1);
    assert_int_equal(now(&x, B, SW_LOAD_TO), 0);
    scene_fini(&x);
}

static void adopt(struct scene *x, bool without_a)
{
    struct conf *next = malloc(sizeof(*next));
    assert_non_null(next);
    scene_init(NULL, next);
    if (without_a) {
        next->peers[A].name = SW_SLICE("somebody else");
        next->peers[A].id = sw_proxy_peer_id(next->peers[A].name);
    }
    gate_adopt(&x->gate, next, 10);
}

/* What began before a reload ends in the same count; with a peer that is gone it ends nowhere, and
 * one of its name that comes later begins at 0. */
static void test_counts_go_on_over_a_reload(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, NULL);
    scene_start(&x, 2);
    call(&x, 1);
    call(&x, 2);
    adopt(&x, false);
    assert_int_equal(now(&x, A, SW_LOAD_TO), 2);
    answer(&x, A, 1, "486 Busy Here", "");
    assert_int_equal(now(&x, A, SW_LOAD_TO), 1);
    adopt(&x, true);
    assert_int_equal(now(&x, A, SW_LOAD_TO), 0);
    adopt(&x, false);
    call(&x, 3);
    assert_int_equal(now(&x, A, SW_LOAD_TO), 1);
    run(&x, 40000); /* 2 times out */
    assert_int_equal(now(&x, A, SW_LOAD_TO), 0);
    scene_fini(&x);
}

static void test_peer_stays_down_over_a_reload(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, NULL);
    scene_start(&x, 1);
    take_a_down(&x);
    adopt(&x, false);
    call(&x, 4);
    assert_null(at(&x, A, "INVITE", 4));
    answer(&x, B, 4, "486 Busy Here", "");
    assert_int_equal(x.downs, 1);
    scene_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peer_that_fails_in_a_row_is_skipped),
        cmocka_unit_test(test_one_request_tries_it_again_and_an_answer_brings_it_back_at_once),
        cmocka_unit_test(test_peer_is_tried_again_at_each_address),
        cmocka_unit_test(test_failed_try_keeps_it_down_without_another_line),
        cmocka_unit_test(test_any_answer_between_starts_the_row_anew),
        cmocka_unit_test(test_fail_after_0_never_takes_it_down),
        cmocka_unit_test(test_peer_that_refuses_connections_is_skipped),
        cmocka_unit_test(test_dead_address_does_not_take_the_peer_down),
        cmocka_unit_test(test_peer_that_fails_while_a_request_waits_is_skipped),
        cmocka_unit_test(test_when_all_are_down_all_are_tried),
        cmocka_unit_test(test_calls_in_progress_are_untouched),
        cmocka_unit_test(test_ping_brings_it_back),
        cmocka_unit_test(test_retry_after_is_told_once),
        cmocka_unit_test(test_least_loaded_gets_the_next_call),
        cmocka_unit_test(test_hash_sends_one_call_to_one_peer),
        cmocka_unit_test(test_credentials_go_to_the_peer_that_asked_for_them),
        cmocka_unit_test(test_counts_end_with_an_answer_a_cancel_and_silence),
        cmocka_unit_test(test_caller_counts_until_it_is_answered),
        cmocka_unit_test(test_counts_go_on_over_a_reload),
        cmocka_unit_test(test_peer_stays_down_over_a_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

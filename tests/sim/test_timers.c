/* The transaction machines inside a whole gateway: each timer of RFC 3261 table 4, RFC 4320 and RFC
 * 6026 seen from outside, to the millisecond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/raw.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>

/* Two scripted ends around a gateway, both over UDP. */
struct scene {
    struct sim *sim;
    struct gate gate;
    struct raw *a, *b, *c; /* b and c are the targets of what a sends */
};

static void scene_init(struct scene *x, bool second_target)
{
    struct conf *k = &x->gate.conf;
    x->sim = sim_new(7);
    conf_init(k);
    conf_listener(k, "in", "10.0.0.1:5060", SW_UDP, NULL);
    conf_peer(k, "a", "10.0.0.2:5060", SW_UDP, NULL);
    conf_peer(k, "b", "10.0.0.3:5060", SW_UDP, NULL);
    conf_peer(k, "c", "10.0.0.4:5060", SW_UDP, NULL);
    if (second_target)
        conf_route(k, "a", "b", "c", NULL);
    else
        conf_route(k, "a", "b", NULL);
    conf_route(k, "b", "a", NULL);
    gate_start(&x->gate, x->sim, "gate", 1, "example.test", 7);
    x->a = raw_new(x->sim, "a", "10.0.0.2:5060", SW_UDP);
    x->b = raw_new(x->sim, "b", "10.0.0.3:5060", SW_UDP);
    x->c = raw_new(x->sim, "c", "10.0.0.4:5060", SW_UDP);
}

/* Everything that is still to happen happens; then nothing may be left. */
static void scene_fini(struct scene *x)
{
    gate_finish(&x->gate);
}

static void send_request(struct raw *a, const char *method, const char *branch)
{
    char text[1024];
    snprintf(text, sizeof(text),
             "%s sip:bob@example.test SIP/2.0\r\n"
             "Via: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK%s\r\n"
             "Max-Forwards: 70\r\nFrom: <sip:a@a.test>;tag=1\r\nTo: <sip:bob@example.test>\r\n"
             "Call-ID: %s@a\r\nCSeq: 1 %s\r\nContact: <sip:a@10.0.0.2>\r\n"
             "Content-Length: 0\r\n\r\n",
             method, branch, branch, method);
    raw_send(a, "10.0.0.1:5060", SW_UDP, text);
}

/* When the repeats of a message came, relative to the first. */
static void assert_repeats(const struct raw *r, const char *start, const int *ms, unsigned count)
{
    assert_int_equal(raw_count(r, start), count);
    int64_t first = raw_nth(r, start, 0)->at_ms;
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(raw_nth(r, start, i)->at_ms - first, ms[i]);
}

static void test_timer_a_doubles_until_timer_b_ends_it(void **state)
{
    (void)state;
    struct scene x;
    static const int ms[] = {0, 500, 1500, 3500, 7500, 15500, 31500};
    scene_init(&x, false);
    send_request(x.a, "INVITE", "one");
    sim_run(x.sim, 60000);
    assert_repeats(x.b, "INVITE", ms, 7); /* RFC 3261 17.1.1.2: Timer A */
    assert_int_equal(raw_count(x.a, "SIP/2.0 100"), 1);
    /* Timer B, 64*T1, then 408 back: RFC 3261 16.7 step 6 */
    const struct raw_message *sent = raw_nth(x.b, "INVITE", 0);
    const struct raw_message *final = raw_nth(x.a, "SIP/2.0 408", 0);
    assert_non_null(final);
    assert_int_equal(final->at_ms - sent->at_ms, 32000);
    scene_fini(&x);
}

static void test_timer_e_grows_to_t2_until_timer_f_ends_it_in_silence(void **state)
{
    (void)state;
    struct scene x;
    static const int ms[] = {0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500};
    scene_init(&x, false);
    send_request(x.a, "MESSAGE", "two");
    sim_run(x.sim, 60000);
    assert_repeats(x.b, "MESSAGE", ms, 11); /* RFC 3261 17.1.2.2: Timer E */
    assert_int_equal(raw_count(x.a, "SIP/2.0 100"), 1);
    assert_int_equal(x.a->count, 1); /* RFC 4320 4.2: no 408 to a non-INVITE */
    const struct raw_message *first = raw_nth(x.b, "MESSAGE", 0);
    /* RFC 4320 4.1: the 100 when Timer E would reach T2; both messages travel 1 ms */
    assert_int_equal(raw_nth(x.a, "SIP/2.0 100", 0)->at_ms - first->at_ms, 3500);
    scene_fini(&x);
}

static void test_timer_e_is_t2_once_a_provisional_has_come(void **state)
{
    (void)state;
    struct scene x;
    static const int ms[] = {0, 500, 4500, 8500, 12500, 16500, 20500, 24500, 28500};
    scene_init(&x, false);
    send_request(x.a, "MESSAGE", "three");
    sim_run(x.sim, 1100);
    raw_answer(x.b, raw_nth(x.b, "MESSAGE", 0), "100 Trying", "");
    sim_run(x.sim, 60000);
    assert_repeats(x.b, "MESSAGE", ms, 9);
    scene_fini(&x);
}

static void test_timer_g_repeats_the_final_until_timer_h(void **state)
{
    (void)state;
    struct scene x;
    static const int ms[] = {0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500};
    scene_init(&x, false);
    send_request(x.a, "INVITE", "four");
    sim_run(x.sim, 1100);
    raw_answer(x.b, raw_nth(x.b, "INVITE", 0), "486 Busy Here", "");
    sim_run(x.sim, 60000);
    assert_repeats(x.a, "SIP/2.0 486", ms, 11); /* RFC 3261 17.2.1: Timers G and H */
    assert_int_equal(raw_count(x.b, "ACK"), 1);
    scene_fini(&x);
}

static void test_ack_stops_timer_g_and_is_absorbed(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, false);
    send_request(x.a, "INVITE", "five");
    sim_run(x.sim, 1100);
    raw_answer(x.b, raw_nth(x.b, "INVITE", 0), "486 Busy Here", "");
    sim_run(x.sim, 1200);
    send_request(x.a, "ACK", "five");
    sim_run(x.sim, 1300);
    send_request(x.a, "ACK", "five"); /* Confirmed absorbs it: Timer I */
    sim_run(x.sim, 60000);
    assert_int_equal(raw_count(x.a, "SIP/2.0 486"), 1);
    assert_int_equal(raw_count(x.b, "ACK"), 1); /* our own, hop by hop */
    scene_fini(&x);
}

static void test_repeated_final_gets_the_ack_again_until_timer_d(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, false);
    send_request(x.a, "INVITE", "six");
    sim_run(x.sim, 1100);
    const struct raw_message *invite = raw_nth(x.b, "INVITE", 0);
    raw_answer(x.b, invite, "603 Decline", "");
    sim_run(x.sim, 1200);
    send_request(x.a, "ACK", "six");
    raw_answer(x.b, invite, "603 Decline", "");
    sim_run(x.sim, 33000); /* Timer D: at least 32 s */
    raw_answer(x.b, invite, "603 Decline", "");
    sim_run(x.sim, 33050);
    assert_int_equal(raw_count(x.b, "ACK"), 3);
    assert_int_equal(raw_count(x.a, "SIP/2.0 603"), 1);
    sim_run(x.sim, 34000);
    raw_answer(x.b, invite, "603 Decline", ""); /* now it is a stray */
    sim_run(x.sim, 60000);
    assert_int_equal(raw_count(x.b, "ACK"), 3);
    scene_fini(&x);
}

static void test_every_2xx_repeat_passes_until_timers_l_and_m(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, false);
    send_request(x.a, "INVITE", "seven");
    sim_run(x.sim, 1100);
    const struct raw_message *invite = raw_nth(x.b, "INVITE", 0);
    raw_answer(x.b, invite, "200 OK", "Contact: <sip:b@10.0.0.3>\r\n");
    sim_run(x.sim, 2000);
    raw_answer(x.b, invite, "200 OK", "Contact: <sip:b@10.0.0.3>\r\n");
    send_request(x.a, "INVITE", "seven"); /* absorbed in Accepted: RFC 6026 7.1 */
    sim_run(x.sim, 32000);
    raw_answer(x.b, invite, "200 OK", "Contact: <sip:b@10.0.0.3>\r\n");
    sim_run(x.sim, 34000); /* Timer M is over */
    raw_answer(x.b, invite, "200 OK", "Contact: <sip:b@10.0.0.3>\r\n");
    sim_run(x.sim, 40000);
    assert_int_equal(raw_count(x.a, "SIP/2.0 200"), 3);
    assert_int_equal(raw_count(x.b, "INVITE"), 1);
    assert_int_equal(gate_counted(&x.gate, SW_COUNT_STRAY_RESPONSES), 1);
    scene_fini(&x);
}

static void test_timer_j_answers_repeats_of_a_request(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, false);
    send_request(x.a, "MESSAGE", "eight");
    sim_run(x.sim, 1100);
    raw_answer(x.b, raw_nth(x.b, "MESSAGE", 0), "200 OK", "");
    sim_run(x.sim, 20000);
    send_request(x.a, "MESSAGE", "eight");
    sim_run(x.sim, 20100);
    assert_int_equal(raw_count(x.a, "SIP/2.0 200"), 2);
    assert_int_equal(raw_count(x.b, "MESSAGE"), 1); /* not passed on again */
    sim_run(x.sim, 40000);                          /* Timer J is over: this is a new one */
    send_request(x.a, "MESSAGE", "eight");
    sim_run(x.sim, 40100);
    assert_int_equal(raw_count(x.b, "MESSAGE"), 2);
    raw_answer(x.b, raw_nth(x.b, "MESSAGE", 1), "200 OK", "");
    scene_fini(&x);
}

static void test_timer_k_absorbs_repeats_of_a_response(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, false);
    send_request(x.a, "MESSAGE", "nine");
    sim_run(x.sim, 1100);
    const struct raw_message *m = raw_nth(x.b, "MESSAGE", 0);
    raw_answer(x.b, m, "200 OK", "");
    sim_run(x.sim, 3000);
    raw_answer(x.b, m, "200 OK", "");
    sim_run(x.sim, 3100);
    assert_int_equal(raw_count(x.a, "SIP/2.0 200"), 1);
    assert_int_equal(gate_counted(&x.gate, SW_COUNT_REPEATS_RECEIVED), 1);
    sim_run(x.sim, 7000);
    raw_answer(x.b, m, "200 OK", "");
    sim_run(x.sim, 7100);
    assert_int_equal(gate_counted(&x.gate, SW_COUNT_STRAY_RESPONSES), 1);
    scene_fini(&x);
}

static void test_timer_c_cancels_a_call_that_rings_too_long(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, false);
    send_request(x.a, "INVITE", "ten");
    sim_run(x.sim, 1100);
    const struct raw_message *invite = raw_nth(x.b, "INVITE", 0);
    raw_answer(x.b, invite, "180 Ringing", "");
    sim_run(x.sim, 100000);
    raw_answer(x.b, invite, "180 Ringing", ""); /* RFC 3261 16.7 step 2: starts anew */
    sim_run(x.sim, 100000 + 184000);
    assert_int_equal(raw_count(x.b, "CANCEL"), 0);
    sim_run(x.sim, 100000 + 186000); /* RFC 3261 16.8 */
    assert_true(raw_count(x.b, "CANCEL") >= 1);
    sim_run(x.sim, 100000 + 230000);
    assert_int_equal(raw_count(x.a, "SIP/2.0 408"), 6); /* repeated by Timer G */
    scene_fini(&x);
}

static void test_timeout_tries_the_next_target_with_a_new_branch(void **state)
{
    (void)state;
    struct scene x;
    char first[256];
    scene_init(&x, true);
    send_request(x.a, "INVITE", "eleven");
    sim_run(x.sim, 6000);
    const struct raw_message *b = raw_nth(x.b, "INVITE", 0), *c = raw_nth(x.c, "INVITE", 0);
    assert_non_null(b);
    assert_non_null(c);
    assert_int_equal(c->at_ms - b->at_ms, 4000); /* the peer's timeout */
    snprintf(first, sizeof(first), "%s", raw_header(b, "Via"));
    assert_string_not_equal(first, raw_header(c, "Via")); /* RFC 3261 16.6 step 7 */
    raw_answer(x.c, c, "200 OK", "Contact: <sip:c@10.0.0.4>\r\n");
    sim_run(x.sim, 7000);
    assert_int_equal(raw_count(x.a, "SIP/2.0 200"), 1);
    scene_fini(&x);
}

static void test_late_ringing_of_a_passed_over_target_is_cancelled(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, true);
    send_request(x.a, "INVITE", "twelve");
    sim_run(x.sim, 6000);
    raw_answer(x.b, raw_nth(x.b, "INVITE", 0), "180 Ringing", "");
    sim_run(x.sim, 6100);
    assert_int_equal(raw_count(x.b, "CANCEL"), 1);
    assert_int_equal(raw_count(x.a, "SIP/2.0 180"), 0);
    raw_answer(x.b, raw_nth(x.b, "CANCEL", 0), "200 OK", "");
    raw_answer(x.b, raw_nth(x.b, "INVITE", 0), "487 Request Terminated", "");
    sim_run(x.sim, 6200);
    raw_answer(x.c, raw_nth(x.c, "INVITE", 0), "486 Busy Here", "");
    sim_run(x.sim, 6300);
    assert_int_equal(raw_count(x.a, "SIP/2.0 486"), 1);
    scene_fini(&x);
}

static void test_503_tries_the_next_and_retry_after_takes_the_peer_out(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, true);
    send_request(x.a, "MESSAGE", "thirteen");
    sim_run(x.sim, 1100);
    raw_answer(x.b, raw_nth(x.b, "MESSAGE", 0), "503 Service Unavailable", "Retry-After: 30\r\n");
    sim_run(x.sim, 1200);
    assert_int_equal(raw_count(x.c, "MESSAGE"), 1);
    raw_answer(x.c, raw_nth(x.c, "MESSAGE", 0), "200 OK", "");
    send_request(x.a, "MESSAGE", "fourteen"); /* b is out of service now */
    sim_run(x.sim, 1300);
    assert_int_equal(raw_count(x.b, "MESSAGE"), 1);
    assert_int_equal(raw_count(x.c, "MESSAGE"), 2);
    raw_answer(x.c, raw_nth(x.c, "MESSAGE", 1), "200 OK", "");
    sim_run(x.sim, 32000);
    send_request(x.a, "MESSAGE", "fifteen"); /* and back again */
    sim_run(x.sim, 32100);
    assert_int_equal(raw_count(x.b, "MESSAGE"), 2);
    raw_answer(x.b, raw_nth(x.b, "MESSAGE", 1), "200 OK", "");
    scene_fini(&x);
}

static void test_503_alone_becomes_500(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, false);
    send_request(x.a, "MESSAGE", "sixteen");
    sim_run(x.sim, 1100);
    raw_answer(x.b, raw_nth(x.b, "MESSAGE", 0), "503 Service Unavailable", "");
    sim_run(x.sim, 1200);
    assert_int_equal(raw_count(x.a, "SIP/2.0 500"), 1); /* RFC 3261 16.7 step 6 */
    scene_fini(&x);
}

/* What was heard of is no failure that another target is tried for: RFC 3263 4.3 */
static void test_target_that_rang_and_fell_silent_has_no_successor(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, true);
    send_request(x.a, "INVITE", "seventeen");
    sim_run(x.sim, 1100);
    raw_answer(x.b, raw_nth(x.b, "INVITE", 0), "180 Ringing", "");
    sim_run(x.sim, 1000 + 186000); /* Timer C; the CANCEL is not answered either */
    assert_true(raw_count(x.b, "CANCEL") >= 1);
    sim_run(x.sim, 1000 + 186000 + 33000);
    assert_true(raw_count(x.a, "SIP/2.0 408") >= 1);
    assert_int_equal(raw_count(x.c, "INVITE"), 0);
    scene_fini(&x);
}

/* Its sender has given up when the first target has: RFC 3261 17.1.2.2, RFC 4320 4.2 */
static void test_nothing_is_tried_for_a_sender_that_has_given_up(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, true);
    x.gate.conf.peers[1].timeout_ms = 0; /* only Timer F ends the wait for b */
    send_request(x.a, "MESSAGE", "eighteen");
    sim_run(x.sim, INT64_MAX);
    assert_true(raw_count(x.b, "MESSAGE") > 1);
    assert_int_equal(raw_count(x.c, "MESSAGE"), 0);
    assert_int_equal(raw_count(x.a, "SIP/2.0"), 1); /* 100 */
    scene_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timer_a_doubles_until_timer_b_ends_it),
        cmocka_unit_test(test_timer_e_grows_to_t2_until_timer_f_ends_it_in_silence),
        cmocka_unit_test(test_timer_e_is_t2_once_a_provisional_has_come),
        cmocka_unit_test(test_timer_g_repeats_the_final_until_timer_h),
        cmocka_unit_test(test_ack_stops_timer_g_and_is_absorbed),
        cmocka_unit_test(test_repeated_final_gets_the_ack_again_until_timer_d),
        cmocka_unit_test(test_every_2xx_repeat_passes_until_timers_l_and_m),
        cmocka_unit_test(test_timer_j_answers_repeats_of_a_request),
        cmocka_unit_test(test_timer_k_absorbs_repeats_of_a_response),
        cmocka_unit_test(test_timer_c_cancels_a_call_that_rings_too_long),
        cmocka_unit_test(test_timeout_tries_the_next_target_with_a_new_branch),
        cmocka_unit_test(test_late_ringing_of_a_passed_over_target_is_cancelled),
        cmocka_unit_test(test_503_tries_the_next_and_retry_after_takes_the_peer_out),
        cmocka_unit_test(test_503_alone_becomes_500),
        cmocka_unit_test(test_target_that_rang_and_fell_silent_has_no_successor),
        cmocka_unit_test(test_nothing_is_tried_for_a_sender_that_has_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

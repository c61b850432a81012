/* One request to several places: in parallel, one after the other, and what comes back of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/raw.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>

enum { PHONES = 4 };

struct scene {
    struct sim *sim;
    struct gate gate;
    struct raw *caller, *phone[PHONES];
};

static void scene_init(struct scene *x, enum sw_fork_rule fork)
{
    struct conf *k = &x->gate.conf;
    static const char *const names[PHONES] = {"p0", "p1", "p2", "p3"};
    char address[32];
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(21);
    conf_init(k);
    conf_listener(k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    conf_peer(k, "caller", "10.1.0.9:5060", SW_UDP, NULL);
    for (int i = 0; i < PHONES; i++) {
        snprintf(address, sizeof(address), "10.1.1.%d:5060", i + 1);
        conf_peer(k, names[i], address, SW_UDP, NULL);
    }
    conf_route(k, "caller", "p0", "p1", "p2", "p3", NULL)->fork = (uint8_t)fork;
    gate_start(&x->gate, x->sim, "gate", 1, "example.test", 21);
    x->caller = raw_new(x->sim, "caller", "10.1.0.9:5060", SW_UDP);
    for (int i = 0; i < PHONES; i++) {
        snprintf(address, sizeof(address), "10.1.1.%d:5060", i + 1);
        x->phone[i] = raw_new(x->sim, "phone", address, SW_UDP);
    }
}

static void scene_fini(struct scene *x)
{
    gate_finish(&x->gate);
}

static void ask(struct scene *x, const char *method, const char *more)
{
    char text[1024];
    snprintf(text, sizeof(text),
             "%s sip:all@example.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.9:5060;branch=z9hG4bKf\r\n"
             "From: <sip:x@x.test>;tag=1\r\nTo: <sip:all@example.test>\r\nCall-ID: f@x\r\n"
             "CSeq: 1 %s\r\nMax-Forwards: 70\r\n%sContent-Length: 0\r\n\r\n",
             method, method, more);
    raw_send(x->caller, "10.1.0.1:5060", SW_UDP, text);
    sim_run(x->sim, x->sim->now_ms + 300);
}

static unsigned asked(const struct scene *x, int phone, const char *method)
{
    return raw_count(x->phone[phone], method) > 0;
}

static void answer(struct scene *x, int phone, const char *status, const char *more)
{
    const struct raw_message *m = raw_nth(x->phone[phone], "INVITE", 0);
    if (!m)
        m = raw_nth(x->phone[phone], "OPTIONS", 0);
    assert_non_null(m);
    raw_answer(x->phone[phone], m, status, more);
    sim_run(x->sim, x->sim->now_ms + 300);
}

static const char *final_answer(const struct scene *x)
{
    for (int class = 2; class <= 6; class ++) {
        char start[16];
        snprintf(start, sizeof(start), "SIP/2.0 %d", class);
        const struct raw_message *m = raw_nth(x->caller, start, 0);
        if (m)
            return m->text;
    }
    return "";
}

static void assert_final(const struct scene *x, const char *status)
{
    assert_memory_equal(final_answer(x), status, strlen(status));
}

/* RFC 3261 16.6: parallel; 16.7 step 10: after the 2xx the others are cancelled */
static void test_parallel_fork_rings_all_and_the_first_2xx_wins(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, SW_FORK_PARALLEL);
    ask(&x, "INVITE", "");
    for (int i = 0; i < PHONES; i++) {
        assert_true(asked(&x, i, "INVITE"));
        answer(&x, i, "180 Ringing", "");
    }
    assert_int_equal(raw_count(x.caller, "SIP/2.0 180"), PHONES);
    answer(&x, 2, "200 OK", "");
    assert_final(&x, "SIP/2.0 200");
    for (int i = 0; i < PHONES; i++)
        assert_int_equal(asked(&x, i, "CANCEL"), i != 2);
    for (int i = 0; i < PHONES; i++)
        if (i != 2)
            answer(&x, i, "487 Request Terminated", "");
    assert_int_equal(raw_count(x.caller, "SIP/2.0 487"), 0);
    scene_fini(&x);
}

/* RFC 3261 16.7 step 5: every 2xx to an INVITE is passed on, also those that come after the first
 */
static void test_parallel_fork_passes_every_2xx_of_an_invite(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, SW_FORK_PARALLEL);
    ask(&x, "INVITE", "");
    answer(&x, 0, "200 OK", "");
    answer(&x, 3, "200 OK", "");
    assert_int_equal(raw_count(x.caller, "SIP/2.0 200"), 2);
    scene_fini(&x);
}

/* RFC 3261 16.7 step 5: one 2xx of a non-INVITE; RFC 4320 4.2 */
static void test_parallel_fork_passes_one_2xx_of_another_method(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, SW_FORK_PARALLEL);
    ask(&x, "OPTIONS", "");
    for (int i = 0; i < PHONES; i++)
        answer(&x, i, "200 OK", "");
    assert_int_equal(raw_count(x.caller, "SIP/2.0 200"), 1);
    scene_fini(&x);
}

/* RFC 3261 16.7 step 6: the best is chosen once all have answered */
static void test_parallel_fork_waits_for_all_and_chooses_the_best(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, SW_FORK_PARALLEL);
    ask(&x, "INVITE", "");
    answer(&x, 0, "500 Server Internal Error", "");
    answer(&x, 1, "404 Not Found", "");
    answer(&x, 2, "503 Service Unavailable", "");
    assert_string_equal(final_answer(&x), "");
    answer(&x, 3, "302 Moved Temporarily", "Contact: <sip:elsewhere@x.test>\r\n");
    assert_final(&x, "SIP/2.0 302");
    scene_fini(&x);
}

/* RFC 3261 16.7 step 5: a 6xx cancels the rest; it is passed on when they have answered */
static void test_parallel_fork_ends_with_a_6xx(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, SW_FORK_PARALLEL);
    ask(&x, "INVITE", "");
    for (int i = 0; i < PHONES; i++)
        answer(&x, i, "180 Ringing", "");
    answer(&x, 1, "603 Decline", "");
    assert_string_equal(final_answer(&x), "");
    for (int i = 0; i < PHONES; i++)
        if (i != 1) {
            assert_true(asked(&x, i, "CANCEL"));
            answer(&x, i, "487 Request Terminated", "");
        }
    assert_final(&x, "SIP/2.0 603");
    scene_fini(&x);
}

/* RFC 3261 16.7 step 7: the challenges of all, in the order they came, in the one that goes back */
static void test_parallel_fork_gathers_challenges_in_order(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, SW_FORK_PARALLEL);
    ask(&x, "INVITE", "");
    answer(&x, 3, "407 Proxy Authentication Required",
           "Proxy-Authenticate: Digest realm=\"d\", nonce=\"1\"\r\n");
    answer(&x, 1, "401 Unauthorized",
           "WWW-Authenticate: Digest realm=\"b\", nonce=\"2\"\r\n"
           "WWW-Authenticate: Digest realm=\"bb\", nonce=\"3\"\r\n");
    answer(&x, 0, "404 Not Found", "");
    answer(&x, 2, "401 Unauthorized", "WWW-Authenticate: Digest realm=\"c\", nonce=\"4\"\r\n");
    assert_final(&x, "SIP/2.0 407");
    const char *at = final_answer(&x);
    static const char *const order[] = {"Proxy-Authenticate: Digest realm=\"d\", nonce=\"1\"\r\n",
                                        "WWW-Authenticate: Digest realm=\"b\", nonce=\"2\"\r\n",
                                        "WWW-Authenticate: Digest realm=\"bb\", nonce=\"3\"\r\n",
                                        "WWW-Authenticate: Digest realm=\"c\", nonce=\"4\"\r\n"};
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        at = strstr(at, order[i]);
        assert_non_null(at);
    }
    scene_fini(&x);
}

/* What a peer is not told, it is not told in a challenge of another branch: `remove` of a peer, RFC
 * 3261 16.7 step 7 */
static void test_parallel_fork_removes_gathered_challenges(void **state)
{
    static const struct sw_header_name gone = {SW_SLICE("WWW-Authenticate"),
                                               SW_HDR_WWW_AUTHENTICATE};
    struct scene x;
    (void)state;
    scene_init(&x, SW_FORK_PARALLEL);
    x.gate.conf.peers[0].remove = &gone;
    x.gate.conf.peers[0].remove_count = 1;
    ask(&x, "INVITE", "");
    answer(&x, 0, "407 Proxy Authentication Required",
           "Proxy-Authenticate: Digest realm=\"a\", nonce=\"1\"\r\n");
    answer(&x, 1, "401 Unauthorized",
           "WWW-Authenticate: Digest realm=\"b\", nonce=\"2\"\r\n"
           "Proxy-Authenticate: Digest realm=\"bb\", nonce=\"3\"\r\n");
    answer(&x, 2, "401 Unauthorized", "WWW-Authenticate: Digest realm=\"c\", nonce=\"4\"\r\n");
    answer(&x, 3, "404 Not Found", "");
    assert_final(&x, "SIP/2.0 407");
    assert_non_null(strstr(final_answer(&x), "realm=\"a\""));
    assert_non_null(strstr(final_answer(&x), "realm=\"bb\""));
    assert_null(strstr(final_answer(&x), "WWW-Authenticate"));
    scene_fini(&x);
}

/* RFC 3261 16.10 */
static void test_cancel_reaches_every_branch(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, SW_FORK_PARALLEL);
    ask(&x, "INVITE", "");
    for (int i = 0; i < PHONES; i++)
        answer(&x, i, "180 Ringing", "");
    ask(&x, "CANCEL", "");
    for (int i = 0; i < PHONES; i++) {
        assert_true(asked(&x, i, "CANCEL"));
        answer(&x, i, "487 Request Terminated", "");
    }
    assert_int_equal(raw_count(x.caller, "SIP/2.0 487"), 1);
    scene_fini(&x);
}

/* RFC 3261 16.6: the next group only after the one before it has failed */
static void test_serial_fork_goes_on_after_each_refusal(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, SW_FORK_SERIAL);
    ask(&x, "INVITE", "");
    answer(&x, 0, "180 Ringing", "");
    assert_false(asked(&x, 1, "INVITE"));
    answer(&x, 0, "486 Busy Here", "");
    assert_true(asked(&x, 1, "INVITE"));
    assert_false(asked(&x, 2, "INVITE"));
    answer(&x, 1, "480 Temporarily Unavailable", "");
    answer(&x, 2, "200 OK", "");
    assert_final(&x, "SIP/2.0 200");
    assert_false(asked(&x, 3, "INVITE"));
    scene_fini(&x);
}

/* RFC 3261 16.7 step 5: no new branch after a 6xx */
static void test_serial_fork_stops_at_a_6xx(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, SW_FORK_SERIAL);
    ask(&x, "INVITE", "");
    answer(&x, 0, "603 Decline", "");
    assert_final(&x, "SIP/2.0 603");
    assert_false(asked(&x, 1, "INVITE"));
    scene_fini(&x);
}

/* Without fork, a list is one place: only what cannot be reached is tried elsewhere. */
static void test_order_takes_a_refusal_as_final(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, SW_FORK_ORDER);
    ask(&x, "INVITE", "");
    answer(&x, 0, "503 Service Unavailable", "");
    assert_true(asked(&x, 1, "INVITE"));
    answer(&x, 1, "486 Busy Here", "");
    assert_final(&x, "SIP/2.0 486");
    assert_false(asked(&x, 2, "INVITE"));
    scene_fini(&x);
}

/* One that was passed over for its silence and then refuses starts no further target. */
static void test_late_refusal_of_a_passed_over_target_starts_nothing(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, SW_FORK_ORDER);
    for (unsigned i = 0; i < PHONES + 1; i++)
        x.gate.conf.peers[i].timeout_ms = 2000;
    ask(&x, "INVITE", "");
    sim_run(x.sim, x.sim->now_ms + 2500);
    assert_true(asked(&x, 1, "INVITE"));
    answer(&x, 0, "503 Service Unavailable", "");
    assert_false(asked(&x, 2, "INVITE"));
    answer(&x, 1, "200 OK", "");
    assert_final(&x, "SIP/2.0 200");
    scene_fini(&x);
}

static unsigned breadth_of(const struct scene *x, int phone)
{
    const struct raw_message *m = raw_nth(x->phone[phone], "INVITE", 0);
    return m ? (unsigned)atoi(raw_header(m, "Max-Breadth")) : 0;
}

/* RFC 5393 5.3.3: one is added, a larger one cut, and the branches share it */
static void test_breadth_is_shared_among_parallel_branches(void **state)
{
    static const struct {
        const char *header;
        unsigned total;
    } rows[] = {{"", 60},
                {"Max-Breadth: 1000\r\n", 60},
                {"Max-Breadth: 7\r\n", 7},
                {"Max-Breadth: 4\r\n", 4}};
    (void)state;
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        struct scene x;
        unsigned sum = 0;
        scene_init(&x, SW_FORK_PARALLEL);
        ask(&x, "INVITE", rows[r].header);
        for (int i = 0; i < PHONES; i++) {
            assert_true(breadth_of(&x, i) > 0);
            sum += breadth_of(&x, i);
            answer(&x, i, "404 Not Found", "");
        }
        assert_int_equal(sum, rows[r].total);
        scene_fini(&x);
    }
}

/* RFC 5393 5.3.3: what is too many at once forks serially, and is reused (5.3.3.1) */
static void test_breadth_that_is_too_small_forks_serially(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x, SW_FORK_PARALLEL);
    ask(&x, "INVITE", "Max-Breadth: 3\r\n");
    assert_true(asked(&x, 2, "INVITE"));
    assert_false(asked(&x, 3, "INVITE"));
    for (int i = 0; i < 3; i++)
        answer(&x, i, "404 Not Found", "");
    assert_int_equal(breadth_of(&x, 3), 3);
    answer(&x, 3, "200 OK", "");
    assert_final(&x, "SIP/2.0 200");
    scene_fini(&x);
}

/* RFC 5393 5.3.3, 5.8 */
static void test_breadth_of_none_or_nonsense_is_refused(void **state)
{
    static const struct {
        const char *header, *status;
    } rows[] = {{"Max-Breadth: 0\r\n", "SIP/2.0 440"},
                {"Max-Breadth: many\r\n", "SIP/2.0 400"},
                {"Max-Breadth: 3\r\nMax-Breadth: 3\r\n", "SIP/2.0 400"}};
    (void)state;
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        struct scene x;
        scene_init(&x, SW_FORK_PARALLEL);
        ask(&x, "INVITE", rows[r].header);
        assert_final(&x, rows[r].status);
        assert_false(asked(&x, 0, "INVITE"));
        scene_fini(&x);
    }
}

/* RFC 3261 16.6: equal q is tried at once, the next lower one after all of these failed */
static void test_parallel_fork_goes_by_groups_of_equal_q(void **state)
{
    struct scene x;
    static const uint16_t q[PHONES] = {500, 1000, 500, 1000};
    (void)state;
    scene_init(&x, SW_FORK_PARALLEL);
    x.gate.conf.routes[0].q = q;
    ask(&x, "INVITE", "");
    for (int i = 0; i < PHONES; i++)
        assert_int_equal(asked(&x, i, "INVITE"), i % 2);
    answer(&x, 1, "486 Busy Here", "");
    assert_false(asked(&x, 0, "INVITE")); /* 3 has not answered yet */
    answer(&x, 3, "480 Temporarily Unavailable", "");
    assert_true(asked(&x, 0, "INVITE") && asked(&x, 2, "INVITE"));
    answer(&x, 0, "180 Ringing", "");
    answer(&x, 2, "200 OK", "");
    assert_final(&x, "SIP/2.0 200");
    assert_true(asked(&x, 0, "CANCEL"));
    answer(&x, 0, "487 Request Terminated", "");
    scene_fini(&x);
}

static void test_parallel_fork_answers_the_best_of_all_groups(void **state)
{
    struct scene x;
    static const uint16_t q[PHONES] = {1000, 1000, 10, 0};
    (void)state;
    scene_init(&x, SW_FORK_PARALLEL);
    x.gate.conf.routes[0].q = q;
    ask(&x, "INVITE", "");
    answer(&x, 0, "486 Busy Here", "");
    answer(&x, 1, "302 Moved Temporarily", "");
    assert_true(asked(&x, 2, "INVITE") && !asked(&x, 3, "INVITE"));
    answer(&x, 2, "500 Server Internal Error", "");
    answer(&x, 3, "404 Not Found", "");
    assert_final(&x, "SIP/2.0 302"); /* RFC 3261 16.7 step 6: the lowest class */
    scene_fini(&x);
}

/* RFC 3261 16.7 step 5: a 6xx ends it, lower groups are not tried; CANCEL likewise (16.10) */
static void test_parallel_fork_tries_no_lower_group_after_a_6xx_or_a_cancel(void **state)
{
    static const uint16_t q[PHONES] = {1000, 1000, 10, 10};
    (void)state;
    for (int cancel = 0; cancel < 2; cancel++) {
        struct scene x;
        scene_init(&x, SW_FORK_PARALLEL);
        x.gate.conf.routes[0].q = q;
        ask(&x, "INVITE", "");
        answer(&x, 0, cancel ? "180 Ringing" : "603 Decline", "");
        if (cancel) {
            answer(&x, 1, "180 Ringing", "");
            ask(&x, "CANCEL", "");
            answer(&x, 0, "487 Request Terminated", "");
        }
        answer(&x, 1, "487 Request Terminated", "");
        assert_int_equal(raw_count(x.caller, cancel ? "SIP/2.0 487" : "SIP/2.0 603"), 1);
        assert_false(asked(&x, 2, "INVITE") || asked(&x, 3, "INVITE"));
        scene_fini(&x);
    }
}

/* A silent group is passed over after `timeout`, as a silent peer is. */
static void test_parallel_fork_passes_over_a_silent_group(void **state)
{
    struct scene x;
    static const uint16_t q[PHONES] = {1000, 1000, 10, 10};
    (void)state;
    scene_init(&x, SW_FORK_PARALLEL);
    x.gate.conf.routes[0].q = q;
    ask(&x, "INVITE", "");
    assert_false(asked(&x, 2, "INVITE"));
    sim_run(x.sim, x.sim->now_ms + 4000);
    assert_true(asked(&x, 2, "INVITE") && asked(&x, 3, "INVITE"));
    answer(&x, 3, "200 OK", "");
    assert_final(&x, "SIP/2.0 200");
    scene_fini(&x);
}

static void test_serial_fork_and_order_go_by_q(void **state)
{
    static const uint16_t q[PHONES] = {100, 700, 700, 1000};
    static const int order[PHONES] = {3, 1, 2, 0};
    (void)state;
    for (int fork = SW_FORK_ORDER; fork <= SW_FORK_SERIAL; fork++) {
        struct scene x;
        scene_init(&x, (enum sw_fork_rule)fork);
        x.gate.conf.routes[0].q = q;
        ask(&x, "INVITE", "");
        for (int i = 0; i < PHONES; i++) {
            for (int k = 0; k < PHONES; k++)
                assert_int_equal(asked(&x, order[k], "INVITE"), k <= i);
            answer(&x, order[i],
                   fork == SW_FORK_SERIAL ? "486 Busy Here" : "503 Service Unavailable", "");
        }
        assert_final(&x, fork == SW_FORK_SERIAL ? "SIP/2.0 486" : "SIP/2.0 500");
        scene_fini(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parallel_fork_rings_all_and_the_first_2xx_wins),
        cmocka_unit_test(test_parallel_fork_passes_every_2xx_of_an_invite),
        cmocka_unit_test(test_parallel_fork_passes_one_2xx_of_another_method),
        cmocka_unit_test(test_parallel_fork_waits_for_all_and_chooses_the_best),
        cmocka_unit_test(test_parallel_fork_ends_with_a_6xx),
        cmocka_unit_test(test_parallel_fork_gathers_challenges_in_order),
        cmocka_unit_test(test_parallel_fork_removes_gathered_challenges),
        cmocka_unit_test(test_cancel_reaches_every_branch),
        cmocka_unit_test(test_serial_fork_goes_on_after_each_refusal),
        cmocka_unit_test(test_serial_fork_stops_at_a_6xx),
        cmocka_unit_test(test_order_takes_a_refusal_as_final),
        cmocka_unit_test(test_late_refusal_of_a_passed_over_target_starts_nothing),
        cmocka_unit_test(test_breadth_is_shared_among_parallel_branches),
        cmocka_unit_test(test_breadth_that_is_too_small_forks_serially),
        cmocka_unit_test(test_breadth_of_none_or_nonsense_is_refused),
        cmocka_unit_test(test_parallel_fork_goes_by_groups_of_equal_q),
        cmocka_unit_test(test_parallel_fork_answers_the_best_of_all_groups),
        cmocka_unit_test(test_parallel_fork_tries_no_lower_group_after_a_6xx_or_a_cancel),
        cmocka_unit_test(test_parallel_fork_passes_over_a_silent_group),
        cmocka_unit_test(test_serial_fork_and_order_go_by_q),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

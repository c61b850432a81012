/* Serial forking with sips: "the proxy MUST NOT recurse on the response". A client recurses when it
 * makes a new request of a response, of its Contact (RFC 3261 6) or with another scheme; the
 * further targets of a route were there before. RFC 5630 5.3, RFC 3261 16.7 step 5; CONFORMANCE
 * 5630-10, 5630-11 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/raw.h"
#include "sim/world.h"

#include <stdio.h>

struct scene {
    struct sim *sim;
    struct gate gate;
    struct raw *caller, *first, *second, *clear; /* TLS 10.0.0.9, .8, .7; UDP 10.1.0.8 */
};

/* The route of the caller: first, plain, second, one after the other. `order`: without fork. */
static void scene_init(struct scene *x, bool order)
{
    struct conf *k = &x->gate.conf;
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(7);
    conf_init(k);
    conf_listener(k, "outside", "10.0.0.1:5061", SW_TLS, "sip.example.test");
    conf_listener(k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    conf_peer(k, "caller", "10.0.0.9:5061", SW_TLS, "caller.test");
    conf_peer(k, "first", "10.0.0.8:5061", SW_TLS, "first.test");
    conf_peer(k, "plain", "10.1.0.8:5060", SW_UDP, NULL);
    conf_peer(k, "second", "10.0.0.7:5061", SW_TLS, "second.test");
    conf_route(k, "caller", "first", "plain", "second", NULL)->fork =
        order ? SW_FORK_ORDER : SW_FORK_SERIAL;
    gate_start(&x->gate, x->sim, "gate", 1, "example.test", 7);
    x->caller = raw_new(x->sim, "caller", "10.0.0.9:5061", SW_TLS);
    x->first = raw_new(x->sim, "first", "10.0.0.8:5061", SW_TLS);
    x->second = raw_new(x->sim, "second", "10.0.0.7:5061", SW_TLS);
    x->clear = raw_new(x->sim, "clear", "10.1.0.8:5060", SW_UDP);
    raw_proves(x->caller, "caller.test");
    raw_proves(x->first, "first.test");
    raw_proves(x->second, "second.test");
}

static void go_on(struct scene *x)
{
    sim_run(x->sim, x->sim->now_ms + 1000);
}

static void invite_sips(struct scene *x)
{
    raw_send(x->caller, "10.0.0.1:5061", SW_TLS,
             "INVITE sips:bob@example.test SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.9:5061;"
             "branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sips:a@caller.test>;tag=1\r\n"
             "To: <sips:bob@example.test>\r\nCall-ID: s@x\r\nCSeq: 1 INVITE\r\n"
             "Contact: <sips:a@10.0.0.9>\r\nContent-Length: 0\r\n\r\n");
    go_on(x);
}

static const struct {
    const char *answer, *rows;
} refusals[] = {
    {"302 Moved Temporarily", "Contact: <sip:bob@10.1.0.8:5060>\r\n"},
    {"416 Unsupported URI Scheme", ""},
    {"480 No", "Warning: 380 h \"SIPS Not Allowed\"\r\n"},
    {"480 No", "Warning: 381 h \"SIPS Required\"\r\n"},
};

enum { REFUSALS = sizeof(refusals) / sizeof(refusals[0]) };

/* The next peer of the route that may have it gets the sips request as it is; the one without TLS
 * never, and nobody a sip request. */
static void test_sips_serial_route_goes_on_with_sips_only(void **state)
{
    (void)state;
    for (int i = 0; i < REFUSALS; i++) {
        struct scene x;
        scene_init(&x, false);
        invite_sips(&x);
        assert_int_equal(raw_count(x.first, "INVITE sips:"), 1);
        raw_answer(x.first, raw_nth(x.first, "INVITE", 0), refusals[i].answer, refusals[i].rows);
        go_on(&x);
        assert_int_equal(raw_count(x.second, "INVITE sips:bob@"), 1);
        raw_answer(x.second, raw_nth(x.second, "INVITE", 0), "200 OK",
                   "Contact: <sips:bob@10.0.0.7>\r\n");
        go_on(&x);
        assert_true(raw_count(x.caller, "SIP/2.0 200") >= 1);
        assert_int_equal(raw_count(x.caller, "SIP/2.0 480"), 0);
        assert_int_equal(raw_count(x.first, "INVITE"), 1);
        assert_int_equal(raw_count(x.second, "INVITE sip:"), 0);
        assert_int_equal(raw_count(x.clear, "INVITE"), 0);
        gate_finish(&x.gate);
    }
}

/* "the proxy SHOULD forward the best response instead": with its Contact, or its Warning */
static void test_sips_serial_route_forwards_the_best_response(void **state)
{
    (void)state;
    for (int i = 0; i < REFUSALS; i++) {
        struct scene x;
        char line[64];
        scene_init(&x, false);
        invite_sips(&x);
        raw_answer(x.first, raw_nth(x.first, "INVITE", 0), refusals[i].answer, refusals[i].rows);
        go_on(&x);
        raw_answer(x.second, raw_nth(x.second, "INVITE", 0), "503 Busy", "");
        go_on(&x);
        snprintf(line, sizeof(line), "SIP/2.0 %s", refusals[i].answer);
        const struct raw_message *m = raw_nth(x.caller, line, 0);
        assert_non_null(m);
        assert_non_null(strstr(m->text, refusals[i].rows));
        assert_int_equal(raw_count(x.clear, "INVITE"), 0);
        gate_finish(&x.gate);
    }
}

/* Without fork: serial an answer is the end: the peers of a list are ways to one place. */
static void test_sips_route_without_fork_ends_with_the_answer(void **state)
{
    (void)state;
    for (int i = 0; i < REFUSALS; i++) {
        struct scene x;
        char line[64];
        scene_init(&x, true);
        invite_sips(&x);
        raw_answer(x.first, raw_nth(x.first, "INVITE", 0), refusals[i].answer, refusals[i].rows);
        go_on(&x);
        snprintf(line, sizeof(line), "SIP/2.0 %s", refusals[i].answer);
        assert_true(raw_count(x.caller, line) >= 1);
        assert_int_equal(raw_count(x.second, "INVITE") + raw_count(x.clear, "INVITE"), 0);
        gate_finish(&x.gate);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sips_serial_route_goes_on_with_sips_only),
        cmocka_unit_test(test_sips_serial_route_forwards_the_best_response),
        cmocka_unit_test(test_sips_route_without_fork_ends_with_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

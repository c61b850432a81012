/* What happens at each named limit, and that it is counted. docs/config.md "limits" */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/raw.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>

#define GATE "10.1.0.1:5060"

enum { TEXT_MAX = 24000 };

struct scene {
    struct sim *sim;
    struct gate gate;
    struct raw *caller, *first, *second, *stranger;
    unsigned sent;
    char text[TEXT_MAX];
};

static struct sw_proxy_conf *conf_of(struct scene *x)
{
    return &x->gate.conf.proxy;
}

/* Between the two the configuration may be changed. */
static void scene_init(struct scene *x)
{
    struct conf *k = &x->gate.conf;
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(41);
    conf_init(k);
    conf_listener(k, "inside", GATE, SW_UDP, NULL)->unknown = SW_UNKNOWN_REJECT;
    conf_peer(k, "caller", "10.1.0.9:5060", SW_UDP, NULL);
    conf_peer(k, "first", "10.1.0.8:5060", SW_UDP, NULL);
    conf_peer(k, "second", "10.1.0.7:5060", SW_UDP, NULL);
    conf_route(k, "caller", "first", "second", NULL)->fork = SW_FORK_PARALLEL;
}

static void scene_start(struct scene *x)
{
    gate_start(&x->gate, x->sim, "gate", 1, "example.test", 41);
    x->caller = raw_new(x->sim, "caller", "10.1.0.9:5060", SW_UDP);
    x->first = raw_new(x->sim, "first", "10.1.0.8:5060", SW_UDP);
    x->second = raw_new(x->sim, "second", "10.1.0.7:5060", SW_UDP);
    x->stranger = raw_new(x->sim, "stranger", "10.9.9.9:5060", SW_UDP);
}

static void scene_fini(struct scene *x)
{
    gate_finish(&x->gate);
}

static void settle(struct scene *x)
{
    sim_run(x->sim, x->sim->now_ms + 100);
}

static uint64_t counted(const struct scene *x, enum sw_counter c)
{
    return gate_counted(&x->gate, c);
}

/* A request of its own, with `n` letters of user part and further header lines. */
static void ask(struct scene *x, struct raw *from, const char *method, size_t n, const char *more)
{
    static char user[TEXT_MAX / 2];
    memset(user, 'u', n);
    user[n] = 0;
    x->sent++;
    snprintf(x->text, sizeof(x->text),
             "%s sip:%s@example.test SIP/2.0\r\n"
             "Via: SIP/2.0/UDP h.test;rport;branch=z9hG4bK%u\r\n"
             "From: <sip:x@x.test>;tag=1\r\nTo: <sip:all@example.test>\r\nCall-ID: %u@x\r\n"
             "CSeq: 1 %s\r\nMax-Forwards: 70\r\n%sContent-Length: 0\r\n\r\n",
             method, user, x->sent, x->sent, method, more);
    raw_send(from, GATE, SW_UDP, x->text);
}

/* RFC 3261 21.5.4 */
static void test_limit_transactions_503_with_retry_after_and_no_state(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x);
    scene_start(&x);
    x.gate.gateway[0].engine.servers.max = 2;
    for (int i = 0; i < 4; i++)
        ask(&x, x.caller, "MESSAGE", 3, "");
    settle(&x);
    assert_int_equal(raw_count(x.first, "MESSAGE"), 2);
    assert_int_equal(raw_count(x.caller, "SIP/2.0 503"), 2);
    assert_string_equal(raw_header(raw_nth(x.caller, "SIP/2.0 503", 0), "Retry-After"), "5");
    assert_int_equal(x.gate.gateway[0].engine.servers.used, 2);
    assert_int_equal(counted(&x, SW_LIMITED_TRANSACTIONS), 2);
    assert_int_equal(counted(&x, SW_COUNT_STATELESS_503), 2);
    assert_int_equal(counted(&x, SW_COUNT_ANSWERED_503), 2);
    assert_int_equal(counted(&x, SW_COUNT_REQUESTS), 2);
    sim_run(x.sim, x.sim->now_ms + 70000); /* Timer F, then Timer J are over */
    ask(&x, x.caller, "MESSAGE", 3, "");
    settle(&x);
    assert_int_equal(raw_count(x.caller, "SIP/2.0 503"), 2);
    scene_fini(&x);
}

static void test_limit_branches_leaves_the_rest_untried(void **state)
{
    struct scene x;
    static const uint16_t q[] = {1, 2};
    (void)state;
    scene_init(&x);
    conf_of(&x)->branches_max = 1;
    x.gate.conf.routes[0].q = q;
    scene_start(&x);
    ask(&x, x.caller, "MESSAGE", 3, "");
    settle(&x);
    raw_answer(x.second, raw_nth(x.second, "MESSAGE", 0), "404 Not Found", "");
    settle(&x);
    assert_int_equal(raw_count(x.first, "MESSAGE"), 0); /* the lower q */
    assert_int_equal(raw_count(x.caller, "SIP/2.0 404"), 1);
    assert_int_equal(counted(&x, SW_LIMITED_BRANCHES), 1);
    scene_fini(&x);
}

static void test_limit_headers_400_and_a_response_is_dropped(void **state)
{
    struct scene x;
    enum { OWN = 7, LIMIT = 32 };
    char rows[LIMIT * 8] = "";
    (void)state;
    scene_init(&x);
    conf_of(&x)->headers_max = LIMIT;
    scene_start(&x);
    for (int i = OWN; i < LIMIT; i++)
        strcat(rows, "X: y\r\n");
    ask(&x, x.caller, "MESSAGE", 3, rows);
    settle(&x);
    assert_int_equal(raw_count(x.first, "MESSAGE"), 1);
    assert_int_equal(counted(&x, SW_LIMITED_HEADERS), 0);
    strcat(rows, "X: y\r\n");
    raw_answer(x.first, raw_nth(x.first, "MESSAGE", 0), "200 OK", rows);
    settle(&x);
    assert_int_equal(raw_count(x.caller, "SIP/2.0 200"), 0);
    assert_int_equal(counted(&x, SW_LIMITED_HEADERS), 1);
    assert_int_equal(counted(&x, SW_COUNT_MALFORMED_DROPPED), 1);
    ask(&x, x.caller, "MESSAGE", 3, rows);
    settle(&x);
    assert_int_equal(raw_count(x.caller, "SIP/2.0 400 Too Many Header Fields"), 1);
    assert_int_equal(counted(&x, SW_LIMITED_HEADERS), 2);
    assert_int_equal(counted(&x, SW_COUNT_MALFORMED_ANSWERED), 1);
    scene_fini(&x);
}

/* RFC 3261 21.4.13 */
static void test_limit_uri_bytes_414_and_an_ack_is_dropped(void **state)
{
    struct scene x;
    const size_t rest = strlen("sip:@example.test");
    (void)state;
    scene_init(&x);
    conf_of(&x)->uri_max = 600;
    scene_start(&x);
    ask(&x, x.caller, "MESSAGE", 600 - rest, "");
    settle(&x);
    assert_int_equal(raw_count(x.first, "MESSAGE"), 1);
    ask(&x, x.caller, "MESSAGE", 601 - rest, "");
    ask(&x, x.caller, "ACK", 601 - rest, "");
    settle(&x);
    assert_int_equal(raw_count(x.first, "MESSAGE"), 1);
    assert_int_equal(raw_count(x.caller, "SIP/2.0 414 Request-URI Too Long"), 1);
    assert_int_equal(raw_count(x.caller, "SIP/2.0"), 1);
    assert_int_equal(counted(&x, SW_LIMITED_URI_BYTES), 2);
    assert_int_equal(counted(&x, SW_COUNT_ANSWERED_414), 1);
    scene_fini(&x);
}

static void test_limit_uri_bytes_and_routes_400_for_route(void **state)
{
    struct scene x;
    char route[1024];
    (void)state;
    scene_init(&x);
    conf_of(&x)->uri_max = 600;
    scene_start(&x);
    for (int n = 600; n <= 601; n++) {
        snprintf(route, sizeof(route), "Route: <sip:%0*d@h.test;lr>\r\n",
                 n - (int)strlen("sip:@h.test;lr"), 1);
        ask(&x, x.caller, "MESSAGE", 3, route);
        settle(&x);
        assert_int_equal(raw_count(x.first, "MESSAGE"), 1);
        assert_int_equal(raw_count(x.caller, "SIP/2.0 400 Bad Route"), n - 600);
        assert_int_equal(counted(&x, SW_LIMITED_URI_BYTES), n - 600);
    }
    route[0] = 0;
    for (int i = 0; i <= SW_ROUTES_MAX; i++)
        strcat(route, "Route: <sip:h.test;lr>\r\n");
    ask(&x, x.caller, "MESSAGE", 3, route);
    settle(&x);
    assert_int_equal(raw_count(x.caller, "SIP/2.0 400 Bad Route"), 2);
    assert_int_equal(counted(&x, SW_LIMITED_ROUTES), 1);
    assert_int_equal(counted(&x, SW_LIMITED_URI_BYTES), 1);
    scene_fini(&x);
}

static void test_limit_of_a_source_holds_for_strangers_only(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x);
    conf_of(&x)->source_messages_per_s = 5;
    scene_start(&x);
    for (int i = 0; i < 30; i++) {
        ask(&x, x.stranger, "OPTIONS", 3, "");
        ask(&x, x.caller, "MESSAGE", 3, "");
    }
    settle(&x);
    assert_int_equal(raw_count(x.stranger, "SIP/2.0 403"), 5);
    assert_int_equal(raw_count(x.first, "MESSAGE"), 30);
    assert_int_equal(counted(&x, SW_LIMITED_SOURCE_MESSAGES_PER_SECOND), 25);
    assert_int_equal(counted(&x, SW_COUNT_NOBODY_ANSWERED), 5);
    sim_run(x.sim, x.sim->now_ms + 1000);
    ask(&x, x.stranger, "OPTIONS", 3, "");
    settle(&x);
    assert_int_equal(raw_count(x.stranger, "SIP/2.0 403"), 6);
    scene_fini(&x);
}

/* RFC 3261 18.1.2: a response may come from another address than the request went to. */
static void test_limit_of_a_source_spares_the_answers_that_were_asked_for(void **state)
{
    struct scene x;
    enum { CALLS = 20 };
    (void)state;
    scene_init(&x);
    conf_of(&x)->source_messages_per_s = 3;
    x.gate.conf.to[0][0] = 1;
    x.gate.conf.routes[0].to_count = 1;
    scene_start(&x);
    for (int i = 0; i < CALLS; i++)
        ask(&x, x.caller, "MESSAGE", 3, "");
    settle(&x);
    for (int i = 0; i < CALLS; i++) /* as from another address of the same machine */
        raw_answer(x.stranger, raw_nth(x.first, "MESSAGE", (unsigned)i), "200 OK", "");
    settle(&x);
    assert_int_equal(raw_count(x.caller, "SIP/2.0 200"), CALLS);
    assert_int_equal(counted(&x, SW_LIMITED_SOURCE_MESSAGES_PER_SECOND), 0);
    for (int i = 0; i < CALLS; i++)
        raw_send(x.stranger, GATE, SW_UDP,
                 "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.1.0.1:5060;branch=z9hG4bKnone\r\n"
                 "From: <sip:x@x>;tag=1\r\nTo: <sip:y@y>;tag=2\r\nCall-ID: none@x\r\n"
                 "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n");
    settle(&x);
    assert_int_equal(counted(&x, SW_COUNT_STRAY_RESPONSES), 3);
    assert_int_equal(counted(&x, SW_LIMITED_SOURCE_MESSAGES_PER_SECOND), CALLS - 3);
    scene_fini(&x);
}

/* One line per address and interval, with the number. */
static void test_limit_of_a_source_is_told_once_per_interval(void **state)
{
    struct scene x;
    struct sw_actions actions;
    unsigned lines = 0, dropped = 0;
    (void)state;
    scene_init(&x);
    conf_of(&x)->source_messages_per_s = 1;
    scene_start(&x);
    struct sw_flow flow = {.remote = sim_endpoint("10.9.9.9:5060"), .transport = SW_UDP};
    const struct sw_event ev = {
        .kind = SW_EV_MESSAGE, .flow = &flow, .bytes = SW_SLICE("OPTIONS sip:a@b SIP/2.0\r\n\r\n")};
    for (int64_t t = 1000; t < 1000 + 2 * SW_SOURCE_SAY_MS; t += 100) {
        actions.count = 0;
        sw_gateway_step(&x.gate.gateway[0], &ev, &actions, t);
        for (uint32_t i = 0; i < actions.count; i++) {
            const struct sw_note_act *n = &actions.a[i].note;
            if (actions.a[i].kind != SW_ACT_NOTE || strcmp(n->event, "source_limited") != 0)
                continue;
            lines++;
            for (uint32_t k = 0; k < n->count; k++)
                if (strcmp(n->fields[k].name, "dropped") == 0)
                    dropped += (unsigned)n->fields[k].number;
        }
    }
    assert_int_equal(lines, 2);
    assert_in_range(dropped, 80, 120);
    scene_fini(&x);
}

static void test_limit_without_one_a_stranger_gets_all_its_answers(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x);
    scene_start(&x);
    for (int i = 0; i < 60; i++) {
        ask(&x, x.stranger, "OPTIONS", 3, "");
        sim_run(x.sim, x.sim->now_ms + 1);
    }
    settle(&x);
    assert_int_equal(raw_count(x.stranger, "SIP/2.0 403"), 60);
    assert_int_equal(counted(&x, SW_LIMITED_SOURCE_MESSAGES_PER_SECOND), 0);
    scene_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit_transactions_503_with_retry_after_and_no_state),
        cmocka_unit_test(test_limit_branches_leaves_the_rest_untried),
        cmocka_unit_test(test_limit_headers_400_and_a_response_is_dropped),
        cmocka_unit_test(test_limit_uri_bytes_414_and_an_ack_is_dropped),
        cmocka_unit_test(test_limit_uri_bytes_and_routes_400_for_route),
        cmocka_unit_test(test_limit_of_a_source_holds_for_strangers_only),
        cmocka_unit_test(test_limit_of_a_source_spares_the_answers_that_were_asked_for),
        cmocka_unit_test(test_limit_of_a_source_is_told_once_per_interval),
        cmocka_unit_test(test_limit_without_one_a_stranger_gets_all_its_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

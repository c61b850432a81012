/* sips beyond one INVITE: dialogs, ACK, answers, connections that close, what is not tried again,
 * and what best-effort never does. RFC 3261 16.6, 18.2.2, 26.2.2; RFC 5630 5.1.1.2, 5.3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/raw.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>

enum { HOUR_MS = 3600 * 1000 };

struct scene {
    struct sim *sim;
    struct gate gate;
    struct raw *caller, *target, *clear; /* TLS 10.0.0.9, TLS 10.0.0.8, UDP 10.1.0.8 */
    char routes[2048], back[2048];       /* Route rows of the caller and of the target */
};

/* `spare`: a second peer behind the target, at the clear address over UDP. */
static void scene_init(struct scene *x, bool effort, bool spare, const char *target_at)
{
    struct conf *k = &x->gate.conf;
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(6);
    conf_init(k);
    conf_listener(k, "outside", "10.0.0.1:5061", SW_TLS, "sip.example.test");
    conf_listener(k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    conf_peer(k, "caller", "10.0.0.9:5061", SW_TLS, "caller.test");
    struct sw_peer_conf *t = conf_peer(k, "target", "10.0.0.8:5061", SW_TLS, "target.test");
    t->best_effort = k->proxy.best_effort = effort;
    t->clear_address = sim_endpoint("10.1.0.8:5060");
    conf_peer(k, "plain", spare ? "10.1.0.8:5060" : "10.1.0.77:5060", SW_UDP, NULL);
    struct sw_route_conf *r = spare ? conf_route(k, "caller", "target", "plain", NULL)
                                    : conf_route(k, "caller", "target", NULL);
    r->fork = spare ? SW_FORK_SERIAL : SW_FORK_ORDER;
    conf_route(k, "target", "caller", NULL);
    gate_start(&x->gate, x->sim, "gate", 1, "example.test", 6);
    x->caller = raw_new(x->sim, "caller", "10.0.0.9:5061", SW_TLS);
    x->target = raw_new(x->sim, "target", target_at, SW_TLS);
    x->clear = raw_new(x->sim, "clear", "10.1.0.8:5060", SW_UDP);
    raw_proves(x->caller, "caller.test");
    raw_proves(x->target, "target.test");
}

static void scene_fini(struct scene *x)
{
    gate_finish(&x->gate);
}

static void go_on(struct scene *x)
{
    sim_run(x->sim, x->sim->now_ms + 1000);
}

/* `scheme` stands in Request-URI and Contact unless `contact` says otherwise. */
static void send(struct scene *x, struct raw *from, const char *method, const char *uri,
                 const char *contact, const char *routes, unsigned cseq)
{
    char text[4096];
    bool caller = from == x->caller, udp = from == x->clear, inside = routes[0];
    snprintf(text, sizeof(text),
             "%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bK%s%u\r\nMax-Forwards: 70\r\n%s"
             "From: <sips:x@x.test>;tag=%s\r\nTo: <sips:y@y.test>%s\r\nCall-ID: d@x\r\n"
             "CSeq: %u %s\r\nContact: <%s>\r\nContent-Length: 0\r\n\r\n",
             method, uri, udp ? "UDP" : "TLS",
             caller ? "10.0.0.9:5061"
             : udp  ? "10.1.0.8:5060"
                    : "10.0.0.8:5061",
             method, cseq, routes, caller ? "1" : "raw",
             !inside  ? ""
             : caller ? ";tag=raw"
                      : ";tag=1",
             cseq, method, contact);
    raw_send(from, udp ? "10.1.0.1:5060" : "10.0.0.1:5061", udp ? SW_UDP : SW_TLS, text);
}

/* A call that is answered and acknowledged; whatever the scheme. */
static void establish(struct scene *x, struct raw *target, const char *scheme)
{
    char uri[64], contact[64], row[128];
    snprintf(uri, sizeof(uri), "%s:bob@example.test", scheme);
    snprintf(contact, sizeof(contact), "%s:a@10.0.0.9", scheme);
    send(x, x->caller, "INVITE", uri, contact, "", 1);
    go_on(x);
    const struct raw_message *m = raw_nth(target, "INVITE", 0);
    assert_non_null(m);
    raw_routes(m, false, x->back, sizeof(x->back));
    snprintf(row, sizeof(row), "Contact: <%s:bob@10.0.0.8>\r\n", scheme);
    raw_answer(target, m, "200 OK", row);
    go_on(x);
    m = raw_nth(x->caller, "SIP/2.0 200", 0);
    assert_non_null(m);
    raw_routes(m, true, x->routes, sizeof(x->routes));
    snprintf(uri, sizeof(uri), "%s:bob@10.0.0.8", scheme);
    send(x, x->caller, "ACK", uri, contact, x->routes, 1);
    go_on(x);
    assert_int_equal(raw_count(target, "ACK"), 1);
}

/* RFC 3261 16.6 step 4, 16.12; RFC 5630 5.3: each request of a sips dialog stays on TLS */
static void test_sips_dialog_stays_on_tls_in_both_directions(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, false, false, "10.0.0.8:5061");
    establish(&x, x.target, "sips");
    assert_non_null(strstr(x.routes, "<sips:"));
    assert_null(strstr(x.routes, "<sip:"));
    send(&x, x.target, "UPDATE", "sips:a@10.0.0.9", "sips:b@10.0.0.8", x.back, 7);
    go_on(&x);
    const struct raw_message *m = raw_nth(x.caller, "UPDATE sips:a@10.0.0.9", 0);
    assert_non_null(m);
    assert_int_equal(m->flow.transport, SW_TLS);
    raw_answer(x.caller, m, "200 OK", "");
    send(&x, x.caller, "BYE", "sips:bob@10.0.0.8", "sips:a@10.0.0.9", x.routes, 2);
    go_on(&x);
    m = raw_nth(x.target, "BYE sips:bob@10.0.0.8", 0);
    assert_non_null(m);
    assert_int_equal(m->flow.transport, SW_TLS);
    raw_answer(x.target, m, "200 OK", "");
    go_on(&x);
    assert_int_equal(x.clear->count, 0);
    scene_fini(&x);
}

/* RFC 5630 5.1.1.2: a target refresh keeps sips */
static void test_sips_dialog_refuses_to_refresh_its_target_to_sip(void **state)
{
    (void)state;
    static const char *const methods[] = {"INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        struct scene x;
        scene_init(&x, false, false, "10.0.0.8:5061");
        establish(&x, x.target, "sips");
        send(&x, x.caller, methods[i], "sips:bob@10.0.0.8", "sip:a@10.0.0.9", x.routes, 2);
        go_on(&x);
        assert_int_equal(raw_count(x.caller, "SIP/2.0 400 SIPS Request With SIP Contact"), 1);
        /* what has no target to refresh passes */
        send(&x, x.caller, "INFO", "sips:bob@10.0.0.8", "sip:a@10.0.0.9", x.routes, 3);
        go_on(&x);
        assert_int_equal(raw_count(x.target, "INFO"), 1);
        raw_answer(x.target, raw_nth(x.target, "INFO", 0), "200 OK", "");
        scene_fini(&x);
    }
}

/* RFC 3261 18.2.2, 26.2.2: the answer waits for another TLS connection, and goes nowhere else */
static void test_sips_answer_never_leaves_in_the_clear(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, true, false, "10.0.0.8:5061");
    struct raw *udp = raw_new(x.sim, "udp", "10.0.0.9:5060", SW_UDP);
    send(&x, x.caller, "INVITE", "sips:bob@example.test", "sips:a@10.0.0.9", "", 1);
    go_on(&x);
    sim_break(x.sim, x.caller->node, x.gate.node);
    go_on(&x);
    raw_answer(x.target, raw_nth(x.target, "INVITE", 0), "486 Busy Here", "");
    go_on(&x);
    const struct raw_message *m = raw_nth(x.caller, "SIP/2.0 486", 0);
    assert_non_null(m); /* over a connection that was opened for it */
    assert_int_equal(m->flow.transport, SW_TLS);
    x.caller->node->deaf = true;
    sim_run(x.sim, INT64_MAX);
    assert_int_equal(udp->count, 0);
    assert_int_equal(x.clear->count, 0);
    scene_fini(&x);
}

/* RFC 3261 26.2.2: a BYE whose connection is gone finds TLS or nothing */
static void test_sips_request_in_a_dialog_without_connection_goes_nowhere_else(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, true, false, "10.0.0.8:5061");
    establish(&x, x.target, "sips");
    sim_break(x.sim, x.target->node, x.gate.node);
    x.target->refuse = true; /* its server ends each handshake from now on */
    send(&x, x.caller, "BYE", "sips:bob@10.0.0.8", "sips:a@10.0.0.9", x.routes, 2);
    send(&x, x.caller, "ACK", "sips:bob@10.0.0.8", "sips:a@10.0.0.9", x.routes, 1);
    go_on(&x);
    assert_int_equal(raw_count(x.caller, "SIP/2.0 500"), 1);
    assert_int_equal(raw_count(x.target, "BYE"), 0);
    assert_int_equal(raw_count(x.target, "ACK"), 1); /* the one before */
    assert_int_equal(x.clear->count, 0);
    scene_fini(&x);
}

/* A peer with verify: chain has proved its name when it called, and proves none when we do. */
static void test_sips_to_an_unproved_name_leaves_over_the_dialogs_own_connection_only(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, false, false, "10.0.0.8:5061");
    x.gate.conf.peers[0].verify = SW_VERIFY_CHAIN; /* the caller's */
    x.gate.conf.peers[0].fail_after = 3;
    establish(&x, x.target, "sips");
    send(&x, x.target, "INFO", "sips:a@10.0.0.9", "sips:b@10.0.0.8", x.back, 7);
    go_on(&x);
    assert_int_equal(raw_count(x.caller, "INFO"), 1);
    raw_answer(x.caller, raw_nth(x.caller, "INFO", 0), "200 OK", "");
    go_on(&x);
    sim_break(x.sim, x.caller->node, x.gate.node);
    struct sw_ident *other = conf_ident("other.test");
    x.caller->node->ident = other; /* believed, but it names somebody else */
    send(&x, x.target, "BYE", "sips:a@10.0.0.9", "sips:b@10.0.0.8", x.back, 8);
    go_on(&x);
    assert_int_equal(raw_count(x.caller, "BYE"), 0);
    assert_int_equal(raw_count(x.target, "SIP/2.0 500"), 1);
    /* it could be reached: what was asked for is none of its failures */
    assert_int_equal(atomic_load(&x.gate.conf.state[0].load->failed), 0);
    send(&x, x.target, "ACK", "sips:a@10.0.0.9", "sips:b@10.0.0.8", x.back, 7);
    go_on(&x);
    assert_int_equal(raw_count(x.caller, "ACK"), 0);
    x.caller->node->ident = x.caller->ident;
    scene_fini(&x);
    free(other);
}

/* RFC 5630 5.3, 5.1.1, appendix A: the answer goes back, and nothing is tried with another scheme
 */
static void test_sips_is_not_recursed_on_answers(void **state)
{
    (void)state;
    static const struct {
        const char *scheme, *answer, *rows;
        bool spare; /* its next target is UDP: not for sips */
    } cases[] = {
        {"sips", "302 Moved Temporarily", "Contact: <sip:bob@10.1.0.8:5060>\r\n", false},
        {"sips", "302 Moved Temporarily", "Contact: <sip:bob@10.1.0.8:5060>\r\n", true},
        {"sips", "301 Moved", "Contact: <sips:bob@10.0.0.9>\r\n", false},
        {"sips", "416 Unsupported URI Scheme", "", true},
        {"sips", "480 No", "Warning: 380 h \"SIPS Not Allowed\"\r\n", true},
        {"sip", "302 Moved Temporarily", "Contact: <sips:bob@10.0.0.9>\r\n", false},
        {"sip", "480 No", "Warning: 381 h \"SIPS Required\"\r\n", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scene x;
        char uri[64], contact[64], line[64];
        scene_init(&x, !cases[i].spare, cases[i].spare, "10.0.0.8:5061");
        snprintf(uri, sizeof(uri), "%s:bob@example.test", cases[i].scheme);
        snprintf(contact, sizeof(contact), "%s:a@10.0.0.9", cases[i].scheme);
        send(&x, x.caller, "INVITE", uri, contact, "", 1);
        go_on(&x);
        raw_answer(x.target, raw_nth(x.target, "INVITE", 0), cases[i].answer, cases[i].rows);
        go_on(&x);
        snprintf(line, sizeof(line), "SIP/2.0 %s", cases[i].answer);
        const struct raw_message *m = raw_nth(x.caller, line, 0);
        if (!m)
            fail_msg("case %zu: the answer did not come back", i);
        assert_non_null(strstr(m->text, cases[i].rows));
        assert_int_equal(raw_count(x.target, "INVITE"), 1);
        assert_int_equal(raw_count(x.clear, "INVITE"), 0);
        assert_int_equal(raw_count(x.caller, "INVITE"), 0);
        scene_fini(&x);
    }
}

static void refused_in_the_clear(struct scene *x, bool wanted)
{
    send(x, x->caller, "INVITE", "sip:bob@example.test", "sip:a@10.0.0.9", "", 50);
    go_on(x);
    assert_int_equal(raw_count(x->clear, "INVITE") > 0, wanted); /* UDP repeats it */
    if (wanted)
        raw_answer(x->clear, raw_nth(x->clear, "INVITE", 0), "486 Busy Here", "");
}

static void stop_listening(struct scene *x)
{
    x->gate.conf.peer_address[1][0] = sim_endpoint("10.0.0.66:5061"); /* nobody is there */
}

/* docs/config.md "In the clear": TLS that is still spoken counts, not only when it was verified */
static void test_best_effort_counts_24_hours_from_the_last_message_over_tls(void **state)
{
    (void)state;
    for (int hours = 23; hours <= 25; hours += 2) {
        struct scene x;
        scene_init(&x, true, false, "10.0.0.8:5061");
        establish(&x, x.target, "sip");
        sim_run(x.sim, x.sim->now_ms + 20 * (int64_t)HOUR_MS);
        send(&x, x.target, "INFO", "sip:a@10.0.0.9", "sip:b@10.0.0.8", x.back, 7);
        go_on(&x);
        raw_answer(x.caller, raw_nth(x.caller, "INFO", 0), "200 OK", "");
        go_on(&x);
        sim_run(x.sim, x.sim->now_ms + hours * (int64_t)HOUR_MS);
        sim_break(x.sim, x.target->node, x.gate.node);
        stop_listening(&x);
        go_on(&x);
        refused_in_the_clear(&x, hours > 24);
        scene_fini(&x);
    }
}

/* docs/config.md "In the clear": a dialog that began so does not go on so once TLS was spoken */
static void test_best_effort_dialog_goes_on_over_tls_once_that_was_spoken(void **state)
{
    (void)state;
    for (int spoke = 0; spoke < 2; spoke++) {
        struct scene x;
        scene_init(&x, true, false, "10.0.0.8:5061");
        struct sw_endpoint at = x.gate.conf.peer_address[1][0];
        stop_listening(&x);
        establish(&x, x.clear, "sip");
        x.gate.conf.peer_address[1][0] = at;
        if (spoke)
            send(&x, x.target, "OPTIONS", "sip:example.test", "sip:b@10.0.0.8", "", 30);
        go_on(&x);
        send(&x, x.caller, "BYE", "sip:bob@10.0.0.8", "sip:a@10.0.0.9", x.routes, 2);
        go_on(&x);
        assert_int_equal(raw_count(x.target, "BYE"), spoke);
        assert_int_equal(raw_count(x.clear, "BYE") > 0, !spoke);
        struct raw *got = spoke ? x.target : x.clear;
        raw_answer(got, raw_nth(got, "BYE", 0), "200 OK", "");
        go_on(&x);
        assert_int_equal(raw_count(x.caller, "SIP/2.0 200"), 2);
        scene_fini(&x);
    }
}

/* RFC 3261 26.2.2; RFC 5630 5.3: "416 only where there is no TLS at all" */
static void test_sips_at_a_gateway_without_tls_is_416(void **state)
{
    (void)state;
    struct sim *sim = sim_new(7);
    struct gate gate;
    memset(&gate, 0, sizeof(gate));
    conf_init(&gate.conf);
    conf_listener(&gate.conf, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    conf_peer(&gate.conf, "pbx", "10.1.0.9:5060", SW_UDP, NULL);
    conf_route(&gate.conf, NULL, "pbx", NULL);
    gate_start(&gate, sim, "gate", 1, "example.test", 7);
    struct raw *pbx = raw_new(sim, "pbx", "10.1.0.9:5060", SW_UDP);
    raw_send(
        pbx, "10.1.0.1:5060", SW_UDP,
        "MESSAGE sips:bob@example.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.9;branch=z9hG4bKn\r\n"
        "From: <sip:x@x.test>;tag=1\r\nTo: <sip:y@y.test>\r\nCall-ID: n@x\r\n"
        "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n");
    sim_run(sim, sim->now_ms + 1000);
    assert_int_equal(raw_count(pbx, "SIP/2.0 416"), 1);
    gate_finish(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sips_dialog_stays_on_tls_in_both_directions),
        cmocka_unit_test(test_sips_dialog_refuses_to_refresh_its_target_to_sip),
        cmocka_unit_test(test_sips_answer_never_leaves_in_the_clear),
        cmocka_unit_test(test_sips_request_in_a_dialog_without_connection_goes_nowhere_else),
        cmocka_unit_test(test_sips_to_an_unproved_name_leaves_over_the_dialogs_own_connection_only),
        cmocka_unit_test(test_sips_is_not_recursed_on_answers),
        cmocka_unit_test(test_best_effort_counts_24_hours_from_the_last_message_over_tls),
        cmocka_unit_test(test_best_effort_dialog_goes_on_over_tls_once_that_was_spoken),
        cmocka_unit_test(test_sips_at_a_gateway_without_tls_is_416),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

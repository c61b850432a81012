/* Inside a dialog: the sealed Record-Route, the flow that requests go over, and what happens when
 * it is gone. Scripted ends, so that every header can be looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/raw.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>

struct scene {
    struct sim *sim;
    struct gate gate;
    struct raw *carrier, *pbx, *other;
    char route[2][1024]; /* the carrier's route set */
    char pbx_route[2][1024];
};

static void scene_init(struct scene *x, unsigned workers)
{
    struct conf *k = &x->gate.conf;
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(9);
    conf_init(k);
    conf_listener(k, "outside", "10.0.0.1:5061", SW_TLS, "sip.example.test");
    conf_listener(k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    conf_peer(k, "carrier", NULL, SW_TLS, "carrier.test");
    conf_peer(k, "other", NULL, SW_TLS, "other.test");
    conf_peer(k, "pbx", "10.1.0.9:5060", SW_UDP, NULL);
    conf_route(k, "carrier", "pbx", NULL);
    conf_route(k, "other", "pbx", NULL);
    conf_route(k, "pbx", "carrier", NULL);
    gate_start(&x->gate, x->sim, "gate", workers, "example.test", 9);
    x->carrier = raw_new(x->sim, "carrier", "10.0.0.9:5061", SW_TLS);
    x->other = raw_new(x->sim, "other", "10.0.0.8:5061", SW_TLS);
    x->pbx = raw_new(x->sim, "pbx", "10.1.0.9:5060", SW_UDP);
    raw_proves(x->carrier, "carrier.test");
    raw_proves(x->other, "other.test");
}

static void scene_fini(struct scene *x)
{
    gate_finish(&x->gate);
}

static void send(struct raw *from, enum sw_transport t, const char *method, const char *uri,
                 const char *routes, const char *to_tag, unsigned cseq)
{
    char text[4096];
    bool tls = t == SW_TLS;
    snprintf(
        text, sizeof(text),
        "%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bK%s%u\r\nMax-Forwards: 70\r\n%s"
        "From: <sip:x@x.test>;tag=%s\r\nTo: <sip:bob@example.test>%s\r\nCall-ID: d@x\r\n"
        "CSeq: %u %s\r\nContact: <sip:x@192.0.2.77:9;transport=tls>\r\nContent-Length: 0\r\n\r\n",
        method, uri, tls ? "TLS" : "UDP", tls ? "10.0.0.9:5061" : "10.1.0.9:5060", method, cseq,
        routes, tls ? "1" : "raw", to_tag, cseq, method);
    raw_send(from, tls ? "10.0.0.1:5061" : "10.1.0.1:5060", t, text);
}

/* The two Record-Route values of a message, as they stand. */
static void record_routes(const struct raw_message *m, char out[2][1024])
{
    const char *p = m->text;
    for (int i = 0; i < 2; i++) {
        p = strstr(p, "Record-Route: ");
        assert_non_null(p);
        p += 14;
        snprintf(out[i], 1024, "%.*s", (int)strcspn(p, "\r"), p);
    }
}

/* A call from the carrier that the PBX has answered, acknowledged. */
static void establish(struct scene *x)
{
    char routes[2200];
    send(x->carrier, SW_TLS, "INVITE", "sip:bob@example.test", "", "", 1);
    sim_run(x->sim, 1100);
    const struct raw_message *invite = raw_nth(x->pbx, "INVITE", 0);
    assert_non_null(invite);
    record_routes(invite, x->pbx_route);
    raw_answer(x->pbx, invite, "200 OK", "Contact: <sip:bob@10.1.0.9:5060>\r\n");
    sim_run(x->sim, 1200);
    const struct raw_message *ok = raw_nth(x->carrier, "SIP/2.0 200", 0);
    assert_non_null(ok);
    record_routes(ok, x->route);
    snprintf(routes, sizeof(routes), "Route: %s\r\nRoute: %s\r\n", x->route[1], x->route[0]);
    send(x->carrier, SW_TLS, "ACK", "sip:bob@10.1.0.9:5060", routes, ";tag=raw", 1);
    sim_run(x->sim, 1300);
    assert_int_equal(raw_count(x->pbx, "ACK"), 1);
}

static void carrier_routes(const struct scene *x, char *out, size_t cap)
{
    snprintf(out, cap, "Route: %s\r\nRoute: %s\r\n", x->route[1], x->route[0]);
}

/* RFC 3261 26.3.2.2 */
static void test_record_route_says_how_each_side_reaches_us(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, 1);
    establish(&x);
    /* RFC 5658 5: the next hop's first; docs/config.md "URIs of ours" */
    assert_ptr_equal(strstr(x.pbx_route[0], "<sip:10.1.0.1:5060;lr;sw=b"), x.pbx_route[0]);
    assert_ptr_equal(strstr(x.pbx_route[1], "<sip:sip.example.test:5061;transport=tls;lr;sw=a"),
                     x.pbx_route[1]);
    assert_string_equal(x.pbx_route[0], x.route[0]); /* responses carry them unchanged */
    assert_string_equal(x.pbx_route[1], x.route[1]);
    scene_fini(&x);
}

static void test_ack_and_bye_lose_our_routes_and_keep_the_request_uri(void **state)
{
    (void)state;
    struct scene x;
    char routes[2200];
    scene_init(&x, 1);
    establish(&x);
    const struct raw_message *ack = raw_nth(x.pbx, "ACK sip:bob@10.1.0.9:5060 SIP/2.0", 0);
    assert_non_null(ack);
    assert_null(strstr(ack->text, "Route:"));
    carrier_routes(&x, routes, sizeof(routes));
    send(x.carrier, SW_TLS, "BYE", "sip:bob@10.1.0.9:5060", routes, ";tag=raw", 2);
    sim_run(x.sim, 1400);
    const struct raw_message *bye = raw_nth(x.pbx, "BYE sip:bob@10.1.0.9:5060 SIP/2.0", 0);
    assert_non_null(bye);
    assert_null(strstr(bye->text, "Route:"));
    raw_answer(x.pbx, bye, "200 OK", "");
    sim_run(x.sim, 1500);
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 200"), 2);
    scene_fini(&x);
}

static void test_request_from_inside_goes_over_the_flow_whatever_the_contact_says(void **state)
{
    (void)state;
    struct scene x;
    char routes[2200];
    scene_init(&x, 1);
    establish(&x);
    unsigned conns = sim_open_conns(x.sim);
    snprintf(routes, sizeof(routes), "Route: %s, %s\r\n", x.pbx_route[0], x.pbx_route[1]);
    /* the Contact outside cannot be connected to: 192.0.2.77:9 */
    send(x.pbx, SW_UDP, "BYE", "sip:x@192.0.2.77:9;transport=tls", routes, ";tag=1", 2);
    sim_run(x.sim, 1400);
    assert_int_equal(raw_count(x.carrier, "BYE sip:x@192.0.2.77:9;transport=tls SIP/2.0"), 1);
    assert_int_equal(sim_open_conns(x.sim), conns);
    raw_answer(x.carrier, raw_nth(x.carrier, "BYE", 0), "200 OK", "");
    sim_run(x.sim, 1500);
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 200"), 1);
    scene_fini(&x);
}

static void test_another_connection_of_the_peer_serves_when_the_flow_is_gone(void **state)
{
    (void)state;
    struct scene x;
    char routes[2200];
    scene_init(&x, 2);
    establish(&x);
    sim_break(x.sim, x.carrier->node, x.gate.node);
    sim_run(x.sim, 1350);
    send(x.carrier, SW_TLS, "OPTIONS", "sip:example.test", "", "", 9); /* it connects again */
    sim_run(x.sim, 1400);
    snprintf(routes, sizeof(routes), "Route: %s, %s\r\n", x.pbx_route[0], x.pbx_route[1]);
    send(x.pbx, SW_UDP, "BYE", "sip:x@192.0.2.77:9;transport=tls", routes, ";tag=1", 2);
    sim_run(x.sim, 1500);
    assert_int_equal(raw_count(x.carrier, "BYE"), 1);
    raw_answer(x.carrier, raw_nth(x.carrier, "BYE", 0), "200 OK", "");
    sim_run(x.sim, 1600);
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 200"), 1);
    scene_fini(&x);
}

static void test_a_new_connection_goes_to_the_target_when_none_is_left(void **state)
{
    (void)state;
    struct scene x;
    char routes[2200];
    scene_init(&x, 1);
    establish(&x);
    sim_break(x.sim, x.carrier->node, x.gate.node);
    sim_run(x.sim, 1350);
    snprintf(routes, sizeof(routes), "Route: %s, %s\r\n", x.pbx_route[0], x.pbx_route[1]);
    send(x.pbx, SW_UDP, "BYE", "sip:x@10.0.0.9:5061;transport=tls", routes, ";tag=1", 2);
    sim_run(x.sim, 1500);
    assert_int_equal(raw_count(x.carrier, "BYE"), 1);
    raw_answer(x.carrier, raw_nth(x.carrier, "BYE", 0), "200 OK", "");
    scene_fini(&x);
}

/* RFC 3261 8.1.3.1, 16.9, 17.1.4, 18.4: as if a 503 had come; 16.7 step 6 makes it 500 */
static void test_connection_that_closes_ends_what_runs_over_it(void **state)
{
    (void)state;
    struct scene x;
    char routes[2200];
    scene_init(&x, 2);
    establish(&x);
    snprintf(routes, sizeof(routes), "Route: %s, %s\r\n", x.pbx_route[0], x.pbx_route[1]);
    send(x.pbx, SW_UDP, "BYE", "sip:x@192.0.2.77:9;transport=tls", routes, ";tag=1", 2);
    sim_run(x.sim, 1400);
    assert_int_equal(raw_count(x.carrier, "BYE"), 1);
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 5"), 0);
    sim_break(x.sim, x.carrier->node, x.gate.node);
    sim_run(x.sim, 1500); /* at once, not after Timer F */
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 500 Connection To Next Hop Lost"), 1);
    scene_fini(&x);
}

/* The alternatives of the flow lead to the same machine: RFC 3263 4.3 tries other ones only. */
static void test_silent_machine_gets_a_request_once(void **state)
{
    (void)state;
    static const char *const methods[] = {"INVITE", "BYE"};
    for (int i = 0; i < 2; i++) {
        struct scene x;
        char routes[2200];
        scene_init(&x, 1);
        establish(&x);
        snprintf(routes, sizeof(routes), "Route: %s, %s\r\n", x.pbx_route[0], x.pbx_route[1]);
        send(x.pbx, SW_UDP, methods[i], "sip:x@10.0.0.9:5061;transport=tls", routes, ";tag=1", 2);
        sim_run(x.sim, 1300 + 31900); /* not after the peer's `timeout` */
        assert_int_equal(raw_count(x.carrier, methods[i]), 1);
        assert_int_equal(raw_count(x.pbx, "SIP/2.0 408"), 0);
        sim_run(x.sim, INT64_MAX); /* nor after Timer B or F */
        assert_int_equal(raw_count(x.carrier, methods[i]), 1);
        if (i == 0)
            assert_true(raw_count(x.pbx, "SIP/2.0 408") > 0);
        else /* RFC 4320 4.2 */
            assert_int_equal(raw_count(x.pbx, "SIP/2.0 408"), 0);
        scene_fini(&x);
    }
}

static void test_response_whose_connection_closed_goes_over_a_new_one(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, 1);
    send(x.carrier, SW_TLS, "INVITE", "sip:bob@example.test", "", "", 1);
    sim_run(x.sim, 1100);
    sim_break(x.sim, x.carrier->node, x.gate.node);
    sim_run(x.sim, 1200);
    raw_answer(x.pbx, raw_nth(x.pbx, "INVITE", 0), "486 Busy Here", "");
    sim_run(x.sim, 1300);
    /* RFC 3261 18.2.2: to the source address and the port of sent-by */
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 486"), 1);
    scene_fini(&x);
}

static void test_forged_seal_and_foreign_sender_get_403(void **state)
{
    (void)state;
    struct scene x;
    char routes[2200];
    scene_init(&x, 1);
    establish(&x);
    carrier_routes(&x, routes, sizeof(routes));
    char *seal = strstr(routes, ";sw=a") + 20;
    char kept = *seal;
    *seal = kept == 'A' ? 'B' : 'A';
    send(x.carrier, SW_TLS, "BYE", "sip:bob@10.1.0.9:5060", routes, ";tag=raw", 2);
    sim_run(x.sim, 1400);
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 403"), 1);
    *seal = kept;
    send(x.other, SW_TLS, "BYE", "sip:bob@10.1.0.9:5060", routes, ";tag=raw", 3);
    sim_run(x.sim, 1500);
    assert_int_equal(raw_count(x.other, "SIP/2.0 403"), 1);
    assert_int_equal(raw_count(x.pbx, "BYE"), 0);
    scene_fini(&x);
}

static void test_cancel_on_another_connection_finds_its_worker(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) { /* the worker of a connection is chosen by chance */
        struct scene x;
        scene_init(&x, 4);
        x.sim->random += i * 7919;
        send(x.carrier, SW_TLS, "INVITE", "sip:bob@example.test", "", "", 1);
        sim_run(x.sim, 1100);
        raw_answer(x.pbx, raw_nth(x.pbx, "INVITE", 0), "180 Ringing", "");
        sim_run(x.sim, 1200);
        /* the same branch over a second connection */
        sim_break(x.sim, x.carrier->node, x.gate.node);
        sim_run(x.sim, 1250);
        raw_send(x.carrier, "10.0.0.1:5061", SW_TLS,
                 "CANCEL sip:bob@example.test SIP/2.0\r\n"
                 "Via: SIP/2.0/TLS 10.0.0.9:5061;branch=z9hG4bKINVITE1\r\nMax-Forwards: 70\r\n"
                 "From: <sip:x@x.test>;tag=1\r\nTo: <sip:bob@example.test>\r\nCall-ID: d@x\r\n"
                 "CSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n");
        sim_run(x.sim, 1300);
        assert_int_equal(raw_count(x.carrier, "SIP/2.0 200"), 1);
        assert_int_equal(raw_count(x.pbx, "CANCEL"), 1);
        raw_answer(x.pbx, raw_nth(x.pbx, "CANCEL", 0), "200 OK", "");
        raw_answer(x.pbx, raw_nth(x.pbx, "INVITE", 0), "487 Request Terminated", "");
        sim_run(x.sim, 1400);
        assert_int_equal(raw_count(x.carrier, "SIP/2.0 487"), 1);
        scene_fini(&x);
    }
}

static void test_cancel_of_somebody_else_matches_nothing(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, 2);
    send(x.carrier, SW_TLS, "INVITE", "sip:bob@example.test", "", "", 1);
    sim_run(x.sim, 1100);
    raw_answer(x.pbx, raw_nth(x.pbx, "INVITE", 0), "180 Ringing", "");
    sim_run(x.sim, 1200);
    raw_send(x.other, "10.0.0.1:5061", SW_TLS,
             "CANCEL sip:bob@example.test SIP/2.0\r\n"
             "Via: SIP/2.0/TLS 10.0.0.9:5061;branch=z9hG4bKINVITE1\r\nMax-Forwards: 70\r\n"
             "From: <sip:x@x.test>;tag=1\r\nTo: <sip:bob@example.test>\r\nCall-ID: d@x\r\n"
             "CSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n");
    sim_run(x.sim, 1300);
    assert_int_equal(raw_count(x.other, "SIP/2.0 481"), 1);
    assert_int_equal(raw_count(x.pbx, "CANCEL"), 0);
    raw_answer(x.pbx, raw_nth(x.pbx, "INVITE", 0), "486 Busy Here", "");
    scene_fini(&x);
}

/* A request without To tag is in no dialog, whatever Route it has: it may go where routes let it.
 * RFC 3261 12.2.1.1 */
static void test_route_of_a_dialog_gets_nothing_new_past_the_routes(void **state)
{
    struct scene x;
    char routes[2200], strict[1200], uri[1024];
    (void)state;
    scene_init(&x, 1);
    x.gate.conf.routes[0].user = SW_SLICE("bob");
    establish(&x);
    carrier_routes(&x, routes, sizeof(routes));
    send(x.carrier, SW_TLS, "INVITE", "sip:0900@10.1.0.9:5060", routes, "", 2);
    sim_run(x.sim, 1400);
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 480"), 1);
    snprintf(uri, sizeof(uri), "%.*s", (int)strcspn(x.route[1] + 1, ">"), x.route[1] + 1);
    snprintf(strict, sizeof(strict), "Route: <sip:0900@10.1.0.9:5060>\r\n");
    send(x.carrier, SW_TLS, "INVITE", uri, strict, "", 3); /* as a strict router would: 16.4 */
    sim_run(x.sim, 1500);
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 403"), 1);
    assert_int_equal(raw_count(x.pbx, "INVITE"), 1);
    send(x.carrier, SW_TLS, "INVITE", "sip:bob@10.1.0.9:5060", routes, "", 4);
    sim_run(x.sim, 1600); /* a route takes it */
    assert_int_equal(raw_count(x.pbx, "INVITE"), 2);
    raw_answer(x.pbx, raw_nth(x.pbx, "INVITE", 1), "486 Busy Here", "");
    scene_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_route_says_how_each_side_reaches_us),
        cmocka_unit_test(test_ack_and_bye_lose_our_routes_and_keep_the_request_uri),
        cmocka_unit_test(test_request_from_inside_goes_over_the_flow_whatever_the_contact_says),
        cmocka_unit_test(test_another_connection_of_the_peer_serves_when_the_flow_is_gone),
        cmocka_unit_test(test_a_new_connection_goes_to_the_target_when_none_is_left),
        cmocka_unit_test(test_connection_that_closes_ends_what_runs_over_it),
        cmocka_unit_test(test_silent_machine_gets_a_request_once),
        cmocka_unit_test(test_response_whose_connection_closed_goes_over_a_new_one),
        cmocka_unit_test(test_forged_seal_and_foreign_sender_get_403),
        cmocka_unit_test(test_route_of_a_dialog_gets_nothing_new_past_the_routes),
        cmocka_unit_test(test_cancel_on_another_connection_finds_its_worker),
        cmocka_unit_test(test_cancel_of_somebody_else_matches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

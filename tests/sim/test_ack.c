/* The ACK of a 2xx: forwarded by its Route without a transaction, never answered, and carried on
 * when the connection of its dialog is gone. RFC 3261 13.2.2.4, 16.11, 17.1.1.3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/raw.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>

#define OUTSIDE     "10.0.0.1:5061"
#define INSIDE      "10.1.0.1:5060"
#define PBX         "sip:bob@10.1.0.9:5060"
#define UNREACHABLE "sip:x@192.0.2.77:9;transport=tls"
#define REACHABLE   "sip:x@10.0.0.9:5061;transport=tls"

struct scene {
    struct sim *sim;
    struct gate gate;
    struct raw *carrier, *pbx;
    char to_pbx[2200], to_carrier[2200]; /* Route lines of each side */
};

static void run(struct scene *x)
{
    sim_run(x->sim, x->sim->now_ms + 300);
}

static void request(struct raw *from, const char *method, const char *uri, const char *routes,
                    const char *branch, const char *to_tag, unsigned max_forwards)
{
    char text[4096];
    bool tls = strcmp(from->node->name, "carrier") == 0;
    snprintf(text, sizeof(text),
             "%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bK%s\r\nMax-Forwards: %u\r\n%s"
             "From: <sip:x@x.test>;tag=%s\r\nTo: <sip:bob@example.test>%s\r\nCall-ID: a@x\r\n"
             "CSeq: 1 %s\r\nContact: <%s>\r\nContent-Length: 0\r\n\r\n",
             method, uri, tls ? "TLS" : "UDP", tls ? "10.0.0.9:5061" : "10.1.0.9:5060", branch,
             max_forwards, routes, tls ? "1" : "raw", to_tag, method, UNREACHABLE);
    raw_send(from, tls ? OUTSIDE : INSIDE, tls ? SW_TLS : SW_UDP, text);
}

/* A call from the carrier that the PBX has answered; its ACK is still to come. */
static void start(struct scene *x, unsigned workers)
{
    struct conf *k = &x->gate.conf;
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(11);
    conf_init(k);
    conf_listener(k, "outside", OUTSIDE, SW_TLS, "sip.example.test");
    conf_listener(k, "inside", INSIDE, SW_UDP, NULL);
    conf_peer(k, "carrier", NULL, SW_TLS, "carrier.test");
    conf_peer(k, "pbx", "10.1.0.9:5060", SW_UDP, NULL);
    conf_route(k, "carrier", "pbx", NULL);
    conf_route(k, "pbx", "carrier", NULL);
    gate_start(&x->gate, x->sim, "gate", workers, "example.test", 11);
    x->carrier = raw_new(x->sim, "carrier", "10.0.0.9:5061", SW_TLS);
    x->pbx = raw_new(x->sim, "pbx", "10.1.0.9:5060", SW_UDP);
    raw_proves(x->carrier, "carrier.test");
    request(x->carrier, "INVITE", "sip:bob@example.test", "", "i", "", 70);
    run(x);
    assert_int_equal(raw_count(x->pbx, "INVITE"), 1);
    raw_routes(raw_nth(x->pbx, "INVITE", 0), false, x->to_carrier, sizeof(x->to_carrier));
    raw_answer(x->pbx, raw_nth(x->pbx, "INVITE", 0), "200 OK", "Contact: <" PBX ">\r\n");
    run(x);
    assert_int_equal(raw_count(x->carrier, "SIP/2.0 200"), 1);
    raw_routes(raw_nth(x->carrier, "SIP/2.0 200", 0), true, x->to_pbx, sizeof(x->to_pbx));
}

static void finish(struct scene *x)
{
    gate_finish(&x->gate);
}

/* How many answers both sides have got, the 100 and the 200 of the INVITE not counted. */
static unsigned answers(const struct scene *x)
{
    unsigned all = raw_count(x->carrier, "SIP/2.0 ") + raw_count(x->pbx, "SIP/2.0 ");
    unsigned trying = raw_count(x->carrier, "SIP/2.0 100");
    return all - trying - 1;
}

/* The branch of our Via on the nth ACK that the PBX has got. */
static void ack_branch(const struct scene *x, unsigned nth, char out[128])
{
    const struct raw_message *m = raw_nth(x->pbx, "ACK", nth);
    assert_non_null(m);
    const char *p = strstr(raw_header(m, "Via"), "branch=");
    assert_non_null(p);
    snprintf(out, 128, "%.*s", (int)strcspn(p, ";\r"), p);
}

/* RFC 3261 16.11: a repeat leaves with the same branch, another ACK with another. */
static void test_ack_that_is_repeated_has_the_same_branch(void **state)
{
    struct scene x;
    char branch[3][128];
    (void)state;
    start(&x, 1);
    request(x.carrier, "ACK", PBX, x.to_pbx, "a", ";tag=raw", 70);
    request(x.carrier, "ACK", PBX, x.to_pbx, "a", ";tag=raw", 70);
    request(x.carrier, "ACK", PBX, x.to_pbx, "b", ";tag=raw", 70);
    run(&x);
    assert_int_equal(raw_count(x.pbx, "ACK"), 3); /* none is held back: 13.2.2.4 */
    for (unsigned i = 0; i < 3; i++)
        ack_branch(&x, i, branch[i]);
    assert_string_equal(branch[0], branch[1]);
    assert_string_not_equal(branch[0], branch[2]);
    assert_null(strstr(raw_nth(x.pbx, "ACK", 0)->text, "Route:"));
    assert_string_equal(raw_header(raw_nth(x.pbx, "ACK", 0), "Max-Forwards"), "69");
    assert_int_equal(answers(&x), 0);
    finish(&x);
}

static void test_ack_from_inside_goes_over_the_flow_of_the_dialog(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        struct scene x;
        start(&x, workers);
        unsigned conns = sim_open_conns(x.sim);
        request(x.pbx, "ACK", UNREACHABLE, x.to_carrier, "a", ";tag=1", 70);
        run(&x);
        assert_int_equal(raw_count(x.carrier, "ACK " UNREACHABLE), 1);
        assert_int_equal(sim_open_conns(x.sim), conns);
        assert_int_equal(answers(&x), 0);
        finish(&x);
    }
}

static void test_ack_goes_over_another_connection_of_the_peer_when_the_flow_is_gone(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        struct scene x;
        start(&x, workers);
        sim_break(x.sim, x.carrier->node, x.gate.node);
        run(&x);
        request(x.carrier, "OPTIONS", "sip:example.test", "", "o", "", 70); /* connects again */
        run(&x);
        unsigned conns = sim_open_conns(x.sim);
        request(x.pbx, "ACK", UNREACHABLE, x.to_carrier, "a", ";tag=1", 70);
        run(&x);
        assert_int_equal(raw_count(x.carrier, "ACK"), 1);
        assert_int_equal(sim_open_conns(x.sim), conns);
        finish(&x);
    }
}

static void test_ack_opens_a_connection_to_its_next_hop_when_none_is_left(void **state)
{
    struct scene x;
    (void)state;
    start(&x, 1);
    sim_break(x.sim, x.carrier->node, x.gate.node);
    run(&x);
    assert_int_equal(sim_open_conns(x.sim), 0);
    request(x.pbx, "ACK", REACHABLE, x.to_carrier, "a", ";tag=1", 70);
    run(&x);
    assert_int_equal(raw_count(x.carrier, "ACK " REACHABLE), 1);
    finish(&x);
}

static void test_ack_that_can_go_nowhere_is_dropped_in_silence(void **state)
{
    struct scene x;
    (void)state;
    start(&x, 1);
    sim_break(x.sim, x.carrier->node, x.gate.node);
    run(&x);
    request(x.pbx, "ACK", UNREACHABLE, x.to_carrier, "a", ";tag=1", 70);
    sim_run(x.sim, x.sim->now_ms + 60000);
    assert_int_equal(raw_count(x.carrier, "ACK"), 0);
    assert_int_equal(gate_counted(&x.gate, SW_COUNT_UNDELIVERED), 1);
    assert_int_equal(answers(&x), 0);
    finish(&x); /* nothing stays parked */
}

/* RFC 3261 17.2.1, 8.2.6: whatever is wrong with an ACK, it gets no response. */
static void test_ack_is_never_answered(void **state)
{
    struct scene x;
    char forged[2200];
    (void)state;
    start(&x, 1);
    request(x.carrier, "ACK", PBX, x.to_pbx, "z", ";tag=raw", 0); /* Max-Forwards is used up */
    memcpy(forged, x.to_pbx, sizeof(forged));
    char *seal = strstr(forged, ";sw=");
    assert_non_null(seal);
    seal[10] = seal[10] == 'A' ? 'B' : 'A';
    request(x.carrier, "ACK", PBX, forged, "f", ";tag=raw", 70);
    request(x.carrier, "ACK", "http://example.test", "", "u", ";tag=raw", 70); /* 416 otherwise */
    run(&x);
    assert_int_equal(raw_count(x.pbx, "ACK"), 0);
    assert_int_equal(answers(&x), 0);
    finish(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ack_that_is_repeated_has_the_same_branch),
        cmocka_unit_test(test_ack_from_inside_goes_over_the_flow_of_the_dialog),
        cmocka_unit_test(test_ack_goes_over_another_connection_of_the_peer_when_the_flow_is_gone),
        cmocka_unit_test(test_ack_opens_a_connection_to_its_next_hop_when_none_is_left),
        cmocka_unit_test(test_ack_that_can_go_nowhere_is_dropped_in_silence),
        cmocka_unit_test(test_ack_is_never_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* limits.source_messages_per_second over connections: whoever is no peer is one sender, however
 * many connections it opens. docs/config.md "limits" */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/locate.h"

#include <stdio.h>
#include <stdlib.h>

#define GATE "10.0.0.1:5061"

enum { LIMIT = 5, EACH = 12 };

struct scene {
    struct sim *sim;
    struct gate gate;
    struct zone zone;
    struct raw *pbx;
    struct raw *from[3]; /* connections; the first two are one sender's */
    unsigned sent;
};

static void scene_init(struct scene *x, const char *const address[3], const char *const domain[3])
{
    struct conf *k = &x->gate.conf;
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(7);
    conf_init(k);
    conf_listener(k, "outside", GATE, SW_TLS, "sip.example.test")->unknown = SW_UNKNOWN_REJECT;
    conf_listener(k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    conf_peer(k, "partner", NULL, SW_TLS, "partner.test");
    conf_peer(k, "pbx", "10.1.0.9:5060", SW_UDP, NULL)->listener = 1;
    struct sw_route_conf *r = conf_route(k, "pbx", NULL);
    r->lookup = SW_LOOKUP_DNS;
    r->listener = 0;
    conf_route(k, NULL, "pbx", NULL);
    k->proxy.source_messages_per_s = LIMIT;
    x->pbx = raw_new(x->sim, "pbx", "10.1.0.9:5060", SW_UDP);
    for (int i = 0; i < 3; i++) {
        x->from[i] = raw_new(x->sim, "sender", address[i], SW_TLS);
        if (domain[i])
            raw_proves(x->from[i], domain[i]);
    }
    gate_start(&x->gate, x->sim, "gate", 1, "example.test", 7);
    x->gate.node->dns = (struct sim_dns){.zone = &x->zone, .delay_min_ms = 5, .delay_max_ms = 30};
}

static void scene_fini(struct scene *x)
{
    gate_finish(&x->gate);
}

static void settle(struct scene *x)
{
    sim_run(x->sim, x->sim->now_ms + 100);
}

static void ask(struct scene *x, struct raw *from, const char *method)
{
    char text[1024];
    x->sent++;
    snprintf(text, sizeof(text),
             "%s sip:a@example.test SIP/2.0\r\n"
             "Via: SIP/2.0/TLS h.test;branch=z9hG4bK%u\r\n"
             "From: <sip:x@x.test>;tag=1\r\nTo: <sip:a@example.test>\r\nCall-ID: %u@x\r\n"
             "CSeq: 1 %s\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
             method, x->sent, x->sent, method);
    raw_send(from, GATE, SW_TLS, text);
}

static void answer_all(struct scene *x)
{
    for (unsigned i = 0; i < raw_count(x->pbx, "MESSAGE"); i++)
        raw_answer(x->pbx, raw_nth(x->pbx, "MESSAGE", i), "200 OK", "");
    settle(x);
}

/* What is above the limit is told so, as it is not repeated over a connection (RFC 3261 17.1.2.2,
 * 21.5.4), as often as messages are taken; an ACK is never answered. */
static void test_sources_connections_of_a_domain_are_one_sender(void **state)
{
    static const char *const address[] = {"10.0.0.21:5061", "10.0.0.22:5061", "10.0.0.22:5071"};
    static const char *const domain[] = {"other.test", "other.test", "third.test"};
    struct scene x;
    (void)state;
    scene_init(&x, address, domain);
    for (int i = 0; i < EACH; i++)
        for (int k = 0; k < 2; k++)
            ask(&x, x.from[k], "MESSAGE");
    settle(&x);
    assert_int_equal(raw_count(x.pbx, "MESSAGE"), LIMIT);
    assert_int_equal(raw_count(x.from[0], "SIP/2.0 503") + raw_count(x.from[1], "SIP/2.0 503"),
                     LIMIT);
    assert_string_equal(raw_header(raw_nth(x.from[0], "SIP/2.0 503", 0), "Retry-After"), "5");
    assert_int_equal(gate_counted(&x.gate, SW_LIMITED_SOURCE_MESSAGES_PER_SECOND),
                     2 * EACH - LIMIT);
    for (int i = 0; i < LIMIT; i++) /* another domain, at the same address */
        ask(&x, x.from[2], "MESSAGE");
    settle(&x);
    assert_int_equal(raw_count(x.pbx, "MESSAGE"), 2 * LIMIT);
    answer_all(&x);
    sim_run(x.sim, x.sim->now_ms + 1000);
    ask(&x, x.from[1], "MESSAGE");
    settle(&x);
    assert_int_equal(raw_count(x.pbx, "MESSAGE"), 2 * LIMIT + 1);
    for (int i = 0; i < 2 * LIMIT; i++)
        ask(&x, x.from[0], "ACK");
    settle(&x);
    assert_int_equal(gate_counted(&x.gate, SW_LIMITED_SOURCE_MESSAGES_PER_SECOND),
                     2 * EACH - LIMIT + LIMIT + 1);
    assert_int_equal(raw_count(x.from[0], "SIP/2.0 503") + raw_count(x.from[1], "SIP/2.0 503"),
                     LIMIT);
    raw_answer(x.pbx, raw_nth(x.pbx, "MESSAGE", 2 * LIMIT), "200 OK", "");
    scene_fini(&x);
}

/* Without a certificate the address says who it is: what is above is dropped unread. */
static void test_sources_connections_of_an_address_are_one_sender(void **state)
{
    static const char *const address[] = {"10.0.0.21:5061", "10.0.0.21:5071", "10.0.0.22:5061"};
    static const char *const domain[3] = {NULL};
    struct scene x;
    (void)state;
    scene_init(&x, address, domain);
    for (int i = 0; i < EACH; i++)
        for (int k = 0; k < 2; k++)
            ask(&x, x.from[k], "OPTIONS");
    settle(&x);
    assert_int_equal(x.from[0]->count + x.from[1]->count, LIMIT);
    assert_int_equal(raw_count(x.from[0], "SIP/2.0 403") + raw_count(x.from[1], "SIP/2.0 403"),
                     LIMIT);
    assert_int_equal(gate_counted(&x.gate, SW_LIMITED_SOURCE_MESSAGES_PER_SECOND),
                     2 * EACH - LIMIT);
    ask(&x, x.from[2], "OPTIONS");
    settle(&x);
    assert_int_equal(raw_count(x.from[2], "SIP/2.0 403"), 1);
    scene_fini(&x);
}

static void test_sources_over_connections_spare_a_peer(void **state)
{
    static const char *const address[] = {"10.0.0.21:5061", "10.0.0.22:5061", "10.0.0.23:5061"};
    static const char *const domain[] = {"partner.test", "partner.test", "partner.test"};
    struct scene x;
    (void)state;
    scene_init(&x, address, domain);
    for (int i = 0; i < EACH; i++)
        for (int k = 0; k < 3; k++)
            ask(&x, x.from[k], "MESSAGE");
    settle(&x);
    assert_int_equal(raw_count(x.pbx, "MESSAGE"), 3 * EACH);
    assert_int_equal(gate_counted(&x.gate, SW_LIMITED_SOURCE_MESSAGES_PER_SECOND), 0);
    answer_all(&x);
    scene_fini(&x);
}

/* What we asked a stranger for may come; what we did not counts. */
static void test_sources_over_connections_spare_the_answers_that_were_asked_for(void **state)
{
    static const char *const address[] = {"10.0.0.21:5061", "10.0.0.22:5061", "10.0.0.23:5061"};
    static const char *const domain[] = {"other.test", "other.test", NULL};
    struct scene x;
    char text[512];
    (void)state;
    scene_init(&x, address, domain);
    zone_srv(&x.zone, "_sips._tcp.other.test", 1, 0, 5061, "one.hoster.test");
    zone_address(&x.zone, "one.hoster.test", "10.0.0.21");
    for (int i = 0; i < EACH; i++) {
        snprintf(text, sizeof(text),
                 "MESSAGE sip:b@other.test SIP/2.0\r\n"
                 "Via: SIP/2.0/UDP 10.1.0.9:5060;branch=z9hG4bKp%d\r\nMax-Forwards: 70\r\n"
                 "From: <sip:a@pbx.test>;tag=1\r\nTo: <sip:b@other.test>\r\nCall-ID: p%d\r\n"
                 "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
                 i, i);
        raw_send(x.pbx, "10.1.0.1:5060", SW_UDP, text);
    }
    settle(&x);
    assert_int_equal(raw_count(x.from[0], "MESSAGE"), EACH);
    for (unsigned i = 0; i < EACH; i++)
        raw_answer(x.from[0], raw_nth(x.from[0], "MESSAGE", i), "200 OK", "");
    settle(&x);
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 200"), EACH);
    assert_int_equal(gate_counted(&x.gate, SW_LIMITED_SOURCE_MESSAGES_PER_SECOND), 0);
    for (unsigned i = 0; i < EACH; i++)
        raw_send(x.from[1], GATE, SW_TLS,
                 "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS sip.example.test;branch=z9hG4bKnone\r\n"
                 "From: <sip:x@x>;tag=1\r\nTo: <sip:y@y>;tag=2\r\nCall-ID: none@x\r\n"
                 "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n");
    settle(&x);
    assert_int_equal(gate_counted(&x.gate, SW_COUNT_STRAY_RESPONSES), LIMIT);
    assert_int_equal(gate_counted(&x.gate, SW_LIMITED_SOURCE_MESSAGES_PER_SECOND), EACH - LIMIT);
    scene_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources_connections_of_a_domain_are_one_sender),
        cmocka_unit_test(test_sources_connections_of_an_address_are_one_sender),
        cmocka_unit_test(test_sources_over_connections_spare_a_peer),
        cmocka_unit_test(test_sources_over_connections_spare_the_answers_that_were_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the gateway refuses, answers itself, or relays: one message in, and what comes of it. */
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
    struct raw *carrier, *pbx, *stranger, *unknown;
};

static void scene_init(struct scene *x)
{
    struct conf *k = &x->gate.conf;
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(11);
    conf_init(k);
    conf_listener(k, "outside", "10.0.0.1:5061", SW_TLS, "sip.example.test");
    conf_listener(k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    conf_peer(k, "carrier", "10.0.0.9:5061", SW_TLS, "carrier.test");
    conf_peer(k, "pbx", "10.1.0.9:5060", SW_UDP, NULL);
    conf_route(k, "carrier", "pbx", NULL);
    conf_route(k, "pbx", "carrier", NULL);
    gate_start(&x->gate, x->sim, "gate", 1, "example.test", 11);
    x->carrier = raw_new(x->sim, "carrier", "10.0.0.9:5061", SW_TLS);
    x->stranger = raw_new(x->sim, "stranger", "10.0.0.7:5061", SW_TLS);
    x->pbx = raw_new(x->sim, "pbx", "10.1.0.9:5060", SW_UDP);
    x->unknown = raw_new(x->sim, "unknown", "10.1.0.66:5060", SW_UDP);
    raw_proves(x->carrier, "carrier.test");
    raw_proves(x->stranger, "stranger.test");
}

static void scene_fini(struct scene *x)
{
    gate_finish(&x->gate);
}

#define HEADERS "From: <sip:x@x.test>;tag=1\r\nTo: <sip:bob@example.test>\r\nCall-ID: p@x\r\n"
#define VIA_TLS "Via: SIP/2.0/TLS 10.0.0.9:5061;branch=z9hG4bKp\r\n"
#define VIA_UDP "Via: SIP/2.0/UDP 10.1.0.9:5060;branch=z9hG4bKp\r\n"

/* One request from the carrier and the status that it gets. */
struct one {
    const char *request;
    unsigned status;      /* 0: no answer */
    const char *contains; /* of the answer; NULL: anything */
};

static const struct one from_carrier[] = {
    {"OPTIONS sip:example.test SIP/2.0\r\n" VIA_TLS HEADERS "CSeq: 1 OPTIONS\r\n"
     "Content-Length: 0\r\n\r\n",
     200, "\r\nAllow: INVITE, ACK"},
    {"OPTIONS sip:sip.example.test:5061 SIP/2.0\r\n" VIA_TLS HEADERS "CSeq: 1 OPTIONS\r\n"
     "Content-Length: 0\r\n\r\n",
     200, "\r\nContact: <sip:sip.example.test:5061;transport=tls>"},
    {"OPTIONS sips:10.0.0.1:5061 SIP/2.0\r\n" VIA_TLS HEADERS "CSeq: 1 OPTIONS\r\n"
     "Content-Length: 0\r\n\r\n",
     200, "\r\nContact: <sips:sip.example.test:5061>"},
    /* RFC 3261 16.3 step 3 */
    {"MESSAGE sip:bob@example.test SIP/2.0\r\n" VIA_TLS "Max-Forwards: 0\r\n" HEADERS
     "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
     483, NULL},
    /* RFC 3261 16.3 step 5 */
    {"MESSAGE sip:bob@example.test SIP/2.0\r\n" VIA_TLS "Proxy-Require: foo, bar\r\n" HEADERS
     "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
     420, "\r\nUnsupported: foo, bar\r\n"},
    /* docs/trust.md: no security agreement. RFC 3329 2.3.1 */
    {"MESSAGE sip:bob@example.test SIP/2.0\r\n" VIA_TLS
     "Require: sec-agree\r\nProxy-Require: sec-agree\r\nSecurity-Client: tls\r\n" HEADERS
     "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
     420, "\r\nUnsupported: sec-agree\r\n"},
    /* RFC 3261 16.3 step 2 */
    {"MESSAGE mailto:bob@example.test SIP/2.0\r\n" VIA_TLS HEADERS
     "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
     416, NULL},
    /* RFC 3261 21.5.6 */
    {"MESSAGE sip:bob@example.test SIP/3.0\r\n" VIA_TLS HEADERS
     "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
     505, NULL},
    {"MESSAGE sip:bob@example.test SIP/2.0\r\n" VIA_TLS HEADERS
     "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
     400, "CSeq Method Does Not Match"},
    {"MESSAGE sip:bob@example.test SIP/2.0\r\n" VIA_TLS HEADERS
     "CSeq: 4294967296 MESSAGE\r\nContent-Length: 0\r\n\r\n",
     400, "Bad CSeq"},
    /* a Via that cannot be read: nobody to answer */
    {"MESSAGE sip:bob@example.test SIP/2.0\r\nVia: nonsense\r\n" HEADERS
     "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
     0, NULL},
    /* sips must leave over TLS, and the PBX has none: RFC 5630 5.3 */
    {"MESSAGE sips:bob@example.test SIP/2.0\r\n" VIA_TLS HEADERS
     "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
     480, "\r\nWarning: 380 sip.example.test \"SIPS Not Allowed\"\r\n"},
    /* a CANCEL that matches nothing: docs/config.md "Inside a dialog" */
    {"CANCEL sip:bob@example.test SIP/2.0\r\n" VIA_TLS HEADERS
     "CSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n",
     481, NULL},
};

static void test_requests_that_are_answered_here_get_the_right_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(from_carrier) / sizeof(from_carrier[0]); i++) {
        struct scene x;
        char line[32];
        scene_init(&x);
        raw_send(x.carrier, "10.0.0.1:5061", SW_TLS, from_carrier[i].request);
        sim_run(x.sim, 1500);
        snprintf(line, sizeof(line), "SIP/2.0 %u ", from_carrier[i].status);
        if (raw_count(x.carrier, from_carrier[i].status ? line : "SIP") !=
            (from_carrier[i].status != 0))
            fail_msg("case %zu: expected %u, got %s", i, from_carrier[i].status,
                     x.carrier->count ? x.carrier->got[0].text : "nothing");
        if (from_carrier[i].contains)
            assert_non_null(strstr(x.carrier->got[0].text, from_carrier[i].contains));
        assert_int_equal(x.pbx->count, 0);
        scene_fini(&x);
    }
}

static void test_what_is_nobodys_is_dropped_on_udp(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x);
    raw_send(
        x.unknown, "10.1.0.1:5060", SW_UDP,
        "OPTIONS sip:example.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.66;branch=z9hG4bKq\r\n" HEADERS
        "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n");
    sim_run(x.sim, 1500);
    assert_int_equal(x.unknown->count, 0);
    scene_fini(&x);
}

static void test_what_is_nobodys_is_rejected_over_tcp(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x);
    x.gate.conf.listeners[1].unknown = SW_UNKNOWN_REJECT;
    raw_send(
        x.unknown, "10.1.0.1:5060", SW_TCP,
        "OPTIONS sip:example.test SIP/2.0\r\nVia: SIP/2.0/TCP 10.1.0.66;branch=z9hG4bKq\r\n" HEADERS
        "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n");
    sim_run(x.sim, 1500);
    assert_int_equal(raw_count(x.unknown, "SIP/2.0 403"), 1);
    scene_fini(&x);
}

static void test_a_proved_domain_that_is_no_peers_gets_403(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x);
    raw_send(x.stranger, "10.0.0.1:5061", SW_TLS,
             "INVITE sip:bob@example.test SIP/2.0\r\nVia: SIP/2.0/TLS "
             "10.0.0.7:5061;branch=z9hG4bKs\r\n" HEADERS
             "CSeq: 1 INVITE\r\nContact: <sip:x@10.0.0.7>\r\nContent-Length: 0\r\n\r\n");
    sim_run(x.sim, 1500);
    assert_int_equal(raw_count(x.stranger, "SIP/2.0 403"), 1);
    assert_int_equal(x.pbx->count, 0);
    scene_fini(&x);
}

static void test_server_with_another_name_gets_nothing(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x);
    x.carrier->node->ident =
        x.stranger->ident; /* the carrier's address, a stranger's certificate */
    raw_send(x.pbx, "10.1.0.1:5060", SW_UDP,
             "MESSAGE sip:+49123@example.test SIP/2.0\r\n" VIA_UDP HEADERS
             "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n");
    sim_run(x.sim, 1500);
    assert_int_equal(x.carrier->count, 0); /* RFC 5922 7.3 */
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 500 Next Hop Did Not Prove Its Identity"), 1);
    scene_fini(&x);
}

/* Every method, known or not, reaches the other side: RFC 3261 16.3 step 1. */
static void test_every_method_is_relayed(void **state)
{
    (void)state;
    static const char *const methods[] = {"OPTIONS", "REGISTER", "SUBSCRIBE", "NOTIFY", "PUBLISH",
                                          "MESSAGE", "INFO",     "UPDATE",    "REFER",  "PRACK",
                                          "BYE",     "INVITE",   "FOO-BAR.9"};
    struct scene x;
    char text[1024], line[64];
    scene_init(&x);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        snprintf(
            text, sizeof(text),
            "%s sip:bob@example.test SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.9;branch=z9hG4bKm%zu\r\n"
            "Max-Forwards: 70\r\n" HEADERS "CSeq: %zu %s\r\nContent-Length: 0\r\n\r\n",
            methods[i], i, i + 1, methods[i]);
        raw_send(x.carrier, "10.0.0.1:5061", SW_TLS, text);
        sim_run(x.sim, x.sim->now_ms + 50);
        /* the host is ours: it becomes the peer's address; user and scheme stay */
        snprintf(line, sizeof(line), "%s sip:bob@10.1.0.9:5060 SIP/2.0", methods[i]);
        const struct raw_message *m = raw_nth(x.pbx, line, 0);
        if (!m)
            fail_msg("%s did not arrive", methods[i]);
        assert_string_equal(raw_header(m, "Max-Forwards"), "69");
        raw_answer(x.pbx, m, "200 OK", "");
        sim_run(x.sim, x.sim->now_ms + 50);
        assert_int_equal(raw_count(x.carrier, "SIP/2.0 200"), i + 1);
    }
    scene_fini(&x);
}

/* RFC 3261 23, 16.6: a signed body is never rewritten */
static void test_what_is_not_touched_passes_byte_for_byte(void **state)
{
    (void)state;
    static const char odd[] = "X-Odd:   spaces \t kept  ;;,, \"unclosed\r\n"
                              "x-folded: one\r\n\ttwo\r\n  three\r\n"
                              "Subject:\xff\xfe raw bytes\r\n";
    struct scene x;
    char text[2048], expected[2048];
    scene_init(&x);
    snprintf(text, sizeof(text),
             "MESSAGE sip:bob@example.test SIP/2.0\r\n" VIA_TLS "%s" HEADERS
             "CSeq: 1 MESSAGE\r\nContent-Length: 9\r\n\r\nb\r\n\r\nody!",
             odd);
    raw_send(x.carrier, "10.0.0.1:5061", SW_TLS, text);
    sim_run(x.sim, 1500);
    const struct raw_message *m = raw_nth(x.pbx, "MESSAGE", 0);
    assert_non_null(m);
    snprintf(expected, sizeof(expected),
             "%s" HEADERS "CSeq: 1 MESSAGE\r\nContent-Length: 9\r\n\r\nb\r\n"
             "\r\nody!",
             odd);
    assert_non_null(strstr(m->text, expected));
    raw_answer(x.pbx, m, "200 OK", "");
    scene_fini(&x);
}

static void test_via_is_stamped_and_ours_is_first(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x);
    raw_send(x.carrier, "10.0.0.1:5061", SW_TLS,
             "MESSAGE sip:bob@example.test SIP/2.0\r\n"
             "Via: SIP/2.0/TLS host.test;rport;branch=z9hG4bKv, SIP/2.0/UDP "
             "z.test;branch=z9hG4bKw\r\n" HEADERS "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n");
    sim_run(x.sim, 1500);
    const struct raw_message *m = raw_nth(x.pbx, "MESSAGE", 0);
    assert_non_null(m);
    assert_ptr_equal(strstr(raw_header(m, "Via"), "SIP/2.0/UDP 10.1.0.1;branch=z9hG4bK"),
                     raw_header(m, "Via"));
    /* RFC 3261 18.2.1 and RFC 3581 4: the sender's ephemeral port */
    assert_non_null(strstr(m->text, "Via: SIP/2.0/TLS host.test;branch=z9hG4bKv;received=10.0.0.9;"
                                    "rport=20000, SIP/2.0/UDP z.test;branch=z9hG4bKw\r\n"));
    assert_string_equal(raw_header(m, "Max-Forwards"), "70");
    raw_answer(x.pbx, m, "200 OK", "");
    sim_run(x.sim, 1600);
    const struct raw_message *ok = raw_nth(x.carrier, "SIP/2.0 200", 0);
    assert_non_null(ok);
    assert_ptr_equal(strstr(raw_header(ok, "Via"), "SIP/2.0/TLS host.test;"),
                     raw_header(ok, "Via"));
    scene_fini(&x);
}

static void test_ack_of_our_own_refusal_goes_nowhere(void **state)
{
    (void)state;
    struct scene x;
    char text[1024], to[256];
    scene_init(&x);
    raw_send(x.stranger, "10.0.0.1:5061", SW_TLS,
             "INVITE sip:bob@example.test SIP/2.0\r\nVia: SIP/2.0/TLS "
             "10.0.0.7:5061;branch=z9hG4bKs\r\n" HEADERS
             "CSeq: 1 INVITE\r\nContact: <sip:x@10.0.0.7>\r\nContent-Length: 0\r\n\r\n");
    sim_run(x.sim, 1500);
    snprintf(to, sizeof(to), "%s", raw_header(raw_nth(x.stranger, "SIP/2.0 403", 0), "To"));
    snprintf(
        text, sizeof(text),
        "ACK sip:bob@example.test SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.7:5061;branch=z9hG4bKother\r\n"
        "From: <sip:x@x.test>;tag=1\r\nTo: %s\r\nCall-ID: p@x\r\nCSeq: 1 ACK\r\n"
        "Content-Length: 0\r\n\r\n",
        to);
    raw_send(x.stranger, "10.0.0.1:5061", SW_TLS, text);
    sim_run(x.sim, 1600);
    assert_int_equal(x.pbx->count, 0);
    scene_fini(&x);
}

/* Whoever reads text up to a NUL would take the answer to end there. */
static void test_answer_to_a_malformed_request_holds_no_nul(void **state)
{
    (void)state;
    static const char bytes[] = "INVITE sip:bob@example.test SIP/2.0\r\n" VIA_UDP HEADERS
                                "CSeq: 1 INVI\0\0TE\r\nContent-Length: 0\r\n\r\n";
    struct scene x;
    scene_init(&x);
    raw_send_bytes(x.pbx, "10.1.0.1:5060", SW_UDP, bytes, sizeof(bytes) - 1);
    sim_run(x.sim, 1300);
    const struct raw_message *m = raw_nth(x.pbx, "SIP/2.0 400", 0);
    assert_non_null(m);
    assert_non_null(strstr(m->text, "\r\nCSeq: 1 INVI  TE\r\n"));
    assert_non_null(strstr(m->text, "\r\n\r\n")); /* the text ends where the message does */
    scene_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_that_are_answered_here_get_the_right_status),
        cmocka_unit_test(test_what_is_nobodys_is_dropped_on_udp),
        cmocka_unit_test(test_what_is_nobodys_is_rejected_over_tcp),
        cmocka_unit_test(test_a_proved_domain_that_is_no_peers_gets_403),
        cmocka_unit_test(test_server_with_another_name_gets_nothing),
        cmocka_unit_test(test_every_method_is_relayed),
        cmocka_unit_test(test_what_is_not_touched_passes_byte_for_byte),
        cmocka_unit_test(test_via_is_stamped_and_ours_is_first),
        cmocka_unit_test(test_ack_of_our_own_refusal_goes_nowhere),
        cmocka_unit_test(test_answer_to_a_malformed_request_holds_no_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

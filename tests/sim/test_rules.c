/* Rules of routes in whole calls: what a changed INVITE is followed by, responses, forks, loops,
 * and a reload in between. docs/rules.md */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/rules.h"
#include "sim/raw.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>

struct rules {
    struct sw_rule_match match;
    struct sw_rule_set set;
};

struct scene {
    struct sim *sim;
    struct gate gate;
    struct raw *carrier, *pbx, *spare;
    struct rules out, in; /* of the routes of the carrier, and of the PBX */
    struct sw_slab slab;
    struct sw_arena arena;
};

static const struct sw_header_name internal[] = {{{"X-Internal", 10}, SW_HDR_OTHER},
                                                 {{"Subject", 7}, SW_HDR_SUBJECT}};

static void configured(struct scene *x, struct conf *k)
{
    conf_init(k);
    conf_listener(k, "outside", "10.0.0.1:5060", SW_UDP, NULL);
    conf_listener(k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    conf_peer(k, "carrier", "10.0.0.9:5060", SW_UDP, NULL)->listener = 0;
    conf_peer(k, "pbx", "10.1.0.9:5060", SW_UDP, NULL)->listener = 1;
    conf_peer(k, "spare", "10.1.0.8:5060", SW_UDP, NULL)->listener = 1;
    struct sw_route_conf *r = conf_route(k, "carrier", "pbx", "spare", NULL);
    r->fork = SW_FORK_SERIAL;
    r->match = &x->out.match;
    r->set = &x->out.set;
    r = conf_route(k, "pbx", "carrier", NULL);
    r->match = &x->in.match;
    r->set = &x->in.set;
}

static void compile(struct scene *x, struct rules *r, const char *regex)
{
    struct sw_pattern_error e;
    assert_int_equal(sw_pattern_compile(sw_slice_str(regex), false, &x->arena, &r->match.user, &e),
                     SW_OK);
}

static void scene_init(struct scene *x)
{
    memset(x, 0, sizeof(*x));
    sw_slab_init(&x->slab);
    sw_arena_init(&x->arena, &x->slab);
    x->sim = sim_new(41);
    compile(x, &x->out, "^\\+49([0-9]+)$");
    x->out.set = (struct sw_rule_set){.user = SW_SLICE("00\\1"),
                                      .strip = 1,
                                      .prefix = SW_SLICE("9"),
                                      .host = SW_SLICE("pbx.test:5099"),
                                      .add = SW_SLICE("X-From: carrier\r\nX-Two: 2\r\n"),
                                      .remove = internal,
                                      .remove_count = 2};
    configured(x, &x->gate.conf);
}

static void scene_start(struct scene *x)
{
    gate_start(&x->gate, x->sim, "gate", 1, "example.test", 41);
    x->carrier = raw_new(x->sim, "carrier", "10.0.0.9:5060", SW_UDP);
    x->pbx = raw_new(x->sim, "pbx", "10.1.0.9:5060", SW_UDP);
    x->spare = raw_new(x->sim, "spare", "10.1.0.8:5060", SW_UDP);
}

static void scene_fini(struct scene *x)
{
    gate_finish(&x->gate);
    sw_arena_release(&x->arena);
    sw_slab_fini(&x->slab);
}

static void run(struct scene *x)
{
    sim_run(x->sim, x->sim->now_ms + 300);
}

/* A request; `rows` are further header lines. */
static void say(struct scene *x, struct raw *who, const char *method, const char *uri,
                const char *branch, const char *rows)
{
    bool carrier = who == x->carrier;
    char text[2048];
    snprintf(text, sizeof(text),
             "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s\r\n"
             "From: <sip:a@a.test>;tag=1\r\nTo: <sip:b@b.test>%s\r\nCall-ID: r@x\r\n"
             "CSeq: 1 %s\r\nMax-Forwards: 70\r\n%sContent-Length: 0\r\n\r\n",
             method, uri, carrier ? "10.0.0.9:5060" : "10.1.0.9:5060", branch,
             strstr(rows, "Route:") ? ";tag=2" : "", method, rows);
    raw_send(who, carrier ? "10.0.0.1:5060" : "10.1.0.1:5060", SW_UDP, text);
    run(x);
}

static const struct raw_message *first(const struct raw *r, const char *start)
{
    const struct raw_message *m = raw_nth(r, start, 0);
    if (!m)
        print_error("nothing that starts with %s came\n", start);
    assert_non_null(m);
    return m;
}

static void assert_starts(const struct raw_message *m, const char *start)
{
    if (strncmp(m->text, start, strlen(start)) != 0)
        print_error("%s\n", m->text);
    assert_memory_equal(m->text, start, strlen(start));
}

#define CHANGED "sip:9030123@pbx.test:5099 SIP/2.0\r\n"

/* RFC 3261 16.6: what no edit touches leaves as it came; 17.1.1.3: the ACK of a refusal has the
 * Request-URI of the INVITE as it left */
static void test_invite_is_changed_and_the_ack_of_its_refusal_too(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x);
    scene_start(&x);
    say(&x, x.carrier, "INVITE", "sip:+4930123@example.test;transport=udp", "1",
        "x-internal: 1\r\nX-Stays:  as  it came\r\ns: x\r\nX-INTERNAL: 2\r\n");
    const struct raw_message *m = first(x.pbx, "INVITE");
    assert_starts(m, "INVITE " CHANGED);
    assert_string_equal(raw_header(m, "X-From"), "carrier");
    assert_non_null(strstr(m->text, "\r\nX-From: carrier\r\nX-Two: 2\r\n\r\n"));
    assert_non_null(strstr(m->text, "\r\nX-Stays:  as  it came\r\nContent-Length: 0\r\n"));
    assert_null(strcasestr(m->text, "x-internal"));
    assert_null(strstr(m->text, "\r\ns: "));
    assert_non_null(strstr(m->text, "\r\nTo: <sip:b@b.test>\r\n"));
    raw_answer(x.pbx, m, "486 Busy Here", "");
    run(&x);
    assert_starts(first(x.pbx, "ACK"), "ACK " CHANGED);
    /* the next target gets the same */
    m = first(x.spare, "INVITE");
    assert_starts(m, "INVITE " CHANGED);
    assert_non_null(strstr(m->text, "\r\nX-From: carrier\r\nX-Two: 2\r\n\r\n"));
    raw_answer(x.spare, m, "486 Busy Here", "");
    run(&x);
    assert_starts(first(x.spare, "ACK"), "ACK " CHANGED);
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 486"), 1);
    say(&x, x.carrier, "ACK", "sip:+4930123@example.test;transport=udp", "1", "");
    scene_fini(&x);
}

/* RFC 3261 9.1: "The Request-URI ... in the CANCEL request MUST be identical" */
static void test_cancel_has_the_request_uri_that_the_invite_got(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x);
    scene_start(&x);
    say(&x, x.carrier, "INVITE", "sip:+4930123@example.test", "1", "");
    raw_answer(x.pbx, first(x.pbx, "INVITE"), "180 Ringing", "");
    run(&x);
    say(&x, x.carrier, "CANCEL", "sip:+4930123@example.test", "1", "");
    const struct raw_message *m = first(x.pbx, "CANCEL");
    assert_starts(m, "CANCEL " CHANGED);
    assert_string_equal(raw_header(m, "X-From"), "");
    raw_answer(x.pbx, m, "200 OK", "");
    raw_answer(x.pbx, first(x.pbx, "INVITE"), "487 Request Terminated", "");
    run(&x);
    assert_starts(first(x.pbx, "ACK"), "ACK " CHANGED);
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 487"), 1);
    say(&x, x.carrier, "ACK", "sip:+4930123@example.test", "1", "");
    scene_fini(&x);
}

/* RFC 3261 12.2.1.1: the remote target is nobody else's to change. What a peer is not told, it is
 * not told inside a dialog either. */
static void test_dialog_is_not_changed_by_routes_but_by_its_peers(void **state)
{
    struct scene x;
    char route[1024];
    (void)state;
    scene_init(&x);
    x.gate.conf.peers[1].remove = internal;
    x.gate.conf.peers[1].remove_count = 1;
    scene_start(&x);
    say(&x, x.carrier, "INVITE", "sip:+4930123@example.test", "1", "");
    raw_answer(x.pbx, first(x.pbx, "INVITE"), "200 OK", "Contact: <sip:+491@10.1.0.9>\r\n");
    run(&x);
    snprintf(route, sizeof(route), "Route: %s\r\nX-Internal: 1\r\nX-Other: 2\r\nSubject: s\r\n",
             raw_header(first(x.carrier, "SIP/2.0 200"), "Record-Route"));
    say(&x, x.carrier, "ACK", "sip:+491@10.1.0.9", "2", route);
    say(&x, x.carrier, "BYE", "sip:+491@10.1.0.9", "3", route);
    for (int i = 0; i < 2; i++) {
        const struct raw_message *m = first(x.pbx, i ? "BYE" : "ACK");
        assert_starts(m, i ? "BYE sip:+491@10.1.0.9 SIP" : "ACK sip:+491@10.1.0.9 SIP");
        assert_string_equal(raw_header(m, "X-Internal"), "");
        assert_string_equal(raw_header(m, "X-From"), "");
        assert_string_equal(raw_header(m, "X-Other"), "2");
        assert_string_equal(raw_header(m, "Subject"), "s");
    }
    raw_answer(x.pbx, first(x.pbx, "BYE"), "200 OK", "");
    scene_fini(&x);
}

/* An ACK for a 2xx without our Route goes through the routes like a request. */
static void test_ack_that_goes_through_routes_is_changed_alike(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x);
    scene_start(&x);
    say(&x, x.carrier, "INVITE", "sip:+4930123@example.test", "1", "");
    raw_answer(x.pbx, first(x.pbx, "INVITE"), "200 OK", "Contact: <sip:+491@10.1.0.9>\r\n");
    run(&x);
    say(&x, x.carrier, "ACK", "sip:+4930123@example.test", "2", "X-Internal: 1\r\n");
    const struct raw_message *m = first(x.pbx, "ACK");
    assert_starts(m, "ACK " CHANGED);
    assert_string_equal(raw_header(m, "X-From"), "carrier");
    assert_string_equal(raw_header(m, "X-Internal"), "");
    scene_fini(&x);
}

/* A number that the rules leave nothing of, and one that no route matches. RFC 3261 21.4.22 */
static void test_request_that_cannot_be_changed_is_answered(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x);
    x.out.set.strip = 10;
    x.out.set.prefix = SW_SLICE("");
    scene_start(&x);
    say(&x, x.carrier, "INVITE", "sip:+491@example.test", "1", "");
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 484"), 1);
    say(&x, x.carrier, "ACK", "sip:+491@example.test", "1", "");
    say(&x, x.carrier, "OPTIONS", "sip:+1@example.test", "2", "");
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 480"), 1);
    say(&x, x.carrier, "ACK", "sip:+491@example.test", "3", "");
    assert_int_equal(x.pbx->count, 0);
    scene_fini(&x);
}

/* A reload between two targets: the second gets what the route said when the request came. */
static void test_reload_between_targets_keeps_the_changes(void **state)
{
    struct scene x;
    struct rules was;
    (void)state;
    scene_init(&x);
    scene_start(&x);
    say(&x, x.carrier, "INVITE", "sip:+4930123@example.test", "1", "X-Internal: 1\r\n");
    was = x.out;
    struct conf *next = malloc(sizeof(*next));
    assert_non_null(next);
    configured(&x, next);
    for (unsigned i = 0; i < next->proxy.route_count; i++) {
        next->routes[i].match = NULL;
        next->routes[i].set = NULL;
    }
    gate_adopt(&x.gate, next, 1);
    memset(&x.out, 0x5a, sizeof(x.out)); /* nobody may look at it any more */
    raw_answer(x.pbx, first(x.pbx, "INVITE"), "486 Busy Here", "");
    run(&x);
    const struct raw_message *m = first(x.spare, "INVITE");
    assert_starts(m, "INVITE " CHANGED);
    assert_string_equal(raw_header(m, "X-From"), "carrier");
    assert_string_equal(raw_header(m, "X-Internal"), "");
    raw_answer(x.spare, m, "486 Busy Here", "");
    run(&x);
    say(&x, x.carrier, "ACK", "sip:+4930123@example.test", "1", "");
    x.out = was;
    scene_fini(&x);
}

/* What the PBX does that sends everything back. */
static void send_back(struct scene *x, const struct raw_message *m)
{
    char text[8192];
    const char *line = strstr(m->text, "\r\n");
    assert_non_null(line);
    snprintf(text, sizeof(text), "%.*s\r\nVia: SIP/2.0/UDP 10.1.0.9:5060;branch=z9hG4bKb%u%s",
             (int)(line - m->text), m->text, x->pbx->count, line);
    raw_answer(x->pbx, m, "100 Trying", ""); /* so that it is not repeated */
    raw_send(x->pbx, "10.1.0.1:5060", SW_UDP, text);
    run(x);
}

/* RFC 5393 4.2: a request whose number is changed at each pass is a spiral; one that gets a number
 * again that it had is a loop */
static void test_loop_through_rules_ends_with_482(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x);
    x.out.set = x.in.set = (struct sw_rule_set){.add = {"", 0}};
    x.gate.conf.routes[1].to = x.gate.conf.routes[0].to; /* the PBX gets it back */
    compile(&x, &x.out, "^1$");
    compile(&x, &x.in, "^([0-9])([0-9])([0-9])$");
    x.in.set.user = SW_SLICE("\\2\\3\\1"); /* three passes lead to where it was */
    x.gate.conf.routes[0].set = NULL;
    x.gate.conf.routes[0].match = NULL;
    scene_start(&x);
    say(&x, x.carrier, "INVITE", "sip:123@b.test", "1", "");
    send_back(&x, raw_nth(x.pbx, "INVITE sip:123@", 0));
    assert_int_equal(raw_count(x.pbx, "INVITE sip:231@"), 1);
    send_back(&x, raw_nth(x.pbx, "INVITE sip:231@", 0));
    assert_int_equal(raw_count(x.pbx, "INVITE sip:312@"), 1);
    send_back(&x, raw_nth(x.pbx, "INVITE sip:312@", 0));
    assert_int_equal(raw_count(x.pbx, "INVITE sip:123@"), 2);
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 482"), 0);
    send_back(&x, raw_nth(x.pbx, "INVITE sip:123@", 1));
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 482"), 1);
    scene_fini(&x);
}

static void trust(struct scene *x, enum sw_asserted carrier, enum sw_asserted pbx)
{
    x->gate.conf.peers[0].asserted_identity = (uint8_t)carrier;
    x->gate.conf.peers[1].asserted_identity = (uint8_t)pbx;
    x->gate.conf.peers[2].asserted_identity = (uint8_t)pbx;
}

/* RFC 3325 5 and 7: requests, and the responses to them */
static void test_asserted_identity_in_requests_and_responses(void **state)
{
    static const struct {
        enum sw_asserted carrier, pbx;
        bool to_pbx, to_carrier, private_to_carrier;
    } rows[] = {
        {SW_ASSERTED_TRUST, SW_ASSERTED_TRUST, true, true, true},
        {SW_ASSERTED_DISTRUST, SW_ASSERTED_TRUST, false, true, false},
        {SW_ASSERTED_WITHHOLD, SW_ASSERTED_TRUST, false, false, false},
        {SW_ASSERTED_DISTRUST, SW_ASSERTED_DISTRUST, false, false, false},
    };
    static const char pai[] = "P-Asserted-Identity: <sip:who@a.test>\r\n";
    static const char privately[] = "P-Asserted-Identity: <sip:who@a.test>\r\nPrivacy: id\r\n";
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scene x;
        scene_init(&x);
        trust(&x, rows[i].carrier, rows[i].pbx);
        scene_start(&x);
        say(&x, x.carrier, "INVITE", "sip:+4930123@example.test", "1", pai);
        const struct raw_message *m = first(x.pbx, "INVITE");
        assert_int_equal(*raw_header(m, "P-Asserted-Identity") != 0, rows[i].to_pbx);
        raw_answer(x.pbx, m, "183 Session Progress", pai);
        raw_answer(x.pbx, m, "180 Ringing", privately);
        run(&x);
        m = first(x.carrier, "SIP/2.0 183");
        assert_int_equal(*raw_header(m, "P-Asserted-Identity") != 0, rows[i].to_carrier);
        m = first(x.carrier, "SIP/2.0 180");
        assert_int_equal(*raw_header(m, "P-Asserted-Identity") != 0, rows[i].private_to_carrier);
        /* one that is kept until the next target has answered is of the PBX as well */
        raw_answer(x.pbx, first(x.pbx, "INVITE"), "410 Gone", pai);
        run(&x);
        raw_answer(x.spare, first(x.spare, "INVITE"), "503 Unavailable", pai);
        run(&x);
        m = first(x.carrier, "SIP/2.0 410");
        assert_int_equal(*raw_header(m, "P-Asserted-Identity") != 0, rows[i].to_carrier);
        say(&x, x.carrier, "ACK", "sip:+4930123@example.test", "1", "");
        scene_fini(&x);
    }
}

/* An answer of a peer that is not trusted, kept and given later: what it asserts does not pass. */
static void test_kept_answer_is_judged_by_who_gave_it(void **state)
{
    (void)state;
    for (int trusted = 0; trusted < 2; trusted++) {
        struct scene x;
        scene_init(&x);
        trust(&x, SW_ASSERTED_TRUST, SW_ASSERTED_TRUST);
        x.gate.conf.peers[1].asserted_identity = (uint8_t)trusted; /* DISTRUST is 0, TRUST 1 */
        scene_start(&x);
        say(&x, x.carrier, "INVITE", "sip:+4930123@example.test", "1", "");
        raw_answer(x.pbx, first(x.pbx, "INVITE"), "404 Not Found",
                   "P-Asserted-Identity: <sip:x@y>\r\n");
        run(&x);
        raw_answer(x.spare, first(x.spare, "INVITE"), "486 Busy Here", "");
        run(&x);
        const struct raw_message *m = first(x.carrier, "SIP/2.0 404");
        assert_int_equal(*raw_header(m, "P-Asserted-Identity") != 0, trusted);
        say(&x, x.carrier, "ACK", "sip:+4930123@example.test", "1", "");
        scene_fini(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_invite_is_changed_and_the_ack_of_its_refusal_too),
        cmocka_unit_test(test_cancel_has_the_request_uri_that_the_invite_got),
        cmocka_unit_test(test_dialog_is_not_changed_by_routes_but_by_its_peers),
        cmocka_unit_test(test_ack_that_goes_through_routes_is_changed_alike),
        cmocka_unit_test(test_request_that_cannot_be_changed_is_answered),
        cmocka_unit_test(test_reload_between_targets_keeps_the_changes),
        cmocka_unit_test(test_loop_through_rules_ends_with_482),
        cmocka_unit_test(test_asserted_identity_in_requests_and_responses),
        cmocka_unit_test(test_kept_answer_is_judged_by_who_gave_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

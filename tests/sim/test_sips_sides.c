/* sips where one side has no TLS, or proves no name: a sips Route of a caller over UDP, a sips
 * Route to us, answers, ACK and CANCEL whose connection is gone. RFC 3261 16.6 step 4, 16.7 step
 * 8, 18.2.2, 26.2.2; RFC 5630 5.1.1, 5.3; RFC 5658 6.2 */
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
    struct raw *caller, *pbx, *target; /* TLS 10.0.0.9, UDP 10.1.0.9, TLS 10.0.0.8 */
    char routes[2048], back[2048];     /* Route rows of who called and of the target */
};

/* `hide`: what is behind the gateway, from the caller. */
static void scene_init_hidden(struct scene *x, bool hide)
{
    struct conf *k = &x->gate.conf;
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(9);
    conf_init(k);
    conf_listener(k, "outside", "10.0.0.1:5061", SW_TLS, "sip.example.test");
    conf_listener(k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    conf_peer(k, "caller", "10.0.0.9:5061", SW_TLS, "caller.test");
    conf_peer(k, "pbx", "10.1.0.9:5060", SW_UDP, NULL);
    conf_peer(k, "target", "10.0.0.8:5061", SW_TLS, "target.test");
    k->peers[0].hide_inside = hide;
    conf_route(k, "caller", "target", NULL);
    conf_route(k, "pbx", "target", NULL);
    conf_route(k, "target", "caller", NULL);
    gate_start(&x->gate, x->sim, "gate", 1, "example.test", 9);
    x->caller = raw_new(x->sim, "caller", "10.0.0.9:5061", SW_TLS);
    x->pbx = raw_new(x->sim, "pbx", "10.1.0.9:5060", SW_UDP);
    x->target = raw_new(x->sim, "target", "10.0.0.8:5061", SW_TLS);
    raw_proves(x->caller, "caller.test");
    raw_proves(x->target, "target.test");
}

static void scene_init(struct scene *x)
{
    scene_init_hidden(x, false);
}

static void go_on(struct scene *x)
{
    sim_run(x->sim, x->sim->now_ms + 1000);
}

/* Inside a dialog if it has `tags`: 1 for who called, 2 for the target. */
static void send(struct scene *x, struct raw *from, const char *method, const char *uri,
                 const char *routes, int tags, unsigned cseq)
{
    char text[4096];
    bool udp = from == x->pbx;
    snprintf(text, sizeof(text),
             "%s %s SIP/2.0\r\nVia: SIP/2.0/%s;branch=z9hG4bK%s%u\r\nMax-Forwards: 70\r\n%s"
             "From: <sip:x@x.test>;tag=%s\r\nTo: <sip:y@y.test>%s\r\nCall-ID: d@x\r\n"
             "CSeq: %u %s\r\nContact: <%s:x@%s>\r\nContent-Length: 0\r\n\r\n",
             method, uri,
             udp                 ? "UDP 10.1.0.9:5060"
             : from == x->caller ? "TLS 10.0.0.9:5061"
                                 : "TLS 10.0.0.8:5061",
             method, cseq, routes, tags == 2 ? "raw" : "1",
             tags == 1   ? ";tag=raw"
             : tags == 2 ? ";tag=1"
                         : "",
             cseq, method, strncmp(uri, "sips", 4) == 0 ? "sips" : "sip",
             udp ? "10.1.0.9" : "10.0.0.9");
    raw_send(from, udp ? "10.1.0.1:5060" : "10.0.0.1:5061", udp ? SW_UDP : SW_TLS, text);
    go_on(x);
}

static void establish(struct scene *x, struct raw *from, const char *uri, const char *route,
                      const char *contact)
{
    char row[128];
    send(x, from, "INVITE", uri, route, 0, 1);
    const struct raw_message *m = raw_nth(x->target, "INVITE", 0);
    assert_non_null(m);
    raw_routes(m, false, x->back, sizeof(x->back));
    snprintf(row, sizeof(row), "Contact: <%s>\r\n", contact);
    raw_answer(x->target, m, "200 OK", row);
    go_on(x);
    m = raw_nth(from, "SIP/2.0 200", 0);
    assert_non_null(m);
    raw_routes(m, true, x->routes, sizeof(x->routes));
}

static void starts_with(const char *text, const char *start)
{
    if (strncmp(text, start, strlen(start)) != 0)
        fail_msg("%s does not start with %s", text, start);
}

/* What follows in the dialog: both sides get there, by the Contact that each was shown. */
static void converse(struct scene *x, const char *to, const char *from)
{
    send(x, x->pbx, "ACK", to, x->routes, 1, 1);
    assert_int_equal(raw_count(x->target, "ACK sip:bob@10.0.0.8"), 1);
    send(x, x->target, "INFO", from, x->back, 2, 7);
    assert_true(raw_count(x->pbx, "INFO sip:x@10.1.0.9") >= 1); /* UDP repeats it */
    raw_answer(x->pbx, raw_nth(x->pbx, "INFO", 0), "200 OK", "");
    send(x, x->pbx, "BYE", to, x->routes, 1, 2);
    const struct raw_message *m = raw_nth(x->target, "BYE sip:bob@10.0.0.8", 0);
    assert_non_null(m);
    assert_int_equal(m->flow.transport, SW_TLS);
    raw_answer(x->target, m, "200 OK", "");
}

/* "received the request over a non-TLS connection, and sent it out over TLS [...] MUST [...] be a
 * SIP URI": RFC 3261 16.7 step 8; who follows what it is shown gets there. RFC 5658 6.2 */
static void test_sips_route_of_a_side_without_tls_makes_a_dialog_that_works(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x);
    establish(&x, x.pbx, "sip:bob@example.test", "Route: <sips:next.test;lr>\r\n",
              "sip:bob@10.0.0.8");
    starts_with(x.routes, "Route: <sip:10.1.0.1:5060;lr;");
    starts_with(x.back, "Route: <sips:sip.example.test:5061;lr;");
    assert_null(strstr(x.routes, "sips:10.1.0.1"));
    converse(&x, "sip:bob@10.0.0.8", "sip:x@10.1.0.9");
    gate_finish(&x.gate);
}

/* The same where one of the sides is not to see the other: the row that it is shown stands for
 * both. docs/hiding.md */
static void test_sips_route_of_a_side_without_tls_works_when_hidden(void **state)
{
    (void)state;
    for (int hides = 1; hides < 3; hides++) { /* the PBX, the target */
        struct scene x;
        scene_init(&x);
        x.gate.conf.peers[hides].hide_inside = true;
        x.gate.conf.proxy.hides = true;
        establish(&x, x.pbx, "sip:bob@example.test", "Route: <sips:next.test;lr>\r\n",
                  "sip:bob@10.0.0.8");
        starts_with(x.routes, "Route: <sip:10.1.0.1:5060;lr;");
        starts_with(x.back, "Route: <sips:sip.example.test:5061;lr;");
        assert_int_equal(strstr(x.routes, "sip.example.test") == NULL, hides == 1);
        assert_int_equal(strstr(x.back, "10.1.0.1") == NULL, hides == 2);
        char to[1024], from[1024];
        const char *c = strchr(raw_header(raw_nth(x.pbx, "SIP/2.0 200", 0), "Contact"), '<') + 1;
        snprintf(to, sizeof(to), "%.*s", (int)strcspn(c, ">"), c);
        c = strchr(raw_header(raw_nth(x.target, "INVITE", 0), "Contact"), '<') + 1;
        snprintf(from, sizeof(from), "%.*s", (int)strcspn(c, ">"), c);
        converse(&x, to, from);
        gate_finish(&x.gate);
    }
}

/* "the topmost Route header field entry is a SIPS URI with the lr parameter, the UAC MUST send the
 * request over TLS": RFC 5630 5.1.1. What stands behind our value is for our own next hop. */
static void test_sips_route_to_us_must_come_over_tls(void **state)
{
    (void)state;
    static const struct {
        bool udp;
        const char *route;
        unsigned passes;
    } rows[] = {
        {true, "Route: <sips:example.test;lr>\r\n", 0},
        {true, "Route: <SIPS:10.1.0.1;lr>, <sip:next.test;lr>\r\n", 0},
        {false, "Route: <sips:example.test;lr>\r\n", 1},
        {true, "Route: <sip:example.test;lr>\r\n", 1},
        {true, "Route: <sip:example.test;lr>, <sips:next.test;lr>\r\n", 1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scene x;
        scene_init(&x);
        struct raw *from = rows[i].udp ? x.pbx : x.caller;
        send(&x, from, "OPTIONS", "sip:bob@example.test", rows[i].route, 0, 1);
        assert_int_equal(raw_count(x.target, "OPTIONS sip:bob"), rows[i].passes);
        assert_int_equal(raw_count(from, "SIP/2.0 400 SIPS Needs TLS On Each Hop"),
                         !rows[i].passes);
        if (rows[i].passes)
            raw_answer(x.target, raw_nth(x.target, "OPTIONS", 0), "200 OK", "");
        gate_finish(&x.gate);
    }
}

/* The caller's peer has verify: chain, and where it is dialled somebody else answers. */
static struct sw_ident *somebody_else(struct scene *x)
{
    struct sw_ident *other = conf_ident("other.test");
    x->gate.conf.peers[0].verify = SW_VERIFY_CHAIN;
    sim_break(x->sim, x->caller->node, x->gate.node);
    go_on(x);
    x->caller->node->ident = other;
    return other;
}

static void end(struct scene *x, struct sw_ident *other)
{
    gate_finish(&x->gate);
    free(other);
}

/* RFC 3261 18.2.2, 26.2.2: an answer goes to whom it is for. To a sip request it may: that is what
 * verify: chain says. */
static void test_sips_answer_goes_to_a_proved_name_only(void **state)
{
    (void)state;
    for (int sips = 0; sips < 2; sips++)
        for (int invite = 0; invite < 2; invite++) {
            struct scene x;
            const char *method = invite ? "INVITE" : "MESSAGE";
            scene_init(&x);
            send(&x, x.caller, method, sips ? "sips:bob@example.test" : "sip:bob@example.test", "",
                 0, 1);
            struct sw_ident *other = somebody_else(&x);
            raw_answer(x.target, raw_nth(x.target, method, 0), "488 No", "");
            go_on(&x);
            assert_int_equal(raw_count(x.caller, "SIP/2.0 488"), !sips);
            sim_run(x.sim, INT64_MAX);
            assert_int_equal(raw_count(x.caller, "SIP/2.0 488") > 0, !sips);
            x.caller->node->ident = x.caller->ident;
            end(&x, other);
        }
}

/* RFC 3261 16.6 step 4, 26.2.2: a sips Route demands as much as a sips Request-URI */
static void test_sips_route_of_an_ack_leads_to_a_proved_name_only(void **state)
{
    (void)state;
    for (int sips = 0; sips < 2; sips++) {
        struct scene x;
        char routes[sizeof(x.back) + 64];
        scene_init(&x);
        establish(&x, x.caller, "sip:bob@example.test", "", "sip:bob@10.0.0.8");
        send(&x, x.caller, "ACK", "sip:bob@10.0.0.8", x.routes, 1, 1);
        snprintf(routes, sizeof(routes), "%sRoute: <%s:10.0.0.9:5061;lr>\r\n", x.back,
                 sips ? "sips" : "sip");
        struct sw_ident *other = somebody_else(&x);
        send(&x, x.target, "ACK", "sip:x@10.0.0.9", routes, 2, 7);
        assert_int_equal(raw_count(x.caller, "ACK"), !sips);
        x.caller->node->ident = x.caller->ident;
        end(&x, other);
    }
}

/* "a proxy receives a request with a SIP Request-URI [...] MUST NOT forward the request to a SIPS":
 * RFC 5630 5.3, also if what a Contact of ours hides is one. Nor the other way round. */
static void test_sips_contact_that_is_hidden_keeps_the_scheme_it_is_called_by(void **state)
{
    (void)state;
    static const struct {
        const char *contact, *by, *leaves;
    } rows[] = {
        {"sips:bob@10.0.0.8", "sips", "BYE sips:bob@10.0.0.8 "},
        {"sips:bob@10.0.0.8", "sip", "BYE sip:bob@10.0.0.8 "},
        {"sip:bob@10.0.0.8", "sip", "BYE sip:bob@10.0.0.8 "},
        {"sip:bob@10.0.0.8", "sips", "BYE sips:bob@10.0.0.8 "},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scene x;
        char uri[1024];
        scene_init_hidden(&x, true);
        establish(&x, x.caller, "sip:bob@example.test", "", rows[i].contact);
        const char *sc = strchr(raw_header(raw_nth(x.caller, "SIP/2.0 200", 0), "Contact"), ':');
        snprintf(uri, sizeof(uri), "%s%.*s", rows[i].by, (int)strcspn(sc, ">"), sc);
        assert_null(strstr(uri, "10.0.0.8"));
        send(&x, x.caller, "BYE", uri, x.routes, 1, 2);
        const struct raw_message *m = raw_nth(x.target, "BYE", 0);
        assert_non_null(m);
        starts_with(m->text, rows[i].leaves);
        raw_answer(x.target, m, "200 OK", "");
        gate_finish(&x.gate);
    }
}

/* "had registered previously using a SIP Contact header field [...] MUST NOT forward the request":
 * RFC 5630 5.3. Outside of the dialog, where nothing is left half done by a refusal. */
static void test_sips_call_to_a_hidden_sip_contact_is_480(void **state)
{
    (void)state;
    static const struct {
        const char *contact, *by, *leaves;
    } rows[] = {
        {"sip:bob@10.0.0.8", "sips", NULL},
        {"sip:bob@10.0.0.8", "sip", "MESSAGE sip:bob@10.0.0.8 "},
        {"sips:bob@10.0.0.8", "sips", "MESSAGE sips:bob@10.0.0.8 "},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scene x;
        char uri[1024];
        scene_init_hidden(&x, true);
        establish(&x, x.caller, "sip:bob@example.test", "", rows[i].contact);
        const char *sc = strchr(raw_header(raw_nth(x.caller, "SIP/2.0 200", 0), "Contact"), ':');
        snprintf(uri, sizeof(uri), "%s%.*s", rows[i].by, (int)strcspn(sc, ">"), sc);
        send(&x, x.caller, "MESSAGE", uri, "", 0, 2);
        const struct raw_message *m = raw_nth(x.target, "MESSAGE", 0);
        assert_int_equal(m != NULL, rows[i].leaves != NULL);
        if (m) {
            starts_with(m->text, rows[i].leaves);
            raw_answer(x.target, m, "200 OK", "");
        } else {
            m = raw_nth(x.caller, "SIP/2.0 480", 0);
            assert_non_null(m);
            starts_with(raw_header(m, "Warning"), "380 ");
        }
        gate_finish(&x.gate);
    }
}

/* "A registrar MUST accept a binding to a SIPS Contact header field only if all the appropriate
 * URIs are of the SIPS scheme [...] all the Path header fields": RFC 5630 5.2; so does what hides
 * them. */
static void test_sips_path_that_is_hidden_stays_sips(void **state)
{
    (void)state;
    static const struct {
        const char *rows, *start;
    } rows[] = {
        {"Path: <sips:edge.inside;lr>\r\n", "<sips:sip.example.test:5061;lr;sw=P"},
        {"Path: <sips:edge.inside;lr>, <sips:proxy.inside;lr>\r\n",
         "<sips:sip.example.test:5061;lr;sw=P"},
        {"Path: <sip:edge.inside;lr>\r\n", "<sip:sip.example.test:5061;transport=tls;lr;sw=P"},
        {"Path: <sips:edge.inside;lr>\r\nPath: <sip:proxy.inside;lr>\r\n",
         "<sip:sip.example.test:5061;transport=tls;lr;sw=P"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scene x;
        scene_init_hidden(&x, true);
        send(&x, x.target, "REGISTER", "sips:registrar.test", rows[i].rows, 0, 1);
        const struct raw_message *m = raw_nth(x.caller, "REGISTER", 0);
        assert_non_null(m);
        starts_with(raw_header(m, "Path"), rows[i].start);
        assert_null(strstr(m->text, ".inside"));
        raw_answer(x.caller, m, "200 OK", "");
        /* and a call by it goes there */
        char route[1024];
        snprintf(route, sizeof(route), "Route: %s\r\n", raw_header(m, "Path"));
        send(&x, x.caller, "MESSAGE", "sip:a@phone.inside", route, 0, 2);
        m = raw_nth(x.target, "MESSAGE sip:a@phone.inside", 0);
        assert_non_null(m);
        starts_with(raw_header(m, "Route"),
                    rows[i].start[4] == 's' ? "<sips:edge.inside;lr>" : "<sip");
        raw_answer(x.target, m, "200 OK", "");
        gate_finish(&x.gate);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sips_route_of_a_side_without_tls_makes_a_dialog_that_works),
        cmocka_unit_test(test_sips_route_of_a_side_without_tls_works_when_hidden),
        cmocka_unit_test(test_sips_route_to_us_must_come_over_tls),
        cmocka_unit_test(test_sips_answer_goes_to_a_proved_name_only),
        cmocka_unit_test(test_sips_route_of_an_ack_leads_to_a_proved_name_only),
        cmocka_unit_test(test_sips_path_that_is_hidden_stays_sips),
        cmocka_unit_test(test_sips_contact_that_is_hidden_keeps_the_scheme_it_is_called_by),
        cmocka_unit_test(test_sips_call_to_a_hidden_sip_contact_is_480),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

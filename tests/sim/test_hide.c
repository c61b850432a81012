/* Topology hiding: whole calls with a carrier that is not to see what is inside. Each scene runs
 * twice, once without `hide_inside` and once with it: what the inside gets must be the same byte
 * for byte, and no byte of an inside name or address may reach the carrier. The carrier acts on
 * what it sees: it sends to the Contact by the route set, as RFC 3261 12 says. docs/hiding.md */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/raw.h"
#include "sim/world.h"
#include "sip/msg.h"

#include <stdio.h>
#include <stdlib.h>

#define VIAS                                                                                       \
    "Via: SIP/2.0/UDP 10.1.0.9:5060;branch=z9hG4bK%s%u;rport\r\n"                                  \
    "Via: SIP/2.0/TCP core.inside;branch=z9hG4bKc, SIP/2.0/TLS "                                   \
    "[2001:db8::9]:9;branch=z9hG4bKd\r\n"                                                          \
    "Via: SIP/2.0/UDP 10.1.0.77 ;branch=z9hG4bKp;received=10.1.0.78;x=\"a, b\"\r\n"
#define ROUTES                                                                                     \
    "Record-Route: <sip:10.1.0.9;lr;ftag=1>\r\nRecord-Route: \"a, b\" "                            \
    "<sip:core.inside:5070;lr>;x=y\r\n"

enum { TEXT_MAX = 8192 };

struct scene {
    struct sim *sim;
    struct gate gate;
    struct raw *carrier, *pbx;
    struct sw_ident *ident;
    enum sw_transport outside;
    /* what the carrier learned of the dialog */
    char target[TEXT_MAX], route[TEXT_MAX];
    /* what the PBX learned of it */
    char pbx_route[TEXT_MAX];
};

static void configure(struct conf *k, enum sw_transport outside, bool hide)
{
    conf_init(k);
    conf_listener(k, "outside", "10.0.0.1:5061", outside, "sip.example.test");
    conf_listener(k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    conf_peer(k, "carrier", "10.0.0.9:5061", outside, outside == SW_TLS ? "carrier.test" : NULL)
        ->listener = 0;
    conf_peer(k, "pbx", "10.1.0.9:5060", SW_UDP, NULL)->listener = 1;
    k->peers[0].hide_inside = hide;
    conf_route(k, "carrier", "pbx", NULL);
    conf_route(k, "pbx", "carrier", NULL);
}

static void set_up(struct scene *x, enum sw_transport outside, bool hide)
{
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(17);
    x->outside = outside;
    configure(&x->gate.conf, outside, hide);
    gate_start(&x->gate, x->sim, "gate", 2, "example.test", 17);
    x->carrier = raw_new(x->sim, "carrier", "10.0.0.9:5061", outside);
    x->pbx = raw_new(x->sim, "pbx", "10.1.0.9:5060", SW_UDP);
    x->carrier->node->ident = x->ident = conf_ident("carrier.test");
}

static void tear_down(struct scene *x)
{
    sim_run(x->sim, INT64_MAX);
    gate_assert_idle(&x->gate);
    raw_free(x->carrier);
    raw_free(x->pbx);
    gate_stop(&x->gate);
    sim_free(x->sim);
    free(x->ident);
}

static void run(struct scene *x)
{
    sim_run(x->sim, x->sim->now_ms + 100);
}

static const char *method_of(const char *text)
{
    static char method[32];
    snprintf(method, sizeof(method), "%.*s", (int)strcspn(text, " "), text);
    return method;
}

static void from_pbx(struct scene *x, const char *method, const char *uri, const char *more,
                     const char *to_tag, unsigned cseq)
{
    char text[TEXT_MAX * 2];
    snprintf(text, sizeof(text),
             "%s %s SIP/2.0\r\n" VIAS "Max-Forwards: 69\r\n%sFrom: <sip:a@a.test>;tag=raw\r\n"
             "To: <sip:b@b.test>%s\r\nCall-ID: h@x\r\nCSeq: %u %s\r\nContent-Length: 2\r\n\r\nxy",
             method, uri, method, cseq, more, to_tag, cseq, method);
    raw_send(x->pbx, "10.1.0.1:5060", SW_UDP, text);
    run(x);
}

static void from_carrier(struct scene *x, const char *method, const char *uri, const char *more,
                         const char *to_tag, unsigned cseq)
{
    char text[TEXT_MAX * 3];
    bool tls = x->outside == SW_TLS;
    snprintf(text, sizeof(text),
             "%s %s SIP/2.0\r\nVia: SIP/2.0/%s 10.0.0.9:5061;branch=z9hG4bK%s%u\r\n"
             "Via: SIP/2.0/TLS 192.0.2.9;branch=z9hG4bKf\r\nMax-Forwards: 69\r\n%s"
             "From: <sip:b@b.test>;tag=raw\r\nTo: <sip:a@a.test>%s\r\nCall-ID: h@x\r\n"
             "CSeq: %u %s\r\nContent-Length: 0\r\n\r\n",
             method, uri, tls ? "TLS" : "UDP", method, cseq, more, to_tag, cseq, method);
    raw_send(x->carrier, "10.0.0.1:5061", x->outside, text);
    run(x);
}

/* Reads Contact and Record-Route, or Route rows from a list of values: RFC 3261 12.1.1, 12.1.2. */
static void learn(const struct raw_message *m, bool last_first, char *target, char *route)
{
    struct sw_hdr hdrs[SW_HDRS_MAX];
    struct sw_slice value[16];
    struct sw_msg msg;
    struct sw_addr a;
    unsigned n = 0;
    assert_non_null(m);
    assert_int_equal(sw_msg_parse(m->text, strlen(m->text), hdrs, SW_HDRS_MAX, &msg), SW_OK);
    struct sw_values values = sw_values(&msg, SW_HDR_RECORD_ROUTE);
    while (sw_values_addr(&values, &a) == SW_OK && n < 16)
        value[n++] = a.whole;
    struct sw_buf b = sw_buf(route, TEXT_MAX - 1);
    for (unsigned i = 0; i < n; i++) {
        sw_buf_lit(&b, "Route: ");
        sw_buf_slice(&b, value[last_first ? n - 1 - i : i]);
        sw_buf_lit(&b, "\r\n");
    }
    route[b.n] = 0;
    if (!target)
        return;
    values = sw_values(&msg, SW_HDR_CONTACT);
    assert_int_equal(sw_values_addr(&values, &a), SW_OK);
    snprintf(target, TEXT_MAX, "%.*s", (int)a.uri.n, a.uri.p);
}

/* The PBX's answer: further systems inside have put their Record-Route before ours. */
static void pbx_answers(struct scene *x, const char *request, unsigned nth, const char *line,
                        const char *rows, const char *more)
{
    char text[TEXT_MAX * 2] = "", copied[TEXT_MAX] = "", head[128];
    const struct raw_message *m = raw_nth(x->pbx, request, nth);
    assert_non_null(m);
    snprintf(text, sizeof(text), "%s", m->text);
    for (char *row = strtok(text, "\r\n"); row; row = strtok(NULL, "\r\n"))
        if (strncmp(row, "Via:", 4) == 0 || strncmp(row, "From:", 5) == 0 ||
            strncmp(row, "Call-ID:", 8) == 0 || strncmp(row, "CSeq:", 5) == 0 ||
            strncmp(row, "Record-Route:", 13) == 0 || strncmp(row, "To:", 3) == 0) {
            bool rr = row[0] == 'R', to = strncmp(row, "To:", 3) == 0 && !strstr(row, ";tag=");
            snprintf(copied + strlen(copied), sizeof(copied) - strlen(copied), "%s%s%s\r\n",
                     rr ? rows : "", row, to ? ";tag=in" : "");
            if (rr)
                rows = "";
        }
    snprintf(head, sizeof(head), "SIP/2.0 %s\r\n", line);
    snprintf(text, sizeof(text), "%s%s%s%sContent-Length: 0\r\n\r\n", head, copied, rows, more);
    raw_send(x->pbx, "10.1.0.1:5060", SW_UDP, text);
    run(x);
}

static void carrier_answers(struct scene *x, const char *request, unsigned nth, const char *line,
                            const char *more)
{
    const struct raw_message *m = raw_nth(x->carrier, request, nth);
    assert_non_null(m);
    raw_answer(x->carrier, m, line, more);
    run(x);
}

#define OURS                                                                                       \
    "Contact: \"In\" <sip:phone@10.1.0.77:5070;transport=tcp>;q=0.5;+sip.instance=\"<urn:x>\"\r\n"
#define OURS_2 "Contact: sip:phone2@phone.inside\r\n"
#define THEIRS "Contact: <sip:far@192.0.2.77;transport=tls>\r\n"

/* The inside calls: 180, 2xx, ACK, target refresh from both sides, BYE by the carrier. RFC 3261 12,
 * 13, 14; RFC 3311 */
static void call_out(struct scene *x)
{
    from_pbx(x, "INVITE", "sip:b@b.test", ROUTES OURS, "", 1);
    from_pbx(x, "INVITE", "sip:b@b.test", ROUTES OURS, "", 1); /* again: 17.2.1 */
    carrier_answers(x, "INVITE", 0, "180 Ringing", THEIRS);
    carrier_answers(x, "INVITE", 0, "200 OK", THEIRS);
    learn(raw_nth(x->carrier, "INVITE", 0), false, x->target, x->route);
    learn(raw_nth(x->pbx, "SIP/2.0 200", 0), true, NULL, x->pbx_route);
    from_pbx(x, "ACK", "sip:far@192.0.2.77;transport=tls",
             strstr(x->pbx_route, "<sip:10.1.0.1") - 7, ";tag=raw", 1);
    from_carrier(x, "INVITE", x->target, x->route, ";tag=raw", 10);
    pbx_answers(x, "INVITE sip:phone@10.1.0.77:5070;transport=tcp SIP/2.0", 0, "200 OK", "",
                OURS_2);
    learn(raw_nth(x->carrier, "SIP/2.0 200", 0), true, x->target, x->pbx_route);
    from_carrier(x, "ACK", x->target, x->route, ";tag=raw", 10);
    learn(raw_nth(x->pbx, "SIP/2.0 200", 0), true, NULL, x->pbx_route);
    from_pbx(x, "UPDATE", "sip:far@192.0.2.77;transport=tls",
             strstr(x->pbx_route, "<sip:10.1.0.1") - 7, ";tag=raw", 2);
    carrier_answers(x, "UPDATE", 0, "200 OK", THEIRS);
    from_carrier(x, "BYE", x->target, x->route, ";tag=raw", 11);
    pbx_answers(x, "BYE sip:phone2@phone.inside SIP/2.0", 0, "200 OK", "", "");
    assert_int_equal(raw_count(x->carrier, "SIP/2.0 200"), 2);
}

/* The carrier calls, from behind a proxy of its own; further systems inside record the route. */
static void call_in(struct scene *x)
{
    from_carrier(x, "INVITE", "sip:a@example.test", "Record-Route: <sip:192.0.2.5;lr>\r\n" THEIRS,
                 "", 1);
    pbx_answers(x, "INVITE", 0, "183 Session Progress", ROUTES, OURS);
    pbx_answers(x, "INVITE", 0, "200 OK", ROUTES, OURS);
    learn(raw_nth(x->carrier, "SIP/2.0 200", 0), true, x->target, x->route);
    char *own = strstr(x->route, "\r\n") + 2; /* its proxy takes its own value off */
    from_carrier(x, "ACK", x->target, own, ";tag=in", 1);
    assert_int_equal(raw_count(x->pbx, "ACK sip:phone@10.1.0.77:5070;transport=tcp SIP/2.0"), 1);
    learn(raw_nth(x->pbx, "INVITE", 0), false, NULL, x->pbx_route);
    from_pbx(x, "INVITE", "sip:far@192.0.2.77;transport=tls", "", ";tag=raw", 7);
    from_pbx(x, "UPDATE", "sip:far@192.0.2.77;transport=tls", x->pbx_route, ";tag=raw", 8);
    carrier_answers(x, "UPDATE", 0, "200 OK", THEIRS);
    from_carrier(x, "BYE", x->target, own, ";tag=in", 2);
    pbx_answers(x, "BYE", 0, "200 OK", "", "");
    assert_int_equal(raw_count(x->carrier, "SIP/2.0 200"), 2);
}

/* A cancelled call and its non-2xx ACKs, a refused one, a redirected one. RFC 3261 8.1.3.4, 9 */
static void other_ends(struct scene *x)
{
    from_pbx(x, "INVITE", "sip:b@b.test", ROUTES OURS, "", 1);
    carrier_answers(x, "INVITE", 0, "180 Ringing", THEIRS);
    from_pbx(x, "CANCEL", "sip:b@b.test", "", "", 1);
    raw_send(x->pbx, "10.1.0.1:5060", SW_UDP,
             "CANCEL sip:b@b.test SIP/2.0\r\n"
             "Via: SIP/2.0/UDP 10.1.0.9:5060;branch=z9hG4bKINVITE1;rport\r\nMax-Forwards: 69\r\n"
             "From: <sip:a@a.test>;tag=raw\r\nTo: <sip:b@b.test>\r\nCall-ID: h@x\r\n"
             "CSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n");
    run(x);
    carrier_answers(x, "CANCEL", 0, "200 OK", "");
    carrier_answers(x, "INVITE", 0, "487 Request Terminated", "");
    assert_int_equal(raw_count(x->carrier, "ACK"), 1);
    assert_true(raw_count(x->pbx, "SIP/2.0 487") > 0);
    from_carrier(x, "INVITE", "sip:a@example.test", THEIRS, "", 5);
    pbx_answers(x, "INVITE", 0, "302 Moved Temporarily", "",
                "Contact: <sip:new@core.inside>;q=1, <tel:+1555>;q=0.5\r\n");
    assert_int_equal(raw_count(x->carrier, "SIP/2.0 302"), 1);
    const struct raw_message *moved = raw_nth(x->carrier, "SIP/2.0 302", 0);
    assert_non_null(strstr(moved->text, ">;q=1, <tel:+1555>;q=0.5\r\n"));
    learn(moved, true, x->target, x->route);
    from_carrier(x, "INVITE", x->target, THEIRS, "", 6); /* RFC 3261 8.1.3.4 */
    pbx_answers(x, "INVITE sip:new@core.inside SIP/2.0", 0, "486 Busy Here", "", "");
    assert_int_equal(raw_count(x->carrier, "SIP/2.0 486"), 1);
}

/* Registered with the carrier by way of a proxy inside. RFC 3261 10, RFC 3327, RFC 3608 */
static void registration(struct scene *x)
{
    char rows[TEXT_MAX];
    const struct raw_message *m;
    from_pbx(x, "REGISTER", "sip:b.test",
             "Path: <sip:10.1.0.9;lr;ob>\r\nPath: <sip:core.inside;lr>\r\n" OURS
             "Contact: <sip:phone2@phone.inside>;expires=60\r\n",
             "", 1);
    m = raw_nth(x->carrier, "REGISTER", 0);
    assert_non_null(m);
    const char *path = strstr(m->text, "Path: "), *contact = strstr(m->text, "Contact: ");
    snprintf(rows, sizeof(rows), "%.*s%.*s",
             (int)(strstr(path, "From:") - path > 0 ? contact - path : 0), path,
             (int)(strstr(contact, "From:") - contact), contact);
    carrier_answers(x, "REGISTER", 0, "200 OK", rows);
    assert_int_equal(raw_count(x->pbx, "SIP/2.0 200"), 1);
    learn(m, false, x->target, x->route);
    /* a call to what was registered, by its Path */
    snprintf(x->route, sizeof(x->route), "%.*s", (int)(contact - path), path);
    char *route = x->route;
    for (char *p = strstr(route, "Path:"); p; p = strstr(p, "Path:")) {
        memmove(p + 5, p + 4, strlen(p + 4) + 1);
        memcpy(p, "Route", 5);
    }
    from_carrier(x, "MESSAGE", x->target, route, "", 9);
    pbx_answers(x, "MESSAGE sip:phone@10.1.0.77:5070;transport=tcp", 0, "200 OK", "", "");
    assert_int_equal(raw_count(x->carrier, "SIP/2.0 200"), 1);
}

/* The other way round: the registrar is inside, and says by which route to come. */
static void registration_in(struct scene *x)
{
    from_carrier(x, "REGISTER", "sip:example.test", THEIRS, "", 1);
    pbx_answers(x, "REGISTER", 0, "200 OK", "",
                "Service-Route: <sip:10.1.0.9;lr>\r\nService-Route: <sip:core.inside;lr>\r\n");
    assert_int_equal(raw_count(x->carrier, "SIP/2.0 200"), 1);
}

static bool names_inside(const char *text)
{
    return strstr(text, "10.1.0.") || strstr(text, ".inside") || strstr(text, "2001:db8::9");
}

static bool carrier_sees_inside(const struct scene *x)
{
    for (unsigned i = 0; i < x->carrier->count; i++)
        if (names_inside(x->carrier->got[i].text))
            return true;
    return false;
}

static void assert_same(const struct raw *plain, const struct raw *hidden)
{
    for (unsigned i = 0; i < plain->count && i < hidden->count; i++)
        assert_string_equal(plain->got[i].text, hidden->got[i].text);
    assert_int_equal(plain->count, hidden->count);
}

static void twice(void (*scene)(struct scene *x), enum sw_transport outside)
{
    struct scene plain, hidden;
    set_up(&plain, outside, false);
    scene(&plain);
    sim_run(plain.sim, INT64_MAX); /* what watches the simulation knows one at a time */
    set_up(&hidden, outside, true);
    scene(&hidden);
    sim_run(hidden.sim, INT64_MAX);
    for (unsigned i = 0; i < hidden.carrier->count; i++)
        if (names_inside(hidden.carrier->got[i].text))
            fail_msg("the carrier sees the inside:\n%s", hidden.carrier->got[i].text);
    assert_true(carrier_sees_inside(&plain)); /* or this test shows nothing */
    assert_same(plain.pbx, hidden.pbx);
    assert_true(plain.pbx->count > 0);
    tear_down(&plain);
    tear_down(&hidden);
}

static void test_call_from_inside_shows_nothing_of_it(void **state)
{
    (void)state;
    twice(call_out, SW_TLS);
    twice(call_out, SW_UDP);
}

static void test_call_from_outside_shows_nothing_of_the_inside(void **state)
{
    (void)state;
    twice(call_in, SW_TLS);
    twice(call_in, SW_UDP);
}

static void test_cancelled_and_redirected_calls_show_nothing(void **state)
{
    (void)state;
    twice(other_ends, SW_TLS);
    twice(other_ends, SW_UDP);
}

static void test_registrations_show_nothing_and_lead_back(void **state)
{
    (void)state;
    twice(registration, SW_TLS);
    twice(registration_in, SW_UDP);
}

int main(void)
{
    (void)method_of;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call_from_inside_shows_nothing_of_it),
        cmocka_unit_test(test_call_from_outside_shows_nothing_of_the_inside),
        cmocka_unit_test(test_cancelled_and_redirected_calls_show_nothing),
        cmocka_unit_test(test_registrations_show_nothing_and_lead_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

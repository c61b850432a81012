/* Requests that come back: a spiral goes on, a loop ends with 482, and a request may go to the
 * gateway itself, on one listener or from one to another. Each pass is a hop like any other:
 * with its own Via, its own Record-Route, and transactions of its own.
 * RFC 3261 16.3 step 4, 16.4, 16.6, 16.7, 16.10; RFC 5393 4.2 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/raw.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>

#define OUTSIDE "10.0.0.1:5061"
#define MIDDLE  "10.2.0.1:5060"
#define INSIDE  "10.1.0.1:5060"
#define CARRIER "10.0.0.9:5061"
#define PBX     "10.1.0.9:5060"

/* What the gateway writes as sent-by: a usual port is left out. */
#define BY_OUTSIDE "sip.example.test"
#define BY_MIDDLE  "10.2.0.1"
#define BY_INSIDE  "10.1.0.1"

enum { ROWS_MAX = 8 };

struct scene {
    struct sim *sim;
    struct gate gate;
    struct raw *carrier, *pbx;
    unsigned passes; /* of requests by the PBX as a proxy */
};

/* Peers beside carrier and PBX whose machine is the gateway itself. */
enum way {
    BY_PBX,    /* none */
    BY_ITSELF, /* "self": from the listener inside to the listener inside */
    BY_ITSELF_FOR_EVER,
    BY_TWO, /* "over": from the middle to inside; "back": the other way */
};

static void set_up(struct scene *x, enum way way, unsigned workers)
{
    struct conf *k = &x->gate.conf;
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(13);
    conf_init(k);
    conf_listener(k, "outside", OUTSIDE, SW_TLS, "sip.example.test");
    conf_listener(k, "middle", MIDDLE, SW_UDP, NULL);
    conf_listener(k, "inside", INSIDE, SW_UDP, NULL);
    conf_peer(k, "carrier", CARRIER, SW_TLS, "carrier.test")->listener = 0;
    conf_peer(k, "pbx", PBX, SW_UDP, NULL)->listener = 2;
    if (way == BY_TWO) {
        conf_peer(k, "over", INSIDE, SW_UDP, NULL)->listener = 1;
        conf_peer(k, "back", MIDDLE, SW_UDP, NULL)->listener = 2;
        conf_route(k, "carrier", "over", NULL);
        conf_route(k, "back", "pbx", NULL);
    } else if (way != BY_PBX) {
        conf_peer(k, "self", INSIDE, SW_UDP, NULL)->listener = 2;
        conf_route(k, "carrier", "self", NULL);
        conf_route(k, "self", way == BY_ITSELF ? "pbx" : "self", NULL);
    } else {
        conf_route(k, "carrier", "pbx", NULL);
    }
    conf_route(k, "pbx", "carrier", NULL);
    gate_start(&x->gate, x->sim, "gate", workers, "example.test", 13);
    x->carrier = raw_new(x->sim, "carrier", CARRIER, SW_TLS);
    x->pbx = raw_new(x->sim, "pbx", PBX, SW_UDP);
    raw_proves(x->carrier, "carrier.test");
}

static void tear_down(struct scene *x)
{
    gate_finish(&x->gate);
}

static void run(struct scene *x)
{
    sim_run(x->sim, x->sim->now_ms + 100);
}

/* ---- messages ---- */

/* The values of the rows with this name, each its own row; how many there are. */
static unsigned rows(const struct raw_message *m, const char *name, char out[ROWS_MAX][1024])
{
    unsigned n = 0;
    size_t len = strlen(name);
    assert_non_null(m);
    for (const char *p = strstr(m->text, "\r\n"); p && p[2]; p = strstr(p + 2, "\r\n"))
        if (strncmp(p + 2, name, len) == 0 && strncmp(p + 2 + len, ": ", 2) == 0) {
            const char *v = p + 4 + len;
            assert_true(n < ROWS_MAX);
            snprintf(out[n++], 1024, "%.*s", (int)strcspn(v, "\r"), v);
        }
    return n;
}

/* That the top Vias were written by these hosts, in this order, and no others stand below. */
static void assert_vias(const struct raw_message *m, const char *const *hosts, unsigned count)
{
    char via[ROWS_MAX][1024];
    assert_int_equal(rows(m, "Via", via), count);
    for (unsigned i = 0; i < count; i++) {
        char wanted[64];
        snprintf(wanted, sizeof(wanted), " %s;", hosts[i]);
        if (!strstr(via[i], wanted))
            fail_msg("Via %u is %s, not of %s", i, via[i], hosts[i]);
    }
}
#define ASSERT_VIAS(m, ...)                                                                        \
    assert_vias(m, (const char *const[]){__VA_ARGS__},                                             \
                sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* The Route rows of a dialog from its Record-Route rows: turned for the side that asked. */
static void routes(const struct raw_message *m, bool turned, char out[4096])
{
    char row[ROWS_MAX][1024];
    unsigned n = rows(m, "Record-Route", row);
    struct sw_buf b = sw_buf(out, 4095);
    for (unsigned i = 0; i < n; i++) {
        sw_buf_str(&b, "Route: ");
        sw_buf_str(&b, row[turned ? n - 1 - i : i]);
        sw_buf_str(&b, "\r\n");
    }
    out[b.n] = 0;
}

static void request(struct raw *from, const char *method, const char *uri, const char *route,
                    const char *tags, const char *branch, unsigned cseq)
{
    char text[8192];
    bool tls = strcmp(from->node->name, "carrier") == 0;
    snprintf(text, sizeof(text),
             "%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\n%s%s"
             "Call-ID: s@x\r\nCSeq: %u %s\r\nContact: <sip:x@%s>\r\nContent-Length: 0\r\n\r\n",
             method, uri, tls ? "TLS" : "UDP", tls ? CARRIER : PBX, branch, route, tags, cseq,
             method, tls ? CARRIER : PBX);
    raw_send(from, tls ? OUTSIDE : INSIDE, tls ? SW_TLS : SW_UDP, text);
}

#define NEW_CALL  "From: <sip:x@x.test>;tag=1\r\nTo: <sip:bob@example.test>\r\n"
#define BY_CALLER "From: <sip:x@x.test>;tag=1\r\nTo: <sip:bob@example.test>;tag=raw\r\n"
#define BY_CALLEE "From: <sip:bob@example.test>;tag=raw\r\nTo: <sip:x@x.test>;tag=1\r\n"

static void invite(struct scene *x)
{
    request(x->carrier, "INVITE", "sip:bob@example.test", "", NEW_CALL, "i", 1);
    run(x);
}

/* The PBX as a proxy: a request goes back to us with another request line, a response without the
 * PBX's Via. */
static void pass_on(struct scene *x, const struct raw_message *m, const char *request_line)
{
    char text[8192];
    assert_non_null(m);
    const char *rest = strstr(m->text, "\r\n") + 2;
    if (request_line) {
        snprintf(text, sizeof(text), "%s\r\nVia: SIP/2.0/UDP " PBX ";branch=z9hG4bKpbx%u\r\n%s",
                 request_line, x->passes++, rest);
    } else {
        assert_int_equal(strncmp(rest, "Via: SIP/2.0/UDP " PBX, 17 + strlen(PBX)), 0);
        snprintf(text, sizeof(text), "%.*s%s", (int)(rest - m->text), m->text,
                 strstr(rest, "\r\n") + 2);
    }
    raw_send(x->pbx, INSIDE, SW_UDP, text);
    run(x);
}

/* ---- by way of a proxy ---- */

static void test_spiral_goes_on_and_its_answer_comes_back_through_each_pass(void **state)
{
    (void)state;
    struct scene x;
    char row[ROWS_MAX][1024];
    set_up(&x, BY_PBX, 2);
    invite(&x);
    pass_on(&x, raw_nth(x.pbx, "INVITE", 0), "INVITE sip:carol@example.test SIP/2.0");
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 482"), 0);
    const struct raw_message *m = raw_nth(x.carrier, "INVITE sip:carol@", 0);
    ASSERT_VIAS(m, BY_OUTSIDE, PBX, BY_INSIDE, CARRIER);
    assert_string_equal(raw_header(m, "Max-Forwards"), "68");
    assert_int_equal(rows(m, "Record-Route", row), 4);
    raw_answer(x.carrier, m, "200 OK", "Contact: <sip:carol@" CARRIER ">\r\n");
    run(&x);
    m = raw_nth(x.pbx, "SIP/2.0 200", 0);
    ASSERT_VIAS(m, PBX, BY_INSIDE, CARRIER);
    pass_on(&x, m, NULL);
    m = raw_nth(x.carrier, "SIP/2.0 200", 0);
    ASSERT_VIAS(m, CARRIER);
    assert_int_equal(rows(m, "Record-Route", row), 4);
    tear_down(&x);
}

static void test_cancel_goes_through_each_pass_of_a_spiral(void **state)
{
    (void)state;
    struct scene x;
    set_up(&x, BY_PBX, 2);
    invite(&x);
    pass_on(&x, raw_nth(x.pbx, "INVITE", 0), "INVITE sip:carol@example.test SIP/2.0");
    raw_answer(x.carrier, raw_nth(x.carrier, "INVITE", 0), "180 Ringing", "");
    run(&x);
    pass_on(&x, raw_nth(x.pbx, "SIP/2.0 180", 0), NULL);
    request(x.carrier, "CANCEL", "sip:bob@example.test", "", NEW_CALL, "i", 1);
    run(&x);
    const struct raw_message *m = raw_nth(x.pbx, "CANCEL sip:bob@", 0);
    ASSERT_VIAS(m, BY_INSIDE); /* RFC 3261 9.1: a CANCEL has one Via, that of its INVITE */
    raw_answer(x.pbx, m, "200 OK", "");
    raw_send(x.pbx, INSIDE, SW_UDP,
             "CANCEL sip:carol@example.test SIP/2.0\r\nVia: SIP/2.0/UDP " PBX
             ";branch=z9hG4bKpbx0\r\nMax-Forwards: 70\r\n" NEW_CALL
             "Call-ID: s@x\r\nCSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n");
    run(&x);
    m = raw_nth(x.carrier, "CANCEL sip:carol@", 0);
    ASSERT_VIAS(m, BY_OUTSIDE);
    raw_answer(x.carrier, m, "200 OK", "");
    raw_answer(x.carrier, raw_nth(x.carrier, "INVITE", 0), "487 Request Terminated", "");
    run(&x);
    pass_on(&x, raw_nth(x.pbx, "SIP/2.0 487", 0), NULL);
    ASSERT_VIAS(raw_nth(x.carrier, "SIP/2.0 487", 0), CARRIER);
    tear_down(&x);
}

static void test_loop_gets_482(void **state)
{
    (void)state;
    struct scene x;
    set_up(&x, BY_PBX, 2);
    invite(&x);
    const struct raw_message *m = raw_nth(x.pbx, "INVITE", 0);
    char line[256];
    snprintf(line, sizeof(line), "%.*s", (int)strcspn(m->text, "\r"), m->text);
    pass_on(&x, m, line); /* to the carrier: it is the PBX that sends it now */
    assert_int_equal(raw_count(x.carrier, "INVITE"), 1);
    m = raw_nth(x.carrier, "INVITE", 0);
    char text[8192];
    snprintf(text, sizeof(text), "%.*s\r\nVia: SIP/2.0/TLS " CARRIER ";branch=z9hG4bKloop\r\n%s",
             (int)strcspn(m->text, "\r"), m->text, strstr(m->text, "\r\n") + 2);
    raw_send(x.carrier, OUTSIDE, SW_TLS, text);
    run(&x);
    /* the carrier sends it to the PBX, which sends it to us once more: RFC 5393 4.2.2 */
    pass_on(&x, raw_nth(x.pbx, "INVITE", 1), line);
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 482"), 1);
    assert_int_equal(raw_count(x.carrier, "INVITE"), 1);
    tear_down(&x);
}

/* ---- to itself ---- */

static void test_request_to_itself_is_a_spiral_and_its_answer_comes_back(void **state)
{
    (void)state;
    struct scene x;
    set_up(&x, BY_ITSELF, 1);
    invite(&x);
    const struct raw_message *m = raw_nth(x.pbx, "INVITE sip:bob@" PBX, 0);
    ASSERT_VIAS(m, BY_INSIDE, BY_INSIDE, CARRIER);
    assert_string_equal(raw_header(m, "Max-Forwards"), "68");
    raw_answer(x.pbx, m, "486 Busy Here", "");
    run(&x);
    ASSERT_VIAS(raw_nth(x.carrier, "SIP/2.0 486", 0), CARRIER);
    assert_int_equal(raw_count(x.pbx, "ACK"), 1); /* hop by hop: RFC 3261 17.1.1.3 */
    tear_down(&x);
}

static void test_request_to_itself_for_ever_gets_482(void **state)
{
    (void)state;
    struct scene x;
    set_up(&x, BY_ITSELF_FOR_EVER, 2);
    invite(&x);
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 482"), 1);
    assert_int_equal(raw_count(x.pbx, "INVITE"), 0);
    /* found when it came back for the second time, not by Max-Forwards */
    assert_true(x.sim->stats.datagrams < 20);
    tear_down(&x);
}

static void test_options_to_the_gateways_own_address_is_answered_once(void **state)
{
    (void)state;
    struct scene x;
    set_up(&x, BY_ITSELF_FOR_EVER, 2);
    request(x.carrier, "OPTIONS", "sip:" INSIDE, "", NEW_CALL, "o", 1);
    run(&x);
    ASSERT_VIAS(raw_nth(x.carrier, "SIP/2.0 200", 0), CARRIER);
    assert_int_equal(x.sim->stats.datagrams, 0);
    tear_down(&x);
}

/* ---- through itself, over two listeners ---- */

/* A call that is answered and acknowledged; the Route rows of both sides. */
static void through_itself(struct scene *x, char carrier[4096], char pbx[4096])
{
    char row[ROWS_MAX][1024];
    invite(x);
    const struct raw_message *m = raw_nth(x->pbx, "INVITE sip:bob@" PBX, 0);
    ASSERT_VIAS(m, BY_INSIDE, BY_MIDDLE, CARRIER);
    assert_int_equal(rows(m, "Record-Route", row), 3);
    /* the second pass came in and left inside; the first came in outside and left in the middle:
     * RFC 5658 5 */
    assert_non_null(strstr(row[0], "sip:" INSIDE ";lr;sw=s"));
    assert_non_null(strstr(row[1], "sip:" MIDDLE ";lr;sw=b"));
    assert_non_null(strstr(row[2], "sip:sip.example.test:5061;transport=tls;lr;sw=a"));
    routes(m, false, pbx);
    raw_answer(x->pbx, m, "200 OK", "Contact: <sip:bob@" PBX ">\r\n");
    run(x);
    m = raw_nth(x->carrier, "SIP/2.0 200", 0);
    ASSERT_VIAS(m, CARRIER);
    routes(m, true, carrier);
    request(x->carrier, "ACK", "sip:bob@" PBX, carrier, BY_CALLER, "a", 1);
    run(x);
    m = raw_nth(x->pbx, "ACK sip:bob@" PBX, 0);
    ASSERT_VIAS(m, BY_INSIDE, BY_MIDDLE, CARRIER);
    assert_null(strstr(m->text, "\r\nRoute:"));
}

static void test_call_through_itself_over_two_listeners_keeps_its_dialog(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        struct scene x;
        char carrier[4096], pbx[4096];
        set_up(&x, BY_TWO, workers);
        through_itself(&x, carrier, pbx);
        request(x.pbx, "INFO", "sip:x@" CARRIER, pbx, BY_CALLEE, "p", 1);
        run(&x);
        const struct raw_message *m = raw_nth(x.carrier, "INFO sip:x@" CARRIER, 0);
        ASSERT_VIAS(m, BY_OUTSIDE, BY_INSIDE, PBX);
        assert_null(strstr(m->text, "\r\nRoute:"));
        raw_answer(x.carrier, m, "200 OK", "");
        run(&x);
        ASSERT_VIAS(raw_nth(x.pbx, "SIP/2.0 200", 0), PBX);
        request(x.carrier, "BYE", "sip:bob@" PBX, carrier, BY_CALLER, "b", 2);
        run(&x);
        m = raw_nth(x.pbx, "BYE sip:bob@" PBX, 0);
        ASSERT_VIAS(m, BY_INSIDE, BY_MIDDLE, CARRIER);
        assert_null(strstr(m->text, "\r\nRoute:"));
        raw_answer(x.pbx, m, "200 OK", "");
        run(&x);
        ASSERT_VIAS(raw_nth(x.carrier, "SIP/2.0 200", 1), CARRIER);
        tear_down(&x);
    }
}

static void test_cancel_goes_through_itself_over_two_listeners(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        struct scene x;
        set_up(&x, BY_TWO, workers);
        invite(&x);
        raw_answer(x.pbx, raw_nth(x.pbx, "INVITE", 0), "180 Ringing", "");
        run(&x);
        ASSERT_VIAS(raw_nth(x.carrier, "SIP/2.0 180", 0), CARRIER);
        request(x.carrier, "CANCEL", "sip:bob@example.test", "", NEW_CALL, "i", 1);
        run(&x);
        assert_int_equal(raw_count(x.carrier, "SIP/2.0 200"), 1);
        const struct raw_message *m = raw_nth(x.pbx, "CANCEL sip:bob@" PBX, 0);
        ASSERT_VIAS(m, BY_INSIDE);
        raw_answer(x.pbx, m, "200 OK", "");
        raw_answer(x.pbx, raw_nth(x.pbx, "INVITE", 0), "487 Request Terminated", "");
        run(&x);
        ASSERT_VIAS(raw_nth(x.carrier, "SIP/2.0 487", 0), CARRIER);
        assert_int_equal(raw_count(x.pbx, "ACK"), 1);
        tear_down(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spiral_goes_on_and_its_answer_comes_back_through_each_pass),
        cmocka_unit_test(test_cancel_goes_through_each_pass_of_a_spiral),
        cmocka_unit_test(test_loop_gets_482),
        cmocka_unit_test(test_request_to_itself_is_a_spiral_and_its_answer_comes_back),
        cmocka_unit_test(test_request_to_itself_for_ever_gets_482),
        cmocka_unit_test(test_options_to_the_gateways_own_address_is_answered_once),
        cmocka_unit_test(test_call_through_itself_over_two_listeners_keeps_its_dialog),
        cmocka_unit_test(test_cancel_goes_through_itself_over_two_listeners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

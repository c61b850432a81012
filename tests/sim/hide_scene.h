/* A carrier that is not to see what is inside, and a PBX behind which there is more: what the tests
 * of topology hiding share. The carrier acts on what it sees: it sends to the Contact by the route
 * set, as RFC 3261 12 says. */
#ifndef TESTS_SIM_HIDE_SCENE_H
#define TESTS_SIM_HIDE_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"
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
    enum sw_transport outside;
    /* what the carrier learned of the dialog */
    char target[TEXT_MAX], route[TEXT_MAX];
    /* what the PBX learned of it */
    char pbx_route[TEXT_MAX];
};

static inline void configure(struct conf *k, enum sw_transport outside, bool hide)
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

static inline void set_up(struct scene *x, enum sw_transport outside, bool hide)
{
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(17);
    x->outside = outside;
    x->sim->verbose = getenv("SIM_VERBOSE");
    configure(&x->gate.conf, outside, hide);
    gate_start(&x->gate, x->sim, "gate", 2, "example.test", 17);
    x->carrier = raw_new(x->sim, "carrier", "10.0.0.9:5061", outside);
    x->pbx = raw_new(x->sim, "pbx", "10.1.0.9:5060", SW_UDP);
    raw_proves(x->carrier, "carrier.test");
}

static inline void tear_down(struct scene *x)
{
    gate_finish(&x->gate);
}

static inline void run(struct scene *x)
{
    sim_run(x->sim, x->sim->now_ms + 100);
}

static inline void from_pbx(struct scene *x, const char *method, const char *uri, const char *more,
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

static inline void from_carrier(struct scene *x, const char *method, const char *uri,
                                const char *more, const char *to_tag, unsigned cseq)
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
static inline void learn(const struct raw_message *m, bool last_first, char *target, char *route)
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
static inline void pbx_answers(struct scene *x, const char *request, unsigned nth, const char *line,
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

static inline void carrier_answers(struct scene *x, const char *request, unsigned nth,
                                   const char *line, const char *more)
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

/* Addresses inside as bytes, such as in the seal of a plain Record-Route, whatever letter of a run
 * of base64url they begin at. */
static inline bool encodes_inside(const char *run, size_t n)
{
    static const uint8_t network[] = {10, 1, 0};
    uint8_t bytes[4096];
    for (size_t skip = 0; skip < 4 && skip < n; skip++) {
        size_t whole = (n - skip) / 4 * 4; /* four letters are three bytes */
        if (whole < 16 || whole * 3 / 4 > sizeof(bytes) ||
            !sw_base64_get(sw_slice(run + skip, whole), bytes, whole * 3 / 4))
            continue;
        for (size_t i = 0; i + 4 <= whole * 3 / 4; i++)
            if (memcmp(bytes + i, network, 3) == 0 &&
                (bytes[i + 3] == 9 || bytes[i + 3] == 77 || bytes[i + 3] == 1))
                return true;
    }
    return false;
}

static inline bool names_inside(const char *text)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if (strstr(text, "10.1.0.") || strstr(text, ".inside") || strstr(text, "2001:db8::9"))
        return true;
    for (const char *p = text; *p;) {
        size_t n = strspn(p, letters);
        if (n >= 16 && encodes_inside(p, n))
            return true;
        p += n ? n : 1;
    }
    return false;
}

#endif

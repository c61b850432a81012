/* sips: each row of the table in docs/sips.md goes through a whole gateway, and what the table does
 * not hold: dialogs, ACK, answers, what is not tried again. RFC 3261 26.2.2, RFC 5630 5.3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/raw.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROWS_MIN = 57, ROW_BYTES = 512, CELLS = 10, HOUR_MS = 3600 * 1000 };

/* A row of the table: its cells in their order. */
struct row {
    char text[ROW_BYTES];
    const char *id, *over, *uri, *route, *contact, *sender, *target, *outcome, *rr;
};

struct scene {
    struct sim *sim;
    struct gate gate;
    struct raw *caller_tls, *caller_udp, *target_tls, *target_udp;
    struct sw_ident *caller_ident, *target_ident, *other_ident;
};

static struct sw_pin pin = {.of_key = false, .name = "pin"};

static bool has(const char *text, const char *word)
{
    return strstr(text, word) != NULL;
}

static void policy_of(struct sw_peer_conf *p, const char *words)
{
    p->sips = has(words, "require") ? SW_SIPS_REQUIRE
              : has(words, "deny")  ? SW_SIPS_DENY
                                    : SW_SIPS_ALLOW;
    p->sip_contact = has(words, "tolerate");
    if (has(words, "chain"))
        p->verify = SW_VERIFY_CHAIN;
    if (has(words, "pinned")) {
        p->pins = &pin;
        p->pin_count = 1;
    }
}

/* caller_tls (10.0.0.9) and caller_udp (10.1.0.9) are two peers; what they send goes to the target,
 * which is one of "target" (TLS, 10.0.0.8), "effort" (the same with best-effort) and "plain" (UDP).
 */
static void scene_init(struct scene *x, const char *sender, const char *target)
{
    struct conf *k = &x->gate.conf;
    bool effort = has(target, "effort"), plain = has(target, "udp");
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(5);
    conf_init(k);
    conf_listener(k, "outside", "10.0.0.1:5061", SW_TLS, "sip.example.test");
    conf_listener(k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    policy_of(conf_peer(k, "caller", "10.0.0.9:5061", SW_TLS, "caller.test"), sender);
    struct sw_peer_conf *udp = conf_peer(k, "pbx", "10.1.0.9:5060", SW_UDP, NULL);
    udp->tcp = true;
    policy_of(udp, sender);
    struct sw_peer_conf *t = conf_peer(k, "target", "10.0.0.8:5061", SW_TLS, "target.test");
    policy_of(t, target);
    t->best_effort = k->proxy.best_effort = effort;
    t->clear_address = sim_endpoint("10.1.0.8:5060");
    conf_peer(k, "plain", "10.1.0.8:5060", SW_UDP, NULL);
    for (int i = 0; i < 2; i++) {
        const char *from = i ? "pbx" : "caller";
        if (plain && has(target, "tls"))
            conf_route(k, from, "plain", "target", NULL);
        else
            conf_route(k, from, plain ? "plain" : "target", NULL);
    }
    gate_start(&x->gate, x->sim, "gate", 1, "example.test", 5);
    if (has(target, "spoke"))
        atomic_store(&k->state[2].spoke_tls_ms, x->sim->now_ms - HOUR_MS);
    x->caller_ident = conf_ident("caller.test");
    x->target_ident = conf_ident("target.test");
    memset(x->target_ident->fingerprint, 7, sizeof(x->target_ident->fingerprint));
    memset(pin.sha256, 7, sizeof(pin.sha256));
    x->other_ident = conf_ident("other.test");
    x->caller_tls = raw_new(x->sim, "caller", "10.0.0.9:5061", SW_TLS);
    x->caller_tls->node->ident = x->caller_ident;
    x->caller_udp = raw_new(x->sim, "pbx", "10.1.0.9:5060", SW_UDP);
    x->target_udp = raw_new(x->sim, "plain", "10.1.0.8:5060", SW_UDP);
    bool refuses = has(target, "refuses") || has(target, "spoke") || strcmp(target, "effort") == 0;
    x->target_tls = raw_new(x->sim, "target", refuses ? "10.0.0.99:5061" : "10.0.0.8:5061", SW_TLS);
    x->target_tls->node->ident = has(target, "other name") ? x->other_ident : x->target_ident;
    x->target_tls->refuse = has(target, "drops");
}

static void scene_fini(struct scene *x)
{
    gate_finish(&x->gate);
    free(x->caller_ident);
    free(x->target_ident);
    free(x->other_ident);
}

/* ---- the request of a row ---- */

static void put_uri(char *out, size_t cap, const char *words)
{
    bool elsewhere = has(words, "elsewhere"), sips = has(words, "sips");
    const char *params = has(words, ";transport=udp")   ? ";transport=udp"
                         : has(words, ";transport=tcp") ? ";transport=tcp"
                                                        : "";
    if (has(words, "tel"))
        snprintf(out, cap, "tel:+4930123");
    else
        snprintf(out, cap, "%s:bob@%s%s", sips ? "sips" : "sip",
                 elsewhere ? "elsewhere.test" : "example.test", params);
}

static const char *contact_of(const char *words)
{
    if (strcmp(words, "none") == 0)
        return "";
    if (strcmp(words, "both") == 0)
        return "Contact: <sips:a@10.0.0.9>, <sip:a@10.0.0.9>\r\n";
    if (strcmp(words, "tel") == 0)
        return "Contact: <tel:+4930>\r\n";
    return strcmp(words, "sips") == 0 ? "Contact: <sips:a@10.0.0.9>\r\n"
                                      : "Contact: <sip:a@10.0.0.9>\r\n";
}

static void put_route(char *out, size_t cap, const char *words)
{
    if (words[0] == '-')
        out[0] = 0;
    else
        snprintf(out, cap, "Route: <%s:next.test%s%s>\r\n", has(words, "sips") ? "sips" : "sip",
                 has(words, ";transport=udp") ? ";transport=udp" : "",
                 has(words, "strict") ? "" : ";lr");
}

static struct raw *send_invite(struct scene *x, const struct row *r)
{
    enum sw_transport t = has(r->over, "tls") ? SW_TLS : has(r->over, "tcp") ? SW_TCP : SW_UDP;
    struct raw *from = t == SW_TLS ? x->caller_tls : x->caller_udp;
    const char *via = t == SW_TLS   ? "TLS 10.0.0.9:5061"
                      : t == SW_TCP ? "TCP 10.1.0.9:5060"
                                    : "UDP 10.1.0.9:5060";
    char uri[128], route[128], text[2048];
    put_uri(uri, sizeof(uri), r->uri);
    put_route(route, sizeof(route), r->route);
    snprintf(text, sizeof(text),
             "INVITE %s SIP/2.0\r\nVia: SIP/2.0/%s;branch=z9hG4bKrow\r\nMax-Forwards: 70\r\n%s"
             "From: <sip:a@caller.test>;tag=1\r\nTo: <sip:bob@example.test>\r\nCall-ID: row@x\r\n"
             "CSeq: 1 INVITE\r\n%sContent-Length: 0\r\n\r\n",
             uri, via, route, contact_of(r->contact));
    raw_send(from, t == SW_TLS ? "10.0.0.1:5061" : "10.1.0.1:5060", t, text);
    return from;
}

/* ---- what came of it ---- */

static void scheme_of(const char *uri, char *out, size_t cap)
{
    snprintf(out, cap, "%.*s", (int)strcspn(uri, ":"), uri);
}

/* "sips over tls", or "480/380"; in `rr` the scheme of our Record-Route rows, all of them. */
static void outcome_of(struct scene *x, struct raw *from, char *out, size_t cap, char *rr)
{
    const struct raw_message *m = raw_nth(x->target_tls, "INVITE", 0);
    const struct raw_message *clear = raw_nth(x->target_udp, "INVITE", 0);
    rr[0] = 0;
    if (m && clear) {
        snprintf(out, cap, "left twice");
    } else if (m || clear) {
        m = m ? m : clear;
        char scheme[16];
        scheme_of(m->text + strlen("INVITE "), scheme, sizeof(scheme));
        snprintf(out, cap, "%s over %.*s", scheme,
                 (int)sw_transport_name((enum sw_transport)m->flow.transport).n,
                 sw_transport_name((enum sw_transport)m->flow.transport).p);
        bool sips = has(m->text, "Record-Route: <sips:"), sip = has(m->text, "Record-Route: <sip:");
        snprintf(rr, 16, "%s", sips && sip ? "mixed" : sips ? "sips" : sip ? "sip" : "");
        if (sips && has(m->text, "transport=tls;lr;sw="))
            snprintf(rr, 16, "transport=tls");
        raw_answer(m == clear ? x->target_udp : x->target_tls, m, "486 Busy Here", "");
    } else {
        const struct raw_message *a = raw_nth(from, "SIP/2.0 4", 0);
        a = a ? a : raw_nth(from, "SIP/2.0 5", 0);
        const char *warning = a ? raw_header(a, "Warning") : "";
        snprintf(out, cap, "%.3s%s%.3s", a ? a->text + 8 : "nothing", warning[0] ? "/" : "",
                 warning);
    }
}

static char *trim(char *s)
{
    while (*s == ' ')
        s++;
    for (size_t n = strlen(s); n && s[n - 1] == ' '; n--)
        s[n - 1] = 0;
    return s;
}

static bool read_row(const char *line, struct row *r)
{
    char *cell[CELLS + 2], *at;
    size_t n = 0;
    if (strncmp(line, "| S", 3) != 0)
        return false;
    snprintf(r->text, sizeof(r->text), "%s", line);
    at = r->text + 1;
    for (char *bar; n < CELLS && (bar = strchr(at, '|')); at = bar + 1) {
        *bar = 0;
        cell[n++] = trim(at);
    }
    if (n != CELLS)
        fail_msg("a row with %zu cells: %s", n, line);
    r->id = cell[0], r->over = cell[1], r->uri = cell[2], r->route = cell[3], r->contact = cell[4];
    r->sender = cell[5], r->target = cell[6], r->outcome = cell[7], r->rr = cell[8];
    return true;
}

static unsigned check_row(const struct row *r)
{
    struct scene x;
    char got[64], rr[16];
    scene_init(&x, r->sender, r->target);
    struct raw *from = send_invite(&x, r);
    sim_run(x.sim, x.sim->now_ms + 3000);
    outcome_of(&x, from, got, sizeof(got), rr);
    bool same = strcmp(got, r->outcome) == 0 && strcmp(rr, r->rr) == 0;
    if (!same)
        print_error("%s: %s, Record-Route %s; the table says %s, %s\n", r->id, got, rr, r->outcome,
                    r->rr);
    scene_fini(&x);
    return !same;
}

/* docs/sips.md "The table": RFC 3261 8.1.1.8, 16.6, 19.1.1, 26.2.2, 26.4.4; RFC 5630 5.1.1, 5.3 */
static void test_sips_each_row_of_the_table_holds(void **state)
{
    (void)state;
    FILE *f = fopen(SIPS_TABLE, "r");
    char line[ROW_BYTES], last[8] = "";
    unsigned rows = 0, wrong = 0;
    struct row r;
    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\n")] = 0;
        if (!read_row(line, &r))
            continue;
        if (strcmp(r.id, last) <= 0)
            fail_msg("%s does not follow %s", r.id, last);
        snprintf(last, sizeof(last), "%s", r.id);
        wrong += check_row(&r);
        rows++;
    }
    fclose(f);
    assert_int_equal(wrong, 0);
    assert_true(rows >= ROWS_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sips_each_row_of_the_table_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

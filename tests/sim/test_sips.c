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

enum { ROWS_MIN = 130, ROW_BYTES = 512, CELLS = 10, HOUR_MS = 3600 * 1000 };

/* A row of the table: its cells in their order. */
struct row {
    char text[ROW_BYTES];
    const char *id, *over, *uri, *route, *contact, *sender, *target, *outcome, *rr;
};

struct scene {
    struct sim *sim;
    struct gate gate;
    struct zone zone;
    struct raw *caller_tls, *caller_udp, *target_tls, *second_tls, *target_udp;
    struct sw_ident *caller_ident, *target_ident, *second_ident;
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

/* A target's peers in their order, each with its words: "tls deny, udp", "tls, other name"; and
 * where the DNS or ENUM leads: "dns", "enum sips, tls deny". */
struct places {
    char words[3][64];
    const char *names[3];
    unsigned count;
    const char *lookup; /* NULL: a route leads to the peers */
};

static void read_places(const char *cell, struct places *x)
{
    *x = (struct places){.lookup = has(cell, "dns") || has(cell, "enum") ? cell : NULL};
    while (*cell) {
        size_t n = strcspn(cell, ",");
        bool tls = strncmp(cell, "tls", 3) == 0 || strncmp(cell, "effort", 6) == 0;
        if (tls || strncmp(cell, "udp", 3) == 0) {
            x->names[x->count] = !tls                                             ? "plain"
                                 : x->count && strcmp(x->names[0], "target") == 0 ? "second"
                                                                                  : "target";
            snprintf(x->words[x->count++], sizeof(x->words[0]), "%.*s", (int)n, cell);
        }
        cell += n + strspn(cell + n, ", ");
    }
}

static const char *words_of(const struct places *x, const char *name)
{
    for (unsigned i = 0; i < x->count; i++)
        if (strcmp(x->names[i], name) == 0)
            return x->words[i];
    return "";
}

/* Whose requests the first route takes, and where both lead. */
static void routes_to(struct conf *k, const struct places *to, bool verified)
{
    for (int i = 0; i < 2; i++) {
        const char *from = i ? "pbx" : "caller", *const *n = to->names;
        struct sw_route_conf *r = to->lookup       ? conf_route(k, from, NULL)
                                  : to->count == 2 ? conf_route(k, from, n[0], n[1], NULL)
                                                   : conf_route(k, from, n[0], NULL);
        if (to->lookup) {
            r->lookup = has(to->lookup, "dns") ? SW_LOOKUP_DNS : SW_LOOKUP_ENUM;
            r->suffix = SW_SLICE("e164.arpa");
        }
        if (verified && i == 0)
            r->from = SW_FROM_VERIFIED;
    }
}

/* elsewhere.test and next.test are nobody's, and at the target's address. A number leads to
 * elsewhere.test, or to the target's domain if it is one of the places. */
static void zone_init(struct scene *x, const struct places *to)
{
    static const char number[] = "3.2.1.0.3.9.4.e164.arpa";
    char rule[64];
    const char *const names[] = {"_sips._tcp.elsewhere.test", "_sips._tcp.next.test"};
    bool none = has(to->lookup, "without tls");
    for (int i = 0; i < 2; i++)
        zone_srv(&x->zone, names[i], none ? 0 : 1, 0, none ? 0 : 5061, none ? "" : "h.test");
    zone_address(&x->zone, "h.test", "10.0.0.8");
    snprintf(rule, sizeof(rule), "!^.*$!%s:x@%s.test!", has(to->lookup, "sips") ? "sips" : "sip",
             to->count ? "target" : "elsewhere");
    if (!has(to->lookup, "nothing"))
        zone_naptr(&x->zone, number, 1, 1, "u", "E2U+sip", rule, "");
    x->gate.node->dns = (struct sim_dns){.zone = &x->zone, .delay_min_ms = 1, .delay_max_ms = 5};
}

static void peers(struct conf *k, const char *sender, const struct places *to, bool effort)
{
    bool verified = has(sender, "verified"); /* then the peer is another one */
    struct sw_peer_conf *tls = conf_peer(k, "caller", verified ? "10.0.0.5:5061" : "10.0.0.9:5061",
                                         SW_TLS, verified ? "unasked.test" : "caller.test");
    policy_of(tls, sender);
    if (has(sender, "no certificate")) { /* known by its address */
        tls->without_certificate = true;
        k->peer_source[0] = (struct sw_cidr){.base = tls->addresses[0], .bits = 32};
        tls->sources = &k->peer_source[0];
        tls->source_count = 1;
    }
    struct sw_peer_conf *udp = conf_peer(k, "pbx", "10.1.0.9:5060", SW_UDP, NULL);
    udp->tcp = true;
    policy_of(udp, sender);
    struct sw_peer_conf *t = conf_peer(k, "target", "10.0.0.8:5061", SW_TLS, "target.test");
    policy_of(t, words_of(to, "target"));
    t->best_effort = k->proxy.best_effort = effort;
    t->clear_address = sim_endpoint("10.1.0.8:5060");
    conf_peer(k, "plain", "10.1.0.8:5060", SW_UDP, NULL);
    policy_of(conf_peer(k, "second", "10.0.0.7:5061", SW_TLS, "second.test"),
              words_of(to, "second"));
    routes_to(k, to, verified);
}

/* Who must be proved at the target's address. */
static const char *proved(const struct row *r, const struct places *to)
{
    if (has(r->target, "other name"))
        return "other.test";
    if (!to->lookup || to->count)
        return "target.test";
    return r->route[0] == '-' ? "elsewhere.test" : "next.test";
}

/* caller_tls (10.0.0.9) and caller_udp (10.1.0.9) are two peers; what they send goes to the places
 * of the row: "target" (TLS, 10.0.0.8; "effort": the same with best-effort), "second" (TLS,
 * 10.0.0.7), "plain" (UDP). */
static void scene_init(struct scene *x, const struct row *r)
{
    struct conf *k = &x->gate.conf;
    const char *target = r->target;
    struct places to;
    memset(x, 0, sizeof(*x));
    read_places(target, &to);
    x->sim = sim_new(5);
    conf_init(k);
    conf_listener(k, "outside", "10.0.0.1:5061", SW_TLS, "sip.example.test");
    conf_listener(k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    peers(k, r->sender, &to, has(target, "effort"));
    gate_start(&x->gate, x->sim, "gate", 1, "example.test", 5);
    if (to.lookup)
        zone_init(x, &to);
    if (has(target, "spoke"))
        atomic_store(&k->state[2].spoke_tls_ms, x->sim->now_ms - HOUR_MS);
    x->caller_ident = conf_ident("caller.test");
    x->target_ident = conf_ident(proved(r, &to));
    x->second_ident = conf_ident("second.test");
    memset(x->target_ident->fingerprint, 7, sizeof(x->target_ident->fingerprint));
    memset(pin.sha256, 7, sizeof(pin.sha256));
    x->caller_tls = raw_new(x->sim, "caller", "10.0.0.9:5061", SW_TLS);
    x->caller_tls->node->ident = has(r->sender, "no certificate") ? NULL : x->caller_ident;
    x->caller_udp = raw_new(x->sim, "pbx", "10.1.0.9:5060", SW_UDP);
    x->target_udp = raw_new(x->sim, "plain", "10.1.0.8:5060", SW_UDP);
    x->second_tls = raw_new(x->sim, "second", "10.0.0.7:5061", SW_TLS);
    x->second_tls->node->ident = x->second_ident;
    bool refuses = has(target, "refuses") || has(target, "spoke") || strcmp(target, "effort") == 0;
    x->target_tls = raw_new(x->sim, "target", refuses ? "10.0.0.99:5061" : "10.0.0.8:5061", SW_TLS);
    x->target_tls->node->ident = x->target_ident;
    x->target_tls->refuse = has(target, "drops");
}

static void scene_fini(struct scene *x)
{
    gate_finish(&x->gate);
    free(x->caller_ident);
    free(x->target_ident);
    free(x->second_ident);
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
    else if (has(words, "number"))
        snprintf(out, cap, "%s:+4930123@example.test;user=phone", sips ? "sips" : "sip");
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

/* "sips over tls", or "480/380"; in `rr` the schemes of our Record-Route rows. */
static void outcome_of(struct scene *x, struct raw *from, char *out, size_t cap, char *rr)
{
    struct raw *tls = raw_count(x->second_tls, "INVITE") ? x->second_tls : x->target_tls;
    const struct raw_message *m = raw_nth(tls, "INVITE", 0);
    const struct raw_message *clear = raw_nth(x->target_udp, "INVITE", 0);
    rr[0] = 0;
    if ((m && clear) || (tls == x->second_tls && raw_count(x->target_tls, "INVITE"))) {
        snprintf(out, cap, "left twice");
    } else if (m || clear) {
        m = m ? m : clear;
        char scheme[16];
        scheme_of(m->text + strlen("INVITE "), scheme, sizeof(scheme));
        snprintf(out, cap, "%s over %.*s", scheme,
                 (int)sw_transport_name((enum sw_transport)m->flow.transport).n,
                 sw_transport_name((enum sw_transport)m->flow.transport).p);
        bool sips = has(m->text, "Record-Route: <sips:"), sip = has(m->text, "Record-Route: <sip:");
        bool mixed = sip && strncmp(raw_header(m, "Record-Route"), "<sips:", 6) == 0 &&
                     has(m->text, "<sip:10.1.0.1:5060;lr;sw=a"); /* our side without TLS */
        snprintf(rr, 16, "%s", mixed ? "sips, sip" : sips ? "sips" : sip ? "sip" : "");
        if (sips && has(m->text, "transport=tls;lr;sw="))
            snprintf(rr, 16, "transport=tls");
        raw_answer(m == clear ? x->target_udp : tls, m, "486 Busy Here", "");
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
    scene_init(&x, r);
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

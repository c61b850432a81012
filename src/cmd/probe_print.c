/* A probe as text: a ladder of 100 columns, and what it means. */
#include "cmd/probe.h"

#include "sys/clock.h"
#include "tls/message.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { COLUMNS = 100, RUNG = 27, TEXT_AT = 41, DAY_S = 24 * 3600 };

/* ---- words ---- */

/* A sequence of UTF-8 at `p`, its length; 0: none, or a control character. RFC 3629 4 */
static size_t utf8(const uint8_t *p, size_t n)
{
    if (p[0] < 0x80)
        return p[0] >= ' ' && p[0] != 0x7f;
    size_t want = p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n < want)
        return 0;
    for (size_t i = 1; i < want; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool c1 = p[0] == 0xc2 && p[1] < 0xa0;
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool beyond = (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf4 && p[1] >= 0x90);
    return c1 || overlong || beyond ? 0 : want;
}

void probe_text_end(struct sw_buf *b)
{
    for (size_t i = 0; i < b->n;) {
        size_t n = utf8((const uint8_t *)b->p + i, b->n - i);
        if (n == 0)
            b->p[i] = '?';
        i += n ? n : 1;
    }
    b->p[b->n] = 0;
}

/* ---- colour ---- */

enum ink { PLAIN, BOLD, GREEN, RED, GREY };

static bool colour(void)
{
    static int on = -1;
    if (on < 0)
        on = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    return on;
}

static const char *ink(enum ink i)
{
    static const char *const codes[] = {"\033[0m", "\033[1m", "\033[32m", "\033[31m", "\033[90m"};
    return colour() ? codes[i] : "";
}

/* Where to break a text that has more than `room` bytes: at a space, or inside of a word. */
static size_t line_end(const char *s, size_t room)
{
    size_t cut = room;
    while (cut > room / 2 && s[cut] != ' ')
        cut--;
    if (s[cut] == ' ')
        return cut;
    for (cut = room; cut > 1 && ((uint8_t)s[cut] & 0xc0) == 0x80;)
        cut--; /* never inside of a character */
    return cut;
}

/* Text from column `at` on; further lines stand behind `margin`, which is as wide. */
static void put_wrapped(const char *s, size_t at, const char *margin, enum ink i)
{
    const size_t room = COLUMNS - at;
    for (size_t n = strlen(s); n > room; n = strlen(s)) {
        size_t cut = line_end(s, room);
        printf("%s%.*s%s\n%s", ink(i), (int)cut, s, ink(PLAIN), margin);
        s += cut + (s[cut] == ' ');
    }
    printf("%s%s%s\n", ink(i), s, ink(PLAIN));
}

static void put_row(const char *name, const char *text)
{
    if (!text || !text[0])
        return;
    printf("  %-12s", name);
    put_wrapped(text, 14, "              ", PLAIN);
}

static void heading(const char *text)
{
    printf("\n%s%s%s\n", ink(BOLD), text, ink(PLAIN));
}

/* ---- the ladder ---- */

static const char g_margin[] = "            |                         |  ";

static void put_label(const struct probe_message *m, char out[RUNG + 1])
{
    char line = m->encrypted ? '=' : '-';
    size_t room = RUNG - 2, n = strlen(m->name);
    memset(out, line, RUNG);
    out[0] = out[RUNG - 1] = '|';
    out[RUNG] = 0;
    if (n > room - 6)
        n = room - 6;
    size_t at = 1 + (room - n) / 2;
    memcpy(out + at, m->name, n);
    out[at - 1] = out[at + n] = ' ';
    if (m->sent)
        out[RUNG - 2] = '>';
    else
        out[1] = '<';
}

/* A line of a message's lists. Signatures and extensions would hide the rest: JSON has them. */
static void put_list_line(const char *from, size_t n)
{
    char line[1024];
    struct sw_buf b = sw_buf(line, sizeof(line) - 1);
    struct sw_slice s = sw_slice(from, n);
    if (sw_slice_starts_case(s, SW_SLICE("signatures: ")) ||
        sw_slice_starts_case(s, SW_SLICE("extensions: ")))
        return;
    sw_buf_put(&b, from, n < b.cap ? n : b.cap);
    probe_text_end(&b);
    printf("%s", g_margin);
    put_wrapped(line, TEXT_AT, g_margin, GREY);
}

void probe_print_message(const struct probe_attempt *a, const struct probe_message *m)
{
    char rung[RUNG + 1];
    (void)a;
    put_label(m, rung);
    printf(" %7.1f ms %s%s", (double)m->us / 1000, rung, m->carries[0] ? "  " : "");
    put_wrapped(m->carries, TEXT_AT, g_margin, GREY);
    for (const char *p = m->lists, *end; p && (end = strchr(p, '\n')); p = end + 1)
        put_list_line(p, (size_t)(end - p));
    fflush(stdout);
}

static void ladder_head(const char *us, const char *peer)
{
    printf("\n%s%14s%*s%s\n", ink(BOLD), us, RUNG - 1, peer, ink(PLAIN));
}

/* ---- start ---- */

void probe_print_start(const struct probe_goal *g)
{
    char text[512];
    printf("%sprobe %.*s%s\n", ink(BOLD), SW_SLICE_ARG(g->uri), ink(PLAIN));
    snprintf(text, sizeof(text), "%.*s", SW_SLICE_ARG(sw_transport_name(g->transport)));
    put_row("transport", text);
    if (g->transport == SW_TLS) {
        put_row("wanted", g->wanted);
        put_row("server name", g->tls.server_name ? g->tls.server_name : "none is sent");
        put_row("we show", g->shown);
        put_row("we believe", g->believed);
        put_row("policy", g->policies[g->tls.policy].name);
    }
    fflush(stdout);
}

void probe_print_addresses(const struct probe_goal *g)
{
    char text[PROBE_ADDRESSES_MAX * (SW_ENDPOINT_TEXT_MAX + 2) + 400];
    struct sw_buf b = sw_buf(text, sizeof(text) - 1);
    for (size_t i = 0; i < g->address_count; i++) {
        if (i)
            sw_buf_lit(&b, ", ");
        sw_endpoint_put(&b, &g->addresses[i]);
    }
    if (g->how[0]) {
        sw_buf_char(&b, ' ');
        sw_buf_str(&b, g->how);
    }
    probe_text_end(&b);
    if (g->by_name)
        put_row("dns", g->dns);
    put_row("address", text);
    fflush(stdout);
}

/* ---- phases ---- */

static void put_result(const struct probe_attempt *a, enum probe_phase p, const char *text)
{
    enum probe_result r = a->result[p];
    enum ink i = r == PROBE_PASSED ? GREEN : r == PROBE_FAILED ? RED : PLAIN;
    printf("  %s%s%s%s%s  %.1f ms\n", ink(i), probe_result_name(r), ink(PLAIN), text[0] ? "  " : "",
           text, (double)a->took_us[p] / 1000);
}

static void print_tcp(const struct probe_attempt *a)
{
    char remote[SW_ENDPOINT_TEXT_MAX], local[SW_ENDPOINT_TEXT_MAX], text[200] = "";
    sw_endpoint_text(&a->remote, remote);
    sw_endpoint_text(&a->local, local);
    if (a->result[PROBE_TCP] == PROBE_SKIPPED) {
        heading("phase 1: TCP");
        printf("  skipped: UDP from %s to %s\n", local, remote);
        ladder_head("us", "peer");
        return;
    }
    heading("phase 1: TCP");
    if (a->result[PROBE_TCP] == PROBE_PASSED)
        snprintf(text, sizeof(text), "from %s to %s", local, remote);
    else
        snprintf(text, sizeof(text), "to %s", remote);
    put_result(a, PROBE_TCP, text);
    if (a->result[PROBE_TCP] == PROBE_PASSED && a->goal->transport == SW_TLS) {
        heading("phase 2: TLS handshake");
        printf("  --- in the clear, === encrypted; times since the start of phase 1\n");
    }
    if (a->result[PROBE_TCP] == PROBE_PASSED)
        ladder_head("us", "peer");
}

static void day(int64_t at_s, char text[32])
{
    struct tm tm;
    time_t t = (time_t)at_s;
    strftime(text, 32, "%Y-%m-%d", gmtime_r(&t, &tm));
}

static void put_days(const struct sw_cert_facts *f, char *out, size_t cap)
{
    char from[32], to[32];
    int64_t now_s = sw_clock_wall_s();
    long long left = (f->not_after_s - now_s) / DAY_S;
    day(f->not_before_s, from);
    day(f->not_after_s, to);
    if (f->not_before_s > now_s)
        snprintf(out, cap, "%s to %s, not valid yet", from, to);
    else if (f->not_after_s < now_s)
        snprintf(out, cap, "%s to %s, EXPIRED", from, to);
    else
        snprintf(out, cap, "%s to %s, %lld days left", from, to, left);
}

static void print_chain(const struct probe_attempt *a)
{
    char text[800], days[96];
    if (!a->chain_count)
        return;
    heading("chain that the peer sent");
    for (size_t i = 0; i < a->chain_count; i++) {
        const struct probe_cert *c = &a->chain[i];
        char number[32];
        snprintf(number, sizeof(number), "%zu %s", i, i == 0 ? "leaf" : c->facts.is_ca ? "CA" : "");
        put_row(number, c->facts.subject);
        snprintf(text, sizeof(text), "%s%s", c->facts.self_issued ? "itself: " : "",
                 c->facts.issuer);
        put_row("  issued by", text);
        put_days(&c->facts, days, sizeof(days));
        snprintf(text, sizeof(text), "%s; %s; serial %s", days, c->facts.key, c->facts.serial);
        put_row("  valid", text);
        put_row("  purposes", c->purposes);
        put_row("  features", c->features); /* RFC 7633 */
        if (i == 0)
            put_row("  names", c->names);
    }
}

static void print_handshake(const struct probe_attempt *a)
{
    char text[200] = "";
    bool ok = a->result[PROBE_HANDSHAKE] != PROBE_FAILED;
    if (a->result[PROBE_HANDSHAKE] == PROBE_SKIPPED || a->verdict)
        return; /* a late refusal is told at the end */
    printf("\n");
    if (ok)
        snprintf(text, sizeof(text), "%s, %s, %s", a->version, a->suite, a->group);
    put_result(a, PROBE_HANDSHAKE, text);
    if (a->certificate_wanted && !a->goal->tls.identity)
        put_row("note", "it asks for a certificate, and none is shown");
    if (ok && !a->confirmed)
        put_row("note",
                "a TLS 1.3 server judges our certificate, or that there is none, after our "
                "Finished (RFC 8446 4.4.2.4): only what it sends now confirms the handshake");
    print_chain(a);
}

static void print_identity(const struct probe_attempt *a)
{
    const char *ids = a->chain_count ? a->chain[0].identities : "";
    if (a->result[PROBE_IDENTITY] == PROBE_SKIPPED)
        return;
    heading("phase 3: identity (RFC 5922)");
    put_row("wanted", a->goal->wanted);
    put_row("identities", ids[0] ? ids : "none in the certificate");
    put_row("verdict", a->verdict);
    put_result(a, PROBE_IDENTITY, "");
    if (a->result[PROBE_IDENTITY] == PROBE_PASSED) {
        heading("OPTIONS");
        ladder_head("us", "peer");
    } else {
        ladder_head("us", "peer");
    }
}

static void print_options(const struct probe_attempt *a)
{
    const struct probe_answer *x = &a->answer;
    char text[160];
    printf("\n");
    if (x->status) {
        snprintf(text, sizeof(text), "%u %s", x->status, x->reason);
        put_row("answer", text);
        put_row("server", x->server);
        put_row("allow", x->allow);
        put_row("supported", x->supported);
        put_row("contact", x->contact);
        put_row("warning", x->warning);
    }
    put_result(a, PROBE_OPTIONS, "");
    if (a->goal->transport != SW_TLS)
        return;
    if (a->confirmed)
        put_row("handshake", "confirmed: the peer went on after our Finished");
    ladder_head("us", "peer");
}

void probe_print_phase(const struct probe_attempt *a, enum probe_phase p)
{
    switch (p) {
    case PROBE_TCP:
        print_tcp(a);
        break;
    case PROBE_HANDSHAKE:
        print_handshake(a);
        break;
    case PROBE_IDENTITY:
        print_identity(a);
        break;
    case PROBE_OPTIONS:
        print_options(a);
        break;
    case PROBE_DNS:
    case PROBE_PHASES:
        break;
    }
    fflush(stdout);
}

/* ---- the end ---- */

static void print_failure(const struct probe_attempt *a)
{
    const struct probe_failure *f = &a->failure;
    char text[200];
    printf("\n%sFAILED phase=%s status=%s%s\n", ink(RED), probe_phase_name(f->phase),
           sw_status_name(f->status), ink(PLAIN));
    put_row("why", f->why);
    put_row("wanted", f->wanted);
    put_row("came", f->came);
    put_row("certificate", f->certificate);
    if (f->alert >= 0) {
        snprintf(text, sizeof(text), "%s, sent by %s", sw_tls_alert_name((unsigned)f->alert),
                 f->alert_sent ? "us" : "the peer");
        put_row("alert", text);
    }
    if (f->phase == PROBE_HANDSHAKE && a->result[PROBE_IDENTITY] == PROBE_PASSED)
        put_row("when", "after our handshake was done: a TLS 1.3 server refuses a client's "
                        "certificate only then (RFC 8446 4.4.2.4)");
    if (f->phase == PROBE_OPTIONS && a->result[PROBE_HANDSHAKE] == PROBE_UNCONFIRMED)
        put_row("handshake", "not confirmed: the peer sent nothing after our Finished, so it may "
                             "still refuse our certificate");
    put_row("help", f->help);
}

void probe_print_end(const struct probe_attempt *a)
{
    if (a->failure.why[0]) {
        print_failure(a);
        return;
    }
    printf("\n%spassed: all phases%s", ink(GREEN), ink(PLAIN));
    for (int p = PROBE_TCP; p < PROBE_PHASES; p++)
        if (a->result[p] == PROBE_PASSED)
            printf(", %s %.1f ms", probe_phase_name((enum probe_phase)p),
                   (double)a->took_us[p] / 1000);
    printf("\n");
}

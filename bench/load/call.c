#include "load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct load_count load_units;

enum { TEXT_MAX = 8192 };

/* One unit under way: an OPTIONS, or a call from INVITE to the answer to BYE. */
struct unit {
    double begun_s;
    unsigned generation;
    enum { FREE, ASKED, TALKING } state;
};

static const struct load_options *g_o;
static struct load_conn **g_conns;
static struct unit *g_units;
static int *g_free; /* a stack of free slots */
static int g_free_count;
static char g_run[16]; /* tells this run's dialogs from others' */
static const char *g_via, *g_scheme;

static const char sdp[] =
    "v=0\r\no=alice 2890844526 2890844526 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 "
    "0\r\n"
    "m=audio 49170 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

static const char *const names[] = {"udp", "tcp", "tls"};
static const char *const via_names[] = {"UDP", "TCP", "TLS"};

void load_units_start(const struct load_options *o, struct load_conn **conns)
{
    g_o = o;
    g_conns = conns;
    g_via = via_names[o->caller];
    g_scheme = strcmp(o->mode, "calls") ? "OPTIONS" : "INVITE";
    snprintf(g_run, sizeof(g_run), "r%x", (unsigned)getpid() ^ (unsigned)(load_now_s() * 1e6));
    g_units = calloc((size_t)o->window, sizeof(*g_units));
    g_free = calloc((size_t)o->window, sizeof(*g_free));
    for (int i = 0; g_units && g_free && i < o->window; i++)
        g_free[g_free_count++] = i;
}

/* ---- text ---- */

struct text {
    char p[TEXT_MAX];
    size_t n;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->p + t->n, sizeof(t->p) - t->n, format, args);
    va_end(args);
    if (n > 0 && t->n + (size_t)n < sizeof(t->p))
        t->n += (size_t)n;
}

struct value {
    const char *p;
    int n;
};

/* The next row of that name from `at` on. */
static struct value row(const char **at, const char *end, const char *name)
{
    size_t k = strlen(name);
    for (const char *p = *at; p < end;) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        const char *next = lf ? lf + 1 : end;
        if ((size_t)(end - p) > k && strncasecmp(p, name, k) == 0 && p[k] == ':') {
            const char *v = p + k + 1;
            while (*v == ' ')
                v++;
            *at = next;
            return (struct value){v, (int)(next - v) - 2};
        }
        p = next;
    }
    *at = end;
    return (struct value){NULL, 0};
}

static struct value first(const char *msg, size_t head, const char *name)
{
    const char *at = msg;
    return row(&at, msg + head, name);
}

static void put_rows(struct text *t, const char *msg, size_t head, const char *name)
{
    const char *at = msg;
    for (struct value v; (v = row(&at, msg + head, name)).p;)
        put(t, "%s: %.*s\r\n", name, v.n, v.p);
}

static bool has(struct value v, const char *word)
{
    return v.p && memmem(v.p, (size_t)v.n, word, strlen(word));
}

static void put_sdp(struct text *t, bool with)
{
    if (with)
        put(t, "Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s", sizeof(sdp) - 1,
            sdp);
    else
        put(t, "Content-Length: 0\r\n\r\n");
}

/* ---- the caller ---- */

static struct load_conn *conn_of(int slot)
{
    return g_conns[slot % g_o->conns];
}

bool load_unit_begin(void)
{
    if (g_free_count == 0)
        return false;
    int slot = g_free[--g_free_count];
    struct unit *u = &g_units[slot];
    struct load_conn *c = conn_of(slot);
    struct text t = {.n = 0};
    int port = load_local_port(c);
    u->generation++;
    u->state = ASKED;
    u->begun_s = load_now_s();
    put(&t, "%s sip:u%d@%s SIP/2.0\r\n", g_scheme, slot, g_o->domain);
    put(&t, "Via: SIP/2.0/%s 127.0.0.1:%d;branch=z9hG4bKa%d.%u%s;rport\r\nMax-Forwards: 70\r\n",
        g_via, port, slot, u->generation, g_run);
    put(&t, "From: \"Alice Example\" <sip:alice@%s>;tag=f%d\r\nTo: <sip:u%d@%s>\r\n", g_o->domain,
        slot, slot, g_o->domain);
    put(&t, "Call-ID: %d.%u.%s@127.0.0.1\r\nCSeq: 1 %s\r\n", slot, u->generation, g_run, g_scheme);
    put(&t, "Contact: <sip:alice@127.0.0.1:%d;transport=%s>\r\n", port, names[g_o->caller]);
    put(&t, "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, SUBSCRIBE, UPDATE\r\n"
            "Supported: replaces, outbound, timer\r\nUser-Agent: sipward-load\r\n");
    put_sdp(&t, g_scheme[0] == 'I');
    load_units.started++;
    load_send(c, t.p, t.n);
    return true;
}

static void end_unit(int slot, bool ok)
{
    struct unit *u = &g_units[slot];
    u->state = FREE;
    g_free[g_free_count++] = slot;
    if (!ok) {
        load_units.failed++;
        return;
    }
    load_units.done++;
    load_time_add((load_now_s() - u->begun_s) * 1000);
}

/* ACK and BYE follow the Record-Route of the answer, last entry first. RFC 3261 12.1.2 */
static void in_dialog(int slot, const char *msg, size_t head, const char *method, int cseq)
{
    struct unit *u = &g_units[slot];
    struct load_conn *c = conn_of(slot);
    struct text t = {.n = 0};
    struct value contact = first(msg, head, "Contact"), to = first(msg, head, "To"), route[32];
    const char *from = memchr(contact.p, '<', (size_t)contact.n), *at = msg;
    const char *until = memchr(contact.p, '>', (size_t)contact.n);
    int routes = 0;
    if (!from || !until)
        return;
    put(&t, "%s %.*s SIP/2.0\r\n", method, (int)(until - from - 1), from + 1);
    put(&t, "Via: SIP/2.0/%s 127.0.0.1:%d;branch=z9hG4bK%c%d.%u%s;rport\r\nMax-Forwards: 70\r\n",
        g_via, load_local_port(c), method[0], slot, u->generation, g_run);
    while (routes < 32 && (route[routes] = row(&at, msg + head, "Record-Route")).p)
        routes++;
    while (routes--)
        put(&t, "Route: %.*s\r\n", route[routes].n, route[routes].p);
    put(&t, "From: \"Alice Example\" <sip:alice@%s>;tag=f%d\r\nTo: %.*s\r\n", g_o->domain, slot,
        to.n, to.p);
    put(&t, "Call-ID: %d.%u.%s@127.0.0.1\r\nCSeq: %d %s\r\nContent-Length: 0\r\n\r\n", slot,
        u->generation, g_run, cseq, method);
    load_send(c, t.p, t.n);
}

static void response(const char *msg, size_t head)
{
    int code = atoi(msg + 8), slot;
    unsigned generation;
    struct value id = first(msg, head, "Call-ID"), cseq = first(msg, head, "CSeq");
    if (code < 200 || !has(id, g_run) || sscanf(id.p, "%d.%u.", &slot, &generation) != 2 ||
        slot < 0 || slot >= g_o->window || g_units[slot].generation != generation)
        return;
    struct unit *u = &g_units[slot];
    bool invite = has(cseq, "INVITE");
    if (u->state == FREE || (u->state == TALKING && invite))
        return; /* a repeat */
    if (code >= 300) {
        if (invite)
            in_dialog(slot, msg, head, "ACK", 1);
        end_unit(slot, false);
    } else if (invite) {
        u->state = TALKING;
        in_dialog(slot, msg, head, "ACK", 1);
        in_dialog(slot, msg, head, "BYE", 2);
    } else {
        end_unit(slot, true);
    }
}

/* ---- the callee ---- */

static void answer(struct load_conn *c, const char *msg, size_t head, const char *status, bool body)
{
    static const char *const copied[] = {"Via", "Record-Route", "From", "Call-ID", "CSeq"};
    struct text t = {.n = 0};
    struct value to = first(msg, head, "To");
    put(&t, "SIP/2.0 %s\r\n", status);
    for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
        put_rows(&t, msg, head, copied[i]);
    put(&t, "To: %.*s%s\r\n", to.n, to.p, has(to, ";tag=") ? "" : ";tag=callee");
    put(&t, "Contact: <sip:bob@127.0.0.1:%d;transport=%s>\r\n", g_o->callee_port,
        names[g_o->callee]);
    put_sdp(&t, body);
    load_send(c, t.p, t.n);
}

void load_unit_message(struct load_conn *c, char *msg, size_t head, size_t len)
{
    (void)len;
    if (strncmp(msg, "SIP/2.0", 7) == 0) {
        response(msg, head);
    } else if (strncmp(msg, "INVITE ", 7) == 0) {
        answer(c, msg, head, "180 Ringing", false);
        answer(c, msg, head, "200 OK", true);
    } else if (strncmp(msg, "ACK ", 4) != 0) {
        answer(c, msg, head, "200 OK", false);
    }
}

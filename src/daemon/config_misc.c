/* Workers, log, limits; and what this version does not act on yet. */
#include "daemon/config.h"

#include "proxy/fork.h"
#include "proxy/target.h"
#include "sys/file.h"
#include "sys/random.h"
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/timex.h>
#include <sys/un.h>

enum {
    KIB = 1024,
    HEADER_MAX = 64 * KIB,
    BODY_MAX = 80 * KIB,
};

static unsigned cpus(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > 512 ? 512 : (unsigned)n;
}

static uint32_t limit(struct sw_config_build *b, const struct sw_number *n, uint32_t standard,
                      uint32_t min, uint32_t max)
{
    if (!n->given)
        return standard;
    if (n->v < min || n->v > max) {
        sw_diag_error(b->diags, n->mark, "%lld is out of range (%u to %u)", (long long)n->v, min,
                      max);
        return standard;
    }
    return (uint32_t)n->v;
}

/* Every answer is to find the connection of its request still open. RFC 3261 18 */
static void idle_is_long(struct sw_config_build *b)
{
    const uint32_t longest_ms = SW_TIMER_C_MS + SW_T_LIFE_MS;
    if (b->c->limits.conn.idle_ms < longest_ms)
        sw_diag_warning(b->diags, b->c->d.limits.idle.mark,
                        "idle is shorter than a transaction can last: answers may need a new "
                        "connection (%u s or more)",
                        longest_ms / 1000);
}

/* When nothing has passed for longer than that, no transaction runs over it. RFC 5923 8.3 */
static void surplus_is_long(struct sw_config_build *b)
{
    const uint32_t longest_ms = SW_TIMER_C_MS + SW_T_LIFE_MS;
    if (b->c->limits.conn.surplus_ms < longest_ms)
        sw_diag_warning(b->diags, b->c->d.limits.surplus.mark,
                        "surplus is shorter than a transaction can last: what waits for an answer "
                        "may lose its connection (%u s or more)",
                        longest_ms / 1000);
}

static void limits(struct sw_config_build *b)
{
    const struct sw_limits_directive *d = &b->c->d.limits;
    struct sw_config_limits *l = &b->c->limits;
    const uint32_t day = 86400000;
    l->drain_ms = limit(b, &d->drain, 10000, 0, day);
    l->conn.connect_ms = limit(b, &d->connect, 5000, 100, 120000);
    l->conn.handshake_ms = limit(b, &d->handshake, 10000, 100, 120000);
    l->conn.idle_ms = limit(b, &d->idle, 3600000, 1000, day * 7);
    idle_is_long(b);
    l->conn.surplus_ms = limit(b, &d->surplus, 300000, 1000, day);
    surplus_is_long(b);
    l->conn.message_ms = limit(b, &d->message, 30000, 100, 600000);
    l->conn.unacknowledged_ms = limit(b, &d->unacknowledged, 10000, 100, 600000);
    l->conn.recheck_ms = limit(b, &d->recheck, 60000, 0, day);
    l->conn.handshakes_per_source = limit(b, &d->handshakes_per_source, 1000, 0, 10000000);
    l->conn.resumption_s = limit(b, &d->resumption, 3600000, 0, day) / 1000;
    l->conn.sessions = limit(b, &d->sessions, 20000, 1, 10000000);
    l->conn.answer_ms = limit(b, &d->revocation_wait, 5000, 100, 120000);
    l->revocation_refresh_s = limit(b, &d->revocation_refresh, 3600000, 1000, day * 7) / 1000;
    l->conn.messages_per_s = limit(b, &d->messages_per_second, 20000, 0, 10000000);
    l->conn.frame.head_max = limit(b, &d->header_bytes, 32 * KIB, 1 * KIB, HEADER_MAX);
    l->conn.frame.body_max = limit(b, &d->body_bytes, 64 * KIB, 1 * KIB, BODY_MAX);
    l->conn.output_max = limit(b, &d->output_bytes, 1024 * KIB, 64 * KIB, 1u << 30);
    l->connections = limit(b, &d->connections, 100000, 1, 10000000);
    l->connections_per_peer = limit(b, &d->connections_per_peer, 0, 1, 1024);
    struct sw_proxy_conf *p = &b->c->proxy;
    p->avoid_ms = limit(b, &d->avoid, 30000, 0, 3600000);
    p->lateness_ms = limit(b, &d->lateness, 500, 0, 60000);
    p->headers_max = limit(b, &d->headers, 256, 32, SW_HDRS_MAX);
    p->uri_max = limit(b, &d->uri_bytes, 8 * KIB, KIB / 2, HEADER_MAX);
    p->branches_max = limit(b, &d->branches, 32, 1, SW_TARGETS_MAX);
    p->source_messages_per_s = limit(b, &d->source_messages_per_second, 50, 0, 1000000);
    l->transactions = limit(b, &d->transactions, 500000, 16, 50000000);
    l->calls = limit(b, &d->calls, 10000, 0, 1000000);
}

static void log_conf(struct sw_config_build *b)
{
    const struct sw_log_directive *d = &b->c->d.log;
    b->c->log_level = sw_text_is(&d->level, "error")   ? SW_LEVEL_ERROR
                      : sw_text_is(&d->level, "warn")  ? SW_LEVEL_WARN
                      : sw_text_is(&d->level, "debug") ? SW_LEVEL_DEBUG
                      : sw_text_is(&d->level, "trace") ? SW_LEVEL_TRACE
                                                       : SW_LEVEL_INFO;
    b->c->log_json = sw_text_is(&d->format, "json");
}

static void not_acted_on(struct sw_config_build *b)
{
    const struct sw_directives *d = &b->c->d;
    if (d->registrar.enabled.v)
        sw_diag_note(
            b->diags, d->registrar.mark,
            "registrar: this version does not act on it yet, REGISTER is relayed by routes");
    if (d->store.s.p)
        sw_diag_note(b->diags, d->store.mark, "store: this version does not act on it yet");
    if (d->admin.address.s.p)
        sw_diag_note(b->diags, d->admin.address.mark,
                     "admin.address: this version does not act on it yet, only on admin.socket");
    if (d->registrar.min_expires.given && d->registrar.max_expires.given &&
        d->registrar.min_expires.v > d->registrar.max_expires.v)
        sw_diag_error(b->diags, d->registrar.min_expires.mark,
                      "min_expires is longer than max_expires");
    bool redis = d->store.s.p && sw_slice_starts_case(d->store.s, SW_SLICE("redis://"));
    bool sqlite = d->store.s.p && sw_slice_starts_case(d->store.s, SW_SLICE("sqlite:"));
    if (d->store.s.p && !redis && !sqlite)
        sw_diag_error(b->diags, d->store.mark,
                      "store: \"%s\" cannot be read (sqlite:FILE or redis://HOST:PORT/N)",
                      d->store.s.p);
}

/* Certificates are judged by the clock. */
static void clock_is_right(struct sw_config_build *b)
{
    struct timex t = {0};
    if (adjtimex(&t) == TIME_ERROR)
        sw_diag_warning(
            b->diags, ((struct sw_mark){0, 0}),
            "the system's clock is not synchronised: certificates may be judged wrongly "
            "(run an NTP client)");
}

/* Where `sipward ctl` asks; the default is beside the configuration. */
static void admin_socket(struct sw_config_build *b)
{
    static const struct sw_text standard = {.s = {"sipward.sock", 12}};
    struct sockaddr_un address;
    const struct sw_text *t = &b->c->d.admin.socket;
    if (!t->s.p && t->mark.line) /* given, and empty: nobody is to ask */
        return;
    struct sw_config_file *files = b->c->files;
    b->c->admin_socket = sw_config_path(b, t->s.p ? t : &standard);
    b->c->files = files; /* it is no input */
    if (strlen(b->c->admin_socket) >= sizeof(address.sun_path))
        sw_diag_error(b->diags, t->mark,
                      "admin.socket: \"%s\" is longer than %zu bytes (a shorter path)",
                      b->c->admin_socket, sizeof(address.sun_path) - 1);
}

void sw_config_misc(struct sw_config_build *b)
{
    struct sw_config *c = b->c;
    c->workers = c->d.workers.v ? (unsigned)c->d.workers.v : cpus();
    if (c->d.workers.v > 512) {
        sw_diag_error(b->diags, c->d.workers.mark, "workers: more than 512");
        c->workers = 1;
    }
    limits(b);
    if (!c->limits.connections_per_peer)
        c->limits.connections_per_peer = c->workers < 4 ? c->workers : 4;
    log_conf(b);
    sw_config_seal_keys(b);
    admin_socket(b);
    not_acted_on(b);
    clock_is_right(b);
}

#include "daemon/answers.h"

#include "crypto/show.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "worker/walk.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { WALK_MS = 2000, ROW_BYTES = 4096, DATE_BYTES = 24, USERS_BYTES = 256 };

void sw_answer_text(struct sw_answer *a, const char *p, size_t n)
{
    if (a->failed)
        return;
    if (a->n + n > a->cap) {
        size_t cap = (a->n + n) * 2;
        char *q = realloc(a->p, cap);
        if (!q) {
            a->failed = true;
            return;
        }
        a->p = q;
        a->cap = cap;
    }
    memcpy(a->p + a->n, p, n);
    a->n += n;
}

static void text(struct sw_answer *a, const char *s)
{
    sw_answer_text(a, s, strlen(s));
}

static void row(struct sw_answer *a, bool *first, const struct sw_field *f, size_t n)
{
    char line[ROW_BYTES];
    struct sw_buf b = sw_buf(line, sizeof(line));
    sw_log_object(&b, f, n);
    if (!*first)
        text(a, ",");
    *first = false;
    sw_answer_text(a, line, b.n);
}

void sw_answer_error(struct sw_answer *a, const char *why)
{
    bool first = true;
    const struct sw_field f[] = {sw_field_str("error", why)};
    row(a, &first, f, 1);
    text(a, "\n");
}

static const char *date(int64_t at_s, char out[DATE_BYTES])
{
    time_t t = (time_t)at_s;
    struct tm tm;
    if (!at_s || !gmtime_r(&t, &tm) || !strftime(out, DATE_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm))
        return "-";
    return out;
}

/* ---- status ---- */

/* What all workers counted since the start. */
static void counters(const struct sw_daemon *d, struct sw_answer *a)
{
    struct sw_field f[SW_COUNTERS];
    bool first = true;
    for (int c = 0; c < SW_COUNTERS; c++) {
        uint64_t total = 0;
        for (unsigned i = 0; i < d->started; i++)
            total += sw_counted(&d->counters[i], (enum sw_counter)c);
        f[c] = sw_field_number(sw_counter_name((enum sw_counter)c), (int64_t)total);
    }
    row(a, &first, f, SW_COUNTERS);
}

/* What is known of revocations from the network. */
static void learnt(const struct sw_daemon *d, struct sw_answer *a)
{
    struct sw_revocations_count n;
    bool first = true;
    sw_revocations_count(d->now->learnt, &n);
    const struct sw_field f[] = {sw_field_number("revocation_good", n.good),
                                 sw_field_number("revocation_revoked", n.revoked),
                                 sw_field_number("revocation_unknown", n.unknown),
                                 sw_field_number("revocation_lists", n.lists),
                                 sw_field_number("revocation_failed", n.failed),
                                 sw_field_number("revocation_waiting", n.waiting)};
    row(a, &first, f, sizeof(f) / sizeof(f[0]));
}

static void status(struct sw_daemon *d, struct sw_answer *a)
{
    char started[DATE_BYTES], loaded[DATE_BYTES];
    int64_t now_s = sw_clock_wall_s();
    uint64_t connections = 0;
    bool first = true;
    unsigned retired = 0;
    for (const struct sw_snapshot *s = d->retired; s; s = s->next)
        retired++;
    for (unsigned i = 0; i < d->started; i++)
        connections += atomic_load_explicit(&d->all.worker[i].load, memory_order_relaxed);
    const struct sw_field f[] = {
        sw_field_str("state", d->all.draining ? "draining" : "running"),
        sw_field_number("pid", getpid()),
        sw_field_str("configuration", d->path),
        sw_field_str("started", date(d->started_s, started)),
        sw_field_number("seconds", now_s - d->started_s),
        sw_field_str("loaded", date(d->reloaded_s, loaded)),
        sw_field_number("reloads", (int64_t)d->reloads),
        sw_field_number("reloads_failed", (int64_t)d->reloads_failed),
        sw_field_number("configurations_in_use", 1 + retired),
        sw_field_str("tls", sw_tls_library()),
        sw_field_number("workers", d->all.count),
        sw_field_number("connections", (int64_t)connections),
        sw_field_number("open_transactions", (int64_t)sw_daemon_open_transactions(d)),
    };
    text(a, "{\"status\":");
    row(a, &first, f, sizeof(f) / sizeof(f[0]));
    text(a, ",\"revocations\":");
    learnt(d, a);
    text(a, ",\"counters\":");
    counters(d, a);
    text(a, "}\n");
}

/* ---- peers ---- */

static const char *peer_health(const struct sw_peer_conf *p, const struct sw_peer_state *s,
                               int64_t now_ms)
{
    if (atomic_load_explicit(&s->down_until_ms, memory_order_relaxed) > now_ms)
        return "down: 503 with Retry-After";
    if (atomic_load_explicit(&s->ping_failed, memory_order_relaxed))
        return "down: OPTIONS is not answered";
    return p->ping_ms && p->address_count ? "up" : "not asked";
}

static const char *verify_name(uint8_t verify)
{
    static const char *const names[] = {"domain", "wildcard", "address", "chain"};
    return verify < 4 ? names[verify] : "-";
}

static void peers(struct sw_daemon *d, const char *only, struct sw_answer *a)
{
    const struct sw_proxy_conf *c = &d->now->config.proxy;
    char address[SW_ENDPOINT_TEXT_MAX];
    bool first = true;
    text(a, "{\"peers\":[");
    for (uint32_t i = 0; i < c->peer_count; i++) {
        const struct sw_peer_conf *p = &c->peers[i];
        if (only[0] && !sw_slice_eq(p->name, sw_slice_str(only)))
            continue;
        const struct sw_field f[] = {
            sw_field_text("peer", p->name),
            sw_field_str("health", peer_health(p, &d->now->peers[i], sw_clock_ms())),
            sw_field_str("transport", p->tls             ? "tls"
                                      : p->udp && p->tcp ? "udp,tcp"
                                      : p->udp           ? "udp"
                                                         : "tcp"),
            sw_field_text("domain", p->domain_count ? p->domains[0] : SW_SLICE("-")),
            sw_field_str("address",
                         p->address_count ? sw_endpoint_text(&p->addresses[0], address) : "-"),
            sw_field_text("listener", c->listeners[p->listener].name),
            sw_field_str("verify", p->pin_count ? "pin"
                                   : p->tls     ? verify_name(p->verify)
                                                : "-"),
            sw_field_str("without_certificate", p->without_certificate ? "allow" : "refuse"),
        };
        row(a, &first, f, sizeof(f) / sizeof(f[0]));
    }
    text(a, "]}\n");
}

/* ---- certificates ---- */

/* Who shows an identity, or believes by a trust entry: names of listeners and peers. */
static void used_by(const struct sw_daemon *d, const struct sw_tls_identity *id, const char *trust,
                    struct sw_buf *b)
{
    const struct sw_config *c = &d->now->config;
    const struct sw_listen_directive *l = c->d.listen.item;
    const struct sw_peer_directive *p = c->d.peers.item;
    for (size_t i = 0; i < c->d.listen.count; i++) {
        bool uses = id && c->conn_listeners[i].tls.identity == id;
        for (size_t k = 0; trust && k < l[i].trust.count; k++)
            uses = uses || sw_text_is(&l[i].trust.t[k], trust);
        if (uses) {
            sw_buf_str(b, b->n ? " " : "");
            sw_buf_slice(b, l[i].name.s);
        }
    }
    for (size_t i = 0; i < c->d.peers.count; i++) {
        bool uses =
            trust ? sw_text_is(&p[i].trust, trust)
                  : id && sw_text_is(&p[i].identity, ((const struct sw_identity_directive *)
                                                          c->d.identities.item)[id - c->identities]
                                                         .name.s.p);
        if (uses) {
            sw_buf_str(b, b->n ? " " : "");
            sw_buf_slice(b, p[i].name.s);
        }
    }
}

static void certificate(struct sw_answer *a, bool *first, const char *kind, const char *name,
                        const struct sw_cert *cert, struct sw_slice users)
{
    struct sw_cert_facts x;
    char from[DATE_BYTES], until[DATE_BYTES], print[65], names[256];
    struct sw_buf hex = sw_buf(print, sizeof(print)), found = sw_buf(names, sizeof(names));
    struct sw_ident *ident = sw_ident_new(cert, NULL, 0);
    sw_cert_facts(cert, &x);
    sw_buf_hex(&hex, x.sha256, sizeof(x.sha256));
    if (ident)
        sw_ident_put_names(ident, &found);
    sw_ident_free(ident);
    const struct sw_field f[] = {
        sw_field_str("kind", kind),
        sw_field_str("name", name ? name : "-"),
        sw_field_number("days_left", (x.not_after_s - sw_clock_wall_s()) / 86400),
        sw_field_str("subject", x.subject),
        sw_field_text("names", sw_buf_view(&found)),
        sw_field_str("issuer", x.issuer),
        sw_field_str("key", x.key),
        sw_field_str("not_before", date(x.not_before_s, from)),
        sw_field_str("not_after", date(x.not_after_s, until)),
        sw_field_text("used_by", users),
        sw_field_text("sha256", sw_buf_view(&hex)),
    };
    row(a, first, f, sizeof(f) / sizeof(f[0]));
}

static void identities(const struct sw_daemon *d, struct sw_answer *a, bool *first)
{
    const struct sw_config *c = &d->now->config;
    const struct sw_identity_directive *names = c->d.identities.item;
    char users[USERS_BYTES];
    for (uint32_t i = 0; i < c->identity_count; i++) {
        struct sw_buf b = sw_buf(users, sizeof(users));
        used_by(d, &c->identities[i], NULL, &b);
        certificate(a, first, "identity", names[i].name.s.p, c->identities[i].chain.c[0],
                    sw_buf_view(&b));
    }
}

/* What each trust entry knows of revocations from its files. */
static void revocation_lists(const struct sw_daemon *d, struct sw_answer *a)
{
    const struct sw_config *c = &d->now->config;
    int64_t now_s = sw_clock_wall_s();
    char made[DATE_BYTES], next[DATE_BYTES];
    struct sw_crl_details more;
    struct sw_crl_facts x;
    bool first = true;
    for (uint32_t i = 0; i < c->trust_count; i++)
        for (size_t k = 0; k < c->trusts[i].crls.count; k++) {
            sw_crl_facts(c->trusts[i].crls.c[k], &x);
            sw_crl_details(c->trusts[i].crls.c[k], &more);
            bool stale = x.next_update_s && x.next_update_s <= now_s;
            const struct sw_field f[] = {
                sw_field_str("entry", c->trusts[i].name ? c->trusts[i].name : "-"),
                sw_field_str("state", stale ? "stale" : "current"),
                sw_field_number("revoked", (int64_t)more.revoked),
                sw_field_number("age_seconds", now_s - x.this_update_s),
                sw_field_str("this_update", date(x.this_update_s, made)),
                sw_field_str("next_update", date(x.next_update_s, next)),
                sw_field_str("issuer", x.issuer),
                sw_field_str("from", c->crl_from[i][k].file),
            };
            row(a, &first, f, sizeof(f) / sizeof(f[0]));
        }
}

static void certificates(const struct sw_daemon *d, struct sw_answer *a)
{
    const struct sw_config *c = &d->now->config;
    char users[USERS_BYTES];
    bool first = true;
    text(a, "{\"certificates\":[");
    identities(d, a, &first);
    for (uint32_t i = 0; i < c->trust_count; i++) {
        struct sw_buf b = sw_buf(users, sizeof(users));
        used_by(d, NULL, c->trusts[i].name, &b);
        for (size_t k = 0; k < c->trusts[i].anchors.count; k++)
            certificate(a, &first, "trust", c->trusts[i].name, c->trusts[i].anchors.c[k],
                        sw_buf_view(&b));
    }
    text(a, "],\"revocation_lists\":[");
    revocation_lists(d, a);
    text(a, "]}\n");
}

/* ---- what only the workers know ---- */

static void walk(struct sw_daemon *d, const char *key, enum sw_walk_what what, struct sw_answer *a)
{
    bool any = false;
    text(a, "{\"");
    text(a, key);
    text(a, "\":[");
    for (unsigned i = 0; i < d->started; i++) {
        struct sw_walk *x = sw_walk_new(what);
        enum sw_status s = x ? SW_OK : SW_LIMIT_MEMORY;
        while (s == SW_OK) {
            s = sw_walk_ask(x, &d->all.worker[i], WALK_MS);
            if (s != SW_OK)
                break;
            if (x->n && any)
                text(a, ",");
            sw_answer_text(a, x->text, x->n);
            any = any || x->n;
            if (!x->more)
                break;
        }
        sw_walk_unref(x);
        if (s != SW_OK) { /* half a list that says so is better than none */
            const struct sw_field f[] = {sw_field_number("worker", i),
                                         sw_field_str("error", sw_status_name(s))};
            bool first = !any;
            row(a, &first, f, 2);
            any = true;
        }
    }
    text(a, "]}\n");
}

bool sw_answer_question(struct sw_daemon *d, const char *word, const char *arg, struct sw_answer *a)
{
    if (strcmp(word, "status") == 0)
        status(d, a);
    else if (strcmp(word, "peers") == 0)
        peers(d, arg, a);
    else if (strcmp(word, "certificates") == 0)
        certificates(d, a);
    else if (strcmp(word, "connections") == 0)
        walk(d, "connections", SW_WALK_CONNECTIONS, a);
    else if (strcmp(word, "transactions") == 0)
        walk(d, "transactions", SW_WALK_TRANSACTIONS, a);
    else
        return false;
    return true;
}

/* ---- reload ---- */

static void findings(const struct sw_reload_result *r, struct sw_answer *a)
{
    static const char *const kinds[] = {"error", "warning", "note"};
    char place[512];
    bool first = true;
    text(a, ",\"findings\":[");
    for (size_t i = 0; i < r->diags->count; i++) {
        const struct sw_diag *x = &r->diags->d[i];
        sw_diag_place(r->diags, x, place, sizeof(place));
        const struct sw_field f[] = {sw_field_str("kind", kinds[x->kind]),
                                     sw_field_str("at", place),
                                     sw_field_str("text", x->text ? x->text : "memory is out")};
        row(a, &first, f, 3);
    }
    text(a, "]");
}

void sw_answer_reload(struct sw_daemon *d, const struct sw_reload_result *r, struct sw_answer *a)
{
    bool first = true;
    const struct sw_field f[] = {
        sw_field_str("result", r->done ? "reloaded" : "refused: the old configuration goes on"),
        sw_field_number("ms", r->ms), sw_field_number("proved", r->proved),
        sw_field_number("errors", r->diags->errors),
        sw_field_number("warnings", r->diags->warnings)};
    text(a, "{\"reload\":");
    row(a, &first, f, sizeof(f) / sizeof(f[0]));
    findings(r, a);
    text(a, ",\"serves\":[");
    first = true;
    identities(d, a, &first);
    text(a, "]}\n");
}

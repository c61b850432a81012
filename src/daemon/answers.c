#include "daemon/answers.h"

#include "base/version.h"
#include "daemon/answers_avoided.h"
#include "daemon/answers_load.h"
#include "daemon/failures.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "worker/walk.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { WALK_MS = 2000, ROW_BYTES = 8192, LIST_BYTES = 512 };

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

void sw_answer_row(struct sw_answer *a, bool *first, const struct sw_field *f, size_t n)
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
    sw_answer_row(a, &first, f, 1);
    text(a, "\n");
}

const char *sw_answer_date(int64_t at_s, char out[SW_DATE_BYTES])
{
    time_t t = (time_t)at_s;
    struct tm tm;
    if (!at_s || !gmtime_r(&t, &tm) || !strftime(out, SW_DATE_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm))
        return "-";
    return out;
}

static const char *identity_name(const struct sw_tls_params *tls)
{
    return tls->identity && tls->identity->name ? tls->identity->name : "-";
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
    sw_answer_row(a, &first, f, SW_COUNTERS);
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
    sw_answer_row(a, &first, f, sizeof(f) / sizeof(f[0]));
}

/* The peers that may be sent to without TLS. */
static void in_the_clear(const struct sw_proxy_conf *c, struct sw_buf *b)
{
    for (uint32_t i = 0; i < c->peer_count; i++) {
        if (!c->peers[i].best_effort)
            continue;
        sw_buf_str(b, b->n ? " " : "");
        sw_buf_slice(b, c->peers[i].name);
    }
}

static uint32_t peers_down(const struct sw_daemon *d)
{
    const struct sw_proxy_conf *c = &d->now->config.proxy;
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->peer_count; i++)
        n += sw_answer_is_down(&d->now->peers[i], sw_clock_ms());
    return n;
}

static uint64_t open_connections(const struct sw_daemon *d)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < d->started; i++)
        n += atomic_load_explicit(&d->all.worker[i].load, memory_order_relaxed);
    return n;
}

static void totals(const struct sw_daemon *d, struct sw_answer *a)
{
    char started[SW_DATE_BYTES], loaded[SW_DATE_BYTES], clear[LIST_BYTES];
    const struct sw_config *c = &d->now->config;
    struct sw_buf names = sw_buf(clear, sizeof(clear));
    bool first = true;
    unsigned retired = 0;
    for (const struct sw_snapshot *s = d->retired; s; s = s->next)
        retired++;
    in_the_clear(&c->proxy, &names);
    const struct sw_field f[] = {
        sw_field_str("state", d->all.draining ? "draining" : "running"),
        sw_field_str("version", SW_VERSION),
        sw_field_str("tls", sw_tls_library()),
        sw_field_number("pid", getpid()),
        sw_field_str("configuration", d->path),
        sw_field_str("started", sw_answer_date(d->started_s, started)),
        sw_field_number("seconds", sw_clock_wall_s() - d->started_s),
        sw_field_str("loaded", sw_answer_date(d->reloaded_s, loaded)),
        sw_field_number("reloads", (int64_t)d->reloads),
        sw_field_number("reloads_failed", (int64_t)d->reloads_failed),
        sw_field_number("configurations_in_use", 1 + retired),
        sw_field_number("workers", d->all.count),
        sw_field_number("connections", (int64_t)open_connections(d)),
        sw_field_number("open_transactions", (int64_t)sw_daemon_open_transactions(d)),
        sw_field_number("identities", c->identity_count),
        sw_field_number("trust_entries", c->trust_count),
        sw_field_number("peers", c->proxy.peer_count),
        sw_field_number("peers_down", peers_down(d)),
        sw_field_text("best_effort", sw_buf_view(&names)),
    };
    sw_answer_row(a, &first, f, sizeof(f) / sizeof(f[0]));
}

static void listeners(const struct sw_daemon *d, struct sw_answer *a)
{
    static const char *const modes[] = {"none", "request", "require"};
    const struct sw_config *c = &d->now->config;
    char address[SW_ENDPOINT_TEXT_MAX];
    bool first = true;
    for (uint32_t i = 0; i < c->proxy.listener_count; i++) {
        const struct sw_conn_listener *l = &c->conn_listeners[i];
        bool tls = l->transport == SW_TLS;
        const struct sw_field f[] = {
            sw_field_str("listener", l->name),
            sw_field_text("transport", sw_transport_name((enum sw_transport)l->transport)),
            sw_field_str("address", sw_endpoint_text(&c->proxy.listeners[i].address, address)),
            sw_field_str("identity", identity_name(&l->tls)),
            sw_field_str("policy", tls ? c->policies[l->tls.policy].name : "-"),
            sw_field_str("client_certificate", tls ? modes[l->tls.client_cert] : "-"),
        };
        sw_answer_row(a, &first, f, sizeof(f) / sizeof(f[0]));
    }
}

static void status(struct sw_daemon *d, struct sw_answer *a)
{
    text(a, "{\"status\":");
    totals(d, a);
    text(a, ",\"listeners\":[");
    listeners(d, a);
    text(a, "],\"revocations\":");
    learnt(d, a);
    text(a, ",\"counters\":");
    counters(d, a);
    text(a, "}\n");
}

/* ---- peers ---- */

/* When TLS with it was last verified, by the wall clock; 0: not since the start. */
static int64_t spoke_tls_s(const struct sw_peer_state *s)
{
    int64_t at_ms = atomic_load_explicit(&s->spoke_tls_ms, memory_order_relaxed);
    return at_ms ? sw_clock_wall_s() - (sw_clock_ms() - at_ms) / 1000 : 0;
}

static struct sw_slice domains_of(const struct sw_peer_conf *p, struct sw_buf *b)
{
    for (uint32_t i = 0; i < p->domain_count; i++) {
        sw_buf_str(b, b->n ? " " : "");
        sw_buf_slice(b, p->domains[i]);
    }
    return b->n ? sw_buf_view(b) : SW_SLICE("-");
}

static struct sw_slice addresses_of(const struct sw_peer_conf *p, struct sw_buf *b)
{
    char address[SW_ENDPOINT_TEXT_MAX];
    for (uint32_t i = 0; i < p->address_count; i++) {
        sw_buf_str(b, b->n ? " " : "");
        sw_buf_str(b, sw_endpoint_text(&p->addresses[i], address));
    }
    return b->n ? sw_buf_view(b) : SW_SLICE("-");
}

static const struct sw_conn_peer *dialled(const struct sw_config *c, uint32_t id)
{
    uint32_t low = 0, high = c->proxy.peer_count;
    while (high - low > 1) {
        uint32_t mid = (low + high) / 2;
        if (c->conn_peers[mid].id > id)
            high = mid;
        else
            low = mid;
    }
    return &c->conn_peers[low];
}

static void peer(const struct sw_daemon *d, uint32_t i, struct sw_answer *a, bool *first)
{
    static const char *const sips[] = {"allow", "require", "deny"};
    const struct sw_config *c = &d->now->config;
    const struct sw_peer_conf *p = &c->proxy.peers[i];
    const struct sw_conn_peer *cp = dialled(c, p->id);
    const struct sw_text *trust = &((const struct sw_peer_directive *)c->d.peers.item)[i].trust;
    char names[LIST_BYTES], places[LIST_BYTES], spoke[SW_DATE_BYTES];
    struct sw_buf domains = sw_buf(names, sizeof(names)), at = sw_buf(places, sizeof(places));
    char health[SW_HEALTH_BYTES], since[SW_DATE_BYTES];
    const struct sw_peer_state *state = &d->now->peers[i];
    const int64_t now_ms = sw_clock_ms(), since_s = sw_answer_since_s(state, now_ms);
    const struct sw_load_way *in = &state->load->way[SW_LOAD_FROM];
    const struct sw_load_way *out = &state->load->way[SW_LOAD_TO];
    const struct sw_field f[] = {
        sw_field_text("peer", p->name),
        sw_field_str("health", sw_answer_health(p, state, now_ms, health)),
        sw_field_str("since", sw_answer_date(since_s, since)),
        sw_answer_loaded("in_now", &in->now),
        sw_answer_loaded("out_now", &out->now),
        sw_field_number("in_per_second", sw_load_per_second(in, now_ms)),
        sw_field_number("out_per_second", sw_load_per_second(out, now_ms)),
        sw_answer_counted("in_requests", &in->begun),
        sw_answer_counted("out_requests", &out->begun),
        sw_answer_counted("in_limited", &in->refused),
        sw_answer_counted("out_limited", &out->refused),
        sw_answer_loaded("in_connections", &in->connections),
        sw_answer_loaded("out_connections", &out->connections),
        sw_field_str("transport", p->tls             ? "tls"
                                  : p->udp && p->tcp ? "udp,tcp"
                                  : p->udp           ? "udp"
                                                     : "tcp"),
        sw_field_text("domain", domains_of(p, &domains)),
        sw_field_text("address", addresses_of(p, &at)),
        sw_field_text("listener", c->proxy.listeners[p->listener].name),
        sw_field_str("identity", identity_name(&cp->tls)),
        sw_field_str("trust", p->tls && trust->s.p ? trust->s.p : "-"),
        sw_field_str("policy", p->tls ? c->policies[cp->tls.policy].name : "-"),
        sw_field_str("verify", p->tls && cp->verify ? cp->verify : "-"),
        sw_field_str("purposes", !p->tls        ? "-"
                                 : cp->purposes ? cp->purposes
                                                : "strict"),
        sw_field_str("sips", sips[p->sips]),
        sw_field_str("security", !p->tls          ? "-"
                                 : p->best_effort ? "best-effort"
                                                  : "tls-only"),
        sw_field_str("without_certificate", p->without_certificate ? "allow" : "refuse"),
        sw_field_str("spoke_tls", sw_answer_date(spoke_tls_s(&d->now->peers[i]), spoke)),
    };
    sw_answer_row(a, first, f, sizeof(f) / sizeof(f[0]));
}

static void peers(struct sw_daemon *d, const char *only, struct sw_answer *a)
{
    const struct sw_proxy_conf *c = &d->now->config.proxy;
    bool first = true;
    text(a, "{\"peers\":[");
    for (uint32_t i = 0; i < c->peer_count; i++)
        if (!only[0] || sw_slice_eq(c->peers[i].name, sw_slice_str(only)))
            peer(d, i, a, &first);
    text(a, "]}\n");
}

/* ---- what only the workers know ---- */

static void walk(struct sw_daemon *d, const char *key, enum sw_walk_what what, const char *peer,
                 struct sw_answer *a)
{
    bool any = false;
    text(a, "{\"");
    text(a, key);
    text(a, "\":[");
    for (unsigned i = 0; i < d->started; i++) {
        struct sw_walk *x = sw_walk_new(what, peer);
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
            sw_answer_row(a, &first, f, 2);
            any = true;
        }
    }
    text(a, "]}\n");
}

bool sw_answer_question(struct sw_daemon *d, const char *word, const char *arg, struct sw_answer *a)
{
    if (sw_answer_is_nobody(d, word, arg))
        sw_answer_no_peer(a, arg);
    else if (strcmp(word, "status") == 0)
        status(d, a);
    else if (strcmp(word, "peers") == 0)
        peers(d, arg, a);
    else if (strcmp(word, "certificates") == 0)
        sw_answer_certificates(d, a);
    else if (strcmp(word, "avoided") == 0)
        sw_answer_avoided(d, arg, a);
    else if (strcmp(word, "revocation") == 0)
        sw_answer_revocation(d, a);
    else if (strcmp(word, "failures") == 0)
        sw_answer_failures(d, arg, a);
    else if (strcmp(word, "connections") == 0)
        walk(d, "connections", SW_WALK_CONNECTIONS, arg, a);
    else if (strcmp(word, "transactions") == 0)
        walk(d, "transactions", SW_WALK_TRANSACTIONS, "", a);
    else if (strcmp(word, "calls") == 0)
        walk(d, "calls", SW_WALK_CALLS, "", a);
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
        sw_answer_row(a, &first, f, 3);
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
    sw_answer_row(a, &first, f, sizeof(f) / sizeof(f[0]));
    findings(r, a);
    text(a, ",\"serves\":[");
    first = true;
    sw_answer_identities(d, a, &first);
    text(a, "]}\n");
}

/* A connection that failed: gathers what is known of it into one record and one line of the log. */
#include "conn/attempt.h"

#include "conn/failures.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "tls/message.h"
#include "tls/message_read.h"
#include <time.h>

enum { NAMES_BYTES = 256, CHAIN_BYTES = 512, FIELDS = 40, SUITES_BYTES = 128 };

/* What is said of one failure. */
struct said {
    const struct sw_flow *flow;
    const struct sw_conn *conn; /* NULL: there is none */
    struct sw_attempt_refusal r;
    struct sw_tls_failure tls;
    bool tls_says; /* `tls` tells of this failure */
    struct sw_slice got;
    const struct sw_conn_peer *claimed; /* whose rule decided; NULL: the connection's peer's */
    struct sw_tls_evidence e;
};

static const char *phase(enum sw_status status, enum sw_conn_state state)
{
    if (state == SW_CONN_OPEN && status == SW_CRYPTO_VERIFY) /* it was judged again */
        return "identity";
    switch (state) {
    case SW_CONN_CONNECTING:
        return "tcp";
    case SW_CONN_IDENTITY:
        return "identity";
    default:
        return "handshake"; /* refused after it: TLS 1.3 */
    }
}

const char *sw_attempt_help(enum sw_status status, enum sw_conn_state state)
{
    if (status == SW_DENIED_IDENTITY)
        return "the peer's `domain` must be a name that its certificate carries as SAN URI "
               "sip:DOMAIN or, without such a URI, as SAN DNS";
    if (status == SW_DENIED_PURPOSE)
        return "the peer needs a certificate with this purpose: serverAuth when we connect, "
               "clientAuth when it does";
    if (status == SW_LIMIT)
        return "the peer needs a certificate with fewer names";
    if (state == SW_CONN_OPEN)
        return "a TLS 1.3 server that refuses our certificate says so only now: its log tells why";
    if (state == SW_CONN_CONNECTING)
        return "is the peer up, and does a firewall let TCP through?";
    return status == SW_PEER_TIMEOUT ? "the other side did not go on with the handshake in time"
                                     : "the other side's log should say why it closed";
}

/* The stable words of docs/failures.md for what TLS says nothing about. */
static const char *code_of(enum sw_status status, enum sw_conn_state state)
{
    static const struct {
        enum sw_status status;
        const char *tcp, *handshake, *later;
    } codes[] = {
        {SW_LIMIT, "limit", "limit", "too_many_names"},
        {SW_PEER_REFUSED, "tcp_refused", "reset_in_handshake", "reset_after_handshake"},
        {SW_SYS_UNREACHABLE, "tcp_unreachable", "reset_in_handshake", "reset_after_handshake"},
        {SW_PEER_TIMEOUT, "tcp_timeout", "handshake_timeout", "handshake_timeout"},
        {SW_PEER_CLOSED, "tcp_closed", "closed_in_handshake", "closed_after_handshake"},
        {SW_PEER_RESET, "tcp_reset", "reset_in_handshake", "reset_after_handshake"},
    };
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (codes[i].status == status)
            return state == SW_CONN_CONNECTING  ? codes[i].tcp
                   : state == SW_CONN_HANDSHAKE ? codes[i].handshake
                                                : codes[i].later;
    return sw_status_name(status);
}

/* Equal failures have equal numbers: what a peer tries again is one record. */
static uint64_t number_of(const struct sw_conns *s, const struct said *x)
{
    const struct sw_flow *flow = x->flow;
    const uint32_t numbers[] = {
        flow->peer,
        flow->outbound,
        flow->transport,
        flow->listener,
        flow->remote.family,
        flow->outbound ? flow->remote.port : 0u,
        (uint32_t)x->tls.alert,
        x->tls.alert_sent,
        x->claimed ? x->claimed->id : 0,
    };
    struct sw_siphash h;
    sw_siphash_init(&h, sw_failures_key(s->conf.failures));
    sw_siphash_add(&h, numbers, sizeof(numbers));
    sw_siphash_add(&h, flow->remote.ip, sizeof(flow->remote.ip));
    sw_siphash_slice(&h, sw_slice_str(x->r.phase));
    sw_siphash_slice(&h, sw_slice_str(x->r.code));
    sw_siphash_slice(&h, sw_slice_str(x->tls.subject));
    if (!x->tls_says) /* with TLS there are words of the peer's in it */
        sw_siphash_slice(&h, sw_slice_str(x->r.why));
    if (flow->ident)
        sw_siphash_add(&h, flow->ident->fingerprint, sizeof(flow->ident->fingerprint));
    return sw_siphash_end(&h).a;
}

static void put_if(struct sw_field *f, size_t *n, const char *name, const char *text)
{
    if (text && text[0])
        f[(*n)++] = sw_field_str(name, text);
}

/* Which part of the configuration applied, and why that one. */
static size_t put_profile(const struct sw_conns *s, const struct said *x, struct sw_field *f,
                          size_t n)
{
    const struct sw_conn_named *named = x->conn ? x->conn->named : NULL;
    bool peers = x->flow->outbound && sw_conn_peer_find(s, x->flow->peer);
    f[n++] = sw_field_str("profile", peers || x->claimed ? "peer" : "listener");
    f[n++] = sw_field_str(
        "profile_why", x->claimed && x->r.status == SW_DENIED_PURPOSE
                           ? "its certificate proves a domain of the "
                             "peer in claims, whose purposes decide"
                       : x->claimed        ? "its certificate names a domain of the peer in claims"
                       : peers && named    ? "we connect to where a domain of this peer leads"
                       : peers             ? "we connect to an address of this peer"
                       : x->flow->outbound ? "we connect from this listener to who is no peer"
                       : x->r.status == SW_DENIED_PURPOSE
                           ? "its certificate proves no domain of a peer, and came to this listener"
                           : "it came to the address of this listener");
    put_if(f, &n, "identity_why", x->e.name_outcome);
    return n;
}

/* What both sides said in the handshake. */
static size_t put_evidence(const struct said *x, struct sw_field *f, size_t n)
{
    put_if(f, &n, "policy", x->e.policy);
    put_if(f, &n, "server_name", x->e.server_name);
    put_if(f, &n, "offered_by_peer", x->e.theirs);
    put_if(f, &n, "offered_by_us", x->e.ours);
    put_if(f, &n, "chosen", x->e.chosen);
    if (x->e.came_count)
        f[n++] = sw_field_number("certificates", x->e.came_count);
    return n;
}

/* Whom the certificate names, what is asked of that peer, and who issued what came instead. */
static size_t put_claim(const struct said *x, struct sw_field *f, size_t n)
{
    const struct sw_conn_peer *p = x->claimed;
    f[n++] = sw_field_str("claims", p->name);
    put_if(f, &n, "wanted", p->wanted);
    put_if(f, &n, "wanted_trust", p->trust);
    if (p->purposes)
        f[n++] = sw_field_str("purposes", p->purposes);
    if (p->pin_count)
        put_if(f, &n, "wanted_pin", p->pins[0].name);
    if (x->e.told)
        put_if(f, &n, "issuer", x->e.came[0].issuer);
    return n;
}

static size_t put_identity(const struct said *x, const struct sw_conn_peer *p, struct sw_buf *names,
                           struct sw_field *f, size_t n)
{
    const struct sw_conn *c = x->conn;
    struct sw_tls_info info;
    if (!c)
        return n;
    if (c->named && !(p && p->pin_count))
        f[n++] = sw_field_str("wanted", c->named->domain);
    else if (p && p->wanted && c->tls)
        f[n++] = sw_field_str("wanted", p->wanted);
    if (x->claimed)
        n = put_claim(x, f, n);
    if (c->server)
        f[n++] = sw_field_str("tlsa_of", c->server);
    n = sw_attempt_rule(p, c, f, n);
    if (c->flow.ident) {
        sw_ident_put_names(c->flow.ident, names);
        f[n++] = sw_field_text("presented", sw_buf_view(names));
    } else {
        put_if(f, &n, "presented", x->e.names);
    }
    if (x->got.n)
        f[n++] = sw_field_text("identity", x->got);
    if (c->tls && c->state != SW_CONN_CONNECTING) {
        sw_tls_info(c->tls, &info);
        f[n++] = sw_attempt_shown(&info);
    }
    put_if(f, &n, "certificate", x->tls.subject);
    return n;
}

/* All fields; the first ones are those of every line about a connection. */
static size_t put_all(const struct sw_conns *s, const struct said *x, struct sw_attempt_text *h,
                      struct sw_buf *names, struct sw_field *f)
{
    const struct sw_conn_peer *p = sw_conn_peer_find(s, x->flow->peer);
    size_t n = sw_attempt_head(s, x->flow, h, f);
    f[n++] = sw_field_str("phase", x->r.phase);
    f[n++] = sw_field_str("status", sw_status_name(x->r.status));
    f[n++] = sw_field_str("reason", x->r.code);
    f[n++] = sw_field_str("why", x->r.why);
    n = put_identity(x, p, names, f, n);
    if (x->tls.alert >= 0) {
        f[n++] = sw_field_str("alert", sw_tls_alert_name((unsigned)x->tls.alert));
        f[n++] = sw_field_str("alert_from", x->tls.alert_sent ? "us" : "peer");
    }
    f[n++] = sw_field_str("help", x->r.help);
    n = put_profile(s, x, f, n);
    return put_evidence(x, f, n);
}

static const char *date(int64_t at_s, char out[24])
{
    struct tm tm;
    time_t t = (time_t)at_s;
    return gmtime_r(&t, &tm) && strftime(out, 24, "%Y-%m-%dT%H:%M:%SZ", &tm) ? out : "-";
}

/* The chain that came, as a member of the record: `"chain":[{...},...]`. */
static void put_chain(struct sw_buf *b, const struct sw_tls_evidence *e)
{
    size_t start = b->n;
    sw_buf_lit(b, ",\"chain\":[");
    for (unsigned i = 0; i < e->told; i++) {
        const struct sw_tls_came *c = &e->came[i];
        char from[24], until[24], print[65];
        struct sw_buf hex = sw_buf(print, sizeof(print));
        sw_buf_hex(&hex, c->sha256, sizeof(c->sha256));
        const struct sw_field f[] = {
            sw_field_str("subject", c->subject),
            sw_field_str("issuer", c->issuer),
            sw_field_str("not_before", date(c->not_before_s, from)),
            sw_field_str("not_after", date(c->not_after_s, until)),
            sw_field_text("sha256", sw_buf_view(&hex)),
            sw_field_str("verdict", e->refused == (int)i ? "refused" : "-"),
        };
        size_t before = b->n;
        sw_buf_str(b, i ? "," : "");
        sw_log_object(b, f, sizeof(f) / sizeof(f[0]));
        if (b->full || b->n + 1 >= b->cap) { /* room for the end */
            b->n = before;
            b->full = false;
            break;
        }
    }
    sw_buf_char(b, ']');
    if (b->full)
        b->n = start;
    b->full = false;
}

/* All suites of a hello, as a member of the record; the log has as many as a line holds. */
static void put_suites(struct sw_buf *b, const char *name, const struct sw_tls_suites *s)
{
    enum { END = 2 };
    sw_buf_lit(b, ",\"");
    sw_buf_str(b, name);
    sw_buf_lit(b, "\":[");
    for (unsigned i = 0; i < s->count; i++) {
        size_t before = b->n;
        sw_buf_str(b, i ? ",\"" : "\"");
        sw_tls_word_put(b, sw_tls_suite_name(s->number[i]), s->number[i]);
        sw_buf_char(b, '"');
        if (b->full || b->n + END > b->cap) {
            b->n = before;
            b->full = false;
            break;
        }
    }
    sw_buf_char(b, ']');
}

/* Its subjects, for the log. */
static void put_subjects(struct sw_buf *b, const struct sw_tls_evidence *e)
{
    for (unsigned i = 0; i < e->told; i++) {
        sw_buf_str(b, i ? " < " : "");
        sw_buf_str(b, e->came[i].subject);
    }
}

static void keep(const struct sw_conns *s, const struct said *x, uint64_t what, int64_t wall_ms,
                 const struct sw_field *f, size_t n)
{
    char text[SW_FAILURE_BYTES - 512]; /* the names beside it */
    struct sw_buf b = sw_buf(text, sizeof(text));
    const struct sw_conn_peer *p = sw_conn_peer_find(s, x->flow->peer);
    sw_failures_put(&b, f, n);
    if (x->e.told)
        put_chain(&b, &x->e);
    if (x->e.their_suites.count && b.cap - b.n > SUITES_BYTES)
        put_suites(&b, "peer_suites", &x->e.their_suites);
    if (x->e.our_suites.count && b.cap - b.n > SUITES_BYTES)
        put_suites(&b, "our_suites", &x->e.our_suites);
    const struct sw_failure failure = {
        .what = what,
        .wall_ms = wall_ms,
        .peer = sw_slice_str(p && strlen(p->name) < 200 ? p->name : ""),
        .text = sw_buf_view(&b),
        .names = sw_slice_str(x->e.names),
        .remote = x->flow->remote,
        .outbound = x->flow->outbound,
    };
    sw_failures_add(s->conf.failures, &failure);
}

/* A new failure gets a record and a warning. One that goes on is counted; it is in the log again
 * after a minute, and each time for those who want all of it. */
static void tell(const struct sw_conns *s, struct said *x)
{
    struct sw_failures *all = s->conf.failures;
    int64_t wall_ms = sw_clock_wall_ms();
    uint64_t what = all ? number_of(s, x) : 0, count = 0;
    bool say = true;
    if (all)
        count = sw_failures_again(all, what, wall_ms, &say);
    enum sw_level level = count && !say ? SW_LEVEL_DEBUG : SW_LEVEL_WARN;
    if (count && !sw_log_on(level))
        return;
    struct sw_field f[FIELDS];
    struct sw_attempt_text h;
    char names[NAMES_BYTES], chain[CHAIN_BYTES];
    struct sw_buf b = sw_buf(names, sizeof(names)), subjects = sw_buf(chain, sizeof(chain));
    if (x->conn && x->conn->tls && x->conn->state != SW_CONN_CONNECTING)
        sw_tls_evidence(x->conn->tls, &x->e);
    size_t n = put_all(s, x, &h, &b, f);
    if (all && !count)
        keep(s, x, what, wall_ms, f, n);
    put_subjects(&subjects, &x->e);
    if (subjects.n)
        f[n++] = sw_field_text("chain", sw_buf_view(&subjects));
    if (count)
        f[n++] = sw_field_number("count", (int64_t)count);
    sw_log(level, "connection_failed", f, n);
}

void sw_attempt_denied(const struct sw_conns *s, const struct sw_conn *c,
                       const struct sw_attempt_verdict *v)
{
    enum sw_conn_state state = (enum sw_conn_state)c->state;
    struct said x = {.flow = &c->flow,
                     .conn = c,
                     .got = v->got,
                     .claimed = sw_conn_peer_find(s, v->claimed),
                     .tls = {.alert = -1}};
    if (c->tls)
        sw_tls_failure(c->tls, &x.tls);
    x.tls_says = x.tls.why[0] && (state != SW_CONN_IDENTITY || c->waits);
    const bool open = state == SW_CONN_OPEN && v->status != SW_CRYPTO_VERIFY && x.tls.settled;
    x.r = (struct sw_attempt_refusal){
        .status = v->status,
        .phase = open ? "open" : phase(v->status, state),
        .code = x.tls_says ? x.tls.code : code_of(v->status, state),
        .why = x.tls_says ? x.tls.why
               : v->why   ? v->why
                          : "the connection ended",
        .help = x.tls_says ? x.tls.help
                : v->help  ? v->help
                           : sw_attempt_help(v->status, state),
    };
    tell(s, &x);
}

void sw_attempt_failed(const struct sw_conns *s, const struct sw_conn *c, enum sw_status status,
                       const char *why, struct sw_slice got)
{
    const struct sw_attempt_verdict v = {.status = status, .why = why, .got = got};
    sw_attempt_denied(s, c, &v);
}

void sw_attempt_refused(const struct sw_conns *s, const struct sw_flow *flow,
                        const struct sw_attempt_refusal *r)
{
    struct said x = {.flow = flow, .r = *r, .tls = {.alert = -1}};
    tell(s, &x);
}

void sw_attempt_renegotiation(const struct sw_conns *s, const struct sw_conn *c)
{
    struct said x = {
        .flow = &c->flow,
        .conn = c,
        .tls = {.alert = SW_TLS_NO_RENEGOTIATION, .alert_sent = true},
        .r = {.status = SW_DENIED,
              .phase = "policy",
              .code = "renegotiation",
              .why = "the peer asked for a renegotiation, which no policy has",
              .help = "nothing, if calls pass: the connection goes on without; else its software "
                      "must do without renegotiation, as TLS 1.3 does"}};
    tell(s, &x);
}

/* One address through its phases: TCP, TLS handshake, identity, OPTIONS. */
#include "cmd/probe.h"

#include "loop/sock.h"
#include "sys/clock.h"
#include "tls/message.h"

const char *probe_phase_name(enum probe_phase p)
{
    static const char *const names[PROBE_PHASES] = {"dns", "tcp", "handshake", "identity",
                                                    "options"};
    return names[p];
}

const char *probe_result_name(enum probe_result r)
{
    static const char *const names[] = {"not reached", "unconfirmed", "passed", "failed",
                                        "skipped"};
    return names[r];
}

/* ---- failure ---- */

static void put_seconds(struct sw_buf *b, int64_t ms)
{
    sw_buf_u64(b, (uint64_t)(ms / 1000));
    if (ms % 1000) {
        sw_buf_char(b, '.');
        sw_buf_u64(b, (uint64_t)(ms % 1000) / 100);
    }
    sw_buf_lit(b, " s");
}

static void put_policy(struct sw_buf *b, const struct probe_goal *g)
{
    const struct sw_tls_policy *p = &g->policies[g->tls.policy];
    sw_buf_lit(b, "TLS by policy ");
    sw_buf_str(b, p->name);
    sw_buf_lit(b, " (");
    sw_tls_version_put(b, p->min_version);
    if (p->max_version != p->min_version) {
        sw_buf_lit(b, " to ");
        sw_tls_version_put(b, p->max_version);
    }
    sw_buf_char(b, ')');
}

static void put_wanted(struct sw_buf *b, const struct probe_attempt *a,
                       const struct probe_failure *f)
{
    const struct probe_goal *g = a->goal;
    switch (f->phase) {
    case PROBE_HANDSHAKE:
        if (f->status == SW_CRYPTO_VERIFY) {
            sw_buf_lit(b, "a certificate that is vouched for by ");
            sw_buf_str(b, g->believed);
        } else {
            put_policy(b, g);
            if (a->certificate_wanted && f->status == SW_CRYPTO_ALERT) {
                sw_buf_lit(b, ", and to be believed with ");
                sw_buf_str(b, g->tls.identity ? g->shown : "no certificate");
            }
        }
        break;
    case PROBE_IDENTITY:
        sw_buf_str(b, g->wanted);
        break;
    case PROBE_OPTIONS:
        sw_buf_lit(b, "a final answer to OPTIONS within ");
        put_seconds(b, g->timeout_ms);
        break;
    case PROBE_DNS:
    case PROBE_TCP:
    case PROBE_PHASES:
        sw_buf_lit(b, "a connection within ");
        put_seconds(b, g->timeout_ms);
    }
}

/* The first line of what is not TLS. */
static void put_first_line(struct sw_buf *b, const struct probe_link *l)
{
    size_t n = 0;
    while (n < l->in_n && n < 80 && l->in[n] != '\r' && l->in[n] != '\n')
        n++;
    sw_buf_char(b, '"');
    sw_buf_put(b, l->in, n);
    sw_buf_char(b, '"');
}

static void put_came(struct sw_buf *b, const struct probe_attempt *a, const struct probe_failure *f,
                     const struct probe_link *l)
{
    if (f->phase == PROBE_IDENTITY) {
        sw_buf_str(b, a->chain_count ? a->chain[0].names : "no certificate");
    } else if (f->alert >= 0 && !f->alert_sent) {
        sw_buf_lit(b, "alert ");
        sw_buf_str(b, sw_tls_alert_name((unsigned)f->alert));
    } else if (f->status == SW_CRYPTO_VERIFY && a->chain_count) {
        sw_buf_str(b, a->chain[0].facts.subject);
        sw_buf_lit(b, ", issued by ");
        sw_buf_str(b, a->chain[0].facts.issuer);
    } else if (f->status == SW_PEER_PROTOCOL && l->in_n) {
        put_first_line(b, l);
    } else if (a->answer.status) {
        sw_buf_u64(b, a->answer.status);
        sw_buf_char(b, ' ');
        sw_buf_str(b, a->answer.reason);
    } else if (f->status == SW_PEER_TIMEOUT) {
        sw_buf_str(b, f->phase == PROBE_TCP ? "nothing" : "nothing more");
    } else if (f->status == SW_PEER_REFUSED) {
        sw_buf_lit(b, "a refusal: the port is closed");
    } else if (f->status == SW_PEER_CLOSED) {
        sw_buf_lit(b, "the end of the connection");
    } else {
        sw_buf_str(b, sw_status_name(f->status));
    }
}

static enum sw_conn_state state_of(enum probe_phase p)
{
    return p == PROBE_TCP        ? SW_CONN_CONNECTING
           : p == PROBE_IDENTITY ? SW_CONN_IDENTITY
                                 : SW_CONN_HANDSHAKE;
}

static void phase_done(struct probe_attempt *a, enum probe_phase p, enum probe_result r,
                       int64_t from_us)
{
    a->result[p] = r;
    if (from_us)
        a->took_us[p] = sw_clock_us() - from_us;
    if (a->phase_done)
        a->phase_done(a, p);
}

/* The words of the log's event=connection_failed, src/conn/attempt.c. */
static bool fail(struct probe_attempt *a, struct probe_link *l, enum probe_phase p,
                 enum sw_status status, const char *why, const char *help)
{
    struct probe_failure *f = &a->failure;
    struct sw_tls_failure tls = {.alert = -1};
    if (l->tls)
        sw_tls_failure(l->tls, &tls);
    bool tls_says = tls.why[0] && p != PROBE_IDENTITY;
    *f = (struct probe_failure){.phase = p, .status = status, .alert = -1};
    if (tls_says) {
        f->alert = tls.alert;
        f->alert_sent = tls.alert_sent;
        probe_text_copy(f->certificate, sizeof(f->certificate), tls.subject);
    }
    probe_text_copy(f->why, sizeof(f->why), tls_says ? tls.why : why);
    f->help = tls_says ? tls.help : help ? help : sw_attempt_help(status, state_of(p));
    struct sw_buf wanted = sw_buf(f->wanted, sizeof(f->wanted) - 1);
    struct sw_buf came = sw_buf(f->came, sizeof(f->came) - 1);
    put_wanted(&wanted, a, f);
    put_came(&came, a, f, l);
    probe_text_end(&wanted);
    probe_text_end(&came);
    return false;
}

void probe_dns_failed(struct probe_attempt *a)
{
    struct probe_failure *f = &a->failure;
    *f = (struct probe_failure){.phase = PROBE_DNS, .status = SW_SYS_UNREACHABLE, .alert = -1};
    probe_text_copy(f->why, sizeof(f->why), a->goal->dns);
    struct sw_buf b = sw_buf(f->wanted, sizeof(f->wanted) - 1);
    sw_buf_lit(&b, "an address of ");
    sw_buf_str(&b, a->goal->host);
    probe_text_end(&b);
    probe_text_copy(f->came, sizeof(f->came), "none");
    f->help = "is the name right? --via HOST:PORT says where to connect instead";
    a->result[PROBE_DNS] = PROBE_FAILED;
}

/* ---- the phases ---- */

static bool tcp(struct probe_attempt *a, struct probe_link *l)
{
    const struct probe_goal *g = a->goal;
    enum probe_phase p = PROBE_TCP;
    enum sw_status s = probe_link_connect(l, &a->remote, &g->from);
    if (l->fd >= 0)
        a->local = sw_sock_local(l->fd);
    if (s != SW_OK)
        fail(a, l, p, s,
             s == SW_PEER_TIMEOUT ? "limit connect: no answer to TCP" : "TCP was not connected",
             NULL);
    phase_done(a, p,
               s != SW_OK               ? PROBE_FAILED
               : g->transport == SW_UDP ? PROBE_SKIPPED
                                        : PROBE_PASSED,
               a->start_us);
    return s == SW_OK;
}

static void keep_info(struct probe_attempt *a, const struct probe_link *l)
{
    struct sw_tls_info info;
    sw_tls_info(l->tls, &info);
    probe_text_copy(a->version, sizeof(a->version), info.version);
    probe_text_copy(a->suite, sizeof(a->suite), info.suite);
    probe_text_copy(a->group, sizeof(a->group), info.group);
}

static bool handshake(struct probe_attempt *a, struct probe_link *l)
{
    l->tls = sw_tls_new(l->worker, &a->goal->tls, a);
    int64_t from_us = sw_clock_us();
    l->deadline_ms = sw_clock_ms() + a->goal->timeout_ms;
    enum sw_status s = l->tls ? SW_OK : SW_LIMIT_MEMORY;
    if (s == SW_OK && a->dane.records.n)
        s = sw_tls_dane(l->tls, a->dane.records);
    if (s == SW_OK)
        s = probe_link_handshake(l);
    if (s == SW_OK) {
        keep_info(a, l);
        /* until TLS 1.2 the server's Finished comes last: it has judged our certificate */
        a->confirmed |= strcmp(a->version, "TLSv1.3") != 0;
        phase_done(a, PROBE_HANDSHAKE, a->confirmed ? PROBE_PASSED : PROBE_UNCONFIRMED, from_us);
        return true;
    }
    const char *help = s == SW_PEER_TIMEOUT && !l->in_n
                           ? "the other side sent nothing at all: is TLS what this port speaks?"
                           : NULL;
    fail(a, l, PROBE_HANDSHAKE, s,
         s == SW_PEER_TIMEOUT ? "limit handshake: it took too long"
                              : "the peer closed during the handshake",
         help);
    phase_done(a, PROBE_HANDSHAKE, PROBE_FAILED, from_us);
    return false;
}

/* RFC 5922 7.3: before anything is sent */
static bool identity(struct probe_attempt *a, struct probe_link *l)
{
    int64_t from_us = sw_clock_us();
    struct sw_ingress in;
    struct sw_ident *ident = sw_tls_take_ident(l->tls);
    const struct sw_flow flow = {
        .remote = a->goal->named.family ? a->goal->named : a->remote,
        .transport = SW_TLS,
        .outbound = true,
        .ident = ident,
    };
    const struct sw_ingress_server server = {
        .peer = &a->goal->peer, .host = a->dane.host, .located = a->dane.domain};
    enum sw_status s = sw_ingress_dane(NULL, &server, &flow, &in);
    if (s == SW_AGAIN)
        s = sw_ingress_outbound(NULL, &a->goal->peer, &flow, &in);
    a->verdict = in.why;
    struct sw_buf b = sw_buf(a->identity, sizeof(a->identity) - 1);
    sw_buf_put(&b, in.got.p, in.got.n < b.cap ? in.got.n : b.cap);
    probe_text_end(&b);
    sw_ident_free(ident);
    if (s != SW_OK)
        fail(a, l, PROBE_IDENTITY, s, in.why, NULL);
    phase_done(a, PROBE_IDENTITY, s == SW_OK ? PROBE_PASSED : PROBE_FAILED, from_us);
    return s == SW_OK;
}

/* A TLS 1.3 server judges our certificate after our Finished, when our handshake is done already:
 * an end without a word from it is a failed handshake. RFC 8446 4.4.2.4 */
static bool is_late_refusal(const struct probe_attempt *a, const struct probe_link *l,
                            enum sw_status s)
{
    bool ended = s == SW_PEER_CLOSED || s == SW_PEER_RESET;
    return l->tls && !a->heard && (s == SW_CRYPTO_ALERT || (ended && !a->confirmed));
}

static const char *options_why(enum sw_status s, const struct probe_attempt *a)
{
    switch (s) {
    case SW_OK:
        return a->answer.status == 408 ? "it answered 408: what stands behind it did not answer"
                                       : "it answered 503: it does not serve now";
    case SW_PEER_TIMEOUT:
        return a->heard ? "no final answer to OPTIONS" : "no answer to OPTIONS";
    case SW_PEER_CLOSED:
        return "the peer closed it without an answer to OPTIONS";
    case SW_PEER_REFUSED:
        return "nobody listens on the port";
    case SW_PEER_SYNTAX:
    case SW_PEER_MISSING:
        return "what came is not SIP";
    default:
        return "it broke before OPTIONS was answered";
    }
}

static const char *options_help(enum sw_status s)
{
    switch (s) {
    case SW_OK:
        return "its own log, and that of what stands behind it";
    case SW_PEER_TIMEOUT:
        return "does SIP listen there, and does it answer whom it does not know?";
    case SW_PEER_REFUSED:
        return "is the peer up, and is this its port?";
    case SW_PEER_SYNTAX:
    case SW_PEER_MISSING:
        return "another protocol is spoken on this port";
    default:
        return "the other side's log should say why it closed";
    }
}

static bool options(struct probe_attempt *a, struct probe_link *l)
{
    int64_t from_us = sw_clock_us();
    l->deadline_ms = sw_clock_ms() + a->goal->timeout_ms;
    enum sw_status s = probe_options(a, l);
    if (a->confirmed && a->result[PROBE_HANDSHAKE] == PROBE_UNCONFIRMED)
        a->result[PROBE_HANDSHAKE] = PROBE_PASSED;
    bool down = s == SW_OK && (a->answer.status == 408 || a->answer.status == 503);
    if (s == SW_OK && !down) {
        phase_done(a, PROBE_OPTIONS, PROBE_PASSED, from_us);
        return true;
    }
    if (is_late_refusal(a, l, s)) {
        fail(a, l, PROBE_HANDSHAKE, s, "the peer ended it right after the handshake",
             sw_attempt_help(s, SW_CONN_OPEN));
        phase_done(a, PROBE_HANDSHAKE, PROBE_FAILED, 0);
        return false;
    }
    fail(a, l, PROBE_OPTIONS, down ? SW_DENIED : s, options_why(s, a), options_help(s));
    phase_done(a, PROBE_OPTIONS, PROBE_FAILED, from_us);
    return false;
}

bool probe_try(struct probe_attempt *a, struct sw_tls_worker *w)
{
    struct probe_link l = {.fd = -1, .transport = a->goal->transport, .worker = w};
    a->start_us = sw_clock_us();
    a->failure.alert = -1;
    l.deadline_ms = sw_clock_ms() + a->goal->timeout_ms;
    bool ok = tcp(a, &l);
    if (ok && a->goal->transport == SW_TLS) {
        ok = handshake(a, &l) && identity(a, &l);
    } else if (ok) {
        phase_done(a, PROBE_HANDSHAKE, PROBE_SKIPPED, 0);
        phase_done(a, PROBE_IDENTITY, PROBE_SKIPPED, 0);
    }
    ok = ok && options(a, &l);
    probe_link_close(&l);
    return ok;
}

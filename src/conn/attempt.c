#include "conn/attempt.h"

#include "sys/log.h"
#include "tls/message.h"

#include <time.h>

enum { NAMES_MAX = 256 };

const char *sw_attempt_peer(const struct sw_conns *s, const struct sw_flow *flow)
{
    const struct sw_conn_peer *p = sw_conn_peer_find(s, flow->peer);
    if (p)
        return p->name;
    return flow->peer == SW_PEER_VERIFIED || flow->peer > INT32_MAX ? "verified" : "nobody";
}

struct sw_field sw_attempt_shown(const struct sw_tls_info *info)
{
    return sw_field_str("shown", info->shown ? info->shown : "none");
}

/* Whether what it proved was proved in an earlier session. */
static struct sw_field resumed(const struct sw_tls_info *info)
{
    return sw_field_str("resumed", info->resumed ? "yes" : "no");
}

size_t sw_attempt_head(const struct sw_conns *s, const struct sw_flow *flow,
                       struct sw_attempt_text *h, struct sw_field *f)
{
    struct sw_buf id = sw_buf(h->id, sizeof(h->id));
    if (flow->id.generation)
        sw_flow_id_put(&id, &flow->id);
    else
        sw_buf_char(&id, '-'); /* there is no connection */
    f[0] = sw_field_text("conn", sw_buf_view(&id));
    f[1] = sw_field_str("direction", flow->outbound ? "out" : "in");
    f[2] = sw_field_text("transport", sw_transport_name((enum sw_transport)flow->transport));
    f[3] = sw_field_str("listener", s->conf.listeners[flow->listener].name);
    f[4] = sw_field_str("peer", sw_attempt_peer(s, flow));
    f[5] = sw_field_str("remote", sw_endpoint_text(&flow->remote, h->remote));
    f[6] = sw_field_str("local", sw_endpoint_text(&flow->local, h->local));
    return 7;
}

/* What its certificate was judged by: signed TLSA records, or the peer's rule, of which `chain`
 * widens nothing inbound. */
static const char *rule_of(const struct sw_conn_peer *p, const struct sw_conn *c)
{
    const struct sw_ident *id = c->flow.ident;
    if (sw_ident_vouched(id, SW_VOUCHED_DANE_EE) || sw_ident_vouched(id, SW_VOUCHED_DANE_TA))
        return "dane";
    if (!p || !p->verify)
        return NULL;
    return p->chain_only && !c->flow.outbound ? "domain" : p->verify;
}

size_t sw_attempt_rule(const struct sw_conn_peer *p, const struct sw_conn *c, struct sw_field *f,
                       size_t n)
{
    const char *rule = c->flow.ident ? rule_of(p, c) : NULL;
    if (!rule)
        return n;
    f[n++] = sw_field_str("verify", rule);
    if (!p)
        return n;
    if (p->purposes)
        f[n++] = sw_field_str("purposes", p->purposes);
    const struct sw_pin *pin = sw_pin_find(p->pins, p->pin_count, c->flow.ident);
    if (pin && pin->name)
        f[n++] = sw_field_str("pin", pin->name);
    return n;
}

void sw_attempt_open(const struct sw_conns *s, const struct sw_conn *c, const char *why,
                     const char *help, struct sw_slice got)
{
    struct sw_field f[24];
    struct sw_attempt_text h;
    struct sw_tls_info info = {0};
    char names[NAMES_MAX];
    struct sw_buf b = sw_buf(names, sizeof(names));
    const struct sw_conn_peer *p = sw_conn_peer_find(s, c->flow.peer);
    /* a name that is not asked for is told at each connection */
    enum sw_level level =
        c->tls && c->flow.outbound && p && p->chain_only ? SW_LEVEL_WARN : SW_LEVEL_INFO;
    if (!sw_log_on(level))
        return;
    size_t n = sw_attempt_head(s, &c->flow, &h, f);
    if (c->tls) {
        sw_tls_info(c->tls, &info);
        sw_ident_put_names(c->flow.ident, &b);
        f[n++] = sw_field_str("version", info.version);
        f[n++] = sw_field_str("suite", info.suite);
        f[n++] = sw_field_str("group", info.group);
        f[n++] = sw_field_text("identity", got);
        f[n++] = sw_field_text("names", sw_buf_view(&b));
        f[n++] = sw_attempt_shown(&info);
        if (info.server_name.n)
            f[n++] = sw_field_text("server_name", info.server_name);
        f[n++] = resumed(&info);
        n = sw_attempt_rule(p, c, f, n);
    }
    if (c->flow.ident && sw_ident_unchecked(c->flow.ident))
        f[n++] = sw_field_str("revocation", "unknown");
    f[n++] = sw_field_str("why", why);
    if (help)
        f[n++] = sw_field_str("help", help);
    f[n++] = sw_field_number("ms", s->now_ms - c->started_ms);
    sw_log(level, "connection_open", f, n);
}

static struct sw_slice fingerprint(const struct sw_ident *ident, char out[64])
{
    struct sw_buf b = sw_buf(out, 64);
    if (ident)
        sw_buf_hex(&b, ident->fingerprint, sizeof(ident->fingerprint));
    return sw_buf_view(&b);
}

/* When what was proved ends. */
static const char *ends(const struct sw_ident *ident, char out[24])
{
    time_t at = ident ? (time_t)ident->not_after_s : 0;
    struct tm tm;
    if (!at || !gmtime_r(&at, &tm) || !strftime(out, 24, "%Y-%m-%dT%H:%M:%SZ", &tm))
        return "-";
    return out;
}

size_t sw_attempt_row(const struct sw_conns *s, const struct sw_conn *c, struct sw_attempt_text *h,
                      struct sw_field f[SW_ATTEMPT_FIELDS_MAX])
{
    struct sw_buf b = sw_buf(h->names, sizeof(h->names));
    struct sw_tls_info info = {.version = "-", .suite = "-", .group = "-"};
    const struct sw_conn_peer *p = sw_conn_peer_find(s, c->flow.peer);
    size_t n = sw_attempt_head(s, &c->flow, h, f);
    if (c->tls)
        sw_tls_info(c->tls, &info);
    if (c->flow.ident)
        sw_ident_put_names(c->flow.ident, &b);
    f[n++] = sw_field_str("state", sw_conn_state_name((enum sw_conn_state)c->state));
    f[n++] = sw_field_str("version", info.version);
    f[n++] = sw_field_str("suite", info.suite);
    f[n++] = sw_field_str("group", info.group);
    f[n++] = sw_attempt_shown(&info);
    f[n++] = resumed(&info);
    f[n++] = sw_field_text("server_name", info.server_name);
    const char *rule = c->flow.ident ? rule_of(p, c) : NULL;
    f[n++] = sw_field_str("verify", rule ? rule : "-");
    f[n++] = sw_field_str("revocation",
                          c->flow.ident && sw_ident_unchecked(c->flow.ident) ? "unknown" : "-");
    f[n++] = sw_field_text("names", sw_buf_view(&b));
    f[n++] = sw_field_text("sha256", fingerprint(c->flow.ident, h->sha256));
    f[n++] = sw_field_str("not_after", ends(c->flow.ident, h->ends));
    f[n++] = sw_field_number("alias_port", c->flow.alias_port);
    f[n++] = sw_field_number("local_id", c->flow.local_id);
    f[n++] = sw_field_number("order", c->flow.order);
    f[n++] = sw_field_number("seconds", (s->now_ms - c->started_ms) / 1000);
    f[n++] = sw_field_number("messages_in", (int64_t)c->messages_in);
    f[n++] = sw_field_number("messages_out", (int64_t)c->messages_out);
    return n;
}

void sw_attempt_name_unknown(struct sw_conns *s, const struct sw_conn *c)
{
    enum { EVERY_MS = 10000 };
    struct sw_field f[16];
    struct sw_attempt_text h;
    struct sw_tls_info info;
    if (s->names_unknown++ && s->now_ms < s->name_unknown_ms + EVERY_MS)
        return;
    s->name_unknown_ms = s->now_ms;
    sw_tls_info(c->tls, &info);
    size_t n = sw_attempt_head(s, &c->flow, &h, f);
    f[n++] = sw_field_text("server_name", info.server_name);
    f[n++] = sw_attempt_shown(&info);
    f[n++] = sw_field_number("held_back", (int64_t)s->names_unknown - 1);
    f[n++] = sw_field_str("why", "no certificate of the listener has the name that was asked for");
    f[n++] = sw_field_str("help", "the client will refuse what it was shown if it checks names: "
                                  "list the identity for this name under sni");
    s->names_unknown = 1;
    sw_log(SW_LEVEL_INFO, "server_name_unknown", f, n);
}

void sw_attempt_paused(const struct sw_conns *s, const struct sw_conn *c)
{
    struct sw_field f[16];
    struct sw_attempt_text h;
    if (!sw_log_on(SW_LEVEL_WARN))
        return;
    size_t n = sw_attempt_head(s, &c->flow, &h, f);
    f[n++] = sw_field_str("why", "limit messages_per_second");
    f[n++] = sw_field_number("limit", s->conf.limits.messages_per_s);
    f[n++] = sw_field_str("help", "what it sends waits until the next second; raise the limit if "
                                  "this much is wanted");
    sw_log(SW_LEVEL_WARN, "connection_paused", f, n);
}

void sw_attempt_closed(const struct sw_conns *s, const struct sw_conn *c, enum sw_status status,
                       const char *why)
{
    struct sw_field f[16];
    struct sw_attempt_text h;
    struct sw_tls_failure tls = {.alert = -1};
    if (!sw_log_on(SW_LEVEL_INFO))
        return;
    if (c->tls)
        sw_tls_failure(c->tls, &tls);
    size_t n = sw_attempt_head(s, &c->flow, &h, f);
    f[n++] = sw_field_str("status", sw_status_name(status));
    f[n++] = sw_field_str("why", tls.why[0] ? tls.why : why);
    f[n++] = sw_field_number("seconds", (s->now_ms - c->started_ms) / 1000);
    f[n++] = sw_field_number("messages_in", (int64_t)c->messages_in);
    f[n++] = sw_field_number("messages_out", (int64_t)c->messages_out);
    sw_log(SW_LEVEL_INFO, "connection_closed", f, n);
}

void sw_attempt_alias(const struct sw_conns *s, const struct sw_conn *c)
{
    struct sw_field f[16];
    struct sw_attempt_text h;
    if (!sw_log_on(SW_LEVEL_INFO))
        return;
    size_t n = sw_attempt_head(s, &c->flow, &h, f);
    f[n++] = sw_field_number("alias_port", c->flow.alias_port);
    f[n++] = sw_field_str("why", "its peer takes requests for that port of its address over it");
    sw_log(SW_LEVEL_INFO, "connection_alias", f, n);
}

void sw_attempt_seen(void *user, const struct sw_tls_seen *m)
{
    const struct sw_conn *c = user;
    char text[512], remote[SW_ENDPOINT_TEXT_MAX], local[SW_ENDPOINT_TEXT_MAX];
    char id_text[SW_ENDPOINT_TEXT_MAX];
    struct sw_buf b = sw_buf(text, sizeof(text)), id = sw_buf(id_text, sizeof(id_text));
    if (!sw_log_on(SW_LEVEL_DEBUG))
        return;
    sw_flow_id_put(&id, &c->flow.id);
    sw_tls_message_describe(&b, m->content_type, m->version, m->bytes);
    SW_LOG(SW_LEVEL_DEBUG, "tls_message", sw_field_str("dir", m->sent ? "out" : "in"),
           sw_field_str("message", sw_tls_message_name(m->content_type, m->bytes)),
           sw_field_text("carries", sw_buf_view(&b)), sw_field_number("bytes", (int64_t)m->bytes.n),
           sw_field_text("conn", sw_buf_view(&id)),
           sw_field_str("remote", sw_endpoint_text(&c->flow.remote, remote)),
           sw_field_str("local", sw_endpoint_text(&c->flow.local, local)),
           sw_field_str("role", c->flow.outbound ? "client" : "server"));
}

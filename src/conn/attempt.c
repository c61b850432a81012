#include "conn/attempt.h"

#include "sys/log.h"
#include "tls/message.h"

enum { NAMES_MAX = 256 };

static const char *peer_name(const struct sw_conns *s, const struct sw_conn *c)
{
    const struct sw_conn_peer *p = sw_conn_peer_find(s, c->flow.peer);
    if (p)
        return p->name;
    return c->flow.peer == SW_PEER_VERIFIED ? "verified" : "nobody";
}

static const char *phase(const struct sw_conn *c)
{
    switch ((enum sw_conn_state)c->state) {
    case SW_CONN_CONNECTING:
        return "tcp";
    case SW_CONN_HANDSHAKE:
        return "handshake";
    case SW_CONN_IDENTITY:
        return "identity";
    default:
        return "handshake"; /* refused after it: TLS 1.3 */
    }
}

/* What we showed, or would have: the name of our identity. */
static struct sw_field shown(const struct sw_tls_info *info)
{
    const struct sw_tls_identity *id = info->shown;
    return sw_field_str("shown", id && id->name ? id->name : "none");
}

/* What every line about a connection starts with. */
static size_t put_head(const struct sw_conns *s, const struct sw_conn *c, struct sw_attempt_text *h,
                       struct sw_field *f)
{
    struct sw_buf id = sw_buf(h->id, sizeof(h->id));
    sw_flow_id_put(&id, &c->flow.id);
    f[0] = sw_field_text("conn", sw_buf_view(&id));
    f[1] = sw_field_str("direction", c->flow.outbound ? "out" : "in");
    f[2] = sw_field_text("transport", sw_transport_name((enum sw_transport)c->flow.transport));
    f[3] = sw_field_str("listener", s->conf.listeners[c->flow.listener].name);
    f[4] = sw_field_str("peer", peer_name(s, c));
    f[5] = sw_field_str("remote", sw_endpoint_text(&c->flow.remote, h->remote));
    f[6] = sw_field_str("local", sw_endpoint_text(&c->flow.local, h->local));
    return 7;
}

/* The rule that the peer's certificate was judged by: `chain` widens nothing inbound. */
static size_t put_rule(const struct sw_conn_peer *p, const struct sw_conn *c, struct sw_field *f,
                       size_t n)
{
    if (!p || !p->verify || !c->flow.ident)
        return n;
    f[n++] = sw_field_str("verify", p->chain_only && !c->flow.outbound ? "domain" : p->verify);
    if (p->purposes)
        f[n++] = sw_field_str("purposes", p->purposes);
    const struct sw_pin *pin = sw_pin_find(p->pins, p->pin_count, c->flow.ident);
    if (pin && pin->name)
        f[n++] = sw_field_str("pin", pin->name);
    return n;
}

void sw_attempt_open(const struct sw_conns *s, const struct sw_conn *c, const char *why,
                     struct sw_slice got)
{
    struct sw_field f[20];
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
    size_t n = put_head(s, c, &h, f);
    if (c->tls) {
        sw_tls_info(c->tls, &info);
        sw_ident_put_names(c->flow.ident, &b);
        f[n++] = sw_field_str("version", info.version);
        f[n++] = sw_field_str("suite", info.suite);
        f[n++] = sw_field_str("group", info.group);
        f[n++] = sw_field_text("identity", got);
        f[n++] = sw_field_text("names", sw_buf_view(&b));
        f[n++] = shown(&info);
        if (info.server_name.n)
            f[n++] = sw_field_text("server_name", info.server_name);
        n = put_rule(p, c, f, n);
    }
    f[n++] = sw_field_str("why", why);
    f[n++] = sw_field_number("ms", s->now_ms - c->started_ms);
    sw_log(level, "connection_open", f, n);
}

const char *sw_attempt_help(enum sw_status status, enum sw_conn_state state)
{
    if (status == SW_DENIED_IDENTITY)
        return "the peer's `domain` must be a name that its certificate carries as SAN URI "
               "sip:DOMAIN or, without such a URI, as SAN DNS";
    if (status == SW_DENIED_PURPOSE)
        return "the peer needs a certificate with this purpose: serverAuth when we connect, "
               "clientAuth when it does";
    if (state == SW_CONN_OPEN)
        return "a TLS 1.3 server that refuses our certificate says so only now: its log tells why";
    if (state == SW_CONN_CONNECTING)
        return "is the peer up, and does a firewall let TCP through?";
    return status == SW_PEER_TIMEOUT ? "the other side did not go on with the handshake in time"
                                     : "the other side's log should say why it closed";
}

void sw_attempt_failed(const struct sw_conns *s, const struct sw_conn *c, enum sw_status status,
                       const char *why, struct sw_slice got)
{
    struct sw_field f[24];
    struct sw_attempt_text h;
    struct sw_tls_failure tls = {.alert = -1};
    struct sw_tls_info info;
    char names[NAMES_MAX];
    struct sw_buf b = sw_buf(names, sizeof(names));
    const struct sw_conn_peer *p = sw_conn_peer_find(s, c->flow.peer);
    if (!sw_log_on(SW_LEVEL_WARN))
        return;
    if (c->tls)
        sw_tls_failure(c->tls, &tls);
    size_t n = put_head(s, c, &h, f);
    bool tls_says = tls.why[0] && (c->state != SW_CONN_IDENTITY || c->waits);
    f[n++] = sw_field_str("phase", phase(c));
    f[n++] = sw_field_str("status", sw_status_name(status));
    f[n++] = sw_field_str("why", tls_says ? tls.why : why ? why : "the connection ended");
    if (tls_says && tls.code)
        f[n++] = sw_field_str("reason", tls.code);
    if (p && p->wanted && c->tls)
        f[n++] = sw_field_str("wanted", p->wanted);
    n = put_rule(p, c, f, n);
    sw_ident_put_names(c->flow.ident, &b);
    if (c->flow.ident)
        f[n++] = sw_field_text("presented", sw_buf_view(&b));
    if (got.n)
        f[n++] = sw_field_text("identity", got);
    if (c->tls && c->state != SW_CONN_CONNECTING) {
        sw_tls_info(c->tls, &info);
        f[n++] = shown(&info);
    }
    if (tls.subject[0])
        f[n++] = sw_field_str("certificate", tls.subject);
    if (tls.alert >= 0) {
        f[n++] = sw_field_str("alert", sw_tls_alert_name((unsigned)tls.alert));
        f[n++] = sw_field_str("alert_from", tls.alert_sent ? "us" : "peer");
    }
    f[n++] = sw_field_str("help", tls_says ? tls.help
                                           : sw_attempt_help(status, (enum sw_conn_state)c->state));
    sw_log(SW_LEVEL_WARN, "connection_failed", f, n);
}

size_t sw_attempt_row(const struct sw_conns *s, const struct sw_conn *c, struct sw_attempt_text *h,
                      struct sw_field f[SW_ATTEMPT_FIELDS_MAX])
{
    struct sw_buf b = sw_buf(h->names, sizeof(h->names));
    struct sw_tls_info info = {.version = "-", .suite = "-"};
    size_t n = put_head(s, c, h, f);
    if (c->tls)
        sw_tls_info(c->tls, &info);
    if (c->flow.ident)
        sw_ident_put_names(c->flow.ident, &b);
    f[n++] = sw_field_str("state", sw_conn_state_name((enum sw_conn_state)c->state));
    f[n++] = sw_field_str("version", info.version);
    f[n++] = sw_field_str("suite", info.suite);
    f[n++] = sw_field_text("names", sw_buf_view(&b));
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
    size_t n = put_head(s, c, &h, f);
    f[n++] = sw_field_text("server_name", info.server_name);
    f[n++] = shown(&info);
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
    size_t n = put_head(s, c, &h, f);
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
    size_t n = put_head(s, c, &h, f);
    f[n++] = sw_field_str("status", sw_status_name(status));
    f[n++] = sw_field_str("why", tls.why[0] ? tls.why : why);
    f[n++] = sw_field_number("seconds", (s->now_ms - c->started_ms) / 1000);
    f[n++] = sw_field_number("messages_in", (int64_t)c->messages_in);
    f[n++] = sw_field_number("messages_out", (int64_t)c->messages_out);
    sw_log(SW_LEVEL_INFO, "connection_closed", f, n);
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

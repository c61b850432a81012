#include "proxy/hops.h"

#include "base/suite.h"
#include "proxy/sips.h"

struct sw_call_side sw_call_side(const struct sw_flow *flow)
{
    return (struct sw_call_side){
        .remote = flow->remote,
        .peer = flow->peer,
        .domain = flow->peer == SW_PEER_VERIFIED ? 0 : flow->domain_id,
        .listener = flow->listener,
        .suite = flow->suite,
        .transport = flow->transport,
        .proof = flow->proof,
        .tls_minor = flow->tls_minor,
    };
}

struct sw_slice sw_proved_stranger(const struct sw_proxy_conf *c, const struct sw_flow *flow)
{
    struct sw_slice domain;
    if (flow->peer == SW_PEER_VERIFIED && flow->ident)
        for (uint32_t i = 0; i < flow->ident->name_count; i++)
            if (sw_domain_identity(flow->ident, i, &domain) &&
                sw_proxy_domain_id(c, domain) == flow->domain_id)
                return domain;
    return sw_slice("", 0);
}

struct sw_slice sw_call_name(const struct sw_proxy_conf *c, struct sw_fork *f,
                             const struct sw_target *t, const struct sw_flow *flow)
{
    if (flow->peer != SW_PEER_VERIFIED)
        return sw_slice("", 0);
    if (t->domain.n && sw_proxy_domain_id(c, t->domain) == flow->domain_id)
        return t->domain;
    return sw_arena_dup(&f->arena, sw_proved_stranger(c, flow));
}

/* ---- what others wrote ---- */

static void saw(struct sw_hops_seen *h, enum sw_hop_seen kind)
{
    if (h->count < SW_HOPS_KEPT)
        h->kind[h->count] = (uint8_t)kind;
    if (h->count < UINT16_MAX)
        h->count++;
    h->clear |= kind == SW_HOP_CLEAR;
    h->unknown |= kind == SW_HOP_UNKNOWN;
}

/* "TLS", "TLS-SCTP" (RFC 4168), "WSS" (RFC 7118) */
static enum sw_hop_seen via_seen(const struct sw_via *via)
{
    return sw_slice_starts_case(via->transport, SW_SLICE("TLS")) ||
                   sw_slice_eq_case(via->transport, SW_SLICE("WSS"))
               ? SW_HOP_TLS
               : SW_HOP_CLEAR;
}

/* Each Via behind the first says how its writer sent the request on; the first is our own hop. */
static void see_before(const struct sw_msg *m, struct sw_hops_seen *out)
{
    struct sw_values values = sw_values(m, SW_HDR_VIA);
    struct sw_via via;
    for (bool first = true; sw_values_via(&values, &via) == SW_OK; first = false)
        if (!first)
            saw(out, via_seen(&via));
}

/* A sip URI without transport may lead to TLS by DNS: that cannot be seen from here. RFC 3263 4.1
 */
static enum sw_hop_seen uri_seen(const struct sw_uri *u)
{
    if (u->scheme == SW_SCHEME_SIPS || sw_slice_eq_case(u->transport, SW_SLICE("tls")) ||
        sw_slice_eq_case(u->transport, SW_SLICE("wss")))
        return SW_HOP_TLS;
    return u->transport.n ? SW_HOP_CLEAR : SW_HOP_UNKNOWN;
}

static bool read_uri(struct sw_slice text, struct sw_uri *u)
{
    return sw_uri_parse(text, u, NULL) == SW_OK;
}

/* The Record-Route values above ours were written behind us, the last of them next to us; the
 * Contact says how the one who answered is reached from the first. Without such values the next hop
 * is who answered, and nothing is behind it. RFC 3261 12.1.2 */
static void see_behind(const struct sw_proxy_conf *c, const struct sw_msg *m,
                       struct sw_hops_seen *out)
{
    enum sw_hop_seen kind[SW_ROUTES_MAX];
    struct sw_values values = sw_values(m, SW_HDR_RECORD_ROUTE);
    struct sw_addr a;
    struct sw_uri u;
    uint32_t n = 0;
    while (n < SW_ROUTES_MAX && sw_values_addr(&values, &a) == SW_OK && read_uri(a.uri, &u) &&
           !sw_proxy_is_ours(c, u.host, u.port))
        kind[n++] = uri_seen(&u);
    for (uint32_t i = n; i > 0; i--)
        saw(out, kind[i - 1]);
    values = sw_values(m, SW_HDR_CONTACT);
    if (n && sw_values_addr(&values, &a) == SW_OK && read_uri(a.uri, &u))
        saw(out, uri_seen(&u));
}

/* ---- the record ---- */

static uint8_t keep(char *out, size_t cap, struct sw_slice text)
{
    size_t n = text.n < cap ? text.n : cap;
    if (n)
        memcpy(out, text.p, n);
    return (uint8_t)n;
}

static void fill(const struct sw_proxy *p, const struct sw_fork *f, const struct sw_branch *b,
                 const struct sw_msg *m, struct sw_call *out)
{
    out->at_ms = p->e->now_ms;
    out->side[0] = sw_call_side(&f->in);
    out->side[1] = b->out;
    out->before = out->behind = (struct sw_hops_seen){.count = 0};
    see_before(&f->msg, &out->before);
    see_behind(p->conf, m, &out->behind);
    out->scheme = (uint8_t)sw_target_scheme(&f->vitals, f->routes);
    out->id_n = keep(out->id, sizeof(out->id), f->vitals.call_id);
    out->name_n[0] = keep(out->name[0], sizeof(out->name[0]), f->in_name);
    out->name_n[1] = keep(out->name[1], sizeof(out->name[1]), b->out_name);
}

void sw_call_answered(struct sw_proxy *p, const struct sw_fork *f, const struct sw_branch *b,
                      const struct sw_msg *m, const struct sw_vitals *v)
{
    struct sw_call *x =
        sw_calls_put(&p->calls, sw_calls_key(&p->calls, v->call_id, v->from_tag, v->to_tag));
    struct sw_field *fields = sw_arena_get(&p->e->scratch, SW_CALL_FIELDS * sizeof(*fields));
    struct sw_call unkept;
    x = x ? x : &unkept;
    fill(p, f, b, m, x);
    size_t n = fields ? sw_call_fields(p, x, fields) : 0;
    if (n)
        sw_engine_note(p->e, SW_LEVEL_INFO, "call_hops", fields, n);
}

void sw_call_over(struct sw_proxy *p, const struct sw_vitals *v)
{
    sw_calls_del(&p->calls, sw_calls_key(&p->calls, v->call_id, v->from_tag, v->to_tag));
}

/* ---- in words ---- */

/* A proved domain, "pin", or "none". */
static struct sw_slice identity(const struct sw_proxy *p, const struct sw_call *call, int side)
{
    const struct sw_call_side *s = &call->side[side];
    const struct sw_peer_conf *peer = sw_proxy_peer(p->conf, s->peer);
    if (s->proof == SW_PROOF_PIN)
        return SW_SLICE("pin");
    if (s->proof != SW_PROOF_NAME)
        return SW_SLICE("none");
    if (s->peer == SW_PEER_VERIFIED)
        return call->name_n[side] ? sw_slice(call->name[side], call->name_n[side])
                                  : SW_SLICE("verified");
    if (peer && s->domain && s->domain <= peer->domain_count)
        return peer->domains[s->domain - 1];
    return SW_SLICE("address"); /* its IP address, by `verify: address` */
}

static const char *version(const struct sw_call_side *s)
{
    static const char *const names[] = {"-", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};
    return s->tls_minor < sizeof(names) / sizeof(names[0]) ? names[s->tls_minor] : "-";
}

static const char *suite(const struct sw_call_side *s)
{
    const char *name = s->suite ? sw_suite_name(s->suite) : NULL;
    return name ? name : "-";
}

static struct sw_slice hops(struct sw_proxy *p, const struct sw_hops_seen *h)
{
    static const char *const words[] = {"tls", "clear", "unknown"};
    struct sw_buf b = sw_engine_buf(p->e, 16 * (SW_HOPS_KEPT + 1));
    for (uint32_t i = 0; i < h->count && i < SW_HOPS_KEPT; i++) {
        sw_buf_str(&b, i ? " " : "");
        sw_buf_str(&b, words[h->kind[i]]);
    }
    if (h->count > SW_HOPS_KEPT) {
        sw_buf_lit(&b, " +");
        sw_buf_u64(&b, h->count - SW_HOPS_KEPT);
    }
    return h->count && !b.full ? sw_buf_view(&b) : SW_SLICE("-");
}

static bool secure(const struct sw_call_side *s)
{
    return sw_transport_secure((enum sw_transport)s->transport);
}

/* "As far as can be seen": a proxy that writes no Record-Route is not. RFC 3261 26.4.4 */
static const char *verdict(const struct sw_call *c, const char **why)
{
    *why = !secure(&c->side[0])   ? "the caller's side is not TLS"
           : !secure(&c->side[1]) ? "the answering side is not TLS"
           : c->side[0].proof == SW_PROOF_CHAIN
               ? "the caller's side proved no name, which its peer here is not asked for"
           : c->side[1].proof < SW_PROOF_NAME
               ? "the answering side proved no name, which its peer here is not asked for"
           : c->before.clear ? "a hop before the caller's side is not TLS, by its Via"
           : c->behind.clear ? "a hop behind the answering side is not TLS, by its Record-Route "
                               "or Contact"
                             : NULL;
    if (*why)
        return "no";
    if (c->side[0].proof < SW_PROOF_NAME) {
        *why = "the caller's side showed no certificate: its address says who it is";
        return "unknown";
    }
    *why = c->behind.unknown ? "a sip URI behind the answering side does not say how it is reached"
                             : "every hop that can be seen is TLS";
    return c->behind.unknown ? "unknown" : "yes";
}

static const char *const schemes[] = {"sip", "sips", "tel", "other"};

static size_t side_fields(struct sw_proxy *p, const struct sw_call *call, int i, struct sw_field *f)
{
    static const char *const names[2][7] = {{"in_peer", "in_listener", "in_transport", "in_remote",
                                             "in_identity", "in_version", "in_suite"},
                                            {"out_peer", "out_listener", "out_transport",
                                             "out_remote", "out_identity", "out_version",
                                             "out_suite"}};
    const struct sw_call_side *s = &call->side[i];
    char *text = sw_arena_get(&p->e->scratch, SW_ENDPOINT_TEXT_MAX);
    bool known = s->listener < p->conf->listener_count;
    size_t n = 0;
    f[n++] = sw_field_text(names[i][0], sw_proxy_peer_name(p, s->peer));
    f[n++] =
        sw_field_text(names[i][1], known ? p->conf->listeners[s->listener].name : SW_SLICE("-"));
    f[n++] = sw_field_text(names[i][2], sw_transport_name((enum sw_transport)s->transport));
    f[n++] = sw_field_str(names[i][3], text ? sw_endpoint_text(&s->remote, text) : "-");
    f[n++] = sw_field_text(names[i][4], identity(p, call, i));
    f[n++] = sw_field_str(names[i][5], version(s));
    f[n++] = sw_field_str(names[i][6], suite(s));
    return n;
}

size_t sw_call_fields(struct sw_proxy *p, const struct sw_call *call,
                      struct sw_field f[SW_CALL_FIELDS])
{
    const char *why;
    size_t n = 0;
    char *id = sw_arena_get(&p->e->scratch, SW_CALL_ID_KEPT);
    if (!id)
        return 0;
    memcpy(id, call->id, call->id_n);
    f[n++] = sw_field_text("call_id", sw_slice(id, call->id_n));
    f[n++] = sw_field_str("uri", schemes[call->scheme]);
    f[n++] = sw_field_str("secure", verdict(call, &why));
    f[n++] = sw_field_str("why", why);
    n += side_fields(p, call, 0, f + n);
    n += side_fields(p, call, 1, f + n);
    f[n++] = sw_field_text("before", hops(p, &call->before));
    f[n++] = sw_field_text("behind", hops(p, &call->behind));
    return n;
}

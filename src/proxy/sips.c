#include "proxy/sips.h"

enum sw_scheme sw_target_scheme(const struct sw_vitals *v, const struct sw_routes *r)
{
    if (!r->uri.p)
        return (enum sw_scheme)v->uri.scheme;
    return sw_slice_starts_case(r->uri, SW_SLICE("sips:"))  ? SW_SCHEME_SIPS
           : sw_slice_starts_case(r->uri, SW_SLICE("sip:")) ? SW_SCHEME_SIP
           : sw_slice_starts_case(r->uri, SW_SLICE("tel:")) ? SW_SCHEME_TEL
                                                            : SW_SCHEME_OTHER;
}

static bool routed_by_sips(const struct sw_routes *r)
{
    return r->count && r->next.scheme == SW_SCHEME_SIPS;
}

bool sw_tls_is_demanded(const struct sw_vitals *v, const struct sw_routes *r)
{
    return sw_target_scheme(v, r) == SW_SCHEME_SIPS || routed_by_sips(r);
}

/* ---- the sender ---- */

static bool has_tls(const struct sw_proxy_conf *c)
{
    for (uint32_t i = 0; i < c->listener_count; i++)
        if (c->listeners[i].transport == SW_TLS)
            return true;
    return false;
}

struct sw_slice sw_sips_warning(struct sw_proxy *p, const struct sw_flow *flow, unsigned code)
{
    return sw_policy_warning(p, flow, code,
                             code == SW_WARN_SIPS_REQUIRED ? "SIPS Required" : "SIPS Not Allowed");
}

static bool refuse_380(struct sw_proxy *p, const struct sw_request *q, const char *why,
                       const char *help, struct sw_refusal *out)
{
    sw_refuse(out, 480, NULL, why, help);
    out->extra = sw_sips_warning(p, q->flow, SW_WARN_SIPS_NOT_ALLOWED);
    return false;
}

static bool refuse_381(struct sw_proxy *p, const struct sw_request *q, const char *why,
                       const char *help, struct sw_refusal *out)
{
    sw_refuse(out, 480, NULL, why, help);
    out->extra = sw_sips_warning(p, q->flow, SW_WARN_SIPS_REQUIRED);
    return false;
}

/* "For a SIPS URI, the transport parameter MUST indicate a reliable transport." RFC 3261 19.1.1 */
static bool over_udp(const struct sw_uri *u)
{
    return u->scheme == SW_SCHEME_SIPS && sw_slice_eq_case(u->transport, SW_SLICE("udp"));
}

/* A strict router behind us takes the next Route value for its Request-URI: sips would become sip.
 * RFC 3261 16.6 step 6, RFC 5630 5.3 */
static bool would_become_sip(const struct sw_request *q)
{
    return sw_request_is_sips(q) && q->r->count && sw_uri_is_sip(&q->r->next) && !q->r->next.lr &&
           q->r->next.scheme == SW_SCHEME_SIP;
}

/* The requests whose Contact becomes a remote target: they create a dialog, or refresh one. RFC
 * 3261 12.1, 12.2; RFC 3311 5.1; RFC 6665 4.4.1; RFC 3515 2.2 */
static bool contact_is_a_target(enum sw_method m)
{
    return m == SW_INVITE || m == SW_SUBSCRIBE || m == SW_NOTIFY || m == SW_REFER || m == SW_UPDATE;
}

bool sw_sips_all(const struct sw_msg *m, enum sw_hdr_id id)
{
    struct sw_values values = sw_values(m, id);
    struct sw_addr a;
    enum sw_status s;
    while ((s = sw_values_addr(&values, &a)) == SW_OK)
        if (!sw_slice_starts_case(a.uri, SW_SLICE("sips:")))
            return false;
    return s == SW_AGAIN;
}

bool sw_sips_contact_fits(const struct sw_msg *m)
{
    /* "If the Request-URI [...] contains a SIPS URI, the Contact header field MUST contain a SIPS
     * URI as well." RFC 3261 8.1.1.8 */
    return !contact_is_a_target((enum sw_method)m->method) || sw_sips_all(m, SW_HDR_CONTACT);
}

/* The request's own URIs fit together, and it came over TLS. */
static bool consistent(struct sw_proxy *p, const struct sw_request *q,
                       const struct sw_peer_conf *from, struct sw_refusal *out)
{
    if (!sw_transport_secure((enum sw_transport)q->flow->transport))
        return has_tls(p->conf)
                   ? sw_refuse(out, 400, "SIPS Needs TLS On Each Hop",
                               "a sips request came in over a transport without TLS",
                               "the sender must use TLS for sips URIs: RFC 3261 26.2.2")
                   : sw_refuse(out, 416, NULL, "a sips request, and no listener here has TLS",
                               "give the gateway a tls listener, or let the sender use a sip URI");
    if (over_udp(&q->v->uri))
        return sw_refuse(out, 400, "SIPS Over UDP",
                         "the Request-URI is a sips URI with transport=udp",
                         "UDP is no transport for sips: RFC 3261 19.1.1, 26.2.2");
    if (would_become_sip(q))
        return refuse_380(p, q,
                          "a sips request whose next Route is a strict router with a sip URI: the "
                          "Request-URI would become sip",
                          "the router must write sips and lr into its Record-Route", out);
    if (from && from->sip_contact)
        return true;
    return sw_sips_contact_fits(q->m) ||
           sw_refuse(out, 400, "SIPS Request With SIP Contact",
                     "the Request-URI is sips, and a Contact is not",
                     "the sender must write sips into Contact (RFC 3261 8.1.1.8), or its peer here "
                     "gets sips_contact: tolerate");
}

bool sw_sips_sender(struct sw_proxy *p, const struct sw_request *q, struct sw_refusal *out)
{
    const struct sw_peer_conf *from = sw_proxy_peer(p->conf, q->flow->peer);
    bool is_sips = sw_request_is_sips(q), in_dialog = q->side >= 0;
    if (is_sips && !consistent(p, q, from, out))
        return false;
    /* "MUST NOT forward the request to the URI indicated in the Contact"; what ends or refreshes a
     * dialog of which it is the target passes: RFC 5630 5.3 */
    if (q->r->opened_sip && q->v->to_tag.n == 0)
        return refuse_380(p, q, "a sips request for a hidden Contact that is a sip URI",
                          "the sender must call the Contact as it is, by sip", out);
    if (q->r->first_sips && !sw_transport_secure((enum sw_transport)q->flow->transport))
        return sw_refuse(out, 400, "SIPS Needs TLS On Each Hop",
                         "the Route to us is a sips URI, and the request came without TLS",
                         "the sender must use TLS for a sips Route: RFC 5630 5.1.1");
    if (routed_by_sips(q->r) && over_udp(&q->r->next))
        return sw_refuse(out, 400, "SIPS Over UDP",
                         "the next Route is a sips URI with transport=udp",
                         "UDP is no transport for sips: RFC 3261 19.1.1, 26.2.2");
    if (in_dialog || !from)
        return true;
    if (is_sips && from->sips == SW_SIPS_DENY)
        return sw_refuse(out, 416, NULL, "a sips request from a peer with sips: deny",
                         "let the sender use a sip URI, or set sips: allow for it");
    if (!is_sips && from->sips == SW_SIPS_REQUIRE)
        return refuse_381(p, q, "a request that is not sips, from a peer with sips: require",
                          "let the sender use a sips URI, or set sips: allow for it", out);
    return true;
}

/* ---- the target ---- */

enum sw_sips_fit sw_sips_target(const struct sw_request *q, const struct sw_peer_conf *peer)
{
    bool needs_tls = sw_request_needs_tls(q), is_sips = sw_request_is_sips(q);
    if (needs_tls && !peer->tls)
        return SW_SIPS_NO_TLS;
    if (needs_tls && peer->verify == SW_VERIFY_CHAIN && !peer->pin_count)
        return SW_SIPS_NO_IDENTITY;
    if (is_sips && peer->sips == SW_SIPS_DENY)
        return SW_SIPS_DENIES;
    if (q->r->opened_sips && !peer->tls)
        return SW_SIPS_ONLY_TLS;
    return !is_sips && peer->sips == SW_SIPS_REQUIRE ? SW_SIPS_WANTS : SW_SIPS_FITS;
}

/* In the order of the enumeration: the last one goes before. */
enum sw_sips_fit sw_sips_first(enum sw_sips_fit a, enum sw_sips_fit b)
{
    return a > b ? a : b;
}

static bool refuse_unfit(struct sw_proxy *p, const struct sw_request *q, enum sw_sips_fit fit,
                         struct sw_refusal *out)
{
    switch (fit) {
    case SW_SIPS_DENIES:
        return sw_refuse(out, 416, NULL, "the target has sips: deny",
                         "let the sender use a sip URI, or set sips: allow for the target");
    case SW_SIPS_NO_IDENTITY:
        return refuse_380(p, q,
                          "a sips request must leave over TLS to a proved name, and the target has "
                          "verify: chain",
                          "let the target's certificate prove a name (verify: domain), or pin it",
                          out);
    case SW_SIPS_NO_TLS:
        return refuse_380(p, q, "a sips request must leave over TLS, and the target has none",
                          "give the target transport tls, or let the sender use a sip URI", out);
    case SW_SIPS_ONLY_TLS: /* "not capable of establishing a TLS connection" */
        return refuse_381(p, q,
                          "a sip request for a sips Contact must leave over TLS, and the target "
                          "has none",
                          "the sender must call the Contact as it is, by sips", out);
    default:
        return refuse_381(p, q, "the target has sips: require, and this is a sip request",
                          "let the sender use a sips URI, or set sips: allow for the target", out);
    }
}

bool sw_sips_refuse(struct sw_proxy *p, const struct sw_request *q, enum sw_sips_fit fit,
                    const struct sw_peer_conf *target, struct sw_refusal *out)
{
    refuse_unfit(p, q, fit, out);
    if (target)
        out->target = target->name;
    return false;
}

bool sw_sips_flow_fits(const struct sw_flow *flow, const struct sw_flow_id *prefer)
{
    if (!sw_transport_secure((enum sw_transport)flow->transport))
        return false;
    return flow->proof >= SW_PROOF_NAME || (prefer->generation && sw_flow_id_eq(&flow->id, prefer));
}

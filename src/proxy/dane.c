/* Servers that are believed by what the DNS, signed, says of their certificates. RFC 7671, RFC 7673
 */
#include "proxy/ingress.h"

/* The records prove whoever was looked for, under that name only: RFC 7673 4.1 */
static bool may_be_believed(const struct sw_proxy_conf *c, const struct sw_ingress_server *s,
                            const struct sw_flow *flow)
{
    if (!flow->ident || !s->host.n)
        return false;
    if (s->peer)
        return s->peer->dane && !s->peer->pin_count && sw_peer_domain(s->peer, s->located);
    return s->domain.n && sw_domain_eq(s->domain, s->located) &&
           flow->listener < c->listener_count && c->listeners[flow->listener].dane &&
           !sw_proxy_peer_of_domain(c, s->domain);
}

/* "reference identifiers": the names that were looked for, and the server's, which signed records
 * led to. RFC 7671 5.2, RFC 7673 4.1 */
static struct sw_slice proved(const struct sw_ingress_server *s, const struct sw_flow *flow)
{
    enum sw_verify rule = s->peer && s->peer->verify != SW_VERIFY_CHAIN
                              ? (enum sw_verify)s->peer->verify
                              : SW_VERIFY_DOMAIN;
    for (uint32_t i = 0; s->peer && i < s->peer->domain_count; i++)
        if (sw_domain_proves(flow->ident, s->peer->domains[i], rule, &flow->remote))
            return s->peer->domains[i];
    if (s->domain.n && sw_domain_proves(flow->ident, s->domain, SW_VERIFY_DOMAIN, &flow->remote))
        return s->domain;
    if (sw_domain_proves(flow->ident, s->host, SW_VERIFY_DOMAIN, &flow->remote))
        return s->host;
    return sw_slice("", 0);
}

enum sw_status sw_ingress_dane(const struct sw_proxy_conf *c, const struct sw_ingress_server *s,
                               const struct sw_flow *flow, struct sw_ingress *out)
{
    if (!may_be_believed(c, s, flow))
        return SW_AGAIN;
    *out = (struct sw_ingress){.peer = s->peer ? s->peer->id : SW_PEER_VERIFIED, .got = s->domain};
    if (sw_ident_vouched(flow->ident, SW_VOUCHED_DANE_EE)) {
        out->why = "a signed TLSA record of its server is of its certificate (DANE-EE)";
        if (s->peer)
            out->got = s->host;
        return SW_OK;
    }
    if (!sw_ident_vouched(flow->ident, SW_VOUCHED_DANE_TA))
        return SW_AGAIN;
    struct sw_slice name = proved(s, flow);
    out->why = "a signed TLSA record vouches for its CA, and it proves neither the domain nor the "
               "server's name";
    if (!name.n)
        return SW_DENIED_IDENTITY;
    enum sw_purposes rule = s->peer ? (enum sw_purposes)s->peer->purposes : SW_PURPOSES_STRICT;
    const char *lack = sw_ingress_unfit(sw_ident_uses(flow->ident, SW_VOUCHED_DANE_TA), rule, true);
    if (s->peer)
        out->got = name;
    out->why = lack ? lack : "a signed TLSA record of its server is of its CA (DANE-TA)";
    return lack ? SW_DENIED_PURPOSE : SW_OK;
}

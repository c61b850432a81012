#include "proxy/party.h"

bool sw_party_is_domain(uint32_t id)
{
    return id > INT32_MAX;
}

/* A trust entry stands for the names of a certificate; signed TLSA records do not. */
static bool is_vouched_for(const struct sw_flow *flow)
{
    const struct sw_ident *id = flow->ident;
    for (uint32_t i = 0; i < id->vouched_count; i++)
        if (id->vouched[i] < SW_VOUCHED_DANE_TA &&
            !sw_ingress_unfit(sw_ident_uses(id, id->vouched[i]), SW_PURPOSES_STRICT,
                              flow->outbound))
            return true;
    return false;
}

/* The hash first: whether a DNS name counts depends on all others. */
static bool may_be(const struct sw_proxy_conf *c, const struct sw_cert_name *name, uint32_t owner)
{
    return name->kind == SW_NAME_URI || sw_proxy_domain_id(c, name->text) == owner;
}

bool sw_party_is(const struct sw_proxy_conf *c, const struct sw_flow *flow, uint32_t owner)
{
    struct sw_slice domain;
    if (sw_flow_owner(flow) == owner)
        return owner != SW_PEER_NOBODY;
    if (flow->peer != SW_PEER_VERIFIED || !flow->ident || !sw_party_is_domain(owner) ||
        !is_vouched_for(flow))
        return false;
    for (uint32_t i = 0; i < flow->ident->name_count; i++) /* SW_CERT_NAMES_MAX at most */
        if (may_be(c, &flow->ident->names[i], owner) &&
            sw_domain_identity(flow->ident, i, &domain) && sw_proxy_domain_id(c, domain) == owner)
            return !sw_proxy_peer_of_domain(c, domain) && !sw_proxy_is_ours(c, domain, 0);
    return false;
}

bool sw_party_may_be_at(const struct sw_proxy_conf *c, uint32_t owner, struct sw_slice host)
{
    struct sw_endpoint ip;
    return sw_party_is_domain(owner) && host.n && !sw_endpoint_ip_parse(host, &ip) &&
           !sw_proxy_is_ours(c, host, 0) && !sw_proxy_peer_of_domain(c, host);
}

enum sw_status sw_party_found(const struct sw_proxy_conf *c, const struct sw_flow *flow,
                              struct sw_ingress *in, uint32_t *domain_id)
{
    struct sw_flow proved = *flow;
    uint32_t owner = sw_flow_owner(flow);
    proved.peer = SW_PEER_VERIFIED;
    proved.domain_id = *domain_id = sw_proxy_domain_id(c, in->got);
    if (sw_party_is(c, &proved, owner)) {
        *domain_id = owner;
        return SW_OK;
    }
    if (flow->peer == SW_PEER_VERIFIED) /* it is open, and the ids have another key now */
        return SW_OK;
    in->why = "the certificate proves the name that was looked up, but not the domain that the "
              "dialog is with";
    in->help = "the other side needs a certificate with both names as SAN, or must write a name "
               "into its Record-Route that the one proves which it has";
    return SW_DENIED_IDENTITY;
}

uint32_t sw_party_domain_of(const struct sw_peer_conf *peer, struct sw_slice name)
{
    return peer && peer->tls ? sw_peer_domain(peer, name) : 0;
}

uint32_t sw_party_located(const struct sw_peer_conf *peer, struct sw_slice name,
                          struct sw_peer_conf *one)
{
    uint32_t of = sw_party_domain_of(peer, name);
    if (!of)
        return 0;
    *one = *peer;
    one->domains = &peer->domains[of - 1];
    one->domain_count = 1;
    return of;
}

void sw_party_want(const struct sw_proxy_conf *c, struct sw_slice name, struct sw_want *want)
{
    const struct sw_peer_conf *peer = sw_proxy_peer(c, want->peer);
    want->domain_of = want->transport == SW_TLS ? sw_party_domain_of(peer, name) : 0;
    want->domain = want->domain_of || !peer ? name : sw_slice("", 0);
}

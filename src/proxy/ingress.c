#include "proxy/ingress.h"

#include "proxy/nobody.h"

enum { NONE = UINT16_MAX };

static bool pinned(const struct sw_peer_conf *p, const struct sw_ident *ident)
{
    return sw_pin_find(p->pins, p->pin_count, ident) != NULL;
}

/* sipDomain suffices for both roles (RFC 5924 5; RFC 5922 7.1). keyUsage is asked for by itself,
 * whatever the peer's rule (RFC 5280 4.2.1.12). */
const char *sw_ingress_unfit(unsigned uses, enum sw_purposes rule, bool outbound)
{
    unsigned needed = SW_USE_SIP | (outbound ? SW_USE_SERVER : SW_USE_CLIENT);
    if (rule == SW_PURPOSES_SERVER_IS_ENOUGH)
        needed |= SW_USE_SERVER;
    if (!(uses & SW_USE_SIGN))
        return "its certificate's keyUsage lacks digitalSignature, or keyEncipherment for static "
               "RSA (no key of the configuration changes that)";
    if (rule == SW_PURPOSES_ANY || (uses & needed))
        return NULL;
    if (outbound)
        return "its certificate's extendedKeyUsage lacks serverAuth (purposes: any on the peer "
               "would accept it)";
    return uses & SW_USE_SERVER && rule == SW_PURPOSES_STRICT
               ? "its certificate's extendedKeyUsage has serverAuth but lacks clientAuth "
                 "(purposes: server-is-enough on the peer would accept it)"
               : "its certificate's extendedKeyUsage lacks clientAuth (purposes: any on the peer "
                 "would accept it)";
}

/* Where the peer is configured to be, if it is: with a public CA anybody has an IP SAN that is the
 * address he connects from. RFC 5922 7.1, docs/trust.md */
static bool is_at(const struct sw_peer_conf *p, const struct sw_endpoint *from)
{
    for (uint32_t i = 0; i < p->address_count; i++)
        if (sw_endpoint_ip_eq(&p->addresses[i], from))
            return true;
    for (uint32_t i = 0; i < p->source_count; i++)
        if (sw_cidr_has(&p->sources[i], from))
            return true;
    return p->address_count + p->source_count == 0;
}

static enum sw_verify rule_at(const struct sw_peer_conf *p, enum sw_verify verify,
                              const struct sw_endpoint *from)
{
    return verify == SW_VERIFY_ADDRESS && !is_at(p, from) ? SW_VERIFY_DOMAIN : verify;
}

static bool names(const struct sw_peer_conf *p, const struct sw_ident *ident, enum sw_verify verify,
                  const struct sw_endpoint *from)
{
    verify = rule_at(p, verify, from);
    for (uint32_t i = 0; i < p->domain_count; i++)
        if (sw_domain_proves(ident, p->domains[i], verify, from))
            return true;
    return p->domain_count == 0 && verify == SW_VERIFY_ADDRESS &&
           sw_domain_proves(ident, sw_slice("", 0), verify, from);
}

/* A pin stands for chain, name and purpose; otherwise the peer's own trust must vouch for a use as
 * it is made here, and a domain be proved. `why` is set if all but the use is right. */
static bool proves(const struct sw_peer_conf *p, const struct sw_flow *flow, enum sw_verify verify,
                   const char **why)
{
    if (p->pin_count)
        return pinned(p, flow->ident);
    if (!sw_ident_vouched(flow->ident, p->trust) || !names(p, flow->ident, verify, &flow->remote))
        return false;
    const char *lack = sw_ingress_unfit(sw_ident_uses(flow->ident, p->trust),
                                        (enum sw_purposes)p->purposes, flow->outbound);
    if (lack)
        *why = lack;
    return !lack;
}

/* `chain` widens nothing inbound: the name is needed there, always. */
static enum sw_verify inbound_rule(const struct sw_peer_conf *p)
{
    return p->verify == SW_VERIFY_CHAIN ? SW_VERIFY_DOMAIN : (enum sw_verify)p->verify;
}

/* `unfit` becomes the peer if all but the use of the certificate is right. */
static bool is_it(const struct sw_proxy_conf *c, uint16_t peer, const struct sw_flow *flow,
                  const char **why, uint16_t *unfit)
{
    const struct sw_peer_conf *p = &c->peers[peer];
    const char *lack = NULL;
    bool is = p->tls && proves(p, flow, inbound_rule(p), &lack);
    if (lack) {
        *why = lack;
        *unfit = peer;
    }
    return is;
}

/* The first peer among those whose domain is exactly `name`; the end of the table if there is none.
 */
static uint32_t first_named(const struct sw_proxy_conf *c, struct sw_slice name)
{
    uint32_t low = 0, high = c->by_domain_count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (sw_slice_order(c->by_domain[mid].name, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < c->by_domain_count && sw_slice_eq(c->by_domain[low].name, name)
               ? low
               : c->by_domain_count;
}

/* The lowest peer among those whose domain is exactly `name` and that the certificate proves to be.
 * `first` becomes the first peer with that name, proved by its rules or not.
 */
static uint16_t by_name(const struct sw_proxy_conf *c, const struct sw_flow *flow,
                        struct sw_slice name, uint16_t *first, const char **why, uint16_t *unfit)
{
    char lower[256];
    *first = NONE;
    if (name.n && name.p[name.n - 1] == '.')
        name.n--;
    if (name.n > sizeof(lower))
        return NONE;
    for (size_t i = 0; i < name.n; i++)
        lower[i] = sw_ascii_lower(name.p[i]);
    struct sw_slice wanted = sw_slice(lower, name.n);
    uint32_t at = first_named(c, wanted);
    if (at < c->by_domain_count)
        *first = c->by_domain[at].peer;
    for (; at < c->by_domain_count && sw_slice_eq(c->by_domain[at].name, wanted); at++)
        if (is_it(c, c->by_domain[at].peer, flow, why, unfit))
            return c->by_domain[at].peer;
    return NONE;
}

static uint16_t lower_of(uint16_t a, uint16_t b)
{
    return a < b ? a : b;
}

/* Peers that equality of names does not find: wider rules, and pins. */
static uint16_t by_wide_rule(const struct sw_proxy_conf *c, const struct sw_flow *flow,
                             const char **why, uint16_t *unfit)
{
    for (uint32_t i = 0; i < c->wide_count; i++)
        if (is_it(c, c->wide[i], flow, why, unfit))
            return c->wide[i];
    return NONE;
}

/* NULL if one of the trust entries that vouch for a stranger allows what it does; else why none
 * does, and if that is for its purposes. TLSA records are no entry: see sw_ingress_dane. */
static const char *unfit_stranger(const struct sw_ident *ident, bool outbound, bool *purposes)
{
    const char *why = outbound ? "no trust entry of the listener vouches for it"
                               : "no trust entry vouches for it";
    *purposes = false;
    for (uint32_t i = 0; i < ident->vouched_count && why; i++) {
        if (ident->vouched[i] >= SW_VOUCHED_DANE_TA)
            continue;
        *purposes = true;
        why =
            sw_ingress_unfit(sw_ident_uses(ident, ident->vouched[i]), SW_PURPOSES_STRICT, outbound);
    }
    return why;
}

static struct sw_ingress refused(struct sw_slice got, const char *why)
{
    return (struct sw_ingress){
        .peer = SW_PEER_NOBODY, .status = SW_DENIED_PURPOSE, .why = why, .got = got};
}

static struct sw_ingress unfit_peer(const struct sw_proxy_conf *c, struct sw_slice got,
                                    const char *why, uint16_t peer)
{
    struct sw_ingress in = refused(got, why);
    in.claimed = peer != NONE ? c->peers[peer].id : 0;
    return in;
}

static struct sw_ingress by_certificate(const struct sw_proxy_conf *c, const struct sw_flow *flow)
{
    struct sw_ingress in = {.peer = SW_PEER_NOBODY, .why = "certificate proves no SIP domain"};
    bool ours = false;
    struct sw_slice stranger = {NULL, 0};
    const char *unfit_why = NULL;
    uint16_t unfit = NONE, named = NONE, first;
    uint16_t best = by_wide_rule(c, flow, &unfit_why, &unfit);
    for (uint32_t i = 0; i < flow->ident->name_count; i++) {
        struct sw_slice domain;
        if (!sw_domain_identity(flow->ident, i, &domain))
            continue;
        uint16_t found = by_name(c, flow, domain, &first, &unfit_why, &unfit);
        bool is_a_peers = first != NONE;
        named = lower_of(named, first);
        bool is_ours = !is_a_peers && sw_proxy_is_ours(c, domain, 0);
        ours |= is_ours;
        if (!is_ours && (!in.got.n || found < best))
            in.got = domain;
        if (!stranger.n && !is_a_peers && !is_ours)
            stranger = domain;
        best = lower_of(best, found);
    }
    if (best != NONE) {
        in.peer = c->peers[best].id;
        in.got = in.got.n ? in.got : sw_nobody_wildcard(flow->ident);
        in.why = c->peers[best].pin_count ? "its pinned certificate" : "its certificate";
    } else if (unfit_why) {
        return unfit_peer(c, in.got, unfit_why, unfit);
    } else if (flow->ident->vouched_count && (stranger.n || !in.got.n)) {
        bool purposes;
        unfit_why = unfit_stranger(flow->ident, false, &purposes);
        if (unfit_why)
            return refused(stranger, unfit_why);
        if (stranger.n) {
            in.peer = SW_PEER_VERIFIED;
            in.got = stranger;
            in.why = "certificate proves a domain that is no peer's";
        } else {
            sw_nobody_tell(c, flow->ident, ours, &in);
        }
    } else if (named != NONE) {
        return sw_nobody_claims(&c->peers[named], in.got);
    } else {
        sw_nobody_tell(c, flow->ident, ours, &in);
    }
    return in;
}

static bool source_counts(const struct sw_peer_conf *p, const struct sw_flow *flow)
{
    if (p->listener != flow->listener)
        return false;
    switch ((enum sw_transport)flow->transport) {
    case SW_UDP:
        return p->udp;
    case SW_TCP:
        return p->tcp;
    default:
        return p->tls && p->without_certificate;
    }
}

/* A source that defaults to the peer's address has a port: it tells peers on one host apart. */
static bool exact_address(const struct sw_peer_conf *p, const struct sw_endpoint *from)
{
    for (uint32_t i = 0; i < p->address_count; i++)
        if (sw_endpoint_eq(&p->addresses[i], from))
            return true;
    return false;
}

static uint16_t by_whole_address(const struct sw_proxy_conf *c, const struct sw_flow *flow)
{
    uint32_t low = 0, high = c->by_source_count;
    uint16_t first = NONE;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        const struct sw_endpoint *ip = &c->by_source[mid].ip;
        int d = ip->family != flow->remote.family ? (int)ip->family - flow->remote.family
                                                  : memcmp(ip->ip, flow->remote.ip, 16);
        if (d < 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < c->by_source_count && sw_endpoint_ip_eq(&c->by_source[low].ip, &flow->remote);
         low++) {
        const struct sw_peer_conf *p = &c->peers[c->by_source[low].peer];
        if (!source_counts(p, flow))
            continue;
        if (exact_address(p, &flow->remote))
            return c->by_source[low].peer;
        first = lower_of(first, c->by_source[low].peer);
    }
    return first;
}

static uint16_t by_range(const struct sw_proxy_conf *c, const struct sw_flow *flow)
{
    for (uint32_t i = 0; i < c->by_range_count; i++) {
        const struct sw_peer_conf *p = &c->peers[c->by_range[i]];
        for (uint32_t k = 0; source_counts(p, flow) && k < p->source_count; k++)
            if (sw_cidr_has(&p->sources[k], &flow->remote))
                return c->by_range[i];
    }
    return NONE;
}

struct sw_ingress sw_ingress_inbound(const struct sw_proxy_conf *c, const struct sw_flow *flow)
{
    if (flow->ident)
        return by_certificate(c, flow);
    uint16_t whole = by_whole_address(c, flow);
    uint16_t best = whole != NONE && exact_address(&c->peers[whole], &flow->remote)
                        ? whole
                        : lower_of(whole, by_range(c, flow));
    if (best == NONE)
        return (struct sw_ingress){.peer = SW_PEER_NOBODY,
                                   .why = flow->transport == SW_TLS
                                              ? "no certificate was shown"
                                              : "its address is no peer's source"};
    return (struct sw_ingress){.peer = c->peers[best].id, .why = "its source address"};
}

static struct sw_slice first_identity(const struct sw_ident *ident)
{
    struct sw_slice domain;
    for (uint32_t i = 0; i < ident->name_count; i++)
        if (sw_domain_identity(ident, i, &domain))
            return domain;
    return sw_nobody_wildcard(ident);
}

enum sw_status sw_ingress_outbound(const struct sw_proxy_conf *c, const struct sw_peer_conf *p,
                                   const struct sw_flow *flow, struct sw_ingress *out)
{
    (void)c;
    *out = (struct sw_ingress){.peer = p->id, .why = "we connected to it"};
    if (!sw_transport_secure((enum sw_transport)flow->transport))
        return SW_OK;
    if (!flow->ident) {
        out->why = "the server showed no certificate";
        return SW_DENIED_IDENTITY;
    }
    out->got = first_identity(flow->ident);
    bool chain = p->verify == SW_VERIFY_CHAIN && sw_ident_vouched(flow->ident, p->trust);
    const char *unfit_why = chain ? sw_ingress_unfit(sw_ident_uses(flow->ident, p->trust),
                                                     (enum sw_purposes)p->purposes, true)
                                  : NULL;
    if (chain && !unfit_why) {
        out->why = "verify: chain, its name was not asked for";
        return SW_OK;
    }
    if (!chain && proves(p, flow, (enum sw_verify)p->verify, &unfit_why)) {
        out->why = p->pin_count ? "its pinned certificate" : "its certificate";
        return SW_OK;
    }
    out->why = unfit_why      ? unfit_why
               : p->pin_count ? "the certificate is not the pinned one"
               : !sw_ident_vouched(flow->ident, p->trust)
                   ? "the certificate is not vouched for by the peer's trust entry"
                   : "the certificate proves another name";
    return unfit_why ? SW_DENIED_PURPOSE : SW_DENIED_IDENTITY;
}

enum sw_proof sw_ingress_proof(const struct sw_peer_conf *p, const struct sw_flow *flow,
                               uint32_t *domain)
{
    *domain = 0;
    if (!sw_transport_secure((enum sw_transport)flow->transport))
        return SW_PROOF_NONE;
    if (!flow->ident)
        return SW_PROOF_SOURCE;
    if (p->pin_count)
        return SW_PROOF_PIN;
    for (uint32_t i = 0; i < p->domain_count && !*domain; i++)
        if (sw_domain_proves(flow->ident, p->domains[i], rule_at(p, inbound_rule(p), &flow->remote),
                             &flow->remote))
            *domain = i + 1;
    return *domain || p->verify != SW_VERIFY_CHAIN ? SW_PROOF_NAME : SW_PROOF_CHAIN;
}

enum sw_status sw_ingress_stranger(const struct sw_proxy_conf *c, struct sw_slice domain,
                                   const struct sw_flow *flow, struct sw_ingress *out)
{
    bool purposes;
    *out = (struct sw_ingress){.peer = SW_PEER_VERIFIED, .got = domain};
    if (!flow->ident || !sw_transport_secure((enum sw_transport)flow->transport)) {
        out->why = "the server showed no certificate";
        return SW_DENIED_IDENTITY;
    }
    if (sw_proxy_peer_of_domain(c, domain)) {
        out->why = "the domain has become a peer's";
        return SW_DENIED;
    }
    if (sw_proxy_is_ours(c, domain, 0)) {
        out->why = "the domain has become ours";
        return SW_DENIED;
    }
    if (!sw_domain_proves(flow->ident, domain, SW_VERIFY_DOMAIN, &flow->remote)) {
        out->why = "the certificate proves another name than the domain that was located";
        out->got = first_identity(flow->ident);
        return SW_DENIED_IDENTITY;
    }
    const char *unfit_why = unfit_stranger(flow->ident, true, &purposes);
    out->why = unfit_why ? unfit_why : "its certificate proves the domain that was located";
    return !unfit_why ? SW_OK : purposes ? SW_DENIED_PURPOSE : SW_DENIED_IDENTITY;
}

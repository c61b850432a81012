#include "proxy/nobody.h"

struct sw_slice sw_nobody_wildcard(const struct sw_ident *ident)
{
    struct sw_slice pattern;
    for (uint32_t i = 0; i < ident->name_count; i++)
        if (sw_domain_wildcard(ident, i, &pattern))
            return pattern;
    return sw_slice("", 0);
}

/* The first wildcards are looked at: this is for the log only. */
enum { WILDCARDS_MAX = 8 };

static bool has_star(const struct sw_cert_name *name)
{
    return (name->kind == SW_NAME_DNS || name->kind == SW_NAME_CN) &&
           sw_slice_find(name->text, '*') < name->text.n;
}

static bool covers_a_peer(const struct sw_proxy_conf *c, const struct sw_ident *ident, uint32_t i)
{
    struct sw_slice pattern;
    for (uint32_t k = 0; sw_domain_wildcard(ident, i, &pattern) && k < c->by_domain_count; k++)
        if (sw_domain_covers(pattern, c->by_domain[k].name))
            return true;
    return false;
}

/* Why a certificate that names nobody's domain but ours is nobody's: whoever holds it stands for
 * us, and is not another domain; or it has wildcards only. RFC 5922 7.2 */
void sw_nobody_tell(const struct sw_proxy_conf *c, const struct sw_ident *ident, bool ours,
                    struct sw_ingress *in)
{
    uint32_t seen = 0;
    bool peers = false;
    for (uint32_t i = 0; i < ident->name_count && seen < WILDCARDS_MAX && !peers; i++)
        if (has_star(&ident->names[i])) {
            peers = covers_a_peer(c, ident, i);
            seen++;
        }
    if (ours) {
        in->why = "certificate proves a domain of ours, and whoever has it is no other domain";
        in->help = "if it is a gateway of yours, make it a peer with this domain";
    } else if (seen && !in->got.n) {
        in->why = "certificate has only a wildcard, which is no SIP domain identity: RFC 5922 7.2";
        in->help = peers ? "verify: wildcard on the peer whose domain it would match; better, a "
                           "certificate with the domain itself"
                         : "the other side needs a certificate with its domain itself as SAN";
    }
}

/* It names a peer's domain, and is not what the peer is known by: somebody else has a certificate
 * for that, or the configuration lacks something. RFC 5922 7.1 */
struct sw_ingress sw_nobody_claims(const struct sw_peer_conf *p, struct sw_slice got)
{
    struct sw_ingress in = {
        .peer = SW_PEER_NOBODY, .status = SW_DENIED_IDENTITY, .claimed = p->id, .got = got};
    if (!p->tls) {
        in.why = "the certificate names a domain of a peer that is configured without TLS";
        in.help = "transport: tls for the peer, if it is to connect so";
    } else if (p->pin_count) {
        in.why = "the certificate names a domain of a peer, and is not the pinned one";
        in.help = "if it is the peer, add its certificate or key to pinned of the peer's trust "
                  "entry; if it is not, somebody else has a certificate for its domain";
    } else {
        in.why = "the certificate names a domain of a peer, and the peer's trust entry does not "
                 "vouch for it";
        in.help = "if it is the peer, add the CA of the certificate (issuer) to the peer's trust "
                  "entry, or give the peer the entry that has it; if it is not, somebody else has "
                  "a certificate for its domain";
    }
    return in;
}

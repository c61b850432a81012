/* Whose servers may be believed by signed TLSA records: peers that are found by DNS, and strangers
 * that a listener dials. RFC 7673 */
#include "daemon/config.h"

/* Why DNSSEC vouches for nothing; NULL: it may. */
static const char *unsigned_dns(const struct sw_dns_conf *c)
{
    if (c->dnssec == SW_DNSSEC_OFF)
        return "dns.dnssec is off (opportunistic, or require)";
    return c->anchor[0] ? NULL
                        : "there is no trust anchor (dns.anchor: FILE, or the package "
                          "dns-root-data)";
}

/* What stands against it in the peer itself; NULL: nothing. */
static const char *unfit(const struct sw_peer_conf *p)
{
    if (!p->tls)
        return "it is no tls peer";
    if (p->address_count)
        return "it has an address, so no DNS leads to it (leave address out)";
    if (!p->domain_count)
        return "it has no domain, so no DNS leads to it (domain: NAME)";
    if (p->pin_count)
        return "its trust is pinned: a pin is believed as it is, and nothing else";
    return p->best_effort ? "security: best-effort would send in the clear where TLSA records "
                            "promise TLS (tls-only)"
                          : NULL;
}

static bool wanted(struct sw_config_build *b, const struct sw_text *dane, const char *what,
                   const struct sw_text *name, const char *why)
{
    if (!sw_text_is(dane, "on"))
        return false;
    if (why)
        sw_diag_error(b->diags, dane->mark, "dane: on has no meaning for %s \"%s\": %s", what,
                      name->s.p ? name->s.p : "", why);
    return !why;
}

void sw_config_dane(struct sw_config_build *b)
{
    struct sw_config *c = b->c;
    const char *no_dns = unsigned_dns(&c->dns);
    const struct sw_peer_directive *d = c->d.peers.item;
    const struct sw_listen_directive *l = c->d.listen.item;
    for (uint32_t i = 0; i < c->proxy.peer_count; i++) {
        struct sw_peer_conf *p = &((struct sw_peer_conf *)(uintptr_t)c->proxy.peers)[i];
        const char *why = unfit(p);
        p->dane = wanted(b, &d[i].dane, "peer", &d[i].name, why ? why : no_dns);
    }
    for (uint32_t i = 0; i < c->proxy.listener_count; i++) {
        struct sw_listener_conf *out =
            &((struct sw_listener_conf *)(uintptr_t)c->proxy.listeners)[i];
        out->dane = wanted(b, &l[i].dane, "listener", &l[i].name, no_dns);
    }
}

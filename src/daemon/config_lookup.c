/* Routes that lead to where the DNS says. */
#include "daemon/config.h"

#include "base/dns.h"

/* Such a route goes over TLS only: from a listener that shows a certificate and believes somebody.
 */
static bool fits(const struct sw_config *c, uint32_t i)
{
    return c->proxy.listeners[i].transport == SW_TLS && c->conn_listeners[i].tls.trust &&
           c->conn_listeners[i].tls.identity;
}

static void listener(struct sw_config_build *b, const struct sw_route_directive *d,
                     struct sw_route_conf *r)
{
    const struct sw_config *c = b->c;
    if (d->listen.s.p) {
        int64_t i = sw_names_find(b, &c->listener_names, &d->listen, "listen");
        if (i >= 0 && !fits(c, (uint32_t)i))
            sw_diag_error(b->diags, d->listen.mark,
                          "listen: \"%s\" has no TLS, or no trust (a route that leads to strangers "
                          "goes over TLS only, and believes whom the listener believes)",
                          d->listen.s.p);
        r->listener = i < 0 ? 0 : (uint16_t)i;
        return;
    }
    for (uint32_t i = 0; i < c->proxy.listener_count; i++)
        if (fits(c, i)) {
            r->listener = (uint16_t)i;
            return;
        }
    sw_diag_error(b->diags, d->to.mark,
                  "to: %s goes over TLS only, and no listener has TLS and trust (add one)",
                  d->to.t[0].s.p);
}

static void suffix(struct sw_config_build *b, const struct sw_route_directive *d,
                   struct sw_route_conf *r)
{
    struct sw_dns_question q;
    r->suffix = d->suffix.s.p ? d->suffix.s : SW_SLICE("e164.arpa");
    if (r->suffix.n && r->suffix.p[r->suffix.n - 1] == '.')
        r->suffix.n--;
    if (sw_dns_ask(&q, r->suffix, SW_DNS_NAPTR) != SW_OK || r->suffix.n > 200)
        sw_diag_error(b->diags, d->suffix.mark,
                      "suffix: \"%s\" is no domain name (e164.arpa, or that of a private tree)",
                      d->suffix.s.p);
}

void sw_config_lookup(struct sw_config_build *b, const struct sw_route_directive *d,
                      struct sw_route_conf *r)
{
    if (r->lookup != SW_LOOKUP_NONE)
        listener(b, d, r);
    else if (d->listen.s.p)
        sw_diag_error(b->diags, d->listen.mark,
                      "listen: goes with to: dns and to: enum (a peer has a listen of its own)");
    if (r->lookup != SW_LOOKUP_NONE && (r->from == SW_FROM_ANY || r->from == SW_FROM_VERIFIED))
        sw_diag_warning(b->diags, d->mark,
                        "to: %s lets whoever a trusted CA gave a certificate have requests relayed "
                        "to every domain (from: the peers that may)",
                        d->to.t[0].s.p);
    if (r->lookup == SW_LOOKUP_ENUM)
        suffix(b, d, r);
    else if (d->suffix.s.p)
        sw_diag_error(b->diags, d->suffix.mark, "suffix: goes with to: enum");
}

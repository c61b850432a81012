#include "proxy/target.h"

#include "proxy/alias.h"
#include "proxy/number.h"
#include "proxy/party.h"
#include "proxy/rewrite.h"
#include "proxy/sips.h"

/* A target of the open network: over TLS only, to whoever proves the domain. */
static struct sw_target stranger(const struct sw_route_conf *r, enum sw_target_locate locate)
{
    enum { TIMEOUT_MS = 4000 };
    return (struct sw_target){
        .listener = r->listener,
        .transport = SW_TLS,
        .locate = (uint8_t)locate,
        .timeout_ms = TIMEOUT_MS,
        .q = SW_Q_MAX,
        .suffix = r->suffix,
    };
}

static void add(struct sw_targets *targets, const struct sw_target *t)
{
    if (targets->count < SW_TARGETS_MAX)
        targets->t[targets->count++] = *t;
    else
        targets->more = true;
}

/* The peer whose address is written in a URI: no name is asked for, its certificate tells it. */
static const struct sw_peer_conf *peer_at(const struct sw_proxy_conf *c, const struct sw_uri *u)
{
    struct sw_endpoint ip;
    if (!sw_endpoint_ip_parse(sw_target_host(u), &ip))
        return NULL;
    ip.port = u->port ? u->port : sw_transport_port(SW_TLS);
    for (uint32_t i = 0; i < c->peer_count; i++)
        for (uint32_t k = 0; c->peers[i].tls && k < c->peers[i].address_count; k++)
            if (sw_endpoint_eq(&c->peers[i].addresses[k], &ip))
                return &c->peers[i];
    return NULL;
}

static bool hop(struct sw_proxy *p, const struct sw_route_conf *r, const struct sw_request *q,
                struct sw_targets *targets, struct sw_refusal *out)
{
    struct sw_uri changed;
    if (!sw_rewrite_target(&q->v->uri, targets->rewrite, &p->e->scratch, &changed))
        return sw_refuse(out, 500, NULL, "limit memory", NULL);
    const struct sw_uri *u = q->r->count ? &q->r->next : &changed;
    struct sw_slice host = sw_target_host(u);
    struct sw_endpoint ip;
    if (!sw_uri_is_sip(u))
        return sw_refuse(out, 416, NULL, "the Request-URI names no domain that could be located",
                         "a route with to: enum leads to numbers");
    if (q->r->count == 0 && sw_proxy_is_ours(p->conf, host, u->port))
        return sw_refuse(out, 404, NULL, "the Request-URI is ours, and to: dns leads elsewhere",
                         "put a route before it that says where our users are");
    if ((q->r->count || u->maddr.n) && !sw_route_has_domain(r, host))
        return sw_refuse(out, 403, "Next Hop Not Allowed",
                         "a Route or maddr leads to another host than the route's domain has",
                         "let the sender leave it out, or add a route without domain before this "
                         "one");
    bool numeric = sw_endpoint_ip_parse(host, &ip);
    const struct sw_peer_conf *peer =
        numeric ? peer_at(p->conf, u) : sw_proxy_peer_of_domain(p->conf, host);
    if (!peer && numeric)
        return sw_refuse(out, 403, "Address Without A Name",
                         "the URI has an address in place of a domain, and no certificate proves "
                         "that",
                         "the sender must use the domain; or make the address a peer's");
    enum sw_sips_fit fit = peer ? sw_sips_target(q, peer) : SW_SIPS_FITS;
    if (fit != SW_SIPS_FITS)
        return sw_sips_refuse(p, q, fit, peer, out);
    if (peer && peer->address_count) { /* "instead of DNS" */
        sw_target_add_peer(p, peer, SW_Q_MAX, q, targets);
        return true;
    }
    struct sw_target t = stranger(r, SW_TARGET_HOP);
    t.peer = peer ? peer->id : sw_proxy_domain_id(p->conf, host);
    if (peer) {
        t.listener = peer->listener;
        t.timeout_ms = peer->timeout_ms;
        t.alias = sw_alias_used(peer);
    }
    add(targets, &t);
    return true;
}

/* The number, if there is one to be looked up: 404 says that ENUM stands alone, and there is none.
 */
static bool number(struct sw_proxy *p, const struct sw_route_conf *r, const struct sw_request *q,
                   struct sw_targets *targets, struct sw_refusal *out)
{
    char digits[SW_ENUM_NUMBER_MAX + 1];
    struct sw_target t = stranger(r, SW_TARGET_ENUM);
    struct sw_uri changed;
    if (!sw_rewrite_target(&q->v->uri, targets->rewrite, &p->e->scratch, &changed))
        return sw_refuse(out, 500, NULL, "limit memory", NULL);
    if (!sw_number_of(p->conf, &changed, digits))
        return sw_refuse(out, 404, "No Global Number", "the Request-URI is no global number",
                         "ENUM needs a tel URI, or a sip URI with user=phone or of a domain of "
                         "ours, that begins with +: RFC 6116 3.1");
    t.peer = SW_PEER_VERIFIED; /* until the URI says who */
    add(targets, &t);
    return true;
}

bool sw_target_lookup(struct sw_proxy *p, const struct sw_route_conf *r, const struct sw_request *q,
                      struct sw_targets *targets, struct sw_refusal *out)
{
    if (r->lookup == SW_LOOKUP_DNS)
        return hop(p, r, q, targets, out);
    /* with a Route that remains, the Request-URI is not ours to translate: RFC 3261 16.6 step 6 */
    return q->r->count ? r->to_count > 0 : number(p, r, q, targets, out) || r->to_count > 0;
}

void sw_target_add_hop(const struct sw_proxy *p, const struct sw_request *q,
                       const struct sw_target *t, struct sw_targets *targets)
{
    const struct sw_uri *u = q->r->count ? &q->r->next : &q->v->uri;
    struct sw_target x = *t;
    struct sw_slice host = sw_target_host(u);
    const struct sw_peer_conf *known = sw_proxy_peer(p->conf, t->peer);
    if (!sw_uri_is_sip(u) || (!known && !sw_party_may_be_at(p->conf, t->peer, host)))
        return;
    x.locate = SW_TARGET_HOP;
    x.by_uri = known && !sw_peer_domain(known, host);
    add(targets, &x);
}

void sw_target_add_domain(const struct sw_proxy *p, const struct sw_request *q,
                          const struct sw_target *t, struct sw_targets *targets)
{
    const struct sw_uri *u = q->r->count ? &q->r->next : &q->v->uri;
    const struct sw_peer_conf *peer = sw_proxy_peer(p->conf, t->peer);
    struct sw_target x = *t;
    if (!peer || !peer->dane || t->transport != SW_TLS ||
        (sw_uri_is_sip(u) && sw_peer_domain(peer, sw_target_host(u))))
        return;
    x.remote = (struct sw_endpoint){0};
    x.locate = SW_TARGET_PEER;
    add(targets, &x);
}

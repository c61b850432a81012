#include "proxy/target.h"

#include "proxy/alias.h"
#include "proxy/choose.h"
#include "proxy/clear.h"
#include "proxy/passive.h"
#include "proxy/place.h"
#include "proxy/rules.h"
#include "proxy/sips.h"

bool sw_target_is_up(const struct sw_proxy *p, const struct sw_peer_conf *peer, int64_t now_ms)
{
    const struct sw_peer_state *s = sw_proxy_state(p, peer);
    return !atomic_load_explicit(&s->ping_failed, memory_order_relaxed) &&
           atomic_load_explicit(&s->down_until_ms, memory_order_relaxed) <= now_ms &&
           sw_passive_may_try(s->load, now_ms);
}

static void add(struct sw_targets *targets, const struct sw_target *t)
{
    if (targets->count < SW_TARGETS_MAX)
        targets->t[targets->count++] = *t;
    else
        targets->more = true;
}

/* A target and the alternatives behind it. */
struct choice {
    uint32_t first, end;
    uint16_t q;
};

static uint32_t choices_of(const struct sw_targets *targets, struct choice *c)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < targets->count; i++) {
        if (n == 0 || !targets->t[i].alternative)
            c[n++] = (struct choice){.first = i, .q = targets->t[i].q};
        c[n - 1].end = i + 1;
    }
    return n;
}

/* False: they were in order. */
static bool sort_choices(struct choice *c, uint32_t n)
{
    bool moved = false;
    for (uint32_t i = 1; i < n; i++) {
        struct choice x = c[i];
        uint32_t k = i;
        for (; k > 0 && c[k - 1].q < x.q; k--)
            c[k] = c[k - 1];
        c[k] = x;
        moved |= k < i;
    }
    return moved;
}

static void reorder(struct sw_targets *targets, const struct choice *c, uint32_t n)
{
    struct sw_target was[SW_TARGETS_MAX];
    uint32_t at = 0;
    memcpy(was, targets->t, targets->count * sizeof(was[0]));
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = c[i].first; k < c[i].end; k++)
            targets->t[at++] = was[k];
}

void sw_targets_sort(struct sw_targets *targets, enum sw_fork_rule fork)
{
    struct choice c[SW_TARGETS_MAX];
    uint32_t n = choices_of(targets, c);
    uint8_t group = 0;
    uint16_t q = 0;
    if (sort_choices(c, n))
        reorder(targets, c, n);
    for (uint32_t i = 0; i < targets->count; i++) {
        struct sw_target *t = &targets->t[i];
        if (fork == SW_FORK_ORDER)
            t->alternative = i > 0;
        if (i > 0 && !t->alternative && (fork == SW_FORK_SERIAL || t->q != q))
            group++;
        if (!t->alternative)
            q = t->q;
        t->group = group;
    }
}

/* Only a Request-URI that is ours becomes the peer's. */
static bool names_us(const struct sw_proxy *p, const struct sw_request *q)
{
    const struct sw_uri *u = &q->v->uri;
    return sw_uri_is_sip(u) && sw_proxy_is_ours(p->conf, u->host, u->port);
}

/* The listener that datagrams and plain connections of a peer's `clear_address` come from. */
static uint16_t clear_listener(const struct sw_proxy_conf *c)
{
    for (uint32_t i = 0; i < c->listener_count; i++)
        if (c->listeners[i].transport == SW_UDP)
            return (uint16_t)i;
    return UINT16_MAX;
}

/* Without TLS only `sip` requests, only to clear_address, never to a peer that spoke TLS lately.
 * RFC 3261 8.1.2; RFC 9325 3.2 */
static void add_clear(const struct sw_proxy *p, const struct sw_peer_conf *peer,
                      const struct sw_request *q, struct sw_targets *targets)
{
    struct sw_target t = {
        .remote = peer->clear_address,
        .peer = peer->id,
        .listener = clear_listener(p->conf),
        .transport = SW_UDP,
        .large_over_tcp = true,
        .clear = true,
        .timeout_ms = peer->timeout_ms,
    };
    if (t.listener == UINT16_MAX || !sw_clear_is_allowed(p, peer, q->v, q->r))
        return;
    t.retarget = names_us(p, q);
    add(targets, &t);
}

static void add_addresses(const struct sw_proxy *p, const struct sw_peer_conf *peer,
                          const struct sw_request *q, struct sw_targets *targets)
{
    struct sw_target t = {
        .peer = peer->id,
        .listener = peer->listener,
        .transport = (uint8_t)sw_place_transport(peer),
        .large_over_tcp = peer->udp && peer->tcp,
        .alias = sw_alias_used(peer),
        .timeout_ms = peer->timeout_ms,
    };
    t.retarget = names_us(p, q);
    if (peer->address_count == 0 && peer->domain_count) { /* "instead of DNS" */
        t.locate = SW_TARGET_PEER;
        add(targets, &t);
    }
    t.listed = true;
    for (struct sw_place_walk w = sw_place_begin(p, peer, (enum sw_transport)t.transport);
         sw_place_next(&w, &t.remote);)
        add(targets, &t);
    add_clear(p, peer, q, targets);
}

/* The addresses of a peer are one choice. RFC 3261 16.6 */
void sw_target_add_peer(const struct sw_proxy *p, const struct sw_peer_conf *peer, uint16_t q,
                        const struct sw_request *request, struct sw_targets *targets)
{
    uint32_t first = targets->count;
    add_addresses(p, peer, request, targets);
    for (uint32_t i = first; i < targets->count; i++) {
        targets->t[i].q = q;
        targets->t[i].alternative = i > first;
    }
}

static bool comes_from(const struct sw_proxy *p, const struct sw_route_conf *r,
                       const struct sw_request *q)
{
    switch ((enum sw_from)r->from) {
    case SW_FROM_PEER:
        return p->conf->peers[r->from_peer].id == q->flow->peer;
    case SW_FROM_VERIFIED:
        return q->flow->peer == SW_PEER_VERIFIED;
    case SW_FROM_REGISTERED: /* nobody is registered in this version */
        return false;
    case SW_FROM_ANY:
        break;
    }
    return true;
}

/* The root's dot says nothing: who writes it gets past no rule. RFC 1034 3.1 */
static struct sw_slice without_root(struct sw_slice host)
{
    return sw_slice(host.p, host.n - (host.n > 1 && host.p[host.n - 1] == '.'));
}

bool sw_route_has_domain(const struct sw_route_conf *r, struct sw_slice host)
{
    return !r->domain.p || sw_slice_glob(without_root(r->domain), without_root(host));
}

/* With a Route that remains the next hop is there, and the Request-URI is for whoever is behind it
 * to translate. RFC 3261 16.6 step 6, 7 */
static bool is_beyond_enum(const struct sw_route_conf *r, const struct sw_request *q)
{
    return r->lookup == SW_LOOKUP_ENUM && q->r->count && !r->to_count;
}

/* What routes can say of a user part: a longer one has none, so that no escapes in it lead past a
 * rule. Only `limits.uri_bytes` above its default lets one in. */
enum { USER_MAX = 8192 };

static bool user_is_too_long(const struct sw_request *q)
{
    const struct sw_uri *u = &q->v->uri;
    return (u->scheme == SW_SCHEME_TEL ? u->host.n : u->user.n) > USER_MAX;
}

const char *sw_route_mismatch(const struct sw_proxy *p, const struct sw_route_conf *r,
                              const struct sw_request *q)
{
    char room[USER_MAX];
    const struct sw_uri *u = &q->v->uri;
    if (!comes_from(p, r, q))
        return "from";
    if (user_is_too_long(q))
        return "user";
    struct sw_slice user = sw_rules_user(u, room, sizeof(room));
    if (r->user.p && !sw_slice_glob(r->user, user))
        return "user";
    if (r->domain.p && (!sw_uri_is_sip(u) || !sw_route_has_domain(r, u->host)))
        return "domain";
    if (r->method.p && !sw_slice_glob(r->method, sw_msg_method(q->m)))
        return "method";
    if (is_beyond_enum(r, q))
        return "to";
    return r->match ? sw_rules_mismatch(r->match, q, user) : NULL;
}

/* The peers of a route that are fit for this request: all of them are tried if none is up. */
static bool route_targets(struct sw_proxy *p, const struct sw_route_conf *r,
                          const struct sw_request *q, struct sw_targets *targets,
                          struct sw_refusal *out)
{
    enum sw_sips_fit unfit = SW_SIPS_FITS;
    const struct sw_peer_conf *who = NULL;
    struct sw_chooser c;
    int32_t i;
    uint32_t first = targets->count; /* ENUM goes before the peers */
    for (int pass = 0; pass < 2 && targets->count == first; pass++) {
        sw_choose_begin(&c, p, r, q->v->call_id, pass == 0);
        while (!targets->more && (i = sw_choose_next(&c)) >= 0) {
            const struct sw_peer_conf *peer = &p->conf->peers[r->to[i]];
            enum sw_sips_fit fit = sw_sips_target(q, peer);
            if (sw_sips_first(unfit, fit) != unfit) {
                unfit = fit;
                who = peer;
            }
            if (fit == SW_SIPS_FITS && (pass == 1 || sw_target_is_up(p, peer, p->e->now_ms)))
                sw_target_add_peer(p, peer, r->q ? r->q[i] : SW_Q_MAX, q, targets);
        }
    }
    sw_targets_sort(targets, (enum sw_fork_rule)r->fork);
    if (targets->count)
        return true;
    if (unfit != SW_SIPS_FITS)
        return sw_sips_refuse(p, q, unfit, who, out);
    return sw_refuse(out, 480, NULL, "none of the route's peers has an address",
                     "give one of the route's peers an address");
}

/* The next hop of a request inside a dialog when its flow is gone: the next Route, or the target.
 */
static bool next_hop(const struct sw_request *q, enum sw_transport transport,
                     struct sw_endpoint *out)
{
    const struct sw_uri *u = q->r->count ? &q->r->next : &q->v->uri;
    if (!sw_uri_is_sip(u) || !sw_endpoint_ip_parse(u->maddr.n ? u->maddr : u->host, out))
        return false;
    out->port = u->port ? u->port : sw_transport_port(transport);
    return true;
}

static bool is_at(const struct sw_peer_conf *peer, const struct sw_endpoint *e)
{
    for (uint32_t i = 0; peer && i < peer->address_count; i++)
        if (sw_endpoint_eq(&peer->addresses[i], e))
            return true;
    return false;
}

static bool one_choice(struct sw_targets *targets, struct sw_refusal *out)
{
    for (uint32_t i = 1; i < targets->count; i++)
        targets->t[i].alternative = true;
    return targets->count > 0 || sw_refuse(out, 480, NULL, "the dialog's flow is gone",
                                           "the peer's connection ended and nothing says where to "
                                           "open another: give the peer an address");
}

/* The next hop is a name: its flow, or another connection from that address, if it is an alias. */
static void add_aliases(const struct sw_side *s, struct sw_target t, struct sw_targets *targets)
{
    t.remote = s->remote;
    t.remote.port = 0;
    add(targets, &t);
}

/* The other side of the dialog: its flow, another connection to the same address, a new one to the
 * next hop, and at last to where the peer is configured to be. */
static bool dialog_targets(struct sw_proxy *p, const struct sw_request *q,
                           struct sw_targets *targets, struct sw_refusal *out)
{
    const struct sw_side *s = &q->r->seal.side[1 - q->side];
    const struct sw_peer_conf *peer = sw_proxy_peer(p->conf, s->peer);
    bool stream = sw_transport_reliable((enum sw_transport)s->transport);
    struct sw_target t = {
        .peer = s->peer,
        .listener = s->listener,
        .transport = s->transport,
        .timeout_ms = peer ? peer->timeout_ms : 0,
    };
    if (s->listener >= p->conf->listener_count)
        return sw_refuse(out, 480, NULL, "the dialog's listener is no longer configured",
                         "the call began under another configuration");
    if (sw_request_needs_tls(q) && !sw_transport_secure((enum sw_transport)s->transport))
        return sw_sips_refuse(p, q, SW_SIPS_NO_TLS, peer, out);
    if (q->r->opened_sips && !sw_transport_secure((enum sw_transport)s->transport))
        return sw_sips_refuse(p, q, SW_SIPS_ONLY_TLS, peer, out);
    if (peer && !sw_transport_secure((enum sw_transport)s->transport) && peer->best_effort &&
        sw_peer_spoke_tls(p, peer)) { /* began in the clear, and must not go on so */
        add_addresses(p, peer, q, targets);
        return one_choice(targets, out);
    }
    bool by_flow = !peer || peer->reverse == SW_REVERSE_FLOW ||
                   (peer->reverse == SW_REVERSE_ALIAS && s->outbound);
    struct sw_target direct = t;
    direct.alias = peer && sw_alias_used(peer);
    if (!by_flow && direct.alias)
        direct.prefer = s->flow; /* if it is an alias: RFC 5923 8.2 */
    direct.local_id = s->local_id;
    t.remote = s->remote;
    t.prefer = s->flow;
    t.local_id = s->local_id;
    t.any_of_peer = true;
    if (stream && (!s->outbound || !peer)) /* who is no peer is dialled by its name only */
        t.remote.port = 0;
    if (by_flow)
        add(targets, &t);
    if ((!by_flow || stream) && next_hop(q, (enum sw_transport)s->transport, &direct.remote)) {
        direct.by_uri = !is_at(peer, &direct.remote);
        add(targets, &direct);
        direct.by_uri = false;
    } else {
        if (direct.alias && !s->outbound)
            add_aliases(s, direct, targets);
        if ((!by_flow || stream) && (!peer || !peer->address_count)) /* "instead of DNS" */
            sw_target_add_hop(p, q, &direct, targets);
    }
    sw_target_add_domain(p, q, &direct, targets);
    direct.listed = true;
    for (struct sw_place_walk w =
             sw_place_begin(p, stream ? peer : NULL, (enum sw_transport)s->transport);
         sw_place_next(&w, &direct.remote);)
        add(targets, &direct);
    return one_choice(targets, out);
}

static bool routed_targets(struct sw_proxy *p, const struct sw_request *q,
                           struct sw_targets *targets, struct sw_refusal *out)
{
    if (user_is_too_long(q)) {
        sw_proxy_count(p, SW_LIMITED_URI_BYTES);
        return sw_refuse(out, 414, NULL, "the user part of the Request-URI is above 8 KiB",
                         "routes look at that much of it: limits.uri_bytes is for the rest");
    }
    for (uint32_t i = 0; i < p->conf->route_count; i++) {
        const struct sw_route_conf *r = &p->conf->routes[i];
        if (sw_route_mismatch(p, r, q))
            continue;
        if (r->reject)
            return sw_refuse(out, r->reject, NULL, "a route says reject",
                             "the first route that matches decides: see routes");
        if (r->unsupported)
            return sw_refuse(out, 480, NULL, "the route needs what this version does not have",
                             "sipward check names it");
        return sw_rules_apply(p, r, q, &targets->rewrite, out) &&
               (!r->lookup || sw_target_lookup(p, r, q, targets, out)) &&
               ((r->lookup && !r->to_count) || route_targets(p, r, q, targets, out));
    }
    if (q->flow->peer == SW_PEER_VERIFIED)
        return sw_refuse(out, 403, "Domain Not Known Here",
                         "the certificate proves a domain that is no peer's, and no route takes it",
                         "make the domain a peer, or a route with from: verified");
    for (uint32_t i = 0; i < p->conf->route_count; i++)
        if (is_beyond_enum(&p->conf->routes[i], q))
            return sw_refuse(out, 480, NULL,
                             "no route matches: to: enum is for requests whose Route values are "
                             "all ours, and one remains",
                             "let the sender leave it out, or add a route with to: dns for it");
    return sw_refuse(out, 480, NULL, "no route matches",
                     "see routes: the first that matches decides, and none does");
}

bool sw_target_find(struct sw_proxy *p, const struct sw_request *q, struct sw_targets *targets,
                    struct sw_refusal *out)
{
    targets->count = 0;
    targets->more = false;
    targets->rewrite = NULL;
    bool found =
        q->side >= 0 ? dialog_targets(p, q, targets, out) : routed_targets(p, q, targets, out);
    if (targets->more || targets->count > p->conf->branches_max)
        sw_proxy_count(p, SW_LIMITED_BRANCHES);
    if (targets->count > p->conf->branches_max)
        targets->count = p->conf->branches_max;
    return found;
}

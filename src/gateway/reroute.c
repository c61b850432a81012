#include "gateway/reroute.h"

#include "gateway/ack.h"
#include "proxy/alias.h"
#include "proxy/local.h"
#include "proxy/party.h"
#include "proxy/place.h"

/* What `user_kind` of a parked message counts: it was parked for another connection of the peer. */
enum { FIRST, NEXT };

/* The next Route or the Request-URI of an ACK. */
static bool ack_goal(const struct sw_msg *m, struct sw_locate_goal *g)
{
    struct sw_uri u;
    struct sw_addr a;
    struct sw_values values = sw_values(m, SW_HDR_ROUTE);
    struct sw_slice uri = sw_values_addr(&values, &a) == SW_OK ? a.uri : sw_msg_uri(m);
    if (sw_uri_parse(uri, &u, NULL) != SW_OK || !sw_uri_is_sip(&u))
        return false;
    g->host = sw_target_host(&u);
    g->port = u.port;
    return true;
}

/* "the server examines the value of the sent-by construction in the topmost Via": RFC 3263 5. The
 * transport is that of the Via, as the connection's was. */
static bool response_goal(const struct sw_msg *m, struct sw_locate_goal *g)
{
    struct sw_values values = sw_values(m, SW_HDR_VIA);
    struct sw_via via;
    if (sw_values_via(&values, &via) != SW_OK)
        return false;
    g->host = via.host;
    g->port = via.port;
    return true;
}

static bool is_hop(const struct sw_send *s)
{
    return s->cookie.why == SW_FOR_HOP;
}

/* The servers of the peer's own domain. */
static void to_domain(const struct sw_peer_conf *peer, struct sw_locate_goal *g)
{
    g->host = peer->domains[0];
    g->port = 0;
    g->transport = sw_slice("", 0);
}

/* Where the message goes by what stands in it. Its slices borrow from its bytes. */
static bool goal_of(struct sw_proxy *p, const struct sw_send *s, struct sw_locate_goal *g)
{
    static const char *const names[] = {"udp", "tcp", "tls"};
    struct sw_hdr *hdrs = sw_arena_get(&p->e->scratch, SW_HDRS_MAX * sizeof(*hdrs));
    struct sw_msg m;
    *g = (struct sw_locate_goal){
        .tls_only = s->cookie.transport == SW_TLS,
        .have = (uint8_t)SW_LOCATE_BIT(s->cookie.transport),
        .families = sw_location_families(p->conf, s->cookie.listener),
        .transport = sw_slice_str(names[s->cookie.transport]),
    };
    const struct sw_peer_conf *peer = sw_proxy_peer(p->conf, s->cookie.peer);
    if (is_hop(s) && peer && peer->domain_count) { /* as the INVITE; its URI may name anybody */
        to_domain(peer, g);
        return true;
    }
    if (!hdrs || sw_msg_parse(s->bytes, s->n, hdrs, SW_HDRS_MAX, &m) != SW_OK ||
        !(s->owner == SW_SEND_ACK ? ack_goal(&m, g) : response_goal(&m, g)))
        return false;
    struct sw_endpoint ip;
    if (peer && peer->dane && !sw_peer_domain(peer, g->host) && !sw_endpoint_ip_parse(g->host, &ip))
        to_domain(peer, g); /* only there TLSA records prove it */
    return true;
}

/* A datagram has no connection to wait for: as if it were open. */
static bool leave_for(struct sw_proxy *p, struct sw_send *s, const struct sw_endpoint *remote)
{
    const struct sw_flow flow = {
        .id = sw_engine_udp_flow(p->e, s->cookie.listener),
        .remote = *remote,
        .peer = s->cookie.peer,
        .listener = s->cookie.listener,
        .transport = SW_UDP,
    };
    const struct sw_event there = {.kind = SW_EV_OPENED, .flow = &flow, .job = s->ref};
    sw_parked_opened(p, s, &there);
    return true;
}

/* An answer is for whom its request was for: over whatever connection. RFC 5923 9.3 */
static uint32_t local_domain(struct sw_proxy *p, const struct sw_send *s)
{
    return s->owner == SW_SEND_ACK
               ? sw_local_domain_of_text(p, s->cookie.peer, sw_slice(s->bytes, s->n))
               : sw_local_domain_none(p->conf, s->cookie.peer);
}

static bool open_at(struct sw_proxy *p, struct sw_send *s, const struct sw_endpoint *remote,
                    struct sw_slice domain, struct sw_dane dane)
{
    if (s->cookie.transport == SW_UDP)
        return leave_for(p, s, remote);
    struct sw_action *a = sw_action_add(p->e->out, SW_ACT_OPEN);
    if (!a)
        return false;
    a->open = (struct sw_want){
        .job = s->ref,
        .remote = *remote,
        .peer = s->cookie.peer,
        .listener = s->cookie.listener,
        .transport = s->cookie.transport,
        .alias = s->owner == SW_SEND_ACK && sw_alias_used(sw_proxy_peer(p->conf, s->cookie.peer)),
        .local_domain = local_domain(p, s),
        .dane = dane,
    };
    sw_party_want(p->conf, domain, &a->open);
    if (!remote->port)
        a->open.remote.port = sw_transport_port((enum sw_transport)s->cookie.transport);
    s->user_kind = NEXT;
    sw_send_wait(p->e, s);
    return true;
}

/* True if the INVITE went there. */
static bool is_there(const struct sw_send *s, const struct sw_endpoint *e)
{
    return sw_endpoint_ip_eq(e, &s->remote) && (!s->remote.port || e->port == s->remote.port);
}

/* The name in a CANCEL, or in the ACK of a refusal, that is the owner's: its next hop's, or To's.
 */
static struct sw_slice name_in(struct sw_proxy *p, struct sw_slice text, uint32_t owner)
{
    struct sw_hdr *hdrs = sw_arena_get(&p->e->scratch, SW_HDRS_MAX * sizeof(*hdrs));
    struct sw_locate_goal hop;
    struct sw_addr to;
    struct sw_uri u;
    struct sw_msg m;
    if (!hdrs || sw_msg_parse(text.p, text.n, hdrs, SW_HDRS_MAX, &m) != SW_OK)
        return sw_slice("", 0);
    if (ack_goal(&m, &hop) && sw_proxy_domain_id(p->conf, hop.host) == owner)
        return hop.host;
    bool named = sw_addr_parse(sw_msg_value(&m, SW_HDR_TO), &to) == SW_OK &&
                 sw_uri_parse(to.uri, &u, NULL) == SW_OK && sw_uri_is_sip(&u) &&
                 sw_proxy_domain_id(p->conf, u.host) == owner;
    return named ? u.host : sw_slice("", 0);
}

/* The name that whoever is no peer must prove at a place: the one that was located. */
static struct sw_slice name_at(struct sw_proxy *p, const struct sw_send *s,
                               const struct sw_location *x)
{
    struct sw_slice located = sw_arena_dup(&p->e->scratch, sw_slice_str(x->locate->host));
    struct sw_slice name = sw_slice("", 0);
    if (is_hop(s) && sw_proxy_domain_id(p->conf, located) != s->cookie.peer)
        name = name_in(p, sw_slice(s->bytes, s->n), s->cookie.peer);
    return !name.n && sw_party_may_be_at(p->conf, s->cookie.peer, located) ? located : name;
}

/* The next place that was found. Whoever is no peer must prove the name that was located. A CANCEL
 * is for the machine that has the INVITE. */
static bool next_place(struct sw_proxy *p, struct sw_send *s, const struct sw_location *x)
{
    struct sw_slice domain = sw_slice("", 0);
    while (is_hop(s) && s->place < x->locate->place_count &&
           !is_there(s, &x->locate->place[s->place].remote))
        s->place++;
    if (x->locate->end != SW_LOCATE_FOUND || s->place >= x->locate->place_count)
        return false;
    if (!sw_proxy_peer(p->conf, s->cookie.peer)) {
        domain = name_at(p, s, x);
        if (!domain.n)
            return false;
    } else {
        domain = sw_arena_dup(&p->e->scratch, sw_slice_str(x->locate->host));
    }
    const struct sw_locate_place *at = &x->locate->place[s->place++];
    struct sw_dane dane;
    return sw_location_dane(&p->e->scratch, x->locate, at, &dane) &&
           open_at(p, s, &at->remote, domain, dane);
}

/* An ACK of a peer that has addresses: the next one where it is configured to be, those that are
 * avoided last (RFC 3263 4.3); a CANCEL only to the machine that has the INVITE. */
static bool configured(struct sw_proxy *p, struct sw_send *s)
{
    const struct sw_peer_conf *peer = sw_proxy_peer(p->conf, s->cookie.peer);
    enum sw_transport t = (enum sw_transport)s->cookie.transport;
    struct sw_place_walk w = sw_place_begin(p, s->owner == SW_SEND_ACK ? peer : NULL, t);
    for (struct sw_endpoint e; sw_place_next(&w, &e);) {
        const unsigned bit = w.next <= 16 ? 1u << (w.next - 1) : 0;
        if (!bit || s->place & bit || (is_hop(s) && !is_there(s, &e)))
            continue;
        s->place = (uint16_t)(s->place | bit);
        return open_at(p, s, &e, sw_slice("", 0), (struct sw_dane){0});
    }
    return false;
}

static bool start(struct sw_proxy *p, struct sw_send *s)
{
    struct sw_locate_goal g;
    if (!goal_of(p, s, &g))
        return configured(p, s);
    struct sw_endpoint ip;
    const struct sw_peer_conf *peer = sw_proxy_peer(p->conf, s->cookie.peer);
    if (s->owner == SW_SEND_ACK && peer && peer->address_count &&
        !sw_endpoint_ip_parse(g.host, &ip))
        return configured(p, s); /* "instead of DNS" */
    bool dane = sw_location_wants_dane(p->conf, peer, s->cookie.listener, g.host);
    struct sw_location *x = sw_location_start(p, &g, dane, NULL, SW_USER_PARKED);
    if (!x)
        return configured(p, s);
    x->user_ref = s->ref;
    s->location = x->ref;
    s->user_kind = NEXT;
    if (!sw_location_over(x)) {
        sw_send_wait(p->e, s);
        return true;
    }
    return next_place(p, s, x);
}

bool sw_reroute(struct sw_proxy *p, struct sw_send *s)
{
    const struct sw_location *x = sw_location_get(p, s->location);
    if (is_hop(s) && s->remote.port) /* it was dialled, and there is nothing else: RFC 5923 8.1 */
        return false;
    if (s->user_kind == FIRST)
        return start(p, s);
    if (!s->location.generation)
        return configured(p, s);
    return x && sw_location_over(x) && next_place(p, s, x);
}

struct sw_slice sw_reroute_name(struct sw_proxy *p, const struct sw_event *failed)
{
    size_t n = sw_segs_total(failed->segs, failed->seg_count);
    char *text = n ? sw_arena_get(&p->e->scratch, n) : NULL;
    if (!text)
        return sw_slice("", 0);
    sw_segs_copy(failed->segs, failed->seg_count, text);
    return name_in(p, sw_slice(text, n), failed->cookie.peer);
}

void sw_reroute_first(struct sw_proxy *p, struct sw_send *s)
{
    const struct sw_event none = {.kind = SW_EV_OPENED, .status = SW_PEER_NO_NAME, .job = s->ref};
    if (start(p, s))
        return;
    s->user_kind = NEXT; /* it was asked for */
    sw_parked_opened(p, s, &none);
}

void sw_reroute_located(struct sw_proxy *p, struct sw_location *x)
{
    struct sw_send *s = sw_send_get(p->e, x->user_ref);
    if (!s) {
        sw_location_drop(p, x->ref);
        return;
    }
    if (next_place(p, s, x))
        return;
    const struct sw_event none = {.kind = SW_EV_OPENED, .status = SW_PEER_NO_NAME, .job = s->ref};
    sw_parked_opened(p, s, &none);
}

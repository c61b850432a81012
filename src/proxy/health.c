#include "proxy/health.h"

#include "proxy/alias.h"
#include "proxy/blame.h"
#include "proxy/local.h"
#include "proxy/party.h"

#include "engine/send.h"
#include "proxy/passive.h"
#include "proxy/place.h"
#include "proxy/station.h"
#include "sip/lex.h"
#include <stdlib.h>

enum { PING_MAX_BYTES = 2048 };

static const struct sw_peer_conf *peer_of(const struct sw_proxy *p, const struct sw_ping *ping)
{
    return sw_proxy_peer(p->conf, ping->peer);
}

static bool is_asked(const struct sw_peer_conf *peer)
{
    return peer->ping_ms && (peer->address_count || peer->domain_count);
}

static void again(struct sw_proxy *p, struct sw_ping *ping)
{
    const struct sw_peer_conf *peer = peer_of(p, ping);
    sw_timer_stop(&p->e->timers, &ping->answer);
    sw_location_drop(p, ping->location);
    ping->location = (struct sw_ref){0};
    if (is_asked(peer))
        sw_timer_start(&p->e->timers, &ping->timer, p->e->now_ms + peer->ping_ms);
}

static struct sw_ping *make(const struct sw_proxy_conf *c)
{
    struct sw_ping *pings = calloc(c->peer_count + 1, sizeof(*pings));
    for (uint32_t i = 0; pings && i < c->peer_count; i++) {
        sw_timer_init(&pings[i].timer, SW_TK_PING);
        sw_timer_init(&pings[i].answer, SW_TK_PING_ANSWER);
        pings[i].peer = c->peers[i].id;
    }
    return pings;
}

enum sw_status sw_health_init(struct sw_health *h, struct sw_proxy *p)
{
    h->pings = make(p->conf);
    p->away = calloc(p->conf->listener_count + 1, sizeof(*p->away));
    if (!h->pings || !p->away)
        return SW_LIMIT_MEMORY;
    h->count = p->conf->peer_count;
    for (uint32_t i = 0; i < h->count; i++)
        again(p, &h->pings[i]);
    return SW_OK;
}

/* A question on its way finds the new place for its answer, or none. */
static void hand_over(struct sw_proxy *p, struct sw_ping *from, struct sw_ping *to)
{
    struct sw_client *c = sw_client_get(p->e, from->client);
    struct sw_send *s = sw_send_get(p->e, from->send);
    struct sw_location *x = sw_location_get(p, from->location);
    sw_timer_stop(&p->e->timers, &from->timer);
    if (to && from->answer.queue != SW_TIMER_IDLE)
        sw_timer_start(&p->e->timers, &to->answer, from->answer.deadline_ms);
    sw_timer_stop(&p->e->timers, &from->answer);
    if (x && to)
        x->user = to;
    else if (x)
        sw_location_drop(p, from->location);
    if (c) {
        c->user = to;
        c->user_kind = to ? SW_USER_PING : 0;
    }
    if (s && to)
        s->user = to;
    else if (s)
        sw_send_drop(p->e, from->send);
    if (to) {
        to->client = from->client;
        to->send = from->send;
        to->location = from->location;
        to->place = from->place;
    }
}

void sw_health_adopt(struct sw_health *h, struct sw_proxy *p, const struct sw_proxy_conf *old)
{
    struct sw_ping *pings = make(p->conf);
    uint32_t count = pings ? p->conf->peer_count : 0;
    for (uint32_t i = 0; i < h->count; i++) {
        struct sw_ping *from = &h->pings[i];
        const struct sw_peer_conf *now = sw_proxy_peer(p->conf, from->peer);
        const struct sw_peer_conf *was = sw_proxy_peer(old, from->peer);
        struct sw_ping *to = pings && now ? &pings[now - p->conf->peers] : NULL;
        bool waits = from->timer.queue != SW_TIMER_IDLE;
        int64_t due = from->timer.deadline_ms;
        hand_over(p, from, to);
        if (to && waits && is_asked(now) && was && was->ping_ms == now->ping_ms)
            sw_timer_start(&p->e->timers, &to->timer, due);
    }
    for (uint32_t i = 0; i < count; i++)
        if (pings[i].timer.queue == SW_TIMER_IDLE && !pings[i].client.generation &&
            !pings[i].send.generation && !pings[i].location.generation)
            again(p, &pings[i]);
    free(h->pings);
    h->pings = pings;
    h->count = count;
}

void sw_health_fini(struct sw_health *h, struct sw_proxy *p)
{
    for (uint32_t i = 0; i < h->count; i++) {
        sw_timer_stop(&p->e->timers, &h->pings[i].timer);
        sw_timer_stop(&p->e->timers, &h->pings[i].answer);
    }
    free(h->pings);
    free(p->away);
    p->away = NULL;
    *h = (struct sw_health){0};
}

void sw_health_listener(struct sw_health *h, struct sw_proxy *p, uint16_t listener, bool here)
{
    p->away[listener] = !here;
    for (uint32_t i = 0; i < h->count; i++) {
        struct sw_ping *ping = &h->pings[i];
        if (here && peer_of(p, ping)->listener == listener && ping->timer.queue != SW_TIMER_IDLE)
            sw_timer_start(&p->e->timers, &ping->timer, p->e->now_ms);
    }
}

/* In From and To a URI has neither port nor transport. RFC 3261 19.1.1, table 1 */
static void put_host(struct sw_buf *b, struct sw_slice host_and_port)
{
    struct sw_lex l = sw_lex(host_and_port);
    struct sw_slice host;
    sw_buf_lit(b, "<sip:");
    sw_buf_slice(b, sw_lex_host(&l, &host) ? host : host_and_port);
    sw_buf_char(b, '>');
}

/* From and Contact carry the advertised name: docs/config.md "URIs of ours". */
static void build(struct sw_proxy *p, const struct sw_peer_conf *peer, const struct sw_flow *flow,
                  const struct sw_client *c, struct sw_buf *b)
{
    const struct sw_listener_conf *l = &p->conf->listeners[flow->listener];
    enum sw_transport t = (enum sw_transport)flow->transport;
    struct sw_owner owner = {p->e->conf.instance, p->e->conf.worker, c->ref, 0};
    uint64_t tag = sw_prng_next(&p->e->prng), call = sw_prng_next(&p->e->prng);
    sw_buf_lit(b, "OPTIONS sip:");
    sw_buf_slice(b, peer->retarget);
    sw_buf_lit(b, " SIP/2.0\r\nVia: SIP/2.0/");
    sw_buf_slice(b, sw_transport_via(t));
    sw_buf_char(b, ' ');
    sw_buf_slice(b, l->host);
    sw_buf_char(b, ':');
    sw_buf_u64(b, l->port);
    sw_buf_lit(b, ";branch=");
    sw_owner_put(b, &owner);
    sw_buf_lit(b, ";rport");
    if (sw_alias_offered(p->conf, flow)) /* who is asked need not wait for a call: RFC 5923 8.1 */
        sw_buf_lit(b, ";alias");
    sw_buf_lit(b, "\r\nMax-Forwards: 70\r\nFrom: ");
    put_host(b, l->host);
    sw_buf_lit(b, ";tag=");
    sw_buf_hex(b, &tag, 8);
    sw_buf_lit(b, "\r\nTo: ");
    put_host(b, peer->retarget);
    sw_buf_lit(b, "\r\nCall-ID: ");
    sw_buf_hex(b, &call, 8);
    sw_buf_lit(b, "\r\nCSeq: 1 OPTIONS\r\nContact: <");
    sw_own_uri_put(b, l, flow->transport, false);
    sw_buf_lit(b, ">\r\nAccept: application/sdp\r\nContent-Length: 0\r\n\r\n");
}

static void ask(struct sw_proxy *p, struct sw_ping *ping, const struct sw_flow *flow)
{
    struct sw_client *c = sw_client_new(p->e, SW_OPTIONS, flow, ping, SW_USER_PING);
    struct sw_buf b = sw_engine_buf(p->e, PING_MAX_BYTES);
    if (!c) {
        again(p, ping);
        return;
    }
    build(p, peer_of(p, ping), flow, c, &b);
    ping->client = c->ref;
    if (b.full)
        sw_client_free(p->e, c);
    if (b.full || !sw_client_start_own(p->e, c, sw_buf_view(&b)))
        again(p, ping);
}

static void ask_at(struct sw_proxy *p, struct sw_ping *ping, struct sw_endpoint to,
                   enum sw_transport t, struct sw_dane dane)
{
    const struct sw_peer_conf *peer = peer_of(p, ping);
    to.port = to.port ? to.port : sw_transport_port(t);
    if (peer->timeout_ms)
        sw_timer_start(&p->e->timers, &ping->answer, p->e->now_ms + peer->timeout_ms);
    if (t == SW_UDP) {
        const struct sw_flow flow = {
            .id = sw_engine_udp_flow(p->e, peer->listener),
            .remote = to,
            .peer = peer->id,
            .listener = peer->listener,
            .transport = SW_UDP,
        };
        ask(p, ping, &flow);
        return;
    }
    struct sw_want want = {.remote = to,
                           .peer = peer->id,
                           .listener = peer->listener,
                           .transport = (uint8_t)t,
                           .alias = sw_alias_used(peer),
                           .local_domain = sw_local_domain_none(p->conf, peer->id),
                           .dane = dane};
    if (!peer->address_count && peer->domain_count) /* what was located: RFC 5922 4 */
        sw_party_want(p->conf, peer->domains[0], &want);
    if (sw_send_park(p->e, ping, SW_USER_PING, &want, &ping->send) != SW_OK)
        again(p, ping);
}

/* The next address that a peer is configured with: like any request, RFC 3263 4.3. False: all were
 * asked. */
static bool ask_next_address(struct sw_proxy *p, struct sw_ping *ping)
{
    const struct sw_peer_conf *peer = peer_of(p, ping);
    if (ping->place >= peer->address_count || ping->place >= SW_TARGETS_MAX)
        return false;
    const struct sw_endpoint *to = &peer->addresses[ping->place++];
    ask_at(p, ping, *to, sw_place_transport(peer), (struct sw_dane){0});
    return true;
}

/* The next place of a peer without address. */
static bool ask_next_place(struct sw_proxy *p, struct sw_ping *ping)
{
    const struct sw_location *x = sw_location_get(p, ping->location);
    if (!x || !sw_location_over(x) || ping->place >= x->locate->place_count)
        return false;
    const struct sw_locate_place *at = &x->locate->place[ping->place++];
    struct sw_dane dane;
    if (sw_location_dane(&p->e->scratch, x->locate, at, &dane))
        ask_at(p, ping, at->remote, (enum sw_transport)at->transport, dane);
    else
        again(p, ping);
    return true;
}

static bool ask_next(struct sw_proxy *p, struct sw_ping *ping)
{
    return peer_of(p, ping)->address_count ? ask_next_address(p, ping) : ask_next_place(p, ping);
}

/* A peer without address is where the DNS says. */
static void locate(struct sw_proxy *p, struct sw_ping *ping)
{
    const struct sw_peer_conf *peer = peer_of(p, ping);
    const struct sw_locate_goal goal = {
        .host = peer->domains[0],
        .tls_only = peer->tls,
        .have = (uint8_t)(peer->tls * SW_LOCATE_BIT(SW_TLS) | peer->udp * SW_LOCATE_BIT(SW_UDP) |
                          peer->tcp * SW_LOCATE_BIT(SW_TCP)),
        .families = sw_location_families(p->conf, peer->listener),
    };
    struct sw_location *x = sw_location_start(p, &goal, peer->dane, ping, SW_USER_PING);
    if (!x) {
        again(p, ping);
        return;
    }
    ping->location = x->ref;
    if (sw_location_over(x))
        sw_ping_located(p, ping);
}

void sw_ping_located(struct sw_proxy *p, struct sw_ping *ping)
{
    const struct sw_location *x = sw_location_get(p, ping->location);
    ping->place = 0;
    if (ask_next(p, ping))
        return;
    if (x && sw_blame_is_unasked(x->locate))
        again(p, ping);
    else
        sw_ping_answered(p, ping, 0);
}

void sw_ping_due(struct sw_proxy *p, struct sw_ping *ping)
{
    const struct sw_peer_conf *peer = peer_of(p, ping);
    ping->place = 0;
    if (p->away[peer->listener])
        again(p, ping);
    else if (!ask_next_address(p, ping))
        locate(p, ping);
}

void sw_ping_opened(struct sw_proxy *p, struct sw_ping *ping, enum sw_status status,
                    const struct sw_flow *flow)
{
    ping->send = (struct sw_ref){0};
    if (status == SW_OK)
        ask(p, ping, flow);
    else if (sw_blame_is_ours(status))
        again(p, ping);
    else
        sw_ping_answered(p, ping, 0);
}

void sw_ping_silent(struct sw_proxy *p, struct sw_ping *ping)
{
    struct sw_client *c = sw_client_get(p->e, ping->client);
    if (c)
        sw_client_free(p->e, c);
    sw_send_drop(p->e, ping->send);
    ping->send = (struct sw_ref){0};
    sw_ping_answered(p, ping, 0);
}

void sw_ping_put_off(struct sw_proxy *p, struct sw_ping *ping)
{
    ping->client = (struct sw_ref){0};
    again(p, ping);
}

void sw_ping_answered(struct sw_proxy *p, struct sw_ping *ping, unsigned status)
{
    const struct sw_peer_conf *peer = peer_of(p, ping);
    struct sw_peer_state *state = sw_proxy_state(p, peer);
    bool failed = status < 200 || status == 408 || status == 503;
    ping->client = (struct sw_ref){0};
    /* whatever it was, it was not the peer; or nothing would say that it is up again */
    if (p->away[peer->listener] || !is_asked(peer)) {
        again(p, ping);
        return;
    }
    if (failed && ask_next(p, ping))
        return;
    bool changed =
        atomic_exchange_explicit(&state->ping_failed, failed, memory_order_relaxed) != failed;
    if (!failed)
        sw_passive_clear(p, peer);
    if (changed || (state->load && !failed))
        sw_passive_tell(p, peer, "status", status,
                        failed ? "OPTIONS was not answered, or with 408 or 503"
                               : "OPTIONS was answered");
    again(p, ping);
}

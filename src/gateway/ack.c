#include "gateway/ack.h"

#include "gateway/request.h"
#include "gateway/reroute.h"
#include "proxy/alias.h"
#include "proxy/clear.h"
#include "proxy/local.h"
#include "proxy/sips.h"

/* A branch of ours that names no transaction and follows from the branch that came. RFC 3261 16.11
 */
static struct sw_owner branch(const struct sw_proxy *p, const struct sw_request *q)
{
    struct sw_siphash h;
    sw_siphash_init(&h, p->e->conf.table_key);
    sw_siphash_slice(&h, q->v->via.branch);
    sw_siphash_slice(&h, q->v->via.host);
    sw_siphash_slice(&h, q->v->call_id);
    struct sw_key k = sw_siphash_end(&h);
    return (struct sw_owner){
        .instance = p->e->conf.instance,
        .worker = p->e->conf.worker,
        .client = {SW_OWNER_NONE, (uint32_t)k.a},
        .loop = k.b & 0xffffffffffff,
    };
}

static struct sw_flow flow_of(const struct sw_proxy *p, const struct sw_target *t)
{
    bool datagram = t->transport == SW_UDP;
    return (struct sw_flow){
        .id = datagram ? sw_engine_udp_flow(p->e, t->listener) : t->prefer,
        .remote = t->remote,
        .peer = t->peer,
        .listener = t->listener,
        .transport = t->transport,
    };
}

/* Parks bytes that have no connection yet, as if their sending had failed. A datagram waits for the
 * DNS only. */
static void park(struct sw_proxy *p, const struct sw_request *q, const struct sw_forwarded *x,
                 const struct sw_target *t, const struct sw_cookie *cookie)
{
    const struct sw_event ev = {.cookie = *cookie, .segs = x->segs, .seg_count = x->count};
    const struct sw_want want = {
        .remote = t->remote,
        .prefer = t->prefer,
        .peer = t->peer,
        .listener = t->listener,
        .transport = t->transport,
        .any_of_peer = t->any_of_peer,
        .alias = t->alias,
        .local_id = t->local_id,
        .local_domain = sw_local_domain(p->conf, t->peer, q->m, &q->v->uri),
    };
    struct sw_send *s = NULL;
    bool datagram = t->transport == SW_UDP;
    if (datagram)
        s = sw_send_keep(p->e, SW_SEND_ACK, &ev);
    if (datagram ? !s : sw_send_park_bytes(p->e, SW_SEND_ACK, &ev, &want) != SW_OK)
        sw_proxy_count(p, SW_COUNT_ACKS_DROPPED);
    else if (s)
        sw_reroute_first(p, s);
}

void sw_ack_forward(struct sw_proxy *p, struct sw_request *q)
{
    struct sw_targets targets;
    struct sw_refusal refusal = {0};
    struct sw_forwarded x;
    if (q->v->max_forwards == 0 || !sw_policy_request(p, q, &refusal) ||
        !sw_target_find(p, q, &targets, &refusal)) {
        sw_proxy_count(p, SW_COUNT_ACKS_DROPPED); /* it is never answered */
        if (refusal.why)
            sw_gateway_note_refusal(p, q, &refusal);
        return;
    }
    const struct sw_target *t = &targets.t[0];
    struct sw_flow out = flow_of(p, t);
    const struct sw_forward f = {
        .m = q->m,
        .v = q->v,
        .r = q->r,
        .in = q->flow,
        .out = &out,
        .target = t,
        .rewrite = targets.rewrite,
        .owner = branch(p, q),
        .breadth = q->breadth,
    };
    const struct sw_cookie cookie = {.why = SW_FOR_ACK,
                                     .sips = sw_request_needs_tls(q),
                                     .transport = t->transport,
                                     .listener = t->listener,
                                     .peer = t->peer,
                                     .local_id = t->local_id};
    if (sw_forward_render(p->conf, &p->e->scratch, &f, &x) != SW_OK) {
        sw_proxy_count(p, SW_COUNT_ACKS_DROPPED);
        return;
    }
    sw_clear_left(p, q->m, q->v, &out);
    /* the dialog's own connection, if whatever its peer opened will do: one that must be an alias
     * is looked up. RFC 5923 8.2 */
    if (t->transport == SW_UDP ? !t->locate : t->prefer.generation != 0 && t->any_of_peer)
        sw_engine_send(p->e, &out.id, &out.remote, x.segs, x.count, x.total, &cookie);
    else
        park(p, q, &x, t, &cookie);
    sw_proxy_count(p, SW_COUNT_RELAYED);
}

/* A CANCEL for a server that TLSA records may prove, or refuse: they are asked for anew, and it
 * goes to where its INVITE went. RFC 6698 2.1, RFC 3261 9.1 */
static bool needs_records(const struct sw_proxy *p, const struct sw_event *failed)
{
    const struct sw_cookie *k = &failed->cookie;
    const struct sw_peer_conf *peer = sw_proxy_peer(p->conf, k->peer);
    struct sw_slice host = peer && peer->domain_count ? peer->domains[0] : sw_slice("", 0);
    return k->why == SW_FOR_HOP && k->transport == SW_TLS && failed->remote.port &&
           !(peer && peer->address_count) &&
           sw_location_wants_dane(p->conf, peer, k->listener, host);
}

/* The bytes stand in pieces. */
static uint32_t domain_of(struct sw_proxy *p, const struct sw_event *failed)
{
    size_t n = sw_segs_total(failed->segs, failed->seg_count);
    char *text = p->conf->domain_count > 1 ? sw_arena_get(&p->e->scratch, n + 1) : NULL;
    if (!text)
        return sw_local_domain_none(p->conf, failed->cookie.peer);
    sw_segs_copy(failed->segs, failed->seg_count, text);
    return sw_local_domain_of_text(p, failed->cookie.peer, sw_slice(text, n));
}

void sw_parked_again(struct sw_proxy *p, const struct sw_event *failed)
{
    const struct sw_cookie *k = &failed->cookie;
    bool response = k->why == SW_FOR_RESPONSE;
    struct sw_want want = {
        .remote = failed->remote,
        .peer = k->peer,
        .listener = k->listener,
        .transport = k->transport,
        .any_of_peer = true,
        .local_id = k->local_id,
        .local_domain = response ? sw_local_domain_none(p->conf, k->peer) : domain_of(p, failed),
    };
    if (needs_records(p, failed)) {
        struct sw_send *s = sw_send_keep(p->e, SW_SEND_ACK, failed);
        if (s) {
            s->remote = failed->remote;
            sw_reroute_first(p, s);
        } else {
            sw_proxy_count(p, SW_COUNT_UNDELIVERED);
        }
        return;
    }
    if (k->why == SW_FOR_HOP) { /* to where its INVITE went, and nowhere else: RFC 5923 8.1 */
        want.any_of_peer = !want.remote.port;
        want.alias = sw_alias_used(sw_proxy_peer(p->conf, k->peer));
        want.domain = failed->domain;
        if (!want.domain.n && want.remote.port && !sw_proxy_peer(p->conf, k->peer))
            want.domain = sw_reroute_name(p, failed);
    } else if (!response)
        want.remote.port = 0; /* first whatever the peer has open; see sw_reroute */
    if (k->transport == SW_UDP || k->peer == SW_PEER_NOBODY ||
        sw_send_park_bytes(p->e, response ? SW_SEND_RESPONSE : SW_SEND_ACK, failed, &want) != SW_OK)
        sw_proxy_count(p, SW_COUNT_UNDELIVERED);
}

static void note_lost(struct sw_proxy *p, const struct sw_send *s, enum sw_status status)
{
    const struct sw_field fields[] = {
        sw_field_str("what", s->owner != SW_SEND_ACK ? "response"
                             : sw_slice_starts_case(sw_slice(s->bytes, s->n), SW_SLICE("CANCEL"))
                                 ? "CANCEL"
                                 : "ACK"),
        sw_field_text("peer", sw_proxy_peer_name(p, s->cookie.peer)),
        sw_field_str("status", sw_status_name(status)),
        sw_field_str("why", s->cookie.transport == SW_UDP
                                ? "the DNS does not say where it goes"
                                : "its connection closed and no other could be opened"),
    };
    sw_engine_note(p->e, SW_LEVEL_WARN, "message_lost", fields, 4);
    sw_proxy_count(p, SW_COUNT_UNDELIVERED);
}

/* An ACK or CANCEL with a sips URI or Route leaves to a proved name only, as its INVITE did, and so
 * does the answer to a sips request, or over another connection that its sender made. RFC 3261
 * 18.2.2, 26.2.2; RFC 5626 for those who have no certificate */
static enum sw_status may_leave(const struct sw_send *s, const struct sw_event *ev)
{
    static const struct sw_flow_id none = {0};
    if (ev->status != SW_OK || !s->cookie.sips)
        return ev->status;
    bool fits = s->owner == SW_SEND_RESPONSE && !ev->flow->outbound
                    ? sw_transport_secure((enum sw_transport)ev->flow->transport)
                    : sw_sips_flow_fits(ev->flow, &none);
    return fits ? SW_OK : SW_DENIED_IDENTITY;
}

void sw_parked_opened(struct sw_proxy *p, struct sw_send *s, const struct sw_event *ev)
{
    enum sw_status status = may_leave(s, ev);
    struct sw_server *server = s->owner == SW_SEND_RESPONSE ? sw_server_get(p->e, s->server) : NULL;
    struct sw_cookie once = {.why = SW_FOR_NOTHING};
    if (status != SW_OK) {
        if (sw_reroute(p, s))
            return;
        note_lost(p, s, status);
        if (server)
            sw_server_again(p->e, server, SW_TXN_ERROR);
    } else {
        struct sw_slice bytes = sw_arena_dup(&p->e->scratch, sw_slice(s->bytes, s->n));
        once.transport = ev->flow->transport;
        once.listener = ev->flow->listener;
        once.peer = ev->flow->peer;
        if (bytes.p)
            sw_engine_send_bytes(p->e, &ev->flow->id, &ev->flow->remote, bytes, &once);
        if (server)
            server->flow = ev->flow->id; /* what follows goes there at once */
    }
    sw_location_drop(p, s->location);
    sw_send_drop(p->e, s->ref);
}

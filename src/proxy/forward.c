#include "proxy/forward.h"

#include "sip/build.h"

/* Bytes that all insertions together take, beside what they copy from the message. */
enum { ROOM = 1536 };

/* scheme, user and user parameters stay; host and port become the peer's; what names us goes.
 * docs/config.md "Where it goes", RFC 3261 16.6 step 2 */
static void retarget(struct sw_buf *b, const struct sw_uri *u, const struct sw_target *t,
                     const struct sw_peer_conf *peer)
{
    struct sw_lex l = sw_lex(u->params);
    struct sw_param x;
    sw_buf_str(b, u->scheme == SW_SCHEME_SIPS ? "sips:" : "sip:");
    if (u->userinfo.p) {
        sw_buf_slice(b, u->userinfo);
        sw_buf_char(b, '@');
    }
    if (peer && peer->retarget.n)
        sw_buf_slice(b, peer->retarget);
    else
        sw_endpoint_put(b, &t->remote);
    while (sw_uri_param_next(&l, &x) == SW_OK) {
        static const struct sw_slice ours[] = {
            {"transport", 9}, {"maddr", 5}, {"ttl", 3}, {"lr", 2}};
        bool goes = false;
        for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
            goes = goes || sw_slice_eq_case(x.name, ours[i]);
        if (goes)
            continue;
        sw_buf_char(b, ';');
        sw_buf_slice(b, x.whole);
    }
}

static struct sw_slice since(const struct sw_buf *b, size_t from)
{
    return sw_slice(b->p + from, b->n - from);
}

/* Via = our sent-by and branch; rport asks that the response come back here through a NAT. */
static void put_via(struct sw_buf *b, const struct sw_listener_conf *l, const struct sw_forward *f)
{
    enum sw_transport t = (enum sw_transport)f->out->transport;
    sw_buf_lit(b, "Via: SIP/2.0/");
    sw_buf_slice(b, sw_transport_via(t));
    sw_buf_char(b, ' ');
    sw_buf_slice(b, l->host);
    if (l->port != sw_transport_port(t)) {
        sw_buf_char(b, ':');
        sw_buf_u64(b, l->port);
    }
    sw_buf_lit(b, ";branch=");
    sw_owner_put(b, &f->owner);
    if (t == SW_UDP)
        sw_buf_lit(b, ";rport");
    sw_buf_lit(b, "\r\n");
}

static struct sw_side side_of(const struct sw_flow *flow)
{
    return (struct sw_side){
        .flow = flow->id,
        .remote = flow->remote,
        .peer = sw_side_peer(flow),
        .listener = flow->listener,
        .transport = flow->transport,
        .outbound = flow->outbound,
    };
}

static void record_route(struct sw_buf *b, const struct sw_proxy_conf *c,
                         const struct sw_forward *f, const struct sw_routes *r)
{
    const struct sw_seal seal = {{side_of(f->in), side_of(f->out)}};
    bool sips = f->v->uri.scheme == SW_SCHEME_SIPS ||
                (r->count && r->next.scheme == SW_SCHEME_SIPS) ||
                sw_slice_starts_case(f->target->uri, SW_SLICE("sips:"));
    sw_record_route_put(b, c, f->v->call_id, &seal, sips);
}

/* Request-URI and Route: what a strict router before us moved, our retargeting, a strict router
 * behind. */
static void edit_target(const struct sw_proxy_conf *c, const struct sw_forward *f,
                        struct sw_routes *r, struct sw_buf *room, struct sw_edits *edits)
{
    struct sw_slice uri = r->uri.p ? r->uri : sw_msg_uri(f->m);
    size_t from = room->n;
    if (f->target->uri.p && !r->uri.p)
        uri = f->target->uri;
    else if (f->target->retarget && !r->uri.p) {
        retarget(room, &f->v->uri, f->target, sw_proxy_peer(c, f->target->peer));
        uri = since(room, from);
    }
    uri = sw_routes_strict(r, uri, room);
    if (uri.p != sw_msg_uri(f->m).p)
        sw_edit_add(edits, f->m->uri_at, f->m->uri_n, uri);
}

static void edit_max_forwards(const struct sw_forward *f, struct sw_buf *room,
                              struct sw_edits *edits)
{
    const struct sw_hdr *h = sw_msg_hdr(f->m, SW_HDR_MAX_FORWARDS);
    size_t from = room->n;
    if (!h)
        return; /* added with the Via */
    sw_buf_u64(room, (uint64_t)(f->v->max_forwards > 0 ? f->v->max_forwards - 1 : 0));
    sw_edit_add(edits, h->value, h->value_n, since(room, from));
}

/* received and rport of the Via that the sender wrote, where they are due. */
static void edit_sender_via(const struct sw_forward *f, struct sw_buf *room, struct sw_edits *edits)
{
    size_t from = room->n;
    sw_build_via_stamped(room, &f->v->via, &f->in->remote);
    struct sw_slice stamped = since(room, from);
    if (!sw_slice_eq(stamped, f->v->via.whole))
        sw_edit_add(edits, (size_t)(f->v->via.whole.p - f->m->p), f->v->via.whole.n, stamped);
}

static void edit_top(const struct sw_proxy_conf *c, const struct sw_forward *f,
                     const struct sw_routes *r, struct sw_buf *room, struct sw_edits *edits)
{
    const struct sw_hdr *via = sw_msg_hdr(f->m, SW_HDR_VIA);
    const struct sw_hdr *rr = sw_msg_hdr(f->m, SW_HDR_RECORD_ROUTE);
    size_t from = room->n;
    put_via(room, &c->listeners[f->out->listener], f);
    if (f->v->max_forwards < 0)
        sw_buf_lit(room, "Max-Forwards: 70\r\n");
    sw_edit_add(edits, via->at, 0, since(room, from));
    if (!sw_record_route_wanted((enum sw_method)f->m->method))
        return;
    from = room->n;
    record_route(room, c, f, r);
    sw_edit_add(edits, rr ? rr->at : via->end, 0, since(room, from));
}

static void edit_length(const struct sw_forward *f, struct sw_buf *room, struct sw_edits *edits)
{
    size_t from = room->n;
    if (f->v->has_length || !sw_transport_reliable((enum sw_transport)f->out->transport))
        return;
    sw_buf_lit(room, "Content-Length: ");
    sw_buf_u64(room, sw_msg_body(f->m).n);
    sw_buf_lit(room, "\r\n");
    sw_edit_add(edits, f->m->blank_at, 0, since(room, from));
}

/* "All proxied requests MUST contain a single Max-Breadth": RFC 5393 5.3.3 */
static void edit_breadth(const struct sw_forward *f, struct sw_buf *room, struct sw_edits *edits)
{
    const struct sw_hdr *h = sw_msg_hdr(f->m, SW_HDR_MAX_BREADTH);
    size_t from = room->n;
    const struct sw_hdr *forwards = sw_msg_hdr(f->m, SW_HDR_MAX_FORWARDS);
    if (!h)
        sw_buf_lit(room, "Max-Breadth: ");
    sw_buf_u64(room, f->breadth);
    if (!h) {
        const struct sw_hdr *via = sw_msg_hdr(f->m, SW_HDR_VIA);
        sw_buf_lit(room, "\r\n");
        sw_edit_add(edits, forwards ? forwards->end : via->at, 0, since(room, from));
    } else if (!sw_slice_eq(since(room, from), sw_slice(f->m->p + h->value, h->value_n))) {
        sw_edit_add(edits, h->value, h->value_n, since(room, from));
    }
}

static size_t routes_size(const struct sw_routes *r)
{
    size_t n = 0;
    for (uint32_t i = 0; i < r->count; i++)
        n += r->value[i].n + 16;
    return n;
}

enum sw_status sw_forward_render(const struct sw_proxy_conf *c, struct sw_arena *arena,
                                 const struct sw_forward *f, struct sw_forwarded *out)
{
    struct sw_routes r = *f->r;
    struct sw_edits edits;
    size_t cap = ROOM + 2 * (size_t)f->m->uri_n + f->v->via.whole.n + routes_size(&r);
    char *p = sw_arena_get(arena, cap);
    struct sw_buf room = sw_buf(p, cap);
    if (!p)
        return SW_LIMIT_MEMORY;
    sw_edits_init(&edits);
    edit_target(c, f, &r, &room, &edits);
    edit_sender_via(f, &room, &edits);
    edit_max_forwards(f, &room, &edits);
    edit_breadth(f, &room, &edits); /* before a Route that goes at the same place */
    edit_top(c, f, &r, &room, &edits);
    sw_routes_edit(f->m, &r, &room, &edits);
    edit_length(f, &room, &edits);
    struct sw_slice *segs = sw_arena_get(arena, (2 * edits.count + 1) * sizeof(*segs));
    if (!segs)
        return SW_LIMIT_MEMORY;
    if (room.full)
        return SW_LIMIT;
    out->count = sw_edits_render(&edits, sw_slice(f->m->p, f->m->n), segs, &out->total);
    out->segs = segs;
    return out->count ? SW_OK : SW_LIMIT;
}

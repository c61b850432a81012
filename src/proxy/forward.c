#include "proxy/forward.h"

#include "proxy/alias.h"
#include "proxy/hide.h"
#include "proxy/rows.h"
#include "proxy/sips.h"
#include "sip/build.h"

/* Bytes that all insertions together take, beside what they copy from the message. */
enum { ROOM = 1536 };

static struct sw_slice since(const struct sw_buf *b, size_t from)
{
    return sw_slice(b->p + from, b->n - from);
}

/* Via = our sent-by and branch; rport asks that the response come back here through a NAT. */
static void put_via(struct sw_buf *b, const struct sw_proxy_conf *c, const struct sw_forward *f,
                    bool hidden)
{
    const struct sw_listener_conf *l = &c->listeners[f->out->listener];
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
    size_t branch = b->n;
    sw_owner_put(b, &f->owner);
    struct sw_slice owner = since(b, branch);
    if (t == SW_UDP)
        sw_buf_lit(b, ";rport");
    if (sw_alias_offered(c, f->out))
        sw_buf_lit(b, ";alias");
    if (hidden)
        sw_hide_put_vias(b, c, f->m, f->v, f->in, owner);
    sw_buf_lit(b, "\r\n");
}

static struct sw_side side_of(const struct sw_flow *flow)
{
    return (struct sw_side){
        .flow = flow->id,
        .remote = flow->remote,
        .peer = sw_side_peer(flow),
        .local_id = flow->local_id,
        .listener = flow->listener,
        .transport = flow->transport,
        .outbound = flow->outbound,
    };
}

static void record_route(struct sw_buf *b, const struct sw_proxy_conf *c,
                         const struct sw_forward *f, const struct sw_routes *r, bool hidden)
{
    const struct sw_seal seal = {{side_of(f->in), side_of(f->out)}};
    bool sips =
        sw_tls_is_demanded(f->v, r) || sw_slice_starts_case(f->target->uri, SW_SLICE("sips:"));
    if (hidden)
        sw_hide_put_record_route(b, c, f->m, f->v->call_id, &seal, sips);
    else
        sw_record_route_put(b, c, f->v->call_id, &seal, sips);
}

/* The host that the Request-URI gets: a rule's, else the peer's if it was ours; .p NULL: its own.
 * docs/config.md "Where it goes", RFC 3261 16.6 step 2 */
static struct sw_slice host_of(const struct sw_proxy_conf *c, const struct sw_forward *f,
                               char text[SW_ENDPOINT_TEXT_MAX])
{
    const struct sw_peer_conf *peer = sw_proxy_peer(c, f->target->peer);
    if (f->rewrite && f->rewrite->host.p)
        return f->rewrite->host;
    if (!f->target->retarget)
        return (struct sw_slice){NULL, 0};
    if (peer && peer->retarget.n)
        return peer->retarget;
    return sw_slice_str(sw_endpoint_text(&f->target->remote, text));
}

/* Request-URI and Route: what a strict router before us moved, rules and our retargeting, a strict
 * router behind. */
static void edit_target(const struct sw_proxy_conf *c, const struct sw_forward *f,
                        struct sw_routes *r, struct sw_buf *room, struct sw_edits *edits)
{
    struct sw_slice uri = r->uri.p ? r->uri : sw_msg_uri(f->m);
    size_t from = room->n;
    bool rewrite = f->rewrite && (f->rewrite->user.p || f->rewrite->host.p);
    if (f->target->uri.p && !r->uri.p) {
        uri = f->target->uri;
    } else if ((f->target->retarget || rewrite) && !r->uri.p) {
        char text[SW_ENDPOINT_TEXT_MAX];
        sw_rewrite_uri(room, &f->v->uri, f->rewrite, host_of(c, f, text));
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
                     const struct sw_routes *r, bool hidden, struct sw_buf *room,
                     struct sw_edits *edits)
{
    const struct sw_hdr *via = sw_msg_hdr(f->m, SW_HDR_VIA);
    const struct sw_hdr *rr = sw_msg_hdr(f->m, SW_HDR_RECORD_ROUTE);
    size_t from = room->n;
    put_via(room, c, f, hidden);
    if (f->v->max_forwards < 0)
        sw_buf_lit(room, "Max-Forwards: 70\r\n");
    sw_edit_add(edits, via->at, 0, since(room, from));
    if (!sw_record_route_wanted((enum sw_method)f->m->method))
        return;
    from = room->n;
    record_route(room, c, f, r, hidden);
    sw_edit_add(edits, hidden ? via->at : rr ? rr->at : via->end, 0, since(room, from));
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

/* What was hidden is not shown to one from whom it is hidden, too, whoever calls it, unless it is
 * that one's own: nobody finds out what a sealed Contact or Path stands for by calling it, or by
 * letting somebody inside call it. The target is one from whom the inside is hidden. */
static bool tells_another(const struct sw_forward *f)
{
    return f->r->opened_of && f->r->opened_of != f->out->peer;
}

/* The Refer-To that has its say; NULL: none, or rules take it out. */
static const struct sw_hdr *refer_to(const struct sw_proxy_conf *c, const struct sw_forward *f)
{
    const struct sw_hdr *h = sw_msg_hdr(f->m, SW_HDR_REFER_TO);
    for (uint32_t i = 0; h && f->rewrite && i < f->rewrite->row_count; i++)
        if (f->rewrite->rows[i] == h - f->m->hdrs)
            return NULL;
    return sw_rows_removes(sw_proxy_peer(c, f->out->peer), SW_HDR_REFER_TO) ? NULL : h;
}

enum sw_status sw_forward_render(const struct sw_proxy_conf *c, struct sw_arena *arena,
                                 const struct sw_forward *f, struct sw_forwarded *out)
{
    struct sw_routes r = *f->r;
    struct sw_edits edits;
    size_t cap = ROOM + 2 * ((size_t)f->m->uri_n + sw_rewrite_room(f->rewrite)) +
                 f->v->via.whole.n + routes_size(&r);
    bool hidden = sw_hide_wanted(c, f->out->peer);
    const struct sw_hdr *refer = refer_to(c, f);
    if (hidden && tells_another(f))
        return SW_LIMIT_SIZE;
    if (hidden)
        cap += sw_hide_room(f->m);
    if (refer)
        cap += SW_HIDE_TEXT_MAX + refer->value_n;
    char *p = sw_arena_get(arena, cap);
    struct sw_buf room = sw_buf(p, cap);
    if (!p)
        return SW_LIMIT_MEMORY;
    sw_edits_init(&edits);
    edit_target(c, f, &r, &room, &edits);
    if (!hidden)
        edit_sender_via(f, &room, &edits);
    edit_max_forwards(f, &room, &edits);
    edit_breadth(f, &room, &edits); /* before a Route that goes at the same place */
    edit_top(c, f, &r, hidden, &room, &edits);
    if (hidden &&
        (sw_hide_request(c, f->m, f->out, f->in->peer, &room, &edits) != SW_OK || room.full))
        return SW_LIMIT_SIZE;
    if (refer)
        sw_unhide_refer_to(c, f->m, f->out->peer, &room, &edits);
    sw_routes_edit(f->m, &r, &room, &edits);
    edit_length(f, &room, &edits);
    if (f->rewrite && f->rewrite->add.n)
        sw_edit_add(&edits, f->m->blank_at, 0, f->rewrite->add);
    sw_rows_drop(c, f->m, f->rewrite, f->in->peer, f->out->peer, &edits);
    struct sw_slice *segs = sw_arena_get(arena, (2 * edits.count + 1) * sizeof(*segs));
    if (!segs)
        return SW_LIMIT_MEMORY;
    if (room.full)
        return SW_LIMIT;
    out->count = sw_edits_render(&edits, sw_slice(f->m->p, f->m->n), segs, &out->total);
    out->segs = segs;
    return out->count ? SW_OK : SW_LIMIT;
}

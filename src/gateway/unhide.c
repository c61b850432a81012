#include "gateway/unhide.h"

#include "proxy/hide.h"

/* What is put back, each sealed text with the rows it becomes, beside what the message has. */
enum { ROOM = 3 * (SW_HIDE_TEXT_MAX + SW_HIDE_ITEMS_MAX * 16) + 512 };

/* The edited message in one run of bytes, .p NULL: memory is out, or it has too many edits. */
static struct sw_slice render(struct sw_engine *e, const struct sw_msg *m,
                              const struct sw_edits *edits)
{
    struct sw_slice segs[SW_SEGS_MAX];
    size_t total, count = sw_edits_render(edits, sw_slice(m->p, m->n), segs, &total);
    char *p = count ? sw_arena_get(&e->scratch, total) : NULL;
    if (p)
        sw_segs_copy(segs, count, p);
    return sw_slice(p, p ? total : 0);
}

static bool parse(struct sw_gateway *g, struct sw_slice bytes, struct sw_msg *m,
                  struct sw_vitals *v)
{
    struct sw_verdict verdict;
    if (!bytes.p || sw_msg_parse(bytes.p, bytes.n, g->hdrs, g->proxy.conf->headers_max, m) != SW_OK)
        return false;
    /* its body was cut to its length when it came: RFC 3261 18.3 */
    return (sw_msg_is_request(m) ? sw_check_request(m, true, v, &verdict)
                                 : sw_check_response(m, true, v, &verdict)) == SW_OK;
}

/* The index of the message as it came again: that of the other one stands in its place. */
static void as_it_came(struct sw_gateway *g, struct sw_request *q, const struct sw_msg *m,
                       const struct sw_vitals *v)
{
    *q->m = *m;
    *q->v = *v;
    if (sw_msg_parse(m->p, m->n, g->hdrs, g->proxy.conf->headers_max, q->m) != SW_OK)
        *q->m = *m; /* it was parsed before */
}

static void put_back(struct sw_gateway *g, struct sw_request *q, struct sw_slice bytes)
{
    const struct sw_msg m = *q->m;
    const struct sw_vitals v = *q->v;
    const struct sw_routes was = *q->r;
    if (parse(g, bytes, q->m, q->v) && q->m->uri_n <= g->proxy.conf->uri_max) {
        sw_routes_read(g->proxy.conf, q->m, q->v, q->r);
        q->r->opened_of = was.opened_of;
        q->r->opened_sips = was.opened_sips;
        q->r->opened_sip = was.opened_sip;
        q->r->first_sips |= was.first_sips;
        return;
    }
    as_it_came(g, q, &m, &v);
    sw_refuse(&q->bad_hidden, 500, "Hidden Part Does Not Fit",
              "what was hidden makes no request within the limits",
              "see limits: headers, uri_bytes");
}

void sw_gateway_unhide_request(struct sw_gateway *g, struct sw_request *q)
{
    struct sw_proxy *p = &g->proxy;
    bool by_route = q->r->letter >= 'A' && q->r->letter <= 'Z';
    if (!by_route && !q->r->uri.p && !sw_hide_in_uri(&q->v->uri))
        return; /* the usual case: nothing can be hidden in it */
    struct sw_edits edits;
    struct sw_buf room = sw_engine_buf(p->e, ROOM);
    sw_edits_init(&edits);
    if (sw_unhide_request(p->conf, q, &room, &edits, &q->bad_hidden) != SW_OK)
        return;
    edits.full |= room.full;
    struct sw_slice bytes = render(p->e, q->m, &edits);
    if (bytes.p)
        put_back(g, q, bytes);
    else
        sw_refuse(&q->bad_hidden, 500, NULL, "limit memory", NULL);
}

static void note(struct sw_proxy *p, const struct sw_flow *flow, const struct sw_msg *m,
                 struct sw_slice call_id, const char *why)
{
    char *text = sw_arena_get(&p->e->scratch, SW_ENDPOINT_TEXT_MAX);
    if (!text)
        return;
    const struct sw_field fields[] = {
        sw_field_number("status", m->status),
        sw_field_str("why", why),
        sw_field_text("peer", sw_proxy_peer_name(p, flow->peer)),
        sw_field_text("transport", sw_transport_name((enum sw_transport)flow->transport)),
        sw_field_str("remote", sw_endpoint_text(&flow->remote, text)),
        sw_field_text("call_id", call_id),
        sw_field_str("help", "the peer must copy Via, Record-Route and Contact as they came"),
    };
    sw_engine_note(p->e, SW_LEVEL_WARN, "response_refused", fields, 7);
}

bool sw_gateway_unhide_response(struct sw_gateway *g, const struct sw_flow *flow, uint32_t peer,
                                struct sw_msg *m, struct sw_vitals *v)
{
    struct sw_proxy *p = &g->proxy;
    if (!sw_hide_in_via(&v->via))
        return true; /* the usual case */
    struct sw_edits edits;
    const char *why;
    struct sw_slice call_id = v->call_id;
    struct sw_buf room = sw_engine_buf(p->e, m->n + ROOM);
    sw_edits_init(&edits);
    enum sw_status s = sw_unhide_response(p->conf, peer, m, v, &room, &edits, &why);
    if (s == SW_AGAIN)
        return true;
    if (s == SW_OK) {
        edits.full |= room.full;
        why = "what was hidden does not fit, or makes no response";
        s = parse(g, render(p->e, m, &edits), m, v) ? SW_OK : SW_LIMIT;
    }
    if (s != SW_OK)
        note(p, flow, m, call_id, why);
    return s == SW_OK;
}

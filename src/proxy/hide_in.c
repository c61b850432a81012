#include "proxy/hide.h"

static struct sw_slice since(const struct sw_buf *b, size_t from)
{
    return b->p ? sw_slice(b->p + from, b->n - from) : sw_slice("", 0); /* memory was out */
}

static bool is_ours(const struct sw_proxy_conf *c, const struct sw_uri *u)
{
    return sw_uri_is_sip(u) && !u->user.p && sw_proxy_is_ours(c, u->host, u->port);
}

/* Reads a URI of ours that has the parameter. */
static bool own_uri(const struct sw_proxy_conf *c, struct sw_slice text, struct sw_slice name,
                    struct sw_uri *u, struct sw_param *x)
{
    return sw_uri_parse(text, u, NULL) == SW_OK && is_ours(c, u) && sw_uri_param_find(u, name, x) &&
           x->value.n;
}

/* The items as rows of their own behind the row that goes before. */
static void put_rows(struct sw_buf *room, const char *name, struct sw_slice items)
{
    struct sw_slice item;
    while (sw_hide_list_next(&items, &item)) {
        sw_buf_lit(room, "\r\n");
        sw_buf_str(room, name);
        sw_buf_lit(room, ": ");
        sw_buf_slice(room, item);
    }
}

/* What is opened of two is nobody's. */
static void opened(struct sw_routes *r, uint32_t of)
{
    r->opened_of = !r->opened_of || r->opened_of == of ? of : SW_PEER_VERIFIED;
}

/* A Contact of ours in place of the Request-URI becomes what it stands for; headers are no part of
 * a Request-URI. RFC 3261 12.2.1.1, 19.1.1 */
static enum sw_status unhide_uri(const struct sw_proxy_conf *c, const struct sw_request *q,
                                 struct sw_slice uri, struct sw_buf *room, struct sw_edits *edits)
{
    const struct sw_msg *m = q->m;
    uint32_t of;
    char bytes[SW_HIDE_TEXT_MAX];
    struct sw_slice text;
    struct sw_uri u;
    struct sw_param x;
    size_t from = room->n;
    if (!own_uri(c, uri, SW_HIDE_PARAM_CONTACT, &u, &x))
        return SW_AGAIN;
    if (sw_hide_get(c, SW_HIDE_CONTACT, sw_slice("", 0), x.value, bytes, &text) != SW_OK ||
        !sw_hide_owner(&text, &of))
        return SW_DENIED_SEAL;
    opened(q->r, of);
    size_t n = sw_slice_find(text, '?'), colon = sw_slice_find(text, ':');
    if (colon >= n)
        return SW_DENIED_SEAL; /* only what is a sip or sips URI is hidden */
    /* neither more nor less than what it is called by; a sips one over TLS all the same, and a sip
     * one not by sips: RFC 5630 4.1, 5.3 */
    bool sips = sw_slice_starts_case(text, SW_SLICE("sips:"));
    q->r->opened_sips = sips && u.scheme == SW_SCHEME_SIP;
    q->r->opened_sip = !sips && u.scheme == SW_SCHEME_SIPS;
    sw_buf_str(room, u.scheme == SW_SCHEME_SIPS ? "sips" : "sip");
    sw_buf_put(room, text.p + colon, n - colon);
    sw_edit_add(edits, (size_t)(uri.p - m->p), uri.n, since(room, from));
    return SW_OK;
}

/* A value of ours that hides becomes a plain one again: its letter and its seal. */
static void plain_value(const struct sw_msg *m, const struct sw_param *x, struct sw_slice letters,
                        struct sw_buf *room, struct sw_edits *edits)
{
    size_t from = room->n;
    char letter = x->value.p[0];
    sw_buf_char(room, letter == 'A' ? 'a' : letter == 'B' ? 'b' : 's');
    sw_buf_slice(room, letters);
    sw_edit_add(edits, (size_t)(x->value.p - m->p), x->value.n, since(room, from));
}

/* Path or Service-Route: all of the value is another's. */
static enum sw_status unhide_path(const struct sw_proxy_conf *c, const struct sw_msg *m,
                                  const struct sw_addr *a, struct sw_slice sealed, const char *name,
                                  uint32_t *of, struct sw_buf *room, struct sw_edits *edits)
{
    char bytes[SW_HIDE_TEXT_MAX];
    struct sw_slice items, item;
    size_t from = room->n;
    if (sw_hide_get(c, SW_HIDE_PATH, sw_slice("", 0), sealed, bytes, &items) != SW_OK ||
        !sw_hide_owner(&items, of) || !sw_hide_list_next(&items, &item))
        return SW_DENIED_SEAL;
    sw_buf_slice(room, item);
    put_rows(room, name, items);
    sw_edit_add(edits, (size_t)(a->whole.p - m->p), a->whole.n, since(room, from));
    return SW_OK;
}

/* The topmost Route of ours, or the Request-URI if a strict router before us put it there. RFC
 * 3261 16.4 */
static bool top_value(const struct sw_proxy_conf *c, const struct sw_request *q, struct sw_addr *a,
                      struct sw_param *x)
{
    struct sw_values values = sw_values(q->m, SW_HDR_ROUTE);
    struct sw_uri u;
    if (sw_values_addr(&values, a) != SW_OK)
        return false;
    return own_uri(c, q->r->uri.p ? sw_msg_uri(q->m) : a->uri, SW_HIDE_PARAM_SEAL, &u, x);
}

/* Route rows before those that a strict router left. */
static void put_rows_before(const struct sw_msg *m, struct sw_slice items, struct sw_buf *room,
                            struct sw_edits *edits)
{
    struct sw_slice item;
    size_t from = room->n;
    while (sw_hide_list_next(&items, &item)) {
        sw_buf_lit(room, "Route: ");
        sw_buf_slice(room, item);
        sw_buf_lit(room, "\r\n");
    }
    sw_edit_add(edits, sw_msg_hdr(m, SW_HDR_ROUTE)->at, 0, since(room, from));
}

static enum sw_status unhide_route(const struct sw_proxy_conf *c, const struct sw_request *q,
                                   struct sw_buf *room, struct sw_edits *edits)
{
    char bytes[SW_HIDE_TEXT_MAX], sealed[SW_SEAL_LETTERS_MAX];
    struct sw_buf letters = sw_buf(sealed, sizeof(sealed));
    struct sw_slice items;
    struct sw_addr a;
    struct sw_param x;
    if (!sw_hide_letter(q->r->letter) && q->r->letter != 'P')
        return SW_AGAIN;
    if (!top_value(c, q, &a, &x))
        return SW_DENIED_SEAL;
    if (x.value.p[0] == 'P' && !q->r->uri.p) {
        uint32_t of;
        enum sw_status s =
            unhide_path(c, q->m, &a, sw_slice_from(x.value, 1), "Route", &of, room, edits);
        if (s == SW_OK)
            opened(q->r, of);
        return s;
    }
    if (!sw_hide_letter(x.value.p[0]) ||
        sw_hide_route_open(c, q->v->call_id, sw_slice_from(x.value, 1), bytes, &letters, &items) !=
            SW_OK)
        return SW_DENIED_SEAL;
    plain_value(q->m, &x, sw_buf_view(&letters), room, edits);
    if (q->r->uri.p) {
        put_rows_before(q->m, items, room, edits);
        return SW_OK;
    }
    size_t from = room->n;
    put_rows(room, "Route", items);
    sw_edit_add(edits, (size_t)(a.whole.p + a.whole.n - q->m->p), 0, since(room, from));
    return SW_OK;
}

enum sw_status sw_unhide_request(const struct sw_proxy_conf *c, const struct sw_request *q,
                                 struct sw_buf *room, struct sw_edits *edits,
                                 struct sw_refusal *out)
{
    const struct sw_uri *u = &q->v->uri;
    enum sw_status uri = SW_AGAIN, route;
    if (q->r->uri.p) /* a strict router's: RFC 3261 16.4 */
        uri = unhide_uri(c, q, q->r->uri, room, edits);
    else if (q->r->count == 0 && sw_hide_in_uri(u)) /* with a Route it is theirs */
        uri = unhide_uri(c, q, sw_msg_uri(q->m), room, edits);
    route = unhide_route(c, q, room, edits);
    static const char help[] = "a call or registration from before the start of the gateway, "
                               "unless seal_key keeps the key; or it was changed on its way";
    if (uri == SW_DENIED_SEAL)
        sw_refuse(out, 404, NULL, "the sealed Contact in the Request-URI does not hold", help);
    else if (route == SW_DENIED_SEAL)
        sw_refuse(out, 403, "Route Not Valid Here", "what our Route hides does not hold", help);
    if (uri == SW_DENIED_SEAL || route == SW_DENIED_SEAL)
        return SW_DENIED_SEAL;
    return uri == SW_OK || route == SW_OK ? SW_OK : SW_AGAIN;
}

enum sw_status sw_unhide_via(const struct sw_proxy_conf *c, const struct sw_via *via,
                             char bytes[SW_HIDE_TEXT_MAX], struct sw_slice *items)
{
    struct sw_param x;
    if (!sw_hide_in_via(via) || !sw_param_find(via->params, SW_HIDE_PARAM_VIA, &x))
        return SW_AGAIN;
    return sw_hide_get(c, SW_HIDE_VIA, via->branch, x.value, bytes, items);
}

static enum sw_status unhide_vias(const struct sw_proxy_conf *c, const struct sw_msg *m,
                                  const struct sw_vitals *v, struct sw_buf *room,
                                  struct sw_edits *edits)
{
    char bytes[SW_HIDE_TEXT_MAX];
    struct sw_values values = sw_values(m, SW_HDR_VIA);
    struct sw_slice items;
    struct sw_via via;
    size_t from = room->n;
    enum sw_status s = sw_unhide_via(c, &v->via, bytes, &items);
    if (s != SW_OK)
        return s;
    if (sw_values_via(&values, &via) != SW_OK || sw_values_via(&values, &via) != SW_AGAIN)
        return SW_DENIED_SEAL; /* it left with ours alone */
    put_rows(room, "Via", items);
    sw_edit_add(edits, (size_t)(v->via.whole.p + v->via.whole.n - m->p), 0, since(room, from));
    return SW_OK;
}

/* Both of our values again, and those of the inside behind them. RFC 3261 16.7 step 8 */
static enum sw_status unhide_value(const struct sw_proxy_conf *c, uint32_t peer,
                                   const struct sw_msg *m, struct sw_slice call_id,
                                   const struct sw_addr *a, struct sw_buf *room,
                                   struct sw_edits *edits)
{
    char bytes[SW_HIDE_TEXT_MAX], sealed[SW_SEAL_LETTERS_MAX];
    struct sw_buf letters = sw_buf(sealed, sizeof(sealed));
    struct sw_slice items;
    struct sw_seal seal;
    struct sw_uri u;
    struct sw_param x;
    if (!own_uri(c, a->uri, SW_HIDE_PARAM_SEAL, &u, &x) ||
        (x.value.p[0] != 'B' && x.value.p[0] != 'S'))
        return SW_AGAIN;
    if (sw_hide_route_open(c, call_id, sw_slice_from(x.value, 1), bytes, &letters, &items) !=
            SW_OK ||
        sw_seal_open(c, call_id, sw_buf_view(&letters), &seal) != SW_OK ||
        seal.side[1].peer != peer || seal.side[0].listener >= c->listener_count)
        return SW_DENIED_SEAL;
    plain_value(m, &x, sw_buf_view(&letters), room, edits);
    size_t from = room->n;
    if (x.value.p[0] == 'B') {
        const struct sw_side *in = &seal.side[0];
        sw_buf_lit(room, "\r\nRecord-Route: <");
        sw_record_route_uri_put(room, &c->listeners[in->listener], in->transport,
                                u.scheme == SW_SCHEME_SIPS, 'a', sw_buf_view(&letters));
        sw_buf_char(room, '>');
    }
    put_rows(room, "Record-Route", items);
    sw_edit_add(edits, (size_t)(a->whole.p + a->whole.n - m->p), 0, since(room, from));
    return SW_OK;
}

static enum sw_status unhide_record_route(const struct sw_proxy_conf *c, uint32_t peer,
                                          const struct sw_msg *m, struct sw_slice call_id,
                                          struct sw_buf *room, struct sw_edits *edits)
{
    struct sw_values values = sw_values(m, SW_HDR_RECORD_ROUTE);
    struct sw_addr a;
    while (sw_values_addr(&values, &a) == SW_OK) {
        enum sw_status s = unhide_value(c, peer, m, call_id, &a, room, edits);
        if (s != SW_AGAIN)
            return s;
    }
    return SW_AGAIN;
}

static void unhide_paths(const struct sw_proxy_conf *c, const struct sw_msg *m, struct sw_buf *room,
                         struct sw_edits *edits)
{
    struct sw_values values = sw_values(m, SW_HDR_PATH);
    struct sw_addr a;
    struct sw_uri u;
    struct sw_param x;
    uint32_t of;
    while (sw_values_addr(&values, &a) == SW_OK)
        if (own_uri(c, a.uri, SW_HIDE_PARAM_SEAL, &u, &x) && x.value.p[0] == 'P' &&
            unhide_path(c, m, &a, sw_slice_from(x.value, 1), "Path", &of, room, edits) != SW_OK)
            continue;
}

enum sw_status sw_unhide_response(const struct sw_proxy_conf *c, uint32_t peer,
                                  const struct sw_msg *m, const struct sw_vitals *v,
                                  struct sw_buf *room, struct sw_edits *edits, const char **why)
{
    enum sw_status s = unhide_vias(c, m, v, room, edits);
    *why = "what our Via hides does not hold";
    if (s != SW_OK)
        return s;
    if (unhide_record_route(c, peer, m, v->call_id, room, edits) == SW_DENIED_SEAL) {
        *why = "what our Record-Route hides does not hold";
        return SW_DENIED_SEAL;
    }
    unhide_paths(c, m, room, edits);
    return SW_OK;
}

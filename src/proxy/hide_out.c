#include "proxy/hide.h"

#include "base/base64.h"
#include "proxy/sips.h"
#include "sip/build.h"

/* What is sealed grows by a third and the tag, and what it stands in is ours: a host of at most 255
 * bytes and what goes around it. */
size_t sw_hide_room(const struct sw_msg *m)
{
    enum { OURS = 416, MARKS = 132, FIXED = 3 * OURS + SW_SEAL_LETTERS_MAX + MARKS };
    size_t contacts = 0;
    for (const struct sw_hdr *h = sw_msg_hdr(m, SW_HDR_CONTACT); h; h = sw_hdr_next(m, h)) {
        contacts++;
        for (uint32_t i = 0; i < h->value_n; i++)
            contacts += m->p[h->value + i] == ',';
    }
    if (contacts > SW_EDITS_MAX) /* more are not written, however many commas a message has */
        contacts = SW_EDITS_MAX;
    return 2 * (size_t)m->body_at + contacts * OURS + FIXED;
}

static struct sw_slice since(const struct sw_buf *b, size_t from)
{
    return b->p ? sw_slice(b->p + from, b->n - from) : sw_slice("", 0); /* memory was out */
}

/* Neighbouring rows go as one. */
static void drop_rows(const struct sw_msg *m, enum sw_hdr_id id, struct sw_edits *edits)
{
    const struct sw_hdr *h = sw_msg_hdr(m, id);
    while (h) {
        uint32_t at = h->at, end = h->end;
        for (h = sw_hdr_next(m, h); h && h->at == end; h = sw_hdr_next(m, h))
            end = h->end;
        sw_edit_add(edits, at, end - at, sw_slice("", 0));
    }
}

/* The values of a header in their order, or the last first. */
static void list_values(const struct sw_msg *m, enum sw_hdr_id id, struct sw_slice until,
                        bool last_first, struct sw_hide_list *x)
{
    struct sw_slice value[SW_HIDE_ITEMS_MAX];
    struct sw_values values = sw_values(m, id);
    struct sw_addr a;
    uint32_t n = 0;
    while (sw_values_addr(&values, &a) == SW_OK && a.whole.p != until.p) {
        if (n == SW_HIDE_ITEMS_MAX) {
            x->b.full = true;
            return;
        }
        value[n++] = a.whole;
    }
    for (uint32_t i = 0; i < n; i++)
        sw_hide_list_add(x, value[last_first ? n - 1 - i : i]);
}

static void put_list(struct sw_buf *b, const struct sw_proxy_conf *c, enum sw_hide_kind kind,
                     struct sw_slice context, const struct sw_hide_list *x)
{
    b->full |= x->b.full;
    if (!b->full)
        sw_hide_put(b, c, kind, context, sw_buf_view(&x->b));
}

void sw_hide_put_vias(struct sw_buf *b, const struct sw_proxy_conf *c, const struct sw_msg *m,
                      const struct sw_vitals *v, const struct sw_flow *in, struct sw_slice branch)
{
    struct sw_hide_list x;
    char text[SW_HIDE_TEXT_MAX];
    struct sw_buf first = sw_buf(text, sizeof(text));
    const struct sw_hdr *h = sw_msg_hdr(m, SW_HDR_VIA);
    const char *rest = v->via.whole.p + v->via.whole.n;
    sw_hide_list_init(&x);
    sw_build_via_stamped(&first, &v->via, &in->remote);
    sw_buf_put(&first, rest, (size_t)(m->p + h->value + h->value_n - rest));
    b->full |= first.full;
    sw_hide_list_add(&x, sw_buf_view(&first));
    for (h = sw_hdr_next(m, h); h; h = sw_hdr_next(m, h))
        if (h->value_n)
            sw_hide_list_add(&x, sw_hdr_value(m, h));
    sw_hide_put_marks(b, m);
    sw_buf_lit(b, ";sv=");
    put_list(b, c, SW_HIDE_VIA, branch, &x);
}

/* What stands behind the letter of a value of ours: the bytes of its seal, which name addresses,
 * and the values before `until`. */
static void put_route(struct sw_buf *b, const struct sw_proxy_conf *c, const struct sw_msg *m,
                      struct sw_slice letters, struct sw_slice until, bool last_first,
                      struct sw_slice call_id)
{
    struct sw_hide_list x;
    char bytes[SW_SEAL_LETTERS_MAX];
    size_t n = sw_base64_bytes(letters.n);
    sw_hide_list_init(&x);
    if (n > sizeof(bytes) || !sw_base64_get(letters, bytes, n)) {
        b->full = true;
        return;
    }
    sw_hide_list_add(&x, sw_slice(bytes, n));
    list_values(m, SW_HDR_RECORD_ROUTE, until, last_first, &x);
    put_list(b, c, SW_HIDE_ROUTE, call_id, &x);
}

/* One row that the peer's side faces: the other one would name the listener inside. */
void sw_hide_put_record_route(struct sw_buf *b, const struct sw_proxy_conf *c,
                              const struct sw_msg *m, struct sw_slice call_id,
                              const struct sw_seal *seal, bool sips)
{
    const struct sw_side *out = &seal->side[1];
    char letters[SW_SEAL_LETTERS_MAX];
    struct sw_buf sealed = sw_buf(letters, sizeof(letters));
    sw_seal_put(&sealed, &c->seal_key, call_id, seal);
    b->full |= sealed.full;
    sw_buf_lit(b, "Record-Route: <");
    sw_record_route_uri_put(b, &c->listeners[out->listener], out->transport, sips,
                            sw_seal_one_row(seal) ? 'S' : 'B', sw_slice("", 0));
    put_route(b, c, m, sw_buf_view(&sealed), sw_slice(NULL, 0), false, call_id);
    sw_buf_lit(b, ">\r\n");
}

/* The peer behind which it is: sw_hide_owner. */
static void put_owner(struct sw_buf *b, uint32_t peer)
{
    for (int i = 0; i < SW_HIDE_OWNER_BYTES; i++)
        sw_buf_char(b, (char)(peer >> 8 * i & 255));
}

/* By its scheme: one that the grammar does not know names a system all the same. */
static bool names_system(struct sw_slice uri)
{
    return sw_slice_starts_case(uri, SW_SLICE("sip:")) ||
           sw_slice_starts_case(uri, SW_SLICE("sips:"));
}

/* Registrars of the SER family write the address that a binding came from into its Contact, as
 * ";received=": of what came by us that is a listener inside. What stands before it is copied, and
 * `*end` moves behind it. */
static void drop_received(const struct sw_addr *a, struct sw_buf *room, const char **end)
{
    struct sw_lex l = sw_lex(a->params);
    struct sw_param x;
    while (sw_param_next(&l, &x) == SW_OK) {
        if (!sw_slice_eq_case(x.name, SW_SLICE("received")))
            continue;
        const char *at = x.whole.p;
        while (*at != ';')
            at--;
        sw_buf_put(room, *end, (size_t)(at - *end));
        *end = x.whole.p + x.whole.n;
    }
}

/* A sealed Contact that is handed on: its URI is cared for, and names nobody. */
static void told_contact(const struct sw_msg *m, const struct sw_addr *a, struct sw_buf *room,
                         struct sw_edits *edits)
{
    const char *uri_end = a->uri.p + a->uri.n, *end = uri_end;
    size_t from = room->n;
    drop_received(a, room, &end);
    if (end != uri_end)
        sw_edit_add(edits, (size_t)(uri_end - m->p), (size_t)(end - uri_end), since(room, from));
}

/* A URI of ours in place of theirs; the other parameters of the header stay. False: it is a URI
 * that nobody could call, and would name the inside. RFC 3261 20.10 */
static bool hide_contact(const struct sw_proxy_conf *c, const struct sw_msg *m,
                         const struct sw_flow *side, uint32_t of, const struct sw_addr *a,
                         struct sw_buf *room, struct sw_edits *edits)
{
    char text[SW_HIDE_TEXT_MAX];
    struct sw_buf sealed = sw_buf(text, sizeof(text));
    struct sw_uri u;
    size_t from = room->n;
    if (sw_uri_parse(a->uri, &u, NULL) != SW_OK || !sw_uri_is_sip(&u))
        return !names_system(a->uri);
    bool bare = a->uri.p == a->whole.p;
    if (bare)
        sw_buf_char(room, '<');
    sw_own_uri_put(room, &c->listeners[side->listener], side->transport,
                   u.scheme == SW_SCHEME_SIPS);
    sw_buf_lit(room, ";sc=");
    put_owner(&sealed, of);
    sw_buf_slice(&sealed, a->uri);
    room->full |= sealed.full;
    sw_hide_put(room, c, SW_HIDE_CONTACT, sw_slice("", 0), sw_buf_view(&sealed));
    if (bare)
        sw_buf_char(room, '>');
    const char *end = a->uri.p + a->uri.n;
    drop_received(a, room, &end);
    sw_edit_add(edits, (size_t)(a->uri.p - m->p), (size_t)(end - a->uri.p), since(room, from));
    return true;
}

static enum sw_status hide_contacts(const struct sw_proxy_conf *c, const struct sw_msg *m,
                                    const struct sw_flow *side, uint32_t of, struct sw_buf *room,
                                    struct sw_edits *edits)
{
    bool response = !sw_msg_is_request(m); /* it may hand on one that is sealed */
    struct sw_values values = sw_values(m, SW_HDR_CONTACT);
    struct sw_addr a;
    enum sw_status s;
    const struct sw_hdr *h = sw_msg_hdr(m, SW_HDR_CONTACT);
    if (h && !sw_hdr_next(m, h) && sw_slice_eq(sw_hdr_value(m, h), SW_SLICE("*")))
        return SW_OK; /* RFC 3261 10.2.2 */
    while ((s = sw_values_addr(&values, &a)) == SW_OK) {
        if (edits->full) /* no work for what does not leave */
            return SW_LIMIT;
        if (response && sw_unhide_contact(c, m, side->peer, a.uri, room, edits))
            told_contact(m, &a, room, edits);
        else if (!hide_contact(c, m, side, of, &a, room, edits))
            return SW_LIMIT;
    }
    return s == SW_AGAIN ? SW_OK : SW_LIMIT; /* what cannot be read cannot be hidden */
}

/* Path and Service-Route: one value of ours for all. A registrar takes a sips Contact with sips in
 * all of Path only, and a Service-Route of sips URIs lets no sip request through. RFC 3327 5.2,
 * RFC 3608 5, RFC 5630 5.2 */
static void hide_path(const struct sw_proxy_conf *c, const struct sw_msg *m, enum sw_hdr_id id,
                      const struct sw_flow *side, uint32_t of, struct sw_buf *room,
                      struct sw_edits *edits)
{
    const struct sw_hdr *h = sw_msg_hdr(m, id);
    struct sw_hide_list x;
    char letters[SW_BASE64_LEN(SW_HIDE_TEXT_MAX + 64)];
    struct sw_buf sealed = sw_buf(letters, sizeof(letters));
    size_t from = room->n;
    if (!h)
        return;
    sw_hide_list_init(&x);
    put_owner(&x.b, of);
    list_values(m, id, sw_slice(NULL, 0), false, &x);
    put_list(&sealed, c, SW_HIDE_PATH, sw_slice("", 0), &x);
    room->full |= sealed.full;
    sw_buf_slice(room, sw_hdr_name(m, h));
    sw_buf_lit(room, ": <");
    sw_record_route_uri_put(room, &c->listeners[side->listener], side->transport,
                            sw_sips_all(m, id), 'P', sw_buf_view(&sealed));
    sw_buf_lit(room, ">\r\n");
    sw_edit_add(edits, h->at, 0, since(room, from));
    drop_rows(m, id, edits);
}

enum sw_status sw_hide_request(const struct sw_proxy_conf *c, const struct sw_msg *m,
                               const struct sw_flow *out, uint32_t of, struct sw_buf *room,
                               struct sw_edits *edits)
{
    drop_rows(m, SW_HDR_VIA, edits);
    drop_rows(m, SW_HDR_RECORD_ROUTE, edits);
    hide_path(c, m, SW_HDR_PATH, out, of, room, edits);
    return hide_contacts(c, m, out, of, room, edits);
}

/* Our value that faces the sender of the request: what stands above it is inside. A value that
 * hides something already belongs to another hop of a spiral. */
static bool own_value(const struct sw_proxy_conf *c, const struct sw_msg *m, struct sw_slice id,
                      uint32_t peer, struct sw_addr *a, struct sw_values *at)
{
    struct sw_uri u;
    struct sw_param x;
    struct sw_seal seal;
    *at = sw_values(m, SW_HDR_RECORD_ROUTE);
    while (sw_values_addr(at, a) == SW_OK)
        if (sw_uri_parse(a->uri, &u, NULL) == SW_OK && sw_uri_is_sip(&u) &&
            sw_uri_param_find(&u, SW_HIDE_PARAM_SEAL, &x) && x.value.n > 1 &&
            (x.value.p[0] == 'a' || x.value.p[0] == 's') &&
            sw_seal_open(c, id, sw_slice_from(x.value, 1), &seal) == SW_OK &&
            seal.side[0].peer == peer)
            return true;
    return false;
}

static void hide_record_route(const struct sw_proxy_conf *c, const struct sw_msg *m,
                              const struct sw_vitals *v, uint32_t peer, struct sw_buf *room,
                              struct sw_edits *edits)
{
    struct sw_addr a;
    struct sw_values at;
    struct sw_uri u;
    struct sw_param x;
    size_t from = room->n;
    if (!own_value(c, m, v->call_id, peer, &a, &at) || sw_uri_parse(a.uri, &u, NULL) != SW_OK ||
        !sw_uri_param_find(&u, SW_HIDE_PARAM_SEAL, &x)) {
        drop_rows(m, SW_HDR_RECORD_ROUTE, edits); /* it makes no dialog, or the way is lost */
        return;
    }
    for (const struct sw_hdr *h = sw_msg_hdr(m, SW_HDR_RECORD_ROUTE); h != at.hdr;
         h = sw_hdr_next(m, h))
        sw_edit_add(edits, h->at, h->end - h->at, sw_slice("", 0));
    const char *letter = x.value.p, *behind = x.value.p + x.value.n;
    sw_buf_put(room, a.whole.p, (size_t)(letter - a.whole.p));
    sw_buf_char(room, *letter == 'a' ? 'A' : 'T');
    /* in the order of the Route that the peer sends: RFC 3261 12.1.2 */
    put_route(room, c, m, sw_slice_from(x.value, 1), a.whole, true, v->call_id);
    sw_edit_add(edits, at.hdr->value, (size_t)(behind - (m->p + at.hdr->value)), since(room, from));
}

enum sw_status sw_hide_response(const struct sw_proxy_conf *c, const struct sw_msg *m,
                                const struct sw_vitals *v, const struct sw_flow *in, uint32_t of,
                                struct sw_buf *room, struct sw_edits *edits)
{
    if (sw_msg_hdr(m, SW_HDR_RECORD_ROUTE))
        hide_record_route(c, m, v, in->peer, room, edits);
    drop_rows(m, SW_HDR_PATH, edits);
    hide_path(c, m, SW_HDR_SERVICE_ROUTE, in, of, room, edits);
    enum sw_status s = hide_contacts(c, m, in, of, room, edits);
    return s == SW_OK && (room->full || edits->full) ? SW_LIMIT : s;
}

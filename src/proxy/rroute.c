#include "proxy/rroute.h"

#include "proxy/hide.h"
#include "proxy/party.h"

/* The URI parameter that carries the sealed value, its first letter the side it faces. */
#define SEAL_PARAM SW_SLICE("sw")

uint32_t sw_side_peer(const struct sw_flow *flow)
{
    return flow->peer == SW_PEER_VERIFIED ? flow->domain_id : flow->peer;
}

static bool is_ours(const struct sw_proxy_conf *c, const struct sw_uri *u)
{
    return sw_uri_is_sip(u) && !u->user.p && sw_proxy_is_ours(c, u->host, u->port);
}

/* The seal of a value that hides others is hidden with them. */
static bool open_seal(const struct sw_proxy_conf *c, struct sw_slice call_id, char letter,
                      struct sw_slice text, struct sw_seal *out)
{
    char bytes[SW_HIDE_TEXT_MAX], sealed[SW_SEAL_LETTERS_MAX];
    struct sw_buf letters = sw_buf(sealed, sizeof(sealed));
    struct sw_slice items;
    if (!sw_hide_letter(letter))
        return sw_seal_open(c, call_id, text, out) == SW_OK;
    return sw_hide_route_open(c, call_id, text, bytes, &letters, &items) == SW_OK &&
           sw_seal_open(c, call_id, sw_buf_view(&letters), out) == SW_OK;
}

/* Opens the sealed value of a URI of ours. False: it belongs to another dialog than the one that
 * was opened before; then this is a spiral and the value stays. */
static bool take_seal(const struct sw_proxy_conf *c, struct sw_slice call_id,
                      const struct sw_uri *u, struct sw_slice *taken, struct sw_routes *r)
{
    struct sw_param x;
    if (!sw_uri_param_find(u, SEAL_PARAM, &x))
        return true;
    struct sw_slice text = sw_slice_from(x.value, 1);
    if (taken->p)
        return sw_slice_eq(*taken, text);
    *taken = text;
    r->sealed = x.value.n > 1 && open_seal(c, call_id, x.value.p[0], text, &r->seal);
    r->bad_seal |= !r->sealed;
    r->letter = x.value.n ? x.value.p[0] : 0;
    return true;
}

static bool read_values(const struct sw_proxy_conf *c, const struct sw_msg *m, struct sw_routes *r)
{
    struct sw_values values = sw_values(m, SW_HDR_ROUTE);
    struct sw_addr a;
    enum sw_status s;
    while ((s = sw_values_addr(&values, &a)) == SW_OK) {
        r->too_many = r->count == SW_ROUTES_MAX;
        r->too_long = a.uri.n > c->uri_max;
        if (r->too_many || r->too_long)
            return false;
        r->value[r->count++] = a.whole;
    }
    return s == SW_AGAIN;
}

static bool value_uri(struct sw_slice value, struct sw_uri *u)
{
    struct sw_addr a;
    return sw_addr_parse(value, &a) == SW_OK && sw_uri_parse(a.uri, u, NULL) == SW_OK;
}

/* A strict router put our Record-Route in the Request-URI, and what belongs there last in Route. */
static void strict_before(const struct sw_proxy_conf *c, const struct sw_vitals *v,
                          struct sw_slice *taken, struct sw_routes *r)
{
    struct sw_param x;
    struct sw_addr last;
    if (!is_ours(c, &v->uri) || !sw_uri_param_find(&v->uri, SEAL_PARAM, &x) || r->count == 0 ||
        sw_addr_parse(r->value[r->count - 1], &last) != SW_OK)
        return;
    take_seal(c, v->call_id, &v->uri, taken, r);
    r->first_sips = v->uri.scheme == SW_SCHEME_SIPS;
    r->ours = r->changed = true;
    r->uri = last.uri;
    r->count--;
}

void sw_routes_read(const struct sw_proxy_conf *c, const struct sw_msg *m,
                    const struct sw_vitals *v, struct sw_routes *out)
{
    struct sw_routes *r = out;
    struct sw_slice taken = {NULL, 0};
    uint32_t gone = 0;
    *r = (struct sw_routes){0};
    if (!sw_msg_hdr(m, SW_HDR_ROUTE))
        return;
    r->bad_value = !read_values(c, m, r);
    strict_before(c, v, &taken, r);
    for (; gone < r->count; gone++) {
        if (!value_uri(r->value[gone], &r->next)) {
            r->bad_value = true;
            return;
        }
        if (!is_ours(c, &r->next) || !take_seal(c, v->call_id, &r->next, &taken, r))
            break;
        r->first_sips |= !r->ours && r->next.scheme == SW_SCHEME_SIPS;
        r->ours = r->changed = true;
    }
    r->count -= gone;
    memmove(r->value, r->value + gone, r->count * sizeof(r->value[0]));
}

static void move(struct sw_slice *s, const char *from, const char *to)
{
    if (s->n)
        s->p = to + (s->p - from);
}

void sw_routes_move(struct sw_routes *r, const char *from, const char *to)
{
    for (uint32_t i = 0; i < r->count; i++)
        move(&r->value[i], from, to);
    move(&r->uri, from, to);
    if (r->count)
        sw_uri_move(&r->next, from, to);
}

struct sw_slice sw_routes_strict(struct sw_routes *r, struct sw_slice uri, struct sw_buf *room)
{
    if (r->count == 0 || r->next.lr || !sw_uri_is_sip(&r->next))
        return uri;
    struct sw_slice first = r->next.text;
    size_t from = room->n;
    sw_buf_char(room, '<');
    sw_buf_slice(room, uri);
    sw_buf_char(room, '>');
    memmove(r->value, r->value + 1, (r->count - 1) * sizeof(r->value[0]));
    r->value[r->count - 1] = sw_slice(room->p + from, room->n - from);
    r->changed = true;
    return first;
}

void sw_routes_edit(const struct sw_msg *m, const struct sw_routes *r, struct sw_buf *room,
                    struct sw_edits *edits)
{
    if (!r->changed)
        return;
    const struct sw_hdr *h = sw_msg_hdr(m, SW_HDR_ROUTE);
    uint32_t at = h->at, end = h->end;
    size_t from = room->n;
    for (uint32_t i = 0; i < r->count; i++) {
        sw_buf_lit(room, "Route: ");
        sw_buf_slice(room, r->value[i]);
        sw_buf_lit(room, "\r\n");
    }
    struct sw_slice text = sw_slice(room->p + from, room->n - from);
    for (h = sw_hdr_next(m, h); h; h = sw_hdr_next(m, h)) { /* neighbouring rows go as one */
        if (h->at != end) {
            sw_edit_add(edits, at, end - at, text);
            text = sw_slice("", 0);
            at = h->at;
        }
        end = h->end;
    }
    sw_edit_add(edits, at, end - at, text);
}

static bool same_flow(const struct sw_side *s, const struct sw_flow *flow)
{
    if (s->transport == SW_UDP)
        return flow->transport == SW_UDP && sw_endpoint_eq(&s->remote, &flow->remote);
    return sw_flow_id_eq(&s->flow, &flow->id);
}

enum sw_status sw_routes_side(const struct sw_proxy_conf *c, const struct sw_routes *r,
                              const struct sw_flow *flow, int *side)
{
    bool first = sw_party_is(c, flow, r->seal.side[0].peer);
    bool second = sw_party_is(c, flow, r->seal.side[1].peer);
    if (!first && !second)
        return SW_DENIED;
    if (first && second) {
        bool from_a = same_flow(&r->seal.side[0], flow), from_b = same_flow(&r->seal.side[1], flow);
        *side = from_a != from_b ? from_b : r->letter == 'b';
    } else {
        *side = second;
    }
    return SW_OK;
}

bool sw_record_route_wanted(enum sw_method method)
{
    switch (method) {
    case SW_INVITE:
    case SW_SUBSCRIBE:
    case SW_REFER:
    case SW_NOTIFY:
    case SW_METHOD_OTHER:
        return true;
    default:
        return false;
    }
}

void sw_own_uri_put(struct sw_buf *b, const struct sw_listener_conf *l, uint8_t transport,
                    bool sips)
{
    bool bare = transport == SW_TLS && !sips && !l->transport_tls;
    sw_buf_str(b, sips ? "sips:" : "sip:");
    sw_buf_slice(b, l->host);
    if (!bare) {
        sw_buf_char(b, ':');
        sw_buf_u64(b, l->port);
    }
    if (transport == SW_TCP && !sips)
        sw_buf_lit(b, ";transport=tcp");
    if (transport == SW_TLS && !sips && !bare)
        sw_buf_lit(b, ";transport=tls");
}

void sw_record_route_uri_put(struct sw_buf *b, const struct sw_listener_conf *l, uint8_t transport,
                             bool sips, char letter, struct sw_slice sealed)
{
    /* "received the request over a non-TLS connection, and sent it out over TLS [...] a SIP URI" is
     * what its sender is shown: RFC 3261 16.7 step 8; a listener without TLS takes no sips */
    sw_own_uri_put(b, l, transport, sips && sw_transport_secure((enum sw_transport)transport));
    sw_buf_lit(b, ";lr;sw=");
    sw_buf_char(b, letter);
    sw_buf_slice(b, sealed);
}

bool sw_seal_one_row(const struct sw_seal *seal)
{
    const struct sw_side *in = &seal->side[0], *out = &seal->side[1];
    return in->listener == out->listener && in->transport == out->transport;
}

static void put_row(struct sw_buf *b, const struct sw_listener_conf *l, const struct sw_side *s,
                    bool sips, char letter, struct sw_slice sealed)
{
    sw_buf_lit(b, "Record-Route: <");
    sw_record_route_uri_put(b, l, s->transport, sips, letter, sealed);
    sw_buf_lit(b, ">\r\n");
}

void sw_record_route_put(struct sw_buf *b, const struct sw_proxy_conf *c, struct sw_slice call_id,
                         const struct sw_seal *seal, bool sips)
{
    char text[SW_SEAL_LETTERS_MAX];
    struct sw_buf sealed = sw_buf(text, sizeof(text));
    const struct sw_side *in = &seal->side[0], *out = &seal->side[1];
    sw_seal_put(&sealed, &c->seal_key, call_id, seal);
    if (sealed.full) {
        b->full = true;
        return;
    }
    bool one = sw_seal_one_row(seal);
    put_row(b, &c->listeners[out->listener], out, sips, one ? 's' : 'b', sw_buf_view(&sealed));
    if (!one)
        put_row(b, &c->listeners[in->listener], in, sips, 'a', sw_buf_view(&sealed));
}

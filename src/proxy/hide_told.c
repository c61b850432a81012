/* A sealed Contact that whoever was shown it hands on: in Refer-To, by which a call is transferred,
 * and in the Contact of a response, which lists what is registered or redirects. Who may see what
 * it stands for is told, as by a Request-URI; for others it stays sealed, and whose it is. RFC
 * 3515 2.1, RFC 5589 7, RFC 3261 8.1.3.4, 10.2.4; docs/hiding.md */
#include "proxy/hide.h"

/* A peer that may be told: the inside is not hidden from it, or it is the one whose it is. Who is
 * no peer is told nothing. */
static bool may_see(const struct sw_proxy_conf *c, uint32_t peer, uint32_t of)
{
    return sw_proxy_peer(c, peer) && (peer == of || !sw_hide_wanted(c, peer));
}

/* The method that the sender wants. Nothing else is taken over: by maddr, in whatever spelling, who
 * is referred would send what he is told to somebody else. RFC 3261 19.1.1, 19.1.4 */
static void put_method(struct sw_buf *room, const struct sw_uri *ours)
{
    struct sw_param x;
    if (!sw_uri_param_find(ours, SW_SLICE("method"), &x))
        return;
    sw_buf_char(room, ';');
    sw_buf_slice(room, x.whole);
}

/* Headers of both, such as Replaces; a Route, or a name that hides what it is, does as maddr. RFC
 * 3891 6.1, RFC 3261 19.1.5 */
static void put_headers(struct sw_buf *room, struct sw_slice theirs, struct sw_slice added)
{
    char before = '?';
    if (theirs.n) {
        sw_buf_char(room, before);
        sw_buf_slice(room, theirs);
        before = '&';
    }
    while (added.n) {
        struct sw_slice one = sw_slice(added.p, sw_slice_find(added, '&'));
        struct sw_slice name = sw_slice(one.p, sw_slice_find(one, '='));
        if (!sw_slice_eq_case(name, SW_SLICE("Route")) && sw_slice_find(name, '%') == name.n) {
            sw_buf_char(room, before);
            sw_buf_slice(room, one);
            before = '&';
        }
        added = sw_slice_from(added, one.n + 1);
    }
}

static void put_uri(struct sw_buf *room, const struct sw_uri *ours, struct sw_slice text)
{
    size_t n = sw_slice_find(text, '?');
    if (ours->scheme == SW_SCHEME_SIPS && sw_slice_starts_case(text, SW_SLICE("sip:"))) {
        sw_buf_lit(room, "sips"); /* as of a Request-URI: RFC 5630 4.1 */
        sw_buf_put(room, text.p + 3, n - 3);
    } else {
        sw_buf_put(room, text.p, n);
    }
    put_method(room, ours);
    put_headers(room, sw_slice_from(text, n + 1), ours->headers);
}

/* Reads a Contact of ours, in `bytes`; false: it is none, or does not open. */
static bool sealed(const struct sw_proxy_conf *c, struct sw_slice uri, struct sw_uri *u,
                   char bytes[SW_HIDE_TEXT_MAX], struct sw_slice *text, uint32_t *of)
{
    struct sw_param x;
    return sw_uri_parse(uri, u, NULL) == SW_OK && sw_hide_in_uri(u) && sw_uri_is_sip(u) &&
           !u->user.p && sw_proxy_is_ours(c, u->host, u->port) &&
           sw_uri_param_find(u, SW_HIDE_PARAM_CONTACT, &x) && x.value.n &&
           sw_hide_get(c, SW_HIDE_CONTACT, sw_slice("", 0), x.value, bytes, text) == SW_OK &&
           sw_hide_owner(text, of);
}

static void replace(const struct sw_msg *m, struct sw_slice uri, size_t from, struct sw_buf *room,
                    struct sw_edits *edits)
{
    if (room->full)
        edits->full = true;
    else
        sw_edit_add(edits, (size_t)(uri.p - m->p), uri.n, sw_slice(room->p + from, room->n - from));
}

bool sw_unhide_contact(const struct sw_proxy_conf *c, const struct sw_msg *m, uint32_t to,
                       struct sw_slice uri, struct sw_buf *room, struct sw_edits *edits)
{
    char bytes[SW_HIDE_TEXT_MAX];
    struct sw_slice text;
    struct sw_uri u;
    uint32_t of;
    size_t from = room->n;
    if (!sealed(c, uri, &u, bytes, &text, &of))
        return false;
    if (!may_see(c, to, of))
        return true;
    sw_buf_slice(room, text);
    replace(m, uri, from, room, edits);
    return true;
}

void sw_unhide_contacts(const struct sw_proxy_conf *c, const struct sw_msg *m, uint32_t to,
                        struct sw_buf *room, struct sw_edits *edits)
{
    struct sw_values values = sw_values(m, SW_HDR_CONTACT);
    struct sw_addr a;
    while (!edits->full && sw_values_addr(&values, &a) == SW_OK)
        (void)sw_unhide_contact(c, m, to, a.uri, room, edits);
}

void sw_unhide_refer_to(const struct sw_proxy_conf *c, const struct sw_msg *m, uint32_t to,
                        struct sw_buf *room, struct sw_edits *edits)
{
    char bytes[SW_HIDE_TEXT_MAX];
    struct sw_slice text;
    struct sw_addr a;
    struct sw_uri u;
    uint32_t of;
    const struct sw_hdr *h = sw_msg_hdr(m, SW_HDR_REFER_TO);
    if (!h || sw_addr_parse(sw_hdr_value(m, h), &a) != SW_OK ||
        !sealed(c, a.uri, &u, bytes, &text, &of) || !may_see(c, to, of))
        return; /* it stays as it is: whoever calls it comes to us */
    size_t from = room->n;
    put_uri(room, &u, text);
    replace(m, a.uri, from, room, edits);
}

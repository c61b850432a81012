#include "proxy/rows.h"

/* What goes, once sender and receiver are known. */
struct drop {
    const struct sw_msg *m;
    const struct sw_peer_conf *to; /* NULL: no peer */
    const struct sw_rewrite *w;
    bool asserted, preferred;
};

bool sw_row_is(const struct sw_msg *m, const struct sw_hdr *h, const struct sw_header_name *name)
{
    if (name->id != SW_HDR_OTHER || h->id != SW_HDR_OTHER)
        return name->id == h->id;
    return sw_slice_eq_case(sw_hdr_name(m, h), name->name);
}

/* What a message's Privacy says of asserted identities. */
enum privacy { SAYS_NOTHING, SAYS_ID, SAYS_NONE };

/* Privacy-hdr = "Privacy" HCOLON priv-value *(";" priv-value). Whatever else stands there, `id`
 * is heard. RFC 3323 4.2, RFC 3325 9.3 */
static enum privacy privacy(const struct sw_msg *m)
{
    enum privacy says = SAYS_NOTHING;
    for (const struct sw_hdr *h = sw_msg_hdr(m, SW_HDR_PRIVACY); h; h = sw_hdr_next(m, h)) {
        struct sw_lex l = sw_lex(sw_hdr_value(m, h));
        while (!sw_lex_end(&l)) {
            struct sw_slice word = sw_lex_run(&l, SW_CH_TOKEN);
            if (sw_slice_eq_case(word, SW_SLICE("id")))
                return SAYS_ID;
            if (sw_slice_eq_case(word, SW_SLICE("none")))
                says = SAYS_NONE;
            if (word.n == 0)
                l.p++;
        }
    }
    return says;
}

/* RFC 3325 5: what a node asserts that is not trusted is removed; 7: to one that is not trusted
 * nothing goes that the user wants kept private, and all that the user wants shown. */
static bool asserted_goes(const struct sw_proxy_conf *c, const struct sw_msg *m, uint32_t from,
                          const struct sw_peer_conf *to)
{
    const struct sw_peer_conf *sender = sw_proxy_peer(c, from);
    if (!sw_msg_hdr(m, SW_HDR_P_ASSERTED_IDENTITY))
        return false;
    if (!sender || sender->asserted_identity != SW_ASSERTED_TRUST)
        return true;
    if (to && to->asserted_identity == SW_ASSERTED_TRUST)
        return false;
    enum privacy p = privacy(m);
    return p == SAYS_ID ||
           (p == SAYS_NOTHING && to && to->asserted_identity == SW_ASSERTED_WITHHOLD);
}

/* RFC 3325 6: "MUST remove the user-provided P-Preferred-Identity header from any message", and
 * outside the Trust Domain it has no place. */
static bool preferred_goes(const struct sw_proxy_conf *c, const struct sw_msg *m, uint32_t from,
                           const struct sw_peer_conf *to)
{
    const struct sw_peer_conf *sender = sw_proxy_peer(c, from);
    return sw_msg_hdr(m, SW_HDR_P_PREFERRED_IDENTITY) &&
           (!sender || sender->asserted_identity != SW_ASSERTED_TRUST || !to ||
            to->asserted_identity != SW_ASSERTED_TRUST);
}

static bool goes(const struct drop *d, uint32_t row, uint32_t *next)
{
    const struct sw_hdr *h = &d->m->hdrs[row];
    if (d->w && *next < d->w->row_count && d->w->rows[*next] == row) {
        (*next)++;
        return true;
    }
    if ((d->asserted && h->id == SW_HDR_P_ASSERTED_IDENTITY) ||
        (d->preferred && h->id == SW_HDR_P_PREFERRED_IDENTITY))
        return true;
    for (uint32_t i = 0; d->to && i < d->to->remove_count; i++)
        if (sw_row_is(d->m, h, &d->to->remove[i]))
            return true;
    return false;
}

/* Rows that stand together go as one edit. */
static void drop(const struct drop *d, struct sw_edits *edits)
{
    const struct sw_msg *m = d->m;
    uint32_t next = 0;
    for (uint32_t i = 0; i < m->hdr_count; i++) {
        uint32_t first = i;
        while (i < m->hdr_count && goes(d, i, &next))
            i++;
        if (i > first)
            sw_edit_add(edits, m->hdrs[first].at, m->hdrs[i - 1].end - m->hdrs[first].at,
                        sw_slice("", 0));
    }
}

void sw_rows_drop(const struct sw_proxy_conf *c, const struct sw_msg *m, const struct sw_rewrite *w,
                  uint32_t from, uint32_t to, struct sw_edits *edits)
{
    const struct sw_peer_conf *peer = sw_proxy_peer(c, to);
    const struct drop d = {
        .m = m,
        .to = peer,
        .w = w,
        .asserted = asserted_goes(c, m, from, peer),
        .preferred = preferred_goes(c, m, from, peer),
    };
    if (d.asserted || d.preferred || (w && w->row_count) || (peer && peer->remove_count))
        drop(&d, edits);
}

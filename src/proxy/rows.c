#include "proxy/rows.h"

#include "proxy/asserted.h"

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

bool sw_rows_removes(const struct sw_peer_conf *to, enum sw_hdr_id id)
{
    for (uint32_t i = 0; to && i < to->remove_count; i++)
        if (to->remove[i].id == id)
            return true;
    return false;
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

/* P-Asserted-Identity or P-Preferred-Identity, if it is there: all of it goes (true), or what may
 * not stand in it. */
static bool identity(const struct sw_msg *m, enum sw_hdr_id id, bool all, struct sw_edits *edits)
{
    if (!sw_msg_hdr(m, id))
        return false;
    if (!all)
        sw_asserted_filter(m, id, edits);
    return all;
}

void sw_rows_drop(const struct sw_proxy_conf *c, const struct sw_msg *m, const struct sw_rewrite *w,
                  uint32_t from, uint32_t to, struct sw_edits *edits)
{
    const struct sw_peer_conf *sender = sw_proxy_peer(c, from), *peer = sw_proxy_peer(c, to);
    const struct drop d = {
        .m = m,
        .to = peer,
        .w = w,
        .asserted =
            identity(m, SW_HDR_P_ASSERTED_IDENTITY, sw_asserted_goes(m, sender, peer), edits),
        .preferred =
            identity(m, SW_HDR_P_PREFERRED_IDENTITY, sw_preferred_goes(sender, peer), edits),
    };
    if (d.asserted || d.preferred || (w && w->row_count) || (peer && peer->remove_count))
        drop(&d, edits);
}

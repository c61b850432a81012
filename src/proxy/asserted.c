#include "proxy/asserted.h"

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

static bool trusted(const struct sw_peer_conf *peer)
{
    return peer && peer->asserted_identity == SW_ASSERTED_TRUST;
}

bool sw_asserted_goes(const struct sw_msg *m, const struct sw_peer_conf *from,
                      const struct sw_peer_conf *to)
{
    if (!trusted(from))
        return true;
    if (trusted(to))
        return false;
    enum privacy p = privacy(m);
    return p == SAYS_ID ||
           (p == SAYS_NOTHING && to && to->asserted_identity == SW_ASSERTED_WITHHOLD);
}

bool sw_preferred_goes(const struct sw_peer_conf *from, const struct sw_peer_conf *to)
{
    return !trusted(from) || !trusted(to);
}

void sw_asserted_tell(struct sw_proxy *p, const struct sw_request *q)
{
    const struct sw_peer_conf *from = sw_proxy_peer(p->conf, q->flow->peer);
    struct sw_peer_state *state = sw_proxy_state(p, from);
    if (!from || !from->asserted_is_default || !sw_msg_hdr(q->m, SW_HDR_P_ASSERTED_IDENTITY) ||
        atomic_load_explicit(&state->identity_told, memory_order_relaxed) ||
        atomic_exchange_explicit(&state->identity_told, true, memory_order_relaxed))
        return;
    const struct sw_field fields[] = {
        sw_field_text("peer", from->name),
        sw_field_str("why", "P-Asserted-Identity of this peer does not pass: it has no "
                            "asserted_identity, and outside is the default"),
        sw_field_str("help", "asserted_identity: trust for it and for those it calls, if its word "
                             "about callers counts; asserted_identity: distrust ends this line"),
        sw_field_text("call_id", q->v->call_id),
    };
    sw_engine_note(p->e, SW_LEVEL_INFO, "identity_removed", fields, 4);
}

/* Kinds of URIs that were there. */
struct seen {
    bool sip, tel;
};

static bool stays(struct seen *seen, const struct sw_addr *a)
{
    struct sw_uri u;
    if (sw_uri_parse(a->uri, &u, NULL) != SW_OK || u.scheme == SW_SCHEME_OTHER)
        return false;
    bool *kind = u.scheme == SW_SCHEME_TEL ? &seen->tel : &seen->sip;
    bool first = !*kind;
    *kind = true;
    return first;
}

/* Puts `text` in place of what stands between two places. */
static void cut(const struct sw_msg *m, const char *from, const char *to, struct sw_slice text,
                struct sw_edits *edits)
{
    if (from < to)
        sw_edit_add(edits, (size_t)(from - m->p), (size_t)(to - from), text);
}

/* What cannot be read asserts nothing. */
static void filter_row(const struct sw_msg *m, const struct sw_hdr *h, struct seen *seen,
                       struct sw_edits *edits)
{
    struct sw_slice value = sw_hdr_value(m, h), kept[2];
    struct sw_lex l = sw_lex(value);
    struct sw_addr a;
    unsigned n = 0;
    bool all = true, more = !sw_lex_end(&l);
    while (more && sw_addr_next(&l, &a) == SW_OK) {
        if (stays(seen, &a))
            kept[n++] = a.whole; /* one of each kind: two at most */
        else
            all = false;
        more = sw_lex_sep(&l, ',') && !sw_lex_end(&l);
    }
    if (all && sw_lex_end(&l))
        return;
    if (n == 0) {
        sw_edit_add(edits, h->at, h->end - h->at, sw_slice("", 0));
        return;
    }
    cut(m, value.p, kept[0].p, sw_slice("", 0), edits);
    if (n == 2)
        cut(m, kept[0].p + kept[0].n, kept[1].p, SW_SLICE(", "), edits);
    cut(m, kept[n - 1].p + kept[n - 1].n, value.p + value.n, sw_slice("", 0), edits);
}

void sw_asserted_filter(const struct sw_msg *m, enum sw_hdr_id id, struct sw_edits *edits)
{
    struct seen seen = {0};
    for (const struct sw_hdr *h = sw_msg_hdr(m, id); h; h = sw_hdr_next(m, h))
        filter_row(m, h, &seen, edits);
}

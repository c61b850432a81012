#include "sip/addr.h"

/* display-name = *(token LWS) / quoted-string, before "<". RFC 3261 25.1 */
static bool display(struct sw_lex *l, struct sw_slice *out)
{
    const char *from = l->p;
    struct sw_slice inside;
    if (sw_lex_peek(l) == '"') {
        if (!sw_lex_quoted(l, &inside))
            return false;
    } else {
        /* bytes of UTF-8 stand here unquoted in practice; they harm nobody before the "<" */
        while (!sw_lex_end(l) && (sw_ch(*l->p, SW_CH_TOKEN) || (uint8_t)*l->p >= 0x80)) {
            l->p++;
            sw_lex_ws(l);
        }
    }
    *out = sw_slice_trim(sw_slice(from, (size_t)(l->p - from)));
    sw_lex_ws(l);
    return sw_lex_peek(l) == '<';
}

static bool bracketed(struct sw_lex *l, struct sw_slice *uri)
{
    if (!sw_lex_char(l, '<'))
        return false;
    const char *from = l->p, *close = memchr(from, '>', (size_t)(l->end - from));
    if (!close)
        return false;
    *uri = sw_slice(from, (size_t)(close - from));
    l->p = close + 1;
    return uri->n > 0;
}

/* Without brackets the URI ends before ";" "?" and ",": these belong to the header. RFC 3261 20 */
static bool bare(struct sw_lex *l, struct sw_slice *uri)
{
    const char *from = l->p;
    while (!sw_lex_end(l) && *l->p != ';' && *l->p != ',' && *l->p != '?' && *l->p != '<' &&
           *l->p != '>' && *l->p != '"' && (uint8_t)*l->p > ' ')
        l->p++;
    *uri = sw_slice(from, (size_t)(l->p - from));
    return memchr(from, ':', uri->n) != NULL;
}

struct tag {
    struct sw_slice value;
    bool bad;
};

/* The parameters; false on a broken one. */
static bool params(struct sw_lex *l, struct tag *tag)
{
    struct sw_param x;
    enum sw_status s;
    while ((s = sw_param_next(l, &x)) == SW_OK) {
        if (!sw_slice_eq_case(x.name, SW_SLICE("tag")))
            continue;
        tag->bad = tag->bad || tag->value.n || x.value.n == 0 || x.quoted;
        tag->value = x.value;
    }
    return s == SW_AGAIN;
}

enum sw_status sw_addr_next(struct sw_lex *l, struct sw_addr *out)
{
    struct sw_slice shown, uri;
    struct tag tag = {.value = sw_slice("", 0)};
    sw_lex_ws(l);
    struct sw_lex try = *l;
    if (display(&try, &shown)) {
        if (!bracketed(&try, &uri))
            return SW_PEER_SYNTAX;
    } else {
        try = *l;
        shown = sw_slice("", 0);
        if (!bare(&try, &uri))
            return SW_PEER_SYNTAX;
    }
    const char *from = try.p;
    if (!params(&try, &tag))
        return SW_PEER_SYNTAX;
    /* part by part: see put() in params.c */
    out->display = shown;
    out->uri = uri;
    out->params = sw_slice(from, (size_t)(try.p - from));
    out->whole = sw_slice(l->p, (size_t)(try.p - l->p));
    out->tag = tag.value;
    out->bad_tag = tag.bad;
    sw_lex_ws(&try);
    *l = try;
    return SW_OK;
}

enum sw_status sw_addr_parse(struct sw_slice s, struct sw_addr *out)
{
    struct sw_lex l = sw_lex(s);
    struct sw_addr a;
    enum sw_status st = sw_addr_next(&l, &a);
    if (st != SW_OK)
        return st;
    if (!sw_lex_end(&l))
        return SW_PEER_SYNTAX;
    *out = a;
    return SW_OK;
}

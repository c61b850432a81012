#include "sip/params.h"

/* gen-value = token / host / quoted-string. RFC 3261 25.1 */
static bool gen_value(struct sw_lex *l, struct sw_param *out)
{
    if (sw_lex_peek(l) == '"') {
        out->quoted = true;
        return sw_lex_quoted(l, &out->value);
    }
    if (sw_lex_peek(l) == '[')
        return sw_lex_host(l, &out->value);
    out->value = sw_lex_run(l, SW_CH_TOKEN | SW_CH_HOST);
    /* received=2001:db8::1 without brackets is what many servers write; RFC 5118 4.5 allows it */
    if (sw_lex_peek(l) == ':' && out->value.n <= 4) {
        const char *from = out->value.p;
        while (!sw_lex_end(l) && (*l->p == ':' || sw_ch(*l->p, SW_CH_HOST)))
            l->p++;
        out->value = sw_slice(from, (size_t)(l->p - from));
    }
    return out->value.n > 0;
}

enum sw_status sw_param_next(struct sw_lex *l, struct sw_param *out)
{
    struct sw_param x = {0};
    if (!sw_lex_sep(l, ';'))
        return SW_AGAIN;
    const char *from = l->p;
    x.name = sw_lex_run(l, SW_CH_TOKEN);
    if (x.name.n == 0)
        return SW_PEER_SYNTAX;
    if (sw_lex_sep(l, '=') && !gen_value(l, &x))
        return SW_PEER_SYNTAX;
    x.whole = sw_slice(from, (size_t)(l->p - from));
    *out = x;
    return SW_OK;
}

bool sw_param_find(struct sw_slice params, struct sw_slice name, struct sw_param *out)
{
    struct sw_lex l = sw_lex(params);
    struct sw_param x;
    while (sw_param_next(&l, &x) == SW_OK)
        if (sw_slice_eq_case(x.name, name)) {
            *out = x;
            return true;
        }
    return false;
}

enum sw_status sw_uri_param_next(struct sw_lex *l, struct sw_param *out)
{
    struct sw_param x = {0};
    if (!sw_lex_char(l, ';'))
        return SW_AGAIN;
    const char *from = l->p;
    if (!sw_lex_escaped(l, SW_CH_PARAM, &x.name) || x.name.n == 0)
        return SW_PEER_SYNTAX;
    if (sw_lex_char(l, '=') && (!sw_lex_escaped(l, SW_CH_PARAM, &x.value) || x.value.n == 0))
        return SW_PEER_SYNTAX;
    x.whole = sw_slice(from, (size_t)(l->p - from));
    *out = x;
    return SW_OK;
}

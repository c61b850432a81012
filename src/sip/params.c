#include "sip/params.h"

/* Part by part: a structure that is copied right after it was filled has to wait for that. */
static void put(struct sw_param *out, struct sw_slice name, struct sw_slice value, const char *end)
{
    out->name = name;
    out->value = value;
    out->whole = sw_slice(name.p, (size_t)(end - name.p));
    out->quoted = false;
}

/* A value that is no token; .p is NULL on a broken one. */
static struct sw_slice odd_value(struct sw_lex *l, char first)
{
    struct sw_slice value;
    bool ok = first == '"' ? sw_lex_quoted(l, &value) : sw_lex_host(l, &value);
    return ok ? value : sw_slice(NULL, 0);
}

/* gen-value = token / host / quoted-string; .p is NULL on a broken one. RFC 3261 25.1 */
static struct sw_slice gen_value(struct sw_lex *l)
{
    char first = sw_lex_peek(l);
    if (first == '"' || first == '[')
        return odd_value(l, first);
    struct sw_slice value = sw_lex_run(l, SW_CH_TOKEN | SW_CH_HOST);
    /* received=2001:db8::1 without brackets is what many servers write; RFC 5118 4.5 allows it */
    if (sw_lex_peek(l) == ':' && value.n <= 4) {
        while (!sw_lex_end(l) && (*l->p == ':' || sw_ch(*l->p, SW_CH_HOST)))
            l->p++;
        value.n = (size_t)(l->p - value.p);
    }
    return value.n ? value : sw_slice(NULL, 0);
}

enum sw_status sw_param_next(struct sw_lex *l, struct sw_param *out)
{
    if (!sw_lex_sep(l, ';'))
        return SW_AGAIN;
    struct sw_slice value = {NULL, 0}, name = sw_lex_run(l, SW_CH_TOKEN);
    bool quoted = false;
    if (name.n == 0)
        return SW_PEER_SYNTAX;
    if (sw_lex_sep(l, '=')) {
        quoted = sw_lex_peek(l) == '"';
        value = gen_value(l);
        if (!value.p)
            return SW_PEER_SYNTAX;
    }
    put(out, name, value, l->p);
    out->quoted = quoted;
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

bool sw_q_parse(struct sw_slice s, uint16_t *out)
{
    unsigned q = 0, worth = SW_Q_MAX;
    if (s.n == 0 || s.n > 5 || (s.n > 1 && s.p[1] != '.'))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (i == 1)
            continue;
        if (!sw_ascii_digit(s.p[i]))
            return false;
        q += (unsigned)(s.p[i] - '0') * worth;
        worth /= 10;
    }
    if (q > SW_Q_MAX)
        return false;
    *out = (uint16_t)q;
    return true;
}

enum sw_status sw_uri_param_next(struct sw_lex *l, struct sw_param *out)
{
    if (!sw_lex_char(l, ';'))
        return SW_AGAIN;
    struct sw_slice name, value = {NULL, 0};
    if (!sw_lex_escaped(l, SW_CH_PARAM, &name) || name.n == 0)
        return SW_PEER_SYNTAX;
    if (sw_lex_char(l, '=') && (!sw_lex_escaped(l, SW_CH_PARAM, &value) || value.n == 0))
        return SW_PEER_SYNTAX;
    put(out, name, value, l->p);
    return SW_OK;
}

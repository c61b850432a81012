#include "sip/lex.h"

#include "base/endpoint.h"

/* The classes of each byte. Alphanumeric bytes are in all of them. */
#define AN                                                                                         \
    (SW_CH_TOKEN | SW_CH_HOST | SW_CH_USER | SW_CH_PARAM | SW_CH_HEADER | SW_CH_WORD | SW_CH_SCHEME)
#define MARK (SW_CH_USER | SW_CH_PARAM | SW_CH_HEADER)
#define TW   (SW_CH_TOKEN | SW_CH_WORD)

const uint8_t sw_chars[256] = {
    ['0' ... '9'] = AN,
    ['A' ... 'Z'] = AN,
    ['a' ... 'z'] = AN,
    ['-'] = MARK | TW | SW_CH_HOST | SW_CH_SCHEME,
    ['_'] = MARK | TW | SW_CH_HOST,
    ['.'] = MARK | TW | SW_CH_HOST | SW_CH_SCHEME,
    ['!'] = MARK | TW,
    ['~'] = MARK | TW,
    ['*'] = MARK | TW,
    ['\''] = MARK | TW,
    ['('] = MARK | SW_CH_WORD,
    [')'] = MARK | SW_CH_WORD,
    ['%'] = TW,
    ['+'] = TW | MARK | SW_CH_SCHEME,
    ['`'] = TW,
    ['&'] = SW_CH_USER | SW_CH_PARAM,
    ['='] = SW_CH_USER,
    ['$'] = MARK,
    [','] = SW_CH_USER,
    [';'] = SW_CH_USER,
    ['#'] = SW_CH_USER, /* not in the grammar; phones dial it unescaped */
    ['?'] = SW_CH_USER | SW_CH_HEADER | SW_CH_WORD,
    ['/'] = MARK | SW_CH_WORD,
    ['['] = SW_CH_PARAM | SW_CH_HEADER | SW_CH_WORD,
    [']'] = SW_CH_PARAM | SW_CH_HEADER | SW_CH_WORD,
    [':'] = SW_CH_PARAM | SW_CH_HEADER | SW_CH_WORD,
    ['<'] = SW_CH_WORD,
    ['>'] = SW_CH_WORD,
    ['\\'] = SW_CH_WORD,
    ['"'] = SW_CH_WORD,
    ['{'] = SW_CH_WORD,
    ['}'] = SW_CH_WORD,
};

void sw_lex_ws(struct sw_lex *l)
{
    while (l->p < l->end) {
        if (*l->p == ' ' || *l->p == '\t') {
            l->p++;
        } else if (l->end - l->p >= 3 && l->p[0] == '\r' && l->p[1] == '\n' &&
                   (l->p[2] == ' ' || l->p[2] == '\t')) {
            l->p += 3;
        } else {
            return;
        }
    }
}

bool sw_lex_sep(struct sw_lex *l, char c)
{
    const char *was = l->p;
    if (l->p < l->end && *l->p != c)
        sw_lex_ws(l);
    if (!sw_lex_char(l, c)) {
        l->p = was;
        return false;
    }
    sw_lex_ws(l);
    return true;
}

struct sw_slice sw_lex_run(struct sw_lex *l, uint8_t classes)
{
    const char *from = l->p;
    while (l->p < l->end && sw_ch(*l->p, classes))
        l->p++;
    return sw_slice(from, (size_t)(l->p - from));
}

static bool hex(char c)
{
    return sw_ascii_digit(c) || (sw_ascii_lower(c) >= 'a' && sw_ascii_lower(c) <= 'f');
}

bool sw_lex_escaped(struct sw_lex *l, uint8_t classes, struct sw_slice *out)
{
    const char *from = l->p;
    for (;;) {
        while (l->p < l->end && *l->p != '%' && sw_ch(*l->p, classes))
            l->p++;
        if (l->p >= l->end || *l->p != '%')
            break;
        if (l->end - l->p < 3 || !hex(l->p[1]) || !hex(l->p[2]))
            return false;
        l->p += 3;
    }
    *out = sw_slice(from, (size_t)(l->p - from));
    return true;
}

bool sw_lex_quoted(struct sw_lex *l, struct sw_slice *out)
{
    const char *p = l->p;
    if (p >= l->end || *p++ != '"')
        return false;
    const char *from = p;
    while (p < l->end && *p != '"') {
        if (*p == '\\') {
            p++;
            if (p >= l->end || *p == '\r' || *p == '\n')
                return false;
        }
        p++;
    }
    if (p >= l->end)
        return false;
    *out = sw_slice(from, (size_t)(p - from));
    l->p = p + 1;
    return true;
}

bool sw_lex_number(struct sw_lex *l, uint64_t max, uint64_t *out)
{
    const char *from = l->p;
    while (l->p < l->end && sw_ascii_digit(*l->p))
        l->p++;
    return sw_slice_u64(sw_slice(from, (size_t)(l->p - from)), max, out);
}

bool sw_lex_host(struct sw_lex *l, struct sw_slice *out)
{
    const char *from = l->p;
    if (sw_lex_char(l, '[')) {
        struct sw_endpoint ip;
        while (l->p < l->end && *l->p != ']')
            l->p++;
        if (!sw_lex_char(l, ']'))
            return false;
        *out = sw_slice(from, (size_t)(l->p - from));
        return sw_endpoint_ip_parse(*out, &ip);
    }
    *out = sw_lex_run(l, SW_CH_HOST);
    return out->n > 0 && out->p[0] != '.' && out->p[0] != '-';
}

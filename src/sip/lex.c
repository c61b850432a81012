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

void sw_lex_skip_ws(struct sw_lex *l)
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

bool sw_lex_skip_sep(struct sw_lex *l, char c)
{
    const char *was = l->p;
    sw_lex_skip_ws(l);
    if (!sw_lex_char(l, c)) {
        l->p = was;
        return false;
    }
    sw_lex_ws(l);
    return true;
}

static bool hex(char c)
{
    return sw_ascii_digit(c) || (sw_ascii_lower(c) >= 'a' && sw_ascii_lower(c) <= 'f');
}

bool sw_lex_skip_escapes(struct sw_lex *l, uint8_t classes)
{
    while (sw_lex_peek(l) == '%') {
        if (l->end - l->p < 3 || !hex(l->p[1]) || !hex(l->p[2]))
            return false;
        l->p += 3;
        sw_lex_run(l, classes);
    }
    return true;
}

/* qdtext has no control character but white space; behind a backslash NUL may stand. RFC 3261 25.1
 */
static bool qdtext(char c)
{
    return ((uint8_t)c >= ' ' && c != 127) || c == '\t' || c == '\r' || c == '\n';
}

bool sw_lex_quoted(struct sw_lex *l, struct sw_slice *out)
{
    const char *p = l->p;
    if (p >= l->end || *p++ != '"')
        return false;
    const char *from = p;
    while (p < l->end && *p != '"') {
        if (!qdtext(*p))
            return false;
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

/* Labels are not empty and have no hyphen at their ends; what ends in a label of digits is an IPv4
 * address: "1.2.3" and "2130706433" would be one for some resolvers. RFC 3261 25.1 hostname */
static bool host_name(struct sw_slice s)
{
    char before = '.';
    struct sw_endpoint ip;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c <= '.' && (before == '.' || (c == '.' && before == '-'))) /* c is a dot or a hyphen */
            return false;
        before = c;
    }
    if (s.n == 0 || before == '-')
        return false;
    size_t n = before == '.' ? s.n - 1 : s.n; /* a final dot is the root */
    size_t label = n;
    while (label > 0 && sw_ascii_digit(s.p[label - 1]))
        label--;
    bool digits = label < n && (label == 0 || s.p[label - 1] == '.');
    return !digits || sw_endpoint_ip_parse(s, &ip);
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
    return host_name(*out);
}

#include "sip/uri.h"

static enum sw_status fail(struct sw_slice s, const char *at, const char *rule,
                           struct sw_parse_error *err)
{
    if (err)
        *err = (struct sw_parse_error){.offset = (size_t)(at - s.p), .rule = rule};
    return SW_PEER_SYNTAX;
}

static bool scheme_of(struct sw_slice s, struct sw_uri *u, size_t *len)
{
    struct sw_lex l = sw_lex(s);
    struct sw_slice name = sw_lex_run(&l, SW_CH_SCHEME);
    if (name.n == 0 || !sw_lex_char(&l, ':'))
        return false;
    if (sw_slice_eq_case(name, SW_SLICE("sip")))
        u->scheme = SW_SCHEME_SIP;
    else if (sw_slice_eq_case(name, SW_SLICE("sips")))
        u->scheme = SW_SCHEME_SIPS;
    else if (sw_slice_eq_case(name, SW_SLICE("tel")))
        u->scheme = SW_SCHEME_TEL;
    else
        u->scheme = SW_SCHEME_OTHER;
    *len = name.n + 1;
    return (s.p[0] | 0x20) >= 'a' && (s.p[0] | 0x20) <= 'z';
}

/* userinfo = user [ ":" password ] "@". RFC 3261 25.1 */
static bool userinfo(struct sw_lex *l, struct sw_uri *u)
{
    const char *at = memchr(l->p, '@', (size_t)(l->end - l->p));
    if (!at)
        return true;
    struct sw_lex part = {l->p, at};
    struct sw_slice password;
    if (!sw_lex_escaped(&part, SW_CH_USER, &u->user) || u->user.n == 0)
        return false;
    if (sw_lex_char(&part, ':') && !sw_lex_escaped(&part, SW_CH_USER, &password))
        return false;
    if (part.p != at)
        return false;
    u->userinfo = sw_slice(l->p, (size_t)(at - l->p));
    l->p = at + 1;
    return true;
}

static bool among(const struct sw_slice *names, unsigned count, struct sw_slice name)
{
    for (unsigned i = 0; i < count; i++)
        if (sw_slice_eq_case(names[i], name))
            return true;
    return false;
}

/* Remembers what routing needs; a parameter may stand once (RFC 3261 19.1.1). */
static bool params(struct sw_lex *l, struct sw_uri *u)
{
    const char *from = l->p;
    struct sw_slice seen[SW_URI_PARTS_MAX];
    struct sw_param x;
    enum sw_status s;
    for (unsigned count = 0; (s = sw_uri_param_next(l, &x)) == SW_OK; count++) {
        if (count == SW_URI_PARTS_MAX || among(seen, count, x.name))
            return false;
        seen[count] = x.name;
        if (sw_slice_eq_case(x.name, SW_SLICE("transport")))
            u->transport = x.value;
        else if (sw_slice_eq_case(x.name, SW_SLICE("maddr")))
            u->maddr = x.value;
        else if (sw_slice_eq_case(x.name, SW_SLICE("lr")))
            u->lr = true;
    }
    u->params = sw_slice(from, (size_t)(l->p - from));
    return s == SW_AGAIN;
}

/* headers = "?" header *( "&" header ); a missing "=" is let pass. RFC 3261 25.1 */
static bool headers(struct sw_lex *l, struct sw_uri *u)
{
    const char *from = l->p;
    struct sw_slice part;
    unsigned count = 0;
    do {
        if (count++ == SW_URI_PARTS_MAX || !sw_lex_escaped(l, SW_CH_HEADER, &part) || part.n == 0)
            return false;
        while (sw_lex_char(l, '='))
            if (!sw_lex_escaped(l, SW_CH_HEADER, &part))
                return false;
    } while (sw_lex_char(l, '&'));
    u->headers = sw_slice(from, (size_t)(l->p - from));
    return true;
}

static enum sw_status parse_sip(struct sw_slice s, struct sw_lex *l, struct sw_uri *u,
                                struct sw_parse_error *err)
{
    if (!userinfo(l, u))
        return fail(s, l->p, "RFC 3261 25.1: userinfo", err);
    if (!sw_lex_host(l, &u->host))
        return fail(s, l->p, "RFC 3261 25.1: host", err);
    if (sw_lex_char(l, ':')) {
        uint64_t port;
        if (!sw_lex_number(l, 65535, &port) || port == 0)
            return fail(s, l->p, "RFC 3261 25.1: port", err);
        u->port = (uint16_t)port;
    }
    if (!params(l, u))
        return fail(s, l->p, "RFC 3261 25.1: uri-parameters", err);
    if (sw_lex_char(l, '?') && !headers(l, u))
        return fail(s, l->p, "RFC 3261 25.1: headers", err);
    if (!sw_lex_end(l))
        return fail(s, l->p, "RFC 3261 25.1: SIP-URI", err);
    return SW_OK;
}

/* The subscriber part of a tel URI: digits, visual separators and, for local numbers, the letters
 * of a hexadecimal digit with * and #. RFC 3966 3 */
static enum sw_status parse_tel(struct sw_slice s, struct sw_lex *l, struct sw_uri *u,
                                struct sw_parse_error *err)
{
    const char *from = l->p;
    sw_lex_char(l, '+');
    size_t digits = 0;
    for (; l->p < l->end && *l->p != ';'; l->p++) {
        char c = sw_ascii_lower(*l->p);
        if (sw_ascii_digit(c) || (c >= 'a' && c <= 'f') || c == '*' || c == '#')
            digits++;
        else if (c != '-' && c != '.' && c != '(' && c != ')')
            break;
    }
    u->host = sw_slice(from, (size_t)(l->p - from));
    if (digits == 0)
        return fail(s, l->p, "RFC 3966 3: telephone-subscriber", err);
    if (!params(l, u) || !sw_lex_end(l))
        return fail(s, l->p, "RFC 3966 3: par", err);
    return SW_OK;
}

enum sw_status sw_uri_parse(struct sw_slice s, struct sw_uri *out, struct sw_parse_error *err)
{
    struct sw_uri u = {.text = s};
    size_t skip;
    enum sw_status st;
    if (!scheme_of(s, &u, &skip))
        return fail(s, s.p, "RFC 3261 25.1: scheme", err);
    struct sw_lex l = sw_lex(sw_slice_from(s, skip));
    if (u.scheme == SW_SCHEME_TEL) {
        st = parse_tel(s, &l, &u, err);
    } else if (u.scheme == SW_SCHEME_OTHER) {
        for (; l.p < l.end; l.p++)
            if ((uint8_t)*l.p <= ' ' || *l.p == 127 || *l.p == '<' || *l.p == '>' || *l.p == '"')
                return fail(s, l.p, "RFC 3261 25.1: absoluteURI", err);
        st = skip < s.n ? SW_OK : fail(s, l.p, "RFC 3261 25.1: absoluteURI", err);
    } else {
        st = parse_sip(s, &l, &u, err);
    }
    if (st == SW_OK)
        *out = u;
    return st;
}

bool sw_uri_param_find(const struct sw_uri *u, struct sw_slice name, struct sw_param *out)
{
    struct sw_lex l = sw_lex(u->params);
    struct sw_param x;
    while (sw_uri_param_next(&l, &x) == SW_OK)
        if (sw_slice_eq_case(x.name, name)) {
            *out = x;
            return true;
        }
    return false;
}

bool sw_transport_parse(struct sw_slice s, enum sw_transport *out)
{
    for (unsigned t = SW_UDP; t < SW_TRANSPORTS; t++)
        if (sw_slice_eq_case(s, sw_transport_name((enum sw_transport)t))) {
            *out = (enum sw_transport)t;
            return true;
        }
    return false;
}

uint16_t sw_uri_port(const struct sw_uri *u)
{
    if (u->port)
        return u->port;
    return u->scheme == SW_SCHEME_SIPS || sw_slice_eq_case(u->transport, SW_SLICE("tls")) ? 5061
                                                                                          : 5060;
}

/* The next character. An escaped one of the "reserved" set is not the same as itself unescaped.
 * RFC 3261 19.1.4 and 25.1 */
static int unescape(struct sw_lex *l)
{
    enum { ESCAPED = 256 };
    char c = *l->p++;
    if (c != '%' || l->end - l->p < 2)
        return (uint8_t)c;
    static const char digits[] = "0123456789abcdef";
    const char *hi = strchr(digits, sw_ascii_lower(l->p[0]));
    const char *lo = strchr(digits, sw_ascii_lower(l->p[1]));
    if (!hi || !lo || !*hi || !*lo)
        return (uint8_t)c;
    l->p += 2;
    int byte = (int)((hi - digits) << 4 | (lo - digits));
    return byte && strchr(";/?:@&=+$,", byte) ? byte + ESCAPED : byte;
}

static int lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Equal once escapes are resolved. */
static bool text_eq(struct sw_slice a, struct sw_slice b, bool any_case)
{
    struct sw_lex x = sw_lex(a), y = sw_lex(b);
    while (!sw_lex_end(&x) && !sw_lex_end(&y)) {
        int c = unescape(&x), d = unescape(&y);
        if (c != d && !(any_case && lower(c) == lower(d)))
            return false;
    }
    return sw_lex_end(&x) && sw_lex_end(&y);
}

/* A parameter that stands in one URI only: these always matter. RFC 3261 19.1.4 */
static bool matters_alone(struct sw_slice name)
{
    return sw_slice_eq_case(name, SW_SLICE("user")) || sw_slice_eq_case(name, SW_SLICE("ttl")) ||
           sw_slice_eq_case(name, SW_SLICE("method")) ||
           sw_slice_eq_case(name, SW_SLICE("maddr")) ||
           sw_slice_eq_case(name, SW_SLICE("transport"));
}

static bool params_eq(const struct sw_uri *a, const struct sw_uri *b)
{
    struct sw_lex l = sw_lex(a->params);
    struct sw_param x, y;
    while (sw_uri_param_next(&l, &x) == SW_OK) {
        bool there = sw_uri_param_find(b, x.name, &y);
        if (there ? !text_eq(x.value, y.value, true) : matters_alone(x.name))
            return false;
    }
    return true;
}

/* The next "name=value" of a URI's headers. */
static bool header_next(struct sw_slice *rest, struct sw_slice *out)
{
    if (rest->n == 0)
        return false;
    size_t amp = sw_slice_find(*rest, '&');
    *out = sw_slice(rest->p, amp);
    *rest = sw_slice_from(*rest, amp + 1);
    return true;
}

static unsigned header_count(struct sw_slice all, struct sw_slice header)
{
    struct sw_slice x;
    unsigned n = 0;
    while (header_next(&all, &x))
        n += text_eq(x, header, true);
    return n;
}

/* The same headers in any order: each as often in `a` as in `b`. RFC 3261 19.1.4 */
static bool headers_eq(struct sw_slice a, struct sw_slice b)
{
    struct sw_slice rest = a, x;
    if (a.n == 0 || b.n == 0)
        return a.n == b.n;
    while (header_next(&rest, &x))
        if (header_count(a, x) != header_count(b, x))
            return false;
    for (rest = b; header_next(&rest, &x);)
        if (header_count(a, x) == 0)
            return false;
    return true;
}

bool sw_uri_eq(const struct sw_uri *a, const struct sw_uri *b)
{
    if (a->scheme != b->scheme)
        return false;
    if (!sw_uri_is_sip(a))
        return sw_slice_eq(a->text, b->text);
    if (!a->userinfo.p != !b->userinfo.p || !text_eq(a->userinfo, b->userinfo, false))
        return false;
    if (!sw_slice_eq_case(a->host, b->host) || a->port != b->port)
        return false;
    return params_eq(a, b) && params_eq(b, a) && headers_eq(a->headers, b->headers);
}

void sw_uri_move(struct sw_uri *u, const char *from, const char *to)
{
    struct sw_slice *const slices[] = {&u->text,   &u->user,    &u->userinfo,  &u->host,
                                       &u->params, &u->headers, &u->transport, &u->maddr};
    for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++)
        if (slices[i]->n)
            slices[i]->p = to + (slices[i]->p - from);
}

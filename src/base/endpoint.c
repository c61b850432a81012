#include "base/endpoint.h"

#include <arpa/inet.h>

static bool parse_v4(struct sw_slice s, struct sw_endpoint *out)
{
    size_t at = 0;
    for (int i = 0; i < 4; i++) {
        unsigned v = 0, digits = 0;
        while (at < s.n && sw_ascii_digit(s.p[at]) && digits < 4) {
            v = v * 10 + (unsigned)(s.p[at++] - '0');
            digits++;
        }
        if (digits == 0 || digits > 3 || v > 255)
            return false;
        out->ip[i] = (uint8_t)v;
        if (i < 3 && (at >= s.n || s.p[at++] != '.'))
            return false;
    }
    out->family = 4;
    return at == s.n;
}

static bool parse_v6(struct sw_slice s, struct sw_endpoint *out)
{
    char text[46];
    if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, 0, s.n))
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    out->family = 6;
    return inet_pton(AF_INET6, text, out->ip) == 1;
}

bool sw_endpoint_ip_parse(struct sw_slice s, struct sw_endpoint *out)
{
    struct sw_endpoint e = {0};
    bool ok;
    if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
        ok = parse_v6(sw_slice(s.p + 1, s.n - 2), &e);
    else if (sw_slice_find(s, ':') < s.n)
        ok = parse_v6(s, &e);
    else
        ok = parse_v4(s, &e);
    if (ok)
        *out = e;
    return ok;
}

bool sw_endpoint_parse(struct sw_slice s, uint16_t default_port, struct sw_endpoint *out)
{
    struct sw_endpoint e;
    struct sw_slice host = s, port = {0};
    size_t close = sw_slice_find(s, ']'), colon = sw_slice_find(s, ':');
    if (s.n && s.p[0] == '[' && close < s.n) {
        host.n = close + 1;
        if (host.n < s.n && s.p[host.n] != ':')
            return false;
        port = host.n < s.n ? sw_slice_from(s, host.n + 1) : port;
        if (host.n < s.n && port.n == 0)
            return false;
    } else if (colon < s.n && sw_slice_find(sw_slice_from(s, colon + 1), ':') == s.n - colon - 1) {
        host.n = colon;
        port = sw_slice_from(s, colon + 1);
        if (port.n == 0)
            return false;
    }
    uint64_t number = default_port;
    if (!sw_endpoint_ip_parse(host, &e) || (port.n && !sw_slice_u64(port, 65535, &number)))
        return false;
    e.port = (uint16_t)number;
    *out = e;
    return true;
}

static bool bits_clear(const uint8_t *ip, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        if (ip[i / 8] >> (7 - i % 8) & 1)
            return false;
    return true;
}

bool sw_cidr_parse(struct sw_slice s, struct sw_cidr *out)
{
    struct sw_cidr c = {0};
    size_t slash = sw_slice_find(s, '/');
    if (!sw_endpoint_ip_parse(sw_slice(s.p, slash), &c.base))
        return false;
    unsigned width = c.base.family == 4 ? 32 : 128;
    uint64_t bits = width;
    if (slash < s.n && !sw_slice_u64(sw_slice_from(s, slash + 1), width, &bits))
        return false;
    if (!bits_clear(c.base.ip, (unsigned)bits, width))
        return false;
    c.bits = (uint8_t)bits;
    *out = c;
    return true;
}

void sw_endpoint_ip_put(struct sw_buf *b, const struct sw_endpoint *e, bool brackets)
{
    if (e->family == 4) {
        for (int i = 0; i < 4; i++) {
            if (i)
                sw_buf_char(b, '.');
            sw_buf_u64(b, e->ip[i]);
        }
        return;
    }
    char text[INET6_ADDRSTRLEN];
    if (e->family != 6 || !inet_ntop(AF_INET6, e->ip, text, sizeof(text))) {
        sw_buf_char(b, '-');
        return;
    }
    if (brackets)
        sw_buf_char(b, '[');
    sw_buf_str(b, text);
    if (brackets)
        sw_buf_char(b, ']');
}

void sw_endpoint_put(struct sw_buf *b, const struct sw_endpoint *e)
{
    sw_endpoint_ip_put(b, e, true);
    sw_buf_char(b, ':');
    sw_buf_u64(b, e->port);
}

const char *sw_endpoint_text(const struct sw_endpoint *e, char *text)
{
    struct sw_buf b = sw_buf(text, SW_ENDPOINT_TEXT_MAX - 1);
    sw_endpoint_put(&b, e);
    text[b.n] = 0;
    return text;
}

bool sw_endpoint_ip_eq(const struct sw_endpoint *a, const struct sw_endpoint *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, a->family == 4 ? 4 : 16) == 0 &&
           a->scope == b->scope;
}

bool sw_endpoint_eq(const struct sw_endpoint *a, const struct sw_endpoint *b)
{
    return a->port == b->port && sw_endpoint_ip_eq(a, b);
}

bool sw_endpoint_is_wildcard(const struct sw_endpoint *e)
{
    return bits_clear(e->ip, 0, e->family == 4 ? 32 : 128);
}

bool sw_cidr_has(const struct sw_cidr *c, const struct sw_endpoint *e)
{
    unsigned whole = c->bits / 8, rest = c->bits % 8;
    if (c->base.family != e->family || memcmp(c->base.ip, e->ip, whole) != 0)
        return false;
    return rest == 0 || ((c->base.ip[whole] ^ e->ip[whole]) >> (8 - rest)) == 0;
}

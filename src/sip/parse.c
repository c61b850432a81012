#include "sip/msg.h"
#include "sip/scan.h"

struct parser {
    const char *end;
    const char *at;
    struct sw_msg *m;
    bool lone_cr; /* a CR that ends no line: it would be a line end for some receivers */
};

/* Remembers the first broken part. */
static void broken(struct parser *x, const char *at, const char *rule)
{
    if (!x->m->bad.rule)
        x->m->bad = (struct sw_parse_error){.offset = (size_t)(at - x->m->p), .rule = rule};
}

/* Status-Line = SIP-Version SP Status-Code SP Reason-Phrase. RFC 3261 7.2 */
static void status_line(struct parser *x, const char *eol)
{
    const char *p = x->at + 8;
    unsigned status = 0;
    if (eol - p >= 3 && sw_ascii_digit(p[0]) && sw_ascii_digit(p[1]) && sw_ascii_digit(p[2]))
        status =
            (unsigned)(p[0] - '0') * 100 + (unsigned)(p[1] - '0') * 10 + (unsigned)(p[2] - '0');
    if (status < 100 || status > 699 || (eol - p > 3 && p[3] != ' ')) {
        broken(x, p, "RFC 3261 7.2: Status-Code");
        return;
    }
    x->m->status = (uint16_t)status;
    x->m->reason_at = (uint32_t)(p - x->m->p) + (eol - p > 3 ? 4 : 3);
    x->m->reason_n = (uint32_t)(eol - x->m->p) - x->m->reason_at;
}

/* Request-Line = Method SP Request-URI SP SIP-Version, one SP each. RFC 3261 7.1 */
static void request_line(struct parser *x, const char *eol)
{
    struct sw_lex l = {x->at, eol};
    if (sw_slice_starts_case(sw_slice(l.p, (size_t)(eol - l.p)), SW_SLICE("SIP/"))) {
        broken(x, l.p, "RFC 3261 7.2: SIP-Version"); /* no method, so it is never answered */
        return;
    }
    struct sw_slice method = sw_lex_run(&l, SW_CH_TOKEN);
    x->m->method = (uint8_t)sw_method_find(method);
    x->m->method_n = (uint32_t)method.n;
    if (method.n == 0 || !sw_lex_char(&l, ' ')) {
        broken(x, l.p, "RFC 3261 7.1: Method");
        return;
    }
    const char *space = memchr(l.p, ' ', (size_t)(eol - l.p));
    if (!space || space == l.p) {
        broken(x, l.p, "RFC 3261 7.1: Request-URI");
        return;
    }
    x->m->uri_at = (uint32_t)(l.p - x->m->p);
    x->m->uri_n = (uint32_t)(space - l.p);
    struct sw_slice version = sw_slice(space + 1, (size_t)(eol - space - 1));
    if (!sw_slice_starts_case(version, SW_SLICE("SIP/")) || sw_slice_find(version, ' ') < version.n)
        broken(x, version.p, "RFC 3261 7.1: SIP-Version");
}

static bool crlf(const struct parser *x, const char *p)
{
    return x->end - p >= 2 && p[0] == '\r' && p[1] == '\n';
}

/* The same for a line where `p` is no CRLF but the first CR, LF or end. */
static const char *odd_line(struct parser *x, const char *from, const char *p)
{
    while (p < x->end && *p == '\r' && !crlf(x, p)) {
        x->lone_cr = true;
        p = sw_scan_line_end(p + 1, x->end);
    }
    if (p == x->end)
        broken(x, from, "RFC 3261 7: CRLF");
    else if (*p == '\n')
        broken(x, p, "RFC 3261 25.1: LF without CR");
    return p;
}

/* The end of the line at `from`, without CR. Lines end with CRLF: a lone LF would be a line end for
 * some receivers and a byte for others. RFC 3261 7, 25.1 */
static const char *line(struct parser *x, const char *from)
{
    const char *p = sw_scan_line_end(from, x->end);
    return crlf(x, p) ? p : odd_line(x, from, p);
}

/* The start of the line behind the one that ends at `eol`. */
static const char *behind(const struct parser *x, const char *eol)
{
    if (eol == x->end)
        return eol;
    return *eol == '\r' ? eol + 2 : eol + 1;
}

/* One row: name HCOLON value, with the lines folded into it. RFC 3261 7.3.1 */
static void row(struct parser *x, struct sw_hdr *h)
{
    const char *name = x->at, *eol = line(x, name), *next = behind(x, eol);
    while (next < x->end && (*next == ' ' || *next == '\t')) {
        eol = line(x, next);
        next = behind(x, eol);
    }
    struct sw_lex l = {name, eol};
    struct sw_slice n = sw_lex_run(&l, SW_CH_TOKEN);
    while (sw_lex_char(&l, ' ') || sw_lex_char(&l, '\t'))
        ;
    bool named = n.n > 0 && n.n <= UINT16_MAX && sw_lex_char(&l, ':');
    if (!named)
        broken(x, l.p, "RFC 3261 7.3.1: header name");
    struct sw_slice v = sw_slice_trim(sw_slice(l.p, (size_t)(eol - l.p)));
    *h = (struct sw_hdr){
        .at = (uint32_t)(name - x->m->p),
        .value = (uint32_t)(v.p - x->m->p),
        .value_n = (uint32_t)v.n,
        .end = (uint32_t)(next - x->m->p),
        .name_n = (uint16_t)n.n,
        .id = (uint8_t)(named ? sw_hdr_find(n) : SW_HDR_OTHER),
    };
    x->at = next;
}

static enum sw_status rows(struct parser *x, struct sw_hdr *hdrs, size_t cap)
{
    uint16_t last[SW_HDR_COUNT];
    struct sw_msg *m = x->m;
    while (x->at < x->end && *x->at != '\r') {
        if (m->hdr_count == cap)
            return SW_LIMIT;
        struct sw_hdr *h = &hdrs[m->hdr_count++];
        row(x, h);
        if (m->first[h->id])
            hdrs[last[h->id] - 1].next = (uint16_t)m->hdr_count;
        else
            m->first[h->id] = (uint16_t)m->hdr_count;
        last[h->id] = (uint16_t)m->hdr_count;
    }
    if (x->lone_cr)
        broken(x, m->p, "RFC 3261 25.1: CR without LF");
    m->blank_at = (uint32_t)(x->at - m->p);
    if (x->end - x->at >= 2 && x->at[1] == '\n') {
        m->body_at = m->blank_at + 2;
    } else {
        broken(x, x->at, "RFC 3261 7: empty line");
        m->body_at = (uint32_t)(x->end - m->p);
    }
    return SW_OK;
}

enum sw_status sw_msg_parse(const char *p, size_t n, struct sw_hdr *hdrs, size_t cap,
                            struct sw_msg *out)
{
    *out = (struct sw_msg){.p = p, .n = (uint32_t)n, .hdrs = hdrs};
    struct parser x = {.end = p + n, .at = p, .m = out};
    if (n > UINT32_MAX / 2)
        return SW_LIMIT_SIZE;
    const char *eol = line(&x, p);
    bool response = sw_slice_starts_case(sw_slice(p, (size_t)(eol - p)), SW_SLICE("SIP/2.0 "));
    if (response)
        status_line(&x, eol);
    else
        request_line(&x, eol);
    x.at = behind(&x, eol);
    out->headers_at = (uint32_t)(x.at - p);
    enum sw_status s = rows(&x, hdrs, cap);
    if (s != SW_OK)
        return s;
    if (out->bad.rule && (response || out->method_n == 0))
        return SW_PEER_SYNTAX;
    return SW_OK;
}

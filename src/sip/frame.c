#include "sip/frame.h"

/* The value of "Content-Length:" or "l:" in a header with its folded lines. */
static bool length_field(struct sw_slice field, struct sw_slice *value)
{
    size_t at = sw_slice_starts_case(field, SW_SLICE("content-length")) ? 14 : 1;
    if (at == 1 && sw_ascii_lower(field.p[0]) != 'l')
        return false;
    while (at < field.n && (field.p[at] == ' ' || field.p[at] == '\t'))
        at++;
    if (at >= field.n || field.p[at] != ':')
        return false;
    *value = sw_slice_trim(sw_slice_from(field, at + 1));
    return true;
}

/* Looks at the header that ends before `end`. */
static void header_done(struct sw_frame *f, const char *p, uint32_t end)
{
    struct sw_slice field = sw_slice(p + f->field, end - f->field), value;
    uint64_t length;
    if (f->field == 0 || (sw_ascii_lower(field.p[0]) != 'c' && sw_ascii_lower(field.p[0]) != 'l') ||
        !length_field(field, &value))
        return;
    if (!sw_slice_u64(value, UINT32_MAX, &length) || (f->has_length && f->length != length)) {
        f->bad_length = true;
        return;
    }
    f->has_length = true;
    f->length = (uint32_t)length;
}

static enum sw_status head_done(struct sw_frame *f, const struct sw_frame_limits *limits,
                                struct sw_framed *out)
{
    out->kind = SW_FRAME_MESSAGE;
    out->n = f->seen;
    if (f->bad_length || !f->has_length)
        return SW_PEER_MISSING;
    if (f->length > limits->body_max)
        return SW_LIMIT_SIZE;
    f->total = f->seen + f->length;
    return SW_OK;
}

/* Walks the lines that are new until the empty one. */
static enum sw_status scan_head(struct sw_frame *f, const char *p, size_t n,
                                const struct sw_frame_limits *limits, struct sw_framed *out)
{
    while (f->seen < n) {
        const char *lf = memchr(p + f->seen, '\n', n - f->seen);
        if (!lf) {
            f->seen = (uint32_t)n;
            break;
        }
        uint32_t end = (uint32_t)(lf - p);
        f->seen = end + 1;
        if (f->seen > limits->head_max)
            break;
        if (end == f->line || lf[-1] != '\r')
            return SW_PEER_SYNTAX;
        bool folded = f->line && (p[f->line] == ' ' || p[f->line] == '\t');
        if (!folded) {
            header_done(f, p, f->line);
            f->field = f->line;
        }
        if (end == f->line + 1)
            return head_done(f, limits, out);
        f->line = f->seen;
    }
    out->n = 0;
    return f->seen > limits->head_max ? SW_LIMIT_SIZE : SW_AGAIN;
}

/* CRLF before a message: two in a row are a ping, one is to be skipped. */
static enum sw_status blank(struct sw_frame *f, const char *p, size_t n, struct sw_framed *out)
{
    if (n < 2)
        return SW_AGAIN;
    if (p[1] != '\n')
        return SW_PEER_SYNTAX;
    bool two = n >= 4 && p[2] == '\r' && p[3] == '\n';
    *out = (struct sw_framed){two || f->half_ping ? SW_FRAME_PING : SW_FRAME_BLANK,
                              two && !f->half_ping ? 4 : 2};
    f->half_ping = out->kind == SW_FRAME_BLANK;
    return SW_OK;
}

enum sw_status sw_frame_next(struct sw_frame *f, const char *p, size_t n,
                             const struct sw_frame_limits *limits, struct sw_framed *out)
{
    out->n = 0;
    if (n == 0)
        return SW_AGAIN;
    if (f->seen == 0 && p[0] == '\r')
        return blank(f, p, n, out);
    if (f->seen == 0 && (uint8_t)p[0] <= ' ')
        return SW_PEER_SYNTAX;
    if (!f->total) {
        enum sw_status s = scan_head(f, p, n, limits, out);
        if (s != SW_OK)
            return s;
    }
    if (n < f->total)
        return SW_AGAIN;
    *out = (struct sw_framed){SW_FRAME_MESSAGE, f->total};
    sw_frame_reset(f);
    return SW_OK;
}

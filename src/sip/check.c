#include "sip/check.h"

static enum sw_status bad(struct sw_verdict *verdict, unsigned code, const char *why,
                          const char *rule)
{
    *verdict = (struct sw_verdict){.code = (uint16_t)code, .why = why, .rule = rule};
    return SW_PEER_SYNTAX;
}

static bool single(const struct sw_msg *m, enum sw_hdr_id id)
{
    const struct sw_hdr *h = sw_msg_hdr(m, id);
    return h && !h->next;
}

/* CSeq = 1*DIGIT LWS Method; the number is below 2^31. RFC 3261 8.1.1.5 */
static bool cseq(struct sw_slice s, struct sw_vitals *v)
{
    struct sw_lex l = sw_lex(s);
    uint64_t number;
    if (!sw_lex_number(&l, INT32_MAX, &number))
        return false;
    const char *digits_end = l.p;
    sw_lex_ws(&l);
    v->cseq_method = sw_lex_run(&l, SW_CH_TOKEN);
    v->cseq = (uint32_t)number;
    v->method = (uint8_t)sw_method_find(v->cseq_method);
    return v->cseq_method.p != digits_end && v->cseq_method.n > 0 && sw_lex_end(&l);
}

/* callid = word [ "@" word ]. RFC 3261 25.1 */
static bool call_id(struct sw_slice s, struct sw_vitals *v)
{
    struct sw_lex l = sw_lex(s);
    v->call_id = s;
    if (sw_lex_run(&l, SW_CH_WORD).n == 0)
        return false;
    if (sw_lex_char(&l, '@') && sw_lex_run(&l, SW_CH_WORD).n == 0)
        return false;
    return sw_lex_end(&l);
}

/* tag = "tag" EQUAL token, once: two would mean two dialogs. RFC 3261 7.3.1, 19.3, 25.1 */
static bool tag(struct sw_slice s, struct sw_slice *out)
{
    struct sw_lex l = sw_lex(s);
    struct sw_addr a;
    if (sw_addr_next(&l, &a) != SW_OK || !sw_lex_end(&l) || a.bad_tag)
        return false;
    *out = a.tag;
    return true;
}

/* Content-Length: once, or always the same; on a datagram it cuts the body. RFC 3261 18.3, 20.14 */
static bool content_length(struct sw_msg *m, bool datagram, struct sw_vitals *v)
{
    uint64_t length = 0, other;
    const struct sw_hdr *h = sw_msg_hdr(m, SW_HDR_CONTENT_LENGTH);
    if (!h)
        return datagram;
    if (!sw_slice_u64(sw_hdr_value(m, h), UINT32_MAX, &length))
        return false;
    for (h = sw_hdr_next(m, h); h; h = sw_hdr_next(m, h))
        if (!sw_slice_u64(sw_hdr_value(m, h), UINT32_MAX, &other) || other != length)
            return false;
    if (length > m->n - m->body_at)
        return false;
    m->n = m->body_at + (uint32_t)length;
    v->has_length = true;
    return true;
}

/* The grammar has NUL in a quoted string behind a backslash, and nowhere else in a head. RFC 3261
 * 25.1 */
static bool raw_nul(struct sw_slice s)
{
    bool quoted = false;
    if (!s.n || !memchr(s.p, 0, s.n))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == 0)
            return true;
        if (s.p[i] == '"')
            quoted = !quoted;
        else if (s.p[i] == '\\' && quoted)
            i++;
    }
    return false;
}

/* What is repeated in answers and in an ACK, or was written by every hop before: there no reader of
 * C strings may find another end. Call-ID and CSeq have no place for a NUL. RFC 3261 8.2.6 */
static bool nul_in_copied(const struct sw_msg *m)
{
    static const enum sw_hdr_id copied[] = {SW_HDR_VIA, SW_HDR_FROM, SW_HDR_TO, SW_HDR_TIMESTAMP};
    for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
        for (const struct sw_hdr *h = sw_msg_hdr(m, copied[i]); h; h = sw_hdr_next(m, h))
            if (raw_nul(sw_hdr_value(m, h)))
                return true;
    return false;
}

/* What requests and responses have in common; the top Via has been read. */
static enum sw_status common(struct sw_msg *m, bool datagram, struct sw_vitals *v, unsigned code,
                             struct sw_verdict *verdict)
{
    if (!single(m, SW_HDR_CALL_ID) || !call_id(sw_msg_value(m, SW_HDR_CALL_ID), v))
        return bad(verdict, code, "Bad Call-ID", "RFC 3261 8.1.1.4");
    if (!single(m, SW_HDR_CSEQ) || !cseq(sw_msg_value(m, SW_HDR_CSEQ), v))
        return bad(verdict, code, "Bad CSeq", "RFC 3261 8.1.1.5");
    if (!single(m, SW_HDR_FROM) || !tag(sw_msg_value(m, SW_HDR_FROM), &v->from_tag))
        return bad(verdict, code, "Bad From", "RFC 3261 8.1.1.3");
    if (!single(m, SW_HDR_TO) || !tag(sw_msg_value(m, SW_HDR_TO), &v->to_tag))
        return bad(verdict, code, "Bad To", "RFC 3261 8.1.1.2");
    if (nul_in_copied(m))
        return bad(verdict, code, "NUL In Header Field", "RFC 3261 25.1");
    if (!content_length(m, datagram, v))
        return bad(verdict, code, "Bad Content-Length", "RFC 3261 18.3");
    return SW_OK;
}

/* Any Via that can be read says where to answer; what else is wrong with it is for the caller. It
 * stands in the first row: an empty row above it is no Via (RFC 3261 25.1), and whoever edits the
 * top Via looks there. */
static enum sw_status top_via(const struct sw_msg *m, struct sw_vitals *v,
                              struct sw_verdict *verdict)
{
    struct sw_values values = sw_values(m, SW_HDR_VIA);
    if (sw_values_via(&values, &v->via) != SW_OK || values.hdr != sw_msg_hdr(m, SW_HDR_VIA))
        return bad(verdict, 0, "Bad Via", "RFC 3261 8.1.1.7");
    return SW_OK;
}

static bool version_is_2(const struct sw_msg *m)
{
    struct sw_slice version =
        sw_slice(m->p + m->uri_at + m->uri_n + 1, m->headers_at - 2 - (m->uri_at + m->uri_n + 1));
    return sw_slice_eq_case(version, SW_SLICE("SIP/2.0"));
}

static bool max_forwards(const struct sw_msg *m, struct sw_vitals *v)
{
    uint64_t n;
    v->max_forwards = -1;
    const struct sw_hdr *h = sw_msg_hdr(m, SW_HDR_MAX_FORWARDS);
    if (!h)
        return true;
    if (h->next || !sw_slice_u64(sw_hdr_value(m, h), 255, &n))
        return false;
    v->max_forwards = (int32_t)n;
    return true;
}

enum sw_status sw_check_request(struct sw_msg *m, bool datagram, struct sw_vitals *v,
                                struct sw_verdict *verdict)
{
    *v = (struct sw_vitals){.max_forwards = -1};
    enum sw_status s = top_via(m, v, verdict);
    if (s != SW_OK)
        return s;
    if (!v->via.version_ok && (m->bad.rule || version_is_2(m)))
        return bad(verdict, 0, "Bad Via", "RFC 3261 8.1.1.7");
    if (m->bad.rule)
        return bad(verdict, 400, sw_reason(400), m->bad.rule);
    if (!version_is_2(m)) /* its Via may be of that version, too */
        return bad(verdict, 505, sw_reason(505), "RFC 3261 21.5.6");
    if (v->via.branch_twice) /* which transaction? */
        return bad(verdict, 400, "Bad Via", "RFC 3261 7.3.1");
    if (v->via.comma_last)
        return bad(verdict, 400, "Bad Via", "RFC 3261 20.42");
    s = common(m, datagram, v, 400, verdict);
    if (s != SW_OK)
        return s;
    if (!sw_slice_eq(v->cseq_method, sw_msg_method(m)))
        return bad(verdict, 400, "CSeq Method Does Not Match", "RFC 3261 8.1.1.5");
    if (!max_forwards(m, v))
        return bad(verdict, 400, "Bad Max-Forwards", "RFC 3261 20.22");
    if (sw_uri_parse(sw_msg_uri(m), &v->uri, NULL) != SW_OK)
        return bad(verdict, 400, "Bad Request-URI", "RFC 3261 7.1");
    if (v->uri.headers.n)
        return bad(verdict, 400, "Headers In Request-URI", "RFC 3261 19.1.1");
    return SW_OK;
}

enum sw_status sw_check_response(struct sw_msg *m, bool datagram, struct sw_vitals *v,
                                 struct sw_verdict *verdict)
{
    *v = (struct sw_vitals){.max_forwards = -1};
    enum sw_status s = top_via(m, v, verdict);
    if (s == SW_OK && (!v->via.version_ok || v->via.branch_twice || v->via.comma_last))
        s = bad(verdict, 0, "Bad Via", "RFC 3261 8.1.1.7");
    return s == SW_OK ? common(m, datagram, v, 0, verdict) : s;
}

static void move(struct sw_slice *s, const char *from, const char *to)
{
    if (s->n)
        s->p = to + (s->p - from);
}

void sw_vitals_move(struct sw_vitals *v, const char *from, const char *to)
{
    struct sw_slice *const slices[] = {
        &v->via.whole,      &v->via.transport,   &v->via.host,
        &v->via.params,     &v->via.branch,      &v->via.received,
        &v->via.maddr,      &v->via.ttl,         &v->via.received_whole,
        &v->via.rport.name, &v->via.rport.value, &v->via.rport.whole,
        &v->call_id,        &v->from_tag,        &v->to_tag,
        &v->cseq_method,
    };
    for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++)
        move(slices[i], from, to);
    sw_uri_move(&v->uri, from, to);
}

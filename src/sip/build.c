#include "sip/build.h"

static bool same_host(const struct sw_via *via, const struct sw_endpoint *source)
{
    struct sw_endpoint ip;
    return sw_endpoint_ip_parse(via->host, &ip) && sw_endpoint_ip_eq(&ip, source);
}

void sw_build_via_stamped(struct sw_buf *b, const struct sw_via *via,
                          const struct sw_endpoint *source)
{
    const char *p = via->whole.p, *end = p + via->whole.n;
    /* the two parameters that change, in the order they stand in */
    struct sw_slice a = via->rport.whole, c = via->received_whole;
    if (a.p && c.p && c.p < a.p) {
        struct sw_slice t = a;
        a = c;
        c = t;
    }
    for (int i = 0; i < 2; i++) {
        struct sw_slice old = i ? c : a;
        if (!old.p)
            continue;
        const char *semi = old.p;
        while (semi > p && *semi != ';')
            semi--;
        sw_buf_put(b, p, (size_t)(semi - p));
        p = old.p + old.n;
    }
    sw_buf_put(b, p, (size_t)(end - p));
    if (via->rport.name.p || via->received.n || !same_host(via, source)) {
        sw_buf_lit(b, ";received=");
        sw_endpoint_ip_put(b, source, false);
    }
    if (via->rport.name.p) {
        sw_buf_lit(b, ";rport=");
        sw_buf_u64(b, source->port);
    }
}

static void put_row(struct sw_buf *b, const struct sw_msg *m, const struct sw_hdr *h)
{
    size_t n = h->end - h->at;
    while (m->bad.rule && n && (m->p[h->at + n - 1] == '\n' || m->p[h->at + n - 1] == '\r'))
        n--; /* a broken row may end with half a line end */
    sw_buf_put(b, m->p + h->at, n);
    if (m->bad.rule)
        sw_buf_lit(b, "\r\n");
}

static void put_rows(struct sw_buf *b, const struct sw_msg *m, enum sw_hdr_id id)
{
    for (const struct sw_hdr *h = sw_msg_hdr(m, id); h; h = sw_hdr_next(m, h))
        put_row(b, m, h);
}

static void put_vias(struct sw_buf *b, const struct sw_msg *m, const struct sw_via *via,
                     const struct sw_endpoint *source)
{
    const struct sw_hdr *h = sw_msg_hdr(m, SW_HDR_VIA);
    if (!h)
        return;
    const char *value = m->p + h->value, *rest = via->whole.p + via->whole.n;
    sw_buf_lit(b, "Via: ");
    sw_build_via_stamped(b, via, source);
    sw_buf_put(b, rest, (size_t)(value + h->value_n - rest));
    sw_buf_lit(b, "\r\n");
    for (h = sw_hdr_next(m, h); h; h = sw_hdr_next(m, h))
        put_row(b, m, h);
}

static void put_to(struct sw_buf *b, const struct sw_msg *m, struct sw_slice tag)
{
    const struct sw_hdr *h = sw_msg_hdr(m, SW_HDR_TO);
    struct sw_addr a;
    struct sw_param x;
    if (!h)
        return;
    struct sw_slice value = sw_hdr_value(m, h);
    sw_buf_lit(b, "To: ");
    sw_buf_slice(b, value);
    if (tag.n && sw_addr_parse(value, &a) == SW_OK &&
        !sw_param_find(a.params, SW_SLICE("tag"), &x)) {
        sw_buf_lit(b, ";tag=");
        sw_buf_slice(b, tag);
    }
    sw_buf_lit(b, "\r\n");
}

/* What the sender wrote is copied: what is no line end there becomes none for others here. */
static void clean(char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool ends = p[i] == '\r' ? i + 1 < n && p[i + 1] == '\n' : i > 0 && p[i - 1] == '\r';
        if (p[i] == 0 || ((p[i] == '\r' || p[i] == '\n') && !ends))
            p[i] = ' ';
    }
}

void sw_build_response(struct sw_buf *b, const struct sw_msg *m, const struct sw_via *via,
                       const struct sw_endpoint *source, const struct sw_response *r)
{
    sw_buf_lit(b, "SIP/2.0 ");
    sw_buf_u64(b, r->code);
    sw_buf_char(b, ' ');
    sw_buf_str(b, r->reason ? r->reason : sw_reason(r->code));
    sw_buf_lit(b, "\r\n");
    put_vias(b, m, via, source);
    put_rows(b, m, SW_HDR_FROM);
    put_to(b, m, r->to_tag);
    put_rows(b, m, SW_HDR_CALL_ID);
    put_rows(b, m, SW_HDR_CSEQ);
    if (r->code == 100)
        put_rows(b, m, SW_HDR_TIMESTAMP);
    sw_buf_slice(b, r->extra);
    sw_buf_lit(b, "Content-Length: 0\r\n\r\n");
    if (m->bad.rule)
        clean(b->p, b->n);
}

static void put_pieces(struct sw_buf *b, const struct sw_slice *s, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sw_buf_slice(b, s[i]);
}

void sw_build_request(struct sw_buf *b, const struct sw_own_request *r)
{
    const struct sw_slice pieces[] = {
        r->method,    SW_SLICE(" "),
        r->uri,       SW_SLICE(" SIP/2.0\r\nVia: SIP/2.0/"),
        r->transport, SW_SLICE(" "),
        r->sent_by,   SW_SLICE(";branch="),
        r->branch,    SW_SLICE(";rport\r\nMax-Forwards: 70\r\nFrom: <"),
        r->from,      SW_SLICE(">;tag="),
        r->from_tag,  SW_SLICE("\r\nTo: <"),
        r->to,        SW_SLICE(">\r\nCall-ID: "),
        r->call_id,   SW_SLICE("\r\nCSeq: 1 "),
        r->method,    SW_SLICE("\r\nContact: <"),
        r->contact,   SW_SLICE(">\r\n"),
        r->extra,     SW_SLICE("Content-Length: 0\r\n\r\n"),
    };
    put_pieces(b, pieces, sizeof(pieces) / sizeof(pieces[0]));
}

/* What ACK and CANCEL share: request line, the top Via alone, Max-Forwards, Route. */
static void put_hop_request(struct sw_buf *b, const struct sw_msg *sent, struct sw_slice method)
{
    struct sw_values values = sw_values(sent, SW_HDR_VIA);
    struct sw_via via;
    if (sw_values_via(&values, &via) != SW_OK) {
        b->full = true;
        return;
    }
    sw_buf_slice(b, method);
    sw_buf_char(b, ' ');
    sw_buf_slice(b, sw_msg_uri(sent));
    sw_buf_lit(b, " SIP/2.0\r\nVia: ");
    sw_buf_slice(b, via.whole);
    sw_buf_lit(b, "\r\nMax-Forwards: 70\r\n");
    put_rows(b, sent, SW_HDR_ROUTE);
    put_rows(b, sent, SW_HDR_FROM);
}

static void put_tail(struct sw_buf *b, const struct sw_msg *sent, struct sw_slice method)
{
    struct sw_lex l = sw_lex(sw_msg_value(sent, SW_HDR_CSEQ));
    put_rows(b, sent, SW_HDR_CALL_ID);
    sw_buf_lit(b, "CSeq: ");
    const char *from = l.p;
    while (!sw_lex_end(&l) && sw_ascii_digit(*l.p))
        l.p++;
    sw_buf_put(b, from, (size_t)(l.p - from));
    sw_buf_char(b, ' ');
    sw_buf_slice(b, method);
    sw_buf_lit(b, "\r\nContent-Length: 0\r\n\r\n");
}

void sw_build_ack(struct sw_buf *b, const struct sw_msg *sent, const struct sw_msg *response)
{
    put_hop_request(b, sent, SW_SLICE("ACK"));
    put_rows(b, response, SW_HDR_TO);
    put_tail(b, sent, SW_SLICE("ACK"));
}

void sw_build_cancel(struct sw_buf *b, const struct sw_msg *sent)
{
    put_hop_request(b, sent, SW_SLICE("CANCEL"));
    put_rows(b, sent, SW_HDR_TO);
    put_tail(b, sent, SW_SLICE("CANCEL"));
}

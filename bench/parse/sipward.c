#include "bench/parse/library.h"
#include "sip/check.h"

static struct parse_text text(struct sw_slice s)
{
    return (struct parse_text){s.n ? s.p : NULL, s.n};
}

/* The host of the first address of this header; false if there is one that cannot be read. */
static bool first_host(const struct sw_msg *m, enum sw_hdr_id id, struct parse_text *out)
{
    struct sw_values values = sw_values(m, id);
    struct sw_addr a;
    struct sw_uri u;
    enum sw_status s = sw_values_addr(&values, &a);
    if (s == SW_AGAIN)
        return true;
    if (s != SW_OK || sw_uri_parse(a.uri, &u, NULL) != SW_OK)
        return false;
    *out = text(u.host);
    return true;
}

static bool parse(const char *p, size_t n, struct parse_found *out)
{
    static struct sw_hdr hdrs[SW_HDRS_MAX];
    struct sw_msg m;
    struct sw_vitals v;
    struct sw_verdict verdict;
    if (sw_msg_parse(p, n, hdrs, SW_HDRS_MAX, &m) != SW_OK)
        return false;
    enum sw_status s = sw_msg_is_request(&m) ? sw_check_request(&m, false, &v, &verdict)
                                             : sw_check_response(&m, false, &v, &verdict);
    if (s != SW_OK)
        return false;
    if (sw_msg_is_request(&m) && sw_uri_is_sip(&v.uri))
        out->uri_host = text(v.uri.host);
    out->branch = text(v.via.branch);
    out->from_tag = text(v.from_tag);
    out->to_tag = text(v.to_tag);
    out->call_id = text(v.call_id);
    out->cseq = v.cseq;
    return first_host(&m, SW_HDR_ROUTE, &out->route_host) &&
           first_host(&m, SW_HDR_CONTACT, &out->contact_host);
}

static void nothing(void)
{
}

const struct parse_library parse_sipward = {"sipward", parse, nothing, nothing};

#include "sip/via.h"

static bool sent_protocol(struct sw_lex *l, struct sw_via *v)
{
    struct sw_slice name = sw_lex_run(l, SW_CH_TOKEN);
    if (name.n == 0 || !sw_lex_sep(l, '/'))
        return false;
    struct sw_slice version = sw_lex_run(l, SW_CH_TOKEN);
    if (version.n == 0 || !sw_lex_sep(l, '/'))
        return false;
    v->transport = sw_lex_run(l, SW_CH_TOKEN);
    v->version_ok =
        sw_slice_eq_case(name, SW_SLICE("SIP")) && sw_slice_eq(version, SW_SLICE("2.0"));
    return v->transport.n > 0;
}

static bool sent_by(struct sw_lex *l, struct sw_via *v)
{
    const char *before = l->p;
    uint64_t port;
    sw_lex_ws(l);
    if (l->p == before || !sw_lex_host(l, &v->host))
        return false;
    if (!sw_lex_sep(l, ':'))
        return true;
    if (!sw_lex_number(l, 65535, &port) || port == 0)
        return false;
    v->port = (uint16_t)port;
    return true;
}

static void keep(struct sw_via *v, const struct sw_param *x)
{
    if (sw_slice_eq_case(x->name, SW_SLICE("branch"))) {
        v->branch_twice = v->branch.n;
        v->branch = v->branch.n ? v->branch : x->value;
    } else if (!v->received.n && sw_slice_eq_case(x->name, SW_SLICE("received"))) {
        v->received = x->value;
        v->received_whole = x->whole;
    } else if (!v->rport.name.p && sw_slice_eq_case(x->name, SW_SLICE("rport"))) {
        v->rport = *x;
    } else if (!v->maddr.n && sw_slice_eq_case(x->name, SW_SLICE("maddr"))) {
        v->maddr = x->value;
    } else if (!v->ttl.n && sw_slice_eq_case(x->name, SW_SLICE("ttl"))) {
        v->ttl = x->value;
    }
}

enum sw_status sw_via_next(struct sw_lex *l, struct sw_via *out)
{
    struct sw_via v = {0};
    struct sw_param x;
    enum sw_status s;
    sw_lex_ws(l);
    const char *from = l->p;
    if (!sent_protocol(l, &v) || !sent_by(l, &v))
        return SW_PEER_SYNTAX;
    while ((s = sw_param_next(l, &x)) == SW_OK)
        keep(&v, &x);
    if (s != SW_AGAIN)
        return SW_PEER_SYNTAX;
    v.whole = sw_slice(from, (size_t)(l->p - from));
    sw_lex_ws(l);
    if (!sw_lex_end(l)) {
        if (!sw_lex_sep(l, ','))
            return SW_PEER_SYNTAX;
        v.comma_last = sw_lex_end(l);
    }
    *out = v;
    return SW_OK;
}

uint16_t sw_via_port(const struct sw_via *v)
{
    if (v->port)
        return v->port;
    return sw_slice_eq_case(v->transport, SW_SLICE("TLS")) ? 5061 : 5060;
}

bool sw_via_is_3261(const struct sw_via *v)
{
    return v->branch.n > SW_MAGIC_COOKIE.n && sw_slice_starts_case(v->branch, SW_MAGIC_COOKIE);
}

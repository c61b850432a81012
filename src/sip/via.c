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
    const char *params = l->p;
    while ((s = sw_param_next(l, &x)) == SW_OK)
        keep(&v, &x);
    if (s != SW_AGAIN)
        return SW_PEER_SYNTAX;
    v.params = sw_slice(params, (size_t)(l->p - params));
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

static bool number(const struct sw_param *x, uint32_t *out)
{
    uint64_t n;
    if (x->quoted || !sw_slice_u64(x->value, UINT32_MAX, &n))
        return false;
    *out = (uint32_t)n;
    return true;
}

/* oc = "oc" [EQUAL oc-num]: without a value it is an offer. RFC 7339 4.1 */
static void overload_oc(const struct sw_param *x, struct sw_overload *o)
{
    o->has_oc = x->value.p && number(x, &o->oc);
    o->supported = o->has_oc || !x->value.p;
}

/* oc-validity = "oc-validity" [EQUAL delta-ms]. RFC 7339 4.3 */
static void overload_validity(const struct sw_param *x, struct sw_overload *o)
{
    o->has_validity = !x->value.p || number(x, &o->validity_ms);
}

/* oc-seq = "oc-seq" EQUAL 1*12DIGIT "." 1*5DIGIT. RFC 7339 4.4 */
static void overload_seq(const struct sw_param *x, struct sw_overload *o)
{
    size_t dot = x->value.p ? sw_slice_find(x->value, '.') : 0;
    uint64_t whole, part;
    if (x->quoted || dot == 0 || dot > 12 || dot == x->value.n || x->value.n - dot > 6)
        return;
    struct sw_slice digits = sw_slice_from(x->value, dot + 1);
    if (!sw_slice_u64(sw_slice(x->value.p, dot), UINT64_MAX, &whole) ||
        !sw_slice_u64(digits, UINT64_MAX, &part))
        return;
    for (size_t i = digits.n; i < 5; i++)
        part *= 10;
    o->seq = whole * 100000 + part;
    o->has_seq = true;
}

static bool is_algo(char c)
{
    return sw_ascii_digit(c) || (sw_ascii_lower(c) >= 'a' && sw_ascii_lower(c) <= 'z');
}

/* oc-algo = "oc-algo" EQUAL DQUOTE algo-list *(COMMA algo-list) DQUOTE. RFC 7339 4.2 */
static void overload_algo(const struct sw_param *x, struct sw_overload *o)
{
    struct sw_lex l = sw_lex(x->value);
    bool loss = false;
    if (!x->quoted)
        return;
    do {
        struct sw_slice algo = sw_lex_run(&l, SW_CH_TOKEN);
        for (size_t i = 0; i < algo.n; i++)
            if (!is_algo(algo.p[i]))
                return;
        if (algo.n == 0)
            return;
        loss |= sw_slice_eq_case(algo, SW_SLICE("loss"));
    } while (sw_lex_sep(&l, ','));
    if (!sw_lex_end(&l))
        return;
    o->algos = x->value;
    o->loss = loss;
}

void sw_via_overload(const struct sw_via *v, struct sw_overload *out)
{
    static const struct {
        const char *name;
        void (*take)(const struct sw_param *x, struct sw_overload *o);
    } names[] = {{"oc", overload_oc},
                 {"oc-algo", overload_algo},
                 {"oc-validity", overload_validity},
                 {"oc-seq", overload_seq}};
    struct sw_overload o = {.validity_ms = 500};
    struct sw_lex l = sw_lex(v->params);
    struct sw_param x;
    unsigned seen = 0;
    while (sw_param_next(&l, &x) == SW_OK)
        for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            if (!(seen >> i & 1) && sw_slice_eq_case(x.name, sw_slice_str(names[i].name))) {
                seen |= 1u << i;
                names[i].take(&x, &o);
            }
    if (o.has_validity && o.validity_ms && !o.supported) { /* RFC 7339 4.3 */
        o.has_validity = false;
        o.validity_ms = 500;
    }
    *out = o;
}

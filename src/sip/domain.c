#include "sip/domain.h"

#include "sip/uri.h"

static bool dns_name(struct sw_slice s)
{
    if (s.n == 0 || s.n > 253)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!sw_ch(s.p[i], SW_CH_HOST))
            return false;
    return true;
}

/* "*.example.com": at least two labels follow. */
static bool is_wildcard(struct sw_slice s)
{
    struct sw_slice rest = sw_slice_from(s, 2);
    return s.n > 2 && s.p[0] == '*' && s.p[1] == '.' && dns_name(rest) &&
           sw_slice_find(rest, '.') < rest.n;
}

/* The host of a sip URI without user part. Scheme tokens are case-insensitive; sips is no identity.
 * RFC 5922 7.1 */
static bool uri_identity(struct sw_slice text, struct sw_slice *domain)
{
    struct sw_uri u;
    if (sw_uri_parse(text, &u, NULL) != SW_OK || u.scheme != SW_SCHEME_SIP || u.userinfo.p)
        return false;
    *domain = u.host;
    return true;
}

static bool has_uri_identity(const struct sw_ident *ident)
{
    struct sw_slice domain;
    for (uint32_t i = 0; i < ident->name_count; i++)
        if (ident->names[i].kind == SW_NAME_URI && uri_identity(ident->names[i].text, &domain))
            return true;
    return false;
}

bool sw_domain_identity(const struct sw_ident *ident, uint32_t i, struct sw_slice *domain)
{
    const struct sw_cert_name *name = &ident->names[i];
    switch (name->kind) {
    case SW_NAME_URI:
        return uri_identity(name->text, domain);
    case SW_NAME_DNS:
        if (!dns_name(name->text) || has_uri_identity(ident))
            return false;
        *domain = name->text;
        return true;
    case SW_NAME_CN: /* only listed if there is no subjectAltName */
        if (!dns_name(name->text))
            return false;
        *domain = name->text;
        return true;
    default:
        return false;
    }
}

bool sw_domain_wildcard(const struct sw_ident *ident, uint32_t i, struct sw_slice *pattern)
{
    const struct sw_cert_name *name = &ident->names[i];
    if ((name->kind != SW_NAME_DNS && name->kind != SW_NAME_CN) || !is_wildcard(name->text) ||
        has_uri_identity(ident))
        return false;
    *pattern = name->text;
    return true;
}

static struct sw_slice undot(struct sw_slice s)
{
    return s.n > 1 && s.p[s.n - 1] == '.' ? sw_slice(s.p, s.n - 1) : s;
}

bool sw_domain_eq(struct sw_slice a, struct sw_slice b)
{
    return a.n > 0 && sw_slice_eq_case(undot(a), undot(b));
}

/* "*.example.com" stands for exactly one label in its place; never for more, never for part of one.
 */
bool sw_domain_covers(struct sw_slice pattern, struct sw_slice wanted)
{
    size_t dot = sw_slice_find(wanted, '.');
    struct sw_endpoint ip;
    if (sw_endpoint_ip_parse(wanted, &ip)) /* an address has no labels */
        return false;
    return is_wildcard(pattern) && dot > 0 && dot < wanted.n && wanted.p[0] != '*' &&
           sw_domain_eq(sw_slice_from(pattern, 2), sw_slice_from(wanted, dot + 1));
}

bool sw_domain_proves(const struct sw_ident *ident, struct sw_slice wanted, enum sw_verify verify,
                      const struct sw_endpoint *address)
{
    struct sw_slice domain;
    for (uint32_t i = 0; i < ident->name_count; i++) {
        const struct sw_cert_name *name = &ident->names[i];
        if (verify == SW_VERIFY_ADDRESS && name->kind == SW_NAME_IP &&
            sw_endpoint_ip_eq(&name->ip, address))
            return true;
        if (sw_domain_identity(ident, i, &domain) && sw_domain_eq(domain, wanted))
            return true;
        if (verify == SW_VERIFY_WILDCARD && sw_domain_wildcard(ident, i, &domain) &&
            sw_domain_covers(domain, wanted))
            return true;
    }
    return false;
}

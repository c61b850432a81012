#include "proxy/local.h"

#include "crypto/siphash.h"

uint32_t sw_local_domain_id(struct sw_slice domain)
{
    /* nodes that share a seal_key have the same, and the names are those of the configuration */
    const struct sw_sip_key fixed = {UINT64_C(0x5369707761726421), UINT64_C(0x6f757220646f6d21)};
    struct sw_siphash h;
    sw_siphash_init(&h, fixed);
    sw_siphash_slice_lower(&h, domain);
    uint32_t id = (uint32_t)sw_siphash_end(&h).a;
    return id ? id : 1;
}

static bool is_domain(const struct sw_proxy_conf *c, struct sw_slice lower)
{
    uint32_t low = 0, high = c->domain_count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        int d = sw_slice_order(c->domains[mid], lower);
        if (d == 0)
            return true;
        if (d < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}

uint32_t sw_local_domain_named(const struct sw_proxy_conf *c, struct sw_slice host)
{
    char lower[256];
    if (c->domain_count < 2)
        return 0;
    if (host.n && host.p[host.n - 1] == '.')
        host.n--;
    if (host.n == 0 || host.n > sizeof(lower))
        return 0;
    for (size_t i = 0; i < host.n; i++)
        lower[i] = sw_ascii_lower(host.p[i]);
    struct sw_slice name = sw_slice(lower, host.n);
    return is_domain(c, name) ? sw_local_domain_id(name) : 0;
}

static uint32_t of_row(const struct sw_proxy_conf *c, const struct sw_msg *m, enum sw_hdr_id row)
{
    struct sw_addr a;
    struct sw_uri u;
    bool named = sw_addr_parse(sw_msg_value(m, row), &a) == SW_OK &&
                 sw_uri_parse(a.uri, &u, NULL) == SW_OK && sw_uri_is_sip(&u);
    return named ? sw_local_domain_named(c, u.host) : 0;
}

uint32_t sw_local_domain(const struct sw_proxy_conf *c, const struct sw_msg *m,
                         const struct sw_uri *uri)
{
    if (c->domain_count < 2) /* most of the time: nothing is parsed */
        return 0;
    uint32_t id = of_row(c, m, SW_HDR_FROM);
    if (!id && sw_uri_is_sip(uri))
        id = sw_local_domain_named(c, uri->host);
    return id ? id : of_row(c, m, SW_HDR_TO);
}

uint32_t sw_local_domain_of_text(struct sw_proxy *p, struct sw_slice text)
{
    struct sw_msg m;
    struct sw_uri u;
    if (p->conf->domain_count < 2)
        return 0;
    struct sw_hdr *hdrs = sw_arena_get(&p->e->scratch, SW_HDRS_MAX * sizeof(*hdrs));
    if (!hdrs || sw_msg_parse(text.p, text.n, hdrs, SW_HDRS_MAX, &m) != SW_OK ||
        sw_uri_parse(sw_msg_uri(&m), &u, NULL) != SW_OK)
        return 0;
    return sw_local_domain(p->conf, &m, &u);
}

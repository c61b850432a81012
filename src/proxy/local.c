#include "proxy/local.h"

#include "base/local.h"
#include "crypto/siphash.h"

uint32_t sw_local_domain_id(struct sw_slice domain)
{
    /* nodes that share a seal_key have the same, and the names are those of the configuration */
    const struct sw_sip_key fixed = {UINT64_C(0x5369707761726421), UINT64_C(0x6f757220646f6d21)};
    struct sw_siphash h;
    sw_siphash_init(&h, fixed);
    sw_siphash_slice_lower(&h, domain);
    uint32_t id = (uint32_t)sw_siphash_end(&h).a;
    return id && id != SW_LOCAL_SHARED ? id : 1;
}

uint32_t sw_local_domain_none(const struct sw_proxy_conf *c, uint32_t peer)
{
    const struct sw_peer_conf *p = sw_proxy_peer(c, peer);
    return p && p->shares_domains ? SW_LOCAL_SHARED : 0;
}

/* Most of the time they are not, and nothing is parsed. */
static bool are_told_apart(const struct sw_proxy_conf *c, uint32_t peer)
{
    return c->domain_count > 1 && !sw_local_domain_none(c, peer);
}

static uint32_t id_of(const struct sw_proxy_conf *c, struct sw_slice host)
{
    const struct sw_slice *domain = sw_proxy_domain(c, host);
    return domain ? sw_local_domain_id(*domain) : 0;
}

uint32_t sw_local_domain_named(const struct sw_proxy_conf *c, uint32_t peer, struct sw_slice host)
{
    return are_told_apart(c, peer) ? id_of(c, host) : sw_local_domain_none(c, peer);
}

static uint32_t of_row(const struct sw_proxy_conf *c, const struct sw_msg *m, enum sw_hdr_id row)
{
    struct sw_addr a;
    struct sw_uri u;
    bool named = sw_addr_parse(sw_msg_value(m, row), &a) == SW_OK &&
                 sw_uri_parse(a.uri, &u, NULL) == SW_OK && sw_uri_is_sip(&u);
    return named ? id_of(c, u.host) : 0;
}

uint32_t sw_local_domain(const struct sw_proxy_conf *c, uint32_t peer, const struct sw_msg *m,
                         const struct sw_uri *uri)
{
    if (!are_told_apart(c, peer))
        return sw_local_domain_none(c, peer);
    uint32_t id = of_row(c, m, SW_HDR_FROM);
    if (!id && sw_uri_is_sip(uri))
        id = id_of(c, uri->host);
    return id ? id : of_row(c, m, SW_HDR_TO);
}

uint32_t sw_local_domain_of_text(struct sw_proxy *p, uint32_t peer, struct sw_slice text)
{
    struct sw_msg m;
    struct sw_uri u;
    if (!are_told_apart(p->conf, peer))
        return sw_local_domain_none(p->conf, peer);
    struct sw_hdr *hdrs = sw_arena_get(&p->e->scratch, SW_HDRS_MAX * sizeof(*hdrs));
    if (!hdrs || sw_msg_parse(text.p, text.n, hdrs, SW_HDRS_MAX, &m) != SW_OK ||
        sw_uri_parse(sw_msg_uri(&m), &u, NULL) != SW_OK)
        return 0;
    return sw_local_domain(p->conf, peer, &m, &u);
}

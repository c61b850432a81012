#include "proxy/conf.h"

#include "crypto/siphash.h"
#include "proxy/rules.h"
#include <stdlib.h>

int sw_slice_order(struct sw_slice a, struct sw_slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n ? memcmp(a.p, b.p, n) : 0;
    return d ? d : (a.n > b.n) - (a.n < b.n);
}

static int name_order(const void *x, const void *y)
{
    const struct sw_peer_name *a = x, *b = y;
    int d = sw_slice_order(a->name, b->name);
    return d ? d : (a->peer > b->peer) - (a->peer < b->peer);
}

static int ip_order(const struct sw_endpoint *a, const struct sw_endpoint *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    return memcmp(a->ip, b->ip, sizeof(a->ip));
}

static int source_order(const void *x, const void *y)
{
    const struct sw_peer_source *a = x, *b = y;
    int d = ip_order(&a->ip, &b->ip);
    return d ? d : (a->peer > b->peer) - (a->peer < b->peer);
}

static int id_order(const void *x, const void *y, void *user)
{
    const struct sw_proxy_conf *c = user;
    uint32_t a = c->peers[*(const uint16_t *)x].id, b = c->peers[*(const uint16_t *)y].id;
    return (a > b) - (a < b);
}

static bool whole_address(const struct sw_cidr *r)
{
    return r->bits == (r->base.family == 4 ? 32 : 128);
}

static bool has_range(const struct sw_peer_conf *p)
{
    for (uint32_t i = 0; i < p->source_count; i++)
        if (!whole_address(&p->sources[i]))
            return true;
    return false;
}

static void index_peer(struct sw_proxy_conf *c, uint16_t i)
{
    const struct sw_peer_conf *p = &c->peers[i];
    c->by_id[i] = i;
    for (uint32_t k = 0; k < p->domain_count; k++)
        c->by_domain[c->by_domain_count++] = (struct sw_peer_name){p->domains[k], i};
    for (uint32_t k = 0; k < p->source_count; k++)
        if (whole_address(&p->sources[k]))
            c->by_source[c->by_source_count++] = (struct sw_peer_source){p->sources[k].base, i};
    if (has_range(p))
        c->by_range[c->by_range_count++] = i;
    c->hides |= p->hide_inside;
    c->any_dane |= p->dane;
    if (p->best_effort)
        c->clear[c->clear_count++] = i;
    if (p->verify == SW_VERIFY_WILDCARD || p->verify == SW_VERIFY_ADDRESS || p->pin_count)
        c->wide[c->wide_count++] = i;
}

static bool index_rules(struct sw_proxy_conf *c)
{
    size_t n = 0;
    for (uint32_t i = 0; i < c->route_count; i++)
        n += c->routes[i].match ? c->routes[i].match->header_count : 0;
    c->rule_headers = calloc(n + 1, sizeof(*c->rule_headers));
    for (uint32_t i = 0; c->rule_headers && i < c->route_count; i++) {
        const struct sw_rule_match *m = c->routes[i].match;
        for (uint32_t k = 0; m && k < m->header_count; k++) {
            uint32_t seen = 0;
            while (seen < c->rule_header_count &&
                   !sw_slice_eq_case(c->rule_headers[seen]->name, m->headers[k].header.name))
                seen++;
            if (seen == c->rule_header_count)
                c->rule_headers[c->rule_header_count++] = &m->headers[k].header;
        }
        c->rule_sources |= m && m->source_count;
    }
    return c->rule_headers;
}

static bool strangers_have_dane(const struct sw_proxy_conf *c)
{
    for (uint32_t i = 0; i < c->listener_count; i++)
        if (c->listeners[i].dane)
            return true;
    return false;
}

/* A key of their own for what is hidden, from each key that seals: RFC 5869 3.2 */
static void hide_keys(struct sw_proxy_conf *c)
{
    const struct sw_slice label = SW_SLICE("sipward hide");
    sw_siv_key_init(&c->hide_key[0], &c->seal_key, label);
    for (uint32_t i = 0; i < c->seal_older_count; i++)
        sw_siv_key_init(&c->hide_key[i + 1], &c->seal_older[i], label);
}

struct sw_sip_key sw_proxy_domain_key(const struct sw_hmac_key *of)
{
    const struct sw_slice label = SW_SLICE("sipward domain");
    uint8_t digest[SW_SHA256_BYTES];
    struct sw_sip_key key;
    sw_hmac(of, &label, 1, digest);
    memcpy(&key, digest, sizeof(key));
    return key;
}

/* Of the oldest key: the first node that is started with a new one in front of it has the same. */
static const struct sw_hmac_key *oldest(const struct sw_proxy_conf *c)
{
    return c->seal_older_count ? &c->seal_older[c->seal_older_count - 1] : &c->seal_key;
}

enum sw_status sw_proxy_conf_index(struct sw_proxy_conf *c)
{
    size_t names = 1, sources = 1, peers = c->peer_count + 1;
    for (uint32_t i = 0; i < c->peer_count; i++) {
        names += c->peers[i].domain_count;
        sources += c->peers[i].source_count;
    }
    c->by_domain = calloc(names, sizeof(*c->by_domain));
    c->by_source = calloc(sources, sizeof(*c->by_source));
    c->by_range = calloc(peers, sizeof(*c->by_range));
    c->by_id = calloc(peers, sizeof(*c->by_id));
    c->clear = calloc(peers, sizeof(*c->clear));
    c->wide = calloc(peers, sizeof(*c->wide));
    if (!index_rules(c) || !c->by_domain || !c->by_source || !c->by_range || !c->by_id ||
        !c->clear || !c->wide) {
        sw_proxy_conf_fini(c);
        return SW_LIMIT_MEMORY;
    }
    if (!c->has_domain_key)
        c->domain_key = sw_proxy_domain_key(oldest(c));
    c->any_dane |= strangers_have_dane(c);
    for (uint32_t i = 0; i < c->peer_count; i++)
        index_peer(c, (uint16_t)i);
    hide_keys(c);
    qsort(c->by_domain, c->by_domain_count, sizeof(*c->by_domain), name_order);
    qsort(c->by_source, c->by_source_count, sizeof(*c->by_source), source_order);
    qsort_r(c->by_id, c->peer_count, sizeof(*c->by_id), id_order, c);
    return SW_OK;
}

void sw_proxy_conf_fini(struct sw_proxy_conf *c)
{
    free(c->by_domain);
    free(c->by_source);
    free(c->by_range);
    free(c->by_id);
    free(c->clear);
    free(c->wide);
    free(c->rule_headers);
    c->rule_headers = NULL;
    c->rule_header_count = 0;
    c->rule_sources = false;
    c->by_domain = NULL;
    c->by_source = NULL;
    c->by_range = c->by_id = c->clear = c->wide = NULL;
    c->by_domain_count = c->by_source_count = c->by_range_count = 0;
    c->clear_count = c->wide_count = 0;
}

const struct sw_peer_conf *sw_proxy_peer(const struct sw_proxy_conf *c, uint32_t id)
{
    uint32_t low = 0, high = c->peer_count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        const struct sw_peer_conf *p = &c->peers[c->by_id[mid]];
        if (p->id == id)
            return p;
        if (p->id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

const struct sw_peer_conf *sw_proxy_peer_of_domain(const struct sw_proxy_conf *c,
                                                   struct sw_slice domain)
{
    char lower[256];
    uint32_t low = 0, high = c->by_domain_count;
    if (domain.n && domain.p[domain.n - 1] == '.')
        domain.n--;
    if (domain.n > sizeof(lower))
        return NULL;
    for (size_t i = 0; i < domain.n; i++)
        lower[i] = sw_ascii_lower(domain.p[i]);
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (sw_slice_order(c->by_domain[mid].name, sw_slice(lower, domain.n)) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < c->by_domain_count && sw_domain_eq(c->by_domain[low].name, domain); low++)
        if (c->peers[c->by_domain[low].peer].tls)
            return &c->peers[c->by_domain[low].peer];
    return NULL;
}

uint32_t sw_peer_domain(const struct sw_peer_conf *p, struct sw_slice host)
{
    for (uint32_t i = 0; i < p->domain_count; i++)
        if (sw_domain_eq(p->domains[i], host))
            return i + 1;
    return 0;
}

/* Peers have the lower half of the numbers and proved domains the upper one: nobody can find a
 * domain that is taken for a peer. */
uint32_t sw_proxy_peer_id(struct sw_slice name)
{
    struct sw_sip_key fixed = {UINT64_C(0x5369707761726421), UINT64_C(0x7065657220696421)};
    uint32_t id = (uint32_t)sw_siphash64(fixed, name.p, name.n) & INT32_MAX;
    return id > SW_PEER_VERIFIED ? id : id + 2;
}

uint32_t sw_proxy_domain_id(const struct sw_proxy_conf *c, struct sw_slice domain)
{
    struct sw_siphash h;
    if (domain.n && domain.p[domain.n - 1] == '.')
        domain.n--;
    sw_siphash_init(&h, c->domain_key);
    sw_siphash_slice_lower(&h, domain);
    return (uint32_t)sw_siphash_end(&h).a | UINT32_C(0x80000000);
}

const struct sw_slice *sw_proxy_domain(const struct sw_proxy_conf *c, struct sw_slice host)
{
    char lower[256];
    if (host.n && host.p[host.n - 1] == '.')
        host.n--;
    if (host.n == 0 || host.n > sizeof(lower))
        return NULL;
    for (size_t i = 0; i < host.n; i++)
        lower[i] = sw_ascii_lower(host.p[i]);
    struct sw_slice name = sw_slice(lower, host.n);
    uint32_t low = 0, high = c->domain_count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        int d = sw_slice_order(c->domains[mid], name);
        if (d == 0)
            return &c->domains[mid];
        if (d < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static bool listener_is_meant(const struct sw_listener_conf *l, struct sw_slice host,
                              const struct sw_endpoint *ip, uint16_t port)
{
    struct sw_endpoint advertised;
    if (ip) {
        bool bound = sw_endpoint_ip_eq(&l->address, ip) && (!port || port == l->address.port);
        return bound || (sw_endpoint_ip_parse(l->host, &advertised) &&
                         sw_endpoint_ip_eq(&advertised, ip) && (!port || port == l->port));
    }
    return sw_domain_eq(l->host, host) && (!port || port == l->port || port == l->address.port);
}

bool sw_proxy_is_ours(const struct sw_proxy_conf *c, struct sw_slice host, uint16_t port)
{
    struct sw_endpoint ip;
    bool numeric = sw_endpoint_ip_parse(host, &ip);
    if (sw_proxy_domain(c, host))
        return true;
    for (uint32_t i = 0; i < c->listener_count; i++)
        if (listener_is_meant(&c->listeners[i], host, numeric ? &ip : NULL, port))
            return true;
    return false;
}

bool sw_proxy_is_clear_address(const struct sw_proxy_conf *c, const struct sw_endpoint *e)
{
    for (uint32_t i = 0; i < c->clear_count; i++)
        if (sw_endpoint_ip_eq(&c->peers[c->clear[i]].clear_address, e))
            return true;
    return false;
}

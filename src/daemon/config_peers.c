/* Peers of a configuration. */
#include "daemon/config_groups.h"

#include "sip/lex.h"

#include <stdlib.h>

enum { PING_MS = 30000, TIMEOUT_MS = 4000 };

static void transports(struct sw_config_build *b, const struct sw_peer_directive *d,
                       struct sw_peer_conf *p)
{
    for (size_t i = 0; i < d->transport.count; i++) {
        p->tls |= sw_text_is(&d->transport.t[i], "tls");
        p->udp |= sw_text_is(&d->transport.t[i], "udp");
        p->tcp |= sw_text_is(&d->transport.t[i], "tcp");
    }
    if (!d->transport.given)
        p->tls = true;
    if (p->tls && (p->udp || p->tcp))
        sw_diag_error(b->diags, d->transport.mark,
                      "transport: tls does not go with others (tls, tcp, udp or [udp, tcp])");
}

static bool fits(const struct sw_peer_conf *p, const struct sw_listener_conf *l)
{
    switch ((enum sw_transport)l->transport) {
    case SW_TLS:
        return p->tls;
    case SW_TCP:
        return p->tcp && !p->udp;
    default: /* a udp listener also takes tcp */
        return p->udp || p->tcp;
    }
}

/* The listener whose address the peer sees: the first of its transport unless it is named. */
static void listener(struct sw_config_build *b, const struct sw_peer_directive *d,
                     struct sw_peer_conf *p)
{
    const struct sw_proxy_conf *c = &b->c->proxy;
    if (d->listen.s.p) {
        int64_t i = sw_names_find(b, &b->c->listener_names, &d->listen, "listen");
        if (i >= 0 && !fits(p, &c->listeners[i]))
            sw_diag_error(b->diags, d->listen.mark,
                          "listen: \"%s\" has another transport than the peer", d->listen.s.p);
        p->listener = i < 0 ? 0 : (uint16_t)i;
        return;
    }
    for (uint32_t i = 0; i < c->listener_count; i++)
        if (fits(p, &c->listeners[i])) {
            p->listener = (uint16_t)i;
            return;
        }
    sw_diag_error(b->diags, d->mark,
                  "no listener has the transport of peer \"%s\" (add one: it sends from there)",
                  d->name.s.p ? d->name.s.p : "");
}

static struct sw_slice lower(struct sw_config_build *b, struct sw_slice s)
{
    if (s.n && s.p[s.n - 1] == '.')
        s.n--;
    char *p = sw_config_alloc(b, s.n);
    if (!p)
        return sw_slice("", 0);
    for (size_t i = 0; i < s.n; i++)
        p[i] = sw_ascii_lower(s.p[i]);
    return sw_slice(p, s.n);
}

static void domains(struct sw_config_build *b, const struct sw_peer_directive *d,
                    struct sw_peer_conf *p)
{
    struct sw_slice *list = sw_config_alloc(b, d->domain.count * sizeof(*list));
    if (!list)
        return;
    for (size_t i = 0; i < d->domain.count; i++) {
        list[i] = lower(b, d->domain.t[i].s);
        struct sw_lex l = sw_lex(list[i]);
        struct sw_slice host;
        if (!sw_lex_host(&l, &host) || !sw_lex_end(&l))
            sw_diag_error(b->diags, d->domain.t[i].mark,
                          "domain: \"%s\" is no domain name (without scheme, user and port)",
                          d->domain.t[i].s.p);
    }
    p->domains = list;
    p->domain_count = (uint32_t)d->domain.count;
}

static void addresses(struct sw_config_build *b, const struct sw_peer_directive *d,
                      struct sw_peer_conf *p)
{
    struct sw_endpoint *list = sw_config_alloc(b, d->address.count * sizeof(*list));
    uint16_t port = sw_transport_port(p->tls ? SW_TLS : SW_UDP);
    if (!list)
        return;
    for (size_t i = 0; i < d->address.count; i++)
        if (!sw_endpoint_parse(d->address.t[i].s, port, &list[i]) || !list[i].port)
            sw_diag_error(
                b->diags, d->address.t[i].mark,
                "address: \"%s\" cannot be read (IP:PORT, IP, [IPv6]:PORT or [IPv6]; names "
                "are looked up by domain)",
                d->address.t[i].s.p);
    p->addresses = list;
    p->address_count = (uint32_t)d->address.count;
    if (p->address_count == 0 && p->domain_count == 0)
        sw_diag_note(b->diags, d->mark,
                     "peer \"%s\" has neither address nor domain: it is reached only over "
                     "connections that it opened itself",
                     d->name.s.p ? d->name.s.p : "");
    if (p->address_count == 0 && !p->tls && !d->source.given)
        sw_diag_warning(b->diags, d->mark,
                        "peer \"%s\" has no address and no source: it can be called, and what it "
                        "sends itself is nobody's (give it a source)",
                        d->name.s.p ? d->name.s.p : "");
}

static void sources(struct sw_config_build *b, const struct sw_peer_directive *d,
                    struct sw_peer_conf *p)
{
    size_t count = d->source.given ? d->source.count : p->address_count;
    struct sw_cidr *list = sw_config_alloc(b, count * sizeof(*list));
    if (!list)
        return;
    for (size_t i = 0; i < count; i++) {
        if (!d->source.given) {
            list[i].base = p->addresses[i];
            list[i].base.port = 0;
            list[i].bits = p->addresses[i].family == 4 ? 32 : 128;
        } else if (!sw_cidr_parse(d->source.t[i].s, &list[i])) {
            sw_diag_error(b->diags, d->source.t[i].mark,
                          "source: \"%s\" cannot be read (IP or IP/BITS, without bits behind the "
                          "prefix)",
                          d->source.t[i].s.p);
        }
    }
    p->sources = list;
    p->source_count = (uint32_t)count;
}

static const char *wanted_text(struct sw_config_build *b, const struct sw_peer_conf *p)
{
    size_t n = 32;
    for (uint32_t i = 0; i < p->domain_count; i++)
        n += p->domains[i].n + 1;
    char *text = sw_config_alloc(b, n);
    struct sw_buf t = sw_buf(text, n);
    if (!text)
        return "";
    if (p->pin_count)
        sw_buf_lit(&t, "its pinned certificate");
    for (uint32_t i = 0; i < p->domain_count && !p->pin_count; i++) {
        if (i)
            sw_buf_char(&t, ' ');
        sw_buf_slice(&t, p->domains[i]);
    }
    return t.p;
}

/* The rules that widen what a peer's certificate must be; each is told. */
static void verify(struct sw_config_build *b, const struct sw_peer_directive *d,
                   struct sw_peer_conf *p)
{
    const char *name = d->name.s.p ? d->name.s.p : "";
    p->verify = sw_text_is(&d->verify, "wildcard")  ? SW_VERIFY_WILDCARD
                : sw_text_is(&d->verify, "address") ? SW_VERIFY_ADDRESS
                : sw_text_is(&d->verify, "chain")   ? SW_VERIFY_CHAIN
                                                    : SW_VERIFY_DOMAIN;
    p->purposes = sw_text_is(&d->purposes, "server-is-enough") ? SW_PURPOSES_SERVER_IS_ENOUGH
                  : sw_text_is(&d->purposes, "any")            ? SW_PURPOSES_ANY
                                                               : SW_PURPOSES_STRICT;
    if (p->verify == SW_VERIFY_CHAIN)
        sw_diag_warning(b->diags, d->verify.mark,
                        "verify: chain does not ask peer \"%s\" for its name: whoever has a "
                        "certificate of the same CA can stand in for it",
                        name);
    else if (p->verify == SW_VERIFY_ADDRESS && p->address_count + p->source_count == 0)
        sw_diag_warning(b->diags, d->verify.mark,
                        "verify: address on peer \"%s\", which has neither address nor source: "
                        "whoever has a certificate of the same CA for its own address can stand in "
                        "for it",
                        name);
    else if (p->verify != SW_VERIFY_DOMAIN)
        sw_diag_warning(b->diags, d->verify.mark,
                        "verify: %s widens the name rule of RFC 5922 for peer \"%s\"",
                        d->verify.s.p, name);
    if (p->purposes != SW_PURPOSES_STRICT)
        sw_diag_warning(b->diags, d->purposes.mark,
                        p->purposes == SW_PURPOSES_ANY
                            ? "purposes: %s does not mind the extendedKeyUsage of peer \"%s\""
                            : "purposes: %s lets peer \"%s\" connect with a certificate that is "
                              "for servers only",
                        d->purposes.s.p, name);
}

/* What each log line of its connections says of the rule that holds. */
static void rules_in_words(const struct sw_peer_directive *d, const struct sw_peer_conf *p,
                           struct sw_conn_peer *cp)
{
    static const char *const words[] = {"domain", "wildcard", "address", "chain"};
    cp->verify = p->pin_count ? "pin" : words[p->verify];
    cp->chain_only = !p->pin_count && p->verify == SW_VERIFY_CHAIN;
    cp->purposes = p->purposes == SW_PURPOSES_STRICT ? NULL : d->purposes.s.p;
    cp->pins = p->pins;
    cp->pin_count = p->pin_count;
}

static bool trusts_entry(const struct sw_listen_directive *l, const struct sw_text *name)
{
    for (size_t i = 0; i < l->trust.count; i++)
        if (sw_slice_eq(l->trust.t[i].s, name->s))
            return true;
    return false;
}

/* What it takes to believe the peer, and to be believed by it. */
static void tls(struct sw_config_build *b, const struct sw_peer_directive *d,
                struct sw_peer_conf *p, struct sw_conn_peer *cp)
{
    struct sw_config *c = b->c;
    const struct sw_listen_directive *l = c->d.listen.item;
    int64_t trust = sw_names_find(b, &c->trust_names, &d->trust, "trust");
    if (!d->trust.s.p && !sw_text_is(&d->dane, "on"))
        sw_diag_error(b->diags, d->mark, "a tls peer lacks \"trust\" (it must be given)");
    if (trust >= 0) {
        const struct sw_trust_entry *e = &c->trusts[trust];
        uint32_t index = (uint32_t)trust;
        p->trust = e->id;
        cp->trust = e->name;
        if (e->pin_count && !e->anchors.count) {
            p->pins = e->pins;
            p->pin_count = (uint32_t)e->pin_count;
        }
        cp->tls.trust = sw_config_store(b, &index, 1);
        if (p->listener < c->d.listen.count && !trusts_entry(&l[p->listener], &d->trust))
            sw_diag_warning(
                b->diags, d->trust.mark,
                "listener \"%s\" does not trust \"%s\": connections that this peer opens "
                "will be refused (add it to the listener's trust)",
                l[p->listener].name.s.p, d->trust.s.p);
    }
    if (!p->domain_count && !p->pin_count && d->trust.s.p)
        sw_diag_error(
            b->diags, d->mark,
            "a tls peer lacks \"domain\" (the names its certificate must prove, unless its "
            "trust is pinned)");
    rules_in_words(d, p, cp);
    cp->tls.scope = d->name.s.p ? d->name.s.p : "";
    cp->tls.policy = sw_config_policy(b, &d->policy, "peer", &d->name);
    if (p->domain_count && p->domains[0].n) {
        struct sw_endpoint ip;
        if (!sw_endpoint_ip_parse(p->domains[0], &ip)) /* RFC 5922 7.8, RFC 9325 3.7 */
            cp->tls.server_name = p->domains[0].p;
    }
    if (sw_text_is(&d->identity, "none"))
        return;
    if (d->identity.s.p) {
        int64_t id = sw_names_find(b, &c->identity_names, &d->identity, "identity");
        cp->tls.identity = id < 0 ? NULL : &c->identities[id];
    } else if (p->listener < c->proxy.listener_count) {
        cp->tls.identity = c->conn_listeners[p->listener].tls.identity;
    }
}

static void in_the_clear(struct sw_config_build *b, const struct sw_peer_directive *d,
                         struct sw_peer_conf *p)
{
    p->best_effort = sw_text_is(&d->security, "best-effort");
    if (d->clear_address.s.p && !sw_endpoint_parse(d->clear_address.s, 5060, &p->clear_address))
        sw_diag_error(b->diags, d->clear_address.mark,
                      "clear_address: \"%s\" cannot be read (IP:PORT)", d->clear_address.s.p);
    if (!p->best_effort && d->clear_address.s.p)
        sw_diag_warning(b->diags, d->clear_address.mark,
                        "clear_address is not used: nothing leaves without TLS for a peer with "
                        "security: tls-only");
    if (!p->best_effort && d->security.s.p && !p->tls)
        sw_diag_error(b->diags, d->security.mark,
                      "security: tls-only on a peer without TLS: it would get everything in the "
                      "clear (transport: tls, or no security)");
    if (!p->best_effort)
        return;
    b->c->proxy.best_effort = true;
    if (!p->tls)
        sw_diag_error(b->diags, d->security.mark, "security: best-effort is for tls peers");
    if (!d->clear_address.s.p)
        sw_diag_error(b->diags, d->security.mark,
                      "security: best-effort needs clear_address (where to send without TLS)");
    sw_diag_warning(
        b->diags, d->security.mark,
        "security: best-effort lets sip requests to peer \"%s\" leave without TLS when it "
        "refuses TLS",
        d->name.s.p ? d->name.s.p : "");
}

static void sips(struct sw_config_build *b, const struct sw_peer_directive *d,
                 struct sw_peer_conf *p)
{
    const char *name = d->name.s.p ? d->name.s.p : "";
    p->sips = sw_text_is(&d->sips, "require") ? SW_SIPS_REQUIRE
              : sw_text_is(&d->sips, "deny")  ? SW_SIPS_DENY
                                              : SW_SIPS_ALLOW;
    p->sip_contact = sw_text_is(&d->sips_contact, "tolerate");
    if (p->sips == SW_SIPS_REQUIRE && !p->tls)
        sw_diag_warning(b->diags, d->sips.mark,
                        "sips: require on peer \"%s\", which has no TLS: no request from or to it "
                        "is accepted",
                        name);
    if (p->sips == SW_SIPS_REQUIRE && p->tls && p->verify == SW_VERIFY_CHAIN && !p->pin_count)
        sw_diag_warning(b->diags, d->sips.mark,
                        "sips: require with verify: chain: nothing reaches peer \"%s\", as sips "
                        "needs a proved name",
                        name);
    if (p->sip_contact)
        sw_diag_warning(b->diags, d->sips_contact.mark,
                        "sips_contact: tolerate: in sips calls of peer \"%s\" requests may come "
                        "back to a sip URI, and so without TLS behind it",
                        name);
}

/* What takes the place of our host in a Request-URI: the domain without port, or the address. */
static void retarget(struct sw_config_build *b, struct sw_peer_conf *p)
{
    char *text = sw_config_alloc(b, SW_ENDPOINT_TEXT_MAX);
    if (p->domain_count) {
        p->retarget = p->domains[0];
    } else if (p->address_count && text) {
        sw_endpoint_text(&p->addresses[0], text);
        p->retarget = sw_slice_str(text);
    }
}

static void one_peer(struct sw_config_build *b, const struct sw_peer_directive *d, uint32_t i)
{
    struct sw_peer_conf *p = &((struct sw_peer_conf *)(uintptr_t)b->c->proxy.peers)[i];
    struct sw_conn_peer *cp = &b->c->conn_peers[i];
    p->name = d->name.s;
    p->id = sw_proxy_peer_id(d->name.s.p ? d->name.s : sw_slice("", 0));
    transports(b, d, p);
    listener(b, d, p);
    domains(b, d, p);
    addresses(b, d, p);
    sources(b, d, p);
    verify(b, d, p);
    if (p->tls)
        tls(b, d, p, cp);
    in_the_clear(b, d, p);
    retarget(b, p);
    sw_config_peer_rules(b, d, p);
    sips(b, d, p);
    p->reverse = sw_text_is(&d->reverse, "alias")   ? SW_REVERSE_ALIAS
                 : sw_text_is(&d->reverse, "never") ? SW_REVERSE_NEVER
                                                    : SW_REVERSE_FLOW;
    p->shares_domains = sw_text_is(&d->local_domains, "shared");
    sw_config_reuse(b, d, p, cp);
    p->without_certificate = sw_text_is(&d->without_certificate, "allow");
    if (p->without_certificate)
        sw_diag_warning(b->diags, d->without_certificate.mark,
                        "without_certificate: allow: an address alone stands for peer \"%s\"",
                        d->name.s.p ? d->name.s.p : "");
    p->ping_ms = d->ping.given ? (uint32_t)d->ping.v : PING_MS;
    p->timeout_ms = d->timeout.given ? (uint32_t)d->timeout.v : TIMEOUT_MS;
    p->hide_inside = d->hide_inside.v;
    if (p->hide_inside && !b->c->d.seal_key.count)
        sw_diag_warning(b->diags, d->hide_inside.mark,
                        "hide_inside: what is hidden cannot be found again after a restart (give a "
                        "seal_key)");
    sw_config_peer_group(b, d, p, cp);
    cp->id = p->id;
    cp->name = d->name.s.p ? d->name.s.p : "";
    cp->wanted = wanted_text(b, p);
}

static int peer_order(const void *a, const void *b)
{
    const struct sw_conn_peer *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

void sw_config_peers(struct sw_config_build *b)
{
    struct sw_config *c = b->c;
    const struct sw_peer_directive *d = c->d.peers.item;
    uint32_t n = (uint32_t)c->d.peers.count;
    c->proxy.peers = sw_config_alloc(b, n * sizeof(*c->proxy.peers));
    c->conn_peers = sw_config_alloc(b, n * sizeof(*c->conn_peers));
    if (!c->proxy.peers || !c->conn_peers)
        return;
    c->proxy.peer_count = n;
    sw_names_build(b, &c->peer_names, "peer", &c->d.peers, sizeof(*d),
                   offsetof(struct sw_peer_directive, name));
    if (n >= UINT16_MAX)
        sw_diag_error(b->diags, c->d.peers.mark, "more than 65534 peers");
    for (uint32_t i = 0; i < n && n < UINT16_MAX; i++)
        one_peer(b, &d[i], i);
    sw_config_twins(b, d);
    qsort(c->conn_peers, n, sizeof(*c->conn_peers), peer_order);
}

#include "support/conf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static struct sw_endpoint endpoint(const char *text)
{
    struct sw_endpoint e = {0};
    bool ok = sw_endpoint_parse(sw_slice_str(text), 5060, &e);
    assert(ok);
    (void)ok;
    return e;
}

void conf_init(struct conf *c)
{
    memset(c, 0, sizeof(*c));
    c->domains[0] = SW_SLICE("example.test");
    c->proxy.domains = c->domains;
    c->proxy.domain_count = 1;
    c->proxy.listeners = c->listeners;
    c->proxy.peers = c->peers;
    c->proxy.routes = c->routes;
    c->proxy.branches_max = 32;
    c->proxy.avoid_ms = 30000;
    c->proxy.headers_max = 256;
    c->proxy.uri_max = 8192;
    sw_hmac_key_init(&c->proxy.seal_key, "a key for tests only", 20);
}

void conf_fini(struct conf *c)
{
    for (uint32_t i = 0; i < c->proxy.peer_count; i++)
        sw_load_unref(c->state[i].load);
    sw_proxy_conf_fini(&c->proxy);
}

struct sw_listener_conf *conf_listener(struct conf *c, const char *name, const char *address,
                                       enum sw_transport transport, const char *host)
{
    struct sw_listener_conf *l = &c->listeners[c->proxy.listener_count++];
    char *text = c->texts[c->text_count++];
    struct sw_buf b = sw_buf(text, SW_ENDPOINT_TEXT_MAX - 1);
    l->name = sw_slice_str(name);
    l->address = endpoint(address);
    l->transport = (uint8_t)transport;
    l->port = l->address.port;
    l->transport_tls = true;
    l->unknown = transport == SW_UDP ? SW_UNKNOWN_DROP : SW_UNKNOWN_REJECT;
    sw_endpoint_ip_put(&b, &l->address, true);
    l->host = host ? sw_slice_str(host) : sw_buf_view(&b);
    return l;
}

static uint16_t listener_for(const struct conf *c, enum sw_transport t)
{
    for (uint32_t i = 0; i < c->proxy.listener_count; i++)
        if (c->listeners[i].transport == t || (t == SW_TCP && c->listeners[i].transport == SW_UDP))
            return (uint16_t)i;
    assert(0);
    return 0;
}

struct sw_peer_conf *conf_peer(struct conf *c, const char *name, const char *address,
                               enum sw_transport transport, const char *domain)
{
    uint32_t i = c->proxy.peer_count++;
    struct sw_peer_conf *p = &c->peers[i];
    c->state[i].load = sw_load_new();
    assert(c->state[i].load);
    p->name = sw_slice_str(name);
    p->id = sw_proxy_peer_id(p->name);
    p->udp = transport == SW_UDP;
    p->tcp = transport == SW_TCP;
    p->tls = transport == SW_TLS;
    p->listener = listener_for(c, transport);
    p->timeout_ms = 4000;
    p->addresses = c->peer_address[i];
    if (address)
        conf_address(c, address);
    if (domain) {
        c->peer_domain[i] = sw_slice_str(domain);
        p->domains = &c->peer_domain[i];
        p->domain_count = 1;
        p->retarget = c->peer_domain[i];
    } else if (address) {
        char *text = c->texts[c->text_count++];
        sw_endpoint_text(&c->peer_address[i][0], text);
        p->retarget = sw_slice_str(text);
    }
    p->trust = p->tls ? 1 : 0;
    if (!p->tls && address) {
        c->peer_source[i].base = p->addresses[0];
        c->peer_source[i].bits = p->addresses[0].family == 4 ? 32 : 128;
        p->sources = &c->peer_source[i];
        p->source_count = 1;
    }
    return p;
}

void conf_address(struct conf *c, const char *address)
{
    uint32_t i = c->proxy.peer_count - 1;
    c->peer_address[i][c->peers[i].address_count++] = endpoint(address);
}

static uint16_t peer_index(const struct conf *c, const char *name)
{
    for (uint32_t i = 0; i < c->proxy.peer_count; i++)
        if (sw_slice_eq(c->peers[i].name, sw_slice_str(name)))
            return (uint16_t)i;
    assert(0);
    return 0;
}

struct sw_route_conf *conf_route(struct conf *c, const char *from, ...)
{
    uint32_t i = c->proxy.route_count++;
    struct sw_route_conf *r = &c->routes[i];
    va_list args;
    const char *to;
    r->from = from ? SW_FROM_PEER : SW_FROM_ANY;
    r->from_peer = from ? peer_index(c, from) : 0;
    r->to = c->to[i];
    va_start(args, from);
    while ((to = va_arg(args, const char *)))
        c->to[i][r->to_count++] = peer_index(c, to);
    va_end(args);
    return r;
}

void conf_done(struct conf *c)
{
    enum sw_status s = sw_proxy_conf_index(&c->proxy);
    assert(s == SW_OK);
    (void)s;
}

struct sw_ident *conf_ident(const char *domain)
{
    enum { NAMES = 4, BYTES = 300 };
    struct sw_ident *id = calloc(1, sizeof(*id) + NAMES * sizeof(struct sw_cert_name) + 8 + BYTES);
    struct sw_cert_name *name = (struct sw_cert_name *)(void *)(id + 1);
    uint32_t *vouched = (uint32_t *)(void *)(name + NAMES);
    struct sw_buf b = sw_buf((char *)(vouched + 2), BYTES);
    vouched[0] = 1;
    id->names = name;
    for (const char *at = domain; *at && id->name_count < NAMES; id->name_count++) {
        size_t n = strcspn(at, " "), from = b.n;
        sw_buf_lit(&b, "sip:");
        sw_buf_put(&b, at, n);
        name[id->name_count] =
            (struct sw_cert_name){.kind = SW_NAME_URI, .text = sw_slice(b.p + from, b.n - from)};
        at += n + strspn(at + n, " ");
    }
    id->vouched = vouched;
    id->vouched_count = 1;
    id->uses = (const uint8_t *)"\x1f"; /* all */
    memcpy(id->fingerprint, domain, strlen(domain) < 32 ? strlen(domain) : 32);
    return id;
}

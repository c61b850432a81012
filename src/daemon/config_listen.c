/* Listeners of a configuration. */
#include "daemon/config.h"

#include "sip/uri.h"
#include <stdlib.h>

static bool parse_advertise(struct sw_config_build *b, const struct sw_text *t,
                            struct sw_listener_conf *l)
{
    struct sw_lex x = sw_lex(t->s);
    uint64_t port = l->port;
    if (!sw_lex_host(&x, &l->host) ||
        (sw_lex_char(&x, ':') && (!sw_lex_number(&x, 65535, &port) || port == 0)) ||
        !sw_lex_end(&x)) {
        sw_diag_error(b->diags, t->mark,
                      "advertise: \"%s\" cannot be read (HOST, HOST:PORT, [IPv6] or [IPv6]:PORT)",
                      t->s.p);
        return false;
    }
    l->port = (uint16_t)port;
    return true;
}

/* The advertised name is the address unless it is given. */
static void advertise(struct sw_config_build *b, const struct sw_listen_directive *d,
                      struct sw_listener_conf *l)
{
    char text[SW_ENDPOINT_TEXT_MAX];
    struct sw_buf host = sw_buf(text, sizeof(text));
    l->port = l->address.port;
    if (d->advertise.s.p) {
        parse_advertise(b, &d->advertise, l);
        return;
    }
    if (sw_endpoint_is_wildcard(&l->address))
        sw_diag_error(
            b->diags, d->address.mark,
            "a listener on every address needs advertise (the HOST that peers reach it by)");
    sw_endpoint_ip_put(&host, &l->address, true);
    char *copy = sw_config_alloc(b, host.n);
    if (!copy)
        return;
    memcpy(copy, text, host.n);
    l->host = sw_slice(copy, host.n);
}

static void address(struct sw_config_build *b, const struct sw_listen_directive *d,
                    struct sw_listener_conf *l)
{
    if (d->address.s.p &&
        !sw_endpoint_parse(d->address.s, sw_transport_port((enum sw_transport)l->transport),
                           &l->address))
        sw_diag_error(b->diags, d->address.mark,
                      "address: \"%s\" cannot be read (IP:PORT, IP, [IPv6]:PORT or [IPv6])",
                      d->address.s.p);
    else if (d->address.s.p && l->address.port == 0)
        sw_diag_error(b->diags, d->address.mark, "address: port 0 is none (1 to 65535)");
}

/* An identity should prove the name that peers reach the listener by: RFC 5922 7.5. */
static void warn_unproved(struct sw_config_build *b, const struct sw_listen_directive *d,
                          const struct sw_listener_conf *l)
{
    sw_diag_warning(b->diags, d->advertise.s.p ? d->advertise.mark : d->mark,
                    "no identity of listener \"%s\" proves the host that it advertises, %.*s "
                    "(SAN URI sip:%.*s or DNS:%.*s in its certificate, or another advertise)",
                    d->name.s.p ? d->name.s.p : "", SW_SLICE_ARG(l->host), SW_SLICE_ARG(l->host),
                    SW_SLICE_ARG(l->host));
}

static const struct sw_trust *listener_trust(struct sw_config_build *b,
                                             const struct sw_listen_directive *d)
{
    uint32_t *entries = calloc(d->trust.count + 1, sizeof(*entries));
    size_t count = 0;
    if (!entries)
        sw_config_memory_out(b);
    for (size_t i = 0; entries && i < d->trust.count; i++) {
        int64_t at = sw_names_find(b, &b->c->trust_names, &d->trust.t[i], "trust");
        if (at >= 0)
            entries[count++] = (uint32_t)at;
    }
    struct sw_trust *t = entries ? sw_config_store(b, entries, count) : NULL;
    free(entries);
    return t;
}

static void tls(struct sw_config_build *b, const struct sw_listen_directive *d,
                const struct sw_listener_conf *l, struct sw_conn_listener *cl)
{
    int64_t id = sw_names_find(b, &b->c->identity_names, &d->identity, "identity");
    cl->tls = (struct sw_tls_params){
        .server = true,
        .scope = cl->name,
        .policy = sw_config_policy(b, &d->policy, "listener", &d->name),
        .names_only = sw_text_is(&d->sni_unknown, "refuse"),
        .client_cert = sw_text_is(&d->client_certificate, "request") ? SW_CERT_REQUEST
                       : sw_text_is(&d->client_certificate, "none")  ? SW_CERT_NONE
                                                                     : SW_CERT_REQUIRE,
    };
    if (!d->identity.s.p)
        sw_diag_error(b->diags, d->mark, "a tls listener lacks \"identity\" (it must be given)");
    if (id >= 0)
        cl->tls.identity = &b->c->identities[id];
    if (!sw_config_shown(b, d, l->host, &cl->tls) && cl->tls.identity &&
        cl->tls.identity->chain.count)
        warn_unproved(b, d, l);
    cl->tls.trust = listener_trust(b, d);
    cl->out = (struct sw_tls_params){
        .policy = cl->tls.policy, .identity = cl->tls.identity, .trust = cl->tls.trust};
    if (!d->trust.count && cl->tls.client_cert == SW_CERT_REQUIRE)
        sw_diag_error(b->diags, d->mark,
                      "a listener that requires client certificates believes nobody (trust must be "
                      "given, or client_certificate: none)");
    if (cl->tls.client_cert != SW_CERT_REQUIRE)
        sw_diag_warning(b->diags, d->client_certificate.mark,
                        "client_certificate: %s admits connections without certificate: what comes "
                        "over them is nobody's",
                        d->client_certificate.s.p);
}

static void no_tls(struct sw_config_build *b, const struct sw_listen_directive *d)
{
    const struct sw_text *const only_tls[] = {&d->identity, &d->client_certificate, &d->policy,
                                              &d->sni_unknown, &d->dane};
    for (size_t i = 0; i < sizeof(only_tls) / sizeof(only_tls[0]); i++)
        if (only_tls[i]->s.p)
            sw_diag_warning(b->diags, only_tls[i]->mark,
                            "it has no meaning on a listener without TLS (leave it out)");
}

static void one_listener(struct sw_config_build *b, const struct sw_listen_directive *d, uint32_t i)
{
    struct sw_config *c = b->c;
    struct sw_listener_conf *l = &((struct sw_listener_conf *)(uintptr_t)c->proxy.listeners)[i];
    struct sw_conn_listener *cl = &c->conn_listeners[i];
    enum sw_transport t = SW_TLS;
    if (d->transport.s.p)
        (void)sw_transport_parse(d->transport.s, &t);
    l->name = d->name.s;
    l->transport = (uint8_t)t;
    address(b, d, l);
    advertise(b, d, l);
    l->transport_tls = !sw_text_is(&d->transport_tls, "never");
    l->unknown = sw_text_is(&d->unknown, "drop")     ? SW_UNKNOWN_DROP
                 : sw_text_is(&d->unknown, "reject") ? SW_UNKNOWN_REJECT
                 : t == SW_UDP                       ? SW_UNKNOWN_DROP
                                                     : SW_UNKNOWN_REJECT;
    cl->name = d->name.s.p ? d->name.s.p : "";
    cl->address = l->address;
    cl->transport = l->transport;
    cl->freebind = d->freebind.v;
    if (t == SW_TLS)
        tls(b, d, l, cl);
    else
        no_tls(b, d);
    l->requires_certificate = t == SW_TLS && cl->tls.client_cert == SW_CERT_REQUIRE;
    c->listeners[i] = (struct sw_config_listener){
        .address = l->address, .transport = l->transport, .freebind = cl->freebind};
}

static void check_overlap(struct sw_config_build *b, const struct sw_listen_directive *d)
{
    const struct sw_config *c = b->c;
    for (uint32_t i = 0; i < c->proxy.listener_count; i++)
        for (uint32_t k = 0; k < i; k++)
            if (c->listeners[i].address.port &&
                sw_endpoint_eq(&c->listeners[i].address, &c->listeners[k].address))
                sw_diag_error(
                    b->diags, d[i].address.mark,
                    "address %s is listener \"%s\" already (a udp listener also takes tcp)",
                    d[i].address.s.p, d[k].name.s.p ? d[k].name.s.p : "");
}

void sw_config_listen(struct sw_config_build *b)
{
    struct sw_config *c = b->c;
    const struct sw_listen_directive *d = c->d.listen.item;
    uint32_t n = (uint32_t)c->d.listen.count;
    c->proxy.listeners = sw_config_alloc(b, n * sizeof(*c->proxy.listeners));
    c->conn_listeners = sw_config_alloc(b, n * sizeof(*c->conn_listeners));
    c->listeners = sw_config_alloc(b, n * sizeof(*c->listeners));
    if (!c->proxy.listeners || !c->conn_listeners || !c->listeners)
        return;
    c->proxy.listener_count = n;
    sw_names_build(b, &c->listener_names, "listener", &c->d.listen, sizeof(*d),
                   offsetof(struct sw_listen_directive, name));
    if (n == 0)
        sw_diag_error(b->diags, c->d.mark, "there is no listener (listen must have an entry)");
    if (n > UINT16_MAX)
        sw_diag_error(b->diags, c->d.mark, "more than 65535 listeners");
    for (uint32_t i = 0; i < n && n <= UINT16_MAX; i++)
        one_listener(b, &d[i], i);
    check_overlap(b, d);
}

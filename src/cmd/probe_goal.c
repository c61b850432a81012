/* What a probe wants: from its arguments, or from a peer of a configuration. */
#include "cmd/probe.h"

#include "cert/load.h"
#include "sip/uri.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char g_system_store[] = "/etc/ssl/certs/ca-certificates.crt";

__attribute__((format(printf, 2, 3))) static bool wrong(char why[512], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, 512, format, args);
    va_end(args);
    return false;
}

static void put(char *out, size_t cap, struct sw_slice s)
{
    struct sw_buf b = sw_buf(out, cap - 1);
    sw_buf_put(&b, s.p, s.n < b.cap ? s.n : b.cap);
    out[b.n] = 0;
}

/* A host without the brackets of an IPv6 address. */
static void put_host(char out[256], struct sw_slice host)
{
    if (host.n > 2 && host.p[0] == '[')
        host = sw_slice(host.p + 1, host.n - 2);
    put(out, 256, host);
}

/* ---- where to ---- */

static bool read_uri(const char *text, struct sw_uri *u, char **out)
{
    struct sw_slice s = sw_slice_str(text);
    bool bare =
        !sw_slice_starts_case(s, SW_SLICE("sip:")) && !sw_slice_starts_case(s, SW_SLICE("sips:"));
    if (asprintf(out, "%s%s", bare ? "sip:" : "", text) < 0) {
        *out = NULL;
        return false;
    }
    return sw_uri_parse(sw_slice_str(*out), u, NULL) == SW_OK && sw_uri_is_sip(u) &&
           u->host.n < 256;
}

static bool set_transport(struct probe_goal *g, const struct sw_uri *u, char why[512])
{
    enum sw_transport t = SW_TLS;
    g->sips = u->scheme == SW_SCHEME_SIPS;
    if (u->transport.n && !sw_transport_parse(u->transport, &t))
        return wrong(why, "transport=%.*s is not known (udp, tcp, tls)",
                     SW_SLICE_ARG(u->transport));
    if (g->sips && t == SW_UDP)
        return wrong(why, "a sips URI is never reached over UDP (RFC 3261 26.2.2)");
    g->named_transport = u->transport.n;
    g->transport = g->sips ? SW_TLS : t; /* sips with transport=tcp is TLS on TCP */
    return true;
}

/* The Request-URI has no headers, a To neither port nor transport. RFC 3261 19.1.1 table 1 */
static void set_uri(struct probe_goal *g, const struct sw_uri *u)
{
    size_t n = u->headers.n ? (size_t)(u->headers.p - 1 - u->text.p) : u->text.n;
    g->uri = sw_slice(u->text.p, n);
    g->to = sw_slice(u->text.p, (size_t)(u->host.p + u->host.n - u->text.p));
}

static bool set_target(struct probe_goal *g, const struct sw_uri *u, const char *via, char why[512])
{
    struct sw_slice host = u->maddr.n ? u->maddr : u->host;
    struct sw_uri v;
    char *text = NULL;
    g->port = u->port;
    g->how = u->maddr.n ? "by maddr of the URI" : "";
    put_host(g->host, host);
    if (!via)
        return true;
    bool ok = read_uri(via, &v, &text) && v.scheme == SW_SCHEME_SIP && !v.userinfo.p &&
              !v.params.n && !v.headers.n;
    if (ok) {
        put_host(g->host, v.host);
        g->port = v.port ? v.port : sw_transport_port(g->transport);
        g->how = "by --via";
        g->address_count = 0;
    }
    free(text);
    return ok || wrong(why, "--via \"%s\" is not HOST or HOST:PORT", via);
}

/* ---- who it must be ---- */

/* RFC 5922 7.3: the domain that was asked for, whole; an address only by its iPAddress. */
static bool set_wanted(struct probe_goal *g, const struct sw_uri *u, const char *domain,
                       char why[512])
{
    struct sw_slice name = domain ? sw_slice_str(domain) : u->host, host;
    struct sw_lex l = sw_lex(name);
    if (!sw_lex_host(&l, &host) || !sw_lex_end(&l) || name.n >= sizeof(g->domain))
        return wrong(why, "--domain \"%s\" is no domain name", domain ? domain : "");
    put(g->domain, sizeof(g->domain), name);
    for (size_t i = 0; i <= name.n; i++)
        g->domain_lower[i] = sw_ascii_lower(g->domain[i]);
    if (name.n > 1 && g->domain_lower[name.n - 1] == '.')
        g->domain_lower[name.n - 1] = 0;
    g->domains[0] = sw_slice_str(g->domain_lower);
    g->peer = (struct sw_peer_conf){.domains = g->domains,
                                    .domain_count = 1,
                                    .trust = 1,
                                    .tls = true,
                                    .verify = SW_VERIFY_DOMAIN};
    if (sw_endpoint_ip_parse(g->domains[0], &g->named)) {
        g->peer.verify = SW_VERIFY_ADDRESS;
        snprintf(g->wanted, sizeof(g->wanted), "%s, as iPAddress (a name: --domain)",
                 g->domain_lower);
    } else {
        snprintf(g->wanted, sizeof(g->wanted), "%s", g->domain_lower);
        g->tls.server_name = g->domain_lower;
    }
    return true;
}

static bool load_shown(struct probe_goal *g, const struct probe_args *args, char why[512])
{
    const char *key = args->key ? args->key : args->cert;
    struct sw_cert_facts facts;
    struct sw_slice domain;
    char text[SW_WHY_MAX];
    if (!args->cert) {
        put(g->shown, sizeof(g->shown), SW_SLICE("none (--cert, --key)"));
        return !args->key || wrong(why, "--key without --cert");
    }
    if (sw_cert_load_chain(args->cert, &g->identity.chain, text) != SW_OK)
        return wrong(why, "--cert \"%s\": %s", args->cert, text);
    if (sw_cert_load_key(key, &g->identity.key, text) != SW_OK)
        return wrong(why, "--key \"%s\": %s", key, text);
    if (!sw_key_fits(g->identity.key, g->identity.chain.c[0]))
        return wrong(why, "--key \"%s\" does not fit --cert \"%s\" (the leaf must be first)", key,
                     args->cert);
    g->identity.id = 1;
    g->tls.identity = &g->identity;
    sw_cert_facts(g->identity.chain.c[0], &facts);
    snprintf(g->shown, sizeof(g->shown), "%s", facts.subject);
    g->ident = sw_ident_new(g->identity.chain.c[0], NULL, 0);
    for (uint32_t i = 0; g->ident && i < g->ident->name_count; i++)
        if (!g->from_host.n && sw_domain_identity(g->ident, i, &domain))
            g->from_host = domain;
    return true;
}

static bool load_believed(struct probe_goal *g, const char *ca, char why[512])
{
    enum { DEPTH = 4 }; /* as a trust entry that does not say */
    const char *path = ca ? ca : g_system_store;
    const struct sw_trust_entry *list[] = {&g->entry};
    struct sw_cert_facts facts;
    char text[SW_WHY_MAX];
    g->entry = (struct sw_trust_entry){.name = path, .id = 1, .depth = DEPTH};
    if (sw_cert_load_chain(path, &g->entry.anchors, text) != SW_OK) {
        snprintf(g->believed, sizeof(g->believed), "nobody: %s: %s (--ca)", path, text);
        return !ca || wrong(why, "--ca \"%s\": %s", ca, text);
    }
    for (size_t i = 0; ca && i < g->entry.anchors.count; i++) {
        sw_cert_facts(g->entry.anchors.c[i], &facts);
        if (!facts.is_ca)
            return wrong(why,
                         "--ca \"%s\": %s is no CA certificate (to pin one: -c FILE --peer NAME)",
                         ca, facts.subject);
    }
    g->trust = sw_trust_new(list, 1);
    g->tls.trust = g->trust;
    snprintf(g->believed, sizeof(g->believed), "%s (%zu CA%s)%s", path, g->entry.anchors.count,
             g->entry.anchors.count == 1 ? "" : "s",
             ca ? "" : ", the system's store: no --ca is given");
    return g->trust || wrong(why, "memory is out");
}

static bool from_arguments(const struct probe_args *args, struct probe_goal *g,
                           const struct sw_uri *u, char why[512])
{
    int policy = sw_tls_policy_builtin_find(sw_slice_str(args->policy ? args->policy : "standard"));
    if (policy < 0)
        return wrong(why,
                     "--policy \"%s\" is not known (modern, standard, legacy; others: -c FILE "
                     "--peer NAME)",
                     args->policy);
    for (unsigned i = 0; i < SW_POLICIES; i++)
        g->builtin[i] = *sw_tls_policy_builtin(i);
    g->policies = g->builtin;
    g->policy_count = SW_POLICIES;
    g->tls.policy = (unsigned)policy;
    if (!set_transport(g, u, why) || !set_target(g, u, args->via, why))
        return false;
    if (g->transport != SW_TLS)
        return true;
    return set_wanted(g, u, args->domain, why) && load_shown(g, args, why) &&
           load_believed(g, args->ca, why);
}

/* ---- a peer of a configuration ---- */

static const struct sw_peer_conf *find_peer(const struct sw_config *c, const char *name)
{
    for (uint32_t i = 0; i < c->proxy.peer_count; i++)
        if (sw_slice_eq(c->proxy.peers[i].name, sw_slice_str(name)))
            return &c->proxy.peers[i];
    return NULL;
}

static const struct sw_conn_peer *find_dial(const struct sw_config *c, uint32_t id)
{
    for (uint32_t i = 0; i < c->proxy.peer_count; i++)
        if (c->conn_peers[i].id == id)
            return &c->conn_peers[i];
    return NULL;
}

static void take_addresses(struct probe_goal *g, const struct sw_peer_conf *p)
{
    for (uint32_t i = 0; i < p->address_count && i < PROBE_ADDRESSES_MAX; i++) {
        g->addresses[i] = p->addresses[i];
        if (!g->addresses[i].port)
            g->addresses[i].port = sw_transport_port(g->transport);
        g->address_count++;
    }
    g->how = "by the peer's address";
    if (p->domain_count && !p->address_count) {
        put_host(g->host, p->domains[0]);
        g->how = "by the peer's domain";
    }
}

static void take_tls(struct probe_goal *g, const struct sw_conn_peer *dial)
{
    struct sw_cert_facts facts;
    struct sw_buf b = sw_buf(g->believed, sizeof(g->believed) - 1);
    g->tls = dial->tls;
    snprintf(g->wanted, sizeof(g->wanted), "%s", dial->wanted ? dial->wanted : "");
    put(g->shown, sizeof(g->shown), SW_SLICE("none (identity: none)"));
    if (g->tls.identity) {
        sw_cert_facts(g->tls.identity->chain.c[0], &facts);
        snprintf(g->shown, sizeof(g->shown), "%s", facts.subject);
    }
    sw_buf_lit(&b, "trust entry ");
    if (g->tls.trust)
        sw_trust_put_names(g->tls.trust, &b);
    g->believed[b.n] = 0;
}

static bool from_config(const struct probe_args *args, struct probe_goal *g, struct sw_uri *u,
                        char why[512])
{
    struct sw_diags diags = {0};
    g->has_config = true;
    bool ok = sw_config_load(args->config, NULL, &g->config, &diags) == SW_OK;
    if (!ok)
        sw_diags_print(&diags, stderr, false);
    sw_diags_free(&diags);
    if (!ok)
        return wrong(why, "%s has errors", args->config);
    const struct sw_peer_conf *p = find_peer(&g->config, args->peer);
    if (!p)
        return wrong(why, "%s has no peer \"%s\"", args->config, args->peer);
    const struct sw_listener_conf *l = &g->config.proxy.listeners[p->listener];
    g->peer = *p;
    g->policies = g->config.policies;
    g->policy_count = g->config.policy_count;
    g->transport = p->tls ? SW_TLS : p->udp ? SW_UDP : SW_TCP;
    g->from = l->address;
    g->from_host = l->host;
    take_tls(g, find_dial(&g->config, p->id));
    if (!args->uri) {
        if (asprintf(&g->text, "sip:%.*s", SW_SLICE_ARG(p->retarget)) < 0)
            return wrong(why, "memory is out");
        if (sw_uri_parse(sw_slice_str(g->text), u, NULL) != SW_OK)
            return wrong(why, "peer \"%s\" has neither domain nor address: give a URI", args->peer);
    }
    g->sips = u->scheme == SW_SCHEME_SIPS;
    take_addresses(g, p);
    if (args->via && !set_target(g, u, args->via, why))
        return false;
    return g->address_count || g->host[0] ||
           wrong(why, "peer \"%s\" has neither address nor domain: --via HOST:PORT", args->peer);
}

bool probe_goal_make(const struct probe_args *args, struct probe_goal *g, char why[512])
{
    struct sw_uri u = {0};
    *g = (struct probe_goal){.timeout_ms = args->timeout_ms, .how = ""};
    if (args->uri && !read_uri(args->uri, &u, &g->text))
        return wrong(why, "\"%s\" is no sip: or sips: URI, HOST or HOST:PORT", args->uri);
    bool ok = args->config ? from_config(args, g, &u, why) : from_arguments(args, g, &u, why);
    struct sw_endpoint ip;
    g->by_name = !g->address_count && !sw_endpoint_ip_parse(sw_slice_str(g->host), &ip);
    if (ok)
        set_uri(g, &u);
    return ok;
}

void probe_goal_free(struct probe_goal *g)
{
    sw_trust_free(g->trust);
    sw_certs_free(&g->entry.anchors);
    sw_ident_free(g->ident);
    sw_certs_free(&g->identity.chain);
    sw_key_free(g->identity.key);
    if (g->has_config)
        sw_config_free(&g->config);
    free(g->text);
}

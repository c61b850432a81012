/* How the DNS is asked: servers, trust anchor, what is believed. */
#include "daemon/config.h"

#include "sys/file.h"
#include <errno.h>
#include <stdlib.h>

enum {
    ANCHOR_BYTES_MAX = 1 << 20,
    TIMEOUT_MS = 5000, /* a resolver asks each server twice in it; SIP gives up after 32 s */
    QUESTIONS = 1000,
    CACHE = 4000,
};

static uint32_t in_range(struct sw_config_build *b, const struct sw_number *n, uint32_t standard,
                         uint32_t min, uint32_t max)
{
    if (!n->given)
        return standard;
    if (n->v < min || n->v > max)
        sw_diag_error(b->diags, n->mark, "%lld is out of range (%u to %u)", (long long)n->v, min,
                      max);
    return (uint32_t)n->v;
}

static void servers(struct sw_config_build *b, struct sw_dns_conf *c)
{
    const struct sw_texts *d = &b->c->d.dns.servers;
    for (size_t i = 0; i < d->count; i++) {
        struct sw_endpoint e;
        if (!sw_endpoint_parse(d->t[i].s, 53, &e) || e.scope || !e.port ||
            sw_endpoint_is_wildcard(&e)) {
            sw_diag_error(b->diags, d->t[i].mark,
                          "dns.servers: \"%s\" cannot be read (IP, IP:PORT or [IPv6]:PORT)",
                          d->t[i].s.p);
            continue;
        }
        if (c->server_count == SW_DNS_SERVERS_MAX) {
            sw_diag_error(b->diags, d->t[i].mark, "dns.servers: more than %d", SW_DNS_SERVERS_MAX);
            return;
        }
        c->servers[c->server_count++] = e;
    }
}

static uint32_t sum_of(struct sw_slice s)
{
    uint32_t h = 2166136261u; /* FNV-1a: another content is another configuration */
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (uint8_t)s.p[i]) * 16777619u;
    return h;
}

/* The file is one that the library reads, and there is a key in it. RFC 4035 4.4 */
static void read_anchor(struct sw_config_build *b, struct sw_dns_conf *c, struct sw_mark mark)
{
    struct sw_slice file;
    const char *why;
    enum sw_status s = sw_file_read(c->anchor, ANCHOR_BYTES_MAX, &file);
    if (s != SW_OK) {
        sw_diag_error(b->diags, mark, "dns.anchor \"%s\": %s (a file of DS or DNSKEY records)",
                      c->anchor, s == SW_SYS ? strerror(errno) : "larger than 1 MiB");
        return;
    }
    bool any = strstr(file.p, "DS") || strstr(file.p, "DNSKEY");
    c->stamp ^= sum_of(file);
    free((void *)(uintptr_t)file.p);
    struct sw_dns_context *x = any ? sw_dns_context_new(c, NULL, &why) : NULL;
    if (!x)
        sw_diag_error(b->diags, mark, "dns.anchor \"%s\": %s (DS or DNSKEY records, one per line)",
                      c->anchor, any ? why : "there is no DS or DNSKEY record in it");
    sw_dns_context_free(x);
}

static void anchor(struct sw_config_build *b, struct sw_dns_conf *c)
{
    const struct sw_dns_directive *d = &b->c->d.dns;
    bool given = d->anchor.s.n > 0;
    const char *path = given ? sw_config_path(b, &d->anchor) : sw_dns_root_anchor();
    if (c->dnssec == SW_DNSSEC_OFF) {
        if (given)
            sw_diag_note(b->diags, d->anchor.mark, "dns.anchor has no effect with dnssec: off");
        return;
    }
    if (path && strlen(path) >= sizeof(c->anchor)) {
        sw_diag_error(b->diags, d->anchor.mark, "dns.anchor: the path is longer than %zu bytes",
                      sizeof(c->anchor) - 1);
        return;
    }
    if (path) {
        memcpy(c->anchor, path, strlen(path) + 1);
        if (!given)
            sw_config_watch(b, path);
        read_anchor(b, c, given ? d->anchor.mark : d->mark);
    } else if (c->dnssec == SW_DNSSEC_REQUIRE) {
        sw_diag_error(b->diags, d->dnssec.mark,
                      "dnssec: require without a trust anchor believes nothing (anchor: FILE, or "
                      "the package dns-root-data)");
    } else if (d->mark.line) {
        sw_diag_note(b->diags, d->mark,
                     "dns: there is no trust anchor, nothing is validated (anchor: FILE, the "
                     "package dns-root-data, or dnssec: off)");
    }
}

static bool same(const struct sw_dns_conf *a, const struct sw_dns_conf *b)
{
    for (uint32_t i = 0; i < a->server_count && i < b->server_count; i++)
        if (!sw_endpoint_eq(&a->servers[i], &b->servers[i]))
            return false;
    return a->server_count == b->server_count && a->dnssec == b->dnssec &&
           strcmp(a->anchor, b->anchor) == 0 && a->timeout_ms == b->timeout_ms &&
           a->questions_max == b->questions_max && a->stamp == b->stamp;
}

void sw_config_dns(struct sw_config_build *b)
{
    const struct sw_dns_directive *d = &b->c->d.dns;
    const struct sw_limits_directive *l = &b->c->d.limits;
    struct sw_dns_conf *c = &b->c->dns;
    const struct sw_dns_conf *was = b->before ? &b->before->dns : NULL;
    if (b->from == SW_CONFIG_LISTS) {
        *c = *was;
        b->c->dns_cache = b->before->dns_cache;
        return;
    }
    c->dnssec = sw_text_is(&d->dnssec, "off")       ? SW_DNSSEC_OFF
                : sw_text_is(&d->dnssec, "require") ? SW_DNSSEC_REQUIRE
                                                    : SW_DNSSEC_OPPORTUNISTIC;
    c->timeout_ms = in_range(b, &d->timeout, TIMEOUT_MS, 100, 60000);
    c->questions_max = in_range(b, &l->dns_questions, QUESTIONS, 1, 4000);
    b->c->dns_cache = in_range(b, &l->dns_cache, CACHE, 0, 1000000);
    servers(b, c);
    c->stamp = c->server_count ? 0 : sw_dns_system_stamp();
    anchor(b, c);
    c->version = !was ? 1 : same(c, was) ? was->version : was->version + 1;
}

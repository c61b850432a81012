/* Where the server is: as the gateway finds it. RFC 3263, RFC 7673 */
#include "cmd/probe.h"

#include "dns/resolver.h"
#include "sys/clock.h"
#include "sys/random.h"
#include <stdlib.h>

/* Without a configuration: the system's servers, validated if its package has the root's anchor. */
static struct sw_dns_conf plain(const struct probe_goal *g)
{
    const char *anchor = sw_dns_root_anchor();
    struct sw_dns_conf c = {.timeout_ms = (uint32_t)g->timeout_ms, .questions_max = 1};
    if (anchor && strlen(anchor) < sizeof(c.anchor)) {
        memcpy(c.anchor, anchor, strlen(anchor) + 1);
        c.dnssec = SW_DNSSEC_OPPORTUNISTIC;
    }
    return c;
}

static struct sw_locate_goal goal_of(struct probe_goal *g)
{
    const struct sw_endpoint *from = &g->from;
    bool any = !from->family || (g->transport != SW_UDP && sw_endpoint_is_wildcard(from));
    return (struct sw_locate_goal){
        .host = sw_slice_str(g->host),
        .port = g->port,
        .transport = g->named_transport ? sw_transport_name(g->transport) : sw_slice("", 0),
        .sips = g->sips,
        .tls_only = g->transport == SW_TLS,
        .have = (uint8_t)SW_LOCATE_BIT(g->transport),
        .families = any                 ? SW_LOCATE_IPV4 | SW_LOCATE_IPV6
                    : from->family == 4 ? SW_LOCATE_IPV4
                                        : SW_LOCATE_IPV6,
        .tlsa = g->peer.dane ? &g->tlsa : NULL,
    };
}

static void ask(struct probe_goal *g, const struct sw_dns_conf *c)
{
    char *records = malloc(SW_DNS_ANSWER_MAX);
    struct sw_prng prng = {0};
    const struct sw_dns_question *q;
    uint32_t step;
    if (sw_random(&prng.key, sizeof(prng.key)) != SW_OK)
        prng.counter = (uint64_t)sw_clock_us(); /* it is for weights */
    while ((q = sw_locate_next(&g->at, &step))) {
        struct sw_dns_answer a = {.status = SW_PEER_DNS};
        if (records)
            sw_resolver_once(c, q, &a, records);
        sw_locate_answer(&g->at, step, &a, &prng);
    }
    free(records);
}

bool probe_locate(struct probe_goal *g)
{
    const struct sw_dns_conf c = g->has_config ? g->config.dns : plain(g);
    const struct sw_locate_goal goal = goal_of(g);
    struct sw_buf b = sw_buf(g->dns, sizeof(g->dns) - 1);
    if (g->address_count)
        return true;
    sw_locate_start(&g->at, &goal);
    ask(g, &c);
    sw_locate_put_reason(&b, &g->at);
    probe_text_end(&b);
    for (int i = 0; i < g->at.place_count && i < PROBE_ADDRESSES_MAX; i++) {
        g->dane[i] = sw_locate_dane(&g->at, &g->at.place[i]);
        g->addresses[g->address_count++] = g->at.place[i].remote;
    }
    return g->at.end == SW_LOCATE_FOUND;
}

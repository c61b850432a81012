/* Which places the running gateway avoids just now. */
#include "cmd/ask.h"
#include "cmd/explain.h"
#include "sys/clock.h"

#include <stdio.h>

static const char *text_of(const json_t *row, const char *key)
{
    const char *s = json_string_value(json_object_get(row, key));
    return s ? s : "";
}

/* `only`: a name, or "". `whose`: whose these are here; 0: a row's own peer. */
static void take(struct sw_explain *x, const char *only, uint32_t whose)
{
    char question[SW_DNS_NAME_MAX + 16];
    struct sw_endpoint remote;
    enum sw_transport t;
    json_t *answer, *row;
    size_t i;
    snprintf(question, sizeof(question), "avoided %s\n", only);
    answer = sw_ask_at(x->snapshot->config.admin_socket, question);
    json_array_foreach(json_object_get(answer, "avoided"), i, row)
    {
        int64_t left_ms = json_integer_value(json_object_get(row, "seconds")) * 1000;
        struct sw_slice peer = sw_slice_str(text_of(row, "peer"));
        bool known = sw_names_index(&x->snapshot->config.peer_names, peer) >= 0;
        if ((known || whose) && sw_transport_parse(sw_slice_str(text_of(row, "transport")), &t) &&
            sw_endpoint_parse(sw_slice_str(text_of(row, "address")), 0, &remote))
            sw_avoid_add(x->gateway.proxy.avoid, whose ? whose : sw_proxy_peer_id(peer), &remote, t,
                         sw_clock_ms() + left_ms);
    }
    json_decref(answer);
}

void sw_explain_avoid_peers(struct sw_explain *x)
{
    take(x, "", 0);
}

void sw_explain_avoid_domain(struct sw_explain *x, const struct sw_dns_question *q)
{
    const char *name = q->name;
    while (*name == '_' && strchr(name, '.')) /* the labels of a service: RFC 2782 */
        name = strchr(name, '.') + 1;
    struct sw_slice domain = sw_slice_str(name);
    const struct sw_proxy_conf *c = &x->snapshot->config.proxy;
    if (x->asked && !sw_proxy_peer_of_domain(c, domain))
        take(x, name, sw_proxy_domain_id(c, domain));
}

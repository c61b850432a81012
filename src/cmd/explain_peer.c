/* What a target's peer is configured with, as far as it decides what is sent there and when. */
#include "cmd/explain.h"
#include "proxy/asserted.h"

#include <stdio.h>

static void put_q(json_t *o, uint16_t q)
{
    char text[16];
    snprintf(text, sizeof(text), "%g", q / (double)SW_Q_MAX);
    json_object_set_new(o, "q", json_string(text));
}

/* Its place in the list of the route, in the words of docs/groups.md. */
static void put_place(json_t *o, const struct sw_explain *x, const struct sw_peer_conf *p)
{
    const struct sw_route_conf *r =
        x->route >= 0 ? &x->snapshot->config.proxy.routes[x->route] : NULL;
    for (uint32_t i = 0; r && i < r->to_count; i++) {
        if (&x->snapshot->config.proxy.peers[r->to[i]] != p)
            continue;
        json_object_set_new(o, "order", json_integer(r->order ? r->order[i] : 0));
        json_object_set_new(o, "weight", json_integer(r->weight ? r->weight[i] : 1));
        if (r->q && r->choose == SW_CHOOSE_ORDER && !r->order)
            put_q(o, r->q[i]);
        return;
    }
}

static json_t *limits(const struct sw_peer_limits *l)
{
    json_t *o = json_object();
    if (l->connections)
        json_object_set_new(o, "connections", json_integer(l->connections));
    if (l->calls_per_s)
        json_object_set_new(o, "calls_per_second", json_integer(l->calls_per_s));
    if (l->transactions)
        json_object_set_new(o, "transactions", json_integer(l->transactions));
    return o;
}

bool sw_explain_is_full(const struct sw_explain *x, uint32_t peer)
{
    const struct sw_peer_conf *p = sw_proxy_peer(&x->snapshot->config.proxy, peer);
    const json_t *row;
    uint32_t count = 0;
    size_t i;
    json_array_foreach(x->connections, i, row)
    {
        const char *name = json_string_value(json_object_get(row, "peer")),
                   *direction = json_string_value(json_object_get(row, "direction")),
                   *state = json_string_value(json_object_get(row, "state"));
        count += p && name && direction && state && strcmp(direction, "out") == 0 &&
                 strcmp(state, "closing") != 0 && sw_slice_eq(p->name, sw_slice_str(name));
    }
    return p && p->limits.connections && count >= p->limits.connections;
}

/* By sender, receiver and the Privacy of the request, whether it has one or not. RFC 3325 5, 7 */
static const char *asserted_verdict(const struct sw_explain *x, const struct sw_peer_conf *to)
{
    const struct sw_peer_conf *from = sw_proxy_peer(&x->snapshot->config.proxy, x->flow.peer);
    if (!sw_asserted_goes(&x->msg, from, to))
        return "passes";
    return from && from->asserted_identity == SW_ASSERTED_TRUST
               ? "is removed: by Privacy, or since it is withheld here"
               : "is removed: the sender is not trusted with it";
}

void sw_explain_passing(json_t *target, const struct sw_explain *x, const struct sw_peer_conf *p)
{
    json_t *names = json_array();
    for (uint32_t i = 0; p && i < p->remove_count; i++)
        json_array_append_new(names, json_stringn(p->remove[i].name.p, p->remove[i].name.n));
    json_object_set_new(target, "p_asserted_identity", json_string(asserted_verdict(x, p)));
    json_object_set_new(target, "remove", names);
}

void sw_explain_peer(json_t *target, const struct sw_explain *x, const struct sw_peer_conf *p)
{
    static const char *const reverse[] = {"flow", "alias", "never"};
    static const char *const asserted[] = {"distrust", "trust", "withhold"};
    put_place(target, x, p);
    json_object_set_new(target, "limits", limits(&p->limits));
    json_object_set_new(target, "hide_inside", json_boolean(p->hide_inside));
    json_object_set_new(target, "reverse", json_string(reverse[p->reverse % 3]));
    json_object_set_new(target, "asserted_identity",
                        json_string(asserted[p->asserted_identity % 3]));
}

static void print_place(const json_t *t)
{
    const json_t *q = json_object_get(t, "q");
    if (!json_object_get(t, "weight"))
        return;
    printf("   %-12s order %lld, weight %lld", "in the list",
           (long long)json_integer_value(json_object_get(t, "order")),
           (long long)json_integer_value(json_object_get(t, "weight")));
    if (q)
        printf(", q %s", json_string_value(q));
    putchar('\n');
}

static void print_passing(const json_t *t)
{
    const json_t *names = json_object_get(t, "remove"), *name;
    size_t i;
    printf("   %-12s P-Asserted-Identity %s\n", "identity",
           json_string_value(json_object_get(t, "p_asserted_identity")));
    json_array_foreach(names, i, name)
        printf("%s%s", i ? ", " : "   removes      ", json_string_value(name));
    if (i)
        putchar('\n');
}

void sw_explain_print_peer(const json_t *t)
{
    static const char *const keys[] = {"reverse", "asserted_identity"};
    const json_t *l = json_object_get(t, "limits"), *v;
    const char *key;
    int n = 0;
    print_place(t);
    print_passing(t);
    if (!l)
        return;
    printf("   %-12s", "limits");
    json_object_foreach((json_t *)(uintptr_t)l, key, v)
        printf("%s %s %lld", n++ ? "," : "", key, (long long)json_integer_value(v));
    puts(n ? "" : " none");
    printf("   %-12s %s\n", "hide_inside",
           json_is_true(json_object_get(t, "hide_inside")) ? "on" : "off");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        printf("   %-12s %s\n", keys[i], json_string_value(json_object_get(t, keys[i])));
}

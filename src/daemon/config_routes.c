/* Our domains, and the routes. */
#include "daemon/config_groups.h"

#include "sip/lex.h"

#include <stdlib.h>

static int slice_order(const void *a, const void *b)
{
    return sw_slice_order(*(const struct sw_slice *)a, *(const struct sw_slice *)b);
}

static void domains(struct sw_config_build *b)
{
    struct sw_config *c = b->c;
    const struct sw_texts *d = &c->d.domains;
    struct sw_slice *list = sw_config_alloc(b, d->count * sizeof(*list));
    for (size_t i = 0; i < d->count; i++) {
        char *p = sw_config_alloc(b, d->t[i].s.n);
        if (!list || !p)
            return;
        for (size_t k = 0; k < d->t[i].s.n; k++)
            p[k] = sw_ascii_lower(d->t[i].s.p[k]);
        list[i] = sw_slice(p, d->t[i].s.n);
        if (list[i].n > 1 && p[list[i].n - 1] == '.') /* the root's dot says nothing */
            list[i].n--;
        struct sw_lex l = sw_lex(list[i]);
        struct sw_slice host;
        if (!sw_lex_host(&l, &host) || !sw_lex_end(&l))
            sw_diag_error(b->diags, d->t[i].mark,
                          "domains: \"%s\" is no domain name (without scheme, user and port)",
                          d->t[i].s.p);
    }
    qsort(list, d->count, sizeof(*list), slice_order);
    if (d->mark.line && d->count == 0)
        sw_diag_error(b->diags, d->mark, "domains is empty (at least one domain of ours)");
    c->proxy.domains = list;
    c->proxy.domain_count = (uint32_t)d->count;
}

static void from(struct sw_config_build *b, const struct sw_route_directive *d,
                 struct sw_route_conf *r)
{
    if (!d->from.s.p || sw_text_is(&d->from, "any")) {
        r->from = SW_FROM_ANY;
    } else if (sw_text_is(&d->from, "registered")) {
        r->from = SW_FROM_REGISTERED;
        sw_diag_note(
            b->diags, d->from.mark,
            "from: registered: this version has no registrar yet, the route never matches");
    } else if (sw_text_is(&d->from, "verified")) {
        r->from = SW_FROM_VERIFIED;
    } else {
        int64_t i = sw_names_find(b, &b->c->peer_names, &d->from, "from");
        r->from = SW_FROM_PEER;
        r->from_peer = i < 0 ? 0 : (uint16_t)i;
    }
}

/* ENUM may have peers behind it, for numbers that it does not know. */
static void among_others(struct sw_config_build *b, const struct sw_route_directive *d, size_t i,
                         const struct sw_text *t)
{
    if (!sw_text_is(t, "enum"))
        sw_diag_error(b->diags, t->mark, "to: %s stands alone or not at all", t->s.p);
    else if (i > 0)
        sw_diag_error(b->diags, t->mark,
                      "to: enum goes first, and once (the peers behind it are for the numbers that "
                      "are not in ENUM)");
    else if (sw_text_is(&d->fork, "parallel"))
        sw_diag_error(b->diags, d->fork.mark,
                      "fork: parallel does not go with to: enum, which is asked before the peers "
                      "(order or serial)");
}

static void to(struct sw_config_build *b, const struct sw_route_directive *d,
               struct sw_route_conf *r)
{
    uint16_t *list = sw_config_alloc(b, d->to.count * sizeof(*list));
    uint16_t *qs = sw_config_alloc(b, d->to.count * sizeof(*qs));
    uint16_t *weights = sw_config_alloc(b, d->to.count * sizeof(*weights));
    uint16_t *orders = sw_config_alloc(b, d->to.count * sizeof(*orders));
    struct sw_config_place any = {0};
    if (!list || !qs || !weights || !orders)
        return;
    r->to = list;
    r->q = qs;
    r->weight = weights;
    for (size_t i = 0; i < d->to.count; i++) {
        struct sw_config_place place;
        struct sw_text name = sw_config_read_place(b, &d->to.t[i], &place);
        const struct sw_text *t = &name;
        any.has_q |= place.has_q;
        any.has_weight |= place.has_weight;
        any.has_order |= place.has_order;
        if (!t->s.p)
            continue;
        if (sw_text_is(t, "location") || sw_text_is(t, "dns") || sw_text_is(t, "enum")) {
            r->lookup = sw_text_is(t, "dns")    ? SW_LOOKUP_DNS
                        : sw_text_is(t, "enum") ? SW_LOOKUP_ENUM
                                                : SW_LOOKUP_NONE;
            r->unsupported = r->lookup == SW_LOOKUP_NONE;
            if (place.has_q || place.has_weight || place.has_order)
                sw_diag_error(b->diags, t->mark, "to: %s has no %s (peers have)", t->s.p,
                              place.has_q        ? "q"
                              : place.has_weight ? "weight"
                                                 : "order");
            if (r->unsupported)
                sw_diag_note(b->diags, t->mark,
                             "to: %s: this version does not act on it yet, what matches gets 480",
                             t->s.p);
            if (d->to.count > 1)
                among_others(b, d, i, t);
            continue;
        }
        int64_t at = sw_names_find(b, &b->c->peer_names, t, "to");
        if (at < 0)
            continue;
        qs[r->to_count] = place.q;
        weights[r->to_count] = place.weight;
        orders[r->to_count] = place.order;
        list[r->to_count++] = (uint16_t)at;
    }
    r->order = any.has_order ? orders : NULL;
    sw_config_choose(b, d, &any, r);
}

static void one_route(struct sw_config_build *b, const struct sw_route_directive *d,
                      struct sw_route_conf *r)
{
    from(b, d, r);
    r->user = d->user.s;
    r->domain = d->domain.s;
    r->method = d->method.s;
    sw_config_route_rules(b, d, r);
    if (d->to.given == d->reject.given)
        sw_diag_error(b->diags, d->mark, "a route has either to or reject (%s)",
                      d->to.given ? "both are given" : "neither is given");
    if (d->reject.given && (d->reject.v < 300 || d->reject.v > 699))
        sw_diag_error(b->diags, d->reject.mark, "reject: %lld is no rejection (300 to 699)",
                      (long long)d->reject.v);
    r->reject = (uint16_t)d->reject.v;
    r->fork = sw_text_is(&d->fork, "parallel") ? SW_FORK_PARALLEL
              : sw_text_is(&d->fork, "serial") ? SW_FORK_SERIAL
                                               : SW_FORK_ORDER;
    if (d->fork.s.p && d->to.count < 2)
        sw_diag_warning(b->diags, d->fork.mark, "fork: has no effect with less than two peers");
    to(b, d, r);
    sw_config_lookup(b, d, r);
    if (r->from == SW_FROM_ANY && d->to.given)
        sw_diag_warning(b->diags, d->mark,
                        "from: any also takes in every domain that a certificate of a trusted CA "
                        "proves, not only the peers (name the peers)");
}

static bool catches_all(const struct sw_route_conf *r)
{
    return r->from == SW_FROM_ANY && !r->user.p && !r->domain.p && !r->method.p && !r->match;
}

void sw_config_routes(struct sw_config_build *b)
{
    struct sw_config *c = b->c;
    const struct sw_route_directive *d = c->d.routes.item;
    uint32_t n = (uint32_t)c->d.routes.count;
    struct sw_route_conf *routes = sw_config_alloc(b, n * sizeof(*routes));
    domains(b);
    if (!routes)
        return;
    c->proxy.routes = routes;
    c->proxy.route_count = n;
    for (uint32_t i = 0; i < n; i++) {
        one_route(b, &d[i], &routes[i]);
        if (i && catches_all(&routes[i - 1]))
            sw_diag_warning(b->diags, d[i].mark,
                            "this route is never reached: the one before it matches everything");
    }
    if (n == 0)
        sw_diag_warning(b->diags, c->d.mark, "there are no routes: every request gets 480");
}

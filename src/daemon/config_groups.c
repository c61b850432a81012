#include "daemon/config_groups.h"

#include "sip/params.h"

enum { FAIL_AFTER = 3, RETRY_AFTER_MS = 30000, RETRY_LEAST_MS = 1000, RETRY_MOST_MS = 3600000 };
enum { FAILED_MOST = 1000, CALLS_MOST = 1000000, AT_ONCE_MOST = 10000000 };

/* Splits "NAME;q=0.7". */
static struct sw_text name_and_q(struct sw_config_build *b, const struct sw_text *t,
                                 struct sw_config_place *out)
{
    size_t n = sw_slice_find(t->s, ';');
    struct sw_lex l = sw_lex(sw_slice_from(t->s, n));
    struct sw_param x;
    if (n == t->s.n)
        return *t;
    out->has_q = true;
    if (sw_param_next(&l, &x) != SW_OK || !sw_lex_end(&l) ||
        !sw_slice_eq_case(x.name, SW_SLICE("q")) || x.quoted || !sw_q_parse(x.value, &out->q))
        sw_diag_error(b->diags, t->mark,
                      "to: \"%s\" cannot be read (NAME or NAME;q=0.7: 0 to 1, three decimals)",
                      t->s.p);
    struct sw_slice name = sw_slice_trim(sw_slice(t->s.p, n));
    char *copy = sw_config_alloc(b, name.n + 1);
    if (!copy)
        return *t;
    memcpy(copy, name.p, name.n);
    return (struct sw_text){.s = sw_slice(copy, name.n), .mark = t->mark};
}

static uint16_t number(struct sw_config_build *b, const char *key, const struct sw_number *n,
                       uint16_t otherwise)
{
    if (n->given && n->v > UINT16_MAX)
        sw_diag_error(b->diags, n->mark, "to: %s %lld is too large (0 to 65535)", key,
                      (long long)n->v);
    return n->given ? (uint16_t)n->v : otherwise;
}

struct sw_text sw_config_read_place(struct sw_config_build *b, const struct sw_text *t,
                                    struct sw_config_place *out)
{
    const struct sw_to_directive *d = t->map;
    *out = (struct sw_config_place){.q = SW_Q_MAX, .weight = 1};
    if (!d)
        return name_and_q(b, t, out);
    out->weight = number(b, "weight", &d->weight, 1);
    out->order = number(b, "order", &d->order, 0);
    out->has_weight = d->weight.given;
    out->has_order = d->order.given;
    out->has_q = d->q.s.p != NULL;
    if (out->has_q && !sw_q_parse(d->q.s, &out->q))
        sw_diag_error(b->diags, d->q.mark, "to: q \"%s\" cannot be read (0 to 1, three decimals)",
                      d->q.s.p);
    return d->peer;
}

void sw_config_choose(struct sw_config_build *b, const struct sw_route_directive *d,
                      const struct sw_config_place *any, struct sw_route_conf *r)
{
    r->choose = sw_text_is(&d->choose, "weight")         ? SW_CHOOSE_WEIGHT
                : sw_text_is(&d->choose, "least-loaded") ? SW_CHOOSE_LEAST_LOADED
                : sw_text_is(&d->choose, "hash")         ? SW_CHOOSE_HASH
                                                         : SW_CHOOSE_ORDER;
    if (d->choose.s.p && d->to.count < 2)
        sw_diag_warning(b->diags, d->choose.mark, "choose: has no effect with less than two peers");
    if (r->fork == SW_FORK_PARALLEL && (r->choose != SW_CHOOSE_ORDER || any->has_order))
        sw_diag_error(b->diags, r->choose != SW_CHOOSE_ORDER ? d->choose.mark : d->to.mark,
                      "%s does not go with fork: parallel, which asks all at once (q says who is "
                      "asked first)",
                      r->choose != SW_CHOOSE_ORDER ? "choose" : "order");
    if (any->has_q && (any->has_order || r->choose != SW_CHOOSE_ORDER))
        sw_diag_error(b->diags, d->to.mark, "to: q does not go with %s (order: the lower first)",
                      any->has_order ? "order" : "choose");
    if (any->has_weight && r->choose == SW_CHOOSE_ORDER)
        sw_diag_warning(b->diags, d->to.mark,
                        "to: weight has no effect with choose: order (weight, least-loaded or "
                        "hash use it)");
}

static uint32_t limit(struct sw_config_build *b, const char *key, const struct sw_number *n,
                      int64_t most)
{
    if (n->v > most)
        sw_diag_error(b->diags, n->mark, "%s: %lld is too large (0, any number, to %lld)", key,
                      (long long)n->v, (long long)most);
    return (uint32_t)n->v;
}

void sw_config_peer_group(struct sw_config_build *b, const struct sw_peer_directive *d,
                          struct sw_peer_conf *p, struct sw_conn_peer *cp)
{
    p->fail_after = d->fail_after.given ? (uint32_t)d->fail_after.v : FAIL_AFTER;
    p->retry_after_ms = d->retry_after.given ? (uint32_t)d->retry_after.v : RETRY_AFTER_MS;
    if (p->fail_after > FAILED_MOST)
        sw_diag_error(b->diags, d->fail_after.mark,
                      "fail_after: %lld is too large (0, never, to %d)", (long long)d->fail_after.v,
                      FAILED_MOST);
    if (p->retry_after_ms < RETRY_LEAST_MS || p->retry_after_ms > RETRY_MOST_MS)
        sw_diag_error(b->diags, d->retry_after.mark, "retry_after: is out of range (1s to 1h)");
    p->limits = (struct sw_peer_limits){
        .connections = limit(b, "connections", &d->limits.connections, AT_ONCE_MOST),
        .calls_per_s = limit(b, "calls_per_second", &d->limits.calls_per_second, CALLS_MOST),
        .transactions = limit(b, "transactions", &d->limits.transactions, AT_ONCE_MOST),
    };
    cp->connections = p->limits.connections;
    if (p->limits.connections && p->udp && !p->tcp)
        sw_diag_warning(b->diags, d->limits.connections.mark,
                        "connections: has no effect on a peer with transport: udp");
}

/* What `sipward explain` found out, as one document. */
#include "cmd/explain.h"
#include "proxy/ingress.h"
#include "proxy/sips.h"

#include <stdio.h>

static json_t *text(struct sw_slice s)
{
    return json_stringn(s.n ? s.p : "", s.n);
}

static json_t *address(const struct sw_endpoint *e)
{
    char ip[SW_ENDPOINT_TEXT_MAX];
    return json_string(sw_endpoint_text(e, ip));
}

static const struct sw_conn_peer *dialled(const struct sw_config *c, uint32_t id)
{
    for (uint32_t i = 0; i < c->proxy.peer_count; i++)
        if (c->conn_peers[i].id == id)
            return &c->conn_peers[i];
    return NULL;
}

static const struct sw_peer_directive *directive(const struct sw_config *c,
                                                 const struct sw_peer_conf *p)
{
    return (const struct sw_peer_directive *)c->d.peers.item + (p - c->proxy.peers);
}

static const char *trust_of(const struct sw_config *c, const struct sw_peer_conf *p)
{
    const char *name = p->tls ? directive(c, p)->trust.s.p : NULL;
    return name ? name : "none";
}

/* ---- who asks ---- */

static json_t *source(struct sw_explain *x)
{
    const struct sw_config *c = &x->snapshot->config;
    const struct sw_flow *f = &x->flow;
    const struct sw_peer_conf *p = sw_proxy_peer(&c->proxy, f->peer);
    const struct sw_ingress in = sw_ingress_inbound(&c->proxy, f);
    bool shown = f->transport == SW_TLS && f->peer != SW_PEER_NOBODY && in.peer != f->peer;
    const char *why = !shown ? in.why
                      : p    ? "its certificate, once it has proved what is expected"
                             : "a certificate that proves a domain which is no peer's";
    json_t *o = json_pack("{s:o, s:o, s:o, s:o, s:s, s:b}", "peer",
                          text(sw_proxy_peer_name(&x->gateway.proxy, f->peer)), "transport",
                          text(sw_transport_name((enum sw_transport)f->transport)), "listener",
                          text(c->proxy.listeners[f->listener].name), "remote", address(&f->remote),
                          "why", why, "chosen", x->chosen);
    if (o && shown && p) {
        json_object_set_new(o, "expected", json_string(dialled(c, p->id)->wanted));
        json_object_set_new(o, "trust", json_string(trust_of(c, p)));
        json_object_set_new(
            o, "policy", json_string(c->policies[c->conn_listeners[f->listener].tls.policy].name));
    }
    return o;
}

/* ---- the routes ---- */

static struct sw_slice place_name(const struct sw_text *t)
{
    return t->map ? ((const struct sw_to_directive *)t->map)->peer.s : t->s;
}

static json_t *one_route(const struct sw_config *c, uint32_t i, const char *differs)
{
    const struct sw_route_conf *r = &c->proxy.routes[i];
    const struct sw_route_directive *d = (const struct sw_route_directive *)c->d.routes.item + i;
    json_t *to = json_array();
    for (size_t k = 0; k < d->to.count; k++)
        json_array_append_new(to, text(place_name(&d->to.t[k])));
    json_t *o =
        json_pack("{s:i, s:i, s:s, s:o, s:b}", "route", (int)i + 1, "line", (int)d->mark.line,
                  "from", d->from.s.p ? d->from.s.p : "any", "to", to, "matches", !differs);
    if (o && r->reject)
        json_object_set_new(o, "reject", json_integer(r->reject));
    if (o && r->choose != SW_CHOOSE_ORDER)
        json_object_set_new(o, "choose", text(d->choose.s));
    if (o && differs)
        json_object_set_new(o, "differs", json_string(differs));
    if (o)
        sw_explain_rules(o, d);
    return o;
}

/* Those that are looked at: the first that matches decides. Empty if none is. */
static json_t *routes(struct sw_explain *x)
{
    const struct sw_config *c = &x->snapshot->config;
    struct sw_request q;
    struct sw_refusal refusal;
    json_t *list = json_array();
    x->route = -1;
    sw_engine_begin(&x->gateway.engine, &x->actions, x->gateway.engine.now_ms);
    if ((x->result.done && !x->result.hops) || !sw_explain_request(x, &q) ||
        x->flow.peer == SW_PEER_NOBODY || !sw_policy_request(&x->gateway.proxy, &q, &refusal))
        return list;
    for (uint32_t i = 0; i < c->proxy.route_count; i++) {
        const char *differs = sw_route_mismatch(&x->gateway.proxy, &c->proxy.routes[i], &q);
        json_array_append_new(list, one_route(c, i, differs));
        if (!differs)
            x->route = (int)i;
        if (!differs)
            break;
    }
    return list;
}

/* ---- the places ---- */

static void put_credential(json_t *o, const struct sw_config *c, const struct sw_peer_conf *p)
{
    static const char *const rules[] = {"domain", "wildcard", "address", "chain"};
    const struct sw_conn_peer *d = dialled(c, p->id);
    const struct sw_tls_identity *id = d->tls.identity;
    json_t *subjects = json_array();
    for (const struct sw_tls_identity *i = id; i; i = i->also) {
        struct sw_cert_facts f;
        sw_cert_facts(i->chain.c[0], &f);
        json_array_append_new(subjects, json_string(f.subject));
    }
    json_object_set_new(o, "identity", json_string(id && id->name ? id->name : "none"));
    json_object_set_new(o, "certificate", subjects);
    json_object_set_new(o, "policy", json_string(c->policies[d->tls.policy].name));
    json_object_set_new(o, "trust", json_string(trust_of(c, p)));
    json_object_set_new(o, "verify", json_string(p->pin_count ? "pin" : rules[p->verify & 3]));
    json_object_set_new(
        o, "expected",
        json_string(!p->pin_count && p->verify == SW_VERIFY_CHAIN ? "any name" : d->wanted));
    json_object_set_new(o, "server_name",
                        json_string(d->tls.server_name ? d->tls.server_name : "none"));
}

/* One who is no peer: the listener's identity and trust, and the domain that was asked for. */
static void put_strangers(json_t *o, const struct sw_config *c, const struct sw_explain_hop *h)
{
    const struct sw_tls_params *out = &c->conn_listeners[h->target.listener].out;
    const struct sw_tls_identity *id = out->identity;
    const struct sw_listen_directive *d =
        (const struct sw_listen_directive *)c->d.listen.item + h->target.listener;
    json_t *trust = json_array();
    for (size_t i = 0; i < d->trust.count; i++)
        json_array_append_new(trust, text(d->trust.t[i].s));
    json_object_set_new(o, "identity", json_string(id && id->name ? id->name : "none"));
    json_object_set_new(o, "policy", json_string(c->policies[out->policy].name));
    json_object_set_new(o, "trusts", trust);
    json_object_set_new(o, "verify", json_string("domain"));
    json_object_set_new(o, "expected", json_string(h->domain));
    json_object_set_new(o, "server_name", json_string(h->domain));
}

/* Signed TLSA records decide before trust does: RFC 7673 4.2 */
static void put_dane(json_t *o, const struct sw_explain_hop *h)
{
    char words[SW_DNS_NAME_MAX + 64];
    struct sw_buf b = sw_buf(words, sizeof(words));
    if (!h->server[0])
        return;
    sw_buf_lit(&b, "a certificate that matches the TLSA records of ");
    sw_buf_str(&b, h->server);
    json_object_set_new(o, "expected", json_stringn(b.p, b.n));
    json_object_set_new(o, "verify", json_string("dane"));
}

static const char *connection(const struct sw_explain *x, const struct sw_explain_hop *h)
{
    if (h->target.transport == SW_UDP)
        return "none: datagrams";
    if (h->reuses)
        return "this open one is used";
    if (h->waits)
        return "this one, which is being opened, is waited for";
    if (h->full)
        return "none: limits.connections of the peer is reached, and the next target is tried";
    return x->asked ? "a new one is opened" : "a new one, unless the gateway has one by then";
}

/* When a place is tried, in words of RFC 3261 16.6 and 16.7. */
static const char *when(const struct sw_explain_hop *h, uint32_t i, const struct sw_target *before)
{
    if (i == 0)
        return "first";
    if (h->target.clear)
        return "only if TLS is refused at connect: in the clear";
    if (h->target.alternative)
        return "if the one before cannot be reached, answers 503, or is silent";
    return h->target.group == before->group ? "at the same time as the one before"
                                            : "if those before do not accept";
}

static void put_request(json_t *o, const struct sw_explain_hop *h)
{
    const char *end = h->bytes ? strstr(h->bytes, " SIP/2.0\r\n") : NULL;
    const char *uri = h->bytes ? strchr(h->bytes, ' ') : NULL;
    if (!end || !uri || uri >= end)
        return;
    json_object_set_new(o, "request_uri", json_stringn(uri + 1, (size_t)(end - uri - 1)));
    json_object_set_new(o, "request", json_stringn_nocheck(h->bytes, h->n));
}

static json_t *target(struct sw_explain *x, uint32_t i)
{
    const struct sw_config *c = &x->snapshot->config;
    const struct sw_explain_hop *h = &x->result.hop[i];
    const struct sw_target *t = &h->target;
    const struct sw_peer_conf *p = sw_proxy_peer(&c->proxy, t->peer);
    bool up = p && sw_target_is_up(&x->gateway.proxy, p, x->gateway.engine.now_ms);
    json_t *o = json_pack(
        "{s:o, s:s, s:o, s:o, s:b, s:s, s:o, s:o, s:s, s:s}", "peer",
        text(sw_proxy_peer_name(&x->gateway.proxy, t->peer)), "when",
        when(h, i, i ? &x->result.hop[i - 1].target : NULL), "transport",
        text(sw_transport_name((enum sw_transport)t->transport)), "address", address(&t->remote),
        "large_over_tcp", t->large_over_tcp, "dns",
        t->located ? "asked: see dns" : "not asked: the address is in the configuration",
        "listener", text(c->proxy.listeners[t->listener].name), "local",
        address(&c->proxy.listeners[t->listener].address), "connection", connection(x, h), "health",
        !p          ? "not asked: no peer"
        : !x->asked ? "not known: the gateway is not asked"
        : up        ? "up"
                    : "down: it is tried since no other is up");
    if (!o)
        return NULL;
    if (h->conn[0])
        json_object_set_new(o, "conn", json_string(h->conn));
    if (t->transport == SW_TLS && p)
        put_credential(o, c, p);
    else if (t->transport == SW_TLS && h->domain[0])
        put_strangers(o, c, h);
    put_dane(o, h);
    sw_explain_passing(o, x, p);
    if (p)
        sw_explain_peer(o, x, p);
    if (h->avoided)
        json_object_set_new(o, "avoided", json_string("it failed lately: others are tried before"));
    put_request(o, h);
    return o;
}

static json_t *targets(struct sw_explain *x)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < x->result.hops; i++)
        json_array_append_new(list, target(x, i));
    return list;
}

/* ---- the verdicts ---- */

static json_t *sips(struct sw_explain *x)
{
    const struct sw_explain_result *r = &x->result;
    struct sw_request q;
    bool is = strncasecmp(x->uri, "sips:", 5) == 0, clear = false;
    bool route = !is && sw_explain_request(x, &q) && sw_request_needs_tls(&q); /* RFC 5630 5.1.1 */
    for (uint32_t i = 0; i < r->hops; i++)
        clear |= !sw_transport_secure((enum sw_transport)r->hop[i].target.transport);
    return json_pack("{s:b, s:s}", "demanded", is || route, "verdict",
                     !r->hops ? "the request goes nowhere"
                     : is     ? "TLS is demanded on each hop, and every target has it"
                     : route  ? "TLS is demanded by the next Route, and every target has it"
                     : clear  ? "not demanded: a target without TLS is used"
                              : "not demanded, and every target has TLS");
}

static json_t *answer(const struct sw_explain *x)
{
    const struct sw_explain_result *r = &x->result;
    json_t *o = json_pack("{s:i}", "status", (int)r->status);
    if (r->status)
        json_object_set_new(o, "reason", json_string(r->reason));
    if (r->warning[0])
        json_object_set_new(o, "warning", json_string(r->warning));
    if (r->done)
        json_object_set_new(o, "why", json_string("OPTIONS for the gateway itself"));
    else
        json_object_set_new(o, "why", json_string(r->why ? r->why : "it is dropped unread"));
    if (r->help)
        json_object_set_new(o, "help", json_string(r->help));
    return o;
}

json_t *sw_explain_json(struct sw_explain *x)
{
    json_t *list = routes(x); /* first: it says which one matches */
    json_t *o =
        json_pack("{s:s, s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "uri", x->uri, "method",
                  x->method, "ok", x->result.done, "gateway_asked", x->asked, "source", source(x),
                  "sips", sips(x), "routes", list, "targets", targets(x), "dns", sw_explain_dns(x));
    if (o && !x->result.hops)
        json_object_set_new(o, "answer", answer(x));
    return o;
}

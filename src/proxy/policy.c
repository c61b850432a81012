#include "proxy/policy.h"

#include "proxy/hide.h"
#include "proxy/rules.h"
#include "proxy/sips.h"

bool sw_refuse(struct sw_refusal *out, unsigned code, const char *reason, const char *why,
               const char *help)
{
    *out = (struct sw_refusal){.code = (uint16_t)code, .reason = reason, .why = why, .help = help};
    return false;
}

uint64_t sw_policy_loop_hash(const struct sw_proxy *p, const struct sw_request *q)
{
    struct sw_siphash h;
    sw_siphash_init(&h, p->e->conf.table_key);
    /* the fields that routing depends on, and two that differ between requests */
    sw_siphash_slice(&h, sw_msg_uri(q->m));
    sw_siphash_slice(&h, sw_msg_value(q->m, SW_HDR_ROUTE));
    sw_siphash_add(&h, &q->flow->peer, sizeof(q->flow->peer));
    sw_siphash_add(&h, &q->flow->listener, sizeof(q->flow->listener));
    sw_siphash_slice(&h, sw_msg_value(q->m, SW_HDR_PROXY_REQUIRE));
    sw_siphash_slice(&h, sw_msg_value(q->m, SW_HDR_PROXY_AUTHORIZATION));
    sw_siphash_slice(&h, q->v->call_id);
    sw_siphash_slice(&h, q->v->from_tag);
    sw_siphash_slice(&h, q->v->to_tag);
    sw_siphash_add(&h, &q->v->cseq, sizeof(q->v->cseq));
    sw_rules_hash(p->conf, q, &h);
    return sw_siphash_end(&h).a & 0xffffffffffff;
}

/* What the Vias of one request are compared with, and those of them that hide further ones. */
struct passes {
    const struct sw_proxy *p;
    const struct sw_request *q;
    uint64_t hash;
    struct sw_via hiding; /* the last one that may; .branch.n 0: none */
};

static uint64_t hash_of(struct passes *x)
{
    x->hash = x->hash ? x->hash : sw_policy_loop_hash(x->p, x->q);
    return x->hash;
}

/* A Via that this worker or a neighbour wrote, with the same second part in its branch, or one that
 * another gateway hides. The table key is of this process, so another process's branch cannot match
 * by accident. RFC 5393 4.2.2 */
static bool same_pass(struct passes *x, const struct sw_via *via)
{
    struct sw_owner o;
    if (sw_hide_has_marks(via) && sw_hide_marked(via, hash_of(x)))
        return true;
    if (!sw_owner_get(via->branch, &o) || o.instance != x->p->e->conf.instance)
        return false;
    if (sw_hide_in_via(via))
        x->hiding = *via;
    return o.loop == hash_of(x);
}

/* Passes before the one towards a peer from which the inside is hidden are in its Via, and those
 * before them in a Via in there; each is smaller than the one around it. */
static bool hidden_loops(struct passes *x)
{
    enum { DEPTH_MAX = 8 }; /* 2 KiB hold fewer within each other */
    char bytes[2][SW_HIDE_TEXT_MAX];
    struct sw_slice items, item;
    struct sw_via via;
    for (int i = 0; i < DEPTH_MAX && x->hiding.branch.n; i++) {
        struct sw_via last = x->hiding;
        x->hiding.branch.n = 0;
        if (sw_unhide_via(x->p->conf, &last, bytes[i & 1], &items) != SW_OK)
            return false;
        while (sw_hide_list_next(&items, &item)) {
            struct sw_lex l = sw_lex(item);
            while (!sw_lex_end(&l) && sw_via_next(&l, &via) == SW_OK)
                if (same_pass(x, &via))
                    return true;
        }
    }
    return false;
}

static bool loops(const struct sw_proxy *p, const struct sw_request *q)
{
    struct sw_values values = sw_values(q->m, SW_HDR_VIA);
    struct passes x = {.p = p, .q = q};
    struct sw_via via;
    while (sw_values_via(&values, &via) == SW_OK)
        if (same_pass(&x, &via))
            return true;
    return x.hiding.branch.n && hidden_loops(&x);
}

/* We understand no extension that Proxy-Require can name. RFC 3261 16.3 step 5 */
static bool proxy_require(struct sw_proxy *p, const struct sw_request *q, struct sw_refusal *out)
{
    struct sw_values values = sw_values(q->m, SW_HDR_PROXY_REQUIRE);
    struct sw_slice tag;
    enum sw_status s = sw_values_token(&values, &tag);
    if (s == SW_AGAIN)
        return true;
    struct sw_buf b = sw_engine_buf(p->e, q->m->n);
    sw_buf_lit(&b, "Unsupported: ");
    for (bool first = true; s == SW_OK; s = sw_values_token(&values, &tag), first = false) {
        if (!first)
            sw_buf_lit(&b, ", ");
        sw_buf_slice(&b, tag);
    }
    sw_buf_lit(&b, "\r\n");
    if (s == SW_PEER_SYNTAX)
        return sw_refuse(out, 400, "Bad Proxy-Require", "Proxy-Require is no list of option tags",
                         "RFC 3261 20.29, 25.1: option tags with a comma between two");
    sw_refuse(out, 420, NULL, "Proxy-Require names an extension that is not supported here",
              "the sender must do without it: see Unsupported in the answer");
    out->extra = b.full ? sw_slice("", 0) : sw_buf_view(&b);
    return false;
}

struct sw_slice sw_policy_warning(struct sw_proxy *p, const struct sw_flow *flow, unsigned code,
                                  const char *text)
{
    struct sw_buf b = sw_engine_buf(p->e, 512);
    sw_buf_lit(&b, "Warning: ");
    sw_buf_u64(&b, code);
    sw_buf_char(&b, ' ');
    sw_buf_slice(&b, p->conf->listeners[flow->listener].host);
    sw_buf_lit(&b, " \"");
    sw_buf_str(&b, text);
    sw_buf_lit(&b, "\"\r\n");
    return b.full ? sw_slice("", 0) : sw_buf_view(&b);
}

/* Route is used, so it must be well-formed, and is limited. RFC 3261 16.3 step 1, 20.34 */
static bool bad_route(struct sw_proxy *p, const struct sw_routes *r, struct sw_refusal *out)
{
    if (r->too_long) {
        sw_proxy_count(p, SW_LIMITED_URI_BYTES);
        return sw_refuse(out, 400, "Bad Route", "limit uri_bytes: a URI in Route is too long",
                         "raise limits.uri_bytes if it is wanted");
    }
    if (r->too_many)
        sw_proxy_count(p, SW_LIMITED_ROUTES);
    return sw_refuse(out, 400, "Bad Route", "a Route value is no address, or there are too many",
                     "RFC 3261 20.34");
}

/* A request inside a dialog must come from one of the two that the seal names. One without To tag
 * is in none: routes and limits hold for it, whatever Route it has. RFC 3261 12.2.1.1 */
static bool dialog(struct sw_proxy *p, struct sw_request *q, struct sw_refusal *out)
{
    q->side = -1;
    if (q->r->bad_value)
        return bad_route(p, q->r, out);
    if (q->r->bad_seal)
        return sw_refuse(out, 403, "Route Not Valid Here",
                         "the sealed value in our Route does not hold for this Call-ID and key",
                         "a dialog from before the start of the gateway, unless seal_key keeps the "
                         "key; or a forged Route");
    if (q->r->sealed && sw_routes_side(p->conf, q->r, q->flow, &q->side) != SW_OK)
        return sw_refuse(
            out, 403, "Not A Party To This Dialog",
            "the sender is neither of the two peers that the sealed Route names",
            "the peer's address or certificate changed during the dialog, or it is somebody else");
    bool ends = q->m->method == SW_BYE || q->m->method == SW_ACK; /* RFC 2543 had no tags */
    if (q->r->sealed && q->v->to_tag.n == 0 && !ends) {
        q->side = -1;
        if (q->r->uri.p)
            return sw_refuse(out, 403, "Route Not Valid Here",
                             "a request outside of dialogs has the Route of one",
                             "a To tag is missing, or it is to pass the routes");
    }
    return true;
}

uint32_t sw_policy_breadth(const struct sw_msg *m)
{
    const struct sw_hdr *h = sw_msg_hdr(m, SW_HDR_MAX_BREADTH);
    uint64_t n;
    if (!h)
        return SW_BREADTH_MAX;
    if (h->next || !sw_slice_u64(sw_slice(m->p + h->value, h->value_n), UINT32_MAX - 1, &n))
        return UINT32_MAX;
    return n < SW_BREADTH_MAX ? (uint32_t)n : SW_BREADTH_MAX;
}

static bool breadth(struct sw_request *q, struct sw_refusal *out)
{
    q->breadth = sw_policy_breadth(q->m);
    if (q->breadth == UINT32_MAX)
        return sw_refuse(out, 400, "Bad Max-Breadth", "Max-Breadth is no number, or stands twice",
                         "RFC 5393 5.8");
    return q->breadth > 0 || sw_refuse(out, 440, NULL, "Max-Breadth is used up: RFC 5393 5.3.3",
                                       "systems before us fork into too many branches");
}

bool sw_policy_request(struct sw_proxy *p, struct sw_request *q, struct sw_refusal *out)
{
    if (q->v->uri.scheme == SW_SCHEME_OTHER)
        return sw_refuse(out, 416, NULL, "the Request-URI is neither sip, sips nor tel",
                         "let the sender use a sip, sips or tel URI");
    if (q->v->max_forwards == 0 && q->m->method != SW_ACK)
        return sw_refuse(out, 483, NULL, "Max-Forwards is used up",
                         "a loop between systems, or too many hops");
    if (loops(p, q))
        return sw_refuse(out, 482, NULL, "the request came back unchanged: RFC 5393 4.2.2",
                         "two systems send it to each other: compare the routes of both");
    if (!breadth(q, out) || !proxy_require(p, q, out))
        return false;
    if (!dialog(p, q, out))
        return false;
    if (q->bad_hidden.code) {
        *out = q->bad_hidden;
        return false;
    }
    return sw_sips_sender(p, q, out);
}

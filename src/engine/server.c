#include "engine/server.h"

/* Who sent it: the peer, or the domain that was proved; and the address where no identity stands
 * behind it. */
static void add_sender(struct sw_siphash *h, const struct sw_flow *flow)
{
    uint32_t owner = sw_flow_owner(flow);
    sw_siphash_add(h, &owner, sizeof(owner));
    if (flow->peer == SW_PEER_NOBODY)
        sw_siphash_add(h, flow->remote.ip, sizeof(flow->remote.ip));
}

/* RFC 2543 clients: Request-URI, To and From tags, Call-ID, CSeq, top Via. RFC 3261 17.2.3 */
static void add_old(struct sw_siphash *h, const struct sw_msg *m, const struct sw_vitals *v,
                    bool invite)
{
    sw_siphash_slice(h, sw_msg_uri(m));
    sw_siphash_slice(h, v->from_tag);
    sw_siphash_slice(h, v->call_id);
    sw_siphash_add(h, &v->cseq, sizeof(v->cseq));
    sw_siphash_slice(h, v->via.whole);
    if (!invite)
        sw_siphash_slice(h, v->to_tag);
}

struct sw_key sw_server_key(const struct sw_engine *e, const struct sw_flow *flow,
                            const struct sw_msg *m, const struct sw_vitals *v, bool as_invite)
{
    struct sw_siphash h;
    bool invite = as_invite || m->method == SW_INVITE || m->method == SW_ACK;
    sw_siphash_init(&h, e->conf.table_key);
    add_sender(&h, flow);
    if (sw_via_is_3261(&v->via)) {
        uint16_t port = sw_via_port(&v->via);
        sw_siphash_slice(&h, v->via.branch);
        sw_siphash_slice_lower(&h, v->via.host);
        sw_siphash_add(&h, &port, sizeof(port));
    } else {
        add_old(&h, m, v, invite);
    }
    sw_siphash_slice(&h, invite ? SW_SLICE("INVITE") : v->cseq_method);
    return sw_siphash_end(&h);
}

struct sw_server *sw_server_find(const struct sw_engine *e, struct sw_key key)
{
    struct sw_map_node *n = sw_map_get(&e->by_key, key);
    return n ? SW_CONTAINER(n, struct sw_server, node) : NULL;
}

struct sw_server *sw_server_get(const struct sw_engine *e, struct sw_ref ref)
{
    return sw_table_get(&e->servers, ref);
}

struct sw_endpoint sw_server_reply_to(const struct sw_flow *flow, const struct sw_via *via)
{
    struct sw_endpoint to = flow->remote, maddr;
    if (sw_transport_reliable(flow->transport)) {
        to.port = sw_via_port(via); /* if the connection is gone: RFC 3261 18.2.2, first bullet */
        return to;
    }
    if (via->maddr.n && flow->peer != SW_PEER_NOBODY && sw_endpoint_ip_parse(via->maddr, &maddr)) {
        maddr.port = via->port ? via->port : 5060;
        return maddr;
    }
    if (!via->rport.name.p)
        to.port = via->port ? via->port : 5060;
    return to;
}

/* Does what the machine asks for; `s` is gone if that was its end. */
static void apply(struct sw_engine *e, struct sw_server *s, const struct sw_txn_out *o)
{
    sw_engine_timers(e, o, &s->retry, &s->life);
    if (o->todo & SW_DO_END)
        sw_server_free(e, s);
}

struct sw_server *sw_server_new(struct sw_engine *e, const struct sw_flow *flow,
                                const struct sw_vitals *v, struct sw_key key)
{
    struct sw_ref ref;
    struct sw_server *s = sw_table_add(&e->servers, (uint32_t)sw_prng_next(&e->prng), &ref);
    if (!s) {
        sw_engine_count(e, SW_LIMITED_TRANSACTIONS);
        return NULL;
    }
    sw_timer_init(&s->retry, SW_TK_SERVER_RETRY);
    sw_timer_init(&s->life, SW_TK_SERVER_LIFE);
    s->ref = ref;
    s->flow = flow->id;
    s->remote = sw_server_reply_to(flow, &v->via);
    s->peer = sw_flow_owner(flow);
    s->local_id = flow->local_id;
    s->listener = flow->listener;
    s->transport = flow->transport;
    s->method = v->method;
    s->sips = v->uri.scheme == SW_SCHEME_SIPS;
    s->txn =
        sw_txn(v->method == SW_INVITE ? SW_IST : SW_NIST, sw_transport_reliable(flow->transport));
    sw_map_add(&e->by_key, &s->node, key);
    struct sw_action *a = NULL;
    if (e->conf.directory && v->method == SW_INVITE)
        a = sw_action_add(e->out, SW_ACT_PUBLISH);
    if (a) {
        a->key = key;
        s->published = true;
    }
    e->pending++;
    struct sw_txn_out o = sw_txn_event(&s->txn, SW_TXN_START);
    apply(e, s, &o);
    return s;
}

static void forget_response(struct sw_engine *e, struct sw_server *s)
{
    sw_slab_put(e->slab, s->resp, s->resp_n);
    s->resp = NULL;
    s->resp_n = 0;
}

static void settle(struct sw_engine *e, struct sw_server *s)
{
    if (!s->answered)
        e->pending--;
    s->answered = true;
}

void sw_server_free(struct sw_engine *e, struct sw_server *s)
{
    struct sw_action *a = s->published && e->out ? sw_action_add(e->out, SW_ACT_UNPUBLISH) : NULL;
    if (a)
        a->key = s->node.key;
    settle(e, s);
    forget_response(e, s);
    sw_timer_stop(&e->timers, &s->retry);
    sw_timer_stop(&e->timers, &s->life);
    sw_map_del(&e->by_key, &s->node);
    sw_table_del(&e->servers, s->ref);
}

static struct sw_cookie cookie(const struct sw_server *s)
{
    return (struct sw_cookie){.why = SW_FOR_RESPONSE,
                              .sips = s->sips,
                              .transport = s->transport,
                              .listener = s->listener,
                              .peer = s->peer,
                              .local_id = s->local_id,
                              .ref = s->ref};
}

static void send_again(struct sw_engine *e, struct sw_server *s)
{
    if (!s->resp)
        return;
    struct sw_cookie c = cookie(s);
    sw_engine_count(e, SW_COUNT_REPEATS_SENT);
    struct sw_slice *copy = sw_arena_get(&e->scratch, sizeof(*copy));
    struct sw_slice bytes = sw_arena_dup(&e->scratch, sw_slice(s->resp, s->resp_n));
    if (!copy || !bytes.p)
        return;
    *copy = bytes; /* the transaction may end before the action is performed */
    sw_engine_send(e, &s->flow, &s->remote, copy, 1, bytes.n, &c);
}

/* A response is kept while a repeated request, or a timer, can ask for it: RFC 3261 17.2.1, 17.2.2.
 * Requests are not repeated on reliable transports. */
static void keep_response(struct sw_engine *e, struct sw_server *s, unsigned status,
                          const struct sw_slice *segs, size_t count, size_t total)
{
    forget_response(e, s);
    if (s->txn.reliable || (s->txn.kind == SW_IST && status / 100 == 2))
        return;
    s->resp = sw_slab_get(e->slab, total);
    if (!s->resp)
        return;
    s->resp_n = (uint32_t)total;
    sw_segs_copy(segs, count, s->resp);
}

void sw_server_respond(struct sw_engine *e, struct sw_server *s, unsigned status,
                       const struct sw_slice *segs, size_t count, size_t total)
{
    struct sw_txn_out o = sw_txn_event(&s->txn, sw_txn_response(status));
    if (o.todo & SW_DO_SEND) {
        struct sw_cookie c = cookie(s);
        sw_engine_send(e, &s->flow, &s->remote, segs, count, total, &c);
        keep_response(e, s, status, segs, count, total);
    }
    if (status >= 200)
        settle(e, s);
    apply(e, s, &o);
}

bool sw_server_again(struct sw_engine *e, struct sw_server *s, enum sw_txn_event event)
{
    struct sw_txn_out o = sw_txn_event(&s->txn, event);
    if (event == SW_TXN_REQUEST)
        sw_engine_count(e, SW_COUNT_REPEATS_RECEIVED);
    if (o.todo & SW_DO_SEND)
        send_again(e, s);
    if (s->txn.state == SW_TXN_CONFIRMED)
        forget_response(e, s);
    apply(e, s, &o);
    return o.todo & SW_DO_PASS;
}

struct sw_due sw_server_due(struct sw_engine *e, struct sw_server *s, enum sw_txn_event event)
{
    struct sw_due due = {.kind = SW_DUE_NONE, .server = s, .user = s->user};
    struct sw_txn_out o = sw_txn_event(&s->txn, event);
    if (o.todo & SW_DO_SEND)
        send_again(e, s);
    if (o.todo & SW_DO_TRYING)
        due.kind = SW_DUE_TRYING;
    if (o.todo & SW_DO_TIMEOUT)
        due.kind = SW_DUE_NO_ACK;
    apply(e, s, &o);
    return due;
}

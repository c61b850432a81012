#include "engine/client.h"

#include "sip/build.h"

/* Header rows of a request that we built ourselves or passed on: it was parsed with as many. */
enum { SENT_HDRS_MAX = SW_HDRS_MAX + 8 };

static struct sw_key flow_key(const struct sw_flow_id *f)
{
    return (struct sw_key){f->slot ^ (uint64_t)f->worker << 32 ^ (uint64_t)f->worker * 0x9e3779b1u,
                           (uint64_t)f->instance << 32 | f->generation};
}

static void leave_flow(struct sw_engine *e, struct sw_client *c)
{
    struct sw_flow_use *use = c->use;
    sw_list_del(&c->on_flow); /* or from the stranded ones */
    c->use = NULL;
    if (!use)
        return;
    if (!sw_list_empty(&use->clients))
        return;
    sw_map_del(&e->by_flow, &use->node);
    sw_slab_put(e->slab, use, sizeof(*use));
}

static void join_flow(struct sw_engine *e, struct sw_client *c)
{
    struct sw_key key = flow_key(&c->flow);
    struct sw_map_node *n = sw_map_get(&e->by_flow, key);
    struct sw_flow_use *use = n ? SW_CONTAINER(n, struct sw_flow_use, node) : NULL;
    if (!use) {
        use = sw_slab_get(e->slab, sizeof(*use));
        if (!use)
            return; /* then its timers end it */
        sw_list_init(&use->clients);
        sw_map_add(&e->by_flow, &use->node, key);
    }
    c->use = use;
    sw_list_add(&use->clients, &c->on_flow);
}

void sw_client_strand(struct sw_engine *e, const struct sw_flow_id *flow, bool ours)
{
    struct sw_map_node *n = sw_map_get(&e->by_flow, flow_key(flow));
    if (!n)
        return;
    struct sw_flow_use *use = SW_CONTAINER(n, struct sw_flow_use, node);
    for (struct sw_list *x = use->clients.next; x != &use->clients; x = x->next) {
        struct sw_client *c = SW_CONTAINER(x, struct sw_client, on_flow);
        c->use = NULL;
        c->ours = ours;
    }
    sw_list_splice(&e->stranded, &use->clients);
    sw_map_del(&e->by_flow, n);
    sw_slab_put(e->slab, use, sizeof(*use));
}

struct sw_client *sw_client_stranded(struct sw_engine *e)
{
    if (sw_list_empty(&e->stranded))
        return NULL;
    struct sw_client *c = SW_CONTAINER(e->stranded.next, struct sw_client, on_flow);
    sw_list_del(&c->on_flow);
    return c;
}

struct sw_client *sw_client_new(struct sw_engine *e, enum sw_method method,
                                const struct sw_flow *flow, void *user, uint8_t user_kind)
{
    struct sw_ref ref;
    struct sw_client *c = sw_table_add(&e->clients, (uint32_t)sw_prng_next(&e->prng), &ref);
    if (!c) {
        sw_engine_count(e, SW_LIMITED_TRANSACTIONS);
        return NULL;
    }
    bool reliable = sw_transport_reliable(flow->transport);
    sw_timer_init(&c->retry, SW_TK_CLIENT_RETRY);
    sw_timer_init(&c->life, SW_TK_CLIENT_LIFE);
    sw_list_init(&c->on_flow);
    c->ref = ref;
    c->flow = flow->id;
    c->remote = flow->remote;
    if (reliable && !flow->outbound)
        c->remote.port = flow->alias_port; /* where another connection would go; 0: nowhere */
    c->peer = sw_flow_owner(flow);
    c->local_id = flow->local_id;
    c->listener = flow->listener;
    c->transport = flow->transport;
    c->user = user;
    c->user_kind = user_kind;
    c->method = (uint8_t)method;
    c->txn = sw_txn(method == SW_INVITE ? SW_ICT : SW_NICT, reliable);
    if (reliable)
        join_flow(e, c);
    return c;
}

struct sw_client *sw_client_get(const struct sw_engine *e, struct sw_ref ref)
{
    return sw_table_get(&e->clients, ref);
}

static struct sw_cookie cookie(const struct sw_client *c)
{
    return (struct sw_cookie){.why = SW_FOR_CLIENT,
                              .sips = c->sips,
                              .transport = c->transport,
                              .listener = c->listener,
                              .peer = c->peer,
                              .local_id = c->local_id,
                              .ref = c->ref};
}

/* Sends bytes from a copy: the transaction may end before the action is performed. */
static void send_copy(struct sw_engine *e, struct sw_client *c, const struct sw_slice *segs,
                      size_t count)
{
    struct sw_cookie k = cookie(c);
    if (c->method == SW_CANCEL && c->txn.reliable)
        k.why = SW_FOR_HOP; /* its INVITE's connection may be gone: RFC 5923 8.1 */
    size_t n = sw_segs_total(segs, count);
    struct sw_buf b = sw_engine_buf(e, n);
    if (n == 0 || b.cap < n)
        return;
    sw_segs_copy(segs, count, b.p);
    sw_engine_send_bytes(e, &c->flow, &c->remote, sw_slice(b.p, n), &k);
}

static void send_request(struct sw_engine *e, struct sw_client *c)
{
    const struct sw_slice own = sw_slice(c->own, c->own_n);
    if (c->segs)
        send_copy(e, c, c->segs, c->seg_count);
    else
        send_copy(e, c, &own, 1);
}

/* Once it is answered, the request is not sent again. */
static void forget_request(struct sw_engine *e, struct sw_client *c)
{
    sw_slab_put(e->slab, c->own, c->own_n);
    c->own = NULL;
    c->own_n = 0;
    c->segs = NULL;
}

void sw_client_free(struct sw_engine *e, struct sw_client *c)
{
    struct sw_client *cancel = sw_client_get(e, c->cancel);
    if (cancel)
        sw_client_free(e, cancel);
    leave_flow(e, c);
    forget_request(e, c);
    sw_slab_put(e->slab, c->ack, c->ack_n);
    sw_timer_stop(&e->timers, &c->retry);
    sw_timer_stop(&e->timers, &c->life);
    sw_table_del(&e->clients, c->ref);
}

void sw_client_orphan(struct sw_client *c)
{
    c->user = NULL;
    c->segs = NULL;
}

/* Timers, and the end. A transaction that only absorbs repeats needs no connection any more. */
static bool apply(struct sw_engine *e, struct sw_client *c, const struct sw_txn_out *o)
{
    sw_engine_timers(e, o, &c->retry, &c->life);
    if (o->todo & SW_DO_END) {
        sw_client_free(e, c);
        return true;
    }
    if (!sw_client_waiting(c)) {
        leave_flow(e, c);
        forget_request(e, c);
    }
    return false;
}

void sw_client_start(struct sw_engine *e, struct sw_client *c, const struct sw_slice *segs,
                     size_t count, size_t total)
{
    struct sw_cookie k = cookie(c);
    c->segs = segs;
    c->seg_count = (uint16_t)count;
    struct sw_txn_out o = sw_txn_event(&c->txn, SW_TXN_START);
    sw_engine_send(e, &c->flow, &c->remote, segs, count, total, &k);
    apply(e, c, &o);
}

bool sw_client_start_own(struct sw_engine *e, struct sw_client *c, struct sw_slice bytes)
{
    c->own = sw_slab_get(e->slab, bytes.n);
    if (!c->own) {
        sw_client_free(e, c);
        return false;
    }
    memcpy(c->own, bytes.p, bytes.n);
    c->own_n = (uint32_t)bytes.n;
    struct sw_txn_out o = sw_txn_event(&c->txn, SW_TXN_START);
    send_request(e, c);
    apply(e, c, &o);
    return true;
}

struct sw_client *sw_client_match(const struct sw_engine *e, const struct sw_vitals *v)
{
    struct sw_owner o;
    if (!sw_owner_get(v->via.branch, &o) || o.instance != e->conf.instance ||
        o.worker != e->conf.worker)
        return NULL;
    struct sw_client *c = sw_client_get(e, o.client);
    if (c && v->method == SW_CANCEL)
        c = sw_client_get(e, c->cancel);
    if (!c ||
        (c->method == SW_METHOD_OTHER ? v->method != SW_METHOD_OTHER : c->method != v->method))
        return NULL;
    return c;
}

/* The request as it left us, parsed, in scratch memory. */
static bool sent_message(struct sw_engine *e, const struct sw_client *c, struct sw_msg *m)
{
    const struct sw_slice own = sw_slice(c->own, c->own_n), *segs = c->segs ? c->segs : &own;
    size_t count = c->segs ? c->seg_count : 1, n = sw_segs_total(segs, count);
    char *p = sw_arena_get(&e->scratch, n);
    struct sw_hdr *hdrs = sw_arena_get(&e->scratch, SENT_HDRS_MAX * sizeof(*hdrs));
    if (n == 0 || !p || !hdrs)
        return false;
    sw_segs_copy(segs, count, p);
    return sw_msg_parse(p, n, hdrs, SENT_HDRS_MAX, m) == SW_OK;
}

/* Builds the ACK once; on unreliable transports it is kept to answer repeats of the response. */
static void acknowledge(struct sw_engine *e, struct sw_client *c, const struct sw_msg *response)
{
    struct sw_msg sent;
    const struct sw_slice kept = sw_slice(c->ack, c->ack_n);
    if (c->ack) {
        send_copy(e, c, &kept, 1);
        return;
    }
    if (!sent_message(e, c, &sent))
        return;
    struct sw_buf b = sw_engine_buf(e, (size_t)sent.n + response->n + 256);
    sw_build_ack(&b, &sent, response);
    if (b.full)
        return;
    struct sw_cookie k = cookie(c);
    if (c->txn.reliable)
        k.why = SW_FOR_HOP;
    sw_engine_send_bytes(e, &c->flow, &c->remote, sw_buf_view(&b), &k);
    c->ack = c->txn.reliable ? NULL : sw_slab_get(e->slab, b.n);
    if (!c->ack)
        return;
    memcpy(c->ack, b.p, b.n);
    c->ack_n = (uint32_t)b.n;
}

bool sw_client_receive(struct sw_engine *e, struct sw_client *c, const struct sw_msg *m,
                       bool *ended)
{
    struct sw_txn_out o = sw_txn_event(&c->txn, sw_txn_response(m->status));
    if (!(o.todo & SW_DO_PASS))
        sw_engine_count(e, SW_COUNT_REPEATS_RECEIVED);
    if (o.todo & SW_DO_ACK)
        acknowledge(e, c, m);
    *ended = apply(e, c, &o);
    return o.todo & SW_DO_PASS;
}

bool sw_client_cancel(struct sw_engine *e, struct sw_client *c)
{
    struct sw_msg sent;
    if (c->txn.kind != SW_ICT || c->txn.state != SW_TXN_PROCEEDING || c->cancel.generation ||
        !sent_message(e, c, &sent))
        return false;
    struct sw_flow flow = {.id = c->flow,
                           .remote = c->remote,
                           .peer = c->peer,
                           .local_id = c->local_id,
                           .listener = c->listener,
                           .transport = c->transport,
                           .alias_port = c->remote.port}; /* where it would be dialled anew */
    struct sw_client *x = sw_client_new(e, SW_CANCEL, &flow, NULL, 0);
    if (!x)
        return false;
    x->sips = c->sips;
    struct sw_buf b = sw_engine_buf(e, (size_t)sent.n + 128);
    sw_build_cancel(&b, &sent);
    if (b.full) {
        sw_client_free(e, x);
        return false;
    }
    struct sw_ref ref = x->ref;
    if (!sw_client_start_own(e, x, sw_buf_view(&b)))
        return false;
    c->cancel = ref;
    return true;
}

/* A copy of the request, because its user will not keep it. */
static bool keep_request(struct sw_engine *e, struct sw_client *c)
{
    size_t n = sw_segs_total(c->segs, c->seg_count);
    c->own = c->own || !c->segs ? c->own : sw_slab_get(e->slab, n);
    if (!c->own)
        return false;
    if (c->segs) {
        sw_segs_copy(c->segs, c->seg_count, c->own);
        c->own_n = (uint32_t)n;
    }
    c->segs = NULL;
    return true;
}

bool sw_client_abandon(struct sw_engine *e, struct sw_client *c, struct sw_slice *cancel,
                       struct sw_cookie *k)
{
    struct sw_msg sent;
    *k = cookie(c);
    k->why = SW_FOR_HOP;
    if (!c->txn.reliable || c->txn.kind != SW_ICT || c->txn.state != SW_TXN_PROCEEDING ||
        c->cancel.generation || !sent_message(e, c, &sent) || !keep_request(e, c))
        return false;
    struct sw_buf b = sw_engine_buf(e, (size_t)sent.n + 128);
    sw_build_cancel(&b, &sent);
    if (b.full)
        return false;
    *cancel = sw_buf_view(&b);
    sw_client_orphan(c);
    leave_flow(e, c);
    sw_timer_start_fifo(&e->timers, &c->life, SW_FIFO_LIFE, e->now_ms + SW_T_LIFE_MS);
    return true;
}

bool sw_client_fail(struct sw_engine *e, struct sw_client *c)
{
    struct sw_txn_out o = sw_txn_event(&c->txn, SW_TXN_ERROR);
    leave_flow(e, c);
    return apply(e, c, &o);
}

struct sw_due sw_client_due(struct sw_engine *e, struct sw_client *c, enum sw_txn_event event)
{
    struct sw_due due = {.kind = SW_DUE_NONE, .user = c->user, .user_kind = c->user_kind};
    struct sw_txn_out o = sw_txn_event(&c->txn, event);
    if (o.todo & SW_DO_SEND) {
        sw_engine_count(e, SW_COUNT_REPEATS_SENT);
        send_request(e, c);
    }
    if (o.todo & SW_DO_TIMEOUT && c->user)
        due.kind = SW_DUE_CLIENT;
    apply(e, c, &o);
    return due;
}

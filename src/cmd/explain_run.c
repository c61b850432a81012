/* The gateway's step on one request that nobody sent, and what it wants done. */
#include "cmd/explain.h"

#include "base/local.h"
#include "sys/clock.h"

#include <stdio.h>
#include <stdlib.h>

enum { PENDING_MAX = 4 * SW_TARGETS_MAX + 2 * SW_EXPLAIN_QUESTIONS_MAX };

/* What the step waits for. */
struct pending {
    struct sw_event ev;
    struct sw_flow flow;
    struct sw_slice bytes;
};

struct run {
    struct sw_explain *x;
    bool refuse; /* nobody takes our connections: what leaves in the clear is seen then */
    struct pending *pending;
    uint32_t count, done;
    uint32_t opened;
    uint32_t open_hop[PENDING_MAX];
};

static struct pending *more(struct run *r, enum sw_event_kind kind, enum sw_status status)
{
    if (r->count == PENDING_MAX)
        return NULL;
    struct pending *p = &r->pending[r->count++];
    *p = (struct pending){.ev = {.kind = kind, .status = status}};
    return p;
}

static struct sw_explain_hop *hop_of(struct sw_explain_result *a, const struct sw_endpoint *remote,
                                     uint32_t peer, uint8_t transport)
{
    for (uint32_t i = 0; i < a->hops; i++) {
        const struct sw_target *t = &a->hop[i].target;
        if (sw_endpoint_eq(&t->remote, remote) && t->peer == peer && t->transport == transport)
            return &a->hop[i];
    }
    return NULL;
}

static const struct sw_fork *context_of(struct sw_explain *x)
{
    struct sw_list *forks = &x->gateway.proxy.forks;
    return sw_list_empty(forks) ? NULL : SW_CONTAINER(forks->next, struct sw_fork, node);
}

static bool is_to_be_located(const struct sw_fork *f)
{
    for (uint32_t i = 0; i < f->target_count; i++)
        if (f->targets[i].locate)
            return true;
    return false;
}

static struct sw_explain_hop *add_hop(struct sw_explain *x, const struct sw_target *t)
{
    struct sw_explain_result *a = &x->result;
    if (a->hops == SW_TARGETS_MAX)
        return NULL;
    struct sw_explain_hop *h = &a->hop[a->hops++];
    h->target = *t;
    h->avoided = sw_avoid_has(x->gateway.proxy.avoid, t->peer, &t->remote, t->transport,
                              x->gateway.engine.now_ms); /* before it fails here */
    h->target.domain = h->target.uri = h->target.suffix = sw_slice("", 0); /* the context's */
    h->target.dane = (struct sw_dane){.records = {NULL, 0}, .host = {NULL, 0}};
    if (t->domain.n < sizeof(h->domain) && t->domain.n)
        memcpy(h->domain, t->domain.p, t->domain.n);
    if (t->dane.host.n < sizeof(h->server) && t->dane.host.n)
        memcpy(h->server, t->dane.host.p, t->dane.host.n);
    return h;
}

/* The places in their order, as soon as the gateway has them: those that the DNS tells only when
 * they are tried. */
static void take_targets(struct sw_explain *x)
{
    const struct sw_fork *f = context_of(x);
    if (x->result.hops || !f || is_to_be_located(f))
        return;
    for (uint32_t i = 0; i < f->target_count; i++)
        (void)add_hop(x, &f->targets[i]);
}

/* What is too large for a datagram goes to the same place over TCP. RFC 3261 18.1.1 */
static struct sw_explain_hop *over_tcp(struct sw_explain_result *a,
                                       const struct sw_endpoint *remote, uint32_t peer)
{
    struct sw_explain_hop *h = hop_of(a, remote, peer, SW_UDP);
    if (!h || h->bytes || !h->target.large_over_tcp)
        return NULL;
    if (!h->target.clear) /* that is seen when nobody takes our connections: back to UDP */
        h->target.transport = SW_TCP;
    return h;
}

/* A place that is being tried, known already or not. */
static struct sw_explain_hop *tried_hop(struct sw_explain *x, const struct sw_endpoint *remote,
                                        uint32_t peer, uint8_t transport)
{
    struct sw_explain_hop *h = hop_of(&x->result, remote, peer, transport);
    const struct sw_fork *f = context_of(x);
    if (!h && transport == SW_TCP)
        h = over_tcp(&x->result, remote, peer);
    for (struct sw_list *n = f ? f->branches.next : NULL; !h && f && n != &f->branches;
         n = n->next) {
        const struct sw_branch *b = SW_CONTAINER(n, struct sw_branch, node);
        if (!b->target.locate && sw_endpoint_eq(&b->target.remote, remote) &&
            b->target.peer == peer)
            h = add_hop(x, &b->target);
    }
    return h;
}

static uint32_t local_id(const struct sw_explain *x, const struct sw_want *want)
{
    const struct sw_config *c = &x->snapshot->config;
    const struct sw_tls_identity *id = c->conn_listeners[want->listener].out.identity;
    for (uint32_t i = 0; i < c->proxy.peer_count; i++)
        if (c->conn_peers[i].id == want->peer)
            id = sw_conn_identity(&c->conn_peers[i]);
    return want->transport == SW_TLS
               ? sw_local_id(id ? id->local_id : 0, id ? id->local_domain : 0, want->local_domain)
               : 0;
}

/* The gateway's own rule says which connection is used: see sw_worker_open. */
static void look_for(struct sw_explain *x, const struct sw_want *want, struct sw_explain_hop *h)
{
    struct sw_flow flow;
    struct sw_buf b = sw_buf(h->conn, sizeof(h->conn) - 1);
    const uint32_t now = local_id(x, want);
    const struct sw_pool_want pw = {.peer = want->peer,
                                    .remote = want->remote,
                                    .prefer = want->prefer,
                                    .prefer_local_id = want->local_id,
                                    .listener = want->listener,
                                    .transport = want->transport,
                                    .any_of_peer = want->any_of_peer,
                                    .domain = want->domain_of,
                                    .alias = want->alias,
                                    .local_id = want->any_of_peer ? want->local_id : now,
                                    .limit = x->snapshot->config.limits.connections_per_peer};
    enum sw_pool_answer answer = sw_pool_find(x->pool, &pw, &flow);
    h->reuses = answer == SW_POOL_OPEN;
    h->waits = answer == SW_POOL_WAIT;
    h->full = answer == SW_POOL_DIAL && sw_explain_is_full(x, want->peer);
    if (answer == SW_POOL_DIAL && sw_pool_dialled(x->pool, &pw, NULL) != SW_OK)
        return;
    if (answer != SW_POOL_DIAL)
        sw_flow_id_put(&b, &flow.id);
    h->conn[b.n] = 0;
}

/* What the other side will have proved: sw_ingress_proof. */
static uint8_t proof_of(const struct sw_explain *x, const struct sw_want *want)
{
    const struct sw_peer_conf *p = sw_proxy_peer(&x->snapshot->config.proxy, want->peer);
    if (!sw_transport_secure((enum sw_transport)want->transport))
        return SW_PROOF_NONE;
    if (p && p->pin_count)
        return SW_PROOF_PIN;
    return p && p->verify == SW_VERIFY_CHAIN ? SW_PROOF_CHAIN : SW_PROOF_NAME;
}

static void open_one(struct run *r, const struct sw_want *want)
{
    struct sw_explain_result *a = &r->x->result;
    struct sw_explain_hop *h = tried_hop(r->x, &want->remote, want->peer, want->transport);
    struct pending *p = more(r, SW_EV_OPENED, r->refuse ? SW_PEER_REFUSED : SW_OK);
    if (!p)
        return;
    p->ev.job = want->job;
    p->flow = (struct sw_flow){
        .id = {.instance = 1, .slot = ++r->opened, .generation = 2},
        .local = r->x->snapshot->config.proxy.listeners[want->listener].address,
        .remote = want->remote,
        .peer = want->peer,
        .listener = want->listener,
        .transport = want->transport,
        .proof = proof_of(r->x, want),
        .outbound = true,
    };
    if (h && !r->refuse)
        look_for(r->x, want, h);
    r->open_hop[r->opened % PENDING_MAX] = h ? (uint32_t)(h - a->hop) : UINT32_MAX;
}

static void answer_one(struct run *r, const struct sw_lookup_act *lookup)
{
    const struct sw_dns_answer *answer = sw_explain_ask(r->x, &lookup->question);
    sw_explain_avoid_domain(r->x, &lookup->question);
    struct pending *p = more(r, SW_EV_ANSWER, SW_OK);
    if (!p)
        return;
    p->ev.job = lookup->job;
    p->ev.answer = answer;
}

static char *copy_of(const struct sw_send_act *send)
{
    char *bytes = malloc(send->total + 1);
    if (bytes) {
        sw_segs_copy(send->segs, send->seg_count, bytes);
        bytes[send->total] = 0;
    }
    return bytes;
}

static void take_warning(struct sw_explain_result *a, const char *bytes)
{
    const char *row = strstr(bytes, "\r\nWarning: ");
    if (row)
        snprintf(a->warning, sizeof(a->warning), "%.*s", (int)strcspn(row + 11, "\r"), row + 11);
}

/* A request leaves for one of the places: it could be made. */
static bool leaves(const struct sw_explain_result *a)
{
    for (uint32_t i = 0; i < a->hops; i++)
        if (a->hop[i].bytes)
            return true;
    return false;
}

/* A response is the answer; a request is what would leave, and then fails to, so that the next
 * place is tried. */
static void send_one(struct run *r, const struct sw_send_act *send)
{
    struct sw_explain_result *a = &r->x->result;
    char *bytes = copy_of(send);
    struct sw_explain_hop *h = NULL;
    if (!bytes)
        return;
    if (strncmp(bytes, "SIP/2.0 ", 8) == 0) {
        unsigned status = (unsigned)strtoul(bytes + 8, NULL, 10);
        if (status >= 200 && !a->status && !leaves(a)) {
            a->status = status;
            snprintf(a->reason, sizeof(a->reason), "%.*s", (int)strcspn(bytes + 12, "\r"),
                     bytes + 12);
            take_warning(a, bytes);
        }
        free(bytes);
        return;
    }
    if (send->flow.generation)
        h = r->open_hop[send->flow.slot % PENDING_MAX] < a->hops
                ? &a->hop[r->open_hop[send->flow.slot % PENDING_MAX]]
                : NULL;
    else {
        (void)tried_hop(r->x, &send->remote, send->cookie.peer, SW_UDP);
        for (uint32_t i = 0; i < a->hops && !h; i++)
            if (a->hop[i].target.transport == SW_UDP && !a->hop[i].bytes &&
                sw_endpoint_eq(&a->hop[i].target.remote, &send->remote))
                h = &a->hop[i];
    }
    if (!h || h->bytes || strncmp(bytes, "CANCEL ", 7) == 0) {
        free(bytes);
        h = NULL;
    } else {
        h->bytes = bytes;
        h->n = send->total;
    }
    struct pending *p =
        send->cookie.why == SW_FOR_CLIENT ? more(r, SW_EV_SEND_FAILED, SW_SYS_UNREACHABLE) : NULL;
    if (!p)
        return;
    p->ev.cookie = send->cookie;
    p->ev.flow_id = send->flow;
    p->ev.remote = send->remote;
    p->bytes = h ? sw_slice(h->bytes, h->n) : sw_slice("", 0);
}

static void note_one(struct sw_explain_result *a, const struct sw_note_act *note)
{
    bool refused = strcmp(note->event, "request_refused") == 0 ||
                   strcmp(note->event, "location_failed") == 0 ||
                   strcmp(note->event, "message_lost") == 0;
    if (a->why || leaves(a) || (!refused && strcmp(note->event, "message_malformed") != 0))
        return;
    for (uint32_t i = 0; i < note->count; i++) {
        const struct sw_field *f = &note->fields[i];
        char **to = strcmp(f->name, "why") == 0                                    ? &a->why
                    : strcmp(f->name, "help") == 0 || strcmp(f->name, "rule") == 0 ? &a->help
                                                                                   : NULL;
        if (to && !*to)
            *to = strndup(f->text.p, f->text.n);
    }
}

static void step(struct run *r, const struct sw_event *ev)
{
    struct sw_explain *x = r->x;
    x->actions.count = 0;
    sw_gateway_step(&x->gateway, ev, &x->actions, sw_clock_ms());
    take_targets(x);
    for (uint32_t i = 0; i < x->actions.count; i++) {
        const struct sw_action *a = &x->actions.a[i];
        if (a->kind == SW_ACT_OPEN)
            open_one(r, &a->open);
        else if (a->kind == SW_ACT_LOOKUP)
            answer_one(r, &a->lookup);
        else if (a->kind == SW_ACT_SEND)
            send_one(r, &a->send);
        else if (a->kind == SW_ACT_NOTE)
            note_one(&x->result, &a->note);
    }
}

static void run(struct sw_explain *x, bool refuse)
{
    struct run r = {.x = x, .refuse = refuse};
    const struct sw_event first = {
        .kind = SW_EV_MESSAGE, .flow = &x->flow, .bytes = sw_slice(x->text, x->text_n)};
    r.pending = calloc(PENDING_MAX, sizeof(*r.pending));
    if (!r.pending)
        return;
    step(&r, &first);
    for (; r.done < r.count; r.done++) {
        struct pending *p = &r.pending[r.done];
        p->ev.flow = p->ev.kind == SW_EV_OPENED && p->ev.status == SW_OK ? &p->flow : NULL;
        p->ev.segs = &p->bytes;
        p->ev.seg_count = 1;
        step(&r, &p->ev);
    }
    free(r.pending);
}

void sw_explain_run(struct sw_explain *x)
{
    struct sw_explain_result *a = &x->result;
    bool clear = false;
    run(x, false);
    for (uint32_t i = 0; i < a->hops; i++)
        clear |= a->hop[i].target.clear;
    if (clear) { /* a second time, as another transaction */
        char *branch = strstr(x->text, "bK-explain");
        if (branch)
            memcpy(branch, "bK-EXPLAIN", 10);
        run(x, true);
    }
    if (!leaves(a)) /* for no place can it be made, such as what cannot be hidden */
        a->hops = 0;
    a->done = a->hops || (a->status >= 200 && a->status < 300);
}

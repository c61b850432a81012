#include "sim/ua.h"

#include "sip/build.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* The gateway's connections, as this agent's directory knows them. */
enum { PEER_GATEWAY = 77 };

enum { TK_NEXT = SW_TK_USER, TK_AGAIN };

static void ua_step(void *user, const struct sw_event *ev, struct sw_actions *out, int64_t now_ms);

static int64_t ua_deadline(void *user)
{
    struct ua *u = user;
    return sw_engine_deadline(&u->engine);
}

struct ua *ua_new(struct sim *s, const char *name, const char *address, const struct ua_conf *conf,
                  uint64_t seed)
{
    struct ua *u = calloc(1, sizeof(*u));
    assert(u);
    u->calls = calloc(UA_CALLS_MAX, sizeof(*u->calls));
    u->seen = calloc(UA_SEEN_MAX, sizeof(*u->seen));
    assert(u->calls && u->seen);
    u->conf = *conf;
    u->node = sim_node_add(s, name, 1);
    sim_listen(u->node, address, conf->transport);
    sw_slab_init(&u->slab);
    const struct sw_engine_conf ec = {
        .instance = u->node->instance,
        .transactions_max = 8192,
        .table_key = {seed, 1},
        .seed = {seed, 2},
        .counters = &u->counters,
    };
    enum sw_status st = sw_engine_init(&u->engine, &ec, &u->slab, s->now_ms);
    assert(st == SW_OK);
    (void)st;
    u->node->worker[0].step = (struct sw_step){u, ua_step, ua_deadline};
    return u;
}

void ua_free(struct ua *u)
{
    struct sw_ref ref;
    u->engine.out = NULL;
    for (uint32_t i = 0; i < u->engine.servers.slots; i++) {
        struct sw_server *x = sw_table_at(&u->engine.servers, i, &ref);
        if (x)
            free(x->user);
    }
    sw_engine_fini(&u->engine);
    for (unsigned i = 0; i < u->call_count; i++) {
        free(u->calls[i].text);
        free(u->calls[i].ok);
    }
    free(u->calls);
    free(u->seen);
    sw_slab_fini(&u->slab);
    free(u);
}

static const char *transport_via(const struct ua *u)
{
    return sw_transport_via(u->conf.transport).p;
}

static const char *own_address(const struct ua *u)
{
    static char text[SW_ENDPOINT_TEXT_MAX];
    return sw_endpoint_text(&u->node->listener[0].address, text);
}

static struct ua_call *call_new(struct ua *u, bool caller)
{
    assert(u->call_count < UA_CALLS_MAX);
    struct ua_call *c = &u->calls[u->call_count];
    c->ua = u;
    c->id = u->call_count++;
    c->caller = caller;
    sw_timer_init(&c->next, TK_NEXT);
    sw_timer_init(&c->again, TK_AGAIN);
    return c;
}

static struct ua_call *call_find(struct ua *u, struct sw_slice call_id, bool caller)
{
    for (unsigned i = u->call_count; i-- > 0;)
        if (u->calls[i].caller == caller && sw_slice_eq(sw_slice_str(u->calls[i].call_id), call_id))
            return &u->calls[i];
    return NULL;
}

/* ---- sending ---- */

static struct sw_flow udp_flow(const struct ua *u)
{
    return (struct sw_flow){.id = {.instance = u->node->instance, .worker = SW_WORKER_ANY},
                            .remote = u->conf.gateway,
                            .peer = PEER_GATEWAY,
                            .transport = SW_UDP};
}

/* The request of `c` over `flow`, with a transaction unless it is an ACK. */
static void transmit(struct ua *u, struct ua_call *c, const struct sw_flow *flow)
{
    char via[256], whole[4096];
    bool ack = strcmp(c->method, "ACK") == 0;
    enum sw_method m = sw_method_find(sw_slice_str(c->method));
    struct sw_client *x = ack ? NULL : sw_client_new(&u->engine, m, flow, c, 1);
    struct sw_owner o = {u->node->instance, 0, {SW_OWNER_NONE, (uint32_t)rand()}, 0};
    struct sw_buf b = sw_buf(via, sizeof(via) - 1);
    if (x)
        o.client = x->ref;
    sw_owner_put(&b, &o);
    via[b.n] = 0;
    int n = snprintf(whole, sizeof(whole), c->text, transport_via(u), own_address(u), via);
    assert(n > 0 && (size_t)n < sizeof(whole));
    struct sw_slice copy = sw_arena_dup(&u->engine.scratch, sw_slice(whole, (size_t)n));
    if (ack) {
        const struct sw_cookie k = {.why = SW_FOR_NOTHING};
        sw_engine_send_bytes(&u->engine, &flow->id, &flow->remote, copy, &k);
        return;
    }
    assert(x);
    c->client = x->ref;
    bool started = sw_client_start_own(&u->engine, x, copy);
    assert(started);
    (void)started;
}

static void send_request(struct ua *u, struct ua_call *c)
{
    if (u->conf.transport == SW_UDP) {
        struct sw_flow flow = udp_flow(u);
        transmit(u, c, &flow);
        return;
    }
    const struct sw_want want = {.remote = u->conf.gateway,
                                 .peer = PEER_GATEWAY,
                                 .transport = (uint8_t)u->conf.transport,
                                 .any_of_peer = !c->caller};
    struct sw_want w = want;
    if (!c->caller)
        w.remote.port = 0;
    if (sw_send_park(&u->engine, c, 1, &w, &c->send) != SW_OK)
        c->timeouts++;
}

/* A request with everything but its Via, which is put in when it is sent. */
static void compose(struct ua *u, struct ua_call *c, const char *method, const char *body)
{
    struct sw_buf b = sw_buf(malloc(4096), 4096);
    char line[1400];
    snprintf(c->method, sizeof(c->method), "%s", method);
    snprintf(line, sizeof(line), "%s %s SIP/2.0\r\n", method, c->uri);
    sw_buf_str(&b, line);
    sw_buf_str(&b, "Via: SIP/2.0/%s %s;branch=%s\r\nMax-Forwards: 70\r\n");
    for (unsigned i = 0; i < c->routes; i++) {
        snprintf(line, sizeof(line), "Route: %s\r\n", c->route[i]);
        sw_buf_str(&b, line);
    }
    snprintf(line, sizeof(line),
             "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u %s\r\nContact: <sip:%s@%s>\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             c->own_addr, c->peer_addr, c->call_id, c->cseq, method, u->node->name, own_address(u),
             strlen(body), body);
    sw_buf_str(&b, line);
    sw_buf_char(&b, 0);
    assert(!b.full);
    free(c->text);
    c->text = b.p;
    send_request(u, c);
}

static struct ua_call *start(struct ua *u, const char *method, const char *uri)
{
    struct ua_call *c = call_new(u, true);
    snprintf(c->uri, sizeof(c->uri), "%s", uri);
    snprintf(c->own_addr, sizeof(c->own_addr), "<sip:%s@example.test>;tag=c%u", u->node->name,
             c->id);
    snprintf(c->peer_addr, sizeof(c->peer_addr), "<%s>", uri);
    snprintf(c->call_id, sizeof(c->call_id), "%s.%u@sim", u->node->name, c->id);
    c->cseq = 1;
    snprintf(c->method, sizeof(c->method), "%s", method);
    sw_timer_start(&u->engine.timers, &c->next, u->node->sim->now_ms + 1);
    return c;
}

struct ua_call *ua_call(struct ua *u, const char *uri)
{
    return start(u, "INVITE", uri);
}

struct ua_call *ua_request(struct ua *u, const char *method, const char *uri)
{
    return start(u, method, uri);
}

/* ---- dialogs ---- */

static void copy_text(char *to, size_t cap, struct sw_slice s)
{
    snprintf(to, cap, "%.*s", SW_SLICE_ARG(s));
}

static void learn_routes(struct ua_call *c, const struct sw_msg *m, bool reversed)
{
    struct sw_values values = sw_values(m, SW_HDR_RECORD_ROUTE);
    struct sw_addr a;
    unsigned n = 0;
    char found[UA_ROUTES_MAX][512];
    while (n < UA_ROUTES_MAX && sw_values_addr(&values, &a) == SW_OK)
        copy_text(found[n++], sizeof(found[0]), a.whole);
    for (unsigned i = 0; i < n; i++)
        memcpy(c->route[i], found[reversed ? n - 1 - i : i], sizeof(found[0]));
    c->routes = n;
    values = sw_values(m, SW_HDR_CONTACT);
    if (sw_values_addr(&values, &a) == SW_OK)
        copy_text(c->uri, sizeof(c->uri), a.uri);
}

static void hang_up(struct ua *u, struct ua_call *c)
{
    if (c->send.generation) { /* the ACK waits for a connection */
        sw_timer_start(&u->engine.timers, &c->next, u->engine.now_ms + 10);
        return;
    }
    c->cseq++;
    c->ended = true;
    compose(u, c, "BYE", "");
}

/* ---- answering ---- */

static void respond(struct ua *u, struct sw_server *s, const struct sw_msg *m,
                    const struct sw_vitals *v, const struct sw_flow *flow, unsigned code,
                    struct ua_call *c)
{
    char tag[32], extra[2048];
    struct sw_buf b = sw_engine_buf(&u->engine, 8192), x = sw_buf(extra, sizeof(extra));
    snprintf(tag, sizeof(tag), "u%u", c ? c->id : 0);
    for (const struct sw_hdr *h = sw_msg_hdr(m, SW_HDR_RECORD_ROUTE); h; h = sw_hdr_next(m, h))
        sw_buf_put(&x, m->p + h->at, h->end - h->at);
    if (c) {
        char contact[256];
        snprintf(contact, sizeof(contact), "Contact: <sip:%s@%s>\r\n", u->node->name,
                 own_address(u));
        sw_buf_str(&x, contact);
    }
    const struct sw_response r = {
        .code = code, .to_tag = sw_slice_str(tag), .extra = sw_buf_view(&x)};
    sw_build_response(&b, m, &v->via, &flow->remote, &r);
    struct sw_slice *seg = sw_arena_get(&u->engine.scratch, sizeof(*seg));
    *seg = sw_buf_view(&b);
    if (c && code / 100 == 2 && m->method == SW_INVITE) {
        c->ok = malloc(b.n);
        memcpy(c->ok, b.p, b.n);
        c->ok_n = b.n;
        c->ok_interval_ms = SW_T1_MS;
        sw_timer_start(&u->engine.timers, &c->again, u->engine.now_ms + SW_T1_MS);
        c->answered = true;
    }
    sw_server_respond(&u->engine, s, code, seg, 1, b.n);
}

/* What a callee still has to say to an INVITE is said from its stored text. */
struct stored {
    struct sw_flow flow;
    char *bytes;
    size_t n;
};

static void answer_later(struct ua *u, struct ua_call *c, struct sw_server *s,
                         const struct sw_event *ev)
{
    struct stored *x = malloc(sizeof(*x) + ev->bytes.n);
    x->flow = *ev->flow;
    x->bytes = (char *)(x + 1);
    x->n = ev->bytes.n;
    memcpy(x->bytes, ev->bytes.p, ev->bytes.n);
    s->user = x;
    c->server = s->ref;
    c->flow = *ev->flow;
    sw_timer_start(&u->engine.timers, &c->next, u->engine.now_ms + 1);
}

static void respond_stored(struct ua *u, struct ua_call *c, unsigned code)
{
    struct sw_server *s = sw_server_get(&u->engine, c->server);
    struct stored *x = s ? s->user : NULL;
    struct sw_msg m;
    struct sw_vitals v;
    struct sw_verdict verdict;
    if (!x || sw_msg_parse(x->bytes, x->n, u->hdrs, SW_HDRS_MAX, &m) != SW_OK ||
        sw_check_request(&m, true, &v, &verdict) != SW_OK)
        return;
    if (code >= 200) {
        s->user = NULL;
        c->status = code;
        c->finals++;
        c->server = (struct sw_ref){0};
    }
    respond(u, s, &m, &v, &x->flow, code, c);
    if (code >= 200)
        free(x);
}

static void on_invite(struct ua *u, const struct sw_event *ev, const struct sw_msg *m,
                      const struct sw_vitals *v, struct sw_server *s)
{
    struct ua_call *c = call_find(u, v->call_id, false);
    if (!c) {
        c = call_new(u, false);
        copy_text(c->call_id, sizeof(c->call_id), v->call_id);
        copy_text(c->peer_addr, sizeof(c->peer_addr), sw_msg_value(m, SW_HDR_FROM));
        snprintf(c->own_addr, sizeof(c->own_addr), "%.*s;tag=u%u",
                 SW_SLICE_ARG(sw_msg_value(m, SW_HDR_TO)), c->id);
        learn_routes(c, m, false);
    }
    c->invites++;
    answer_later(u, c, s, ev);
}

static void on_cancel(struct ua *u, const struct sw_event *ev, const struct sw_msg *m,
                      const struct sw_vitals *v, struct sw_server *s)
{
    struct ua_call *c = call_find(u, v->call_id, false);
    struct sw_server *invite =
        sw_server_find(&u->engine, sw_server_key(&u->engine, ev->flow, m, v, true));
    respond(u, s, m, v, ev->flow, invite ? 200 : 481, NULL);
    if (!c || !invite)
        return;
    c->cancels++;
    if (c->server.generation) {
        sw_timer_stop(&u->engine.timers, &c->next);
        respond_stored(u, c, 487);
    }
}

static void on_ack(struct ua *u, const struct sw_vitals *v)
{
    struct ua_call *c = call_find(u, v->call_id, false);
    if (!c)
        return;
    c->acks++;
    sw_timer_stop(&u->engine.timers, &c->again);
    if (c->answered && u->conf.hang_up && !c->ended && !sw_timer_running(&c->next))
        sw_timer_start(&u->engine.timers, &c->next, u->engine.now_ms + u->conf.talk_ms);
}

/* The same request in a second transaction: tried again elsewhere, or given to another worker. */
static void count(struct ua *u, const struct sw_vitals *v)
{
    struct sw_siphash h;
    sw_siphash_init(&h, u->engine.conf.table_key);
    sw_siphash_slice(&h, v->call_id);
    sw_siphash_slice(&h, v->cseq_method);
    sw_siphash_add(&h, &v->cseq, sizeof(v->cseq));
    uint64_t key = sw_siphash_end(&h).a;
    for (uint64_t i = 0; i < u->requests_seen; i++)
        if (u->seen[i] == key) {
            u->duplicates_seen++;
            if (u->node->sim->verbose)
                printf("%s: delivered twice: %.*s\n", u->node->name, SW_SLICE_ARG(v->call_id));
        }
    assert(u->requests_seen < UA_SEEN_MAX);
    u->seen[u->requests_seen++] = key;
}

static void on_request(struct ua *u, const struct sw_event *ev)
{
    struct sw_flow flow = *ev->flow;
    struct sw_msg m;
    struct sw_vitals v;
    struct sw_verdict verdict;
    struct sw_event e = *ev;
    enum sw_status st = sw_msg_parse(ev->bytes.p, ev->bytes.n, u->hdrs, SW_HDRS_MAX, &m);
    if (st == SW_OK)
        st = sw_check_request(&m, true, &v, &verdict);
    assert(st == SW_OK); /* the gateway sends nothing malformed */
    flow.peer = PEER_GATEWAY;
    e.flow = &flow;
    struct sw_key key = sw_server_key(&u->engine, &flow, &m, &v, false);
    struct sw_server *s = sw_server_find(&u->engine, key);
    if (s) {
        if (sw_server_again(&u->engine, s, m.method == SW_ACK ? SW_TXN_ACK : SW_TXN_REQUEST))
            on_ack(u, &v);
        return;
    }
    if (m.method == SW_ACK) {
        on_ack(u, &v);
        return;
    }
    count(u, &v);
    s = sw_server_new(&u->engine, &flow, &v, key);
    assert(s);
    struct ua_call *c = call_find(u, v.call_id, false);
    if (!c)
        c = call_find(u, v.call_id, true);
    if (m.method == SW_INVITE) {
        on_invite(u, &e, &m, &v, s);
    } else if (m.method == SW_CANCEL) {
        on_cancel(u, &e, &m, &v, s);
    } else {
        if (m.method == SW_BYE && c) {
            c->byes++;
            c->ended = true;
            sw_timer_stop(&u->engine.timers, &c->next);
        }
        respond(u, s, &m, &v, &flow, 200, NULL);
    }
}

/* ---- responses ---- */

static void on_final(struct ua *u, struct ua_call *c, const struct sw_msg *m,
                     const struct sw_vitals *v)
{
    if (v->method == SW_BYE) {
        c->bye_finals++;
        return;
    }
    bool first = c->finals++ == 0;
    c->status = m->status;
    if (v->method != SW_INVITE || m->status >= 300)
        return;
    c->oks++;
    if (c->send.generation) /* the BYE waits for a connection; the 200 comes again */
        return;
    copy_text(c->peer_addr, sizeof(c->peer_addr), sw_msg_value(m, SW_HDR_TO));
    learn_routes(c, m, true);
    compose(u, c, "ACK", "");
    c->acks++;
    if (first && u->conf.hang_up)
        sw_timer_start(&u->engine.timers, &c->next, u->engine.now_ms + u->conf.talk_ms);
}

static void on_response(struct ua *u, const struct sw_event *ev)
{
    struct sw_msg m;
    struct sw_vitals v;
    struct sw_verdict verdict;
    bool ended;
    enum sw_status st = sw_msg_parse(ev->bytes.p, ev->bytes.n, u->hdrs, SW_HDRS_MAX, &m);
    if (st == SW_OK)
        st = sw_check_response(&m, true, &v, &verdict);
    assert(st == SW_OK);
    struct sw_client *x = sw_client_match(&u->engine, &v);
    struct ua_call *c = x ? x->user : NULL;
    if (x && v.method == SW_CANCEL && !c) {
        c = call_find(u, v.call_id, true);
        if (c && m.status >= 200)
            c->cancel_finals++;
        c = NULL;
    }
    if (!x || !sw_client_receive(&u->engine, x, &m, &ended) || !c)
        return;
    if (m.status >= 200)
        on_final(u, c, &m, &v);
    else if (m.status > 100)
        c->ringing++;
}

/* ---- time ---- */

static void ok_again(struct ua *u, struct ua_call *c)
{
    c->ok_interval_ms = c->ok_interval_ms * 2 > SW_T2_MS ? SW_T2_MS : c->ok_interval_ms * 2;
    if (c->ok_interval_ms == SW_T2_MS && c->timeouts++ > 6) {
        c->ended = true; /* RFC 3261 13.3.1.4: after 64*T1 it gives up */
        return;
    }
    const struct sw_cookie k = {.why = SW_FOR_NOTHING};
    /* on every transport: RFC 3261 13.3.1.4 */
    sw_engine_send_bytes(&u->engine, &c->flow.id, &c->flow.remote, sw_slice(c->ok, c->ok_n), &k);
    sw_timer_start(&u->engine.timers, &c->again, u->engine.now_ms + c->ok_interval_ms);
}

static void next_caller(struct ua *u, struct ua_call *c)
{
    struct sw_client *x = sw_client_get(&u->engine, c->client);
    if (!c->client.generation && c->finals == 0 && !c->send.generation) {
        const char *body = strcmp(c->method, "INVITE") == 0 ? "v=0\r\n" : "";
        char method[16];
        memcpy(method, c->method, sizeof(method));
        compose(u, c, method, body);
        if (u->conf.cancel_ms && strcmp(method, "INVITE") == 0)
            sw_timer_start(&u->engine.timers, &c->next, u->engine.now_ms + u->conf.cancel_ms);
    } else if (c->oks) {
        if (!c->ended)
            hang_up(u, c);
    } else if (x && u->conf.cancel_ms && !c->cancels && c->finals == 0) {
        if (sw_client_cancel(&u->engine, x))
            c->cancels++;
        else /* nothing was heard yet: RFC 3261 9.1 */
            sw_timer_start(&u->engine.timers, &c->next, u->engine.now_ms + 100);
    }
}

static void next_callee(struct ua *u, struct ua_call *c)
{
    if (c->answered) {
        if (!c->ended)
            hang_up(u, c);
        return;
    }
    if (u->conf.ring_ms && !c->ringing) {
        c->ringing++;
        respond_stored(u, c, 180);
        if (u->conf.answer)
            sw_timer_start(&u->engine.timers, &c->next, u->engine.now_ms + u->conf.answer_ms);
    } else if (u->conf.answer) {
        respond_stored(u, c, u->conf.answer);
    }
}

static void opened(struct ua *u, const struct sw_event *ev)
{
    struct sw_send *s = sw_send_get(&u->engine, ev->job);
    struct ua_call *c = s ? s->user : NULL;
    if (!c)
        return;
    c->send = (struct sw_ref){0};
    sw_send_drop(&u->engine, ev->job);
    if (ev->status == SW_OK)
        transmit(u, c, ev->flow);
    else
        c->timeouts++;
}

static void time_passed(struct ua *u)
{
    for (;;) {
        struct sw_due due = sw_engine_due(&u->engine);
        if (due.kind == SW_DUE_NONE)
            return;
        if (due.kind == SW_DUE_SEND)
            opened(u, &(struct sw_event){.status = SW_PEER_TIMEOUT, .job = due.job});
        if (due.kind == SW_DUE_CLIENT && due.user)
            ((struct ua_call *)due.user)->timeouts++;
        if (due.kind != SW_DUE_USER)
            continue;
        if (due.timer->kind == TK_AGAIN) {
            ok_again(u, SW_CONTAINER(due.timer, struct ua_call, again));
            continue;
        }
        struct ua_call *c = SW_CONTAINER(due.timer, struct ua_call, next);
        if (c->caller)
            next_caller(u, c);
        else
            next_callee(u, c);
    }
}

static void ua_step(void *user, const struct sw_event *ev, struct sw_actions *out, int64_t now_ms)
{
    struct ua *u = user;
    struct sw_client *x;
    sw_engine_begin(&u->engine, out, now_ms);
    switch (ev->kind) {
    case SW_EV_MESSAGE:
    case SW_EV_NO_OWNER:
        if (sw_slice_starts_case(ev->bytes, SW_SLICE("SIP/2.0 ")))
            on_response(u, ev);
        else
            on_request(u, ev);
        return;
    case SW_EV_TIME:
        time_passed(u);
        return;
    case SW_EV_OPENED:
        opened(u, ev);
        return;
    case SW_EV_IDENTIFY: {
        struct sw_action *a = sw_action_add(out, SW_ACT_ADMIT);
        a->verdict.flow = ev->flow->id;
        a->verdict.peer = PEER_GATEWAY;
        a->verdict.status = SW_OK;
        return;
    }
    case SW_EV_CLOSED:
        sw_client_strand(&u->engine, &ev->flow_id);
        while ((x = sw_client_stranded(&u->engine))) {
            struct ua_call *c = x->user;
            if (sw_client_fail(&u->engine, x) && c)
                c->timeouts++;
        }
        return;
    case SW_EV_SEND_FAILED:
        x = ev->cookie.why == SW_FOR_CLIENT ? sw_client_get(&u->engine, ev->cookie.ref) : NULL;
        if (x) {
            struct ua_call *c = x->user;
            if (sw_client_fail(&u->engine, x) && c)
                c->timeouts++;
        }
        return;
    case SW_EV_LIST:
    case SW_EV_ADOPT:
    case SW_EV_DRAIN:
    case SW_EV_LISTENER:
        return;
    }
}

#include "sim/ua.h"

#include "sim/ua_inside.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

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

struct ua_call *ua_call_new(struct ua *u, bool caller)
{
    assert(u->call_count < UA_CALLS_MAX);
    struct ua_call *c = &u->calls[u->call_count];
    c->ua = u;
    c->id = u->call_count++;
    c->caller = caller;
    sw_timer_init(&c->next, UA_TK_NEXT);
    sw_timer_init(&c->again, UA_TK_AGAIN);
    return c;
}

struct ua_call *ua_call_find(struct ua *u, struct sw_slice call_id, bool caller)
{
    for (unsigned i = u->call_count; i-- > 0;)
        if (u->calls[i].caller == caller && sw_slice_eq(sw_slice_str(u->calls[i].call_id), call_id))
            return &u->calls[i];
    return NULL;
}

static struct ua_call *start(struct ua *u, const char *method, const char *uri)
{
    struct ua_call *c = ua_call_new(u, true);
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
    ua_copy_text(c->peer_addr, sizeof(c->peer_addr), sw_msg_value(m, SW_HDR_TO));
    ua_learn_routes(c, m, true);
    ua_compose(u, c, "ACK", "");
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
        c = ua_call_find(u, v.call_id, true);
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

static void next_caller(struct ua *u, struct ua_call *c)
{
    struct sw_client *x = sw_client_get(&u->engine, c->client);
    if (!c->client.generation && c->finals == 0 && !c->send.generation) {
        const char *body = strcmp(c->method, "INVITE") == 0 ? "v=0\r\n" : "";
        char method[16];
        memcpy(method, c->method, sizeof(method));
        ua_compose(u, c, method, body);
        if (u->conf.cancel_ms && strcmp(method, "INVITE") == 0)
            sw_timer_start(&u->engine.timers, &c->next, u->engine.now_ms + u->conf.cancel_ms);
    } else if (c->oks) {
        if (!c->ended)
            ua_hang_up(u, c);
    } else if (x && u->conf.cancel_ms && !c->cancels && c->finals == 0) {
        if (sw_client_cancel(&u->engine, x))
            c->cancels++;
        else /* nothing was heard yet: RFC 3261 9.1 */
            sw_timer_start(&u->engine.timers, &c->next, u->engine.now_ms + 100);
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
        ua_transmit(u, c, ev->flow);
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
        if (due.timer->kind == UA_TK_AGAIN) {
            ua_ok_again(u, SW_CONTAINER(due.timer, struct ua_call, again));
            continue;
        }
        struct ua_call *c = SW_CONTAINER(due.timer, struct ua_call, next);
        if (c->caller)
            next_caller(u, c);
        else
            ua_next_callee(u, c);
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
            ua_on_request(u, ev);
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
        a->verdict.peer = UA_PEER_GATEWAY;
        a->verdict.status = SW_OK;
        return;
    }
    case SW_EV_CLOSED:
        sw_client_strand(&u->engine, &ev->flow_id, false);
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
    case SW_EV_ANSWER:
        return;
    }
}

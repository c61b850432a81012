#include "sim/ua_inside.h"

#include "sip/build.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

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
                 ua_own_address(u));
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
    struct ua_call *c = ua_call_find(u, v->call_id, false);
    if (!c) {
        c = ua_call_new(u, false);
        ua_copy_text(c->call_id, sizeof(c->call_id), v->call_id);
        ua_copy_text(c->peer_addr, sizeof(c->peer_addr), sw_msg_value(m, SW_HDR_FROM));
        snprintf(c->own_addr, sizeof(c->own_addr), "%.*s;tag=u%u",
                 SW_SLICE_ARG(sw_msg_value(m, SW_HDR_TO)), c->id);
        ua_learn_routes(c, m, false);
    }
    c->invites++;
    answer_later(u, c, s, ev);
}

static void on_cancel(struct ua *u, const struct sw_event *ev, const struct sw_msg *m,
                      const struct sw_vitals *v, struct sw_server *s)
{
    struct ua_call *c = ua_call_find(u, v->call_id, false);
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
    struct ua_call *c = ua_call_find(u, v->call_id, false);
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

void ua_on_request(struct ua *u, const struct sw_event *ev)
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
    flow.peer = UA_PEER_GATEWAY;
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
    struct ua_call *c = ua_call_find(u, v.call_id, false);
    if (!c)
        c = ua_call_find(u, v.call_id, true);
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

void ua_ok_again(struct ua *u, struct ua_call *c)
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

void ua_next_callee(struct ua *u, struct ua_call *c)
{
    if (c->answered) {
        if (!c->ended)
            ua_hang_up(u, c);
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

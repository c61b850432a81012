#include "sim/ua_inside.h"

#include "sip/build.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static const char *transport_via(const struct ua *u)
{
    return sw_transport_via(u->conf.transport).p;
}

const char *ua_own_address(const struct ua *u)
{
    static char text[SW_ENDPOINT_TEXT_MAX];
    return sw_endpoint_text(&u->node->listener[0].address, text);
}

static struct sw_flow udp_flow(const struct ua *u)
{
    return (struct sw_flow){.id = {.instance = u->node->instance, .worker = SW_WORKER_ANY},
                            .remote = u->conf.gateway,
                            .peer = UA_PEER_GATEWAY,
                            .transport = SW_UDP};
}

void ua_transmit(struct ua *u, struct ua_call *c, const struct sw_flow *flow)
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
    int n = snprintf(whole, sizeof(whole), c->text, transport_via(u), ua_own_address(u), via);
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
        ua_transmit(u, c, &flow);
        return;
    }
    const struct sw_want want = {.remote = u->conf.gateway,
                                 .peer = UA_PEER_GATEWAY,
                                 .transport = (uint8_t)u->conf.transport,
                                 .any_of_peer = !c->caller};
    struct sw_want w = want;
    if (!c->caller)
        w.remote.port = 0;
    if (sw_send_park(&u->engine, c, 1, &w, &c->send) != SW_OK)
        c->timeouts++;
}

void ua_compose(struct ua *u, struct ua_call *c, const char *method, const char *body)
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
             c->own_addr, c->peer_addr, c->call_id, c->cseq, method, u->node->name,
             ua_own_address(u), strlen(body), body);
    sw_buf_str(&b, line);
    sw_buf_char(&b, 0);
    assert(!b.full);
    free(c->text);
    c->text = b.p;
    send_request(u, c);
}

void ua_copy_text(char *to, size_t cap, struct sw_slice s)
{
    snprintf(to, cap, "%.*s", SW_SLICE_ARG(s));
}

void ua_learn_routes(struct ua_call *c, const struct sw_msg *m, bool reversed)
{
    struct sw_values values = sw_values(m, SW_HDR_RECORD_ROUTE);
    struct sw_addr a;
    unsigned n = 0;
    char found[UA_ROUTES_MAX][1024];
    while (n < UA_ROUTES_MAX && sw_values_addr(&values, &a) == SW_OK)
        ua_copy_text(found[n++], sizeof(found[0]), a.whole);
    for (unsigned i = 0; i < n; i++)
        memcpy(c->route[i], found[reversed ? n - 1 - i : i], sizeof(found[0]));
    c->routes = n;
    values = sw_values(m, SW_HDR_CONTACT);
    if (sw_values_addr(&values, &a) == SW_OK)
        ua_copy_text(c->uri, sizeof(c->uri), a.uri);
}

void ua_hang_up(struct ua *u, struct ua_call *c)
{
    if (c->send.generation) { /* the ACK waits for a connection */
        sw_timer_start(&u->engine.timers, &c->next, u->engine.now_ms + 10);
        return;
    }
    c->cseq++;
    c->ended = true;
    ua_compose(u, c, "BYE", "");
}

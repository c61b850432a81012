#include "gateway/trace.h"

#include "proxy/ingress.h"

static struct sw_slice first_line(struct sw_slice bytes)
{
    return sw_slice(bytes.p, sw_slice_find(bytes, '\r'));
}

/* Where a message comes from or goes to. */
struct way {
    const char *dir;
    const struct sw_flow_id *flow;    /* of a connection */
    const struct sw_endpoint *remote; /* of a datagram */
    uint16_t listener;
    uint8_t transport;
    uint32_t peer;
};

static void note(struct sw_gateway *g, const struct way *w, struct sw_slice bytes)
{
    struct sw_engine *e = &g->engine;
    struct sw_hdr *hdrs = sw_arena_get(&e->scratch, SW_HDRS_MAX * sizeof(*hdrs));
    char *text = sw_arena_get(&e->scratch, SW_ENDPOINT_TEXT_MAX);
    struct sw_buf id = sw_buf(text, SW_ENDPOINT_TEXT_MAX);
    struct sw_msg m;
    if (!hdrs || !text || sw_msg_parse(bytes.p, bytes.n, hdrs, SW_HDRS_MAX, &m) != SW_OK)
        return;
    bool stream = sw_transport_reliable((enum sw_transport)w->transport);
    if (stream)
        sw_flow_id_put(&id, w->flow);
    const struct sw_field fields[] = {
        sw_field_str("dir", w->dir),
        sw_field_text("line", first_line(bytes)),
        sw_field_text("cseq", sw_msg_value(&m, SW_HDR_CSEQ)),
        sw_field_text("call_id", sw_msg_value(&m, SW_HDR_CALL_ID)),
        sw_field_text("peer", sw_proxy_peer_name(&g->proxy, w->peer)),
        sw_field_text("transport", sw_transport_name((enum sw_transport)w->transport)),
        stream ? sw_field_text("conn", sw_buf_view(&id))
               : sw_field_str("remote", sw_endpoint_text(w->remote, text)),
        sw_field_text("listener", g->proxy.conf->listeners[w->listener].name),
        sw_field_number("bytes", (int64_t)bytes.n),
    };
    sw_engine_note(e, SW_LEVEL_DEBUG, "message", fields, sizeof(fields) / sizeof(fields[0]));
}

void sw_trace_in(struct sw_gateway *g, const struct sw_event *ev)
{
    const struct sw_flow *f = ev->flow;
    if (ev->kind != SW_EV_MESSAGE)
        return;
    struct way w = {"in", &f->id, &f->remote, f->listener, f->transport, f->peer};
    if (f->transport == SW_UDP)
        w.peer = sw_ingress_inbound(g->proxy.conf, f).peer;
    note(g, &w, ev->bytes);
}

void sw_trace_out(struct sw_gateway *g)
{
    struct sw_actions *out = g->engine.out;
    uint32_t count = out->count;
    for (uint32_t i = 0; i < count; i++) {
        const struct sw_send_act *s = &out->a[i].send;
        char *p = out->a[i].kind == SW_ACT_SEND ? sw_arena_get(&g->engine.scratch, s->total) : NULL;
        if (!p)
            continue;
        sw_segs_copy(s->segs, s->seg_count, p);
        struct way w = {
            "out", &s->flow, &s->remote, s->cookie.listener, s->cookie.transport, s->cookie.peer};
        note(g, &w, sw_slice(p, s->total));
    }
}

#include "gateway/trace.h"

static struct sw_slice first_line(struct sw_slice bytes)
{
    return sw_slice(bytes.p, sw_slice_find(bytes, '\r'));
}

static void note(struct sw_gateway *g, const char *dir, struct sw_slice bytes,
                 const struct sw_endpoint *remote, uint16_t listener, uint8_t transport,
                 uint32_t peer)
{
    struct sw_engine *e = &g->engine;
    struct sw_hdr *hdrs = sw_arena_get(&e->scratch, SW_HDRS_MAX * sizeof(*hdrs));
    char *text = sw_arena_get(&e->scratch, SW_ENDPOINT_TEXT_MAX);
    struct sw_msg m;
    if (!hdrs || !text || sw_msg_parse(bytes.p, bytes.n, hdrs, SW_HDRS_MAX, &m) != SW_OK)
        return;
    const struct sw_field fields[] = {
        sw_field_str("dir", dir),
        sw_field_text("line", first_line(bytes)),
        sw_field_text("cseq", sw_msg_value(&m, SW_HDR_CSEQ)),
        sw_field_text("call_id", sw_msg_value(&m, SW_HDR_CALL_ID)),
        sw_field_text("peer", sw_proxy_peer_name(&g->proxy, peer)),
        sw_field_text("transport", sw_transport_name((enum sw_transport)transport)),
        sw_field_str("remote", sw_endpoint_text(remote, text)),
        sw_field_text("listener", g->proxy.conf->listeners[listener].name),
        sw_field_number("bytes", (int64_t)bytes.n),
    };
    sw_engine_note(e, SW_LEVEL_DEBUG, "message", fields, sizeof(fields) / sizeof(fields[0]));
}

void sw_trace_in(struct sw_gateway *g, const struct sw_event *ev)
{
    if (ev->kind == SW_EV_MESSAGE)
        note(g, "in", ev->bytes, &ev->flow->remote, ev->flow->listener, ev->flow->transport,
             ev->flow->peer);
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
        note(g, "out", sw_slice(p, s->total), &s->remote, s->cookie.listener, s->cookie.transport,
             s->cookie.peer);
    }
}

#include "gateway/intake.h"

#include "proxy/hops.h"
#include "proxy/response.h"

void sw_gateway_note_malformed(struct sw_proxy *p, const struct sw_flow *flow,
                               const struct sw_msg *m, const char *why, const char *rule)
{
    char *text = sw_arena_get(&p->e->scratch, SW_ENDPOINT_TEXT_MAX);
    if (!text)
        return;
    const struct sw_field fields[] = {
        sw_field_str("why", why),
        sw_field_str("rule", rule),
        sw_field_number("offset", m->bad.rule ? (int64_t)m->bad.offset : -1),
        sw_field_text("peer", sw_proxy_peer_name(p, flow->peer)),
        sw_field_str("remote", sw_endpoint_text(&flow->remote, text)),
    };
    sw_engine_note(p->e, SW_LEVEL_INFO, "message_malformed", fields, 5);
}

static void note_source(struct sw_proxy *p, const struct sw_flow *flow, uint32_t dropped)
{
    char *text = sw_arena_get(&p->e->scratch, SW_ENDPOINT_TEXT_MAX);
    if (!text)
        return;
    struct sw_slice domain = sw_proved_stranger(p->conf, flow);
    struct sw_field fields[8] = {
        sw_field_str("why", "limit source_messages_per_second"),
        sw_field_str("remote", sw_endpoint_text(&flow->remote, text)),
        sw_field_text("transport", sw_transport_name((enum sw_transport)flow->transport)),
        sw_field_text("listener", p->conf->listeners[flow->listener].name),
        sw_field_number("limit", p->conf->source_messages_per_s),
        sw_field_number("dropped", dropped),
        sw_field_str("help", domain.n ? "make its domain a peer's if its messages are wanted"
                                      : "make it a peer with source if its messages are wanted"),
        sw_field_text("domain", domain),
    };
    sw_engine_note(p->e, SW_LEVEL_WARN, "source_limited", fields, domain.n ? 8 : 7);
}

bool sw_gateway_one_too_many(struct sw_gateway *g, const struct sw_event *ev)
{
    struct sw_proxy *p = &g->proxy;
    bool datagram = ev->flow->transport == SW_UDP;
    uint32_t say;
    if (ev->kind != SW_EV_MESSAGE ||
        (datagram && sw_proxy_is_clear_address(p->conf, &ev->flow->remote)) ||
        sw_sources_take(&g->sources, ev->flow, p->e->now_ms, &say))
        return false;
    sw_proxy_count(p, SW_LIMITED_SOURCE_MESSAGES_PER_SECOND);
    if (say)
        note_source(p, ev->flow, say);
    return true;
}

bool sw_gateway_read_request(struct sw_gateway *g, const struct sw_event *ev,
                             const struct sw_flow *flow, struct sw_msg *m, struct sw_vitals *v)
{
    struct sw_proxy *p = &g->proxy;
    struct sw_verdict verdict = {0, "Not A SIP Request", "RFC 3261 25.1"};
    enum sw_status s = sw_msg_parse(ev->bytes.p, ev->bytes.n, g->hdrs, p->conf->headers_max, m);
    bool datagram = flow->transport == SW_UDP;
    if (ev->status == SW_LIMIT_SIZE) { /* only its head is here: RFC 3261 21.5.7 */
        enum sw_status checked = sw_check_request(m, true, v, &verdict);
        verdict.code = checked == SW_OK || verdict.code ? 513 : 0;
        verdict.why = sw_reason(513);
        verdict.rule = "limit: body_bytes";
        sw_proxy_count(p, SW_LIMITED_BODY_BYTES);
    } else if (ev->status == SW_PEER_PROTOCOL) { /* in the clear where TLS is spoken */
        enum sw_status checked = sw_check_request(m, true, v, &verdict);
        verdict.code = checked == SW_OK || verdict.code ? 400 : 0;
        verdict.why = "This Port Speaks TLS";
        verdict.rule = "listener: transport tls";
    } else if (s == SW_OK && sw_check_request(m, datagram, v, &verdict) == SW_OK) {
        if (m->uri_n <= p->conf->uri_max)
            return true;
        verdict = (struct sw_verdict){414, sw_reason(414), "limit: uri_bytes"};
        sw_proxy_count(p, SW_LIMITED_URI_BYTES); /* RFC 3261 21.4.13 */
    } else if (s == SW_LIMIT) { /* what stands after the last row that was read is not known */
        enum sw_status checked = sw_check_request(m, datagram, v, &verdict);
        verdict.code = checked == SW_OK || verdict.code ? 400 : 0;
        verdict.why = "Too Many Header Fields";
        verdict.rule = "limit: headers";
        sw_proxy_count(p, SW_LIMITED_HEADERS);
    }
    sw_gateway_note_malformed(p, flow, m, verdict.why, verdict.rule);
    if (verdict.code && m->method != SW_ACK) {
        sw_proxy_count(p, SW_COUNT_MALFORMED_ANSWERED);
        const struct sw_refusal r = {.code = verdict.code, .reason = verdict.why};
        m->bad.rule = verdict.rule; /* so that the answer copies nothing unseen */
        sw_response_stateless(p, m, v, flow, &r);
    } else {
        sw_proxy_count(p, SW_COUNT_MALFORMED_DROPPED);
    }
    return false;
}

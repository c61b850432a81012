#include "proxy/response.h"

#include "proxy/hide.h"
#include "proxy/rows.h"
#include "sip/build.h"

enum { TAG_LETTERS = 18 };

/* A tag that we can recognise without keeping it. */
static void own_tag(const struct sw_proxy *p, const struct sw_vitals *v, char tag[TAG_LETTERS])
{
    struct sw_siphash h;
    sw_siphash_init(&h, p->e->conf.table_key);
    sw_siphash_slice(&h, SW_SLICE("to-tag"));
    sw_siphash_slice(&h, v->call_id);
    sw_siphash_slice(&h, v->from_tag);
    sw_siphash_add(&h, &v->cseq, sizeof(v->cseq));
    struct sw_key k = sw_siphash_end(&h);
    struct sw_buf b = sw_buf(tag, TAG_LETTERS);
    sw_buf_lit(&b, "sw");
    sw_buf_hex(&b, &k.a, 8);
}

bool sw_response_own_tag(const struct sw_proxy *p, const struct sw_vitals *v)
{
    char tag[TAG_LETTERS];
    own_tag(p, v, tag);
    return sw_slice_eq(v->to_tag, sw_slice(tag, sizeof(tag)));
}

static struct sw_slice build(struct sw_proxy *p, const struct sw_msg *m, const struct sw_vitals *v,
                             const struct sw_flow *flow, const struct sw_refusal *r)
{
    char tag[TAG_LETTERS];
    size_t head = m->body_at ? m->body_at : m->n; /* it has no end if it was too long */
    struct sw_buf b = sw_engine_buf(p->e, head + r->extra.n + 512);
    struct sw_response x = {.code = r->code, .reason = r->reason, .extra = r->extra};
    if (r->code > 100) {
        own_tag(p, v, tag);
        x.to_tag = sw_slice(tag, sizeof(tag));
    }
    sw_build_response(&b, m, &v->via, &flow->remote, &x);
    return b.full ? (struct sw_slice){NULL, 0} : sw_buf_view(&b);
}

void sw_response_local(struct sw_proxy *p, struct sw_server *s, const struct sw_msg *m,
                       const struct sw_vitals *v, const struct sw_flow *flow,
                       const struct sw_refusal *r)
{
    struct sw_slice *seg = sw_arena_get(&p->e->scratch, sizeof(*seg));
    struct sw_slice bytes = build(p, m, v, flow, r);
    if (!seg || !bytes.p) {
        sw_server_free(p->e, s);
        return;
    }
    *seg = bytes;
    if (r->code >= 300)
        sw_count_answer(p->e->conf.counters, r->code);
    sw_server_respond(p->e, s, r->code, seg, 1, bytes.n);
}

void sw_response_stateless(struct sw_proxy *p, const struct sw_msg *m, const struct sw_vitals *v,
                           const struct sw_flow *flow, const struct sw_refusal *r)
{
    struct sw_slice bytes = build(p, m, v, flow, r);
    struct sw_endpoint to = sw_server_reply_to(flow, &v->via);
    struct sw_cookie cookie = {.why = SW_FOR_NOTHING,
                               .transport = flow->transport,
                               .listener = flow->listener,
                               .peer = flow->peer};
    if (!bytes.p)
        return;
    if (r->code >= 300)
        sw_count_answer(p->e->conf.counters, r->code);
    sw_engine_send_bytes(p->e, &flow->id, &to, bytes, &cookie);
}

/* The top Via goes: its row, or the first value of it. RFC 3261 16.7 step 3 */
static void drop_via(const struct sw_msg *m, struct sw_edits *edits)
{
    const struct sw_hdr *h = sw_msg_hdr(m, SW_HDR_VIA);
    struct sw_values values = sw_values(m, SW_HDR_VIA);
    struct sw_via first, second;
    if (sw_values_via(&values, &first) == SW_OK && sw_values_via(&values, &second) == SW_OK &&
        values.hdr == h)
        sw_edit_add(edits, h->value, (size_t)(second.whole.p - m->p) - h->value, sw_slice("", 0));
    else
        sw_edit_add(edits, h->at, h->end - h->at, sw_slice("", 0));
}

/* It cannot be made as it must leave: a final response is lost, and nobody waits for it any more.
 */
static void give_up(struct sw_proxy *p, struct sw_server *s, const struct sw_msg *m,
                    const struct sw_vitals *v, const char *why)
{
    const struct sw_field fields[] = {
        sw_field_number("status", m->status),
        sw_field_str("why", why),
        sw_field_text("peer", sw_proxy_peer_name(p, s->peer)),
        sw_field_text("call_id", v->call_id),
    };
    sw_engine_note(p->e, SW_LEVEL_WARN, "message_lost", fields, 4);
    if (m->status >= 200 && !s->answered)
        sw_server_free(p->e, s);
}

/* "The Via header field values in the response MUST equal the Via header field values in the
 * request": what stands behind them is of somebody inside. RFC 3261 8.2.6.2 */
static void drop_further_vias(uint16_t vias, const struct sw_msg *m, struct sw_edits *edits)
{
    struct sw_values told = sw_values(m, SW_HDR_VIA);
    struct sw_via last;
    for (uint32_t i = 0; i <= vias; i++) /* the first one is ours */
        if (sw_values_via(&told, &last) != SW_OK)
            return;
    const char *at = last.whole.p + last.whole.n;
    const char *end = m->p + told.hdr->value + told.hdr->value_n;
    if (at < end)
        sw_edit_add(edits, (size_t)(at - m->p), (size_t)(end - at), sw_slice("", 0));
    for (const struct sw_hdr *h = sw_hdr_next(m, told.hdr); h; h = sw_hdr_next(m, h))
        sw_edit_add(edits, h->at, h->end - h->at, sw_slice("", 0));
}

/* What answers is hidden from a peer with `hide_inside`, or the response does not leave. */
static bool hide(struct sw_proxy *p, const struct sw_server *s, const struct sw_msg *m,
                 const struct sw_vitals *v, uint32_t from, struct sw_edits *edits)
{
    const struct sw_flow in = {.peer = s->peer, .listener = s->listener, .transport = s->transport};
    struct sw_buf room = sw_engine_buf(p->e, sw_hide_room(m));
    if (s->vias)
        drop_further_vias(s->vias, m, edits);
    return sw_hide_response(p->conf, m, v, &in, from, &room, edits) == SW_OK;
}

void sw_response_forward(struct sw_proxy *p, struct sw_server *s, const struct sw_msg *m,
                         const struct sw_vitals *v, uint32_t from, struct sw_slice extra)
{
    struct sw_edits edits;
    size_t total, count;
    sw_edits_init(&edits);
    drop_via(m, &edits);
    if (sw_hide_wanted(p->conf, s->peer)) {
        if (!hide(p, s, m, v, from, &edits)) {
            give_up(p, s, m, v,
                    "what is inside cannot be hidden: too long, or a Contact is no address");
            return;
        }
    } else if (sw_hide_in_via(&v->via)) { /* from one that is shown sealed Contacts */
        struct sw_buf room = sw_engine_buf(p->e, m->n);
        sw_unhide_contacts(p->conf, m, s->peer, &room, &edits);
    }
    if (extra.n)
        sw_edit_add(&edits, m->blank_at, 0, extra);
    if (!v->has_length && sw_transport_reliable((enum sw_transport)s->transport)) {
        struct sw_buf b = sw_engine_buf(p->e, 48);
        sw_buf_lit(&b, "Content-Length: ");
        sw_buf_u64(&b, sw_msg_body(m).n);
        sw_buf_lit(&b, "\r\n");
        sw_edit_add(&edits, m->blank_at, 0, sw_buf_view(&b));
        edits.full |= b.full;
    }
    sw_rows_drop(p->conf, m, NULL, from, s->peer, &edits);
    struct sw_slice *segs = sw_arena_get(&p->e->scratch, (2 * edits.count + 1) * sizeof(*segs));
    count = segs ? sw_edits_render(&edits, sw_slice(m->p, m->n), segs, &total) : 0;
    if (!count) {
        give_up(p, s, m, v, segs ? "it would need too many changes" : "limit memory");
        return;
    }
    sw_proxy_count(p, SW_COUNT_RESPONSES);
    sw_server_respond(p->e, s, m->status, segs, count, total);
}

unsigned sw_response_rank(unsigned status)
{
    unsigned class = status / 100;
    if (class == 6)
        return 0;
    switch (status) { /* those that help to send the request again go before their class */
    case 401:
    case 407:
    case 415:
    case 420:
    case 484:
        return class * 1000;
    case 503:
        return class * 1000 + 999;
    case 408: /* nothing was learned from it */
        return class * 1000 + 500;
    default:
        return class * 1000 + 100;
    }
}

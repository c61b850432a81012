/* OPTIONS over a probed connection, and its answer. RFC 3261 11 */
#include "cmd/probe.h"

#include "sip/build.h"
#include "sip/frame.h"
#include "sys/clock.h"
#include "sys/random.h"
#include "txn/txn.h"
#include <stdlib.h>

/* One OPTIONS transaction. */
struct ask {
    struct probe_attempt *a;
    struct probe_link *l;
    struct sw_txn txn;
    int64_t retry_ms; /* when it is sent again; INT64_MAX: never */
    int64_t deadline_ms;
    struct sw_buf request;
    char branch[32], text[2048];
    struct sw_frame frame;
    char *in;
    size_t in_n;
};

static void hex(char *out, size_t cap, const char *start)
{
    uint8_t random[8] = {0};
    struct sw_buf b = sw_buf(out, cap - 1);
    if (sw_random(random, sizeof(random)) != SW_OK)
        memcpy(random, &(int64_t){sw_clock_us()}, sizeof(random)); /* unique is enough here */
    sw_buf_str(&b, start);
    sw_buf_hex(&b, random, sizeof(random));
    out[b.n] = 0;
}

/* "sip:" or "sips:" like the Request-URI (RFC 3261 8.1.1.8), and how to reach us. */
static struct sw_slice contact(const struct ask *k, const char *local, char *out, size_t cap)
{
    struct sw_buf b = sw_buf(out, cap);
    sw_buf_str(&b, k->a->goal->sips ? "sips:probe@" : "sip:probe@");
    sw_buf_str(&b, local);
    if (!k->a->goal->sips && k->l->transport != SW_UDP) {
        sw_buf_lit(&b, ";transport=");
        sw_buf_slice(&b, sw_transport_name(k->l->transport));
    }
    return sw_buf_view(&b);
}

static struct sw_slice from(const struct ask *k, char *out, size_t cap)
{
    const struct probe_goal *g = k->a->goal;
    struct sw_buf b = sw_buf(out, cap);
    sw_buf_str(&b, g->sips ? "sips:probe@" : "sip:probe@");
    if (g->from_host.n)
        sw_buf_slice(&b, g->from_host);
    else
        sw_endpoint_ip_put(&b, &k->a->local, true);
    return sw_buf_view(&b);
}

static void build(struct ask *k)
{
    char local[SW_ENDPOINT_TEXT_MAX], tag[32], call_id[32], us[160], me[320];
    const struct probe_goal *g = k->a->goal;
    sw_endpoint_text(&k->a->local, local);
    hex(k->branch, sizeof(k->branch), "z9hG4bK");
    hex(tag, sizeof(tag), "");
    hex(call_id, sizeof(call_id), "");
    const struct sw_own_request r = {
        .method = SW_SLICE("OPTIONS"),
        .uri = g->uri,
        .transport = sw_transport_via(k->l->transport),
        .sent_by = sw_slice_str(local),
        .branch = sw_slice_str(k->branch),
        .from_tag = sw_slice_str(tag),
        .call_id = sw_slice_str(call_id),
        .from = from(k, me, sizeof(me)),
        .to = g->to,
        .contact = contact(k, local, us, sizeof(us)),
        .extra = SW_SLICE("Accept: application/sdp\r\nUser-Agent: sipward-probe\r\n"),
    };
    k->request = sw_buf(k->text, sizeof(k->text));
    sw_build_request(&k->request, &r);
}

static enum sw_status act(struct ask *k, enum sw_txn_event event)
{
    const struct sw_txn_out out = sw_txn_event(&k->txn, event);
    if (out.retry_ms >= 0)
        k->retry_ms = out.retry_ms ? sw_clock_ms() + out.retry_ms : INT64_MAX;
    if (!(out.todo & SW_DO_SEND))
        return SW_OK;
    probe_note_sip(k->a, true, SW_SLICE("OPTIONS"), k->a->goal->uri, k->request.n);
    return probe_link_send(k->l, sw_buf_view(&k->request));
}

/* All rows of a header that the tables do not know, with commas. RFC 3261 7.3.1 */
static void keep(const struct sw_msg *m, struct sw_slice name, char *out, size_t cap)
{
    struct sw_buf b = sw_buf(out, cap - 1);
    for (uint32_t i = 0; i < m->hdr_count; i++) {
        if (!sw_slice_eq_case(sw_hdr_name(m, &m->hdrs[i]), name))
            continue;
        struct sw_slice value = sw_hdr_value(m, &m->hdrs[i]);
        if (b.n)
            sw_buf_lit(&b, ", ");
        sw_buf_put(&b, value.p, value.n < b.cap - b.n ? value.n : b.cap - b.n);
    }
    probe_text_end(&b);
}

static void keep_known(const struct sw_msg *m, enum sw_hdr_id id, char *out, size_t cap)
{
    struct sw_buf b = sw_buf(out, cap - 1);
    for (const struct sw_hdr *h = sw_msg_hdr(m, id); h; h = sw_hdr_next(m, h)) {
        struct sw_slice value = sw_hdr_value(m, h);
        if (b.n)
            sw_buf_lit(&b, ", ");
        sw_buf_put(&b, value.p, value.n < b.cap - b.n ? value.n : b.cap - b.n);
    }
    probe_text_end(&b);
}

static void keep_answer(struct probe_answer *x, const struct sw_msg *m)
{
    struct sw_buf reason = sw_buf(x->reason, sizeof(x->reason) - 1);
    size_t n = m->reason_n < reason.cap ? m->reason_n : reason.cap;
    x->status = m->status;
    sw_buf_put(&reason, m->p + m->reason_at, n);
    probe_text_end(&reason);
    keep(m, SW_SLICE("Server"), x->server, sizeof(x->server));
    if (!x->server[0])
        keep(m, SW_SLICE("User-Agent"), x->server, sizeof(x->server));
    keep(m, SW_SLICE("Allow"), x->allow, sizeof(x->allow));
    keep_known(m, SW_HDR_SUPPORTED, x->supported, sizeof(x->supported));
    keep_known(m, SW_HDR_CONTACT, x->contact, sizeof(x->contact));
    keep_known(m, SW_HDR_WARNING, x->warning, sizeof(x->warning));
}

/* The answer to our request has its branch and method. RFC 3261 17.1.3 */
static bool is_ours(const struct ask *k, const struct sw_vitals *v)
{
    return sw_slice_eq(v->via.branch, sw_slice_str(k->branch)) && v->method == SW_OPTIONS;
}

/* One message. SW_OK: it was the final answer; SW_AGAIN: another is awaited. */
static enum sw_status one(struct ask *k, struct sw_slice bytes)
{
    struct sw_hdr rows[SW_HDRS_MAX];
    struct sw_msg m;
    struct sw_vitals v = {0};
    struct sw_verdict verdict;
    char label[16];
    struct sw_buf name = sw_buf(label, sizeof(label));
    if (sw_msg_parse(bytes.p, bytes.n, rows, SW_HDRS_MAX, &m) != SW_OK)
        return SW_PEER_SYNTAX;
    if (sw_msg_is_request(&m)) {
        probe_note_sip(k->a, false, sw_msg_method(&m), SW_SLICE("a request of its own, left alone"),
                       bytes.n);
        return SW_AGAIN;
    }
    sw_buf_u64(&name, m.status);
    probe_note_sip(k->a, false, sw_buf_view(&name), sw_slice(m.p + m.reason_at, m.reason_n),
                   bytes.n);
    if (sw_check_response(&m, k->l->transport == SW_UDP, &v, &verdict) != SW_OK || !is_ours(k, &v))
        return SW_AGAIN;
    enum sw_status s = act(k, sw_txn_response(m.status));
    if (m.status < 200)
        return s == SW_OK ? SW_AGAIN : s;
    keep_answer(&k->a->answer, &m);
    return SW_OK;
}

/* Cuts what came into messages. */
static enum sw_status cut(struct ask *k)
{
    static const struct sw_frame_limits limits = {PROBE_SIP_BYTES / 2, PROBE_SIP_BYTES / 2};
    struct sw_framed f;
    if (k->l->transport == SW_UDP) {
        struct sw_slice datagram = sw_slice(k->in, k->in_n);
        k->in_n = 0;
        return datagram.n ? one(k, datagram) : SW_AGAIN;
    }
    for (;;) {
        enum sw_status s = sw_frame_next(&k->frame, k->in, k->in_n, &limits, &f);
        if (s == SW_OK && f.kind == SW_FRAME_MESSAGE)
            s = one(k, sw_slice(k->in, f.n));
        else if (s == SW_OK)
            s = SW_AGAIN;
        else
            return s;
        k->in_n -= f.n;
        memmove(k->in, k->in + f.n, k->in_n);
        if (s != SW_AGAIN)
            return s;
    }
}

/* Waits for bytes, and sends again what UDP may have lost. SW_AGAIN: nothing came yet. */
static enum sw_status hear(struct ask *k)
{
    size_t n = 0;
    k->l->deadline_ms = k->retry_ms < k->deadline_ms ? k->retry_ms : k->deadline_ms;
    enum sw_status s = probe_link_read(k->l, k->in + k->in_n, PROBE_SIP_BYTES - k->in_n, &n);
    if (s == SW_PEER_TIMEOUT && k->retry_ms < k->deadline_ms) {
        k->l->deadline_ms = k->deadline_ms;
        s = act(k, SW_TXN_RETRY);
        return s == SW_OK ? SW_AGAIN : s;
    }
    if (s != SW_OK)
        return s;
    k->in_n += n;
    k->a->heard = k->a->confirmed = true;
    return cut(k);
}

enum sw_status probe_options(struct probe_attempt *a, struct probe_link *l)
{
    struct ask k = {.a = a, .l = l, .retry_ms = INT64_MAX, .deadline_ms = l->deadline_ms};
    k.txn = sw_txn(SW_NICT, sw_transport_reliable(l->transport));
    k.in = malloc(PROBE_SIP_BYTES);
    if (!k.in)
        return SW_LIMIT_MEMORY;
    build(&k);
    enum sw_status s = k.request.full ? SW_LIMIT_SIZE : act(&k, SW_TXN_START);
    /* a refusal that came while we wrote is read, not the broken write told */
    if (s == SW_OK || s == SW_PEER_RESET)
        do
            s = hear(&k);
        while (s == SW_AGAIN);
    free(k.in);
    return s;
}

#include "sim/raw.h"

#include "base/arena.h"
#include "sip/msg.h"
#include "support/conf.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { PEER_OTHER = 78 };

static void send_on(struct raw *r, struct sw_actions *out, const struct sw_flow_id *flow,
                    const struct sw_endpoint *remote, struct sw_slice bytes)
{
    struct sw_action *a = sw_action_add(out, SW_ACT_SEND);
    struct sw_slice *seg = sw_arena_get(&r->arena, sizeof(*seg));
    *seg = sw_arena_dup(&r->arena, bytes);
    a->send = (struct sw_send_act){
        .flow = *flow, .remote = *remote, .segs = seg, .seg_count = 1, .total = (uint32_t)seg->n};
}

static void pump(struct raw *r, struct sw_actions *out)
{
    for (unsigned i = r->out_done; i < r->out_count; i++) {
        if (r->out[i].want.transport == SW_UDP) {
            const struct sw_flow_id udp = {.instance = r->node->instance, .worker = SW_WORKER_ANY};
            send_on(r, out, &udp, &r->out[i].want.remote, sw_slice(r->out[i].text, r->out[i].n));
            continue;
        }
        struct sw_action *a = sw_action_add(out, SW_ACT_OPEN);
        a->open = r->out[i].want;
        a->open.job = (struct sw_ref){i, 1};
    }
    r->out_done = r->out_count;
}

static void step(void *user, const struct sw_event *ev, struct sw_actions *out, int64_t now_ms)
{
    struct raw *r = user;
    sw_arena_reset(&r->arena);
    if (ev->kind == SW_EV_MESSAGE || ev->kind == SW_EV_NO_OWNER) {
        assert(r->count < RAW_MAX);
        r->got[r->count++] = (struct raw_message){
            .at_ms = now_ms, .text = strndup(ev->bytes.p, ev->bytes.n), .flow = *ev->flow};
    } else if (ev->kind == SW_EV_IDENTIFY) {
        struct sw_action *a = sw_action_add(out, r->refuse ? SW_ACT_CLOSE : SW_ACT_ADMIT);
        a->verdict.flow = ev->flow->id;
        a->verdict.peer = PEER_OTHER;
        a->verdict.status = r->refuse ? SW_DENIED_IDENTITY : SW_OK;
    } else if (ev->kind == SW_EV_OPENED) {
        if (ev->status == SW_OK)
            send_on(r, out, &ev->flow->id, &ev->flow->remote,
                    sw_slice(r->out[ev->job.slot].text, r->out[ev->job.slot].n));
        else
            r->opened_failed++;
    }
    pump(r, out);
}

static int64_t deadline(void *user)
{
    struct raw *r = user;
    return r->out_done < r->out_count ? r->node->sim->now_ms : SW_TIMER_NEVER;
}

static void end(void *user)
{
    struct raw *r = user;
    free(r->ident);
    for (unsigned i = 0; i < r->count; i++)
        free(r->got[i].text);
    free(r->got);
    for (unsigned i = 0; i < r->out_count; i++)
        free(r->out[i].text);
    sw_arena_release(&r->arena);
    sw_slab_fini(&r->slab);
    free(r);
}

struct raw *raw_new(struct sim *s, const char *name, const char *address, enum sw_transport t)
{
    struct raw *r = calloc(1, sizeof(*r));
    assert(r);
    r->got = malloc(RAW_MAX * sizeof(*r->got)); /* not cleared: most of it is never touched */
    assert(r->got);
    r->node = sim_node_add(s, name, 1);
    sim_listen(r->node, address, t);
    sw_slab_init(&r->slab);
    sw_arena_init(&r->arena, &r->slab);
    r->node->worker[0].step = (struct sw_step){r, step, deadline};
    r->node->end = end;
    r->node->end_user = r;
    return r;
}

struct sw_ident *raw_proves(struct raw *r, const char *domain)
{
    free(r->ident);
    return r->ident = r->node->ident = conf_ident(domain);
}

void raw_send(struct raw *r, const char *to, enum sw_transport t, const char *text)
{
    raw_send_bytes(r, to, t, text, strlen(text));
}

void raw_send_bytes(struct raw *r, const char *to, enum sw_transport t, const void *p, size_t n)
{
    assert(r->out_count < 64);
    r->out[r->out_count].text = malloc(n + 1);
    r->out[r->out_count].n = n;
    assert(r->out[r->out_count].text);
    memcpy(r->out[r->out_count].text, p, n);
    r->out[r->out_count++].want =
        (struct sw_want){.remote = sim_endpoint(to), .peer = PEER_OTHER, .transport = (uint8_t)t};
}

static void put_rows(struct sw_buf *b, const struct sw_msg *m, enum sw_hdr_id id)
{
    for (const struct sw_hdr *h = sw_msg_hdr(m, id); h; h = sw_hdr_next(m, h))
        sw_buf_put(b, m->p + h->at, h->end - h->at);
}

void raw_answer(struct raw *r, const struct raw_message *got, const char *status_line,
                const char *extra_headers)
{
    static const enum sw_hdr_id copied[] = {SW_HDR_VIA, SW_HDR_RECORD_ROUTE, SW_HDR_FROM,
                                            SW_HDR_CALL_ID, SW_HDR_CSEQ};
    struct sw_hdr hdrs[SW_HDRS_MAX];
    struct sw_msg m;
    char text[8192];
    struct sw_buf b = sw_buf(text, sizeof(text));
    enum sw_status s = sw_msg_parse(got->text, strlen(got->text), hdrs, SW_HDRS_MAX, &m);
    assert(s == SW_OK);
    sw_buf_str(&b, "SIP/2.0 ");
    sw_buf_str(&b, status_line);
    sw_buf_str(&b, "\r\n");
    for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
        put_rows(&b, &m, copied[i]);
    struct sw_slice to = sw_msg_value(&m, SW_HDR_TO);
    sw_buf_str(&b, "To: ");
    sw_buf_slice(&b, to);
    if (!memmem(to.p, to.n, ";tag=", 5) && strncmp(status_line, "100", 3) != 0)
        sw_buf_str(&b, ";tag=raw");
    sw_buf_str(&b, "\r\n");
    sw_buf_str(&b, extra_headers);
    sw_buf_str(&b, "Content-Length: 0\r\n\r\n");
    sw_buf_char(&b, 0);
    assert(s == SW_OK && !b.full);
    char remote[SW_ENDPOINT_TEXT_MAX];
    enum sw_transport t = (enum sw_transport)got->flow.transport;
    raw_send(r, sw_endpoint_text(&got->flow.remote, remote), t, text);
    if (t != SW_UDP) { /* back over the connection it came on */
        struct sw_want *w = &r->out[r->out_count - 1].want;
        w->prefer = got->flow.id;
        w->any_of_peer = true;
        w->remote.port = 0;
    }
}

unsigned raw_count(const struct raw *r, const char *start)
{
    unsigned n = 0;
    for (unsigned i = 0; i < r->count; i++)
        n += strncmp(r->got[i].text, start, strlen(start)) == 0;
    return n;
}

const struct raw_message *raw_nth(const struct raw *r, const char *start, unsigned nth)
{
    for (unsigned i = 0; i < r->count; i++)
        if (strncmp(r->got[i].text, start, strlen(start)) == 0 && nth-- == 0)
            return &r->got[i];
    return NULL;
}

void raw_routes(const struct raw_message *m, bool turned, char *out, size_t cap)
{
    enum { ROWS = 8 };
    const char *row[ROWS], *p = m->text;
    struct sw_buf b = sw_buf(out, cap - 1);
    int n = 0;
    while (n < ROWS && (p = strstr(p, "\r\nRecord-Route: ")))
        row[n++] = p += strlen("\r\nRecord-Route: ");
    assert(n > 0);
    for (int i = 0; i < n; i++) {
        const char *value = row[turned ? n - 1 - i : i];
        sw_buf_lit(&b, "Route: ");
        sw_buf_put(&b, value, strcspn(value, "\r"));
        sw_buf_lit(&b, "\r\n");
    }
    assert(!b.full);
    out[b.n] = 0;
}

const char *raw_header(const struct raw_message *m, const char *name)
{
    static char value[1024];
    size_t n = strlen(name);
    value[0] = 0;
    for (const char *p = strstr(m->text, "\r\n"); p && p[2]; p = strstr(p + 2, "\r\n"))
        if (strncasecmp(p + 2, name, n) == 0 && p[2 + n] == ':') {
            const char *v = p + 3 + n + strspn(p + 3 + n, " ");
            snprintf(value, sizeof(value), "%.*s", (int)strcspn(v, "\r"), v);
            break;
        }
    return value;
}

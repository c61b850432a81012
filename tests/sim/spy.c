#include "sim/spy.h"

#include "proxy/ingress.h"
#include "sim/twice.h"

#include <stdio.h>
#include <stdlib.h>

#define MUST(w, condition, ...)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("%s:%d: %s: ", __FILE__, __LINE__, (w)->spy->gate->node->name);                 \
            printf(__VA_ARGS__);                                                                   \
            printf("\n");                                                                          \
            fflush(stdout);                                                                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static struct spy_server *server_at(struct spy_worker *w, uint32_t slot)
{
    if (slot >= w->slots) {
        uint32_t slots = slot * 2 + 256;
        w->servers = realloc(w->servers, slots * sizeof(*w->servers));
        MUST(w, w->servers, "no memory for the test itself");
        memset(w->servers + w->slots, 0, (slots - w->slots) * sizeof(*w->servers));
        w->slots = slots;
    }
    return &w->servers[slot];
}

static void ended(struct spy_worker *w, const struct spy_server *s)
{
    if (!s->generation || s->final)
        return;
    w->ended_silently += !s->invite;
    if (!s->invite)
        return;
    MUST(w, w->spy->answers_may_fail, "an INVITE got no final response");
    w->spy->unanswered++;
}

/* The gateways that are watched now: the engine's functions know only the engine. */
static struct spy *watched[4];

static void taken_up(const struct sw_engine *e, struct sw_ref ref, unsigned method)
{
    for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
        for (unsigned k = 0; watched[i] && k < watched[i]->gate->node->workers; k++) {
            if (&watched[i]->gate->gateway[k].engine != e)
                continue;
            struct spy_server *s = server_at(&watched[i]->worker[k], ref.slot);
            ended(&watched[i]->worker[k], s);
            *s = (struct spy_server){.generation = ref.generation, .invite = method == SW_INVITE};
        }
}

static void watch(struct spy *from, struct spy *to)
{
    for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
        if (watched[i] == from) {
            watched[i] = to;
            return;
        }
    abort();
}

/* Of one server transaction: one final response, or a row of 2xx. RFC 3261 17.2, 16.7 */
static void answered(struct spy_worker *w, struct sw_ref ref, unsigned status, enum sw_method m)
{
    struct spy_server *s = server_at(w, ref.slot);
    MUST(w, s->generation == ref.generation, "a transaction answered that was never taken up");
    MUST(w, s->invite == (m == SW_INVITE), "a transaction answered with another one's CSeq");
    MUST(w, !s->final || status == s->final || (status / 100 == 2 && s->final / 100 == 2),
         "%u was sent after the final response %u", status, s->final);
    if (status >= 200)
        s->final = (uint16_t)status;
}

/* No byte is a line end for some receivers only. A NUL may stand where the message is well-formed
 * with it: docs/messages.md */
static void whole_lines(const struct spy_worker *w, const char *p, size_t n, bool well_formed)
{
    for (size_t i = 0; i < n; i++) {
        MUST(w, p[i] != '\r' || (i + 1 < n && p[i + 1] == '\n'), "a CR alone was sent");
        MUST(w, p[i] != '\n' || (i > 0 && p[i - 1] == '\r'), "a LF alone was sent");
        MUST(w, p[i] != 0 || well_formed, "a NUL was sent");
    }
}

static void look(struct spy_worker *w, const struct sw_send_act *a)
{
    static char bytes[1 << 17];
    static struct sw_hdr hdrs[SW_HDRS_MAX + 16];
    struct sw_msg m;
    struct sw_vitals v;
    struct sw_verdict verdict = {0};
    bool datagram = a->cookie.transport == SW_UDP;
    MUST(w, a->total && a->total <= sizeof(bytes), "%u bytes were sent", a->total);
    MUST(w, sw_segs_total(a->segs, a->seg_count) == a->total, "the length of a SEND is wrong");
    sw_segs_copy(a->segs, a->seg_count, bytes);
    enum sw_status s = sw_msg_parse(bytes, a->total, hdrs, SW_HDRS_MAX + 16, &m);
    bool response = sw_slice_starts_case(sw_slice(bytes, a->total), SW_SLICE("SIP/2.0 "));
    w->spy->requests += !response;
    w->spy->responses += response;
    if (s == SW_OK)
        s = response ? sw_check_response(&m, datagram, &v, &verdict)
                     : sw_check_request(&m, datagram, &v, &verdict);
    if (response && a->cookie.why == SW_FOR_NOTHING) {
        /* a malformed request gets back what it had, but no more */
        whole_lines(w, bytes, a->total, s == SW_OK);
        return;
    }
    MUST(w, s == SW_OK, "what was sent is malformed (%s, %s): %.*s", sw_status_name(s),
         verdict.why ? verdict.why : "", (int)a->total, bytes);
    if (response && a->cookie.why == SW_FOR_RESPONSE && a->cookie.ref.generation)
        answered(w, a->cookie.ref, m.status, v.method);
}

/* Names of NOTEs that say by which rule a request was dropped. */
static bool says_why(const struct sw_note_act *n)
{
    return strcmp(n->event, "request_refused") == 0 || strcmp(n->event, "message_malformed") == 0;
}

static bool is_ack(struct sw_slice bytes)
{
    static struct sw_hdr hdrs[SW_HDRS_MAX];
    struct sw_msg m;
    return sw_msg_parse(bytes.p, bytes.n, hdrs, SW_HDRS_MAX, &m) == SW_OK && m.method == SW_ACK;
}

/* What the worker counted so far of what becomes of a request. */
struct fate_counts {
    uint64_t taken, repeats, held;
};

static struct fate_counts count_now(const struct sw_gateway *g)
{
    const struct sw_counters *c = g->engine.conf.counters;
    return (struct fate_counts){.taken = twice_made(),
                                .repeats = sw_counted(c, SW_COUNT_REPEATS_RECEIVED),
                                .held = sw_counted(c, SW_LIMITED_SOURCE_MESSAGES_PER_SECOND)};
}

/* A request that came in is taken up, answered at once, known, asked for elsewhere, or dropped by a
 * rule. `before`: what was counted before it came. */
static void judge_fate(struct spy_worker *w, const struct sw_event *ev,
                       const struct sw_actions *out, const struct fate_counts *before)
{
    const struct sw_gateway *g = w->inner.user;
    const struct fate_counts now = count_now(g);
    struct spy_fates *fates = &w->spy->fates;
    unsigned answers = 0;
    bool asked = false, noted = false;
    for (uint32_t i = 0; i < out->count; i++) {
        const struct sw_action *a = &out->a[i];
        answers += a->kind == SW_ACT_SEND && a->send.cookie.why == SW_FOR_NOTHING;
        asked |= a->kind == SW_ACT_FIND;
        noted |= a->kind == SW_ACT_NOTE && says_why(&a->note);
    }
    if (now.taken != before->taken || now.held != before->held)
        return;
    MUST(w, answers <= 1, "%u answers to one request", answers);
    if (answers)
        fates->refused++;
    else if (now.repeats != before->repeats)
        fates->repeated++;
    else if (asked)
        fates->asked++;
    else if (noted)
        fates->noted++;
    else if (is_ack(ev->bytes)) /* never answered: RFC 3261 17 */
        return;
    else if (ev->flow->transport == SW_UDP &&
             sw_ingress_inbound(g->proxy.conf, ev->flow).peer == SW_PEER_NOBODY)
        fates->nobodys++;
    else
        MUST(w, w->spy->answers_may_fail, "a request got nothing: %.*s", (int)ev->bytes.n,
             ev->bytes.p);
}

static void step(void *user, const struct sw_event *ev, struct sw_actions *out, int64_t now_ms)
{
    struct spy_worker *w = user;
    struct spy *x = w->spy;
    const struct sw_gateway *g = w->inner.user;
    const struct fate_counts before = count_now(g);
    server_at(w, g->engine.servers.slots + 256); /* room now: in the step memory may run out */
    MUST(w, ++x->steps <= x->steps_max, "%llu steps and no end", (unsigned long long)x->steps);
    if (x->before)
        x->before(x->user);
    w->inner.step(w->inner.user, ev, out, now_ms);
    if (x->after)
        x->after(x->user);
    for (uint32_t i = 0; i < out->count; i++) {
        if (out->a[i].kind == SW_ACT_SEND)
            look(w, &out->a[i].send);
        w->noted_silent += out->a[i].kind == SW_ACT_NOTE &&
                           strcmp(out->a[i].note.event, "request_unanswered") == 0;
        w->noted_lost +=
            out->a[i].kind == SW_ACT_NOTE && strcmp(out->a[i].note.event, "message_lost") == 0;
        w->published += out->a[i].kind == SW_ACT_PUBLISH;
        w->published -= out->a[i].kind == SW_ACT_UNPUBLISH;
    }
    if ((ev->kind == SW_EV_MESSAGE || ev->kind == SW_EV_NO_OWNER) &&
        !sw_slice_starts_case(ev->bytes, SW_SLICE("SIP/2.0 ")))
        judge_fate(w, ev, out, &before);
}

static int64_t deadline(void *user)
{
    struct spy_worker *w = user;
    return w->inner.deadline(w->inner.user);
}

void spy_init(struct spy *x, struct gate *g)
{
    *x = (struct spy){.gate = g, .steps_max = 2000000};
    watch(NULL, x);
    twice_tell(taken_up);
    for (unsigned i = 0; i < g->node->workers; i++) {
        x->worker[i].spy = x;
        x->worker[i].inner = g->node->worker[i].step;
        g->node->worker[i].step = (struct sw_step){&x->worker[i], step, deadline};
    }
}

void spy_finish(struct spy *x)
{
    for (unsigned i = 0; i < x->gate->node->workers; i++) {
        struct spy_worker *w = &x->worker[i];
        for (uint32_t slot = 0; slot < w->slots; slot++) {
            ended(w, &w->servers[slot]);
            w->servers[slot] = (struct spy_server){0};
        }
        /* a transaction that cannot deliver its 100 ends: RFC 3261 17.2.4 */
        MUST(w,
             x->answers_may_fail || (w->ended_silently >= w->noted_silent &&
                                     w->ended_silently <= w->noted_silent + w->noted_lost),
             "%llu requests got no final response, %llu were said to get none",
             (unsigned long long)w->ended_silently, (unsigned long long)w->noted_silent);
        w->ended_silently = w->noted_silent = w->noted_lost = 0;
        MUST(w, w->published == 0, "%lld INVITEs left in the directory", (long long)w->published);
        MUST(w, deadline(w) == SW_TIMER_NEVER, "a timer is left");
    }
}

void spy_fini(struct spy *x)
{
    watch(x, NULL);
    for (unsigned i = 0; i < x->gate->node->workers; i++) {
        x->gate->node->worker[i].step = x->worker[i].inner;
        free(x->worker[i].servers);
    }
}

void spied_init(struct spied *s, uint64_t seed, const struct world_conf *conf)
{
    memset(s, 0, sizeof(*s));
    world_init(&s->w, seed, conf);
    for (unsigned i = 0; i < s->w.gates; i++)
        spy_init(&s->spy[i], &s->w.gate[i]);
}

void spied_finish(struct spied *s)
{
    world_finish(&s->w);
    for (unsigned i = 0; i < s->w.gates; i++)
        spy_finish(&s->spy[i]);
}

void spied_fini(struct spied *s)
{
    for (unsigned i = 0; i < s->w.gates; i++)
        spy_fini(&s->spy[i]);
    world_fini(&s->w);
}

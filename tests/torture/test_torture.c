/* The torture collection against a whole gateway in virtual time: every message as a datagram, over
 * a stream in one piece, and over a stream byte by byte. Its verdict stands beside it in a file;
 * see README.md. */
#include "support/unit.h"

#include "sim/world.h"
#include "sip/check.h"
#include "sip/frame.h"
#include <dirent.h>
#include <stdio.h>

enum { FILES_MAX = 1024, FILE_MAX = 1 << 17, VERDICT_MAX = 128, SEGS_PER_STEP = 200 };

enum how { DATAGRAM, WHOLE, BYTES };

/* ---- the collection ---- */

struct message {
    char name[128];
    char *bytes;
    size_t n;
    char verdict[2][VERDICT_MAX]; /* of a datagram, of a stream */
    bool rule, why;
};

static struct message messages[FILES_MAX];
static size_t message_count;

static char *file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    char *p = malloc(FILE_MAX);
    assert_non_null(p);
    *n = fread(p, 1, FILE_MAX - 1, f);
    p[*n] = 0;
    fclose(f);
    char *exact = realloc(p, *n + 1); /* so that a step too far is seen */
    assert_non_null(exact);
    return exact;
}

static void verdict_line(struct message *m, const char *line)
{
    static const char *const keys[] = {"verdict: ", "udp: ", "stream: "};
    for (size_t i = 0; i < UNIT_COUNT(keys); i++) {
        size_t n = strlen(keys[i]);
        if (strncmp(line, keys[i], n) != 0)
            continue;
        for (size_t k = 0; k < 2; k++)
            if (i == 0 || i == k + 1)
                snprintf(m->verdict[k], VERDICT_MAX, "%.*s", (int)strcspn(line + n, "\n"),
                         line + n);
    }
    m->rule |= strncmp(line, "rule: ", 6) == 0;
    m->why |= strncmp(line, "why: ", 5) == 0;
}

static void load(const char *folder, const char *name)
{
    char path[512];
    size_t length = strlen(name), n;
    if (length < 5 || strcmp(name + length - 4, ".sip") != 0)
        return;
    assert_in_range(message_count, 0, FILES_MAX - 1);
    struct message *m = &messages[message_count++];
    snprintf(m->name, sizeof(m->name), "%s/%.*s", folder, (int)length - 4, name);
    snprintf(path, sizeof(path), "%s/messages/%s.sip", TORTURE_DIR, m->name);
    m->bytes = file(path, &m->n);
    snprintf(path, sizeof(path), "%s/messages/%s.verdict", TORTURE_DIR, m->name);
    char *text = file(path, &n);
    if (!text)
        fail_msg("%s has no verdict", m->name);
    for (char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
        verdict_line(m, line);
    free(text);
}

static int load_all(void **state)
{
    static const char *const folders[] = {"valid", "invalid", "hostile"};
    (void)state;
    for (size_t i = 0; i < UNIT_COUNT(folders); i++) {
        char path[512];
        snprintf(path, sizeof(path), "%s/messages/%s", TORTURE_DIR, folders[i]);
        DIR *d = opendir(path);
        if (!d)
            return -1;
        for (struct dirent *e; (e = readdir(d));)
            load(folders[i], e->d_name);
        closedir(d);
    }
    return 0;
}

static int free_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < message_count; i++)
        free(messages[i].bytes);
    return 0;
}

/* ---- what is seen ---- */

struct seen {
    char text[VERDICT_MAX];
    unsigned count;
};

/* In a response this stands for the branch that the gateway gave to the INVITE that it answers. */
#define OURS SW_SLICE("z9hG4bK-ours")

static const char invite[] =
    "INVITE sip:bob@example.test SIP/2.0\r\n"
    "Via: SIP/2.0/TLS caller.test;branch=z9hG4bK-caller;rport\r\nMax-Forwards: 70\r\n"
    "From: <sip:alice@peer.test>;tag=a\r\nTo: <sip:bob@example.test>\r\nCall-ID: asked@test\r\n"
    "CSeq: 1 INVITE\r\nContact: <sip:alice@caller.test>\r\nContent-Length: 0\r\n\r\n";

static void see(struct seen *s, const char *what)
{
    size_t n = strlen(s->text);
    snprintf(s->text + n, sizeof(s->text) - n, "%s%s", n ? ", " : "", what);
    s->count++;
}

static const struct message *judged;

/* ---- an end: sends bytes, and tells what comes ---- */

struct end {
    struct sim_node *node;
    struct seen *seen;
    const struct message *m; /* NULL: it only listens */
    enum how how;
    struct sw_flow flow;
    bool opening, open;
    bool asked;   /* its INVITE waits for an answer */
    bool answers; /* it got that INVITE */
    char branch[128];
    size_t sent;
    struct sw_slice segs[SEGS_PER_STEP];
};

/* What is forwarded is itself a good message, with a body that came. */
static void forwarded(struct end *e, struct sw_slice bytes)
{
    static struct sw_hdr hdrs[SW_HDRS_MAX + 16];
    struct sw_msg m;
    struct sw_vitals v;
    struct sw_verdict verdict;
    see(e->seen, "accept");
    if (sw_msg_parse(bytes.p, bytes.n, hdrs, UNIT_COUNT(hdrs), &m) != SW_OK ||
        (m.status ? sw_check_response(&m, true, &v, &verdict)
                  : sw_check_request(&m, true, &v, &verdict)) != SW_OK ||
        (m.status && !sw_slice_eq(v.via.branch, SW_SLICE("z9hG4bK-caller"))))
        see(e->seen, "malformed");
    else if (judged && m.n > m.body_at &&
             !memmem(judged->bytes, judged->n, m.p + m.body_at, m.n - m.body_at))
        see(e->seen, "with another body");
    else if (!m.status)
        snprintf(e->branch, sizeof(e->branch), "%.*s", SW_SLICE_ARG(v.via.branch));
}

static void came(struct end *e, struct sw_slice bytes)
{
    unsigned status = 0;
    char text[32];
    bool response = sscanf(bytes.p, "SIP/2.0 %u ", &status) == 1;
    if (!response && e->answers)
        return; /* the ACK of its answer */
    if (!response || (e->asked && status != 100 && status != 500)) {
        forwarded(e, bytes);
    } else if (status >= 200) {
        snprintf(text, sizeof(text), "reject %u%s", status,
                 memchr(bytes.p, 0, bytes.n) ? " with NUL" : "");
        see(e->seen, text);
    }
}

static void send_some(struct end *e, struct sw_actions *out)
{
    size_t piece = e->how == BYTES ? 1 : e->m->n;
    for (size_t i = 0; i < SEGS_PER_STEP && e->sent < e->m->n; i++, e->sent += piece) {
        struct sw_action *a = sw_action_add(out, SW_ACT_SEND);
        e->segs[i] = sw_slice(e->m->bytes + e->sent, piece);
        a->send = (struct sw_send_act){.flow = e->flow.id,
                                       .remote = e->flow.remote,
                                       .segs = &e->segs[i],
                                       .seg_count = 1,
                                       .total = (uint32_t)piece};
    }
}

static void pump(struct end *e, struct sw_actions *out)
{
    if (!e->m || e->sent >= e->m->n)
        return;
    if (e->how == DATAGRAM) {
        e->flow.id = (struct sw_flow_id){.instance = e->node->instance, .worker = SW_WORKER_ANY};
        e->flow.remote = sim_endpoint("10.1.0.1:5060");
        send_some(e, out);
    } else if (e->open) {
        send_some(e, out);
    } else if (!e->opening) {
        struct sw_action *a = sw_action_add(out, SW_ACT_OPEN);
        a->open = (struct sw_want){
            .remote = sim_endpoint("10.0.0.1:5061"), .peer = 77, .transport = SW_TLS};
        e->opening = true;
    }
}

static void end_step(void *user, const struct sw_event *ev, struct sw_actions *out, int64_t now_ms)
{
    struct end *e = user;
    (void)now_ms;
    if (ev->kind == SW_EV_MESSAGE) {
        e->flow = *ev->flow;
        e->open = ev->flow->transport == SW_TLS;
        came(e, ev->bytes);
    } else if (ev->kind == SW_EV_IDENTIFY) {
        struct sw_action *a = sw_action_add(out, SW_ACT_ADMIT);
        a->verdict.flow = ev->flow->id;
        a->verdict.peer = 77;
    } else if (ev->kind == SW_EV_OPENED && ev->status == SW_OK) {
        e->flow = *ev->flow;
        e->open = true;
    }
    pump(e, out);
}

static int64_t end_deadline(void *user)
{
    const struct end *e = user;
    bool more = e->m && e->sent < e->m->n && (e->how == DATAGRAM || e->open || !e->opening);
    return more ? e->node->sim->now_ms : SW_TIMER_NEVER;
}

static void end_init(struct end *e, struct sim *s, const char *name, const char *address,
                     enum sw_transport transport, struct seen *seen)
{
    memset(e, 0, sizeof(*e));
    e->seen = seen;
    e->node = sim_node_add(s, name, 1);
    sim_listen(e->node, address, transport);
    e->node->worker[0].step = (struct sw_step){e, end_step, end_deadline};
}

/* ---- the gateway's end of a stream: what src/worker/conns.c does, before its step ---- */

struct wire {
    struct gate gate;
    struct seen *seen;
    struct sw_frame frame;
    struct sw_flow flow;
    char *p; /* all that came */
    size_t n, at;
    bool pending; /* more than one message may be there */
    bool ending, ended;
};

static void end_stream(struct wire *w, struct sw_actions *out)
{
    struct sw_action *a = sw_action_add(out, SW_ACT_CLOSE);
    a->verdict.flow = w->flow.id;
    a->verdict.status = SW_PEER_SYNTAX;
    w->ended = true;
    w->ending = false;
    see(w->seen, "close");
}

static void pass(struct wire *w, enum sw_status status, size_t n, struct sw_actions *out,
                 int64_t now_ms)
{
    const struct sw_event ev = {.kind = SW_EV_MESSAGE,
                                .status = status,
                                .flow = &w->flow,
                                .bytes = sw_slice(w->p + w->at, n)};
    sw_gateway_step(&w->gate.gateway[0], &ev, out, now_ms);
}

/* Cuts the next message; one step of the gateway at a time, because its scratch memory is used
 * again by the next. */
static void cut(struct wire *w, struct sw_actions *out, int64_t now_ms)
{
    const struct sw_frame_limits limits = {.head_max = 32 * 1024, .body_max = 64 * 1024};
    struct sw_framed f;
    enum sw_status s;
    w->pending = false;
    for (;;) {
        s = sw_frame_next(&w->frame, w->p + w->at, w->n - w->at, &limits, &f);
        if (s != SW_OK || f.kind == SW_FRAME_MESSAGE)
            break;
        w->at += f.n;
    }
    if (s == SW_AGAIN)
        return;
    if (f.n)
        pass(w, s, f.n, out, now_ms);
    w->at += f.n;
    w->pending = s == SW_OK;
    w->ending = s != SW_OK;
}

static void wire_step(void *user, const struct sw_event *ev, struct sw_actions *out, int64_t now_ms)
{
    struct wire *w = user;
    if (ev->kind == SW_EV_MESSAGE && ev->flow->transport == SW_TLS) {
        if (w->ending || w->ended)
            return;
        assert_in_range(w->n + ev->bytes.n, 0, FILE_MAX);
        memcpy(w->p + w->n, ev->bytes.p, ev->bytes.n);
        w->n += ev->bytes.n;
        w->flow = *ev->flow;
        if (!w->pending)
            cut(w, out, now_ms);
    } else if (ev->kind == SW_EV_TIME && w->pending) {
        cut(w, out, now_ms);
    } else if (ev->kind == SW_EV_TIME && w->ending) {
        end_stream(w, out);
    } else {
        sw_gateway_step(&w->gate.gateway[0], ev, out, now_ms);
    }
}

static int64_t wire_deadline(void *user)
{
    struct wire *w = user;
    int64_t at = sw_gateway_deadline(&w->gate.gateway[0]);
    int64_t now_ms = w->gate.node->sim->now_ms;
    if (w->pending && at > now_ms)
        at = now_ms;
    if (w->ending && at > now_ms + 2) /* its answer goes first */
        at = now_ms + 2;
    return at;
}

static void wire_init(struct wire *w, struct sim *s, struct seen *seen)
{
    struct conf *k = &w->gate.conf;
    memset(w, 0, sizeof(*w));
    w->seen = seen;
    w->p = malloc(FILE_MAX);
    assert_non_null(w->p);
    conf_init(k);
    conf_listener(k, "outside", "10.0.0.1:5061", SW_TLS, "sip.example.test");
    conf_listener(k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    conf_peer(k, "carrier", "10.0.0.9:5061", SW_TLS, "carrier.test");
    conf_peer(k, "pbx", "10.1.0.9:5060", SW_UDP, NULL);
    conf_route(k, "carrier", "pbx", NULL);
    conf_route(k, "pbx", "carrier", NULL);
    gate_start(&w->gate, s, "gate", 1, "example.test", 1);
    w->gate.node->worker[0].step = (struct sw_step){w, wire_step, wire_deadline};
}

/* ---- one message ---- */

static struct wire wire;
static struct end carrier, pbx;

static bool is_answer(const struct message *m)
{
    return memmem(m->bytes, m->n, OURS.p, OURS.n);
}

/* An INVITE to be answered goes through the gateway. */
static void ask(struct sim *s, struct end *e, enum how how)
{
    const struct message m = {.bytes = (char *)(uintptr_t)invite, .n = sizeof(invite) - 1};
    e->m = &m;
    e->how = how;
    sim_run(s, s->now_ms + 50);
    e->m = NULL;
    e->asked = true;
}

/* Writes the gateway's branch where the message has its stand-in. */
static void fill_in(struct message *m, const char *branch)
{
    static char text[2 * FILE_MAX];
    struct sw_buf b = sw_buf(text, sizeof(text));
    const char *from = m->bytes, *end = m->bytes + m->n;
    assert_true(*branch);
    for (const char *at; (at = memmem(from, (size_t)(end - from), OURS.p, OURS.n));
         from = at + OURS.n) {
        sw_buf_put(&b, from, (size_t)(at - from));
        sw_buf_str(&b, branch);
    }
    sw_buf_put(&b, from, (size_t)(end - from));
    assert_false(b.full);
    m->n = b.n;
    m->bytes = malloc(b.n);
    assert_non_null(m->bytes);
    memcpy(m->bytes, text, b.n);
}

/* What the gateway does with a message; then it is left alone until all timers have ended. */
static void judge(const struct message *m, enum how how, struct seen *seen)
{
    struct sim *s = sim_new(1);
    struct sw_ident *ident = conf_ident("carrier.test");
    struct end *from = how == DATAGRAM ? &pbx : &carrier;
    *seen = (struct seen){0};
    wire_init(&wire, s, seen);
    end_init(&carrier, s, "carrier", "10.0.0.9:5061", SW_TLS, seen);
    end_init(&pbx, s, "pbx", "10.1.0.9:5060", SW_UDP, seen);
    sim_listen(pbx.node, "10.1.0.9:5061", SW_UDP); /* where a sent-by may lead an answer */
    carrier.node->ident = ident;
    judged = m;
    struct message answer = *m;
    if (is_answer(m)) {
        ask(s, from == &pbx ? &carrier : &pbx, from == &pbx ? WHOLE : DATAGRAM);
        fill_in(&answer, from->branch);
        from->answers = true;
        *seen = (struct seen){0};
    }
    from->m = &answer;
    from->how = how;
    sim_run(s, s->now_ms + 100); /* below the first retransmission */
    if (!wire.ended && wire.at < wire.n)
        see(seen, "close"); /* the rest will not come: limit message */
    if (!seen->count)
        see(seen, "drop");
    struct seen later = {0};
    wire.seen = carrier.seen = pbx.seen = &later;
    sim_break(s, carrier.node, wire.gate.node);
    sim_run(s, INT64_MAX);
    gate_assert_idle(&wire.gate);
    gate_stop(&wire.gate);
    if (answer.bytes != m->bytes)
        free(answer.bytes);
    free(wire.p);
    sim_free(s);
    free(ident);
}

static void all_as_expected(enum how how)
{
    unsigned wrong = 0;
    for (size_t i = 0; i < message_count; i++) {
        const struct message *m = &messages[i];
        const char *expected = m->verdict[how != DATAGRAM];
        struct seen seen;
        judge(m, how, &seen);
        if (strcmp(seen.text, expected) != 0) {
            print_error("%s: %s, but should be: %s\n", m->name, seen.text, expected);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

static void test_torture_collection_is_whole(void **state)
{
    (void)state;
    assert_in_range(message_count, 170, FILES_MAX);
    for (size_t i = 0; i < message_count; i++) {
        const struct message *m = &messages[i];
        if (!m->bytes || !m->n || !m->verdict[0][0] || !m->verdict[1][0] || !m->rule || !m->why)
            fail_msg("%s: verdict for both transports, rule and why must be there", m->name);
    }
}

static void test_torture_datagrams_get_their_verdict(void **state)
{
    (void)state;
    all_as_expected(DATAGRAM);
}

static void test_torture_streams_get_their_verdict(void **state)
{
    (void)state;
    all_as_expected(WHOLE);
}

static void test_torture_streams_in_single_bytes_get_their_verdict(void **state)
{
    (void)state;
    all_as_expected(BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_torture_collection_is_whole),
        cmocka_unit_test(test_torture_datagrams_get_their_verdict),
        cmocka_unit_test(test_torture_streams_get_their_verdict),
        cmocka_unit_test(test_torture_streams_in_single_bytes_get_their_verdict),
    };
    return cmocka_run_group_tests(tests, load_all, free_all);
}

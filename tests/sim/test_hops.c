/* What is remembered of a call's hops: both sides, and what others wrote into Via, Record-Route and
 * Contact. RFC 3261 26.2.2, 26.4.4; RFC 5630 3.2 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/raw.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>

enum { FIELDS = 32, WORD = 64, ROWS = 20 };

/* The last list that was asked for. */
struct list {
    unsigned rows, next;
    struct {
        char name[WORD], text[WORD];
        int64_t number;
    } f[ROWS][FIELDS];
};

struct scene {
    struct sim *sim;
    struct gate gate;
    struct raw *caller, *target, *pbx; /* TLS, TLS, UDP */
    struct list list;
};

static void on_row(void *user, const struct sw_note_act *row)
{
    struct list *l = user;
    assert_true(row->count < FIELDS);
    l->next = row->next;
    if (l->rows == ROWS)
        return;
    for (uint32_t i = 0; i < row->count; i++) {
        const struct sw_field *f = &row->fields[i];
        snprintf(l->f[l->rows][i].name, WORD, "%s", f->name);
        snprintf(l->f[l->rows][i].text, WORD, "%.*s", f->type == SW_FIELD_TEXT ? (int)f->text.n : 0,
                 f->text.p ? f->text.p : "");
        l->f[l->rows][i].number = f->number;
    }
    l->rows++;
}

static void scene_init(struct scene *x, const char *caller_proves, bool to_pbx)
{
    struct conf *k = &x->gate.conf;
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(8);
    x->sim->row = on_row;
    x->sim->row_user = &x->list;
    conf_init(k);
    conf_listener(k, "outside", "10.0.0.1:5061", SW_TLS, "sip.example.test");
    conf_listener(k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    conf_peer(k, "caller", "10.0.0.9:5061", SW_TLS, "caller.test");
    conf_peer(k, "target", "10.0.0.8:5061", SW_TLS, "target.test");
    conf_peer(k, "pbx", "10.1.0.8:5060", SW_UDP, NULL);
    conf_route(k, "caller", to_pbx ? "pbx" : "target", NULL);
    conf_route(k, NULL, "target", NULL)->from = SW_FROM_VERIFIED;
    gate_start(&x->gate, x->sim, "gate", 1, "example.test", 8);
    x->caller = raw_new(x->sim, "caller", "10.0.0.9:5061", SW_TLS);
    x->target = raw_new(x->sim, "target", "10.0.0.8:5061", SW_TLS);
    x->pbx = raw_new(x->sim, "pbx", "10.1.0.8:5060", SW_UDP);
    raw_proves(x->caller, caller_proves);
    raw_proves(x->target, "target.test");
}

static void scene_fini(struct scene *x)
{
    gate_finish(&x->gate);
}

static void go_on(struct scene *x)
{
    sim_run(x->sim, x->sim->now_ms + 300);
}

/* A call number `n` that is answered by `callee` with `rows`. `via`: rows behind the caller's. */
static void call(struct scene *x, struct raw *callee, unsigned n, const char *scheme,
                 const char *via, const char *rows)
{
    char text[2048];
    snprintf(text, sizeof(text),
             "INVITE %s:bob@example.test SIP/2.0\r\n"
             "Via: SIP/2.0/TLS 10.0.0.9:5061;branch=z9hG4bKh%u\r\n%sMax-Forwards: 70\r\n"
             "From: <sip:x@x.test>;tag=1\r\nTo: <sip:y@y.test>\r\nCall-ID: c%u@x\r\n"
             "CSeq: 1 INVITE\r\nContact: <%s:x@10.0.0.9>\r\nContent-Length: 0\r\n\r\n",
             scheme, n, via, n, scheme);
    unsigned before = raw_count(callee, "INVITE");
    raw_send(x->caller, "10.0.0.1:5061", SW_TLS, text);
    go_on(x);
    const struct raw_message *m = raw_nth(callee, "INVITE", before);
    assert_non_null(m);
    int most = (int)strlen(rows) - 2; /* above ours, where those behind us write */
    snprintf(text, sizeof(text), "200 OK%s%.*s", most > 0 ? "\r\n" : "", most > 0 ? most : 0, rows);
    raw_answer(callee, m, text, "");
    go_on(x);
    assert_int_equal(raw_count(x->caller, "SIP/2.0 200"), before + 1);
}

static void ask(struct scene *x)
{
    const struct sw_event ev = {.kind = SW_EV_LIST, .list = SW_LIST_CALLS, .from = 0};
    x->list.rows = 0;
    sim_tell(&x->gate.node->worker[0], &ev);
    go_on(x);
}

static const char *value(const struct scene *x, unsigned row, const char *name)
{
    assert_true(row < x->list.rows);
    for (int i = 0; i < FIELDS; i++)
        if (strcmp(x->list.f[row][i].name, name) == 0)
            return x->list.f[row][i].text;
    fail_msg("no field %s", name);
    return "";
}

#define EXPECT(row, name, text) assert_string_equal(value(&x, row, name), text)

static void test_hops_of_a_call_over_tls_on_both_sides_are_secure(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, "caller.test", false);
    call(&x, x.target, 1, "sips", "Via: SIP/2.0/TLS a.test;branch=z9hG4bKa\r\n",
         "Contact: <sips:bob@10.0.0.8>\r\n");
    ask(&x);
    assert_int_equal(x.list.rows, 1);
    EXPECT(0, "call_id", "c1@x");
    EXPECT(0, "uri", "sips");
    EXPECT(0, "secure", "yes");
    EXPECT(0, "in_peer", "caller");
    EXPECT(0, "in_listener", "outside");
    EXPECT(0, "in_transport", "tls");
    EXPECT(0, "in_identity", "caller.test");
    EXPECT(0, "out_peer", "target");
    EXPECT(0, "out_transport", "tls");
    EXPECT(0, "out_identity", "target.test");
    EXPECT(0, "out_remote", "10.0.0.8:5061");
    EXPECT(0, "before", "tls");
    EXPECT(0, "behind", "-");
    scene_fini(&x);
}

static void test_hops_that_others_wrote_decide_as_far_as_they_can_be_seen(void **state)
{
    (void)state;
    static const struct {
        const char *via, *rows, *secure, *before, *behind;
    } cases[] = {
        {"", "", "yes", "-", "-"},
        {"Via: SIP/2.0/TLS a;branch=z9hG4bKa, SIP/2.0/WSS b;branch=z9hG4bKb\r\n", "", "yes",
         "tls tls", "-"},
        {"Via: SIP/2.0/TLS a;branch=z9hG4bKa\r\nVia: SIP/2.0/UDP b;branch=z9hG4bKb\r\n", "", "no",
         "tls clear", "-"},
        {"", "Record-Route: <sips:p.test;lr>\r\nContact: <sips:b@h>\r\n", "yes", "-", "tls tls"},
        {"", "Record-Route: <sip:p.test;transport=tls;lr>\r\nContact: <sip:b@h;transport=tls>\r\n",
         "yes", "-", "tls tls"},
        {"", "Record-Route: <sip:p.test;lr>\r\nContact: <sips:b@h>\r\n", "unknown", "-",
         "unknown tls"},
        {"",
         "Record-Route: <sip:p.test;transport=udp;lr>, <sips:q.test;lr>\r\nContact: <sip:b@h>\r\n",
         "no", "-", "tls clear unknown"},
        {"Via: SIP/2.0/TLS a,SIP/2.0/TLS b,SIP/2.0/TLS c,SIP/2.0/TLS d,SIP/2.0/TLS e,SIP/2.0/TLS "
         "f,SIP/2.0/TLS g,SIP/2.0/TLS h,SIP/2.0/TLS i,SIP/2.0/UDP j\r\n",
         "", "no", "tls tls tls tls tls tls tls tls +2", "-"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scene x;
        scene_init(&x, "caller.test", false);
        call(&x, x.target, 1, "sips", cases[i].via, cases[i].rows);
        ask(&x);
        if (x.list.rows != 1)
            fail_msg("case %zu: %u rows", i, x.list.rows);
        EXPECT(0, "secure", cases[i].secure);
        EXPECT(0, "before", cases[i].before);
        EXPECT(0, "behind", cases[i].behind);
        scene_fini(&x);
    }
}

static void test_hops_of_a_side_without_tls_are_named(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, "caller.test", true);
    call(&x, x.pbx, 1, "sip", "", "Contact: <sip:bob@10.1.0.8>\r\n");
    ask(&x);
    EXPECT(0, "uri", "sip");
    EXPECT(0, "secure", "no");
    EXPECT(0, "why", "the answering side is not TLS");
    EXPECT(0, "out_transport", "udp");
    EXPECT(0, "out_identity", "none");
    EXPECT(0, "out_version", "-");
    scene_fini(&x);
}

static void test_hops_name_the_domain_of_a_stranger(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, "stranger.test", false);
    call(&x, x.target, 1, "sips", "", "");
    ask(&x);
    EXPECT(0, "in_peer", "verified");
    EXPECT(0, "in_identity", "stranger.test");
    scene_fini(&x);
}

/* A chain says that a CA knows somebody, not whom: no identity was proved. RFC 5630 3.1.1, RFC 3261
 * 26.2.2; docs/sips.md */
static void test_hops_without_a_proved_name_are_not_secure(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, "caller.test", false);
    x.gate.conf.peers[1].verify = SW_VERIFY_CHAIN;
    raw_proves(x.target, "elsewhere.test");
    call(&x, x.target, 1, "sip", "", "Contact: <sips:bob@10.0.0.8>\r\n");
    ask(&x);
    EXPECT(0, "secure", "no");
    EXPECT(0, "out_identity", "none");
    EXPECT(0, "out_transport", "tls");
    assert_non_null(strstr(value(&x, 0, "why"), "proved no name"));
    scene_fini(&x);
}

/* The simulation's gateways keep 16; a BYE from either side takes its call out. */
static void test_hops_are_kept_for_the_last_calls_until_their_bye(void **state)
{
    (void)state;
    struct scene x;
    char text[2048];
    scene_init(&x, "caller.test", false);
    for (unsigned n = 1; n <= 18; n++)
        call(&x, x.target, n, "sips", "", ""); /* over one connection */
    ask(&x);
    assert_int_equal(x.list.rows, 16);
    for (unsigned i = 0; i < 16; i++)
        assert_string_not_equal(value(&x, i, "call_id"), "c1@x");
    const struct raw_message *invite = raw_nth(x.target, "INVITE", 17);
    snprintf(text, sizeof(text),
             "BYE sip:x@10.0.0.9 SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.8:5061;branch=z9hG4bKbye\r\n"
             "Max-Forwards: 70\r\nRoute: %s\r\n"
             "From: <sip:y@y.test>;tag=raw\r\nTo: <sip:x@x.test>;tag=1\r\nCall-ID: c18@x\r\n"
             "CSeq: 9 BYE\r\nContent-Length: 0\r\n\r\n",
             raw_header(invite, "Record-Route"));
    raw_send(x.target, "10.0.0.1:5061", SW_TLS, text);
    go_on(&x);
    assert_int_equal(raw_count(x.caller, "BYE"), 1);
    raw_answer(x.caller, raw_nth(x.caller, "BYE", 0), "200 OK", "");
    go_on(&x);
    ask(&x);
    assert_int_equal(x.list.rows, 15);
    for (unsigned i = 0; i < 15; i++)
        assert_string_not_equal(value(&x, i, "call_id"), "c18@x");
    scene_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hops_of_a_call_over_tls_on_both_sides_are_secure),
        cmocka_unit_test(test_hops_that_others_wrote_decide_as_far_as_they_can_be_seen),
        cmocka_unit_test(test_hops_of_a_side_without_tls_are_named),
        cmocka_unit_test(test_hops_name_the_domain_of_a_stranger),
        cmocka_unit_test(test_hops_without_a_proved_name_are_not_secure),
        cmocka_unit_test(test_hops_are_kept_for_the_last_calls_until_their_bye),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A reload in the middle of calls: each worker adopts another configuration at a moment of its own,
 * and the old one is gone after the last of them. What lives goes on, what is new follows the new
 * one. And the list of what lives, asked for in portions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/list.h"
#include "sim/raw.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>

/* What differs between two configurations of a scene; the listeners are always the same. */
struct version {
    const char *first;  /* a further peer before all others, so that their indexes shift */
    bool no_pbx;        /* the PBX is no peer any more */
    const char *to[2];  /* where the carrier's calls go */
    const char *pinged; /* this peer is asked every second */
    unsigned reject;    /* the carrier's calls are refused with that */
};

static struct conf *configured(struct conf *k, const struct version *v)
{
    conf_init(k);
    conf_listener(k, "outside", "10.0.0.1:5061", SW_TLS, "sip.example.test");
    conf_listener(k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    if (v->first)
        conf_peer(k, v->first, "10.1.0.7:5060", SW_UDP, NULL);
    conf_peer(k, "spare", "10.1.0.8:5060", SW_UDP, NULL);
    conf_peer(k, "carrier", "10.0.0.9:5061", SW_TLS, "carrier.test");
    if (!v->no_pbx)
        conf_peer(k, "pbx", "10.1.0.9:5060", SW_UDP, NULL);
    for (uint32_t i = 0; v->pinged && i < k->proxy.peer_count; i++)
        if (sw_slice_eq(k->peers[i].name, sw_slice_str(v->pinged)))
            k->peers[i].ping_ms = 1000;
    conf_route(k, "carrier", v->to[0], v->to[1], NULL)->reject = (uint16_t)v->reject;
    if (!v->no_pbx)
        conf_route(k, "pbx", "carrier", NULL);
    return k;
}

static const struct version to_pbx = {.to = {"pbx"}};

struct scene {
    struct sim *sim;
    struct gate gate;
    struct raw *carrier, *pbx, *spare;
};

static void scene_init(struct scene *x, unsigned workers, const struct version *v)
{
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(31);
    configured(&x->gate.conf, v);
    gate_start(&x->gate, x->sim, "gate", workers, "example.test", 31);
    x->carrier = raw_new(x->sim, "carrier", "10.0.0.9:5061", SW_TLS);
    x->pbx = raw_new(x->sim, "pbx", "10.1.0.9:5060", SW_UDP);
    x->spare = raw_new(x->sim, "spare", "10.1.0.8:5060", SW_UDP);
    raw_proves(x->carrier, "carrier.test");
}

static void adopt(struct gate *g, const struct version *v, int64_t apart_ms)
{
    struct conf *next = malloc(sizeof(*next));
    assert_non_null(next);
    gate_adopt(g, configured(next, v), apart_ms);
}

/* Without pings, everything that is still to happen happens; then nothing may be left. */
static void scene_fini(struct scene *x)
{
    adopt(&x->gate, &to_pbx, 0);
    gate_finish(&x->gate);
}

static void run(struct scene *x, int64_t ms)
{
    sim_run(x->sim, x->sim->now_ms + ms);
}

static void call(struct scene *x, const char *method, const char *name, const char *more)
{
    char text[4096];
    snprintf(text, sizeof(text),
             "%s sip:bob@%s SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.9:5061;branch=z9hG4bK%s%s\r\n"
             "Max-Forwards: 70\r\n%sFrom: <sip:x@x.test>;tag=1\r\nTo: <sip:bob@example.test>%s\r\n"
             "Call-ID: %s@x\r\nCSeq: %u %s\r\nContact: <sip:x@10.0.0.9:5061;transport=tls>\r\n"
             "Content-Length: 0\r\n\r\n",
             method, *more ? "10.1.0.9:5060" : "example.test", method, name, more,
             *more ? ";tag=raw" : "", name, strcmp(method, "BYE") == 0 ? 2u : 1u, method);
    raw_send(x->carrier, "10.0.0.1:5061", SW_TLS, text);
    run(x, 100);
}

static void test_reload_leaves_a_ringing_call_and_its_dialog_alone(void **state)
{
    (void)state;
    /* the PBX is elsewhere in the list, or is no peer any more */
    static const struct version later[] = {{.first = "new", .to = {"spare"}},
                                           {.no_pbx = true, .to = {"spare"}}};
    for (int i = 0; i < 4; i++) {
        struct scene x;
        char routes[2200];
        scene_init(&x, i < 2 ? 1 : 3, &to_pbx);
        call(&x, "INVITE", "old", "");
        raw_answer(x.pbx, raw_nth(x.pbx, "INVITE", 0), "180 Ringing", "");
        run(&x, 100);
        adopt(&x.gate, &later[i % 2], 7);
        call(&x, "INVITE", "new", ""); /* new ones follow the new route */
        assert_int_equal(raw_count(x.spare, "INVITE"), 1);
        assert_int_equal(raw_count(x.pbx, "INVITE"), 1);
        raw_answer(x.spare, raw_nth(x.spare, "INVITE", 0), "486 Busy Here", "");
        raw_answer(x.pbx, raw_nth(x.pbx, "INVITE", 0), "200 OK",
                   "Contact: <sip:bob@10.1.0.9:5060>\r\n");
        run(&x, 100);
        assert_int_equal(raw_count(x.carrier, "SIP/2.0 486"), 1);
        assert_int_equal(raw_count(x.carrier, "SIP/2.0 200"), 1);
        raw_routes(raw_nth(x.carrier, "SIP/2.0 200", 0), true, routes, sizeof(routes));
        call(&x, "ACK", "old", routes);
        assert_int_equal(raw_count(x.pbx, "ACK"), 1);
        call(&x, "BYE", "old", routes);
        assert_int_equal(raw_count(x.pbx, "BYE"), 1);
        raw_answer(x.pbx, raw_nth(x.pbx, "BYE", 0), "200 OK", "");
        run(&x, 100);
        assert_int_equal(raw_count(x.carrier, "SIP/2.0 200"), 2);
        assert_int_equal(raw_count(x.spare, "BYE") + raw_count(x.spare, "ACK sip:x"), 0);
        scene_fini(&x);
    }
}

static void test_reload_that_refuses_calls_still_cancels_those_that_ring(void **state)
{
    (void)state;
    static const struct version refused = {.to = {"spare"}, .reject = 403};
    struct scene x;
    scene_init(&x, 2, &to_pbx);
    call(&x, "INVITE", "old", "");
    raw_answer(x.pbx, raw_nth(x.pbx, "INVITE", 0), "180 Ringing", "");
    run(&x, 100);
    adopt(&x.gate, &refused, 5);
    call(&x, "INVITE", "new", "");
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 403"), 1);
    raw_send(x.carrier, "10.0.0.1:5061", SW_TLS,
             "CANCEL sip:bob@example.test SIP/2.0\r\n"
             "Via: SIP/2.0/TLS 10.0.0.9:5061;branch=z9hG4bKINVITEold\r\nMax-Forwards: 70\r\n"
             "From: <sip:x@x.test>;tag=1\r\nTo: <sip:bob@example.test>\r\nCall-ID: old@x\r\n"
             "CSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n");
    run(&x, 100);
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 200"), 1);
    assert_int_equal(raw_count(x.pbx, "CANCEL"), 1);
    raw_answer(x.pbx, raw_nth(x.pbx, "CANCEL", 0), "200 OK", "");
    raw_answer(x.pbx, raw_nth(x.pbx, "INVITE", 0), "487 Request Terminated", "");
    run(&x, 100);
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 487"), 1);
    scene_fini(&x);
}

/* The targets of a request were chosen when it came: docs/config.md "Where it goes" */
static void test_reload_leaves_the_targets_of_a_request_that_waits(void **state)
{
    (void)state;
    static const struct version both = {.to = {"spare", "pbx"}},
                                later = {.no_pbx = true, .to = {"spare"}};
    struct scene x;
    scene_init(&x, 1, &both);
    call(&x, "INVITE", "old", ""); /* the first target is silent */
    adopt(&x.gate, &later, 0);
    run(&x, 4500);
    assert_true(raw_count(x.pbx, "INVITE") > 0);
    raw_answer(x.pbx, raw_nth(x.pbx, "INVITE", 0), "486 Busy Here", "");
    run(&x, 100);
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 486"), 1);
    scene_fini(&x);
}

static void test_reload_hands_the_pings_over(void **state)
{
    (void)state;
    static const struct version ask_pbx = {.to = {"pbx"}, .pinged = "pbx"},
                                shifted = {.first = "new", .to = {"pbx"}, .pinged = "pbx"},
                                ask_spare = {.no_pbx = true, .to = {"spare"}, .pinged = "spare"};
    struct scene x;
    scene_init(&x, 2, &ask_pbx);
    run(&x, 1050);
    assert_int_equal(raw_count(x.pbx, "OPTIONS"), 1);
    adopt(&x.gate, &shifted, 5); /* the answer finds the peer at its new place */
    raw_answer(x.pbx, raw_nth(x.pbx, "OPTIONS", 0), "200 OK", "");
    run(&x, 1100);
    assert_int_equal(raw_count(x.pbx, "OPTIONS"), 2);
    adopt(&x.gate, &ask_spare, 5); /* or none */
    raw_answer(x.pbx, raw_nth(x.pbx, "OPTIONS", 1), "200 OK", "");
    run(&x, 5000);
    assert_int_equal(raw_count(x.pbx, "OPTIONS"), 2);
    assert_true(raw_count(x.spare, "OPTIONS") > 0);
    scene_fini(&x);
}

/* Calls at every moment of their life meet a reload. */
static void test_many_calls_live_through_many_reloads(void **state)
{
    (void)state;
    enum { CALLS = 150 };
    static const struct version versions[] = {
        {.to = {"pbx"}}, {.first = "new", .to = {"pbx"}}, {.to = {"pbx", "spare"}}};
    struct ua_call *calls[CALLS];
    struct world w;
    struct ua_conf end = {.answer = 200, .ring_ms = 1, .answer_ms = 300, .talk_ms = 300};
    struct world_conf conf = {.workers = 3, .outside = SW_TLS, .inside = SW_UDP, .pbx = end};
    end.hang_up = true;
    conf.carrier = end;
    conf.net = (struct sim_net){.delay_min_ms = 1, .delay_max_ms = 30, .mail_ms = 3};
    world_init(&w, 5, &conf);
    for (int i = 0; i < CALLS; i++) {
        calls[i] = ua_call(w.carrier, "sip:bob@example.test");
        sim_run(w.sim, w.sim->now_ms + 1 + (int64_t)sim_random(w.sim, 20));
        if (i % 3 == 0)
            adopt(&w.gate[0], &versions[i / 3 % 3], (int64_t)sim_random(w.sim, 8));
    }
    world_finish(&w);
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(calls[i]->status, 200);
        assert_int_equal(calls[i]->timeouts, 0);
        assert_int_equal(calls[i]->bye_finals, 1);
    }
    assert_int_equal(w.pbx->call_count, CALLS);
    assert_int_equal(gate_counted(&w.gate[0], SW_COUNT_STRAY_RESPONSES), 0);
    world_fini(&w);
}

/* ---- the list ---- */

enum { LISTED = 250 };

struct rows {
    unsigned count, asked;
    uint32_t next;
    bool seen[LISTED];
};

static struct sw_slice text_of(const struct sw_note_act *row, const char *name)
{
    for (size_t i = 0; i < row->count; i++)
        if (strcmp(row->fields[i].name, name) == 0)
            return row->fields[i].text;
    return sw_slice("", 0);
}

static void on_row(void *user, const struct sw_note_act *row)
{
    struct rows *r = user;
    unsigned id;
    char call_id[64];
    snprintf(call_id, sizeof(call_id), "%.*s", SW_SLICE_ARG(text_of(row, "call_id")));
    assert_int_equal(sscanf(call_id, "carrier.%u@sim", &id), 1);
    assert_true(id < LISTED && !r->seen[id]);
    r->seen[id] = true;
    assert_true(sw_slice_eq(text_of(row, "method"), SW_SLICE("INVITE")));
    assert_true(sw_slice_eq(text_of(row, "peer"), SW_SLICE("carrier")));
    assert_true(sw_slice_eq(text_of(row, "now"), SW_SLICE("waits for an answer")));
    assert_true(row->next > r->next || r->count == 0); /* a cursor goes forward only */
    r->next = row->next;
    r->count++;
}

/* Asks as src/worker/walk.c does: on from the last row until there is none. */
static void list_all(struct world *w, struct rows *r)
{
    unsigned before;
    *r = (struct rows){0};
    w->sim->row = on_row;
    w->sim->row_user = r;
    do {
        const struct sw_event ev = {.kind = SW_EV_LIST, .from = r->next};
        before = r->count;
        sim_tell(&w->gate[0].node->worker[0], &ev);
        assert_true(r->count - before <= SW_LIST_MAX);
        r->asked++;
    } while (r->count > before);
}

static void test_list_names_each_transaction_once_in_portions(void **state)
{
    (void)state;
    struct world w;
    struct rows r;
    struct world_conf conf = {.outside = SW_TLS,
                              .inside = SW_UDP,
                              .carrier = {.cancel_ms = 3000},
                              .pbx = {.answer = 0, .ring_ms = 1}};
    world_init(&w, 6, &conf);
    for (int i = 0; i < LISTED; i++) {
        ua_call(w.carrier, "sip:bob@example.test");
        if (i == 0)
            sim_run(w.sim, 1500); /* the others share its connection */
    }
    sim_run(w.sim, 2000);
    list_all(&w, &r);
    assert_int_equal(r.count, LISTED);
    assert_int_equal(r.asked, (LISTED + SW_LIST_MAX - 1) / SW_LIST_MAX + 1);
    adopt(&w.gate[0], &to_pbx, 0); /* the same after a reload */
    list_all(&w, &r);
    assert_int_equal(r.count, LISTED);
    world_finish(&w);
    list_all(&w, &r);
    assert_int_equal(r.count, 0);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reload_leaves_a_ringing_call_and_its_dialog_alone),
        cmocka_unit_test(test_reload_that_refuses_calls_still_cancels_those_that_ring),
        cmocka_unit_test(test_reload_leaves_the_targets_of_a_request_that_waits),
        cmocka_unit_test(test_reload_hands_the_pings_over),
        cmocka_unit_test(test_many_calls_live_through_many_reloads),
        cmocka_unit_test(test_list_names_each_transaction_once_in_portions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

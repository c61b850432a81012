/* A network of two gateways in a row, TLS between them, and an end on each side. First ladders: at
 * each moment of a call one thing goes wrong: a datagram is lost, doubled or late, a connection
 * breaks, a machine goes silent. Then calls by chance over a network where all of that happens.
 *
 * Whatever happens: every transaction ends, an INVITE gets one final response, nothing is
 * delivered twice to a transaction user, no timer is left and all tables are empty. What one
 * datagram suffers, nobody notices. SIM_SEED and SIM_CALLS set seed and number of the calls by
 * chance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/spy.h"
#include "sim/twice.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CALLS_PER_WORLD = 100 };

/* ---- what one call can be ---- */

#define TALK .answer = 200, .ring_ms = 1, .answer_ms = 300, .talk_ms = 200

struct kind {
    const char *name;
    const char *method;
    unsigned status; /* that the caller gets if nothing goes wrong */
    struct ua_conf carrier, pbx;
};

static const struct kind kinds[] = {
    {"a call", "INVITE", 200, {TALK, .hang_up = true}, {TALK}},
    {"a call that the callee ends", "INVITE", 200, {TALK}, {TALK, .hang_up = true}},
    {"a cancelled call", "INVITE", 487, {TALK, .cancel_ms = 200}, {.ring_ms = 1}},
    {"a rejected call", "INVITE", 486, {TALK}, {.answer = 486, .ring_ms = 1, .answer_ms = 100}},
    {"a request", "MESSAGE", 200, {TALK}, {TALK}},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static struct world_conf conf_of(const struct kind *k, enum sw_transport outside,
                                 enum sw_transport inside)
{
    return (struct world_conf){.two_gateways = true,
                               .outside = outside,
                               .inside = inside,
                               .carrier = k->carrier,
                               .pbx = k->pbx};
}

static struct ua_call *place(struct spied *s, const struct kind *k)
{
    return ua_request(s->w.carrier, k->method, "sip:bob@example.test");
}

/* All went as if nothing had been wrong. */
static void assert_unnoticed(const struct spied *s, const struct kind *k, const struct ua_call *c,
                             const char *what, uint64_t at)
{
    const struct ua_call *callee = s->w.pbx->call_count ? &s->w.pbx->calls[0] : NULL;
    bool talked = k->status == 200 && strcmp(k->method, "INVITE") == 0;
    bool fine = c->status == k->status && !c->timeouts && !s->w.pbx->duplicates_seen &&
                !s->w.carrier->duplicates_seen;
    fine = fine && !s->w.carrier->engine.clients.used && !s->w.carrier->engine.servers.used;
    fine = fine && !s->w.pbx->engine.clients.used && !s->w.pbx->engine.servers.used;
    if (talked)
        fine = fine && callee && callee->acks && c->bye_finals + callee->bye_finals == 1 &&
               c->byes + callee->byes == 1;
    if (!fine)
        fail_msg("%s, datagram %llu %s: status %u, %u timeouts, %llu and %llu delivered twice",
                 k->name, (unsigned long long)at, what, c->status, c->timeouts,
                 (unsigned long long)s->w.pbx->duplicates_seen,
                 (unsigned long long)s->w.carrier->duplicates_seen);
}

/* ---- one datagram ---- */

static void datagrams(const char *what, struct sim_fault fault)
{
    uint64_t tried = 0;
    for (unsigned i = 0; i < KINDS; i++)
        for (fault.at = 1;; fault.at++, tried++) {
            struct world_conf conf = conf_of(&kinds[i], SW_UDP, SW_UDP);
            struct spied s;
            spied_init(&s, 1 + i, &conf);
            s.w.sim->net.fault = fault;
            const struct ua_call *c = place(&s, &kinds[i]);
            spied_finish(&s);
            assert_unnoticed(&s, &kinds[i], c, what, fault.at);
            bool done = s.w.sim->stats.datagrams < fault.at;
            spied_fini(&s);
            if (done)
                break;
        }
    printf("  %llu datagrams %s\n", (unsigned long long)tried, what);
    assert_true(tried > 20);
}

static void test_each_datagram_may_be_lost(void **state)
{
    (void)state;
    datagrams("lost", (struct sim_fault){.lose = true});
}

static void test_each_datagram_may_come_twice(void **state)
{
    (void)state;
    datagrams("doubled", (struct sim_fault){.twice = true});
}

static void test_each_datagram_may_come_late(void **state)
{
    (void)state;
    static const int64_t late_ms[] = {30, 250, 1200};
    for (int i = 0; i < 3; i++) {
        datagrams("late", (struct sim_fault){.late_ms = late_ms[i]});
        datagrams("late, and a copy", (struct sim_fault){.late_ms = late_ms[i], .twice = true});
    }
}

/* A slow answer is no reason to ask the same machine again, over whatever other way. */
static void test_slow_answer_in_a_dialog_is_waited_for(void **state)
{
    (void)state;
    struct world_conf conf = conf_of(&kinds[0], SW_TLS, SW_TLS);
    struct spied s;
    spied_init(&s, 3, &conf);
    const struct ua_call *c = place(&s, &kinds[0]);
    while (!c->oks)
        assert_int_equal(sim_run_events(s.w.sim, INT64_MAX, 1), 1);
    sim_run(s.w.sim, s.w.sim->now_ms + 100);
    s.w.sim->net.delay_min_ms = s.w.sim->net.delay_max_ms = 1200; /* `timeout` is 4 s */
    spied_finish(&s);
    assert_int_equal(c->bye_finals, 1);
    assert_int_equal(s.w.pbx->duplicates_seen, 0);
    spied_fini(&s);
}

/* ---- each moment ---- */

enum trouble {
    OUTSIDE_BREAKS,
    MIDDLE_BREAKS,
    INSIDE_BREAKS,
    ALL_BREAK,
    PBX_IS_SILENT,
    SECOND_IS_SILENT,
    TROUBLES
};
static const char *const trouble_names[] = {"the carrier's connection breaks",
                                            "the connection between the gateways breaks",
                                            "the PBX's connection breaks",
                                            "all connections break",
                                            "the PBX goes silent",
                                            "the second gateway goes silent"};

static void make_trouble(struct spied *s, enum trouble t)
{
    struct sim *sim = s->w.sim;
    const struct sim_node *one = s->w.gate[0].node, *two = s->w.gate[1].node;
    if (t == OUTSIDE_BREAKS || t == ALL_BREAK)
        sim_break(sim, s->w.carrier->node, one);
    if (t == MIDDLE_BREAKS || t == ALL_BREAK)
        sim_break(sim, one, two);
    if (t == INSIDE_BREAKS || t == ALL_BREAK)
        sim_break(sim, two, s->w.pbx->node);
    if (t == PBX_IS_SILENT)
        s->w.pbx->node->deaf = true;
    if (t == SECOND_IS_SILENT)
        s->w.gate[1].node->deaf = true;
}

/* What broke is mended: connections that nobody noticed to be dead are closed. */
static void mend(struct spied *s)
{
    s->w.pbx->node->deaf = s->w.gate[1].node->deaf = false;
    make_trouble(s, ALL_BREAK);
    s->w.carrier->conf = (struct ua_conf){.gateway = s->w.carrier->conf.gateway,
                                          .transport = s->w.carrier->conf.transport,
                                          TALK,
                                          .hang_up = true};
    s->w.pbx->conf = (struct ua_conf){
        .gateway = s->w.pbx->conf.gateway, .transport = s->w.pbx->conf.transport, TALK};
}

/* Trouble after `at` events. False: the call was over before that. */
static bool trouble_at(const struct kind *k, enum sw_transport edge, enum trouble t, uint64_t at)
{
    struct world_conf conf = conf_of(k, edge, edge);
    struct spied s;
    spied_init(&s, 7, &conf);
    const struct ua_call *c = place(&s, k);
    bool reached = sim_run_events(s.w.sim, INT64_MAX, at) == at;
    make_trouble(&s, t);
    spied_finish(&s);
    if (!c->finals && !c->timeouts)
        fail_msg("%s, %s after event %llu: the caller waits for ever", k->name, trouble_names[t],
                 (unsigned long long)at);
    if (s.w.pbx->call_count && s.w.pbx->calls[0].invites > 1)
        fail_msg("%s, %s after event %llu: an INVITE was delivered twice", k->name,
                 trouble_names[t], (unsigned long long)at);
    mend(&s);
    c = ua_call(s.w.carrier, "sip:bob@example.test");
    spied_finish(&s);
    if (c->oks != 1 || c->bye_finals != 1)
        fail_msg("%s, %s after event %llu: afterwards a call got %u", k->name, trouble_names[t],
                 (unsigned long long)at, c->status);
    spied_fini(&s);
    return reached;
}

static void troubles(enum sw_transport edge)
{
    for (unsigned i = 0; i < KINDS; i++) {
        uint64_t tried = 0;
        for (enum trouble t = 0; t < TROUBLES; t++)
            for (uint64_t at = 1; trouble_at(&kinds[i], edge, t, at); at++)
                tried++;
        printf("  %s: %llu moments\n", kinds[i].name, (unsigned long long)tried);
        assert_true(tried > 50);
    }
}

static void test_trouble_at_each_moment_over_tls(void **state)
{
    (void)state;
    troubles(SW_TLS);
}

static void test_trouble_at_each_moment_over_tcp(void **state)
{
    (void)state;
    troubles(SW_TCP);
}

static void test_trouble_at_each_moment_over_udp(void **state)
{
    (void)state;
    troubles(SW_UDP);
}

/* ---- by chance ---- */

static uint64_t setting(const char *name, uint64_t standard)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : standard;
}

static unsigned pick(struct sim *s, unsigned a, unsigned b)
{
    return a + (unsigned)sim_random(s, b - a + 1);
}

static struct world_conf by_chance(struct sim *dice)
{
    static const enum sw_transport transports[] = {SW_UDP, SW_TCP, SW_TLS};
    struct world_conf c = conf_of(&kinds[sim_random(dice, KINDS - 1)],
                                  transports[sim_random(dice, 3)], transports[sim_random(dice, 3)]);
    c.workers = pick(dice, 1, 4);
    c.carrier.talk_ms = c.pbx.talk_ms = pick(dice, 10, 60000);
    c.pbx.answer_ms = pick(dice, 1, 4000);
    c.pbx.ring_ms = pick(dice, 0, 1);
    c.net = (struct sim_net){
        .loss = pick(dice, 0, 1) * pick(dice, 0, 150),
        .twice = pick(dice, 0, 1) * pick(dice, 0, 200),
        .handed_elsewhere = pick(dice, 0, 3) == 0 ? 500 : 0,
        .delay_min_ms = 1,
        .delay_max_ms = pick(dice, 1, 400),
        .mail_max = pick(dice, 0, 2) ? 0 : pick(dice, 1, 8),
        .mail_ms = pick(dice, 0, 20),
    };
    return c;
}

struct count {
    uint64_t calls, answered, failed, datagrams, lost, doubled, connects, broken, mails, refused,
        elsewhere;
};

/* `broken`: connections broke. That no transaction gives anything twice is held everywhere by
 * twice.h; where nothing breaks or gets lost inside, no request is even tried a second time. */
static void judge(const struct spied *s, const struct world_conf *c, uint64_t seed, bool broken,
                  struct count *n)
{
    const struct ua *ends[] = {s->w.carrier, s->w.pbx};
    bool untroubled = !broken && !c->net.handed_elsewhere && !sim_mails_refused(s->w.sim);
    bool hopeless = broken && c->net.loss; /* the one 2xx is lost, its repeats find no connection */
    for (int e = 0; e < 2; e++) {
        for (unsigned i = 0; i < ends[e]->call_count; i++) {
            const struct ua_call *x = &ends[e]->calls[i];
            if (!x->caller)
                continue;
            n->calls++;
            n->answered += x->status / 100 == 2;
            n->failed += x->status / 100 != 2;
            if (!hopeless && !x->finals && !x->timeouts)
                fail_msg("seed %llu: %s %s waits for ever", (unsigned long long)seed, x->method,
                         x->call_id);
            if (x->status >= 300 && x->oks)
                fail_msg("seed %llu: %s failed and succeeded", (unsigned long long)seed,
                         x->call_id);
        }
        if (untroubled && ends[e]->duplicates_seen)
            fail_msg("seed %llu: %llu requests came in a second transaction to %s",
                     (unsigned long long)seed, (unsigned long long)ends[e]->duplicates_seen,
                     ends[e]->node->name);
    }
}

static void one_world(uint64_t seed, struct count *n)
{
    struct sim *dice = sim_new(seed);
    const struct world_conf conf = by_chance(dice);
    bool breaks = sim_random(dice, 2);
    struct spied s;
    spied_init(&s, seed, &conf);
    struct sim *sim = s.w.sim;
    sim->verbose = getenv("SIM_VERBOSE") != NULL;
    for (unsigned i = 0; i < CALLS_PER_WORLD; i++) {
        if (conf.pbx.answer == 200 && sim_random(dice, 3) == 0)
            ua_call(s.w.pbx, "sip:+49123@example.test");
        else
            ua_request(s.w.carrier, sim_random(dice, 8) ? "INVITE" : "MESSAGE",
                       "sip:bob@example.test");
        int64_t until = sim->now_ms + (int64_t)sim_random(dice, 300);
        if (breaks && sim_random(dice, 10) == 0) {
            sim_run_events(sim, until, sim_random(dice, 100));
            make_trouble(&s, (enum trouble)sim_random(dice, ALL_BREAK));
            n->broken++;
        }
        sim_run(sim, until);
    }
    spied_finish(&s);
    judge(&s, &conf, seed, breaks, n);
    n->datagrams += sim->stats.datagrams;
    n->lost += sim->stats.lost;
    n->doubled += sim->stats.doubled;
    n->connects += sim->stats.connects;
    n->mails += sim->stats.mails;
    n->refused += sim_mails_refused(sim);
    n->elsewhere += twice_elsewhere();
    spied_fini(&s);
    sim_free(dice);
}

static void test_random_calls_over_two_gateways_end_and_leave_nothing(void **state)
{
    (void)state;
    uint64_t seed = setting("SIM_SEED", (uint64_t)time(NULL));
    uint64_t calls = setting("SIM_CALLS", 2000);
    struct count n = {0};
    printf("seed %llu, %llu calls\n", (unsigned long long)seed, (unsigned long long)calls);
    fflush(stdout); /* to be seen also when the rest never ends */
    for (uint64_t i = 0; i * CALLS_PER_WORLD < calls; i++)
        one_world(seed + i, &n);
    printf(
        "  %llu calls: %llu answered, %llu not; %llu datagrams, %llu lost, %llu doubled;\n"
        "  %llu connections, %llu times some broke; %llu messages from worker to worker,\n"
        "  %llu found a full mailbox; %llu repeats were handed to another worker\n",
        (unsigned long long)n.calls, (unsigned long long)n.answered, (unsigned long long)n.failed,
        (unsigned long long)n.datagrams, (unsigned long long)n.lost, (unsigned long long)n.doubled,
        (unsigned long long)n.connects, (unsigned long long)n.broken, (unsigned long long)n.mails,
        (unsigned long long)n.refused, (unsigned long long)n.elsewhere);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_datagram_may_be_lost),
        cmocka_unit_test(test_each_datagram_may_come_twice),
        cmocka_unit_test(test_each_datagram_may_come_late),
        cmocka_unit_test(test_slow_answer_in_a_dialog_is_waited_for),
        cmocka_unit_test(test_trouble_at_each_moment_over_tls),
        cmocka_unit_test(test_trouble_at_each_moment_over_tcp),
        cmocka_unit_test(test_trouble_at_each_moment_over_udp),
        cmocka_unit_test(test_random_calls_over_two_gateways_end_and_leave_nothing),
    };
    if (argc > 1) /* some tests only: a pattern such as "*random*" */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Mailboxes that are full: at each block that one worker of a gateway sends to another in the
 * course of calls, the box is full for that block, or from then on. A full box is a transport
 * error to whoever sends; what cannot be told is found out by timers. Whatever happens: each caller
 * gets an answer or a timeout, every transaction ends, nothing is left, and afterwards a call
 * succeeds. docs/architecture.md "Mail between workers" */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/spy.h"

#include <stdio.h>

enum { CALLS = 4 };

/* Two gateways of four workers, one connection between them that all of them use. What the carrier
 * sends comes to any worker, so that much has to be handed over. */
static void set_up(struct spied *s, const struct ua_conf *carrier, const struct ua_conf *pbx)
{
    const struct world_conf conf = {
        .workers = 4,
        .two_gateways = true,
        .outside = SW_UDP,
        .inside = SW_TLS,
        .carrier = *carrier,
        .pbx = *pbx,
        .net = {.handed_elsewhere = 1000, .delay_min_ms = 1, .delay_max_ms = 1, .mail_ms = 2}};
    spied_init(s, 5, &conf);
    for (unsigned i = 0; i < s->w.gates; i++)
        s->w.gate[i].node->connections = 1;
}

#define TALK .answer = 200, .ring_ms = 1, .answer_ms = 300, .talk_ms = 200

struct kind {
    const char *name, *method;
    int64_t break_ms; /* then the connection between the gateways breaks; 0: it does not */
    struct ua_conf carrier, pbx;
};

static const struct kind kinds[] = {
    {"calls", "INVITE", 0, {TALK, .hang_up = true}, {TALK}},
    {"calls that the callee ends", "INVITE", 0, {TALK}, {TALK, .hang_up = true}},
    {"cancelled calls", "INVITE", 0, {TALK, .cancel_ms = 200}, {.ring_ms = 1}},
    {"rejected calls", "INVITE", 0, {TALK}, {.answer = 486, .ring_ms = 1, .answer_ms = 100}},
    {"requests", "MESSAGE", 0, {TALK}, {TALK}},
    {"calls whose connection breaks at once", "INVITE", 1006, {TALK, .hang_up = true}, {TALK}},
    {"calls whose connection breaks ringing", "INVITE", 1150, {TALK, .hang_up = true}, {TALK}},
    {"calls whose connection breaks answered", "INVITE", 1315, {TALK, .hang_up = true}, {TALK}},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static void assert_a_call_succeeds(struct spied *s, const struct kind *k, uint64_t at)
{
    struct ua *carrier = s->w.carrier, *pbx = s->w.pbx;
    s->w.sim->net.mail_full_from = s->w.sim->net.mail_full_until = 0;
    carrier->conf.cancel_ms = 0;
    carrier->conf.hang_up = true;
    pbx->conf.hang_up = false;
    pbx->conf.answer = 200;
    pbx->conf.answer_ms = 100;
    const struct ua_call *c = ua_call(carrier, "sip:bob@example.test");
    spied_finish(s);
    if (c->oks != 1 || c->bye_finals != 1)
        fail_msg("%s, block %llu: afterwards a call got %u", k->name, (unsigned long long)at,
                 c->status);
}

/* The boxes are full for blocks `at` to `until`. False: there were fewer blocks. */
static bool full_at(const struct kind *k, uint64_t at, uint64_t until, uint64_t *refused)
{
    struct spied s;
    const struct ua_call *c[CALLS];
    set_up(&s, &k->carrier, &k->pbx);
    s.w.sim->net.mail_full_from = at;
    s.w.sim->net.mail_full_until = until;
    for (int i = 0; i < CALLS; i++)
        c[i] = ua_request(s.w.carrier, k->method, "sip:bob@example.test");
    if (k->break_ms) {
        sim_run(s.w.sim, k->break_ms);
        sim_break(s.w.sim, s.w.gate[0].node, s.w.gate[1].node);
    }
    spied_finish(&s);
    for (int i = 0; i < CALLS; i++)
        if (!c[i]->finals && !c[i]->timeouts)
            fail_msg("%s, block %llu: the caller waits for ever", k->name, (unsigned long long)at);
    bool reached = s.w.sim->stats.mails >= at;
    for (int i = 0; i < SIM_MAIL_KINDS; i++)
        refused[i] += s.w.sim->stats.mails_refused[i];
    assert_a_call_succeeds(&s, k, at);
    spied_fini(&s);
    return reached;
}

static void test_each_block_may_find_the_mailbox_full(void **state)
{
    (void)state;
    static const char *const names[] = {"message", "send",   "send_failed",
                                        "wait",    "opened", "closed"};
    uint64_t refused[SIM_MAIL_KINDS] = {0};
    for (int i = 0; i < KINDS; i++) {
        uint64_t at = 1;
        while (full_at(&kinds[i], at, at + 1, refused))
            at++;
        printf("  %s: %llu blocks\n", kinds[i].name, (unsigned long long)at - 1);
    }
    for (int i = 0; i < SIM_MAIL_KINDS; i++) { /* every kind of block was met */
        printf("  %s: %llu refused\n", names[i], (unsigned long long)refused[i]);
        assert_true(refused[i] > 0);
    }
}

static void test_mailboxes_may_be_full_from_any_moment_on(void **state)
{
    (void)state;
    uint64_t refused[SIM_MAIL_KINDS] = {0};
    for (int i = 0; i < KINDS; i++)
        for (uint64_t at = 1; full_at(&kinds[i], at, UINT64_MAX, refused);)
            at++;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_block_may_find_the_mailbox_full),
        cmocka_unit_test(test_mailboxes_may_be_full_from_any_moment_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

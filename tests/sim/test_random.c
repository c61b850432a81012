/* Randomised calls over a bad network: loss, doubling, reordering, connections that break at any
 * moment, workers that get each other's messages. Whatever happens, every transaction ends, nothing
 * is delivered twice to a transaction user (twice.h), and nothing is left. SIM_SEED and SIM_CALLS
 * set seed and number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CALLS_PER_WORLD = 100 };

static uint64_t setting(const char *name, uint64_t standard)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : standard;
}

static unsigned pick(struct sim *s, unsigned a, unsigned b)
{
    return a + (unsigned)sim_random(s, b - a + 1);
}

static struct world_conf random_conf(uint64_t seed)
{
    static const enum sw_transport transports[] = {SW_UDP, SW_TCP, SW_TLS};
    static const unsigned answers[] = {200, 200, 200, 200, 486, 603, 302, 503, 404, 0};
    struct sim *s = sim_new(seed); /* only for its dice */
    struct world_conf c = {
        .workers = pick(s, 1, 3),
        .two_gateways = sim_random(s, 4) == 0,
        .outside = transports[sim_random(s, 3)],
        .inside = transports[sim_random(s, 2)],
    };
    if (c.two_gateways)
        c.outside = SW_TLS;
    c.carrier = (struct ua_conf){
        .answer = 200, .ring_ms = 1, .answer_ms = pick(s, 1, 3000), .talk_ms = pick(s, 10, 60000)};
    c.pbx = c.carrier;
    c.pbx.answer = answers[sim_random(s, 10)];
    c.pbx.ring_ms = (unsigned)sim_random(s, 2);
    c.carrier.hang_up = sim_random(s, 2);
    c.pbx.hang_up = !c.carrier.hang_up;
    c.carrier.cancel_ms = c.pbx.answer == 0 ? pick(s, 1, 5000) : 0;
    c.net = (struct sim_net){
        .loss = pick(s, 0, 1) * pick(s, 0, 150),
        .twice = pick(s, 0, 1) * pick(s, 0, 100),
        .handed_elsewhere = pick(s, 0, 1) * 500,
        .delay_min_ms = 1,
        .delay_max_ms = pick(s, 1, 300),
        .mail_max = pick(s, 0, 2) ? 0 : pick(s, 1, 8),
        .mail_ms = pick(s, 0, 20),
    };
    sim_free(s);
    return c;
}

/* `hopeless`: the network loses datagrams and breaks connections: the one 2xx that came through may
 * then be lost, and its repeats find no connection. */
static void assert_call_ended(const struct ua_call *c, uint64_t seed, bool hopeless)
{
    if (!hopeless && c->caller && strcmp(c->method, "") != 0 && !c->finals && !c->timeouts)
        fail_msg("seed %llu: %s %s has neither an answer nor a timeout (rang %u, cancels %u)",
                 (unsigned long long)seed, c->method, c->call_id, c->ringing, c->cancels);
    /* one non-2xx, or 2xx and their repeats: RFC 3261 16.7 */
    if (c->caller && c->status >= 300 && c->oks)
        fail_msg("seed %llu: call %u got a failure and a success", (unsigned long long)seed, c->id);
}

static void one_world(uint64_t seed)
{
    struct world w;
    const struct world_conf conf = random_conf(seed);
    world_init(&w, seed, &conf);
    w.sim->verbose = getenv("SIM_VERBOSE") != NULL;
    bool breaks = conf.outside != SW_UDP && sim_random(w.sim, 2);
    for (unsigned i = 0; i < CALLS_PER_WORLD; i++) {
        bool from_carrier = conf.pbx.answer != 200 || sim_random(w.sim, 3);
        if (from_carrier)
            ua_call(w.carrier, "sip:bob@example.test");
        else
            ua_call(w.pbx, "sip:+49123@example.test");
        if (sim_random(w.sim, 10) == 0)
            ua_request(w.carrier, "MESSAGE", "sip:bob@example.test");
        sim_run(w.sim, w.sim->now_ms + (int64_t)sim_random(w.sim, 200));
        if (breaks && sim_random(w.sim, 20) == 0)
            sim_break_one(w.sim);
    }
    world_finish(&w);
    for (unsigned i = 0; i < w.carrier->call_count; i++)
        assert_call_ended(&w.carrier->calls[i], seed, breaks && conf.net.loss);
    for (unsigned i = 0; i < w.pbx->call_count; i++)
        assert_call_ended(&w.pbx->calls[i], seed, breaks && conf.net.loss);
    if (!breaks && !conf.net.handed_elsewhere && !sim_mails_refused(w.sim) &&
        w.pbx->duplicates_seen)
        fail_msg("seed %llu: an INVITE came in a second transaction", (unsigned long long)seed);
    world_fini(&w);
}

static void test_random_calls_always_end_and_leave_nothing(void **state)
{
    (void)state;
    uint64_t seed = setting("SIM_SEED", (uint64_t)time(NULL));
    uint64_t calls = setting("SIM_CALLS", 2000);
    printf("seed %llu, %llu calls\n", (unsigned long long)seed, (unsigned long long)calls);
    fflush(stdout); /* to be seen also when the rest never ends */
    for (uint64_t i = 0; i * CALLS_PER_WORLD < calls; i++)
        one_world(seed + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_calls_always_end_and_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

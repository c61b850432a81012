/* Memory runs out inside a gateway: each request for memory of a scenario fails in turn, alone, or
 * with all that follow it, or by chance. Nothing may crash, leak or hang; at the end no
 * transaction, context, parked send, timer or block is left, and a call made afterwards works.
 *
 * Two layers: FAULT_SYSTEM lets malloc fail, as it happens; there every INVITE must be answered.
 * FAULT_ROOM lets each single place fail that asks for memory, or that meets a full table, even
 * where the arena had room; there only order must be kept.
 *
 * ALLOC_STRIDE tries every n-th request only, SIM_SEED sets the seed of the random part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/raw.h"
#include "sim/spy.h"
#include "sim/twice.h"
#include "support/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t setting(const char *name, uint64_t standard)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : standard;
}

/* ---- scenarios ---- */

struct scene {
    struct world w;
    struct spy spy[2];
    struct raw *stranger; /* another end with the carrier's certificate */
    struct raw *spare;    /* a second target that says nothing */
};

struct scenario {
    const char *name;
    struct world_conf conf;
    void (*play)(struct scene *s); /* places what is to happen; run by the caller */
};

static void play_call(struct scene *s)
{
    ua_call(s->w.carrier, "sip:bob@example.test");
}

static void play_forked(struct scene *s)
{
    s->spare = raw_new(s->w.sim, "spare", "10.1.0.8:5060", SW_UDP);
    play_call(s);
}

/* The PBX's 407 is the best answer, and the challenge of the other's 401 belongs to it: 16.7 step 7
 */
static void play_challenged(struct scene *s)
{
    play_forked(s);
    sim_run(s->w.sim, s->w.sim->now_ms + 50);
    const struct raw_message *m = raw_nth(s->spare, "INVITE", 0);
    if (m)
        raw_answer(s->spare, m, "401 Unauthorized", "WWW-Authenticate: Digest realm=\"a\"\r\n");
}

/* The caller's connection breaks before the answer, which waits for another one: RFC 3261 18.2.2 */
static void play_broken(struct scene *s)
{
    play_call(s);
    sim_run(s->w.sim, s->w.sim->now_ms + 100);
    sim_break(s->w.sim, s->w.carrier->node, s->w.gate[0].node);
}

static void play_both_ways(struct scene *s)
{
    ua_call(s->w.carrier, "sip:bob@example.test");
    ua_call(s->w.pbx, "sip:+49123@example.test");
}

static void play_requests(struct scene *s)
{
    ua_request(s->w.carrier, "OPTIONS", "sip:sip.example.test:5061");
    ua_request(s->w.carrier, "MESSAGE", "sip:bob@example.test");
    ua_request(s->w.pbx, "INFO", "sip:+49123@example.test");
}

static void play_malformed(struct scene *s)
{
    static const char *const texts[] = {
        "INVITE sip:bob@example.test SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.8;branch=z9hG4bK1\r\n\r\n",
        "INVITE sip:bob@example.test SIP/3.0\r\nVia: SIP/2.0/TLS 10.0.0.8;branch=z9hG4bK2\r\n"
        "From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: m\r\nCSeq: 1 INVITE\r\n"
        "Content-Length: 0\r\n\r\n",
        "OPTIONS http://x SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.8;branch=z9hG4bK3\r\n"
        "From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: m\r\nCSeq: 1 OPTIONS\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        "MESSAGE sip:bob@example.test SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.8;branch=z9hG4bK4\r\n"
        "From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: m\r\nCSeq: 1 MESSAGE\r\n"
        "Proxy-Require: this, that\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        "CANCEL sip:bob@example.test SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.8;branch=z9hG4bK5\r\n"
        "From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: m\r\nCSeq: 1 CANCEL\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        "INFO sip:bob@example.test SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.8;branch=z9hG4bK6\r\n"
        "From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: m\r\nCSeq: 1 INFO\r\n"
        "Route: <sip:sip.example.test:5061;lr;sw=bAAAA>\r\nMax-Forwards: 0\r\n"
        "Content-Length: 0\r\n\r\n",
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bK7\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        raw_send(s->stranger, "10.0.0.1:5061", SW_TLS, texts[i]);
}

#define TALK .answer = 200, .ring_ms = 1, .answer_ms = 300, .talk_ms = 200

static const struct scenario scenarios[] = {
    {"call, TLS to UDP",
     {.outside = SW_TLS, .inside = SW_UDP, .carrier = {TALK, .hang_up = true}, .pbx = {TALK}},
     play_call},
    {"calls both ways, TCP to TCP",
     {.outside = SW_TCP, .inside = SW_TCP, .carrier = {TALK, .hang_up = true}, .pbx = {TALK}},
     play_both_ways},
    {"calls both ways, hidden",
     {.hide = true,
      .outside = SW_TLS,
      .inside = SW_UDP,
      .carrier = {TALK, .hang_up = true},
      .pbx = {TALK}},
     play_both_ways},
    {"cancelled call",
     {.outside = SW_TLS,
      .inside = SW_UDP,
      .carrier = {TALK, .cancel_ms = 200},
      .pbx = {.ring_ms = 1}},
     play_call},
    {"rejected call",
     {.outside = SW_UDP,
      .inside = SW_UDP,
      .carrier = {TALK},
      .pbx = {.answer = 486, .answer_ms = 9}},
     play_call},
    {"503 from the only target",
     {.outside = SW_TLS,
      .inside = SW_TCP,
      .carrier = {TALK},
      .pbx = {.answer = 503, .answer_ms = 9}},
     play_call},
    {"failover, UDP",
     {.outside = SW_TLS,
      .inside = SW_UDP,
      .carrier = {TALK, .hang_up = true},
      .pbx = {TALK},
      .dead_first = true},
     play_call},
    {"failover, TCP",
     {.outside = SW_UDP,
      .inside = SW_TCP,
      .carrier = {TALK, .hang_up = true},
      .pbx = {TALK},
      .dead_first = true},
     play_call},
    {"requests without dialog",
     {.outside = SW_TLS, .inside = SW_UDP, .carrier = {TALK}, .pbx = {TALK}},
     play_requests},
    {"two gateways",
     {.outside = SW_TLS,
      .inside = SW_UDP,
      .carrier = {TALK},
      .pbx = {TALK, .hang_up = true},
      .two_gateways = true},
     play_call},
    {"malformed requests",
     {.outside = SW_TLS, .inside = SW_UDP, .carrier = {TALK, .hang_up = true}, .pbx = {TALK}},
     play_malformed},
    {"lost datagrams",
     {.outside = SW_UDP,
      .inside = SW_UDP,
      .carrier = {TALK, .hang_up = true},
      .pbx = {TALK},
      .net = {.loss = 300, .twice = 100, .delay_min_ms = 1, .delay_max_ms = 80}},
     play_both_ways},
    {"parallel fork, one is silent",
     {.outside = SW_TLS,
      .inside = SW_UDP,
      .fork = SW_FORK_PARALLEL,
      .carrier = {TALK, .hang_up = true},
      .pbx = {TALK}},
     play_forked},
    {"serial fork, TCP, one is not there",
     {.outside = SW_TLS,
      .inside = SW_TCP,
      .fork = SW_FORK_SERIAL,
      .carrier = {TALK, .hang_up = true},
      .pbx = {TALK}},
     play_call},
    {"parallel fork, all refuse",
     {.outside = SW_UDP,
      .inside = SW_UDP,
      .fork = SW_FORK_PARALLEL,
      .carrier = {TALK},
      .pbx = {.answer = 407, .answer_ms = 9}},
     play_call},
    {"parallel fork, one refuses, one is silent",
     {.outside = SW_TLS,
      .inside = SW_UDP,
      .fork = SW_FORK_PARALLEL,
      .carrier = {TALK},
      .pbx = {.answer = 486, .answer_ms = 9}},
     play_forked},
    {"parallel fork, two challenges",
     {.outside = SW_UDP,
      .inside = SW_UDP,
      .fork = SW_FORK_PARALLEL,
      .carrier = {TALK},
      .pbx = {.answer = 407, .answer_ms = 9}},
     play_challenged},
    {"caller's connection breaks",
     {.outside = SW_TLS,
      .inside = SW_UDP,
      .carrier = {TALK, .hang_up = true},
      .pbx = {TALK},
      .net = {.loss = 1}}, /* what was to come over that connection may be lost */
     play_broken},
    {"a target that is found by DNS",
     {.outside = SW_TLS,
      .inside = SW_TLS,
      .named = true,
      .carrier = {TALK, .hang_up = true},
      .pbx = {TALK}},
     play_call},
    {"a cancelled call to a target that is found by DNS",
     {.outside = SW_UDP,
      .inside = SW_TLS,
      .named = true,
      .carrier = {TALK, .cancel_ms = 8, .no_cancel_before_180 = false},
      .pbx = {TALK}},
     play_call},
    {"three workers",
     {.workers = 3,
      .outside = SW_UDP,
      .inside = SW_UDP,
      .carrier = {TALK, .hang_up = true},
      .pbx = {TALK},
      .net = {.handed_elsewhere = 500, .delay_min_ms = 1, .delay_max_ms = 5}},
     play_both_ways},
};

/* ---- one run ---- */

static void memory_short(void *user)
{
    (void)user;
    fault.on = true;
}

static void memory_back(void *user)
{
    (void)user;
    fault.on = false;
}

static void set_up(struct scene *s, const struct scenario *x, uint64_t seed)
{
    memset(s, 0, sizeof(*s));
    world_init(&s->w, seed, &x->conf);
    twice_reset(); /* what was given up for want of memory may be given again */
    for (unsigned i = 0; i < s->w.gates; i++) {
        spy_init(&s->spy[i], &s->w.gate[i]);
        for (unsigned k = 0; k < s->w.gate[i].node->workers; k++)
            s->w.gate[i].gateway[k].trace = seed & 1;
    }
    s->stranger = raw_new(s->w.sim, "stranger", "10.0.0.8:5061", SW_TLS);
    s->stranger->node->ident = s->w.carrier_ident;
}

static void tear_down(struct scene *s)
{
    for (unsigned i = 0; i < s->w.gates; i++)
        spy_fini(&s->spy[i]);
    world_fini(&s->w);
}

/* With memory again and a good network, a call passes and nothing of it stays. */
static void assert_call_works(struct scene *s, const char *name)
{
    const struct ua_conf talk = {TALK};
    struct ua *ends[] = {s->w.carrier, s->w.pbx};
    for (int i = 0; i < 2; i++) {
        ends[i]->conf.answer = talk.answer;
        ends[i]->conf.ring_ms = talk.ring_ms;
        ends[i]->conf.answer_ms = talk.answer_ms;
        ends[i]->conf.talk_ms = talk.talk_ms;
        ends[i]->conf.cancel_ms = 0;
        ends[i]->conf.hang_up = i == 0;
    }
    s->w.sim->net = (struct sim_net){.delay_min_ms = 1, .delay_max_ms = 1};
    for (unsigned i = 0; i < s->w.gates; i++) {
        s->spy[i].before = s->spy[i].after = NULL;
        s->spy[i].answers_may_fail = false;
    }
    const struct ua_call *c = ua_call(s->w.carrier, "sip:bob@example.test");
    world_finish(&s->w);
    if (c->oks != 1 || c->bye_finals != 1 || c->timeouts)
        fail_msg("%s: afterwards a call got %u (%u times 200, %u BYE answered, %u timeouts)", name,
                 c->status, c->oks, c->bye_finals, c->timeouts);
    for (unsigned i = 0; i < s->w.gates; i++)
        spy_finish(&s->spy[i]);
}

/* Every caller learns how its call ended. (Not if the answer's datagram was lost: without memory it
 * could not be kept, and is not repeated.) */
static void assert_told(const struct ua *u, const char *name)
{
    for (unsigned i = 0; i < u->call_count; i++) {
        const struct ua_call *c = &u->calls[i];
        if (c->caller && !c->finals && !c->timeouts)
            fail_msg("%s: request %llu for memory failed, and a caller waits for ever", name,
                     (unsigned long long)fault.at);
    }
    if (fault.mode == FAULT_ONCE && (u->engine.clients.used || u->engine.servers.used))
        fail_msg("%s: request %llu for memory failed, and an end is left with a transaction", name,
                 (unsigned long long)fault.at);
}

/* Plays a scenario with `fault` as it is set, and tells how many requests for memory there were. */
static uint64_t run(const struct scenario *x, uint64_t seed, uint64_t *unanswered)
{
    struct scene s;
    set_up(&s, x, seed);
    memset(fault.count, 0, sizeof(fault.count));
    fault.failed = 0;
    for (unsigned i = 0; i < s.w.gates; i++) {
        s.spy[i].before = memory_short;
        s.spy[i].after = memory_back;
        s.spy[i].answers_may_fail = true;
    }
    x->play(&s);
    world_finish(&s.w);
    for (unsigned i = 0; i < s.w.gates; i++)
        spy_finish(&s.spy[i]);
    *unanswered += s.spy[0].unanswered + s.spy[1].unanswered;
    if (fault.layer == FAULT_SYSTEM && !x->conf.net.loss) {
        assert_told(s.w.carrier, x->name);
        assert_told(s.w.pbx, x->name);
    }
    uint64_t count = fault.count[fault.layer];
    assert_call_works(&s, x->name);
    tear_down(&s);
    return count;
}

/* ---- ladders ---- */

static void ladder(enum fault_layer layer, enum fault_mode mode)
{
    uint64_t stride = setting("ALLOC_STRIDE", 1);
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        uint64_t tried = 0, unanswered = 0, count;
        for (uint64_t at = 1;; at += stride, tried++) {
            fault = (struct fault){.layer = layer, .mode = mode, .at = at};
            if (getenv("ALLOC_VERBOSE"))
                printf("%s at %llu\n", scenarios[i].name, (unsigned long long)at);
            uint64_t before = unanswered;
            count = run(&scenarios[i], 1 + i, &unanswered);
            if (layer == FAULT_SYSTEM && unanswered != before)
                fail_msg("%s: request %llu for memory failed, and an INVITE got no answer",
                         scenarios[i].name, (unsigned long long)at);
            if (count < at)
                break;
        }
        printf("  %s: %llu failures, %llu INVITEs unanswered\n", scenarios[i].name,
               (unsigned long long)tried, (unsigned long long)unanswered);
        assert_true(tried > 0);
    }
}

static void test_each_request_to_the_system_fails_once(void **state)
{
    (void)state;
    ladder(FAULT_SYSTEM, FAULT_ONCE);
}

static void test_memory_is_out_from_each_request_on(void **state)
{
    (void)state;
    ladder(FAULT_SYSTEM, FAULT_ON);
}

static void test_each_place_that_asks_for_memory_fails_once(void **state)
{
    (void)state;
    ladder(FAULT_ROOM, FAULT_ONCE);
}

static void test_all_places_fail_from_each_on(void **state)
{
    (void)state;
    ladder(FAULT_ROOM, FAULT_ON);
}

static void test_memory_fails_by_chance(void **state)
{
    (void)state;
    uint64_t seed = setting("SIM_SEED", (uint64_t)time(NULL)), unanswered = 0;
    printf("seed %llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < setting("ALLOC_RUNS", 300); i++) {
        fault = (struct fault){.layer = i % 2 ? FAULT_SYSTEM : FAULT_ROOM,
                               .mode = FAULT_CHANCE,
                               .at = 1 + (seed + i * 7) % 300,
                               .random = (seed + i) * UINT64_C(0x9e3779b97f4a7c15) | 1};
        run(&scenarios[i % (sizeof(scenarios) / sizeof(scenarios[0]))], seed + i, &unanswered);
    }
}

/* ---- starting ---- */

/* A start without memory says so and leaves nothing; the next one succeeds. */
static void test_start_fails_cleanly_at_each_request(void **state)
{
    (void)state;
    static struct sw_gateway g;
    struct conf k;
    enum sw_status s = SW_LIMIT_MEMORY;
    struct sw_counters counters = {0};
    conf_init(&k);
    conf_listener(&k, "outside", "10.0.0.1:5061", SW_TLS, "sip.example.test");
    conf_peer(&k, "carrier", "10.0.0.9:5061", SW_TLS, "carrier.test")->ping_ms = 1000;
    conf_route(&k, "carrier", "carrier", NULL);
    uint64_t at = 0;
    while (s != SW_OK) {
        fault = (struct fault){.layer = FAULT_SYSTEM, .mode = FAULT_ONCE, .at = ++at, .on = true};
        s = sw_proxy_conf_index(&k.proxy);
        fault.on = false;
        if (s != SW_OK)
            sw_proxy_conf_fini(&k.proxy);
    }
    assert_true(at > 3);
    const struct sw_gateway_conf gc = {
        .engine = {.instance = 1, .transactions_max = 1000, .counters = &counters},
        .live.proxy = &k.proxy,
        .live.peers = k.state,
        .pings = true};
    for (s = SW_LIMIT_MEMORY, at = 0; s != SW_OK;) {
        fault = (struct fault){.layer = FAULT_SYSTEM, .mode = FAULT_ONCE, .at = ++at, .on = true};
        s = sw_gateway_init(&g, &gc, 1000);
        fault.on = false;
        sw_gateway_fini(&g);
        assert_int_equal(g.slab.used_bytes, 0);
    }
    assert_true(at > 5);
    conf_fini(&k);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_fails_cleanly_at_each_request),
        cmocka_unit_test(test_each_request_to_the_system_fails_once),
        cmocka_unit_test(test_memory_is_out_from_each_request_on),
        cmocka_unit_test(test_each_place_that_asks_for_memory_fails_once),
        cmocka_unit_test(test_all_places_fail_from_each_on),
        cmocka_unit_test(test_memory_fails_by_chance),
    };
    if (argc > 1) /* some tests only: a pattern such as "*chance" */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

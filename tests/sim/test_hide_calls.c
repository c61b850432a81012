/* Calls between user agents over gateways that hide the inside from the carrier and from each
 * other: whatever the network does, a call goes as it does without hiding, and no Via, Record-Route
 * or Contact that leaves names what is behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/spy.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CALLS = 60 };

static unsigned leaks, looked_at;

static bool starts(struct sw_slice row, const char *name)
{
    return sw_slice_starts_case(row, sw_slice_str(name));
}

/* The rows that are to hide: the others are the user agents' own. */
static bool names(struct sw_slice bytes, const char *what)
{
    while (bytes.n) {
        size_t end = sw_slice_find(bytes, '\n');
        struct sw_slice row = sw_slice(bytes.p, end);
        if ((starts(row, "Via") || starts(row, "Record-Route") || starts(row, "Contact")) &&
            memmem(row.p, row.n, what, strlen(what)))
            return true;
        bytes = sw_slice_from(bytes, end + 1);
    }
    return false;
}

/* What leaves the first gateway for the carrier, and what one gateway sends to the other. */
static void watch(void *user, const struct sim_node *from, const struct sw_endpoint *to,
                  enum sw_transport transport, struct sw_slice bytes)
{
    const struct world *w = user;
    (void)transport;
    bool first = from == w->gate[0].node, second = w->gates > 1 && from == w->gate[1].node;
    bool outside = to->ip[0] == 10 && to->ip[1] == 0, middle = to->ip[1] == 2;
    if (!(first && (outside || middle)) && !(second && middle))
        return;
    looked_at++;
    if ((outside && (names(bytes, "10.1.0.") || names(bytes, "10.2.0."))) ||
        (outside && names(bytes, "one.example.test")) ||
        (first && middle && (names(bytes, "10.0.0.") || names(bytes, "sip.example.test"))) ||
        (second && names(bytes, "10.1.0."))) {
        leaks++;
        printf("%s sent:\n%.*s\n", from->name, SW_SLICE_ARG(bytes));
    }
}

struct outcome {
    unsigned status, oks, acks, byes;
};

static void outcomes(const struct ua *u, struct outcome *out, unsigned *n)
{
    for (unsigned i = 0; i < u->call_count; i++) {
        const struct ua_call *c = &u->calls[i];
        out[(*n)++] = (struct outcome){c->status, c->oks > 0, c->acks > 0, c->byes + c->bye_finals};
    }
}

/* The same calls; `loss` and late datagrams as the seed says. */
static unsigned run_world(uint64_t seed, bool two, bool hide, unsigned loss, unsigned workers,
                          enum sw_transport outside, struct outcome *out)
{
    static const struct ua_conf talks = {
        .answer = 200, .ring_ms = 20, .answer_ms = 200, .talk_ms = 300};
    struct world_conf conf = {
        .two_gateways = two,
        .hide = hide,
        .workers = workers,
        .outside = outside,
        .inside = SW_UDP,
        .carrier = talks,
        .pbx = talks,
        .net = {.loss = loss, .twice = loss, .delay_min_ms = 1, .delay_max_ms = 20},
    };
    struct world w;
    unsigned n = 0;
    conf.pbx.hang_up = seed % 2;
    conf.carrier.hang_up = !conf.pbx.hang_up;
    world_init(&w, seed, &conf);
    if (hide) {
        w.sim->watch = watch;
        w.sim->watch_user = &w;
    }
    for (unsigned i = 0; i < CALLS; i++) {
        if (i % 3 == 0)
            ua_call(w.pbx, "sip:+49123@example.test");
        else
            ua_request(w.carrier, i % 5 ? "INVITE" : "MESSAGE", "sip:bob@example.test");
        sim_run(w.sim, w.sim->now_ms + 50);
    }
    world_finish(&w);
    outcomes(w.carrier, out, &n);
    outcomes(w.pbx, out, &n);
    world_fini(&w);
    return n;
}

static struct outcome plain[4 * CALLS], hidden[4 * CALLS];

/* Nothing is lost: each call goes as it does without hiding. */
static void test_calls_go_as_without_hiding(void **state)
{
    (void)state;
    static const enum sw_transport outside[] = {SW_TLS, SW_UDP, SW_TCP};
    leaks = looked_at = 0;
    for (unsigned i = 0; i < 12; i++) {
        enum sw_transport t = outside[i % 3];
        unsigned n = run_world(100 + i, i % 2, false, 0, 1 + i % 3, t, plain);
        assert_int_equal(run_world(100 + i, i % 2, true, 0, 1 + i % 3, t, hidden), n);
        for (unsigned k = 0; k < n; k++) {
            assert_int_equal(plain[k].status, hidden[k].status);
            assert_int_equal(plain[k].oks, hidden[k].oks);
            assert_int_equal(plain[k].acks, hidden[k].acks);
            assert_int_equal(plain[k].byes, hidden[k].byes);
        }
    }
    assert_int_equal(leaks, 0);
    assert_true(looked_at > 1000);
}

/* RFC 3261 17: what is repeated is the same, and finds its transaction. */
static void test_calls_over_a_bad_network_end_and_show_nothing(void **state)
{
    (void)state;
    const char *given = getenv("SIM_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    unsigned answered = 0, calls = 0;
    printf("seed %llu\n", (unsigned long long)seed);
    leaks = looked_at = 0;
    for (unsigned i = 0; i < 10; i++) {
        unsigned n =
            run_world(seed + i, i % 2, true, 100, 1 + i % 4, i % 3 ? SW_UDP : SW_TLS, hidden);
        for (unsigned k = 0; k < n; k++)
            answered += hidden[k].status == 200 || hidden[k].acks;
        calls += n;
    }
    assert_int_equal(leaks, 0);
    assert_true(looked_at > 1000);
    assert_true(answered * 10 > calls * 8);
}

/* Both of two that answer are acknowledged: RFC 3261 13.2.2.4, 16.7 step 5 */
static void test_both_2xx_of_a_fork_are_the_callers(void **state)
{
    (void)state;
    static const struct ua_conf talks = {
        .answer = 200, .ring_ms = 20, .answer_ms = 200, .talk_ms = 300, .hang_up = true};
    for (unsigned hide = 0; hide < 2; hide++) {
        struct world_conf conf = {.fork = SW_FORK_PARALLEL,
                                  .hide = hide,
                                  .outside = SW_TLS,
                                  .inside = SW_UDP,
                                  .carrier = talks,
                                  .pbx = talks};
        struct world w;
        leaks = 0;
        conf.pbx.hang_up = false;
        world_init(&w, 7, &conf);
        struct ua *spare = ua_new(w.sim, "spare", "10.1.0.8:5060", &w.pbx->conf, 11);
        if (hide) {
            w.sim->watch = watch;
            w.sim->watch_user = &w;
        }
        struct ua_call *c = ua_call(w.carrier, "sip:bob@example.test");
        world_finish(&w);
        assert_int_equal(c->status, 200);
        assert_true(c->oks >= 1);
        assert_int_equal(w.pbx->call_count + spare->call_count, 2);
        assert_int_equal(leaks, 0);
        ua_free(spare);
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_go_as_without_hiding),
        cmocka_unit_test(test_calls_over_a_bad_network_end_and_show_nothing),
        cmocka_unit_test(test_both_2xx_of_a_fork_are_the_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

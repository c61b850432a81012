#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conn/pool.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { PEER = 77, OTHER_PEER = 78 };

static struct sw_pool *g_pool;

static int start(void **state)
{
    (void)state;
    g_pool = sw_pool_new();
    return g_pool ? 0 : -1;
}

static int finish(void **state)
{
    (void)state;
    sw_pool_free(g_pool);
    return 0;
}

static struct sw_endpoint endpoint(const char *text)
{
    struct sw_endpoint e;
    assert_true(sw_endpoint_parse(sw_slice_str(text), 0, &e));
    return e;
}

/* A connection of PEER that we opened. */
static struct sw_flow conn(uint16_t worker, uint32_t slot)
{
    return (struct sw_flow){
        .id = {.instance = 1, .worker = worker, .slot = slot, .generation = 5},
        .remote = endpoint("192.0.2.1:5061"),
        .peer = PEER,
        .transport = SW_TLS,
        .outbound = true,
        .ident = (const struct sw_ident *)&g_pool, /* its owner's: must not come back */
    };
}

static struct sw_pool_want want(uint16_t worker)
{
    return (struct sw_pool_want){
        .peer = PEER,
        .remote = endpoint("192.0.2.1:5061"),
        .worker = worker,
        .transport = SW_TLS,
        .limit = 4,
    };
}

static void put(struct sw_flow f, bool open)
{
    assert_int_equal(sw_pool_put(g_pool, &f, open), SW_OK);
}

static void assert_dial(struct sw_pool_want w)
{
    struct sw_flow f;
    assert_int_equal(sw_pool_find(g_pool, &w, &f), SW_POOL_DIAL);
    assert_int_equal(sw_pool_dialled(g_pool, &w, NULL), SW_OK);
}

static void assert_found(struct sw_pool_want w, enum sw_pool_answer answer, struct sw_flow is)
{
    struct sw_flow f = {0};
    assert_int_equal(sw_pool_find(g_pool, &w, &f), answer);
    assert_true(sw_flow_id_eq(&f.id, &is.id));
    assert_null(f.ident);
}

static void test_pool_that_is_empty_says_dial(void **state)
{
    (void)state;
    assert_dial(want(0));
    sw_pool_free(NULL);
}

static void test_pool_prefers_an_open_connection_of_the_asking_worker(void **state)
{
    (void)state;
    put(conn(1, 10), true);
    put(conn(0, 11), true);
    put(conn(2, 12), true);
    for (uint16_t worker = 0; worker < 3; worker++)
        assert_found(want(worker), SW_POOL_OPEN,
                     conn(worker, worker == 1   ? 10
                                  : worker == 0 ? 11
                                                : 12));
    struct sw_pool_want w = want(3); /* has none: another's open one */
    struct sw_flow f;
    assert_int_equal(sw_pool_find(g_pool, &w, &f), SW_POOL_OPEN);
}

static void test_pool_prefers_the_connection_that_is_named(void **state)
{
    (void)state;
    put(conn(0, 10), true);
    put(conn(1, 11), true);
    struct sw_pool_want w = want(0);
    w.prefer = conn(1, 11).id;
    assert_found(w, SW_POOL_OPEN, conn(1, 11));
    w.prefer.generation++; /* its slot is another's now */
    assert_found(w, SW_POOL_OPEN, conn(0, 10));
}

static void test_pool_prefers_open_to_dialled(void **state)
{
    (void)state;
    put(conn(0, 10), false);
    put(conn(1, 11), true);
    assert_found(want(0), SW_POOL_OPEN, conn(1, 11));
    struct sw_pool_want w = want(0);
    w.prefer = conn(0, 10).id; /* not open: preferred or not */
    assert_found(w, SW_POOL_OPEN, conn(1, 11));
}

/* dial here below the limit, then wait on a dial in progress */
static void test_pool_lets_others_dial_up_to_the_limit(void **state)
{
    (void)state;
    struct sw_pool_want w = want(2);
    w.limit = 2;
    put(conn(0, 10), false);
    assert_dial(w);
    put(conn(1, 11), false);
    struct sw_flow f;
    assert_int_equal(sw_pool_find(g_pool, &w, &f), SW_POOL_WAIT);
    assert_true(f.id.worker < 2);
}

/* Whichever was entered first: a worker never dials twice to the same place at a time. */
static void test_pool_makes_a_worker_wait_for_its_own_dial(void **state)
{
    (void)state;
    put(conn(0, 10), false);
    put(conn(1, 11), false);
    assert_found(want(0), SW_POOL_WAIT, conn(0, 10));
    assert_found(want(1), SW_POOL_WAIT, conn(1, 11));
    assert_dial(want(2));
}

static void test_pool_entry_becomes_open_and_is_taken_out(void **state)
{
    struct sw_flow f = conn(0, 10);
    (void)state;
    put(f, false);
    assert_found(want(0), SW_POOL_WAIT, f);
    put(f, true);
    assert_found(want(0), SW_POOL_OPEN, f);
    struct sw_flow stranger = conn(0, 10);
    stranger.id.generation++;
    sw_pool_del(g_pool, &stranger); /* not in it */
    assert_found(want(0), SW_POOL_OPEN, f);
    sw_pool_del(g_pool, &f);
    assert_dial(want(0));
    sw_pool_del(g_pool, &f);
}

/* RFC 5923: never another peer's, another transport's, another listener's, another address'. */
static void test_pool_gives_nothing_that_does_not_fit(void **state)
{
    (void)state;
    put(conn(0, 10), true);
    struct sw_pool_want w[5];
    for (int i = 0; i < 5; i++)
        w[i] = want(0);
    w[0].peer = OTHER_PEER;
    w[1].transport = SW_TCP;
    w[2].listener = 1;
    w[3].remote = endpoint("192.0.2.2:5061");
    w[4].remote = endpoint("192.0.2.1:5062");
    for (int i = 0; i < 5; i++)
        for (int any = 0; any < 2; any++) {
            w[i].any_of_peer = any;
            assert_dial(w[i]);
        }
}

/* An accepted connection's port is the peer's choice: it serves only who takes any of the peer. */
static void test_pool_gives_an_accepted_connection_only_to_who_takes_any(void **state)
{
    struct sw_flow f = conn(0, 10);
    (void)state;
    f.outbound = false;
    f.remote = endpoint("192.0.2.1:40000");
    put(f, true);
    struct sw_pool_want w = want(0);
    assert_dial(w);
    w.any_of_peer = true;
    assert_found(w, SW_POOL_OPEN, f);
    w.remote.port = 0;
    assert_found(w, SW_POOL_OPEN, f);
}

/* RFC 5923 9.1: who proved a domain that is no peer's is told apart by the domain */
static void test_pool_tells_verified_domains_apart(void **state)
{
    struct sw_flow f = conn(0, 10);
    (void)state;
    f.peer = SW_PEER_VERIFIED;
    f.domain_id = 1001;
    put(f, true);
    struct sw_pool_want w = want(0);
    w.peer = 1001;
    assert_found(w, SW_POOL_OPEN, f);
    w.peer = 1002;
    assert_dial(w);
    w.peer = SW_PEER_VERIFIED;
    assert_dial(w);
    sw_pool_del(g_pool, &f);
    w.peer = 1001;
    assert_dial(w);
}

/* RFC 5922 4, RFC 5923 8.1: what was looked up by a name goes to who proved that one */
static void test_pool_tells_a_peers_domains_apart(void **state)
{
    struct sw_flow f = conn(0, 10), g = conn(0, 11);
    struct sw_pool_want w = want(0);
    (void)state;
    f.domain_id = 1;
    put(f, true);
    assert_found(w, SW_POOL_OPEN, f); /* an address of the peer was wanted: any of its names */
    w.domain = 1;
    assert_found(w, SW_POOL_OPEN, f);
    w.domain = 2;
    assert_dial(w);
    put(g, false); /* being dialled by its address: what it will prove is not known */
    assert_dial(w);
    put(g, true); /* a pin or an address: it stands for all names */
    assert_found(w, SW_POOL_OPEN, g);
    g.domain_id = 2;
    put(g, false);
    assert_found(w, SW_POOL_WAIT, g);
    assert_false(sw_pool_is_surplus(g_pool, &g, 0, 1));
    sw_pool_del(g_pool, &f);
    sw_pool_del(g_pool, &g);
}

static void test_pool_holds_many_peers(void **state)
{
    enum { MANY = 40000 };
    (void)state;
    for (uint32_t i = 0; i < MANY; i++) {
        struct sw_flow f = conn(0, i);
        f.peer = 100 + i;
        put(f, true);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        struct sw_pool_want w = want(0);
        w.peer = 100 + i;
        assert_found(w, SW_POOL_OPEN, conn(0, i));
    }
}

/* ---- several threads ---- */

/* Runs `body` as several workers; it returns how often something was wrong. */
static void run_threads(void *body(void *worker))
{
    enum { THREADS = 4 };
    pthread_t thread[THREADS];
    uint16_t worker[THREADS];
    for (uint16_t i = 0; i < THREADS; i++) {
        worker[i] = i;
        assert_int_equal(pthread_create(&thread[i], NULL, body, &worker[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        assert_int_equal(pthread_join(thread[i], &wrong), 0);
        assert_null(wrong);
    }
}

static void *come_and_go(void *arg)
{
    uint16_t worker = *(uint16_t *)arg;
    uintptr_t wrong = 0;
    for (int i = 0; i < 20000; i++) {
        struct sw_flow f = {
            .id = {.instance = 1, .worker = worker, .slot = (uint32_t)i, .generation = 1},
            .peer = PEER + (uint32_t)i % 3,
            .transport = SW_TLS,
            .outbound = true,
        };
        struct sw_pool_want w = {.peer = f.peer, .worker = worker, .transport = SW_TLS, .limit = 4};
        struct sw_flow found;
        wrong += sw_pool_put(g_pool, &f, true) != SW_OK;
        enum sw_pool_answer a = sw_pool_find(g_pool, &w, &found);
        wrong += a != SW_POOL_OPEN;
        if (a == SW_POOL_DIAL)
            wrong += sw_pool_dialled(g_pool, &w, NULL) != SW_OK;
        wrong += !sw_flow_id_eq(&found.id, &f.id); /* its own, and it has only this */
        sw_pool_del(g_pool, &f);
    }
    return (void *)wrong;
}

/* Looks again and again; what it has to dial it dials, and lets go of again. */
static void *dial_and_drop(void *arg)
{
    enum { LIMIT = 2, DIALS = 3000 };
    static _Atomic uint32_t dialled;
    uint16_t worker = *(uint16_t *)arg;
    uintptr_t wrong = 0;
    for (uint32_t i = 0; i < DIALS; i++) {
        struct sw_pool_want w = want(worker);
        struct sw_flow f = conn(worker, i), found;
        w.limit = LIMIT;
        enum sw_pool_answer a;
        while ((a = sw_pool_find(g_pool, &w, &found)) == SW_POOL_WAIT)
            sched_yield();
        wrong += a != SW_POOL_DIAL;
        wrong += atomic_fetch_add(&dialled, 1) >= LIMIT;
        sched_yield(); /* a TCP connection is started: others run meanwhile */
        wrong += sw_pool_dialled(g_pool, &w, &f) != SW_OK;
        sched_yield();
        atomic_fetch_sub(&dialled, 1);
        sw_pool_del(g_pool, &f);
    }
    return (void *)wrong;
}

/* PEER's limit holds even if all workers find at the same moment that one more may be dialled. */
static void test_pool_limit_holds_among_threads(void **state)
{
    (void)state;
    run_threads(dial_and_drop);
    assert_dial(want(0));
}

static void test_pool_serves_threads_at_once(void **state)
{
    (void)state;
    run_threads(come_and_go);
    assert_dial(want(0));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, finish)

/* A connection of PEER that it opened, from a port of its choice. */
static struct sw_flow accepted(uint16_t worker, uint32_t slot, uint16_t alias_port)
{
    struct sw_flow f = conn(worker, slot);
    f.outbound = false;
    f.mutual = true;
    f.remote.port = (uint16_t)(40000 + slot);
    f.alias_port = alias_port;
    return f;
}

/* RFC 5923 8.2: its address is where it came from, and the port that it advertises */
static void test_pool_uses_an_alias_for_its_address_only(void **state)
{
    (void)state;
    struct sw_pool_want w = want(0);
    w.alias = true;
    put(accepted(0, 10, 0), true);
    assert_dial(w);
    put(accepted(0, 10, 5061), true);
    assert_found(w, SW_POOL_OPEN, accepted(0, 10, 5061));
    w.remote.port = 5062;
    assert_dial(w);
    w.remote = endpoint("192.0.2.2:5061");
    assert_dial(w);
    assert_dial(want(0)); /* who does not ask for one gets none */
    w = want(0);
    w.alias = true;
    w.peer = OTHER_PEER; /* 8.1: the identity, too */
    assert_dial(w);
    w = want(0);
    w.alias = true;
    w.remote.port = 0; /* any alias from there */
    assert_found(w, SW_POOL_OPEN, accepted(0, 10, 5061));
    const struct sw_flow f = accepted(0, 10, 5061);
    sw_pool_del(g_pool, &f); /* it closed: 8.2 */
    w.remote.port = 5061;
    assert_dial(w);
}

/* RFC 5923 9.3: dialled or accepted, for whatever it is wanted */
static void test_pool_never_mixes_local_identities(void **state)
{
    (void)state;
    struct sw_flow ours = conn(0, 10), theirs = accepted(0, 11, 5061), f;
    ours.local_id = theirs.local_id = 1;
    put(ours, true);
    put(theirs, true);
    for (int kind = 0; kind < 4; kind++) {
        struct sw_pool_want w = want(0);
        w.any_of_peer = kind & 1;
        w.alias = kind & 2;
        w.prefer = kind ? theirs.id : ours.id;
        w.local_id = 1;
        assert_int_equal(sw_pool_find(g_pool, &w, &f), SW_POOL_OPEN);
        w.local_id = 2;
        assert_dial(w);
        w.local_id = 0;
        assert_dial(w);
        w.prefer_local_id = 1; /* the dialog was set up over it */
        assert_found(w, SW_POOL_OPEN, kind ? theirs : ours);
    }
    theirs.id.slot = 12;
    theirs.local_id = 2;
    put(theirs, true);
    struct sw_pool_want w = want(0);
    w.alias = true;
    w.local_id = 2;
    assert_found(w, SW_POOL_OPEN, theirs);
}

/* Connections of both directions: both stay, one's own first, then what both ends have first. */
static void test_pool_takes_the_first_of_equal_connections(void **state)
{
    (void)state;
    struct sw_pool_want w = want(0);
    struct sw_flow f[3] = {conn(0, 10), accepted(0, 11, 5061), accepted(1, 12, 5061)};
    w.alias = true;
    for (uint32_t i = 0; i < 3; i++) {
        f[i].order = 30 - 10 * i;
        put(f[i], true);
    }
    assert_found(w, SW_POOL_OPEN, f[1]);
    w.worker = 1;
    assert_found(w, SW_POOL_OPEN, f[2]);
    w.worker = 2;
    assert_found(w, SW_POOL_OPEN, f[2]);
    sw_pool_del(g_pool, &f[2]);
    assert_found(w, SW_POOL_OPEN, f[1]);
    sw_pool_del(g_pool, &f[1]);
    assert_found(w, SW_POOL_OPEN, f[0]);
}

/* Two gateways that dialled each other: who looks at it from either end, one connection is never
 * surplus, and each other one is at the end that dialled it. RFC 5923 8.1, 8.2 */
static void test_pool_surplus_is_the_same_at_both_ends(void **state)
{
    (void)state;
    enum { EACH = 3 };
    struct sw_flow f[2][2 * EACH]; /* [end]: the first half was dialled by end 0 */
    struct sw_pool *pool[2] = {g_pool, sw_pool_new()};
    assert_non_null(pool[1]);
    for (uint32_t i = 0; i < 2 * EACH; i++)
        for (uint32_t end = 0; end < 2; end++) {
            bool dialled = i / EACH == end;
            f[end][i] = dialled ? conn(0, 100 + i) : accepted(0, 100 + i, 5061);
            f[end][i].mutual = true;
            f[end][i].order = 1000 - 7 * i % 11;
            assert_int_equal(sw_pool_put(pool[end], &f[end][i], true), SW_OK);
        }
    for (uint32_t limit = 1; limit <= 2 * EACH; limit++) {
        uint32_t stay = 0;
        for (uint32_t i = 0; i < 2 * EACH; i++) {
            bool closes[2];
            for (int end = 0; end < 2; end++)
                closes[end] = sw_pool_is_surplus(pool[end], &f[end][i], 0, limit);
            assert_false(closes[i >= EACH ? 0 : 1]); /* not who accepted it */
            stay += !closes[0] && !closes[1];
        }
        assert_int_equal(stay, limit);
    }
    sw_pool_free(pool[1]);
}

static void test_pool_surplus_counts_what_requests_may_use(void **state)
{
    (void)state;
    struct sw_flow last = conn(0, 10), first = conn(0, 11);
    last.mutual = first.mutual = true;
    last.order = 2;
    first.order = 1;
    put(last, true);
    put(first, false); /* being dialled */
    assert_false(sw_pool_is_surplus(g_pool, &last, 0, 1));
    put(first, true);
    assert_true(sw_pool_is_surplus(g_pool, &last, 0, 1));
    assert_false(sw_pool_is_surplus(g_pool, &first, 0, 1));
    assert_true(sw_pool_is_surplus(g_pool, &first, 5, 1)); /* the identity changed */
    sw_pool_del(g_pool, &first);
    first = accepted(0, 11, 0); /* no alias */
    first.order = 1;
    put(first, true);
    assert_false(sw_pool_is_surplus(g_pool, &last, 0, 1));
    last.mutual = false; /* one-sided: the other end does not see it as we do */
    first.alias_port = 5061;
    put(first, true);
    assert_false(sw_pool_is_surplus(g_pool, &last, 0, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pool_that_is_empty_says_dial),
        TEST(test_pool_prefers_an_open_connection_of_the_asking_worker),
        TEST(test_pool_prefers_the_connection_that_is_named),
        TEST(test_pool_prefers_open_to_dialled),
        TEST(test_pool_lets_others_dial_up_to_the_limit),
        TEST(test_pool_makes_a_worker_wait_for_its_own_dial),
        TEST(test_pool_entry_becomes_open_and_is_taken_out),
        TEST(test_pool_gives_nothing_that_does_not_fit),
        TEST(test_pool_gives_an_accepted_connection_only_to_who_takes_any),
        TEST(test_pool_uses_an_alias_for_its_address_only),
        TEST(test_pool_never_mixes_local_identities),
        TEST(test_pool_takes_the_first_of_equal_connections),
        TEST(test_pool_surplus_is_the_same_at_both_ends),
        TEST(test_pool_surplus_counts_what_requests_may_use),
        TEST(test_pool_tells_verified_domains_apart),
        TEST(test_pool_tells_a_peers_domains_apart),
        TEST(test_pool_holds_many_peers),
        TEST(test_pool_serves_threads_at_once),
        TEST(test_pool_limit_holds_among_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Which peer of a group comes first. RFC 3261 16.6 leaves it to the proxy; the weights are those of
 * RFC 2782. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/choose.h"
#include "support/conf.h"
#include "support/message.h"

#include <stdio.h>
#include <stdlib.h>

enum { POOL = 4, NOW_MS = 1000000 };

static const char *const names[POOL] = {"one", "two", "three", "four"};
static struct conf k;
static struct sw_route_conf *route;
static uint16_t weights[POOL], orders[POOL];
static struct sw_slab slab;
static struct sw_engine engine;
static struct sw_counters counters;
static struct sw_actions actions;
static struct sw_proxy proxy;

static int set_up(void **state)
{
    (void)state;
    const struct sw_engine_conf small = {
        .transactions_max = 4, .counters = &counters, .seed = {2782, 1}};
    conf_init(&k);
    conf_listener(&k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    for (int i = 0; i < POOL; i++) {
        char address[32];
        snprintf(address, sizeof(address), "10.1.0.%d:5060", 10 + i);
        conf_peer(&k, names[i], address, SW_UDP, NULL);
        weights[i] = 1;
        orders[i] = 0;
    }
    route = conf_route(&k, NULL, "one", "two", "three", "four", NULL);
    route->weight = weights;
    route->order = NULL;
    conf_done(&k);
    sw_slab_init(&slab);
    proxy = (struct sw_proxy){.e = &engine, .conf = &k.proxy, .peers = k.state};
    if (sw_engine_init(&engine, &small, &slab, NOW_MS) != SW_OK)
        return -1;
    sw_engine_begin(&engine, &actions, NOW_MS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sw_engine_fini(&engine);
    sw_slab_fini(&slab);
    conf_fini(&k);
    return 0;
}

/* The order for the n-th call; how many there are. */
static int arrange(unsigned call, bool only_up, int out[POOL])
{
    char id[32];
    struct sw_chooser c;
    int n = 0;
    int32_t at;
    snprintf(id, sizeof(id), "call-%u@host", call);
    sw_engine_begin(&engine, &actions, NOW_MS);
    sw_choose_begin(&c, &proxy, route, sw_slice_str(id), only_up);
    while ((at = sw_choose_next(&c)) >= 0) {
        assert_in_range(n, 0, POOL - 1);
        out[n++] = at;
    }
    return n;
}

static int first(unsigned call, bool only_up)
{
    int out[POOL];
    assert_true(arrange(call, only_up, out) > 0);
    return out[0];
}

static void assert_near(unsigned got, unsigned wanted, unsigned of)
{
    assert_in_range(got, wanted - of / 50, wanted + of / 50); /* 2 %: over four sigma */
}

static void test_order_is_that_of_the_file(void **state)
{
    (void)state;
    int out[POOL];
    route->choose = SW_CHOOSE_ORDER;
    assert_int_equal(arrange(1, true, out), POOL);
    for (int i = 0; i < POOL; i++)
        assert_int_equal(out[i], i);
    orders[0] = 7;
    route->order = orders;
    assert_int_equal(arrange(1, true, out), POOL);
    const int wanted[POOL] = {1, 2, 3, 0};
    assert_memory_equal(out, wanted, sizeof(wanted));
}

static void test_weights_are_met(void **state)
{
    (void)state;
    enum { CALLS = 10000 };
    unsigned n[POOL] = {0};
    int out[POOL];
    route->choose = SW_CHOOSE_WEIGHT;
    weights[0] = 70;
    weights[1] = 20;
    weights[2] = 10;
    weights[3] = 0;
    for (unsigned i = 0; i < CALLS; i++) {
        assert_int_equal(arrange(i, true, out), POOL);
        n[out[0]]++;
        assert_int_equal(out[3], 3); /* weight 0: only when the others failed */
    }
    assert_near(n[0], 7000, CALLS);
    assert_near(n[1], 2000, CALLS);
    assert_near(n[2], 1000, CALLS);
}

/* RFC 2782: those that are left are chosen among by their weights again. */
static void test_alternatives_come_in_weighted_order(void **state)
{
    (void)state;
    enum { CALLS = 20000 };
    unsigned seen = 0, second = 0;
    int out[POOL];
    route->choose = SW_CHOOSE_WEIGHT;
    weights[0] = 50;
    weights[1] = 30;
    weights[2] = 10;
    weights[3] = 10;
    for (unsigned i = 0; i < CALLS; i++) {
        arrange(i, true, out);
        seen += out[0] == 0;
        second += out[0] == 0 && out[1] == 1;
    }
    assert_near(seen, CALLS / 2, CALLS);
    assert_near(second, seen * 3 / 5, seen); /* 30 of the 50 that are left */
}

static void test_lower_order_comes_first_whatever_the_weight(void **state)
{
    (void)state;
    int out[POOL];
    orders[0] = orders[1] = 2;
    orders[2] = orders[3] = 1;
    route->order = orders;
    weights[0] = 60000;
    for (int how = SW_CHOOSE_ORDER; how <= SW_CHOOSE_HASH; how++) {
        route->choose = (uint8_t)how;
        for (unsigned i = 0; i < 100; i++) {
            assert_int_equal(arrange(i, true, out), POOL);
            assert_in_range(out[0], 2, 3);
            assert_in_range(out[1], 2, 3);
        }
    }
}

static void load(int peer, unsigned n)
{
    atomic_store(&k.state[peer].load->way[SW_LOAD_TO].now, n);
}

static void test_least_loaded_for_its_weight_comes_first(void **state)
{
    (void)state;
    int out[POOL];
    route->choose = SW_CHOOSE_LEAST_LOADED;
    load(0, 5);
    load(1, 3);
    load(2, 9);
    load(3, 4);
    const int plain[POOL] = {1, 3, 0, 2};
    arrange(1, true, out);
    assert_memory_equal(out, plain, sizeof(plain));
    weights[2] = 10; /* 0.9 each */
    const int weighted[POOL] = {2, 1, 3, 0};
    arrange(1, true, out);
    assert_memory_equal(out, weighted, sizeof(weighted));
    for (int i = 0; i < POOL; i++)
        load(i, 0);
}

static void test_those_that_are_equally_loaded_share_by_weight(void **state)
{
    (void)state;
    enum { CALLS = 10000 };
    unsigned n[POOL] = {0};
    route->choose = SW_CHOOSE_LEAST_LOADED;
    weights[0] = 3;
    for (unsigned i = 0; i < CALLS; i++)
        n[first(i, true)]++;
    assert_near(n[0], CALLS / 2, CALLS);
    for (int i = 1; i < POOL; i++)
        assert_near(n[i], CALLS / 6, CALLS);
}

static void test_hash_spreads_calls_by_weight(void **state)
{
    (void)state;
    enum { CALLS = 10000 };
    unsigned n[POOL] = {0};
    route->choose = SW_CHOOSE_HASH;
    weights[0] = 5;
    weights[1] = 3;
    for (unsigned i = 0; i < CALLS; i++)
        n[first(i, true)]++;
    assert_near(n[0], CALLS / 2, CALLS);
    assert_near(n[1], CALLS * 3 / 10, CALLS);
    assert_near(n[2], CALLS / 10, CALLS);
    assert_near(n[3], CALLS / 10, CALLS);
}

/* When a peer goes, its calls alone move, and to where they would have gone next. */
static void test_hash_moves_only_the_calls_of_the_peer_that_goes(void **state)
{
    (void)state;
    enum { CALLS = 4000 };
    unsigned moved[POOL] = {0}, of_it = 0;
    int before[POOL], after[POOL];
    route->choose = SW_CHOOSE_HASH;
    for (unsigned i = 0; i < CALLS; i++) {
        atomic_store(&k.state[1].ping_failed, false);
        assert_int_equal(arrange(i, true, before), POOL);
        atomic_store(&k.state[1].ping_failed, true);
        assert_int_equal(arrange(i, true, after), POOL - 1);
        if (before[0] != 1) {
            assert_int_equal(after[0], before[0]);
            continue;
        }
        of_it++;
        assert_int_equal(after[0], before[1]);
        moved[after[0]]++;
    }
    for (int i = 0; i < POOL; i++)
        if (i != 1)
            assert_in_range(moved[i], of_it / 4, of_it / 2); /* spread over all others */
}

/* Another worker, process, node or place in the file: nothing of these is in it. Fixed values, so
 * that a version that would move all calls is noticed. */
static void test_hash_is_the_same_everywhere(void **state)
{
    (void)state;
    char id[32];
    int out[POOL];
    uint16_t to[POOL];
    route->choose = SW_CHOOSE_HASH;
    for (unsigned i = 0; i < 100; i++) {
        int one = first(i, true);
        for (int n = 0; n < POOL; n++)
            to[n] = (uint16_t)(POOL - 1 - n);
        route->to = to;
        engine.prng.counter += 17;
        arrange(i, true, out);
        route->to = k.to[0];
        assert_int_equal(POOL - 1 - out[0], one);
    }
    const uint64_t wanted[] = {UINT64_C(0x78c1426c), UINT64_C(0x20cafd348), UINT64_C(0x10747bfdd)};
    for (unsigned i = 0; i < 3; i++) {
        snprintf(id, sizeof(id), "call-%u@host", i);
        uint64_t draw = sw_choose_draw(sw_proxy_peer_id(SW_SLICE("one")), sw_slice_str(id));
        if (draw != wanted[i])
            print_error("draw %u: 0x%llx\n", i, (unsigned long long)draw);
        assert_true(draw == wanted[i]);
    }
}

/* The mean of -log2 of a fraction is 1 / ln 2. */
static void test_draws_are_distributed_as_logarithms(void **state)
{
    (void)state;
    enum { DRAWS = 20000 };
    char id[32];
    double sum = 0;
    for (unsigned i = 0; i < DRAWS; i++) {
        snprintf(id, sizeof(id), "%u", i);
        uint64_t draw = sw_choose_draw(i, sw_slice_str(id));
        assert_true(draw > 0);
        sum += (double)draw / 4294967296.0;
    }
    assert_in_range((unsigned)(sum / DRAWS * 1000), 1410, 1475); /* 1442.7 */
}

/* RFC 3261 22.3: the request with credentials has the Call-ID of the one that was challenged
 * (8.1.3.5), and meets the same peer; another process draws otherwise. */
static void test_weight_is_drawn_once_for_a_call(void **state)
{
    (void)state;
    enum { CALLS = 1000 };
    unsigned others = 0;
    int out[POOL], again[POOL];
    route->choose = SW_CHOOSE_WEIGHT;
    for (unsigned i = 0; i < CALLS; i++) {
        engine.conf.table_key.k0 = 0;
        arrange(i, true, out);
        engine.prng.counter += 17;
        arrange(i, true, again);
        assert_memory_equal(out, again, sizeof(out));
        engine.conf.table_key.k0 = 2782;
        others += first(i, true) != out[0];
    }
    assert_near(others, CALLS * 3 / 4, 3 * CALLS);
}

/* The peer that challenged a call comes first, wherever the load is; one that is down does not, and
 * only for a while. */
static void test_least_loaded_comes_back_to_who_challenged(void **state)
{
    (void)state;
    int out[POOL];
    route->choose = SW_CHOOSE_LEAST_LOADED;
    orders[2] = 1;
    route->order = orders;
    weights[2] = 0;
    load(2, 9);
    assert_int_equal(sw_challenged_init(&proxy.challenged, engine.conf.table_key), SW_OK);
    sw_challenged_add(&proxy.challenged, SW_SLICE("call-1@host"), k.peers[2].id, NOW_MS - 1);
    assert_int_equal(arrange(1, true, out), POOL);
    assert_int_equal(out[0], 2);
    assert_int_not_equal(first(2, true), 2);
    atomic_store(&k.state[2].ping_failed, true);
    assert_int_not_equal(first(1, true), 2);
    atomic_store(&k.state[2].ping_failed, false);
    sw_challenged_add(&proxy.challenged, SW_SLICE("call-3@host"), k.peers[2].id,
                      NOW_MS - SW_CHALLENGED_MS);
    assert_int_not_equal(first(3, true), 2);
    sw_challenged_fini(&proxy.challenged);
    load(2, 0);
}

/* Memory stays, and the last ones are known. */
static void test_challenged_calls_make_room(void **state)
{
    struct sw_challenged x;
    char id[32];
    unsigned known = 0;
    (void)state;
    enum { CALLS = 100 * SW_CHALLENGED_SETS * SW_CHALLENGED_WAYS };
    assert_int_equal(sw_challenged_init(&x, (struct sw_sip_key){1, 2}), SW_OK);
    for (unsigned i = 0; i < CALLS; i++) {
        snprintf(id, sizeof(id), "%u", i);
        sw_challenged_add(&x, sw_slice_str(id), i + 1, NOW_MS + i / 100);
        assert_int_equal(sw_challenged_by(&x, sw_slice_str(id), NOW_MS + i / 100), i + 1);
    }
    for (unsigned i = CALLS - SW_CHALLENGED_SETS; i < CALLS; i++) {
        snprintf(id, sizeof(id), "%u", i);
        known += sw_challenged_by(&x, sw_slice_str(id), NOW_MS + CALLS / 100) == i + 1;
    }
    assert_in_range(known, SW_CHALLENGED_SETS * 9 / 10, SW_CHALLENGED_SETS);
    sw_challenged_add(&x, sw_slice_str(id), 7, NOW_MS + CALLS / 100); /* another one asked then */
    assert_int_equal(sw_challenged_by(&x, sw_slice_str(id), NOW_MS + CALLS / 100), 7);
    sw_challenged_fini(&x);
}

static void test_only_those_that_are_up_are_among_them(void **state)
{
    (void)state;
    int out[POOL];
    atomic_store(&k.state[2].down_until_ms, NOW_MS + 1);
    atomic_store(&k.state[3].load->try_at_ms, NOW_MS + 1);
    for (int how = SW_CHOOSE_WEIGHT; how <= SW_CHOOSE_HASH; how++) {
        route->choose = (uint8_t)how;
        assert_int_equal(arrange(1, true, out), 2);
        assert_int_equal(arrange(1, false, out), POOL);
        atomic_store(&k.state[3].load->try_at_ms, NOW_MS); /* its time has come */
        assert_int_equal(arrange(1, true, out), 3);
        atomic_store(&k.state[3].load->try_at_ms, NOW_MS + 1);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_order_is_that_of_the_file),
        TEST(test_weights_are_met),
        TEST(test_alternatives_come_in_weighted_order),
        TEST(test_lower_order_comes_first_whatever_the_weight),
        TEST(test_least_loaded_for_its_weight_comes_first),
        TEST(test_those_that_are_equally_loaded_share_by_weight),
        TEST(test_hash_spreads_calls_by_weight),
        TEST(test_hash_moves_only_the_calls_of_the_peer_that_goes),
        TEST(test_hash_is_the_same_everywhere),
        TEST(test_draws_are_distributed_as_logarithms),
        TEST(test_weight_is_drawn_once_for_a_call),
        TEST(test_least_loaded_comes_back_to_who_challenged),
        TEST(test_challenged_calls_make_room),
        TEST(test_only_those_that_are_up_are_among_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

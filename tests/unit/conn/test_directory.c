#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/flow.h"
#include "conn/directory.h"
#include "support/random.h"
#include <pthread.h>

static struct sw_directory *g_directory;

static int start(void **state)
{
    (void)state;
    g_directory = sw_directory_new(1000);
    return g_directory ? 0 : -1;
}

static int finish(void **state)
{
    (void)state;
    sw_directory_free(g_directory);
    return 0;
}

static void assert_on(struct sw_key key, uint16_t worker)
{
    assert_int_equal(sw_directory_find(g_directory, key), worker);
}

static void test_directory_finds_who_has_a_transaction(void **state)
{
    const struct sw_key key = {1, 2}, same_b = {3, 2}, same_a = {1, 3};
    (void)state;
    assert_on(key, SW_WORKER_ANY);
    assert_int_equal(sw_directory_put(g_directory, key, 0), SW_OK);
    assert_int_equal(sw_directory_put(g_directory, same_b, 7), SW_OK);
    assert_on(key, 0);
    assert_on(same_b, 7);
    assert_on(same_a, SW_WORKER_ANY);
    sw_directory_free(NULL);
}

/* What another worker has entered since under the same key is not taken out. */
static void test_directory_del_is_the_owners(void **state)
{
    const struct sw_key key = {1, 2};
    (void)state;
    assert_int_equal(sw_directory_put(g_directory, key, 4), SW_OK);
    sw_directory_del(g_directory, key, 5);
    assert_on(key, 4);
    sw_directory_del(g_directory, key, 4);
    assert_on(key, SW_WORKER_ANY);
    sw_directory_del(g_directory, key, 4);
    assert_int_equal(sw_directory_put(g_directory, key, 6), SW_OK); /* memory used again */
    assert_on(key, 6);
}

/* Many more than it was made for, entered, found and taken out in chance order. */
static void test_directory_agrees_with_a_plain_table(void **state)
{
    enum { KEYS = 20000, ROUNDS = 200000 };
    static uint16_t have[KEYS];
    struct rng r = rng_start(__func__);
    (void)state;
    for (int i = 0; i < KEYS; i++)
        have[i] = SW_WORKER_ANY;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t i = rng_below(&r, KEYS);
        struct sw_key key = {i * UINT64_C(0x9e3779b97f4a7c15), i * UINT64_C(0xbf58476d1ce4e5b9)};
        assert_on(key, have[i]);
        if (have[i] != SW_WORKER_ANY) {
            sw_directory_del(g_directory, key, have[i]);
            have[i] = SW_WORKER_ANY;
        } else {
            have[i] = (uint16_t)rng_below(&r, 8);
            assert_int_equal(sw_directory_put(g_directory, key, have[i]), SW_OK);
        }
    }
}

static void *come_and_go(void *arg)
{
    uint16_t worker = *(uint16_t *)arg;
    uintptr_t wrong = 0;
    for (uint64_t i = 0; i < 50000; i++) {
        struct sw_key key = {worker, i}, others = {(worker + 1u) % 4, i};
        wrong += sw_directory_put(g_directory, key, worker) != SW_OK;
        wrong += sw_directory_find(g_directory, key) != worker;
        uint16_t other = sw_directory_find(g_directory, others);
        wrong += other != SW_WORKER_ANY && other != others.a;
        sw_directory_del(g_directory, key, worker);
        wrong += sw_directory_find(g_directory, key) != SW_WORKER_ANY;
    }
    return (void *)wrong;
}

static void test_directory_serves_threads_at_once(void **state)
{
    enum { THREADS = 4 };
    pthread_t thread[THREADS];
    uint16_t worker[THREADS];
    (void)state;
    for (uint16_t i = 0; i < THREADS; i++) {
        worker[i] = i;
        assert_int_equal(pthread_create(&thread[i], NULL, come_and_go, &worker[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        assert_int_equal(pthread_join(thread[i], &wrong), 0);
        assert_null(wrong);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_directory_finds_who_has_a_transaction),
        TEST(test_directory_del_is_the_owners),
        TEST(test_directory_agrees_with_a_plain_table),
        TEST(test_directory_serves_threads_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The library's heap: what is written stays, whatever is taken and returned meanwhile. */
#include "crypto/mem.h"
#include "support/random.h"
#include "support/unit.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <string.h>

enum { BLOCKS = 300, ROUNDS = 40000, SIZE_MAX_TRIED = 40000 };

struct held {
    unsigned char *p;
    size_t n;
    unsigned char fill;
};

static void check(const struct held *h)
{
    for (size_t i = 0; i < h->n; i++)
        assert_int_equal(h->p[i], h->fill);
}

static size_t some_size(struct rng *r)
{
    return 1 + rng_below(r, rng_below(r, 4) ? 700 : SIZE_MAX_TRIED);
}

static void step(struct rng *r, struct held *h)
{
    size_t n = some_size(r);
    if (h->p && rng_below(r, 3) == 0) {
        size_t kept = h->n < n ? h->n : n;
        h->p = OPENSSL_realloc(h->p, n);
        assert_non_null(h->p);
        h->n = kept;
        check(h);
    } else {
        check(h);
        OPENSSL_free(h->p);
        h->p = OPENSSL_malloc(n);
        assert_non_null(h->p);
        assert_int_equal((uintptr_t)h->p % 16, 0);
        h->fill = (unsigned char)rng_below(r, 256);
    }
    h->n = n;
    memset(h->p, h->fill, n);
}

static void test_mem_keeps_what_is_written(void **state)
{
    static struct held held[BLOCKS];
    struct rng r = rng_start(__func__);
    (void)state;
    for (int i = 0; i < ROUNDS; i++)
        step(&r, &held[rng_below(&r, BLOCKS)]);
    for (int i = 0; i < BLOCKS; i++) {
        check(&held[i]);
        OPENSSL_free(held[i].p);
    }
}

static void test_mem_gives_zeros_where_they_are_asked_for(void **state)
{
    (void)state;
    for (size_t n = 1; n < 3000; n += 7) {
        unsigned char *p = OPENSSL_malloc(n);
        memset(p, 0xff, n);
        OPENSSL_free(p);
        p = OPENSSL_zalloc(n);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        OPENSSL_free(p);
    }
    assert_null(OPENSSL_malloc(0));
    OPENSSL_free(NULL);
}

static void *free_all(void *blocks)
{
    void **p = blocks;
    for (int i = 0; i < BLOCKS; i++)
        OPENSSL_free(p[i]);
    sw_crypto_mem_end();
    OPENSSL_free(OPENSSL_malloc(100)); /* after its end a thread uses the plain heap */
    return NULL;
}

static void test_mem_takes_blocks_of_other_threads(void **state)
{
    static void *blocks[BLOCKS];
    pthread_t t;
    (void)state;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < BLOCKS; i++)
            blocks[i] = OPENSSL_malloc((size_t)i * 60 + 1);
        assert_int_equal(pthread_create(&t, NULL, free_all, blocks), 0);
        pthread_join(t, NULL);
    }
}

static int start(void **state)
{
    (void)state;
    sw_crypto_mem_start();
    return 0;
}

static int finish(void **state)
{
    (void)state;
    sw_crypto_mem_end();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mem_keeps_what_is_written),
        cmocka_unit_test(test_mem_gives_zeros_where_they_are_asked_for),
        cmocka_unit_test(test_mem_takes_blocks_of_other_threads),
    };
    return cmocka_run_group_tests(tests, start, finish);
}

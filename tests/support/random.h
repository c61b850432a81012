/* Random numbers for property tests. The seed is printed; SW_TEST_SEED repeats a run. */
#ifndef SW_TESTS_RANDOM_H
#define SW_TESTS_RANDOM_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct rng {
    uint64_t state;
};

static inline struct rng rng_start(const char *test)
{
    const char *given = getenv("SW_TEST_SEED");
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t seed =
        given ? strtoull(given, NULL, 0) : (uint64_t)t.tv_sec << 20 ^ (uint64_t)t.tv_nsec;
    printf("%s: SW_TEST_SEED=%" PRIu64 "\n", test, seed);
    return (struct rng){seed};
}

/** The next 64 bits of splitmix64. */
static inline uint64_t rng_next(struct rng *r)
{
    uint64_t x = r->state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/** A number below `n`, which is not 0. */
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
    return rng_next(r) % n;
}

#endif

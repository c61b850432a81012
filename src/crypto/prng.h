/* Random numbers for pure rooms: seeded by their executor, so that a simulation can repeat itself,
 * and unpredictable to peers when the seed is. */
#ifndef SW_CRYPTO_PRNG_H
#define SW_CRYPTO_PRNG_H

#include "crypto/siphash.h"

struct sw_prng {
    struct sw_sip_key key;
    uint64_t counter;
};

/** The next 64 random bits. */
static inline uint64_t sw_prng_next(struct sw_prng *r)
{
    uint64_t c = r->counter++;
    return sw_siphash64(r->key, &c, sizeof(c));
}

#endif

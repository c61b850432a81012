/* Chains that were verified lately, so that a peer that connects again costs no second
 * verification. It holds only successes; names and proof of the key are checked each time. One per
 * thread. */
#ifndef SW_CRYPTO_LEAFCACHE_H
#define SW_CRYPTO_LEAFCACHE_H

#include "base/map.h"
#include "crypto/trust.h"
#include <string.h>

/* Entries at most, the oldest goes; and how long one is good, at most. */
enum { SW_LEAFCACHE_MAX = 4096, SW_LEAFCACHE_S = 3600 };

/* Trust entries that can vouch for one chain. */
enum { SW_VOUCHED_MAX = 64 };

struct sw_vouched {
    uint32_t id[SW_VOUCHED_MAX];
    uint8_t uses[SW_VOUCHED_MAX]; /* enum sw_use: what each lets the leaf be used for */
    uint32_t count;
};

/* What a verification depends on: the same leaf under other rules is another entry. */
struct sw_leaf_key {
    uint8_t sha256[SW_SHA256_BYTES]; /* of the leaf and what came with it */
    uint64_t trust; /* the store's number: one made later has another, even at the same address */
    uint64_t revocations; /* the version of what was learnt: a revocation forgets all */
    uint32_t security_level;
    bool of_client; /* judged as a client's certificate, else as a server's */
};

struct sw_leafcache;

/** NULL: memory is out. */
struct sw_leafcache *sw_leafcache_new(void);
void sw_leafcache_free(struct sw_leafcache *c);

/** Forgets all: stores that were replaced are not asked again. */
void sw_leafcache_clear(struct sw_leafcache *c);

/** True if this leaf was verified and is still good at `now_s`. */
bool sw_leafcache_find(const struct sw_leafcache *c, const struct sw_leaf_key *key, int64_t now_s,
                       struct sw_vouched *out);

/** Remembers a success, good until `until_s` (the earliest end in its chain) or SW_LEAFCACHE_S. */
void sw_leafcache_add(struct sw_leafcache *c, const struct sw_leaf_key *key, int64_t now_s,
                      int64_t until_s, const struct sw_vouched *vouched);

#endif

/* SipHash-2-4: a fast keyed hash for tables, tags and branches that peers must not predict. */
#ifndef SW_CRYPTO_SIPHASH_H
#define SW_CRYPTO_SIPHASH_H

#include "base/map.h"
#include "base/slice.h"

struct sw_sip_key {
    uint64_t k0, k1;
};

/* A hash fed in pieces. */
struct sw_siphash {
    uint64_t v0, v1, v2, v3;
    uint64_t tail;  /* bytes that do not fill a word yet */
    uint64_t total; /* bytes so far */
};

/** Starts a 128-bit hash. Aumasson and Bernstein, "SipHash: a fast short-input PRF" */
void sw_siphash_init(struct sw_siphash *h, struct sw_sip_key key);

/** Adds bytes. Pieces are not separated: put something between two that could flow together. */
void sw_siphash_add(struct sw_siphash *h, const void *p, size_t n);

/** Adds a slice and its length, so that neighbours cannot flow together. */
void sw_siphash_slice(struct sw_siphash *h, struct sw_slice s);

/** The same, with ASCII letters in lower case. */
void sw_siphash_slice_lower(struct sw_siphash *h, struct sw_slice s);

/** The 128-bit result; the state is used up. */
struct sw_key sw_siphash_end(struct sw_siphash *h);

/** The 64-bit hash of one run of bytes. */
uint64_t sw_siphash64(struct sw_sip_key key, const void *p, size_t n);

#endif

/* HMAC-SHA-256 with the key's two blocks hashed in advance, SHA-256, and comparison in constant
 * time. The backend of the build stands behind it. */
#ifndef SW_CRYPTO_HMAC_H
#define SW_CRYPTO_HMAC_H

#include "base/slice.h"
#include "base/status.h"

enum { SW_SHA256_BYTES = 32 };

/* A prepared key. The content is the backend's. */
struct sw_hmac_key {
    _Alignas(16) uint8_t inner[128];
    _Alignas(16) uint8_t outer[128];
};

/** Prepares a key of any length. RFC 2104 */
void sw_hmac_key_init(struct sw_hmac_key *k, const void *key, size_t n);

/** The HMAC over `parts` one after the other. Any thread; no allocation. RFC 2104 */
void sw_hmac(const struct sw_hmac_key *k, const struct sw_slice *parts, size_t count,
             uint8_t out[SW_SHA256_BYTES]);

/** SHA-256 of one run of bytes. */
void sw_sha256(const void *p, size_t n, uint8_t out[SW_SHA256_BYTES]);

/** Equality in a time that does not depend on the bytes. */
bool sw_equal_const(const void *a, const void *b, size_t n);

/** Overwrites a secret; not removed by the optimiser. */
void sw_wipe(void *p, size_t n);

#endif

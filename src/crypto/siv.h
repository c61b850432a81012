/* Deterministic sealing: the same text under the same key always becomes the same bytes, and nobody
 * without the key can read or make them. The tag is a MAC over the text and is the initial value of
 * the key stream, as in SIV mode (RFC 5297), so that no nonce exists that could be used twice. MAC
 * and key stream are HMAC-SHA-256: no allocation, and no table look-ups that depend on a secret. */
#ifndef SW_CRYPTO_SIV_H
#define SW_CRYPTO_SIV_H

#include "crypto/hmac.h"

enum { SW_SIV_TAG_BYTES = 16 };

struct sw_siv_key {
    struct sw_hmac_key mac, stream;
};

/** Derives both keys from `master` for one purpose, which `label` names. RFC 5869 2.3 and 3.3 */
void sw_siv_key_init(struct sw_siv_key *k, const struct sw_hmac_key *master, struct sw_slice label);

/**
 * Seals `text` into `out`, which gets SW_SIV_TAG_BYTES more than it has. `context` is not in it,
 * but must be the same when it is opened. Any thread; no allocation. After RFC 5297 2.6
 */
void sw_siv_seal(const struct sw_siv_key *k, struct sw_slice context, struct sw_slice text,
                 uint8_t *out);

/**
 * Opens what sw_siv_seal made into `out`, which gets SW_SIV_TAG_BYTES less. False: forged, damaged,
 * of another key or context; then `out` is wiped. After RFC 5297 2.7
 */
SW_MUST_USE bool sw_siv_open(const struct sw_siv_key *k, struct sw_slice context,
                             struct sw_slice sealed, uint8_t *out);

#endif

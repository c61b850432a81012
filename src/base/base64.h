/* base64url without padding (RFC 4648 section 5): every letter of it may stand in a SIP token. */
#ifndef SW_BASE_BASE64_H
#define SW_BASE_BASE64_H

#include "base/buf.h"

/* Letters that `n` bytes take. */
#define SW_BASE64_LEN(n) (((n)*4 + 2) / 3)

/** Appends `n` bytes as base64url. RFC 4648 5 */
void sw_base64_put(struct sw_buf *b, const void *p, size_t n);

/**
 * Decodes all of `s` into `out`; false on a foreign letter, stray bits, or a length other than `n`.
 * RFC 4648 5 and 3.5 (canonical encoding only, so that one value has one spelling).
 */
bool sw_base64_get(struct sw_slice s, void *out, size_t n);

/** The number of bytes that a run of `letters` letters decodes to. */
static inline size_t sw_base64_bytes(size_t letters)
{
    return letters * 3 / 4;
}

#endif

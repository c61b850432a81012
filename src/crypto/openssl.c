/* OpenSSL behind crypto/hmac.h. The low-level SHA-256 is used on purpose: EVP fetches and allocates
 * per message, and a prepared HMAC key must be copied without either. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/hmac.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(((struct sw_hmac_key *)0)->inner), "hmac state size");

void sw_hmac_key_init(struct sw_hmac_key *k, const void *key, size_t n)
{
    uint8_t block[SHA256_CBLOCK] = {0};
    SHA256_CTX inner, outer;
    if (n > sizeof(block))
        SHA256(key, n, block);
    else
        memcpy(block, key, n);
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] ^= 0x36;
    SHA256_Init(&inner);
    SHA256_Update(&inner, block, sizeof(block));
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] ^= 0x36 ^ 0x5c;
    SHA256_Init(&outer);
    SHA256_Update(&outer, block, sizeof(block));
    memcpy(k->inner, &inner, sizeof(inner));
    memcpy(k->outer, &outer, sizeof(outer));
    sw_wipe(block, sizeof(block));
}

void sw_hmac(const struct sw_hmac_key *k, const struct sw_slice *parts, size_t count,
             uint8_t out[SW_SHA256_BYTES])
{
    SHA256_CTX h;
    uint8_t digest[SW_SHA256_BYTES];
    memcpy(&h, k->inner, sizeof(h));
    for (size_t i = 0; i < count; i++)
        SHA256_Update(&h, parts[i].p, parts[i].n);
    SHA256_Final(digest, &h);
    memcpy(&h, k->outer, sizeof(h));
    SHA256_Update(&h, digest, sizeof(digest));
    SHA256_Final(out, &h);
}

void sw_sha256(const void *p, size_t n, uint8_t out[SW_SHA256_BYTES])
{
    SHA256(p, n, out);
}

bool sw_equal_const(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

void sw_wipe(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}

/* What the OpenSSL backend files share. No other file includes it. */
#ifndef SW_CRYPTO_OPENSSL_TYPES_H
#define SW_CRYPTO_OPENSSL_TYPES_H

#include "crypto/leafcache.h"
#include "crypto/trust.h"

#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

static inline X509 *sw_x509(const struct sw_cert *c)
{
    return (X509 *)(uintptr_t)c;
}

static inline EVP_PKEY *sw_pkey(const struct sw_key *k)
{
    return (EVP_PKEY *)(uintptr_t)k;
}

static inline X509_CRL *sw_x509_crl(const struct sw_crl *c)
{
    return (X509_CRL *)(uintptr_t)c;
}

/** Says what was refused and, after ": ", the library's last error, whose queue it empties.
 * SW_PEER_SYNTAX, for the caller to return. */
SW_MUST_USE enum sw_status sw_crypto_refuse(char why[SW_WHY_MAX], const char *what);

struct sw_trust_verdict {
    int error; /* X509_V_OK or X509_V_ERR_... */
    int depth; /* of the certificate that failed, 0: the leaf */
    struct sw_vouched vouched;
    bool pending; /* an answer about a revocation is awaited: ask again. The error is X509_V_OK */
};

/** The store to set on an SSL, so that chains are built against it. */
X509_STORE *sw_trust_store(const struct sw_trust *t);

/** A digest of which entries it is made of, by their ids: it outlives a reload. */
const uint8_t *sw_trust_scope(const struct sw_trust *t);

/* No staple came, and the certificate wants one: the library has no word for it that it uses. */
enum { SW_V_ERR_STAPLE_MISSING = X509_V_ERR_APPLICATION_VERIFICATION };

/* Whether a server whose certificate says so must have stapled. RFC 7633 4.3.3 */
enum sw_staple_due {
    SW_STAPLE_NOT_DUE,  /* it was not asked to, it did, or it may do so yet */
    SW_STAPLE_DUE,      /* it was asked to, and did not */
    SW_STAPLE_DUE_ONCE, /* a session is resumed: what it stapled then must still be known */
};

/* How a chain is to be judged. */
struct sw_trust_ask {
    bool of_client;
    enum sw_staple_due due;
    bool last;              /* an answer that is not there by now is not waited for */
    bool staple_follows;    /* one may come: nobody is asked until then */
    struct sw_slice staple; /* an OCSP answer for the leaf; empty: none */
};

/**
 * Judges the chain in `ctx`: pins, the chain to an anchor, depth and revocation per entry. What
 * `cache` knows is not built again. RFC 3261 26.3.1; RFC 5922 7.1; RFC 5280 6.1
 */
bool sw_trust_verify(const struct sw_trust *t, X509_STORE_CTX *ctx, const struct sw_trust_ask *ask,
                     struct sw_leafcache *cache, struct sw_trust_verdict *out);

/* What revocation is judged by. */
struct sw_revocation_ask {
    struct sw_revocations *learnt; /* NULL: nothing is fetched */
    struct sw_slice staple;        /* of the leaf; empty: none */
    bool last;                     /* what has not come by now is not known */
    bool staple_follows;           /* the responder is not asked yet */
    int64_t now_s;
    bool *unknown; /* set if it is believed, and nobody said that it is good; may be NULL */
};

/**
 * Whether `x`, which `issuer` has signed, was revoked, as the entry wants it found out: X509_V_OK
 * or X509_V_ERR_...; X509_V_ERR_OCSP_VERIFY_NEEDED: it is being asked for. `until_s` becomes
 * smaller if the answer is good for less long. RFC 5280 6.3.3; RFC 9325 7.5
 */
int sw_revoked(const struct sw_trust_entry *e, const struct sw_revocation_ask *ask, X509 *x,
               X509 *issuer, int64_t *until_s);

/** True if it names a responder that can be asked, or where a list is. RFC 5280 4.2.1.13, 4.2.2.1
 */
bool sw_x509_names_source(X509 *x);

/** True if the extension names status_request, or cannot be read. RFC 7633 4.2.3.1 */
bool sw_x509_must_staple(X509 *x);

/** The same of a chain up to its anchor: a CA's extension holds for what it issues. RFC 7633 4.2.2
 */
bool sw_chain_must_staple(STACK_OF(X509) * chain, int anchor_at);

/** True if OCSP, or an earlier staple, says that `x` is good, and that is current. */
bool sw_is_known_good(struct sw_revocations *learnt, X509 *x, X509 *issuer, int64_t now_s);

/** What the certificate itself allows, see enum sw_use. RFC 5280 4.2.1.12; RFC 5924 5; RFC 5922 7.1
 */
uint8_t sw_x509_uses(X509 *x);

/** The same of a chain's leaf: a CA's extendedKeyUsage holds for all below it. The chain ends at
 * `anchor_at`. */
uint8_t sw_x509_chain_uses(STACK_OF(X509) * chain, int anchor_at);

/** X509_V_OK, or what is too weak in a chain that ends at `anchor_at`, and where in `*depth`. The
 * anchor's own signature proves nothing and is not looked at. RFC 9325 4.5 */
int sw_x509_chain_weak(STACK_OF(X509) * chain, int anchor_at, int *depth);

/** True if the key is one that nobody should believe any more: RSA under 2048 bits, all else under
 * 112 bits of strength (EC under 224 bits). RFC 9325 4.5 */
bool sw_x509_weak_key(X509 *x);
bool sw_weak_public_key(const EVP_PKEY *key);

/** True if it was signed with a hash whose collisions are found, such as SHA-1 and MD5. RFC 9325
 * 4.5 */
bool sw_x509_weak_signature(X509 *x);

/** The same of the signature on a list or an answer. */
bool sw_weak_algorithm(const X509_ALGOR *a);

/** SHA-256 of the certificate; false: memory is out. */
bool sw_x509_sha256(X509 *x, uint8_t out[SW_SHA256_BYTES]);

/** SHA-256 of the SubjectPublicKeyInfo, as RFC 7469 2.4 has it; false: memory is out. */
bool sw_x509_key_sha256(X509 *x, uint8_t out[SW_SHA256_BYTES]);

/** The kind of a key, such as "EC P-256" or "RSA 2048"; empty without a key. */
void sw_pkey_name(EVP_PKEY *key, char *out, size_t cap);

/** Seconds since 1970 of an ASN.1 time. */
int64_t sw_asn1_time_s(const ASN1_TIME *t);

#endif

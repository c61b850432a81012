/* Makes keys, certificates and revocation lists of a small private CA. The backend of the build
 * stands behind it. Moments are seconds since 1970. */
#ifndef SW_CRYPTO_ISSUE_H
#define SW_CRYPTO_ISSUE_H

#include "crypto/x509.h"

/* Random bits enough that nobody foretells a serial (CA/Browser Forum 7.1: at least 64). */
enum { SW_SERIAL_BYTES = 16 };

/* Who signs; both are borrowed. */
struct sw_issuer {
    const struct sw_cert *cert;
    const struct sw_key *key;
};

/* What a certificate is to say; all is borrowed. */
struct sw_issue {
    uint8_t serial[SW_SERIAL_BYTES];
    const char *common_name; /* UTF-8, at most 64 characters: RFC 5280 appendix A.1 */
    int64_t not_before_s, not_after_s;
    const char *const *domains; /* each becomes URI:sip:DOMAIN and DNS:DOMAIN */
    size_t domain_count;
    const struct sw_endpoint *addresses;
    size_t address_count;
    bool client, server; /* purposes */
};

/* One row of a revocation list. */
struct sw_revoked {
    uint8_t serial[SW_SERIAL_BYTES];
    int64_t at_s;
};

/* The dates and number of a revocation list. */
struct sw_crl_dates {
    uint64_t number; /* higher than that of the list before: RFC 5280 5.2.3 */
    int64_t this_update_s, next_update_s;
};

/** Random bytes for a serial: positive, and always of the same length. RFC 5280 4.1.2.2 */
SW_MUST_USE enum sw_status sw_serial_make(uint8_t out[SW_SERIAL_BYTES]);

/** A new key: RSA of `rsa_bits`, or ECDSA on P-256 with 0. */
SW_MUST_USE enum sw_status sw_key_make(unsigned rsa_bits, struct sw_key **out);

/**
 * The key as PEM (PKCS#8), encrypted with `passphrase` unless that is empty. sw_pem_free gives it
 * back.
 */
SW_MUST_USE enum sw_status sw_key_pem(const struct sw_key *key, struct sw_slice passphrase,
                                      struct sw_slice *out);
SW_MUST_USE enum sw_status sw_cert_pem(const struct sw_cert *cert, struct sw_slice *out);
SW_MUST_USE enum sw_status sw_crl_pem(const struct sw_crl *crl, struct sw_slice *out);

void sw_cert_free(struct sw_cert *cert);
void sw_crl_free(struct sw_crl *crl);

/** Wipes and frees a PEM text. */
void sw_pem_free(struct sw_slice *text);

/** True if a PEM text holds an encrypted private key. */
bool sw_key_is_locked(struct sw_slice text);

/** Reads an encrypted private key. SW_DENIED: the passphrase does not open it. */
SW_MUST_USE enum sw_status sw_key_unlock(struct sw_slice text, struct sw_slice passphrase,
                                         struct sw_key **out);

/**
 * A certificate for a CA that signs itself and has no CA below it; of `what` it takes serial, name
 * and dates. RFC 5280 4.2.1.9
 */
SW_MUST_USE enum sw_status sw_issue_ca(const struct sw_key *key, const struct sw_issue *what,
                                       struct sw_cert **out);

/**
 * A certificate for the holder of `key`, with domains as RFC 5922 7.1 finds them and, besides
 * serverAuth and clientAuth, the purpose id-kp-sipDomain of RFC 5924 4.1.
 */
SW_MUST_USE enum sw_status sw_issue_cert(const struct sw_issuer *by, const struct sw_key *key,
                                         const struct sw_issue *what, struct sw_cert **out);

/** A version 2 list with number and authority key. RFC 5280 5.2 */
SW_MUST_USE enum sw_status sw_issue_crl(const struct sw_issuer *by, const struct sw_revoked *rows,
                                        size_t count, const struct sw_crl_dates *dates,
                                        struct sw_crl **out);

#endif

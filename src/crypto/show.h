/* What stands in a file of certificates, keys and revocation lists, and facts of them that only a
 * reader wants to know. The backend of the build stands behind it. */
#ifndef SW_CRYPTO_SHOW_H
#define SW_CRYPTO_SHOW_H

#include "crypto/feature.h"
#include "crypto/hmac.h"
#include "crypto/x509.h"

enum sw_pem_kind {
    SW_PEM_CERT,
    SW_PEM_CRL,
    SW_PEM_KEY,    /* a private key */
    SW_PEM_PUBLIC, /* a public key alone */
    SW_PEM_LOCKED, /* an encrypted private key */
    SW_PEM_OTHER,  /* anything else; `label` says what */
    SW_PEM_BROKEN, /* `label` says what it was to be */
};

struct sw_pem_item {
    enum sw_pem_kind kind;
    char label[48]; /* of the PEM block, printable ASCII; of DER what it was found to be */
    struct sw_cert *cert;
    struct sw_crl *crl;
    struct sw_key *key; /* of SW_PEM_KEY and SW_PEM_PUBLIC */
};

struct sw_pem_items {
    struct sw_pem_item *item;
    size_t count;
};

/** All blocks of a PEM text in their order, or one object in DER. SW_PEER_SYNTAX: there is none. */
SW_MUST_USE enum sw_status sw_pem_items_parse(struct sw_slice text, struct sw_pem_items *out);
void sw_pem_items_free(struct sw_pem_items *items);

struct sw_key_facts {
    char name[32]; /* such as "EC P-256" */
    unsigned bits;
    bool rsa;
    uint8_t sha256[SW_SHA256_BYTES]; /* of the public key (SubjectPublicKeyInfo, DER) */
};

struct sw_cert_details {
    struct sw_key_facts key;
    char signature[48]; /* such as "ecdsa-with-SHA256" */
    bool weak_digest;   /* signed over MD5 or SHA-1 */
    bool has_san;
    int path_length; /* CA certificates that may stand below; -1: not limited */
    /* extendedKeyUsage; without one, everything is allowed: RFC 5280 4.2.1.12 */
    bool has_purposes, any_purpose, client, server, sip_domain;
    char purposes[256]; /* its words, a space between: RFC 5280 4.2.1.12, RFC 5924 4.1 */
    char features[SW_FEATURES_MAX]; /* what a server promises: RFC 7633; empty: nothing */
};

struct sw_crl_details {
    char signature[48];
    bool weak_digest;
    char number[48]; /* hexadecimal; empty: it has none */
    size_t revoked;
};

void sw_key_facts(const struct sw_key *key, struct sw_key_facts *out);
void sw_cert_details(const struct sw_cert *cert, struct sw_cert_details *out);
void sw_crl_details(const struct sw_crl *crl, struct sw_crl_details *out);

#endif

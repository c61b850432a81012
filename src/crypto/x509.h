/* Certificates, keys and revocation lists as opaque handles, and the facts in them. The backend of
 * the build stands behind it. Handles are shared and immutable: any thread may read them. */
#ifndef SW_CRYPTO_X509_H
#define SW_CRYPTO_X509_H

#include "base/ident.h"
#include "base/status.h"

struct sw_cert; /* one certificate */
struct sw_key;  /* a private key: signs, is never read out */
struct sw_crl;  /* one revocation list */

struct sw_certs {
    struct sw_cert **c;
    size_t count;
};

struct sw_crls {
    struct sw_crl **c;
    size_t count;
};

/* Text of why something was refused. */
enum { SW_WHY_MAX = 256 };

struct sw_cert_facts {
    char subject[256]; /* one line, UTF-8 */
    char issuer[256];
    char serial[64];    /* hexadecimal */
    char key[32];       /* such as "EC P-256" or "RSA 2048" */
    char signature[32]; /* such as "ecdsa-with-SHA256" */
    uint8_t sha256[32];
    uint8_t key_sha256[32];            /* of the SubjectPublicKeyInfo */
    int64_t not_before_s, not_after_s; /* seconds since 1970 */
    bool is_ca;
    bool self_issued; /* subject and issuer are the same */
    bool weak_key;    /* refused in every chain and as a pin */
    bool weak_signature;
    uint8_t uses; /* enum sw_use */
};

/** Reads all certificates of a PEM text, or one in DER. SW_PEER_SYNTAX with `why`;
 * SW_LIMIT_MEMORY likewise, also where only a part of a certificate could not be read for it. */
SW_MUST_USE enum sw_status sw_certs_parse(struct sw_slice text, struct sw_certs *out,
                                          char why[SW_WHY_MAX]);
void sw_certs_free(struct sw_certs *certs);

/** The same certificates once more, to be freed by themselves. SW_LIMIT_MEMORY. Any thread. */
SW_MUST_USE enum sw_status sw_certs_share(const struct sw_certs *of, struct sw_certs *out);

/** Reads an unencrypted private key in PEM. SW_PEER_SYNTAX with `why`. */
SW_MUST_USE enum sw_status sw_key_parse(struct sw_slice text, struct sw_key **out,
                                        char why[SW_WHY_MAX]);

/** The same; an encrypted key is opened with `passphrase` (.p NULL: none is known). Never asks. */
SW_MUST_USE enum sw_status sw_key_open(struct sw_slice text, struct sw_slice passphrase,
                                       struct sw_key **out, char why[SW_WHY_MAX]);

/**
 * The key that a "pkcs11:" URI names (RFC 7512), through OpenSSL's PKCS#11 engine: it stays in its
 * token and signs there, for any thread. `pin` (.p NULL: none) opens the token. Never asks. A
 * `module-path` in the URI names the token's library; all keys of a process use the same one.
 * SW_PEER_SYNTAX with `why`. Call from one thread.
 */
SW_MUST_USE enum sw_status sw_key_from_token(const char *uri, struct sw_slice pin,
                                             struct sw_key **out, char why[SW_WHY_MAX]);

void sw_key_free(struct sw_key *key);

/** The same key, for one more who frees it; NULL stays NULL. Any thread. */
struct sw_key *sw_key_share(struct sw_key *key);

/** True if two keys are of one kind, so that only one of them can be chosen in a handshake. */
bool sw_key_same_kind(const struct sw_key *a, const struct sw_key *b);

/** True if the private key belongs to the certificate. */
bool sw_key_fits(const struct sw_key *key, const struct sw_cert *cert);

/** Reads all revocation lists of a PEM text, or one in DER. SW_PEER_SYNTAX with `why`. */
SW_MUST_USE enum sw_status sw_crls_parse(struct sw_slice text, struct sw_crls *out,
                                         char why[SW_WHY_MAX]);
void sw_crls_free(struct sw_crls *crls);

/** The list at `at` once more, to be freed by itself. SW_LIMIT_MEMORY. Any thread. */
SW_MUST_USE enum sw_status sw_crls_share(const struct sw_crls *of, size_t at, struct sw_crls *out);

/** Moves all of `from` behind those of `to`. SW_LIMIT_MEMORY: both are as they were. */
SW_MUST_USE enum sw_status sw_crls_append(struct sw_crls *to, struct sw_crls *from);

/** When the list is to be replaced, seconds since 1970; 0: it does not say. */
int64_t sw_crl_next_update_s(const struct sw_crl *crl);

/** When the list was made. */
int64_t sw_crl_this_update_s(const struct sw_crl *crl);

/** What a certificate says of itself; its names are what RFC 3261 26.3.1 asks for. */
void sw_cert_facts(const struct sw_cert *cert, struct sw_cert_facts *out);

/** When a certificate begins and ends, seconds since 1970. */
int64_t sw_cert_not_before_s(const struct sw_cert *cert);
int64_t sw_cert_not_after_s(const struct sw_cert *cert);

/** True if `issuer` can have issued it, by names, key identifiers and usage: no signature is read.
 */
bool sw_cert_issued_by(const struct sw_cert *cert, const struct sw_cert *issuer);

/** Numbers that are equal if a certificate's issuer may be the other one's subject. */
uint32_t sw_cert_subject_number(const struct sw_cert *cert);
uint32_t sw_cert_issuer_number(const struct sw_cert *cert);

/**
 * True if the certificate may be shown as client or as server: its extendedKeyUsage names
 * clientAuth or serverAuth, or any, or there is none. RFC 5280 4.2.1.12
 */
bool sw_cert_purpose(const struct sw_cert *cert, bool as_client);

/* The CAs that the system believes, such as those of /etc/ssl/certs. */
struct sw_system_cas;

/** Reads them. NULL: memory is out. */
struct sw_system_cas *sw_system_cas_new(void);
void sw_system_cas_free(struct sw_system_cas *s);

/** True if one of them can have issued the certificate. */
bool sw_system_cas_issued(struct sw_system_cas *s, const struct sw_cert *cert);

/** The facts of one certificate in DER, as it stands in a handshake. SW_PEER_SYNTAX */
SW_MUST_USE enum sw_status sw_cert_der_facts(struct sw_slice der, struct sw_cert_facts *out);

/** Appends what its extendedKeyUsage allows, such as "serverAuth clientAuth"; "any" without one. */
void sw_cert_purposes_put(struct sw_buf *b, const struct sw_cert *cert);

/** A distinguished name in DER as one line. SW_PEER_SYNTAX */
SW_MUST_USE enum sw_status sw_name_der_text(struct sw_slice der, char out[256]);

/**
 * What a certificate proves, in one block of memory that sw_ident_free gives back. `vouched` is
 * copied; `uses` of each is what the certificate itself says. NULL: memory is out, or it has more
 * than SW_CERT_NAMES_MAX names.
 */
struct sw_ident *sw_ident_new(const struct sw_cert *cert, const uint32_t *vouched,
                              uint32_t vouched_count);
void sw_ident_free(struct sw_ident *ident);

struct sw_crl_facts {
    char issuer[256];                     /* one line, UTF-8 */
    int64_t this_update_s, next_update_s; /* seconds since 1970; next 0: it does not say */
};

void sw_crl_facts(const struct sw_crl *crl, struct sw_crl_facts *out);

#endif

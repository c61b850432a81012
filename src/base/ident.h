/* What a certificate proved: the names in it, and which trust entries vouch for its chain. Plain
 * facts; whether they suffice for a peer is decided in sip/domain.h and proxy/ingress.h. */
#ifndef SW_BASE_IDENT_H
#define SW_BASE_IDENT_H

#include "base/buf.h"
#include "base/endpoint.h"

enum sw_cert_name_kind {
    SW_NAME_URI, /* subjectAltName uniformResourceIdentifier */
    SW_NAME_DNS, /* subjectAltName dNSName */
    SW_NAME_IP,  /* subjectAltName iPAddress: `ip` holds it */
    SW_NAME_CN,  /* subject commonName, listed only if there is no subjectAltName at all */
};

struct sw_cert_name {
    struct sw_slice text; /* bytes of the certificate, unchecked; for SW_NAME_IP as text */
    struct sw_endpoint ip;
    uint8_t kind;
};

/* Names one certificate may carry: hosting companies' have some hundred. */
enum { SW_CERT_NAMES_MAX = 512 };

/* What a certificate may be used for, by its extendedKeyUsage and keyUsage. A missing extension and
 * anyExtendedKeyUsage restrict nothing. RFC 5280 4.2.1.3, 4.2.1.12, RFC 5924 4.1 */
enum sw_use {
    SW_USE_CLIENT = 1,     /* clientAuth */
    SW_USE_SERVER = 2,     /* serverAuth */
    SW_USE_SIP = 4,        /* id-kp-sipDomain */
    SW_USE_SIGN = 8,       /* digitalSignature */
    SW_USE_ENCIPHER = 16,  /* keyEncipherment */
    SW_USE_UNCHECKED = 32, /* allows nothing: whether it was revoked was asked, and is not known */
    SW_USE_PURPOSES = SW_USE_CLIENT | SW_USE_SERVER | SW_USE_SIP,
    SW_USE_KEY = SW_USE_SIGN | SW_USE_ENCIPHER,
    SW_USE_ALL = SW_USE_PURPOSES | SW_USE_KEY,
};

/* A certificate or public key that is accepted exactly as it is. */
struct sw_pin {
    uint8_t sha256[32]; /* of the certificate (DER), or of its SubjectPublicKeyInfo (DER) */
    bool of_key;
    const char *name; /* as the configuration has it, for the log; may be NULL */
};

/* In `vouched`, beside the ids of trust entries: signed TLSA records of the server. RFC 6698 */
#define SW_VOUCHED_DANE_EE UINT32_MAX       /* they are of this certificate or key: usage 3 */
#define SW_VOUCHED_DANE_TA (UINT32_MAX - 1) /* of a CA of its chain: usage 2; entries are below */

struct sw_ident {
    uint8_t fingerprint[32];          /* SHA-256 of the certificate (DER) */
    uint8_t key_sha256[32];           /* SHA-256 of its SubjectPublicKeyInfo (DER) */
    const struct sw_cert_name *names; /* with their bytes in the same block as this structure */
    const uint32_t *vouched;          /* ids of the trust entries that accept the chain or pin */
    const uint8_t *uses; /* enum sw_use, as each of `vouched` allows it: CAs may narrow it */
    uint32_t name_count;
    uint32_t vouched_count;
    int64_t not_after_s; /* end of validity, seconds since 1970 */
};

/** True if the trust entry accepts this certificate. */
static inline bool sw_ident_vouched(const struct sw_ident *i, uint32_t trust_id)
{
    for (uint32_t k = 0; k < i->vouched_count; k++)
        if (i->vouched[k] == trust_id)
            return true;
    return false;
}

/** What it may be used for under this trust entry (enum sw_use); 0 if that does not accept it. */
static inline unsigned sw_ident_uses(const struct sw_ident *i, uint32_t trust_id)
{
    for (uint32_t k = 0; i->uses && k < i->vouched_count; k++)
        if (i->vouched[k] == trust_id)
            return i->uses[k];
    return 0;
}

/** True if an entry believes it without knowing whether it was revoked. */
static inline bool sw_ident_unchecked(const struct sw_ident *i)
{
    for (uint32_t k = 0; i->uses && k < i->vouched_count; k++)
        if (i->uses[k] & SW_USE_UNCHECKED)
            return true;
    return false;
}

/** The pin that the certificate is, or NULL. */
const struct sw_pin *sw_pin_find(const struct sw_pin *pins, size_t count,
                                 const struct sw_ident *ident);

/** The names, such as "URI:sip:a.test DNS:a.test", as far as they fit. */
void sw_ident_put_names(const struct sw_ident *ident, struct sw_buf *b);

#endif

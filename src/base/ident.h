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

struct sw_ident {
    uint8_t fingerprint[32];          /* SHA-256 of the certificate (DER) */
    const struct sw_cert_name *names; /* with their bytes in the same block as this structure */
    const uint32_t *vouched;          /* ids of the trust entries that accept the chain or pin */
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

/** The names, such as "URI:sip:a.test DNS:a.test", as far as they fit. */
void sw_ident_put_names(const struct sw_ident *ident, struct sw_buf *b);

#endif

/* OpenSSL behind what configurations share: certificates, keys and lists are counted. */
#include "crypto/openssl_types.h"

#include <stdlib.h>

enum sw_status sw_certs_share(const struct sw_certs *of, struct sw_certs *out)
{
    struct sw_cert **c = calloc(of->count + 1, sizeof(struct sw_cert *));
    if (!c)
        return SW_LIMIT_MEMORY;
    for (size_t i = 0; i < of->count; i++) {
        c[i] = of->c[i];
        X509_up_ref(sw_x509(c[i]));
    }
    *out = (struct sw_certs){c, of->count};
    return SW_OK;
}

enum sw_status sw_crls_share(const struct sw_crls *of, size_t at, struct sw_crls *out)
{
    struct sw_crl **c = calloc(1, sizeof(struct sw_crl *));
    if (!c)
        return SW_LIMIT_MEMORY;
    *c = of->c[at];
    X509_CRL_up_ref(sw_x509_crl(*c));
    *out = (struct sw_crls){c, 1};
    return SW_OK;
}

struct sw_key *sw_key_share(struct sw_key *key)
{
    if (key)
        EVP_PKEY_up_ref(sw_pkey(key));
    return key;
}

/* OpenSSL behind crypto/x509.h: what is asked of our own certificates before they are shown. */
#include "crypto/openssl_types.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

int64_t sw_cert_not_before_s(const struct sw_cert *cert)
{
    return sw_asn1_time_s(X509_get0_notBefore(sw_x509(cert)));
}

int64_t sw_cert_not_after_s(const struct sw_cert *cert)
{
    return sw_asn1_time_s(X509_get0_notAfter(sw_x509(cert)));
}

int64_t sw_crl_this_update_s(const struct sw_crl *crl)
{
    return sw_asn1_time_s(X509_CRL_get0_lastUpdate(sw_x509_crl(crl)));
}

bool sw_cert_issued_by(const struct sw_cert *cert, const struct sw_cert *issuer)
{
    bool issued = X509_check_issued(sw_x509(issuer), sw_x509(cert)) == X509_V_OK;
    ERR_clear_error();
    return issued;
}

uint32_t sw_cert_subject_number(const struct sw_cert *cert)
{
    return (uint32_t)X509_subject_name_hash(sw_x509(cert));
}

uint32_t sw_cert_issuer_number(const struct sw_cert *cert)
{
    return (uint32_t)X509_issuer_name_hash(sw_x509(cert));
}

bool sw_cert_purpose(const struct sw_cert *cert, bool as_client)
{
    uint32_t usage = X509_get_extended_key_usage(sw_x509(cert)); /* all bits: it has none */
    return usage & (XKU_ANYEKU | (as_client ? XKU_SSL_CLIENT : XKU_SSL_SERVER));
}

struct sw_system_cas *sw_system_cas_new(void)
{
    X509_STORE *store = X509_STORE_new();
    if (store && X509_STORE_set_default_paths(store) != 1)
        ERR_clear_error(); /* then there are none */
    return (struct sw_system_cas *)store;
}

void sw_system_cas_free(struct sw_system_cas *s)
{
    X509_STORE_free((X509_STORE *)s);
}

bool sw_system_cas_issued(struct sw_system_cas *s, const struct sw_cert *cert)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509 *issuer = NULL;
    bool found = ctx && X509_STORE_CTX_init(ctx, (X509_STORE *)s, NULL, NULL) == 1 &&
                 X509_STORE_CTX_get1_issuer(&issuer, ctx, sw_x509(cert)) == 1;
    X509_free(issuer);
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return found;
}

bool sw_key_same_kind(const struct sw_key *a, const struct sw_key *b)
{
    return EVP_PKEY_get_base_id(sw_pkey(a)) == EVP_PKEY_get_base_id(sw_pkey(b));
}

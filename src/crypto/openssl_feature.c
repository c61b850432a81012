/* OpenSSL behind crypto/feature.h, and what a client asks of a chain whose server has to staple. */
#include "crypto/feature.h"

#include "crypto/openssl_learnt.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>

/* Numbers of TLS extensions. RFC 6066 8, RFC 6961 2.2 */
enum { STATUS_REQUEST = 5, STATUS_REQUEST_V2 = 17 };

/* The extension's numbers, for TLS_FEATURE_free; `is_there` even if they cannot be read. */
static TLS_FEATURE *features_of(X509 *x, bool *is_there)
{
    int critical;
    TLS_FEATURE *f = X509_get_ext_d2i(x, NID_tlsfeature, &critical, NULL);
    *is_there = f || critical != -1; /* -2: it stands there twice */
    ERR_clear_error();
    return f;
}

bool sw_x509_must_staple(X509 *x)
{
    bool is_there;
    TLS_FEATURE *f = features_of(x, &is_there);
    bool must = is_there && !f; /* what cannot be read may be the promise */
    for (int i = 0; f && i < sk_ASN1_INTEGER_num(f); i++)
        must |= ASN1_INTEGER_get(sk_ASN1_INTEGER_value(f, i)) == STATUS_REQUEST;
    TLS_FEATURE_free(f);
    return must;
}

bool sw_cert_must_staple(const struct sw_cert *cert)
{
    return sw_x509_must_staple(sw_x509(cert));
}

bool sw_certs_must_staple(const struct sw_certs *chain)
{
    bool must = false;
    for (size_t i = 0; i < chain->count && !must; i++)
        must = sw_cert_must_staple(chain->c[i]);
    return must;
}

void sw_cert_features_put(struct sw_buf *b, const struct sw_cert *cert)
{
    bool is_there;
    TLS_FEATURE *f = features_of(sw_x509(cert), &is_there);
    for (int i = 0; f && i < sk_ASN1_INTEGER_num(f); i++) {
        long number = ASN1_INTEGER_get(sk_ASN1_INTEGER_value(f, i)); /* -1: too large */
        if (i)
            sw_buf_char(b, ' ');
        if (number == STATUS_REQUEST)
            sw_buf_lit(b, "status_request");
        else if (number == STATUS_REQUEST_V2)
            sw_buf_lit(b, "status_request_v2");
        else if (number >= 0)
            sw_buf_u64(b, (uint64_t)number);
        else
            sw_buf_char(b, '?');
    }
    if (is_there && !f)
        sw_buf_lit(b, "unreadable");
    TLS_FEATURE_free(f);
}

bool sw_chain_must_staple(STACK_OF(X509) * chain, int anchor_at)
{
    bool must = false;
    for (int i = 0; i <= anchor_at && !must; i++)
        must = sw_x509_must_staple(sk_X509_value(chain, i));
    return must;
}

bool sw_is_known_good(struct sw_revocations *learnt, X509 *x, X509 *issuer, int64_t now_s)
{
    int64_t until_s = INT64_MAX;
    return sw_fact_ocsp(learnt, x, issuer, now_s, &until_s) == SW_FACT_GOOD;
}

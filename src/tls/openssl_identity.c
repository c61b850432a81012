/* What we show of ourselves: certificates and their chains, by server name, and staples. */
#include "tls/openssl_types.h"

#include <openssl/ssl.h>

bool sw_tls_identity_show(SSL *ssl, const struct sw_tls_identity *id)
{
    for (; id; id = id->also) {
        if (SSL_use_certificate(ssl, sw_x509(id->chain.c[0])) != 1 ||
            SSL_use_PrivateKey(ssl, sw_pkey(id->key)) != 1)
            return false;
        for (size_t i = 1; i < id->chain.count; i++)
            if (SSL_add1_chain_cert(ssl, sw_x509(id->chain.c[i])) != 1)
                return false;
    }
    return true;
}

int sw_tls_name_seen(SSL *ssl, int *alert, void *unused)
{
    struct sw_tls *t = sw_tls_of(ssl);
    const struct sw_slice name = sw_slice_str(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    (void)unused;
    if (!t->names || !name.n)
        return SSL_TLSEXT_ERR_NOACK;
    const struct sw_tls_identity *id = sw_tls_names_find(t->names, name);
    t->name_unknown = !id;
    if (!id && t->names_only)
        *alert = SSL_AD_UNRECOGNIZED_NAME;
    if (!id)
        return t->names_only ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
    if (id != t->shown) {
        SSL_certs_clear(ssl);
        if (!sw_tls_identity_show(ssl, id)) {
            *alert = SSL_AD_INTERNAL_ERROR;
            return SSL_TLSEXT_ERR_ALERT_FATAL;
        }
        t->shown = id;
    }
    return SSL_TLSEXT_ERR_OK;
}

/* The certificate that the library has chosen, and whoever stands next in its chain. */
int sw_tls_staple_wanted(SSL *ssl, void *unused)
{
    struct sw_tls *t = sw_tls_of(ssl);
    const X509 *chosen = SSL_get_certificate(ssl);
    const struct sw_tls_identity *id = t->shown;
    (void)unused;
    while (id && sw_x509(id->chain.c[0]) != chosen)
        id = id->also;
    if (!id || !id->staples || id->chain.count < 2)
        return SSL_TLSEXT_ERR_NOACK;
    struct sw_slice staple = sw_revocations_staple(id->staples, id->chain.c[0], id->chain.c[1]);
    if (!staple.p)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, (unsigned char *)(uintptr_t)staple.p, (long)staple.n);
    return SSL_TLSEXT_ERR_OK;
}

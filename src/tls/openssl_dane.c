/* TLSA records: the library matches them, RFC 6698 and RFC 7671. What a match means beside our
 * trust entries is decided here. */
#include "base/dns.h"
#include "base/ident.h"
#include "crypto/mem.h"
#include "tls/openssl_types.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

enum usage { PKIX_TA, PKIX_EE, DANE_TA, DANE_EE };

/* 1: added; 0: it cannot be used; else memory is out. RFC 6698 4.1 */
static int add(struct sw_tls *t, struct sw_slice rdata)
{
    struct sw_dns_tlsa r;
    if (sw_dns_read_tlsa(rdata, &r) != SW_OK || sw_dns_tlsa_unusable(&r))
        return 0;
    return SSL_dane_tlsa_add(t->ssl, r.usage, r.selector, r.matching,
                             (const unsigned char *)r.data.p, r.data.n);
}

enum sw_status sw_tls_dane(struct sw_tls *t, struct sw_slice records)
{
    const char *name = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
    struct sw_slice rdata;
    int r = 0;
    ERR_clear_error();
    if (!name)
        return SW_CRYPTO;
    if (SSL_dane_enable(t->ssl, name) != 1 || /* which names count is decided with the identity */
        X509_VERIFY_PARAM_set1_host(SSL_get0_param(t->ssl), NULL, 0) != 1)
        return SW_LIMIT_MEMORY;
    while (r >= 0 && sw_dns_next(&records, &rdata) == SW_OK) {
        r = add(t, rdata);
        t->dane |= r > 0;
    }
    ERR_clear_error();
    SSL_set_options(t->ssl, SSL_OP_NO_TICKET); /* what was believed once may be gone from the DNS */
    free(t->past);
    t->past = NULL;
    return r < 0 ? SW_LIMIT_MEMORY : SW_OK;
}

/* The library's verdict: the usage of the record that matched, or -1 with why in `v`. */
static int match(struct sw_tls *t, X509_STORE_CTX *ctx, struct sw_trust_verdict *v)
{
    uint64_t failures = sw_crypto_mem_failures();
    uint8_t usage = 0, selector, matching;
    X509_STORE_CTX_set0_dane(ctx, SSL_get0_dane(t->ssl));
    if (X509_verify_cert(ctx) == 1 &&
        SSL_get0_dane_tlsa(t->ssl, &usage, &selector, &matching, NULL, NULL) >= 0)
        return usage;
    v->error = X509_STORE_CTX_get_error(ctx);
    v->depth = X509_STORE_CTX_get_error_depth(ctx);
    if (sw_crypto_mem_failures() != failures)
        v->error = X509_V_ERR_OUT_OF_MEM;
    else if (v->error == X509_V_OK)
        v->error = X509_V_ERR_DANE_NO_MATCH;
    return -1;
}

static void vouch(struct sw_trust_verdict *v, uint32_t id, uint8_t uses)
{
    uint32_t at = v->vouched.count < SW_VOUCHED_MAX ? v->vouched.count++ : SW_VOUCHED_MAX - 1;
    v->vouched.id[at] = id;
    v->vouched.uses[at] = uses;
    v->error = X509_V_OK;
    v->pending = false;
}

/* "the client MUST ignore validation checks from RFC 5280": all but the strength of the key, which
 * anybody might have computed by now. RFC 7673 4.2 */
static void believe_leaf(X509 *leaf, struct sw_trust_verdict *v)
{
    v->depth = 0;
    if (sw_x509_weak_key(leaf))
        v->error = X509_V_ERR_EE_KEY_TOO_SMALL;
    else
        vouch(v, SW_VOUCHED_DANE_EE, SW_USE_ALL);
}

/* The chain ends where the record matched, or below the CA of which a record is the key alone,
 * whose signature counts like any other. RFC 7671 5.2 */
static void believe_chain(const struct sw_tls *t, STACK_OF(X509) * chain,
                          struct sw_trust_verdict *v)
{
    EVP_PKEY *alone = NULL;
    int top = sk_X509_num(chain) - 1;
    int error = sw_x509_chain_weak(chain, top, &v->depth);
    (void)SSL_get0_dane_authority(t->ssl, NULL, &alone);
    if (error == X509_V_OK && alone && sw_weak_public_key(alone))
        error = X509_V_ERR_CA_KEY_TOO_SMALL;
    else if (error == X509_V_OK && alone && sw_x509_weak_signature(sk_X509_value(chain, top)))
        error = X509_V_ERR_CA_MD_TOO_WEAK;
    if (error != X509_V_OK)
        v->error = error;
    else
        vouch(v, SW_VOUCHED_DANE_TA, sw_x509_chain_uses(chain, top));
}

static X509_STORE_CTX *context(struct sw_tls *t, X509_STORE_CTX *asked, X509_STORE *none)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new_ex(t->w->lib.ctx, NULL);
    X509_STORE *store = t->trust ? sw_trust_store(t->trust) : none;
    if (ctx && store &&
        X509_STORE_CTX_init(ctx, store, X509_STORE_CTX_get0_cert(asked),
                            X509_STORE_CTX_get0_untrusted(asked)) == 1 &&
        X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(ctx), X509_STORE_CTX_get0_param(asked)) ==
            1 &&
        X509_VERIFY_PARAM_set_purpose(X509_STORE_CTX_get0_param(ctx), X509_PURPOSE_ANY) == 1)
        return ctx;
    X509_STORE_CTX_free(ctx);
    return NULL;
}

bool sw_tls_dane_judge(struct sw_tls *t, X509_STORE_CTX *asked, struct sw_trust_verdict *v)
{
    X509_STORE *none = t->trust ? NULL : X509_STORE_new();
    X509_STORE_CTX *ctx = context(t, asked, none);
    struct sw_trust_verdict said = {.error = X509_V_ERR_OUT_OF_MEM};
    int usage = ctx ? match(t, ctx, &said) : -1;
    if (usage < 0)
        *v = said; /* whatever trust entries say: RFC 6698 2.1 */
    else if (usage == DANE_EE)
        believe_leaf(X509_STORE_CTX_get0_cert(asked), v);
    else if (usage == DANE_TA)
        believe_chain(t, X509_STORE_CTX_get0_chain(ctx), v);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(none);
    X509_STORE_CTX_set_error(asked, v->error);
    X509_STORE_CTX_set_error_depth(asked, v->depth);
    ERR_clear_error();
    return v->error == X509_V_OK;
}

/* How a peer's chain is judged: in the handshake, again for a session that would be resumed, and
 * later while the connection lives; and what a server's staple says of it. */
#include "tls/openssl_types.h"
#include "tls/openssl_words.h"

#include <openssl/ssl.h>
#include <stdlib.h>

/* Remembers which certificate it was and why: the library forgets the chain of a failed handshake.
 */
static void keep_refused(struct sw_tls *t, X509_STORE_CTX *ctx, int depth)
{
    struct sw_cert_facts facts;
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
    X509 *x = sk_X509_value(chain, depth);
    if (!x) /* no chain was built */
        x = X509_STORE_CTX_get0_cert(ctx);
    sw_tls_refused_keep(&t->refusal, ctx, x);
    if (!x)
        return;
    sw_cert_facts((struct sw_cert *)x, &facts);
    t->names_no_source = !sw_x509_names_source(x);
    free(t->refused);
    t->refused = strdup(facts.subject);
    if (!t->why)
        t->why = calloc(1, SW_WHY_MAX);
    if (t->why) {
        struct sw_buf b = sw_buf(t->why, SW_WHY_MAX - 1);
        sw_tls_refusal_why(&b, t->verify_error, &facts, t->names_no_source, t->trust);
    }
}

/* What is left of a judgement: who vouches only until the identity is taken. False: memory is out.
 */
static bool keep(struct sw_tls *t, const struct sw_trust_verdict *v)
{
    t->verify_error = v->error;
    t->pending = v->pending;
    free(t->vouched);
    t->vouched = v->vouched.count ? malloc(sizeof(*t->vouched)) : NULL;
    if (t->vouched)
        *t->vouched = v->vouched;
    else if (v->vouched.count)
        t->verify_error = X509_V_ERR_OUT_OF_MEM;
    return t->vouched || !v->vouched.count;
}

/* Trust entries, and then TLSA records if there are any; the library would ask those first. */
static bool judge(struct sw_tls *t, X509_STORE_CTX *ctx, const struct sw_trust_ask *ask,
                  struct sw_trust_verdict *v)
{
    X509_STORE_CTX_set0_dane(ctx, NULL);
    bool good = t->trust && sw_trust_verify(t->trust, ctx, ask, t->w->leaves, v);
    return t->dane ? sw_tls_dane_judge(t, ctx, v) : good;
}

/* The library makes the alert of the error, and names some of them as errors of the certificate
 * that are of a list: the certificate has not expired, its CA is known, nothing of the handshake
 * failed to verify. These are "some other (unspecified) issue", certificate_unknown, as the library
 * makes of what it has no alert for. A signature on a certificate that is wrong is bad_certificate.
 * RFC 8446 6.2, RFC 5246 7.2.2 */
static int error_of_alert(int error)
{
    switch (error) {
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
        return X509_V_ERR_OCSP_CERT_UNKNOWN;
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return X509_V_ERR_CERT_REJECTED;
    default:
        return error;
    }
}

int sw_tls_verify(X509_STORE_CTX *ctx, void *unused)
{
    (void)unused;
    SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct sw_tls *t = sw_tls_of(ssl);
    const bool server = SSL_is_server(ssl);
    const struct sw_trust_ask ask = {.of_client = server,
                                     .staple_follows =
                                         !server && t->trust && sw_trust_wants_ocsp(t->trust)};
    struct sw_trust_verdict v = {.error = X509_V_ERR_CERT_UNTRUSTED};
    t->verified = true;
    bool good = judge(t, ctx, &ask, &v);
    if (keep(t, &v) && good)
        return 1;
    X509_STORE_CTX_set_error(ctx, error_of_alert(t->verify_error));
    keep_refused(t, ctx, v.depth);
    return 0;
}

/* As the library asks sw_tls_verify in a handshake: RFC 5280 6.1 at the time of now. */
static bool chain_holds(struct sw_tls *t, X509 *leaf, STACK_OF(X509) * sent,
                        const struct sw_trust_ask *ask, bool tell)
{
    struct sw_trust_verdict v = {.error = X509_V_ERR_OUT_OF_MEM};
    X509_STORE_CTX *ctx = X509_STORE_CTX_new_ex(t->w->lib.ctx, NULL);
    X509_STORE *store = t->trust ? sw_trust_store(t->trust) : NULL;
    bool good = ctx && X509_STORE_CTX_init(ctx, store, leaf, sent) == 1 &&
                X509_STORE_CTX_set_default(ctx, ask->of_client ? "ssl_client" : "ssl_server") == 1;
    if (good) {
        X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
        X509_VERIFY_PARAM_set_auth_level(param, SSL_get_security_level(t->ssl));
        good = X509_VERIFY_PARAM_set1(param, SSL_get0_param(t->ssl)) == 1 && judge(t, ctx, ask, &v);
    }
    good = keep(t, &v) && good;
    if (!good && tell && t->verify_error != X509_V_ERR_OUT_OF_MEM)
        keep_refused(t, ctx, v.depth);
    X509_STORE_CTX_free(ctx);
    return good;
}

/* RFC 7633 4.3.3: of what we did not ask for nothing is due. */
static enum sw_staple_due due_of(const struct sw_tls *t)
{
    return t->unstapled ? SW_STAPLE_DUE : SW_STAPLE_NOT_DUE;
}

int sw_tls_staple_seen(SSL *ssl, void *unused)
{
    struct sw_tls *t = sw_tls_of(ssl);
    X509 *leaf = SSL_get0_peer_certificate(ssl);
    const unsigned char *p = NULL;
    long n = SSL_get_tlsext_status_ocsp_resp(ssl, &p);
    (void)unused;
    const bool stapled = n > 0 && p;
    t->unstapled = !stapled && !SSL_session_reused(ssl);
    if (!t->trust || !leaf || (!stapled && !t->pending && !t->unstapled))
        return 1;
    const struct sw_trust_ask ask = {.staple = sw_slice((const char *)p, stapled ? (size_t)n : 0),
                                     .due = due_of(t)};
    return chain_holds(t, leaf, SSL_get_peer_cert_chain(ssl), &ask, true);
}

bool sw_tls_holds_now(SSL *ssl, X509 *leaf, STACK_OF(X509) * sent)
{
    struct sw_tls *t = sw_tls_of(ssl);
    const bool server = SSL_is_server(ssl);
    const bool asks = !server && t->trust && sw_trust_wants_ocsp(t->trust);
    const struct sw_trust_ask ask = {.of_client = server,
                                     .due = asks ? SW_STAPLE_DUE_ONCE : SW_STAPLE_NOT_DUE};
    return t->trust && chain_holds(t, leaf, sent, &ask, false);
}

enum sw_status sw_tls_judge_again(struct sw_tls *t, const struct sw_trust *trust, bool last)
{
    X509 *leaf = SSL_get0_peer_certificate(t->ssl);
    const struct sw_trust_ask ask = {
        .of_client = SSL_is_server(t->ssl), .last = last, .due = due_of(t)};
    const bool waited = t->pending;
    if (!leaf)
        return SW_OK;
    t->trust = trust;
    bool good =
        (trust || t->dane) && chain_holds(t, leaf, SSL_get_peer_cert_chain(t->ssl), &ask, true);
    t->trust = NULL; /* it is used in no other way, and may be replaced */
    if ((trust || t->dane) && t->verify_error == X509_V_ERR_OUT_OF_MEM) {
        t->pending = waited;
        return SW_LIMIT_MEMORY;
    }
    if (!good)
        return sw_tls_fail(t);
    if (!t->pending)
        return SW_OK;
    t->pending = waited;
    return SW_AGAIN;
}

bool sw_tls_waits(const struct sw_tls *t)
{
    return t->pending;
}

/* OCSP with OpenSSL: requests, and what an answer says. RFC 6960 */
#include "crypto/openssl_learnt.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

/* How long an answer without nextUpdate is good for: newer ones are always there. RFC 6960 4.2.2.1
 */
enum { NO_NEXT_UPDATE_S = 3600 };

char *sw_ocsp_url(X509 *x)
{
    STACK_OF(OPENSSL_STRING) *urls = X509_get1_ocsp(x);
    char *found = NULL;
    for (int i = 0; i < sk_OPENSSL_STRING_num(urls) && !found; i++)
        found = sw_fetchable(sk_OPENSSL_STRING_value(urls, i));
    X509_email_free(urls);
    return found;
}

bool sw_cert_has_responder(const struct sw_cert *cert)
{
    char *url = sw_ocsp_url(sw_x509(cert));
    OPENSSL_free(url);
    return url;
}

OCSP_REQUEST *sw_ocsp_request(X509 *x, X509 *issuer)
{
    OCSP_REQUEST *req = OCSP_REQUEST_new();
    /* the hash only names the certificate, and SHA-1 is the one that all know: RFC 5019 2.1.1 */
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), x, issuer);
    if (!req || !id || !OCSP_request_add0_id(req, id)) {
        OCSP_CERTID_free(id);
        OCSP_REQUEST_free(req);
        return NULL;
    }
    if (OCSP_request_add1_nonce(req, NULL, 16) == 1) /* RFC 8954 2.1 */
        return req;
    OCSP_REQUEST_free(req);
    return NULL;
}

static bool refuse(char why[SW_WHY_MAX], const char *text)
{
    struct sw_buf b = sw_buf(why, SW_WHY_MAX - 1);
    sw_buf_str(&b, text);
    why[b.n] = 0;
    ERR_clear_error();
    return false;
}

/* Signed by the issuer itself, or by somebody whom it let sign for it. RFC 6960 4.2.2.2 */
static bool signed_for(OCSP_BASICRESP *basic, X509 *issuer)
{
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *certs = sk_X509_new_null();
    bool good = store && certs && X509_STORE_add_cert(store, issuer) == 1 &&
                X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
                sk_X509_push(certs, issuer) > 0 &&
                OCSP_basic_verify(basic, certs, store, OCSP_PARTIAL_CHAIN) == 1;
    X509_STORE_free(store);
    sk_X509_free(certs);
    return good;
}

/* True if the answer is about this certificate, under the hash that the responder chose. */
static bool is_about(const OCSP_SINGLERESP *single, X509 *x, X509 *issuer)
{
    const OCSP_CERTID *id = OCSP_SINGLERESP_get0_id(single);
    ASN1_OBJECT *hash = NULL;
    if (OCSP_id_get0_info(NULL, &hash, NULL, NULL, (OCSP_CERTID *)(uintptr_t)id) != 1)
        return false;
    const EVP_MD *md = EVP_get_digestbyobj(hash);
    OCSP_CERTID *ours = md ? OCSP_cert_to_id(md, x, issuer) : NULL;
    bool same = ours && OCSP_id_cmp(ours, (OCSP_CERTID *)(uintptr_t)id) == 0;
    OCSP_CERTID_free(ours);
    return same;
}

static int64_t generalized_s(const ASN1_GENERALIZEDTIME *t)
{
    return sw_asn1_time_s((const ASN1_TIME *)t);
}

/* A hash or a key that nobody should believe any more, as in a chain. RFC 9325 4.5 */
static bool is_weak(OCSP_BASICRESP *basic, X509 *issuer)
{
    X509 *signer = NULL;
    STACK_OF(X509) *certs = sk_X509_new_null();
    bool found = certs && sk_X509_push(certs, issuer) > 0 &&
                 OCSP_resp_get0_signer(basic, &signer, certs) == 1;
    sk_X509_free(certs);
    return !found || sw_weak_algorithm(OCSP_resp_get0_tbs_sigalg(basic)) ||
           (X509_cmp(signer, issuer) != 0 &&
            (sw_x509_weak_key(signer) || sw_x509_weak_signature(signer)));
}

static bool read_single(OCSP_SINGLERESP *single, int64_t now_s, struct sw_ocsp_answer *out,
                        char why[SW_WHY_MAX])
{
    ASN1_GENERALIZEDTIME *made = NULL, *next = NULL;
    int status = OCSP_single_get0_status(single, NULL, NULL, &made, &next);
    /* thisUpdate must be recent, whoever sends it again: RFC 6960 3.2 (5) */
    out->until_s = generalized_s(next ? next : made) + (next ? 0 : NO_NEXT_UPDATE_S);
    if (generalized_s(made) > now_s + SW_SKEW_S)
        return refuse(why, "its thisUpdate is in the future");
    if (out->until_s + SW_SKEW_S <= now_s)
        return refuse(why, next ? "it is past its nextUpdate" : "it is old and has no nextUpdate");
    if (out->until_s <= now_s) /* as our clock has it: then for a moment */
        out->until_s = now_s + SW_SKEW_S;
    out->said = status == V_OCSP_CERTSTATUS_GOOD      ? SW_FACT_GOOD
                : status == V_OCSP_CERTSTATUS_REVOKED ? SW_FACT_REVOKED
                                                      : SW_FACT_UNKNOWN;
    return true;
}

static bool read_basic(OCSP_BASICRESP *basic, OCSP_REQUEST *asked, X509 *x, X509 *issuer,
                       int64_t now_s, struct sw_ocsp_answer *out, char why[SW_WHY_MAX])
{
    /* a responder may leave the nonce out, but not change it: RFC 6960 4.4.1 */
    if (asked && OCSP_check_nonce(asked, basic) == 0)
        return refuse(why, "its nonce is another than ours");
    if (!signed_for(basic, issuer))
        return refuse(why, "it is signed neither by the CA nor by its responder");
    for (int i = 0; i < OCSP_resp_count(basic); i++)
        if (is_about(OCSP_resp_get0(basic, i), x, issuer))
            return read_single(OCSP_resp_get0(basic, i), now_s, out, why) &&
                   (out->said == SW_FACT_REVOKED || !is_weak(basic, issuer) ||
                    refuse(why, "the hash or the key of its signature is too weak"));
    return refuse(why, "it is about another certificate");
}

bool sw_ocsp_read(struct sw_slice der, OCSP_REQUEST *asked, X509 *x, X509 *issuer, int64_t now_s,
                  struct sw_ocsp_answer *out, char why[SW_WHY_MAX])
{
    const unsigned char *p = (const unsigned char *)der.p;
    OCSP_RESPONSE *resp = der.n ? d2i_OCSP_RESPONSE(NULL, &p, (long)der.n) : NULL;
    if (!resp)
        return refuse(why, "it is no OCSP answer");
    int status = OCSP_response_status(resp);
    OCSP_BASICRESP *basic =
        status == OCSP_RESPONSE_STATUS_SUCCESSFUL ? OCSP_response_get1_basic(resp) : NULL;
    bool good = basic ? read_basic(basic, asked, x, issuer, now_s, out, why)
                      : refuse(why, OCSP_response_status_str(status));
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(resp);
    ERR_clear_error();
    return good;
}

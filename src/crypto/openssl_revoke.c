/* OpenSSL behind crypto/revoke.h: whether a certificate in a chain was revoked, by what an entry
 * asks and by what is known. */
#include "crypto/mem.h"
#include "crypto/openssl_learnt.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

/* What is believed for want of an answer is looked at again after that. */
enum { AGAIN_S = 60 };

/* What was said of one certificate so far. */
struct said {
    bool good;    /* a current one does not name it */
    bool stale;   /* one that is out of date does not name it */
    bool foreign; /* one under the issuer's name is not signed with its key, or is with a weak hash
                   */
    bool unknown; /* the CA's responder does not know the certificate */
    bool wait;    /* it is being asked for */
    int64_t until_s;
};

/* ---- which certificates a list is about ---- */

/* True if it has a critical extension that we do not know: it must not be used. A delta list is one
 * of these: what it does not name may be in the complete one. RFC 5280 5.2, 5.2.4 */
static bool has_unknown_extension(const X509_CRL *crl)
{
    for (int i = -1; (i = X509_CRL_get_ext_by_critical(crl, 1, i)) >= 0;)
        if (OBJ_obj2nid(X509_EXTENSION_get_object(X509_CRL_get_ext(crl, i))) !=
            NID_issuing_distribution_point)
            return true;
    return false;
}

static bool same_uri(const GENERAL_NAME *a, const GENERAL_NAME *b)
{
    return a->type == GEN_URI && b->type == GEN_URI &&
           ASN1_STRING_cmp(a->d.uniformResourceIdentifier, b->d.uniformResourceIdentifier) == 0;
}

static bool names_share_a_uri(const GENERAL_NAMES *a, const GENERAL_NAMES *b)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(a); i++)
        for (int k = 0; k < sk_GENERAL_NAME_num(b); k++)
            if (same_uri(sk_GENERAL_NAME_value(a, i), sk_GENERAL_NAME_value(b, k)))
                return true;
    return false;
}

/* True if the certificate names the part of the CA's certificates that the list is about: a CA may
 * cut its list into parts. RFC 5280 6.3.3 (b)(2)(i) */
static bool of_this_point(const DIST_POINT_NAME *point, X509 *x)
{
    CRL_DIST_POINTS *own = X509_get_ext_d2i(x, NID_crl_distribution_points, NULL, NULL);
    bool found = false;
    for (int i = 0; point->type == 0 && i < sk_DIST_POINT_num(own); i++) {
        const DIST_POINT_NAME *d = sk_DIST_POINT_value(own, i)->distpoint;
        found |= d && d->type == 0 && names_share_a_uri(point->name.fullname, d->name.fullname);
    }
    CRL_DIST_POINTS_free(own);
    return found;
}

/* RFC 5280 6.3.3 (b)(2): a list may be about some certificates of the CA only, or some reasons. */
static bool covers(const X509_CRL *crl, X509 *x)
{
    bool is_ca = X509_check_ca(x) > 0, fits = true;
    int critical;
    if (has_unknown_extension(crl))
        return false;
    ISSUING_DIST_POINT *only =
        X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, &critical, NULL);
    if (!only)
        return critical == -1; /* -2 and others: it stands there twice, or cannot be read */
    if (only->onlyattr > 0 || only->indirectCRL > 0 || only->onlysomereasons ||
        (only->onlyuser > 0 && is_ca) || (only->onlyCA > 0 && !is_ca))
        fits = false;
    if (fits && only->distpoint)
        fits = of_this_point(only->distpoint, x);
    ISSUING_DIST_POINT_free(only);
    return fits;
}

/* ---- what a list says ---- */

/* RFC 9325 4.5 */
static bool is_weak(const X509_CRL *crl)
{
    const X509_ALGOR *a;
    X509_CRL_get0_signature(crl, NULL, &a);
    return sw_weak_algorithm(a);
}

static bool signed_by(X509_CRL *crl, X509 *issuer)
{
    /* RFC 5280 6.3.3 (f): a CA that says what its key is for says so of lists, too */
    return X509_get_key_usage(issuer) & KU_CRL_SIGN &&
           X509_CRL_verify(crl, X509_get0_pubkey(issuer)) == 1;
}

static bool is_current(const X509_CRL *crl, int64_t now_s, int64_t *until_s)
{
    *until_s = sw_asn1_time_s(X509_CRL_get0_nextUpdate(crl));
    return sw_asn1_time_s(X509_CRL_get0_lastUpdate(crl)) <= now_s + SW_SKEW_S &&
           (!*until_s || *until_s > now_s);
}

/* X509_V_OK: go on asking. A list that is out of date still counts for what it names. */
static int ask_list(X509_CRL *crl, X509 *x, X509 *issuer, int64_t now_s, struct said *out)
{
    X509_REVOKED *row = NULL;
    int64_t until_s;
    if (X509_NAME_cmp(X509_get_issuer_name(x), X509_CRL_get_issuer(crl)) != 0 || !covers(crl, x))
        return X509_V_OK;
    uint64_t failures = sw_crypto_mem_failures();
    if (!signed_by(crl, issuer)) {
        if (sw_crypto_mem_failures() != failures) /* it may be the one that says it */
            return X509_V_ERR_OUT_OF_MEM;
        out->foreign = true;
        return X509_V_OK;
    }
    if (X509_CRL_get0_by_cert(crl, &row, x) == 1) /* 2: removed from the list again */
        return X509_V_ERR_CERT_REVOKED;
    if (is_weak(crl)) { /* somebody may have left it out */
        out->foreign = true;
        return X509_V_OK;
    }
    if (!is_current(crl, now_s, &until_s)) {
        out->stale = true;
    } else {
        out->good = true;
        if (until_s && until_s < out->until_s)
            out->until_s = until_s;
    }
    return X509_V_OK;
}

/* ---- what is fetched ---- */

/* Asks what comes from one distribution point. RFC 5280 4.2.1.13 */
static int ask_point(struct sw_revocations *learnt, const DIST_POINT *point, X509 *x, X509 *issuer,
                     int64_t now_s, struct said *said)
{
    const DIST_POINT_NAME *name = point->distpoint;
    int error = X509_V_OK;
    for (int i = 0; name && name->type == 0 && i < sk_GENERAL_NAME_num(name->name.fullname) &&
                    error == X509_V_OK && !said->good && !said->wait;
         i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(name->name.fullname, i);
        X509_CRL *list = NULL;
        char *url =
            g->type == GEN_URI
                ? sw_fetchable((const char *)ASN1_STRING_get0_data(g->d.uniformResourceIdentifier))
                : NULL;
        if (url)
            said->wait = sw_fact_list(learnt, url, now_s, &said->until_s, &list) == SW_FACT_WAIT;
        if (list)
            error = ask_list(list, x, issuer, now_s, said);
        X509_CRL_free(list);
        OPENSSL_free(url);
    }
    return error;
}

static int ask_points(struct sw_revocations *learnt, X509 *x, X509 *issuer, int64_t now_s,
                      struct said *said)
{
    CRL_DIST_POINTS *points = X509_get_ext_d2i(x, NID_crl_distribution_points, NULL, NULL);
    int error = X509_V_OK;
    for (int i = 0; i < sk_DIST_POINT_num(points) && error == X509_V_OK && !said->good; i++)
        error = ask_point(learnt, sk_DIST_POINT_value(points, i), x, issuer, now_s, said);
    CRL_DIST_POINTS_free(points);
    said->wait = said->wait && !said->good;
    return error;
}

bool sw_x509_names_source(X509 *x)
{
    CRL_DIST_POINTS *points = X509_get_ext_d2i(x, NID_crl_distribution_points, NULL, NULL);
    char *url = sw_ocsp_url(x);
    bool found = url || sk_DIST_POINT_num(points) > 0;
    OPENSSL_free(url);
    CRL_DIST_POINTS_free(points);
    return found;
}

static int ask_responder(const struct sw_revocation_ask *ask, X509 *x, X509 *issuer,
                         struct said *said)
{
    /* a client MUST end the handshake over a staple that does not satisfy: RFC 6066 8 */
    if (ask->staple.n && !sw_fact_take(ask->learnt, x, issuer, ask->staple, ask->now_s))
        return X509_V_ERR_OCSP_VERIFY_FAILED;
    if (ask->staple_follows) {
        said->wait = true;
        return X509_V_OK;
    }
    switch (sw_fact_ocsp(ask->learnt, x, issuer, ask->now_s, &said->until_s)) {
    case SW_FACT_GOOD:
        said->good = true;
        break;
    case SW_FACT_REVOKED:
        return X509_V_ERR_CERT_REVOKED;
    case SW_FACT_UNKNOWN:
        said->unknown = true;
        break;
    case SW_FACT_WAIT:
        said->wait = true;
        break;
    case SW_FACT_NONE:
        break;
    }
    return X509_V_OK;
}

/* ---- the whole ---- */

/* What is not known is an error under `revocation_failure: hard` only; a list that somebody else
 * has signed always is one. */
static int conclude(const struct sw_trust_entry *e, const struct said *said)
{
    if (said->good)
        return X509_V_OK;
    if (said->foreign && !said->stale)
        return X509_V_ERR_CRL_SIGNATURE_FAILURE;
    if (!e->revocation_hard)
        return X509_V_OK;
    return said->stale     ? X509_V_ERR_CRL_HAS_EXPIRED
           : said->unknown ? X509_V_ERR_OCSP_CERT_UNKNOWN
                           : X509_V_ERR_UNABLE_TO_GET_CRL;
}

static int ask_files(const struct sw_trust_entry *e, const struct sw_revocation_ask *ask, X509 *x,
                     X509 *issuer, struct said *said)
{
    for (size_t k = 0; k < e->crls.count; k++) {
        int error = ask_list(sw_x509_crl(e->crls.c[k]), x, issuer, ask->now_s, said);
        if (error != X509_V_OK)
            return error;
    }
    return X509_V_OK;
}

/* Each source in turn, until one says that it is good. */
static int ask_all(const struct sw_trust_entry *e, const struct sw_revocation_ask *ask, X509 *x,
                   X509 *issuer, struct said *said)
{
    bool lists = e->revocation != SW_REVOCATION_OCSP, ocsp = e->revocation != SW_REVOCATION_CRL;
    bool fetched = e->revocation_asks && ask->learnt;
    int error = lists ? ask_files(e, ask, x, issuer, said) : X509_V_OK;
    if (error == X509_V_OK && ocsp && fetched && (!said->good || ask->staple.n))
        error = ask_responder(ask, x, issuer, said);
    if (error == X509_V_OK && lists && fetched && !said->good && !said->wait)
        error = ask_points(ask->learnt, x, issuer, ask->now_s, said);
    return error;
}

int sw_revoked(const struct sw_trust_entry *e, const struct sw_revocation_ask *ask, X509 *x,
               X509 *issuer, int64_t *until_s)
{
    struct said said = {.until_s = *until_s};
    if (e->revocation == SW_REVOCATION_OFF)
        return X509_V_OK;
    uint64_t failures = sw_crypto_mem_failures();
    int error = ask_all(e, ask, x, issuer, &said);
    ERR_clear_error();
    if (error == X509_V_OK && sw_crypto_mem_failures() != failures)
        error = X509_V_ERR_OUT_OF_MEM; /* what was not read may be what revokes it */
    if (error != X509_V_OK)
        return error;
    if (said.wait && !said.good && !ask->last)
        return X509_V_ERR_OCSP_VERIFY_NEEDED;
    if (!said.good && e->revocation_asks && said.until_s > ask->now_s + AGAIN_S)
        said.until_s = ask->now_s + AGAIN_S;
    if (e->revocation_hard || e->revocation_asks)
        *until_s = said.until_s;
    if (ask->unknown && !said.good && (e->revocation_asks || e->crls.count))
        *ask->unknown = true;
    return conclude(e, &said);
}

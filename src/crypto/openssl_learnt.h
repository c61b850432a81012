/* What the OpenSSL files that deal with revocation share. No other file includes it. */
#ifndef SW_CRYPTO_OPENSSL_LEARNT_H
#define SW_CRYPTO_OPENSSL_LEARNT_H

#include "crypto/openssl_types.h"
#include "crypto/revoke.h"

#include <openssl/ocsp.h>
#include <stdlib.h>

/* A clock that is a little behind the CA's is no reason to doubt what the CA says. */
enum { SW_SKEW_S = 300 };

/* What is known of a certificate, or of a list. */
enum sw_fact {
    SW_FACT_NONE, /* nothing, and it will not be known soon */
    SW_FACT_WAIT, /* nothing, but it is being asked for */
    SW_FACT_GOOD,
    SW_FACT_REVOKED,
    SW_FACT_UNKNOWN, /* the responder does not know the certificate */
};

struct sw_ocsp_answer {
    enum sw_fact said;
    int64_t until_s;
};

/** A copy of the address, for OPENSSL_free, if it is one that is asked: http only, RFC 5280 8 warns
 * of https. */
char *sw_fetchable(const char *url);

/** The responder that a certificate names, for OPENSSL_free; NULL: none. */
char *sw_ocsp_url(X509 *x);

/** A request with a nonce. NULL: memory is out. */
OCSP_REQUEST *sw_ocsp_request(X509 *x, X509 *issuer);

/** What an answer says of `x`, to `asked` if not NULL. False: nothing, see `why`. RFC 6960 3.2 */
bool sw_ocsp_read(struct sw_slice der, OCSP_REQUEST *asked, X509 *x, X509 *issuer, int64_t now_s,
                  struct sw_ocsp_answer *out, char why[SW_WHY_MAX]);

/** What OCSP said of `x`; it is asked for if need be. `until_s` becomes smaller if the answer is to
 * be looked at again before. */
enum sw_fact sw_fact_ocsp(struct sw_revocations *r, X509 *x, X509 *issuer, int64_t now_s,
                          int64_t *until_s);

/** SW_FACT_GOOD: `list` is what was fetched from `url`, for the caller to free. Else as above. */
enum sw_fact sw_fact_list(struct sw_revocations *r, const char *url, int64_t now_s,
                          int64_t *until_s, X509_CRL **list);

/** Takes a stapled answer. False: it says nothing of `x`. */
bool sw_fact_take(struct sw_revocations *r, X509 *x, X509 *issuer, struct sw_slice staple,
                  int64_t now_s);

#endif

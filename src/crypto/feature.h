/* The TLS Feature extension of a certificate: which TLS extensions its server promises to answer.
 * The backend of the build stands behind it. RFC 7633 */
#ifndef SW_CRYPTO_FEATURE_H
#define SW_CRYPTO_FEATURE_H

#include "base/buf.h"
#include "crypto/x509.h"

/* Room for the words of sw_cert_features_put. */
enum { SW_FEATURES_MAX = 96 };

/** True if its server must staple an OCSP answer: the extension names status_request, or is there
 * and cannot be read. RFC 7633 4.2.3.1 */
bool sw_cert_must_staple(const struct sw_cert *cert);

/** The same of a whole chain, leaf first: a CA's extension holds for what it issues. RFC 7633 4.2.2
 */
bool sw_certs_must_staple(const struct sw_certs *chain);

/** Appends the features, such as "status_request"; unknown ones by number; "unreadable"; nothing
 * without the extension. */
void sw_cert_features_put(struct sw_buf *b, const struct sw_cert *cert);

#endif

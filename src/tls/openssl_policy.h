/* A policy on a context of the library. */
#ifndef SW_TLS_OPENSSL_POLICY_H
#define SW_TLS_OPENSSL_POLICY_H

#include "tls/policy.h"

#include <openssl/ssl.h>

/**
 * Sets all that a policy says, and what no policy can change: no compression, no renegotiation, no
 * tickets, no early data, and SIP as the one protocol of ALPN. Nothing of the system's openssl.cnf
 * stays. False: the library refused a list. RFC 9325 3.1.1, 3.1.3, 3.3, 3.5, 3.8, 3.10, 4.6
 */
bool sw_tls_policy_apply(SSL_CTX *ctx, const struct sw_tls_policy *p);

#endif

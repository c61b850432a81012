/* Certificates, keys and revocation lists from files, with a clear word for each way this can fail.
 */
#ifndef SW_CERT_LOAD_H
#define SW_CERT_LOAD_H

#include "crypto/trust.h"
#include "tls/session.h"

/* Bytes of one PEM file: some ten thousand certificates. */
enum { SW_CERT_FILE_MAX = 64 << 20 };

/** Reads a PEM chain, leaf first, or one certificate in DER. SW_SYS, SW_LIMIT_SIZE, SW_PEER_SYNTAX
 * with `why`. */
SW_MUST_USE enum sw_status sw_cert_load_chain(const char *path, struct sw_certs *out,
                                              char why[SW_WHY_MAX]);

/** Reads a private key. Statuses as above. */
SW_MUST_USE enum sw_status sw_cert_load_key(const char *path, struct sw_key **out,
                                            char why[SW_WHY_MAX]);

/** Reads revocation lists. Statuses as above. */
SW_MUST_USE enum sw_status sw_cert_load_crls(const char *path, struct sw_crls *out,
                                             char why[SW_WHY_MAX]);

#endif

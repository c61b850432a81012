/* Handshake messages in words: their standard names and what they carry, for logs and ladders.
 * Pure. */
#ifndef SW_TLS_MESSAGE_H
#define SW_TLS_MESSAGE_H

#include "base/buf.h"

/* An alert that leaves the connection as it is. RFC 5246 7.2.2 */
enum { SW_TLS_NO_RENEGOTIATION = 100 };

/* TLS content types. RFC 8446 5.1 */
enum { SW_TLS_CCS = 20, SW_TLS_ALERT = 21, SW_TLS_HANDSHAKE = 22 };

/** The standard name of a message, such as "ClientHello" or "Alert". RFC 8446 4, RFC 5246 7.4 */
const char *sw_tls_message_name(unsigned content_type, struct sw_slice bytes);

/** The name of an alert, such as "unknown_ca". RFC 8446 6 */
const char *sw_tls_alert_name(unsigned alert);

/** The standard names of a suite, a group, a signature algorithm; NULL: it has none here. */
const char *sw_tls_suite_name(unsigned suite);
const char *sw_tls_group_name(unsigned group);
const char *sw_tls_signature_name(unsigned algorithm);

/**
 * Appends what the message carries in words a reader knows. `version` is that of the session, 0
 * while unknown. Broken bytes give less text, never a failure.
 */
void sw_tls_message_describe(struct sw_buf *b, unsigned content_type, unsigned version,
                             struct sw_slice bytes);

/**
 * Appends, a line each, the lists that a log line has no room for: what a hello offers, what a
 * CertificateRequest accepts. RFC 8446 4.1.2, 4.2, 4.3.2; RFC 5246 7.4.4
 */
void sw_tls_message_lists(struct sw_buf *b, unsigned content_type, unsigned version,
                          struct sw_slice bytes);

/** The certificates of a Certificate message, in DER, leaf first; at most `cap`. RFC 8446 4.4.2 */
size_t sw_tls_message_certificates(unsigned version, struct sw_slice bytes, struct sw_slice *der,
                                   size_t cap);

/** Appends the name of a protocol version, such as "TLS 1.3". */
void sw_tls_version_put(struct sw_buf *b, unsigned version);

#endif

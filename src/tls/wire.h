/* What a peer speaks, by its first bytes: TLS, or what came to the wrong port. Pure. */
#ifndef SW_TLS_WIRE_H
#define SW_TLS_WIRE_H

#include "base/slice.h"

enum sw_tls_wire {
    SW_WIRE_UNKNOWN, /* nothing that is known here */
    SW_WIRE_TLS,     /* a handshake or alert record. RFC 8446 5.1 */
    SW_WIRE_SSL2,    /* a hello in the form of SSL 2.0. RFC 5246 E.2, RFC 6176 */
    SW_WIRE_SIP,     /* a request or response, or its keep-alive */
    SW_WIRE_HTTP,    /* likewise without keep-alive */
};

/* Bytes that are enough to tell. */
enum { SW_WIRE_BYTES = 16 };

/** What the first bytes are of; fewer than SW_WIRE_BYTES may be enough. */
enum sw_tls_wire sw_tls_wire_of(struct sw_slice first);

/** The bytes of the ClientHello that these announce; 0: they do not. RFC 8446 4, 5.1 */
size_t sw_tls_wire_hello_bytes(struct sw_slice first);

/* A ClientHello that is longer is refused before memory is taken for it: with the keys of today and
 * tomorrow real ones have up to 3 KiB. */
enum { SW_WIRE_HELLO_MAX = 16 * 1024 };

#endif

/* Which session a client wants to resume, read from the first bytes of its connection: the worker
 * that holds it is the one that should answer. Pure. */
#ifndef SW_TLS_HELLO_H
#define SW_TLS_HELLO_H

#include "base/slice.h"

/* A session that is kept in memory has a name of that length. RFC 5246 7.4.1.2 */
enum { SW_TLS_SESSION_ID_BYTES = 32 };

/**
 * The name of a session of this length that the ClientHello asks for: the first identity of
 * pre_shared_key, or else the session id. False: none, or the hello is not all there, in one
 * record. RFC 8446 4.1.2, 4.2.11
 */
bool sw_tls_hello_session(struct sw_slice wire, struct sw_slice *id);

/**
 * The first identity of the body of a pre_shared_key extension. False: it is broken. RFC
 * 8446 4.2.11
 */
bool sw_tls_hello_psk(struct sw_slice body, struct sw_slice *identity);

#endif

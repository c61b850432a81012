/* For the files that read handshake messages: a reader that never runs over, and words. */
#ifndef SW_TLS_MESSAGE_READ_H
#define SW_TLS_MESSAGE_READ_H

#include "base/buf.h"

struct sw_tls_reader {
    struct sw_slice s;
    bool bad;
};

/* Extensions of a hello or a CertificateRequest. RFC 8446 4.2, RFC 6066 3 */
enum {
    SW_TLS_EXT_SNI = 0,
    SW_TLS_EXT_GROUPS = 10,
    SW_TLS_EXT_SIGNATURES = 13,
    SW_TLS_EXT_VERSIONS = 43,
    SW_TLS_EXT_AUTHORITIES = 47,
    SW_TLS_EXT_KEY_SHARE = 51
};

/** A number of at most 4 bytes; 0, and `bad`, if there are fewer. */
unsigned sw_tls_reader_get(struct sw_tls_reader *r, unsigned bytes);

/** A run with its length, in `bytes` bytes, before it. */
struct sw_tls_reader sw_tls_reader_sub(struct sw_tls_reader *r, unsigned bytes);

/** One extension out of a list of them. */
bool sw_tls_reader_extension(struct sw_tls_reader list, unsigned wanted, struct sw_tls_reader *out);

/** The standard name of an extension; NULL: it has none here. */
const char *sw_tls_extension_name(unsigned type);

/** Appends a name, or the value in hex if it is NULL. */
void sw_tls_word_put(struct sw_buf *b, const char *name, unsigned value);

#endif

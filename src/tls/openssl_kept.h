/* TLS sessions in memory, with what their peers showed: a table with a limit, and their ends. */
#ifndef SW_TLS_OPENSSL_KEPT_H
#define SW_TLS_OPENSSL_KEPT_H

#include "base/list.h"
#include "base/map.h"

#include <openssl/ssl.h>

/* DER bytes of the peer's chain, and of a server's ticket, that one may hold: with more the next
 * handshake is a full one. Usual chains have 1 to 4 kB. */
enum { SW_TLS_SESSION_BYTES = 8 * 1024 };

/* Sessions of one certificate. A peer that connects again and again without resuming takes the room
 * of its own sessions, not that of others. */
enum { SW_TLS_SESSIONS_PER_LEAF = 64 };

struct sw_tls_kept_leaf;

struct sw_tls_kept {
    struct sw_map_node node;
    struct sw_list age, of_leaf;
    struct sw_tls_kept_leaf *leaf;
    SSL_SESSION *session;
    STACK_OF(X509) * sent; /* by the peer */
    int64_t until_s;
};

struct sw_tls_kept_table {
    struct sw_map map, leaves;
    struct sw_list by_age;
    uint32_t max;
};

SW_MUST_USE enum sw_status sw_tls_kept_init(struct sw_tls_kept_table *t, uint32_t max);
void sw_tls_kept_fini(struct sw_tls_kept_table *t);

struct sw_tls_kept *sw_tls_kept_get(const struct sw_tls_kept_table *t, struct sw_key key);
void sw_tls_kept_drop(struct sw_tls_kept_table *t, struct sw_tls_kept *x);

/** True if it has not ended, by time or by a fatal alert. RFC 8446 6.2 */
bool sw_tls_kept_is_good(const struct sw_tls_kept *x);

/**
 * Keeps a session of `ssl` until then, in place of one with this key or, at a limit, of the
 * oldest: of the same certificate, or of all. True: the reference to it is the table's now.
 */
bool sw_tls_kept_put(struct sw_tls_kept_table *t, struct sw_key key, SSL *ssl, SSL_SESSION *session,
                     int64_t until_s);

#endif

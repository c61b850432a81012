/* Sessions that are resumed, behind tls/session.h. A server gives a client that showed a
 * certificate the name of a session that it keeps in memory, and one that showed none a ticket. A
 * client keeps what its servers gave it. What was proved is judged again before anything is
 * resumed. */
#ifndef SW_TLS_OPENSSL_RESUME_H
#define SW_TLS_OPENSSL_RESUME_H

#include "base/map.h"
#include "crypto/hmac.h"
#include "tls/session.h"

#include <openssl/ssl.h>

struct sw_tls_memory; /* the sessions of one worker */

/* What a session knows of resumption. */
struct sw_tls_past {
    struct sw_tls_memory *memory;
    const struct sw_tls_params *params; /* while the handshake lasts */
    const struct sw_tls_policy *policy; /* likewise */
    uint8_t context[SW_SHA256_BYTES];   /* server: where it may be resumed */
    struct sw_key key;                  /* client: what is kept for its target */
    bool has_key;
    bool offered; /* client: what was kept has been looked at */
    bool ems;     /* server: the client has extended_master_secret. RFC 7627 */
};

/** Whether what the peer of `ssl` showed in an earlier session holds now. */
typedef bool sw_tls_holds_fn(SSL *ssl, X509 *leaf, STACK_OF(X509) * sent);

/** NULL: memory is out. `lib` outlives it. */
struct sw_tls_memory *sw_tls_memory_new(const struct sw_tls_resumption *r, OSSL_LIB_CTX *lib,
                                        sw_tls_holds_fn *holds);
void sw_tls_memory_free(struct sw_tls_memory *m);

/** Lets the sessions of a context be resumed, if they have a memory. */
void sw_tls_memory_attach(SSL_CTX *ctx, bool server);

/** Of a session that begins, for free(). NULL: memory is out. */
struct sw_tls_past *sw_tls_past_new(struct sw_tls_memory *m, const struct sw_tls_params *params,
                                    const struct sw_tls_policy *policy);

/** A client: what is kept for this target is to be used, and kept again. */
void sw_tls_past_target(struct sw_tls_past *p, const struct sw_endpoint *remote);

/** A client, before each step of its handshake. */
void sw_tls_past_offer(struct sw_tls_past *p, SSL *ssl);

/** The handshake is done. */
void sw_tls_past_done(struct sw_tls_past *p, SSL *ssl);

/** The worker that made a session's name; false: it is none of ours. */
bool sw_tls_memory_owner(const struct sw_tls_memory *m, struct sw_slice id, uint16_t *worker);

#endif

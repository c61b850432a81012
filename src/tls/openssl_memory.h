/* What the files of resumption share: the memory of a worker, and what they need of each other. No
 * other file includes it. */
#ifndef SW_TLS_OPENSSL_MEMORY_H
#define SW_TLS_OPENSSL_MEMORY_H

#include "crypto/siphash.h"
#include "tls/openssl_kept.h"
#include "tls/openssl_resume.h"
#include "tls/tickets.h"

#include <openssl/ssl.h>
#include <time.h>

struct sw_tls_memory {
    struct sw_tls_kept_table kept;
    uint32_t lifetime_s;
    uint16_t worker;
    int64_t begin_s;
    struct sw_hmac_key context_key;
    struct sw_sip_key name_key;
    struct sw_ticket_keys tickets;
    EVP_CIPHER *cipher;
    OSSL_LIB_CTX *lib;
    sw_tls_holds_fn *holds;
};

/** Seconds since 1970. */
static inline int64_t sw_tls_now_s(void)
{
    return (int64_t)time(NULL);
}

/* ---- openssl_resume.c ---- */

/** What a session knows of resumption; NULL: nothing. */
struct sw_tls_past *sw_tls_past_of(const SSL *ssl);

/** Until when: not beyond the end of the peer's certificate, nor what the server said. */
int64_t sw_tls_session_end_s(const struct sw_tls_memory *m, SSL_SESSION *session, bool server);

/**
 * Listener or peer, role, policy, whom we believe, what we show, and the name that was asked for:
 * a session of one is none of another. RFC 6066 3, RFC 8446 4.6.1
 */
void sw_tls_past_context(const struct sw_tls_past *p, const struct sw_tls_identity *shown,
                         struct sw_slice name, uint8_t out[SW_SHA256_BYTES]);

/* ---- openssl_resume_server.c ---- */

/** What the client gets is kept in memory (on), or a ticket. */
void sw_tls_session_keep(SSL *ssl, bool on);

/** The place of a session by its name, of SW_TLS_SESSION_ID_BYTES. */
struct sw_key sw_tls_memory_key(const struct sw_tls_memory *m, const void *id);

/** The first that is known of a client, before its session is looked for. */
int sw_tls_resume_hello(SSL *ssl, int *alert, void *unused);

/** The name says who keeps the session, so that a worker that was asked passes the client on. */
int sw_tls_resume_name(SSL *ssl, unsigned char *id, unsigned *n);

/**
 * What the client proved is judged with the rules of now; if it does not hold any more, the session
 * is gone and the handshake is a full one.
 */
SSL_SESSION *sw_tls_resume_find(SSL *ssl, const unsigned char *id, int n, int *copy);

/* ---- openssl_tickets.c ---- */

/**
 * RFC 5077 4. Who showed a certificate gets no ticket, nor who lacks extended_master_secret
 * (RFC 7627 5.4). Each ticket of TLS 1.3 is followed by a new one: RFC 8446 C.4
 */
int sw_tls_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                      EVP_MAC_CTX *mac, int enc);

/** Before a ticket, or the name of a session, is given out. */
int sw_tls_ticket_made(SSL *ssl, void *unused);

/** Whether a ticket that came is used, and renewed. */
SSL_TICKET_RETURN sw_tls_ticket_read(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                     size_t n, SSL_TICKET_STATUS status, void *unused);

#endif

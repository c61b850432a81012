/* What both sides of a handshake said and showed, kept for the record of its failure. */
#ifndef SW_TLS_OPENSSL_EVIDENCE_H
#define SW_TLS_OPENSSL_EVIDENCE_H

#include "tls/offer.h"
#include "tls/session.h"

#include <openssl/ssl.h>

/* The hellos of one handshake. */
struct sw_tls_hellos {
    bool has_ours, has_theirs;
    struct sw_tls_offer ours, theirs;
};

/** Keeps a message if it is a hello; `*h` is made when it is first needed, and for free(). */
void sw_tls_hellos_keep(struct sw_tls_hellos **h, bool sent, struct sw_slice message);

/** What the peer offered or chose; NULL: no hello came. */
static inline const struct sw_tls_offer *sw_tls_hellos_theirs(const struct sw_tls_hellos *h)
{
    return h && h->has_theirs ? &h->theirs : NULL;
}

/* Certificates that came and were refused. */
struct sw_tls_refused {
    STACK_OF(X509) * came; /* leaf first; NULL: none was refused */
    int at;                /* which of them, -1: one of ours */
};

/** Keeps the chain that came and which of it was refused: the library forgets it. */
void sw_tls_refused_keep(struct sw_tls_refused *r, X509_STORE_CTX *ctx, const X509 *which);

/** All of `out` but `policy` and `name_outcome`; `h` and `r->came` may be NULL. */
void sw_tls_evidence_put(const SSL *ssl, const struct sw_tls_hellos *h,
                         const struct sw_tls_refused *r, struct sw_tls_evidence *out);

#endif

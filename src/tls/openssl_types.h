/* What the OpenSSL backend files of this room share: a worker's part, a session, and what one file
 * needs of another. No other file includes it. */
#ifndef SW_TLS_OPENSSL_TYPES_H
#define SW_TLS_OPENSSL_TYPES_H

#include "crypto/openssl_types.h"
#include "tls/openssl_evidence.h"
#include "tls/openssl_had.h"
#include "tls/openssl_lib.h"
#include "tls/openssl_resume.h"
#include "tls/session.h"

#include <openssl/ssl.h>

/* A chunk, its records' overhead, and a handshake flight with a long chain. */
enum { SW_TLS_OUT_BYTES = 96 * 1024 };

struct sw_tls_worker {
    struct sw_tls_lib lib;
    const struct sw_tls_policy *policies;
    SSL_CTX **ctx; /* [policy * 2 + server] */
    unsigned policy_count;
    BIO_METHOD *bio;
    void (*seen)(void *user, const struct sw_tls_seen *m);
    struct sw_leafcache *leaves;
    struct sw_tls_memory *memory; /* of sessions; NULL: none is resumed */
    struct sw_tls_had *had;       /* policies of open sessions */
    size_t out_n;
    char out[SW_TLS_OUT_BYTES];
};

struct sw_tls {
    SSL *ssl;
    struct sw_tls_worker *w;
    const struct sw_trust *trust;
    const struct sw_tls_policy *policy; /* the configuration's, then that of `had` */
    struct sw_tls_had *had;             /* after the handshake; NULL before, or memory was out */
    char *shown_name;                   /* likewise */
    struct sw_tls_hellos *hellos; /* until data came: a refusal may come that late; NULL: none */
    struct sw_tls_refused refusal;
    const struct sw_tls_identity *shown; /* NULL after the handshake */
    const struct sw_tls_names *names;    /* NULL: the server name chooses nothing */
    void *user;
    struct sw_tls_past *past;   /* NULL: nothing is resumed, or a server's handshake is over */
    struct sw_slice in;         /* not read yet by the library */
    char *kept;                 /* where `in` is, if not with the caller */
    struct sw_vouched *vouched; /* by the last judgement; NULL once its identity was taken */
    int verify_error;           /* of the last judgement */
    enum sw_status failed;
    unsigned long library; /* the library's error of it */
    int16_t alert;
    bool alert_sent;
    bool verified; /* a chain was judged */
    bool dane;     /* TLSA records count */
    bool showed;   /* a client's Certificate message with a certificate in it has left */
    uint32_t local_id, local_domain;
    bool pending;   /* the judgement waits for an answer about revocation */
    bool unstapled; /* a staple was asked for, and none came */
    bool name_unknown;
    bool names_no_source; /* of the refused certificate */
    bool settled;         /* the peer took what it was shown: data came, or it is admitted */
    uint8_t first_n;      /* of what came first */
    char first[SW_WIRE_BYTES];
    unsigned renegotiations; /* that the peer asked for */
    uint32_t key_updates;    /* of the peer in the minute from */
    int64_t key_updates_s;
    bool key_flood;       /* too many: nothing more is read */
    uint32_t key_records; /* that one key may protect, */
    uint32_t records;     /* and has, of those sent */
    bool names_only;      /* a server name that is in none of `names` is refused */
    char *why;            /* of the failure, SW_WHY_MAX; NULL: did not fail */
    char *refused;        /* subject of the certificate that was refused; NULL: none was */
};

/* The session of a callback. Its BIO knows it: a place of the library's own for such things takes
 * 150 bytes more of each connection. */
static inline struct sw_tls *sw_tls_of(const SSL *ssl)
{
    BIO *bio = SSL_get_rbio(ssl);
    return bio ? BIO_get_data(bio) : NULL;
}

/* ---- openssl_worker.c ---- */

/** The context of a role and policy; NULL: no such policy, or memory is out. */
SSL_CTX *sw_tls_worker_ctx(struct sw_tls_worker *w, unsigned policy, bool server);

/* ---- openssl_verify.c ---- */

/** The library asks whether a chain holds: 1, or 0 with the reason kept. RFC 5280 6.1 */
int sw_tls_verify(X509_STORE_CTX *ctx, void *unused);

/**
 * What the server says of its own certificate; the library ends the handshake with
 * bad_certificate_status_response if it does not satisfy: 0. RFC 6066 8
 */
int sw_tls_staple_seen(SSL *ssl, void *unused);

/** What would be resumed: if it does not hold, the handshake is a full one, which says why. */
bool sw_tls_holds_now(SSL *ssl, X509 *leaf, STACK_OF(X509) * sent);

/* ---- openssl_dane.c ---- */

/**
 * What TLSA records say of the chain in `asked`, where trust entries say `v`: they decide, and are
 * in `v` afterwards. True: it is believed.
 */
bool sw_tls_dane_judge(struct sw_tls *t, X509_STORE_CTX *asked, struct sw_trust_verdict *v);

/* ---- openssl_identity.c ---- */

/**
 * Each certificate with a chain of its own: the library chooses by what the peer can verify. False:
 * the library refused one, or memory is out. RFC 8446 4.4.2.2, RFC 5246 7.4.2
 */
bool sw_tls_identity_show(SSL *ssl, const struct sw_tls_identity *id);

/**
 * The server name of a ClientHello chooses what we show. A name that is not ours gets the default:
 * RFC 6066 3 leaves that to the server, and the client judges what it is shown.
 */
int sw_tls_name_seen(SSL *ssl, int *alert, void *unused);

/** A client wants an OCSP answer for our certificate: it gets the one that was fetched. RFC 6066 8
 */
int sw_tls_staple_wanted(SSL *ssl, void *unused);

/* ---- openssl_mutual.c ---- */

/** A handshake message has left: notes that a certificate is in it. */
void sw_tls_shown_note(struct sw_tls *t, struct sw_slice message);

/** The handshake is done: what was shown is kept with a client's session, for its resumption. */
void sw_tls_shown_keep(struct sw_tls *t);

/* ---- openssl_outcome.c ---- */

/** Notes the first alert that ends the session, and counts renegotiations that we turn down. */
void sw_tls_alert_seen(const SSL *ssl, int where, int value);

/** Keeps the hellos, and shows handshake messages to whoever watches the worker. */
void sw_tls_message_seen(int sent, int version, int type, const void *p, size_t n, SSL *ssl,
                         void *unused);

/** The session failed: keeps why, from the library's errors, and empties their queue. */
SW_MUST_USE enum sw_status sw_tls_fail(struct sw_tls *t);

#endif

/* One TLS session: bytes in, bytes out, no socket. The backend of the build stands behind it. */
#ifndef SW_TLS_SESSION_H
#define SW_TLS_SESSION_H

#include "crypto/trust.h"
#include "tls/names.h"
#include "tls/policy.h"

/* What we show: a certificate, its chain, and the key. Shared, immutable. */
struct sw_tls_identity {
    uint32_t id;           /* stable, not 0 */
    const char *name;      /* in the configuration; NULL: has none */
    struct sw_certs chain; /* leaf first */
    struct sw_key *key;
    struct sw_tls_identity *also;   /* the same with another kind of key: what the peer can do is
                                       shown; NULL: there is none */
    struct sw_revocations *staples; /* whence an OCSP answer for it comes; NULL: none is sent */
};

enum sw_client_certificate { SW_CERT_NONE, SW_CERT_REQUEST, SW_CERT_REQUIRE };

/* How a session is to be. All it points to outlives the session. */
struct sw_tls_params {
    bool server;
    unsigned policy;                        /* number of a policy */
    const struct sw_tls_identity *identity; /* NULL: none is shown (client only) */
    const struct sw_tls_names *names;       /* server: what is shown by SNI; NULL: `identity` */
    const struct sw_trust *trust;           /* NULL: nobody is believed */
    enum sw_client_certificate client_cert; /* server only */
    const char *server_name;                /* client: sent as SNI; NULL: none */
};

/* A handshake message, for those who want to draw it. */
struct sw_tls_seen {
    bool sent;
    unsigned content_type, version;
    struct sw_slice bytes;
};

struct sw_tls_worker; /* the library's contexts of one thread */
struct sw_tls;        /* one session */

/* What came of it. Text is valid as long as the session. */
struct sw_tls_info {
    const char *version; /* such as "TLSv1.3" */
    const char *suite;
    const char *group;
    struct sw_slice server_name;         /* that the client asked for */
    const struct sw_tls_identity *shown; /* ours, or NULL */
};

/* Why it failed. */
struct sw_tls_failure {
    enum sw_status status;
    int alert;       /* -1: none */
    bool alert_sent; /* by us, else by the peer */
    char why[SW_WHY_MAX];
    char subject[256]; /* of the certificate that failed; empty: none did */
    const char *code;  /* why a certificate was refused, a stable word; NULL: none was */
    const char *help;  /* static text: what would help */
};

/**
 * Contexts for one thread and `count` policies, which outlive it. `seen` is called for each
 * handshake message if it is not NULL. NULL: memory is out.
 */
struct sw_tls_worker *sw_tls_worker_new(const struct sw_tls_policy *policies, unsigned count,
                                        void (*seen)(void *user, const struct sw_tls_seen *m));
void sw_tls_worker_free(struct sw_tls_worker *w);

/**
 * Takes up other policies, which outlive it: sessions from now on have them, those that exist keep
 * theirs. SW_LIMIT_MEMORY: nothing changed.
 */
SW_MUST_USE enum sw_status
sw_tls_worker_adopt(struct sw_tls_worker *w, const struct sw_tls_policy *policies, unsigned count);

/** A session; `user` is passed to `seen`. NULL: memory is out or the parameters do not fit. RFC
 * 3261 26.3.1 */
struct sw_tls *sw_tls_new(struct sw_tls_worker *w, const struct sw_tls_params *params, void *user);
void sw_tls_free(struct sw_tls *t);

/** Gives bytes from the peer. They must stay until the calls that follow have said SW_AGAIN. */
void sw_tls_feed(struct sw_tls *t, struct sw_slice bytes);

/**
 * Goes on with the handshake. SW_OK: done. SW_AGAIN: more bytes are needed. Otherwise it failed,
 * see sw_tls_failure. In all cases there may be output.
 */
SW_MUST_USE enum sw_status sw_tls_handshake(struct sw_tls *t);

/** Decrypts into `p`. SW_AGAIN: more bytes are needed. SW_PEER_CLOSED: close_notify. */
SW_MUST_USE enum sw_status sw_tls_read(struct sw_tls *t, char *p, size_t cap, size_t *n);

/** Encrypts all of `bytes` into the output, which must have room: see SW_TLS_CHUNK. */
SW_MUST_USE enum sw_status sw_tls_write(struct sw_tls *t, struct sw_slice bytes);

/** Puts a close_notify into the output. RFC 8446 6.1 */
void sw_tls_close(struct sw_tls *t);

/* Plain bytes that one sw_tls_write may be given: what they become fits an empty output. */
enum { SW_TLS_CHUNK = 48 * 1024 };

/** What is to be sent to the peer of the session used last; taken before another session is used.
 */
struct sw_slice sw_tls_output(struct sw_tls_worker *w);
void sw_tls_output_taken(struct sw_tls_worker *w);

/** True if the client asked for a name that is in none of `names`, and gets the default. */
bool sw_tls_name_unknown(const struct sw_tls *t);

void sw_tls_info(const struct sw_tls *t, struct sw_tls_info *out);
void sw_tls_failure(const struct sw_tls *t, struct sw_tls_failure *out);

/**
 * What the peer's certificate proved and may be used for, for the caller to free with
 * sw_ident_free. In `uses` SW_USE_SIGN says that keyUsage allows what this handshake did. NULL:
 * none shown.
 */
struct sw_ident *sw_tls_ident(const struct sw_tls *t);

/**
 * Whether the library knows what a policy names, and no suite in it is without encryption or
 * authentication: SW_PEER_SYNTAX with `why`. SW_OK with a `why` that is not empty: it is weak.
 */
SW_MUST_USE enum sw_status sw_tls_policy_check(const struct sw_tls_policy *p, char why[SW_WHY_MAX]);

/**
 * True if the handshake is done, and whether the peer's certificate was revoked is still being
 * asked for: nothing is to be read or sent until sw_tls_judge_again says SW_OK.
 */
bool sw_tls_waits(const struct sw_tls *t);

/** Copies what was fed and not read, so that it need not stay. SW_LIMIT_MEMORY */
SW_MUST_USE enum sw_status sw_tls_keep_fed(struct sw_tls *t);

/**
 * Judges the peer's chain of a session that is open once more, now with `trust` (NULL: nobody is
 * believed). `last`: answers that have not come are not waited for. SW_AGAIN: what it proved so far
 * stays. SW_CRYPTO: it does not hold any more, see sw_tls_failure.
 */
SW_MUST_USE enum sw_status sw_tls_judge_again(struct sw_tls *t, const struct sw_trust *trust,
                                              bool last);

/** The library and its version, for `sipward version`. */
const char *sw_tls_library(void);

#endif

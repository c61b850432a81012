/* One TLS session: bytes in, bytes out, no socket. The backend of the build stands behind it. */
#ifndef SW_TLS_SESSION_H
#define SW_TLS_SESSION_H

#include "crypto/trust.h"
#include "tls/names.h"
#include "tls/offer.h"
#include "tls/policy.h"
#include "tls/wire.h"

/* What we show: a certificate, its chain, and the key. Shared, immutable. */
struct sw_tls_identity {
    uint32_t id;           /* stable, not 0 */
    uint32_t local_id;     /* equal for those whose certificates have the same names; 0: none */
    uint32_t local_domain; /* the first of `domains` in it, as sw_local_domain_id; 0: none */
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
    bool names_only;                        /* a name in none of them is refused: RFC 9325 3.7 */
    const struct sw_trust *trust;           /* NULL: nobody is believed */
    enum sw_client_certificate client_cert; /* server only */
    const char *server_name;                /* client: sent as SNI; NULL: none */
    const char
        *scope; /* the listener or peer: its sessions are no other's; NULL: none is resumed */
};

/* How sessions are resumed. Workers that are given the same but for `worker` can read each other's
 * tickets; a session that is kept in memory is the worker's that made it. */
struct sw_tls_resumption {
    uint8_t secret[32];    /* random */
    uint32_t lifetime_s;   /* since the peer's key signed; not 0 */
    uint32_t sessions_max; /* in memory; not 0: the oldest makes room */
    int64_t begin_s;       /* monotonic clock: ticket keys change each `lifetime_s` from then on */
    uint16_t worker;
};

/* A handshake message, for those who want to draw it. */
struct sw_tls_seen {
    bool sent;
    unsigned content_type, version;
    struct sw_slice bytes;
};

/* A certificate as it came. */
struct sw_tls_came {
    char subject[160], issuer[160]; /* one line each, clipped */
    int64_t not_before_s, not_after_s;
    uint8_t sha256[32];
};

/* Certificates of a received chain that are told, from the leaf on: real ones have up to five. */
enum { SW_TLS_CAME_MAX = 8 };

/* Numbers at IANA of suites, in their order. */
struct sw_tls_suites {
    unsigned count;
    uint16_t number[SW_TLS_OFFER_SUITES];
};

/* What both sides said in a handshake, for the record of its failure. */
struct sw_tls_evidence {
    const char *policy;    /* ours */
    char ours[512];        /* versions and suites: our hello, or what our policy has */
    char theirs[512];      /* likewise, of the peer's hello; empty: none came, or it is long ago */
    char chosen[128];      /* version and suite; empty: nothing was */
    char server_name[256]; /* that the client asked for; empty: none */
    const char *name_outcome; /* server: what that name chose, static text; NULL: see `shown` */
    unsigned came_count;      /* certificates that came, of which so many are told: */
    unsigned told;
    struct sw_tls_suites our_suites,
        their_suites; /* all that `ours` and `theirs` had no room for */
    int refused;      /* which of them was, -1: none of them */
    char names[256];  /* in the leaf, as sw_ident_put_names; empty: none */
    struct sw_tls_came came[SW_TLS_CAME_MAX];
};

/* Bytes of a Certificate message: more is refused before it is read. A chain of four with RSA 4096
 * and some hundred names has half of it. */
enum { SW_TLS_CHAIN_MAX = 64 * 1024 };

struct sw_tls_worker; /* the library's contexts of one thread */
struct sw_tls;        /* one session */

/* What came of it. Text is valid as long as the session. */
struct sw_tls_info {
    const char *version; /* such as "TLSv1.3" */
    const char *suite;
    uint16_t suite_number; /* at IANA */
    uint8_t minor;         /* of the version 3.x: 4 is TLS 1.3 */
    const char *group;
    struct sw_slice server_name; /* that the client asked for */
    const char *shown;           /* the name of our identity, or NULL */
    bool resumed;                /* what was proved was proved in an earlier session */
};

/* Why it failed. */
struct sw_tls_failure {
    enum sw_status status;
    int alert;       /* -1: none */
    bool alert_sent; /* by us, else by the peer */
    bool settled;    /* the handshake was long over: see sw_tls_forget_hellos */
    char why[SW_WHY_MAX];
    char subject[256]; /* of the certificate that failed; empty: none did */
    const char *code;  /* a stable word for it; NULL: it did not fail */
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

/**
 * Lets sessions with a scope be resumed from now on; once. Policies that are adopted later change
 * nothing in that. SW_LIMIT_MEMORY: nothing is resumed.
 */
SW_MUST_USE enum sw_status sw_tls_worker_remember(struct sw_tls_worker *w,
                                                  const struct sw_tls_resumption *r);

/**
 * The worker that keeps the session which the first bytes of a client ask for. False: they ask for
 * none that is kept in memory, or for nobody's.
 */
bool sw_tls_session_owner(const struct sw_tls_worker *w, struct sw_slice first_bytes,
                          uint16_t *worker);

/** A session; `user` is passed to `seen`. NULL: memory is out or the parameters do not fit. RFC
 * 3261 26.3.1 */
struct sw_tls *sw_tls_new(struct sw_tls_worker *w, const struct sw_tls_params *params, void *user);
void sw_tls_free(struct sw_tls *t);

/** Client, before its handshake: resumes a session with this address if one is kept, and keeps what
 * comes of it. RFC 8446 C.4 */
void sw_tls_target(struct sw_tls *t, const struct sw_endpoint *remote);

/**
 * Client, before its handshake: the server's certificate must match one of these TLSA records,
 * which DNSSEC vouches for, and by usage 2 and 3 they vouch for it beside `trust`: see
 * SW_VOUCHED_DANE_EE. If none can be used nothing changes. Its session is not resumed. Nothing of
 * `records` is kept. SW_LIMIT_MEMORY, SW_CRYPTO: the session must not be used. RFC 6698 2.1, RFC
 * 7671 5, RFC 7673 4.2
 */
SW_MUST_USE enum sw_status sw_tls_dane(struct sw_tls *t, struct sw_slice records);

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

/* KeyUpdates of a peer in one minute: software changes a key after 2^24 records or an hour. One
 * more ends the session. RFC 8446 4.6.3, 5.5 */
enum { SW_TLS_KEY_UPDATES_PER_MINUTE = 100 };

/* Plain bytes that one sw_tls_write may be given: what they become fits an empty output. */
enum { SW_TLS_CHUNK = 48 * 1024 };

/** What is to be sent to the peer of the session used last; taken before another session is used.
 */
struct sw_slice sw_tls_output(struct sw_tls_worker *w);
void sw_tls_output_taken(struct sw_tls_worker *w);

/** Frees what both sides offered, which is kept for the words of a refusal. Reading data does it,
 * too: until then a server of TLS 1.3 may refuse our certificate. */
void sw_tls_forget_hellos(struct sw_tls *t);

/** True if the peer showed a certificate. */
bool sw_tls_has_certificate(const struct sw_tls *t);

/** How often the peer asked for a renegotiation, which no policy has: it was told no. */
unsigned sw_tls_renegotiations(const struct sw_tls *t);

/** True if the handshake failed because the peer speaks `wire` instead of TLS. */
bool sw_tls_heard(const struct sw_tls *t, enum sw_tls_wire wire);

/** True if the client asked for a name that is in none of `names`, and gets the default. */
bool sw_tls_name_unknown(const struct sw_tls *t);

void sw_tls_info(const struct sw_tls *t, struct sw_tls_info *out);
void sw_tls_failure(const struct sw_tls *t, struct sw_tls_failure *out);

/** What the peer's hello and ours said is known until the first byte of data was read. */
void sw_tls_evidence(const struct sw_tls *t, struct sw_tls_evidence *out);

/**
 * What the peer's certificate proved and may be used for, for the caller to free with
 * sw_ident_free. Once after each judgement: after the handshake, and after sw_tls_judge_again. In
 * `uses` SW_USE_SIGN says that keyUsage allows what this handshake did. NULL: none shown.
 */
struct sw_ident *sw_tls_take_ident(struct sw_tls *t);

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

/** The identity that is ours in it, by its names (`local_id`): known after the handshake; 0: none.
 */
uint32_t sw_tls_local_id(const struct sw_tls *t);
/** The domain of ours that it is itself for: see `local_domain`. Likewise. */
uint32_t sw_tls_local_domain(const struct sw_tls *t);

/** True if we have shown a certificate, in this handshake or in the one whose session it resumes:
 * a server does, a client if it was asked for one and has it. Known after the handshake. */
bool sw_tls_has_shown(const struct sw_tls *t);

/** A number that only the two ends of an open session know, and both do; 0: there is none. RFC
 * 5705, RFC 8446 7.5 */
uint32_t sw_tls_order(const struct sw_tls *t);

/** Copies what was fed and not read, so that it need not stay. SW_LIMIT_MEMORY */
SW_MUST_USE enum sw_status sw_tls_keep_fed(struct sw_tls *t);

/**
 * Judges the peer's chain of a session that is open once more, now with `trust` (NULL: nobody is
 * believed). `last`: answers that have not come are not waited for. SW_AGAIN: what it proved so far
 * stays; SW_LIMIT_MEMORY: so it does, because it could not be judged. SW_CRYPTO: it does not hold
 * any more, see sw_tls_failure.
 */
SW_MUST_USE enum sw_status sw_tls_judge_again(struct sw_tls *t, const struct sw_trust *trust,
                                              bool last);

/** The library and its version, for `sipward version`. */
const char *sw_tls_library(void);

#endif

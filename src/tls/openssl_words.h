/* What the library says of a handshake that failed, as status and in words for the operator. */
#ifndef SW_TLS_OPENSSL_WORDS_H
#define SW_TLS_OPENSSL_WORDS_H

#include "base/buf.h"
#include "crypto/trust.h"
#include "tls/offer.h"
#include "tls/wire.h"

struct sw_tls_trouble {
    unsigned long library; /* the library's error code, 0: none */
    int alert;             /* -1: none */
    bool alert_sent;       /* by us, else by the peer */
    int verify_error;      /* X509_V_OK: no certificate was refused */
    bool names_no_source;  /* the refused one says nowhere whether it is revoked */
    bool server;           /* it is we */
    bool settled;          /* the handshake is long over */
    bool key_flood;        /* more than SW_TLS_KEY_UPDATES_PER_MINUTE */
    unsigned refused_renegotiations;
    const struct sw_tls_offer *offer;   /* of the peer; NULL: none came */
    const struct sw_tls_policy *policy; /* ours */
    enum sw_tls_wire wire;              /* what came first */
};

enum sw_status sw_tls_trouble_status(const struct sw_tls_trouble *x);

/** Why it failed, unless a certificate was refused: then sw_tls_refusal_why has said more. */
void sw_tls_trouble_why(struct sw_buf *b, const struct sw_tls_trouble *x);

/** What would help against it; static text. */
const char *sw_tls_trouble_help(enum sw_status failed, const struct sw_tls_trouble *x);

/** The stable word for why a certificate was refused, such as "key_too_weak"; static text. */
const char *sw_tls_refusal_code(int verify_error);

/** What would help against it; static text. */
const char *sw_tls_refusal_help(int verify_error, bool names_no_source);

/** What the two sides have not in common, by the library's reason. */
enum sw_tls_gap sw_tls_gap_of(int reason);

/** True if the first error is of no library of OpenSSL's own: of an engine, which holds a key. */
bool sw_tls_of_token(const struct sw_tls_trouble *x);

/** The stable word for why it failed, a refused certificate's included; static text. */
const char *sw_tls_trouble_code(enum sw_status failed, const struct sw_tls_trouble *x);

/** Why a certificate was refused by the entries of `trust`, NULL if there are none to ask. */
void sw_tls_refusal_why(struct sw_buf *b, int verify_error, const struct sw_cert_facts *cert,
                        bool names_no_source, const struct sw_trust *trust);

#endif

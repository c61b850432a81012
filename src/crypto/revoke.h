/* What is learnt of revocations while the process runs: OCSP answers and lists that were fetched.
 * All threads share one; those that judge a certificate ask it, and one that may wait fetches what
 * is not there. The backend of the build stands behind it. */
#ifndef SW_CRYPTO_REVOKE_H
#define SW_CRYPTO_REVOKE_H

#include "crypto/x509.h"
#include <stdbool.h>

struct sw_revocations;

/* Answers and lists that are kept at most, the one not used for longest goes: some 5 kB each. */
enum { SW_REVOCATIONS_MAX = 8192 };

/* Bytes of an address, of an OCSP answer, and of a list: those of the largest CAs have 30 MB. */
enum { SW_INQUIRY_URL_MAX = 512, SW_OCSP_BYTES_MAX = 64 << 10, SW_CRL_BYTES_MAX = 64 << 20 };

/* Something to be fetched. */
struct sw_inquiry {
    bool of_list; /* else an OCSP request, which is posted */
    char url[SW_INQUIRY_URL_MAX];
    struct sw_slice body; /* of the request; freed by sw_revocations_answer */
    uint8_t what[32];     /* of the answer's place */
    void *request;        /* the backend's, freed with it */
};

/* What came of it. Text is static or in `why`. */
struct sw_learnt {
    const char *said; /* good, revoked, unknown, list, failed */
    int64_t until_s;
    char why[SW_WHY_MAX];
    struct sw_cert_facts about; /* the certificate; of a list: its issuer alone, if it was read */
};

/** One with one reference. NULL: memory is out. */
struct sw_revocations *sw_revocations_new(void);
struct sw_revocations *sw_revocations_ref(struct sw_revocations *r);
void sw_revocations_unref(struct sw_revocations *r);

/** How long an answer is used before it is asked for again, and whom to wake if something is to be
 * fetched: from any thread, under no lock. */
void sw_revocations_set(struct sw_revocations *r, uint32_t refresh_s, void (*wake)(void *user),
                        void *user);

/** How many answers came: who waits for one looks again when this has changed. Any thread. */
uint64_t sw_revocations_answers(const struct sw_revocations *r);

/** Changes when what was believed may not be any more. Any thread. */
uint64_t sw_revocations_version(const struct sw_revocations *r);

/** The next to be fetched; false: nothing. */
bool sw_revocations_next(struct sw_revocations *r, struct sw_inquiry *out);

/** Takes the answer, body.p NULL: it failed, and `why` says how. */
void sw_revocations_answer(struct sw_revocations *r, struct sw_inquiry *q, struct sw_slice body,
                           const char *why, struct sw_learnt *out);

/**
 * The OCSP answer to send with a certificate of ours, for the caller to drop; it is asked for
 * when it is not there. .p NULL: there is none now. RFC 6066 8
 */
struct sw_slice sw_revocations_staple(struct sw_revocations *r, const struct sw_cert *cert,
                                      const struct sw_cert *issuer);

void sw_revocations_drop_staple(struct sw_slice staple);

/** Wants the answers for certificates of ours renewed whose time has come. */
void sw_revocations_renew(struct sw_revocations *r);

/** True if the certificate names an OCSP responder that can be asked. RFC 5280 4.2.2.1 */
bool sw_cert_has_responder(const struct sw_cert *cert);

/* How many answers of each kind are kept, for those who ask. */
struct sw_revocations_count {
    uint32_t good, revoked, unknown, lists, failed, waiting;
};

void sw_revocations_count(struct sw_revocations *r, struct sw_revocations_count *out);

/* One answer or list, or that it could not be had. Text is valid in the call that is given it. */
struct sw_revocation_row {
    const char *kind;                      /* ocsp, crl */
    const char *said;                      /* good, revoked, unknown, list, failed, waiting */
    const char *url;                       /* NULL: it came stapled */
    bool of_ours;                          /* about a certificate that we show */
    int64_t until_s;                       /* of what was said; 0: nothing was */
    int64_t failed_s;                      /* when it could not be had last; 0: never */
    const char *why;                       /* of that */
    const char *issuer, *subject, *serial; /* subject and serial: "" of a list */
};

/** Tells all that is kept; false: memory is out. `row` is called under no lock. */
bool sw_revocations_list(struct sw_revocations *r,
                         void (*row)(void *user, const struct sw_revocation_row *x), void *user);

#endif

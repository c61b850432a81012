/* The table of what was learnt of revocations. No other file than those of it includes this. */
#ifndef SW_CRYPTO_OPENSSL_FACTS_H
#define SW_CRYPTO_OPENSSL_FACTS_H

#include "base/list.h"
#include "base/map.h"
#include "crypto/openssl_learnt.h"

#include <pthread.h>

enum { SW_FACT_RETRY_S = 60 }; /* after a failure, at most */

struct sw_fact_bytes {
    uint8_t *p;
    int n;
};

/* One answer or list, or the wish for it. */
struct sw_fact_entry {
    struct sw_map_node node;
    struct sw_list age;   /* the one used last is the last */
    struct sw_list queue; /* in `wanted` */
    uint8_t what[32];
    char *url;                         /* NULL: it only comes stapled */
    struct sw_fact_bytes cert, issuer; /* empty: it is a list */
    enum sw_fact said;                 /* NONE: nothing yet */
    int64_t until_s, refresh_s, retry_s;
    int64_t failed_s; /* when it could not be learnt last; 0: it never could not */
    char *why;        /* of that; NULL: memory was out */
    X509_CRL *list;
    uint8_t list_sha256[32];
    struct sw_fact_bytes staple; /* the answer itself, of a certificate of ours */
    bool asking, is_ours;
};

struct sw_revocations {
    _Atomic uint32_t refs;
    _Atomic uint64_t answers, version;
    pthread_mutex_t lock;
    struct sw_map map;
    struct sw_list by_age, wanted;
    uint32_t refresh_s;
    void (*wake)(void *user);
    void *user;
};

/** The table is one thread's own until it is unlocked. */
void sw_revocations_lock(struct sw_revocations *r);
void sw_revocations_unlock(struct sw_revocations *r);

/* ---- with the lock ---- */

/** The place of an answer or list; NULL: none. */
struct sw_fact_entry *sw_fact_find(const struct sw_revocations *r, const uint8_t what[32]);

/** Notes what was said. What said something else before is to be judged again. */
void sw_fact_say(struct sw_revocations *r, struct sw_fact_entry *f, enum sw_fact said,
                 int64_t now_s, int64_t until_s);

/** True if nothing is known of it, and it names nobody to ask. */
static inline bool sw_fact_is_empty(const struct sw_fact_entry *f)
{
    return f->said == SW_FACT_NONE && !f->url;
}

/** Frees bytes and forgets them. */
void sw_fact_drop_bytes(struct sw_fact_bytes *b);

#endif

/* Several trust entries seen as one: their anchors and pins in sorted tables. */
#ifndef SW_CRYPTO_OPENSSL_TRUST_H
#define SW_CRYPTO_OPENSSL_TRUST_H

#include "crypto/openssl_types.h"

struct sw_trust_anchor {
    uint32_t subject; /* hash of the name */
    uint32_t entry;   /* index */
    X509 *x;          /* the entry's; equal certificates of several entries are one object here */
};

struct sw_trust_pin {
    struct sw_pin is;
    uint32_t entry;
};

struct sw_trust {
    uint64_t number; /* never given twice */
    uint8_t scope[SW_SHA256_BYTES];
    struct sw_revocations *learnt; /* NULL: nothing is fetched */
    X509_STORE *store;
    const struct sw_trust_entry **entries;
    STACK_OF(X509) * *alone;         /* each entry's own anchors, borrowed from it */
    struct sw_trust_anchor *anchors; /* sorted; a certificate of two entries stands twice */
    struct sw_trust_pin *pins;       /* sorted */
    size_t entry_count, anchor_count, pin_count;
};

/** What the table of anchors is sorted by. */
uint32_t sw_trust_name_hash(const X509_NAME *name);

/** The first anchor whose subject has this hash; the end of the table if there is none. */
const struct sw_trust_anchor *sw_trust_first_of(const struct sw_trust *t, uint32_t subject);

/** True if `a` is not past those with this hash. */
static inline bool sw_trust_is_among(const struct sw_trust *t, const struct sw_trust_anchor *a,
                                     uint32_t subject)
{
    return a < t->anchors + t->anchor_count && a->subject == subject;
}

/** The order of the table of pins, for qsort(). */
int sw_trust_pin_order(const void *x, const void *y);

#endif

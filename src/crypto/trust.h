/* Whom we believe: several trust entries seen as one store, so that a chain is built once and the
 * anchor it ends in says which entries vouch for it. */
#ifndef SW_CRYPTO_TRUST_H
#define SW_CRYPTO_TRUST_H

#include "base/buf.h"
#include "crypto/hmac.h"
#include "crypto/revoke.h"
#include "crypto/x509.h"

/* How an entry finds out what was revoked. */
enum sw_revocation_mode {
    SW_REVOCATION_CRL, /* by lists */
    SW_REVOCATION_OFF,
    SW_REVOCATION_OCSP, /* by the CA's responder, or what the peer staples of it */
    SW_REVOCATION_ANY,  /* by either, lists first */
};

/* One entry of the configuration; its memory outlives every sw_trust made from it. */
struct sw_trust_entry {
    const char *name; /* in the configuration; NULL: has none */
    uint32_t id;      /* stable, not 0 */
    unsigned depth;   /* CA certificates above the leaf, the anchor counted */
    struct sw_certs anchors;
    struct sw_crls crls;
    uint8_t revocation;   /* enum sw_revocation_mode */
    bool revocation_hard; /* a certificate of which nothing is known is refused */
    bool revocation_asks; /* what is not in `crls` is asked for over the network */
    struct sw_pin *pins;  /* certificates and keys accepted exactly as they are */
    size_t pin_count;
    struct sw_certs pinned; /* the certificates that stand behind pins, where they are known */
};

struct sw_trust; /* a store over some entries, immutable */

/** A store over `count` entries. NULL: memory is out. */
struct sw_trust *sw_trust_new(const struct sw_trust_entry *const *entries, size_t count);
void sw_trust_free(struct sw_trust *t);

/** An entry whose CA so many other entries list that it may not be asked any more (SW_VOUCHED_MAX
 * vouch for one leaf); NULL: there is none. */
const struct sw_trust_entry *sw_trust_crowded(const struct sw_trust *t);

/** Lets its entries ask what others learn; `r` outlives it. Before other threads have it. */
void sw_trust_learn(struct sw_trust *t, struct sw_revocations *r);

/** True if one of its entries wants to know what OCSP says. */
bool sw_trust_wants_ocsp(const struct sw_trust *t);

/** The names of its entries, with ", " between them; of many, the first few. */
void sw_trust_put_names(const struct sw_trust *t, struct sw_buf *b);

#endif

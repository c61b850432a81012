/* The branch we put in a Via: it names the transaction, and the worker that owns it, so that a
 * response finds both without a search; and it carries the hash that tells a loop from a spiral. */
#ifndef SW_ENGINE_OWNER_H
#define SW_ENGINE_OWNER_H

#include "base/table.h"
#include "sip/via.h"

struct sw_owner {
    uint32_t instance; /* of the process */
    uint16_t worker;
    struct sw_ref client; /* the client transaction; slot SW_OWNER_NONE: none (an ACK) */
    uint64_t loop;        /* 48 bits; RFC 5393 4.2.1, the "second part" */
};

#define SW_OWNER_NONE UINT32_MAX

enum {
    SW_OWNER_BYTES = 20,
    SW_OWNER_LETTERS = 27,                /* as base64url */
    SW_BRANCH_LEN = 7 + SW_OWNER_LETTERS, /* with the magic cookie */
};

/** Appends the branch. RFC 3261 8.1.1.7 and 16.6 step 8, RFC 5393 4.2.1 */
void sw_owner_put(struct sw_buf *b, const struct sw_owner *o);

/** Reads a branch of ours; false if it does not look like one. It may still be forged. */
bool sw_owner_get(struct sw_slice branch, struct sw_owner *out);

/**
 * Finds the branch of the top Via in a message that is not parsed yet; false if it is not one of
 * ours. Looks at the rows only as far as the first Via.
 */
bool sw_owner_peek(struct sw_slice bytes, struct sw_owner *out);

#endif

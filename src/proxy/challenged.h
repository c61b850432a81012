/* Which peer of a group asked for credentials: the request that carries them goes to the same one,
 * also where the choice is another one by then. A table that never grows. RFC 3261 8.1.3.5, 22.3 */
#ifndef SW_PROXY_CHALLENGED_H
#define SW_PROXY_CHALLENGED_H

#include "base/slice.h"
#include "crypto/siphash.h"

enum {
    /* 24 KiB per worker; in a full set the one that ends first makes room */
    SW_CHALLENGED_SETS = 256,
    SW_CHALLENGED_WAYS = 4,
    /* 64*T1: a user agent that has the password answers at once */
    SW_CHALLENGED_MS = 32000,
};

struct sw_challenged_call {
    uint64_t call;    /* a hash of the Call-ID */
    int64_t until_ms; /* not any more then; 0: free */
    uint32_t peer;
};

struct sw_challenged {
    struct sw_sip_key key;
    struct sw_challenged_call (*sets)[SW_CHALLENGED_WAYS]; /* NULL: nothing is remembered */
};

/** The key is secret: nobody can choose a set. SW_LIMIT_MEMORY */
SW_MUST_USE enum sw_status sw_challenged_init(struct sw_challenged *x, struct sw_sip_key key);
void sw_challenged_fini(struct sw_challenged *x);

/** A request with this Call-ID was answered by `peer` with 401 or 407. */
void sw_challenged_add(struct sw_challenged *x, struct sw_slice call_id, uint32_t peer,
                       int64_t now_ms);

/** The peer that asked a request with this Call-ID for credentials lately; 0: none. */
uint32_t sw_challenged_by(const struct sw_challenged *x, struct sw_slice call_id, int64_t now_ms);

#endif

/* What one peer may take: its limits for what it sends, and for what is sent to it. A request
 * inside a dialog and a BYE are counted and never refused: a call that has begun can be ended.
 * RFC 3261 21.5.4; docs/config.md "Limits of a peer" */
#ifndef SW_PROXY_LIMIT_H
#define SW_PROXY_LIMIT_H

#include "proxy/policy.h"

/* Seconds in Retry-After: a token is back within one; when a transaction ends is not known. */
enum { SW_LIMIT_SOON_S = 1, SW_LIMIT_LATER_S = 5 };

/** True for what is never refused. */
bool sw_limit_exempt(const struct sw_request *q);

/**
 * Counts a request from a peer as in progress, until sw_load_leave of `*out` (NULL: the sender has
 * no counts). False: a limit of the peer, and `refusal` is what it is answered with.
 */
bool sw_limit_from(struct sw_proxy *p, const struct sw_request *q, struct sw_load **out,
                   struct sw_refusal *refusal);

/* How a request is counted that is to be sent to a peer. */
enum sw_limit_as {
    SW_LIMIT_AS_NEW,
    SW_LIMIT_AS_TRIED, /* it was sent to another server of that peer: it is the same call */
    SW_LIMIT_AS_EXEMPT /* it is never refused */
};

/** The same for a request that is to be sent to a peer. `*retry_s`: see SW_LIMIT_SOON_S. */
bool sw_limit_to(struct sw_proxy *p, uint32_t peer_id, enum sw_limit_as as, struct sw_load **out,
                 uint16_t *retry_s);

/** True if sw_limit_to would let a request pass now. Counts nothing. */
bool sw_limit_has_room(const struct sw_proxy *p, uint32_t peer_id, enum sw_limit_as as);

/** The header line of a 503, in scratch memory. */
struct sw_slice sw_limit_retry_after(struct sw_proxy *p, uint16_t seconds);

#endif

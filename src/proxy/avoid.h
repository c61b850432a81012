/* Places of a peer or domain, configured or found by the DNS, that failed: for a while others are
 * tried before them. Shared by all workers, without locks; what is forgotten too early costs one
 * try. RFC 3263 4.3 */
#ifndef SW_PROXY_AVOID_H
#define SW_PROXY_AVOID_H

#include "base/endpoint.h"
#include <stdatomic.h>

/* Places remembered at once; in a full set the one that ends first makes room. */
enum { SW_AVOID_SETS = 256, SW_AVOID_WAYS = 4 };

struct sw_avoid {
    struct {
        _Atomic uint64_t what;  /* a hash of the place; 0: free */
        _Atomic int64_t until;  /* milliseconds times two, and 1 if the place itself said so */
        _Atomic uint64_t ip[2]; /* the place itself, to be told; `what` says whether it is whole */
        _Atomic uint64_t more, whose;
    } set[SW_AVOID_SETS][SW_AVOID_WAYS];
};

/* A place that is avoided. */
struct sw_avoided {
    struct sw_endpoint remote;
    uint32_t whose;
    uint8_t transport;
    int64_t until_ms;
};

/** The place failed for `whose`, a peer or a domain by its id: it is avoided for that one until
 * then, so that nobody spoils another's places by naming them for its own. `a` may be NULL in all
 * of these. */
void sw_avoid_add(struct sw_avoid *a, uint32_t whose, const struct sw_endpoint *remote,
                  unsigned transport, int64_t until_ms);

/** The place said itself until when: no failure shortens that, and no answer ends it. RFC 3261
 * 21.5.4 */
void sw_avoid_hold(struct sw_avoid *a, uint32_t whose, const struct sw_endpoint *remote,
                   unsigned transport, int64_t until_ms);

/** The place answered. */
void sw_avoid_clear(struct sw_avoid *a, uint32_t whose, const struct sw_endpoint *remote,
                    unsigned transport);

/** The next place that is avoided at `now_ms`; `*at` is 0 at first. False: there are no more. One
 * that is being written is left out. */
bool sw_avoid_next(const struct sw_avoid *a, uint32_t *at, int64_t now_ms, struct sw_avoided *out);

/** Takes over what another one knows. */
void sw_avoid_copy(const struct sw_avoid *from, struct sw_avoid *to);

/** Until when it is avoided, which may be over; INT64_MIN: it is not known. */
int64_t sw_avoid_until(const struct sw_avoid *a, uint32_t whose, const struct sw_endpoint *remote,
                       unsigned transport);

bool sw_avoid_has(const struct sw_avoid *a, uint32_t whose, const struct sw_endpoint *remote,
                  unsigned transport, int64_t now_ms);

#endif

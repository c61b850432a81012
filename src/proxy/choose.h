/* In which order the peers of a route are tried: as they stand, by weight, by load, or by Call-ID.
 * Whatever the way, a request with credentials follows the one that was challenged. RFC 3261 22.3,
 * docs/groups.md */
#ifndef SW_PROXY_CHOOSE_H
#define SW_PROXY_CHOOSE_H

#include "proxy/proxy.h"

/* One peer of a route, while it is chosen. */
struct sw_candidate {
    uint16_t at;     /* its place in the route */
    uint16_t order;  /* the lower ones come before all others */
    uint16_t weight; /* 0: after all others of its order */
    uint32_t load;   /* transactions that it works on */
    uint64_t draw;   /* of its name and the Call-ID: the smaller, the better */
    bool challenged; /* it asked for the credentials of this call: before all others */
};

struct sw_chooser {
    struct sw_candidate *left; /* in scratch memory; NULL: all as they stand */
    uint32_t count, next;
    uint8_t how; /* enum sw_choose */
    struct sw_prng *prng;
};

/**
 * Starts a choice among the peers of a route for the request with this Call-ID; with `only_up`
 * among those that are up. If memory is out they come as they stand.
 */
void sw_choose_begin(struct sw_chooser *c, struct sw_proxy *p, const struct sw_route_conf *r,
                     struct sw_slice call_id, bool only_up);

/** The place in the route of the next peer to try; -1: there is no further one. */
int32_t sw_choose_next(struct sw_chooser *c);

/**
 * What a peer draws for a Call-ID: -log2 of a hash as a fraction, in 2^-32. The same on every node
 * and after every restart.
 */
uint64_t sw_choose_draw(uint32_t peer, struct sw_slice call_id);

#endif

/* The places of a peer, its servers: those that it is configured with, or that the DNS has. Which
 * of them are tried last, and when the whole peer is passed over. RFC 3263 4.3, RFC 3261 21.5.4 */
#ifndef SW_PROXY_PLACE_H
#define SW_PROXY_PLACE_H

#include "proxy/fork.h"

/* The configured addresses of a peer, those that are avoided last. */
struct sw_place_walk {
    const struct sw_peer_conf *peer;
    uint64_t avoided; /* a bit for each of the first 64 */
    uint32_t next;
    uint8_t transport;
    bool last; /* those that are avoided have come */
};

/** How the configured addresses of a peer are reached. */
static inline enum sw_transport sw_place_transport(const struct sw_peer_conf *peer)
{
    return peer->tls ? SW_TLS : peer->udp ? SW_UDP : SW_TCP;
}

/** Begins with the first; `peer` may be NULL, and has no address then. What is learnt meanwhile
 * does not count, so that each address comes once. */
struct sw_place_walk sw_place_begin(const struct sw_proxy *p, const struct sw_peer_conf *peer,
                                    enum sw_transport transport);

/** The next address, with its port. False: there is none. */
bool sw_place_next(struct sw_place_walk *w, struct sw_endpoint *out);

/**
 * A place answered 503: it is avoided, with Retry-After for that time, which is at most a day. The
 * peer is down when none of its other places is left, until the first of them may be tried again.
 * `c` is the choice that `t` is of. RFC 3261 20.33, 21.5.4
 */
void sw_place_unavailable(struct sw_proxy *p, const struct sw_choice *c, const struct sw_target *t,
                          const struct sw_msg *m);

#endif

/* Is a peer alive: OPTIONS at intervals, sent by one worker for all. */
#ifndef SW_PROXY_HEALTH_H
#define SW_PROXY_HEALTH_H

#include "proxy/proxy.h"

struct sw_ping {
    struct sw_timer timer;
    struct sw_timer answer; /* `timeout` of the peer: for the connection and the answer */
    struct sw_ref client;   /* its transaction while it runs */
    struct sw_ref send;     /* or its parked send */
    struct sw_ref location; /* of a peer without address, until one of its places answers */
    uint8_t place;          /* of it, or of its addresses, to be asked next */
    uint32_t peer;          /* its id */
};

struct sw_health {
    struct sw_ping *pings; /* one per peer, in their order */
    uint32_t count;
};

/** Starts the intervals of all peers with `ping`: the first one ends before the first OPTIONS. */
SW_MUST_USE enum sw_status sw_health_init(struct sw_health *h, struct sw_proxy *p);
/**
 * Goes on with the peers of `p->conf` after those of `old`, known by their id. Memory out: peers
 * that are new are asked only after the next reload.
 */
void sw_health_adopt(struct sw_health *h, struct sw_proxy *p, const struct sw_proxy_conf *old);
void sw_health_fini(struct sw_health *h, struct sw_proxy *p);

/**
 * The address of a listener came or went. While it is away its peers are not asked and nothing is
 * learned of them; when it comes, they are asked at once.
 */
void sw_health_listener(struct sw_health *h, struct sw_proxy *p, uint16_t listener, bool here);

/** An interval is over: asks the peer. */
void sw_ping_due(struct sw_proxy *p, struct sw_ping *ping);

/** No answer within the peer's `timeout`: as if it had failed. */
void sw_ping_silent(struct sw_proxy *p, struct sw_ping *ping);

/** Where the peer is was asked of the DNS, and its location is over. */
void sw_ping_located(struct sw_proxy *p, struct sw_ping *ping);

/** The connection for the question is there, or not. */
void sw_ping_opened(struct sw_proxy *p, struct sw_ping *ping, enum sw_status status,
                    const struct sw_flow *flow);

/** It did not leave for a reason of our own: the peer is asked again when its interval is over. */
void sw_ping_put_off(struct sw_proxy *p, struct sw_ping *ping);

/** The answer: any final one but 408 and 503 means the peer is up. 0: there was none. */
void sw_ping_answered(struct sw_proxy *p, struct sw_ping *ping, unsigned status);

#endif

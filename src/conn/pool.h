/* The reuse directory: which connections of a peer are open, or being dialled, on any worker, and
 * with it the alias table of RFC 5923: a row is an accepted connection with an `alias_port`. Shared
 * and sharded; the connections themselves are their owners'. It is bounded by the limit
 * `connections`: each has one entry, and one alias at most. RFC 5923 5, 8 */
#ifndef SW_CONN_POOL_H
#define SW_CONN_POOL_H

#include "base/flow.h"
#include "base/status.h"

struct sw_pool;

/* What is looked for. */
struct sw_pool_want {
    uint32_t peer;             /* a peer's id, or a hash of a proved domain */
    struct sw_endpoint remote; /* port 0: any */
    struct sw_flow_id prefer;  /* this one if it is there; generation 0: none */
    uint16_t listener;
    uint16_t worker; /* who asks: its own is better */
    uint8_t transport;
    bool any_of_peer;  /* an accepted connection will do, whatever its port */
    bool alias;        /* an accepted one will do whose peer takes requests for `remote` over it */
    uint32_t local_id; /* the local identity that it must be made with: RFC 5923 9.3 */
    uint32_t prefer_local_id; /* that of `prefer`, if a dialog was set up over it; 0: none was */
    uint32_t domain; /* which of the peer's domains it must prove, from 1; 0: any of them */
    uint32_t limit;  /* connections per peer and address */
};

enum sw_pool_answer {
    SW_POOL_OPEN, /* `flow` is open */
    SW_POOL_WAIT, /* `flow` is being dialled, and the limit is reached */
    SW_POOL_DIAL, /* none: dial one, and say so with sw_pool_dialled */
};

/** SW_LIMIT_MEMORY: NULL */
struct sw_pool *sw_pool_new(void);
void sw_pool_free(struct sw_pool *p);

/**
 * Looks for a connection. Any thread. SW_POOL_DIAL keeps the place: other workers that look for the
 * same peer and address get no answer until sw_pool_dialled, which must follow at once, so that
 * they cannot pass the limit together.
 */
enum sw_pool_answer sw_pool_find(struct sw_pool *p, const struct sw_pool_want *want,
                                 struct sw_flow *flow);

/** Ends SW_POOL_DIAL for the same `want`: `flow` is being dialled; NULL: it cannot be. */
SW_MUST_USE enum sw_status sw_pool_dialled(struct sw_pool *p, const struct sw_pool_want *want,
                                           const struct sw_flow *flow);

/** Enters a connection that is open or, `open` false, being dialled; or tells that it is open now.
 */
SW_MUST_USE enum sw_status sw_pool_put(struct sw_pool *p, const struct sw_flow *flow, bool open);

/**
 * True if an open connection that we dialled is more than the `limit` that one peer is to have, or
 * was made with another local identity than `local_id`, the one that the peer is shown now. Counted
 * are the connections that requests to its address may use, those that the peer opened to us
 * (RFC 5923) too. Both ends put them into one order, by `order`, and only who opened one closes it:
 * so they never close each other's last one. The first in that order is no surplus for anybody.
 */
bool sw_pool_is_surplus(struct sw_pool *p, const struct sw_flow *flow, uint32_t local_id,
                        uint32_t limit);

/** Takes a connection out. */
void sw_pool_del(struct sw_pool *p, const struct sw_flow *flow);

#endif

/* The reuse directory: which connections of a peer are open, or being dialled, on any worker.
 * Shared and sharded; the connections themselves are their owners'. RFC 5923 */
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
    bool any_of_peer; /* an accepted connection will do, whatever its port */
    uint32_t limit;   /* connections per peer and address */
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

/** Takes a connection out. */
void sw_pool_del(struct sw_pool *p, const struct sw_flow *flow);

#endif

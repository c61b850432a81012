/* A gateway as a step: one message's whole way, from the bytes of a flow to the bytes for another.
 * It is pure: the daemon's workers and the simulation run the same code. */
#ifndef SW_GATEWAY_PIPELINE_H
#define SW_GATEWAY_PIPELINE_H

#include "gateway/sources.h"
#include "proxy/fork.h"
#include "proxy/health.h"

/* What a reload replaces: the `conf` of SW_EV_ADOPT. */
struct sw_gateway_live {
    const struct sw_proxy_conf *proxy;
    struct sw_peer_state *peers; /* shared by all workers, one per peer */
    struct sw_avoid *avoid;      /* shared likewise; NULL: nothing is avoided */
};

struct sw_gateway_conf {
    struct sw_engine_conf engine;
    struct sw_gateway_live live;
    uint32_t calls;                   /* answered ones that are kept */
    struct sw_calls_open *calls_open; /* of all workers; NULL: there is one */
    struct sw_source_table *sources;  /* of all workers; NULL: it has its own */
    bool pings;                       /* this worker asks the peers */
    bool trace;                       /* a NOTE for each message that passes */
};

struct sw_gateway {
    struct sw_slab slab;
    struct sw_engine engine;
    struct sw_proxy proxy;
    struct sw_health health;
    struct sw_sources sources;       /* senders that are no peer */
    struct sw_hdr hdrs[SW_HDRS_MAX]; /* of the message at hand */
    bool trace;
    bool pings;
};

/** A gateway without any transaction. SW_LIMIT_MEMORY */
SW_MUST_USE enum sw_status sw_gateway_init(struct sw_gateway *g, const struct sw_gateway_conf *conf,
                                           int64_t now_ms);
void sw_gateway_fini(struct sw_gateway *g);

/** The step: see struct sw_step. One thread at a time. */
void sw_gateway_step(void *gateway, const struct sw_event *ev, struct sw_actions *out,
                     int64_t now_ms);
int64_t sw_gateway_deadline(void *gateway);

/** Server transactions that still lack a final response: what a drain waits for. */
static inline uint32_t sw_gateway_pending(const struct sw_gateway *g)
{
    return g->engine.pending;
}

#endif

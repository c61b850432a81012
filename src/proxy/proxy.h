/* The proxy core of one worker: what its parts share. RFC 3261 section 16 */
#ifndef SW_PROXY_PROXY_H
#define SW_PROXY_PROXY_H

#include "base/load.h"
#include "engine/client.h"
#include "engine/server.h"
#include "proxy/avoid.h"
#include "proxy/calls.h"
#include "proxy/challenged.h"
#include "proxy/conf.h"
#include "proxy/rroute.h"
#include <stdatomic.h>

/* What all workers know of a peer; one per peer of the configuration, in its order. */
struct sw_peer_state {
    _Atomic int64_t down_until_ms; /* a 503 with Retry-After, or a ping without answer */
    _Atomic int64_t spoke_tls_ms;  /* when a TLS connection of it was last verified; 0: never */
    _Atomic bool ping_failed;
    _Atomic bool identity_told; /* that what it asserts is removed: sw_asserted_tell */
    struct sw_load *load;       /* borrowed from the configuration; NULL: nothing is counted */
};

struct sw_proxy {
    struct sw_engine *e;
    const struct sw_proxy_conf *conf;
    struct sw_peer_state *peers; /* shared by all workers */
    struct sw_avoid *avoid;      /* likewise; NULL: nothing is avoided */
    struct sw_table locations;   /* struct sw_location: see proxy/station.h */
    bool *away;                  /* per listener, for pings: its address is not on this machine */
    struct sw_list forks;        /* all response contexts */
    struct sw_calls calls;       /* the last answered calls */
    struct sw_challenged challenged; /* who asked for credentials */
    int64_t late_since_ms;           /* timers come too late since then; 0: they do not */
    int64_t overloaded_until_ms;     /* timers came too late: nothing new is begun until then */
};

/* Kinds of sw_client.user, and of timers beyond the engine's. */
enum sw_proxy_user { SW_USER_BRANCH = 1, SW_USER_PING, SW_USER_PARKED };
enum sw_proxy_timer {
    SW_TK_TIMER_C = SW_TK_USER, /* in a branch */
    SW_TK_ANSWER,               /* in a branch: `timeout` of its peer */
    SW_TK_PING,                 /* in a ping */
    SW_TK_LOCATE,               /* in a location */
    SW_TK_PING_ANSWER,          /* in a ping: likewise */
};

/** Counts one of what `c` stands for. */
static inline void sw_proxy_count(const struct sw_proxy *p, enum sw_counter c)
{
    sw_engine_count(p->e, c);
}

/** The state of a configured peer, or NULL for an id that is none. */
static inline struct sw_peer_state *sw_proxy_state(const struct sw_proxy *p,
                                                   const struct sw_peer_conf *peer)
{
    return peer ? &p->peers[peer - p->conf->peers] : NULL;
}

/** The name of a peer for a log line: "nobody" and "verified" for those that are none, "removed"
 * for one that a reload took out. */
struct sw_slice sw_proxy_peer_name(const struct sw_proxy *p, uint32_t id);

#endif

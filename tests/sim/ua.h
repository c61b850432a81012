/* A user agent for the simulation: places calls and answers them, over the same engine as the
 * gateway. It retransmits what RFC 3261 13 makes its user retransmit, and counts what it sees. */
#ifndef TESTS_SIM_UA_H
#define TESTS_SIM_UA_H

#include "engine/client.h"
#include "engine/send.h"
#include "engine/server.h"
#include "sim/sim.h"

enum { UA_CALLS_MAX = 1024, UA_ROUTES_MAX = 8, UA_SEEN_MAX = 8192 };

/* What happened to one call, on one side. */
struct ua_call {
    struct ua *ua;
    unsigned id;
    bool caller;
    struct sw_timer next;  /* the next thing this side does */
    struct sw_timer again; /* callee: the 2xx again until the ACK */
    struct sw_ref client, server;
    struct sw_ref send;
    char *text; /* the request waiting for a connection */
    char method[16];
    char uri[512], peer_addr[512], own_addr[512], call_id[64];
    char route[UA_ROUTES_MAX][1024];
    unsigned routes;
    struct sw_flow flow; /* callee: the INVITE came over it */
    char *ok;            /* callee: the 200 that is repeated */
    size_t ok_n;
    unsigned ok_interval_ms;
    unsigned cseq;
    /* seen */
    unsigned invites, ringing, finals, oks, acks, byes, bye_finals, cancels, cancel_finals,
        timeouts;
    unsigned status; /* of the last final response */
    bool answered, ended;
};

struct ua_conf {
    struct sw_endpoint gateway;  /* where requests go */
    enum sw_transport transport; /* how */
    unsigned answer;             /* as callee: the final status; 0: rings for ever */
    unsigned ring_ms, answer_ms; /* after the INVITE; ring_ms 0: no 180 */
    unsigned talk_ms;            /* who hangs up does so after that */
    bool hang_up;                /* this side sends BYE */
    unsigned cancel_ms;          /* as caller: CANCEL after that; 0: never */
    bool no_cancel_before_180;
};

struct ua {
    struct sim_node *node;
    struct sw_slab slab;
    struct sw_engine engine;
    struct sw_counters counters;
    struct ua_conf conf;
    struct ua_call *calls;
    unsigned call_count;
    struct sw_hdr hdrs[SW_HDRS_MAX];
    uint64_t requests_seen, duplicates_seen; /* by new transactions */
    uint64_t *seen;                          /* Call-ID, CSeq and method of each, hashed */
};

/** A user agent on a node of its own that listens at `address`. */
struct ua *ua_new(struct sim *s, const char *name, const char *address, const struct ua_conf *conf,
                  uint64_t seed);
void ua_free(struct ua *u);

/** Places a call to a URI; the call's record stays until the agent is freed. */
struct ua_call *ua_call(struct ua *u, const char *uri);

/** Sends a request outside of a dialog and counts its final answers in the record. */
struct ua_call *ua_request(struct ua *u, const char *method, const char *uri);

#endif

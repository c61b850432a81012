/* Where to: the targets of a request, in the order they are tried. A target and the alternatives
 * that follow it are one choice; the choices of a group fork in parallel. RFC 3261 16.5, 16.6 */
#ifndef SW_PROXY_TARGET_H
#define SW_PROXY_TARGET_H

#include "proxy/policy.h"

/* Places one request is tried at: a route's peers times their addresses. */
enum { SW_TARGETS_MAX = 32 };

struct sw_target {
    struct sw_endpoint remote; /* port 0: only an existing connection will do */
    struct sw_flow_id prefer;  /* a flow to use while it is open; generation 0: none */
    uint32_t peer;             /* as in a seal: a peer's id, or a hash of a proved domain */
    uint16_t listener;
    uint8_t transport;
    bool large_over_tcp; /* above 1300 bytes over TCP, with UDP as fallback: RFC 3261 18.1.1 */
    bool any_of_peer;    /* an accepted connection of the peer from that address will do */
    bool retarget;       /* the Request-URI is ours: host and port become the peer's */
    bool clear;          /* best-effort: only after TLS was refused at connect */
    bool alternative;    /* only if the one before it could not be reached: RFC 3263 4.3 */
    uint8_t group;       /* those of a group are tried at once, after the group before it failed */
    uint32_t timeout_ms; /* without any answer the next target is tried */
};

struct sw_targets {
    struct sw_target t[SW_TARGETS_MAX];
    uint32_t count;
};

/**
 * Finds the targets of a request: inside a dialog the other side, else what the first route that
 * matches says. False: there is none, and `out` says what the request is answered with. RFC
 * 3261 16.5, RFC 5630 5.3
 */
bool sw_target_find(struct sw_proxy *p, const struct sw_request *q, struct sw_targets *targets,
                    struct sw_refusal *out);

/** True if the peer counts as up: neither a failed ping nor a 503 with Retry-After says otherwise.
 */
bool sw_target_is_up(const struct sw_proxy *p, const struct sw_peer_conf *peer, int64_t now_ms);

#endif

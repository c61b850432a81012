/* Where to: the targets of a request, in the order they are tried. A target and the alternatives
 * that follow it are one choice; the choices of a group fork in parallel. RFC 3261 16.5, 16.6 */
#ifndef SW_PROXY_TARGET_H
#define SW_PROXY_TARGET_H

#include "proxy/policy.h"

/* Places that are looked at for one request, a route's peers times their addresses; the limit
 * `branches` says at how many of them it is tried. */
enum { SW_TARGETS_MAX = 64 };

/* What the DNS is asked for before a target can be tried: its places become alternatives. */
enum sw_target_locate {
    SW_TARGET_PLAIN, /* nothing: `remote` says where it is */
    SW_TARGET_PEER,  /* the first domain of the peer */
    SW_TARGET_HOP,   /* the next Route, or the Request-URI: RFC 3261 16.6 step 7 */
    SW_TARGET_ENUM,  /* the number of the Request-URI, then what was found: RFC 6116 */
};

struct sw_target {
    struct sw_endpoint remote; /* port 0: only an existing connection will do */
    struct sw_flow_id prefer;  /* a flow to use while it is open; generation 0: none */
    uint32_t peer;             /* as in a seal: a peer's id, or a hash of a proved domain */
    uint16_t listener;
    uint8_t transport;
    bool large_over_tcp; /* above 1300 bytes over TCP, with UDP as fallback: RFC 3261 18.1.1 */
    bool any_of_peer;    /* an accepted connection of the peer from that address will do */
    bool alias;          /* so will one whose peer takes requests for `remote` over it: RFC 5923 */
    uint32_t local_id;   /* our identity on `prefer`, and with any_of_peer on any: struct sw_flow */
    bool retarget;       /* the Request-URI is ours: host and port become the peer's */
    bool clear;          /* best-effort: only after TLS was refused at connect */
    bool alternative;    /* only if the one before it could not be reached: RFC 3263 4.3 */
    uint16_t q;          /* the larger is tried first, 0 to SW_Q_MAX */
    uint8_t group;       /* those of a group are tried at once, after the group before it failed */
    uint8_t locate;      /* enum sw_target_locate */
    bool located;        /* the DNS said where it is */
    bool by_uri;         /* a URI of the request says where it is, and not the configuration */
    bool listed;         /* its peer is configured to be there */
    uint32_t timeout_ms; /* without any answer the next target is tried */
    struct sw_dane dane; /* what is signed of its certificate */
    struct sw_slice suffix; /* SW_TARGET_ENUM: of the configuration, copied by the context */
    struct sw_slice domain; /* what was looked up, and must be proved; empty: `peer` says it */
    struct sw_slice uri;    /* becomes the Request-URI: RFC 3261 16.5; .p NULL: it stays */
};

struct sw_targets {
    struct sw_target t[SW_TARGETS_MAX];
    uint32_t count;
    const struct sw_rewrite *rewrite; /* what the route changes, in scratch memory; NULL: nothing */
    bool more;                        /* there were more than SW_TARGETS_MAX */
};

/**
 * Puts choices in the order they are tried: by descending q, and those of equal q as they were;
 * then says which of them belong together. `alternative` tells the further targets of a choice, and
 * q is that of its first. SW_FORK_ORDER: one choice of all; SW_FORK_SERIAL: a group for each;
 * SW_FORK_PARALLEL: a group for each value of q. RFC 3261 16.6
 */
void sw_targets_sort(struct sw_targets *targets, enum sw_fork_rule fork);

/**
 * Finds the targets of a request: inside a dialog the other side, else what the first route that
 * matches says. False: there is none, and `out` says what the request is answered with. RFC
 * 3261 16.5, RFC 5630 5.3
 */
bool sw_target_find(struct sw_proxy *p, const struct sw_request *q, struct sw_targets *targets,
                    struct sw_refusal *out);

/** The host that is located for a URI: maddr takes its place. RFC 3263 4 */
static inline struct sw_slice sw_target_host(const struct sw_uri *u)
{
    return u->maddr.n ? u->maddr : u->host;
}

/** The targets of a route with `to: dns` or `to: enum`, without those of its peers. With peers
 * true, though there may be none: what is no number, or has a Route to follow. Like sw_target_find.
 * RFC 3261 16.5, 16.6 */
bool sw_target_lookup(struct sw_proxy *p, const struct sw_route_conf *r, const struct sw_request *q,
                      struct sw_targets *targets, struct sw_refusal *out);

/**
 * Adds the next hop of a request inside a dialog if it is a name: `t` has the side's peer and
 * transport. Whoever is no peer must prove the name that the side proved when the dialog began.
 */
void sw_target_add_hop(const struct sw_proxy *p, const struct sw_request *q,
                       const struct sw_target *t, struct sw_targets *targets);

/** The servers of a peer's own domain, if TLSA records may prove it there, and the next hop is
 * another name, where they do not. RFC 7673 4.1 */
void sw_target_add_domain(const struct sw_proxy *p, const struct sw_request *q,
                          const struct sw_target *t, struct sw_targets *targets);

/** Adds the places of a peer, which are one choice: its addresses, or what the DNS says of its
 * domain. */
void sw_target_add_peer(const struct sw_proxy *p, const struct sw_peer_conf *peer, uint16_t q,
                        const struct sw_request *request, struct sw_targets *targets);

/** Whether a host fits the key `domain` of a route. */
bool sw_route_has_domain(const struct sw_route_conf *r, struct sw_slice host);

/** The key of a route that does not fit the request: "from", "user", "domain" or "method"; "to" if
 * it leads to numbers, and the request has a Route to follow; NULL: it matches. */
const char *sw_route_mismatch(const struct sw_proxy *p, const struct sw_route_conf *r,
                              const struct sw_request *q);

/** True if the peer counts as up: no failed ping, no 503 with Retry-After, no attempts that failed
 * in a row say otherwise. One that failed so is tried again when its time has come. */
bool sw_target_is_up(const struct sw_proxy *p, const struct sw_peer_conf *peer, int64_t now_ms);

#endif

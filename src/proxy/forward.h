/* The request as it leaves: edits on the original bytes. RFC 3261 16.6 */
#ifndef SW_PROXY_FORWARD_H
#define SW_PROXY_FORWARD_H

#include "proxy/rewrite.h"
#include "proxy/target.h"

/* A request on its way out. */
struct sw_forward {
    const struct sw_msg *m;
    const struct sw_vitals *v;
    const struct sw_routes *r; /* read, not changed */
    const struct sw_flow *in;
    const struct sw_flow *out;
    const struct sw_target *target;
    const struct sw_rewrite *rewrite; /* what rules change; NULL: nothing */
    struct sw_owner owner;            /* becomes the branch */
    uint32_t breadth;                 /* Max-Breadth of this branch */
};

/* Pieces of the edited request; they borrow from the original bytes and from the arena. */
struct sw_forwarded {
    const struct sw_slice *segs;
    size_t count;
    size_t total;
};

/**
 * Renders a request for its next hop: Request-URI, Via stamped and added, Max-Forwards,
 * Max-Breadth, Record-Route, Route, Content-Length, and what rules and peers say; and hides the
 * inside from a peer with `hide_inside` (proxy/hide.h). SW_LIMIT: more changes than SW_EDITS_MAX;
 * SW_LIMIT_SIZE: what is inside cannot be hidden; SW_LIMIT_MEMORY. RFC 3261 16.6 steps 1 to
 * 9, 18.2.1; RFC 3261 23; RFC 3581
 */
SW_MUST_USE enum sw_status sw_forward_render(const struct sw_proxy_conf *c, struct sw_arena *arena,
                                             const struct sw_forward *f, struct sw_forwarded *out);

#endif

/* security: best-effort: when a request may leave without TLS. docs/config.md "In the clear" is the
 * whole of it. RFC 9325 3.2, RFC 5630 5.3 */
#ifndef SW_PROXY_CLEAR_H
#define SW_PROXY_CLEAR_H

#include "proxy/fork.h"

/** True if a request for this peer may leave without TLS now: it is best-effort, the target is a
 * sip URI, and the peer did not speak TLS within 24 hours. docs/config.md "In the clear" */
bool sw_clear_is_allowed(const struct sw_proxy *p, const struct sw_peer_conf *peer,
                         const struct sw_vitals *v, const struct sw_routes *r);

/** True if a best-effort peer spoke TLS within 24 hours. */
bool sw_peer_spoke_tls(const struct sw_proxy *p, const struct sw_peer_conf *peer);

/** Remembers that a message came from a peer over TLS, for those with security: best-effort. */
void sw_peer_speaks_tls(struct sw_proxy *p, const struct sw_flow *flow);

/** A request leaves over `out`: counted and logged if that is a best-effort peer without TLS. "Log
 * and status say so": docs/config.md "In the clear" */
void sw_clear_left(struct sw_proxy *p, const struct sw_msg *m, const struct sw_vitals *v,
                   const struct sw_flow *out);

/** A target is tried: with another peer's TLS begins what is known for its clear target. */
void sw_clear_begin(struct sw_choice *c, const struct sw_target *t);

/** What came of a target: TLS refused at connect, or anything else. */
void sw_clear_outcome(struct sw_choice *c, const struct sw_target *t, bool refused);

/** A target was not even tried, for a limit or for memory: it was not refused either. */
void sw_clear_skipped(struct sw_choice *c, const struct sw_target *t);

/** True if a clear target may be tried: all of this peer's TLS targets were tried and refused at
 * connect, and it has not spoken TLS meanwhile. */
bool sw_clear_may_be_tried(const struct sw_proxy *p, const struct sw_fork *f,
                           const struct sw_choice *c, const struct sw_target *t);

#endif

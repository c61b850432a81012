/* Responses on their way back, and those we give ourselves. RFC 3261 16.7 */
#ifndef SW_PROXY_RESPONSE_H
#define SW_PROXY_RESPONSE_H

#include "proxy/policy.h"

/**
 * Passes a response of peer `from` back to the request's server transaction without our Via and
 * what may not go there (proxy/rows.h), with `extra` header lines, which may be empty. RFC
 * 3261 16.7 steps 7 and 9, RFC 3325 5
 */
void sw_response_forward(struct sw_proxy *p, struct sw_server *s, const struct sw_msg *m,
                         const struct sw_vitals *v, uint32_t from, struct sw_slice extra);

/** Answers a request through its server transaction. RFC 3261 8.2.6 */
void sw_response_local(struct sw_proxy *p, struct sw_server *s, const struct sw_msg *m,
                       const struct sw_vitals *v, const struct sw_flow *flow,
                       const struct sw_refusal *r);

/** Answers without any state: the tag is the same for each repeat. RFC 3261 8.2.7 */
void sw_response_stateless(struct sw_proxy *p, const struct sw_msg *m, const struct sw_vitals *v,
                           const struct sw_flow *flow, const struct sw_refusal *r);

/** True if the To tag is one that we gave: the ACK of our own answer. */
bool sw_response_own_tag(const struct sw_proxy *p, const struct sw_vitals *v);

/** The rank of a final response: lower is better. RFC 3261 16.7 step 6 */
unsigned sw_response_rank(unsigned status);

#endif

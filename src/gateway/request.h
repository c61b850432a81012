/* A request's way through the gateway, from the top: who sent it, which transaction it belongs to,
 * and what becomes of it. */
#ifndef SW_GATEWAY_REQUEST_H
#define SW_GATEWAY_REQUEST_H

#include "gateway/pipeline.h"

/** Takes up the request of SW_EV_MESSAGE or SW_EV_NO_OWNER. */
void sw_gateway_request(struct sw_gateway *g, const struct sw_event *ev);

/** Logs why a request is refused; what nobody is told of, an ACK and what is dropped, has status 0.
 */
void sw_gateway_note_refusal(struct sw_proxy *p, const struct sw_request *q,
                             const struct sw_refusal *r);

/** 100 at once: we cannot know that an answer comes within 200 ms. RFC 3261 17.2.1, 16.2 */
void sw_gateway_trying(struct sw_proxy *p, struct sw_server *s, const struct sw_msg *m,
                       const struct sw_vitals *v, const struct sw_flow *flow);

#endif

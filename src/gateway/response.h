/* A response's way back through the gateway: which request of ours it answers. */
#ifndef SW_GATEWAY_RESPONSE_H
#define SW_GATEWAY_RESPONSE_H

#include "gateway/pipeline.h"

/** Takes up the response of SW_EV_MESSAGE: to whoever asked, or dropped. */
void sw_gateway_response(struct sw_gateway *g, const struct sw_event *ev);

#endif

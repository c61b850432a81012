/* A NOTE for each message that passes, for ladders. Only when it is asked for. */
#ifndef SW_GATEWAY_TRACE_H
#define SW_GATEWAY_TRACE_H

#include "gateway/pipeline.h"

/** Notes the message that an event brings. */
void sw_trace_in(struct sw_gateway *g, const struct sw_event *ev);

/** Notes the messages among the actions of the event. */
void sw_trace_out(struct sw_gateway *g);

#endif

/* What is done with a message before it is anybody's: counted by its sender, parsed, checked. */
#ifndef SW_GATEWAY_INTAKE_H
#define SW_GATEWAY_INTAKE_H

#include "gateway/pipeline.h"

/** True if a message of somebody who is no peer is one too many of its sender: see
 * sw_sources_take. */
bool sw_gateway_one_too_many(struct sw_gateway *g, const struct sw_event *ev);

/**
 * Parses and checks a request, into the gateway's header index; what fails is noted, and answered
 * if it can be: false.
 */
bool sw_gateway_read_request(struct sw_gateway *g, const struct sw_event *ev,
                             const struct sw_flow *flow, struct sw_msg *m, struct sw_vitals *v);

/** Tells the log of a message that is not well-formed; `m->bad` says where if the parser saw it. */
void sw_gateway_note_malformed(struct sw_proxy *p, const struct sw_flow *flow,
                               const struct sw_msg *m, const char *why, const char *rule);

#endif

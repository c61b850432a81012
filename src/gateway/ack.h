/* Sends that belong to no client transaction: the ACK of a 2xx, and responses whose connection
 * closed. */
#ifndef SW_GATEWAY_ACK_H
#define SW_GATEWAY_ACK_H

#include "proxy/fork.h"

/**
 * Forwards the ACK of a 2xx by its Route, without a transaction. The branch depends on the incoming
 * one only, so that a repeat is the same. RFC 3261 13.2.2.4, 16.11, 17.1.1.3
 */
void sw_ack_forward(struct sw_proxy *p, struct sw_request *q);

/**
 * A response or an ACK did not leave: another connection is asked for. RFC 3261 18.2.2
 */
void sw_parked_again(struct sw_proxy *p, const struct sw_event *failed);

/** The answer to that. */
void sw_parked_opened(struct sw_proxy *p, struct sw_send *s, const struct sw_event *ev);

#endif

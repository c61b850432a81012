/* The last ways of a parked message: an ACK goes to its next hop, a response to its sent-by, if no
 * connection is left and none could be opened. Both may be names. RFC 3261 18.2.2, RFC 3263 5. A
 * CANCEL goes to the machine that has its INVITE, and nowhere else. RFC 3261 9.1, RFC 5923 8.1 */
#ifndef SW_GATEWAY_REROUTE_H
#define SW_GATEWAY_REROUTE_H

#include "engine/send.h"
#include "proxy/station.h"

/** Locates the next hop of what was parked without any OPEN: it leaves, or is lost. */
void sw_reroute_first(struct sw_proxy *p, struct sw_send *s);

/** After an OPEN that failed: asks for the next place, or for where it is. False: there is none. */
bool sw_reroute(struct sw_proxy *p, struct sw_send *s);

/**
 * The name that whoever has the INVITE of a CANCEL must prove again, if it is no peer but the one
 * with this id: its next hop's, or the one in To. Empty: the CANCEL has neither. In scratch memory.
 */
struct sw_slice sw_reroute_name(struct sw_proxy *p, const struct sw_event *failed);

/** The location of a parked message is over. */
void sw_reroute_located(struct sw_proxy *p, struct sw_location *x);

#endif

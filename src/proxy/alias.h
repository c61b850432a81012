/* Connection reuse: when `alias` stands in our Via, and what one in a peer's Via means. RFC 5923 */
#ifndef SW_PROXY_ALIAS_H
#define SW_PROXY_ALIAS_H

#include "proxy/proxy.h"
#include "sip/via.h"

/** True if requests to this peer may go over a connection that it opened, by its alias: TLS with
 * `reverse: alias`. NULL: no peer of the configuration. RFC 5923 8.2, 9.3 */
bool sw_alias_used(const struct sw_peer_conf *peer);

/**
 * True if our Via on requests over this flow says `alias`: we opened it, with TLS, both sides
 * showed a certificate, the peer's proved a name or is its pin, and it has `reverse: alias`.
 * RFC 5923 8.1, 9.1, 9.3
 */
bool sw_alias_offered(const struct sw_proxy_conf *c, const struct sw_flow *flow);

/**
 * Reads the top Via of a request: if its sender wants an alias, and its certificate and
 * configuration allow it, asks for the entry in the table. Whatever comes of it, the request goes
 * on as it would without. `flow` as it came with the event. RFC 5923 8.2, 9.2
 */
void sw_alias_read(struct sw_proxy *p, const struct sw_flow *flow, const struct sw_via *via);

/** A connection is judged again, and `peer` is whose it is now: an alias that its peer may not have
 * any more leaves the table. */
void sw_alias_judge(struct sw_proxy *p, const struct sw_flow *flow, uint32_t peer);

#endif

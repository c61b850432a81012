/* On behalf of which of our domains a request is sent, and a connection was asked for: "P1 MUST NOT
 * open a connection on behalf of one domain and reuse it to send a new request on behalf of another
 * domain". RFC 5923 9.3 */
#ifndef SW_PROXY_LOCAL_H
#define SW_PROXY_LOCAL_H

#include "proxy/proxy.h"
#include "sip/check.h"

/** What stands for a domain of ours, without regard to case; the same on each node, neither 0 nor
 * SW_LOCAL_SHARED. */
uint32_t sw_local_domain_id(struct sw_slice domain);

/** What a connection with this peer is for that is for no domain of ours in particular: 0, or
 * SW_LOCAL_SHARED where they share connections. */
uint32_t sw_local_domain_none(const struct sw_proxy_conf *c, uint32_t peer);

/** The id of the domain of ours that `host` is, for a connection with this peer; if it is none, or
 * we have only one, 0 or SW_LOCAL_SHARED as above. */
uint32_t sw_local_domain_named(const struct sw_proxy_conf *c, uint32_t peer, struct sw_slice host);

/**
 * The id of the domain of ours that a request to this peer is sent for: that of its sender (From),
 * else that which was asked for it (Request-URI), else that of the called one (To); else as above.
 */
uint32_t sw_local_domain(const struct sw_proxy_conf *c, uint32_t peer, const struct sw_msg *m,
                         const struct sw_uri *uri);

/** The same by the bytes of a request. Uses scratch memory; if that is out, 0. */
uint32_t sw_local_domain_of_text(struct sw_proxy *p, uint32_t peer, struct sw_slice text);

#endif

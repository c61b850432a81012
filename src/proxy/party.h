/* Who takes part in what was begun with a domain that is no peer's. */
#ifndef SW_PROXY_PARTY_H
#define SW_PROXY_PARTY_H

#include "proxy/conf.h"

/**
 * True if whoever is at the other end of `flow` is the owner that was noted: the peer with that id,
 * or one who proves the domain with that id. A certificate has several names, and which of them
 * stands first says nothing: each counts that could be a stranger's. Names that only signed TLSA
 * records vouch for do not: those are of the domain that was located. RFC 5922 7.1, 7.3, 7.4
 */
bool sw_party_is(const struct sw_proxy_conf *c, const struct sw_flow *flow, uint32_t owner);

#endif

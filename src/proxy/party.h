/* Who takes part in what was begun with a domain that is no peer's. */
#ifndef SW_PROXY_PARTY_H
#define SW_PROXY_PARTY_H

#include "engine/action.h"
#include "proxy/ingress.h"

/** True if the id is one of a domain, not of a peer: see sw_proxy_domain_id. */
bool sw_party_is_domain(uint32_t id);

/**
 * True if whoever is at the other end of `flow` is the owner that was noted: the peer with that id,
 * or one who proves the domain with that id. A certificate has several names, and which of them
 * stands first says nothing: each counts that could be a stranger's. Names that only signed TLSA
 * records vouch for do not: those are of the domain that was located. RFC 5922 7.1, 7.3, 7.4
 */
bool sw_party_is(const struct sw_proxy_conf *c, const struct sw_flow *flow, uint32_t owner);

/** Which of a TLS peer's domains this name is, from 1; 0: none, or the peer has no TLS. */
uint32_t sw_party_domain_of(const struct sw_peer_conf *peer, struct sw_slice name);

/**
 * A peer that was looked for by `name`: the same with that domain only, in `*one`, since "the
 * identity expected is the name looked up". 0: it is none of its domains, and `*one` is not
 * written; else which. RFC 5922 4, 7.3
 */
uint32_t sw_party_located(const struct sw_peer_conf *peer, struct sw_slice name,
                          struct sw_peer_conf *one);

/** Completes what is wanted of a place that `name` led to, if it did: of a TLS peer that this
 * domain of its is proved, of one who is no peer the name. */
void sw_party_want(const struct sw_proxy_conf *c, struct sw_slice name, struct sw_want *want);

/**
 * True if whoever proved the domain with this id may be looked for at `host`: a name that is
 * neither ours nor a peer's. Who is found there must prove both: see sw_party_found.
 */
bool sw_party_may_be_at(const struct sw_proxy_conf *c, uint32_t owner, struct sw_slice host);

/**
 * Whether one that we connected to, and that proved the name `in->got` which was looked up, is the
 * owner that it was looked up for. The id that it goes by from now on into `*domain_id`;
 * SW_DENIED_IDENTITY with `in->why`: it proves that name only. RFC 3261 16.6 step 7, RFC 5922 7.3
 */
SW_MUST_USE enum sw_status sw_party_found(const struct sw_proxy_conf *c, const struct sw_flow *flow,
                                          struct sw_ingress *in, uint32_t *domain_id);

#endif

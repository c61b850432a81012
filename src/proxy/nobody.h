/* Why a certificate that is believed makes its connection nobody's, and what would help. */
#ifndef SW_PROXY_NOBODY_H
#define SW_PROXY_NOBODY_H

#include "proxy/ingress.h"

/** The first wildcard of a certificate that `verify: wildcard` would look at; empty: it has none.
 * In the certificate's bytes. */
struct sw_slice sw_nobody_wildcard(const struct sw_ident *ident);

/** Writes `in->why` and `in->help` for a certificate that names no domain of others: `ours`: one of
 * ours; or wildcards only. RFC 5922 7.2 */
void sw_nobody_tell(const struct sw_proxy_conf *c, const struct sw_ident *ident, bool ours,
                    struct sw_ingress *in);

/** The refusal of a certificate that names a domain of peer `p` and is not what the peer is known
 * by. RFC 5922 7.1 */
struct sw_ingress sw_nobody_claims(const struct sw_peer_conf *p, struct sw_slice got);

#endif

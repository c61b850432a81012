/* How the hops of a call were secured, as far as can be seen from here: both connections of ours,
 * and what others wrote into Via, Record-Route and Contact. RFC 3261 26.2.2, 26.4.4; RFC 5630 3.2
 */
#ifndef SW_PROXY_HOPS_H
#define SW_PROXY_HOPS_H

#include "base/field.h"
#include "proxy/fork.h"

enum { SW_CALL_FIELDS = 24 };

/** What is known of a flow. */
struct sw_call_side sw_call_side(const struct sw_flow *flow);

/** A domain that is no peer's, as the request's sender proved it; in the certificate's bytes.
 * Empty: it is a peer's, or not known on this worker. */
struct sw_slice sw_proved_stranger(const struct sw_proxy_conf *c, const struct sw_flow *flow);

/** The name of who a request of the fork goes to if that is no peer, in its arena or the target's
 * bytes; else empty. */
struct sw_slice sw_call_name(const struct sw_proxy_conf *c, struct sw_fork *f,
                             const struct sw_target *t, const struct sw_flow *flow);

/** An INVITE that may create a dialog was answered with 2xx: its hops are told to the log and kept.
 */
void sw_call_answered(struct sw_proxy *p, const struct sw_fork *f, const struct sw_branch *b,
                      const struct sw_msg *m, const struct sw_vitals *v);

/** A BYE passes: its call is no longer among those that are kept. */
void sw_call_over(struct sw_proxy *p, const struct sw_vitals *v);

/** The fields of a call, in scratch memory; how many. 0: memory is out. */
size_t sw_call_fields(struct sw_proxy *p, const struct sw_call *call,
                      struct sw_field f[SW_CALL_FIELDS]);

#endif

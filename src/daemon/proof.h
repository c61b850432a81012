/* Before a configuration is published it shakes hands with itself. */
#ifndef SW_DAEMON_PROOF_H
#define SW_DAEMON_PROOF_H

#include "daemon/config.h"

/**
 * A whole TLS handshake in memory for each key of each identity, under each policy that a listener
 * (also by `sni`) or a peer shows it under, as server and as client: a key that does not sign (such
 * as one on a token that is gone) or a policy that agrees on nothing with its certificate is found
 * before anybody depends on it. What fails is an error in `diags`; one key of a pair that the
 * policy has no use for is a warning. Each identity under `sni` is also asked for by a name of its
 * own, with the whole list of the listener: another certificate is an error. Returns how many held.
 */
unsigned sw_proof(const struct sw_config *c, struct sw_diags *diags);

/** The same before `c` takes the place of `before`: of the many under `sni` those that changed come
 * first. */
unsigned sw_proof_after(const struct sw_config *before, const struct sw_config *c,
                        struct sw_diags *diags);

#endif

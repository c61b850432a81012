/* What was hidden from a peer is put back where its messages come in, before anything else reads
 * them: from there on a message is as if nothing had been hidden. docs/hiding.md */
#ifndef SW_GATEWAY_UNHIDE_H
#define SW_GATEWAY_UNHIDE_H

#include "gateway/pipeline.h"

/**
 * Rewrites a request that brings back something hidden: `m`, `v` and `r` of `q` are then those of
 * the bytes as they would be if nothing had been hidden, in scratch memory. `q->bad_hidden` is what
 * it is refused with if a sealed text does not hold; then nothing is changed.
 */
void sw_gateway_unhide_request(struct sw_gateway *g, struct sw_request *q);

/** The same for a response from `peer`. False: it is to be dropped, and why is noted. */
bool sw_gateway_unhide_response(struct sw_gateway *g, const struct sw_flow *flow, uint32_t peer,
                                struct sw_msg *m, struct sw_vitals *v);

#endif

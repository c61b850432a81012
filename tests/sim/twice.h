/* What a transaction may give to its user once is given once, in every simulation: the linker puts
 * these functions around those of the engine, for gateways and user agents alike.
 *
 * A request: one server transaction for a branch, sent-by and method of a sender. RFC 3261 17.2.3
 * A final response, or its failure: one for a client transaction, or 2xx ones to an INVITE.
 * RFC 3261 17.1.1.2, 17.1.2.2, RFC 6026 7.2. A request that is tried elsewhere has a new branch and
 * is another transaction (16.6 step 8).
 *
 * One repeat is by design: docs/architecture.md "The one request that comes twice". A breach ends
 * the program. */
#ifndef TESTS_SIM_TWICE_H
#define TESTS_SIM_TWICE_H

#include "engine/engine.h"

/** Forgets everything: a new world. Until twice_own_input the ends may send any branch again, and
 * only a transaction that still lives may not be given twice. */
void twice_reset(void);

/** All ends are the simulation's own, and never use a branch again: not even a transaction that is
 * over, or came over another connection, may be given twice. */
void twice_own_input(void);

/** Is told of each server transaction from now on. */
void twice_tell(void (*request)(const struct sw_engine *e, struct sw_ref ref, unsigned method));

/** How many server transactions were made so far. */
uint64_t twice_made(void);

/** How many repeats were let pass: datagrams that another worker had got before. */
uint64_t twice_elsewhere(void);

#endif

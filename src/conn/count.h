/* The connections of one peer at once, those that it opened and those that we did, each up to its
 * limit `connections`. docs/config.md "Limits of a peer" */
#ifndef SW_CONN_COUNT_H
#define SW_CONN_COUNT_H

#include "conn/attempt.h"

/**
 * Counts one connection of a peer. False: `limited`, and there are as many as may be. `*load` is
 * for sw_load_disconnect, or NULL: it does not count.
 */
bool sw_conn_place(const struct sw_conn_peer *p, enum sw_load_way_of way, bool limited,
                   struct sw_load **load);

/** A connection turned out to be this peer's: it counts there, and nowhere else. False: as above.
 */
bool sw_conn_count(const struct sw_conns *s, struct sw_conn *c, uint32_t peer, bool limited);

/** It counts no more, if it did. */
void sw_conn_uncount(struct sw_conn *c);

/** What is said of one that is over the limit. */
extern const struct sw_attempt_refusal sw_conn_one_too_many;

#endif

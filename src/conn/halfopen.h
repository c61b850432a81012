/* How many handshakes of one source are not done yet, over all workers: counters in a table that
 * never grows. */
#ifndef SW_CONN_HALFOPEN_H
#define SW_CONN_HALFOPEN_H

#include "base/endpoint.h"
#include "base/status.h"

/* Each source has a counter in each row, and its number is the least of them: 128 KiB. Two sources
 * are taken for one only if they share the counters of both rows. */
enum { SW_HALFOPEN_ROWS = 2, SW_HALFOPEN_COUNTERS = 16384 };

struct sw_halfopen;

/** NULL: memory or random numbers are out. */
struct sw_halfopen *sw_halfopen_new(void);
void sw_halfopen_free(struct sw_halfopen *h);

/**
 * Counts one more of a source: an IPv4 address, or the /64 of an IPv6 one, which one host has to
 * itself (RFC 4291 2.5.1). False: it has `max` already, and nothing was counted. 0: there is no
 * limit. Any thread.
 */
bool sw_halfopen_enter(struct sw_halfopen *h, const struct sw_endpoint *from, uint32_t max);

/** One less, of a source for which sw_halfopen_enter was true. Any thread. */
void sw_halfopen_leave(struct sw_halfopen *h, const struct sw_endpoint *from);

#endif

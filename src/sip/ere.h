/* The substitution of a NAPTR record: a regular expression and what its match becomes. Its author
 * is a stranger: work and memory are those of sip/pattern.h. RFC 3402 3.2 */
#ifndef SW_SIP_ERE_H
#define SW_SIP_ERE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"

/**
 * Applies "!ERE!REPLACEMENT!FLAGS" (any delimiter but a digit or a backslash, flag "i") to `text`:
 * what is appended is the replacement with \1 to \9 filled in. The first of alternatives that leads
 * to a match counts, not the longest. `slab` is used for the moment. SW_AGAIN: it does not match.
 * SW_PEER_SYNTAX: it is none, or too large. SW_LIMIT_MEMORY; SW_LIMIT: no room in `out`.
 */
SW_MUST_USE enum sw_status sw_ere_substitute(struct sw_slice expression, struct sw_slice text,
                                             struct sw_slab *slab, struct sw_buf *out);

#endif

/* The substitution of a NAPTR record: an extended regular expression and what its match becomes.
 * Written by hand because its author is a stranger: every pattern ends in bounded time and memory.
 * RFC 3402 3.2 */
#ifndef SW_SIP_ERE_H
#define SW_SIP_ERE_H

#include "base/buf.h"
#include "base/status.h"

enum {
    SW_ERE_CODE_MAX = 256, /* instructions of one expression */
    SW_ERE_TEXT_MAX = 64,  /* bytes that are looked at: a number has 16 */
};

/**
 * Applies "!ERE!REPLACEMENT!FLAGS" (any delimiter but a digit or a backslash, flag "i") to `text`:
 * what is appended is the replacement with \1 to \9 filled in. The first of alternatives that leads
 * to a match counts, not the longest. SW_AGAIN: it does not match. SW_PEER_SYNTAX: it is none.
 * SW_LIMIT: too large, or no room.
 */
SW_MUST_USE enum sw_status sw_ere_substitute(struct sw_slice expression, struct sw_slice text,
                                             struct sw_buf *out);

#endif

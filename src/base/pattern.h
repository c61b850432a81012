/* Regular expressions for input from the network: the time for a match is bounded by the product of
 * the lengths of pattern and text whatever both are, and no memory is asked for.
 *
 * The text of a pattern is a POSIX extended one (IEEE 1003.1, 9.4) without back-references, which
 * no bounded time is known for, and without collating symbols. Of several ways to match, the
 * leftmost counts; there the first alternative of `|` and the longest run of `*` `+` `?` `{}` go
 * first. */
#ifndef SW_BASE_PATTERN_H
#define SW_BASE_PATTERN_H

#include "base/arena.h"
#include "base/status.h"

enum {
    SW_PATTERN_TEXT_MAX = 256,  /* of a pattern */
    SW_PATTERN_STEPS_MAX = 512, /* what it is made into: `{n,m}` repeats what stands before it */
    SW_PATTERN_INPUT_MAX = 255, /* of a text that is matched: longer numbers and names are none */
    SW_PATTERN_GROUPS = 10,     /* the whole match and nine parenthesised parts */
};

struct sw_pattern_step;

/* A pattern ready for use: read-only, for any number of threads. */
struct sw_pattern {
    const struct sw_pattern_step *steps;
    const uint8_t (*sets)[32]; /* of brackets: a bit for each byte */
    uint16_t step_count;
    uint8_t groups; /* parenthesised parts, at most nine */
};

/* Where a pattern is wrong, and what would be right. */
struct sw_pattern_error {
    size_t offset;
    const char *what; /* static text */
};

/**
 * Reads a pattern; what `out` points to lives in `arena`. SW_PEER_SYNTAX: it is wrong or too large,
 * with `err`; SW_LIMIT_MEMORY.
 */
SW_MUST_USE enum sw_status sw_pattern_compile(struct sw_slice text, struct sw_arena *arena,
                                              struct sw_pattern *out, struct sw_pattern_error *err);

/**
 * True if the pattern is found in `s`. `group[0]` becomes what it matches, `group[i]` what the i-th
 * part does; .p is NULL where one has no part in it. They borrow from `s`. Never true for a text
 * above SW_PATTERN_INPUT_MAX.
 */
bool sw_pattern_match(const struct sw_pattern *p, struct sw_slice s,
                      struct sw_slice group[SW_PATTERN_GROUPS]);

#endif

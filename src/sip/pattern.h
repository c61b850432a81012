/* Regular expressions for text from the network, by PCRE2: the work of a match and its memory are
 * bounded whatever pattern and text are, and nothing comes from the heap.
 *
 * PCRE2 reads what POSIX calls extended regular expressions (IEEE 1003.1, 9.4) and more. Of several
 * ways to match the leftmost counts, and there the first alternative of `|`. */
#ifndef SW_SIP_PATTERN_H
#define SW_SIP_PATTERN_H

#include "base/arena.h"
#include "base/status.h"

enum {
    SW_PATTERN_TEXT_MAX = 256,    /* of a pattern */
    SW_PATTERN_INPUT_MAX = 255,   /* of a text that is matched: longer numbers and names are none */
    SW_PATTERN_GROUPS = 10,       /* the whole match and nine parenthesised parts */
    SW_PATTERN_WORK_MAX = 10000,  /* steps of one match: with more it is none */
    SW_PATTERN_NESTING_MAX = 32,  /* parentheses within each other */
    SW_PATTERN_BYTES_MAX = 65536, /* what a pattern may be made into */
};

/* A pattern ready for use: read-only, for any number of threads. */
struct sw_pattern {
    const void *code; /* NULL: none */
    uint32_t groups;  /* parenthesised parts, at most nine */
};

/* Where a pattern is wrong, and how. */
struct sw_pattern_error {
    size_t offset;
    char what[128];
};

/**
 * Reads a pattern; what `out` points to lives in `arena`. SW_PEER_SYNTAX: it is wrong or too large,
 * with `err`; SW_LIMIT_MEMORY.
 */
SW_MUST_USE enum sw_status sw_pattern_compile(struct sw_slice text, bool any_case,
                                              struct sw_arena *arena, struct sw_pattern *out,
                                              struct sw_pattern_error *err);

/**
 * Looks for the pattern in `s`. `group[0]` becomes what it matches, `group[i]` what the i-th part
 * does; .p is NULL where one has no part in it, and everywhere if it is not found. They borrow from
 * `s`. SW_PEER_MISSING: it is not found; SW_LIMIT: it cannot be said, the text is above
 * SW_PATTERN_INPUT_MAX, or the work above SW_PATTERN_WORK_MAX or the stack that is there.
 */
SW_MUST_USE enum sw_status sw_pattern_search(const struct sw_pattern *p, struct sw_slice s,
                                             struct sw_slice group[SW_PATTERN_GROUPS]);

#endif

/* What a pattern is made into: steps that all run at once, a byte of the text at a time. For
 * pattern.c and pattern_match.c. */
#ifndef SW_BASE_PATTERN_STEPS_H
#define SW_BASE_PATTERN_STEPS_H

#include "base/pattern.h"

enum sw_step_kind {
    SW_STEP_BYTE,  /* this byte */
    SW_STEP_ANY,   /* any byte */
    SW_STEP_SET,   /* a byte of set `a` */
    SW_STEP_START, /* nothing, at the start of the text */
    SW_STEP_END,   /* nothing, at its end */
    SW_STEP_FORK,  /* nothing: on to `a`, or else to `b` */
    SW_STEP_JUMP,  /* nothing: on to `a` */
    SW_STEP_SAVE,  /* nothing: here group a / 2 starts (even) or ends */
    SW_STEP_MATCH, /* the whole pattern matches */
};

struct sw_pattern_step {
    uint8_t kind; /* enum sw_step_kind */
    uint8_t byte;
    uint16_t a, b;
};

#endif

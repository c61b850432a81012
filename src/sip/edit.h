/* Changes to a message as a sorted list of replacements on its original bytes: what no edit touches
 * leaves byte for byte as it came. */
#ifndef SW_SIP_EDIT_H
#define SW_SIP_EDIT_H

#include "base/slice.h"

/* Edits one message can get: a dozen for the proxy's own headers, the rest for removed Route rows.
 */
enum { SW_EDITS_MAX = 48, SW_SEGS_MAX = 2 * SW_EDITS_MAX + 1 };

struct sw_edit {
    uint32_t at;          /* offset of the bytes that go */
    uint32_t n;           /* how many go; 0: insert */
    struct sw_slice text; /* what comes, borrowed */
};

struct sw_edits {
    struct sw_edit e[SW_EDITS_MAX];
    uint32_t count;
    bool full; /* more than SW_EDITS_MAX, or two that overlap: the message must not be sent */
};

static inline void sw_edits_init(struct sw_edits *x)
{
    x->count = 0;
    x->full = false;
}

/** Puts `text` in place of `n` bytes at `at`. At one place, what is added later stands behind. */
void sw_edit_add(struct sw_edits *x, size_t at, size_t n, struct sw_slice text);

/**
 * Renders the edited message as pieces of the original and of the edits: at most SW_SEGS_MAX.
 * Returns their number, 0 if `x` is full. `total` becomes the length.
 */
size_t sw_edits_render(const struct sw_edits *x, struct sw_slice original, struct sw_slice *segs,
                       size_t *total);

#endif

/* What is wrong or weak in a configuration: collected, so that one run reports everything. */
#ifndef SW_DAEMON_DIAG_H
#define SW_DAEMON_DIAG_H

#include "base/slice.h"
#include <stdio.h>

enum sw_diag_kind {
    SW_DIAG_ERROR,   /* it cannot run */
    SW_DIAG_WARNING, /* it can, but weakly */
    SW_DIAG_NOTE,    /* for information, such as a key that this version does not act on */
};

/* A place in the file; lines and columns from 1, 0: the file as a whole. */
struct sw_mark {
    unsigned line, column;
};

struct sw_diag {
    enum sw_diag_kind kind;
    struct sw_mark mark;
    char *text;
};

struct sw_diags {
    const char *path; /* borrowed */
    struct sw_diag *d;
    size_t count;
    unsigned errors, warnings, notes;
};

/** Adds one; the text is formatted as by printf. */
void sw_diag(struct sw_diags *x, enum sw_diag_kind kind, struct sw_mark mark, const char *format,
             ...) __attribute__((format(printf, 4, 5)));

#define sw_diag_error(x, mark, ...)   sw_diag((x), SW_DIAG_ERROR, (mark), __VA_ARGS__)
#define sw_diag_warning(x, mark, ...) sw_diag((x), SW_DIAG_WARNING, (mark), __VA_ARGS__)
#define sw_diag_note(x, mark, ...)    sw_diag((x), SW_DIAG_NOTE, (mark), __VA_ARGS__)

/** The place of one as text: FILE:LINE:COLUMN, or FILE. */
void sw_diag_place(const struct sw_diags *x, const struct sw_diag *d, char *out, size_t cap);

/** Writes all, in the order of the file: FILE:LINE:COLUMN: text. With `json` as an array. */
void sw_diags_print(struct sw_diags *x, FILE *out, bool json);
void sw_diags_free(struct sw_diags *x);

#endif

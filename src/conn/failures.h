/* The failures of connections that were seen last: a ring that all workers write and the admin
 * thread reads. Repeats of one failure are counted in its record. */
#ifndef SW_CONN_FAILURES_H
#define SW_CONN_FAILURES_H

#include "base/endpoint.h"
#include "base/field.h"
#include "base/status.h"
#include "crypto/siphash.h"

/* Records at once, and bytes that one may take: 8 MiB at most, some 2 MiB with real ones. */
enum { SW_FAILURES_MAX = 1000, SW_FAILURE_BYTES = 8192 };

/* A failure that goes on is told in the log again after so long. */
enum { SW_FAILURE_SAY_MS = 60000 };

struct sw_failures;

/** NULL: memory or random numbers are out. */
struct sw_failures *sw_failures_new(void);
void sw_failures_free(struct sw_failures *f);

/** The secret key of the numbers below: nobody can make two failures look like one. */
struct sw_sip_key sw_failures_key(const struct sw_failures *f);

/**
 * Counts one more of the failure with the number `what`, if it has a record: the total, else 0.
 * `*say` if the log is to tell it again.
 */
uint64_t sw_failures_again(struct sw_failures *f, uint64_t what, int64_t wall_ms, bool *say);

/* A new record. All is copied. */
struct sw_failure {
    uint64_t what;         /* equal failures have equal numbers */
    int64_t wall_ms;       /* when it happened */
    struct sw_slice peer;  /* name, or "nobody" */
    struct sw_slice text;  /* members of a JSON object, each with a comma before it */
    struct sw_slice names; /* in the certificate that was presented; empty: none */
    struct sw_endpoint remote;
    bool outbound;
};

/** Adds a record, over the oldest one if there are too many. Without memory it is lost. */
void sw_failures_add(struct sw_failures *f, const struct sw_failure *x);

/** The numbers of the records there are: `*first` to `*end` - 1, oldest first. */
void sw_failures_range(struct sw_failures *f, uint64_t *first, uint64_t *end);

/* A copy of a record; what `x` points to is in `bytes`. */
struct sw_failure_row {
    struct sw_failure x;
    int64_t last_ms;
    uint64_t count;
    char bytes[SW_FAILURE_BYTES];
};

/** Copies the record with this number; false: it was overwritten. */
bool sw_failures_row(struct sw_failures *f, uint64_t number, struct sw_failure_row *out);

/** Appends fields as members of an object with a comma before each, as far as there is room. */
void sw_failures_put(struct sw_buf *b, const struct sw_field *fields, size_t count);

#endif

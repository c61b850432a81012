/* A list that somebody asks a worker for: answered by the worker, in portions, into memory of the
 * question. */
#ifndef SW_WORKER_WALK_H
#define SW_WORKER_WALK_H

#include "base/field.h"
#include "base/status.h"

enum sw_walk_what { SW_WALK_CONNECTIONS, SW_WALK_TRANSACTIONS, SW_WALK_CALLS };

enum { SW_WALK_ROWS = 200, SW_WALK_BYTES = 256 * 1024 };

struct sw_walk {
    _Atomic unsigned users; /* who asked, and the mail or the worker */
    int done_fd;            /* eventfd, written when the worker is done */
    uint8_t what;           /* enum sw_walk_what */
    bool more;              /* ask again from `next` on */
    uint32_t next;          /* slot */
    const char *peer;       /* connections: of this one only, see sw_attempt_peer; "": all */
    unsigned rows;
    size_t n;
    char text[SW_WALK_BYTES]; /* JSON objects with "," between them */
};

struct sw_worker;

/** A question; `peer` is copied, see above. NULL: memory or descriptors are out. */
struct sw_walk *sw_walk_new(enum sw_walk_what what, const char *peer);
void sw_walk_unref(struct sw_walk *x);

/**
 * Asks a worker for the next portion and waits for it. SW_PEER_TIMEOUT: it does not answer (the
 * walk is of no more use). SW_LIMIT: its mailbox is full. Any thread but the worker's.
 */
SW_MUST_USE enum sw_status sw_walk_ask(struct sw_walk *x, struct sw_worker *w, int timeout_ms);

/* ---- for the worker ---- */

/** Adds a row; `next` is the slot behind it. What does not fit is left for the next portion. */
void sw_walk_row(struct sw_walk *x, const struct sw_field *fields, size_t count, uint32_t next);

/** Answers; takes over one reference. */
void sw_worker_walk(struct sw_worker *w, struct sw_walk *x);

#endif

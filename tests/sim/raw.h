/* An endpoint without any SIP in it: sends what it is told and remembers what came, and when. */
#ifndef TESTS_SIM_RAW_H
#define TESTS_SIM_RAW_H

#include "base/arena.h"
#include "sim/sim.h"

enum { RAW_MAX = 2048 };

struct raw_message {
    int64_t at_ms;
    char *text;
    struct sw_flow flow;
};

struct raw {
    struct sim_node *node;
    struct raw_message *got; /* RAW_MAX of them, so that they stay where they are */
    unsigned count;
    struct sw_slab slab;
    struct sw_arena arena;
    struct { /* what is to be sent once a connection is there */
        char *text;
        size_t n;
        struct sw_want want;
    } out[64];
    unsigned out_count, out_done;
    unsigned opened_failed;
    struct sw_ident *ident; /* by raw_proves; NULL: none */
    bool refuse;            /* says that the other side's certificate proves nothing */
};

/** It lives until the simulation is freed. */
struct raw *raw_new(struct sim *s, const char *name, const char *address, enum sw_transport t);

/** Gives it a certificate of this domain, in place of one that it had from here; it goes with it.
 */
struct sw_ident *raw_proves(struct raw *r, const char *domain);

/** Sends text to an address; over a stream a connection is opened or used again. At the next step.
 */
void raw_send(struct raw *r, const char *to, enum sw_transport t, const char *text);

/** The same for any bytes: NUL too, and over a stream pieces of messages. */
void raw_send_bytes(struct raw *r, const char *to, enum sw_transport t, const void *p, size_t n);

/** Answers a message that came, over the flow that it came on. */
void raw_answer(struct raw *r, const struct raw_message *m, const char *status_line,
                const char *extra_headers);

/** How many of the messages that came start with `start`; `nth` of them (from 0) into `*m` if not
 * NULL. */
unsigned raw_count(const struct raw *r, const char *start);
const struct raw_message *raw_nth(const struct raw *r, const char *start, unsigned nth);

/** Route rows from the Record-Route rows of a message: as they stand for who was called, turned for
 * the caller. RFC 3261 12.1 */
void raw_routes(const struct raw_message *m, bool turned, char *out, size_t cap);

/** The value of the first header with this name, in static memory; empty if there is none. */
const char *raw_header(const struct raw_message *m, const char *name);

#endif

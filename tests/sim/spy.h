/* Looks over the shoulder of a gateway in the simulation: every step's actions pass here and are
 * held against what must always be true. What is not ends the program with a line that says so. */
#ifndef TESTS_SIM_SPY_H
#define TESTS_SIM_SPY_H

#include "sim/world.h"

/* What was sent for one server transaction. */
struct spy_server {
    uint32_t generation; /* 0: none */
    uint16_t final;      /* its final status; 0: none yet */
    bool invite;
};

struct spy_worker {
    struct spy *spy;
    struct sw_step inner;
    struct spy_server *servers; /* by slot */
    uint32_t slots;
    int64_t published; /* INVITE transactions in the directory now */
};

struct spy {
    struct gate *gate;
    struct spy_worker worker[SIM_WORKERS_MAX];
    uint64_t steps, steps_max; /* more than that is an endless loop */
    uint64_t requests, responses;
    uint64_t unanswered; /* INVITEs whose transaction ended without a final response */
    bool answers_may_fail;
    void (*before)(void *user), (*after)(void *user); /* around each step; NULL: nothing */
    void *user;
};

/**
 * Watches all workers of `g`. Held is: what is sent can be parsed; of one server transaction there
 * is one final response, or 2xx ones, and nothing provisional after it; an INVITE gets one (unless
 * `answers_may_fail`: then they are counted); steps come to an end.
 */
void spy_init(struct spy *x, struct gate *g);

/** At the end: no INVITE without final response, the directory is empty, no timer runs. */
void spy_finish(struct spy *x);
void spy_fini(struct spy *x);

#endif

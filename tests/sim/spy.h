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

/* How often a request was answered or dropped without a transaction. */
struct spy_fates {
    uint64_t refused;  /* answered at once */
    uint64_t repeated; /* known already */
    uint64_t asked;    /* another worker is asked for it */
    uint64_t noted;    /* dropped, and a NOTE says by which rule */
    uint64_t nobodys;  /* a datagram of nobody: docs/messages.md */
};

struct spy_worker {
    struct spy *spy;
    struct sw_step inner;
    struct spy_server *servers; /* by slot */
    uint32_t slots;
    int64_t published;                     /* INVITE transactions in the directory now */
    uint64_t ended_silently, noted_silent; /* requests but INVITE; NOTEs that say so */
    uint64_t noted_lost;                   /* NOTEs of a response or ACK that could not leave */
};

struct spy {
    struct gate *gate;
    struct spy_worker worker[SIM_WORKERS_MAX];
    uint64_t steps, steps_max; /* more than that is an endless loop */
    uint64_t requests, responses;
    uint64_t unanswered; /* INVITEs whose transaction ended without a final response */
    struct spy_fates fates;
    bool answers_may_fail;
    void (*before)(void *user), (*after)(void *user); /* around each step; NULL: nothing */
    void *user;
};

/**
 * Watches all workers of `g`. Held is: what is sent can be parsed; of one server transaction there
 * is one final response, or 2xx ones, and nothing provisional after it; steps come to an end.
 * Every request but ACK gets a final response in virtual time, or is dropped by a rule that a NOTE
 * names: malformed beyond an answer, of nobody, or not answered in time and no INVITE (RFC 4320
 * 4.2), or whose provisional response could not be delivered (17.2.4). Unless `answers_may_fail`:
 * then INVITEs without one are counted.
 */
void spy_init(struct spy *x, struct gate *g);

/** At the end: no INVITE without final response, the directory is empty, no timer runs. */
void spy_finish(struct spy *x);
void spy_fini(struct spy *x);

/* The usual scene, and each of its gateways watched. */
struct spied {
    struct world w;
    struct spy spy[2];
};

void spied_init(struct spied *s, uint64_t seed, const struct world_conf *conf);

/** world_finish, and spy_finish for each gateway. */
void spied_finish(struct spied *s);
void spied_fini(struct spied *s);

#endif

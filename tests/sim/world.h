/* The usual scene: a carrier outside over TLS, a PBX inside over UDP, one or two gateways between
 * them. */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "gateway/pipeline.h"
#include "sim/ua.h"
#include "support/conf.h"

/* A gateway as a node: its configuration and its workers' steps. */
struct gate {
    struct conf conf;
    struct sim_node *node;
    struct sw_gateway gateway[SIM_WORKERS_MAX];
    struct sw_counters counters[SIM_WORKERS_MAX];
    struct sw_avoid avoid;
    struct sw_calls_open *calls_open;
    struct sw_ident *ident;
    uint32_t transactions_max; /* 0: many */
    struct conf *adopted;      /* NULL: `conf` holds */
};

/** Makes the node of a gateway whose configuration is complete. */
void gate_start(struct gate *g, struct sim *s, const char *name, unsigned workers,
                const char *domain, uint64_t seed);
void gate_stop(struct gate *g);

/**
 * A reload: each worker adopts `next` (from malloc, complete), so many ms after the one before it.
 * What was adopted before is freed then. The listeners must be the same.
 */
void gate_adopt(struct gate *g, struct conf *next, int64_t apart_ms);

/** The simulation to its end: nothing may be left. Then the gateway is freed, and the simulation
 * with its scripted ends. */
void gate_finish(struct gate *g);

/** What its workers counted. */
uint64_t gate_counted(const struct gate *g, enum sw_counter c);

/** Asserts that a gateway has nothing left: no transaction, context, parked send, timer or memory.
 */
void gate_assert_idle(const struct gate *g);

struct world {
    struct zone zone;
    struct sim *sim;
    struct gate gate[2];
    unsigned gates;
    struct ua *carrier, *pbx;
    struct sw_ident *carrier_ident, *pbx_ident;
    uint64_t seed;
};

struct world_conf {
    unsigned workers;  /* of each gateway; 0: one */
    bool two_gateways; /* carrier - gateway - TLS - gateway - pbx */
    bool named;        /* one gateway: the PBX, over TLS, is found by DNS */
    bool dead_first;   /* one gateway: the PBX has a further address before its own, of nobody */
    bool hide; /* what is behind a gateway is hidden from the carrier and the other gateway */
    enum sw_transport outside, inside; /* the sides; default UDP is 0: set outside to SW_TLS */
    enum sw_fork_rule
        fork; /* not SW_FORK_ORDER: one gateway, and "spare" (10.1.0.8) beside the PBX */
    struct ua_conf carrier, pbx;
    struct sim_net net;
};

/** Builds the scene. */
void world_init(struct world *w, uint64_t seed, const struct world_conf *conf);
void world_fini(struct world *w);

/** Runs until nothing is left to do, then asserts that both gateways are idle. */
void world_finish(struct world *w);

#endif

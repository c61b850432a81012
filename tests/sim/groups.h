/* A caller, two peers that are a group for its calls, and what the log is told of them. */
#ifndef TESTS_SIM_GROUPS_H
#define TESTS_SIM_GROUPS_H

#include "sim/raw.h"
#include "sim/world.h"

enum { A, B, PEERS, CALLER };
enum { TIMEOUT_MS = 4000, RETRY_MS = 30000 };

struct scene {
    struct sim *sim;
    struct gate gate;
    struct raw *caller, *peer[PEERS];
    unsigned downs, ups, limited; /* lines of the log */
    char why[128];                /* of the last of these */
};

/** The configuration of the scene; between this and scene_start it may be changed. */
struct conf *scene_init(struct scene *x, struct conf *k);
void scene_start(struct scene *x, unsigned workers);
/** Lets all that is still to happen happen: nothing may be left, and nothing counts any more. */
void scene_fini(struct scene *x);

void run(struct scene *x, int64_t ms);

/** A request of the caller with a Call-ID of its own, and 200 ms for what comes of it. */
void ask(struct scene *x, const char *method, unsigned call, const char *more);

static inline void call(struct scene *x, unsigned n)
{
    ask(x, "INVITE", n, "");
}

/** The first message of this call at a peer that starts with `start`, or NULL. */
const struct raw_message *at(const struct scene *x, int peer, const char *start, unsigned call);

/** Answers the INVITE of a call, and gives the answer 200 ms. */
void answer(struct scene *x, int peer, unsigned call, const char *status, const char *more);

/** The final response that the caller got in this call, or "". */
const char *final_of(const struct scene *x, unsigned call);

/** Transactions in progress. */
uint32_t now(const struct scene *x, int peer, enum sw_load_way_of way);

#endif

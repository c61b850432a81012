/* The transaction layer of one worker: tables, timers and the machines of txn/ wired to actions. It
 * has no descriptor and no clock: a step gives it the time and takes its actions. */
#ifndef SW_ENGINE_ENGINE_H
#define SW_ENGINE_ENGINE_H

#include "base/arena.h"
#include "base/counters.h"
#include "base/timer.h"
#include "crypto/prng.h"
#include "engine/action.h"
#include "engine/owner.h"
#include "sip/check.h"
#include "sip/edit.h"
#include "txn/txn.h"

/* What a timer stands in. The engine's own come first; others are handed back by sw_engine_due. */
enum sw_timer_kind {
    SW_TK_SERVER_RETRY,
    SW_TK_SERVER_LIFE,
    SW_TK_CLIENT_RETRY,
    SW_TK_CLIENT_LIFE,
    SW_TK_SEND, /* a parked send */
    SW_TK_USER, /* this and above belong to the transaction users */
};

/* Constant delays have a FIFO each. */
enum sw_timer_fifo {
    SW_FIFO_LIFE,    /* 64*T1, D, and parked sends */
    SW_FIFO_T4,      /* I and K */
    SW_FIFO_T1,      /* the first A, E and G */
    SW_FIFO_TRYING,  /* RFC 4320's 100 */
    SW_FIFO_TIMER_C, /* the proxy's */
};

struct sw_engine_conf {
    uint32_t instance; /* of the process, random */
    uint16_t worker;
    bool directory;               /* there are other workers: INVITE transactions are published */
    uint32_t transactions_max;    /* server transactions of this worker; client ones twice that */
    struct sw_sip_key table_key;  /* of all workers: the INVITE directory uses it too */
    struct sw_sip_key seed;       /* of this worker's random numbers */
    struct sw_counters *counters; /* of this worker, borrowed */
};

struct sw_engine {
    struct sw_engine_conf conf;
    struct sw_slab *slab;
    struct sw_timers timers;
    struct sw_table servers; /* struct sw_server */
    struct sw_table clients; /* struct sw_client */
    struct sw_table sends;   /* struct sw_send */
    struct sw_map by_key;    /* servers */
    struct sw_map by_flow;   /* struct sw_flow_use: clients per connection */
    struct sw_prng prng;
    struct sw_arena scratch; /* for bytes that live as long as the actions of one event */
    struct sw_arena dead;    /* users' memory that actions of this event may still refer to */
    struct sw_actions *out;  /* of the current event */
    int64_t now_ms;
    struct sw_list stranded; /* clients whose connection closed, not yet told */
    uint32_t pending;        /* server transactions without a final response */
};

/* What time brought about, for the transaction's user. */
enum sw_due_kind {
    SW_DUE_NONE,   /* nothing more is due */
    SW_DUE_CLIENT, /* a client transaction timed out and is gone: `user`, `user_kind` */
    SW_DUE_TRYING, /* `server` must be answered with 100 now */
    SW_DUE_NO_ACK, /* the ACK of `server_ref` never came, the transaction is gone */
    SW_DUE_SEND,   /* the parked send `job` got no answer: as if its OPEN had failed */
    SW_DUE_USER,   /* `timer` of the user's own kind */
};

struct sw_due {
    enum sw_due_kind kind;
    void *user;
    uint8_t user_kind;
    struct sw_server *server;
    struct sw_ref job;
    struct sw_timer *timer;
};

/** An empty layer that takes its memory from `slab`. SW_LIMIT_MEMORY */
SW_MUST_USE enum sw_status sw_engine_init(struct sw_engine *e, const struct sw_engine_conf *conf,
                                          struct sw_slab *slab, int64_t now_ms);

/** Frees all transactions and tables. Users' structures are theirs. */
void sw_engine_fini(struct sw_engine *e);

/** Counts one of what `c` stands for. */
static inline void sw_engine_count(const struct sw_engine *e, enum sw_counter c)
{
    sw_count(e->conf.counters, c);
}

/** Starts the handling of one event: its actions go to `out`, its time is `now_ms`. */
void sw_engine_begin(struct sw_engine *e, struct sw_actions *out, int64_t now_ms);

/** When to call again at the latest: a timer is due, or clients wait to be told of a closed
 * connection. */
int64_t sw_engine_deadline(const struct sw_engine *e);

/** True while there is room for the actions that one more piece of work can cause. */
static inline bool sw_engine_has_room(const struct sw_engine *e)
{
    return e->out->count < SW_ACTIONS_MAX / 2;
}

/** Runs timers that are due until one concerns a user. Call until SW_DUE_NONE. */
struct sw_due sw_engine_due(struct sw_engine *e);

/** Adds a SEND of `segs`, which must live until the actions are performed. False: no room, not
 * sent. */
bool sw_engine_send(struct sw_engine *e, const struct sw_flow_id *flow,
                    const struct sw_endpoint *remote, const struct sw_slice *segs, size_t count,
                    size_t total, const struct sw_cookie *cookie);

/** The same for one run of bytes. */
bool sw_engine_send_bytes(struct sw_engine *e, const struct sw_flow_id *flow,
                          const struct sw_endpoint *remote, struct sw_slice bytes,
                          const struct sw_cookie *cookie);

/** Scratch memory to build a message of at most `cap` bytes in; .cap is 0 if memory is out. */
struct sw_buf sw_engine_buf(struct sw_engine *e, size_t cap);

/** Releases an arena once the actions of this event are performed. The arena is empty at once. */
void sw_engine_bury(struct sw_engine *e, struct sw_arena *a);

/** Adds a NOTE; the fields and their text must live until the actions are performed. */
void sw_engine_note(struct sw_engine *e, enum sw_level level, const char *event,
                    const struct sw_field *fields, size_t count);

/** The flow that datagrams of a listener go through. */
struct sw_flow_id sw_engine_udp_flow(const struct sw_engine *e, uint16_t listener);

/* For server.c and client.c: starts the timers that a machine asks for. */
void sw_engine_timers(struct sw_engine *e, const struct sw_txn_out *o, struct sw_timer *retry,
                      struct sw_timer *life);

#endif

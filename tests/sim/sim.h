/* A network in virtual time: the second executor of the steps that workers run. Nodes are gateways
 * or user agents; datagrams may be lost, doubled and delayed, connections may break at any moment.
 * Everything follows from one seed. */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "base/ident.h"
#include "base/slab.h"
#include "base/timer.h"
#include "conn/directory.h"
#include "conn/pool.h"
#include "engine/action.h"
#include "support/zone.h"

enum { SIM_WORKERS_MAX = 4, SIM_LISTENERS_MAX = 4, SIM_DIAL_MS = 10000 };

struct sim_listener {
    struct sw_endpoint address;
    enum sw_transport transport; /* a UDP one takes TCP too */
};

struct sim_worker {
    struct sim_node *node;
    uint16_t index;
    struct sw_step step;
    struct sw_actions actions;
    int64_t woken_at; /* a wake-up is queued for then */
    bool no_owner;
    unsigned mail_waiting; /* blocks in its mailbox */
    int64_t mail_at;       /* when it takes the last of them: they keep their order */
};

/* What workers of a node send each other; see src/worker/mail.h. */
enum sim_mail_kind {
    SIM_MAIL_MESSAGE,
    SIM_MAIL_SEND,
    SIM_MAIL_SEND_FAILED,
    SIM_MAIL_WAIT,
    SIM_MAIL_OPENED,
    SIM_MAIL_CLOSED,
    SIM_MAIL_KINDS
};

/* A name server, and how good the way to it is. */
struct sim_dns {
    struct zone *zone; /* NULL: all questions fail */
    int64_t delay_min_ms, delay_max_ms;
    unsigned lost, failed; /* answers that never come, or say that it failed; per 1000 */
    uint64_t asked;
};

struct sim_node {
    struct sim *sim;
    const char *name;
    struct sim_worker worker[SIM_WORKERS_MAX];
    unsigned workers;
    struct sim_listener listener[SIM_LISTENERS_MAX];
    unsigned listeners;
    struct sw_ident *ident; /* what its certificate proves; NULL: it shows none */
    struct sw_pool *pool;
    struct sw_directory *directory;
    uint32_t local_id; /* as in struct sw_flow: which identity it shows; 0: none */
    uint32_t instance;
    int64_t published;    /* entries in the directory */
    unsigned connections; /* to one peer, before one that is being dialled is waited for */
    struct sim_dns dns;   /* whom it asks */
    bool takes_bytes; /* what comes over connections is cut by the framer; else it is messages */
    enum sw_status fails;    /* what it dials or sends as datagrams ends so, for its own reasons */
    bool deaf;               /* nothing that is sent to it arrives: a crashed machine */
    bool swallows;           /* what dials it waits for SIM_DIAL_MS, and fails then */
    void (*end)(void *user); /* called when the simulation is freed; NULL: nobody is to be told */
    void *end_user;
};

/* What happens to one datagram. */
struct sim_fault {
    uint64_t at; /* the how many-th it is; 0: none */
    bool lose, twice;
    int64_t late_ms; /* others overtake it */
};

/* How bad the network is. Chances are per 1000. */
struct sim_net {
    unsigned loss, twice, handed_elsewhere;
    int64_t delay_min_ms, delay_max_ms;
    bool large_lost; /* datagrams above 1300 bytes are always lost */
    struct sim_fault fault;
    unsigned mail_max; /* blocks that a worker's mailbox holds; 0: any number */
    int64_t mail_ms;   /* a worker takes its mail after at most that */
    uint64_t mail_full_from, mail_full_until; /* the how many-th blocks find it full; 0: none */
};

struct sim_stats {
    uint64_t datagrams, lost, doubled, segments, connects, mails, steps;
    uint64_t mails_refused[SIM_MAIL_KINDS]; /* because the mailbox was full */
};

struct sim {
    int64_t now_ms;
    uint64_t seq;
    uint64_t random;
    struct sim_net net;
    struct sim_event **queue; /* a heap by time */
    size_t queue_n, queue_cap;
    struct sim_node *nodes[16];
    unsigned node_count;
    struct sim_conn **conns;
    size_t conn_count, conn_cap;
    struct sim_stats stats;
    bool verbose;
    /* every message that passes, for assertions; NULL: nobody looks */
    void (*watch)(void *user, const struct sim_node *from, const struct sw_endpoint *to,
                  enum sw_transport transport, struct sw_slice bytes);
    void *watch_user;
    /* every ROW; NULL: nobody asks for a list */
    void (*row)(void *user, const struct sw_note_act *row);
    void *row_user;
    /* every line for the log; NULL: nobody reads it */
    void (*note)(void *user, const struct sw_note_act *note);
    void *note_user;
};

struct sim *sim_new(uint64_t seed);
/** With all scripted ends of it (sim/raw.h). */
void sim_free(struct sim *s);

/** A number below `n`. */
uint64_t sim_random(struct sim *s, uint64_t n);

/** Adds a node with `workers` workers; the steps are set by the caller. */
struct sim_node *sim_node_add(struct sim *s, const char *name, unsigned workers);

/** Makes the node reachable at an address. */
void sim_listen(struct sim_node *n, const char *address, enum sw_transport transport);

/** Runs until `until_ms`, or until nothing is left to do. */
void sim_run(struct sim *s, int64_t until_ms);

/** Runs at most `most` events that are due until then, and tells how many there were. */
uint64_t sim_run_events(struct sim *s, int64_t until_ms, uint64_t most);

/** Tells a worker something between two events: ADOPT, LIST. */
void sim_tell(struct sim_worker *w, const struct sw_event *ev);

/** Breaks every connection between two nodes. */
void sim_break(struct sim *s, const struct sim_node *a, const struct sim_node *b);

/** Breaks one connection by chance, if there is any. */
void sim_break_one(struct sim *s);

/** Blocks that found a mailbox full so far. */
uint64_t sim_mails_refused(const struct sim *s);

/** Connections that are open now. */
unsigned sim_open_conns(const struct sim *s);

/** An endpoint from its text. */
struct sw_endpoint sim_endpoint(const char *text);

#endif

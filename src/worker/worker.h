/* A worker: one thread, its loop, its connections, and the step it runs. It turns readiness into
 * events and actions into calls; what it says of SIP it has from the step. */
#ifndef SW_WORKER_WORKER_H
#define SW_WORKER_WORKER_H

#include "conn/conn.h"
#include "conn/directory.h"
#include "conn/pool.h"
#include "conn/udp.h"
#include "engine/action.h"
#include "worker/dnscache.h"
#include "worker/mail.h"
#include <pthread.h>

/* The sockets of one listener: one of each kind per worker, opened before the workers start. */
struct sw_worker_listener {
    bool tls;
    bool datagram; /* and TCP on the same port: RFC 3261 18.2.1 */
    int *udp;      /* per worker; NULL without datagrams */
    int *tcp;      /* per worker */
};

/* What a reload replaces. Immutable; it is freed when nobody holds it any more. */
struct sw_worker_conf {
    struct sw_conn_conf conn; /* its `hold` is the one below */
    const void *step;         /* for SW_EV_ADOPT */
    uint32_t connections_per_peer;
    uint32_t dns_cache;   /* answers that a worker keeps */
    uint32_t dns_version; /* another one: those kept are of other servers or anchors */
    struct sw_hold hold;
};

/* What all workers share. */
struct sw_workers {
    struct sw_worker *worker;
    uint16_t count;
    uint16_t listener_count;
    const struct sw_worker_listener *listeners;
    struct sw_counters *counters; /* one per worker */
    struct sw_pool *pool;
    struct sw_directory *directory; /* NULL with one worker */
    struct sw_failures *failures;
    struct sw_halfopen *halfopen;
    struct sw_resolver *resolver;          /* NULL: what is asked of the DNS fails */
    _Atomic(struct sw_worker_conf *) conf; /* the newest: each worker adopts it at its next turn */
    _Atomic bool draining;                 /* no new connections */
    _Atomic bool stopping;                 /* close all and end */
};

/* An event that an action caused, for after the actions. */
struct sw_pending {
    struct sw_event ev;
    struct sw_flow flow;
    struct sw_dns_answer answer; /* ANSWER; its records are in the cache, which does not change
                                  * before it is told */
    struct sw_slice seg;         /* bytes of its own, from malloc; .p NULL: none */
};

struct sw_worker {
    struct sw_workers *all;
    uint16_t index;
    pthread_t thread;
    struct sw_step step;
    struct sw_worker_conf *conf; /* the one it uses, held */
    _Atomic uint64_t adopted;    /* how many it has taken up */
    uint32_t judged;             /* slot of the next connection to judge again; see judge.c */
    int64_t judge_at_ms;
    int address_fd;          /* tells when addresses come and go; -1: nothing does */
    bool *away;              /* per listener: its address is not on this machine */
    uint32_t addresses_slot; /* slot of the next connection to look at; see addresses.c */
    int64_t addresses_at_ms;
    uint64_t answers, revocations; /* what was learnt when it looked last */
    struct sw_loop loop;
    struct sw_mailbox mailbox;
    struct sw_conns conns;
    struct sw_udp_batch udp;
    struct sw_actions actions;
    struct sw_pending *pending;
    uint32_t pending_count, pending_cap;
    int64_t now_ms;
    int64_t mail_us;         /* when mail came last */
    int64_t accept_again_ms; /* accepting pauses until then: descriptors ran out; 0: it does not */
    struct sw_dnscache dns;
    struct sw_walk *walk; /* rows of the current event go there; NULL: nobody asked */
    bool no_owner;        /* FIND found nobody: the same bytes again */
    bool closing;         /* `stopping` was seen, connections are being closed */
    int64_t closing_until_ms;
    _Atomic uint32_t answers_lost;        /* of the resolver, not counted yet */
    _Atomic uint32_t load;                /* connections, for the choice of a worker */
    _Atomic uint32_t open_transactions;   /* without final response, for a drain */
    uint32_t (*transactions)(void *user); /* of the step */
    struct sw_counters *counters;         /* of this worker, borrowed */
};

/**
 * Everything but the thread, with the configuration in `all->conf`. The step, `transactions` and
 * the sockets are the caller's.
 */
SW_MUST_USE enum sw_status sw_worker_init(struct sw_worker *w, struct sw_workers *all,
                                          uint16_t index, const struct sw_step *step,
                                          uint32_t (*transactions)(void *user), bool trace);
void sw_worker_fini(struct sw_worker *w);

/** Runs until `stopping`: the body of the worker's thread. */
void *sw_worker_run(void *worker);

/** Wakes a worker, so that it looks at the shared flags. Any thread. */
void sw_worker_wake(struct sw_worker *w);

/* ---- for the files of this room ---- */

/** Feeds an event to the step and performs its actions, and what these cause in turn. */
void sw_worker_event(struct sw_worker *w, const struct sw_event *ev);

/** Waits for the sockets of all listeners and for mail. SW_SYS */
SW_MUST_USE enum sw_status sw_worker_watch_listeners(struct sw_worker *w);

/**
 * Waits for addresses that come and go. Without it, what an address that is gone means is found out
 * by timers. SW_SYS, SW_LIMIT_MEMORY
 */
SW_MUST_USE enum sw_status sw_worker_watch_addresses(struct sw_worker *w);

/** Accepts connections, or pauses. */
void sw_worker_watch_accept(struct sw_worker *w, bool on);

/** A descriptor is ready: does what is to be done about it. */
void sw_worker_ready(struct sw_worker *w, const struct sw_ready *r);

/** Takes up the newest configuration if there is another one. */
void sw_worker_adopt(struct sw_worker *w);

/**
 * Judges some of the open connections again, when it is time: what a certificate proves ends with
 * its validity, its revocation, or a reload. True if there are more.
 */
bool sw_worker_judge(struct sw_worker *w);

/** Looks whether what a connection waits for in IDENTITY is there; `last`: goes on without. */
void sw_worker_settle(struct sw_worker *w, struct sw_conn *c, bool last);

/** Looks what was learnt of revocations: connections that wait for it go on, and if there was a
 * revocation the open ones are judged in this turn. */
void sw_worker_learn(struct sw_worker *w);

/** Starts the interval to the next judging. */
void sw_worker_judge_later(struct sw_worker *w);

/** When sw_worker_judge has something to do; SW_TIMER_NEVER: only after a reload. */
int64_t sw_worker_judge_at(const struct sw_worker *w);

/** An address has come or gone. */
void sw_worker_addresses_changed(struct sw_worker *w);

/**
 * When addresses have changed: finds the listeners whose address is here or not, tells the step,
 * and ends the connections that were made with an address that is gone. True if there is more to
 * do.
 */
bool sw_worker_addresses(struct sw_worker *w);

/** Runs the events that actions caused. */
void sw_worker_pending(struct sw_worker *w);

/** A message (SW_EV_MESSAGE) came: to the step, or to the worker whose it is. */
void sw_worker_message(struct sw_worker *w, const struct sw_event *message);

/** Tells all who wait for the connection. */
void sw_worker_opened(struct sw_worker *w, struct sw_conn *c, enum sw_status status);

/** The connection is over: says so, tells who used it or waited for it, and lets go of it. */
void sw_worker_conn_over(struct sw_worker *w, struct sw_conn *c, enum sw_status status,
                         const char *why);

/** An open connection's time is up: true if it was not for being idle, but to look whether it is
 * surplus, which ends it. docs/trust.md */
bool sw_worker_surplus(struct sw_worker *w, struct sw_conn *c);

/** The connection failed before it was open: says so, and it is over. */
void sw_worker_conn_failed(struct sw_worker *w, struct sw_conn *c, enum sw_status status,
                           const char *why);

/** Takes up an accepted socket, for which `load` was counted already; over the limit it is closed.
 * `passed`: another worker had taken it up before. */
void sw_worker_accepted(struct sw_worker *w, int fd, uint16_t listener, bool tls, bool passed,
                        const struct sw_endpoint *remote);

/** Passes a new connection on to the worker whose session it resumes. False: it is ours. */
bool sw_worker_pass_on(struct sw_worker *w, struct sw_conn *c);

/** Sending failed: what the peer said last is read, then the connection is over. */
void sw_worker_conn_broken(struct sw_worker *w, struct sw_conn *c);

/** TCP, handshake or identity went a step further. */
void sw_worker_conn_step(struct sw_worker *w, struct sw_conn *c);

/** Reads a connection and handles what came. */
void sw_worker_conn_read(struct sw_worker *w, struct sw_conn *c, bool rest);

/** Handles all mail. True if there was any. */
bool sw_worker_mail(struct sw_worker *w);

/** Sends a block to another worker. SW_LIMIT: its box is full. */
SW_MUST_USE enum sw_status sw_worker_post(struct sw_worker *to, const struct sw_mail *mail,
                                          const struct sw_slice *segs, size_t count);

/** A connection of this worker, or NULL: it is another's, or gone. */
struct sw_conn *sw_worker_own_conn(struct sw_worker *w, const struct sw_flow_id *id);

/** Asks for a connection: see SW_ACT_OPEN. */
void sw_worker_open(struct sw_worker *w, const struct sw_want *want);

/** Puts an event behind the actions being performed. */
struct sw_pending *sw_worker_later(struct sw_worker *w, enum sw_event_kind kind,
                                   enum sw_status status);

/** A SEND that did not leave becomes an event; its bytes are copied. */
void sw_worker_send_failed(struct sw_worker *w, const struct sw_send_act *s, enum sw_status status);

#endif

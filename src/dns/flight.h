/* Questions in flight: who waits for which, what each was asked of, and when waiting ends. For the
 * resolver's thread alone. */
#ifndef SW_DNS_FLIGHT_H
#define SW_DNS_FLIGHT_H

#include "base/list.h"
#include "base/slab.h"
#include "base/timer.h"
#include "dns/resolver.h"

enum {
    SW_FLIGHT_BUCKETS = 1024,
    SW_FLIGHT_AGAIN_MS = 5000,  /* a context that could not be made is tried again then */
    SW_FLIGHT_TOLD_MS = 10000,  /* a limit that is reached is said that often */
    SW_FLIGHT_SLOW_MS = 1000,   /* a question without an answer for so long: packets are lost */
    SW_FLIGHT_AT_ONCE_MS = 200, /* a failure that comes sooner was none of the servers' */
    SW_FLIGHT_ANEW_MS = 5000,   /* not before then again: in a new context a server counts as down
                                 * after 5.6 s without any answer at the soonest */
};

/* Whom it tells. */
struct sw_flight_user {
    sw_dns_answer_fn *answer;
    void *user;
    void (*watch)(void *watcher, int fd, bool on); /* call sw_flight_run when it is readable */
    void *watcher;
};

/* A context, and what was asked of it. */
struct sw_flight_era {
    struct sw_list node;
    struct sw_list queries;
    struct sw_dns_context *context; /* NULL: none was needed yet */
    struct sw_dns_conf conf;
    int64_t again_ms; /* it could not be made: not before then */
    int64_t until_ms; /* retired: all who asked have their answer then */
    bool slow;        /* a question stayed without an answer for long */
};

struct sw_flight {
    struct sw_flight_user u;
    struct sw_list eras; /* the last one is that of now */
    struct sw_list buckets[SW_FLIGHT_BUCKETS];
    struct sw_timers timers;
    struct sw_slab slab;
    uint64_t seed;
    uint32_t queries, askers;
    uint64_t limited;      /* since it was said last */
    int64_t limited_at_ms; /* when */
    int64_t anew_at_ms;    /* when a context took the place of one whose servers count as down */
    int64_t now_ms;
};

/** No questions. SW_SYS, SW_LIMIT_MEMORY: fini is for that, too. */
SW_MUST_USE enum sw_status sw_flight_init(struct sw_flight *f, const struct sw_dns_conf *conf,
                                          const struct sw_flight_user *u, int64_t now_ms);

/** Nobody is answered any more. */
void sw_flight_fini(struct sw_flight *f);

/** Another configuration; what is in flight has its time limit still. If memory is out the old one
 * stays, which is told. */
void sw_flight_adopt(struct sw_flight *f, const struct sw_dns_conf *conf, int64_t now_ms);

/** Asks, or joins who asked the same; answers at once if neither can be. */
void sw_flight_ask(struct sw_flight *f, const struct sw_dns_question *q,
                   const struct sw_dns_asker *who);

/** Hands on what came, ends what is late. */
void sw_flight_run(struct sw_flight *f, int64_t now_ms);

/** When to run at the latest; SW_TIMER_NEVER. */
int64_t sw_flight_deadline(const struct sw_flight *f);

#endif

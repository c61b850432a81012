/* What goes on with one peer: transactions and connections at this moment, requests per second, and
 * whether it failed lately. All workers share it, and all configurations in which the peer stands,
 * so that what began before a reload ends in the same count. Atomics only: nobody waits. */
#ifndef SW_BASE_LOAD_H
#define SW_BASE_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Whose requests: the peer's, or those that we send to it. */
enum sw_load_way_of { SW_LOAD_FROM, SW_LOAD_TO, SW_LOAD_WAYS };

/* Lines about one limit of one peer are that far apart. */
enum { SW_LOAD_SAY_MS = 10000 };

struct sw_load_way {
    _Atomic uint32_t now;            /* transactions in progress */
    _Atomic uint32_t connections;    /* open or being made: FROM it was accepted, TO we dialled */
    _Atomic int64_t full_ns;         /* when the token bucket is full again */
    _Atomic uint64_t second, before; /* a second in the upper half, its requests in the lower */
    _Atomic uint64_t begun, refused; /* requests outside of dialogs since the start */
    _Atomic int64_t say_at_ms;       /* not before then a line about a limit */
    _Atomic uint32_t held;           /* refused since the last line */
};

struct sw_load {
    struct sw_load_way way[SW_LOAD_WAYS];
    _Atomic uint32_t refs;
    _Atomic uint32_t failed;   /* attempts in a row without any answer */
    _Atomic int64_t lost_ms;   /* when a connection was lost last */
    _Atomic int64_t try_at_ms; /* it failed too often: one request may try it then; 0: it did not */
    _Atomic int64_t since_ms;  /* when it went down or came up last; 0: not since the start */
    _Atomic(const char *) why; /* of its last failure, static text; NULL: none */
    _Atomic bool told_down;    /* the log was told that it is down */
};

/** All zero, with one reference. NULL: memory is out. */
struct sw_load *sw_load_new(void);
struct sw_load *sw_load_ref(struct sw_load *l);
/** The last one frees it. NULL is allowed. Any thread. */
void sw_load_unref(struct sw_load *l);

/**
 * A transaction begins: it holds a reference until sw_load_leave. False: `most` are in progress
 * already (0: any number may be), and nothing was counted. Any thread.
 */
bool sw_load_enter(struct sw_load *l, enum sw_load_way_of way, uint32_t most);
/** It ended. `*l` is NULL afterwards; NULL is allowed, so that whoever ends it may do so twice. */
void sw_load_leave(struct sw_load **l, enum sw_load_way_of way);

/** The same for connections. */
bool sw_load_connect(struct sw_load *l, enum sw_load_way_of way, uint32_t most);
void sw_load_disconnect(struct sw_load **l, enum sw_load_way_of way);

/**
 * Takes a token: `per_s` come back in a second, and as many are there at once. False: there is
 * none. 0: always true. `now_ms` is never negative.
 */
bool sw_load_take(struct sw_load_way *w, uint32_t per_s, int64_t now_ms);
/** True if a token could be taken now. */
bool sw_load_has_token(const struct sw_load_way *w, uint32_t per_s, int64_t now_ms);

/** Counts a request outside of dialogs. */
void sw_load_begun(struct sw_load_way *w, int64_t now_ms);
/** How many there were in the last whole second. */
uint32_t sw_load_per_second(const struct sw_load_way *w, int64_t now_ms);

/** Counts a request that a limit refused: how many were since the last line if it is time for one,
 * else 0. */
uint32_t sw_load_refused(struct sw_load_way *w, int64_t now_ms);

#endif

/* Readiness of descriptors: the only room that knows epoll. One loop per thread. */
#ifndef SW_LOOP_LOOP_H
#define SW_LOOP_LOOP_H

#include "base/status.h"
#include <stdbool.h>
#include <stdint.h>

enum sw_loop_want { SW_WANT_READ = 1, SW_WANT_WRITE = 2, SW_WANT_BROKEN = 4 };

struct sw_loop {
    int fd;
};

struct sw_ready {
    uint64_t tag;  /* what the descriptor was added with */
    unsigned want; /* enum sw_loop_want; SW_WANT_BROKEN: error or hang-up, reading tells more */
};

/* Descriptors that one wait reports; the rest is reported by the next. */
enum { SW_READY_MAX = 64 };

SW_MUST_USE enum sw_status sw_loop_init(struct sw_loop *l);
void sw_loop_fini(struct sw_loop *l);

/** Watches a descriptor, level-triggered. SW_SYS */
SW_MUST_USE enum sw_status sw_loop_add(struct sw_loop *l, int fd, unsigned want, uint64_t tag);

/** Changes what is watched for. */
void sw_loop_change(struct sw_loop *l, int fd, unsigned want, uint64_t tag);

/** Stops watching. Not needed before a close of the only copy. */
void sw_loop_del(struct sw_loop *l, int fd);

/** Waits at most `timeout_ms` (-1: for ever) and returns how many are ready, into `ready`. */
unsigned sw_loop_wait(struct sw_loop *l, int timeout_ms, struct sw_ready ready[SW_READY_MAX]);

#endif

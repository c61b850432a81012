/* Messages between threads: many senders, one receiver, bounded, without locks. What is sent is a
 * self-contained block of bytes. */
#ifndef SW_LOOP_MAILBOX_H
#define SW_LOOP_MAILBOX_H

#include "base/slice.h"
#include "base/status.h"
#include <stdatomic.h>

struct sw_mailbox {
    char *ring;
    uint64_t mask;
    _Alignas(64) _Atomic uint64_t tail; /* reserved so far, by senders */
    _Alignas(64) _Atomic uint64_t head; /* taken so far, by the receiver */
    _Alignas(64) _Atomic bool sleeping; /* the receiver waits on `wake` */
    int wake;                           /* eventfd */
};

/* Bytes of one block at most: a message of the largest size and its description. */
enum { SW_MAIL_MAX = 160 * 1024 };

/** A box of `bytes` (a power of two, at least four times SW_MAIL_MAX). SW_SYS, SW_LIMIT_MEMORY */
SW_MUST_USE enum sw_status sw_mailbox_init(struct sw_mailbox *m, size_t bytes);
void sw_mailbox_fini(struct sw_mailbox *m);

/** Puts the parts, one after the other, as one block. SW_LIMIT: the box is full. Any thread. */
SW_MUST_USE enum sw_status sw_mailbox_put(struct sw_mailbox *m, const struct sw_slice *parts,
                                          size_t count);

/** The oldest block, or .p NULL. Valid until sw_mailbox_done. Receiver only. */
struct sw_slice sw_mailbox_peek(struct sw_mailbox *m);

/** Gives the block of the last peek back. Receiver only. */
void sw_mailbox_done(struct sw_mailbox *m);

/** About to wait: true if the box is empty, and senders will then wake us. Receiver only. */
bool sw_mailbox_sleep(struct sw_mailbox *m);

/** Awake again: senders need not wake us. `woken`: the descriptor was ready. Receiver only. */
void sw_mailbox_awake(struct sw_mailbox *m, bool woken);

#endif

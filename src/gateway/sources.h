/* How many messages a sender that is no peer may send: a token bucket per proved domain or, without
 * one, per address, in a table that never grows and that all workers share, without locks. All its
 * connections are one sender. Whoever sends datagrams may lie about the address, and cannot be
 * paused.
 */
#ifndef SW_GATEWAY_SOURCES_H
#define SW_GATEWAY_SOURCES_H

#include "base/flow.h"
#include "crypto/siphash.h"
#include <stdatomic.h>

/* Senders remembered at once: 128 KiB. When a set is full, the bucket that is fullest
 * makes room: it limits the least. */
enum { SW_SOURCE_SETS = 1024, SW_SOURCE_WAYS = 4 };

/* Lines about one sender are that far apart. */
enum { SW_SOURCE_SAY_MS = 10000 };

struct sw_source {
    _Atomic uint64_t hash;     /* of the sender; 0: free */
    _Atomic uint64_t bucket;   /* thousandths of a message, and when that was right */
    _Atomic int64_t say_at_ms; /* not before then a line for the log */
    _Atomic uint32_t held;     /* dropped since the last line */
};

struct sw_source_table {
    struct sw_source set[SW_SOURCE_SETS][SW_SOURCE_WAYS];
};

/* One worker's way to the table. */
struct sw_sources {
    struct sw_sip_key key; /* the same for all */
    uint32_t per_s;        /* messages per second and sender, and as many at once; 0: all */
    struct sw_source_table *table;
    bool own;
};

/** A table for all workers; NULL: memory is out. */
struct sw_source_table *sw_source_table_new(void);
void sw_source_table_free(struct sw_source_table *t);

/** `per_s` up to 1,000,000. The key is secret: nobody can choose a set. `shared` is borrowed; NULL:
 * it gets a table of its own as soon as there is a limit. SW_LIMIT_MEMORY */
SW_MUST_USE enum sw_status sw_sources_init(struct sw_sources *s, uint32_t per_s,
                                           struct sw_sip_key key, struct sw_source_table *shared);
void sw_sources_fini(struct sw_sources *s);

/**
 * True if one more message may come from the sender of this flow, whatever its port or connection:
 * the domain that it proved, else its address (IPv6: its /64). False: it is one too many; `*say` is
 * how many were since the last line if it is time for one, else 0.
 */
bool sw_sources_take(struct sw_sources *s, const struct sw_flow *from, int64_t now_ms,
                     uint32_t *say);

/** True if a request that is one too many may be answered: whoever proved a domain is told so, as
 * many times per second as it may send messages. */
bool sw_sources_may_answer(struct sw_sources *s, const struct sw_flow *from, int64_t now_ms);

#endif

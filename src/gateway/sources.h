/* How many messages a sender that is nobody's may send: a token bucket per address, in a table that
 * never grows. Datagrams only: whoever sends them may lie about the address, and cannot be paused.
 */
#ifndef SW_GATEWAY_SOURCES_H
#define SW_GATEWAY_SOURCES_H

#include "base/endpoint.h"
#include "crypto/siphash.h"

/* Addresses remembered at once: 128 KiB per worker. When a set is full, the bucket that is fullest
 * makes room: it limits the least. */
enum { SW_SOURCE_SETS = 1024, SW_SOURCE_WAYS = 4 };

/* Lines about one address are that far apart. */
enum { SW_SOURCE_SAY_MS = 10000 };

struct sw_source {
    uint64_t hash;     /* of the address; 0: free */
    int64_t at_ms;     /* when `tokens` was right */
    int64_t say_at_ms; /* not before then a line for the log */
    uint32_t tokens;   /* in thousandths of a message */
    uint32_t held;     /* dropped since the last line */
};

struct sw_sources {
    struct sw_sip_key key;
    uint32_t per_s; /* messages per second and address, and as many at once; 0: all */
    struct sw_source (*sets)[SW_SOURCE_WAYS];
};

/** `per_s` up to 1,000,000. The key is secret: nobody can choose a set. SW_LIMIT_MEMORY */
SW_MUST_USE enum sw_status sw_sources_init(struct sw_sources *s, uint32_t per_s,
                                           struct sw_sip_key key);
void sw_sources_fini(struct sw_sources *s);

/**
 * True if one more message may come from this address, whatever its port. False: it is to be
 * dropped; `*say` is how many were since the last line if it is time for one, else 0.
 */
bool sw_sources_take(struct sw_sources *s, const struct sw_endpoint *from, int64_t now_ms,
                     uint32_t *say);

#endif

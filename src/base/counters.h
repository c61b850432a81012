/* What a worker counts: messages, what was dropped or refused, and each limit that was reached. One
 * worker writes; any thread may read while it does. */
#ifndef SW_BASE_COUNTERS_H
#define SW_BASE_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

/* The names are in counters.c; docs/messages.md says what each counts. */
enum sw_counter {
    SW_COUNT_RECEIVED_UDP, /* these three in the order of enum sw_transport */
    SW_COUNT_RECEIVED_TCP,
    SW_COUNT_RECEIVED_TLS,
    SW_COUNT_SENT_UDP, /* likewise */
    SW_COUNT_SENT_TCP,
    SW_COUNT_SENT_TLS,
    SW_COUNT_HANDED_OVER,
    SW_COUNT_REQUESTS,
    SW_COUNT_RELAYED,
    SW_COUNT_RESPONSES,
    SW_COUNT_FAILOVERS,
    SW_COUNT_IN_THE_CLEAR,
    SW_COUNT_REPEATS_RECEIVED,
    SW_COUNT_REPEATS_SENT,
    SW_COUNT_CONNECTIONS_ACCEPTED,
    SW_COUNT_CONNECTIONS_DIALLED,
    SW_COUNT_CONNECTIONS_FAILED,
    SW_COUNT_CONNECTIONS_CLOSED,
    SW_COUNT_MALFORMED_ANSWERED,
    SW_COUNT_MALFORMED_DROPPED,
    SW_COUNT_NOBODY_ANSWERED,
    SW_COUNT_NOBODY_DROPPED,
    SW_COUNT_STRAY_RESPONSES,
    SW_COUNT_FOREIGN_RESPONSES,
    SW_COUNT_ACKS_DROPPED,
    SW_COUNT_UNDELIVERED,
    SW_COUNT_STATELESS_503,
    SW_COUNT_DNS_CACHED,
    SW_COUNT_DNS_ASKED,
    SW_COUNT_DNS_FAILED,
    SW_COUNT_DNS_BOGUS,
    SW_COUNT_ANSWERED_400, /* final responses of our own: see sw_count_answer */
    SW_COUNT_ANSWERED_403,
    SW_COUNT_ANSWERED_408,
    SW_COUNT_ANSWERED_414,
    SW_COUNT_ANSWERED_416,
    SW_COUNT_ANSWERED_420,
    SW_COUNT_ANSWERED_440,
    SW_COUNT_ANSWERED_480,
    SW_COUNT_ANSWERED_481,
    SW_COUNT_ANSWERED_482,
    SW_COUNT_ANSWERED_483,
    SW_COUNT_ANSWERED_487,
    SW_COUNT_ANSWERED_500,
    SW_COUNT_ANSWERED_503,
    SW_COUNT_ANSWERED_505,
    SW_COUNT_ANSWERED_513,
    SW_COUNT_ANSWERED_OTHER,
    SW_LIMITED_CONNECT, /* docs/config.md "limits", in its order */
    SW_LIMITED_HANDSHAKE,
    SW_LIMITED_IDLE,
    SW_LIMITED_MESSAGE,
    SW_LIMITED_UNACKNOWLEDGED,
    SW_LIMITED_HEADER_BYTES,
    SW_LIMITED_HEADERS,
    SW_LIMITED_URI_BYTES,
    SW_LIMITED_BODY_BYTES,
    SW_LIMITED_OUTPUT_BYTES,
    SW_LIMITED_CONNECTIONS,
    SW_LIMITED_CONNECTIONS_PER_PEER,
    SW_LIMITED_HANDSHAKES_PER_SOURCE,
    SW_LIMITED_TRANSACTIONS,
    SW_LIMITED_BRANCHES,
    SW_LIMITED_MESSAGES_PER_SECOND,
    SW_LIMITED_SOURCE_MESSAGES_PER_SECOND,
    SW_LIMITED_LATENESS,
    SW_LIMITED_DNS_QUESTIONS,
    SW_LIMITED_DNS_CACHE,
    SW_LIMITED_PEER_CONNECTIONS, /* docs/config.md "Limits of a peer" */
    SW_LIMITED_PEER_CALLS_PER_SECOND,
    SW_LIMITED_PEER_TRANSACTIONS,
    SW_LIMITED_ROUTES, /* docs/config.md "Fixed limits" */
    SW_LIMITED_ACTIONS,
    SW_LIMITED_MAILBOX,
    SW_LIMITED_DESCRIPTORS,
    SW_COUNTERS,
};

struct sw_counters {
    _Atomic uint64_t n[SW_COUNTERS];
    char apart[64]; /* a neighbour's counters are in other cache lines */
};

/** The name of a counter, as in logs and listings. */
const char *sw_counter_name(enum sw_counter c);

/** Adds to a counter. Only the worker whose counters they are. */
static inline void sw_count_many(struct sw_counters *x, enum sw_counter c, uint64_t n)
{
    atomic_store_explicit(&x->n[c], atomic_load_explicit(&x->n[c], memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline void sw_count(struct sw_counters *x, enum sw_counter c)
{
    sw_count_many(x, c, 1);
}

/** Counts a final response of our own by its status, 300 to 699. */
void sw_count_answer(struct sw_counters *x, unsigned status);

/** The value of a counter. Any thread. */
static inline uint64_t sw_counted(const struct sw_counters *x, enum sw_counter c)
{
    return atomic_load_explicit(&x->n[c], memory_order_relaxed);
}

#endif

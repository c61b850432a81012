/* The last answered calls of one worker, and how each of their hops was secured: a fixed number of
 * records, made at the start. A BYE that passes, here or on another worker, takes its call out; the
 * oldest makes room. */
#ifndef SW_PROXY_CALLS_H
#define SW_PROXY_CALLS_H

#include "base/flow.h"
#include "base/list.h"
#include "base/slice.h"
#include "base/status.h"
#include "crypto/siphash.h"
#include "proxy/calls_open.h"

/* What is kept of texts and of hops that others wrote; more is only counted. */
enum { SW_CALL_ID_KEPT = 64, SW_CALL_NAME_KEPT = 64, SW_HOPS_KEPT = 8 };

/* One side of a call: what is known of the connection or the datagrams. */
struct sw_call_side {
    struct sw_endpoint remote;
    uint32_t peer;   /* as in struct sw_flow, and so all of them: */
    uint32_t domain; /* which of the peer's domains was proved, from 1; 0: none */
    uint16_t listener, suite;
    uint8_t transport, proof, tls_minor;
};

/* How a hop that is not ours looks from here. */
enum sw_hop_seen { SW_HOP_TLS, SW_HOP_CLEAR, SW_HOP_UNKNOWN };

/* Hops that others wrote down: of Via, or of Record-Route and Contact. */
struct sw_hops_seen {
    uint8_t kind[SW_HOPS_KEPT]; /* enum sw_hop_seen, the nearest first */
    uint16_t count;             /* all of them */
    bool clear, unknown;        /* one of them all is such */
};

struct sw_call {
    struct sw_list node, bucket;
    uint64_t key; /* 0: free */
    int64_t at_ms;
    struct sw_call_side side[2]; /* who called, who answered */
    struct sw_hops_seen before, behind;
    bool shared;    /* its key is in `open` until it is over */
    uint8_t scheme; /* enum sw_scheme of the target */
    uint8_t id_n, name_n[2];
    char id[SW_CALL_ID_KEPT];        /* Call-ID, clipped */
    char name[2][SW_CALL_NAME_KEPT]; /* of each side: its proved domain if that is no peer's,
                                        clipped */
};

struct sw_calls {
    struct sw_call *call;
    struct sw_list *buckets;
    struct sw_list used, free; /* `used`: the oldest first */
    uint32_t count;            /* of `call` */
    uint32_t mask;             /* of `buckets` */
    struct sw_sip_key key;
    struct sw_calls_open *open; /* of all workers; NULL: there is one worker */
};

/** Room for so many calls; 0: none is kept. The key is secret, and that of all workers that share
 * `open`. SW_LIMIT_MEMORY */
SW_MUST_USE enum sw_status sw_calls_init(struct sw_calls *c, uint32_t count, struct sw_sip_key key,
                                         struct sw_calls_open *open);
void sw_calls_fini(struct sw_calls *c);

/** What stands for a dialog, whichever side the tags are named from; never 0. RFC 3261 12 */
uint64_t sw_calls_key(const struct sw_calls *c, struct sw_slice call_id, struct sw_slice tag,
                      struct sw_slice other_tag);

/** The record of a call: its own if it has one, else a free one, else that of the oldest call. What
 * is in it is the caller's to write, but for the lists, `key` and `shared`. NULL: none is kept. */
struct sw_call *sw_calls_put(struct sw_calls *c, uint64_t key);

/** Takes a call out; one that another worker keeps is over there too. False: there is none. */
bool sw_calls_del(struct sw_calls *c, uint64_t key);

/** The call in slot `i`, or NULL. */
const struct sw_call *sw_calls_at(struct sw_calls *c, uint32_t i);

#endif

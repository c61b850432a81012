/* The sealed value in our Record-Route: both sides of a dialog and the flows it goes over, so that
 * a request inside it needs no state here, on any worker or node that has the key. */
#ifndef SW_PROXY_SEAL_H
#define SW_PROXY_SEAL_H

#include "proxy/conf.h"

/* One side of a dialog. */
struct sw_side {
    struct sw_flow_id flow;    /* generation 0: datagrams */
    struct sw_endpoint remote; /* the address at the other end */
    uint32_t peer;             /* a peer's id, or a hash of the proved domain */
    uint32_t local_id;         /* with TLS: which identity of ours it saw, as in struct sw_flow */
    uint16_t listener;
    uint8_t transport;
    bool outbound; /* we opened the connection: its remote address can be dialled again */
};

struct sw_seal {
    struct sw_side
        side[2]; /* [0]: where the dialog-forming request came from, [1]: where it went */
};

/* Letters of the longest sealed value. */
enum { SW_SEAL_LETTERS_MAX = 144 };

/** Appends the sealed value; the Call-ID is sealed with it, so that it is good for one dialog only.
 */
void sw_seal_put(struct sw_buf *b, const struct sw_hmac_key *key, struct sw_slice call_id,
                 const struct sw_seal *seal);

/** Opens a sealed value. SW_DENIED_SEAL: forged, damaged, of another dialog, or of another key. */
SW_MUST_USE enum sw_status sw_seal_get(const struct sw_hmac_key *key, struct sw_slice call_id,
                                       struct sw_slice text, struct sw_seal *out);

/** The same with the keys of a configuration: the one that seals, then the older ones. */
SW_MUST_USE enum sw_status sw_seal_open(const struct sw_proxy_conf *c, struct sw_slice call_id,
                                        struct sw_slice text, struct sw_seal *out);

#endif

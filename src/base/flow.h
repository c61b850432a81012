/* A flow: one connection, or one pair of addresses for datagrams, over which messages come and go.
 * The id names it on every worker and every node, and stands in sealed values; the description is
 * read-only for everyone but its connection. */
#ifndef SW_BASE_FLOW_H
#define SW_BASE_FLOW_H

#include "base/buf.h"
#include "base/endpoint.h"

enum sw_transport {
    SW_UDP = 0,
    SW_TCP = 1,
    SW_TLS = 2,
    SW_TRANSPORTS = 3,
};

struct sw_flow_id {
    uint32_t instance;   /* of the process: random at its start */
    uint16_t node;       /* among gateways that share a key */
    uint16_t worker;     /* the owner; SW_WORKER_ANY for datagrams */
    uint32_t slot;       /* in the owner's table; for datagrams the listener */
    uint32_t generation; /* of the slot, never 0 for a connection */
};

#define SW_WORKER_ANY UINT16_MAX

/* Whose a flow is. A peer's id is a hash of its name, never one of these. */
#define SW_PEER_NOBODY   UINT32_C(0)
#define SW_PEER_VERIFIED UINT32_C(1) /* proved a domain that is no peer's */

/* What a connection's owner was known by. */
enum sw_proof {
    SW_PROOF_NONE,   /* nothing, or an address */
    SW_PROOF_SOURCE, /* over TLS, but only its address */
    SW_PROOF_CHAIN,  /* a chain that is believed; its name was not asked for */
    SW_PROOF_NAME,   /* a name in a certificate that is believed */
    SW_PROOF_PIN,    /* its pinned certificate or key */
};

struct sw_ident;

struct sw_flow {
    struct sw_flow_id id;
    struct sw_endpoint local;
    struct sw_endpoint remote;
    uint32_t peer;       /* a peer's id, SW_PEER_NOBODY or SW_PEER_VERIFIED */
    uint32_t domain_id;  /* SW_PEER_VERIFIED: a hash of the domain that it proved; a peer: which of
                          * its domains, counted from 1; 0: none */
    uint16_t listener;   /* index of the listener it belongs to; never changes while we run */
    uint8_t transport;   /* enum sw_transport */
    bool outbound;       /* we opened it */
    bool crowded;        /* beyond the limit of its peer: nobody's, its first request gets 503 */
    uint8_t proof;       /* enum sw_proof */
    uint8_t tls_minor;   /* of 3.x, so 4 is TLS 1.3; 0: no TLS */
    uint16_t suite;      /* its number at IANA */
    bool mutual;         /* TLS, both sides showed a certificate, and the peer's proved `peer` */
    uint16_t alias_port; /* accepted: the peer takes requests over it that go to its address and
                            this port; 0: it did not say so. RFC 5923 8.2 */
    uint32_t local_id;   /* the names of the identity that we use on it; 0: none. RFC 5923 9.3 */
    uint32_t order;      /* a number that both ends know; 0: none */
    const struct sw_ident
        *ident; /* what its certificate proved; NULL: none. Valid on the owner only */
};

/** What stands for a flow's owner: the id of a peer, or that of the domain that was proved. */
static inline uint32_t sw_flow_owner(const struct sw_flow *flow)
{
    return flow->peer == SW_PEER_VERIFIED ? flow->domain_id : flow->peer;
}

static inline bool sw_transport_reliable(enum sw_transport t)
{
    return t != SW_UDP;
}

static inline bool sw_transport_secure(enum sw_transport t)
{
    return t == SW_TLS;
}

/** The name as it stands in a Via: "UDP", "TCP" or "TLS". RFC 3261 20.42 */
static inline struct sw_slice sw_transport_via(enum sw_transport t)
{
    return t == SW_UDP ? SW_SLICE("UDP") : t == SW_TCP ? SW_SLICE("TCP") : SW_SLICE("TLS");
}

/** The name as it stands in a configuration or a log: "udp", "tcp" or "tls". */
static inline struct sw_slice sw_transport_name(enum sw_transport t)
{
    return t == SW_UDP ? SW_SLICE("udp") : t == SW_TCP ? SW_SLICE("tcp") : SW_SLICE("tls");
}

/** 5061 for TLS, else 5060. RFC 3261 18.1.1 and 19.1.2 */
static inline uint16_t sw_transport_port(enum sw_transport t)
{
    return t == SW_TLS ? 5061 : 5060;
}

/** The id as it stands in a log: WORKER.SLOT.GENERATION. */
static inline void sw_flow_id_put(struct sw_buf *b, const struct sw_flow_id *id)
{
    sw_buf_u64(b, id->worker);
    sw_buf_char(b, '.');
    sw_buf_u64(b, id->slot);
    sw_buf_char(b, '.');
    sw_buf_u64(b, id->generation);
}

static inline bool sw_flow_id_eq(const struct sw_flow_id *a, const struct sw_flow_id *b)
{
    return a->instance == b->instance && a->worker == b->worker && a->slot == b->slot &&
           a->generation == b->generation && a->node == b->node;
}

#endif

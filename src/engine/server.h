/* A server transaction: what is kept of a request until its answer needs no repeating. */
#ifndef SW_ENGINE_SERVER_H
#define SW_ENGINE_SERVER_H

#include "engine/engine.h"

struct sw_server {
    struct sw_map_node node; /* in engine.by_key */
    struct sw_timer retry, life;
    struct sw_flow_id flow;    /* the request came over it */
    struct sw_endpoint remote; /* where the response goes: RFC 3261 18.2.2, RFC 3581 4 */
    void *user;                /* the response context, NULL once it is gone */
    char *resp;                /* the response to repeat, from the slab; NULL: none */
    uint32_t resp_n;
    struct sw_ref ref;
    uint32_t local_id;
    uint32_t peer;
    uint16_t listener;
    uint16_t vias; /* values of the request, if no others may be in its answers; 0: any */
    uint8_t transport;
    uint8_t method;
    struct sw_txn txn;
    bool published; /* in the INVITE directory */
    bool answered;  /* with a final response */
    bool sips;      /* the Request-URI is one */
};

/**
 * The key under which a request's server transaction stands; ACK and, if `as_invite`, CANCEL get
 * that of their INVITE. The sender is part of it, so that nobody else can cancel or acknowledge.
 * RFC 3261 17.2.3, also for requests of RFC 2543
 */
struct sw_key sw_server_key(const struct sw_engine *e, const struct sw_flow *flow,
                            const struct sw_msg *m, const struct sw_vitals *v, bool as_invite);

/** The transaction with this key, or NULL. */
struct sw_server *sw_server_find(const struct sw_engine *e, struct sw_key key);

/** The transaction a reference names, or NULL. */
struct sw_server *sw_server_get(const struct sw_engine *e, struct sw_ref ref);

/** A new transaction for a request, started. NULL: limit `transactions` reached, or memory is out.
 */
struct sw_server *sw_server_new(struct sw_engine *e, const struct sw_flow *flow,
                                const struct sw_vitals *v, struct sw_key key);

/**
 * Passes the user's response of status `status` to the machine, which sends it if its state allows.
 * The transaction may be gone afterwards.
 */
void sw_server_respond(struct sw_engine *e, struct sw_server *s, unsigned status,
                       const struct sw_slice *segs, size_t count, size_t total);

/** Passes the request again, or an ACK; true if the ACK is to be passed on (Accepted). */
bool sw_server_again(struct sw_engine *e, struct sw_server *s, enum sw_txn_event event);

/** Ends a transaction without answer (RFC 4320 4.2). */
void sw_server_free(struct sw_engine *e, struct sw_server *s);

/** Where a response to a request with this top Via goes. RFC 3261 18.2.2, RFC 3581 4 */
struct sw_endpoint sw_server_reply_to(const struct sw_flow *flow, const struct sw_via *via);

/* For engine.c: a timer of this transaction is due. */
struct sw_due sw_server_due(struct sw_engine *e, struct sw_server *s, enum sw_txn_event event);

#endif

/* A client transaction: a request we sent, until its response needs no absorbing. */
#ifndef SW_ENGINE_CLIENT_H
#define SW_ENGINE_CLIENT_H

#include "engine/engine.h"

/* Clients that wait on one connection: told when it closes. */
struct sw_flow_use {
    struct sw_map_node node;
    struct sw_list clients;
};

struct sw_client {
    struct sw_timer retry, life;
    struct sw_list on_flow;      /* in flow_use.clients, reliable transports only */
    struct sw_flow_use *use;     /* NULL: not in a list */
    struct sw_flow_id flow;      /* the request goes over it */
    struct sw_endpoint remote;   /* and to there */
    void *user;                  /* whose it is; NULL: nobody waits for the outcome */
    const struct sw_slice *segs; /* the request, in the user's memory; NULL once it is not needed */
    char *own;                   /* or a copy of it from the slab, with sw_client_start_own */
    char *ack;                   /* the ACK to repeat, from the slab */
    struct sw_ref ref;
    struct sw_ref server; /* where 2xx repeats go */
    struct sw_ref cancel; /* the CANCEL's own transaction */
    uint32_t peer;
    uint32_t local_id;
    uint32_t own_n, ack_n;
    uint16_t seg_count;
    uint16_t listener;
    uint8_t transport;
    uint8_t user_kind;
    uint8_t method;
    bool ours; /* its connection was lost for a reason of our own */
    bool sips; /* its CANCEL and ACK leave to a proved name only, as it did: RFC 3261 26.2.2 */
    struct sw_txn txn;
};

/**
 * A new transaction to a flow; its reference goes into the branch of the request, which is sent
 * with sw_client_start. NULL: no slot or memory.
 */
struct sw_client *sw_client_new(struct sw_engine *e, enum sw_method method,
                                const struct sw_flow *flow, void *user, uint8_t user_kind);

/** The transaction a reference names, or NULL. */
struct sw_client *sw_client_get(const struct sw_engine *e, struct sw_ref ref);

/** Sends the request. `segs` and their bytes live as long as the user keeps the transaction. */
void sw_client_start(struct sw_engine *e, struct sw_client *c, const struct sw_slice *segs,
                     size_t count, size_t total);

/** Sends a request that the transaction keeps a copy of. False: memory is out, the transaction is
 * gone. */
bool sw_client_start_own(struct sw_engine *e, struct sw_client *c, struct sw_slice bytes);

/**
 * The transaction that a response belongs to, or NULL: our branch, this instance and worker, the
 * slot's generation, and the method of the CSeq. RFC 3261 17.1.3
 */
struct sw_client *sw_client_match(const struct sw_engine *e, const struct sw_vitals *v);

/**
 * Feeds a response. True: it is for the user. An ACK for a non-2xx is sent here. `*ended` tells
 * that the transaction is gone. RFC 3261 17.1.1, 17.1.2
 */
bool sw_client_receive(struct sw_engine *e, struct sw_client *c, const struct sw_msg *m,
                       bool *ended);

/**
 * Cancels an INVITE in Proceeding with a transaction of its own; false if there is nothing to
 * cancel now. RFC 3261 9.1
 */
bool sw_client_cancel(struct sw_engine *e, struct sw_client *c);

/** True while no final response has come. */
static inline bool sw_client_waiting(const struct sw_client *c)
{
    return c->txn.state == SW_TXN_CALLING || c->txn.state == SW_TXN_TRYING ||
           c->txn.state == SW_TXN_PROCEEDING;
}

/** Reports a transport failure to the machine. True: the transaction is gone. RFC
 * 3261 8.1.3.1, 17.1.4, 18.4 */
bool sw_client_fail(struct sw_engine *e, struct sw_client *c);

/** A connection closed, for a reason of our own or not: the clients that wait on it are stranded
 * until sw_client_stranded. */
void sw_client_strand(struct sw_engine *e, const struct sw_flow_id *flow, bool ours);

/** The next stranded client, or NULL; to be failed by the caller. */
struct sw_client *sw_client_stranded(struct sw_engine *e);

/** Ends a transaction and its CANCEL at once. */
void sw_client_free(struct sw_engine *e, struct sw_client *c);

/** The user's memory goes away: the request is forgotten, nobody is told any more. */
void sw_client_orphan(struct sw_client *c);

/* For engine.c: a timer of this transaction is due. */
struct sw_due sw_client_due(struct sw_engine *e, struct sw_client *c, enum sw_txn_event event);

/**
 * The connection of an INVITE that was answered provisionally is lost: its user is taken off, and
 * it waits for the final response to the CANCEL, to acknowledge that. `cancel` lives in scratch
 * memory, and is sent over another connection with `cookie`. False: nothing is to be cancelled, and
 * the transaction is as it was. RFC 5923 8.1, RFC 3261 9.1
 */
bool sw_client_abandon(struct sw_engine *e, struct sw_client *c, struct sw_slice *cancel,
                       struct sw_cookie *cookie);

#endif

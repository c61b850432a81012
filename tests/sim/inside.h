/* What the files of the simulation share: its queue of events, and its connections. */
#ifndef TESTS_SIM_INSIDE_H
#define TESTS_SIM_INSIDE_H

#include "sim/sim.h"

enum event_kind {
    DATAGRAM,
    SEGMENT,
    CONNECT,
    CONNECTED,
    CLOSED,
    SEND_FAILED,
    OPENED,
    WAKE,
    ANSWERED,
    MAIL /* and above: enum sim_mail_kind */
};

struct sim_event {
    int64_t at_ms;
    uint64_t seq;
    enum event_kind kind;
    struct sim_worker *to, *sender; /* of mail */
    struct sw_endpoint from, dest;
    struct sim_conn *conn;
    int side;
    uint16_t listener;
    struct sw_flow flow;
    struct sw_ref job;
    struct sw_cookie cookie;
    enum sw_status status;
    struct sw_want want;
    bool handed;
    char *bytes;
    size_t n;
};

struct waiter {
    struct sw_ref job;
    struct sim_worker *worker;
};

/* A connection between two nodes; side 0 dialled. */
struct sim_conn {
    struct sim_worker *end[2];
    struct sw_flow flow[2];
    int64_t next_ms[2]; /* nothing overtakes on a stream */
    struct waiter waiters[64];
    unsigned waiter_count;
    unsigned users[2]; /* workers of each node that sent over it, a bit each */
    bool up[2];        /* admitted by this side */
    bool dead;
    char domain[SW_DNS_NAME_MAX];  /* side 1 must prove it; "": it is a peer */
    char server[SW_DNS_NAME_MAX];  /* whose TLSA records side 1 fits; "": none were there */
    char located[SW_DNS_NAME_MAX]; /* the domain that led to it */
    struct sw_ident believed;      /* by them */
    bool listed[2];
    struct sim_stream *stream[2]; /* to a node that takes bytes */
};

/** What signed records say of side 1, which side 0 learns. False: it must not be connected to.
 * dane.c */
bool sim_dane_fits(struct sim_conn *c, const struct sw_dane *dane);

/* ---- events.c: the queue, chance and mailboxes ---- */

/** True so many times of 1000. */
bool sim_chance(struct sim *s, unsigned per_1000);

/** How long the network takes this time. */
int64_t sim_delay(struct sim *s);

/** An event for a worker at a moment; the caller fills it. */
struct sim_event *sim_later(struct sim *s, enum event_kind kind, struct sim_worker *to,
                            int64_t at_ms);

/** The first event, off the queue. There is one. */
struct sim_event *sim_take(struct sim *s);

/** Puts a block into the mailbox of a worker. NULL: it is full. */
struct sim_event *sim_post(struct sim_worker *to, struct sim_worker *sender,
                           enum sim_mail_kind kind);

/** Gives an event a copy of bytes, with room for a NUL behind them. */
void sim_carry(struct sim_event *e, const struct sw_slice *segs, size_t count);

/* ---- net.c: datagrams and connections ---- */

/** The connection and its side that a flow names, or NULL. */
struct sim_conn *sim_conn_of(struct sim *s, const struct sw_flow_id *id, int *side);

void sim_send_datagram(struct sim_worker *w, const struct sw_send_act *a);
void sim_send_stream(struct sim_worker *w, const struct sw_send_act *a);
void sim_open_flow(struct sim_worker *w, const struct sw_want *want);

/** Asks the node's name server. */
void sim_lookup(struct sim_worker *w, const struct sw_lookup_act *a);

/** ADMIT or CLOSE. */
void sim_verdict(struct sim_worker *w, const struct sw_action *a);

/** ALIAS: RFC 5923 8.2 */
void sim_alias(struct sim_worker *w, const struct sw_action *a);

/** Both sides and all who used or wait for it are told. */
void sim_kill_conn(struct sim_conn *c, enum sw_status status);

/** Another worker's message over a connection of ours: src/worker/mail.c, send */
void sim_mail_send(const struct sim_event *e);

/** Another worker waits for a connection that we dial: src/worker/mail.c, wait */
void sim_mail_wait(const struct sim_event *e);

#endif

/* Parked sends: what waits for a connection. Each has asked for one with OPEN and is taken up
 * again, in the order of asking, by the SW_EV_OPENED that answers it, or given up after 64*T1. */
#ifndef SW_ENGINE_SEND_H
#define SW_ENGINE_SEND_H

#include "engine/engine.h"

enum sw_send_owner {
    SW_SEND_USER,     /* a transaction user's: `user`, which holds the bytes */
    SW_SEND_RESPONSE, /* the response of `server`, whose connection closed */
    SW_SEND_ACK,      /* nobody's: an ACK for a 2xx */
};

struct sw_send {
    void *user;
    char *bytes; /* from the slab; NULL: the user's */
    struct sw_ref ref;
    struct sw_ref server;
    struct sw_ref location; /* the user's: where it may go next */
    uint32_t n;
    uint8_t owner; /* enum sw_send_owner */
    uint8_t user_kind;
    uint16_t place;            /* of the location: the next one; of addresses: a bit each, tried */
    struct sw_endpoint remote; /* where it was to go first; port 0: only open connections do */
    struct sw_cookie cookie;   /* what it was sent with first */
    struct sw_timer timer;     /* 64*T1: the answer to OPEN may be lost in a full mailbox */
};

/** Parks a user's send and asks for a connection. SW_LIMIT: too many, or no room for the action. */
SW_MUST_USE enum sw_status sw_send_park(struct sw_engine *e, void *user, uint8_t user_kind,
                                        const struct sw_want *want, struct sw_ref *ref);

/** Parks a copy of bytes that failed to leave, and asks for another connection. SW_LIMIT. */
SW_MUST_USE enum sw_status sw_send_park_bytes(struct sw_engine *e, enum sw_send_owner owner,
                                              const struct sw_event *failed,
                                              const struct sw_want *want);

/** Parks a copy of bytes that have nowhere to go yet, and asks for nothing. NULL: too many, or
 * memory is out. */
struct sw_send *sw_send_keep(struct sw_engine *e, enum sw_send_owner owner,
                             const struct sw_event *failed);

/** Its OPEN was asked for once more: the answer is waited for from now on. */
void sw_send_wait(struct sw_engine *e, struct sw_send *s);

/** The parked send a reference names, or NULL. */
struct sw_send *sw_send_get(const struct sw_engine *e, struct sw_ref ref);

/** Frees a parked send; the answer to its OPEN will find nothing. */
void sw_send_drop(struct sw_engine *e, struct sw_ref ref);

#endif

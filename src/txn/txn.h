/* The four transaction machines of RFC 3261 section 17 with the corrections of RFC 6026. Each is a
 * pure function: an event goes in, what is to be done comes out, time is counted by the caller. */
#ifndef SW_TXN_TXN_H
#define SW_TXN_TXN_H

#include <stdbool.h>
#include <stdint.h>

enum sw_txn_kind {
    SW_ICT,  /* INVITE client: RFC 3261 17.1.1, RFC 6026 figure 5 */
    SW_NICT, /* non-INVITE client: RFC 3261 17.1.2, figure 6 */
    SW_IST,  /* INVITE server: RFC 3261 17.2.1, RFC 6026 figure 7 */
    SW_NIST, /* non-INVITE server: RFC 3261 17.2.2, figure 8; RFC 4320 */
};

enum sw_txn_state {
    SW_TXN_CALLING,    /* ict: INVITE sent, nothing heard */
    SW_TXN_TRYING,     /* nict: request sent, nothing heard; nist: nothing answered yet */
    SW_TXN_PROCEEDING, /* a provisional response was heard or may be sent */
    SW_TXN_COMPLETED,  /* final response heard or sent; repeats are absorbed */
    SW_TXN_CONFIRMED,  /* ist: ACK heard; further ACKs are absorbed */
    SW_TXN_ACCEPTED,   /* ict, ist: 2xx heard or sent; repeats of it pass (RFC 6026) */
    SW_TXN_TERMINATED, /* gone: the caller destroys it at once */
};

enum sw_txn_event {
    SW_TXN_START,   /* created: the request is to be sent (client) or was received (server) */
    SW_TXN_1XX,     /* client: received; server: the transaction user answers */
    SW_TXN_2XX,     /* likewise */
    SW_TXN_3TO6XX,  /* likewise */
    SW_TXN_REQUEST, /* server: the request again */
    SW_TXN_ACK,     /* ist: an ACK */
    SW_TXN_RETRY,   /* timer A, E or G; nist: the moment of RFC 4320's 100 */
    SW_TXN_LIFE,    /* timer B, D, M, F, K, H, I, L or J */
    SW_TXN_ERROR,   /* the transport failed */
};

enum sw_txn_do {
    SW_DO_SEND = 1,   /* client: send the request (again); server: send the last response (again) */
    SW_DO_ACK = 2,    /* ict: send the ACK for the non-2xx (again) */
    SW_DO_PASS = 4,   /* hand the message to the transaction user */
    SW_DO_TRYING = 8, /* nist: answer with 100 now (RFC 4320 4.1) */
    SW_DO_TIMEOUT = 16, /* tell the user that time ran out */
    SW_DO_FAIL = 32,    /* tell the user that the transport failed */
    SW_DO_END = 64,     /* destroy the transaction */
};

/* T1, T2, T4: RFC 3261 17.1.1.1 and 17.1.2.2; D: at least 32 s on unreliable transports. */
enum {
    SW_T1_MS = 500,
    SW_T2_MS = 4000,
    SW_T4_MS = 5000,
    SW_T_LIFE_MS = 64 * SW_T1_MS,
    SW_T_D_MS = 32000,
    SW_T_TRYING_MS = 3500, /* when Timer E is reset to T2: 0.5 + 1 + 2 s (RFC 4320 4.1) */
};

struct sw_txn {
    uint8_t kind;         /* enum sw_txn_kind */
    uint8_t state;        /* enum sw_txn_state */
    bool reliable;        /* the transport does not lose messages */
    uint16_t interval_ms; /* of the last retransmission timer */
};

/* What a machine wants of its caller. */
struct sw_txn_out {
    unsigned todo;    /* enum sw_txn_do, or-ed */
    int32_t retry_ms; /* start that timer anew with this delay; 0: stop it; -1: leave it */
    int32_t life_ms;  /* likewise */
};

/** A machine before its SW_TXN_START. */
static inline struct sw_txn sw_txn(enum sw_txn_kind kind, bool reliable)
{
    bool invite_client = kind == SW_ICT, invite_server = kind == SW_IST;
    return (struct sw_txn){
        .kind = (uint8_t)kind,
        .state = invite_client   ? SW_TXN_CALLING
                 : invite_server ? SW_TXN_PROCEEDING
                                 : SW_TXN_TRYING,
        .reliable = reliable,
    };
}

/** Feeds one event to the machine of `t`'s kind. Never fails: what a state does not know, it
 * ignores. */
struct sw_txn_out sw_txn_event(struct sw_txn *t, enum sw_txn_event event);

/* One per figure of the standard; sw_txn_event picks by kind. */
struct sw_txn_out sw_ict_event(struct sw_txn *t, enum sw_txn_event event);
struct sw_txn_out sw_nict_event(struct sw_txn *t, enum sw_txn_event event);
struct sw_txn_out sw_ist_event(struct sw_txn *t, enum sw_txn_event event);
struct sw_txn_out sw_nist_event(struct sw_txn *t, enum sw_txn_event event);

/** The event that a response of this status is. */
static inline enum sw_txn_event sw_txn_response(unsigned status)
{
    return status < 200 ? SW_TXN_1XX : status < 300 ? SW_TXN_2XX : SW_TXN_3TO6XX;
}

/** The name of a state, for logs. */
const char *sw_txn_state_name(enum sw_txn_state s);

/* Helpers of the four machines. */
static inline struct sw_txn_out sw_txn_do(unsigned todo)
{
    return (struct sw_txn_out){.todo = todo, .retry_ms = -1, .life_ms = -1};
}

static inline struct sw_txn_out sw_txn_end(struct sw_txn *t, unsigned todo)
{
    t->state = SW_TXN_TERMINATED;
    return (struct sw_txn_out){.todo = todo | SW_DO_END, .retry_ms = 0, .life_ms = 0};
}

#endif

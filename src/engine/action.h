/* What a step wants done. Actions are performed in their order after each event, before the bytes
 * of the event and of the step's scratch memory are used again; whoever performs one copies what
 * outlives that. */
#ifndef SW_ENGINE_ACTION_H
#define SW_ENGINE_ACTION_H

#include "base/field.h"
#include "base/map.h"
#include "engine/event.h"

enum sw_action_kind {
    SW_ACT_SEND,    /* bytes to a flow */
    SW_ACT_OPEN,    /* a connection to somewhere: answered with SW_EV_OPENED */
    SW_ACT_LOOKUP,  /* a question to the DNS: answered with SW_EV_ANSWER, never within the event */
    SW_ACT_FIND,    /* which worker has the INVITE transaction `key`? It gets the event's bytes */
    SW_ACT_PUBLISH, /* the INVITE transaction `key` is here */
    SW_ACT_UNPUBLISH, /* it is no more */
    SW_ACT_ADMIT,     /* the flow of SW_EV_IDENTIFY belongs to `peer` */
    SW_ACT_ALIAS,     /* requests for the sender's address may go over this flow: RFC 5923 8.2 */
    SW_ACT_ROW,       /* one of those that SW_EV_LIST asked for: `note`, and where to go on */
    SW_ACT_CLOSE,     /* close the flow: `status`, and `why` for the log */
    SW_ACT_NOTE,      /* a line for the log */
};

/* A connection that is wanted. */
struct sw_want {
    struct sw_ref job;
    struct sw_endpoint
        remote; /* port 0: only another connection of the peer to that address will do */
    struct sw_flow_id prefer; /* this flow if it is open; generation 0: none */
    uint32_t peer;            /* whose it must be */
    uint16_t listener;        /* whose address we come from */
    uint8_t transport;
    bool any_of_peer;  /* an accepted connection of the peer from that address will do too */
    bool alias;        /* one whose peer takes requests for `remote` over it will do: RFC 5923 */
    uint32_t local_id; /* our identity on `prefer`, and with any_of_peer on any; else it is the
                        * peer's one of now */
    uint32_t local_domain;  /* which of our domains it is for: base/local.h */
    uint32_t timeout_ms;    /* 0: the executor's own limits */
    struct sw_slice domain; /* the name that was looked up, and must be proved: that of one who is
                             * no peer, or the peer's domain number `domain_of`; empty: any of the
                             * peer's. Valid until the action is performed */
    uint32_t domain_of;     /* from 1; 0: `domain` is empty, or `peer` is an id of a name */
    struct sw_dane dane;    /* what is signed of the server's certificate; likewise */
};

struct sw_lookup_act {
    struct sw_ref job;
    struct sw_dns_question question;
};

struct sw_send_act {
    struct sw_flow_id flow;    /* for datagrams: worker SW_WORKER_ANY, slot the listener */
    struct sw_endpoint remote; /* of a datagram */
    const struct sw_slice *segs;
    uint32_t seg_count;
    uint32_t total;
    struct sw_cookie cookie;
};

struct sw_note_act {
    enum sw_level level;
    const char *event;
    const struct sw_field *fields;
    uint32_t count;
    uint32_t next; /* ROW: the slot behind it */
};

struct sw_action {
    enum sw_action_kind kind;
    union {
        struct sw_send_act send;
        struct sw_want open;
        struct sw_lookup_act lookup;
        struct sw_note_act note;
        struct sw_key key; /* FIND, PUBLISH, UNPUBLISH */
        struct {
            struct sw_flow_id flow;
            uint16_t port; /* 0: not any more */
        } alias;           /* ALIAS */
        struct {
            struct sw_flow_id flow;
            uint32_t peer;         /* ADMIT: whose it is */
            uint32_t domain_id;    /* ADMIT: see struct sw_flow */
            uint8_t proof;         /* ADMIT: likewise */
            uint32_t local_domain; /* ADMIT: which of our domains it asked for; 0: none */
            enum sw_status status;
            const char *why;     /* static text */
            const char *help;    /* likewise; may be NULL */
            uint32_t claimed;    /* CLOSE: the peer whose rule refused it; 0: none's */
            struct sw_slice got; /* the identity that counted; valid while the flow is */
        } verdict;               /* ADMIT, CLOSE */
    };
};

/* Actions one event can cause: a CANCEL to every branch of a fork is the largest. Checked limit:
 * what does not fit is counted in `lost` and treated as a failed send. */
enum { SW_ACTIONS_MAX = 256 };

struct sw_actions {
    struct sw_action a[SW_ACTIONS_MAX];
    uint32_t count;
    uint64_t lost;
};

/** The next free action, or NULL if there is none (counted). */
static inline struct sw_action *sw_action_add(struct sw_actions *x, enum sw_action_kind kind)
{
    if (x->count == SW_ACTIONS_MAX) {
        x->lost++;
        return NULL;
    }
    struct sw_action *a = &x->a[x->count++];
    a->kind = kind;
    return a;
}

/* A step of the pure rooms, and when it wants to be called with SW_EV_TIME at the latest. */
struct sw_step {
    void *user;
    void (*step)(void *user, const struct sw_event *ev, struct sw_actions *out, int64_t now_ms);
    int64_t (*deadline)(void *user); /* SW_TIMER_NEVER: only on events */
};

#endif

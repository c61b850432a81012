/* What a step is told: the whole outside world of the pure rooms. */
#ifndef SW_ENGINE_EVENT_H
#define SW_ENGINE_EVENT_H

#include "base/dns.h"
#include "base/flow.h"
#include "base/status.h"
#include "base/table.h"

enum sw_event_kind {
    SW_EV_MESSAGE,     /* `bytes` came over `flow`: one whole message */
    SW_EV_TIME,        /* time has passed: timers may be due */
    SW_EV_OPENED,      /* the answer to OPEN: `status`, and `flow` if it is SW_OK */
    SW_EV_CLOSED,      /* the connection `flow_id` is gone, for `status` */
    SW_EV_SEND_FAILED, /* a SEND with `ref` did not leave: `segs` are its bytes, `flow_id` its flow
                        */
    SW_EV_IDENTIFY,    /* whose is `flow`? It is connected, and `flow->ident` says what it proved.
                        * Asked again while it is open, when that may have changed */
    SW_EV_NO_OWNER,    /* FIND found no other worker: handle `bytes` here */
    SW_EV_DRAIN,       /* we are asked to stop: new work is still done, ending is reported */
    SW_EV_LIST,        /* name what there is from slot `from` on, as ROW */
    SW_EV_ADOPT,       /* another configuration holds from now on: `conf`, of the step's own kind */
    SW_EV_ANSWER,      /* the answer to LOOKUP: `job`, `answer` */
    SW_EV_LISTENER, /* the address of `listener` came to this machine (`status` SW_OK) or left it;
                     * until told otherwise it is here */
};

/* What a SEND is for: echoed if it fails, so that the step can go on from there. */
enum sw_send_for {
    SW_FOR_NOTHING,  /* best effort */
    SW_FOR_CLIENT,   /* a client transaction's request: `ref` names it */
    SW_FOR_RESPONSE, /* a response: goes to another connection if this one is closed (18.2.2) */
    SW_FOR_ACK,      /* the ACK of a 2xx: likewise to the next Route */
    SW_FOR_HOP,      /* a CANCEL, or the ACK of another final response: likewise to where its INVITE
                        went. RFC 5923 8.1 */
};

/* What SW_EV_LIST asks for. */
enum sw_list_what { SW_LIST_TRANSACTIONS, SW_LIST_CALLS };

struct sw_cookie {
    uint8_t why : 7;  /* enum sw_send_for */
    uint8_t sips : 1; /* it demands TLS and a proved name, or answers such a request: 26.2.2 */
    uint8_t transport;
    uint16_t listener;
    uint32_t peer;     /* whose connection it was meant for */
    uint32_t local_id; /* and with which identity of ours: struct sw_flow */
    struct sw_ref ref;
};

struct sw_event {
    enum sw_event_kind kind;
    enum sw_status status;
    const struct sw_flow *flow; /* valid during the event */
    struct sw_slice bytes;      /* likewise */
    struct sw_flow_id flow_id;
    struct sw_endpoint remote; /* SW_EV_SEND_FAILED: where it was to go */
    bool handed;               /* SW_EV_MESSAGE: another worker thought that it is ours */
    struct sw_ref job;         /* SW_EV_OPENED, SW_EV_ANSWER: the `job` of what is answered */
    const struct sw_dns_answer *answer; /* SW_EV_ANSWER; valid during the event */
    struct sw_cookie cookie;            /* SW_EV_SEND_FAILED */
    const struct sw_slice *segs;
    size_t seg_count;
    uint32_t from;          /* SW_EV_LIST */
    uint8_t list;           /* SW_EV_LIST: enum sw_list_what */
    struct sw_slice domain; /* SW_EV_IDENTIFY: what one that we connected to must prove if it is no
                             * peer; SW_EV_SEND_FAILED: likewise, if it is known. Valid during the
                             * event */
    struct sw_slice asked;  /* SW_EV_IDENTIFY: the server name that a client asked for; empty: none.
                             * Likewise */
    struct sw_slice server; /* SW_EV_IDENTIFY: the host of signed TLSA records, which a certificate
                             * of their CA may name; empty: none. Likewise */
    struct sw_slice located; /* the domain whose location led to that server. Likewise */
    uint16_t listener;       /* SW_EV_LISTENER */
    const void *conf;        /* SW_EV_ADOPT: outlives the step's use, until the next one */
};

#endif

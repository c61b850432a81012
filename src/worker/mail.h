/* What workers send each other: self-contained blocks, a head and bytes behind it. */
#ifndef SW_WORKER_MAIL_H
#define SW_WORKER_MAIL_H

#include "engine/event.h"
#include "loop/mailbox.h"

enum sw_mail_kind {
    SW_MAIL_ACCEPTED, /* a socket for you */
    SW_MAIL_MESSAGE,  /* a message that is yours: a response, or the CANCEL or ACK of your INVITE */
    SW_MAIL_SEND,     /* send this over your connection */
    SW_MAIL_SEND_FAILED, /* what you sent over mine did not leave */
    SW_MAIL_WAIT,        /* tell me when the connection you dial is open */
    SW_MAIL_OPENED,      /* it is, or it failed */
    SW_MAIL_CLOSED,      /* a connection that you sent over is closed */
    SW_MAIL_WAKE,        /* look at the shared flags */
    SW_MAIL_ANSWER,      /* the DNS answered: see lookup.c */
    SW_MAIL_WALK,        /* list what you have: see walk.h */
};

struct sw_mail {
    uint8_t kind;  /* enum sw_mail_kind */
    bool tls;      /* ACCEPTED */
    bool passed;   /* ACCEPTED: by a worker that had taken it up already */
    uint16_t from; /* worker */
    uint16_t listener;
    int fd;               /* ACCEPTED */
    struct sw_walk *walk; /* WALK: one reference goes with it */
    enum sw_status status;
    struct sw_ref job;
    struct sw_flow_id flow_id;
    struct sw_endpoint remote;
    struct sw_cookie cookie;
    struct sw_flow flow; /* MESSAGE, OPENED; without ident */
};

#endif

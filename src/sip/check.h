/* Is a parsed message fit to be handled? Everything that RFC 3261 lets a receiver decide from the
 * text alone is decided here, once; docs/messages.md lists the decisions. */
#ifndef SW_SIP_CHECK_H
#define SW_SIP_CHECK_H

#include "sip/msg.h"

/* What every later step needs of a message, read once. */
struct sw_vitals {
    struct sw_via via; /* the top one */
    struct sw_uri uri; /* the Request-URI of a request */
    struct sw_slice call_id;
    struct sw_slice from_tag; /* empty: none (RFC 2543) */
    struct sw_slice to_tag;   /* empty: none */
    struct sw_slice cseq_method;
    uint32_t cseq;
    int32_t max_forwards; /* -1: none */
    uint8_t method;       /* of the CSeq, enum sw_method */
    bool has_length;      /* a Content-Length stands in it */
};

/* Why a message is not handled. */
struct sw_verdict {
    uint16_t code;    /* the response it gets; 0: none can be given, drop it */
    const char *why;  /* static text, also good as a reason phrase */
    const char *rule; /* static text, the clause */
};

/**
 * Checks a request. A datagram's message is cut to its Content-Length. `v->via` is valid unless the
 * verdict's code is 0. SW_PEER_SYNTAX or SW_PEER_MISSING with `verdict` set.
 * RFC 3261 7.1, 8.1.1, 16.3, 18.3, 20
 */
SW_MUST_USE enum sw_status sw_check_request(struct sw_msg *m, bool datagram, struct sw_vitals *v,
                                            struct sw_verdict *verdict);

/**
 * Checks a response; a bad one is dropped (verdict code 0). Statuses as above.
 * RFC 3261 7.2, 8.1.3, 18.1.2, 18.3
 */
SW_MUST_USE enum sw_status sw_check_response(struct sw_msg *m, bool datagram, struct sw_vitals *v,
                                             struct sw_verdict *verdict);

/** Points everything that was read from the bytes at `from` into their copy at `to`. */
void sw_vitals_move(struct sw_vitals *v, const char *from, const char *to);

#endif

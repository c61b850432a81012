/* Messages of our own: responses, and the requests a proxy makes for itself. */
#ifndef SW_SIP_BUILD_H
#define SW_SIP_BUILD_H

#include "sip/check.h"

/**
 * Appends a Via value as a receiver passes it on: with `received`, and `rport` filled in, as the
 * source address demands. A `received` that the sender wrote itself is replaced.
 * RFC 3261 18.2.1, RFC 3581 4
 */
void sw_build_via_stamped(struct sw_buf *b, const struct sw_via *via,
                          const struct sw_endpoint *source);

/* A response made here. */
struct sw_response {
    unsigned code;
    const char *reason;     /* NULL: the usual phrase */
    struct sw_slice to_tag; /* put in To if there is none; empty: not even then (100) */
    struct sw_slice extra;  /* further header lines with their CRLF, or empty */
};

/**
 * Appends a response to `m`: Via rows (the top one stamped with `source`), From, To, Call-ID and
 * CSeq as they came, Timestamp in a 100. A request too broken to have one of these gets one without
 * it. RFC 3261 8.2.6
 */
void sw_build_response(struct sw_buf *b, const struct sw_msg *m, const struct sw_via *via,
                       const struct sw_endpoint *source, const struct sw_response *r);

/* A request made here, outside of a dialog. */
struct sw_own_request {
    struct sw_slice method, uri;
    struct sw_slice transport; /* of the Via: "TLS" */
    struct sw_slice sent_by;   /* HOST:PORT */
    struct sw_slice branch, from_tag, call_id;
    struct sw_slice from, to, contact; /* URIs */
    struct sw_slice extra;             /* further header lines with their CRLF, or empty */
};

/** Appends a request without body, CSeq 1 and asking for rport. RFC 3261 8.1.1, RFC 3581 3 */
void sw_build_request(struct sw_buf *b, const struct sw_own_request *r);

/**
 * Appends the ACK for a non-2xx response `to`-header row to the INVITE `sent`, which is the request
 * as it left us. RFC 3261 17.1.1.3
 */
void sw_build_ack(struct sw_buf *b, const struct sw_msg *sent, const struct sw_msg *response);

/** Appends the CANCEL of the request `sent`, which is as it left us. RFC 3261 9.1 */
void sw_build_cancel(struct sw_buf *b, const struct sw_msg *sent);

#endif

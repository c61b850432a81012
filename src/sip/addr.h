/* name-addr and addr-spec: From, To, Contact, Route, Record-Route. */
#ifndef SW_SIP_ADDR_H
#define SW_SIP_ADDR_H

#include "sip/uri.h"

struct sw_addr {
    struct sw_slice display; /* quotes and escapes untouched; empty if there is none */
    struct sw_slice uri;     /* between the angle brackets, or bare */
    struct sw_slice params;  /* header parameters, ";a=b;c" or empty */
    struct sw_slice whole;   /* the value as it stands */
    struct sw_slice tag;     /* value of that parameter, or empty */
    bool bad_tag;            /* it is empty or quoted, or stands twice */
};

/**
 * Takes one address with its parameters; `l` then stands at its end, a comma, or what does not
 * belong to it. The URI is not looked into. SW_PEER_SYNTAX: none there. RFC 3261 20.10 and 25.1
 */
SW_MUST_USE enum sw_status sw_addr_next(struct sw_lex *l, struct sw_addr *out);

/** Reads all of a header value as one address. SW_PEER_SYNTAX. */
SW_MUST_USE enum sw_status sw_addr_parse(struct sw_slice s, struct sw_addr *out);

#endif

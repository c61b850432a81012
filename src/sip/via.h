/* One Via value. */
#ifndef SW_SIP_VIA_H
#define SW_SIP_VIA_H

#include "sip/uri.h"

struct sw_via {
    struct sw_slice whole;     /* the value as it stands */
    struct sw_slice transport; /* "UDP", "TLS", ... */
    struct sw_slice host;      /* sent-by, IPv6 with brackets */
    struct sw_slice branch;    /* empty: none */
    struct sw_slice received;  /* empty: none */
    struct sw_slice maddr;     /* empty: none */
    struct sw_param rport;     /* .name.p NULL: not there; .value.p NULL: there without value */
    struct sw_slice received_whole; /* "received=..." as it stands, to be replaced */
    struct sw_slice ttl;            /* empty: none */
    uint16_t port;                  /* of sent-by; 0: none */
    bool version_ok;                /* SIP/2.0 */
    bool branch_twice;              /* the first counts here; the checks refuse it */
    bool comma_last;                /* a comma follows, and then nothing; the checks refuse it */
};

#define SW_MAGIC_COOKIE SW_SLICE("z9hG4bK")

/**
 * Takes one Via value; `l` then stands behind it (and its comma, if one follows). SW_PEER_SYNTAX.
 * RFC 3261 20.42, RFC 3581
 */
SW_MUST_USE enum sw_status sw_via_next(struct sw_lex *l, struct sw_via *out);

/** The port of sent-by, or the default of its transport. RFC 3261 18.1.1 */
uint16_t sw_via_port(const struct sw_via *v);

/** True if the branch starts with the magic cookie (and is more than that). RFC 3261 8.1.1.7 */
bool sw_via_is_3261(const struct sw_via *v);

#endif

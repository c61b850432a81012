/* One Via value. */
#ifndef SW_SIP_VIA_H
#define SW_SIP_VIA_H

#include "sip/uri.h"

struct sw_via {
    struct sw_slice whole;     /* the value as it stands */
    struct sw_slice transport; /* "UDP", "TLS", ... */
    struct sw_slice host;      /* sent-by, IPv6 with brackets */
    struct sw_slice params;    /* ";a=b;c", or empty */
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

/* Overload control, as one Via says it. What the grammar does not allow is as if it were not there,
 * and of two with one name the first counts. */
struct sw_overload {
    bool supported; /* "oc" stands in it, with a value or without */
    bool has_oc, has_seq, has_validity;
    bool loss;             /* "loss" is among the algorithms */
    uint32_t oc;           /* percent of requests to hold back, or what another algorithm means */
    uint32_t validity_ms;  /* how long it holds; 500 if it is not given */
    uint64_t seq;          /* in units of 0.00001: the larger is the newer */
    struct sw_slice algos; /* "a,b" as it stands; empty: none */
};

/**
 * Reads oc, oc-algo, oc-validity and oc-seq of a Via. An oc-validity above 0 without oc is dropped.
 * RFC 7339 4 and 9
 */
void sw_via_overload(const struct sw_via *v, struct sw_overload *out);

/** The port of sent-by, or the default of its transport. RFC 3261 18.1.1 */
uint16_t sw_via_port(const struct sw_via *v);

/** True if the branch starts with the magic cookie (and is more than that). RFC 3261 8.1.1.7 */
bool sw_via_is_3261(const struct sw_via *v);

#endif

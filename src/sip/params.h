/* The ;name=value parameters of headers and URIs. */
#ifndef SW_SIP_PARAMS_H
#define SW_SIP_PARAMS_H

#include "base/status.h"
#include "sip/lex.h"

struct sw_param {
    struct sw_slice name;
    struct sw_slice value; /* without quotes; .p is NULL if there is no "=" */
    struct sw_slice whole; /* "name=value" as it stands, without the ";" */
    bool quoted;
};

/**
 * Takes one ";name[=value]" of a header (generic-param). SW_AGAIN: no ";" follows, the parameters
 * end here; SW_PEER_SYNTAX: one follows and is broken. RFC 3261 25.1
 */
SW_MUST_USE enum sw_status sw_param_next(struct sw_lex *l, struct sw_param *out);

/** Looks for a parameter among ";a=b;c" text, without regard to case; false if it is not there. */
bool sw_param_find(struct sw_slice params, struct sw_slice name, struct sw_param *out);

/* A q-value is kept in thousandths. */
enum { SW_Q_MAX = 1000 };

/** Reads a q-value, 0 to 1 with three decimals at most, as thousandths. RFC 3261 25.1 qvalue */
bool sw_q_parse(struct sw_slice s, uint16_t *out);

/** Takes one ";name[=value]" of a URI, where values are never quoted. Statuses as sw_param_next. */
SW_MUST_USE enum sw_status sw_uri_param_next(struct sw_lex *l, struct sw_param *out);

#endif

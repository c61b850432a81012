/* May it: everything that refuses a request before anyone looks for its target. */
#ifndef SW_PROXY_POLICY_H
#define SW_PROXY_POLICY_H

#include "proxy/proxy.h"

/* A refusal. */
struct sw_refusal {
    uint16_t code;
    const char *reason;     /* the reason phrase; NULL: the usual one */
    const char *why;        /* for the log: what was wanted, what came */
    const char *help;       /* for the log: what would help; NULL: the cause says it */
    struct sw_slice extra;  /* header lines, in scratch memory, or empty */
    struct sw_slice target; /* for the log: the peer that it could not go to, or empty */
};

/* A request as it is being handled. */
struct sw_request {
    const struct sw_flow *flow;
    struct sw_msg *m;
    struct sw_vitals *v;
    struct sw_routes *r;
    uint32_t breadth; /* branches that may be tried at once: RFC 5393 5.3.3 */
    int side;         /* of the dialog in r->seal that sent it; -1: no sealed Route of ours */
    struct sw_refusal
        bad_hidden; /* something hidden that it brings back does not hold; code 0: no */
};

/** Fills a refusal with static texts. Always false, so that a check can end with it. */
bool sw_refuse(struct sw_refusal *out, unsigned code, const char *reason, const char *why,
               const char *help);

/**
 * True if the request may go on, with `q->side` set. Otherwise `out` says what it is answered with.
 * RFC 3261 16.3, 16.4; RFC 5393 4.2.2; RFC 5630 5.3
 */
bool sw_policy_request(struct sw_proxy *p, struct sw_request *q, struct sw_refusal *out);

/* RFC 5393 5.3.3: the value that is added, and the largest that is let pass. */
enum { SW_BREADTH_MAX = 60 };

/**
 * The branches that a request may have at once, from its Max-Breadth. UINT32_MAX: it is no number.
 * RFC 5393 5.3.3
 */
uint32_t sw_policy_breadth(const struct sw_msg *m);

/** The hash that tells a loop from a spiral, 48 bits. RFC 5393 4.2.1 */
uint64_t sw_policy_loop_hash(const struct sw_proxy *p, const struct sw_request *q);

/** A Warning header line in scratch memory. RFC 3261 20.43, RFC 5630 4 */
struct sw_slice sw_policy_warning(struct sw_proxy *p, const struct sw_flow *flow, unsigned code,
                                  const char *text);

#endif

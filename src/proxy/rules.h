/* Number and header rules: what a route asks beyond its globs, and what it changes in a request.
 * docs/rules.md */
#ifndef SW_PROXY_RULES_H
#define SW_PROXY_RULES_H

#include "proxy/policy.h"
#include "proxy/rewrite.h"
#include "sip/pattern.h"

struct sw_header_match {
    struct sw_header_name header;
    struct sw_slice value; /* a glob for any one of its values; .p NULL: it is there */
};

/* All of it must hold. */
struct sw_rule_match {
    struct sw_pattern user; /* .code NULL: none */
    const struct sw_header_match *headers;
    const struct sw_cidr *sources; /* one of them; none: any */
    uint32_t header_count, source_count;
};

/* In this order: user, strip, prefix, host; then remove, then add. */
struct sw_rule_set {
    struct sw_slice user;   /* \0 to \9 stand for groups of the match; .p NULL: it stays */
    struct sw_slice prefix; /* empty: none */
    struct sw_slice host;   /* HOST or HOST:PORT; .p NULL: it stays */
    struct sw_slice add;    /* header lines with their CRLF, or empty */
    const struct sw_header_name *remove;
    uint32_t remove_count;
    uint32_t strip; /* characters */
};

/**
 * The user part as rules see it, or the number of a tel URI: escapes of characters that need none
 * are resolved, the others have capital digits, and a number, also with user=phone, has neither
 * visual separators nor parameters. What differs from the text is written to `room` of `cap` bytes;
 * nothing may be longer: it would be taken as it stands. RFC 3261 19.1.4, RFC 3966 4
 */
struct sw_slice sw_rules_user(const struct sw_uri *u, char *room, size_t cap);

/** True if one of the message's rows of that name has the value, or one of the values of a header
 * that is a list. White space of any length, folded or not, is one space. RFC 3261 7.3.1, 7.3.3 */
bool sw_header_holds(const struct sw_header_match *match, const struct sw_msg *m);

/** NULL if all holds, or the key that differs. A user part of which the pattern cannot say it
 * counts as one that matches, so that nobody gets past a rule by making it hard: see
 * sw_rules_apply. */
const char *sw_rules_mismatch(const struct sw_rule_match *match, const struct sw_request *q,
                              struct sw_slice user);

/**
 * Works out what a route that matches changes. `out` lives in scratch memory and in the
 * configuration; it becomes NULL if nothing changes. False: `refusal` says why the request cannot
 * be changed so: 414 (too long), 484 (nothing of the number is left), 500 (no valid URI, or more
 * work than a pattern may make).
 */
bool sw_rules_apply(struct sw_proxy *p, const struct sw_route_conf *route,
                    const struct sw_request *q, const struct sw_rewrite **out,
                    struct sw_refusal *refusal);

/** Adds to a loop hash what rules of any route look at: without it a request that comes back with
 * another of these headers would be taken for a loop. RFC 5393 4.2.1 */
void sw_rules_hash(const struct sw_proxy_conf *c, const struct sw_request *q, struct sw_siphash *h);

#endif

/* `sipward explain`: what the gateway would do with a request, found out by its own step
 * (gateway/pipeline.h) without any socket. What it wants sent is written down and goes nowhere. */
#ifndef SW_CMD_EXPLAIN_H
#define SW_CMD_EXPLAIN_H

#include "conn/pool.h"
#include "daemon/snapshot.h"
#include <jansson.h>

enum { SW_EXPLAIN_QUESTIONS_MAX = 256, SW_EXPLAIN_HEADERS_MAX = 32 };

/* What the DNS was asked, and what came. */
struct sw_explain_question {
    struct sw_dns_question question;
    struct sw_dns_answer answer;
    char *records; /* those of the answer */
};

/* A place that the request would go to. */
struct sw_explain_hop {
    struct sw_target target;
    bool reuses;  /* `conn`: "0.3.1" */
    bool waits;   /* it is being dialled */
    bool full;    /* limits.connections of the peer is reached: none is opened */
    bool avoided; /* it failed lately */
    char conn[32];
    char domain[SW_DNS_NAME_MAX]; /* what one that is no peer must prove */
    char server[SW_DNS_NAME_MAX]; /* whose TLSA records it must match; empty: none */
    char *bytes;                  /* as it would leave; NULL: it is not known */
    size_t n;
};

/* What came of the question. */
struct sw_explain_result {
    struct sw_explain_hop hop[SW_TARGETS_MAX];
    uint32_t hops;
    unsigned status; /* what it is answered with at once, not counting 100; 0: nothing */
    char reason[64];
    char warning[256]; /* its Warning: RFC 5630 5.3; empty: none */
    char *why, *help;
    bool done; /* it goes somewhere, or is answered with 2xx */
};

struct sw_explain {
    const char *path, *uri, *method;
    const char *headers[SW_EXPLAIN_HEADERS_MAX]; /* "NAME: VALUE", beside those of its own */
    uint32_t header_count;
    bool chosen; /* nobody said where the request comes from */
    struct sw_diags diags;
    struct sw_snapshot *snapshot;
    struct sw_gateway gateway;
    struct sw_counters counters;
    struct sw_actions actions;
    struct sw_pool *pool; /* connections of the running gateway */
    bool asked;           /* it answered */
    int route;            /* the one that matches, from 0; -1: none */
    json_t *connections;  /* their rows */
    /* the question: */
    struct sw_flow flow; /* how the request is taken to come */
    char text[8192];     /* the request */
    size_t text_n;
    struct sw_hdr hdrs[SW_HDRS_MAX];
    struct sw_msg msg;
    struct sw_vitals vitals;
    struct sw_routes routes;
    struct sw_explain_result result;
    struct sw_explain_question questions[SW_EXPLAIN_QUESTIONS_MAX];
    uint32_t question_count;
};

/** True if it can stand in a JSON document, as all of SIP can. RFC 3261 7 */
bool sw_explain_is_utf8(const char *text);

/** NULL, or what is wrong with a line of --header. */
const char *sw_explain_header_wrong(const char *line);

/** True if --header gives one of this kind. */
bool sw_explain_has_header(const struct sw_explain *x, enum sw_hdr_id id);

/** Loads the configuration and asks the running gateway what it has. False: see x->diags. */
bool sw_explain_open(struct sw_explain *x);
void sw_explain_close(struct sw_explain *x);

/**
 * Makes the request as it comes from `peer` (NULL: from nobody, or from a domain that is no
 * peer's). False: the text is too long.
 */
bool sw_explain_from(struct sw_explain *x, const struct sw_peer_conf *peer, uint32_t otherwise);

/** The same from an address without certificate: from whom the gateway's rules say. */
bool sw_explain_at(struct sw_explain *x, const struct sw_endpoint *from);

/** The request as the gateway's own functions take it; false: it is not fit to be handled. */
bool sw_explain_request(struct sw_explain *x, struct sw_request *q);

/** True if policy and routes send it somewhere: see sw_policy_request, sw_target_find. */
bool sw_explain_goes(struct sw_explain *x);

/** Lets the gateway's step handle it; fills x->result. */
void sw_explain_run(struct sw_explain *x);

/** Asks the DNS as the gateway would, each question once; the answer lives until the end. */
const struct sw_dns_answer *sw_explain_ask(struct sw_explain *x, const struct sw_dns_question *q);

/** Frees the answers. */
void sw_explain_forget(struct sw_explain *x);

/** The questions in their order, and what came. */
json_t *sw_explain_dns(const struct sw_explain *x);
void sw_explain_print_dns(const json_t *list);

/** All of it as one document. */
json_t *sw_explain_json(struct sw_explain *x);

/** Takes over which places of peers the running gateway avoids. */
void sw_explain_avoid_peers(struct sw_explain *x);

/** The same for the domain that a question to the DNS is about, if it is no peer's. */
void sw_explain_avoid_domain(struct sw_explain *x, const struct sw_dns_question *q);

/** Puts into a target's row what its peer's configuration says of it beside TLS: its place in the
 * route's list, limits, what is hidden from it, what of it is reused, RFC 3325. */
void sw_explain_peer(json_t *target, const struct sw_explain *x, const struct sw_peer_conf *p);
void sw_explain_print_peer(const json_t *target);

/** True if the peer with this id has as many connections of ours as its limits.connections allows.
 */
bool sw_explain_is_full(const struct sw_explain *x, uint32_t peer);

/** Puts in what of the request's headers is not told to it (`p` NULL: no peer), by trust and by its
 * `remove`. */
void sw_explain_passing(json_t *target, const struct sw_explain *x, const struct sw_peer_conf *p);

/** Puts what a route's rules ask and set into its row. */
void sw_explain_rules(json_t *route, const struct sw_route_directive *d);

/** What a row's route sets, for people. */
void sw_explain_print_rules(const json_t *route);

/** The document laid out for people. */
void sw_explain_print(const json_t *doc);

#endif

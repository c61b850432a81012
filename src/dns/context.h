/* One way of asking the DNS: the library's context with its servers, trust anchors and cache. The
 * only place that knows libunbound. A context and its calls belong to one thread. */
#ifndef SW_DNS_CONTEXT_H
#define SW_DNS_CONTEXT_H

#include "base/dns.h"

enum sw_dnssec {
    SW_DNSSEC_OFF,           /* nothing is validated, nothing is secure */
    SW_DNSSEC_OPPORTUNISTIC, /* validated; what nobody signed is used, what is forged never */
    SW_DNSSEC_REQUIRE,       /* only what is signed and valid is used */
};

enum {
    SW_DNS_SERVERS_MAX = 8,        /* one is asked at a time; more only delay a failure */
    SW_DNS_ANCHOR_MAX = 1024,      /* letters of the file's path */
    SW_DNS_ANSWER_MAX = 32 * 1024, /* bytes of the records of an answer: RFC 6891 has 64 KiB for
                                    * the whole message; no server list needs half */
    SW_DNS_TTL_MAX_S = 86400,      /* a record with a longer life is asked for again: RFC 8767 4 */
    SW_DNS_TTL_NO_MAX_S = 3600,    /* likewise of "there is none": RFC 2308 5 */
    SW_DNS_TTL_FAILED_S = 5,       /* a failure is remembered so long: RFC 2308 7, RFC 9520 3.2 */
    SW_DNS_TTL_BOGUS_S = 30,       /* likewise a forged answer: RFC 4035 4.7 */
};

struct sw_dns_conf {
    struct sw_endpoint servers[SW_DNS_SERVERS_MAX];
    uint32_t server_count; /* 0: those of the system, and its hosts file */
    enum sw_dnssec dnssec;
    char anchor[SW_DNS_ANCHOR_MAX]; /* file of DS or DNSKEY records; "": none */
    uint32_t timeout_ms;            /* of a question, for who asked it */
    uint32_t questions_max;         /* in flight */
    uint32_t stamp;                 /* of what the files say that it names */
    uint32_t version;               /* another one with each change */
};

struct sw_dns_context;

/* A question in flight: a part of what the caller keeps of it. */
struct sw_dns_call {
    struct sw_dns_context *context;
};

/** What came of a call, once. `a` is valid during the call; `why`, of a failure: for people. */
typedef void sw_dns_done_fn(struct sw_dns_call *call, const struct sw_dns_answer *a,
                            const char *why);

/** A context that is ready to ask; no file is read twice. NULL with `why`, static text. */
struct sw_dns_context *sw_dns_context_new(const struct sw_dns_conf *c, sw_dns_done_fn *done,
                                          const char **why);

/** Ends it; what is in flight is not told of any more. */
void sw_dns_context_free(struct sw_dns_context *x);

/** Asks; `done` is called by sw_dns_context_run. SW_PEER_DNS with `why`: the library will not. */
SW_MUST_USE enum sw_status sw_dns_context_ask(struct sw_dns_context *x,
                                              const struct sw_dns_question *q,
                                              struct sw_dns_call *call, const char **why);

/** Becomes readable when sw_dns_context_run has something to do. */
int sw_dns_context_fd(const struct sw_dns_context *x);

/** Calls `done` for what was answered. Never waits. */
void sw_dns_context_run(struct sw_dns_context *x);

/** Where systems keep the root's trust anchor: the first of these files that is there, or NULL. */
const char *sw_dns_root_anchor(void);

/** A number that is another one when the system's own DNS files are others. */
uint32_t sw_dns_system_stamp(void);

#endif

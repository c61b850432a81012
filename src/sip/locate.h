/* Where a domain's SIP servers are: the questions to ask the DNS, one after the other, and at last
 * the places to try in their order, with what is signed of their certificates. It asks nobody
 * itself: whoever uses it carries questions and answers. RFC 3263 4, RFC 2782, RFC 3403, RFC 7673
 */
#ifndef SW_SIP_LOCATE_H
#define SW_SIP_LOCATE_H

#include "base/dns.h"
#include "base/flow.h"
#include "crypto/prng.h"

/* What one location may cost, whatever the answers are. */
enum {
    SW_LOCATE_QUESTIONS_MAX = 42, /* the NAPTR, the services, three per server */
    SW_LOCATE_RECORDS_MAX = 64,   /* of one answer that are looked at: real ones have a handful */
    SW_LOCATE_SERVICES_MAX = 4,   /* NAPTR records that are followed */
    SW_LOCATE_SERVERS_MAX = 12,   /* SRV records that are followed, the first in their order */
    SW_LOCATE_ADDRESSES_MAX = 8,  /* of one name and family */
    SW_LOCATE_ADDRESSES_ALL = 96, /* of all names: three times what is used */
    SW_LOCATE_PLACES_MAX = 32,    /* that are found: more than a request is tried at */
    SW_LOCATE_TLSA_BYTES = 8190,  /* of all TLSA records: a server has a digest or two, seldom a
                                   * certificate */
};

/* Bits of `families` and `have`. */
enum { SW_LOCATE_IPV4 = 1, SW_LOCATE_IPV6 = 2 };
#define SW_LOCATE_BIT(transport) (1u << (transport))

/* Memory for TLSA records, as they came. */
struct sw_locate_tlsa {
    uint16_t n;
    char bytes[SW_LOCATE_TLSA_BYTES];
};

/* What is wanted: a URI's parts, or a peer's domain. maddr has taken the host's place already. */
struct sw_locate_goal {
    struct sw_slice host;        /* a name, or an address (IPv6 with or without brackets) */
    struct sw_slice transport;   /* the parameter's value; empty: none */
    uint16_t port;               /* 0: none */
    bool sips;                   /* a sips URI */
    bool tls_only;               /* a sip URI that must leave over TLS */
    uint8_t have;                /* transports that we have, a bit each */
    uint8_t families;            /* of addresses that we can reach */
    struct sw_locate_tlsa *tlsa; /* servers may be believed by TLSA records: RFC 7673; lives as
                                  * long as the location. NULL: not so, nobody asks for them */
};

enum sw_locate_end {
    SW_LOCATE_GOES_ON, /* answers are missing */
    SW_LOCATE_FOUND,   /* `place` holds at least one */
    SW_LOCATE_UNFIT,   /* what is wanted cannot be had: a transport that we do not have, no name */
    SW_LOCATE_NO_NAME, /* the domain does not exist */
    SW_LOCATE_NOT_THERE, /* it exists, and has no server for this */
    SW_LOCATE_SILENT,    /* name servers fail: it may be there */
    SW_LOCATE_BOGUS,     /* an answer was forged, or is not signed and must be: DNSSEC */
};

/* A question and what came of it. */
struct sw_locate_step {
    struct sw_dns_question question;
    const char *note; /* static text: what was wrong with one of its records; NULL: nothing */
    uint16_t status;  /* enum sw_status of the answer; SW_AGAIN: there is none yet */
    uint16_t records; /* that came */
    uint16_t used;    /* of them */
    uint16_t tlsa_at, tlsa_n;          /* bytes of its TLSA records that can be used */
    uint8_t address_at, address_count; /* in `address` of the location */
    bool asked;
    bool secure; /* DNSSEC vouches for it */
};

/* One place to try. */
struct sw_locate_place {
    struct sw_endpoint remote;
    uint8_t transport;
    uint8_t group; /* those of one group have the same service and priority: RFC 2782 */
    int8_t step;   /* that its address is from; -1: the host was an address */
    int8_t tlsa;   /* that its TLSA records are from; -1: none count */
};

struct sw_locate_service {
    uint8_t transport;
    uint8_t step;
};

struct sw_locate_server {
    uint16_t priority, weight, port;
    uint8_t service;
    uint8_t record; /* which of its answer's */
    int8_t a, aaaa; /* steps with its addresses; -1: not asked for */
    int8_t tlsa;    /* step with its TLSA records; -1: not asked for */
};

struct sw_locate {
    char host[SW_DNS_NAME_MAX];
    struct sw_locate_step step[SW_LOCATE_QUESTIONS_MAX];
    struct sw_locate_service service[SW_LOCATE_SERVICES_MAX];
    struct sw_locate_server server[SW_LOCATE_SERVERS_MAX];
    struct sw_locate_place place[SW_LOCATE_PLACES_MAX];
    struct sw_endpoint address[SW_LOCATE_ADDRESSES_ALL];
    struct sw_locate_tlsa *tlsa; /* of the goal */
    const char *why;             /* static text of an end other than FOUND */
    uint16_t port;
    uint8_t step_count, service_count, server_count, place_count, address_count;
    uint8_t phase;
    uint8_t end; /* enum sw_locate_end */
    uint8_t use; /* transports that may be used, a bit each */
    uint8_t families;
    bool secure_only; /* only services with TLS */
    bool any_srv;     /* the domain has SRV records: its own addresses are not asked for */
    bool limited;     /* answers had more than is followed */
    bool tlsa_asked;
};

/**
 * Begins a location; nothing of `goal` is kept. It may be over at once: see `end`.
 * RFC 3263 4.1, 4.2
 */
void sw_locate_start(struct sw_locate *x, const struct sw_locate_goal *goal);

/**
 * The next question to be asked, or NULL if there is none for now; its place in `x->step` is what
 * the answer is given with. Ask until NULL, then wait.
 */
const struct sw_dns_question *sw_locate_next(struct sw_locate *x, uint32_t *step);

/**
 * Takes an answer: `step` as sw_locate_next told it; others are ignored. `prng` is for the weights
 * of RFC 2782.
 */
void sw_locate_answer(struct sw_locate *x, uint32_t step, const struct sw_dns_answer *answer,
                      struct sw_prng *prng);

/**
 * What is signed of the certificate of a place's server; it borrows from `x` and its goal's memory.
 * Without records: nothing. RFC 7673 4.2
 */
struct sw_dane sw_locate_dane(const struct sw_locate *x, const struct sw_locate_place *place);

/** Appends one step in words: "SRV _sips._tcp.example.com: 2 records". */
void sw_locate_put_step(struct sw_buf *b, const struct sw_locate_step *s);

/** Appends why nothing was found, and what came of the questions that tell it. */
void sw_locate_put_reason(struct sw_buf *b, const struct sw_locate *x);

/** Orders servers of one service as RFC 2782 wants: by priority, and by chance within one. */
void sw_locate_order(struct sw_locate_server *s, uint32_t n, struct sw_prng *prng);

#endif

/* Questions to the DNS and their answers as plain data: what the resolver hands to those who look
 * for servers. RFC 1035, RFC 2782 (SRV), RFC 3403 (NAPTR), RFC 6698 (TLSA) */
#ifndef SW_BASE_DNS_H
#define SW_BASE_DNS_H

#include "base/endpoint.h"
#include "base/slice.h"
#include "base/status.h"

enum sw_dns_type {
    SW_DNS_A = 1,
    SW_DNS_AAAA = 28,
    SW_DNS_SRV = 33,
    SW_DNS_NAPTR = 35,
    SW_DNS_TLSA = 52,
};

/* A name as text, in lower case, without the final dot, and its NUL. RFC 1035 2.3.4 */
enum { SW_DNS_NAME_MAX = 256 };

struct sw_dns_question {
    char name[SW_DNS_NAME_MAX];
    uint16_t type; /* enum sw_dns_type */
};

/* What came of a question. CNAMEs are followed by then. */
struct sw_dns_answer {
    enum sw_status status; /* SW_OK; SW_PEER_NO_NAME; SW_PEER_DNS: servers fail or are silent;
                            * SW_DENIED_BOGUS: DNSSEC says that it is forged;
                            * SW_DENIED_UNSIGNED: only what is signed is used, and it is not */
    bool secure;    /* signed from the root or a trust anchor down, and valid: RFC 4035 4.3 */
    uint32_t ttl_s; /* of this answer, also of one that says no */
    uint16_t count; /* records; SW_OK with 0: the name has none of that type */
    struct sw_slice records; /* each: its length in two bytes, then its RDATA, names uncompressed */
};

struct sw_dns_srv {
    uint16_t priority, weight, port;
    char target[SW_DNS_NAME_MAX]; /* "": the service is decidedly not there. RFC 2782 */
};

struct sw_dns_naptr {
    uint16_t order, preference;
    struct sw_slice flags, service, regexp; /* as they came */
    char replacement[SW_DNS_NAME_MAX];      /* "": the regexp counts */
};

struct sw_dns_tlsa {
    uint8_t usage, selector, matching;
    struct sw_slice data;
};

/** Takes the next record off `rest`. SW_AGAIN: there is none. SW_PEER_SYNTAX. */
SW_MUST_USE enum sw_status sw_dns_next(struct sw_slice *rest, struct sw_slice *rdata);

/** Reads an A or AAAA record; the port becomes 0. SW_PEER_SYNTAX */
SW_MUST_USE enum sw_status sw_dns_read_address(struct sw_slice rdata, struct sw_endpoint *out);

/** The slices of what is read borrow from `rdata`. SW_PEER_SYNTAX: also a name with other letters
 * than host names, service names and underscores have. */
SW_MUST_USE enum sw_status sw_dns_read_srv(struct sw_slice rdata, struct sw_dns_srv *out);
SW_MUST_USE enum sw_status sw_dns_read_naptr(struct sw_slice rdata, struct sw_dns_naptr *out);
SW_MUST_USE enum sw_status sw_dns_read_tlsa(struct sw_slice rdata, struct sw_dns_tlsa *out);

/** NULL: it can be matched with a certificate. Else what is wrong with it, static text; it is
 * passed over, as if it were not there. RFC 6698 4.1, 7.2 to 7.4 */
const char *sw_dns_tlsa_unusable(const struct sw_dns_tlsa *t);

/* What the DNS, signed, says of the certificate of a server. RFC 6698 */
struct sw_dane {
    struct sw_slice records; /* TLSA, as in struct sw_dns_answer; empty: nothing */
    struct sw_slice host;    /* the server that they are of */
    struct sw_slice domain;  /* that was looked for, and led there: all of that is signed */
};

/** Fills in a question; the name in lower case, its final dot taken off. SW_PEER_SYNTAX: no name.
 */
SW_MUST_USE enum sw_status sw_dns_ask(struct sw_dns_question *q, struct sw_slice name,
                                      enum sw_dns_type type);

/** "A", "AAAA", "SRV", "NAPTR", "TLSA". Static memory. */
const char *sw_dns_type_name(unsigned type);

#endif

/* From a telephone number to a SIP URI: the questions of ENUM and their answers. Like the location,
 * it asks nobody itself. RFC 6116 */
#ifndef SW_SIP_ENUM_H
#define SW_SIP_ENUM_H

#include "base/dns.h"
#include "base/slab.h"
#include "sip/uri.h"

enum {
    SW_ENUM_NUMBER_MAX = 20, /* "+", 15 digits and some more: E.164 */
    SW_ENUM_URI_MAX = 256,
    SW_ENUM_RECORDS_MAX = 64, /* of one answer that are looked at */
    SW_ENUM_RULES_MAX = 12,   /* that wait for their turn */
    SW_ENUM_CHAIN_MAX = 5,    /* non-terminal records that are followed: RFC 6116 5.2.1 */
};

enum sw_enum_end {
    SW_ENUM_GOES_ON,
    SW_ENUM_FOUND,     /* `uri` is a sip or sips URI */
    SW_ENUM_NO_NUMBER, /* the number is not there, or has no SIP service */
    SW_ENUM_SILENT,    /* name servers fail */
    SW_ENUM_BOGUS,     /* an answer was forged, or is not signed and must be: DNSSEC */
};

/* A record that leads somewhere: to a URI, or to another name. */
struct sw_enum_rule {
    uint16_t order, preference;
    bool terminal;
    char text[SW_ENUM_URI_MAX + 1]; /* the URI or the name */
};

struct sw_enum {
    char number[SW_ENUM_NUMBER_MAX + 1]; /* "+" and digits: the application unique string */
    struct sw_dns_question question[SW_ENUM_CHAIN_MAX + 1];
    uint16_t status[SW_ENUM_CHAIN_MAX + 1]; /* of the answer; SW_AGAIN: none yet */
    uint16_t records[SW_ENUM_CHAIN_MAX + 1];
    struct sw_enum_rule rule[SW_ENUM_RULES_MAX]; /* the next one first */
    char uri[SW_ENUM_URI_MAX + 1];
    const char *why;  /* static text of an end other than FOUND */
    const char *note; /* static text: what was wrong with a record; NULL: nothing */
    uint8_t asked, rule_count;
    bool passed;       /* a URI was found that leads nowhere */
    bool any_unsigned; /* DNSSEC does not vouch for one of the answers */
    uint8_t end;       /* enum sw_enum_end */
};

/**
 * The number that a tel URI, or a sip or sips URI with user=phone, stands for: "+" and its digits.
 * False: it is none, or not a global one. RFC 3966 5.1.4, RFC 3261 19.1.6, RFC 6116 3.1
 */
bool sw_enum_number(const struct sw_uri *u, char out[SW_ENUM_NUMBER_MAX + 1]);

/** Begins; `number` as from sw_enum_number, `suffix` such as "e164.arpa". RFC 6116 3.2 */
void sw_enum_start(struct sw_enum *x, const char *number, struct sw_slice suffix);

/** The question to be asked now, once; NULL: it is over. */
const struct sw_dns_question *sw_enum_next(const struct sw_enum *x);

/** Takes the answer to that; `slab` is used for the moment. RFC 6116 3.4, 5.2.1 */
void sw_enum_answer(struct sw_enum *x, const struct sw_dns_answer *answer, struct sw_slab *slab);

/** The URI that was found leads nowhere: on to the next record, which may end it, or ask. RFC 6116
 * 3.4.2, 5.2.1 */
void sw_enum_pass(struct sw_enum *x);

/** Its time is up: what has no answer is silent, and nothing more is asked. */
void sw_enum_give_up(struct sw_enum *x);

/** Appends what came of it, question by question. */
void sw_enum_put_reason(struct sw_buf *b, const struct sw_enum *x);

#endif

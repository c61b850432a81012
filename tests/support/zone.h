/* What a name server would say: a table of records made by hand. */
#ifndef TESTS_SUPPORT_ZONE_H
#define TESTS_SUPPORT_ZONE_H

#include "base/dns.h"

enum { ZONE_RECORDS_MAX = 256, ZONE_RDATA_MAX = 600 };

struct zone_record {
    char name[SW_DNS_NAME_MAX];
    uint16_t type;
    uint16_t status; /* not SW_OK: what a question for it gets */
    uint16_t n;
    char rdata[ZONE_RDATA_MAX];
};

struct zone {
    struct zone_record r[ZONE_RECORDS_MAX];
    unsigned count;
    bool secure;
    char records[65536]; /* of the last answer */
};

/** An address, IPv4 or IPv6: an A or AAAA record. */
void zone_address(struct zone *z, const char *name, const char *ip);
void zone_srv(struct zone *z, const char *name, unsigned priority, unsigned weight, unsigned port,
              const char *target);
void zone_naptr(struct zone *z, const char *name, unsigned order, unsigned preference,
                const char *flags, const char *service, const char *regexp,
                const char *replacement);

/** A record of any bytes. */
void zone_raw(struct zone *z, const char *name, enum sw_dns_type type, const void *p, size_t n);

/** Questions for it fail. */
void zone_fail(struct zone *z, const char *name, enum sw_dns_type type, enum sw_status status);

/** Takes all records of a name off. */
void zone_remove(struct zone *z, const char *name);

/** The answer; its records are valid until the next one. */
struct sw_dns_answer zone_answer(struct zone *z, const struct sw_dns_question *q);

#endif

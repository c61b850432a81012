/* Answers of the DNS that a worker keeps while they live, so that a question asked again costs no
 * other thread. RFC 1035 3.2.1 (TTL), RFC 2308 (denials) */
#ifndef SW_WORKER_DNSCACHE_H
#define SW_WORKER_DNSCACHE_H

#include "base/dns.h"
#include "base/list.h"
#include "base/map.h"
#include "base/slab.h"
#include "crypto/siphash.h"

/* Bytes of all answers of a worker: 4,000 of the usual size take a quarter of it. */
#define SW_DNSCACHE_BYTES_MAX ((size_t)4 << 20)

struct sw_dnscache {
    struct sw_map map;
    struct sw_list by_use; /* the first was not used for the longest */
    struct sw_slab *slab;  /* borrowed */
    struct sw_sip_key key;
    size_t bytes;
    uint32_t count;
    uint32_t version; /* of the configuration that all answers are from */
};

/** An empty cache for about `expected` answers. SW_LIMIT_MEMORY, SW_SYS */
SW_MUST_USE enum sw_status sw_dnscache_init(struct sw_dnscache *c, struct sw_slab *slab,
                                            uint32_t expected);

/** Also for one that is all zero. */
void sw_dnscache_fini(struct sw_dnscache *c);

/** Forgets all: from now on answers are of `version`. */
void sw_dnscache_clear(struct sw_dnscache *c, uint32_t version);

/** The answer with what is left of its life; its records are valid until the next put or clear.
 * False: there is none, or its life is over. */
bool sw_dnscache_get(struct sw_dnscache *c, const struct sw_dns_question *q, int64_t now_ms,
                     struct sw_dns_answer *out);

/** Keeps a copy of an answer for its TTL; 0: not at all. At most `max` are kept: returns how many
 * living ones had to go for it. If memory is out it is not kept. */
uint32_t sw_dnscache_put(struct sw_dnscache *c, const struct sw_dns_question *q,
                         const struct sw_dns_answer *a, uint32_t max, int64_t now_ms);

#endif

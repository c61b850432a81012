/* The resolver: one thread that asks the DNS for all workers. Equal questions in flight are asked
 * once; each asker is answered once, at the latest when its time limit is over. */
#ifndef SW_DNS_RESOLVER_H
#define SW_DNS_RESOLVER_H

#include "base/table.h"
#include "dns/context.h"

/* Who asked: given back with the answer. */
struct sw_dns_asker {
    struct sw_ref job;
    uint16_t worker;
};

/* Askers that wait at most, for all questions together: many calls to one name ask one question. */
enum { SW_DNS_ASKERS_MAX = 100000 };

struct sw_dns_result {
    const struct sw_dns_question *question;
    const struct sw_dns_answer *answer;
    enum sw_status how; /* SW_OK: asked; SW_LIMIT: too much is in flight, it was not;
                         * SW_LIMIT_MEMORY likewise; SW_PEER_TIMEOUT: nothing came in time */
    uint32_t version;   /* of the configuration that it was asked under */
};

/** Takes an answer: on the resolver's thread, and it may not wait. All is valid during the call. */
typedef void sw_dns_answer_fn(void *user, const struct sw_dns_asker *who,
                              const struct sw_dns_result *r);

struct sw_resolver;

/** Starts the thread; nothing is opened before the first question. NULL: memory or threads are out.
 */
struct sw_resolver *sw_resolver_new(const struct sw_dns_conf *conf, sw_dns_answer_fn *answer,
                                    void *user);

/** Ends the thread, also with questions in flight: who asked them is not answered any more. */
void sw_resolver_free(struct sw_resolver *r);

/** Asks; the answer comes by the function. SW_LIMIT: too many questions at once; it does not come.
 * Any thread. */
SW_MUST_USE enum sw_status sw_resolver_ask(struct sw_resolver *r, const struct sw_dns_question *q,
                                           const struct sw_dns_asker *who);

/** Questions from now on are asked so; those in flight end as they began. Any thread. */
void sw_resolver_set(struct sw_resolver *r, const struct sw_dns_conf *conf);

/** Asks one question and waits for its answer, whose records are put into `records` of
 * SW_DNS_ANSWER_MAX bytes. For commands, never for a worker. */
void sw_resolver_once(const struct sw_dns_conf *conf, const struct sw_dns_question *q,
                      struct sw_dns_answer *out, char *records);

#endif

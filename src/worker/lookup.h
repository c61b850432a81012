/* Questions of the step to the DNS, and their answers. */
#ifndef SW_WORKER_LOOKUP_H
#define SW_WORKER_LOOKUP_H

#include "dns/resolver.h"
#include "worker/worker.h"

/** SW_ACT_LOOKUP: the answer is an event of its own, from the cache or from the resolver. */
void sw_worker_lookup(struct sw_worker *w, const struct sw_lookup_act *a);

/** The resolver's answer came (SW_MAIL_ANSWER): keeps it, and tells the step. */
void sw_worker_answered(struct sw_worker *w, const struct sw_mail *m, struct sw_slice bytes);

/** What the resolver calls: sends the answer to the worker that asked. `workers`: struct
 * sw_workers. On the resolver's thread; nothing of it is borrowed. */
void sw_worker_dns_answer(void *workers, const struct sw_dns_asker *who,
                          const struct sw_dns_result *r);

/** Forgets the answers of other servers or anchors, after a configuration was taken up. */
void sw_worker_dns_adopt(struct sw_worker *w);

#endif

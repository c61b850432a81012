/* The policies that open sessions were made with, once for all sessions of a worker: a session may
 * outlive the configuration, and there are many sessions to a policy. */
#ifndef SW_TLS_OPENSSL_HAD_H
#define SW_TLS_OPENSSL_HAD_H

#include "tls/policy.h"

struct sw_tls_had {
    struct sw_tls_had *next;
    struct sw_tls_policy policy; /* its name and versions; no list */
    uint32_t users;
    char name[];
};

/** One more session has had this policy, of which nothing is kept: see sw_tls_had_drop. NULL:
 * memory is out. */
struct sw_tls_had *sw_tls_had_take(struct sw_tls_had **list, const struct sw_tls_policy *p);

/** A session ends; `h` may be NULL. */
void sw_tls_had_drop(struct sw_tls_had **list, struct sw_tls_had *h);

#endif

/* Named TLS policies: versions, suites, groups. What each means on the wire is docs/config.md's. */
#ifndef SW_TLS_POLICY_H
#define SW_TLS_POLICY_H

#include "base/slice.h"

enum sw_tls_version {
    SW_TLS_1_0 = 0x0301,
    SW_TLS_1_1 = 0x0302,
    SW_TLS_1_2 = 0x0303,
    SW_TLS_1_3 = 0x0304
};

struct sw_tls_policy {
    const char *name;
    uint16_t min_version, max_version; /* enum sw_tls_version */
    const char *ciphers;      /* TLS 1.2 and below, the library's names, in order of preference */
    const char *ciphersuites; /* TLS 1.3 */
    const char *groups;
    unsigned security_level; /* 2: 112 bits and more, no SHA-1; 0: for `legacy` */
};

/* The three that always exist. */
enum { SW_POLICY_MODERN, SW_POLICY_STANDARD, SW_POLICY_LEGACY, SW_POLICIES };

/** One of the three. RFC 9325 3.1, 4.1, 4.2 */
const struct sw_tls_policy *sw_tls_policy_builtin(unsigned number);

/** The number of one of the three by its name, or -1. */
int sw_tls_policy_builtin_find(struct sw_slice name);

#endif

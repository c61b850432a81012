/* Named TLS policies: versions, suites, groups, signature algorithms. What each means on the wire
 * is in docs/policies.md, and byte by byte in tests/unit/tls/policy. */
#ifndef SW_TLS_POLICY_H
#define SW_TLS_POLICY_H

#include "base/slice.h"

enum sw_tls_version {
    SW_TLS_1_0 = 0x0301,
    SW_TLS_1_1 = 0x0302,
    SW_TLS_1_2 = 0x0303,
    SW_TLS_1_3 = 0x0304
};

/* The lists are in the library's names, with ':' between them, in order of preference. */
struct sw_tls_policy {
    const char *name;
    uint16_t min_version, max_version; /* enum sw_tls_version */
    const char *ciphers;               /* TLS 1.2 and below */
    const char *ciphersuites;          /* TLS 1.3 */
    const char *groups;
    const char *signature_algorithms; /* TLS 1.2 and later; older versions have one each */
    uint32_t key_records;             /* TLS 1.3: so many records, then the key is changed */
};

/* The three that always exist. */
enum { SW_POLICY_MODERN, SW_POLICY_STANDARD, SW_POLICY_LEGACY, SW_POLICIES };

/** One of the three. RFC 9325 3.1.1, 4.1, 4.2, 4.2.1, 4.4 */
const struct sw_tls_policy *sw_tls_policy_builtin(unsigned number);

/** The number of one of the three by its name, or -1. */
int sw_tls_policy_builtin_find(struct sw_slice name);

/** True if a key ("EC P-256", as sw_cert_facts has it) can make a signature that the policy takes.
 * RFC 8446 4.2.3 */
bool sw_tls_policy_takes_key(const struct sw_tls_policy *p, struct sw_slice key);

/* The lists of a policy. */
enum sw_tls_list { SW_TLS_CIPHERS, SW_TLS_SUITES, SW_TLS_GROUPS, SW_TLS_SIGNATURES, SW_TLS_LISTS };

/** The key of a list in the configuration, and the list of a policy. */
const char *sw_tls_list_name(enum sw_tls_list kind);
const char *sw_tls_list_of(const struct sw_tls_policy *p, enum sw_tls_list kind);

/** Takes the next element off a list; false: there is none. */
bool sw_tls_list_next(struct sw_slice *list, struct sw_slice *element);

/**
 * Why no policy may have this element, as static text; NULL: it may. What takes suites away
 * ("!RC4") always may. RFC 9325 4.1, 4.5; RFC 7465; RFC 9155
 */
const char *sw_tls_list_never(enum sw_tls_list kind, struct sw_slice element);

#endif

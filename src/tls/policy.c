#include "tls/policy.h"

/* RFC 9325 4.2: ECDHE with AEAD only; 4.2.1: ECDHE_RSA_WITH_AES_128_GCM_SHA256 first. */
#define AEAD                                                                                       \
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-CHACHA20-POLY1305"
#define SUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

static const struct sw_tls_policy policies[SW_POLICIES] = {
    [SW_POLICY_MODERN] = {"modern", SW_TLS_1_3, SW_TLS_1_3, AEAD, SUITES, "X25519:P-256:P-384", 2},
    [SW_POLICY_STANDARD] = {"standard", SW_TLS_1_2, SW_TLS_1_3, AEAD, SUITES, "X25519:P-256:P-384",
                            2},
    /* with AES-CBC and static RSA, RFC 3261 26.2.1's mandatory suite among them */
    [SW_POLICY_LEGACY] = {"legacy", SW_TLS_1_0, SW_TLS_1_3,
                          AEAD ":ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA:"
                               "ECDHE-RSA-AES256-SHA:ECDHE-ECDSA-AES256-SHA:"
                               "AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES128-SHA:"
                               "AES256-SHA",
                          SUITES, "X25519:P-256:P-384", 0},
};

const struct sw_tls_policy *sw_tls_policy_builtin(unsigned number)
{
    return number < SW_POLICIES ? &policies[number] : &policies[SW_POLICY_STANDARD];
}

int sw_tls_policy_builtin_find(struct sw_slice name)
{
    for (int i = 0; i < SW_POLICIES; i++)
        if (sw_slice_eq(name, sw_slice_str(policies[i].name)))
            return i;
    return -1;
}

#include "tls/policy.h"

/* Signature algorithms by how their names begin, and the keys that make them. The library has the
 * names of RFC 8446 4.2.3 and older ones such as "ECDSA+SHA256". */
static bool makes(struct sw_slice key, struct sw_slice algorithm)
{
    bool pss_key = sw_slice_starts_case(algorithm, SW_SLICE("rsa_pss_pss_"));
    bool pss = sw_slice_starts_case(algorithm, SW_SLICE("RSA-PSS+")) ||
               sw_slice_starts_case(algorithm, SW_SLICE("PSS+"));
    if (sw_slice_starts_case(key, SW_SLICE("RSA-PSS ")))
        return pss_key || pss;
    if (sw_slice_starts_case(key, SW_SLICE("RSA ")))
        return pss || (!pss_key && sw_slice_starts_case(algorithm, SW_SLICE("rsa")));
    if (sw_slice_starts_case(key, SW_SLICE("EC ")))
        return sw_slice_starts_case(algorithm, SW_SLICE("ecdsa"));
    if (sw_slice_starts_case(key, SW_SLICE("ED25519 ")))
        return sw_slice_starts_case(algorithm, SW_SLICE("ed25519"));
    if (sw_slice_starts_case(key, SW_SLICE("ED448 ")))
        return sw_slice_starts_case(algorithm, SW_SLICE("ed448"));
    return true; /* a kind that is not known here is the library's to judge */
}

bool sw_tls_policy_takes_key(const struct sw_tls_policy *p, struct sw_slice key)
{
    struct sw_slice list = sw_slice_str(p->signature_algorithms), algorithm;
    if (p->max_version < SW_TLS_1_2)
        return true;
    while (sw_tls_list_next(&list, &algorithm))
        if (makes(key, algorithm))
            return true;
    return false;
}

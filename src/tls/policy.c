#include "tls/policy.h"

/* RFC 9325 4.2: ECDHE with AEAD only; RFC 9325 4.2.1: ECDHE_RSA_WITH_AES_128_GCM_SHA256 first. */
#define AEAD                                                                                       \
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-CHACHA20-POLY1305"
#define SUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256:P-384"

/* RFC 9325 4.5 and RFC 9155: SHA-256 and better. PKCS #1 v1.5 stands for certificates in TLS 1.3,
 * and for handshakes in 1.2: RFC 8446 4.2.3. */
#define SIGNATURES                                                                                 \
    "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ecdsa_secp521r1_sha512:ed25519:ed448:"          \
    "rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:"                                    \
    "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"                                 \
    "rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512"

/* RFC 9325 4.4, RFC 8446 5.5: 2^24.5 records of AES-GCM are the most under one key. */
enum { KEY_RECORDS = 1 << 24 };

static const struct sw_tls_policy policies[SW_POLICIES] = {
    [SW_POLICY_MODERN] = {"modern", SW_TLS_1_3, SW_TLS_1_3, AEAD, SUITES, GROUPS, SIGNATURES,
                          KEY_RECORDS},
    [SW_POLICY_STANDARD] = {"standard", SW_TLS_1_2, SW_TLS_1_3, AEAD, SUITES, GROUPS, SIGNATURES,
                            KEY_RECORDS},
    /* with AES-CBC and static RSA, RFC 3261 26.2.1's mandatory suite among them */
    [SW_POLICY_LEGACY] = {"legacy", SW_TLS_1_0, SW_TLS_1_3,
                          AEAD ":ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA:"
                               "ECDHE-RSA-AES256-SHA:ECDHE-ECDSA-AES256-SHA:"
                               "AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES128-SHA:"
                               "AES256-SHA",
                          SUITES, GROUPS, SIGNATURES, KEY_RECORDS},
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

const char *sw_tls_list_name(enum sw_tls_list kind)
{
    static const char *const names[] = {"ciphers", "ciphersuites", "groups",
                                        "signature_algorithms"};
    return names[kind];
}

const char *sw_tls_list_of(const struct sw_tls_policy *p, enum sw_tls_list kind)
{
    const char *const lists[] = {p->ciphers, p->ciphersuites, p->groups, p->signature_algorithms};
    return lists[kind];
}

bool sw_tls_list_next(struct sw_slice *list, struct sw_slice *element)
{
    size_t at = 0, end;
    while (at < list->n && memchr(":,; ", list->p[at], 4))
        at++;
    for (end = at; end < list->n && !memchr(":,; ", list->p[end], 4); end++)
        ;
    *element = sw_slice(list->p + at, end - at);
    *list = sw_slice_from(*list, end);
    return element->n > 0;
}

struct never {
    const char *word, *why;
};

/* Parts of names of suites. The library of the build may not even have them. */
static const struct never suites[] = {
    {"NULL", "it does not encrypt (RFC 9325 4.1)"},
    {"eNULL", "it does not encrypt (RFC 9325 4.1)"},
    {"aNULL", "nobody proves who it is (anonymous key exchange)"},
    {"ADH", "nobody proves who it is (anonymous key exchange)"},
    {"AECDH", "nobody proves who it is (anonymous key exchange)"},
    {"anon", "nobody proves who it is (anonymous key exchange)"},
    {"EXP", "export suites have 40 to 56 bits (RFC 9325 4.1)"},
    {"EXPORT", "export suites have 40 to 56 bits (RFC 9325 4.1)"},
    {"EXPORT40", "export suites have 40 bits (RFC 9325 4.1)"},
    {"EXPORT56", "export suites have 56 bits (RFC 9325 4.1)"},
    {"EXP1024", "export suites have 56 bits (RFC 9325 4.1)"},
    {"LOW", "it stands for suites below 112 bits (RFC 9325 4.1)"},
    {"RC4", "RC4 is broken (RFC 7465)"},
    {"RC2", "RC2 is broken (RFC 9325 4.1)"},
    {"DES", "DES and 3DES have 56 and 112 bits and blocks of 64 (RFC 9325 4.1)"},
    {"3DES", "3DES has 112 bits and blocks of 64 (RFC 9325 4.1)"},
    {"DES40", "export suites have 40 bits (RFC 9325 4.1)"},
    {"IDEA", "IDEA has blocks of 64 bits (RFC 5469)"},
    {"MD5", "MD5 is broken (RFC 6151)"},
    {"DSS", "DSA keys are not used (RFC 8446 4.2.3)"},
    {"aDSS", "DSA keys are not used (RFC 8446 4.2.3)"},
};

static const struct never signatures[] = {
    {"sha1", "SHA-1 signatures can be forged (RFC 9155)"},
    {"md5", "MD5 signatures can be forged (RFC 9155)"},
    {"dsa", "DSA keys are not used (RFC 8446 4.2.3)"},
};

/* The groups that there may be: each has 112 bits and more. RFC 9325 4.5 */
static const char *const groups[] = {
    "X25519",          "X448",      "P-256",     "P-384",     "P-521",           "prime256v1",
    "secp256r1",       "secp384r1", "secp521r1", "ffdhe2048", "ffdhe3072",       "ffdhe4096",
    "ffdhe6144",       "ffdhe8192", "x25519",    "x448",      "brainpoolP256r1", "brainpoolP384r1",
    "brainpoolP512r1",
};

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Compares each run of letters and digits in `name` with the table. */
static const char *look_up(struct sw_slice name, const struct never *table, size_t count)
{
    for (size_t at = 0, end; at < name.n; at = end + 1) {
        for (end = at; end < name.n && is_word(name.p[end]); end++)
            ;
        for (size_t i = 0; i < count; i++)
            if (sw_slice_eq_case(sw_slice(name.p + at, end - at), sw_slice_str(table[i].word)))
                return table[i].why;
    }
    return NULL;
}

const char *sw_tls_list_never(enum sw_tls_list kind, struct sw_slice element)
{
    switch (kind) {
    case SW_TLS_CIPHERS:
        if (element.n && memchr("!-+@", element.p[0], 4))
            return NULL;
        return look_up(element, suites, sizeof(suites) / sizeof(suites[0]));
    case SW_TLS_SUITES:
        return look_up(element, suites, sizeof(suites) / sizeof(suites[0]));
    case SW_TLS_SIGNATURES:
        return look_up(element, signatures, sizeof(signatures) / sizeof(signatures[0]));
    case SW_TLS_GROUPS:
        for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
            if (sw_slice_eq_case(element, sw_slice_str(groups[i])))
                return NULL;
        return "it is none of X25519, X448, P-256, P-384, P-521, brainpoolP256r1 to P512r1, "
               "ffdhe2048 to ffdhe8192 (RFC 9325 4.5)";
    case SW_TLS_LISTS:
        break;
    }
    return NULL;
}

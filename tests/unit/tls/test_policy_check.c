/* What the configuration of a policy is refused or warned of for: with the name of what is wrong,
 * and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls/session.h"

/* A policy with one part changed, and what is said of it. */
struct row {
    enum sw_tls_list kind;
    const char *list;
    const char *element, *why; /* words that the finding has; NULL: there is none */
};

static struct sw_tls_policy with(enum sw_tls_list kind, const char *list)
{
    struct sw_tls_policy p = *sw_tls_policy_builtin(SW_POLICY_STANDARD);
    const char **parts[] = {&p.ciphers, &p.ciphersuites, &p.groups, &p.signature_algorithms};
    p.name = "mine";
    *parts[kind] = list;
    return p;
}

static void judge(const struct sw_tls_policy *p, const char *shown, enum sw_status want,
                  const char *element, const char *reason)
{
    char why[SW_WHY_MAX] = "?";
    enum sw_status st = sw_tls_policy_check(p, why);
    if (st != want || (element && !strstr(why, element)) || (reason && !strstr(why, reason)))
        print_error("%s: %#x %s\n", shown, st, why);
    assert_int_equal(st, want);
    assert_int_equal(why[0] != 0, reason != NULL);
    if (element)
        assert_non_null(strstr(why, element));
    if (reason)
        assert_non_null(strstr(why, reason));
}

/* Design 5.6; RFC 9325 4.1, 4.5; RFC 7465; RFC 9155 */
static void test_policy_check_refuses_what_cannot_be_had(void **state)
{
    static const struct row rows[] = {
        {SW_TLS_CIPHERS, "RC4-SHA", "RC4-SHA in ciphers", "RFC 7465"},
        {SW_TLS_CIPHERS, "AES128-SHA:RC4-MD5", "RC4-MD5 in ciphers", "RFC 7465"},
        {SW_TLS_CIPHERS, "ECDHE+AESGCM:NULL-SHA", "NULL-SHA in ciphers", "does not encrypt"},
        {SW_TLS_CIPHERS, "eNULL", "eNULL in ciphers", "does not encrypt"},
        {SW_TLS_CIPHERS, "ECDHE-RSA-NULL-SHA:@SECLEVEL=0", "ECDHE-RSA-NULL-SHA", "RFC 9325"},
        {SW_TLS_CIPHERS, "EXP-DES-CBC-SHA", "EXP-DES-CBC-SHA in ciphers", "export"},
        {SW_TLS_CIPHERS, "EXPORT", "EXPORT in ciphers", "export"},
        {SW_TLS_CIPHERS, "DES-CBC3-SHA", "DES-CBC3-SHA in ciphers", "blocks of 64"},
        {SW_TLS_CIPHERS, "ADH-AES128-SHA", "ADH-AES128-SHA in ciphers", "nobody proves"},
        {SW_TLS_CIPHERS, "aNULL", "aNULL in ciphers", "nobody proves"},
        {SW_TLS_CIPHERS, "ALL", "ciphers contains ADH", "proves nobody"},
        {SW_TLS_CIPHERS, "ALL:COMPLEMENTOFALL", "ciphers contains", "encrypts nothing"},
        {SW_TLS_CIPHERS, "COMPLEMENTOFALL:@SECLEVEL=0", "NULL", "encrypts nothing"},
        {SW_TLS_CIPHERS, "ECDHE-RSA-AES128-GCM-SHA265", "SHA265 in ciphers", "does not know"},
        {SW_TLS_CIPHERS, "ECDHE+AESGCM:AES128-SAH", "AES128-SAH in ciphers", "does not know"},
        {SW_TLS_CIPHERS, "!AES", NULL, "does not take it"},
        {SW_TLS_SUITES, "TLS_AES_128_GCM", "TLS_AES_128_GCM in ciphersuites", "does not know"},
        {SW_TLS_SUITES, "TLS_AES_128_GCM_SHA256:TLS_RSA_WITH_RC4_128_SHA",
         "TLS_RSA_WITH_RC4_128_SHA in ciphersuites", "RFC 7465"},
        {SW_TLS_GROUPS, "P-256:P-192", "P-192 in groups", "RFC 9325 4.5"},
        {SW_TLS_GROUPS, "sect163k1", "sect163k1 in groups", "RFC 9325 4.5"},
        {SW_TLS_SIGNATURES, "rsa_pkcs1_sha1", "rsa_pkcs1_sha1 in sig", "RFC 9155"},
        {SW_TLS_SIGNATURES, "RSA+SHA256:RSA+MD5", "RSA+MD5 in signature_algorithms", "RFC 9155"},
        {SW_TLS_SIGNATURES, "rsa_pkcs1_sha25", "rsa_pkcs1_sha25 in sig", "does not know"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct sw_tls_policy p = with(rows[i].kind, rows[i].list);
        judge(&p, rows[i].list, SW_PEER_SYNTAX, rows[i].element, rows[i].why);
    }
}

/* RFC 9325 4.1, 4.2 */
static void test_policy_check_warns_of_what_is_weak(void **state)
{
    static const struct row rows[] = {
        {SW_TLS_CIPHERS, "AES128-SHA", "TLS_RSA_WITH_AES_128_CBC_SHA", "no forward secrecy"},
        {SW_TLS_CIPHERS, "ECDHE+AESGCM:AES256-SHA:AES128-SHA", "TLS_RSA_WITH_AES_256_CBC_SHA",
         "and 1 more is weak"},
        {SW_TLS_CIPHERS, "ECDHE-RSA-AES128-SHA256", "TLS_ECDHE_RSA", "no AEAD"},
        {SW_TLS_CIPHERS, "DHE-RSA-AES128-GCM-SHA256", "TLS_DHE_RSA", "is DHE"},
        {SW_TLS_CIPHERS, "ECDHE+AES256", "CCM_8 has a tag of 64 bits", "more are weak"},
        {SW_TLS_CIPHERS, "ECDHE+AESGCM", NULL, NULL},
        {SW_TLS_CIPHERS, "ECDHE-ECDSA-AES256-GCM-SHA384:!RC4:!aNULL:@STRENGTH", NULL, NULL},
        {SW_TLS_SUITES, "TLS_AES_256_GCM_SHA384", NULL, NULL},
        {SW_TLS_SUITES, "TLS_AES_128_CCM_SHA256", NULL, NULL},
        {SW_TLS_GROUPS, "P-521:X448:ffdhe2048:brainpoolP256r1", NULL, NULL},
        {SW_TLS_SIGNATURES, "ECDSA+SHA256:RSA-PSS+SHA256:ed25519", NULL, NULL},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct sw_tls_policy p = with(rows[i].kind, rows[i].list);
        judge(&p, rows[i].list, SW_OK, rows[i].element, rows[i].why);
    }
}

/* RFC 8996; RFC 3261 26.2.1's mandatory suite is one of TLS 1.0 */
static void test_policy_check_warns_of_old_versions(void **state)
{
    struct sw_tls_policy p = with(SW_TLS_CIPHERS, "ECDHE+AESGCM");
    (void)state;
    p.min_version = SW_TLS_1_0;
    judge(&p, "1.0", SW_OK, "TLS 1.0 and 1.1", "for which ciphers has no suite");
    p.min_version = SW_TLS_1_1;
    p.ciphers = "AES128-SHA";
    judge(&p, "1.1", SW_OK, "admits TLS 1.1 (RFC 8996); TLS_RSA_WITH_AES_128_CBC_SHA",
          "no forward secrecy");
    p.max_version = SW_TLS_1_0;
    judge(&p, "1.1 to 1.0", SW_PEER_SYNTAX, "max_version", "below min_version");
    judge(sw_tls_policy_builtin(SW_POLICY_MODERN), "modern", SW_OK, NULL, NULL);
    judge(sw_tls_policy_builtin(SW_POLICY_STANDARD), "standard", SW_OK, NULL, NULL);
    judge(sw_tls_policy_builtin(SW_POLICY_LEGACY), "legacy", SW_OK, "TLS 1.0 and 1.1",
          "no AEAD (RFC 9325 4.2), and 8 more are weak");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy_check_refuses_what_cannot_be_had),
        cmocka_unit_test(test_policy_check_warns_of_what_is_weak),
        cmocka_unit_test(test_policy_check_warns_of_old_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls/policy.h"
#include <stdlib.h>
#include <string.h>

/* True if the word stands in the list, whose separator is ':'. */
static bool has(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = strstr(list, word); p; p = strstr(p + 1, word))
        if ((p == list || p[-1] == ':') && (p[n] == 0 || p[n] == ':'))
            return true;
    return false;
}

/* Calls `f` with each word of a list. */
static unsigned each(const char *list, void (*f)(const char *word))
{
    unsigned count = 0;
    char copy[1024], *save, *word;
    assert_in_range(strlen(list), 1, sizeof(copy) - 1);
    memcpy(copy, list, strlen(list) + 1);
    for (word = strtok_r(copy, ":", &save); word; word = strtok_r(NULL, ":", &save), count++)
        f(word);
    return count;
}

static void test_policy_versions_are_those_of_rfc_9325(void **state)
{
    static const uint16_t versions[SW_POLICIES][2] = {
        [SW_POLICY_MODERN] = {SW_TLS_1_3, SW_TLS_1_3},
        [SW_POLICY_STANDARD] = {SW_TLS_1_2, SW_TLS_1_3}, /* RFC 9325 3.1.1: nothing older */
        [SW_POLICY_LEGACY] = {SW_TLS_1_0, SW_TLS_1_3},
    };
    (void)state;
    for (unsigned i = 0; i < SW_POLICIES; i++) {
        const struct sw_tls_policy *p = sw_tls_policy_builtin(i);
        assert_int_equal(p->min_version, versions[i][0]);
        assert_int_equal(p->max_version, versions[i][1]);
    }
}

/* RFC 9325 4.1: no static RSA, no CBC, no SHA-1, nothing weaker than 128 bits */
static void is_ephemeral_aead(const char *word)
{
    assert_int_equal(strncmp(word, "ECDHE-", 6), 0);
    assert_true(strstr(word, "GCM") || strstr(word, "CHACHA20-POLY1305"));
}

/* RFC 9325 4.1 and design 5.6: these cannot be had under any policy */
static void is_not_broken(const char *word)
{
    static const char *const never[] = {"NULL", "EXP",   "RC4", "RC2", "DES", "MD5",
                                        "ADH",  "AECDH", "ALL", "PSK", "SRP", "eNULL"};
    for (unsigned i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        assert_null(strstr(word, never[i]));
}

static void test_policy_suites_are_ephemeral_and_authenticated_unless_legacy(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SW_POLICIES; i++) {
        const struct sw_tls_policy *p = sw_tls_policy_builtin(i);
        if (i != SW_POLICY_LEGACY)
            assert_true(each(p->ciphers, is_ephemeral_aead) >= 4);
        each(p->ciphers, is_not_broken);
        each(p->ciphersuites, is_not_broken);
    }
}

/* RFC 9325 4.2, RFC 8446 9.1, RFC 3261 26.2.1 */
static void test_policy_suites_that_the_standards_ask_for_are_offered(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SW_POLICIES; i++) {
        const struct sw_tls_policy *p = sw_tls_policy_builtin(i);
        assert_true(has(p->ciphers, "ECDHE-RSA-AES128-GCM-SHA256"));
        assert_true(has(p->ciphers, "ECDHE-RSA-AES256-GCM-SHA384"));
        assert_true(has(p->ciphers, "ECDHE-ECDSA-AES128-GCM-SHA256"));
        assert_true(has(p->ciphers, "ECDHE-ECDSA-AES256-GCM-SHA384"));
        assert_true(has(p->ciphersuites, "TLS_AES_128_GCM_SHA256"));
        assert_true(has(p->ciphersuites, "TLS_AES_256_GCM_SHA384"));
        assert_true(has(p->ciphersuites, "TLS_CHACHA20_POLY1305_SHA256"));
        assert_true(has(p->groups, "X25519"));
        assert_true(has(p->groups, "P-256"));
        assert_int_equal(has(p->ciphers, "AES128-SHA"), i == SW_POLICY_LEGACY);
    }
}

/* What is weak comes last: a peer that knows better gets better. */
static void test_policy_legacy_prefers_what_the_others_have(void **state)
{
    const char *standard = sw_tls_policy_builtin(SW_POLICY_STANDARD)->ciphers;
    const char *legacy = sw_tls_policy_builtin(SW_POLICY_LEGACY)->ciphers;
    (void)state;
    assert_int_equal(strncmp(legacy, standard, strlen(standard)), 0);
    assert_int_equal(legacy[strlen(standard)], ':');
}

/* OpenSSL's levels: 2 is 112 bits and no SHA-1 */
static void test_policy_strength_is_only_legacys_to_lower(void **state)
{
    (void)state;
    assert_int_equal(sw_tls_policy_builtin(SW_POLICY_MODERN)->security_level, 2);
    assert_int_equal(sw_tls_policy_builtin(SW_POLICY_STANDARD)->security_level, 2);
    assert_int_equal(sw_tls_policy_builtin(SW_POLICY_LEGACY)->security_level, 0);
}

static void test_policy_of_an_unknown_number_is_standard(void **state)
{
    const struct sw_tls_policy *standard = sw_tls_policy_builtin(SW_POLICY_STANDARD);
    (void)state;
    assert_ptr_equal(sw_tls_policy_builtin(SW_POLICIES), standard);
    assert_ptr_equal(sw_tls_policy_builtin(UINT32_MAX), standard);
}

static void test_policy_number_and_name_belong_together(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SW_POLICIES; i++)
        assert_int_equal(sw_tls_policy_builtin_find(sw_slice_str(sw_tls_policy_builtin(i)->name)),
                         i);
    assert_int_equal(sw_tls_policy_builtin_find(SW_SLICE("Standard")), -1);
    assert_int_equal(sw_tls_policy_builtin_find(SW_SLICE("standar")), -1);
    assert_int_equal(sw_tls_policy_builtin_find(SW_SLICE("standard\0")), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy_versions_are_those_of_rfc_9325),
        cmocka_unit_test(test_policy_suites_are_ephemeral_and_authenticated_unless_legacy),
        cmocka_unit_test(test_policy_suites_that_the_standards_ask_for_are_offered),
        cmocka_unit_test(test_policy_legacy_prefers_what_the_others_have),
        cmocka_unit_test(test_policy_strength_is_only_legacys_to_lower),
        cmocka_unit_test(test_policy_of_an_unknown_number_is_standard),
        cmocka_unit_test(test_policy_number_and_name_belong_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

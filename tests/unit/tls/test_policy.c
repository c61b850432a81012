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

/* RFC 9155: no SHA-1, no MD5; RFC 8446 9.1: these three at least */
static void is_sha_2(const char *word)
{
    assert_true(strstr(word, "sha256") || strstr(word, "sha384") || strstr(word, "sha512") ||
                strcmp(word, "ed25519") == 0 || strcmp(word, "ed448") == 0);
}

static void test_policy_signatures_are_of_sha_2_in_all(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SW_POLICIES; i++) {
        const char *list = sw_tls_policy_builtin(i)->signature_algorithms;
        assert_true(each(list, is_sha_2) >= 3);
        assert_true(has(list, "rsa_pkcs1_sha256"));
        assert_true(has(list, "rsa_pss_rsae_sha256"));
        assert_true(has(list, "ecdsa_secp256r1_sha256"));
    }
}

static void test_policy_lists_are_cut_into_elements(void **state)
{
    static const char *const want[] = {"A", "B+C", "!D", "@STRENGTH"};
    struct sw_slice list = SW_SLICE("::A:B+C, !D;@STRENGTH:"), element;
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        assert_true(sw_tls_list_next(&list, &element));
        assert_true(sw_slice_eq(element, sw_slice_str(want[i])));
    }
    assert_false(sw_tls_list_next(&list, &element));
    assert_int_equal(element.n, 0);
}

/* RFC 9325 4.1, 4.5; RFC 7465; RFC 9155: whatever the library of the build has */
static void test_policy_elements_that_none_may_have_are_known(void **state)
{
    static const struct {
        enum sw_tls_list kind;
        const char *element, *why;
    } rows[] = {
        {SW_TLS_CIPHERS, "RC4-SHA", "RFC 7465"},
        {SW_TLS_CIPHERS, "ECDHE-RSA-RC4-SHA", "RFC 7465"},
        {SW_TLS_CIPHERS, "kRSA+RC4", "RFC 7465"},
        {SW_TLS_CIPHERS, "rc4", "RFC 7465"},
        {SW_TLS_CIPHERS, "NULL-SHA256", "does not encrypt"},
        {SW_TLS_CIPHERS, "eNULL", "does not encrypt"},
        {SW_TLS_CIPHERS, "TLS_RSA_WITH_NULL_SHA", "does not encrypt"},
        {SW_TLS_CIPHERS, "aNULL", "nobody proves"},
        {SW_TLS_CIPHERS, "ADH-AES256-SHA", "nobody proves"},
        {SW_TLS_CIPHERS, "AECDH-AES128-SHA", "nobody proves"},
        {SW_TLS_CIPHERS, "TLS_DH_anon_WITH_AES_128_CBC_SHA", "nobody proves"},
        {SW_TLS_CIPHERS, "EXP-RC4-MD5", "export"},
        {SW_TLS_CIPHERS, "EXP1024-DES-CBC-SHA", "export"},
        {SW_TLS_CIPHERS, "TLS_RSA_EXPORT_WITH_RC2_CBC_40_MD5", "export"},
        {SW_TLS_CIPHERS, "EXPORT", "export"},
        {SW_TLS_CIPHERS, "LOW", "112 bits"},
        {SW_TLS_CIPHERS, "DES-CBC3-SHA", "blocks of 64"},
        {SW_TLS_CIPHERS, "3DES", "blocks of 64"},
        {SW_TLS_CIPHERS, "IDEA-CBC-SHA", "blocks of 64"},
        {SW_TLS_CIPHERS, "DHE-DSS-AES128-SHA", "DSA"},
        {SW_TLS_CIPHERS, "MD5", "MD5"},
        {SW_TLS_SUITES, "TLS_RSA_WITH_RC4_128_SHA", "RFC 7465"},
        {SW_TLS_GROUPS, "P-192", "RFC 9325 4.5"},
        {SW_TLS_GROUPS, "secp160r1", "RFC 9325 4.5"},
        {SW_TLS_GROUPS, "sect163k1", "RFC 9325 4.5"},
        {SW_TLS_SIGNATURES, "rsa_pkcs1_sha1", "RFC 9155"},
        {SW_TLS_SIGNATURES, "ECDSA+SHA1", "RFC 9155"},
        {SW_TLS_SIGNATURES, "RSA+MD5", "RFC 9155"},
        {SW_TLS_SIGNATURES, "DSA+SHA256", "DSA"},
        {SW_TLS_CIPHERS, "!RC4", NULL},
        {SW_TLS_CIPHERS, "-aNULL", NULL},
        {SW_TLS_CIPHERS, "AES128-SHA", NULL},
        {SW_TLS_CIPHERS, "ECDHE+AESGCM", NULL},
        {SW_TLS_CIPHERS, "", NULL},
        {SW_TLS_SUITES, "TLS_AES_128_GCM_SHA256", NULL},
        {SW_TLS_GROUPS, "p-256", NULL},
        {SW_TLS_SIGNATURES, "ECDSA+SHA256", NULL},
        {SW_TLS_SIGNATURES, "ecdsa_secp256r1_sha256", NULL},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *why = sw_tls_list_never(rows[i].kind, sw_slice_str(rows[i].element));
        if (rows[i].why && (!why || !strstr(why, rows[i].why)))
            print_error("%s: %s\n", rows[i].element, why ? why : "may be");
        assert_int_equal(why != NULL, rows[i].why != NULL);
        if (why)
            assert_non_null(strstr(why, rows[i].why));
    }
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
        cmocka_unit_test(test_policy_signatures_are_of_sha_2_in_all),
        cmocka_unit_test(test_policy_lists_are_cut_into_elements),
        cmocka_unit_test(test_policy_elements_that_none_may_have_are_known),
        cmocka_unit_test(test_policy_of_an_unknown_number_is_standard),
        cmocka_unit_test(test_policy_number_and_name_belong_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

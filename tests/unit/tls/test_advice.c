/* What is advised against a handshake that failed: it must be true, and admit no more than is
 * needed.
 */
#include "tls/openssl_words.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { STANDARD_SUITE = 0xc02f, LEGACY_SUITE = 0x002f, SUITE_1_3 = 0x1301, CAMELLIA = 0x0041 };
enum { V1_0 = 1 << 1, V1_1 = 1 << 2, V1_2 = 1 << 3, V1_3 = 1 << 4 };

static struct sw_tls_trouble failed(unsigned policy)
{
    return (struct sw_tls_trouble){.alert = -1, .policy = sw_tls_policy_builtin(policy)};
}

static void assert_says(const char *help, const char *word)
{
    if (!help || !strstr(help, word))
        fail_msg("\"%s\" does not say %s", help ? help : "-", word);
}

static void assert_silent(const char *help, const char *word)
{
    if (strstr(help, word))
        fail_msg("\"%s\" says %s", help, word);
}

/* RFC 8446 6.2: protocol_version; the server's own versions are not known. */
static void test_advice_against_protocol_version_admits_what_is_needed(void **state)
{
    (void)state;
    struct sw_tls_trouble x = failed(SW_POLICY_MODERN);
    x.alert = SSL_AD_PROTOCOL_VERSION;
    assert_says(sw_tls_trouble_help(SW_CRYPTO_ALERT, &x), "policy standard on this peer alone");
    x.policy = sw_tls_policy_builtin(SW_POLICY_STANDARD);
    assert_says(sw_tls_trouble_help(SW_CRYPTO_ALERT, &x), "policy legacy on this peer alone");
    x.policy = sw_tls_policy_builtin(SW_POLICY_LEGACY);
    assert_silent(sw_tls_trouble_help(SW_CRYPTO_ALERT, &x), "legacy");
    const struct sw_tls_policy old = {"old", SW_TLS_1_0, SW_TLS_1_2, "AES128-SHA", "", "", "", 0};
    x.policy = &old;
    assert_says(sw_tls_trouble_help(SW_CRYPTO_ALERT, &x), "standard has TLS 1.3");
}

/* A hello that came says what would do. RFC 5246 E.1, RFC 8446 4.2.1 */
static void test_advice_names_the_least_policy_that_would_do(void **state)
{
    static const struct {
        unsigned policy, versions, listed, answer, suite;
        int reason;
        const char *says;
    } rows[] = {
        {SW_POLICY_MODERN, V1_2, 0, 0, STANDARD_SUITE, SSL_R_UNSUPPORTED_PROTOCOL, "standard has"},
        {SW_POLICY_MODERN, V1_2, 0, 0, LEGACY_SUITE, SSL_R_UNSUPPORTED_PROTOCOL, "policy legacy"},
        {SW_POLICY_MODERN, V1_1, 0, 0, LEGACY_SUITE, SSL_R_VERSION_TOO_LOW, "policy legacy"},
        {SW_POLICY_MODERN, V1_2, 0, 1, STANDARD_SUITE, SSL_R_UNSUPPORTED_PROTOCOL, "standard has"},
        {SW_POLICY_STANDARD, V1_2 | V1_1, 1, 0, LEGACY_SUITE, SSL_R_NO_SHARED_CIPHER, "legacy"},
        {SW_POLICY_STANDARD, V1_0, 0, 0, LEGACY_SUITE, SSL_R_UNSUPPORTED_PROTOCOL, "legacy"},
        {SW_POLICY_STANDARD, V1_2, 0, 0, CAMELLIA, SSL_R_NO_SHARED_CIPHER, "neither"},
        {SW_POLICY_STANDARD, V1_2, 0, 0, STANDARD_SUITE, SSL_R_NO_SHARED_CIPHER, "kind of key"},
        {SW_POLICY_STANDARD, 0, 0, 0, LEGACY_SUITE, SSL_R_UNSUPPORTED_PROTOCOL, "neither"},
        {SW_POLICY_STANDARD, V1_3, 1, 0, SUITE_1_3, SSL_R_NO_SUITABLE_KEY_SHARE, "groups"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct sw_tls_offer o = {.versions = (uint8_t)rows[i].versions,
                                       .listed = rows[i].listed,
                                       .answer = rows[i].answer,
                                       .suite_count = 1,
                                       .suites = {(uint16_t)rows[i].suite}};
        struct sw_tls_trouble x = failed(rows[i].policy);
        x.library = ERR_PACK(ERR_LIB_SSL, 0, rows[i].reason);
        x.offer = &o;
        assert_says(sw_tls_trouble_help(SW_CRYPTO, &x), rows[i].says);
    }
}

/* RFC 8446 6.2: certificate_required is sent when all else was agreed on. */
static void test_advice_against_certificate_required_has_no_suites_in_it(void **state)
{
    (void)state;
    struct sw_tls_trouble x = failed(SW_POLICY_STANDARD);
    x.alert = SSL_AD_CERTIFICATE_REQUIRED;
    assert_says(sw_tls_trouble_help(SW_CRYPTO_ALERT, &x), "identity");
    assert_silent(sw_tls_trouble_help(SW_CRYPTO_ALERT, &x), "suite");
}

/* RFC 5246 7.2.2: handshake_failure is for both. */
static void test_advice_against_handshake_failure_knows_what_was_agreed_on(void **state)
{
    const struct sw_tls_offer chosen = {.answer = true, .versions = V1_2};
    (void)state;
    struct sw_tls_trouble x = failed(SW_POLICY_STANDARD);
    x.alert = SSL_AD_HANDSHAKE_FAILURE;
    assert_says(sw_tls_trouble_help(SW_CRYPTO_ALERT, &x), "no suite or group in common");
    x.offer = &chosen;
    assert_says(sw_tls_trouble_help(SW_CRYPTO_ALERT, &x), "wants a certificate of ours");
    assert_silent(sw_tls_trouble_help(SW_CRYPTO_ALERT, &x), "in common");
}

static void test_advice_on_an_open_connection_blames_no_suite(void **state)
{
    char why[SW_WHY_MAX] = {0};
    struct sw_buf b = sw_buf(why, sizeof(why) - 1);
    (void)state;
    struct sw_tls_trouble x = failed(SW_POLICY_STANDARD);
    x.alert = SSL_AD_HANDSHAKE_FAILURE;
    x.settled = true;
    assert_silent(sw_tls_trouble_help(SW_CRYPTO_ALERT, &x), "suite");
    x.refused_renegotiations = 1;
    assert_says(sw_tls_trouble_help(SW_CRYPTO_ALERT, &x), "without renegotiation");
    sw_tls_trouble_why(&b, &x);
    assert_says(why, "ended the open connection with alert handshake_failure, after its renegoti");
    assert_silent(why, "policy");
}

static void test_advice_against_no_certificate_says_whose_it_would_be(void **state)
{
    (void)state;
    struct sw_tls_trouble x = failed(SW_POLICY_STANDARD);
    const char *help = sw_tls_trouble_help(SW_CRYPTO_NO_CERT, &x);
    assert_says(help, "client_certificate: request");
    assert_says(help, "nobody");
    assert_says(help, "without_certificate: allow");
}

/* RFC 5280 4.2.1.13, 4.2.2.1 */
static void test_advice_where_there_is_nobody_to_ask(void **state)
{
    (void)state;
    struct sw_tls_trouble x = failed(SW_POLICY_STANDARD);
    x.verify_error = X509_V_ERR_UNABLE_TO_GET_CRL;
    assert_says(sw_tls_trouble_help(SW_CRYPTO_VERIFY, &x), "responder up");
    x.names_no_source = true;
    assert_silent(sw_tls_trouble_help(SW_CRYPTO_VERIFY, &x), "responder up");
    assert_says(sw_tls_trouble_help(SW_CRYPTO_VERIFY, &x), "nobody to ask");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_advice_against_protocol_version_admits_what_is_needed),
        cmocka_unit_test(test_advice_names_the_least_policy_that_would_do),
        cmocka_unit_test(test_advice_against_certificate_required_has_no_suites_in_it),
        cmocka_unit_test(test_advice_against_handshake_failure_knows_what_was_agreed_on),
        cmocka_unit_test(test_advice_on_an_open_connection_blames_no_suite),
        cmocka_unit_test(test_advice_against_no_certificate_says_whose_it_would_be),
        cmocka_unit_test(test_advice_where_there_is_nobody_to_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

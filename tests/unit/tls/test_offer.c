#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/random.h"
#include "tls/offer.h"
#include <stdlib.h>

#define RANDOM "0123456789abcdef0123456789abcdef"

/* RFC 8446 4.1.2: session id, two suites and a signal, no compression, four extensions */
static const char hello[] = "\x01\x00\x00\x57\x03\x03" RANDOM "\x01s"
                            "\x00\x06\x13\x01\x00\x05\x00\xff"
                            "\x01\x00"
                            "\x00\x21"
                            "\x00\x2b\x00\x07\x06\x2a\x2a\x03\x04\x03\x02"
                            "\x00\x0a\x00\x06\x00\x04\x00\x1d\x12\x34"
                            "\x00\x0d\x00\x04\x00\x02\x08\x04"
                            "\x00\x17\x00\x00";

/* RFC 2246 7.4.1.2: no extensions */
static const char old_hello[] = "\x01\x00\x00\x29\x03\x01" RANDOM "\x00"
                                "\x00\x02\x00\x2f"
                                "\x01\x00";

/* RFC 8446 4.1.3: TLS 1.2 chosen; then by extension TLS 1.3 */
static const char answer[] = "\x02\x00\x00\x26\x03\x03" RANDOM "\x00\xc0\x2f\x00";
static const char answer_1_3[] = "\x02\x00\x00\x2e\x03\x03" RANDOM "\x00\x13\x02\x00"
                                 "\x00\x06\x00\x2b\x00\x02\x03\x04";

#define BYTES(text) sw_slice(text, sizeof(text) - 1)

static void assert_gap(struct sw_slice message, enum sw_tls_gap gap, const char *want)
{
    char text[256];
    struct sw_buf b = sw_buf(text, sizeof(text) - 1);
    struct sw_tls_offer o;
    assert_true(sw_tls_offer_read(message, &o));
    sw_tls_offer_put_gap(&b, &o, gap);
    text[b.n] = 0;
    assert_string_equal(text, want);
}

static void test_offer_names_what_a_client_has(void **state)
{
    (void)state;
    assert_gap(BYTES(hello), SW_TLS_GAP_VERSION, "the peer offers TLS 1.3, TLS 1.1");
    assert_gap(BYTES(hello), SW_TLS_GAP_SUITE,
               "the peer offers TLS 1.3, TLS 1.1 with TLS_AES_128_GCM_SHA256, "
               "TLS_RSA_WITH_RC4_128_SHA");
    assert_gap(BYTES(hello), SW_TLS_GAP_GROUP,
               "the peer offers TLS 1.3, TLS 1.1 with the groups x25519, 0x1234");
    assert_gap(BYTES(hello), SW_TLS_GAP_SIGNATURE,
               "the peer offers TLS 1.3, TLS 1.1 with the signatures rsa_pss_rsae_sha256");
    assert_gap(BYTES(old_hello), SW_TLS_GAP_VERSION, "the peer offers at most TLS 1.0");
    assert_gap(BYTES(old_hello), SW_TLS_GAP_GROUP,
               "the peer offers at most TLS 1.0 with the groups none");
}

/* RFC 6066 3 */
static const char named[] = "\x01\x00\x00\x3d\x03\x03" RANDOM "\x00"
                            "\x00\x02\x13\x01"
                            "\x01\x00"
                            "\x00\x0f"
                            "\x00\x00\x00\x0b\x00\x09\x00\x00\x06"
                            "a.test";

static void test_offer_has_the_server_name_that_is_asked_for(void **state)
{
    struct sw_tls_offer o;
    char damaged[sizeof(named)];
    (void)state;
    assert_true(sw_tls_offer_read(BYTES(named), &o));
    assert_int_equal(o.name_n, 6);
    assert_memory_equal(o.name, "a.test", 6);
    memcpy(damaged, named, sizeof(named));
    damaged[sizeof(named) - 10] = 1; /* a type of name that nobody knows */
    assert_true(sw_tls_offer_read(BYTES(damaged), &o));
    assert_int_equal(o.name_n, 0);
    assert_true(sw_tls_offer_read(BYTES(hello), &o));
    assert_int_equal(o.name_n, 0);
}

static void test_offer_tells_versions_and_suites(void **state)
{
    char text[128];
    struct sw_buf b = sw_buf(text, sizeof(text) - 1);
    struct sw_tls_offer o;
    (void)state;
    assert_true(sw_tls_offer_read(BYTES(hello), &o));
    sw_tls_offer_put(&b, &o);
    text[b.n] = 0;
    assert_string_equal(text, "TLS 1.3, TLS 1.1: TLS_AES_128_GCM_SHA256, TLS_RSA_WITH_RC4_128_SHA");
}

static void test_offer_names_what_a_server_chose(void **state)
{
    (void)state;
    assert_gap(BYTES(answer), SW_TLS_GAP_VERSION, "the peer chose TLS 1.2");
    assert_gap(BYTES(answer_1_3), SW_TLS_GAP_SUITE,
               "the peer chose TLS 1.3 with TLS_AES_256_GCM_SHA384");
}

static void test_offer_tells_the_versions_of_a_policy(void **state)
{
    char text[64];
    struct sw_buf b = sw_buf(text, sizeof(text) - 1);
    (void)state;
    sw_tls_policy_put_versions(&b, sw_tls_policy_builtin(SW_POLICY_LEGACY));
    sw_buf_lit(&b, ", ");
    sw_tls_policy_put_versions(&b, sw_tls_policy_builtin(SW_POLICY_MODERN));
    text[b.n] = 0;
    assert_string_equal(text, "TLS 1.0 to TLS 1.3, TLS 1.3");
}

/* A line of the log has an end: what does not fit is counted. */
static void test_offer_counts_what_has_no_room(void **state)
{
    char text[112];
    struct sw_tls_offer o = {.versions = 1 << 3, .suite_count = 200};
    struct sw_buf b = sw_buf(text, sizeof(text) - 1);
    (void)state;
    for (unsigned i = 0; i < SW_TLS_OFFER_SUITES; i++)
        o.suites[i] = 0xc02f;
    sw_tls_offer_put_gap(&b, &o, SW_TLS_GAP_SUITE);
    text[b.n] = 0;
    assert_false(b.full);
    assert_string_equal(text, "the peer offers at most TLS 1.2 with "
                              "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 and 199 more");
}

/* Each cut and many damaged hellos, in memory of exactly their size. */
static void test_offer_of_broken_hellos_is_none_or_less(void **state)
{
    struct sw_tls_offer o;
    struct rng random = rng_start("offer");
    (void)state;
    for (size_t n = 0; n < sizeof(hello) - 1; n++) {
        char *cut = malloc(n ? n : 1);
        memcpy(cut, hello, n);
        bool read = sw_tls_offer_read(sw_slice(cut, n), &o);
        assert_int_equal(read, n >= 50); /* from there on it is one without extensions */
        free(cut);
    }
    for (unsigned i = 0; i < 20000; i++) {
        char *bad = malloc(sizeof(hello) - 1);
        memcpy(bad, hello, sizeof(hello) - 1);
        for (unsigned k = 0; k < 3; k++)
            bad[rng_below(&random, sizeof(hello) - 1)] = (char)rng_below(&random, 256);
        if (sw_tls_offer_read(sw_slice(bad, sizeof(hello) - 1), &o))
            assert_true(o.suite_count <= sizeof(hello) / 2);
        free(bad);
    }
    assert_false(sw_tls_offer_read(SW_SLICE("\x0b" RANDOM RANDOM), &o));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offer_names_what_a_client_has),
        cmocka_unit_test(test_offer_has_the_server_name_that_is_asked_for),
        cmocka_unit_test(test_offer_tells_versions_and_suites),
        cmocka_unit_test(test_offer_names_what_a_server_chose),
        cmocka_unit_test(test_offer_tells_the_versions_of_a_policy),
        cmocka_unit_test(test_offer_counts_what_has_no_room),
        cmocka_unit_test(test_offer_of_broken_hellos_is_none_or_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

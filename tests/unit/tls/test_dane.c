#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/tlspair.h"

/* RFC 8446 6 */
enum { BAD_CERTIFICATE = 42 };

enum { PKIX_TA, PKIX_EE, DANE_TA, DANE_EE };
enum { CERT, SPKI };
enum { FULL, SHA2_256, SHA2_512 };

static struct sw_tls_worker *g_worker;
static struct sw_trust_entry g_entry = {.id = 77, .depth = 3};
static struct sw_trust *g_trust;
static struct pair g_pair;
static char g_records[8192];
static size_t g_records_n;

/* The server's certificates, by their files. */
enum { KNOWN, UNKNOWN, EXPIRED, WEAK, SHA1, BELOW_WEAK, SERVERS };
static struct sw_tls_identity *g_server[SERVERS];

static int start(void **state)
{
    static const struct pki_cert certs[] = {
        {.name = "ca", .subject = "/CN=Known CA", .options = PKI_CA},
        {.name = "other", .subject = "/CN=Other CA", .options = PKI_CA},
        {.name = "known", .issuer = "ca", .subject = "/CN=known"},
        {.name = "unknown", .issuer = "other", .subject = "/CN=unknown"},
        {.name = "expired", .issuer = "other", .subject = "/CN=expired", .days = -1},
        {.name = "weak", .issuer = "other", .subject = "/CN=weak", .key = "rsa:1024"},
        {.name = "sha1", .issuer = "other", .subject = "/CN=sha1", .options = "-sha1"},
        {.name = "weakca", .subject = "/CN=Weak CA", .options = PKI_CA, .key = "rsa:1024"},
        {.name = "below", .issuer = "weakca", .subject = "/CN=below"},
    };
    if (pki_start(state) != 0)
        return -1;
    for (unsigned i = 0; i < sizeof(certs) / sizeof(certs[0]); i++)
        pki_make(&certs[i]);
    g_server[KNOWN] = pair_identity(1, "known", NULL);
    g_server[UNKNOWN] = pair_identity(2, "unknown", "other.pem");
    g_server[EXPIRED] = pair_identity(3, "expired", "other.pem");
    g_server[WEAK] = pair_identity(4, "weak", "other.pem");
    g_server[SHA1] = pair_identity(5, "sha1", NULL);
    g_server[BELOW_WEAK] = pair_identity(6, "below", NULL);
    g_entry.anchors = pki_certs("ca.pem");
    g_trust = sw_trust_new((const struct sw_trust_entry *const[]){&g_entry}, 1);
    g_worker = pair_worker(NULL);
    return g_trust ? 0 : -1;
}

static int finish(void **state)
{
    sw_tls_worker_free(g_worker);
    sw_trust_free(g_trust);
    sw_certs_free(&g_entry.anchors);
    for (unsigned i = 0; i < SERVERS; i++)
        pair_identity_free(g_server[i]);
    return pki_finish(state);
}

static int no_records(void **state)
{
    (void)state;
    g_records_n = 0;
    return 0;
}

static int hang_up(void **state)
{
    (void)state;
    pair_close(&g_pair);
    g_pair.client.t = g_pair.server.t = NULL;
    return 0;
}

/* A record of a certificate, made by the openssl command. */
static void add(unsigned usage, unsigned selector, unsigned matching, const char *name)
{
    static const char *const digest[] = {"cat", "openssl dgst -binary -sha256",
                                         "openssl dgst -binary -sha512"};
    static const char *const what[] = {
        "openssl x509 -in %s.pem -outform DER | %s > data",
        "openssl x509 -in %s.pem -noout -pubkey | openssl pkey -pubin -outform DER | %s > data"};
    char command[256];
    struct sw_slice data;
    snprintf(command, sizeof(command), what[selector], name, digest[matching]);
    assert_int_equal(system(command), 0);
    assert_int_equal(sw_file_read("data", 4096, &data), SW_OK);
    size_t n = data.n;
    const char head[] = {(char)((n + 3) >> 8), (char)(n + 3), (char)usage, (char)selector,
                         (char)matching};
    assert_true(g_records_n + sizeof(head) + n <= sizeof(g_records));
    memcpy(g_records + g_records_n, head, sizeof(head));
    memcpy(g_records + g_records_n + sizeof(head), data.p, n);
    g_records_n += sizeof(head) + n;
    free((char *)(uintptr_t)data.p);
}

/* Both sides under the records; the client's status. */
static enum sw_status shake(unsigned server, const struct sw_trust *trust)
{
    const struct sw_tls_params s = {
        .server = true, .policy = SW_POLICY_LEGACY, .identity = g_server[server]};
    const struct sw_tls_params c = {
        .policy = SW_POLICY_LEGACY, .trust = trust, .server_name = "example.test", .scope = "peer"};
    pair_open(&g_pair, g_worker, &c, &s, NULL);
    assert_int_equal(sw_tls_dane(g_pair.client.t, sw_slice(g_records, g_records_n)), SW_OK);
    pair_shake(&g_pair);
    return g_pair.client.status;
}

static bool vouched(uint32_t id)
{
    struct sw_ident *i = sw_tls_take_ident(g_pair.client.t);
    assert_non_null(i);
    bool yes = sw_ident_vouched(i, id);
    if (yes && id == SW_VOUCHED_DANE_EE)
        assert_int_equal(sw_ident_uses(i, id), SW_USE_ALL);
    sw_ident_free(i);
    return yes;
}

static void refused(unsigned server, const struct sw_trust *trust, const char *code)
{
    assert_int_equal(shake(server, trust), SW_CRYPTO_VERIFY);
    assert_string_equal(g_pair.client.said.code, code);
    hang_up(NULL);
}

/* RFC 6698 2.1.1 to 2.1.3, RFC 7671 5.1: each selector and matching type of usage 3 */
static void test_dane_ee_vouches_for_the_certificate_or_its_key(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 6; k++) {
        g_records_n = 0;
        add(DANE_EE, k / 3, k % 3, "unknown");
        assert_int_equal(shake(UNKNOWN, k % 2 ? g_trust : NULL), SW_OK);
        assert_true(vouched(SW_VOUCHED_DANE_EE));
        hang_up(NULL);
        refused(KNOWN, g_trust, "dane_no_match"); /* whatever trust says: RFC 6698 2.1 */
        assert_int_equal(g_pair.client.said.alert, BAD_CERTIFICATE);
    }
}

/* "the expiration date of the server certificate MUST be ignored": RFC 7671 5.1. Not so the
 * strength of its key. */
static void test_dane_ee_ignores_dates_and_not_strength(void **state)
{
    (void)state;
    add(DANE_EE, SPKI, SHA2_256, "expired");
    assert_int_equal(shake(EXPIRED, NULL), SW_OK);
    assert_true(vouched(SW_VOUCHED_DANE_EE));
    hang_up(NULL);
    g_records_n = 0;
    add(DANE_EE, SPKI, SHA2_256, "weak");
    refused(WEAK, NULL, "key_too_weak");
}

/* RFC 7671 5.2: the chain must hold, with its dates; the CA comes with it, or as a "2 0 0" */
static void test_dane_ta_vouches_for_a_chain(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 6; k++) {
        g_records_n = 0;
        add(DANE_TA, k / 3, k % 3, "other");
        assert_int_equal(shake(UNKNOWN, k % 2 ? g_trust : NULL), SW_OK);
        assert_true(vouched(SW_VOUCHED_DANE_TA));
        hang_up(NULL);
        refused(EXPIRED, g_trust, "expired");
        refused(KNOWN, g_trust, "dane_no_match");
    }
    g_records_n = 0;
    add(DANE_TA, CERT, FULL, "ca"); /* its chain ends below it */
    assert_int_equal(shake(KNOWN, NULL), SW_OK);
    assert_true(vouched(SW_VOUCHED_DANE_TA));
    hang_up(NULL);
    g_records_n = 0;
    add(DANE_TA, CERT, SHA2_256, "ca"); /* a digest of what did not come: RFC 7671 5.2.2 */
    refused(KNOWN, NULL, "dane_no_match");
}

/* A CA of which only the key is known ("2 1 0") signs no more weakly than one that came. RFC 9325
 * 4.5, RFC 7671 5.2.2 */
static void test_dane_ta_by_key_alone_is_as_strong_as_any(void **state)
{
    (void)state;
    add(DANE_TA, SPKI, FULL, "other");
    refused(SHA1, NULL, "signature_too_weak");
    g_records_n = 0;
    add(DANE_TA, SPKI, FULL, "weakca");
    refused(BELOW_WEAK, NULL, "key_too_weak");
}

/* RFC 7671 5.3, 5.4: usages 0 and 1 add nothing to trust, they take from it. */
static void test_pkix_usages_need_trust_as_well(void **state)
{
    (void)state;
    add(PKIX_EE, SPKI, SHA2_256, "known");
    add(PKIX_TA, CERT, SHA2_512, "other");
    assert_int_equal(shake(KNOWN, g_trust), SW_OK);
    assert_true(vouched(77));
    hang_up(NULL);
    assert_int_not_equal(shake(KNOWN, NULL), SW_OK);
    hang_up(NULL);
    assert_int_not_equal(shake(UNKNOWN, g_trust), SW_OK);
    hang_up(NULL);
    g_records_n = 0;
    add(PKIX_TA, CERT, SHA2_256, "ca");
    assert_int_equal(shake(KNOWN, g_trust), SW_OK);
    assert_true(vouched(77));
    hang_up(NULL);
    g_records_n = 0;
    add(PKIX_EE, SPKI, SHA2_256, "unknown");
    refused(KNOWN, g_trust, "dane_no_match");
}

/* RFC 6698 4.1: "no usable TLSA records" is as without any; one of several is enough. */
static void test_records_that_cannot_be_used_change_nothing(void **state)
{
    (void)state;
    static const char odd[] = {0, 4, 3, 1, 9, 'x', 0, 4, 9, 1, 1, 'x', 0, 5, 3, 0, 0, 'x', 'y'};
    memcpy(g_records, odd, sizeof(odd)); /* matching type, usage, no certificate */
    g_records_n = sizeof(odd);
    assert_int_equal(shake(KNOWN, g_trust), SW_OK);
    assert_true(vouched(77));
    hang_up(NULL);
    assert_int_equal(shake(UNKNOWN, g_trust), SW_CRYPTO_VERIFY);
    assert_string_equal(g_pair.client.said.code, "issuer_unknown");
    hang_up(NULL);
    add(DANE_EE, SPKI, SHA2_256, "known");
    add(DANE_EE, SPKI, SHA2_256, "unknown");
    assert_int_equal(shake(UNKNOWN, g_trust), SW_OK);
    hang_up(NULL);
}

/* A later judgement knows them still, whatever trust is then. */
static void test_records_count_while_the_session_lasts(void **state)
{
    (void)state;
    add(DANE_EE, SPKI, SHA2_256, "unknown");
    assert_int_equal(shake(UNKNOWN, g_trust), SW_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sw_tls_judge_again(g_pair.client.t, i ? g_trust : NULL, false), SW_OK);
        assert_true(vouched(SW_VOUCHED_DANE_EE));
    }
    hang_up(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_dane_ee_vouches_for_the_certificate_or_its_key, no_records),
        cmocka_unit_test_setup(test_dane_ee_ignores_dates_and_not_strength, no_records),
        cmocka_unit_test_setup(test_dane_ta_vouches_for_a_chain, no_records),
        cmocka_unit_test_setup(test_dane_ta_by_key_alone_is_as_strong_as_any, no_records),
        cmocka_unit_test_setup(test_pkix_usages_need_trust_as_well, no_records),
        cmocka_unit_test_setup(test_records_that_cannot_be_used_change_nothing, no_records),
        cmocka_unit_test_setup(test_records_count_while_the_session_lasts, no_records),
    };
    return cmocka_run_group_tests(tests, start, finish);
}

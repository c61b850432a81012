#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/issue.h"
#include "crypto/openssl_types.h"
#include "crypto/show.h"
#include "sip/domain.h"
#include "support/pki.h"
#include <openssl/x509v3.h>
#include <time.h>

enum { DAY_S = 86400 };

static int64_t g_now_s;

/* A CA and its certificate. */
struct ca {
    struct sw_key *key;
    struct sw_cert *cert;
};

static struct ca make_ca(unsigned rsa_bits)
{
    struct ca ca = {0};
    struct sw_issue what = {.common_name = "Test CA",
                            .not_before_s = g_now_s - 3600,
                            .not_after_s = g_now_s + 30 * DAY_S};
    assert_int_equal(sw_serial_make(what.serial), SW_OK);
    assert_int_equal(sw_key_make(rsa_bits, &ca.key), SW_OK);
    assert_int_equal(sw_issue_ca(ca.key, &what, &ca.cert), SW_OK);
    return ca;
}

static void free_ca(struct ca *ca)
{
    sw_key_free(ca->key);
    sw_cert_free(ca->cert);
}

static struct sw_issuer issuer_of(const struct ca *ca)
{
    return (struct sw_issuer){ca->cert, ca->key};
}

/* What a certificate of two domains and an address is made from. */
static struct sw_issue order(bool client, bool server)
{
    static const char *const domains[] = {"a.test", "b.test"};
    static struct sw_endpoint addresses[2];
    struct sw_issue what = {.common_name = "a.test",
                            .not_before_s = g_now_s - 3600,
                            .not_after_s = g_now_s + DAY_S,
                            .domains = domains,
                            .domain_count = 2,
                            .addresses = addresses,
                            .address_count = 2,
                            .client = client,
                            .server = server};
    assert_true(sw_endpoint_ip_parse(SW_SLICE("192.0.2.1"), &addresses[0]));
    assert_true(sw_endpoint_ip_parse(SW_SLICE("2001:db8::1"), &addresses[1]));
    assert_int_equal(sw_serial_make(what.serial), SW_OK);
    return what;
}

static struct sw_cert *make_leaf(const struct ca *ca, const struct sw_issue *what,
                                 unsigned rsa_bits)
{
    struct sw_issuer by = issuer_of(ca);
    struct sw_key *key = NULL;
    struct sw_cert *cert = NULL;
    assert_int_equal(sw_key_make(rsa_bits, &key), SW_OK);
    assert_int_equal(sw_issue_cert(&by, key, what, &cert), SW_OK);
    assert_true(sw_key_fits(key, cert));
    sw_key_free(key);
    return cert;
}

/* Judges a leaf as a handshake does; `uses`: what it may be used for, enum sw_use. */
static int judge_uses(const struct ca *ca, const struct sw_cert *leaf, struct sw_crl *crl,
                      bool of_client, uint8_t *uses)
{
    struct sw_cert *anchor = ca->cert;
    struct sw_trust_entry e = {.id = 1, .depth = 1, .anchors = {&anchor, 1}, .crls = {&crl, !!crl}};
    const struct sw_trust_entry *entries[] = {&e};
    struct sw_trust *trust = sw_trust_new(entries, 1);
    struct sw_leafcache *cache = sw_leafcache_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    struct sw_trust_verdict verdict;
    assert_true(trust && cache && ctx);
    assert_int_equal(X509_STORE_CTX_init(ctx, sw_trust_store(trust), sw_x509(leaf), NULL), 1);
    assert_int_equal(X509_STORE_CTX_set_default(ctx, of_client ? "ssl_client" : "ssl_server"), 1);
    sw_trust_verify(trust, ctx, &(struct sw_trust_ask){.of_client = of_client}, cache, &verdict);
    X509_STORE_CTX_free(ctx);
    sw_leafcache_free(cache);
    sw_trust_free(trust);
    if (uses)
        *uses = verdict.vouched.count ? verdict.vouched.uses[0] : 0;
    return verdict.error;
}

static int judge(const struct ca *ca, const struct sw_cert *leaf, struct sw_crl *crl,
                 bool of_client)
{
    return judge_uses(ca, leaf, crl, of_client, NULL);
}

static void test_issue_chain_is_believed_in_both_roles(void **state)
{
    static const unsigned rsa_bits[] = {0, 2048};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct ca ca = make_ca(rsa_bits[i]), other = make_ca(0);
        struct sw_issue what = order(true, true);
        struct sw_cert *leaf = make_leaf(&ca, &what, rsa_bits[i]);
        assert_int_equal(judge(&ca, leaf, NULL, true), X509_V_OK);
        assert_int_equal(judge(&ca, leaf, NULL, false), X509_V_OK);
        /* a CA of the same name is another one by its key: RFC 5280 4.2.1.1 */
        assert_int_not_equal(judge(&other, leaf, NULL, true), X509_V_OK);
        sw_cert_free(leaf);
        free_ca(&ca);
        free_ca(&other);
    }
}

static void test_issue_purpose_limits_the_role(void **state)
{
    struct ca ca = make_ca(0);
    struct sw_cert_details d;
    (void)state;
    struct sw_issue what = order(true, false);
    struct sw_cert *leaf = make_leaf(&ca, &what, 0);
    uint8_t uses;
    assert_int_equal(judge_uses(&ca, leaf, NULL, true, &uses), X509_V_OK);
    assert_int_equal(uses & (SW_USE_CLIENT | SW_USE_SERVER), SW_USE_CLIENT);
    sw_cert_details(leaf, &d);
    assert_string_equal(d.purposes, "clientAuth sipDomain");
    sw_cert_free(leaf);
    what = order(false, true);
    leaf = make_leaf(&ca, &what, 0);
    assert_int_equal(judge_uses(&ca, leaf, NULL, false, &uses), X509_V_OK);
    assert_int_equal(uses & (SW_USE_CLIENT | SW_USE_SERVER), SW_USE_SERVER);
    sw_cert_details(leaf, &d);
    assert_string_equal(d.purposes, "serverAuth sipDomain"); /* RFC 5924 4 */
    sw_cert_free(leaf);
    free_ca(&ca);
}

/* RFC 5922 7.1 */
static void test_issue_names_are_found(void **state)
{
    struct ca ca = make_ca(0);
    struct sw_issue what = order(true, true);
    struct sw_cert *leaf = make_leaf(&ca, &what, 0);
    struct sw_ident *id = sw_ident_new(leaf, NULL, 0);
    char text[256];
    struct sw_buf b = sw_buf(text, sizeof(text) - 1);
    (void)state;
    assert_non_null(id);
    sw_ident_put_names(id, &b);
    text[b.n] = 0;
    assert_string_equal(text, "URI:sip:a.test DNS:a.test URI:sip:b.test DNS:b.test IP:192.0.2.1 "
                              "IP:2001:db8::1");
    assert_true(sw_domain_proves(id, SW_SLICE("a.test"), SW_VERIFY_DOMAIN, NULL));
    assert_true(sw_domain_proves(id, SW_SLICE("B.test."), SW_VERIFY_DOMAIN, NULL));
    assert_false(sw_domain_proves(id, SW_SLICE("c.test"), SW_VERIFY_DOMAIN, NULL));
    assert_false(sw_domain_proves(id, SW_SLICE("x.a.test"), SW_VERIFY_WILDCARD, NULL));
    assert_true(sw_domain_proves(id, SW_SLICE("c.test"), SW_VERIFY_ADDRESS, &what.addresses[1]));
    sw_ident_free(id);
    sw_cert_free(leaf);
    free_ca(&ca);
}

/* RFC 5280 4.1.2.2, 4.2.1.9 */
static void test_issue_ca_signs_no_other_ca(void **state)
{
    struct ca ca = make_ca(0);
    struct sw_cert_facts f;
    struct sw_cert_details d;
    (void)state;
    sw_cert_facts(ca.cert, &f);
    sw_cert_details(ca.cert, &d);
    assert_true(f.is_ca && f.self_issued);
    assert_int_equal(d.path_length, 0);
    assert_int_equal(X509_get_key_usage(sw_x509(ca.cert)), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    assert_int_equal(strlen(f.serial), 2 * SW_SERIAL_BYTES);
    assert_in_range(f.serial[0], '4', '7'); /* positive, and no byte of it falls off */
    free_ca(&ca);
}

static void test_issue_serials_differ(void **state)
{
    uint8_t a[SW_SERIAL_BYTES], b[SW_SERIAL_BYTES];
    (void)state;
    assert_int_equal(sw_serial_make(a), SW_OK);
    assert_int_equal(sw_serial_make(b), SW_OK);
    assert_memory_not_equal(a, b, sizeof(a));
}

/* Only a domain that a label of the subjectAltName can hold. */
static void test_issue_domain_that_is_too_long_is_refused(void **state)
{
    char name[256];
    const char *domains[] = {name};
    struct ca ca = make_ca(0);
    struct sw_issuer by = issuer_of(&ca);
    struct sw_issue what = order(true, true);
    struct sw_cert *cert = NULL;
    (void)state;
    what.domains = domains;
    what.domain_count = 1;
    memset(name, 'a', sizeof(name));
    name[254] = 0;
    assert_int_equal(sw_issue_cert(&by, ca.key, &what, &cert), SW_CRYPTO);
    assert_null(cert);
    name[253] = 0;
    assert_int_equal(sw_issue_cert(&by, ca.key, &what, &cert), SW_OK);
    sw_cert_free(cert);
    free_ca(&ca);
}

/* RFC 5280 5.1.2.6 */
static void test_issue_crl_revokes_what_it_names(void **state)
{
    struct ca ca = make_ca(0);
    struct sw_issuer by = issuer_of(&ca);
    struct sw_issue bad = order(true, true), good = order(true, true);
    struct sw_cert *revoked = make_leaf(&ca, &bad, 0), *other = make_leaf(&ca, &good, 0);
    struct sw_crl_dates dates = {
        .number = 0x1234, .this_update_s = g_now_s - 3600, .next_update_s = g_now_s + 7 * DAY_S};
    struct sw_revoked row = {.at_s = g_now_s};
    struct sw_crl *crl = NULL;
    struct sw_crl_facts f;
    struct sw_crl_details d;
    (void)state;
    memcpy(row.serial, bad.serial, sizeof(row.serial));
    assert_int_equal(sw_issue_crl(&by, &row, 1, &dates, &crl), SW_OK);
    assert_int_equal(judge(&ca, revoked, crl, true), X509_V_ERR_CERT_REVOKED);
    assert_int_equal(judge(&ca, other, crl, true), X509_V_OK);
    sw_crl_facts(crl, &f);
    sw_crl_details(crl, &d);
    assert_string_equal(f.issuer, "CN = Test CA");
    assert_int_equal(f.this_update_s, dates.this_update_s);
    assert_int_equal(f.next_update_s, dates.next_update_s);
    assert_string_equal(d.number, "1234");
    assert_string_equal(d.signature, "ecdsa-with-SHA256");
    assert_int_equal(d.revoked, 1);
    assert_false(d.weak_digest);
    sw_crl_free(crl);
    assert_int_equal(sw_issue_crl(&by, NULL, 0, &dates, &crl), SW_OK);
    assert_int_equal(judge(&ca, revoked, crl, true), X509_V_OK);
    sw_crl_free(crl);
    sw_cert_free(revoked);
    sw_cert_free(other);
    free_ca(&ca);
}

static void test_issue_encrypted_key_opens_with_its_passphrase_only(void **state)
{
    struct sw_key *key = NULL, *same = NULL;
    struct sw_slice text;
    struct sw_key_facts a, b;
    (void)state;
    assert_int_equal(sw_key_make(0, &key), SW_OK);
    assert_int_equal(sw_key_pem(key, SW_SLICE("correct horse"), &text), SW_OK);
    assert_true(sw_key_is_locked(text));
    assert_int_equal(sw_key_unlock(text, SW_SLICE("correct mule"), &same), SW_DENIED);
    assert_int_equal(sw_key_unlock(text, SW_SLICE(""), &same), SW_DENIED);
    assert_null(same);
    assert_int_equal(sw_key_unlock(text, SW_SLICE("correct horse"), &same), SW_OK);
    sw_key_facts(key, &a);
    sw_key_facts(same, &b);
    assert_memory_equal(a.sha256, b.sha256, sizeof(a.sha256));
    sw_key_free(same);
    sw_pem_free(&text);
    assert_int_equal(sw_key_pem(key, (struct sw_slice){0}, &text), SW_OK);
    assert_false(sw_key_is_locked(text));
    sw_pem_free(&text);
    sw_key_free(key);
}

static int begin(void **state)
{
    (void)state;
    g_now_s = (int64_t)time(NULL);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_issue_chain_is_believed_in_both_roles),
        cmocka_unit_test(test_issue_purpose_limits_the_role),
        cmocka_unit_test(test_issue_names_are_found),
        cmocka_unit_test(test_issue_ca_signs_no_other_ca),
        cmocka_unit_test(test_issue_serials_differ),
        cmocka_unit_test(test_issue_domain_that_is_too_long_is_refused),
        cmocka_unit_test(test_issue_crl_revokes_what_it_names),
        cmocka_unit_test(test_issue_encrypted_key_opens_with_its_passphrase_only),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}

/* Whoever is known as revoked stays so when memory runs out, and what could not be asked is asked
 * later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/openssl_learnt.h"
#include "support/fault.h"
#include "support/pki.h"
#include <time.h>

static struct sw_certs g_ca, g_leaf;
static struct sw_slice g_answer, g_list;

static int make_certificates(void **state)
{
    if (pki_start(state) != 0)
        return -1;
    pki_make(&(struct pki_cert){.name = "ca", .subject = "/CN=CA", .options = PKI_CA});
    pki_make(&(struct pki_cert){.name = "leaf",
                                .issuer = "ca",
                                .subject = "/CN=leaf",
                                .options =
                                    "-addext authorityInfoAccess=OCSP\\;URI:http://127.0.0.1/ocsp "
                                    "-addext crlDistributionPoints=URI:http://127.0.0.1/ca.crl"});
    pki_crl("ca", "leaf", "list.crl");
    pki_sh("openssl ocsp -index index -CA ca.pem -rsigner ca.pem -rkey ca.key -issuer ca.pem "
           "-cert leaf.pem -no_nonce -noverify -respout der -ndays 1");
    g_answer = pki_read("der");
    g_list = pki_read("list.crl");
    g_ca = pki_certs("ca.pem");
    g_leaf = pki_certs("leaf.pem");
    return 0;
}

static int drop_certificates(void **state)
{
    pki_drop(g_answer);
    pki_drop(g_list);
    sw_certs_free(&g_ca);
    sw_certs_free(&g_leaf);
    return pki_finish(state);
}

static int ask(struct sw_revocations *r, enum sw_revocation_mode kind)
{
    const struct sw_trust_entry soft = {.revocation = kind, .revocation_asks = true};
    const struct sw_revocation_ask how = {.learnt = r, .now_s = (int64_t)time(NULL)};
    int64_t until = INT64_MAX;
    return sw_revoked(&soft, &how, sw_x509(g_leaf.c[0]), sw_x509(g_ca.c[0]), &until);
}

/* Fetches the list that `ask` wanted, or takes the answer. */
static void learn(struct sw_revocations *r, enum sw_revocation_mode kind)
{
    struct sw_inquiry q;
    struct sw_learnt x;
    if (kind == SW_REVOCATION_OCSP) {
        assert_true(sw_fact_take(r, sw_x509(g_leaf.c[0]), sw_x509(g_ca.c[0]), g_answer,
                                 (int64_t)time(NULL)));
        return;
    }
    assert_int_equal(ask(r, kind), X509_V_ERR_OCSP_VERIFY_NEEDED);
    assert_true(sw_revocations_next(r, &q));
    sw_revocations_answer(r, &q, g_list, NULL, &x);
    assert_string_equal(x.said, "list");
}

/* Asks with request number `at` failing. False: it did not make so many. */
static bool ask_without(struct sw_revocations *r, enum sw_revocation_mode kind,
                        enum fault_layer layer, uint64_t at, int *said)
{
    fault = (struct fault){.layer = layer, .mode = FAULT_ONCE, .at = at, .on = true};
    *said = ask(r, kind);
    fault.on = false;
    return fault.failed;
}

static void test_revoke_memory(void **state)
{
    static const enum sw_revocation_mode kinds[] = {SW_REVOCATION_OCSP, SW_REVOCATION_CRL};
    static const enum fault_layer layers[] = {FAULT_SYSTEM, FAULT_LIBRARY};
    (void)state;
    for (int i = 0; i < 4; i++) {
        enum sw_revocation_mode kind = kinds[i % 2];
        enum fault_layer layer = layers[i / 2];
        struct sw_revocations *known = sw_revocations_new();
        bool failed = true;
        int said;
        learn(known, kind);
        assert_int_equal(ask(known, kind), X509_V_ERR_CERT_REVOKED);
        for (uint64_t at = 1; failed; at++) {
            failed = ask_without(known, kind, layer, at, &said);
            assert_int_not_equal(said, X509_V_OK);
        }
        sw_revocations_unref(known);
        failed = true;
        for (uint64_t at = 1; failed; at++) {
            struct sw_revocations *fresh = sw_revocations_new();
            failed = ask_without(fresh, kind, layer, at, &said);
            assert_int_equal(ask(fresh, kind), X509_V_ERR_OCSP_VERIFY_NEEDED);
            sw_revocations_unref(fresh);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_revoke_memory)};
    return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}

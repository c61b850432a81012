/* Whether a certificate was revoked, by what an entry asks: RFC 5280 6.3.3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/openssl_types.h"
#include "support/pki.h"
#include <time.h>

/* A CA below a root, and a leaf that names where its list is. */
static struct sw_certs g_ca, g_leaf, g_below;

static int make_certificates(void **state)
{
    if (pki_start(state) != 0)
        return -1;
    pki_make(&(struct pki_cert){.name = "ca", .subject = "/CN=CA", .options = PKI_CA});
    pki_make(&(struct pki_cert){.name = "leaf",
                                .issuer = "ca",
                                .subject = "/CN=leaf",
                                .options =
                                    "-addext basicConstraints=CA:FALSE "
                                    "-addext crlDistributionPoints=URI:http://127.0.0.1/own.crl"});
    pki_make(
        &(struct pki_cert){.name = "below", .issuer = "ca", .subject = "/CN=B", .options = PKI_CA});
    pki_sh("printf '%%s\\n' '[user]' 'issuingDistributionPoint = critical, @u' '[u]' "
           "'onlyuser = TRUE' '[cas]' 'issuingDistributionPoint = critical, @c' '[c]' "
           "'onlyCA = TRUE' '[mine]' 'issuingDistributionPoint = critical, @m' '[m]' "
           "'fullname = URI:http://127.0.0.1/own.crl' '[theirs]' "
           "'issuingDistributionPoint = critical, @t' '[t]' "
           "'fullname = URI:http://127.0.0.1/other.crl' '[delta]' "
           "'2.5.29.27 = critical, ASN1:INTEGER:1' '[some]' "
           "'issuingDistributionPoint = critical, @s' '[s]' "
           "'onlysomereasons = keyCompromise' >>cnf");
    g_ca = pki_certs("ca.pem");
    g_leaf = pki_certs("leaf.pem");
    g_below = pki_certs("below.pem");
    return 0;
}

static int drop_certificates(void **state)
{
    sw_certs_free(&g_ca);
    sw_certs_free(&g_leaf);
    sw_certs_free(&g_below);
    return pki_finish(state);
}

/* A list of `ca` with extensions of a section, that names the leaf or nobody. */
static void make_list(const char *section, bool revoked, const char *options)
{
    pki_sh(": >index");
    if (revoked)
        pki_sh("openssl ca -config cnf -cert ca.pem -keyfile ca.key -revoke leaf.pem");
    pki_sh("openssl ca -config cnf -cert ca.pem -keyfile ca.key -gencrl %s %s %s -out list.crl",
           options ? options : "-crldays 7", section ? "-crlexts" : "", section ? section : "");
}

static int ask(const char *file, struct sw_trust_entry e, const struct sw_certs *x, int64_t *until)
{
    char why[SW_WHY_MAX];
    if (file) {
        struct sw_slice s = pki_read(file);
        assert_int_equal(sw_crls_parse(s, &e.crls, why), SW_OK);
        pki_drop(s);
    }
    const struct sw_revocation_ask ask = {.now_s = (int64_t)time(NULL)};
    int error = sw_revoked(&e, &ask, sw_x509(x->c[0]), sw_x509(g_ca.c[0]), until);
    sw_crls_free(&e.crls);
    return error;
}

static int judged(const char *file, bool hard)
{
    int64_t until = INT64_MAX;
    return ask(file, (struct sw_trust_entry){.revocation_hard = hard}, &g_leaf, &until);
}

static void test_revoke_without_a_list_is_refused_only_hard(void **state)
{
    (void)state;
    assert_int_equal(judged(NULL, false), X509_V_OK);
    assert_int_equal(judged(NULL, true), X509_V_ERR_UNABLE_TO_GET_CRL);
}

static void test_revoke_takes_a_current_list_that_does_not_name_it(void **state)
{
    int64_t until = INT64_MAX, now = (int64_t)time(NULL);
    (void)state;
    make_list(NULL, false, NULL);
    assert_int_equal(judged("list.crl", false), X509_V_OK);
    assert_int_equal(
        ask("list.crl", (struct sw_trust_entry){.revocation_hard = true}, &g_leaf, &until),
        X509_V_OK);
    assert_in_range(until, now + 6 * 86400, now + 8 * 86400); /* the list's end */
}

static void test_revoke_refuses_what_a_list_names(void **state)
{
    (void)state;
    make_list(NULL, true, NULL);
    assert_int_equal(judged("list.crl", false), X509_V_ERR_CERT_REVOKED);
    assert_int_equal(judged("list.crl", true), X509_V_ERR_CERT_REVOKED);
}

static void test_revoke_off_asks_nothing(void **state)
{
    int64_t until = INT64_MAX;
    (void)state;
    make_list(NULL, true, NULL);
    const struct sw_trust_entry e = {.revocation = SW_REVOCATION_OFF, .revocation_hard = true};
    assert_int_equal(ask("list.crl", e, &g_leaf, &until), X509_V_OK);
    assert_true(until == INT64_MAX);
}

/* What a list names stays revoked; of what it does not name nothing is known any more. */
static void test_revoke_past_next_update(void **state)
{
    (void)state;
    const char *past = "-crl_lastupdate 20200101000000Z -crl_nextupdate 20200108000000Z";
    make_list(NULL, false, past);
    assert_int_equal(judged("list.crl", false), X509_V_OK);
    assert_int_equal(judged("list.crl", true), X509_V_ERR_CRL_HAS_EXPIRED);
    make_list(NULL, true, past);
    assert_int_equal(judged("list.crl", false), X509_V_ERR_CERT_REVOKED);
    assert_int_equal(judged("list.crl", true), X509_V_ERR_CERT_REVOKED);
}

static void test_revoke_before_this_update(void **state)
{
    (void)state;
    make_list(NULL, false, "-crl_lastupdate 20400101000000Z -crl_nextupdate 20400108000000Z");
    assert_int_equal(judged("list.crl", true), X509_V_ERR_CRL_HAS_EXPIRED);
}

/* RFC 5280 6.3.3 (b): each row is a list that names the leaf; `known`: it is about the leaf. */
static void test_revoke_minds_what_a_list_is_about(void **state)
{
    static const struct {
        const char *section;
        bool known;
    } rows[] = {{"user", true},    {"cas", false},   {"mine", true},
                {"theirs", false}, {"delta", false}, {"some", false}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        make_list(rows[i].section, true, NULL);
        assert_int_equal(judged("list.crl", true),
                         rows[i].known ? X509_V_ERR_CERT_REVOKED : X509_V_ERR_UNABLE_TO_GET_CRL);
    }
    int64_t until = INT64_MAX;
    const struct sw_trust_entry hard = {.revocation_hard = true};
    make_list("user", false, NULL); /* not about a CA's certificate */
    assert_int_equal(ask("list.crl", hard, &g_below, &until), X509_V_ERR_UNABLE_TO_GET_CRL);
    make_list("cas", false, NULL);
    assert_int_equal(ask("list.crl", hard, &g_below, &until), X509_V_OK);
}

/* RFC 9325 4.5: what it names is revoked all the same. */
static void test_revoke_takes_no_list_with_a_weak_hash(void **state)
{
    (void)state;
    make_list(NULL, false, "-crldays 7 -md sha1");
    assert_int_equal(judged("list.crl", false), X509_V_ERR_CRL_SIGNATURE_FAILURE);
    assert_int_equal(judged("list.crl", true), X509_V_ERR_CRL_SIGNATURE_FAILURE);
    make_list(NULL, true, "-crldays 7 -md sha1");
    assert_int_equal(judged("list.crl", false), X509_V_ERR_CERT_REVOKED);
    make_list(NULL, false, "-crldays 7 -md sha384");
    assert_int_equal(judged("list.crl", true), X509_V_OK);
}

/* RFC 5280 6.3.3 (f): keyUsage of a CA that does not let it sign lists. */
static void test_revoke_wants_the_issuer_to_be_allowed_to_sign_lists(void **state)
{
    (void)state;
    make_list(NULL, false, NULL);
    pki_sh("openssl req -x509 -config cnf -key ca.key -subj /CN=CA -out narrow.pem -days 30 "
           "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign");
    struct sw_certs keep = g_ca;
    g_ca = pki_certs("narrow.pem");
    assert_int_equal(judged("list.crl", true), X509_V_ERR_CRL_SIGNATURE_FAILURE);
    sw_certs_free(&g_ca);
    g_ca = keep;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_revoke_without_a_list_is_refused_only_hard),
        cmocka_unit_test(test_revoke_takes_a_current_list_that_does_not_name_it),
        cmocka_unit_test(test_revoke_refuses_what_a_list_names),
        cmocka_unit_test(test_revoke_off_asks_nothing),
        cmocka_unit_test(test_revoke_past_next_update),
        cmocka_unit_test(test_revoke_before_this_update),
        cmocka_unit_test(test_revoke_minds_what_a_list_is_about),
        cmocka_unit_test(test_revoke_takes_no_list_with_a_weak_hash),
        cmocka_unit_test(test_revoke_wants_the_issuer_to_be_allowed_to_sign_lists),
    };
    return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}

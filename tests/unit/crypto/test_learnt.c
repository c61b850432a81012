/* What is learnt of revocations while the process runs: OCSP answers. RFC 6960 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/openssl_learnt.h"
#include "support/pki.h"
#include <time.h>

enum { DAY_S = 86400 };

static struct sw_certs g_ca, g_leaf, g_other;
static int g_woken;

static int make_certificates(void **state)
{
    if (pki_start(state) != 0)
        return -1;
    pki_make(&(struct pki_cert){.name = "ca", .subject = "/CN=CA", .options = PKI_CA});
    pki_make(&(struct pki_cert){.name = "twin", .subject = "/CN=CA", .options = PKI_CA});
    pki_make(&(struct pki_cert){
        .name = "leaf",
        .issuer = "ca",
        .subject = "/CN=leaf",
        .options = "-addext authorityInfoAccess=OCSP\\;URI:http://127.0.0.1/ocsp"});
    pki_make(&(struct pki_cert){.name = "other", .issuer = "ca", .subject = "/CN=other"});
    pki_make(&(struct pki_cert){.name = "signer",
                                .issuer = "ca",
                                .subject = "/CN=signer",
                                .options = "-addext extendedKeyUsage=OCSPSigning"});
    pki_make(&(struct pki_cert){.name = "rsa",
                                .issuer = "ca",
                                .subject = "/CN=rsa",
                                .key = "rsa:2048",
                                .options = "-addext extendedKeyUsage=OCSPSigning"});
    pki_make(&(struct pki_cert){.name = "short",
                                .issuer = "ca",
                                .subject = "/CN=short",
                                .key = "rsa:1024",
                                .options = "-addext extendedKeyUsage=OCSPSigning"});
    pki_sh("echo unique_subject=no >good.attr; cp good.attr bad.attr; : >good; : >bad; for x in "
           "leaf other; do "
           "printf 'V\\t390101000000Z\\t\\t%%s\\tunknown\\t/CN=x\\n' "
           "$(openssl x509 -in $x.pem -noout -serial | cut -d= -f2) $x >>good; "
           "printf 'R\\t390101000000Z\\t250101000000Z\\t%%s\\tunknown\\t/CN=x\\n' "
           "$(openssl x509 -in $x.pem -noout -serial | cut -d= -f2) $x >>bad; done");
    g_ca = pki_certs("ca.pem");
    g_leaf = pki_certs("leaf.pem");
    g_other = pki_certs("other.pem");
    return 0;
}

static int drop_certificates(void **state)
{
    sw_certs_free(&g_ca);
    sw_certs_free(&g_leaf);
    sw_certs_free(&g_other);
    return pki_finish(state);
}

/* An answer by an index, signed by `signer`, good for a day; `request` is a file or NULL. */
static struct sw_slice answer(const char *index, const char *signer, const char *cert,
                              const char *request)
{
    if (request)
        pki_sh("openssl ocsp -index %s -CA ca.pem -rsigner %s.pem -rkey %s.key -reqin %s -respout "
               "der -ndays 1",
               index, signer, signer, request);
    else
        pki_sh("openssl ocsp -index %s -CA ca.pem -rsigner %s.pem -rkey %s.key -issuer ca.pem "
               "-cert %s.pem -no_nonce -noverify -respout der -ndays 1",
               index, signer, signer, cert);
    return pki_read("der");
}

static X509 *leaf(void)
{
    return sw_x509(g_leaf.c[0]);
}

static X509 *ca(void)
{
    return sw_x509(g_ca.c[0]);
}

/* SW_FACT_NONE: it is refused. */
static enum sw_fact read_at(struct sw_slice der, int64_t now_s)
{
    struct sw_ocsp_answer a;
    char why[SW_WHY_MAX] = "";
    bool good = sw_ocsp_read(der, NULL, leaf(), ca(), now_s, &a, why);
    if (!good)
        assert_string_not_equal(why, "");
    return good ? a.said : SW_FACT_NONE;
}

static void test_learnt_reads_what_an_answer_says(void **state)
{
    static const struct {
        const char *index, *signer, *cert;
        enum sw_fact said;
    } rows[] = {
        {"good", "ca", "leaf", SW_FACT_GOOD},         {"bad", "ca", "leaf", SW_FACT_REVOKED},
        {"/dev/null", "ca", "leaf", SW_FACT_UNKNOWN}, {"good", "signer", "leaf", SW_FACT_GOOD},
        {"good", "other", "leaf", SW_FACT_NONE}, /* not let sign: RFC 6960 4.2.2.2 */
        {"good", "twin", "leaf", SW_FACT_NONE},       {"good", "ca", "other", SW_FACT_NONE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_slice der = answer(rows[i].index, rows[i].signer, rows[i].cert, NULL);
        assert_int_equal(read_at(der, (int64_t)time(NULL)), rows[i].said);
        pki_drop(der);
    }
}

static void test_learnt_minds_the_dates_of_an_answer(void **state)
{
    int64_t now = (int64_t)time(NULL);
    struct sw_slice der = answer("good", "ca", "leaf", NULL);
    (void)state;
    assert_int_equal(read_at(der, now + DAY_S - 60), SW_FACT_GOOD);
    assert_int_equal(read_at(der, now + DAY_S + SW_SKEW_S + 60), SW_FACT_NONE);
    assert_int_equal(read_at(der, now - SW_SKEW_S + 60), SW_FACT_GOOD);
    assert_int_equal(read_at(der, now - SW_SKEW_S - 60), SW_FACT_NONE);
    for (size_t n = 0; n < der.n; n += 7) /* cut short */
        assert_int_equal(read_at(sw_slice(der.p, n), now), SW_FACT_NONE);
    pki_drop(der);
}

/* The holder of a revoked certificate may keep what was said before: RFC 6960 3.2 (5), 4.2.2.1 */
static void test_learnt_wants_an_answer_without_an_end_to_be_recent(void **state)
{
    int64_t now = (int64_t)time(NULL);
    (void)state;
    pki_sh("openssl ocsp -index good -CA ca.pem -rsigner ca.pem -rkey ca.key -issuer ca.pem "
           "-cert leaf.pem -no_nonce -noverify -respout der");
    struct sw_slice der = pki_read("der");
    assert_int_equal(read_at(der, now), SW_FACT_GOOD);
    assert_int_equal(read_at(der, now + 3600 - 60), SW_FACT_GOOD);
    assert_int_equal(read_at(der, now + 3600 + SW_SKEW_S + 60), SW_FACT_NONE);
    pki_drop(der);
}

/* RFC 9325 4.5; that it is revoked is believed all the same */
static void test_learnt_takes_no_weak_signature(void **state)
{
    static const struct {
        const char *index, *signer, *options;
        enum sw_fact said;
    } rows[] = {
        {"good", "ca", "-rmd sha1", SW_FACT_NONE},
        {"good", "rsa", "-rmd md5", SW_FACT_NONE},
        {"good", "ca", "-rmd sha384", SW_FACT_GOOD},
        {"bad", "ca", "-rmd sha1", SW_FACT_REVOKED},
        {"good", "rsa", "-rsigopt rsa_padding_mode:pss", SW_FACT_GOOD},
        {"good", "rsa", "-rmd sha1 -rsigopt rsa_padding_mode:pss", SW_FACT_NONE},
        {"good", "short", "", SW_FACT_NONE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_sh("openssl ocsp -index %s -CA ca.pem -rsigner %s.pem -rkey %s.key -issuer ca.pem "
               "-cert leaf.pem -no_nonce -noverify -respout der -ndays 1 %s",
               rows[i].index, rows[i].signer, rows[i].signer, rows[i].options);
        struct sw_slice der = pki_read("der");
        assert_int_equal(read_at(der, (int64_t)time(NULL)), rows[i].said);
        pki_drop(der);
    }
}

/* An answer to somebody else's question may be an old one: RFC 6960 4.4.1 */
static void test_learnt_takes_no_other_nonce(void **state)
{
    int64_t now = (int64_t)time(NULL);
    OCSP_REQUEST *ours = sw_ocsp_request(leaf(), ca()), *other = sw_ocsp_request(leaf(), ca());
    struct sw_ocsp_answer a;
    char why[SW_WHY_MAX] = "";
    unsigned char *p = NULL;
    int n = i2d_OCSP_REQUEST(other, &p);
    (void)state;
    FILE *f = fopen("req", "w");
    assert_int_equal(fwrite(p, 1, (size_t)n, f), n);
    fclose(f);
    struct sw_slice der = answer("good", "ca", "leaf", "req");
    assert_true(sw_ocsp_read(der, other, leaf(), ca(), now, &a, why));
    assert_false(sw_ocsp_read(der, ours, leaf(), ca(), now, &a, why));
    assert_string_equal(why, "its nonce is another than ours");
    pki_drop(der);
    der = answer("good", "ca", "leaf", NULL); /* it may leave it out */
    assert_true(sw_ocsp_read(der, ours, leaf(), ca(), now, &a, why));
    pki_drop(der);
    OPENSSL_free(p);
    OCSP_REQUEST_free(ours);
    OCSP_REQUEST_free(other);
}

static void woken(void *user)
{
    (void)user;
    g_woken++;
}

/* Takes the one inquiry there is, and answers it by an index; NULL: it fails. */
static const char *serve(struct sw_revocations *r, const char *index, const char *signer)
{
    static struct sw_learnt x;
    struct sw_inquiry q;
    assert_true(sw_revocations_next(r, &q));
    assert_false(q.of_list);
    assert_string_equal(q.url, "http://127.0.0.1/ocsp");
    FILE *f = fopen("req", "w");
    assert_int_equal(fwrite(q.body.p, 1, q.body.n, f), q.body.n);
    fclose(f);
    struct sw_slice der = index ? answer(index, signer, "leaf", "req") : (struct sw_slice){0};
    sw_revocations_answer(r, &q, der, "nobody is there", &x);
    pki_drop(der);
    assert_false(sw_revocations_next(r, &q));
    return x.said;
}

static enum sw_fact ask(struct sw_revocations *r, int64_t at_s)
{
    int64_t until = INT64_MAX;
    return sw_fact_ocsp(r, leaf(), ca(), at_s, &until);
}

static void test_learnt_asks_once_and_keeps_the_answer(void **state)
{
    int64_t now = (int64_t)time(NULL), until = INT64_MAX;
    struct sw_revocations *r = sw_revocations_new();
    (void)state;
    g_woken = 0;
    sw_revocations_set(r, 3600, woken, NULL);
    assert_int_equal(ask(r, now), SW_FACT_WAIT);
    assert_int_equal(ask(r, now), SW_FACT_WAIT);
    assert_int_equal(g_woken, 1);
    assert_string_equal(serve(r, "good", "ca"), "good");
    assert_int_equal(sw_revocations_answers(r), 1);
    assert_int_equal(sw_revocations_version(r), 0);
    assert_int_equal(sw_fact_ocsp(r, leaf(), ca(), now, &until), SW_FACT_GOOD);
    assert_in_range(until, now + 3500, now + 3700); /* then it is asked for again */
    assert_int_equal(g_woken, 1);
    sw_revocations_unref(r);
}

static void test_learnt_asks_again_and_a_revocation_counts_at_once(void **state)
{
    int64_t later = (int64_t)time(NULL) + 3700, until = INT64_MAX;
    struct sw_revocations *r = sw_revocations_new();
    (void)state;
    sw_revocations_set(r, 3600, NULL, NULL);
    assert_int_equal(ask(r, later - 3700), SW_FACT_WAIT);
    assert_string_equal(serve(r, "good", "ca"), "good");
    assert_int_equal(sw_fact_ocsp(r, leaf(), ca(), later, &until), SW_FACT_GOOD);
    assert_int_equal(until, later); /* nothing is built on it while a newer one is coming */
    assert_string_equal(serve(r, "bad", "ca"), "revoked");
    assert_int_equal(sw_revocations_version(r), 1);
    assert_int_equal(ask(r, later - 3700), SW_FACT_REVOKED);
    sw_revocations_unref(r);
}

static void test_learnt_goes_without_after_a_failure(void **state)
{
    int64_t now = (int64_t)time(NULL);
    struct sw_revocations *r = sw_revocations_new();
    (void)state;
    assert_int_equal(ask(r, now), SW_FACT_WAIT);
    assert_string_equal(serve(r, NULL, NULL), "failed");
    assert_int_equal(ask(r, now), SW_FACT_NONE);
    assert_int_equal(ask(r, now + 70), SW_FACT_WAIT);
    assert_string_equal(serve(r, "good", "twin"), "failed");
    assert_int_equal(ask(r, now), SW_FACT_NONE);
    sw_revocations_unref(r);
}

/* Whoever is revoked may staple what was said of it before. */
static void test_learnt_lets_no_staple_take_a_revocation_back(void **state)
{
    int64_t now = (int64_t)time(NULL);
    struct sw_revocations *r = sw_revocations_new();
    (void)state;
    struct sw_slice der = answer("good", "ca", "leaf", NULL);
    assert_int_equal(ask(r, now), SW_FACT_WAIT);
    assert_string_equal(serve(r, "bad", "ca"), "revoked");
    assert_true(sw_fact_take(r, leaf(), ca(), der, now));
    assert_int_equal(ask(r, now), SW_FACT_REVOKED);
    pki_drop(der);
    sw_revocations_unref(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learnt_reads_what_an_answer_says),
        cmocka_unit_test(test_learnt_minds_the_dates_of_an_answer),
        cmocka_unit_test(test_learnt_wants_an_answer_without_an_end_to_be_recent),
        cmocka_unit_test(test_learnt_takes_no_weak_signature),
        cmocka_unit_test(test_learnt_takes_no_other_nonce),
        cmocka_unit_test(test_learnt_asks_once_and_keeps_the_answer),
        cmocka_unit_test(test_learnt_asks_again_and_a_revocation_counts_at_once),
        cmocka_unit_test(test_learnt_goes_without_after_a_failure),
        cmocka_unit_test(test_learnt_lets_no_staple_take_a_revocation_back),
    };
    return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}

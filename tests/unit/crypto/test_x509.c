#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/hmac.h"
#include "crypto/x509.h"
#include "support/pki.h"
#include "support/random.h"
#include <time.h>

static int make_certificates(void **state)
{
    if (pki_start(state) != 0)
        return -1;
    pki_make(&(struct pki_cert){.name = "ca", .subject = "/O=Test/CN=Test CA", .options = PKI_CA});
    pki_make(&(struct pki_cert){
        .name = "peer",
        .issuer = "ca",
        .subject = "/O=Test/CN=in.the.subject",
        .days = 10,
        .options = "-set_serial 0x0a1b -addext subjectAltName=URI:sip:peer.test,DNS:Peer.Test,"
                   "IP:192.0.2.1,IP:2001:db8::1,email:a@peer.test,URI:sips:x@y,RID:1.2.3"});
    pki_make(&(struct pki_cert){
        .name = "rsa", .issuer = "ca", .subject = "/CN=rsa.test", .key = "rsa:2048"});
    pki_sh("cat ca.pem peer.pem rsa.pem >three.pem; openssl x509 -in peer.pem -outform DER "
           "-out peer.der");
    pki_crl("ca", "peer", "one.crl");
    pki_crl("ca", NULL, "none.crl");
    pki_sh("cat one.crl none.crl >two.crl; openssl crl -in one.crl -outform DER -out one.der");
    return 0;
}

static struct sw_ident *ident_of(const char *file)
{
    static const uint32_t vouched[] = {7, 9};
    struct sw_certs certs = pki_certs(file);
    struct sw_ident *id = sw_ident_new(certs.c[0], vouched, 2);
    sw_certs_free(&certs); /* the identity must not borrow from it */
    return id;
}

static struct sw_cert_facts facts_of(const char *file)
{
    struct sw_cert_facts f;
    struct sw_certs certs = pki_certs(file);
    sw_cert_facts(certs.c[0], &f);
    sw_certs_free(&certs);
    return f;
}

/* ---- facts ---- */

static void test_x509_facts_are_those_of_the_certificate(void **state)
{
    struct sw_slice der = pki_read("peer.der");
    struct sw_cert_facts f = facts_of("peer.pem"), same;
    uint8_t digest[32];
    int64_t now_s = (int64_t)time(NULL);
    (void)state;
    assert_string_equal(f.subject, "O = Test, CN = in.the.subject");
    assert_string_equal(f.issuer, "O = Test, CN = Test CA");
    assert_string_equal(f.serial, "0a1b");
    assert_string_equal(f.key, "EC P-256");
    assert_in_range(f.not_before_s, now_s - 600, now_s);
    assert_int_equal(f.not_after_s - f.not_before_s, 10 * 86400);
    assert_false(f.is_ca);
    assert_false(f.self_issued);
    sw_sha256(der.p, der.n, digest);
    assert_memory_equal(f.sha256, digest, sizeof(digest));
    assert_int_equal(sw_cert_der_facts(der, &same), SW_OK);
    assert_memory_equal(&f, &same, sizeof(f));
    pki_drop(der);
    f = facts_of("ca.pem");
    assert_true(f.is_ca);
    assert_true(f.self_issued);
}

/* RFC 5280 4.2.1.12, RFC 5924 4 */
static void test_x509_purposes_have_the_names_of_the_standards(void **state)
{
    static const struct {
        const char *usage, *purposes;
    } rows[] = {
        {NULL, "any"},
        {"serverAuth,clientAuth", "serverAuth clientAuth"},
        {"1.3.6.1.5.5.7.3.20", "sipDomain"},
        {"anyExtendedKeyUsage,codeSigning", "any 1.3.6.1.5.5.7.3.3"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char options[128] = "", text[128];
        struct sw_buf b = sw_buf(text, sizeof(text) - 1);
        if (rows[i].usage)
            snprintf(options, sizeof(options), "-addext extendedKeyUsage=%s", rows[i].usage);
        pki_make(&(struct pki_cert){
            .name = "usage", .issuer = "ca", .subject = "/CN=u", .options = options});
        struct sw_certs certs = pki_certs("usage.pem");
        sw_cert_purposes_put(&b, certs.c[0]);
        text[b.n] = 0;
        assert_string_equal(text, rows[i].purposes);
        sw_certs_free(&certs);
    }
}

static void test_x509_name_in_der_is_one_line(void **state)
{
    static const char name[] = "\60\14\61\12\60\10\6\3\125\4\3\14\1A";
    char text[256];
    (void)state;
    assert_int_equal(sw_name_der_text(sw_slice(name, sizeof(name) - 1), text), SW_OK);
    assert_string_equal(text, "CN = A");
    for (size_t n = 0; n < sizeof(name) - 1; n++)
        assert_int_equal(sw_name_der_text(sw_slice(name, n), text), SW_PEER_SYNTAX);
}

static void test_x509_facts_name_the_kind_of_key(void **state)
{
    static const struct {
        const char *newkey, *key;
    } rows[] = {
        {"rsa:2048", "RSA 2048"},
        {"ec -pkeyopt ec_paramgen_curve:P-384", "EC secp384r1"},
        {"ed25519", "ED25519 256"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_make(&(struct pki_cert){.name = "k", .subject = "/CN=k", .key = rows[i].newkey});
        assert_string_equal(facts_of("k.pem").key, rows[i].key);
    }
}

/* Subjects go to logs and terminals. */
static void test_x509_facts_escape_control_characters_and_clip(void **state)
{
    (void)state;
    pki_make(&(struct pki_cert){.name = "odd", .subject = "/CN=a\nb\033[31mB\303\274cher"});
    struct sw_cert_facts f = facts_of("odd.pem");
    assert_null(strpbrk(f.subject, "\n\033"));
    assert_non_null(strstr(f.subject, "B\303\274cher"));
    char subject[1024] = "";
    for (int i = 0; i < 12; i++)
        strncat(subject, "/OU=1234567890123456789012345678901234567890", 100);
    pki_make(&(struct pki_cert){.name = "long", .subject = subject});
    f = facts_of("long.pem");
    assert_int_equal(strlen(f.subject), sizeof(f.subject) - 1);
}

static void test_x509_der_cut_anywhere_is_refused(void **state)
{
    struct sw_slice der = pki_read("peer.der");
    struct sw_cert_facts f;
    (void)state;
    for (size_t n = 0; n < der.n; n++) {
        char *exact = malloc(n ? n : 1); /* so that a read behind the end is seen */
        memcpy(exact, der.p, n);
        assert_int_equal(sw_cert_der_facts(sw_slice(exact, n), &f), SW_PEER_SYNTAX);
        free(exact);
    }
    pki_drop(der);
}

static void test_x509_der_with_changed_bytes_is_read_or_refused(void **state)
{
    struct rng r = rng_start(__func__);
    struct sw_slice der = pki_read("peer.der");
    char *copy = malloc(der.n), why[SW_WHY_MAX];
    int refused = 0;
    (void)state;
    for (int round = 0; round < 3000; round++) {
        struct sw_cert_facts f;
        struct sw_certs certs;
        memcpy(copy, der.p, der.n);
        for (uint64_t i = 1 + rng_below(&r, 3); i; i--)
            copy[rng_below(&r, der.n)] = (char)rng_next(&r);
        enum sw_status s = sw_cert_der_facts(sw_slice(copy, der.n), &f);
        assert_int_equal(sw_certs_parse(sw_slice(copy, der.n), &certs, why), s);
        refused += s != SW_OK;
        if (s != SW_OK)
            continue;
        sw_ident_free(sw_ident_new(certs.c[0], NULL, 0));
        sw_certs_free(&certs);
    }
    assert_true(refused > 0);
    free(copy);
    pki_drop(der);
}

/* ---- what a certificate proves ---- */

static void assert_name(const struct sw_ident *id, uint32_t at, unsigned kind, const char *text)
{
    assert_true(at < id->name_count);
    assert_int_equal(id->names[at].kind, kind);
    assert_true(sw_slice_eq(id->names[at].text, sw_slice_str(text)));
}

static void assert_ip(const struct sw_ident *id, uint32_t at, const char *text)
{
    struct sw_endpoint want;
    assert_true(at < id->name_count);
    assert_true(sw_endpoint_ip_parse(sw_slice_str(text), &want));
    assert_int_equal(id->names[at].kind, SW_NAME_IP);
    assert_true(sw_endpoint_eq(&id->names[at].ip, &want));
}

/* RFC 5922 7.1: URI and DNS; an address is listed too, a mail address or a number proves nothing */
static void test_x509_ident_lists_the_alternative_names_in_order(void **state)
{
    struct sw_ident *id = ident_of("peer.pem");
    (void)state;
    assert_non_null(id);
    assert_int_equal(id->name_count, 5);
    assert_name(id, 0, SW_NAME_URI, "sip:peer.test");
    assert_name(id, 1, SW_NAME_DNS, "Peer.Test");
    assert_ip(id, 2, "192.0.2.1");
    assert_ip(id, 3, "2001:db8::1");
    assert_name(id, 4, SW_NAME_URI, "sips:x@y");
    sw_ident_free(id);
}

static void test_x509_ident_carries_fingerprint_end_and_who_vouched(void **state)
{
    struct sw_cert_facts f = facts_of("peer.pem");
    struct sw_ident *id = ident_of("peer.pem");
    (void)state;
    assert_non_null(id);
    assert_memory_equal(id->fingerprint, f.sha256, sizeof(f.sha256));
    assert_int_equal(id->not_after_s, f.not_after_s);
    assert_int_equal(id->vouched_count, 2);
    assert_true(sw_ident_vouched(id, 7) && sw_ident_vouched(id, 9));
    assert_false(sw_ident_vouched(id, 8));
    sw_ident_free(id);
    struct sw_certs certs = pki_certs("ca.pem");
    id = sw_ident_new(certs.c[0], NULL, 0);
    assert_non_null(id);
    assert_int_equal(id->vouched_count, 0);
    assert_false(sw_ident_vouched(id, 7));
    sw_ident_free(id);
    sw_certs_free(&certs);
}

/* RFC 5922 7.1 (2): the CN if and only if there is no subjectAltName */
static void test_x509_ident_uses_the_cn_only_without_alternative_names(void **state)
{
    static const struct {
        const char *subject, *options, *name; /* NULL: proves no name */
    } rows[] = {
        {"/CN=a.test", NULL, "a.test"},
        {"/CN=a.test/O=x/CN=b.test", NULL, "b.test"},
        {"/O=x", NULL, NULL},
        {"/CN=a.test", "-addext subjectAltName=email:a@a.test", NULL},
        {"/CN=a.test", "-addext subjectAltName=DER:30:00", NULL}, /* there, but empty */
        {"/CN=a.test", "-addext subjectAltName=DER:05:00", NULL}, /* there, but broken */
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_make(&(struct pki_cert){
            .name = "cn", .subject = rows[i].subject, .options = rows[i].options});
        struct sw_ident *id = ident_of("cn.pem");
        assert_non_null(id);
        assert_int_equal(id->name_count, rows[i].name != NULL);
        if (rows[i].name)
            assert_name(id, 0, SW_NAME_CN, rows[i].name);
        sw_ident_free(id);
    }
}

/* Replaces an `x` in the certificate's text by NUL; its signature is not looked at here. */
static struct sw_ident *ident_with_nul(const char *options)
{
    char why[SW_WHY_MAX];
    struct sw_certs certs;
    pki_make(&(struct pki_cert){.name = "nul", .subject = "/CN=a.testx.b", .options = options});
    pki_sh("openssl x509 -in nul.pem -outform DER | sed 's/a\\.testx/a.test\\x00/g' >nul.der");
    struct sw_slice der = pki_read("nul.der");
    assert_int_equal(sw_certs_parse(der, &certs, why), SW_OK);
    struct sw_ident *id = sw_ident_new(certs.c[0], NULL, 0);
    assert_non_null(id);
    sw_certs_free(&certs);
    pki_drop(der);
    return id;
}

/* "a.test" with a NUL and more behind it is the classic way to be taken for a.test. */
static void test_x509_ident_does_not_end_a_name_at_a_nul(void **state)
{
    (void)state;
    struct sw_ident *id = ident_with_nul("-addext subjectAltName=DNS:a.testx.b");
    assert_int_equal(id->name_count, 1);
    assert_true(sw_slice_eq(id->names[0].text, SW_SLICE("a.test\0.b")));
    sw_ident_free(id);
    id = ident_with_nul(NULL);
    assert_int_equal(id->name_count, 0);
    sw_ident_free(id);
}

static void test_x509_ident_takes_names_up_to_its_limit(void **state)
{
    (void)state;
    for (int count = SW_CERT_NAMES_MAX; count <= SW_CERT_NAMES_MAX + 1; count++) {
        char options[16384] = "-addext subjectAltName=DNS:n0";
        size_t n = strlen(options);
        for (int i = 1; i < count; i++)
            n += (size_t)snprintf(options + n, sizeof(options) - n, ",DNS:n%d", i);
        pki_make(&(struct pki_cert){.name = "many", .subject = "/CN=many", .options = options});
        struct sw_ident *id = ident_of("many.pem");
        if (count > SW_CERT_NAMES_MAX) {
            bool none = !id;
            sw_ident_free(id);
            assert_true(none);
            continue;
        }
        assert_non_null(id);
        assert_int_equal(id->name_count, SW_CERT_NAMES_MAX);
        assert_name(id, SW_CERT_NAMES_MAX - 1, SW_NAME_DNS, "n511");
        sw_ident_free(id);
    }
}

/* ---- reading ---- */

static void test_x509_certs_come_in_the_order_of_the_file(void **state)
{
    static const char *const subjects[] = {"O = Test, CN = Test CA",
                                           "O = Test, CN = in.the.subject", "CN = rsa.test"};
    struct sw_certs certs = pki_certs("three.pem");
    (void)state;
    assert_int_equal(certs.count, 3);
    for (size_t i = 0; i < 3; i++) {
        struct sw_cert_facts f;
        sw_cert_facts(certs.c[i], &f);
        assert_string_equal(f.subject, subjects[i]);
    }
    sw_certs_free(&certs);
    assert_int_equal(certs.count, 0);
    certs = pki_certs("peer.der");
    assert_int_equal(certs.count, 1);
    sw_certs_free(&certs);
}

static void test_x509_certs_are_found_among_other_text(void **state)
{
    (void)state;
    pki_sh("(echo hello; cat peer.key; openssl x509 -in peer.pem -text; cat ca.pem; echo bye)"
           " >mixed.pem");
    struct sw_certs certs = pki_certs("mixed.pem");
    assert_int_equal(certs.count, 2);
    sw_certs_free(&certs);
}

static void test_x509_key_fits_its_certificate_only(void **state)
{
    struct sw_certs certs = pki_certs("three.pem");
    struct sw_key *ec = pki_key("peer.key"), *rsa = pki_key("rsa.key");
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sw_key_fits(ec, certs.c[i]), i == 1);
        assert_int_equal(sw_key_fits(rsa, certs.c[i]), i == 2);
    }
    sw_key_free(ec);
    sw_key_free(rsa);
    sw_certs_free(&certs);
}

static void test_x509_key_is_read_in_each_usual_form(void **state)
{
    static const char *const makes[] = {
        "cp peer.key k.pem",
        "openssl pkey -in peer.key -traditional -out k.pem",
        "(openssl ecparam -name P-256; openssl pkey -in peer.key -traditional) >k.pem",
        "cat peer.pem peer.key >k.pem",
    };
    struct sw_certs certs = pki_certs("peer.pem");
    (void)state;
    for (unsigned i = 0; i < sizeof(makes) / sizeof(makes[0]); i++) {
        pki_sh("%s", makes[i]);
        struct sw_key *key = pki_key("k.pem");
        assert_true(sw_key_fits(key, certs.c[0]));
        sw_key_free(key);
    }
    sw_certs_free(&certs);
}

static void test_x509_crls_say_when_they_are_replaced(void **state)
{
    static const struct {
        const char *file;
        size_t count;
    } rows[] = {{"one.crl", 1}, {"two.crl", 2}, {"one.der", 1}};
    int64_t now_s = (int64_t)time(NULL);
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char why[SW_WHY_MAX];
        struct sw_crls crls;
        struct sw_slice s = pki_read(rows[i].file);
        assert_int_equal(sw_crls_parse(s, &crls, why), SW_OK);
        assert_int_equal(crls.count, rows[i].count);
        for (size_t k = 0; k < crls.count; k++)
            assert_in_range(sw_crl_next_update_s(crls.c[k]), now_s + 7 * 86400 - 600,
                            now_s + 7 * 86400);
        sw_crls_free(&crls);
        pki_drop(s);
    }
}

enum what { CERTS, KEY, CRLS };

static enum sw_status parse(enum what what, struct sw_slice s, char why[SW_WHY_MAX])
{
    struct sw_certs certs = {0};
    struct sw_crls crls = {0};
    struct sw_key *key = NULL;
    enum sw_status status = what == CERTS ? sw_certs_parse(s, &certs, why)
                            : what == KEY ? sw_key_parse(s, &key, why)
                                          : sw_crls_parse(s, &crls, why);
    sw_certs_free(&certs);
    sw_crls_free(&crls);
    sw_key_free(key);
    return status;
}

static void test_x509_broken_input_is_refused_with_a_reason(void **state)
{
    static const struct {
        enum what what;
        const char *make, *why; /* words that the reason must have */
    } rows[] = {
        {CERTS, "printf '' >x", "no certificate"},
        {CERTS, "echo hello >x", "neither PEM nor DER"},
        {CERTS, "cat peer.key >x", "no certificate"},
        {CERTS, "head -c -40 peer.pem >x", "broken"},
        {CERTS, "head -c 300 peer.pem >x", "broken"},
        {CERTS, "(cat ca.pem; sed 's/^MII/AAA/;s/^MIIB/AAAA/' peer.pem) >x", "broken"},
        {CERTS, "(sed '3d' ca.pem; cat peer.pem) >x", "broken"},
        {KEY, "printf '' >x", "no private key"},
        {KEY, "cat peer.pem >x", "no private key"},
        {KEY, "openssl pkey -in peer.key -pubout -out x", "no private key"},
        {KEY, "sed '2d' peer.key >x", "no private key"},
        {KEY, "openssl pkey -in peer.key -aes256 -passout pass:1234 -out x", "encrypted"},
        {KEY, "openssl rsa -in rsa.key -traditional -aes256 -passout pass:1234 -out x",
         "encrypted"},
        {CRLS, "printf '' >x", "no CRL"},
        {CRLS, "echo hello >x", "neither PEM nor DER"},
        {CRLS, "cat peer.pem >x", "no CRL"},
        {CRLS, "sed '2d' one.crl >x", "broken"},
        {CRLS, "(cat one.crl; sed '2d' none.crl) >x", "broken"},
        {CRLS, "(cat one.crl; head -c 200 none.crl) >x", "broken"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char why[SW_WHY_MAX] = "";
        pki_sh("%s", rows[i].make);
        struct sw_slice s = pki_read("x");
        if (parse(rows[i].what, s, why) != SW_PEER_SYNTAX)
            fail_msg("taken: %s", rows[i].make);
        if (!strstr(why, rows[i].why))
            fail_msg("%s: %s", rows[i].make, why);
        pki_drop(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_x509_facts_are_those_of_the_certificate),
        cmocka_unit_test(test_x509_purposes_have_the_names_of_the_standards),
        cmocka_unit_test(test_x509_name_in_der_is_one_line),
        cmocka_unit_test(test_x509_facts_name_the_kind_of_key),
        cmocka_unit_test(test_x509_facts_escape_control_characters_and_clip),
        cmocka_unit_test(test_x509_der_cut_anywhere_is_refused),
        cmocka_unit_test(test_x509_der_with_changed_bytes_is_read_or_refused),
        cmocka_unit_test(test_x509_ident_lists_the_alternative_names_in_order),
        cmocka_unit_test(test_x509_ident_carries_fingerprint_end_and_who_vouched),
        cmocka_unit_test(test_x509_ident_uses_the_cn_only_without_alternative_names),
        cmocka_unit_test(test_x509_ident_does_not_end_a_name_at_a_nul),
        cmocka_unit_test(test_x509_ident_takes_names_up_to_its_limit),
        cmocka_unit_test(test_x509_certs_come_in_the_order_of_the_file),
        cmocka_unit_test(test_x509_certs_are_found_among_other_text),
        cmocka_unit_test(test_x509_key_fits_its_certificate_only),
        cmocka_unit_test(test_x509_key_is_read_in_each_usual_form),
        cmocka_unit_test(test_x509_crls_say_when_they_are_replaced),
        cmocka_unit_test(test_x509_broken_input_is_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, make_certificates, pki_finish);
}

/* What a configuration's certificates, keys and lists are refused or warned of for: each with its
 * own words and its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/expiry.h"
#include "support/pki.h"
#include <openssl/pem.h>
#include <time.h>

enum { DAY_S = 86400, LINE_CERT = 2, LINE_KEY = 3, LINE_CA = 5, LINE_PINNED = 6, LINE_CRL = 7 };

/* The files of a configuration; NULL: those without fault. */
struct files {
    const char *certificate, *key, *ca, *pinned, *crl;
};

/* The same certificate with another time of validity, from now on. */
static void redate(const char *from, const char *issuer_key, const char *to, long begin_s,
                   long end_s)
{
    FILE *f = fopen(from, "r"), *k = fopen(issuer_key, "r"), *out = fopen(to, "w");
    assert_true(f && k && out);
    X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_PrivateKey(k, NULL, NULL, NULL);
    assert_true(x && key);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), begin_s));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), end_s));
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_X509(out, x), 1);
    X509_free(x);
    EVP_PKEY_free(key);
    fclose(f);
    fclose(k);
    assert_int_equal(fclose(out), 0);
}

static int make_certificates(void **state)
{
    if (pki_start(state) != 0)
        return -1;
    pki_make(&(struct pki_cert){.name = "ca", .subject = "/CN=CA", .options = PKI_CA, .days = 400});
    pki_make(
        &(struct pki_cert){.name = "leaf",
                           .issuer = "ca",
                           .subject = "/CN=leaf",
                           .days = 300,
                           .options = "-addext subjectAltName=URI:sip:example.test,IP:127.0.0.1"});
    pki_make(&(struct pki_cert){.name = "self", .subject = "/CN=self", .days = 300});
    pki_make(&(struct pki_cert){.name = "weakca",
                                .subject = "/CN=Weak",
                                .options = PKI_CA,
                                .key = "rsa:1024",
                                .days = 300});
    pki_crl("ca", NULL, "ca.crl");
    redate("leaf.pem", "ca.key", "expired.pem", -9 * DAY_S, -DAY_S);
    redate("leaf.pem", "ca.key", "future.pem", DAY_S, 300 * DAY_S);
    redate("leaf.pem", "ca.key", "soon.pem", -DAY_S, 29 * DAY_S);
    redate("ca.pem", "ca.key", "oldca.pem", -9 * DAY_S, -DAY_S);
    redate("self.pem", "self.key", "oldself.pem", -9 * DAY_S, -DAY_S);
    pki_sh("cat ca.pem leaf.pem >wrongorder.pem; cat leaf.pem ca.pem >chain.pem; : >empty; "
           "cat self.pem ca.pem >two.pem; mkdir dir; openssl pkey -in leaf.key -aes256 -passout "
           "pass:1 -out sealed.key");
    return 0;
}

static const char *or_good(const char *file, const char *good)
{
    return file ? file : good;
}

static void load(const struct files *x, struct sw_config *c, struct sw_diags *diags,
                 enum sw_status want)
{
    FILE *f = fopen("conf.yaml", "w");
    assert_non_null(f);
    fprintf(f,
            "identities: [{name: main,\n  certificate: %s,\n  key: %s}]\n"
            "trust: [{name: partners,\n  ca: %s,\n  pinned: %s,\n  crl: %s}]\n"
            "domains: [example.test]\n"
            "listen:\n  - {name: outside, address: \"127.0.0.1:5061\", transport: tls, "
            "identity: main, trust: [partners]}\n"
            "peers: [{name: carrier, domain: peer.test, address: \"127.0.0.1:5071\", transport: "
            "tls, trust: partners}]\nroutes: [{from: carrier, to: carrier}]\n",
            or_good(x->certificate, "chain.pem"), or_good(x->key, "leaf.key"),
            or_good(x->ca, "ca.pem"), or_good(x->pinned, "self.pem"), or_good(x->crl, "ca.crl"));
    assert_int_equal(fclose(f), 0);
    assert_int_equal(sw_config_load("conf.yaml", NULL, c, diags), want);
    sw_certs_check(c, (int64_t)time(NULL), diags);
}

static bool told(const struct sw_diags *diags, enum sw_diag_kind kind, unsigned line,
                 const char *words)
{
    for (size_t i = 0; i < diags->count; i++)
        if (diags->d[i].kind == kind && diags->d[i].mark.line == line &&
            strstr(diags->d[i].text, words))
            return true;
    return false;
}

static void test_config_trust_without_fault_says_nothing_of_it(void **state)
{
    struct sw_config c;
    struct sw_diags diags = {.path = "conf.yaml"};
    (void)state;
    load(&(struct files){0}, &c, &diags, SW_OK);
    assert_int_equal(diags.errors, 0);
    for (size_t i = 0; i < diags.count; i++) /* what is of the machine, such as its clock, may be */
        assert_true(diags.d[i].kind == SW_DIAG_NOTE || diags.d[i].mark.line < LINE_CERT ||
                    diags.d[i].mark.line > LINE_CRL);
    assert_int_equal(c.identities[0].chain.count, 2);
    assert_int_equal(c.trusts[0].anchors.count, 1);
    assert_int_equal(c.trusts[0].pin_count, 1);
    assert_int_equal(c.trusts[0].crls.count, 1);
    assert_int_equal(c.trusts[0].depth, 4);
    sw_config_free(&c);
    sw_diags_free(&diags);
}

static void test_config_trust_reads_pins_of_every_form(void **state)
{
#define HEX    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HALF   "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF"
#define COLONS HALF ":" HALF
#define BASE   "ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3iJmqu8zd7v8="
    static const struct {
        const char *name;
        bool of_key, text;
    } want[] = {
        {"two.pem", false, false},        {"two.pem#2", false, false},
        {"sha256:" HEX, false, true},     {"sha256:" COLONS, false, true},
        {"spki:sha256:" HEX, true, true}, {"spki:sha256:" BASE, true, true},
        {"sha256/" BASE, true, true},
    };
    struct sw_config c;
    struct sw_diags diags = {.path = "conf.yaml"};
    (void)state;
    load(&(struct files){.pinned = "[two.pem, \"sha256:" HEX "\", \"sha256:" COLONS
                                   "\", \"spki:sha256:" HEX "\", \"spki:sha256:" BASE
                                   "\", \"sha256/" BASE "\"]"},
         &c, &diags, SW_OK);
    const struct sw_trust_entry *e = &c.trusts[0];
    assert_int_equal(e->pin_count, sizeof(want) / sizeof(want[0]));
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        assert_string_equal(e->pins[i].name, want[i].name);
        assert_int_equal(e->pins[i].of_key, want[i].of_key);
        for (size_t k = 0; want[i].text && k < SW_SHA256_BYTES; k++)
            assert_int_equal(e->pins[i].sha256[k], k % 16 * 0x11);
    }
    sw_config_free(&c);
    sw_diags_free(&diags);
}

static void test_config_trust_tells_each_fault_in_words_of_its_own(void **state)
{
    static const struct {
        struct files files;
        enum sw_diag_kind kind;
        unsigned line;
        const char *words;
    } rows[] = {
        {{.certificate = "missing.pem"}, SW_DIAG_ERROR, LINE_CERT, "No such file or directory"},
        {{.certificate = "dir"}, SW_DIAG_ERROR, LINE_CERT, "Is a directory"},
        {{.certificate = "empty"}, SW_DIAG_ERROR, LINE_CERT, "no certificate in it"},
        {{.certificate = "leaf.key"}, SW_DIAG_ERROR, LINE_CERT, "no certificate in it"},
        {{.certificate = "expired.pem"}, SW_DIAG_WARNING, LINE_CERT, "CN = leaf expired on"},
        {{.certificate = "future.pem"}, SW_DIAG_WARNING, LINE_CERT, "is not valid before"},
        {{.certificate = "soon.pem"}, SW_DIAG_WARNING, LINE_CERT, "expires on"},
        {{.certificate = "wrongorder.pem"}, SW_DIAG_ERROR, LINE_KEY, "the leaf must be the first"},
        {{.key = "missing.key"}, SW_DIAG_ERROR, LINE_KEY, "No such file or directory"},
        {{.key = "dir"}, SW_DIAG_ERROR, LINE_KEY, "Is a directory"},
        {{.key = "empty"}, SW_DIAG_ERROR, LINE_KEY, "no private key in it"},
        {{.key = "leaf.pem"}, SW_DIAG_ERROR, LINE_KEY, "no private key in it"},
        {{.key = "sealed.key"}, SW_DIAG_ERROR, LINE_KEY, "encrypted"},
        {{.key = "ca.key"}, SW_DIAG_ERROR, LINE_KEY, "does not fit certificate"},
        {{.ca = "missing.pem"}, SW_DIAG_ERROR, LINE_CA, "No such file or directory"},
        {{.ca = "empty"}, SW_DIAG_ERROR, LINE_CA, "no certificate in it"},
        {{.ca = "leaf.pem"}, SW_DIAG_ERROR, LINE_CA, "is no CA certificate"},
        {{.ca = "oldca.pem"}, SW_DIAG_WARNING, LINE_CA, "CN = CA expired on"},
        {{.pinned = "missing.pem"}, SW_DIAG_ERROR, LINE_PINNED, "No such file or directory"},
        {{.pinned = "empty"}, SW_DIAG_ERROR, LINE_PINNED, "no certificate in it"},
        {{.pinned = "oldself.pem"}, SW_DIAG_WARNING, LINE_PINNED, "CN = self expired on"},
        {{.pinned = "weakca.pem"}, SW_DIAG_WARNING, LINE_PINNED, "weak key, RSA 1024"},
        {{.pinned = "sha256:ab"}, SW_DIAG_ERROR, LINE_PINNED, "is no pin"},
        {{.ca = "weakca.pem"}, SW_DIAG_WARNING, LINE_CA, "weak key, RSA 1024"},
        {{.crl = "missing.crl"}, SW_DIAG_ERROR, LINE_CRL, "No such file or directory"},
        {{.crl = "empty"}, SW_DIAG_ERROR, LINE_CRL, "no CRL in it"},
        {{.crl = "ca.pem"}, SW_DIAG_ERROR, LINE_CRL, "no CRL in it"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_config c;
        struct sw_diags diags = {.path = "conf.yaml"};
        bool error = rows[i].kind == SW_DIAG_ERROR;
        load(&rows[i].files, &c, &diags, error ? SW_PEER_SYNTAX : SW_OK);
        if (!told(&diags, rows[i].kind, rows[i].line, rows[i].words)) {
            print_error("row %u\n", i);
            sw_diags_print(&diags, stderr, false);
        }
        assert_true(told(&diags, rows[i].kind, rows[i].line, rows[i].words));
        assert_int_equal(diags.errors, error); /* one fault is told once */
        sw_config_free(&c);
        sw_diags_free(&diags);
    }
}

static void test_config_trust_tells_all_faults_in_one_run(void **state)
{
    const struct files x = {"empty", "missing.key", "leaf.pem", "dir", "missing.crl"};
    struct sw_config c;
    struct sw_diags diags = {0};
    (void)state;
    load(&x, &c, &diags, SW_PEER_SYNTAX);
    for (unsigned line = LINE_CERT; line <= LINE_CRL; line++)
        if (line != LINE_CA - 1)
            assert_true(told(&diags, SW_DIAG_ERROR, line, ""));
    sw_config_free(&c);
    sw_diags_free(&diags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_trust_without_fault_says_nothing_of_it),
        cmocka_unit_test(test_config_trust_reads_pins_of_every_form),
        cmocka_unit_test(test_config_trust_tells_each_fault_in_words_of_its_own),
        cmocka_unit_test(test_config_trust_tells_all_faults_in_one_run),
    };
    return cmocka_run_group_tests(tests, make_certificates, pki_finish);
}

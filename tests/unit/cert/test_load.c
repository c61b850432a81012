#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cert/load.h"
#include "support/pki.h"
#include <sys/stat.h>

enum what { CHAIN, KEY, CRLS, WHATS };

static int make_certificates(void **state)
{
    if (pki_start(state) != 0)
        return -1;
    pki_make(&(struct pki_cert){.name = "ca", .subject = "/CN=CA", .options = PKI_CA});
    pki_make(
        &(struct pki_cert){.name = "sub", .issuer = "ca", .subject = "/CN=Sub", .options = PKI_CA});
    pki_make(&(struct pki_cert){.name = "leaf", .issuer = "sub", .subject = "/CN=leaf"});
    pki_make(&(struct pki_cert){.name = "other", .issuer = "sub", .subject = "/CN=other"});
    pki_crl("sub", "other", "sub.crl");
    pki_crl("ca", NULL, "ca.crl");
    return 0;
}

/* Loads and frees; nothing may be written where loading fails. */
static enum sw_status load(enum what what, const char *path, char why[SW_WHY_MAX], size_t *count)
{
    struct sw_certs certs = {.count = 12345};
    struct sw_crls crls = {.count = 12345};
    struct sw_key *key = NULL;
    memset(why, '?', SW_WHY_MAX);
    enum sw_status s = what == CHAIN ? sw_cert_load_chain(path, &certs, why)
                       : what == KEY ? sw_cert_load_key(path, &key, why)
                                     : sw_cert_load_crls(path, &crls, why);
    if (s != SW_OK) {
        assert_int_equal(certs.count, 12345);
        assert_int_equal(crls.count, 12345);
        assert_null(key);
        assert_non_null(memchr(why, 0, SW_WHY_MAX));
        return s;
    }
    *count = what == CHAIN ? certs.count : what == KEY ? key != NULL : crls.count;
    if (what == CHAIN)
        sw_certs_free(&certs);
    if (what == CRLS)
        sw_crls_free(&crls);
    sw_key_free(key);
    return SW_OK;
}

static void assert_loads(enum what what, const char *path, size_t count)
{
    char why[SW_WHY_MAX];
    size_t n = 0;
    assert_int_equal(load(what, path, why, &n), SW_OK);
    assert_int_equal(n, count);
}

static void assert_refused(enum what what, const char *path, enum sw_status status,
                           const char *words)
{
    char why[SW_WHY_MAX];
    size_t n;
    assert_int_equal(load(what, path, why, &n), status);
    if (!strstr(why, words))
        print_error("%s: %s\n", path, why);
    assert_non_null(strstr(why, words));
}

static void test_load_keeps_the_order_of_a_chain(void **state)
{
    static const char *const order[][2] = {
        {"leaf.pem sub.pem ca.pem", "CN = leafCN = SubCN = CA"},
        {"ca.pem sub.pem leaf.pem", "CN = CACN = SubCN = leaf"},
    };
    (void)state;
    for (int i = 0; i < 2; i++) {
        char why[SW_WHY_MAX], all[1024] = "";
        struct sw_certs certs;
        pki_sh("cat %s >chain.pem", order[i][0]);
        assert_int_equal(sw_cert_load_chain("chain.pem", &certs, why), SW_OK);
        for (size_t k = 0; k < certs.count; k++) {
            struct sw_cert_facts f;
            sw_cert_facts(certs.c[k], &f);
            snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s", f.subject);
        }
        assert_string_equal(all, order[i][1]);
        sw_certs_free(&certs);
    }
}

static void test_load_takes_pem_and_der(void **state)
{
    (void)state;
    pki_sh("openssl x509 -in leaf.pem -outform DER -out leaf.der; "
           "openssl crl -in sub.crl -outform DER -out sub.der; cat sub.crl ca.crl >two.crl; "
           "cat leaf.pem leaf.key >bundle.pem");
    assert_loads(CHAIN, "leaf.pem", 1);
    assert_loads(CHAIN, "leaf.der", 1);
    assert_loads(CRLS, "sub.crl", 1);
    assert_loads(CRLS, "sub.der", 1);
    assert_loads(CRLS, "two.crl", 2);
    assert_loads(KEY, "leaf.key", 1);
    assert_loads(KEY, "bundle.pem", 1); /* one file with both */
    assert_loads(CHAIN, "bundle.pem", 1);
}

static void test_load_gives_the_key_of_the_certificate(void **state)
{
    char why[SW_WHY_MAX];
    struct sw_certs leaf, other;
    struct sw_key *key;
    (void)state;
    assert_int_equal(sw_cert_load_chain("leaf.pem", &leaf, why), SW_OK);
    assert_int_equal(sw_cert_load_chain("other.pem", &other, why), SW_OK);
    assert_int_equal(sw_cert_load_key("leaf.key", &key, why), SW_OK);
    assert_true(sw_key_fits(key, leaf.c[0]));
    assert_false(sw_key_fits(key, other.c[0]));
    sw_key_free(key);
    sw_certs_free(&leaf);
    sw_certs_free(&other);
}

static void test_load_of_what_is_no_file_says_what_the_system_says(void **state)
{
    (void)state;
    pki_sh("mkdir dir; ln -s loop loop; printf x >plain");
    for (int what = 0; what < WHATS; what++) {
        assert_refused((enum what)what, "missing", SW_SYS, "No such file or directory");
        assert_refused((enum what)what, "", SW_SYS, "No such file or directory");
        assert_refused((enum what)what, "dir", SW_SYS, "Is a directory");
        assert_refused((enum what)what, "loop", SW_SYS, "symbolic links");
        assert_refused((enum what)what, "plain/x", SW_SYS, "Not a directory");
    }
}

static void test_load_of_an_unreadable_file_says_permission_denied(void **state)
{
    (void)state;
    pki_sh("cp leaf.pem secret");
    assert_int_equal(chmod("secret", 0), 0);
    uid_t user = geteuid();
    if (user == 0)
        assert_int_equal(seteuid(65534), 0); /* root reads everything */
    for (int what = 0; what < WHATS; what++)
        assert_refused((enum what)what, "secret", SW_SYS, "Permission denied");
    assert_int_equal(seteuid(user), 0);
}

static void test_load_of_an_empty_file_names_what_is_missing(void **state)
{
    (void)state;
    pki_sh(": >empty");
    assert_refused(CHAIN, "empty", SW_PEER_SYNTAX, "no certificate");
    assert_refused(KEY, "empty", SW_PEER_SYNTAX, "no private key");
    assert_refused(CRLS, "empty", SW_PEER_SYNTAX, "no CRL");
}

static void test_load_of_another_kind_names_what_is_missing(void **state)
{
    (void)state;
    assert_refused(CHAIN, "leaf.key", SW_PEER_SYNTAX, "no certificate");
    assert_refused(CHAIN, "sub.crl", SW_PEER_SYNTAX, "no certificate");
    assert_refused(KEY, "leaf.pem", SW_PEER_SYNTAX, "no private key");
    assert_refused(CRLS, "leaf.pem", SW_PEER_SYNTAX, "no CRL");
}

static void test_load_of_an_encrypted_key_says_so(void **state)
{
    (void)state;
    pki_sh("openssl pkey -in leaf.key -aes256 -passout pass:1234 -out sealed.key");
    assert_refused(KEY, "sealed.key", SW_PEER_SYNTAX, "encrypted");
}

static void test_load_of_a_passphrase_leaves_out_the_line_end(void **state)
{
    static const struct {
        const char *text, *passphrase;
    } rows[] = {{"se cret", "se cret"}, {"x\\n", "x"}, {"x \\r\\n", "x "}, {" \\n\\n", " "}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_slice got;
        char why[SW_WHY_MAX];
        pki_sh("printf '%s' >word", rows[i].text);
        assert_int_equal(sw_cert_load_passphrase("word", &got, why), SW_OK);
        assert_true(sw_slice_eq(got, sw_slice_str(rows[i].passphrase)));
        sw_cert_drop_passphrase(&got);
        assert_null(got.p);
    }
}

static void test_load_of_a_sealed_key_needs_its_passphrase(void **state)
{
    char why[SW_WHY_MAX];
    struct sw_key *key = NULL;
    (void)state;
    assert_int_equal(sw_cert_open_key("sealed.key", SW_SLICE("1235"), &key, why), SW_PEER_SYNTAX);
    assert_string_equal(why, "the passphrase does not open the encrypted key");
    assert_null(key);
    assert_int_equal(sw_cert_open_key("sealed.key", SW_SLICE("1234"), &key, why), SW_OK);
    struct sw_certs leaf = pki_certs("leaf.pem");
    assert_true(sw_key_fits(key, leaf.c[0]));
    sw_certs_free(&leaf);
    sw_key_free(key);
}

static void test_load_of_a_chain_with_a_broken_part_gives_none_of_it(void **state)
{
    (void)state;
    pki_sh("(cat leaf.pem; sed 3d sub.pem; cat ca.pem) >broken.pem; sed 2d sub.crl >broken.crl; "
           "(cat leaf.pem; head -c 200 sub.pem) >cut.pem");
    assert_refused(CHAIN, "broken.pem", SW_PEER_SYNTAX, "broken");
    assert_refused(CHAIN, "cut.pem", SW_PEER_SYNTAX, "broken");
    assert_refused(CRLS, "broken.crl", SW_PEER_SYNTAX, "broken");
}

static void test_load_of_a_file_above_the_limit_says_so(void **state)
{
    (void)state;
    pki_sh("cp leaf.pem large; truncate -s %u large", (unsigned)SW_CERT_FILE_MAX + 1);
    for (int what = 0; what < WHATS; what++)
        assert_refused((enum what)what, "large", SW_LIMIT_SIZE, "larger than 64 MiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_keeps_the_order_of_a_chain),
        cmocka_unit_test(test_load_takes_pem_and_der),
        cmocka_unit_test(test_load_gives_the_key_of_the_certificate),
        cmocka_unit_test(test_load_of_what_is_no_file_says_what_the_system_says),
        cmocka_unit_test(test_load_of_an_unreadable_file_says_permission_denied),
        cmocka_unit_test(test_load_of_an_empty_file_names_what_is_missing),
        cmocka_unit_test(test_load_of_another_kind_names_what_is_missing),
        cmocka_unit_test(test_load_of_an_encrypted_key_says_so),
        cmocka_unit_test(test_load_of_a_passphrase_leaves_out_the_line_end),
        cmocka_unit_test(test_load_of_a_sealed_key_needs_its_passphrase),
        cmocka_unit_test(test_load_of_a_chain_with_a_broken_part_gives_none_of_it),
        cmocka_unit_test(test_load_of_a_file_above_the_limit_says_so),
    };
    return cmocka_run_group_tests(tests, make_certificates, pki_finish);
}

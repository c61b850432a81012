#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/show.h"
#include "support/pki.h"

static int make_certificates(void **state)
{
    if (pki_start(state) != 0)
        return -1;
    pki_make(&(struct pki_cert){.name = "ca", .subject = "/CN=Test CA", .options = PKI_CA});
    pki_make(&(struct pki_cert){
        .name = "peer",
        .issuer = "ca",
        .subject = "/CN=peer.test",
        .options = "-addext subjectAltName=URI:sip:peer.test "
                   "-addext extendedKeyUsage=serverAuth,1.3.6.1.5.5.7.3.20,1.2.3.4"});
    pki_make(&(struct pki_cert){
        .name = "sha1", .issuer = "ca", .subject = "/CN=old.test", .options = "-sha1"});
    pki_crl("ca", "peer", "ca.crl");
    pki_sh("openssl pkey -in peer.key -pubout -out peer.pub; "
           "openssl pkcs8 -topk8 -in peer.key -passout pass:secret -out locked.key; "
           "cat peer.pem peer.key ca.crl peer.pub locked.key >all.pem; "
           "openssl req -new -config cnf -key peer.key -subj /CN=a >>all.pem; "
           "openssl x509 -in peer.pem -outform DER -out peer.der; "
           "openssl crl -in ca.crl -outform DER -out crl.der; "
           "openssl pkey -in peer.key -outform DER -out key.der");
    return 0;
}

static struct sw_pem_items items_of(const char *file)
{
    struct sw_pem_items items = {0};
    struct sw_slice text = pki_read(file);
    assert_int_equal(sw_pem_items_parse(text, &items), SW_OK);
    pki_drop(text);
    return items;
}

static struct sw_cert_details details_of(const char *file)
{
    struct sw_cert_details d;
    struct sw_certs certs = pki_certs(file);
    sw_cert_details(certs.c[0], &d);
    sw_certs_free(&certs);
    return d;
}

static void test_show_lists_every_block_in_order(void **state)
{
    static const enum sw_pem_kind kinds[] = {SW_PEM_CERT,   SW_PEM_KEY,    SW_PEM_CRL,
                                             SW_PEM_PUBLIC, SW_PEM_LOCKED, SW_PEM_OTHER};
    struct sw_pem_items items = items_of("all.pem");
    (void)state;
    assert_int_equal(items.count, sizeof(kinds) / sizeof(kinds[0]));
    for (size_t i = 0; i < items.count; i++)
        assert_int_equal(items.item[i].kind, kinds[i]);
    assert_string_equal(items.item[5].label, "CERTIFICATE REQUEST");
    assert_true(sw_key_fits(items.item[1].key, items.item[0].cert));
    sw_pem_items_free(&items);
}

static void test_show_reads_der_of_each_kind(void **state)
{
    static const struct {
        const char *file;
        enum sw_pem_kind kind;
    } rows[] = {{"peer.der", SW_PEM_CERT}, {"crl.der", SW_PEM_CRL}, {"key.der", SW_PEM_KEY}};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct sw_pem_items items = items_of(rows[i].file);
        assert_int_equal(items.count, 1);
        assert_int_equal(items.item[0].kind, rows[i].kind);
        sw_pem_items_free(&items);
    }
}

static void test_show_names_what_is_broken(void **state)
{
    struct sw_pem_items items;
    (void)state;
    pki_sh("(printf -- '-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\\n'; "
           "cat peer.pem; head -c 300 peer.pem) >broken.pem");
    items = items_of("broken.pem");
    assert_int_equal(items.count, 3);
    assert_int_equal(items.item[0].kind, SW_PEM_BROKEN);
    assert_string_equal(items.item[0].label, "CERTIFICATE");
    assert_int_equal(items.item[1].kind, SW_PEM_CERT);
    assert_int_equal(items.item[2].kind, SW_PEM_BROKEN);
    sw_pem_items_free(&items);
    assert_int_equal(sw_pem_items_parse(SW_SLICE("neither"), &items), SW_PEER_SYNTAX);
    assert_int_equal(sw_pem_items_parse(SW_SLICE(""), &items), SW_PEER_SYNTAX);
}

/* What is cut or changed anywhere is read or refused, and nothing is lost: the sanitizers look. */
static void test_show_survives_any_cut(void **state)
{
    struct sw_slice text = pki_read("all.pem");
    size_t read = 0;
    (void)state;
    for (size_t n = 0; n < text.n; n += 7) {
        struct sw_pem_items items = {0};
        if (sw_pem_items_parse(sw_slice(text.p, n), &items) == SW_OK)
            read++;
        sw_pem_items_free(&items);
    }
    assert_true(read > 0);
    pki_drop(text);
}

/* RFC 5280 4.2.1.12, RFC 5924 4.1 */
static void test_show_details_name_the_purposes(void **state)
{
    struct sw_cert_details d = details_of("peer.pem");
    (void)state;
    assert_string_equal(d.purposes, "serverAuth sipDomain 1.2.3.4");
    assert_true(d.has_purposes && d.server && d.sip_domain);
    assert_false(d.client || d.any_purpose);
    d = details_of("ca.pem");
    assert_false(d.has_purposes);
    assert_int_equal(d.path_length, -1);
}

static void test_show_details_tell_weak_signatures(void **state)
{
    struct sw_cert_details d = details_of("sha1.pem");
    (void)state;
    assert_string_equal(d.signature, "ecdsa-with-SHA1");
    assert_true(d.weak_digest);
    assert_false(d.has_san);
    d = details_of("peer.pem");
    assert_false(d.weak_digest);
    assert_true(d.has_san);
}

/* As `openssl pkey -pubout -outform DER | sha256sum` has it, which RFC 7858 and others call a pin.
 */
static void test_show_digest_of_the_public_key(void **state)
{
    struct sw_cert_details d = details_of("peer.pem");
    uint8_t digest[SW_SHA256_BYTES];
    (void)state;
    pki_sh("openssl pkey -in peer.key -pubout -outform DER -out pub.der");
    struct sw_slice der = pki_read("pub.der");
    sw_sha256(der.p, der.n, digest);
    pki_drop(der);
    assert_memory_equal(d.key.sha256, digest, sizeof(digest));
    assert_string_equal(d.key.name, "EC P-256");
    assert_int_equal(d.key.bits, 256);
    assert_false(d.key.rsa);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_show_lists_every_block_in_order),
        cmocka_unit_test(test_show_reads_der_of_each_kind),
        cmocka_unit_test(test_show_names_what_is_broken),
        cmocka_unit_test(test_show_survives_any_cut),
        cmocka_unit_test(test_show_details_name_the_purposes),
        cmocka_unit_test(test_show_details_tell_weak_signatures),
        cmocka_unit_test(test_show_digest_of_the_public_key),
    };
    return cmocka_run_group_tests(tests, make_certificates, pki_finish);
}

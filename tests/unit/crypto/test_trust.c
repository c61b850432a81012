#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/trust.h"

/* ---- anchors and depth ---- */

static void test_trust_without_entries_believes_nobody(void **state)
{
    struct sw_trust_verdict v = judge(NULL, 0, "leaf0", "ca0.pem");
    (void)state;
    assert_refused(&v, X509_V_ERR_CERT_UNTRUSTED, 0);
    struct sw_trust_entry empty = entry(1, 4, NULL);
    v = judge(&empty, 1, "leaf0", "ca0.pem");
    assert_refused(&v, X509_V_ERR_CERT_UNTRUSTED, 0);
    sw_trust_free(NULL);
}

/* Each CA as the anchor, each leaf below it, and each depth. */
static void test_trust_refuses_a_chain_deeper_than_its_entry_allows(void **state)
{
    (void)state;
    for (int anchor = 0; anchor < LEVELS; anchor++)
        for (int leaf = anchor; leaf < LEVELS; leaf++)
            for (int depth = 0; depth <= LEVELS + 1; depth++) {
                char file[16], name[16];
                int length = leaf - anchor + 1; /* CA certificates, the anchor counted */
                snprintf(file, sizeof(file), "ca%d.pem", anchor);
                snprintf(name, sizeof(name), "leaf%d", leaf);
                struct sw_trust_entry e = entry(5, (unsigned)depth, file);
                struct sw_trust_verdict v = judge(&e, 1, name, "chain.pem");
                if (length <= depth)
                    assert_vouched(&v, IDS(5));
                else
                    assert_refused(&v, X509_V_ERR_CERT_CHAIN_TOO_LONG, depth);
                entry_free(&e);
            }
}

static void test_trust_counts_depth_for_each_entry_by_itself(void **state)
{
    struct sw_trust_entry e[] = {entry(1, 1, "ca0.pem"), entry(2, 2, "ca0.pem"),
                                 entry(3, 3, "ca0.pem")};
    (void)state;
    struct sw_trust_verdict v = judge(e, 3, "leaf0", NULL);
    assert_vouched(&v, IDS(1, 2, 3));
    v = judge(e, 3, "leaf1", "chain.pem");
    assert_vouched(&v, IDS(2, 3));
    v = judge(e, 3, "leaf2", "chain.pem");
    assert_vouched(&v, IDS(3));
    v = judge(e, 3, "leaf3", "chain.pem");
    assert_int_equal(v.error, X509_V_ERR_CERT_CHAIN_TOO_LONG);
    for (int i = 0; i < 3; i++)
        entry_free(&e[i]);
}

static void test_trust_refuses_what_ends_in_no_anchor(void **state)
{
    struct sw_trust_entry e = entry(1, 8, "ca0.pem");
    (void)state;
    pki_make(&(struct pki_cert){.name = "other", .subject = "/CN=Other CA", .options = PKI_CA});
    pki_make(&(struct pki_cert){.name = "stray", .issuer = "other", .subject = "/CN=stray"});
    struct sw_trust_verdict v = judge(&e, 1, "stray", NULL);
    assert_refused(&v, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 0);
    v = judge(&e, 1, "stray", "other.pem"); /* its own root is not believed for being sent */
    assert_refused(&v, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, 1);
    v = judge(&e, 1, "other", NULL);
    assert_refused(&v, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, 0);
    v = judge(&e, 1, "leaf2", "ca2.pem"); /* ca1 is missing */
    assert_refused(&v, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 1);
    entry_free(&e);
}

/* The name alone makes no CA: another key signed. */
static void test_trust_refuses_a_ca_of_the_same_name_with_another_key(void **state)
{
    struct sw_trust_entry e = entry(1, 8, "ca0.pem");
    (void)state;
    pki_make(&(struct pki_cert){.name = "twin", .subject = "/CN=CA 0", .options = PKI_CA});
    pki_make(&(struct pki_cert){
        .name = "fake", .issuer = "twin", .subject = "/CN=leaf", .options = KEY_ID});
    struct sw_trust_verdict v = judge(&e, 1, "fake", NULL);
    assert_int_not_equal(v.error, X509_V_OK);
    v = judge(&e, 1, "fake", "twin.pem");
    assert_int_not_equal(v.error, X509_V_OK);
    entry_free(&e);
    struct sw_trust_entry both[] = {entry(1, 8, "ca0.pem"), entry(2, 8, "twin.pem")};
    v = judge(both, 2, "fake", NULL);
    assert_vouched(&v, IDS(2));
    v = judge(both, 2, "leaf0", NULL);
    assert_vouched(&v, IDS(1));
    entry_free(&both[0]);
    entry_free(&both[1]);
}

/* RFC 5280 4.2.1.9: a leaf is no CA, even if it has signed */
static void test_trust_refuses_a_leaf_that_signs(void **state)
{
    struct sw_trust_entry e = entry(1, 8, "ca0.pem");
    (void)state;
    pki_make(&(struct pki_cert){.name = "signs",
                                .issuer = "ca0",
                                .subject = "/CN=signs",
                                .options = "-addext basicConstraints=critical,CA:FALSE"});
    pki_make(&(struct pki_cert){.name = "signed", .issuer = "signs", .subject = "/CN=signed"});
    struct sw_trust_verdict v = judge(&e, 1, "signed", "signs.pem");
    assert_int_equal(v.error, X509_V_ERR_INVALID_CA);
    assert_int_equal(v.vouched.count, 0);
    entry_free(&e);
}

/* ---- time ---- */

static void test_trust_refuses_outside_of_the_time_of_validity(void **state)
{
    int64_t now_s = (int64_t)time(NULL);
    struct sw_trust_entry e = entry(1, 8, "ca0.pem"), *one = &e;
    (void)state;
    pki_make(
        &(struct pki_cert){.name = "short", .issuer = "ca0", .subject = "/CN=short", .days = 2});
    struct shown s = {.leaf = "short", .at_s = now_s + DAY_S};
    struct sw_trust_verdict v = judge_as(one, 1, &s);
    assert_vouched(&v, IDS(1));
    s.at_s = now_s + 3 * DAY_S;
    v = judge_as(one, 1, &s);
    assert_refused(&v, X509_V_ERR_CERT_HAS_EXPIRED, 0);
    s.at_s = now_s - DAY_S; /* the anchor is not valid yet either: the library tells it first */
    v = judge_as(one, 1, &s);
    assert_int_equal(v.error, X509_V_ERR_CERT_NOT_YET_VALID);
    entry_free(&e);
}

static void test_trust_refuses_an_expired_certificate_anywhere_in_the_chain(void **state)
{
    (void)state;
    pki_make(
        &(struct pki_cert){.name = "oldleaf", .issuer = "ca0", .subject = "/CN=l", .days = -1});
    pki_make(&(struct pki_cert){
        .name = "oldsub", .issuer = "ca0", .subject = "/CN=s", .options = PKI_CA, .days = -1});
    pki_make(&(struct pki_cert){.name = "under", .issuer = "oldsub", .subject = "/CN=u"});
    struct sw_trust_entry root = entry(1, 8, "ca0.pem"), sub = entry(1, 8, "oldsub.pem");
    struct sw_trust_verdict v = judge(&root, 1, "oldleaf", NULL);
    assert_refused(&v, X509_V_ERR_CERT_HAS_EXPIRED, 0);
    v = judge(&root, 1, "under", "oldsub.pem");
    assert_refused(&v, X509_V_ERR_CERT_HAS_EXPIRED, 1);
    v = judge(&sub, 1, "under", NULL); /* an anchor too */
    assert_refused(&v, X509_V_ERR_CERT_HAS_EXPIRED, 1);
    entry_free(&root);
    entry_free(&sub);
}

/* ---- strength: RFC 9325 4.5 ---- */

#define EC(curve) "ec -pkeyopt ec_paramgen_curve:" curve

static void make_weak(void)
{
    static const struct pki_cert certs[] = {
        {"rsa1024", "ca0", "/CN=l", NULL, "rsa:1024", 0},
        {"rsa2047", "ca0", "/CN=l", NULL, "rsa:2047", 0},
        {"rsa2048", "ca0", "/CN=l", NULL, "rsa:2048", 0},
        {"ec192", "ca0", "/CN=l", NULL, EC("prime192v1"), 0},
        {"ec224", "ca0", "/CN=l", NULL, EC("secp224r1"), 0},
        {"ed25519", "ca0", "/CN=l", NULL, "ed25519", 0},
        {"sha1", "ca0", "/CN=l", "-sha1", NULL, 0},
        {"sha224", "ca0", "/CN=l", "-sha224", NULL, 0},
        {"weakca", "ca0", "/CN=Weak CA", PKI_CA, "rsa:1024", 0},
        {"underweakca", "weakca", "/CN=l", NULL, NULL, 0},
        {"sha1ca", "ca0", "/CN=SHA-1 CA", PKI_CA " -sha1", NULL, 0},
        {"undersha1ca", "sha1ca", "/CN=l", NULL, NULL, 0},
        {"sha1root", NULL, "/CN=SHA-1 root", PKI_CA " -sha1", "rsa:2048", 0},
        {"undersha1root", "sha1root", "/CN=l", NULL, NULL, 0},
        {"md5leaf", "sha1root", "/CN=l", "-md5", NULL, 0},
        {"weakroot", NULL, "/CN=Weak root", PKI_CA, "rsa:1024", 0},
        {"underweakroot", "weakroot", "/CN=l", NULL, NULL, 0},
    };
    for (unsigned i = 0; i < sizeof(certs) / sizeof(certs[0]); i++)
        pki_make(&certs[i]);
}

/* No security level is set here, as under a policy that admits old suites: the rule is our own. */
static void test_trust_refuses_weak_keys_and_signatures_by_itself(void **state)
{
    static const struct {
        const char *leaf, *chain, *anchor;
        int error, depth;
    } rows[] = {
        {"rsa1024", NULL, "ca0.pem", X509_V_ERR_EE_KEY_TOO_SMALL, 0},
        {"rsa2047", NULL, "ca0.pem", X509_V_ERR_EE_KEY_TOO_SMALL, 0},
        {"rsa2048", NULL, "ca0.pem", X509_V_OK, 0},
        {"ec192", NULL, "ca0.pem", X509_V_ERR_EE_KEY_TOO_SMALL, 0},
        {"ec224", NULL, "ca0.pem", X509_V_OK, 0},
        {"ed25519", NULL, "ca0.pem", X509_V_OK, 0},
        {"sha1", NULL, "ca0.pem", X509_V_ERR_CA_MD_TOO_WEAK, 0},
        {"sha224", NULL, "ca0.pem", X509_V_OK, 0},
        {"md5leaf", NULL, "sha1root.pem", X509_V_ERR_CA_MD_TOO_WEAK, 0},
        {"underweakca", "weakca.pem", "ca0.pem", X509_V_ERR_CA_KEY_TOO_SMALL, 1},
        {"underweakca", NULL, "weakca.pem", X509_V_ERR_CA_KEY_TOO_SMALL, 1},
        {"undersha1ca", "sha1ca.pem", "ca0.pem", X509_V_ERR_CA_MD_TOO_WEAK, 1},
        {"undersha1ca", NULL, "sha1ca.pem", X509_V_OK, 0}, /* an anchor is believed as it is */
        {"undersha1root", NULL, "sha1root.pem", X509_V_OK, 0},
        {"underweakroot", NULL, "weakroot.pem", X509_V_ERR_CA_KEY_TOO_SMALL, 1},
    };
    (void)state;
    make_weak();
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_trust_entry e = entry(1, 4, rows[i].anchor);
        struct sw_trust_verdict v = judge(&e, 1, rows[i].leaf, rows[i].chain);
        print_message("%s under %s\n", rows[i].leaf, rows[i].anchor);
        if (rows[i].error == X509_V_OK)
            assert_vouched(&v, IDS(1));
        else
            assert_refused(&v, rows[i].error, rows[i].depth);
        entry_free(&e);
    }
}

/* docs/trust.md: a pin does not stand for a key that others can find out */
static void test_trust_refuses_a_pinned_certificate_with_a_weak_key(void **state)
{
    struct sw_pin pins[2] = {{.of_key = false}, {.of_key = true}};
    struct sw_trust_entry e[] = {{.id = 1, .pins = pins, .pin_count = 2}, entry(2, 4, "ca0.pem")};
    (void)state;
    make_weak();
    pin_of("rsa1024", &pins[0]);
    pin_of("rsa1024", &pins[1]);
    struct sw_trust_verdict v = judge(e, 1, "rsa1024", NULL);
    assert_refused(&v, X509_V_ERR_EE_KEY_TOO_SMALL, 0);
    v = judge(e, 2, "rsa1024", NULL);
    assert_refused(&v, X509_V_ERR_EE_KEY_TOO_SMALL, 0);
    pin_of("sha1", &pins[0]); /* its issuer's signature is not what a pin rests on */
    v = judge(e, 1, "sha1", NULL);
    assert_vouched(&v, IDS(1));
    entry_free(&e[1]);
}

/* ---- purposes: RFC 5280 4.2.1.3, 4.2.1.12, RFC 5924 ---- */

#define EKU(list) "-addext extendedKeyUsage=" list
#define KU(list)  "-addext keyUsage=" list
#define SIP_OID   "1.3.6.1.5.5.7.3.20"

static unsigned uses_under(const char *anchor, const char *leaf, const char *chain)
{
    struct sw_trust_entry e = entry(1, 4, anchor);
    struct sw_trust_verdict v = judge(&e, 1, leaf, chain);
    assert_vouched(&v, IDS(1));
    entry_free(&e);
    return v.vouched.uses[0];
}

static void test_trust_tells_what_a_certificate_may_be_used_for(void **state)
{
    enum { C = SW_USE_CLIENT, S = SW_USE_SERVER, P = SW_USE_SIP, KEY = SW_USE_KEY };
    static const struct {
        const char *options;
        unsigned uses;
    } rows[] = {
        {NULL, C | S | P | KEY}, /* RFC 5924 5: no extension, no restriction */
        {EKU("clientAuth"), C | KEY},
        {EKU("serverAuth"), S | KEY},
        {EKU("serverAuth,clientAuth"), C | S | KEY},
        {EKU(SIP_OID), P | KEY},
        {EKU("serverAuth," SIP_OID), S | P | KEY},
        {EKU("critical,anyExtendedKeyUsage"), C | S | P | KEY},
        {EKU("codeSigning,anyExtendedKeyUsage"), C | S | P | KEY},
        {EKU("codeSigning,emailProtection"), KEY},
        {EKU("1.3.6.1.5.5.7.3.21"), KEY},
        {KU("digitalSignature"), C | S | P | SW_USE_SIGN},
        {KU("keyEncipherment"), C | S | P | SW_USE_ENCIPHER},
        {KU("nonRepudiation"), C | S | P},
        {KU("critical,digitalSignature,keyEncipherment") " " EKU("serverAuth"), S | KEY},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_make(&(struct pki_cert){
            .name = "use", .issuer = "ca0", .subject = "/CN=u", .options = rows[i].options});
        print_message("%s\n", rows[i].options ? rows[i].options : "-");
        assert_int_equal(uses_under("ca0.pem", "use", NULL), rows[i].uses);
    }
}

/* A CA that may vouch for one purpose does so for no other, as anchor and below one. */
static void test_trust_narrows_purposes_by_those_of_the_cas(void **state)
{
    static const struct {
        const char *ca, *leaf;
        unsigned uses;
    } rows[] = {
        {EKU("serverAuth"), EKU("serverAuth,clientAuth"), SW_USE_SERVER},
        {EKU("serverAuth,clientAuth"), EKU("serverAuth,clientAuth"), SW_USE_SERVER | SW_USE_CLIENT},
        {EKU("serverAuth"), EKU(SIP_OID), SW_USE_SIP}, /* RFC 5924 5 */
        {EKU(SIP_OID), EKU("clientAuth," SIP_OID), SW_USE_SIP},
        {EKU("codeSigning"), EKU("serverAuth,clientAuth," SIP_OID), 0},
        {EKU("codeSigning"), NULL, 0},
        {EKU("clientAuth"), NULL, SW_USE_CLIENT | SW_USE_SIP},
        {EKU("anyExtendedKeyUsage"), EKU("clientAuth"), SW_USE_CLIENT},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char options[512];
        snprintf(options, sizeof(options), PKI_CA " %s", rows[i].ca);
        pki_make(&(struct pki_cert){
            .name = "useca", .issuer = "ca0", .subject = "/CN=Use CA", .options = options});
        pki_make(&(struct pki_cert){
            .name = "use", .issuer = "useca", .subject = "/CN=u", .options = rows[i].leaf});
        print_message("%s, %s\n", rows[i].ca, rows[i].leaf ? rows[i].leaf : "-");
        assert_int_equal(uses_under("ca0.pem", "use", "useca.pem"), rows[i].uses | SW_USE_KEY);
        assert_int_equal(uses_under("useca.pem", "use", NULL), rows[i].uses | SW_USE_KEY);
    }
}

/* The same leaf by two chains: each entry tells what its own allows. */
static void test_trust_tells_purposes_for_each_entry_by_itself(void **state)
{
    (void)state;
    pki_make(&(struct pki_cert){.name = "wide", .subject = "/CN=Cross", .options = PKI_CA});
    pki_sh("openssl req -x509 -config cnf -utf8 -key wide.key -out narrow.pem -days 60 -subj "
           "'/CN=Cross' " PKI_CA " " EKU("serverAuth"));
    pki_make(&(struct pki_cert){.name = "use", .issuer = "wide", .subject = "/CN=u"});
    struct sw_trust_entry e[] = {entry(1, 4, "wide.pem"), entry(2, 4, "narrow.pem")};
    struct sw_leafcache *cache = sw_leafcache_new();
    const struct sw_trust_entry *list[] = {&e[0], &e[1]};
    struct sw_trust *t = sw_trust_new(list, 2);
    assert_non_null(t);
    for (int round = 0; round < 2; round++) { /* the second time it is remembered */
        struct sw_trust_verdict v = verify(t, &(struct shown){.leaf = "use", .cache = cache});
        assert_vouched(&v, IDS(1, 2));
        for (uint32_t i = 0; i < 2; i++)
            assert_int_equal(v.vouched.uses[i], v.vouched.id[i] == 1
                                                    ? SW_USE_ALL
                                                    : SW_USE_SERVER | SW_USE_SIP | SW_USE_KEY);
    }
    sw_trust_free(t);
    sw_leafcache_free(cache);
    entry_free(&e[0]);
    entry_free(&e[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trust_without_entries_believes_nobody),
        cmocka_unit_test(test_trust_refuses_a_chain_deeper_than_its_entry_allows),
        cmocka_unit_test(test_trust_counts_depth_for_each_entry_by_itself),
        cmocka_unit_test(test_trust_refuses_what_ends_in_no_anchor),
        cmocka_unit_test(test_trust_refuses_a_ca_of_the_same_name_with_another_key),
        cmocka_unit_test(test_trust_refuses_a_leaf_that_signs),
        cmocka_unit_test(test_trust_refuses_outside_of_the_time_of_validity),
        cmocka_unit_test(test_trust_refuses_an_expired_certificate_anywhere_in_the_chain),
        cmocka_unit_test(test_trust_refuses_weak_keys_and_signatures_by_itself),
        cmocka_unit_test(test_trust_refuses_a_pinned_certificate_with_a_weak_key),
        cmocka_unit_test(test_trust_tells_what_a_certificate_may_be_used_for),
        cmocka_unit_test(test_trust_narrows_purposes_by_those_of_the_cas),
        cmocka_unit_test(test_trust_tells_purposes_for_each_entry_by_itself),
    };
    return cmocka_run_group_tests(tests, make_certificates, pki_finish);
}

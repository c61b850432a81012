#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/trust.h"

/* ---- revocation ---- */

static void test_trust_refuses_what_a_list_of_its_issuer_names(void **state)
{
    struct sw_trust_entry e = entry(1, 8, "ca0.pem");
    (void)state;
    pki_crl("ca0", "leaf0", "leaf0.crl");
    entry_crl(&e, "leaf0.crl");
    struct sw_trust_verdict v = judge(&e, 1, "leaf0", NULL);
    assert_refused(&v, X509_V_ERR_CERT_REVOKED, 0);
    v = judge(&e, 1, "leaf1", "chain.pem");
    assert_vouched(&v, IDS(1));
    entry_free(&e);
}

static void test_trust_refuses_below_a_revoked_intermediate(void **state)
{
    struct sw_trust_entry e = entry(1, 8, "ca0.pem");
    (void)state;
    pki_crl("ca1", "ca2", "ca2.crl");
    entry_crl(&e, "ca2.crl");
    struct sw_trust_verdict v = judge(&e, 1, "leaf1", "chain.pem");
    assert_vouched(&v, IDS(1));
    v = judge(&e, 1, "leaf2", "chain.pem");
    assert_refused(&v, X509_V_ERR_CERT_REVOKED, 1);
    v = judge(&e, 1, "leaf3", "chain.pem");
    assert_refused(&v, X509_V_ERR_CERT_REVOKED, 2);
    entry_free(&e);
}

/* Serial numbers are one issuer's: leaf1 and leaf2 have the same. */
static void test_trust_minds_a_list_for_its_own_issuer_only(void **state)
{
    struct sw_trust_entry e = entry(1, 8, "ca0.pem");
    (void)state;
    pki_crl("ca1", "leaf1", "leaf1.crl");
    entry_crl(&e, "leaf1.crl");
    struct sw_trust_verdict v = judge(&e, 1, "leaf1", "chain.pem");
    assert_refused(&v, X509_V_ERR_CERT_REVOKED, 0);
    v = judge(&e, 1, "leaf2", "chain.pem");
    assert_vouched(&v, IDS(1));
    entry_free(&e);
}

static void test_trust_applies_a_list_to_its_own_entry_only(void **state)
{
    struct sw_trust_entry e[] = {entry(1, 8, "ca0.pem"), entry(2, 8, "ca0.pem")};
    (void)state;
    pki_crl("ca0", "leaf0", "leaf0.crl");
    entry_crl(&e[0], "leaf0.crl");
    struct sw_trust_verdict v = judge(e, 2, "leaf0", NULL);
    assert_vouched(&v, IDS(2));
    entry_crl(&e[1], "leaf0.crl");
    v = judge(e, 2, "leaf0", NULL);
    assert_refused(&v, X509_V_ERR_CERT_REVOKED, 0);
    entry_free(&e[0]);
    entry_free(&e[1]);
}

static void test_trust_finds_a_revocation_in_any_of_several_lists(void **state)
{
    (void)state;
    pki_crl("ca0", NULL, "none.crl");
    pki_crl("ca1", NULL, "other.crl");
    pki_crl("ca0", "leaf0", "leaf0.crl");
    pki_sh("cat none.crl other.crl leaf0.crl >last.crl; cat leaf0.crl none.crl other.crl "
           ">first.crl; cat none.crl other.crl >clean.crl");
    static const struct {
        const char *file;
        bool good;
    } rows[] = {{"last.crl", false}, {"first.crl", false}, {"clean.crl", true}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_trust_entry e = entry(1, 8, "ca0.pem");
        entry_crl(&e, rows[i].file);
        struct sw_trust_verdict v = judge(&e, 1, "leaf0", NULL);
        if (rows[i].good)
            assert_vouched(&v, IDS(1));
        else
            assert_refused(&v, X509_V_ERR_CERT_REVOKED, 0);
        entry_free(&e);
    }
}

/* A list that its issuer has not signed says nothing, so the revocation is not known: refuse. */
static void test_trust_refuses_under_a_list_with_a_foreign_signature(void **state)
{
    struct sw_trust_entry e = entry(1, 8, "ca0.pem");
    (void)state;
    pki_make(&(struct pki_cert){.name = "twin", .subject = "/CN=CA 0", .options = PKI_CA});
    pki_crl("twin", NULL, "twin.crl");
    entry_crl(&e, "twin.crl");
    struct sw_trust_verdict v = judge(&e, 1, "leaf0", NULL);
    assert_refused(&v, X509_V_ERR_CRL_SIGNATURE_FAILURE, 0);
    entry_free(&e);
}

/* A CA that changed its key signs one list with each: each counts for what its key has signed. */
static void test_trust_uses_the_list_of_the_right_key_after_a_ca_changed_its_key(void **state)
{
    (void)state;
    pki_make(&(struct pki_cert){.name = "new", .subject = "/CN=CA 0", .options = PKI_CA});
    pki_make(&(struct pki_cert){
        .name = "newleaf", .issuer = "new", .subject = "/CN=leaf", .options = KEY_ID});
    pki_make(&(struct pki_cert){
        .name = "newgone", .issuer = "new", .subject = "/CN=leaf", .options = KEY_ID});
    pki_crl("ca0", "leaf0", "old.crl");
    pki_crl("new", "newgone", "new.crl");
    pki_sh("cat ca0.pem new.pem >both.pem");
    for (int order = 0; order < 2; order++) {
        struct sw_trust_entry e = entry(1, 8, "both.pem");
        pki_sh(order ? "cat new.crl old.crl >both.crl" : "cat old.crl new.crl >both.crl");
        entry_crl(&e, "both.crl");
        struct sw_trust_verdict v = judge(&e, 1, "newleaf", NULL);
        assert_vouched(&v, IDS(1));
        v = judge(&e, 1, "newgone", NULL);
        assert_refused(&v, X509_V_ERR_CERT_REVOKED, 0);
        v = judge(&e, 1, "leaf0", NULL);
        assert_refused(&v, X509_V_ERR_CERT_REVOKED, 0);
        v = judge(&e, 1, "leaf1", "chain.pem");
        assert_vouched(&v, IDS(1));
        entry_free(&e);
    }
}

/* ---- pins ---- */

static void test_trust_believes_a_pinned_certificate_as_it_is(void **state)
{
    struct sw_pin pin[1] = {0};
    struct sw_trust_entry e = {.id = 9, .pins = pin, .pin_count = 1};
    (void)state;
    pki_make(&(struct pki_cert){.name = "old", .issuer = "ca0", .subject = "/CN=l", .days = -1});
    fingerprint("old", pin[0].sha256); /* expired, of a CA nobody knows, and no depth allowed */
    struct sw_trust_verdict v = judge(&e, 1, "old", NULL);
    assert_vouched(&v, IDS(9));
    v = judge(&e, 1, "leaf0", NULL);
    assert_refused(&v, X509_V_ERR_CERT_UNTRUSTED, 0);
}

/* A pinned key stays the same when its certificate is renewed, by whomever. RFC 7469 2.4 */
static void test_trust_believes_a_pinned_key_in_any_certificate(void **state)
{
    struct sw_pin pins[2] = {{.of_key = true}, {.of_key = true}};
    struct sw_trust_entry e = {.id = 9, .pins = pins, .pin_count = 2};
    (void)state;
    pin_of("leaf0", &pins[0]);
    pki_sh(
        "openssl req -x509 -config cnf -utf8 -key leaf0.key -out renewedleaf.pem -days 60 -subj "
        "'/CN=other' && openssl x509 -in leaf0.pem -pubkey -noout | openssl pkey -pubin -outform "
        "DER | openssl dgst -sha256 -binary >digest");
    struct sw_slice digest = pki_read("digest"); /* as others compute it */
    assert_memory_equal(digest.p, pins[0].sha256, SW_SHA256_BYTES);
    pki_drop(digest);
    struct sw_trust_verdict v = judge(&e, 1, "renewedleaf", NULL);
    assert_vouched(&v, IDS(9));
    assert_int_equal(v.vouched.uses[0], SW_USE_ALL);
    v = judge(&e, 1, "leaf0", NULL);
    assert_vouched(&v, IDS(9));
    v = judge(&e, 1, "leaf1", "chain.pem");
    assert_refused(&v, X509_V_ERR_CERT_UNTRUSTED, 0);
    pin_of("leaf1", &pins[1]); /* a roll-over: both at once */
    v = judge(&e, 1, "leaf1", "chain.pem");
    assert_vouched(&v, IDS(9));
    v = judge(&e, 1, "leaf0", NULL);
    assert_vouched(&v, IDS(9));
    pins[0].of_key = false; /* the digest of a key is none of a certificate */
    v = judge(&e, 1, "leaf0", NULL);
    assert_refused(&v, X509_V_ERR_CERT_UNTRUSTED, 0);
}

/* A pin is the leaf's, never that of a CA that the peer sends along. */
static void test_trust_does_not_believe_below_a_pinned_ca(void **state)
{
    struct sw_pin pin[1] = {0};
    struct sw_trust_entry e = {.id = 9, .depth = 8, .pins = pin, .pin_count = 1};
    (void)state;
    fingerprint("ca0", pin[0].sha256);
    struct sw_trust_verdict v = judge(&e, 1, "leaf0", "ca0.pem");
    assert_refused(&v, X509_V_ERR_CERT_UNTRUSTED, 0);
}

static void test_trust_minds_every_bit_of_a_pin(void **state)
{
    (void)state;
    for (int bit = 0; bit < 256; bit++) {
        struct sw_pin pin[1] = {0};
        struct sw_trust_entry e = {.id = 9, .pins = pin, .pin_count = 1};
        fingerprint("leaf0", pin[0].sha256);
        pin[0].sha256[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct sw_trust_verdict v = judge(&e, 1, "leaf0", NULL);
        assert_int_equal(v.vouched.count, 0);
    }
}

/* Many pins in several entries, some twice: all that have it vouch, nobody else. */
static void test_trust_finds_a_pin_in_every_entry_that_has_it(void **state)
{
    enum { ENTRIES = 5, PINS = 33 };
    static struct sw_pin pins[ENTRIES][PINS];
    struct sw_trust_entry e[ENTRIES];
    (void)state;
    for (int i = 0; i < ENTRIES; i++) {
        for (int k = 0; k < PINS; k++)
            memset(pins[i][k].sha256, (k * 8 + i) & 0xff, SW_SHA256_BYTES);
        if (i % 2 == 0) {
            fingerprint("leaf0", pins[i][i].sha256);
            fingerprint("leaf0", pins[i][PINS - 1].sha256);
        }
        e[i] = (struct sw_trust_entry){
            .id = (uint32_t)i + 1, .pins = pins[i], .pin_count = (size_t)PINS};
    }
    struct sw_trust_verdict v = judge(e, ENTRIES, "leaf0", NULL);
    assert_vouched(&v, IDS(1, 3, 5));
    v = judge(e, ENTRIES, "leaf1", NULL);
    assert_int_equal(v.vouched.count, 0);
}

/* ---- several entries ---- */

static void test_trust_vouches_for_every_entry_with_the_same_ca(void **state)
{
    struct sw_trust_entry e[] = {entry(7, 4, "ca0.pem"), entry(3, 4, "ca1.pem"),
                                 entry(8, 4, "ca0.pem")};
    (void)state;
    pki_sh("cat ca0.pem ca0.pem >twice.pem");
    struct sw_trust_verdict v = judge(e, 3, "leaf0", NULL);
    assert_vouched(&v, IDS(7, 8));
    entry_free(&e[0]);
    e[0] = entry(7, 4, "twice.pem"); /* a certificate twice in one file */
    v = judge(e, 3, "leaf0", NULL);
    assert_vouched(&v, IDS(7, 8));
    for (int i = 0; i < 3; i++)
        entry_free(&e[i]);
}

/* One entry has the root, others have an intermediate below: each accepts the chain. */
static void test_trust_vouches_for_entries_with_anchors_above_each_other(void **state)
{
    struct sw_trust_entry e[] = {entry(1, 4, "ca0.pem"), entry(2, 4, "ca1.pem"),
                                 entry(3, 4, "ca2.pem"), entry(4, 1, "ca1.pem"),
                                 entry(5, 4, "ca3.pem")};
    (void)state;
    struct sw_trust_verdict v = judge(e, 5, "leaf2", "chain.pem");
    assert_vouched(&v, IDS(1, 2, 3));
    v = judge(e, 5, "leaf2", NULL); /* what one entry lists helps no other */
    assert_vouched(&v, IDS(3));
    v = judge(e + 1, 4, "leaf2", "chain.pem"); /* without a root */
    assert_vouched(&v, IDS(2, 3));
    for (int i = 0; i < 5; i++)
        entry_free(&e[i]);
}

/* A CA's certificate was renewed under the same key: one entry has the old, one the new. */
static void test_trust_vouches_for_entries_with_an_old_and_a_new_certificate_of_a_ca(void **state)
{
    (void)state;
    pki_sh("openssl req -x509 -config cnf -utf8 -key ca0.key -out renewed.pem -days 60 "
           "-subj '/CN=CA 0' " PKI_CA);
    struct sw_trust_entry e[] = {entry(1, 4, "ca0.pem"), entry(2, 4, "renewed.pem")};
    struct sw_trust_verdict v = judge(e, 2, "leaf0", NULL);
    assert_vouched(&v, IDS(1, 2));
    v = judge(e, 2, "leaf2", "chain.pem");
    assert_vouched(&v, IDS(1, 2));
    entry_free(&e[0]);
    entry_free(&e[1]);
}

/* A peer that one entry pins does not lose what another entry says of its chain. */
static void test_trust_vouches_for_pin_and_anchor_together(void **state)
{
    struct sw_pin pin[1] = {0};
    struct sw_trust_entry e[] = {entry(1, 4, "ca0.pem"), {.id = 2, .pins = pin, .pin_count = 1}};
    (void)state;
    fingerprint("leaf0", pin[0].sha256);
    struct sw_trust_verdict v = judge(e, 2, "leaf0", NULL);
    assert_vouched(&v, IDS(1, 2));
    pki_crl("ca0", "leaf0", "leaf0.crl");
    entry_crl(&e[0], "leaf0.crl"); /* what the first refuses is the second's own decision */
    v = judge(e, 2, "leaf0", NULL);
    assert_vouched(&v, IDS(2));
    entry_free(&e[0]);
}

static void test_trust_names_no_more_entries_than_it_has_room_for(void **state)
{
    struct sw_trust_entry e[SW_VOUCHED_MAX + 6];
    const unsigned count = sizeof(e) / sizeof(e[0]);
    (void)state;
    for (unsigned i = 0; i < count; i++)
        e[i] = entry(i + 1, 4, "ca0.pem");
    struct sw_trust_verdict v = judge(e, count, "leaf0", NULL);
    assert_int_equal(v.error, X509_V_OK);
    assert_int_equal(v.vouched.count, SW_VOUCHED_MAX);
    const struct sw_trust_entry *list[SW_VOUCHED_MAX + 1];
    for (unsigned i = 0; i <= SW_VOUCHED_MAX; i++)
        list[i] = &e[i];
    for (unsigned more = 0; more < 2; more++) { /* `check` tells which is too many */
        struct sw_trust *t = sw_trust_new(list, SW_VOUCHED_MAX + more);
        assert_non_null(t);
        assert_ptr_equal(sw_trust_crowded(t), more ? &e[SW_VOUCHED_MAX] : NULL);
        sw_trust_free(t);
    }
    for (unsigned i = 0; i < count; i++)
        entry_free(&e[i]);
}

/* Entries that could not vouch do not hide those that can, wherever they stand. */
static void test_trust_finds_the_few_that_vouch_among_many(void **state)
{
    enum { MANY = 100 };
    struct sw_trust_entry e[MANY];
    (void)state;
    pki_make(&(struct pki_cert){.name = "other", .subject = "/CN=Other CA", .options = PKI_CA});
    pki_make(&(struct pki_cert){.name = "twin", .subject = "/CN=CA 0", .options = PKI_CA});
    pki_sh("cat other.pem twin.pem ca1.pem >three.pem");
    for (unsigned i = 0; i < MANY; i++)
        e[i] = entry(i + 1, 4, i % 2 ? "other.pem" : "twin.pem");
    for (unsigned at = 0; at < MANY; at += 33) {
        entry_free(&e[at]);
        e[at] = entry(at + 1, at ? 4 : 1, at == 66 ? "three.pem" : "ca0.pem");
    }
    struct sw_trust_verdict v = judge(e, MANY, "leaf1", "chain.pem");
    assert_vouched(&v, IDS(34, 67, 100)); /* the first allows one CA only */
    v = judge(e, MANY, "leaf0", NULL);
    assert_vouched(&v, IDS(1, 34, 100));
    for (unsigned i = 0; i < MANY; i++)
        entry_free(&e[i]);
}

/* ---- what is remembered ---- */

static void test_trust_remembers_a_success_and_never_a_failure(void **state)
{
    struct sw_trust_entry e = entry(4, 4, "ca0.pem");
    const struct sw_trust_entry *list[] = {&e};
    struct sw_trust *t = sw_trust_new(list, 1);
    struct sw_leafcache *cache = sw_leafcache_new();
    assert_non_null(t);
    assert_non_null(cache);
    struct shown bare = {.leaf = "leaf1", .cache = cache};
    struct shown whole = {.leaf = "leaf1", .chain = "ca1.pem", .cache = cache};
    struct shown as_client = {.leaf = "leaf1", .of_client = true, .cache = cache};
    (void)state;
    struct sw_trust_verdict v = verify(t, &bare);
    assert_refused(&v, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 0);
    v = verify(t, &whole); /* the failure before is not held against it */
    assert_vouched(&v, IDS(4));
    v = verify(t, &whole);
    assert_vouched(&v, IDS(4));
    v = verify(t, &bare); /* nor is the success held in its favour */
    assert_refused(&v, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 0);
    v = verify(t, &as_client); /* in the other role it was never judged */
    assert_int_not_equal(v.error, X509_V_OK);
    sw_trust_free(t);
    e.depth = 0;
    t = sw_trust_new(list, 1); /* another store knows nothing of it */
    assert_non_null(t);
    v = verify(t, &whole);
    assert_refused(&v, X509_V_ERR_CERT_CHAIN_TOO_LONG, 0);
    sw_trust_free(t);
    sw_leafcache_free(cache);
    entry_free(&e);
}

/* The certificate is judged before its key is proved: a stranger who shows it with less of its
 * chain takes nothing from its owner. */
static void test_trust_keeps_a_verdict_for_the_chain_that_came(void **state)
{
    (void)state;
    struct sw_trust_entry e[] = {entry(1, 8, "ca1.pem"), entry(2, 8, "ca0.pem")};
    const struct sw_trust_entry *list[] = {&e[0], &e[1]};
    struct sw_trust *t = sw_trust_new(list, 2);
    struct sw_leafcache *cache = sw_leafcache_new();
    struct shown bare = {.leaf = "leaf1", .cache = cache};
    struct shown whole = {.leaf = "leaf1", .chain = "ca1.pem", .cache = cache};
    struct sw_trust_verdict v = verify(t, &bare);
    assert_vouched(&v, IDS(1));
    v = verify(t, &whole);
    assert_vouched(&v, IDS(1, 2));
    v = verify(t, &bare);
    assert_vouched(&v, IDS(1));
    sw_trust_free(t);
    sw_leafcache_free(cache);
    entry_free(&e[0]);
    entry_free(&e[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trust_keeps_a_verdict_for_the_chain_that_came),
        cmocka_unit_test(test_trust_refuses_what_a_list_of_its_issuer_names),
        cmocka_unit_test(test_trust_refuses_below_a_revoked_intermediate),
        cmocka_unit_test(test_trust_minds_a_list_for_its_own_issuer_only),
        cmocka_unit_test(test_trust_applies_a_list_to_its_own_entry_only),
        cmocka_unit_test(test_trust_finds_a_revocation_in_any_of_several_lists),
        cmocka_unit_test(test_trust_refuses_under_a_list_with_a_foreign_signature),
        cmocka_unit_test(test_trust_uses_the_list_of_the_right_key_after_a_ca_changed_its_key),
        cmocka_unit_test(test_trust_believes_a_pinned_certificate_as_it_is),
        cmocka_unit_test(test_trust_believes_a_pinned_key_in_any_certificate),
        cmocka_unit_test(test_trust_does_not_believe_below_a_pinned_ca),
        cmocka_unit_test(test_trust_minds_every_bit_of_a_pin),
        cmocka_unit_test(test_trust_finds_a_pin_in_every_entry_that_has_it),
        cmocka_unit_test(test_trust_vouches_for_every_entry_with_the_same_ca),
        cmocka_unit_test(test_trust_vouches_for_entries_with_anchors_above_each_other),
        cmocka_unit_test(test_trust_vouches_for_entries_with_an_old_and_a_new_certificate_of_a_ca),
        cmocka_unit_test(test_trust_vouches_for_pin_and_anchor_together),
        cmocka_unit_test(test_trust_names_no_more_entries_than_it_has_room_for),
        cmocka_unit_test(test_trust_finds_the_few_that_vouch_among_many),
        cmocka_unit_test(test_trust_remembers_a_success_and_never_a_failure),
    };
    return cmocka_run_group_tests(tests, make_certificates, pki_finish);
}

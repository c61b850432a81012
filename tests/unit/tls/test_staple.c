/* Servers whose certificate promises a stapled OCSP answer, and clients that asked for one or did
 * not. RFC 7633 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/revoke.h"
#include "support/resume.h"

#define OCSP     "-addext authorityInfoAccess=OCSP\\;URI:http://127.0.0.1/ocsp "
#define PROMISES "-addext tlsfeature=status_request "

enum { MUST, PLAIN, BELOW, LATER, BROKEN, IDENTITIES };
static const struct {
    const char *name, *issuer, *options;
} g_made[] = {
    [MUST] = {"must", "ca", OCSP PROMISES},
    [PLAIN] = {"plain", "ca", OCSP},
    [BELOW] = {"below", "promising", OCSP},
    [LATER] = {"later", "ca", OCSP "-addext tlsfeature=17"}, /* status_request_v2, RFC 6961 */
    [BROKEN] = {"broken", "ca", OCSP "-addext 1.3.6.1.5.5.7.1.24=DER:0500"},
};
static struct sw_tls_identity *g_shown[IDENTITIES];
static struct sw_revocations *g_staples[IDENTITIES]; /* what a server has to staple */

/* The answer of the CA's responder, which has the leaf in its index. */
static struct sw_revocations *staples_of(const struct sw_tls_identity *id, const char *name,
                                         const char *issuer)
{
    struct sw_revocations *r = sw_revocations_new();
    struct sw_inquiry q;
    struct sw_learnt x;
    assert_non_null(r);
    assert_null(sw_revocations_staple(r, id->chain.c[0], id->chain.c[1]).p);
    assert_true(sw_revocations_next(r, &q));
    FILE *f = fopen("req", "w");
    assert_int_equal(fwrite(q.body.p, 1, q.body.n, f), q.body.n);
    fclose(f);
    pki_sh("printf 'V\\t390101000000Z\\t\\t%%s\\tunknown\\t/CN=x\\n' "
           "$(openssl x509 -in %s.pem -noout -serial | cut -d= -f2) >good; "
           "openssl ocsp -index good -CA %s.pem -rsigner %s.pem -rkey %s.key -reqin req -respout "
           "der -ndays 1",
           name, issuer, issuer, issuer);
    struct sw_slice der = pki_read("der");
    sw_revocations_answer(r, &q, der, NULL, &x);
    pki_drop(der);
    assert_string_equal(x.said, "good");
    return r;
}

static int start_with_promises(void **state)
{
    if (start(state) != 0)
        return -1;
    pki_make(&(struct pki_cert){.name = "promising",
                                .issuer = "ca",
                                .subject = "/CN=Promising CA",
                                .options = PKI_CA " " PROMISES});
    for (unsigned i = 0; i < IDENTITIES; i++) {
        char chain[32];
        bool sub = strcmp(g_made[i].issuer, "ca") != 0;
        pki_make(&(struct pki_cert){.name = g_made[i].name,
                                    .issuer = g_made[i].issuer,
                                    .subject = "/CN=x",
                                    .options = g_made[i].options});
        snprintf(chain, sizeof(chain), "%s.pem%s", g_made[i].issuer, sub ? " ca.pem" : "");
        g_shown[i] = pair_identity(10 + i, g_made[i].name, chain);
        g_staples[i] = staples_of(g_shown[i], g_made[i].name, g_made[i].issuer);
    }
    return 0;
}

static int finish_with_promises(void **state)
{
    for (unsigned i = 0; i < IDENTITIES; i++) {
        pair_identity_free(g_shown[i]);
        sw_revocations_unref(g_staples[i]);
    }
    return finish(state);
}

/* An entry that believes the CA and finds out about revocations so. */
static struct sw_trust_entry asking(uint32_t id, uint8_t mode)
{
    return (struct sw_trust_entry){.id = id,
                                   .depth = 3,
                                   .anchors = g_entry.anchors,
                                   .revocation = mode,
                                   .revocation_asks = mode != SW_REVOCATION_OFF};
}

static struct sw_trust *trust_of(const struct sw_trust_entry *a, const struct sw_trust_entry *b,
                                 struct sw_revocations *learnt)
{
    const struct sw_trust_entry *list[] = {a, b};
    struct sw_trust *t = sw_trust_new(list, b ? 2 : 1);
    assert_non_null(t);
    sw_trust_learn(t, learnt);
    return t;
}

static struct link link_to(unsigned policy, unsigned identity, bool staples,
                           const struct sw_trust *trust)
{
    struct link l = link_of(policy, false);
    g_shown[identity]->staples = staples ? g_staples[identity] : NULL;
    l.server.identity = g_shown[identity];
    l.server.names = NULL;
    l.client.trust = trust;
    return l;
}

static void assert_missing(void)
{
    assert_int_equal(g_pair.client.status, SW_CRYPTO_VERIFY);
    assert_string_equal(g_pair.client.said.code, "staple_missing");
    assert_non_null(strstr(g_pair.client.said.why, "RFC 7633"));
    assert_non_null(strstr(g_pair.client.said.help, "stapling"));
    assert_string_equal(g_pair.client.said.subject, "CN = x");
    assert_int_equal(g_pair.client.said.alert, 113); /* bad_certificate_status_response */
    assert_true(g_pair.client.said.alert_sent);
}

/* RFC 7633 4.3.3: what the ClientHello has and the certificate promises must come; 4.2.2: what a CA
 * promises holds for those that it issues. */
static void test_staple_that_was_promised_must_come_if_it_was_asked_for(void **state)
{
    static const struct {
        unsigned identity;
        uint8_t mode;
        bool staples, missing;
    } rows[] = {
        {MUST, SW_REVOCATION_OCSP, true, false},   {MUST, SW_REVOCATION_OCSP, false, true},
        {MUST, SW_REVOCATION_ANY, true, false},    {MUST, SW_REVOCATION_ANY, false, true},
        {MUST, SW_REVOCATION_CRL, false, false},   {MUST, SW_REVOCATION_OFF, false, false},
        {PLAIN, SW_REVOCATION_OCSP, false, false}, {PLAIN, SW_REVOCATION_OCSP, true, false},
        {BELOW, SW_REVOCATION_OCSP, false, true},  {BELOW, SW_REVOCATION_OCSP, true, false},
        {BELOW, SW_REVOCATION_CRL, false, false},  {LATER, SW_REVOCATION_OCSP, false, false},
        {BROKEN, SW_REVOCATION_OCSP, false, true}, {BROKEN, SW_REVOCATION_OCSP, true, false},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]) * 4; i++) {
        struct sw_trust_entry e = asking(BELIEVED, rows[i / 4].mode);
        struct sw_revocations *learnt = sw_revocations_new();
        struct sw_trust *t = trust_of(&e, NULL, learnt);
        unsigned identity = rows[i / 4].identity;
        struct link l = link_to(g_policies[i / 2 % 2], identity, rows[i / 4].staples, t);
        l.client.scope = NULL; /* nothing is resumed */
        print_message("%s, mode %u, staples %d\n", g_made[identity].name, rows[i / 4].mode,
                      rows[i / 4].staples);
        for (int again = 0; again < 2; again++) { /* the chain may be known already */
            dial(&l);
            if (rows[i / 4].missing)
                assert_missing();
            else
                assert_false(is_resumed());
        }
        if (i % 2) { /* it stapled before, and it does not any more: RFC 7633 3 */
            g_shown[identity]->staples = g_staples[identity];
            dial(&l);
            assert_false(is_resumed());
            g_shown[identity]->staples = NULL;
            dial(&l);
            bool asks = rows[i / 4].mode >= SW_REVOCATION_OCSP;
            if (asks && identity != PLAIN && identity != LATER)
                assert_missing();
            else
                assert_false(is_resumed());
        }
        sw_trust_free(t);
        sw_revocations_unref(learnt);
    }
}

/* One entry asked: the ClientHello has it, for all. */
static void test_staple_is_due_to_every_entry_if_one_asks(void **state)
{
    struct sw_trust_entry a = asking(BELIEVED, SW_REVOCATION_OCSP);
    struct sw_trust_entry b = asking(OTHER_ENTRY, SW_REVOCATION_OFF);
    struct sw_revocations *learnt = sw_revocations_new();
    struct sw_trust *t = trust_of(&a, &b, learnt);
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct link l = link_to(g_policies[i], MUST, false, t);
        dial(&l);
        assert_missing();
    }
    sw_trust_free(t);
    sw_revocations_unref(learnt);
}

/* A pin stands for what a CA would say, revocation as well. */
static void test_staple_is_not_asked_of_a_pin(void **state)
{
    struct sw_trust_entry e = asking(BELIEVED, SW_REVOCATION_OCSP);
    struct sw_cert_facts f;
    struct sw_pin pin = {0};
    struct sw_revocations *learnt = sw_revocations_new();
    (void)state;
    sw_cert_facts(g_shown[MUST]->chain.c[0], &f);
    memcpy(pin.sha256, f.sha256, sizeof(pin.sha256));
    e.pins = &pin;
    e.pin_count = 1;
    struct sw_trust *t = trust_of(&e, NULL, learnt);
    for (unsigned i = 0; i < 2; i++) {
        struct link l = link_to(g_policies[i], MUST, false, t);
        l.client.scope = NULL;
        dial(&l);
        assert_false(is_resumed());
        assert_proved(g_pair.client.t, "x");
    }
    sw_trust_free(t);
    sw_revocations_unref(learnt);
}

/* In a resumed session no certificate is shown, and no staple: what was stapled must still be
 * known. Else the handshake is a full one. */
static void test_staple_of_a_resumed_session_must_be_known(void **state)
{
    struct sw_trust_entry e = asking(BELIEVED, SW_REVOCATION_OCSP);
    for (unsigned i = 0; i < 2; i++) {
        struct sw_revocations *learnt = sw_revocations_new(), *empty = sw_revocations_new();
        struct sw_trust *knows = trust_of(&e, NULL, learnt), *forgot = trust_of(&e, NULL, empty);
        struct link l = link_to(g_policies[i], MUST, true, knows);
        assert_false(resumes(&l));
        assert_true(resumes(&l));
        l.client.trust = forgot;
        assert_false(resumes(&l));
        assert_true(resumes(&l)); /* it has stapled again */
        sw_trust_free(knows);
        sw_trust_free(forgot);
        sw_revocations_unref(learnt);
        sw_revocations_unref(empty);
        end(state);
        begin(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_staple_that_was_promised_must_come_if_it_was_asked_for,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_staple_is_due_to_every_entry_if_one_asks, begin, end),
        cmocka_unit_test_setup_teardown(test_staple_is_not_asked_of_a_pin, begin, end),
        cmocka_unit_test_setup_teardown(test_staple_of_a_resumed_session_must_be_known, begin, end),
    };
    return cmocka_run_group_tests(tests, start_with_promises, finish_with_promises);
}

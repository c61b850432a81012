#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/random.h"
#include "support/tlspair.h"

/* RFC 8446 6 */
enum {
    HANDSHAKE_FAILURE = 40,
    BAD_CERTIFICATE = 42,
    CERTIFICATE_REVOKED = 44,
    CERTIFICATE_EXPIRED = 45,
    UNKNOWN_CA = 48,
    CERTIFICATE_REQUIRED = 116,
};

/* Trust entries; their ids are these numbers plus one. */
enum { CA, SHALLOW, ROGUE, SUB, REVOKES, REVOKES_SUB, PIN, PIN_EXPIRED, ENTRIES };
#define ID(entry)  ((entry) + 1)
#define BIT(entry) (1u << (entry))
#define EKU(usage) "-addext extendedKeyUsage=" usage

static struct sw_tls_worker *g_worker;
static struct sw_trust_entry g_entries[ENTRIES];
static struct sw_pin g_pins[2][1];
static struct sw_tls_identity *g_good;
static struct sw_trust *g_believes_good;
static struct pair g_pair;

static struct sw_trust *trust_in(unsigned entries)
{
    const struct sw_trust_entry *list[ENTRIES];
    size_t n = 0;
    for (unsigned i = 0; i < ENTRIES; i++)
        if (entries & BIT(i))
            list[n++] = &g_entries[i];
    struct sw_trust *t = sw_trust_new(list, n);
    assert_non_null(t);
    return t;
}

static void pin(unsigned entry, unsigned number, const char *file)
{
    struct sw_cert_facts f;
    struct sw_certs certs = pki_certs(file);
    sw_cert_facts(certs.c[0], &f);
    memcpy(g_pins[number][0].sha256, f.sha256, sizeof(f.sha256));
    g_entries[entry].pins = g_pins[number];
    g_entries[entry].pin_count = 1;
    sw_certs_free(&certs);
}

static void read_crl(unsigned entry, const char *revoked)
{
    char why[SW_WHY_MAX];
    pki_crl("ca", revoked, "crl");
    struct sw_slice crl = pki_read("crl");
    assert_int_equal(sw_crls_parse(crl, &g_entries[entry].crls, why), SW_OK);
    pki_drop(crl);
}

static int start(void **state)
{
    static const struct pki_cert certs[] = {
        {.name = "ca", .subject = "/CN=Test CA", .options = PKI_CA},
        {.name = "rogue", .subject = "/CN=Rogue CA", .options = PKI_CA},
        {.name = "sub", .issuer = "ca", .subject = "/CN=Sub CA", .options = PKI_CA},
        {.name = "good", .issuer = "ca", .subject = "/CN=good"},
        {.name = "wrong", .issuer = "rogue", .subject = "/CN=wrong"},
        {.name = "expired", .issuer = "ca", .subject = "/CN=expired", .days = -1},
        {.name = "deep", .issuer = "sub", .subject = "/CN=deep"},
        {.name = "self", .subject = "/CN=self"},
        {.name = "revoked", .issuer = "ca", .subject = "/CN=revoked"},
        {.name = "weak", .issuer = "ca", .subject = "/CN=weak", .key = "rsa:1024"},
        {.name = "forclients", .issuer = "ca", .subject = "/CN=c", .options = EKU("clientAuth")},
        {.name = "forservers", .issuer = "ca", .subject = "/CN=s", .options = EKU("serverAuth")},
    };
    static const struct {
        const char *file;
        unsigned depth;
    } anchors[] = {
        [CA] = {"ca.pem", 3},   [SHALLOW] = {"ca.pem", 1}, [ROGUE] = {"rogue.pem", 3},
        [SUB] = {"sub.pem", 1}, [REVOKES] = {"ca.pem", 3}, [REVOKES_SUB] = {"ca.pem", 3}};
    if (pki_start(state) != 0)
        return -1;
    for (unsigned i = 0; i < sizeof(certs) / sizeof(certs[0]); i++)
        pki_make(&certs[i]);
    for (unsigned i = 0; i < ENTRIES; i++)
        g_entries[i].id = ID(i);
    for (unsigned i = 0; i <= REVOKES_SUB; i++) {
        g_entries[i].depth = anchors[i].depth;
        g_entries[i].anchors = pki_certs(anchors[i].file);
    }
    read_crl(REVOKES, "revoked");
    read_crl(REVOKES_SUB, "sub");
    pin(PIN, 0, "self.pem");
    pin(PIN_EXPIRED, 1, "expired.pem");
    g_good = pair_identity(1, "good", NULL);
    g_believes_good = trust_in(BIT(CA));
    g_worker = pair_worker(NULL);
    return 0;
}

static int finish(void **state)
{
    sw_tls_worker_free(g_worker);
    sw_trust_free(g_believes_good);
    pair_identity_free(g_good);
    for (unsigned i = 0; i < ENTRIES; i++) {
        sw_certs_free(&g_entries[i].anchors);
        sw_crls_free(&g_entries[i].crls);
    }
    return pki_finish(state);
}

/* A handshake in which one side shows `shown` and the other judges it; returns who judges. */
static struct side *judge(const struct sw_tls_identity *shown, const struct sw_trust *trust,
                          bool by_server, unsigned policy)
{
    struct sw_tls_params judges = {.server = by_server,
                                   .policy = policy,
                                   .identity = g_good,
                                   .trust = trust,
                                   .client_cert = SW_CERT_REQUIRE};
    struct sw_tls_params shows = {
        .server = !by_server,
        .policy = policy == POLICY_1_2 ? POLICY_1_2 : SW_POLICY_LEGACY, /* shows even a weak one */
        .identity = shown,
        .trust = g_believes_good,
    };
    pair_open(&g_pair, g_worker, by_server ? &shows : &judges, by_server ? &judges : &shows, NULL);
    pair_shake(&g_pair);
    return by_server ? &g_pair.server : &g_pair.client;
}

static struct side *other(const struct side *s)
{
    return s == &g_pair.server ? &g_pair.client : &g_pair.server;
}

/* The side that is refused hears so: a TLS 1.3 client only when it reads. RFC 8446 4.4.2.4 */
static void assert_told(struct side *s, int alert)
{
    char got[16];
    if (s->status == SW_OK)
        side_read(s, other(s), got, sizeof(got));
    assert_int_equal(s->status, SW_CRYPTO_ALERT);
    assert_int_equal(s->said.status, SW_CRYPTO_ALERT);
    assert_int_equal(s->said.alert, alert);
    assert_false(s->said.alert_sent);
    assert_non_null(strstr(s->said.why, "alert"));
    assert_string_not_equal(s->said.help, "");
}

static void assert_refuses(struct side *s, int alert, const char *subject)
{
    struct sw_ident *id = sw_tls_take_ident(s->t);
    assert_int_equal(s->status, SW_CRYPTO_VERIFY);
    assert_int_equal(s->said.status, SW_CRYPTO_VERIFY);
    assert_int_equal(s->said.alert, alert);
    assert_true(s->said.alert_sent);
    assert_true(strstr(s->said.why, "certificate") || strstr(s->said.why, "trust entry"));
    assert_string_equal(s->said.subject, subject);
    assert_string_not_equal(s->said.code, "");
    assert_string_not_equal(s->said.help, "");
    assert_true(!id || id->vouched_count == 0);
    sw_ident_free(id);
    assert_told(other(s), alert);
}

static void assert_accepts(const struct side *s, unsigned vouching)
{
    struct sw_ident *id = sw_tls_take_ident(s->t);
    assert_int_equal(s->status, SW_OK);
    assert_int_equal(s->said.status, SW_OK);
    assert_non_null(id);
    for (unsigned i = 0; i < ENTRIES; i++)
        assert_int_equal(sw_ident_vouched(id, ID(i)), (vouching & BIT(i)) != 0);
    sw_ident_free(id);
}

static void test_refusal_depends_on_certificate_and_trust(void **state)
{
    static const struct {
        const char *name, *chain;
        unsigned trust, vouching; /* no vouching: refused */
        int alert;
        const char *subject;
    } rows[] = {
        {"good", NULL, BIT(CA), BIT(CA), 0, ""},
        {"good", NULL, BIT(CA) | BIT(SHALLOW) | BIT(ROGUE), BIT(CA) | BIT(SHALLOW), 0, ""},
        {"good", NULL, 0, 0, BAD_CERTIFICATE, "CN = good"},
        {"good", NULL, BIT(PIN), 0, BAD_CERTIFICATE, "CN = good"},
        {"good", NULL, BIT(ROGUE), 0, UNKNOWN_CA, "CN = good"},
        {"wrong", NULL, BIT(CA), 0, UNKNOWN_CA, "CN = wrong"},
        {"wrong", NULL, BIT(CA) | BIT(ROGUE), BIT(ROGUE), 0, ""},
        {"wrong", "rogue.pem", BIT(CA), 0, UNKNOWN_CA, "CN = Rogue CA"},
        {"expired", NULL, BIT(CA), 0, CERTIFICATE_EXPIRED, "CN = expired"},
        {"deep", "sub.pem", BIT(CA), BIT(CA), 0, ""},
        {"deep", "sub.pem", BIT(SHALLOW), 0, UNKNOWN_CA, "CN = Sub CA"},
        {"deep", "sub.pem", BIT(CA) | BIT(SHALLOW), BIT(CA), 0, ""},
        {"deep", NULL, BIT(CA), 0, UNKNOWN_CA, "CN = deep"},
        {"deep", NULL, BIT(SUB), BIT(SUB), 0, ""},
        {"self", NULL, BIT(CA), 0, UNKNOWN_CA, "CN = self"},
        {"self", NULL, BIT(PIN), BIT(PIN), 0, ""},
        {"self", NULL, BIT(CA) | BIT(PIN), BIT(PIN), 0, ""},
        {"expired", NULL, BIT(PIN_EXPIRED), BIT(PIN_EXPIRED), 0, ""}, /* a pin is the whole rule */
        {"expired", NULL, BIT(PIN), 0, BAD_CERTIFICATE, "CN = expired"},
        {"good", NULL, BIT(REVOKES), BIT(REVOKES), 0, ""},
        {"revoked", NULL, BIT(REVOKES), 0, CERTIFICATE_REVOKED, "CN = revoked"},
        {"revoked", NULL, BIT(CA) | BIT(REVOKES), BIT(CA), 0, ""},
        {"deep", "sub.pem", BIT(REVOKES_SUB), 0, CERTIFICATE_REVOKED, "CN = Sub CA"},
        {"good", NULL, BIT(REVOKES_SUB), BIT(REVOKES_SUB), 0, ""},
        {"weak", NULL, BIT(CA), 0, BAD_CERTIFICATE, "CN = weak"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_tls_identity *shown = pair_identity(2, rows[i].name, rows[i].chain);
        struct sw_trust *trust = trust_in(rows[i].trust);
        for (unsigned k = 0; k < 6; k++) { /* the second time the leaf may be known already */
            bool weak = strcmp(rows[i].name, "weak") == 0;
            unsigned policy = k / 2 % 2 && !weak ? POLICY_1_2 : SW_POLICY_STANDARD;
            print_message("%s under %#x, %s, policy %u\n", rows[i].name, rows[i].trust,
                          k % 2 ? "client's" : "server's", policy);
            struct side *s = judge(shown, trust, k % 2, policy);
            if (rows[i].vouching)
                assert_accepts(s, rows[i].vouching);
            else
                assert_refuses(s, rows[i].alert, rows[i].subject);
            pair_close(&g_pair);
        }
        sw_trust_free(trust);
        pair_identity_free(shown);
    }
}

/* The handshake does not know yet whose it is: what a certificate is for is told with the identity,
 * and judged with the peer. RFC 5280 4.2.1.12 */
static void test_refusal_leaves_it_open_what_a_certificate_is_for(void **state)
{
    (void)state;
    struct sw_trust *trust = trust_in(BIT(CA));
    for (unsigned k = 0; k < 8; k++) { /* twice: the second time the leaf is known */
        bool for_clients = k & 1, is_clients = k >> 1 & 1;
        struct sw_tls_identity *shown =
            pair_identity(2, for_clients ? "forclients" : "forservers", NULL);
        struct side *s = judge(shown, trust, is_clients, SW_POLICY_STANDARD);
        assert_int_equal(s->status, SW_OK);
        struct sw_ident *id = sw_tls_take_ident(s->t);
        assert_true(sw_ident_vouched(id, ID(CA)));
        assert_int_equal(sw_ident_uses(id, ID(CA)),
                         SW_USE_KEY | (for_clients ? SW_USE_CLIENT : SW_USE_SERVER));
        sw_ident_free(id);
        pair_close(&g_pair);
        pair_identity_free(shown);
    }
    sw_trust_free(trust);
}

/* With static RSA a server's key decrypts, else it signs: RFC 5246 7.4.2, RFC 5280 4.2.1.3 */
static void test_refusal_use_of_a_servers_key_depends_on_the_key_exchange(void **state)
{
    static struct sw_tls_policy policies[2];
    static const struct {
        const char *usage;
        bool statically, fits;
    } rows[] = {
        {"keyEncipherment", true, true},
        {"digitalSignature", true, false},
        {"digitalSignature", false, true},
        {"digitalSignature,keyEncipherment", true, true},
        {"digitalSignature,keyEncipherment", false, true},
    };
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        policies[i] = *sw_tls_policy_builtin(SW_POLICY_LEGACY);
        policies[i].max_version = SW_TLS_1_2;
        policies[i].ciphers = i ? "AES128-GCM-SHA256" : "ECDHE-RSA-AES128-GCM-SHA256";
    }
    struct sw_tls_worker *w = sw_tls_worker_new(policies, 2, NULL);
    struct sw_trust *trust = trust_in(BIT(CA));
    assert_non_null(w);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char options[128];
        snprintf(options, sizeof(options), "-addext keyUsage=%s", rows[i].usage);
        pki_make(&(struct pki_cert){.name = "rsa",
                                    .issuer = "ca",
                                    .subject = "/CN=rsa",
                                    .key = "rsa:2048",
                                    .options = options});
        struct sw_tls_identity *shown = pair_identity(2, "rsa", NULL);
        const struct sw_tls_params client = {.policy = rows[i].statically, .trust = trust};
        const struct sw_tls_params server = {
            .server = true, .policy = rows[i].statically, .identity = shown};
        pair_open(&g_pair, w, &client, &server, NULL);
        pair_shake(&g_pair);
        assert_int_equal(g_pair.client.status, SW_OK);
        struct sw_ident *id = sw_tls_take_ident(g_pair.client.t);
        print_message("%s, static %d\n", rows[i].usage, rows[i].statically);
        assert_int_equal((sw_ident_uses(id, ID(CA)) & SW_USE_SIGN) != 0, rows[i].fits);
        sw_ident_free(id);
        pair_close(&g_pair);
        pair_identity_free(shown);
    }
    sw_trust_free(trust);
    sw_tls_worker_free(w);
}

static void test_refusal_of_everybody_without_trust(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        assert_refuses(judge(g_good, NULL, k, SW_POLICY_STANDARD), BAD_CERTIFICATE, "CN = good");
        pair_close(&g_pair);
    }
}

/* What was verified under a store that is gone says nothing about one made in its place. */
static void test_refusal_is_not_undone_by_a_store_that_is_gone(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        struct sw_trust *trust = trust_in(BIT(CA));
        assert_accepts(judge(g_good, trust, k, SW_POLICY_STANDARD), BIT(CA));
        pair_close(&g_pair);
        sw_trust_free(trust);
        trust = trust_in(BIT(ROGUE)); /* often at the same address */
        assert_refuses(judge(g_good, trust, k, SW_POLICY_STANDARD), UNKNOWN_CA, "CN = good");
        pair_close(&g_pair);
        sw_trust_free(trust);
    }
}

static void test_refusal_of_a_client_without_certificate(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        struct side *s = judge(NULL, g_believes_good, true, k ? POLICY_1_2 : SW_POLICY_STANDARD);
        assert_int_equal(s->status, SW_CRYPTO_NO_CERT);
        assert_non_null(strstr(s->said.why, "no certificate"));
        assert_non_null(strstr(s->said.help, "client_certificate"));
        assert_string_equal(s->said.subject, "");
        assert_null(sw_tls_take_ident(s->t));
        assert_told(other(s), k ? HANDSHAKE_FAILURE : CERTIFICATE_REQUIRED);
        pair_close(&g_pair);
    }
}

/* ---- what is no TLS ---- */

static struct side *hear(bool server, struct sw_slice bytes)
{
    const struct sw_tls_params c = {.policy = SW_POLICY_STANDARD, .trust = g_believes_good};
    const struct sw_tls_params s = {
        .server = true, .policy = SW_POLICY_STANDARD, .identity = g_good};
    pair_open(&g_pair, g_worker, &c, &s, NULL);
    struct side *x = server ? &g_pair.server : &g_pair.client;
    if (!server)
        side_step(x, other(x)); /* its hello first */
    side_send(x, bytes.p, bytes.n);
    side_step(x, other(x));
    return x;
}

static void test_refusal_recognises_other_protocols(void **state)
{
    static const struct {
        bool server;
        struct sw_slice bytes;
        const char *word, *code;
    } rows[] = {
        {true, SW_SLICE("OPTIONS sip:a.test SIP/2.0\r\n\r\n"), "plain SIP", "plain_sip"},
        {true, SW_SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP", "http"},
        {true, SW_SLICE("CONNECT a:443 HTTP/1.1\r\n\r\n"), "HTTP", "http"},
        {true, SW_SLICE("SSH-2.0-a\r\n"), "not TLS", "not_tls"},
        {false, SW_SLICE("SIP/2.0 400 Bad Request\r\n\r\n"), "plain SIP", "plain_sip"},
        {false, SW_SLICE("HTTP/1.1 400 Bad Request\r\n\r\n"), "not TLS", "http"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct side *s = hear(rows[i].server, rows[i].bytes);
        assert_int_equal(s->status, SW_PEER_PROTOCOL);
        assert_non_null(strstr(s->said.why, rows[i].word));
        assert_string_equal(s->said.code, rows[i].code);
        assert_string_not_equal(s->said.help, "");
        pair_close(&g_pair);
    }
}

/* Nine bytes are enough, and nothing is taken for what they announce. RFC 8446 4.1.2 */
static void test_refusal_of_a_hello_that_announces_too_much(void **state)
{
    struct side *s = hear(true, SW_SLICE("\x16\x03\x01\x00\x10\x01\x01\x00\x00"));
    (void)state;
    assert_int_equal(s->status, SW_CRYPTO);
    assert_string_equal(s->said.code, "message_too_large");
    assert_int_equal(s->said.alert, 47); /* illegal_parameter */
    assert_true(s->said.alert_sent);
    pair_close(&g_pair);
    s = hear(true, SW_SLICE("\x16\x03\x01\x00\x10\x01\x00\x40\x00")); /* the longest */
    assert_int_equal(s->status, SW_AGAIN);
    pair_close(&g_pair);
}

static void test_refusal_waits_for_the_end_of_a_cut_hello(void **state)
{
    (void)state;
    hear(true, SW_SLICE(""));
    side_step(&g_pair.client, &g_pair.server);
    size_t n = g_pair.server.n;
    char *hello = malloc(n);
    memcpy(hello, g_pair.server.wire, n);
    pair_close(&g_pair);
    for (size_t k = 0; k < n; k++) {
        assert_int_equal(hear(true, sw_slice(hello, k))->status, SW_AGAIN);
        pair_close(&g_pair);
    }
    free(hello);
}

static void test_refusal_of_damaged_handshakes_has_words(void **state)
{
    struct rng r = rng_start(__func__);
    int failed = 0;
    (void)state;
    for (int round = 0; round < 150; round++) {
        const struct sw_tls_params c = {.policy = SW_POLICY_STANDARD, .trust = g_believes_good};
        const struct sw_tls_params s = {
            .server = true, .policy = SW_POLICY_STANDARD, .identity = g_good};
        pair_open(&g_pair, g_worker, &c, &s, NULL);
        for (int step = 0; step < 4; step++) {
            struct side *x = step % 2 ? &g_pair.server : &g_pair.client;
            if (x->n > x->fed)
                x->wire[x->fed + rng_below(&r, x->n - x->fed)] ^= (char)(1 << rng_below(&r, 8));
            if (x->status == SW_AGAIN)
                side_step(x, other(x));
            if (x->status == SW_OK || x->status == SW_AGAIN)
                continue;
            assert_int_equal(x->said.status, x->status);
            assert_string_not_equal(x->said.why, "");
            assert_string_not_equal(x->said.help, "");
            failed++;
        }
        pair_close(&g_pair);
    }
    assert_true(failed > 0);
}

static void test_refusal_has_nothing_to_say_before_it_happens(void **state)
{
    (void)state;
    struct side *s = hear(true, SW_SLICE(""));
    assert_int_equal(s->said.status, SW_OK);
    assert_int_equal(s->said.alert, -1);
    assert_string_equal(s->said.why, "");
    assert_string_equal(s->said.subject, "");
    assert_null(sw_tls_take_ident(s->t));
    pair_close(&g_pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusal_depends_on_certificate_and_trust),
        cmocka_unit_test(test_refusal_leaves_it_open_what_a_certificate_is_for),
        cmocka_unit_test(test_refusal_use_of_a_servers_key_depends_on_the_key_exchange),
        cmocka_unit_test(test_refusal_of_everybody_without_trust),
        cmocka_unit_test(test_refusal_is_not_undone_by_a_store_that_is_gone),
        cmocka_unit_test(test_refusal_of_a_client_without_certificate),
        cmocka_unit_test(test_refusal_recognises_other_protocols),
        cmocka_unit_test(test_refusal_of_a_hello_that_announces_too_much),
        cmocka_unit_test(test_refusal_waits_for_the_end_of_a_cut_hello),
        cmocka_unit_test(test_refusal_of_damaged_handshakes_has_words),
        cmocka_unit_test(test_refusal_has_nothing_to_say_before_it_happens),
    };
    return cmocka_run_group_tests(tests, start, finish);
}

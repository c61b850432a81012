#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/hmac.h"
#include "support/random.h"
#include "support/tlspair.h"
#include "tls/message.h"

enum { SEEN_MAX = 64, TEXT = 1024 };

/* A handshake's messages as they passed, each in memory of exactly its size. */
struct seen {
    bool sent;
    unsigned content_type, version;
    struct sw_slice bytes;
};

static struct seen g_seen[SEEN_MAX];
static unsigned g_seen_count;
static struct sw_tls_worker *g_worker;
static struct sw_tls_identity *g_server, *g_client;
static struct sw_trust_entry g_entry = {.id = 1, .depth = 3};
static struct sw_trust *g_trust;
static struct pair g_pair;

static struct sw_slice exact(struct sw_slice s)
{
    char *p = malloc(s.n ? s.n : 1); /* so that a read behind the end is seen */
    assert_non_null(p);
    if (s.n)
        memcpy(p, s.p, s.n);
    return sw_slice(p, s.n);
}

/* Each is noted once: when the client sends or receives it. */
static void note(void *user, const struct sw_tls_seen *m)
{
    if (user != &g_pair.client)
        return;
    assert_in_range(g_seen_count, 0, SEEN_MAX - 1);
    g_seen[g_seen_count++] = (struct seen){m->sent, m->content_type, m->version, exact(m->bytes)};
}

static void forget(void)
{
    for (unsigned i = 0; i < g_seen_count; i++)
        free((void *)(uintptr_t)g_seen[i].bytes.p);
    g_seen_count = 0;
}

static int start(void **state)
{
    if (pki_start(state) != 0)
        return -1;
    pki_make(&(struct pki_cert){.name = "ca", .subject = "/CN=Test CA", .options = PKI_CA});
    pki_make(
        &(struct pki_cert){.name = "sub", .issuer = "ca", .subject = "/CN=Sub", .options = PKI_CA});
    pki_make(&(struct pki_cert){.name = "server", .issuer = "sub", .subject = "/CN=server.test"});
    pki_make(&(struct pki_cert){
        .name = "client", .issuer = "ca", .subject = "/CN=client.test", .key = "rsa:2048"});
    g_server = pair_identity(1, "server", "sub.pem");
    g_client = pair_identity(2, "client", NULL);
    g_entry.anchors = pki_certs("ca.pem");
    g_trust = sw_trust_new((const struct sw_trust_entry *const[]){&g_entry}, 1);
    g_worker = pair_worker(note);
    return g_trust ? 0 : -1;
}

static int finish(void **state)
{
    forget();
    sw_tls_worker_free(g_worker);
    sw_trust_free(g_trust);
    sw_certs_free(&g_entry.anchors);
    pair_identity_free(g_server);
    pair_identity_free(g_client);
    return pki_finish(state);
}

/* A handshake in which the client shows a certificate, or none. */
static void record(unsigned policy, const struct sw_tls_identity *client)
{
    const struct sw_tls_params c = {
        .policy = policy, .identity = client, .trust = g_trust, .server_name = "server.test"};
    const struct sw_tls_params s = {.server = true,
                                    .policy = policy,
                                    .identity = g_server,
                                    .trust = g_trust,
                                    .client_cert = SW_CERT_REQUEST};
    char got[16];
    forget();
    g_pair.client = (struct side){.w = g_worker, .piece = SIZE_MAX, .status = SW_AGAIN};
    g_pair.server = g_pair.client;
    g_pair.client.t = sw_tls_new(g_worker, &c, &g_pair.client);
    g_pair.server.t = sw_tls_new(g_worker, &s, &g_pair.server);
    assert_non_null(g_pair.client.t);
    assert_non_null(g_pair.server.t);
    pair_shake(&g_pair);
    assert_int_equal(g_pair.client.status, SW_OK);
    assert_int_equal(g_pair.server.status, SW_OK);
    sw_tls_close(g_pair.server.t);
    side_flush(&g_pair.server, &g_pair.client);
    side_read(&g_pair.client, &g_pair.server, got, sizeof(got));
    pair_close(&g_pair);
}

static const char *describe(unsigned content_type, unsigned version, struct sw_slice bytes)
{
    static char text[TEXT];
    struct sw_buf b = sw_buf(text, sizeof(text) - 1);
    sw_tls_message_describe(&b, content_type, version, bytes);
    text[b.n] = 0;
    return text;
}

static const struct seen *find(const char *name, bool sent)
{
    for (unsigned i = 0; i < g_seen_count; i++)
        if (g_seen[i].sent == sent &&
            strcmp(sw_tls_message_name(g_seen[i].content_type, g_seen[i].bytes), name) == 0)
            return &g_seen[i];
    fail_msg("no %s", name);
    return NULL;
}

static void assert_says(const char *name, bool sent, const char *words)
{
    const struct seen *m = find(name, sent);
    const char *text = describe(m->content_type, m->version, m->bytes);
    if (!strstr(text, words))
        print_error("%s: %s\n", name, text);
    assert_non_null(strstr(text, words));
}

/* The names in their order; those sent by the client with ">". */
static void assert_order(const char *const *names)
{
    unsigned i = 0;
    for (; names[i] && i < g_seen_count; i++) {
        const char *name = sw_tls_message_name(g_seen[i].content_type, g_seen[i].bytes);
        if (g_seen[i].sent != (names[i][0] == '>') || strcmp(names[i] + 1, name) != 0)
            print_error("%u: %s instead of %s\n", i, name, names[i]);
        assert_int_equal(g_seen[i].sent, names[i][0] == '>');
        assert_string_equal(names[i] + 1, name);
    }
    assert_null(names[i]);
    assert_int_equal(i, g_seen_count);
}

/* RFC 8446 2; the library shows a ChangeCipherSpec only when it sends it */
static void test_message_names_a_tls_1_3_handshake(void **state)
{
    static const char *const names[] = {">ClientHello",
                                        "<ServerHello",
                                        "<EncryptedExtensions",
                                        "<CertificateRequest",
                                        "<Certificate",
                                        "<CertificateVerify",
                                        "<Finished",
                                        ">ChangeCipherSpec",
                                        ">Certificate",
                                        ">CertificateVerify",
                                        ">Finished",
                                        "<Alert",
                                        NULL};
    (void)state;
    record(SW_POLICY_MODERN, g_client);
    assert_order(names);
}

/* RFC 5246 7.3 */
static void test_message_names_a_tls_1_2_handshake(void **state)
{
    static const char *const names[] = {">ClientHello",
                                        "<ServerHello",
                                        "<Certificate",
                                        "<ServerKeyExchange",
                                        "<CertificateRequest",
                                        "<ServerHelloDone",
                                        ">Certificate",
                                        ">ClientKeyExchange",
                                        ">CertificateVerify",
                                        ">ChangeCipherSpec",
                                        ">Finished",
                                        "<Finished",
                                        "<Alert",
                                        NULL};
    (void)state;
    record(POLICY_1_2, g_client);
    assert_order(names);
}

static void test_message_says_what_a_tls_1_3_handshake_carries(void **state)
{
    (void)state;
    record(SW_POLICY_MODERN, g_client);
    assert_says("ClientHello", true, "TLS 1.3; ");
    assert_says("ClientHello", true, " suites; groups x25519, secp256r1, secp384r1");
    assert_says("ClientHello", true, "; server_name server.test");
    assert_says("ServerHello", false, "TLS 1.3; TLS_AES_128_GCM_SHA256; key share x25519");
    assert_says("Certificate", false, "CN = server.test; issuer CN = Sub; EC P-256");
    assert_says("Certificate", false, "; 1 more of its chain");
    assert_says("Certificate", true, "CN = client.test; issuer CN = Test CA; RSA 2048");
    assert_says("CertificateVerify", false, "ecdsa_secp256r1_sha256");
    assert_says("CertificateVerify", true, "rsa_pss_rsae_sha256");
    assert_says("Alert", false, "close_notify");
}

static void test_message_says_what_a_tls_1_2_handshake_carries(void **state)
{
    (void)state;
    record(POLICY_1_2, g_client);
    assert_says("ClientHello", true, "TLS 1.2; ");
    assert_says("ServerHello", false, "TLS 1.2; TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    assert_says("Certificate", false, "CN = server.test; issuer CN = Sub; EC P-256");
    assert_says("Certificate", true, "CN = client.test; issuer CN = Test CA; RSA 2048");
    assert_says("ServerKeyExchange", false, "x25519");
    assert_says("Alert", false, "close_notify");
    assert_null(strstr(describe(SW_TLS_ALERT, SW_TLS_1_2, SW_SLICE("\1\0")), "fatal"));
    assert_string_equal(describe(SW_TLS_ALERT, SW_TLS_1_2, SW_SLICE("\2\60")), "fatal unknown_ca");
}

static void test_message_says_that_no_certificate_is_shown(void **state)
{
    static const unsigned policies[] = {SW_POLICY_MODERN, POLICY_1_2};
    (void)state;
    for (int i = 0; i < 2; i++) {
        record(policies[i], NULL);
        assert_says("Certificate", true, "empty");
        assert_says("Certificate", false, "CN = server.test");
    }
}

static void assert_lists(const char *name, bool sent, const char *line)
{
    char text[4 * TEXT];
    const struct seen *m = find(name, sent);
    struct sw_buf b = sw_buf(text, sizeof(text) - 1);
    sw_tls_message_lists(&b, m->content_type, m->version, m->bytes);
    text[b.n] = 0;
    if (!strstr(text, line))
        print_error("%s: %s\n", name, text);
    assert_non_null(strstr(text, line));
}

/* RFC 8446 4.1.2, 4.3.2; RFC 5246 7.4.4 */
static void test_message_lists_what_is_offered_and_accepted(void **state)
{
    static const unsigned policies[] = {SW_POLICY_MODERN, POLICY_1_2};
    (void)state;
    for (int i = 0; i < 2; i++) {
        record(policies[i], g_client);
        assert_lists("ClientHello", true,
                     i ? "suites: TLS_ECDHE_" : "suites: TLS_AES_128_GCM_SHA256, ");
        assert_lists("ClientHello", true, "\nsignatures: ecdsa_secp256r1_sha256, ");
        assert_lists("ClientHello", true, "\nextensions: server_name, ");
        assert_lists("CertificateRequest", false, "signatures: ecdsa_secp256r1_sha256, ");
        assert_lists("CertificateRequest", false, "acceptable CAs: none is named\n");
    }
}

static void test_message_lists_the_authorities_of_a_request(void **state)
{
    /* CN=A; TLS 1.3: no context, certificate_authorities alone; TLS 1.2: no kinds, no signatures */
    static const char v13[] = "\15\0\0\31\0\0\26\0\57\0\22\0\20\0\16"
                              "\60\14\61\12\60\10\6\3\125\4\3\14\1A";
    static const char v12[] = "\15\0\0\25\0\0\0\0\20\0\16"
                              "\60\14\61\12\60\10\6\3\125\4\3\14\1A";
    const struct sw_slice both[] = {sw_slice(v13, sizeof(v13) - 1), sw_slice(v12, sizeof(v12) - 1)};
    (void)state;
    for (int i = 0; i < 2; i++) {
        char text[TEXT];
        struct sw_buf b = sw_buf(text, sizeof(text) - 1);
        sw_tls_message_lists(&b, SW_TLS_HANDSHAKE, i ? SW_TLS_1_2 : SW_TLS_1_3, both[i]);
        text[b.n] = 0;
        assert_string_equal(text, "acceptable CA: CN = A\n");
    }
}

static void test_message_gives_the_certificates_of_a_chain(void **state)
{
    static const unsigned policies[] = {SW_POLICY_MODERN, POLICY_1_2};
    struct sw_slice der[4];
    struct sw_cert_facts f;
    (void)state;
    for (int i = 0; i < 2; i++) {
        record(policies[i], g_client);
        const struct seen *m = find("Certificate", false);
        assert_int_equal(sw_tls_message_certificates(m->version, m->bytes, der, 4), 2);
        assert_int_equal(sw_cert_der_facts(der[0], &f), SW_OK);
        assert_string_equal(f.subject, "CN = server.test");
        assert_int_equal(sw_cert_der_facts(der[1], &f), SW_OK);
        assert_string_equal(f.subject, "CN = Sub");
        assert_int_equal(sw_tls_message_certificates(m->version, m->bytes, der, 1), 1);
    }
}

/* RFC 8446 4.1.3: SHA-256 of "HelloRetryRequest" as its random */
static void test_message_names_a_hello_retry_request(void **state)
{
    char hello[64] = {2, 0, 0, 60, 3, 3};
    (void)state;
    assert_string_equal(sw_tls_message_name(SW_TLS_HANDSHAKE, sw_slice(hello, 64)), "ServerHello");
    sw_sha256("HelloRetryRequest", 17, (uint8_t *)hello + 6);
    assert_string_equal(sw_tls_message_name(SW_TLS_HANDSHAKE, sw_slice(hello, 64)),
                        "HelloRetryRequest");
    assert_string_equal(sw_tls_message_name(SW_TLS_HANDSHAKE, sw_slice(hello, 37)), "ServerHello");
}

/* A name in a hello is the peer's: it goes to logs and terminals. */
static void test_message_shows_no_control_characters_of_a_server_name(void **state)
{
    (void)state;
    record(SW_POLICY_MODERN, g_client);
    struct seen hello = *find("ClientHello", true);
    struct sw_slice copy = exact(hello.bytes);
    char *at = memmem(copy.p, copy.n, "server.test", 11);
    assert_non_null(at);
    memcpy(at, "\033[31m\n\r\0\177\377t", 11);
    const char *text = describe(SW_TLS_HANDSHAKE, 0, copy);
    const char *name = strstr(text, "; server_name ");
    assert_non_null(name);
    assert_string_equal(name, "; server_name ?[31m?????t");
    free((void *)(uintptr_t)copy.p);
}

/* ---- what is broken ---- */

/* The text of part of a message, from memory of exactly its size: a byte read behind it is seen. */
static size_t try(const struct seen *m, struct sw_slice bytes, unsigned version, size_t room)
{
    char *text = malloc(room ? room : 1);
    struct sw_slice s = exact(bytes);
    struct sw_buf b = sw_buf(text, room);
    assert_non_null(sw_tls_message_name(m->content_type, s));
    sw_tls_message_describe(&b, m->content_type, version, s);
    assert_in_range(b.n, 0, room);
    struct sw_buf lists = sw_buf(text, room);
    struct sw_slice der[4];
    sw_tls_message_lists(&lists, m->content_type, version, s);
    assert_in_range(lists.n, 0, room);
    size_t certificates = sw_tls_message_certificates(version, s, der, 4);
    assert_in_range(certificates, 0, 4);
    for (size_t i = 0; i < certificates; i++) {
        assert_true(der[i].p >= s.p && der[i].p + der[i].n <= s.p + s.n);
    }
    free((void *)(uintptr_t)s.p);
    free(text);
    return b.n;
}

static void for_both(void (*f)(const struct seen *m, void *x), void *x)
{
    static const unsigned policies[] = {SW_POLICY_MODERN, POLICY_1_2};
    for (int i = 0; i < 2; i++) {
        record(policies[i], g_client);
        for (unsigned k = 0; k < g_seen_count; k++)
            f(&g_seen[k], x);
    }
}

static void cut_anywhere(const struct seen *m, void *unused)
{
    (void)unused;
    for (size_t n = 0; n < m->bytes.n; n++)
        try(m, sw_slice(m->bytes.p, n), m->version, TEXT);
}

static void test_message_cut_anywhere_gives_less_text(void **state)
{
    (void)state;
    for_both(cut_anywhere, NULL);
    record(SW_POLICY_MODERN, g_client);
    const struct seen *m = find("ClientHello", true);
    assert_string_equal(describe(m->content_type, 0, sw_slice(m->bytes.p, 3)), "");
    assert_null(strstr(describe(m->content_type, 0, sw_slice(m->bytes.p, 44)), "server_name"));
}

static void into_little_room(const struct seen *m, void *unused)
{
    (void)unused;
    for (size_t room = 0; room < 300; room++)
        try(m, m->bytes, m->version, room);
}

static void test_message_fits_any_room(void **state)
{
    (void)state;
    for_both(into_little_room, NULL);
}

static void change_some(const struct seen *m, void *rng)
{
    struct rng *r = rng;
    struct sw_slice copy = exact(m->bytes);
    for (int round = 0; round < 1500 && m->bytes.n; round++) {
        static const unsigned versions[] = {0, SW_TLS_1_0, SW_TLS_1_2, SW_TLS_1_3, 0xffff};
        memcpy((char *)(uintptr_t)copy.p, m->bytes.p, m->bytes.n);
        for (uint64_t i = 1 + rng_below(r, 4); i; i--)
            ((char *)(uintptr_t)copy.p)[rng_below(r, copy.n)] = (char)rng_next(r);
        size_t n = rng_below(r, 4) ? copy.n : rng_below(r, copy.n + 1);
        try(m, sw_slice(copy.p, n), versions[rng_below(r, 5)], TEXT);
    }
    free((void *)(uintptr_t)copy.p);
}

static void test_message_with_changed_bytes_stays_inside_of_them(void **state)
{
    struct rng r = rng_start(__func__);
    (void)state;
    for_both(change_some, &r);
}

/* Every length byte in a hello, set to its ends. */
static void test_message_with_wrong_lengths_stays_inside_of_them(void **state)
{
    static const char *const names[] = {"ClientHello", "ServerHello"};
    (void)state;
    record(SW_POLICY_MODERN, g_client);
    for (int i = 0; i < 2; i++) {
        const struct seen *m = find(names[i], i == 0);
        struct sw_slice copy = exact(m->bytes);
        char *p = (char *)(uintptr_t)copy.p;
        for (size_t at = 0; at < copy.n; at++) {
            char was = p[at];
            for (int v = -1; v <= 1; v++) {
                p[at] = (char)v;
                try(m, copy, 0, TEXT);
                p[at] = (char)(was + v);
                try(m, copy, 0, TEXT);
            }
            p[at] = was;
        }
        free(p);
    }
}

/* ---- words ---- */

static void test_message_has_a_name_for_anything(void **state)
{
    (void)state;
    assert_string_equal(sw_tls_message_name(SW_TLS_CCS, SW_SLICE("\1")), "ChangeCipherSpec");
    assert_string_equal(sw_tls_message_name(SW_TLS_ALERT, SW_SLICE("")), "Alert");
    assert_string_equal(sw_tls_message_name(SW_TLS_HANDSHAKE, SW_SLICE("\30")), "KeyUpdate");
    for (int i = 0; i < 256; i++) {
        char byte = (char)i;
        assert_string_not_equal(sw_tls_message_name(SW_TLS_HANDSHAKE, sw_slice(&byte, 1)), "");
        assert_string_not_equal(sw_tls_alert_name((unsigned)i), "");
    }
    assert_non_null(strstr(sw_tls_message_name(SW_TLS_HANDSHAKE, SW_SLICE("")), "unknown"));
    assert_non_null(strstr(sw_tls_message_name(SW_TLS_HANDSHAKE, SW_SLICE("\377")), "unknown"));
    assert_non_null(strstr(sw_tls_alert_name(255), "unknown"));
}

/* RFC 8446 6.2, RFC 5246 7.2.2, RFC 7507, RFC 7301 */
static void test_message_names_the_alerts_of_the_standards(void **state)
{
    static const struct {
        unsigned number;
        const char *name;
    } rows[] = {
        {0, "close_notify"},
        {10, "unexpected_message"},
        {20, "bad_record_mac"},
        {40, "handshake_failure"},
        {42, "bad_certificate"},
        {44, "certificate_revoked"},
        {45, "certificate_expired"},
        {48, "unknown_ca"},
        {49, "access_denied"},
        {50, "decode_error"},
        {51, "decrypt_error"},
        {70, "protocol_version"},
        {71, "insufficient_security"},
        {80, "internal_error"},
        {86, "inappropriate_fallback"},
        {109, "missing_extension"},
        {112, "unrecognized_name"},
        {116, "certificate_required"},
        {120, "no_application_protocol"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(sw_tls_alert_name(rows[i].number), rows[i].name);
}

static void test_message_names_versions(void **state)
{
    static const struct {
        unsigned version;
        const char *name;
    } rows[] = {{0x0300, "SSL 3"},           {SW_TLS_1_0, "TLS 1.0"},    {SW_TLS_1_1, "TLS 1.1"},
                {SW_TLS_1_2, "TLS 1.2"},     {SW_TLS_1_3, "TLS 1.3"},    {0, "unknown version"},
                {0x0204, "unknown version"}, {0xffff, "unknown version"}};
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[32];
        struct sw_buf b = sw_buf(text, sizeof(text) - 1);
        sw_tls_version_put(&b, rows[i].version);
        text[b.n] = 0;
        assert_string_equal(text, rows[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message_names_a_tls_1_3_handshake),
        cmocka_unit_test(test_message_names_a_tls_1_2_handshake),
        cmocka_unit_test(test_message_says_what_a_tls_1_3_handshake_carries),
        cmocka_unit_test(test_message_says_what_a_tls_1_2_handshake_carries),
        cmocka_unit_test(test_message_says_that_no_certificate_is_shown),
        cmocka_unit_test(test_message_lists_what_is_offered_and_accepted),
        cmocka_unit_test(test_message_lists_the_authorities_of_a_request),
        cmocka_unit_test(test_message_gives_the_certificates_of_a_chain),
        cmocka_unit_test(test_message_names_a_hello_retry_request),
        cmocka_unit_test(test_message_shows_no_control_characters_of_a_server_name),
        cmocka_unit_test(test_message_cut_anywhere_gives_less_text),
        cmocka_unit_test(test_message_fits_any_room),
        cmocka_unit_test(test_message_with_changed_bytes_stays_inside_of_them),
        cmocka_unit_test(test_message_with_wrong_lengths_stays_inside_of_them),
        cmocka_unit_test(test_message_has_a_name_for_anything),
        cmocka_unit_test(test_message_names_the_alerts_of_the_standards),
        cmocka_unit_test(test_message_names_versions),
    };
    return cmocka_run_group_tests(tests, start, finish);
}

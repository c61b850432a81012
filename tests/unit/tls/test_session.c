#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/random.h"
#include "support/tlspair.h"
#include "tls/message.h"

static struct sw_tls_worker *g_worker;
static struct sw_tls_identity *g_gateway, *g_peer;
static struct sw_trust_entry g_entry = {.id = 77, .depth = 3};
static struct sw_trust *g_trust;
static struct pair g_pair;

static int start(void **state)
{
    if (pki_start(state) != 0)
        return -1;
    pki_make(&(struct pki_cert){.name = "ca", .subject = "/CN=Test CA", .options = PKI_CA});
    pki_make(&(struct pki_cert){.name = "gateway",
                                .issuer = "ca",
                                .subject = "/CN=x",
                                .options = "-addext subjectAltName=DNS:gateway.test"});
    pki_make(&(struct pki_cert){.name = "peer",
                                .issuer = "ca",
                                .subject = "/CN=x",
                                .options = "-addext subjectAltName=URI:sip:peer.test",
                                .key = "rsa:2048"});
    g_gateway = pair_identity(1, "gateway", NULL);
    g_peer = pair_identity(2, "peer", NULL);
    g_entry.anchors = pki_certs("ca.pem");
    g_trust = sw_trust_new((const struct sw_trust_entry *const[]){&g_entry}, 1);
    g_worker = pair_worker(NULL);
    return g_trust ? 0 : -1;
}

static int finish(void **state)
{
    sw_tls_worker_free(g_worker);
    sw_trust_free(g_trust);
    sw_certs_free(&g_entry.anchors);
    pair_identity_free(g_gateway);
    pair_identity_free(g_peer);
    return pki_finish(state);
}

static struct sw_tls_params client_of(unsigned policy)
{
    return (struct sw_tls_params){
        .policy = policy, .identity = g_peer, .trust = g_trust, .server_name = "gateway.test"};
}

static struct sw_tls_params server_of(unsigned policy)
{
    return (struct sw_tls_params){.server = true,
                                  .policy = policy,
                                  .identity = g_gateway,
                                  .trust = g_trust,
                                  .client_cert = SW_CERT_REQUIRE};
}

static void shake(unsigned client_policy, unsigned server_policy)
{
    struct sw_tls_params c = client_of(client_policy), s = server_of(server_policy);
    pair_open(&g_pair, g_worker, &c, &s, NULL);
    pair_shake(&g_pair);
}

static void connected(unsigned policy)
{
    shake(policy, policy);
    assert_int_equal(g_pair.client.status, SW_OK);
    assert_int_equal(g_pair.server.status, SW_OK);
}

static int hang_up(void **state)
{
    (void)state;
    pair_close(&g_pair);
    g_pair.client.t = g_pair.server.t = NULL;
    return 0;
}

/* The peer's one name, and who vouched for it. */
static void assert_proved(struct sw_tls *t, unsigned kind, const char *name)
{
    struct sw_ident *id = sw_tls_take_ident(t);
    assert_non_null(id);
    assert_int_equal(id->name_count, 1);
    assert_int_equal(id->names[0].kind, kind);
    assert_true(sw_slice_eq(id->names[0].text, sw_slice_str(name)));
    assert_int_equal(id->vouched_count, 1);
    assert_true(sw_ident_vouched(id, 77));
    sw_ident_free(id);
}

static void test_session_proves_both_sides_to_each_other(void **state)
{
    static const struct {
        unsigned client, server;
        const char *version;
    } rows[] = {
        {SW_POLICY_MODERN, SW_POLICY_MODERN, "TLSv1.3"},
        {SW_POLICY_STANDARD, SW_POLICY_MODERN, "TLSv1.3"},
        {SW_POLICY_LEGACY, SW_POLICY_STANDARD, "TLSv1.3"},
        {POLICY_1_2, SW_POLICY_STANDARD, "TLSv1.2"},
        {SW_POLICY_STANDARD, POLICY_1_2, "TLSv1.2"},
        {POLICY_1_0, SW_POLICY_LEGACY, "TLSv1"},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_tls_info c, s;
        shake(rows[i].client, rows[i].server);
        assert_int_equal(g_pair.client.status, SW_OK);
        assert_int_equal(g_pair.server.status, SW_OK);
        assert_proved(g_pair.client.t, SW_NAME_DNS, "gateway.test");
        assert_proved(g_pair.server.t, SW_NAME_URI, "sip:peer.test");
        sw_tls_info(g_pair.client.t, &c);
        sw_tls_info(g_pair.server.t, &s);
        assert_string_equal(c.version, rows[i].version);
        assert_string_equal(s.version, rows[i].version);
        assert_string_equal(c.suite, s.suite);
        assert_int_equal(memcmp(c.suite, "TLS_", 4), 0);
        assert_string_equal(c.group, s.group);
        assert_string_not_equal(c.group, "-");
        assert_true(sw_slice_eq(s.server_name, SW_SLICE("gateway.test")));
        hang_up(state);
    }
}

static void test_session_without_a_version_in_common_fails_on_both_sides(void **state)
{
    static const struct {
        unsigned client, server;
        const char *help;
    } rows[] = {{SW_POLICY_MODERN, POLICY_1_2, "policy standard on this peer"},
                {POLICY_1_2, SW_POLICY_MODERN, "standard has TLS 1.3"},
                {POLICY_1_0, SW_POLICY_STANDARD, "standard has TLS 1.3"}};
    for (unsigned i = 0; i < 3; i++) {
        shake(rows[i].client, rows[i].server);
        assert_int_equal(g_pair.server.status, SW_CRYPTO);
        assert_int_equal(g_pair.server.said.alert, 70); /* protocol_version: RFC 8446 6.2 */
        assert_true(g_pair.server.said.alert_sent);
        assert_int_equal(g_pair.client.status, SW_CRYPTO_ALERT);
        assert_int_equal(g_pair.client.said.alert, 70);
        assert_false(g_pair.client.said.alert_sent);
        assert_non_null(strstr(g_pair.client.said.why, "protocol_version"));
        assert_non_null(strstr(g_pair.client.said.help, rows[i].help));
        hang_up(state);
    }
}

static void test_session_asks_for_a_certificate_as_it_is_told(void **state)
{
    static const enum sw_client_certificate wants[] = {SW_CERT_NONE, SW_CERT_REQUEST};
    for (unsigned i = 0; i < 4; i++) {
        struct sw_tls_params c = client_of(SW_POLICY_STANDARD), s = server_of(SW_POLICY_STANDARD);
        bool shows = i & 1;
        s.client_cert = wants[i / 2];
        c.identity = shows ? g_peer : NULL;
        pair_open(&g_pair, g_worker, &c, &s, NULL);
        pair_shake(&g_pair);
        assert_int_equal(g_pair.client.status, SW_OK);
        assert_int_equal(g_pair.server.status, SW_OK);
        struct sw_ident *id = sw_tls_take_ident(g_pair.server.t);
        assert_int_equal(id != NULL, shows && s.client_cert == SW_CERT_REQUEST);
        assert_int_equal(sw_tls_has_shown(g_pair.client.t),
                         shows && s.client_cert == SW_CERT_REQUEST); /* RFC 5923 9.1 */
        assert_true(sw_tls_has_shown(g_pair.server.t));
        sw_ident_free(id);
        hang_up(state);
    }
}

static void test_session_without_server_name_has_none(void **state)
{
    struct sw_tls_params c = client_of(SW_POLICY_MODERN), s = server_of(SW_POLICY_MODERN);
    struct sw_tls_info info;
    (void)state;
    c.server_name = NULL;
    pair_open(&g_pair, g_worker, &c, &s, NULL);
    sw_tls_info(g_pair.server.t, &info); /* before anything is known */
    assert_non_null(info.version);
    assert_non_null(info.suite);
    assert_non_null(info.group);
    assert_int_equal(info.server_name.n, 0);
    pair_shake(&g_pair);
    assert_int_equal(g_pair.server.status, SW_OK);
    sw_tls_info(g_pair.server.t, &info);
    assert_int_equal(info.server_name.n, 0);
}

/* ---- data ---- */

static void some_bytes(struct rng *r, char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (char)rng_next(r);
}

static void test_session_carries_data_both_ways_in_any_pieces(void **state)
{
    static const size_t pieces[] = {1, 2, 7, 1000, SIZE_MAX};
    static char sent[3000], got[3001];
    struct rng r = rng_start(__func__);
    for (unsigned i = 0; i < 2 * sizeof(pieces) / sizeof(pieces[0]); i++) {
        unsigned policy = i % 2 ? SW_POLICY_MODERN : POLICY_1_2;
        struct sw_tls_params c = client_of(policy), s = server_of(policy);
        pair_open(&g_pair, g_worker, &c, &s, NULL);
        g_pair.client.piece = g_pair.server.piece = pieces[i / 2];
        pair_shake(&g_pair);
        for (int turn = 0; turn < 6; turn++) {
            struct side *from = turn % 2 ? &g_pair.client : &g_pair.server;
            struct side *to = turn % 2 ? &g_pair.server : &g_pair.client;
            size_t n = rng_below(&r, sizeof(sent) + 1);
            some_bytes(&r, sent, n);
            assert_int_equal(sw_tls_write(from->t, sw_slice(sent, n)), SW_OK);
            side_flush(from, to);
            assert_int_equal(side_read(to, from, got, sizeof(got)), n);
            assert_int_equal(to->status, SW_AGAIN);
            assert_memory_equal(got, sent, n);
        }
        hang_up(state);
    }
}

static void test_session_write_of_a_chunk_fits_an_empty_output(void **state)
{
    static char sent[SW_TLS_CHUNK], got[SW_TLS_CHUNK + 1];
    struct rng r = rng_start(__func__);
    (void)state;
    some_bytes(&r, sent, sizeof(sent));
    connected(SW_POLICY_MODERN);
    side_read(&g_pair.client, &g_pair.server, got, sizeof(got));
    assert_int_equal(sw_tls_write(g_pair.client.t, sw_slice(sent, sizeof(sent))), SW_OK);
    side_flush(&g_pair.client, &g_pair.server);
    assert_int_equal(side_read(&g_pair.server, &g_pair.client, got, sizeof(got)), sizeof(sent));
    assert_memory_equal(got, sent, sizeof(sent));
}

static void test_session_output_is_one_sessions_until_it_is_taken(void **state)
{
    (void)state;
    connected(SW_POLICY_MODERN);
    assert_int_equal(sw_tls_output(g_worker).n, 0);
    assert_int_equal(sw_tls_write(g_pair.client.t, SW_SLICE("a")), SW_OK);
    size_t one = sw_tls_output(g_worker).n;
    assert_true(one > 1);
    assert_int_equal(sw_tls_write(g_pair.client.t, SW_SLICE("b")), SW_OK);
    assert_int_equal(sw_tls_output(g_worker).n, 2 * one);
    sw_tls_output_taken(g_worker);
    assert_int_equal(sw_tls_output(g_worker).n, 0);
    assert_int_equal(sw_tls_write(g_pair.client.t, (struct sw_slice){NULL, 0}), SW_OK);
    assert_int_equal(sw_tls_output(g_worker).n, 0);
}

/* RFC 8446 6.1 */
static void test_session_close_is_told_after_the_data(void **state)
{
    static const unsigned policies[] = {SW_POLICY_MODERN, POLICY_1_2};
    char got[16];
    for (unsigned i = 0; i < 4; i++) {
        connected(policies[i / 2]);
        struct side *from = i % 2 ? &g_pair.client : &g_pair.server;
        struct side *to = i % 2 ? &g_pair.server : &g_pair.client;
        assert_int_equal(sw_tls_write(from->t, SW_SLICE("bye")), SW_OK);
        sw_tls_close(from->t);
        side_flush(from, to);
        assert_int_equal(side_read(to, from, got, sizeof(got)), 3);
        assert_memory_equal(got, "bye", 3);
        assert_int_equal(to->status, SW_PEER_CLOSED);
        assert_int_equal(to->said.alert, -1);
        hang_up(state);
    }
}

static void test_session_close_before_the_handshake_says_nothing(void **state)
{
    struct sw_tls_params c = client_of(SW_POLICY_MODERN), s = server_of(SW_POLICY_MODERN);
    (void)state;
    pair_open(&g_pair, g_worker, &c, &s, NULL);
    sw_tls_close(g_pair.client.t);
    sw_tls_close(g_pair.server.t);
    assert_int_equal(sw_tls_output(g_worker).n, 0);
}

static void test_session_notices_every_changed_byte_of_a_record(void **state)
{
    char got[64];
    struct rng r = rng_start(__func__);
    for (size_t at = 0; at < 30; at++) {
        connected(SW_POLICY_MODERN);
        struct side *to = &g_pair.server;
        side_read(to, &g_pair.client, got, sizeof(got));
        assert_int_equal(sw_tls_write(g_pair.client.t, SW_SLICE("eight by")), SW_OK);
        size_t begin = to->n;
        side_flush(&g_pair.client, to);
        assert_int_equal(to->n - begin, 5 + 8 + 1 + 16); /* RFC 8446 5.2: head, type, tag */
        to->wire[begin + at] = (char)(to->wire[begin + at] ^ (1 + rng_below(&r, 255)));
        assert_int_equal(side_read(to, &g_pair.client, got, sizeof(got)), 0);
        if (to->status != SW_AGAIN) { /* a longer length may still wait for its bytes */
            assert_int_not_equal(to->status, SW_OK);
            assert_int_not_equal(to->status, SW_PEER_CLOSED);
            assert_string_not_equal(to->said.why, "");
        } else {
            assert_in_range(at, 3, 4);
        }
        hang_up(state);
    }
}

static unsigned g_key_updates[2]; /* of both sides: received, sent */

static void count_key_updates(void *user, const struct sw_tls_seen *m)
{
    (void)user;
    if (m->content_type == SW_TLS_HANDSHAKE && m->bytes.n && m->bytes.p[0] == 24)
        g_key_updates[m->sent]++;
}

/* Sends records one way, and what that brings the other way; none may be lost. */
static void send_records(unsigned count)
{
    char got[64];
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(sw_tls_write(g_pair.client.t, SW_SLICE("a record")), SW_OK);
        side_flush(&g_pair.client, &g_pair.server);
        assert_int_equal(side_read(&g_pair.server, &g_pair.client, got, sizeof(got)), 8);
        assert_memory_equal(got, "a record", 8);
        assert_int_equal(sw_tls_write(g_pair.server.t, SW_SLICE("yes")), SW_OK);
        side_flush(&g_pair.server, &g_pair.client);
        assert_int_equal(side_read(&g_pair.client, &g_pair.server, got, sizeof(got)), 3);
    }
}

/* RFC 9325 4.4: before the limit of a key of TLS 1.3; the limit is below 2^24.5 in each policy */
static void test_session_key_is_changed_before_it_is_worn(void **state)
{
    struct sw_tls_worker *usual = g_worker;
    struct sw_tls_policy few[2] = {*sw_tls_policy_builtin(SW_POLICY_MODERN),
                                   *sw_tls_policy_builtin(SW_POLICY_LEGACY)};
    for (unsigned i = 0; i < SW_POLICIES; i++)
        assert_in_range(sw_tls_policy_builtin(i)->key_records, 1, 23726566);
    few[1].max_version = SW_TLS_1_2;
    few[0].key_records = few[1].key_records = 20;
    g_worker = sw_tls_worker_new(few, 2, count_key_updates);
    assert_non_null(g_worker);
    connected(0);
    memset(g_key_updates, 0, sizeof(g_key_updates));
    send_records(20);
    assert_int_equal(g_key_updates[1], 0);
    send_records(1);
    assert_int_equal(g_key_updates[1], 2); /* its own, and the other one's by request */
    assert_int_equal(g_key_updates[0], 2);
    send_records(60);
    assert_in_range(g_key_updates[1], 6, 10);
    sw_tls_close(g_pair.client.t);
    side_flush(&g_pair.client, &g_pair.server);
    assert_int_equal(side_read(&g_pair.server, &g_pair.client, (char[8]){0}, 8), 0);
    assert_int_equal(g_pair.server.status, SW_PEER_CLOSED);
    hang_up(state);
    connected(1); /* TLS 1.2 has no such message */
    memset(g_key_updates, 0, sizeof(g_key_updates));
    send_records(50);
    assert_int_equal(g_key_updates[1], 0);
    hang_up(state);
    sw_tls_worker_free(g_worker);
    g_worker = usual;
}

/* ---- parameters ---- */

static void test_session_new_refuses_what_does_not_fit(void **state)
{
    struct sw_tls_params p = client_of(PAIR_POLICIES);
    struct sw_tls_identity mixed = {.id = 3, .chain = g_entry.anchors, .key = g_gateway->key};
    char name[300];
    (void)state;
    assert_null(sw_tls_new(g_worker, &p, NULL));
    p = client_of(SW_POLICY_MODERN);
    p.identity = &mixed; /* the key is another certificate's */
    assert_null(sw_tls_new(g_worker, &p, NULL));
    memset(name, 'a', sizeof(name));
    name[sizeof(name) - 1] = 0;
    p = client_of(SW_POLICY_MODERN);
    p.server_name = name; /* longer than a domain can be */
    assert_null(sw_tls_new(g_worker, &p, NULL));
}

static void test_session_policy_check_knows_what_the_library_knows(void **state)
{
    char why[SW_WHY_MAX] = "";
    (void)state;
    for (unsigned i = 0; i < SW_POLICIES; i++)
        assert_int_equal(sw_tls_policy_check(sw_tls_policy_builtin(i), why), SW_OK);
    for (int i = 0; i < 3; i++) {
        struct sw_tls_policy p = *sw_tls_policy_builtin(SW_POLICY_STANDARD);
        const char **parts[] = {&p.ciphers, &p.ciphersuites, &p.groups};
        *parts[i] = "NO-SUCH-THING";
        memset(why, 0, sizeof(why));
        assert_int_equal(sw_tls_policy_check(&p, why), SW_PEER_SYNTAX);
        assert_string_not_equal(why, "");
    }
}

static void test_session_policies_are_found_by_name(void **state)
{
    (void)state;
    assert_int_equal(sw_tls_policy_builtin_find(SW_SLICE("modern")), SW_POLICY_MODERN);
    assert_int_equal(sw_tls_policy_builtin_find(SW_SLICE("standard")), SW_POLICY_STANDARD);
    assert_int_equal(sw_tls_policy_builtin_find(SW_SLICE("legacy")), SW_POLICY_LEGACY);
    assert_int_equal(sw_tls_policy_builtin_find(SW_SLICE("")), -1);
    assert_int_equal(sw_tls_policy_builtin_find(SW_SLICE("modern2")), -1);
}

#define TEST(f) cmocka_unit_test_teardown(f, hang_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_session_proves_both_sides_to_each_other),
        TEST(test_session_without_a_version_in_common_fails_on_both_sides),
        TEST(test_session_asks_for_a_certificate_as_it_is_told),
        TEST(test_session_without_server_name_has_none),
        TEST(test_session_carries_data_both_ways_in_any_pieces),
        TEST(test_session_write_of_a_chunk_fits_an_empty_output),
        TEST(test_session_output_is_one_sessions_until_it_is_taken),
        TEST(test_session_close_is_told_after_the_data),
        TEST(test_session_close_before_the_handshake_says_nothing),
        TEST(test_session_notices_every_changed_byte_of_a_record),
        TEST(test_session_key_is_changed_before_it_is_worn),
        TEST(test_session_new_refuses_what_does_not_fit),
        TEST(test_session_policy_check_knows_what_the_library_knows),
        TEST(test_session_policies_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, start, finish);
}

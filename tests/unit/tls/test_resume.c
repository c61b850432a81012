#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/tlspair.h"
#include "tls/openssl_kept.h"
#include <time.h>

enum { HOUR_S = 3600, DAY_S = 24 * HOUR_S };

/* The clock of the library and of ours: it goes ahead without waiting. */
static time_t g_ahead_s;

time_t time(time_t *out)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += g_ahead_s;
    if (out)
        *out = t.tv_sec;
    return t.tv_sec;
}

static int64_t monotonic_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

enum { BELIEVED = 77, OTHER_ENTRY = 78 };

static struct sw_tls_identity *g_gateway, *g_second, *g_peer, *g_short, *g_long;
static struct sw_trust_entry g_entry = {.id = BELIEVED, .depth = 3};
static struct sw_trust_entry g_renamed = {.id = OTHER_ENTRY, .depth = 3};
static struct sw_trust_entry g_with_crl = {.id = BELIEVED, .depth = 3};
static struct sw_trust_entry g_stranger = {.id = BELIEVED, .depth = 3};
static struct sw_trust *g_trust, *g_trust_renamed, *g_trust_crl, *g_trust_stranger, *g_trust_again;
static struct sw_tls_names *g_names;
static struct sw_tls_worker *g_client, *g_server, *g_other;
static struct pair g_pair;
static const struct sw_endpoint g_remote = {.ip = {192, 0, 2, 1}, .port = 5061, .family = 4};

static struct sw_tls_worker *remembering(uint16_t worker, uint32_t lifetime_s, uint32_t max,
                                         int64_t begun_ago_s)
{
    const struct sw_tls_resumption r = {.secret = {1, 2, 3},
                                        .lifetime_s = lifetime_s,
                                        .sessions_max = max,
                                        .begin_s = monotonic_s() - begun_ago_s,
                                        .worker = worker};
    struct sw_tls_worker *w = pair_worker(NULL);
    assert_int_equal(sw_tls_worker_remember(w, &r), SW_OK);
    return w;
}

static struct sw_trust *trust_in(const struct sw_trust_entry *e)
{
    struct sw_trust *t = sw_trust_new(&e, 1);
    assert_non_null(t);
    return t;
}

static void make_leaf(const char *name, const char *san, int days)
{
    char options[64];
    snprintf(options, sizeof(options), "-addext subjectAltName=%s", san);
    pki_make(&(struct pki_cert){
        .name = name, .issuer = "ca", .subject = "/CN=x", .options = options, .days = days});
}

static int start(void **state)
{
    static char san[16 * 1024];
    if (pki_start(state) != 0)
        return -1;
    pki_make(&(struct pki_cert){.name = "ca", .subject = "/CN=Test CA", .options = PKI_CA});
    pki_make(&(struct pki_cert){.name = "ca2", .subject = "/CN=Other CA", .options = PKI_CA});
    make_leaf("gateway", "DNS:gateway.test", 20);
    make_leaf("second", "DNS:second.test", 20);
    make_leaf("peer", "URI:sip:peer.test", 20);
    make_leaf("short", "URI:sip:peer.test", 1);
    size_t n = (size_t)snprintf(san, sizeof(san), "-addext subjectAltName=DNS:a.test");
    for (int i = 0; i < 300; i++)
        n += (size_t)snprintf(san + n, sizeof(san) - n, ",DNS:a-long-name-%d.of.this.example.test",
                              i);
    pki_make(&(struct pki_cert){
        .name = "long", .issuer = "ca", .subject = "/CN=x", .options = san, .days = 20});
    pki_crl("ca", "peer", "ca.crl");
    g_gateway = pair_identity(1, "gateway", NULL);
    g_second = pair_identity(2, "second", NULL);
    g_peer = pair_identity(3, "peer", NULL);
    g_short = pair_identity(4, "short", NULL);
    g_long = pair_identity(5, "long", NULL);
    g_entry.anchors = g_renamed.anchors = g_with_crl.anchors = pki_certs("ca.pem");
    g_stranger.anchors = pki_certs("ca2.pem");
    struct sw_slice crl = pki_read("ca.crl");
    char why[SW_WHY_MAX];
    assert_int_equal(sw_crls_parse(crl, &g_with_crl.crls, why), SW_OK);
    pki_drop(crl);
    g_trust = trust_in(&g_entry);
    g_trust_again = trust_in(&g_entry);
    g_trust_renamed = trust_in(&g_renamed);
    g_trust_crl = trust_in(&g_with_crl);
    g_trust_stranger = trust_in(&g_stranger);
    g_names = sw_tls_names_new(2);
    assert_int_equal(sw_tls_names_add(g_names, SW_SLICE("gateway.test"), g_gateway), SW_OK);
    assert_int_equal(sw_tls_names_add(g_names, SW_SLICE("second.test"), g_second), SW_OK);
    return 0;
}

static int finish(void **state)
{
    sw_tls_names_free(g_names);
    sw_trust_free(g_trust);
    sw_trust_free(g_trust_again);
    sw_trust_free(g_trust_renamed);
    sw_trust_free(g_trust_crl);
    sw_trust_free(g_trust_stranger);
    sw_certs_free(&g_entry.anchors);
    sw_certs_free(&g_stranger.anchors);
    sw_crls_free(&g_with_crl.crls);
    pair_identity_free(g_gateway);
    pair_identity_free(g_second);
    pair_identity_free(g_peer);
    pair_identity_free(g_short);
    pair_identity_free(g_long);
    return pki_finish(state);
}

static int begin(void **state)
{
    (void)state;
    g_ahead_s = 0;
    g_client = remembering(9, 10 * DAY_S, 100, 0); /* it offers whatever it has */
    g_server = remembering(0, HOUR_S, 100, 0);
    g_other = remembering(1, HOUR_S, 100, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pair_close(&g_pair);
    g_pair.client.t = g_pair.server.t = NULL;
    sw_tls_worker_free(g_client);
    sw_tls_worker_free(g_server);
    sw_tls_worker_free(g_other);
    return 0;
}

/* ---- connecting ---- */

/* One connection: what both ends are, and the server's worker. */
struct link {
    struct sw_tls_params client, server;
    struct sw_tls_worker *to;
};

static struct link link_of(unsigned policy, bool certificate)
{
    return (struct link){.client = {.policy = policy,
                                    .identity = certificate ? g_peer : NULL,
                                    .trust = g_trust,
                                    .server_name = "gateway.test",
                                    .scope = "gateway"},
                         .server = {.server = true,
                                    .policy = policy,
                                    .identity = g_gateway,
                                    .names = g_names,
                                    .trust = g_trust,
                                    .client_cert = certificate ? SW_CERT_REQUIRE : SW_CERT_NONE,
                                    .scope = "outside"},
                         .to = g_server};
}

static void dial(const struct link *l)
{
    pair_close(&g_pair);
    pair_open(&g_pair, g_client, &l->client, &l->server, NULL);
    sw_tls_free(g_pair.server.t);
    g_pair.server.w = l->to;
    g_pair.server.t = sw_tls_new(l->to, &l->server, NULL);
    assert_non_null(g_pair.server.t);
    sw_tls_target(g_pair.client.t, &g_remote);
    pair_shake(&g_pair);
}

/* Both ends are up, and the client has read what the server sent last. True: resumed. */
static bool is_resumed(void)
{
    struct sw_tls_info c, s;
    char none[16];
    assert_string_equal(g_pair.client.said.why, "");
    assert_string_equal(g_pair.server.said.why, "");
    assert_int_equal(g_pair.client.status, SW_OK);
    assert_int_equal(g_pair.server.status, SW_OK);
    sw_tls_info(g_pair.client.t, &c);
    sw_tls_info(g_pair.server.t, &s);
    assert_int_equal(c.resumed, s.resumed);
    assert_int_equal(side_read(&g_pair.client, &g_pair.server, none, sizeof(none)), 0);
    assert_int_equal(g_pair.client.status, SW_AGAIN);
    return s.resumed;
}

static bool resumes(const struct link *l)
{
    dial(l);
    return is_resumed();
}

static void assert_proved(struct sw_tls *t, const char *name)
{
    struct sw_ident *id = sw_tls_take_ident(t);
    assert_non_null(id);
    assert_int_equal(id->name_count, 1);
    assert_true(sw_slice_eq(id->names[0].text, sw_slice_str(name)));
    assert_true(sw_ident_vouched(id, BELIEVED));
    sw_ident_free(id);
}

/* A full handshake, then as `second` wants it; the session is offered, and is it taken? */
static bool takes(const struct link *first, const struct link *second)
{
    assert_false(resumes(first));
    return resumes(second);
}

static const unsigned g_policies[] = {POLICY_1_2, SW_POLICY_MODERN};

/* ---- what is resumed ---- */

static void test_resume_keeps_what_was_proved(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bool certificate = i & 1;
        const struct link l = link_of(g_policies[i / 2], certificate);
        assert_false(resumes(&l));
        for (int again = 0; again < 3; again++) {
            assert_true(resumes(&l));
            assert_proved(g_pair.client.t, "gateway.test");
            if (certificate)
                assert_proved(g_pair.server.t, "sip:peer.test");
            else
                assert_null(sw_tls_take_ident(g_pair.server.t));
        }
        end(state);
        begin(state);
    }
}

/* RFC 5923 9.1, 9.3: who was asked for a certificate then, and which identity it is now. RFC 5705
 */
static void test_resume_keeps_whether_a_certificate_was_shown(void **state)
{
    (void)state;
    g_gateway->local_id = 5;
    g_peer->local_id = 6;
    for (unsigned i = 0; i < 4; i++) {
        bool certificate = i & 1;
        const struct link l = link_of(g_policies[i / 2], certificate);
        uint32_t before = 0;
        for (int again = 0; again < 3; again++) {
            assert_int_equal(resumes(&l), again > 0);
            assert_int_equal(sw_tls_has_shown(g_pair.client.t), certificate);
            assert_int_equal(sw_tls_local_id(g_pair.client.t), certificate ? 6 : 0);
            assert_int_equal(sw_tls_local_id(g_pair.server.t), 5);
            uint32_t order = sw_tls_order(g_pair.client.t);
            assert_int_equal(order, sw_tls_order(g_pair.server.t));
            assert_int_not_equal(order, before);
            before = order;
        }
        end(state);
        begin(state);
    }
}

static void test_resume_needs_a_scope_on_both_sides(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct link l = link_of(g_policies[i / 2], true);
        if (i & 1)
            l.client.scope = NULL;
        else
            l.server.scope = NULL;
        assert_false(takes(&l, &l));
    }
}

/* With `request` there are clients of both kinds. */
static void test_resume_of_a_listener_that_asks_tells_its_clients_apart(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct link l = link_of(g_policies[i / 2], i & 1);
        l.server.client_cert = SW_CERT_REQUEST;
        assert_true(takes(&l, &l));
        if (i & 1)
            assert_proved(g_pair.server.t, "sip:peer.test");
        else
            assert_null(sw_tls_take_ident(g_pair.server.t));
        l.to = g_other; /* what is no ticket is the worker's own */
        bool ticket = g_policies[i / 2] == SW_POLICY_MODERN && !(i & 1);
        assert_int_equal(resumes(&l), ticket);
        end(state);
        begin(state);
    }
}

/* RFC 8446 C.4 */
static void test_resume_client_offers_a_session_of_1_3_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        const struct link l = link_of(g_policies[i], true);
        bool once = g_policies[i] == SW_POLICY_MODERN;
        assert_false(resumes(&l));
        dial(&l); /* and it hears nothing more of the server */
        dial(&l);
        assert_int_equal(is_resumed(), !once);
    }
}

/* RFC 8446 4.6.1, RFC 9325 3.4: tickets from tickets do not go on for ever. */
static void test_resume_ends_with_its_lifetime(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        const struct link l = link_of(g_policies[i / 2], i & 1);
        assert_false(resumes(&l));
        g_ahead_s = HOUR_S / 2;
        assert_true(resumes(&l));
        g_ahead_s = HOUR_S - 10;
        assert_true(resumes(&l));
        g_ahead_s = HOUR_S + 1;
        assert_false(resumes(&l));
        assert_true(resumes(&l));
        g_ahead_s = 0;
        end(state);
        begin(state);
    }
}

static void test_resume_outlives_a_reload_that_changes_nothing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct link l = link_of(g_policies[i / 2], i & 1), after = l;
        struct sw_tls_policy policies[PAIR_POLICIES];
        assert_false(resumes(&l));
        for (unsigned k = 0; k < PAIR_POLICIES; k++)
            policies[k] = *sw_tls_policy_builtin(SW_POLICY_LEGACY);
        policies[POLICY_1_2].min_version = policies[POLICY_1_2].max_version = SW_TLS_1_2;
        policies[SW_POLICY_MODERN] = *sw_tls_policy_builtin(SW_POLICY_MODERN);
        assert_int_equal(sw_tls_worker_adopt(g_server, policies, PAIR_POLICIES), SW_OK);
        after.server.trust = g_trust_again;
        assert_true(resumes(&after));
        end(state);
        begin(state);
    }
}

/* ---- workers ---- */

static void test_resume_ticket_is_read_by_every_worker(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct link l = link_of(g_policies[i], false);
        assert_false(resumes(&l));
        l.to = g_other;
        assert_true(resumes(&l));
    }
}

static void test_resume_ticket_is_not_read_with_keys_that_are_over(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct sw_tls_worker *later =
            remembering(2, HOUR_S, 10, i & 1 ? 2 * HOUR_S + 1 : HOUR_S + 1);
        struct link l = link_of(g_policies[i / 2], false);
        assert_false(resumes(&l));
        l.to = later;
        assert_int_equal(resumes(&l), !(i & 1));
        end(state);
        begin(state);
        sw_tls_worker_free(later);
    }
}

static void test_resume_names_the_worker_that_keeps_the_session(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct link l = link_of(g_policies[i], true);
        uint16_t owner = 99;
        l.to = g_other;
        assert_false(resumes(&l));
        l.to = g_server;
        assert_false(resumes(&l)); /* which does not know it */
        struct sw_slice hello = sw_slice(g_pair.server.wire, g_pair.server.n);
        assert_true(sw_tls_session_owner(g_server, hello, &owner));
        assert_int_equal(owner, 1);
        for (size_t n = 0; n < 300; n++) /* not all there */
            assert_false(sw_tls_session_owner(g_server, sw_slice(hello.p, n / 2), &owner));
        end(state);
        begin(state);
    }
}

static void test_resume_owner_of_a_first_or_a_forged_hello_is_nobody(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct link l = link_of(g_policies[i], true);
        uint16_t owner;
        dial(&l);
        struct sw_slice hello = sw_slice(g_pair.server.wire, g_pair.server.n);
        assert_false(sw_tls_session_owner(g_server, hello, &owner));
    }
}

/* ---- what is refused: the handshake is a full one then ---- */

static void test_resume_not_past_the_end_of_the_certificate(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct link l = link_of(g_policies[i], true);
        l.client.identity = g_short;
        g_ahead_s = DAY_S - 60;
        assert_false(resumes(&l));
        g_ahead_s = DAY_S - 30;
        assert_true(resumes(&l));
        g_ahead_s = DAY_S + 30;
        dial(&l);
        assert_int_equal(g_pair.server.status, SW_CRYPTO_VERIFY);
        assert_string_equal(g_pair.server.said.code, "expired");
        g_ahead_s = 0;
        end(state);
        begin(state);
    }
}

static void test_resume_not_past_the_end_of_the_servers_certificate(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct link l = link_of(g_policies[i], true);
        l.server.identity = g_short;
        l.server.names = NULL;
        g_ahead_s = DAY_S - 60;
        assert_false(resumes(&l));
        g_ahead_s = DAY_S - 30;
        assert_true(resumes(&l));
        g_ahead_s = DAY_S + 30;
        dial(&l);
        assert_int_equal(g_pair.client.status, SW_CRYPTO_VERIFY);
        g_ahead_s = 0;
        end(state);
        begin(state);
    }
}

static void refused_by_server(const struct sw_trust *trust, const char *code)
{
    for (unsigned i = 0; i < 2; i++) {
        struct link l = link_of(g_policies[i], true);
        assert_false(resumes(&l));
        l.server.trust = trust;
        dial(&l);
        assert_int_equal(g_pair.server.status, SW_CRYPTO_VERIFY);
        assert_string_equal(g_pair.server.said.code, code);
        l.server.trust = g_trust; /* the session is gone */
        assert_false(resumes(&l));
        end(NULL);
        begin(NULL);
    }
}

static void test_resume_not_after_the_revocation(void **state)
{
    (void)state;
    refused_by_server(g_trust_crl, "revoked");
}

static void test_resume_not_when_the_trust_entry_believes_others(void **state)
{
    (void)state;
    refused_by_server(g_trust_stranger, "issuer_unknown");
}

static void test_resume_not_when_the_client_believes_others(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct link l = link_of(g_policies[i], true);
        assert_false(resumes(&l));
        l.client.trust = g_trust_stranger;
        dial(&l);
        assert_int_equal(g_pair.client.status, SW_CRYPTO_VERIFY);
        end(state);
        begin(state);
    }
}

/* Whether a session of the usual link is taken after `change`; of both versions and kinds. */
static void refused_after(void change(struct link *l))
{
    for (unsigned i = 0; i < 4; i++) {
        const struct link l = link_of(g_policies[i / 2], i & 1);
        struct link other = l;
        change(&other);
        assert_false(takes(&l, &other));
        if (!g_pair.client.said.why[0]) /* and so the other way round */
            assert_false(resumes(&l) && g_policies[i / 2] == SW_POLICY_MODERN);
        end(NULL);
        begin(NULL);
    }
}

static void other_listener(struct link *l)
{
    l->server.scope = "other";
}

static void test_resume_not_into_another_listener(void **state)
{
    (void)state;
    refused_after(other_listener);
}

static void other_policy(struct link *l)
{
    l->server.policy = SW_POLICY_LEGACY;
}

static void test_resume_not_into_another_policy(void **state)
{
    (void)state;
    refused_after(other_policy);
}

static void other_trust(struct link *l)
{
    l->server.trust = g_trust_renamed;
}

static void test_resume_not_into_another_trust_entry(void **state)
{
    (void)state;
    refused_after(other_trust);
}

static void other_identity(struct link *l)
{
    l->server.names = NULL;
    l->server.identity = g_second;
}

static void test_resume_not_under_another_identity_of_ours(void **state)
{
    (void)state;
    refused_after(other_identity);
}

static void other_rule(struct link *l)
{
    l->server.client_cert = l->server.client_cert == SW_CERT_NONE ? SW_CERT_REQUIRE : SW_CERT_NONE;
    l->client.identity = g_peer; /* what the client offers is the same */
}

static void test_resume_not_where_another_certificate_is_asked_for(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct link l = link_of(g_policies[i / 2], i & 1);
        l.client.identity = g_peer;
        struct link other = l;
        other_rule(&other);
        assert_false(takes(&l, &other));
        end(state);
        begin(state);
    }
}

/* RFC 6066 3: the server MUST NOT resume under another name. The client has another target then; so
 * it is made to offer what it has by giving both names one address of the cache. */
static void test_resume_not_under_another_server_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct link l = link_of(g_policies[i], true);
        assert_false(resumes(&l));
        l.client.server_name = "second.test";
        assert_false(resumes(&l));
        l.client.server_name = NULL;
        assert_false(resumes(&l));
        l.client.server_name = "gateway.test";
        assert_true(resumes(&l));
    }
}

static void test_resume_client_keeps_targets_apart(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        const struct link l = link_of(g_policies[i], true);
        struct link other = l;
        assert_false(resumes(&l));
        other.client.scope = "other peer";
        assert_false(resumes(&other));
        other = l;
        other.client.identity = g_long; /* another certificate of ours */
        assert_false(resumes(&other));
        assert_true(resumes(&l));
    }
}

/* RFC 8446 6.2: a connection that failed is not resumed; one that only broke is. */
static void test_resume_not_after_a_fatal_alert(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        const struct link l = link_of(g_policies[i], true);
        char none[16];
        assert_true(takes(&l, &l));
        side_send(&g_pair.server, "\x17\x03\x03\x00\x20no record of this connection!!!!", 37);
        side_read(&g_pair.server, &g_pair.client, none, sizeof(none));
        assert_true(g_pair.server.said.alert_sent);
        side_read(&g_pair.client, &g_pair.server, none, sizeof(none));
        assert_int_equal(g_pair.client.status, SW_CRYPTO_ALERT);
        assert_false(resumes(&l));
    }
}

/* ---- limits ---- */

static void test_resume_keeps_the_newest_sessions(void **state)
{
    (void)state;
    struct sw_tls_worker *small = remembering(3, HOUR_S, 2, 0);
    struct link l[3];
    for (unsigned i = 0; i < 3; i++) {
        static const char *const scopes[] = {"a", "b", "c"};
        l[i] = link_of(SW_POLICY_MODERN, true);
        l[i].client.scope = scopes[i];
        l[i].to = small;
        assert_false(resumes(&l[i]));
    }
    assert_true(resumes(&l[2]));
    assert_true(resumes(&l[1]));
    assert_false(resumes(&l[0]));
    pair_close(&g_pair);
    g_pair.client.t = g_pair.server.t = NULL;
    sw_tls_worker_free(small);
}

static bool resumes_from(struct sw_tls_worker *w, const struct link *l)
{
    struct sw_tls_worker *usual = g_client;
    g_client = w;
    bool r = resumes(l);
    g_client = usual;
    return r;
}

/* As many as one certificate may keep, and one more: its own oldest goes, another peer's stays. */
static void test_resume_one_certificate_does_not_take_the_room_of_others(void **state)
{
    (void)state;
    enum { N = SW_TLS_SESSIONS_PER_LEAF };
    char scope[N + 1][8];
    struct link l = link_of(SW_POLICY_MODERN, true), other = l;
    other.client.identity = g_short;
    assert_false(resumes_from(g_other, &other));
    for (unsigned i = 0; i <= N; i++) {
        snprintf(scope[i], sizeof(scope[i]), "%u", i);
        l.client.scope = scope[i];
        assert_false(resumes(&l));
    }
    assert_true(resumes(&l));
    l.client.scope = scope[1];
    assert_true(resumes(&l));
    l.client.scope = scope[0];
    assert_false(resumes(&l));
    assert_true(resumes_from(g_other, &other));
}

static void test_resume_does_not_keep_a_long_chain(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct link l = link_of(g_policies[i], true);
        l.client.identity = g_long;
        assert_false(takes(&l, &l));
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_resume_keeps_what_was_proved),
        TEST(test_resume_keeps_whether_a_certificate_was_shown),
        TEST(test_resume_needs_a_scope_on_both_sides),
        TEST(test_resume_of_a_listener_that_asks_tells_its_clients_apart),
        TEST(test_resume_client_offers_a_session_of_1_3_once),
        TEST(test_resume_ends_with_its_lifetime),
        TEST(test_resume_outlives_a_reload_that_changes_nothing),
        TEST(test_resume_ticket_is_read_by_every_worker),
        TEST(test_resume_ticket_is_not_read_with_keys_that_are_over),
        TEST(test_resume_names_the_worker_that_keeps_the_session),
        TEST(test_resume_owner_of_a_first_or_a_forged_hello_is_nobody),
        TEST(test_resume_not_past_the_end_of_the_certificate),
        TEST(test_resume_not_past_the_end_of_the_servers_certificate),
        TEST(test_resume_not_after_the_revocation),
        TEST(test_resume_not_when_the_trust_entry_believes_others),
        TEST(test_resume_not_when_the_client_believes_others),
        TEST(test_resume_not_into_another_listener),
        TEST(test_resume_not_into_another_policy),
        TEST(test_resume_not_into_another_trust_entry),
        TEST(test_resume_not_under_another_identity_of_ours),
        TEST(test_resume_not_where_another_certificate_is_asked_for),
        TEST(test_resume_not_under_another_server_name),
        TEST(test_resume_client_keeps_targets_apart),
        TEST(test_resume_not_after_a_fatal_alert),
        TEST(test_resume_keeps_the_newest_sessions),
        TEST(test_resume_one_certificate_does_not_take_the_room_of_others),
        TEST(test_resume_does_not_keep_a_long_chain),
    };
    return cmocka_run_group_tests(tests, start, finish);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/resume.h"

/* ---- what is refused: the handshake is a full one then ---- */

/* The certificate of one side ends in a day; the other side refuses it then. */
static void refused_past_the_end(bool of_server)
{
    for (unsigned i = 0; i < 2; i++) {
        struct link l = link_of(g_policies[i], true);
        if (of_server)
            l.server.names = NULL;
        *(of_server ? &l.server.identity : &l.client.identity) = g_short;
        g_ahead_s = DAY_S - 60;
        assert_false(resumes(&l));
        g_ahead_s = DAY_S - 30;
        assert_true(resumes(&l));
        g_ahead_s = DAY_S + 30;
        dial(&l);
        const struct side *judge = of_server ? &g_pair.client : &g_pair.server;
        assert_int_equal(judge->status, SW_CRYPTO_VERIFY);
        assert_string_equal(judge->said.code, "expired");
        g_ahead_s = 0;
        end(NULL);
        begin(NULL);
    }
}

static void test_resume_not_past_the_end_of_the_certificate(void **state)
{
    (void)state;
    refused_past_the_end(false);
}

static void test_resume_not_past_the_end_of_the_servers_certificate(void **state)
{
    (void)state;
    refused_past_the_end(true);
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, start, finish);
}

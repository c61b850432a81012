#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/resume.h"

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
        TEST(test_resume_needs_a_scope_on_both_sides),
        TEST(test_resume_of_a_listener_that_asks_tells_its_clients_apart),
        TEST(test_resume_client_offers_a_session_of_1_3_once),
        TEST(test_resume_ends_with_its_lifetime),
        TEST(test_resume_outlives_a_reload_that_changes_nothing),
        TEST(test_resume_ticket_is_read_by_every_worker),
        TEST(test_resume_ticket_is_not_read_with_keys_that_are_over),
        TEST(test_resume_names_the_worker_that_keeps_the_session),
        TEST(test_resume_owner_of_a_first_or_a_forged_hello_is_nobody),
        TEST(test_resume_keeps_the_newest_sessions),
        TEST(test_resume_one_certificate_does_not_take_the_room_of_others),
        TEST(test_resume_does_not_keep_a_long_chain),
    };
    return cmocka_run_group_tests(tests, start, finish);
}

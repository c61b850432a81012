/* Connection reuse between two gateways with `reverse: alias`, and what peers that want another's
 * requests get. RFC 5923 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/inside.h"
#include "sim/raw.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>

/* left - gateway one - TLS - gateway two - right, and at two's side two strangers of TLS. */
struct scene {
    struct sim *sim;
    struct gate one, two;
    struct raw *left, *right, *near, *far;
};

static void gateway(struct gate *g, struct sim *s, const char *name, unsigned workers,
                    const char *middle, const char *inside, const char *other,
                    enum sw_reverse reverse)
{
    char domain[32], other_domain[32], other_at[32], user_at[32];
    struct conf *k = &g->conf;
    bool first = strcmp(name, "one") == 0;
    snprintf(domain, sizeof(domain), "%s.test", name);
    snprintf(other_domain, sizeof(other_domain), "%s.test", other);
    snprintf(other_at, sizeof(other_at), "10.2.0.%d:5061", first ? 2 : 1);
    snprintf(user_at, sizeof(user_at), "10.1.0.%d:5060", first ? 11 : 12);
    conf_init(k);
    k->domains[0] = first ? SW_SLICE("one.test") : SW_SLICE("two.test");
    conf_listener(k, "middle", middle, SW_TLS, NULL);
    conf_listener(k, "inside", inside, SW_UDP, NULL)->unknown = SW_UNKNOWN_REJECT;
    conf_peer(k, "user", user_at, SW_UDP, NULL)->listener = 1;
    conf_peer(k, "other", other_at, SW_TLS, first ? "two.test" : "one.test")->reverse =
        (uint8_t)reverse;
    k->peer_source[1] = (struct sw_cidr){.base = k->peer_address[1][0], .bits = 32};
    k->peers[1].sources = &k->peer_source[1]; /* if it may come without certificate */
    k->peers[1].source_count = 1;
    conf_peer(k, "near", "10.2.0.66:5061", SW_TLS, "near.test")->reverse = (uint8_t)reverse;
    conf_peer(k, "far", "10.2.0.67:5061", SW_TLS, "far.test")->reverse = (uint8_t)reverse;
    conf_route(k, "other", "user", NULL);
    conf_route(k, "near", "user", NULL);
    conf_route(k, "far", "user", NULL);
    conf_route(k, "user", "near", NULL)->user = SW_SLICE("near");
    conf_route(k, "user", "far", NULL)->user = SW_SLICE("far");
    conf_route(k, "user", "other", NULL);
    gate_start(g, s, name, workers, domain, first ? 5 : 6);
    g->node->local_id = first ? 1 : 2;
}

static void scene_init(struct scene *x, unsigned workers, enum sw_reverse reverse)
{
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(31);
    gateway(&x->one, x->sim, "one", workers, "10.2.0.1:5061", "10.1.0.1:5060", "two", reverse);
    gateway(&x->two, x->sim, "two", workers, "10.2.0.2:5061", "10.1.0.2:5060", "one", reverse);
    x->left = raw_new(x->sim, "left", "10.1.0.11:5060", SW_UDP);
    x->right = raw_new(x->sim, "right", "10.1.0.12:5060", SW_UDP);
    x->near = raw_new(x->sim, "near", "10.2.0.66:5061", SW_TLS);
    x->far = raw_new(x->sim, "far", "10.2.0.67:5061", SW_TLS);
    raw_proves(x->near, "near.test");
    raw_proves(x->far, "far.test");
}

static void scene_fini(struct scene *x)
{
    sim_run(x->sim, INT64_MAX);
    gate_assert_idle(&x->one);
    gate_assert_idle(&x->two);
    gate_stop(&x->one);
    gate_stop(&x->two);
    sim_free(x->sim);
}

static unsigned g_serial;

/* A request; `via` is the sent-by and what follows the branch, `rows` end with CRLF. */
static void ask(struct scene *x, struct raw *from, const char *gate, enum sw_transport t,
                const char *method, const char *uri, const char *sent_by, const char *params,
                const char *rows)
{
    char text[4096];
    unsigned n = ++g_serial;
    snprintf(text, sizeof(text),
             "%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bKalias%u%s\r\nMax-Forwards: 70\r\n"
             "%sFrom: <sip:x@x.test>;tag=1\r\nTo: <sip:y@y.test>\r\nCall-ID: %u@x\r\n"
             "CSeq: 1 %s\r\nContact: <sip:x@%s>\r\nContent-Length: 0\r\n\r\n",
             method, uri, t == SW_TLS ? "TLS" : "UDP", sent_by, n, params, rows, n, method,
             sent_by);
    raw_send(from, gate, t, text);
    sim_run(x->sim, x->sim->now_ms + 50);
}

static void from_left(struct scene *x, const char *uri)
{
    ask(x, x->left, "10.1.0.1:5060", SW_UDP, "MESSAGE", uri, "10.1.0.11:5060", "", "");
}

static void from_right(struct scene *x, const char *uri)
{
    ask(x, x->right, "10.1.0.2:5060", SW_UDP, "MESSAGE", uri, "10.1.0.12:5060", "", "");
}

/* Connections that were ever made between these nodes, in either direction. */
static unsigned made(const struct scene *x, const struct sim_node *a, const struct sim_node *b)
{
    unsigned n = 0;
    for (size_t i = 0; i < x->sim->conn_count; i++) {
        const struct sim_node *p = x->sim->conns[i]->end[0]->node,
                              *q = x->sim->conns[i]->end[1]->node;
        n += (p == a && q == b) || (p == b && q == a);
    }
    return n;
}

static const char *second_via(const struct raw_message *m)
{
    return strstr(strstr(m->text, "Via: ") + 5, "Via: ");
}

/* RFC 5923 5, 8.1, 8.2 */
static void test_alias_one_connection_carries_both_directions(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers += 2) {
        struct scene x;
        scene_init(&x, workers, SW_REVERSE_ALIAS);
        for (unsigned i = 1; i <= 5; i++) {
            from_left(&x, "sip:y@two.test");
            assert_int_equal(raw_count(x.right, "MESSAGE"), i);
            from_right(&x, "sip:y@one.test");
            assert_int_equal(raw_count(x.left, "MESSAGE"), i);
        }
        assert_int_equal(made(&x, x.one.node, x.two.node), 1);
        /* who opened it says so, who uses it backwards has nothing to say */
        const char *forth = second_via(raw_nth(x.right, "MESSAGE", 0));
        const char *back = second_via(raw_nth(x.left, "MESSAGE", 0));
        assert_non_null(memmem(forth, strcspn(forth, "\r"), ";alias", 6));
        assert_null(memmem(back, strcspn(back, "\r"), ";alias", 6));
        scene_fini(&x);
    }
}

/* RFC 5923 9.1, 9.2: one side without certificate, known by its address */
static void test_alias_needs_both_certificates(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, 1, SW_REVERSE_ALIAS);
    struct sw_peer_conf *one = &x.two.conf.peers[1];
    one->without_certificate = true;
    struct sw_ident *ident = x.one.node->ident;
    x.one.node->ident = NULL;
    from_left(&x, "sip:y@two.test");
    assert_int_equal(raw_count(x.right, "MESSAGE"), 1);
    assert_null(strstr(raw_nth(x.right, "MESSAGE", 0)->text, ";alias"));
    x.one.node->ident = ident; /* that it answers with when it is called */
    from_right(&x, "sip:y@one.test");
    assert_int_equal(raw_count(x.left, "MESSAGE"), 1);
    assert_int_equal(made(&x, x.one.node, x.two.node), 2);
    scene_fini(&x);
}

/* docs/config.md "reverse" */
static void test_alias_is_neither_offered_nor_taken_unless_configured(void **state)
{
    (void)state;
    static const enum sw_reverse no[] = {SW_REVERSE_FLOW, SW_REVERSE_NEVER};
    for (int i = 0; i < 2; i++) {
        struct scene x;
        scene_init(&x, 1, no[i]);
        from_left(&x, "sip:y@two.test");
        assert_null(strstr(raw_nth(x.right, "MESSAGE", 0)->text, ";alias"));
        from_right(&x, "sip:y@one.test");
        assert_int_equal(made(&x, x.one.node, x.two.node), 2);
        /* 8.2: a request with it passes all the same */
        ask(&x, x.near, "10.2.0.2:5061", SW_TLS, "MESSAGE", "sip:y@two.test", "10.2.0.66:5061",
            ";alias", "");
        assert_int_equal(raw_count(x.right, "MESSAGE"), 2);
        from_right(&x, "sip:near@near.test");
        assert_int_equal(made(&x, x.near->node, x.two.node), 2);
        scene_fini(&x);
    }
}

/* RFC 5923 8.1, 8.2: "a new connection MUST be opened to the resolved address" */
static void test_alias_that_is_gone_is_replaced(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, 1, SW_REVERSE_ALIAS);
    from_left(&x, "sip:y@two.test");
    from_right(&x, "sip:y@one.test");
    sim_break(x.sim, x.one.node, x.two.node);
    sim_run(x.sim, x.sim->now_ms + 10);
    from_right(&x, "sip:y@one.test");
    assert_int_equal(raw_count(x.left, "MESSAGE"), 2);
    from_left(&x, "sip:y@two.test"); /* two dialled: now it is one that uses the alias */
    assert_int_equal(raw_count(x.right, "MESSAGE"), 2);
    assert_int_equal(made(&x, x.one.node, x.two.node), 2);
    scene_fini(&x);
}

/* Both dial at the same moment: both stay, and both ends go on with the same one. */
static void test_alias_simultaneous_connections_both_stay_and_one_is_used(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, 1, SW_REVERSE_ALIAS);
    char text[2][512];
    for (int i = 0; i < 2; i++) {
        snprintf(
            text[i], sizeof(text[i]),
            "MESSAGE sip:y@%s.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.1%d:5060;branch=z9hG4bKsim%d"
            "\r\nMax-Forwards: 70\r\nFrom: <sip:x@x.test>;tag=1\r\nTo: <sip:y@y.test>\r\n"
            "Call-ID: sim%d@x\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
            i ? "one" : "two", i ? 2 : 1, i, i);
        raw_send(i ? x.right : x.left, i ? "10.1.0.2:5060" : "10.1.0.1:5060", SW_UDP, text[i]);
    }
    sim_run(x.sim, x.sim->now_ms + 50);
    assert_int_equal(raw_count(x.left, "MESSAGE"), 1);
    assert_int_equal(raw_count(x.right, "MESSAGE"), 1);
    assert_int_equal(made(&x, x.one.node, x.two.node), 2);
    for (int i = 0; i < 4; i++) {
        from_left(&x, "sip:y@two.test");
        from_right(&x, "sip:y@one.test");
    }
    assert_int_equal(raw_count(x.left, "MESSAGE"), 5);
    assert_int_equal(raw_count(x.right, "MESSAGE"), 5);
    assert_int_equal(made(&x, x.one.node, x.two.node), 2);
    const struct sw_flow *f[2] = {&x.sim->conns[0]->flow[0], &x.sim->conns[1]->flow[0]};
    int one_dialled = f[0]->id.instance == x.one.node->instance ? 0 : 1;
    const struct sw_flow *by_one = f[one_dialled], *by_two = f[1 - one_dialled];
    bool surplus_one = sw_pool_is_surplus(x.one.node->pool, by_one, 1, 1);
    bool surplus_two = sw_pool_is_surplus(x.two.node->pool, by_two, 2, 1);
    assert_true(surplus_one != surplus_two); /* exactly one of them goes when it is idle */
    scene_fini(&x);
}

/* RFC 5923 8.2: only the address that the request came from counts, whatever sent-by says */
static void test_alias_claimed_for_the_address_of_another_is_of_no_use(void **state)
{
    (void)state;
    static const char *const claims[] = {"10.2.0.67:5061", "far.test:5061", "10.2.0.1"};
    for (size_t i = 0; i < 3; i++) {
        struct scene x;
        scene_init(&x, 1, SW_REVERSE_ALIAS);
        ask(&x, x.near, "10.2.0.2:5061", SW_TLS, "MESSAGE", "sip:y@two.test", claims[i],
            ";received=10.2.0.67;alias", "");
        assert_int_equal(raw_count(x.right, "MESSAGE"), 1);
        from_right(&x, "sip:far@far.test");
        from_right(&x, "sip:y@one.test");
        assert_int_equal(raw_count(x.near, "MESSAGE"), 0);
        assert_int_equal(raw_count(x.far, "MESSAGE"), 1);
        assert_int_equal(raw_count(x.left, "MESSAGE"), 1);
        from_right(&x, "sip:near@near.test"); /* what it got is its own: the default port, 5061 */
        assert_int_equal(raw_count(x.near, "MESSAGE"), 1);
        assert_int_equal(made(&x, x.near->node, x.two.node), 1);
        scene_fini(&x);
    }
}

/* RFC 5923 8.2, 9.3: the right address is not enough, the name must be proved, too */
static void test_alias_of_another_identity_at_the_same_address_is_not_used(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, 1, SW_REVERSE_ALIAS);
    x.near->node->ident = x.far->ident; /* somebody with far's certificate at near's address */
    ask(&x, x.near, "10.2.0.2:5061", SW_TLS, "MESSAGE", "sip:y@two.test", "10.2.0.66:5061",
        ";alias", "");
    assert_int_equal(raw_count(x.right, "MESSAGE"), 1);
    x.near->node->ident = x.near->ident;
    from_right(&x, "sip:near@near.test");
    assert_int_equal(made(&x, x.near->node, x.two.node), 2);
    from_right(&x, "sip:far@far.test");
    assert_int_equal(raw_count(x.far, "MESSAGE"), 1);
    scene_fini(&x);
}

/* RFC 5923 9.3: an accepted connection belongs to the identity that was shown on it */
static void test_alias_of_another_local_identity_is_not_used(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, 1, SW_REVERSE_ALIAS);
    ask(&x, x.near, "10.2.0.2:5061", SW_TLS, "MESSAGE", "sip:y@two.test", "10.2.0.66:5061",
        ";alias", "");
    from_right(&x, "sip:near@near.test");
    assert_int_equal(made(&x, x.near->node, x.two.node), 1);
    x.two.node->local_id = 22; /* after a reload it is another domain */
    from_right(&x, "sip:near@near.test");
    assert_int_equal(made(&x, x.near->node, x.two.node), 2);
    from_right(&x, "sip:near@near.test");
    assert_int_equal(made(&x, x.near->node, x.two.node), 2);
    assert_int_equal(raw_count(x.near, "MESSAGE"), 3);
    scene_fini(&x);
}

/* The table has one row per connection, however many ports its peer names. */
static void test_alias_flood_changes_nothing(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, 1, SW_REVERSE_ALIAS);
    char sent_by[32];
    for (unsigned i = 0; i < 40; i++) {
        snprintf(sent_by, sizeof(sent_by), "10.2.0.66:%u", 5061 + i);
        ask(&x, x.near, "10.2.0.2:5061", SW_TLS, "MESSAGE", "sip:y@two.test", sent_by, ";alias",
            "");
    }
    assert_true(raw_count(x.right, "MESSAGE") >= 40); /* it does not answer, and gets repeats */
    assert_int_equal(x.sim->conns[0]->flow[1].alias_port, 5061);
    from_right(&x, "sip:near@near.test");
    assert_int_equal(made(&x, x.near->node, x.two.node), 1);
    scene_fini(&x);
}

/* RFC 5923 7: the parameter has no value; what is no alias passes like any parameter */
static void test_alias_with_a_value_is_another_parameter(void **state)
{
    (void)state;
    static const char *const params[] = {";alias=1", ";aliased", ";x=alias"};
    for (size_t i = 0; i < 3; i++) {
        struct scene x;
        scene_init(&x, 1, SW_REVERSE_ALIAS);
        ask(&x, x.near, "10.2.0.2:5061", SW_TLS, "MESSAGE", "sip:y@two.test", "10.2.0.66:5061",
            params[i], "");
        assert_int_equal(raw_count(x.right, "MESSAGE"), 1);
        assert_int_equal(x.sim->conns[0]->flow[1].alias_port, 0);
        scene_fini(&x);
    }
}

/* docs/config.md "Inside a dialog": with an alias over its flow, without over a new connection */
static void test_alias_decides_the_way_of_requests_in_a_dialog(void **state)
{
    (void)state;
    for (int alias = 0; alias < 2; alias++) {
        struct scene x;
        scene_init(&x, 1, SW_REVERSE_ALIAS);
        char rows[2300];
        ask(&x, x.near, "10.2.0.2:5061", SW_TLS, "INVITE", "sip:y@two.test", "10.2.0.66:5061",
            alias ? ";alias" : "", "");
        const struct raw_message *invite = raw_nth(x.right, "INVITE", 0);
        assert_non_null(invite);
        raw_routes(invite, false, rows, sizeof(rows));
        raw_answer(x.right, invite, "200 OK", "Contact: <sip:y@10.1.0.12:5060>\r\n");
        sim_run(x.sim, x.sim->now_ms + 50);
        char text[4096];
        snprintf(
            text, sizeof(text),
            "BYE sip:x@10.2.0.66:5061;transport=tls SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.12:5060;"
            "branch=z9hG4bKbye%d\r\nMax-Forwards: 70\r\n%sFrom: <sip:y@y.test>;tag=raw\r\n"
            "To: <sip:x@x.test>;tag=1\r\nCall-ID: %u@x\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n"
            "\r\n",
            alias, rows, g_serial);
        raw_send(x.right, "10.1.0.2:5060", SW_UDP, text);
        sim_run(x.sim, x.sim->now_ms + 50);
        assert_int_equal(raw_count(x.near, "BYE"), 1);
        assert_int_equal(made(&x, x.near->node, x.two.node), alias ? 1 : 2);
        scene_fini(&x);
    }
}

/* A call from the left that rings at near, whose connection then goes. */
static void ring(struct scene *x, const char *final)
{
    scene_init(x, 1, SW_REVERSE_ALIAS);
    ask(x, x->right, "10.1.0.2:5060", SW_UDP, "INVITE", "sip:near@near.test", "10.1.0.12:5060", "",
        "");
    const struct raw_message *invite = raw_nth(x->near, "INVITE", 0);
    assert_non_null(invite);
    raw_answer(x->near, invite, "180 Ringing", "");
    sim_run(x->sim, x->sim->now_ms + 50);
    assert_int_equal(raw_count(x->right, "SIP/2.0 180"), 1);
    if (final)
        raw_answer(x->near, invite, final, "");
}

static const char *branch_of(const struct raw_message *m)
{
    static char text[2][128];
    static int n;
    n = !n;
    const char *p = strstr(m->text, "branch=");
    assert_non_null(p);
    snprintf(text[n], sizeof(text[n]), "%.*s", (int)strcspn(p, ";\r"), p);
    return text[n];
}

/* RFC 5923 8.1: "open a new connection to the resolved address and send the CANCEL request there"
 */
static void test_alias_cancel_goes_over_a_new_connection(void **state)
{
    (void)state;
    struct scene x;
    ring(&x, NULL);
    sim_break(x.sim, x.two.node, x.near->node);
    sim_run(x.sim, x.sim->now_ms + 50);
    assert_int_equal(raw_count(x.right, "SIP/2.0 50"), 1);
    assert_int_equal(made(&x, x.near->node, x.two.node), 2);
    const struct raw_message *invite = raw_nth(x.near, "INVITE", 0);
    const struct raw_message *cancel = raw_nth(x.near, "CANCEL", 0);
    assert_non_null(cancel);
    assert_string_equal(branch_of(cancel), branch_of(invite));
    raw_answer(x.near, cancel, "200 OK", "");
    struct raw_message over = *invite; /* RFC 3261 18.2.2: the response, too */
    over.flow = cancel->flow;
    raw_answer(x.near, &over, "487 Request Terminated", "");
    sim_run(x.sim, x.sim->now_ms + 50);
    const struct raw_message *ack = raw_nth(x.near, "ACK", 0);
    assert_non_null(ack);
    assert_string_equal(branch_of(ack), branch_of(invite));
    assert_int_equal(raw_count(x.near, "CANCEL"), 1);
    assert_int_equal(raw_count(x.right, "SIP/2.0 487"), 0); /* it had its answer */
    scene_fini(&x);
}

/* ... and nobody answers it: nothing is left */
static void test_alias_cancel_that_is_not_answered_ends(void **state)
{
    (void)state;
    struct scene x;
    ring(&x, NULL);
    x.near->node->deaf = true;
    sim_break(x.sim, x.two.node, x.near->node);
    scene_fini(&x);
}

/* RFC 5923 8.1: the ACK for a final response that is no 2xx, whose connection closes behind it */
static void test_alias_ack_goes_over_a_new_connection(void **state)
{
    (void)state;
    struct scene x;
    ring(&x, "486 Busy Here");
    struct sim_conn *c = x.sim->conns[x.sim->conn_count - 1];
    assert_ptr_equal(c->end[1]->node, x.near->node);
    sw_pool_del(x.two.node->pool,
                &c->flow[0]); /* another worker has seen its end, behind the 486 */
    c->listed[0] = c->up[0] = false;
    sim_run(x.sim, x.sim->now_ms + 100);
    assert_int_equal(raw_count(x.near, "ACK"), 1);
    assert_int_equal(made(&x, x.near->node, x.two.node), 2);
    assert_int_equal(raw_count(x.right, "SIP/2.0 486"), 1);
    scene_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alias_one_connection_carries_both_directions),
        cmocka_unit_test(test_alias_needs_both_certificates),
        cmocka_unit_test(test_alias_is_neither_offered_nor_taken_unless_configured),
        cmocka_unit_test(test_alias_that_is_gone_is_replaced),
        cmocka_unit_test(test_alias_simultaneous_connections_both_stay_and_one_is_used),
        cmocka_unit_test(test_alias_claimed_for_the_address_of_another_is_of_no_use),
        cmocka_unit_test(test_alias_of_another_identity_at_the_same_address_is_not_used),
        cmocka_unit_test(test_alias_of_another_local_identity_is_not_used),
        cmocka_unit_test(test_alias_flood_changes_nothing),
        cmocka_unit_test(test_alias_with_a_value_is_another_parameter),
        cmocka_unit_test(test_alias_decides_the_way_of_requests_in_a_dialog),
        cmocka_unit_test(test_alias_cancel_goes_over_a_new_connection),
        cmocka_unit_test(test_alias_cancel_that_is_not_answered_ends),
        cmocka_unit_test(test_alias_ack_goes_over_a_new_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

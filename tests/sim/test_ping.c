/* What a ping asks, whom, and how long it waits: docs/groups.md "Health". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/locate.h"

enum { PARTNER };
enum { PING_MS = 30000, TIMEOUT_MS = 4000 };

/* The partner has two addresses in place of the DNS. */
static struct conf *begin(struct located *x)
{
    struct conf *k = &x->gate.conf;
    located_init(x, "partner.test");
    k->peer_address[PARTNER][0] = sim_endpoint("10.0.0.11:5061");
    k->peer_address[PARTNER][1] = sim_endpoint("10.0.0.12:5071");
    k->peers[PARTNER].address_count = 2;
    k->peers[PARTNER].ping_ms = PING_MS;
    return k;
}

static bool is_down(const struct located *x)
{
    return atomic_load(&x->gate.conf.state[PARTNER].ping_failed);
}

static void answer(struct located *x, struct raw *r, const char *status)
{
    raw_answer(r, raw_nth(r, "OPTIONS", raw_count(r, "OPTIONS") - 1), status, "");
    run_ms(x, 500);
}

/* "while it has further addresses, a dead one is no failure of the peer": RFC 3263 4.3 */
static void test_ping_asks_the_next_address(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) { /* refused; 503; silent */
        struct located x;
        begin(&x);
        located_start(&x);
        x.one->node->deaf = how == 0;
        run_ms(&x, PING_MS + 500);
        if (how == 1)
            answer(&x, x.one, "503 Service Unavailable");
        else if (how == 2)
            run_ms(&x, TIMEOUT_MS);
        assert_int_equal(raw_count(x.one, "OPTIONS"), how > 0);
        assert_int_equal(raw_count(x.two, "OPTIONS"), 1);
        assert_false(is_down(&x));
        answer(&x, x.two, "200 OK");
        assert_false(is_down(&x));
        run_ms(&x, PING_MS);
        x.one->node->deaf = false;
        if (how == 0) /* each ping begins with the first */
            assert_int_equal(raw_count(x.two, "OPTIONS"), 2);
        located_end(&x);
    }
}

static void test_ping_fails_when_all_addresses_do(void **state)
{
    struct located x;
    (void)state;
    begin(&x);
    located_start(&x);
    x.one->node->deaf = x.two->node->deaf = true;
    run_ms(&x, PING_MS + 500);
    assert_true(is_down(&x));
    x.two->node->deaf = false;
    run_ms(&x, PING_MS);
    answer(&x, x.two, "200 OK");
    assert_false(is_down(&x));
    located_end(&x);
}

/* As with requests: not after Timer F (RFC 3261 17.1.2.2), nor when a connection attempt ends. */
static void test_ping_waits_for_the_timeout_of_the_peer(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) { /* silent; it swallows what opens a connection */
        struct located x;
        begin(&x)->peers[PARTNER].address_count = 1;
        located_start(&x);
        x.one->node->swallows = how;
        run_ms(&x, PING_MS + 500);
        assert_int_equal(raw_count(x.one, "OPTIONS"), !how);
        run_ms(&x, TIMEOUT_MS - 600);
        assert_false(is_down(&x));
        run_ms(&x, 200);
        assert_true(is_down(&x));
        if (!how) /* too late: nobody waits for it any more */
            answer(&x, x.one, "200 OK");
        assert_true(is_down(&x));
        x.one->node->swallows = false;
        run_ms(&x, PING_MS);
        answer(&x, x.one, "200 OK");
        assert_false(is_down(&x));
        run_ms(&x, TIMEOUT_MS + 1000); /* the answer was in time */
        assert_false(is_down(&x));
        located_end(&x);
    }
}

/* Over UDP, with an interval that is shorter than the timeout, and without any timeout. */
static void test_ping_over_udp_waits_no_longer(void **state)
{
    (void)state;
    for (int never = 0; never < 2; never++) {
        struct located x;
        located_init(&x, "partner.test");
        struct sw_peer_conf *b = conf_peer(&x.gate.conf, "b", "10.1.0.8:5060", SW_UDP, NULL);
        struct raw *r = raw_new(x.sim, "b", "10.1.0.8:5060", SW_UDP);
        b->listener = 1;
        b->ping_ms = 1000;
        b->timeout_ms = never ? 0 : TIMEOUT_MS;
        located_start(&x);
        run_ms(&x, 1000 + TIMEOUT_MS + 100);
        assert_int_equal(atomic_load(&x.gate.conf.state[2].ping_failed), !never);
        if (never)
            run_ms(&x, 32000);
        assert_true(atomic_load(&x.gate.conf.state[2].ping_failed));
        run_ms(&x, 1000);
        answer(&x, r, "200 OK");
        assert_false(atomic_load(&x.gate.conf.state[2].ping_failed));
        located_end(&x);
    }
}

/* The question is on its way, or its connection is opened, while the configuration is another one.
 */
static void test_ping_times_out_after_a_reload(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) { /* it stays; it goes; it stays, without pings */
        struct located x;
        struct conf *k = located_next();
        begin(&x)->peers[PARTNER].address_count = 1;
        located_start(&x);
        x.one->node->swallows = true;
        run_ms(&x, PING_MS + 500);
        if (how != 1)
            conf_peer(k, "partner", "10.0.0.11:5061", SW_TLS, "partner.test")->ping_ms =
                how ? 0 : PING_MS;
        gate_adopt(&x.gate, k, 0);
        run_ms(&x, TIMEOUT_MS + 500);
        if (how != 1)
            assert_int_equal(atomic_load(&k->state[1].ping_failed), how == 0);
        run_ms(&x, PING_MS);
        located_end(&x);
    }
}

/* A list may grow shorter under a question that is on its way. */
static void test_ping_survives_a_reload(void **state)
{
    struct located x;
    (void)state;
    struct conf *k = located_next();
    begin(&x);
    located_start(&x);
    run_ms(&x, PING_MS + 500);
    answer(&x, x.one, "503 Service Unavailable");
    assert_int_equal(raw_count(x.two, "OPTIONS"), 1);
    conf_peer(k, "partner", "10.0.0.11:5061", SW_TLS, "partner.test")->ping_ms = PING_MS;
    gate_adopt(&x.gate, k, 0);
    run_ms(&x, 10);
    answer(&x, x.two, "503 Service Unavailable");
    assert_true(atomic_load(&k->state[1].ping_failed));
    run_ms(&x, PING_MS + 500);
    assert_int_equal(raw_count(x.one, "OPTIONS"), 2);
    answer(&x, x.one, "200 OK");
    assert_false(atomic_load(&k->state[1].ping_failed));
    located_end(&x);
}

/* RFC 3261 19.1.1 table 1: neither port nor transport in From and To. RFC 5630 5.3: transport=tls
 * only where the listener has it. */
static void test_ping_names_hosts_in_from_and_to(void **state)
{
    static const struct {
        const char *address, *domain;
        enum sw_transport transport;
        bool never;
        const char *from, *to, *contact;
    } rows[] = {
        {"10.0.0.13:5061", "c.test", SW_TLS, false, "<sip:sip.example.test>;tag=", "<sip:c.test>",
         "<sip:sip.example.test:5061;transport=tls>"},
        {"10.0.0.13:5061", "c.test", SW_TLS, true, "<sip:sip.example.test>;tag=", "<sip:c.test>",
         "<sip:sip.example.test>"},
        {"10.1.0.13:5070", NULL, SW_UDP, true, "<sip:10.1.0.1>;tag=", "<sip:10.1.0.13>",
         "<sip:10.1.0.1:5060>"},
        {"10.1.0.13:5070", NULL, SW_TCP, true, "<sip:10.1.0.1>;tag=", "<sip:10.1.0.13>",
         "<sip:10.1.0.1:5060;transport=tcp>"},
        {"[2001:db8::13]:5070", NULL, SW_UDP, true, "<sip:10.1.0.1>;tag=", "<sip:[2001:db8::13]>",
         "<sip:10.1.0.1:5060>"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct located x;
        located_init(&x, "partner.test");
        struct raw *r = raw_new(x.sim, "c", rows[i].address, rows[i].transport);
        if (rows[i].domain)
            raw_proves(r, rows[i].domain);
        x.gate.conf.listeners[0].transport_tls = !rows[i].never;
        conf_peer(&x.gate.conf, "c", rows[i].address, rows[i].transport, rows[i].domain)->ping_ms =
            PING_MS;
        located_start(&x);
        run_ms(&x, PING_MS + 500);
        const struct raw_message *m = raw_nth(r, "OPTIONS", 0);
        assert_non_null(m);
        const char *from = raw_header(m, "From");
        assert_int_equal(strncmp(from, rows[i].from, strlen(rows[i].from)), 0);
        assert_string_equal(raw_header(m, "To"), rows[i].to);
        assert_string_equal(raw_header(m, "Contact"), rows[i].contact);
        located_end(&x);
    }
}

/* The same for what we answer to one. */
static void test_ping_is_answered_with_a_contact_of_the_listener(void **state)
{
    static const char request[] =
        "OPTIONS sip:example.test SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.11:5061;branch=z9hG4bKo\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:partner.test>;tag=1\r\nTo: <sip:example.test>\r\n"
        "Call-ID: o\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    (void)state;
    for (int never = 0; never < 2; never++) {
        struct located x;
        located_init(&x, "partner.test");
        x.gate.conf.listeners[0].transport_tls = !never;
        located_start(&x);
        raw_send(x.one, "10.0.0.1:5061", SW_TLS, request);
        run_ms(&x, 500);
        const struct raw_message *m = raw_nth(x.one, "SIP/2.0 200", 0);
        assert_non_null(m);
        assert_string_equal(raw_header(m, "Contact"),
                            never ? "<sip:sip.example.test>"
                                  : "<sip:sip.example.test:5061;transport=tls>");
        located_fini(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ping_asks_the_next_address),
        cmocka_unit_test(test_ping_fails_when_all_addresses_do),
        cmocka_unit_test(test_ping_waits_for_the_timeout_of_the_peer),
        cmocka_unit_test(test_ping_over_udp_waits_no_longer),
        cmocka_unit_test(test_ping_times_out_after_a_reload),
        cmocka_unit_test(test_ping_survives_a_reload),
        cmocka_unit_test(test_ping_names_hosts_in_from_and_to),
        cmocka_unit_test(test_ping_is_answered_with_a_contact_of_the_listener),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

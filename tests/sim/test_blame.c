/* What is said of a place and of its peer when a request got no answer, and what is not:
 * docs/groups.md "Health", limits.avoid in docs/config.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/locate.h"

#include <stdio.h>
#include <stdlib.h>

enum { PARTNER };

static const struct sw_peer_conf *partner(const struct located *x)
{
    return &x->gate.conf.peers[PARTNER];
}

static bool is_avoided(const struct located *x, const char *address)
{
    const struct sw_endpoint at = sim_endpoint(address);
    return sw_avoid_has(&x->gate.avoid, partner(x)->id, &at, SW_TLS, x->sim->now_ms);
}

static uint32_t failed(const struct located *x, int peer)
{
    return atomic_load(&x->gate.conf.state[peer].load->failed);
}

static bool is_passed_over(const struct located *x)
{
    return atomic_load(&x->gate.conf.state[PARTNER].load->try_at_ms) > x->sim->now_ms;
}

static void ask(struct located *x, unsigned n)
{
    char call[16];
    snprintf(call, sizeof(call), "c%u", n);
    send_request(x, "MESSAGE", "sip:bob@example.test", call, "");
    run_ms(x, 15000); /* longer than SW_LOCATION_WAIT_MS */
}

static void begin(struct located *x, const char *ident_one)
{
    located_init(x, ident_one);
    x->gate.conf.peers[PARTNER].fail_after = 2;
    x->gate.conf.peers[PARTNER].retry_after_ms = 60000;
    conf_route(&x->gate.conf, "pbx", "partner", NULL);
    located_start(x);
}

/* RFC 3263 4.3 speaks of servers that failed, not of us. */
static void test_blame_is_not_the_places_for_what_is_ours(void **state)
{
    static const struct {
        enum sw_status status;
        bool ours;
    } cases[] = {{SW_LIMIT, true},        {SW_LIMIT_MEMORY, true},  {SW_LIMIT_PEER, true},
                 {SW_SYS_AWAY, true},     {SW_PEER_REFUSED, false}, {SW_PEER_TIMEOUT, false},
                 {SW_CRYPTO_ALERT, false}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct located x;
        begin(&x, "partner.test");
        partner_zone(&x.zone);
        x.gate.node->fails = cases[i].status;
        send_request(&x, "MESSAGE", "sip:bob@example.test", "c1", "");
        run_ms(&x, 1000);
        assert_int_equal(is_avoided(&x, "10.0.0.11:5061"), !cases[i].ours);
        assert_int_equal(is_avoided(&x, "10.0.0.12:5071"), !cases[i].ours);
        assert_int_equal(failed(&x, PARTNER), !cases[i].ours);
        located_fini(&x);
    }
}

/* The address of a UDP listener is on another node: its peers are as they were. */
static void test_blame_is_not_the_peers_for_a_datagram_that_cannot_leave(void **state)
{
    (void)state;
    for (int ours = 0; ours < 2; ours++) {
        struct located x;
        located_init(&x, "partner.test");
        struct sw_peer_conf *b = conf_peer(&x.gate.conf, "b", "10.1.0.8:5060", SW_UDP, NULL);
        b->listener = 1;
        b->fail_after = 3;
        conf_route(&x.gate.conf, "pbx", "b", NULL);
        located_start(&x);
        x.gate.node->fails = ours ? SW_SYS_AWAY : SW_PEER_REFUSED;
        send_request(&x, "MESSAGE", "sip:bob@example.test", "c1", "");
        run_ms(&x, 100);
        assert_int_equal(failed(&x, 2), !ours);
        located_fini(&x);
    }
}

static void test_blame_is_not_the_peers_for_a_ping_that_cannot_leave(void **state)
{
    (void)state;
    for (int how = 0; how < 3;
         how++) { /* refused; a limit of ours; a limit on the way to the DNS */
        struct located x;
        located_init(&x, "partner.test");
        x.gate.conf.peers[PARTNER].ping_ms = 30000;
        located_start(&x);
        if (how < 2)
            partner_zone(&x.zone);
        else
            zone_fail(&x.zone, "partner.test", SW_DNS_NAPTR, SW_LIMIT);
        x.gate.node->fails = how == 0 ? SW_PEER_REFUSED : how == 1 ? SW_LIMIT : SW_OK;
        run_ms(&x, 40000);
        assert_int_equal(atomic_load(&x.gate.conf.state[PARTNER].ping_failed), how == 0);
        located_end(&x);
    }
}

/* All places failed: the peer did. */
static void test_blame_is_the_peers_when_all_its_places_fail(void **state)
{
    struct located x;
    (void)state;
    begin(&x, "intruder.test");
    partner_zone(&x.zone);
    x.two->node->deaf = true;
    ask(&x, 1);
    assert_int_equal(failed(&x, PARTNER), 1);
    ask(&x, 2);
    assert_true(is_passed_over(&x));
    located_fini(&x);
}

static void silent(struct zone *z)
{
    zone_fail(z, "partner.test", SW_DNS_NAPTR, SW_PEER_DNS);
    zone_fail(z, "partner.test", SW_DNS_A, SW_PEER_DNS);
    zone_fail(z, "_sips._tcp.partner.test", SW_DNS_SRV, SW_PEER_DNS);
}

static void nothing(struct zone *z)
{
    (void)z;
}

static void forged(struct zone *z)
{
    zone_fail(z, "partner.test", SW_DNS_NAPTR, SW_DENIED_BOGUS);
}

static void limited(struct zone *z)
{
    zone_fail(z, "partner.test", SW_DNS_NAPTR, SW_LIMIT);
}

/* A peer that the DNS does not find is as far away as one that does not answer; what we did not ask
 * says nothing. */
static void test_blame_is_the_peers_when_the_dns_does_not_find_it(void **state)
{
    static void (*const zones[])(struct zone *) = {nothing, silent, forged, limited};
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct located x;
        begin(&x, "partner.test");
        zones[i](&x.zone);
        for (unsigned n = 1; n <= 2; n++) {
            ask(&x, n);
            assert_int_equal(failed(&x, PARTNER), i < 3 ? n : 0);
        }
        assert_int_equal(is_passed_over(&x), i < 3);
        located_fini(&x);
    }
}

/* Then a group passes it over, and does not wait for the DNS again; one request at a time tries. */
static void test_blame_for_the_dns_lets_a_group_pass_over_the_peer(void **state)
{
    struct located x;
    (void)state;
    located_init(&x, "partner.test");
    x.gate.conf.peers[PARTNER].fail_after = 1;
    x.gate.conf.peers[PARTNER].retry_after_ms = 60000;
    struct sw_peer_conf *b = conf_peer(&x.gate.conf, "b", "10.1.0.8:5060", SW_UDP, NULL);
    b->listener = 1;
    conf_route(&x.gate.conf, "pbx", "partner", "b", NULL);
    struct raw *spare = raw_new(x.sim, "b", "10.1.0.8:5060", SW_UDP);
    located_start(&x);
    x.gate.node->dns.lost = 1000;
    ask(&x, 1);
    uint64_t asked = x.gate.node->dns.asked;
    assert_true(asked > 0 && raw_count(spare, "MESSAGE") > 0);
    raw_answer(spare, raw_nth(spare, "MESSAGE", 0), "200 OK", "");
    send_request(&x, "MESSAGE", "sip:bob@example.test", "c2", "");
    run_ms(&x, 100);
    assert_int_equal(x.gate.node->dns.asked, asked);
    assert_string_equal(
        raw_header(raw_nth(spare, "MESSAGE", raw_count(spare, "MESSAGE") - 1), "Call-ID"), "c2");
    run_ms(&x, 60000);
    for (unsigned n = 3; n < 6; n++) {
        char call[16];
        snprintf(call, sizeof(call), "c%u", n);
        send_request(&x, "MESSAGE", "sip:bob@example.test", call, "");
    }
    run_ms(&x, 100);
    assert_int_equal(x.gate.node->dns.asked, asked + 1); /* the NAPTR, by one of them */
    located_fini(&x);
}

/* Whoever names a host inside a dialog or by `to: dns` chooses what is asked for. */
static void test_blame_is_not_the_peers_for_a_name_that_a_sender_chose(void **state)
{
    struct located x;
    (void)state;
    located_init(&x, "partner.test");
    x.gate.conf.peers[PARTNER].fail_after = 1;
    route_lookup(&x.gate.conf, SW_LOOKUP_DNS);
    located_start(&x);
    partner_zone(&x.zone);
    int64_t try_at = x.sim->now_ms; /* it is down, and one request may try it again */
    atomic_store(&x.gate.conf.state[PARTNER].load->try_at_ms, try_at);
    send_request(&x, "MESSAGE", "sip:bob@partner.test;transport=udp", "c1", "");
    run_ms(&x, 1000);
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 480"), 1);
    assert_int_equal(failed(&x, PARTNER), 0);
    assert_int_equal(atomic_load(&x.gate.conf.state[PARTNER].load->try_at_ms), try_at);
    located_fini(&x);
}

/* The clear way is no further place where it may not be taken: "never after a failed handshake or
 * identity". */
static void test_blame_is_the_peers_when_the_clear_way_is_closed(void **state)
{
    struct located x;
    (void)state;
    located_init(&x, "intruder.test");
    struct sw_peer_conf *p = &x.gate.conf.peers[PARTNER];
    p->fail_after = 2;
    p->retry_after_ms = 60000;
    p->best_effort = x.gate.conf.proxy.best_effort = true;
    p->clear_address = sim_endpoint("10.1.0.7:5060");
    conf_route(&x.gate.conf, "pbx", "partner", NULL);
    located_start(&x);
    partner_zone(&x.zone);
    x.two->node->deaf = true;
    ask(&x, 1);
    assert_int_equal(failed(&x, PARTNER), 1);
    ask(&x, 2);
    assert_true(is_passed_over(&x));
    located_fini(&x);
}

/* Whoever is in a dialog writes where its requests go: that nobody is there says nothing of the
 * peer that the dialog is with. RFC 3261 12.2.1.1 */
static void test_blame_is_not_the_peers_for_where_a_dialog_leads(void **state)
{
    static const char *const uris[] = {"sip:b@dead.test", "sip:b@10.9.9.9:5061",
                                       "sip:b@partner.test"};
    static const char *const methods[] = {"INFO", "MESSAGE", "NOTIFY"};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct located x;
        begin(&x, "partner.test");
        partner_zone(&x.zone);
        zone_srv(&x.zone, "_sips._tcp.dead.test", 1, 0, 5061, "h.dead.test");
        zone_address(&x.zone, "h.dead.test", "10.9.9.9");
        send_request(&x, "INVITE", "sip:bob@example.test", "c1", "");
        run_ms(&x, 1000);
        raw_answer(x.one, raw_nth(x.one, "INVITE", 0), "200 OK", "Contact: <sip:b@10.9.9.9>\r\n");
        run_ms(&x, 300);
        const struct raw_message *ok = raw_nth(x.pbx, "SIP/2.0 200", 0);
        x.one->node->deaf = x.two->node->deaf = true;
        sim_break(x.sim, x.gate.node, x.one->node);
        for (unsigned k = 0; k < 3; k++) {
            char cseq[32];
            snprintf(cseq, sizeof(cseq), "%u %s", k + 2, methods[k]);
            send_inside(&x, methods[k], ok, uris[i], cseq);
            run_ms(&x, 5000);
        }
        assert_int_equal(failed(&x, PARTNER) > 0, i == 2);
        located_fini(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blame_is_not_the_places_for_what_is_ours),
        cmocka_unit_test(test_blame_is_not_the_peers_for_a_datagram_that_cannot_leave),
        cmocka_unit_test(test_blame_is_not_the_peers_for_a_ping_that_cannot_leave),
        cmocka_unit_test(test_blame_is_the_peers_when_all_its_places_fail),
        cmocka_unit_test(test_blame_is_the_peers_when_the_dns_does_not_find_it),
        cmocka_unit_test(test_blame_for_the_dns_lets_a_group_pass_over_the_peer),
        cmocka_unit_test(test_blame_is_not_the_peers_for_a_name_that_a_sender_chose),
        cmocka_unit_test(test_blame_is_the_peers_when_the_clear_way_is_closed),
        cmocka_unit_test(test_blame_is_not_the_peers_for_where_a_dialog_leads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

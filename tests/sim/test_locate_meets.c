/* Where the location of servers meets sips, connection reuse, limits and reloads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/locate.h"
#include <stdio.h>
#include <stdlib.h>

/* A request of `two`, over TLS. */
static void from_two(struct located *x, const char *method, const char *uri, const char *call)
{
    char text[2048];
    snprintf(text, sizeof(text),
             "%s %s SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.12:5071;branch=z9hG4bK-%s\r\n"
             "Max-Forwards: 70\r\nFrom: <sips:a@partner.test>;tag=1\r\nTo: <sips:b@c>\r\n"
             "Call-ID: %s\r\nCSeq: 1 %s\r\nContact: <sips:a@10.0.0.12:5071>\r\n"
             "Content-Length: 0\r\n\r\n",
             method, uri, call, call, method);
    raw_send(x->two, "10.0.0.1:5061", SW_TLS, text);
}

static void zone_number(struct located *x, const char *regexp)
{
    zone_naptr(&x->zone, "7.1.e164.arpa", 1, 1, "u", "E2U+sip", regexp, "");
    zone_srv(&x->zone, "_sips._tcp.other.test", 1, 0, 5061, "one.hoster.test");
    zone_address(&x->zone, "one.hoster.test", "10.0.0.11");
}

/* A sips request stays one, whatever URI a number has; and a sip request does not become one. RFC
 * 3261 26.2.2, RFC 5630 5.3 */
static void test_number_keeps_the_scheme(void **state)
{
    static const struct {
        const char *asked, *regexp;
        bool goes;
    } rows[] = {
        {"sips:+17@example.test;user=phone", "!^.*$!sips:x@other.test!", true},
        {"sips:+17@example.test;user=phone", "!^.*$!sip:x@other.test!", false},
        {"sip:+17@example.test;user=phone", "!^.*$!sip:x@other.test!", true},
        {"sip:+17@example.test;user=phone", "!^.*$!sips:x@other.test!", true}, /* as sip */
        {"tel:+17", "!^.*$!sips:x@other.test!", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct located x;
        located_init(&x, "other.test");
        x.gate.conf.proxy.route_count = 0;
        route_lookup(&x.gate.conf, SW_LOOKUP_ENUM);
        located_start(&x);
        zone_number(&x, rows[i].regexp);
        from_two(&x, "MESSAGE", rows[i].asked, "c1");
        run_ms(&x, 1000);
        assert_int_equal(raw_count(x.one, "MESSAGE"), rows[i].goes);
        if (rows[i].goes)
            raw_answer(x.one, raw_nth(x.one, "MESSAGE", 0), "200 OK", "");
        run_ms(&x, 1000);
        assert_int_equal(raw_count(x.two, "SIP/2.0 480"), !rows[i].goes);
        located_fini(&x);
    }
}

/* "leaves over TLS to a proved name": docs/sips.md rule 1; also if only the number's URI is sips.
 * RFC 3261 26.2.2 */
static void test_number_that_is_sips_needs_a_proved_name(void **state)
{
    (void)state;
    for (int chain = 0; chain < 2; chain++) {
        struct located x;
        located_init(&x, chain ? "anybody.test" : "spare.test");
        struct sw_peer_conf *spare =
            conf_peer(&x.gate.conf, "spare", "10.0.0.11:5061", SW_TLS, "spare.test");
        spare->verify = chain ? SW_VERIFY_CHAIN : SW_VERIFY_DOMAIN;
        x.gate.conf.proxy.route_count = 0;
        route_lookup(&x.gate.conf, SW_LOOKUP_ENUM);
        located_start(&x);
        zone_number(&x, "!^.*$!sips:x@spare.test!");
        from_two(&x, "MESSAGE", "tel:+17", "c1"); /* over TLS: else it would go on as sip */
        run_ms(&x, 1000);
        assert_int_equal(raw_count(x.one, "MESSAGE"), !chain);
        if (!chain)
            raw_answer(x.one, raw_nth(x.one, "MESSAGE", 0), "200 OK", "");
        located_fini(&x);
    }
}

/* A peer that is found by dns or enum is one with all it has: requests go back over the connection
 * that it made an alias. RFC 5923 8.1, 8.2 */
static void test_locate_uses_an_alias(void **state)
{
    (void)state;
    for (int number = 0; number < 2; number++) {
        struct located x;
        located_init(&x, "partner.test");
        x.gate.conf.peers[0].reverse = SW_REVERSE_ALIAS;
        route_lookup(&x.gate.conf, number ? SW_LOOKUP_ENUM : SW_LOOKUP_DNS);
        located_start(&x);
        x.gate.node->local_id = 1;
        zone_number(&x, "!^.*$!sip:x@partner.test!");
        zone_srv(&x.zone, "_sips._tcp.partner.test", 1, 0, 5061, "one.hoster.test");
        raw_send(x.one, "10.0.0.1:5061", SW_TLS,
                 "MESSAGE sip:b@example.test SIP/2.0\r\n"
                 "Via: SIP/2.0/TLS 10.0.0.11:5061;branch=z9hG4bK-al;alias\r\nMax-Forwards: 70\r\n"
                 "From: <sip:a@partner.test>;tag=1\r\nTo: <sip:b@example.test>\r\nCall-ID: al\r\n"
                 "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n");
        run_ms(&x, 500);
        raw_answer(x.pbx, raw_nth(x.pbx, "MESSAGE", 0), "200 OK", "");
        run_ms(&x, 500);
        send_request(&x, "MESSAGE", number ? "tel:+17" : "sip:x@partner.test", "c1", "");
        run_ms(&x, 1000);
        assert_int_equal(raw_count(x.one, "MESSAGE sip:x@partner.test"), 1);
        assert_int_equal(x.sim->conn_count, 1);
        raw_answer(x.one, raw_nth(x.one, "MESSAGE", 0), "200 OK", "");
        located_fini(&x);
    }
}

/* "open a new connection to the resolved address and send the CANCEL request there": RFC 5923 8.1;
 * a stranger's, too, which must prove its domain again */
static void test_locate_cancels_at_a_stranger_whose_connection_is_gone(void **state)
{
    (void)state;
    for (int intruder = 0; intruder < 2; intruder++) {
        struct located x;
        located_init(&x, "other.test");
        route_lookup(&x.gate.conf, SW_LOOKUP_DNS);
        located_start(&x);
        zone_number(&x, "!^.*$!sip:x@other.test!");
        send_request(&x, "INVITE", "sip:bob@other.test", "c1", "");
        run_ms(&x, 1000);
        raw_answer(x.one, raw_nth(x.one, "INVITE", 0), "180 Ringing", "");
        run_ms(&x, 500);
        if (intruder)
            x.one->node->ident = x.ident_two;
        sim_break(x.sim, x.gate.node, x.one->node);
        run_ms(&x, 2000);
        assert_int_equal(raw_count(x.one, "CANCEL sip:bob@other.test"), !intruder);
        located_fini(&x);
    }
}

/* A peer that a reload takes away while it is looked for is no stranger for that: what was to go to
 * it goes to nobody else. */
static void test_locate_knows_that_the_peer_has_gone(void **state)
{
    (void)state;
    struct located x;
    located_init(&x, "partner.test");
    route_lookup(&x.gate.conf, SW_LOOKUP_DNS);
    located_start(&x);
    partner_zone(&x.zone);
    x.gate.node->dns.delay_min_ms = x.gate.node->dns.delay_max_ms = 1000;
    send_request(&x, "INVITE", "sip:bob@partner.test", "c1", "");
    run_ms(&x, 1500);
    struct conf *next = located_next();
    gate_adopt(&x.gate, next, 10);
    run_ms(&x, 10000);
    assert_int_equal(raw_count(x.one, "INVITE"), 0);
    assert_true(raw_count(x.pbx, "SIP/2.0 480") >= 1);
    located_fini(&x);
}

/* "targets at which one request is tried": docs/config.md `branches`; places of the DNS count */
static void test_locate_tries_no_more_places_than_branches(void **state)
{
    (void)state;
    struct located x;
    located_init(&x, "partner.test");
    conf_peer(&x.gate.conf, "spare", NULL, SW_TLS, "spare.test");
    conf_route(&x.gate.conf, "pbx", "partner", "spare", NULL);
    x.gate.conf.proxy.branches_max = 3;
    located_start(&x);
    char host[32], ip[32];
    for (int i = 0; i < 8; i++) {
        snprintf(host, sizeof(host), "h%d.test", i);
        snprintf(ip, sizeof(ip), "10.0.1.%d", i + 1);
        zone_srv(&x.zone, i < 4 ? "_sips._tcp.partner.test" : "_sips._tcp.spare.test", 1, 0, 5061,
                 host);
        zone_address(&x.zone, host, ip);
    }
    uint64_t before = gate_counted(&x.gate, SW_LIMITED_BRANCHES);
    send_request(&x, "INVITE", "sip:bob@example.test", "c1", "");
    run_ms(&x, 30000);
    assert_true(raw_count(x.pbx, "SIP/2.0 500") >= 1);
    assert_int_equal(gate_counted(&x.gate, SW_COUNT_FAILOVERS), 2); /* beside the first one */
    assert_int_equal(gate_counted(&x.gate, SW_LIMITED_BRANCHES) - before, 1);
    located_fini(&x);
}

/* A domain that names another's servers for its own fails there, and takes nothing from it. RFC
 * 3263 4.3 */
static void test_locate_avoids_a_place_for_whom_it_failed(void **state)
{
    (void)state;
    struct located x;
    located_init(&x, "partner.test");
    route_lookup(&x.gate.conf, SW_LOOKUP_DNS);
    located_start(&x);
    partner_zone(&x.zone);
    zone_srv(&x.zone, "_sips._tcp.evil.test", 1, 0, 5061, "one.hoster.test");
    send_request(&x, "MESSAGE", "sip:x@evil.test", "c1", "");
    run_ms(&x, 1000);
    assert_int_equal(raw_count(x.one, "MESSAGE"), 0);
    send_request(&x, "MESSAGE", "sip:x@partner.test", "c2", "");
    run_ms(&x, 1000);
    assert_int_equal(raw_count(x.one, "MESSAGE"), 1);
    assert_int_equal(raw_count(x.two, "MESSAGE"), 0);
    raw_answer(x.one, raw_nth(x.one, "MESSAGE", 0), "200 OK", "");
    located_fini(&x);
}

static uint32_t now_in(const struct located *x, int peer, enum sw_load_way_of way)
{
    return atomic_load(&x->gate.conf.state[peer].load->way[way].now);
}

/* Calls to places of the DNS under limits of their peer, with CANCEL, refusals, lost connections
 * and a bad name server: all counts go back to nothing. */
static void test_locate_at_random_leaves_no_count(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 60; seed++) {
        struct located x;
        char id[16];
        located_init(&x, "partner.test");
        for (int i = 0; i < 2; i++) {
            x.gate.conf.peers[i].limits.transactions = 3;
            x.gate.conf.peers[i].limits.calls_per_s = 4;
        }
        x.gate.conf.peers[0].fail_after = seed % 3;
        x.gate.conf.peers[0].retry_after_ms = 2000;
        conf_route(&x.gate.conf, "pbx", "partner", NULL)->user = SW_SLICE("b*");
        route_lookup(&x.gate.conf, seed % 2 ? SW_LOOKUP_DNS : SW_LOOKUP_ENUM);
        located_start(&x);
        partner_zone(&x.zone);
        zone_naptr(&x.zone, "7.1.e164.arpa", 1, 1, "u", "E2U+sip", "!^.*$!sip:x@partner.test!", "");
        x.sim->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
        x.gate.node->dns = (struct sim_dns){
            .zone = &x.zone, .delay_max_ms = 1500, .lost = seed % 3 * 100, .failed = seed % 4 * 50};
        unsigned answered = 0;
        for (int i = 0; i < 16; i++) {
            static const char *const uris[] = {"sip:bob@example.test", "tel:+17",
                                               "sip:x@partner.test"};
            static const char *const words[] = {"503 Busy", "486 Busy Here", "180 Ringing",
                                                "200 OK"};
            const char *uri = uris[sim_random(x.sim, 3)];
            snprintf(id, sizeof(id), "%d", i);
            send_request(&x, "INVITE", uri, id, "");
            run_ms(&x, (int64_t)sim_random(x.sim, 1500));
            for (; answered < raw_count(x.one, "INVITE"); answered++)
                raw_answer(x.one, raw_nth(x.one, "INVITE", answered), words[sim_random(x.sim, 4)],
                           "Contact: <sip:b@10.0.0.11>\r\n");
            if (sim_random(x.sim, 2))
                send_request(&x, "CANCEL", uri, id, "");
            if (sim_random(x.sim, 3) == 0)
                sim_break(x.sim, x.gate.node, x.one->node);
        }
        sim_run(x.sim, INT64_MAX);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(now_in(&x, i, SW_LOAD_FROM), 0);
            assert_int_equal(now_in(&x, i, SW_LOAD_TO), 0);
        }
        located_fini(&x);
    }
}

static void stranger(struct raw *r, const char *method)
{
    char text[1024];
    snprintf(text, sizeof(text),
             "%s sip:b@example.test SIP/2.0\r\n"
             "Via: SIP/2.0/TLS 10.0.0.21:5061;branch=z9hG4bK-s\r\nMax-Forwards: 70\r\n"
             "From: <sip:a@a.test>;tag=1\r\nTo: <sip:b@example.test>\r\nCall-ID: s\r\n"
             "CSeq: 1 %s\r\nContact: <sip:a@10.0.0.21:5061>\r\nContent-Length: 0\r\n\r\n",
             method, method);
    raw_send(r, "10.0.0.1:5061", SW_TLS, text);
}

/* Two strangers of one address, such as those of one hoster: one cannot cancel what another has
 * asked for. RFC 3261 9.2, 17.2.3 */
static void test_stranger_cancels_its_own_calls_only(void **state)
{
    (void)state;
    for (int same = 0; same < 2; same++) {
        struct located x;
        located_init(&x, "partner.test");
        conf_route(&x.gate.conf, NULL, "pbx", NULL)->from = SW_FROM_VERIFIED;
        struct raw *a = raw_new(x.sim, "a", "10.0.0.21:5061", SW_TLS);
        struct raw *b = raw_new(x.sim, "b", "10.0.0.21:5071", SW_TLS);
        raw_proves(a, "a.test");
        raw_proves(b, same ? "a.test" : "b.test");
        located_start(&x);
        stranger(a, "INVITE");
        run_ms(&x, 300);
        raw_answer(x.pbx, raw_nth(x.pbx, "INVITE", 0), "180 Ringing", "");
        run_ms(&x, 300);
        stranger(b, "CANCEL");
        run_ms(&x, 300);
        assert_int_equal(raw_count(b, "SIP/2.0 481"), !same);
        assert_int_equal(raw_count(x.pbx, "CANCEL") > 0, same);
        raw_answer(x.pbx, raw_nth(x.pbx, "INVITE", 0), "486 Busy Here", "");
        run_ms(&x, 300);
        located_fini(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_number_keeps_the_scheme),
        cmocka_unit_test(test_number_that_is_sips_needs_a_proved_name),
        cmocka_unit_test(test_locate_uses_an_alias),
        cmocka_unit_test(test_locate_cancels_at_a_stranger_whose_connection_is_gone),
        cmocka_unit_test(test_locate_knows_that_the_peer_has_gone),
        cmocka_unit_test(test_locate_tries_no_more_places_than_branches),
        cmocka_unit_test(test_locate_avoids_a_place_for_whom_it_failed),
        cmocka_unit_test(test_locate_at_random_leaves_no_count),
        cmocka_unit_test(test_stranger_cancels_its_own_calls_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

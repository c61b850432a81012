/* Calls whose next hop is a name: the DNS is asked, the places are tried in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/rules.h"
#include "sim/locate.h"

#include <stdio.h>
#include <stdlib.h>

/* RFC 3263 4: NAPTR, SRV, address; the name that counts is the peer's: RFC 5922 4 */
static void test_locate_finds_a_peer_by_its_domain(void **state)
{
    struct located x;
    (void)state;
    located_partner(&x, "partner.test");
    send_request(&x, "INVITE", "sip:bob@example.test", "c1", "");
    run_ms(&x, 1000);
    assert_int_equal(raw_count(x.one, "INVITE sip:bob@partner.test SIP/2.0"), 1);
    assert_int_equal(raw_count(x.two, "INVITE"), 0);
    raw_answer(x.one, raw_nth(x.one, "INVITE", 0), "200 OK", "Contact: <sip:b@10.0.0.11>\r\n");
    run_ms(&x, 1000);
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 200"), 1);
    located_fini(&x);
}

/* "That request is sent to the next element in the list", with another branch: RFC 3263 4.3;
 * CONFORMANCE 3263-3 */
static void test_locate_tries_the_next_server(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) { /* nobody there; another name; 503 */
        struct located x;
        located_partner(&x, how == 1 ? "intruder.test" : "partner.test");
        x.one->node->deaf = how == 0;
        send_request(&x, "INVITE", "sip:bob@example.test", "c1", "");
        run_ms(&x, 2000);
        if (how == 2)
            raw_answer(x.one, raw_nth(x.one, "INVITE", 0), "503 Busy", "");
        run_ms(&x, 3000);
        assert_int_equal(raw_count(x.one, "INVITE"), how == 2);
        assert_int_equal(raw_count(x.two, "INVITE sip:bob@partner.test"), 1);
        /* "MUST go to the same server": RFC 3263 4.4; CONFORMANCE 3263-4 */
        raw_answer(x.two, raw_nth(x.two, "INVITE", 0), "486 Busy Here", "");
        run_ms(&x, 1000);
        assert_int_equal(raw_count(x.two, "ACK"), 1);
        assert_int_equal(raw_count(x.one, "ACK"), how == 2);
        assert_true(raw_count(x.pbx, "SIP/2.0 486") >= 1); /* repeated until the ACK */
        located_fini(&x);
    }
}

/* What failed is tried last for a while, and at last if all failed. */
static void test_locate_avoids_what_failed(void **state)
{
    struct located x;
    (void)state;
    located_partner(&x, "partner.test");
    send_request(&x, "MESSAGE", "sip:bob@example.test", "c1", "");
    run_ms(&x, 500);
    raw_answer(x.one, raw_nth(x.one, "MESSAGE", 0), "503 Busy", "");
    run_ms(&x, 500);
    raw_answer(x.two, raw_nth(x.two, "MESSAGE", 0), "200 OK", "");
    send_request(&x, "MESSAGE", "sip:bob@example.test", "c2", "");
    run_ms(&x, 500);
    assert_int_equal(raw_count(x.one, "MESSAGE"), 1);
    assert_int_equal(raw_count(x.two, "MESSAGE"), 2);
    raw_answer(x.two, raw_nth(x.two, "MESSAGE", 1), "503 Busy", "");
    run_ms(&x, 500); /* both failed: the first one again */
    assert_int_equal(raw_count(x.one, "MESSAGE"), 2);
    raw_answer(x.one, raw_nth(x.one, "MESSAGE", 1), "200 OK", "");
    run_ms(&x, 40000);
    send_request(&x, "MESSAGE", "sip:bob@example.test", "c3", "");
    run_ms(&x, 500); /* 30 s are over */
    assert_int_equal(raw_count(x.one, "MESSAGE"), 3);
    raw_answer(x.one, raw_nth(x.one, "MESSAGE", 2), "200 OK", "");
    located_fini(&x);
}

static void one_failure(void (*zone)(struct zone *z), const char *uri, enum sw_lookup_rule rule,
                        const char *answer)
{
    struct located x;
    located_init(&x, "partner.test");
    if (rule)
        route_lookup(&x.gate.conf, rule);
    else
        conf_route(&x.gate.conf, "pbx", "partner", NULL);
    located_start(&x);
    zone(&x.zone);
    send_request(&x, "INVITE", uri, "c1", "");
    run_ms(&x, 20000);
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 100"), 1);
    if (raw_count(x.pbx, answer) < 1)
        for (unsigned i = 0; i < x.pbx->count; i++)
            print_message("%s\n", x.pbx->got[i].text);
    assert_true(raw_count(x.pbx, answer) >= 1);
    located_fini(&x);
}

static void zone_empty(struct zone *z)
{
    (void)z;
}

static void zone_forged(struct zone *z)
{
    zone_fail(z, "partner.test", SW_DNS_NAPTR, SW_DENIED_BOGUS);
    zone_fail(z, "other.test", SW_DNS_NAPTR, SW_DENIED_BOGUS);
}

static void zone_silent(struct zone *z)
{
    zone_fail(z, "other.test", SW_DNS_NAPTR, SW_PEER_DNS);
    zone_fail(z, "7.1.e164.arpa", SW_DNS_NAPTR, SW_PEER_DNS);
}

static void zone_no_tls(struct zone *z)
{
    zone_srv(z, "_sips._tcp.other.test", 0, 0, 0, "");
}

static void zone_back(struct zone *z)
{
    zone_naptr(z, "7.1.e164.arpa", 1, 1, "u", "E2U+sip", "!^.*$!sip:x@example.test!", "");
    zone_naptr(z, "8.1.e164.arpa", 1, 1, "u", "E2U+sip", "!^.*$!sip:x@10.0.0.11!", "");
    zone_address(z, "example.test", "10.0.0.11");
}

static void test_locate_says_why_it_failed(void **state)
{
    (void)state;
    one_failure(zone_empty, "sip:bob@example.test", SW_LOOKUP_NONE,
                "SIP/2.0 500 Next Hop Not In DNS");
    one_failure(zone_forged, "sip:bob@example.test", SW_LOOKUP_NONE,
                "SIP/2.0 500 DNS Answer Forged");
    one_failure(zone_empty, "sip:bob@other.test", SW_LOOKUP_DNS,
                "SIP/2.0 404 Domain Does Not Exist: other.test");
    one_failure(zone_no_tls, "sip:bob@other.test", SW_LOOKUP_DNS,
                "SIP/2.0 404 Domain Has No SIP Server: other.test");
    one_failure(zone_silent, "sip:bob@other.test", SW_LOOKUP_DNS,
                "SIP/2.0 500 DNS Does Not Answer: other.test");
    one_failure(zone_forged, "sip:bob@other.test", SW_LOOKUP_DNS,
                "SIP/2.0 500 DNS Answer Forged: other.test");
    one_failure(zone_empty, "sip:bob@other.test;transport=udp", SW_LOOKUP_DNS,
                "SIP/2.0 480 Domain Not Reachable From Here");
    one_failure(zone_empty, "tel:+17", SW_LOOKUP_ENUM, "SIP/2.0 404 Number Not In ENUM");
    one_failure(zone_silent, "tel:+17", SW_LOOKUP_ENUM, "SIP/2.0 500 DNS Does Not Answer");
    one_failure(zone_back, "tel:+17", SW_LOOKUP_ENUM, "SIP/2.0 404 Number Leads Back Here");
    one_failure(zone_back, "tel:+18", SW_LOOKUP_ENUM, "SIP/2.0 404 Number Leads To No Domain");
}

/* A domain that is nobody's: over TLS, to whoever proves it. RFC 3261 16.6 step 7, RFC 5922 4 */
static void test_locate_leads_to_strangers(void **state)
{
    (void)state;
    for (int intruder = 0; intruder < 2; intruder++) {
        struct located x;
        located_init(&x, intruder ? "intruder.test" : "other.test");
        route_lookup(&x.gate.conf, SW_LOOKUP_DNS);
        located_start(&x);
        zone_srv(&x.zone, "_sips._tcp.other.test", 1, 0, 5061, "one.hoster.test");
        zone_address(&x.zone, "one.hoster.test", "10.0.0.11");
        send_request(&x, "INVITE", "sip:bob@other.test", "c1", "");
        run_ms(&x, 1000);
        assert_int_equal(raw_count(x.one, "INVITE sip:bob@other.test SIP/2.0"), !intruder);
        if (!intruder) {
            raw_answer(x.one, raw_nth(x.one, "INVITE", 0), "200 OK",
                       "Contact: <sip:b@10.0.0.11>\r\n");
            run_ms(&x, 1000);
            assert_true(raw_count(x.pbx, "SIP/2.0 200") >= 1); /* repeated until the ACK */
        } else {
            assert_true(raw_count(x.pbx, "SIP/2.0 500 Next Hop Did Not Prove Its Identity") >= 1);
        }
        located_fini(&x);
    }
}

/* What a stranger was asked, another one cannot answer, though both have proved a domain. */
static void test_locate_lets_a_stranger_answer_for_itself_only(void **state)
{
    (void)state;
    for (int same = 0; same < 2; same++) {
        struct located x;
        char text[2048];
        located_init(&x, "other.test");
        x.ident_two = raw_proves(x.two, same ? "other.test" : "evil.test");
        route_lookup(&x.gate.conf, SW_LOOKUP_DNS);
        located_start(&x);
        zone_srv(&x.zone, "_sips._tcp.other.test", 1, 0, 5061, "one.hoster.test");
        zone_address(&x.zone, "one.hoster.test", "10.0.0.11");
        send_request(&x, "MESSAGE", "sip:bob@other.test", "c1", "");
        run_ms(&x, 1000);
        const struct raw_message *m = raw_nth(x.one, "MESSAGE", 0);
        assert_non_null(m);
        struct sw_buf b = sw_buf(text, sizeof(text));
        sw_buf_lit(&b, "SIP/2.0 200 OK\r\n");
        static const char *const names[] = {"Via", "From", "To", "Call-ID", "CSeq"};
        const char *row = m->text;
        while ((row = strstr(row, "\r\nVia: "))) { /* both of them */
            row += 2;
            sw_buf_put(&b, row, strcspn(row, "\r"));
            sw_buf_lit(&b, "\r\n");
        }
        for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++) {
            sw_buf_str(&b, names[i]);
            sw_buf_lit(&b, ": ");
            sw_buf_str(&b, raw_header(m, names[i]));
            sw_buf_lit(&b, "\r\n");
        }
        sw_buf_lit(&b, "Content-Length: 0\r\n\r\n");
        raw_send_bytes(x.two, "10.0.0.1:5061", SW_TLS, b.p, b.n);
        run_ms(&x, 1000);
        assert_int_equal(raw_count(x.pbx, "SIP/2.0 200"), same);
        assert_int_equal(gate_counted(&x.gate, SW_COUNT_FOREIGN_RESPONSES), !same);
        located_fini(&x);
    }
}

/* The topmost Route that remains says where: RFC 3261 16.6 step 6, 7; and a peer's domain is the
 * peer. */
static void test_locate_follows_the_next_route(void **state)
{
    struct located x;
    (void)state;
    located_init(&x, "partner.test");
    route_lookup(&x.gate.conf, SW_LOOKUP_DNS);
    located_start(&x);
    partner_zone(&x.zone);
    send_request(&x, "MESSAGE", "sip:bob@far.test", "c1",
                 "Route: <sip:10.1.0.1;lr>\r\nRoute: <sip:partner.test;lr>\r\n");
    run_ms(&x, 1000);
    assert_int_equal(raw_count(x.one, "MESSAGE sip:bob@far.test SIP/2.0"), 1);
    assert_string_equal(raw_header(raw_nth(x.one, "MESSAGE", 0), "Route"), "<sip:partner.test;lr>");
    raw_answer(x.one, raw_nth(x.one, "MESSAGE", 0), "200 OK", "");
    located_fini(&x);
}

/* The number's URI takes the place of the Request-URI: RFC 6116 4, RFC 3261 16.5 */
static void test_locate_asks_enum_first(void **state)
{
    struct located x;
    (void)state;
    located_init(&x, "other.test");
    route_lookup(&x.gate.conf, SW_LOOKUP_ENUM);
    located_start(&x);
    zone_naptr(&x.zone, "3.2.1.0.3.9.4.e164.arpa", 1, 1, "u", "E2U+sip",
               "!^\\+49(.*)$!sip:\\1@other.test!", "");
    zone_srv(&x.zone, "_sips._tcp.other.test", 1, 0, 5061, "one.hoster.test");
    zone_address(&x.zone, "one.hoster.test", "10.0.0.11");
    send_request(&x, "MESSAGE", "tel:+49-30-123", "c1", "");
    send_request(&x, "MESSAGE", "sip:+4930123@example.test;user=phone", "c2", "");
    run_ms(&x, 1000);
    assert_int_equal(raw_count(x.one, "MESSAGE sip:30123@other.test SIP/2.0"), 2);
    for (unsigned i = 0; i < 2; i++)
        raw_answer(x.one, raw_nth(x.one, "MESSAGE", i), "200 OK", "");
    run_ms(&x, 1000);
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 200"), 2);
    located_fini(&x);
}

/* What ENUM leads to may be a peer's domain: then the peer's own rules hold, and its address. */
static void test_locate_keeps_a_peers_rules(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) { /* by number; by domain; a peer that wants sips */
        struct located x;
        located_init(&x, "spare.test");
        conf_peer(&x.gate.conf, "spare", "10.0.0.11:5061", SW_TLS, "spare.test")->sips =
            how == 2 ? SW_SIPS_REQUIRE : SW_SIPS_ALLOW;
        route_lookup(&x.gate.conf, how ? SW_LOOKUP_DNS : SW_LOOKUP_ENUM);
        located_start(&x); /* spare.test is not in the DNS */
        zone_naptr(&x.zone, "7.1.e164.arpa", 1, 1, "u", "E2U+sip", "!^.*$!sip:x@spare.test!", "");
        send_request(&x, "MESSAGE", how ? "sip:x@Spare.test" : "tel:+17", "c1", "");
        run_ms(&x, 1000);
        assert_int_equal(raw_count(x.one, "MESSAGE sip:x@"), how < 2);
        if (how < 2)
            raw_answer(x.one, raw_nth(x.one, "MESSAGE", 0), "200 OK", "");
        run_ms(&x, 500);
        assert_int_equal(raw_count(x.pbx, "SIP/2.0 200"), how < 2);
        assert_int_equal(raw_count(x.pbx, "SIP/2.0 480"), how == 2);
        located_fini(&x);
    }
}

/* By number: the scheme that came is the one that leaves, and a sips URI, also of a tel URI, leaves
 * to a proved name only. RFC 3261 26.2.2, 26.3.2.2; RFC 5630 5.3 */
static void test_locate_keeps_the_scheme_of_a_number(void **state)
{
    static const struct {
        const char *asked, *is, *leaves; /* leaves NULL: 480 */
        bool tls;                        /* the sender has it */
        uint8_t verify;
    } rows[] = {
        {"tel:+17", "sip", "sip", false, SW_VERIFY_CHAIN},
        {"tel:+17", "sips", "sip", false, SW_VERIFY_CHAIN},
        {"tel:+17", "sips", "sips", true, SW_VERIFY_DOMAIN},
        {"tel:+17", "sips", NULL, true, SW_VERIFY_CHAIN},
        {"sip:+17@example.test;user=phone", "sips", "sip", true, SW_VERIFY_DOMAIN},
        {"sips:+17@example.test;user=phone", "sips", "sips", true, SW_VERIFY_DOMAIN},
        {"sips:+17@example.test;user=phone", "sips", NULL, true, SW_VERIFY_CHAIN},
        {"sips:+17@example.test;user=phone", "sip", NULL, true, SW_VERIFY_DOMAIN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct located x;
        char rule[64], text[1024], start[64];
        located_init(&x, "spare.test");
        conf_peer(&x.gate.conf, "spare", "10.0.0.11:5061", SW_TLS, "spare.test")->verify =
            rows[i].verify;
        x.gate.conf.routes[0].method = SW_SLICE("INVITE");
        route_lookup(&x.gate.conf, SW_LOOKUP_ENUM);
        located_start(&x);
        snprintf(rule, sizeof(rule), "!^.*$!%s:x@spare.test!", rows[i].is);
        zone_naptr(&x.zone, "7.1.e164.arpa", 1, 1, "u", "E2U+sip", rule, "");
        const struct raw *who = rows[i].tls ? x.two : x.pbx;
        snprintf(text, sizeof(text),
                 "MESSAGE %s SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.12:5071;branch=z9hG4bK-s\r\n"
                 "Max-Forwards: 70\r\nFrom: <sip:a@b.test>;tag=1\r\nTo: <sip:b@c>\r\n"
                 "Call-ID: s\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
                 rows[i].asked);
        if (rows[i].tls)
            raw_send(x.two, "10.0.0.1:5061", SW_TLS, text);
        else
            send_request(&x, "MESSAGE", rows[i].asked, "s", "");
        run_ms(&x, 1000);
        snprintf(start, sizeof(start), "MESSAGE %s:x@spare.test SIP/2.0",
                 rows[i].leaves ? rows[i].leaves : "");
        if (raw_count(x.one, "MESSAGE") != !!rows[i].leaves)
            print_error("row %zu\n", i);
        assert_int_equal(raw_count(x.one, "MESSAGE"), !!rows[i].leaves);
        assert_int_equal(raw_count(x.one, start), !!rows[i].leaves);
        if (rows[i].leaves)
            raw_answer(x.one, raw_nth(x.one, "MESSAGE", 0), "200 OK", "");
        run_ms(&x, 500);
        assert_int_equal(raw_count(who, rows[i].leaves ? "SIP/2.0 200" : "SIP/2.0 480"), 1);
        located_fini(&x);
    }
}

/* Whoever is not to see the inside is not told the name that a rule wrote, or that a sealed Contact
 * stands for. docs/hiding.md */
static void test_locate_names_nothing_to_whom_the_inside_is_hidden(void **state)
{
    static const struct sw_rule_set set = {.host = SW_SLICE("core.inside.test")};
    (void)state;
    for (int hide = 0; hide < 2; hide++) {
        struct located x;
        located_init(&x, "partner.test");
        x.gate.conf.peers[1].hide_inside = hide;
        route_lookup(&x.gate.conf, SW_LOOKUP_DNS)->set = &set;
        located_start(&x);
        send_request(&x, "MESSAGE", "sip:bob@other.test", "c1", "");
        run_ms(&x, 1000);
        assert_int_equal(raw_count(x.pbx, "SIP/2.0 404 Domain Does Not Exist"), 1);
        assert_int_equal(!!strstr(raw_nth(x.pbx, "SIP/2.0 404", 0)->text, "inside"), !hide);
        located_fini(&x);
    }
}

/* A CANCEL while the DNS is being asked: nothing leaves. RFC 3261 9.1, 16.10 */
static void test_locate_can_be_cancelled(void **state)
{
    struct located x;
    (void)state;
    located_partner(&x, "partner.test");
    x.gate.node->dns.delay_min_ms = x.gate.node->dns.delay_max_ms = 2000;
    send_request(&x, "INVITE", "sip:bob@example.test", "c1", "");
    run_ms(&x, 500);
    send_request(&x, "CANCEL", "sip:bob@example.test", "c1", "");
    run_ms(&x, 500);
    assert_true(raw_count(x.pbx, "SIP/2.0 487") >= 1);
    run_ms(&x, 20000);
    assert_int_equal(raw_count(x.one, "INVITE"), 0);
    located_fini(&x);
}

/* Answers that never come count as silence after a while. */
static void test_locate_does_not_wait_for_ever(void **state)
{
    struct located x;
    (void)state;
    located_partner(&x, "partner.test");
    x.gate.node->dns.lost = 1000;
    send_request(&x, "INVITE", "sip:bob@example.test", "c1", "");
    run_ms(&x, 12000);
    assert_true(raw_count(x.pbx, "SIP/2.0 500 DNS Does Not Answer") >= 1);
    located_fini(&x);
}

/* A reload while the DNS is being asked: what waits goes on, with the new configuration. */
static void test_locate_survives_a_reload(void **state)
{
    struct located x;
    (void)state;
    for (int gone = 0; gone < 2; gone++) { /* the peer is still there, or it is not */
        located_partner(&x, "partner.test");
        x.gate.node->dns.delay_min_ms = x.gate.node->dns.delay_max_ms = 1000;
        send_request(&x, "INVITE", "sip:bob@example.test", "c1", "");
        run_ms(&x, 1500);
        struct conf *next = located_next();
        if (!gone)
            conf_peer(next, "partner", NULL, SW_TLS, "partner.test");
        gate_adopt(&x.gate, next, 10);
        run_ms(&x, 10000);
        assert_int_equal(raw_count(x.one, "INVITE"), !gone);
        if (gone)
            assert_true(raw_count(x.pbx, "SIP/2.0 500") >= 1);
        else
            raw_answer(x.one, raw_nth(x.one, "INVITE", 0), "486 Busy Here", "");
        located_fini(&x);
    }
}

/* Pings go where the DNS says. */
static void test_locate_pings_a_peer_without_address(void **state)
{
    struct located x;
    (void)state;
    located_init(&x, "partner.test");
    x.gate.conf.peers[0].ping_ms = 30000;
    located_start(&x);
    partner_zone(&x.zone);
    run_ms(&x, 31000);
    assert_int_equal(raw_count(x.one, "OPTIONS sip:partner.test SIP/2.0"), 1);
    raw_answer(x.one, raw_nth(x.one, "OPTIONS", 0), "200 OK", "");
    run_ms(&x, 1000);
    assert_false(atomic_load(&x.gate.conf.state[0].ping_failed));
    x.one->node->deaf = true; /* the next place is asked: RFC 3263 4.3 */
    sim_break(x.sim, x.gate.node, x.one->node);
    run_ms(&x, 32000);
    assert_int_equal(raw_count(x.two, "OPTIONS sip:partner.test SIP/2.0"), 1);
    raw_answer(x.two, raw_nth(x.two, "OPTIONS", 0), "200 OK", "");
    run_ms(&x, 1000);
    assert_false(atomic_load(&x.gate.conf.state[0].ping_failed));
    zone_remove(&x.zone, "_sips._tcp.partner.test");
    run_ms(&x, 35000);
    assert_true(atomic_load(&x.gate.conf.state[0].ping_failed));
    located_end(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_locate_finds_a_peer_by_its_domain),
        cmocka_unit_test(test_locate_tries_the_next_server),
        cmocka_unit_test(test_locate_avoids_what_failed),
        cmocka_unit_test(test_locate_says_why_it_failed),
        cmocka_unit_test(test_locate_leads_to_strangers),
        cmocka_unit_test(test_locate_lets_a_stranger_answer_for_itself_only),
        cmocka_unit_test(test_locate_follows_the_next_route),
        cmocka_unit_test(test_locate_asks_enum_first),
        cmocka_unit_test(test_locate_keeps_a_peers_rules),
        cmocka_unit_test(test_locate_keeps_the_scheme_of_a_number),
        cmocka_unit_test(test_locate_names_nothing_to_whom_the_inside_is_hidden),
        cmocka_unit_test(test_locate_can_be_cancelled),
        cmocka_unit_test(test_locate_does_not_wait_for_ever),
        cmocka_unit_test(test_locate_survives_a_reload),
        cmocka_unit_test(test_locate_pings_a_peer_without_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

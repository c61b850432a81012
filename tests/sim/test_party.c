/* Dialogs with strangers whose certificates prove several names: who takes part in them, and where
 * the other side is found again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/locate.h"

#include <stdio.h>

/* A call of the PBX to other.test, by `to: dns`, answered by `one`. */
static const struct raw_message *call(struct located *x, const char *names, const char *rows)
{
    located_init(x, names);
    route_lookup(&x->gate.conf, SW_LOOKUP_DNS);
    located_start(x);
    zone_srv(&x->zone, "_sips._tcp.other.test", 1, 0, 5061, "one.hoster.test");
    zone_address(&x->zone, "one.hoster.test", "10.0.0.11");
    send_request(x, "INVITE", "sip:bob@other.test", "c1", "");
    run_ms(x, 1000);
    assert_int_equal(raw_count(x->one, "INVITE"), 1);
    raw_answer(x->one, raw_nth(x->one, "INVITE", 0), "200 OK", rows);
    run_ms(x, 300);
    const struct raw_message *ok = raw_nth(x->pbx, "SIP/2.0 200", 0);
    assert_non_null(ok);
    return ok;
}

/* RFC 5922 7.1, 7.4: "If there are multiple SIP domain identities", each is proved. The far proxy
 * sends its BYE over a connection of its own. */
static void test_party_is_whoever_proves_the_dialogs_domain(void **state)
{
    static const struct {
        const char *names;
        bool ok;
    } rows[] = {
        {"other.test", true},
        {"sip.other.test other.test", true},
        {"sip.other.test", false},
        {"evil.test sip.other.test", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct located x;
        char text[4096], routes[2048];
        call(&x, "sip.other.test other.test", "Contact: <sip:b@other.test>\r\n");
        struct raw *far = raw_new(x.sim, "far", "10.0.0.13:9999", SW_TLS);
        raw_proves(far, rows[i].names);
        raw_routes(raw_nth(x.one, "INVITE", 0), false, routes, sizeof(routes));
        snprintf(
            text, sizeof(text),
            "BYE sip:a@10.1.0.9 SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.13:9999;branch=z9hG4bK-f\r\n"
            "Max-Forwards: 70\r\n%sFrom: <sip:b@c>;tag=2\r\nTo: <sip:a@pbx.test>;tag=1\r\n"
            "Call-ID: c1\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
            routes);
        raw_send(far, "10.0.0.1:5061", SW_TLS, text);
        run_ms(&x, 500);
        assert_int_equal(raw_count(x.pbx, "BYE"), rows[i].ok);
        assert_int_equal(raw_count(far, "SIP/2.0 403"), !rows[i].ok);
        if (rows[i].ok) {
            raw_answer(x.pbx, raw_nth(x.pbx, "BYE", 0), "200 OK", "");
            run_ms(&x, 300);
            assert_int_equal(raw_count(far, "SIP/2.0 200"), 1);
        }
        located_fini(&x);
    }
}

/* RFC 3261 16.6 step 7, RFC 3263: the topmost Route is looked up when the connection is gone, and
 * who is found there must prove its name (RFC 5922 4) and the domain that the dialog is with: a
 * forged Route leads to nobody else. */
static void test_party_is_found_by_its_record_route(void **state)
{
    static const struct {
        const char *host, *names;
        bool asked, ok;
    } rows[] = {
        {"proxy.other.test", "other.test proxy.other.test", true, true},
        {"edge.hoster.test", "other.test edge.hoster.test", true, true},
        {"proxy.other.test", "other.test", true, false},       /* not the name that was looked up */
        {"proxy.other.test", "proxy.other.test", true, false}, /* not the dialog's domain */
        {"evil.test", "evil.test", true, false},
        {"partner.test", "other.test partner.test", false, false}, /* a peer's */
        {"example.test:5099", "other.test example.test", false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int ack = 0; ack < 2; ack++) {
            struct located x;
            char service[128], text[4096];
            located_init(&x, "other.test");
            route_lookup(&x.gate.conf, SW_LOOKUP_DNS);
            located_start(&x);
            snprintf(service, sizeof(service), "_sips._tcp.%s", rows[i].host);
            zone_srv(&x.zone, "_sips._tcp.other.test", 1, 0, 5061, "one.hoster.test");
            zone_srv(&x.zone, service, 1, 0, 5061, "one.hoster.test");
            zone_address(&x.zone, "one.hoster.test", "10.0.0.11");
            send_request(&x, "INVITE", "sip:bob@other.test", "c1", "");
            run_ms(&x, 1000);
            struct raw_message invite = *raw_nth(x.one, "INVITE", 0);
            const char *ours = strstr(invite.text, "Record-Route:");
            snprintf(text, sizeof(text), "%.*sRecord-Route: <sip:%s;lr>\r\n%s",
                     (int)(ours - invite.text), invite.text, rows[i].host, ours);
            invite.text = text;
            raw_answer(x.one, &invite, "200 OK", "Contact: <sip:b@10.9.9.9>\r\n");
            run_ms(&x, 300);
            const struct raw_message *ok = raw_nth(x.pbx, "SIP/2.0 200", 0);
            assert_non_null(ok);
            raw_proves(x.one, rows[i].names);
            sim_break(x.sim, x.gate.node, x.one->node);
            run_ms(&x, 100);
            send_inside(&x, ack ? "ACK" : "BYE", ok, "sip:b@10.9.9.9", ack ? "1 ACK" : "2 BYE");
            run_ms(&x, 2000);
            assert_int_equal(raw_count(x.one, ack ? "ACK" : "BYE"), rows[i].ok);
            assert_int_equal(x.sim->conn_count, 1 + rows[i].asked);
            if (!ack && rows[i].ok)
                raw_answer(x.one, raw_nth(x.one, "BYE", 0), "200 OK", "");
            if (!ack && !rows[i].ok)
                assert_int_equal(raw_count(x.pbx, "SIP/2.0 500") + raw_count(x.pbx, "SIP/2.0 480"),
                                 1);
            located_fini(&x);
        }
}

/* "The identity expected is the name looked up": RFC 5922 4, 7.3. A peer has two domains, and a
 * server that proves one is not taken for the other, whether it is dialled or open already. */
static void test_party_proves_the_domain_that_was_located(void **state)
{
    static const struct {
        const char *first, *then, *names;
        bool ok[2];
        unsigned dialled;
    } rows[] = {
        {"sip:b@partner.test", "sip:b@second.test", "partner.test", {true, false}, 2},
        {"sip:b@partner.test", "sip:b@second.test", "second.test", {false, true}, 2},
        {"sip:b@partner.test", "sip:b@second.test", "partner.test second.test", {true, true}, 2},
        {"sip:b@second.test", "sip:c@second.test", "partner.test second.test", {true, true}, 1},
        {"sip:b@example.test", "sip:b@second.test", "second.test", {false, true}, 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static const struct sw_slice both[] = {SW_SLICE("partner.test"), SW_SLICE("second.test")};
        struct located x;
        located_init(&x, rows[i].names);
        x.gate.conf.peers[0].domains = both;
        x.gate.conf.peers[0].domain_count = 2;
        struct sw_route_conf *r = conf_route(&x.gate.conf, "pbx", "partner", NULL);
        r->domain = SW_SLICE("example.test");
        route_lookup(&x.gate.conf, SW_LOOKUP_DNS);
        located_start(&x);
        zone_srv(&x.zone, "_sips._tcp.partner.test", 1, 0, 5061, "one.hoster.test");
        zone_srv(&x.zone, "_sips._tcp.second.test", 1, 0, 5061, "one.hoster.test");
        zone_address(&x.zone, "one.hoster.test", "10.0.0.11");
        for (int k = 0; k < 2; k++) {
            unsigned came = raw_count(x.one, "MESSAGE");
            send_request(&x, "MESSAGE", k ? rows[i].then : rows[i].first, k ? "c2" : "c1", "");
            run_ms(&x, 1000);
            assert_int_equal(raw_count(x.one, "MESSAGE") - came, rows[i].ok[k]);
            if (rows[i].ok[k])
                raw_answer(x.one, raw_nth(x.one, "MESSAGE", came), "200 OK", "");
            run_ms(&x, 300);
        }
        assert_int_equal(raw_count(x.pbx, "SIP/2.0 200"), rows[i].ok[0] + rows[i].ok[1]);
        assert_int_equal(raw_count(x.pbx, "SIP/2.0 500"), !rows[i].ok[0] + !rows[i].ok[1]);
        assert_int_equal(x.sim->conn_count, rows[i].dialled);
        located_fini(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_party_is_whoever_proves_the_dialogs_domain),
        cmocka_unit_test(test_party_proves_the_domain_that_was_located),
        cmocka_unit_test(test_party_is_found_by_its_record_route),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

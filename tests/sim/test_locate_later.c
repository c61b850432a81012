/* Locations in a dialog and on the way back, beside other targets, and in trouble. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/station.h"
#include "sim/locate.h"
#include <stdlib.h>

/* ---- inside dialogs, and on the way back ---- */

/* The Contact is a name: an ACK and a BYE find it when the dialog's connection is gone. RFC 3261
 * 16.6 step 7, 12.2.1.1 */
static void inside(enum sw_lookup_rule rule, const char *domain, const char *uri)
{
    struct located x;
    located_init(&x, domain);
    if (rule)
        route_lookup(&x.gate.conf, rule);
    else
        conf_route(&x.gate.conf, "pbx", "partner", NULL);
    located_start(&x);
    partner_zone(&x.zone);
    zone_srv(&x.zone, "_sips._tcp.other.test", 1, 0, 5061, "one.hoster.test");
    send_request(&x, "INVITE", uri, "c1", "");
    run_ms(&x, 1000);
    assert_int_equal(raw_count(x.one, "INVITE"), 1);
    char contact[128];
    struct sw_buf b = sw_buf(contact, sizeof(contact) - 1);
    sw_buf_lit(&b, "Contact: <sip:b@");
    sw_buf_str(&b, domain);
    sw_buf_lit(&b, ">\r\n");
    contact[b.n] = 0;
    raw_answer(x.one, raw_nth(x.one, "INVITE", 0), "200 OK", contact);
    run_ms(&x, 300);
    const struct raw_message *ok = raw_nth(x.pbx, "SIP/2.0 200", 0);
    char target[64];
    struct sw_buf u = sw_buf(target, sizeof(target) - 1);
    sw_buf_lit(&u, "sip:b@");
    sw_buf_str(&u, domain);
    target[u.n] = 0;
    sim_break(x.sim, x.gate.node, x.one->node);
    run_ms(&x, 100);
    send_inside(&x, "ACK", ok, target, "1 ACK");
    run_ms(&x, 1000);
    assert_int_equal(raw_count(x.one, "ACK"), 1);
    sim_break(x.sim, x.gate.node, x.one->node);
    run_ms(&x, 100);
    send_inside(&x, "BYE", ok, target, "2 BYE");
    run_ms(&x, 1000);
    assert_int_equal(raw_count(x.one, "BYE"), 1);
    raw_answer(x.one, raw_nth(x.one, "BYE", 0), "200 OK", "");
    run_ms(&x, 1000);
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 200"), 2);
    located_fini(&x);
}

static void test_locate_finds_the_other_side_of_a_dialog(void **state)
{
    (void)state;
    inside(SW_LOOKUP_NONE, "partner.test", "sip:bob@example.test");
    inside(SW_LOOKUP_DNS, "other.test", "sip:bob@other.test");
}

/* "the server examines the value of the sent-by": RFC 3263 5, RFC 3261 18.2.2; CONFORMANCE 3261-18
 */
static void test_locate_finds_who_asked_by_its_sent_by(void **state)
{
    (void)state;
    static const char request[] =
        "INVITE sip:bob@example.test SIP/2.0\r\n"
        "Via: SIP/2.0/TLS partner.test;branch=z9hG4bK-r\r\nMax-Forwards: 70\r\n"
        "From: <sip:a@partner.test>;tag=1\r\nTo: <sip:b@example.test>\r\nCall-ID: r\r\n"
        "CSeq: 1 INVITE\r\nContact: <sip:a@partner.test>\r\nContent-Length: 0\r\n\r\n";
    for (int dead = 0; dead < 2; dead++) { /* the first place, or the second one */
        struct located x;
        located_init(&x, "partner.test");
        struct raw *sender = raw_new(x.sim, "sender", "10.0.0.13:9999", SW_TLS);
        sender->node->ident = x.ident_one;
        located_start(&x);
        partner_zone(&x.zone);
        x.one->node->deaf = dead;
        raw_send(sender, "10.0.0.1:5061", SW_TLS, request);
        run_ms(&x, 500);
        assert_int_equal(raw_count(x.pbx, "INVITE"), 1);
        sim_break(x.sim, x.gate.node, sender->node);
        run_ms(&x, 100);
        raw_answer(x.pbx, raw_nth(x.pbx, "INVITE", 0), "486 Busy Here", "");
        run_ms(&x, 3000);
        assert_true(raw_count(dead ? x.two : x.one, "SIP/2.0 486") >= 1);
        assert_int_equal(raw_count(sender, "SIP/2.0 486"), 0);
        located_fini(&x);
    }
}

/* Of a list, a target whose name servers are silent is passed over like one that is: its `timeout`.
 */
static void test_locate_goes_on_to_the_next_target_of_a_route(void **state)
{
    (void)state;
    for (int silent = 0; silent < 2; silent++) {
        struct located x;
        located_init(&x, "partner.test");
        conf_peer(&x.gate.conf, "spare", "10.0.0.12:5071", SW_TLS, "spare.test");
        conf_route(&x.gate.conf, "pbx", "partner", "spare", NULL);
        located_start(&x);
        x.ident_two = raw_proves(x.two, "spare.test");
        x.gate.node->dns.lost = silent ? 1000 : 0;
        send_request(&x, "INVITE", "sip:bob@example.test", "c1", "");
        run_ms(&x, 6000);
        assert_int_equal(raw_count(x.two, "INVITE sip:bob@spare.test"), 1);
        raw_answer(x.two, raw_nth(x.two, "INVITE", 0), "486 Busy Here", "");
        located_fini(&x);
    }
}

static void zone_forged(struct zone *z)
{
    zone_fail(z, "partner.test", SW_DNS_NAPTR, SW_DENIED_BOGUS);
}

/* "or has no SRV": in the clear only if nothing is there, never for a forged or missing answer.
 * docs/config.md "In the clear" */
static void test_locate_leads_into_the_clear_only_if_nothing_is_there(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) { /* no name; forged; silent */
        struct located x;
        located_init(&x, "partner.test");
        struct raw *clear = raw_new(x.sim, "clear", "10.1.0.21:5060", SW_UDP);
        x.gate.conf.peers[0].best_effort = x.gate.conf.proxy.best_effort = true;
        x.gate.conf.peers[0].clear_address = sim_endpoint("10.1.0.21:5060");
        conf_route(&x.gate.conf, "pbx", "partner", NULL);
        located_start(&x);
        if (how == 1)
            zone_forged(&x.zone);
        if (how == 2)
            zone_fail(&x.zone, "partner.test", SW_DNS_NAPTR, SW_PEER_DNS);
        send_request(&x, "INVITE", "sip:bob@example.test", "c1", "");
        run_ms(&x, 300);
        assert_int_equal(raw_count(clear, "INVITE") > 0, how == 0);
        if (how == 0)
            raw_answer(clear, raw_nth(clear, "INVITE", 0), "486 Busy Here", "");
        located_fini(&x);
    }
}

/* The same at once, past the network. */
static void tell_request(struct located *x, const char *call)
{
    static const char start[] =
        "MESSAGE sip:bob@example.test SIP/2.0\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\n"
        "To: <sip:b@c>\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\nCall-ID: ";
    char text[1024];
    struct sw_buf b = sw_buf(text, sizeof(text));
    sw_buf_lit(&b, start);
    sw_buf_str(&b, call);
    sw_buf_lit(&b, "\r\nVia: SIP/2.0/UDP 10.1.0.9:5060;branch=z9hG4bK-");
    sw_buf_str(&b, call);
    sw_buf_lit(&b, "\r\n\r\n");
    const struct sw_flow flow = {
        .id = {.instance = x->gate.node->instance, .worker = SW_WORKER_ANY, .slot = 1},
        .remote = sim_endpoint("10.1.0.9:5060"),
        .listener = 1,
        .transport = SW_UDP,
    };
    const struct sw_event ev = {.kind = SW_EV_MESSAGE, .flow = &flow, .bytes = sw_buf_view(&b)};
    sim_tell(&x->gate.node->worker[0], &ev);
}

/* Silent name servers do not take all memory: what is too much is answered at once. */
static void test_locate_lets_only_so_many_wait(void **state)
{
    (void)state;
    enum { MORE = 100 };
    struct located x;
    char id[16];
    located_init(&x, "partner.test");
    conf_route(&x.gate.conf, "pbx", "partner", NULL);
    located_start(&x);
    x.gate.node->dns.lost = 1000;
    for (unsigned i = 0; i < SW_LOCATIONS_MAX + MORE; i++) {
        struct sw_buf b = sw_buf(id, sizeof(id) - 1);
        sw_buf_u64(&b, i);
        id[b.n] = 0;
        tell_request(&x, id);
    }
    run_ms(&x, 100);
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 500 Out Of Resources"), MORE);
    located_end(&x);
}

/* Calls over a bad way to the name server: each ends, and nothing is left. */
static void test_locate_at_random_leaves_nothing(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 40; seed++) {
        struct located x;
        char id[16];
        located_partner(&x, "partner.test");
        x.sim->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
        x.gate.node->dns = (struct sim_dns){
            .zone = &x.zone, .delay_max_ms = 3000, .lost = seed % 3 * 100, .failed = seed % 4 * 50};
        for (int i = 0; i < 10; i++) {
            struct sw_buf b = sw_buf(id, sizeof(id) - 1);
            sw_buf_u64(&b, (uint64_t)i);
            id[b.n] = 0;
            send_request(&x, "INVITE", "sip:bob@example.test", id, "");
            run_ms(&x, (int64_t)sim_random(x.sim, 4000));
            if (sim_random(x.sim, 2))
                send_request(&x, "CANCEL", "sip:bob@example.test", id, "");
            if (sim_random(x.sim, 3) == 0)
                sim_break(x.sim, x.gate.node, x.one->node);
        }
        located_fini(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_locate_finds_the_other_side_of_a_dialog),
        cmocka_unit_test(test_locate_finds_who_asked_by_its_sent_by),
        cmocka_unit_test(test_locate_goes_on_to_the_next_target_of_a_route),
        cmocka_unit_test(test_locate_leads_into_the_clear_only_if_nothing_is_there),
        cmocka_unit_test(test_locate_lets_only_so_many_wait),
        cmocka_unit_test(test_locate_at_random_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

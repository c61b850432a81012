/* What goes where a request went when the connection is gone: the CANCEL of an INVITE that rings
 * (RFC 3261 9.1, RFC 5923 8.1), and the ACK of a 2xx by its next hop (RFC 3261 13.2.2.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/inside.h"
#include "sim/locate.h"

#include <stdio.h>
#include <stdlib.h>

/* The domain of a stranger, `one`. */
static void other_zone(struct located *x, const char *address)
{
    zone_srv(&x->zone, "_sips._tcp.other.test", 1, 0, 5061, "one.hoster.test");
    zone_address(&x->zone, "one.hoster.test", address);
}

static void begin(struct located *x)
{
    located_init(x, "other.test");
    route_lookup(&x->gate.conf, SW_LOOKUP_DNS);
    located_start(x);
    other_zone(x, "10.0.0.11");
}

/* A re-INVITE of the PBX in a call to `one`, over the connection of the call. The Contact may be an
 * address: what is to be proved then stands in To. */
static void ring_inside(struct located *x, const char *contact, const char *to)
{
    char text[256];
    begin(x);
    send_request(x, "INVITE", "sip:bob@other.test", "c1", "");
    run_ms(x, 1000);
    snprintf(text, sizeof(text), "Contact: <%s>\r\n", contact);
    raw_answer(x->one, raw_nth(x->one, "INVITE", 0), "200 OK", text);
    run_ms(x, 300);
    const struct raw_message *ok = raw_nth(x->pbx, "SIP/2.0 200", 0);
    send_inside(x, "ACK", ok, contact, "1 ACK");
    run_ms(x, 300);
    x->inside_to = to;
    send_inside(x, "INVITE", ok, contact, "2 INVITE");
    run_ms(x, 300);
    assert_int_equal(raw_count(x->one, "INVITE"), 2);
    raw_answer(x->one, raw_nth(x->one, "INVITE", 1), "180 Ringing", "");
    run_ms(x, 300);
    assert_int_equal(x->sim->conn_count, 1);
}

static void test_hop_cancel_of_a_reinvite_reaches_a_stranger_anew(void **state)
{
    static const struct {
        const char *contact, *to;
        bool intruder, goes;
    } rows[] = {
        {"sip:b@other.test", "sip:b@c", false, true},
        {"sip:b@other.test", "sip:b@c", true, false}, /* it proves another name now */
        {"sip:b@10.0.0.11:5061;transport=tls", "sip:b@other.test", false, true},
        {"sip:b@10.0.0.11:5061;transport=tls", "sip:b@third.test", false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct located x;
        ring_inside(&x, rows[i].contact, rows[i].to);
        if (rows[i].intruder)
            x.one->node->ident = x.ident_two;
        sim_break(x.sim, x.gate.node, x.one->node);
        run_ms(&x, 2000);
        assert_int_equal(raw_count(x.one, "CANCEL"), rows[i].goes);
        if (rows[i].goes) { /* the same transaction, and it ends */
            char branch[256];
            const struct raw_message *invite = raw_nth(x.one, "INVITE", 1);
            const struct raw_message *cancel = raw_nth(x.one, "CANCEL", 0);
            snprintf(branch, sizeof(branch), "%s", raw_header(invite, "Via"));
            assert_string_equal(raw_header(cancel, "Via"), branch);
            raw_answer(x.one, cancel, "200 OK", "");
            struct raw_message over = *invite; /* RFC 3261 18.2.2 */
            over.flow = cancel->flow;
            raw_answer(x.one, &over, "487 Request Terminated", "");
            run_ms(&x, 500);
            assert_int_equal(raw_count(x.one, "ACK"), 2);
        }
        located_fini(&x);
    }
}

/* A call of the stranger itself: it can be dialled where the DNS has it, if that is the machine
 * that has the INVITE. */
static void test_hop_cancel_goes_to_a_stranger_that_had_called(void **state)
{
    (void)state;
    for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
        struct located x;
        located_init(&x, "other.test");
        conf_route(&x.gate.conf, NULL, "pbx", NULL);
        located_start(&x);
        other_zone(&x, elsewhere ? "10.0.0.99" : "10.0.0.11");
        struct raw *there = raw_new(x.sim, "there", "10.0.0.99:5061", SW_TLS);
        raw_proves(there, "other.test");
        raw_send(x.one, "10.0.0.1:5061", SW_TLS,
                 "INVITE sip:b@example.test SIP/2.0\r\n"
                 "Via: SIP/2.0/TLS 10.0.0.11:5061;branch=z9hG4bK-in\r\nMax-Forwards: 70\r\n"
                 "From: <sip:a@other.test>;tag=1\r\nTo: <sip:b@example.test>\r\nCall-ID: c1\r\n"
                 "CSeq: 1 INVITE\r\nContact: <sip:a@other.test>\r\nContent-Length: 0\r\n\r\n");
        run_ms(&x, 500);
        const struct raw_message *invite = raw_nth(x.pbx, "INVITE", 0);
        assert_non_null(invite);
        raw_answer(x.pbx, invite, "200 OK", "Contact: <sip:b@10.1.0.9>\r\n");
        run_ms(&x, 300);
        send_inside(&x, "INVITE", invite, "sip:a@other.test", "2 INVITE");
        run_ms(&x, 300);
        assert_int_equal(raw_count(x.one, "INVITE"), 1);
        raw_answer(x.one, raw_nth(x.one, "INVITE", 0), "180 Ringing", "");
        run_ms(&x, 300);
        sim_break(x.sim, x.gate.node, x.one->node);
        run_ms(&x, 3000);
        assert_int_equal(raw_count(x.one, "CANCEL sip:a@other.test"), !elsewhere);
        assert_int_equal(raw_count(there, "CANCEL"), 0); /* RFC 3261 9.1: the same destination */
        located_fini(&x);
    }
}

/* The connection ends at the moment when the caller gives up: what did not leave is sent anew. */
static void test_hop_cancel_that_did_not_leave_is_dialled_anew(void **state)
{
    struct located x;
    (void)state;
    begin(&x);
    send_request(&x, "INVITE", "sip:bob@other.test", "c1", "");
    run_ms(&x, 1000);
    raw_answer(x.one, raw_nth(x.one, "INVITE", 0), "180 Ringing", "");
    run_ms(&x, 300);
    struct sim_conn *c = x.sim->conns[x.sim->conn_count - 1];
    sw_pool_del(x.gate.node->pool, &c->flow[0]);
    c->listed[0] = c->up[0] = false;
    send_request(&x, "CANCEL", "sip:bob@other.test", "c1", "");
    run_ms(&x, 1000);
    assert_int_equal(raw_count(x.one, "CANCEL sip:bob@other.test"), 1);
    assert_int_equal(x.sim->conn_count, 2);
    located_fini(&x);
}

/* A peer by UDP that is found by DNS and whose own address is never used: its Contact says where
 * the ACK goes, as it does for a BYE. RFC 3261 12.2.1.1, 13.2.2.4, RFC 3263 4 */
static void test_hop_ack_by_udp_is_located(void **state)
{
    static const struct {
        const char *contact;
        bool found;
    } rows[] = {
        {"sip:b@udp.test", true}, {"sip:b@two.udp.test:5070", true}, {"sip:b@nowhere.test", false}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct located x;
        char text[256];
        located_init(&x, "partner.test");
        struct sw_peer_conf *u = conf_peer(&x.gate.conf, "udp", NULL, SW_UDP, "udp.test");
        u->listener = 1;
        u->reverse = SW_REVERSE_NEVER;
        conf_route(&x.gate.conf, "pbx", "udp", NULL);
        struct raw *one = raw_new(x.sim, "one", "10.1.0.21:5060", SW_UDP);
        struct raw *two = raw_new(x.sim, "two", "10.1.0.22:5070", SW_UDP);
        located_start(&x);
        zone_srv(&x.zone, "_sip._udp.udp.test", 1, 0, 5060, "one.udp.test");
        zone_address(&x.zone, "one.udp.test", "10.1.0.21");
        zone_address(&x.zone, "two.udp.test", "10.1.0.22");
        send_request(&x, "INVITE", "sip:b@example.test", "c1", "");
        run_ms(&x, 500);
        snprintf(text, sizeof(text), "Contact: <%s>\r\n", rows[i].contact);
        raw_answer(one, raw_nth(one, "INVITE", 0), "200 OK", text);
        run_ms(&x, 100);
        send_inside(&x, "ACK", raw_nth(x.pbx, "SIP/2.0 200", 0), rows[i].contact, "1 ACK");
        run_ms(&x, 11000);
        assert_int_equal(raw_count(i == 0 ? one : two, "ACK"), rows[i].found);
        assert_int_equal(gate_counted(&x.gate, SW_COUNT_ACKS_DROPPED), 0);
        assert_int_equal(gate_counted(&x.gate, SW_COUNT_UNDELIVERED), !rows[i].found);
        located_fini(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hop_cancel_of_a_reinvite_reaches_a_stranger_anew),
        cmocka_unit_test(test_hop_cancel_goes_to_a_stranger_that_had_called),
        cmocka_unit_test(test_hop_cancel_that_did_not_leave_is_dialled_anew),
        cmocka_unit_test(test_hop_ack_by_udp_is_located),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

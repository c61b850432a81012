/* Servers that are believed by signed TLSA records, where that meets dialogs, CANCEL and reloads.
 * RFC 6698, RFC 7671, RFC 7673 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/locate.h"
#include "support/fault.h"
#include <stdlib.h>

/* "3 0 1" of what a node shows. */
static void zone_tlsa(struct located *x, const char *name, const struct raw *shown)
{
    char rdata[3 + 32] = {3, 0, 1};
    memcpy(rdata + 3, shown->ident->fingerprint, 32);
    zone_raw(&x->zone, name, SW_DNS_TLSA, rdata, sizeof(rdata));
}

/* The partner's server `one` shows a certificate for another name, which a record is of; so has
 * evil.test, at `two`. */
static void scene_of(struct located *x, uint32_t ping_ms)
{
    located_init(x, "elsewhere.test");
    x->gate.conf.peers[0].ping_ms = ping_ms;
    if (ping_ms) /* a connection without a verdict is waited for */
        x->gate.conf.peers[0].timeout_ms = 0;
    x->gate.conf.peers[0].dane = true;
    x->ident_two = raw_proves(x->two, "evil.test");
    conf_route(&x->gate.conf, "pbx", "partner", NULL);
    located_start(x);
    x->zone.secure = true;
    zone_srv(&x->zone, "_sips._tcp.partner.test", 1, 0, 5061, "one.hoster.test");
    zone_address(&x->zone, "one.hoster.test", "10.0.0.11");
    zone_tlsa(x, "_5061._tcp.one.hoster.test", x->one);
    zone_srv(&x->zone, "_sips._tcp.evil.test", 1, 0, 5071, "two.evil.test");
    zone_address(&x->zone, "two.evil.test", "10.0.0.12");
    zone_tlsa(x, "_5071._tcp.two.evil.test", x->two);
}

static void scene(struct located *x)
{
    scene_of(x, 0);
}

static const struct raw_message *call(struct located *x)
{
    send_request(x, "INVITE", "sip:bob@example.test", "c1", "");
    run_ms(x, 1000);
    assert_int_equal(raw_count(x->one, "INVITE"), 1);
    raw_answer(x->one, raw_nth(x->one, "INVITE", 0), "200 OK", "Contact: <sip:b@partner.test>\r\n");
    run_ms(x, 300);
    return raw_nth(x->pbx, "SIP/2.0 200", 0);
}

/* Whoever is in a dialog writes the URIs of its requests: a host that is none of the peer's names
 * proves nothing by its own records. The peer's servers are where its domain is. RFC 7673 4.1 */
static void test_records_of_another_domain_prove_no_peer(void **state)
{
    static const char *const uris[] = {"sip:b@evil.test", "sip:b@two.evil.test:5071",
                                       "sip:b@partner.test"};
    (void)state;
    for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
        struct located x;
        scene(&x);
        const struct raw_message *ok = call(&x);
        sim_break(x.sim, x.gate.node, x.one->node);
        run_ms(&x, 100);
        send_inside(&x, "ACK", ok, uris[i], "1 ACK");
        run_ms(&x, 1000);
        assert_int_equal(raw_count(x.two, "ACK"), 0);
        assert_int_equal(raw_count(x.one, "ACK"), 1);
        sim_break(x.sim, x.gate.node, x.one->node);
        run_ms(&x, 100);
        send_inside(&x, "BYE", ok, uris[i], "2 BYE");
        run_ms(&x, 1000);
        assert_int_equal(raw_count(x.two, "BYE"), 0);
        assert_int_equal(raw_count(x.one, "BYE"), 1);
        raw_answer(x.one, raw_nth(x.one, "BYE", 0), "200 OK", "");
        run_ms(&x, 1000);
        located_fini(&x);
    }
}

/* The server that has the INVITE gets the CANCEL, if its records are of its certificate still. RFC
 * 3261 9.1 */
static void test_cancel_asks_for_the_records_anew(void **state)
{
    (void)state;
    for (int changed = 0; changed < 2; changed++) {
        struct located x;
        scene(&x);
        send_request(&x, "INVITE", "sip:bob@example.test", "c1", "");
        run_ms(&x, 1000);
        raw_answer(x.one, raw_nth(x.one, "INVITE", 0), "180 Ringing", "");
        run_ms(&x, 500);
        if (changed)
            x.ident_one = raw_proves(x.one, "intruder.test");
        sim_break(x.sim, x.gate.node, x.one->node);
        run_ms(&x, 2000);
        assert_int_equal(raw_count(x.one, "CANCEL"), !changed);
        located_fini(&x);
    }
}

static struct sw_step inner;

/* The step of the gateway's first worker, which pings; nothing else of the scene meets that. */
static void short_of_memory(void *user, const struct sw_event *ev, struct sw_actions *out,
                            int64_t now_ms)
{
    fault.on = true;
    inner.step(user, ev, out, now_ms);
    fault.on = false;
}

/* A ping at the partner, without memory for request number `at`; 0: with all of it. */
static void ping_without(uint64_t at)
{
    struct located x;
    scene_of(&x, 30000);
    inner = x.gate.node->worker[0].step;
    x.gate.node->worker[0].step.step = short_of_memory;
    fault = (struct fault){.layer = FAULT_ROOM, .mode = at ? FAULT_ONCE : FAULT_NONE, .at = at};
    for (int i = 0; i < 70 && raw_count(x.one, "OPTIONS") == 0; i++)
        run_ms(&x, 500);
    x.gate.node->worker[0].step = inner;
    assert_true(at || raw_count(x.one, "OPTIONS") == 1);
    assert_false(atomic_load(&x.gate.conf.state[0].ping_failed));
    located_end(&x);
}

/* That memory is out says nothing of the peer: docs/groups.md "Health". */
static void test_memory_that_is_out_fails_no_ping(void **state)
{
    (void)state;
    ping_without(0);
    uint64_t last = fault.count[FAULT_ROOM];
    assert_true(last > 10);
    for (uint64_t at = 1; at <= last; at++)
        ping_without(at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_of_another_domain_prove_no_peer),
        cmocka_unit_test(test_memory_that_is_out_fails_no_ping),
        cmocka_unit_test(test_cancel_asks_for_the_records_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

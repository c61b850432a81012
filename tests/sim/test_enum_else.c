/* `to: [enum, PEER]`: what ENUM does not know, or leads nowhere, goes to the peer; and what counts
 * as a number. RFC 6116 3.1, RFC 3261 16.6, 19.1.1; RFC 5630 5.3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/locate.h"

#include <stdio.h>

#define ZONE "7.1.e164.arpa"

enum where { NOWHERE, ENUM, CARRIER }; /* `one` is where ENUM leads, `two` the carrier */

static void scene(struct located *x, enum sw_fork_rule fork)
{
    located_init(x, "other.test");
    conf_peer(&x->gate.conf, "carrier", "10.0.0.12:5071", SW_TLS, "carrier.test");
    conf_peer(&x->gate.conf, "caller", "10.0.0.20:5061", SW_TLS, "caller.test");
    x->ident_two = raw_proves(x->two, "carrier.test");
    struct sw_route_conf *r = conf_route(&x->gate.conf, NULL, "carrier", NULL);
    r->lookup = SW_LOOKUP_ENUM;
    r->suffix = SW_SLICE("e164.arpa");
    r->fork = (uint8_t)fork;
    located_start(x);
    zone_srv(&x->zone, "_sips._tcp.other.test", 1, 0, 5061, "one.hoster.test");
    zone_address(&x->zone, "one.hoster.test", "10.0.0.11");
}

static void number_is(struct located *x, const char *uri)
{
    char rule[128];
    snprintf(rule, sizeof(rule), "!^.*$!%s!", uri);
    zone_naptr(&x->zone, ZONE, 1, 1, "u", "E2U+sip", rule, "");
}

/* Where it went, and that it went nowhere else. */
static void went(struct located *x, enum where where, const char *uri)
{
    char start[128];
    snprintf(start, sizeof(start), "INVITE %s SIP/2.0", uri);
    if (raw_count(where == ENUM ? x->one : x->two, start) != (where != NOWHERE))
        for (unsigned i = 0; i < x->pbx->count; i++)
            print_error("%s\n", x->pbx->got[i].text);
    assert_int_equal(raw_count(x->one, "INVITE"), where == ENUM);
    assert_int_equal(raw_count(x->two, "INVITE"), where == CARRIER);
    assert_int_equal(raw_count(where == ENUM ? x->one : x->two, start), where != NOWHERE);
    if (where == ENUM)
        raw_answer(x->one, raw_nth(x->one, "INVITE", 0), "486 Busy Here", "");
    else if (where == CARRIER)
        raw_answer(x->two, raw_nth(x->two, "INVITE", 0), "486 Busy Here", "");
    run_ms(x, 1000);
    if (where != NOWHERE) /* what the peer says, not that ENUM knows nothing */
        assert_true(raw_count(x->pbx, "SIP/2.0 486") >= 1);
}

static void test_enum_else_takes_the_peer_for_what_enum_does_not_know(void **state)
{
    static const struct {
        const char *number_is; /* NULL: not in ENUM */
        enum where where;
        const char *leaves;
    } rows[] = {
        {"sip:x@other.test", ENUM, "sip:x@other.test"},
        {NULL, CARRIER, "sip:+17@carrier.test;user=phone"},
        {"sip:x@nowhere.test", CARRIER, "sip:+17@carrier.test;user=phone"},
        {"sip:x@example.test", CARRIER, "sip:+17@carrier.test;user=phone"}, /* back to us */
        {"sip:x@silent.test", CARRIER, "sip:+17@carrier.test;user=phone"},
        {"mailto:x@other.test", CARRIER, "sip:+17@carrier.test;user=phone"},
        {"sip:x@forged.test", NOWHERE, ""},
    };
    (void)state;
    for (int fork = 0; fork < 2; fork++)
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            struct located x;
            scene(&x, fork ? SW_FORK_SERIAL : SW_FORK_ORDER);
            if (rows[i].number_is)
                number_is(&x, rows[i].number_is);
            zone_fail(&x.zone, "silent.test", SW_DNS_NAPTR, SW_PEER_DNS);
            zone_fail(&x.zone, "forged.test", SW_DNS_NAPTR, SW_DENIED_BOGUS);
            if (fork)
                x.two->node->deaf = rows[i].where == ENUM; /* else it is tried after the 486 */
            send_request(&x, "INVITE", "sip:+17@example.test;user=phone", "c1", "");
            run_ms(&x, 2000);
            went(&x, rows[i].where, rows[i].leaves);
            if (rows[i].where == NOWHERE)
                assert_true(raw_count(x.pbx, "SIP/2.0 500 DNS Answer Forged") >= 1);
            located_fini(&x);
        }
}

/* A forged answer is no "not there": who can forge one does not choose the carrier. RFC 4035 5.5 */
static void test_enum_else_goes_nowhere_if_enum_was_forged(void **state)
{
    (void)state;
    for (int then = 0; then < 2; then++) { /* the only record; one before it was forged */
        struct located x;
        scene(&x, then ? SW_FORK_SERIAL : SW_FORK_ORDER);
        if (!then) {
            zone_fail(&x.zone, ZONE, SW_DNS_NAPTR, SW_DENIED_BOGUS);
        } else {
            number_is(&x, "sip:x@nowhere.test");
            zone_naptr(&x.zone, ZONE, 1, 2, "u", "E2U+sip", "!^.*$!sip:x@forged.test!", "");
            zone_fail(&x.zone, "forged.test", SW_DNS_NAPTR, SW_DENIED_BOGUS);
            zone_naptr(&x.zone, ZONE, 1, 3, "u", "E2U+sip", "!^.*$!sip:x@example.test!", "");
        }
        send_request(&x, "INVITE", "tel:+17", "c1", "");
        run_ms(&x, 5000);
        went(&x, NOWHERE, "");
        assert_true(raw_count(x.pbx, "SIP/2.0 500 DNS Answer Forged") >= 1);
        located_fini(&x);
    }
}

/* The usual order: what ENUM found is tried first, and the peer if it cannot be reached. */
static void test_enum_else_is_an_alternative(void **state)
{
    struct located x;
    (void)state;
    scene(&x, SW_FORK_ORDER);
    number_is(&x, "sip:x@other.test");
    x.one->node->deaf = true;
    send_request(&x, "INVITE", "tel:+17", "c1", "");
    run_ms(&x, 6000);
    went(&x, CARRIER, "tel:+17");
    located_fini(&x);
    scene(&x, SW_FORK_SERIAL); /* and if it does not accept */
    number_is(&x, "sip:x@other.test");
    send_request(&x, "INVITE", "tel:+17", "c1", "");
    run_ms(&x, 1000);
    raw_answer(x.one, raw_nth(x.one, "INVITE", 0), "404 Not Found", "");
    run_ms(&x, 1000);
    assert_int_equal(raw_count(x.two, "INVITE tel:+17"), 1);
    raw_answer(x.two, raw_nth(x.two, "INVITE", 0), "200 OK", "Contact: <sip:b@10.0.0.12>\r\n");
    run_ms(&x, 500);
    assert_true(raw_count(x.pbx, "SIP/2.0 200") >= 1);
    located_fini(&x);
}

/* ENUM does not answer in time: the target's timeout, as in any list. */
static void test_enum_else_does_not_wait_for_silent_servers(void **state)
{
    struct located x;
    (void)state;
    scene(&x, SW_FORK_ORDER);
    x.gate.node->dns.lost = 1000;
    send_request(&x, "INVITE", "tel:+17", "c1", "");
    run_ms(&x, 5000);
    went(&x, CARRIER, "tel:+17");
    located_fini(&x);
}

/* A sips request goes to the peer as sips if ENUM has a sip URI only. RFC 5630 5.3 */
static void test_enum_else_keeps_sips(void **state)
{
    struct located x;
    (void)state;
    scene(&x, SW_FORK_ORDER);
    struct raw *caller = raw_new(x.sim, "caller", "10.0.0.20:5061", SW_TLS);
    raw_proves(caller, "caller.test");
    number_is(&x, "sip:x@other.test");
    raw_send(caller, "10.0.0.1:5061", SW_TLS,
             "INVITE sips:+17@example.test SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.20:5061;"
             "branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sips:a@b.test>;tag=1\r\n"
             "To: <sips:b@c>\r\nCall-ID: s\r\nCSeq: 1 INVITE\r\nContact: <sips:a@10.0.0.20>\r\n"
             "Content-Length: 0\r\n\r\n");
    run_ms(&x, 2000);
    assert_int_equal(raw_count(x.one, "INVITE"), 0);
    assert_int_equal(raw_count(x.two, "INVITE sips:+17@carrier.test SIP/2.0"), 1);
    raw_answer(x.two, raw_nth(x.two, "INVITE", 0), "486 Busy Here", "");
    run_ms(&x, 1000);
    assert_true(raw_count(caller, "SIP/2.0 486") >= 1);
    located_fini(&x);
}

/* What the route takes for a number: with user=phone at any domain, without it at one of ours; all
 * else, and what has a Route to follow, is the peer's. RFC 3261 16.6 step 6, 19.1.1; RFC 3966 5.1.4
 */
static void test_enum_else_knows_a_number(void **state)
{
    static const struct {
        const char *uri, *route;
        enum where where;
        const char *leaves;
    } rows[] = {
        {"sip:+17@example.test", "", ENUM, "sip:x@other.test"},
        {"sip:+1-(7)@Example.test", "", ENUM, "sip:x@other.test"},
        {"sip:+1.7@10.1.0.1", "", ENUM, "sip:x@other.test"}, /* a listener's address */
        {"sip:+17@far.test;user=phone", "", ENUM, "sip:x@other.test"},
        {"sip:+17@far.test", "", CARRIER, "sip:+17@far.test"},
        {"sip:+17@example.test;user=ip", "", CARRIER, "sip:+17@carrier.test;user=ip"},
        {"sip:+17;ext=1@example.test", "", CARRIER, "sip:+17;ext=1@carrier.test"},
        {"sip:17@example.test", "", CARRIER, "sip:17@carrier.test"},
        {"sip:+17x@example.test", "", CARRIER, "sip:+17x@carrier.test"},
        {"sip:+@example.test", "", CARRIER, "sip:+@carrier.test"},
        {"sip:bob@example.test", "", CARRIER, "sip:bob@carrier.test"},
        {"sip:+17@example.test", "Route: <sip:far.test;lr>\r\n", CARRIER, "sip:+17@carrier.test"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct located x;
        scene(&x, SW_FORK_ORDER);
        number_is(&x, "sip:x@other.test");
        send_request(&x, "INVITE", rows[i].uri, "c1", rows[i].route);
        run_ms(&x, 1000);
        if (raw_count(x.one, "INVITE") + raw_count(x.two, "INVITE") != 1)
            print_error("%s\n", rows[i].uri);
        went(&x, rows[i].where, rows[i].leaves);
        located_fini(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enum_else_takes_the_peer_for_what_enum_does_not_know),
        cmocka_unit_test(test_enum_else_goes_nowhere_if_enum_was_forged),
        cmocka_unit_test(test_enum_else_is_an_alternative),
        cmocka_unit_test(test_enum_else_does_not_wait_for_silent_servers),
        cmocka_unit_test(test_enum_else_keeps_sips),
        cmocka_unit_test(test_enum_else_knows_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

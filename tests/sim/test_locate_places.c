/* What holds once a name has led to places: which is next and with what branch, where ACK and
 * CANCEL go, which name counts, and whose connection is used again. RFC 3263 4.3, 4.4; RFC 5922
 * 4, 7.3; RFC 5923 8.1, 8.2; RFC 5630 3.1.4; CONFORMANCE 3263-3, 3263-4, 5922-11, 5923-7, 5630-12
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/locate.h"

#include <stdio.h>

/* The branch of our Via, which is the first one. */
static void branch_of(const struct raw_message *m, char out[64])
{
    const char *at = m ? strstr(raw_header(m, "Via"), "branch=") : NULL;
    assert_non_null(at);
    snprintf(out, 64, "%.*s", (int)strcspn(at, ";\r"), at);
}

/* "the client tries the next element", "a new branch": RFC 3263 4.3. A 503 and silence alike. */
static void test_places_the_next_one_gets_another_branch(void **state)
{
    (void)state;
    for (int silent = 0; silent < 2; silent++) {
        struct located x;
        char first[64], second[64];
        located_partner(&x, "partner.test");
        send_request(&x, "INVITE", "sip:bob@example.test", "c1", "");
        run_ms(&x, 500);
        branch_of(raw_nth(x.one, "INVITE", 0), first);
        assert_int_equal(raw_count(x.two, "INVITE"), 0);
        if (!silent)
            raw_answer(x.one, raw_nth(x.one, "INVITE", 0), "503 Busy", "");
        run_ms(&x, 5000); /* its timeout is 4 s */
        assert_int_equal(raw_count(x.two, "INVITE sip:bob@partner.test"), 1);
        branch_of(raw_nth(x.two, "INVITE", 0), second);
        assert_string_not_equal(first, second);
        raw_answer(x.two, raw_nth(x.two, "INVITE", 0), "486 Busy Here", "");
        run_ms(&x, 1000);
        assert_true(raw_count(x.pbx, "SIP/2.0 486") >= 1);
        assert_int_equal(raw_count(x.one, "INVITE"), 1);
        located_fini(&x);
    }
}

/* "MUST be sent to the same server": CANCEL and the ACK of a refusal, with the branch of the
 * INVITE, though another place is preferred and though the DNS says something else by then. RFC
 * 3263 4.4, RFC 3261 9.1, 17.1.1.3 */
static void test_places_cancel_and_ack_go_where_the_invite_went(void **state)
{
    struct located x;
    char invite[64], cancel[64], ack[64];
    (void)state;
    located_partner(&x, "partner.test");
    send_request(&x, "INVITE", "sip:bob@example.test", "c1", "");
    run_ms(&x, 500);
    raw_answer(x.one, raw_nth(x.one, "INVITE", 0), "503 Busy", "");
    run_ms(&x, 500);
    branch_of(raw_nth(x.two, "INVITE", 0), invite);
    raw_answer(x.two, raw_nth(x.two, "INVITE", 0), "180 Ringing", "");
    x.gate.node->dns.zone = NULL;
    run_ms(&x, 60000); /* `one` is not avoided any more */
    send_request(&x, "CANCEL", "sip:bob@example.test", "c1", "");
    run_ms(&x, 500);
    assert_int_equal(raw_count(x.two, "CANCEL sip:bob@partner.test"), 1);
    branch_of(raw_nth(x.two, "CANCEL", 0), cancel);
    raw_answer(x.two, raw_nth(x.two, "CANCEL", 0), "200 OK", "");
    raw_answer(x.two, raw_nth(x.two, "INVITE", 0), "487 Request Terminated", "");
    run_ms(&x, 500);
    assert_int_equal(raw_count(x.two, "ACK sip:bob@partner.test"), 1);
    branch_of(raw_nth(x.two, "ACK", 0), ack);
    assert_string_equal(invite, cancel);
    assert_string_equal(invite, ack);
    assert_int_equal(raw_count(x.one, "CANCEL"), 0);
    assert_int_equal(raw_count(x.one, "ACK"), 1); /* of its 503 */
    assert_true(raw_count(x.pbx, "SIP/2.0 487") >= 1);
    located_fini(&x);
}

/* A server that proves the name in the SRV record, and not the domain that the request set out for,
 * is another one: RFC 5922 4, 7.3. */
static void test_places_the_name_in_an_srv_record_proves_nothing(void **state)
{
    (void)state;
    for (int stranger = 0; stranger < 2; stranger++) {
        struct located x;
        located_init(&x, "one.hoster.test");
        if (stranger)
            route_lookup(&x.gate.conf, SW_LOOKUP_DNS);
        else
            conf_route(&x.gate.conf, "pbx", "partner", NULL);
        located_start(&x);
        partner_zone(&x.zone);
        zone_srv(&x.zone, "_sips._tcp.other.test", 1, 0, 5061, "one.hoster.test");
        send_request(&x, "MESSAGE", stranger ? "sip:bob@other.test" : "sip:bob@example.test", "c1",
                     "");
        run_ms(&x, 2000);
        assert_int_equal(raw_count(x.one, "MESSAGE"), 0);
        assert_int_equal(raw_count(x.two, "MESSAGE"), !stranger);
        if (stranger)
            assert_int_equal(raw_count(x.pbx, "SIP/2.0 500 Next Hop Did Not Prove Its Identity"),
                             1);
        else
            raw_answer(x.two, raw_nth(x.two, "MESSAGE", 0), "200 OK", "");
        located_fini(&x);
    }
}

/* The connection stands in the table under the address and the domain that was located: for another
 * domain at the same address it is not used. RFC 5923 8.1, 8.2 */
static void test_places_a_connection_is_of_the_domain_that_was_located(void **state)
{
    struct located x;
    (void)state;
    located_init(&x, "other.test");
    route_lookup(&x.gate.conf, SW_LOOKUP_DNS);
    located_start(&x);
    zone_srv(&x.zone, "_sips._tcp.other.test", 1, 0, 5061, "one.hoster.test");
    zone_srv(&x.zone, "_sips._tcp.third.test", 1, 0, 5061, "one.hoster.test");
    zone_address(&x.zone, "one.hoster.test", "10.0.0.11");
    for (unsigned i = 0; i < 2; i++) {
        send_request(&x, "MESSAGE", "sip:bob@other.test", i ? "c2" : "c1", "");
        run_ms(&x, 1000);
        raw_answer(x.one, raw_nth(x.one, "MESSAGE", i), "200 OK", "");
        run_ms(&x, 1000);
    }
    const struct raw_message *m = raw_nth(x.one, "MESSAGE", 1),
                             *before = raw_nth(x.one, "MESSAGE", 0);
    assert_true(sw_flow_id_eq(&m->flow.id, &before->flow.id)); /* for its own domain it is */
    send_request(&x, "MESSAGE", "sip:bob@third.test", "c3", "");
    run_ms(&x, 2000);
    assert_int_equal(raw_count(x.one, "MESSAGE"), 2);
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 500 Next Hop Did Not Prove Its Identity"), 1);
    located_fini(&x);
}

/* transport=tls in what others write is taken for what it says, and passes; in a sips URI it says
 * nothing new. RFC 5630 3.1.4, 5.3 */
static void test_places_transport_tls_is_accepted(void **state)
{
    static const char *const uris[] = {"sip:bob@other.test;transport=tls",
                                       "sip:bob@other.test;transport=TLS",
                                       "sip:bob@other.test:5061;transport=tls"};
    (void)state;
    for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
        struct located x;
        char start[96];
        located_init(&x, "other.test");
        route_lookup(&x.gate.conf, SW_LOOKUP_DNS);
        located_start(&x);
        zone_srv(&x.zone, "_sips._tcp.other.test", 1, 0, 5061, "other.test");
        zone_address(&x.zone, "other.test", "10.0.0.11");
        send_request(&x, "INVITE", uris[i], "c1",
                     "Route: <sip:10.1.0.1;transport=udp;lr>\r\n"
                     "Contact: <sip:a@pbx.test;transport=tls>\r\n");
        run_ms(&x, 1000);
        snprintf(start, sizeof(start), "INVITE %s SIP/2.0", uris[i]);
        assert_int_equal(raw_count(x.one, start), 1);
        const struct raw_message *m = raw_nth(x.one, "INVITE", 0);
        assert_int_equal(m->flow.transport, SW_TLS);
        assert_string_equal(raw_header(m, "Contact"), "<sip:a@pbx.test;transport=tls>");
        raw_answer(x.one, m, "486 Busy Here", "");
        run_ms(&x, 500);
        located_fini(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places_the_next_one_gets_another_branch),
        cmocka_unit_test(test_places_cancel_and_ack_go_where_the_invite_went),
        cmocka_unit_test(test_places_the_name_in_an_srv_record_proves_nothing),
        cmocka_unit_test(test_places_a_connection_is_of_the_domain_that_was_located),
        cmocka_unit_test(test_places_transport_tls_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

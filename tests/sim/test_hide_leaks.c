/* Topology hiding where something inside is odd, short or not found: what is not understood is
 * hidden all the same, what was hidden comes back, and no answer says what a sealed value stands
 * for. docs/hiding.md */
#include "sim/hide_scene.h"

#include "proxy/rules.h"

static unsigned contact_leaves(const char *contact)
{
    struct scene x;
    unsigned left;
    set_up(&x, SW_UDP, true);
    from_pbx(&x, "MESSAGE", "sip:b@b.test", contact, "", 1);
    left = raw_count(x.carrier, "MESSAGE");
    for (unsigned i = 0; i < x.carrier->count; i++)
        assert_false(names_inside(x.carrier->got[i].text));
    if (left)
        carrier_answers(&x, "MESSAGE", 0, "200 OK", "");
    else
        assert_int_equal(raw_count(x.pbx, "SIP/2.0 500 Cannot Be Hidden"), 1);
    tear_down(&x);
    return left;
}

/* A URI by its scheme that is none by the grammar names a system all the same: RFC 3261 25.1 */
static void test_contact_that_is_no_valid_uri_does_not_leave(void **state)
{
    (void)state;
    assert_int_equal(contact_leaves("Contact: <sip:phone@phone.inside:99999>\r\n"), 0);
    assert_int_equal(contact_leaves("Contact: sip:phone@phone.inside:0\r\n"), 0);
    assert_int_equal(contact_leaves("Contact: <SIPS:phone@10.1.0.77;>\r\n"), 0);
    assert_int_equal(contact_leaves("m: <sip:a@ok.test>, <sip:a b@phone.inside>\r\n"), 0);
    assert_int_equal(contact_leaves("Contact: <tel:+1555>\r\n"), 1);
}

/* "*" stands alone: RFC 3261 20.10 */
static void test_star_does_not_cover_another_contact(void **state)
{
    (void)state;
    assert_int_equal(contact_leaves("Contact: *\r\nContact: <sip:a@phone.inside>\r\n"), 0);
    assert_int_equal(contact_leaves("Contact: *\r\n"), 1);
}

/* The same in an answer, which is lost. */
static void test_answer_with_a_contact_that_is_no_valid_uri_does_not_leave(void **state)
{
    (void)state;
    struct scene x;
    set_up(&x, SW_UDP, true);
    from_carrier(&x, "MESSAGE", "sip:a@example.test", "", "", 1);
    pbx_answers(&x, "MESSAGE", 0, "302 Moved", "", "Contact: <sip:a@phone.inside:99999>\r\n");
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 302"), 0);
    tear_down(&x);
}

/* However short a Contact is, it comes back: RFC 3261 12.2.1.1 */
static void test_short_contact_comes_back(void **state)
{
    (void)state;
    static const char *const uris[] = {"sip:p", "sips:p", "sip:pbx", "sip:pbx1", "sip:a@b"};
    for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
        struct scene x;
        char contact[64], bye[64];
        set_up(&x, i & 1 ? SW_TLS : SW_UDP, true);
        snprintf(contact, sizeof(contact), "Contact: <%s>\r\n", uris[i]);
        from_pbx(&x, "INVITE", "sip:b@b.test", contact, "", 1);
        carrier_answers(&x, "INVITE", 0, "200 OK", THEIRS);
        learn(raw_nth(x.carrier, "INVITE", 0), false, x.target, x.route);
        from_carrier(&x, "BYE", x.target, x.route, ";tag=raw", 10);
        snprintf(bye, sizeof(bye), "BYE %s SIP/2.0", uris[i]);
        if (uris[i][3] == ':') {
            assert_int_equal(raw_count(x.pbx, bye), 1);
            pbx_answers(&x, "BYE", 0, "200 OK", "", "");
        } else { /* opened, and the PBX has no TLS */
            assert_int_equal(raw_count(x.carrier, "SIP/2.0 480"), 1);
        }
        tear_down(&x);
    }
}

/* A carrier, and a third from which the inside is hidden, too, and whom the carrier calls. */
static void set_up_transit(struct scene *x, struct raw **third)
{
    struct conf *k = &x->gate.conf;
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(17);
    x->outside = SW_TLS;
    configure(k, SW_TLS, true);
    conf_peer(k, "third", "10.0.0.8:5060", SW_UDP, NULL)->listener = 1;
    k->peers[2].hide_inside = true;
    k->routes[0].to = k->to[4];
    k->to[4][0] = 2;
    conf_route(k, "third", "carrier", NULL);
    gate_start(&x->gate, x->sim, "gate", 1, "example.test", 17);
    x->carrier = raw_new(x->sim, "carrier", "10.0.0.9:5061", SW_TLS);
    x->pbx = raw_new(x->sim, "pbx", "10.1.0.9:5060", SW_UDP);
    *third = raw_new(x->sim, "third", "10.0.0.8:5060", SW_UDP);
    raw_proves(x->carrier, "carrier.test");
}

/* Who was given a sealed Contact or Path cannot have it opened by a call to somebody who is not to
 * see it either: "two carriers do not see each other", nor the inside by each other. */
static void test_sealed_values_are_not_opened_for_another_from_whom_they_are_hidden(void **state)
{
    (void)state;
    struct scene x;
    struct raw *third;
    char path[TEXT_MAX];
    set_up_transit(&x, &third);
    from_pbx(&x, "REGISTER", "sip:b@b.test", "Path: <sip:core.inside;lr>\r\n" OURS_2, "", 1);
    const struct raw_message *m = raw_nth(x.carrier, "REGISTER", 0);
    learn(m, false, x.target, x.route);
    const char *p = strstr(m->text, "Path: ");
    snprintf(path, sizeof(path), "Route%.*s\r\n", (int)strcspn(p + 4, "\r"), p + 4);
    carrier_answers(&x, "REGISTER", 0, "200 OK", "");
    from_carrier(&x, "MESSAGE", x.target, "", "", 1);
    from_carrier(&x, "MESSAGE", "sip:c@example.test", path, "", 2);
    from_carrier(&x, "MESSAGE", x.target, path, "", 3);
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 500 Cannot Be Hidden"), 3);
    assert_int_equal(third->count, 0);
    raw_send(third, "10.1.0.1:5060", SW_UDP,
             "MESSAGE sip:b@b.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.8:5060;branch=z9hG4bKt\r\n"
             "Max-Forwards: 69\r\nFrom: <sip:c@c.test>;tag=c\r\nTo: <sip:b@b.test>\r\n"
             "Call-ID: t@x\r\nCSeq: 1 MESSAGE\r\nContact: <sip:me@third.test>\r\n"
             "Content-Length: 0\r\n\r\n");
    run(&x);
    learn(raw_nth(x.carrier, "MESSAGE", 0), false, x.target, x.route);
    carrier_answers(&x, "MESSAGE", 0, "200 OK", "");
    from_carrier(&x, "MESSAGE", x.target, "", "", 4); /* its own */
    assert_int_equal(raw_count(third, "MESSAGE sip:me@third.test SIP/2.0"), 1);
    raw_answer(third, raw_nth(third, "MESSAGE", 0), "200 OK", "");
    tear_down(&x);
}

/* The address that a binding came from: RFC 3261 10.3 lets a registrar add such a parameter. */
static void test_received_of_a_binding_does_not_leave(void **state)
{
    (void)state;
    struct scene x;
    set_up(&x, SW_UDP, true);
    from_carrier(&x, "REGISTER", "sip:example.test", THEIRS, "", 1);
    pbx_answers(&x, "REGISTER", 0, "200 OK", "",
                "Contact: <sip:far@192.0.2.77>;q=1 ; received=\"sip:10.1.0.1:5060\";expires=9"
                ";RECEIVED=10.1.0.9, "
                "sip:b@192.0.2.78;Received=10.1.0.77, <sip:c@h>;expires=8\r\n");
    const struct raw_message *ok = raw_nth(x.carrier, "SIP/2.0 200", 0);
    assert_non_null(ok);
    assert_false(names_inside(ok->text));
    assert_null(strcasestr(strstr(ok->text, "Contact:"), "received"));
    assert_non_null(strstr(ok->text, ">;q=1 ;expires=9, <sip:"));
    assert_non_null(strstr(ok->text, ">;expires=8\r\n"));
    tear_down(&x);
}

/* A system inside that puts itself into the Via of its answer. RFC 3261 8.2.6.2 */
static void test_via_that_the_inside_adds_to_its_answer_does_not_leave(void **state)
{
    (void)state;
    static const char *const added[] = {
        "Via: SIP/2.0/UDP core.inside;branch=z9hG4bKx\r\nServer: x\r\n"
        "v: SIP/2.0/UDP 10.1.0.9, SIP/2.0/TCP edge.inside\r\n",
        "Server: x\r\n"};
    for (size_t i = 0; i < 2; i++) {
        struct scene x;
        set_up(&x, SW_UDP, true);
        from_carrier(&x, "INVITE", "sip:b@example.test", THEIRS, "", 1);
        pbx_answers(&x, "INVITE", 0, "180 Ringing", "", added[i]);
        for (int k = 0; k < 2; k++) /* the second one comes late */
            pbx_answers(&x, "INVITE", 0, "200 OK", "", added[i]);
        for (unsigned k = 0; k < 3; k++) {
            const struct raw_message *m =
                raw_nth(x.carrier, k ? "SIP/2.0 200" : "SIP/2.0 180", k ? k - 1 : 0);
            assert_non_null(m);
            assert_false(names_inside(m->text));
            assert_non_null(strstr(m->text, "Via: SIP/2.0/TLS 192.0.2.9;branch=z9hG4bKf\r\n"));
            assert_non_null(strstr(m->text, "Server: x\r\n"));
        }
        tear_down(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contact_that_is_no_valid_uri_does_not_leave),
        cmocka_unit_test(test_star_does_not_cover_another_contact),
        cmocka_unit_test(test_answer_with_a_contact_that_is_no_valid_uri_does_not_leave),
        cmocka_unit_test(test_short_contact_comes_back),
        cmocka_unit_test(test_via_that_the_inside_adds_to_its_answer_does_not_leave),
        cmocka_unit_test(test_received_of_a_binding_does_not_leave),
        cmocka_unit_test(test_sealed_values_are_not_opened_for_another_from_whom_they_are_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

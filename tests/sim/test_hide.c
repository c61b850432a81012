/* Topology hiding: whole calls with a carrier that is not to see what is inside. Each scene runs
 * twice, once without `hide_inside` and once with it: what the inside gets must be the same byte
 * for byte, and no byte of an inside name or address may reach the carrier. The carrier acts on
 * what it sees: it sends to the Contact by the route set, as RFC 3261 12 says. docs/hiding.md */
#include "sim/hide_scene.h"

/* The inside calls: 180, 2xx, ACK, target refresh from both sides, BYE by the carrier. RFC 3261 12,
 * 13, 14; RFC 3311 */
static void call_out(struct scene *x)
{
    from_pbx(x, "INVITE", "sip:b@b.test", ROUTES OURS, "", 1);
    from_pbx(x, "INVITE", "sip:b@b.test", ROUTES OURS, "", 1); /* again: 17.2.1 */
    carrier_answers(x, "INVITE", 0, "180 Ringing", THEIRS);
    carrier_answers(x, "INVITE", 0, "200 OK", THEIRS);
    learn(raw_nth(x->carrier, "INVITE", 0), false, x->target, x->route);
    learn(raw_nth(x->pbx, "SIP/2.0 200", 0), true, NULL, x->pbx_route);
    from_pbx(x, "ACK", "sip:far@192.0.2.77;transport=tls",
             strstr(x->pbx_route, "<sip:10.1.0.1") - 7, ";tag=raw", 1);
    from_carrier(x, "INVITE", x->target, x->route, ";tag=raw", 10);
    pbx_answers(x, "INVITE sip:phone@10.1.0.77:5070;transport=tcp SIP/2.0", 0, "200 OK", "",
                OURS_2);
    learn(raw_nth(x->carrier, "SIP/2.0 200", 0), true, x->target, x->pbx_route);
    from_carrier(x, "ACK", x->target, x->route, ";tag=raw", 10);
    learn(raw_nth(x->pbx, "SIP/2.0 200", 0), true, NULL, x->pbx_route);
    from_pbx(x, "UPDATE", "sip:far@192.0.2.77;transport=tls",
             strstr(x->pbx_route, "<sip:10.1.0.1") - 7, ";tag=raw", 2);
    carrier_answers(x, "UPDATE", 0, "200 OK", THEIRS);
    from_carrier(x, "BYE", x->target, x->route, ";tag=raw", 11);
    pbx_answers(x, "BYE sip:phone2@phone.inside SIP/2.0", 0, "200 OK", "", "");
    assert_int_equal(raw_count(x->carrier, "SIP/2.0 200"), 2);
}

/* The carrier calls, from behind a proxy of its own; further systems inside record the route. */
static void call_in(struct scene *x)
{
    from_carrier(x, "INVITE", "sip:a@example.test", "Record-Route: <sip:192.0.2.5;lr>\r\n" THEIRS,
                 "", 1);
    pbx_answers(x, "INVITE", 0, "183 Session Progress", ROUTES, OURS);
    pbx_answers(x, "INVITE", 0, "200 OK", ROUTES, OURS);
    learn(raw_nth(x->carrier, "SIP/2.0 200", 0), true, x->target, x->route);
    char *own = strstr(x->route, "\r\n") + 2; /* its proxy takes its own value off */
    from_carrier(x, "ACK", x->target, own, ";tag=in", 1);
    assert_int_equal(raw_count(x->pbx, "ACK sip:phone@10.1.0.77:5070;transport=tcp SIP/2.0"), 1);
    learn(raw_nth(x->pbx, "INVITE", 0), false, NULL, x->pbx_route);
    from_pbx(x, "INVITE", "sip:far@192.0.2.77;transport=tls", "", ";tag=raw", 7);
    from_pbx(x, "UPDATE", "sip:far@192.0.2.77;transport=tls", x->pbx_route, ";tag=raw", 8);
    carrier_answers(x, "UPDATE", 0, "200 OK", THEIRS);
    from_carrier(x, "BYE", x->target, own, ";tag=in", 2);
    pbx_answers(x, "BYE", 0, "200 OK", "", "");
    assert_int_equal(raw_count(x->carrier, "SIP/2.0 200"), 2);
}

/* A cancelled call and its non-2xx ACKs, a refused one, a redirected one. RFC 3261 8.1.3.4, 9 */
static void other_ends(struct scene *x)
{
    from_pbx(x, "INVITE", "sip:b@b.test", ROUTES OURS, "", 1);
    carrier_answers(x, "INVITE", 0, "180 Ringing", THEIRS);
    from_pbx(x, "CANCEL", "sip:b@b.test", "", "", 1);
    raw_send(x->pbx, "10.1.0.1:5060", SW_UDP,
             "CANCEL sip:b@b.test SIP/2.0\r\n"
             "Via: SIP/2.0/UDP 10.1.0.9:5060;branch=z9hG4bKINVITE1;rport\r\nMax-Forwards: 69\r\n"
             "From: <sip:a@a.test>;tag=raw\r\nTo: <sip:b@b.test>\r\nCall-ID: h@x\r\n"
             "CSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n");
    run(x);
    carrier_answers(x, "CANCEL", 0, "200 OK", "");
    carrier_answers(x, "INVITE", 0, "487 Request Terminated", "");
    assert_int_equal(raw_count(x->carrier, "ACK"), 1);
    assert_true(raw_count(x->pbx, "SIP/2.0 487") > 0);
    from_carrier(x, "INVITE", "sip:a@example.test", THEIRS, "", 5);
    pbx_answers(x, "INVITE", 0, "302 Moved Temporarily", "",
                "Contact: <sip:new@core.inside>;q=1, <tel:+1555>;q=0.5\r\n");
    assert_int_equal(raw_count(x->carrier, "SIP/2.0 302"), 1);
    const struct raw_message *moved = raw_nth(x->carrier, "SIP/2.0 302", 0);
    assert_non_null(strstr(moved->text, ">;q=1, <tel:+1555>;q=0.5\r\n"));
    learn(moved, true, x->target, x->route);
    from_carrier(x, "INVITE", x->target, THEIRS, "", 6); /* RFC 3261 8.1.3.4 */
    pbx_answers(x, "INVITE sip:new@core.inside SIP/2.0", 0, "486 Busy Here", "", "");
    assert_int_equal(raw_count(x->carrier, "SIP/2.0 486"), 1);
}

/* Registered with the carrier by way of a proxy inside. RFC 3261 10, RFC 3327, RFC 3608 */
static void registration(struct scene *x)
{
    char rows[TEXT_MAX];
    const struct raw_message *m;
    from_pbx(x, "REGISTER", "sip:b.test",
             "Path: <sip:10.1.0.9;lr;ob>\r\nPath: <sip:core.inside;lr>\r\n" OURS
             "Contact: <sip:phone2@phone.inside>;expires=60\r\n",
             "", 1);
    m = raw_nth(x->carrier, "REGISTER", 0);
    assert_non_null(m);
    const char *path = strstr(m->text, "Path: "), *contact = strstr(m->text, "Contact: ");
    snprintf(rows, sizeof(rows), "%.*s%.*s",
             (int)(strstr(path, "From:") - path > 0 ? contact - path : 0), path,
             (int)(strstr(contact, "From:") - contact), contact);
    carrier_answers(x, "REGISTER", 0, "200 OK", rows);
    assert_int_equal(raw_count(x->pbx, "SIP/2.0 200"), 1);
    learn(m, false, x->target, x->route);
    /* a call to what was registered, by its Path */
    snprintf(x->route, sizeof(x->route), "%.*s", (int)(contact - path), path);
    char *route = x->route;
    for (char *p = strstr(route, "Path:"); p; p = strstr(p, "Path:")) {
        memmove(p + 5, p + 4, strlen(p + 4) + 1);
        memcpy(p, "Route", 5);
    }
    from_carrier(x, "MESSAGE", x->target, route, "", 9);
    pbx_answers(x, "MESSAGE sip:phone@10.1.0.77:5070;transport=tcp", 0, "200 OK", "", "");
    assert_int_equal(raw_count(x->carrier, "SIP/2.0 200"), 1);
}

/* The other way round: the registrar is inside, and says by which route to come. */
static void registration_in(struct scene *x)
{
    from_carrier(x, "REGISTER", "sip:example.test", THEIRS, "", 1);
    pbx_answers(x, "REGISTER", 0, "200 OK", "",
                "Service-Route: <sip:10.1.0.9;lr>\r\nService-Route: <sip:core.inside;lr>\r\n");
    assert_int_equal(raw_count(x->carrier, "SIP/2.0 200"), 1);
}

static bool carrier_sees_inside(const struct scene *x)
{
    for (unsigned i = 0; i < x->carrier->count; i++)
        if (names_inside(x->carrier->got[i].text))
            return true;
    return false;
}

static void assert_same(const struct raw *plain, const struct raw *hidden)
{
    for (unsigned i = 0; i < plain->count && i < hidden->count; i++)
        assert_string_equal(plain->got[i].text, hidden->got[i].text);
    assert_int_equal(plain->count, hidden->count);
}

static void twice(void (*scene)(struct scene *x), enum sw_transport outside)
{
    struct scene plain, hidden;
    set_up(&plain, outside, false);
    scene(&plain);
    sim_run(plain.sim, INT64_MAX); /* what watches the simulation knows one at a time */
    set_up(&hidden, outside, true);
    scene(&hidden);
    sim_run(hidden.sim, INT64_MAX);
    for (unsigned i = 0; i < hidden.carrier->count; i++)
        if (names_inside(hidden.carrier->got[i].text))
            fail_msg("the carrier sees the inside:\n%s", hidden.carrier->got[i].text);
    assert_true(carrier_sees_inside(&plain)); /* or this test shows nothing */
    assert_same(plain.pbx, hidden.pbx);
    assert_true(plain.pbx->count > 0);
    tear_down(&plain);
    tear_down(&hidden);
}

static void test_call_from_inside_shows_nothing_of_it(void **state)
{
    (void)state;
    twice(call_out, SW_TLS);
    twice(call_out, SW_UDP);
}

static void test_call_from_outside_shows_nothing_of_the_inside(void **state)
{
    (void)state;
    twice(call_in, SW_TLS);
    twice(call_in, SW_UDP);
}

static void test_cancelled_and_redirected_calls_show_nothing(void **state)
{
    (void)state;
    twice(other_ends, SW_TLS);
    twice(other_ends, SW_UDP);
}

/* The seal of a Record-Route that hides nothing can be read: one that hides may not be such. */
static void test_what_is_looked_for_is_seen_in_a_plain_record_route(void **state)
{
    (void)state;
    struct scene x;
    set_up(&x, SW_TLS, false);
    from_carrier(&x, "MESSAGE", "sip:a@example.test", "", "", 1);
    from_carrier(&x, "INVITE", "sip:a@example.test", THEIRS, "", 2);
    pbx_answers(&x, "INVITE", 0, "200 OK", "", "");
    const struct raw_message *ok = raw_nth(x.carrier, "SIP/2.0 200", 0);
    assert_non_null(ok);
    const char *seal = strstr(ok->text, ";sw=");
    assert_non_null(seal);
    assert_true(encodes_inside(seal + 4, strcspn(seal + 4, ">")));
    tear_down(&x);
}

static void test_registrations_show_nothing_and_lead_back(void **state)
{
    (void)state;
    twice(registration, SW_TLS);
    twice(registration_in, SW_UDP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call_from_inside_shows_nothing_of_it),
        cmocka_unit_test(test_call_from_outside_shows_nothing_of_the_inside),
        cmocka_unit_test(test_cancelled_and_redirected_calls_show_nothing),
        cmocka_unit_test(test_what_is_looked_for_is_seen_in_a_plain_record_route),
        cmocka_unit_test(test_registrations_show_nothing_and_lead_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

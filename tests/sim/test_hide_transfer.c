/* Topology hiding and transfers: whoever is shown a sealed Contact hands it on, in Refer-To or as
 * the target of another call. It comes back to those inside as what it stands for, and is told to
 * nobody from whom the inside is hidden. RFC 3515, RFC 5589 7, docs/hiding.md */
#include "sim/hide_scene.h"

#include "proxy/rules.h"

/* The carrier, the PBX, and a third; `hidden`: the inside is hidden from that one as well. Calls to
 * b.test go to the carrier, those of the carrier to elsewhere.test to the third, and what else the
 * PBX calls comes back to it if `back`. */
static struct raw *set_up_three(struct scene *x, bool hidden, bool back)
{
    struct conf *k = &x->gate.conf;
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(17);
    x->sim->verbose = getenv("SIM_VERBOSE");
    x->outside = SW_TLS;
    conf_init(k);
    conf_listener(k, "outside", "10.0.0.1:5061", SW_TLS, "sip.example.test");
    conf_listener(k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    conf_peer(k, "carrier", "10.0.0.9:5061", SW_TLS, "carrier.test")->listener = 0;
    conf_peer(k, "pbx", "10.1.0.9:5060", SW_UDP, NULL)->listener = 1;
    conf_peer(k, "third", "10.0.0.8:5060", SW_UDP, NULL)->listener = 1;
    k->peers[0].hide_inside = true;
    k->peers[2].hide_inside = hidden;
    conf_route(k, "carrier", "third", NULL)->domain = SW_SLICE("elsewhere.test");
    conf_route(k, "carrier", "pbx", NULL);
    conf_route(k, "pbx", "carrier", NULL)->domain = back ? SW_SLICE("b.test") : SW_SLICE("*");
    conf_route(k, "pbx", "pbx", NULL);
    conf_route(k, "third", "carrier", NULL);
    gate_start(&x->gate, x->sim, "gate", 1, "example.test", 17);
    x->carrier = raw_new(x->sim, "carrier", "10.0.0.9:5061", SW_TLS);
    x->pbx = raw_new(x->sim, "pbx", "10.1.0.9:5060", SW_UDP);
    raw_proves(x->carrier, "carrier.test");
    return raw_new(x->sim, "third", "10.0.0.8:5060", SW_UDP);
}

/* The carrier is shown a Contact of the inside. */
static void establish(struct scene *x)
{
    from_pbx(x, "INVITE", "sip:b@b.test", ROUTES OURS, "", 1);
    carrier_answers(x, "INVITE", 0, "200 OK", THEIRS);
    learn(raw_nth(x->carrier, "INVITE", 0), false, x->target, x->route);
    learn(raw_nth(x->pbx, "SIP/2.0 200", 0), true, NULL, x->pbx_route);
    from_pbx(x, "ACK", "sip:far@192.0.2.77", strstr(x->pbx_route, "<sip:10.1.0.1") - 7, ";tag=raw",
             1);
}

static void refer(struct scene *x, const char *uri, const char *route, const char *name,
                  const char *target, const char *behind, unsigned cseq)
{
    char rows[TEXT_MAX];
    snprintf(rows, sizeof(rows), "%s%s: %s<%s%s>;x=y\r\n" THEIRS, route, name,
             cseq % 2 ? "\"In, side\" " : "", target, behind);
    from_carrier(x, "REFER", uri, rows, *route ? ";tag=raw" : "", cseq);
}

#define REPLACES "?Replaces=h%40x%3Bto-tag%3D1%3Bfrom-tag%3D2"

/* "restored on the way back": the one inside can call whom it is told to. RFC 3515 2.1, RFC 3891 */
static void test_refer_to_names_the_inside_again(void **state)
{
    (void)state;
    struct scene x;
    set_up_three(&x, true, true);
    establish(&x);
    refer(&x, x.target, x.route, "Refer-To", x.target, REPLACES, 10);
    const struct raw_message *m = raw_nth(x.pbx, "REFER", 0);
    assert_non_null(m);
    assert_non_null(strstr(m->text, "\r\nRefer-To: <sip:phone@10.1.0.77:5070;transport=tcp" REPLACES
                                    ">;x=y\r\n"));
    refer(&x, x.target, x.route, "r", x.target, ";method=INVITE", 11);
    m = raw_nth(x.pbx, "REFER", 1);
    assert_non_null(m);
    assert_non_null(strstr(m->text, "\r\nr: \"In, side\" <sip:phone@10.1.0.77:5070;transport=tcp;"
                                    "method=INVITE>;x=y\r\n"));
    /* what is not ours, and what does not open, stays */
    refer(&x, x.target, x.route, "Refer-To", "sip:d@d.test", REPLACES, 12);
    assert_non_null(
        strstr(raw_nth(x.pbx, "REFER", 2)->text, "Refer-To: <sip:d@d.test" REPLACES ">;x=y\r\n"));
    char forged[TEXT_MAX];
    snprintf(forged, sizeof(forged), "%s", x.target);
    char *letter = strstr(forged, ";sc=") + 20;
    *letter = *letter == 'A' ? 'B' : 'A';
    refer(&x, x.target, x.route, "Refer-To", forged, "", 13);
    assert_non_null(strstr(raw_nth(x.pbx, "REFER", 3)->text, forged));
    for (unsigned i = 0; i < 4; i++)
        pbx_answers(&x, "REFER", i, "202 Accepted", "", "");
    for (unsigned i = 0; i < x.carrier->count; i++)
        assert_false(names_inside(x.carrier->got[i].text));
    tear_down(&x);
}

/* Parameters that say where a request goes would have those inside send what they are told to
 * whoever wrote them: RFC 3261 19.1.1. Letters may be written as their codes: 19.1.4 */
static void test_refer_to_leads_nowhere_else(void **state)
{
    (void)state;
    static const char *const routes[] = {"", "&Route=%3Csip:203.0.113.9%3E", "&r%6Fute=x&rOUTE=y"};
    static const char *const behind[] = {";maddr=203.0.113.9", ";m%61ddr=203.0.113.9", ";lr;ttl=1",
                                         ";x;maddr=evil.test", ";user=phone;x=y"};
    struct scene x;
    set_up_three(&x, true, true);
    establish(&x);
    for (unsigned i = 0; i < sizeof(behind) / sizeof(behind[0]); i++) {
        char more[128];
        snprintf(more, sizeof(more), "%s;Method=INVITE%s%s", behind[i], REPLACES, routes[i % 3]);
        refer(&x, x.target, x.route, "Refer-To", x.target, more, 10 + i);
        const struct raw_message *m = raw_nth(x.pbx, "REFER", i);
        assert_non_null(m);
        assert_non_null(strstr(
            m->text, "<sip:phone@10.1.0.77:5070;transport=tcp;Method=INVITE" REPLACES ">;x=y\r\n"));
        pbx_answers(&x, "REFER", i, "202 Accepted", "", "");
    }
    tear_down(&x);
}

/* Where both sides are hidden from each other, each gets back its own. */
static void test_refer_to_gives_each_side_its_own(void **state)
{
    (void)state;
    struct scene x;
    char rows[TEXT_MAX / 4 * 3], target[TEXT_MAX], route[TEXT_MAX];
    set_up_three(&x, true, true);
    x.gate.conf.peers[1].hide_inside = true;
    establish(&x);
    learn(raw_nth(x.pbx, "SIP/2.0 200", 0), true, target, route);
    assert_null(strstr(target, "192.0.2.77"));
    snprintf(rows, sizeof(rows), "%.2048sRefer-To: <%.2048s%s>\r\n%s",
             strstr(route, "<sip:10.1.0.1") - 7, target, REPLACES, OURS);
    from_pbx(&x, "REFER", target, rows, ";tag=raw", 12);
    const struct raw_message *m = raw_nth(x.carrier, "REFER sip:far@192.0.2.77", 0);
    assert_non_null(m);
    assert_non_null(
        strstr(m->text, "Refer-To: <sip:far@192.0.2.77;transport=tls" REPLACES ">\r\n"));
    assert_false(names_inside(m->text));
    carrier_answers(&x, "REFER", 0, "202 Accepted", "");
    /* to its own side it is told as well, to the other one it is not */
    refer(&x, x.target, x.route, "Refer-To", x.target, REPLACES, 13);
    m = raw_nth(x.pbx, "REFER", 0);
    assert_non_null(m);
    assert_non_null(strstr(m->text, "<sip:phone@10.1.0.77:5070;transport=tcp" REPLACES ">"));
    pbx_answers(&x, "REFER", 0, "202 Accepted", "", "");
    tear_down(&x);
}

/* Rules that take the row out go before. */
static void test_refer_to_that_a_peer_is_not_told_goes(void **state)
{
    (void)state;
    static const struct sw_header_name name = {{"Refer-To", 8}, SW_HDR_REFER_TO};
    struct scene x;
    set_up_three(&x, true, true);
    x.gate.conf.peers[1].remove = &name;
    x.gate.conf.peers[1].remove_count = 1;
    establish(&x);
    refer(&x, x.target, x.route, "Refer-To", x.target, REPLACES, 10);
    assert_int_equal(raw_count(x.pbx, "REFER"), 1);
    assert_null(strstr(raw_nth(x.pbx, "REFER", 0)->text, "Refer-To"));
    pbx_answers(&x, "REFER", 0, "202 Accepted", "", "");
    tear_down(&x);
}

/* "Two carriers with hide_inside do not see each other either", nor the inside by each other. */
static void test_refer_to_stays_sealed_for_another_from_whom_it_is_hidden(void **state)
{
    (void)state;
    for (int hidden = 0; hidden < 2; hidden++) {
        struct scene x;
        struct raw *third = set_up_three(&x, hidden, true);
        establish(&x);
        refer(&x, "sip:d@elsewhere.test", "", "Refer-To", x.target, "", 10);
        const struct raw_message *m = raw_nth(third, "REFER", 0);
        assert_non_null(m);
        assert_int_equal(strstr(m->text, "10.1.0.77") != NULL, !hidden);
        assert_int_equal(strstr(m->text, x.target) != NULL, hidden);
        raw_answer(third, m, "202 Accepted", "");
        run(&x);
        tear_down(&x);
    }
}

static void pbx_calls(struct scene *x, const char *uri)
{
    char text[TEXT_MAX * 2];
    snprintf(text, sizeof(text),
             "INVITE %s SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.9:5060;branch=z9hG4bKt\r\n"
             "Max-Forwards: 69\r\nFrom: <sip:c@c.test>;tag=c\r\nTo: <sip:a@a.test>\r\n"
             "Call-ID: transfer@x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
             uri);
    raw_send(x->pbx, "10.1.0.1:5060", SW_UDP, text);
    run(x);
}

/* Attended transfer: who is told of a Contact calls it, from another peer. RFC 5589 7 */
static void test_contact_may_be_called_by_another_peer(void **state)
{
    (void)state;
    struct scene x;
    set_up_three(&x, true, true);
    establish(&x);
    pbx_calls(&x, x.target);
    assert_int_equal(raw_count(x.pbx, "INVITE sip:phone@10.1.0.77:5070;transport=tcp SIP/2.0"), 1);
    pbx_answers(&x, "INVITE sip:phone@", 0, "404 Not Found", "", "");
    tear_down(&x);
}

/* Where the route leads to the carrier, the carrier would be told what is hidden from it. */
static void test_contact_is_not_opened_for_whom_it_is_hidden_from(void **state)
{
    (void)state;
    struct scene x;
    set_up_three(&x, true, false);
    establish(&x);
    pbx_calls(&x, x.target);
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 500 Cannot Be Hidden"), 1);
    assert_int_equal(raw_count(x.carrier, "INVITE"), 1); /* the one before */
    for (unsigned i = 0; i < x.carrier->count; i++)
        assert_false(names_inside(x.carrier->got[i].text));
    tear_down(&x);
}

static void third_calls(struct scene *x, struct raw *third, const char *uri, unsigned n)
{
    char text[TEXT_MAX * 2];
    snprintf(text, sizeof(text),
             "INVITE %s SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.8:5060;branch=z9hG4bKt%u\r\n"
             "Max-Forwards: 69\r\nFrom: <sip:c@c.test>;tag=c\r\nTo: <sip:a@a.test>\r\n"
             "Call-ID: third@x\r\nCSeq: %u INVITE\r\nContact: <sip:me@third.test>\r\n"
             "Content-Length: 0\r\n\r\n",
             uri, n, n);
    raw_send(third, "10.1.0.1:5060", SW_UDP, text);
    run(x);
}

/* A redirection to a sealed Contact keeps whose it is: nobody becomes its owner by handing it on.
 */
static void test_redirection_to_a_sealed_contact_opens_it_for_nobody(void **state)
{
    (void)state;
    struct scene x;
    char contact[TEXT_MAX + 64], target[TEXT_MAX], route[TEXT_MAX];
    struct raw *third = set_up_three(&x, true, true);
    establish(&x);
    third_calls(&x, third, "sip:b@b.test", 1);
    snprintf(contact, sizeof(contact),
             "Contact: <%s>;received=\"sip:10.0.0.1:5061\";q=0.5, <sip:d@d.test>\r\n", x.target);
    carrier_answers(&x, "INVITE", 1, "302 Moved Temporarily", contact);
    const struct raw_message *m = raw_nth(third, "SIP/2.0 302", 0);
    assert_non_null(m);
    learn(m, true, target, route);
    assert_string_equal(target, x.target);
    assert_null(strstr(m->text, "received=\"")); /* our listener that the carrier's side sees */
    assert_non_null(strstr(m->text, ">;q=0.5, "));

    third_calls(&x, third, target, 2);
    assert_int_equal(raw_count(x.carrier, "INVITE"), 2);
    assert_int_equal(raw_count(third, "SIP/2.0 500 Cannot Be Hidden"), 1);
    for (unsigned i = 0; i < x.carrier->count; i++)
        assert_false(names_inside(x.carrier->got[i].text));
    tear_down(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refer_to_names_the_inside_again),
        cmocka_unit_test(test_refer_to_leads_nowhere_else),
        cmocka_unit_test(test_refer_to_gives_each_side_its_own),
        cmocka_unit_test(test_refer_to_that_a_peer_is_not_told_goes),
        cmocka_unit_test(test_refer_to_stays_sealed_for_another_from_whom_it_is_hidden),
        cmocka_unit_test(test_contact_may_be_called_by_another_peer),
        cmocka_unit_test(test_contact_is_not_opened_for_whom_it_is_hidden_from),
        cmocka_unit_test(test_redirection_to_a_sealed_contact_opens_it_for_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

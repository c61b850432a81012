/* Topology hiding when something is not as usual: forged and damaged values, keys and configuration
 * that change in the middle of a call, another peer that uses what it was told, forks, spirals,
 * loops, and two gateways that hide from each other over a bad network. docs/hiding.md */
#include "sim/hide_scene.h"

/* A call out that is answered and acknowledged; the carrier knows target and route set. */
static void establish(struct scene *x)
{
    from_pbx(x, "INVITE", "sip:b@b.test", ROUTES OURS, "", 1);
    carrier_answers(x, "INVITE", 0, "200 OK", THEIRS);
    learn(raw_nth(x->carrier, "INVITE", 0), false, x->target, x->route);
    learn(raw_nth(x->pbx, "SIP/2.0 200", 0), true, NULL, x->pbx_route);
    from_pbx(x, "ACK", "sip:far@192.0.2.77", strstr(x->pbx_route, "<sip:10.1.0.1") - 7, ";tag=raw",
             1);
    assert_int_equal(raw_count(x->carrier, "ACK"), 1);
}

/* Changes a letter of a sealed value: the `nth` behind the parameter. */
static void damage(char *text, const char *param, size_t nth)
{
    char *p = strstr(text, param);
    assert_non_null(p);
    p += strlen(param) + nth;
    *p = *p == 'A' ? 'B' : 'A';
}

static void test_forged_contact_gets_404_and_forged_route_403(void **state)
{
    (void)state;
    struct scene x;
    set_up(&x, SW_TLS, true);
    establish(&x);
    damage(x.target, ";sc=", 30);
    from_carrier(&x, "BYE", x.target, x.route, ";tag=raw", 10);
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 404"), 1);
    from_carrier(&x, "ACK", x.target, x.route, ";tag=raw", 10); /* is never answered */
    damage(x.target, ";sc=", 30);
    learn(raw_nth(x.carrier, "INVITE", 0), false, x.target, x.route);
    damage(x.route, ";sw=B", 30);
    from_carrier(&x, "BYE", x.target, x.route, ";tag=raw", 12);
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 403"), 1);
    assert_int_equal(raw_count(x.pbx, "BYE"), 0);
    assert_int_equal(raw_count(x.pbx, "ACK"), 0);
    tear_down(&x);
}

/* The Route of one dialog in another: both are sealed with the Call-ID. */
static void test_route_of_another_call_gets_403(void **state)
{
    (void)state;
    struct scene x;
    set_up(&x, SW_TLS, true);
    establish(&x);
    char text[TEXT_MAX * 3];
    snprintf(text, sizeof(text),
             "BYE %s SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.9:5061;branch=z9hG4bKo\r\n"
             "Max-Forwards: 69\r\n%sFrom: <sip:b@b.test>;tag=raw\r\nTo: <sip:a@a.test>;tag=raw\r\n"
             "Call-ID: other@x\r\nCSeq: 5 BYE\r\nContent-Length: 0\r\n\r\n",
             x.target, x.route);
    raw_send(x.carrier, "10.0.0.1:5061", SW_TLS, text);
    run(&x);
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 403"), 1);
    assert_int_equal(raw_count(x.pbx, "BYE"), 0);
    tear_down(&x);
}

/* RFC 3261 18.1.2: a response whose Via is not ours goes no further; the inside times out. */
static void test_damaged_response_does_not_reach_the_inside(void **state)
{
    (void)state;
    static const char *const params[] = {";sv=", ";sw=B"};
    for (int i = 0; i < 2; i++) {
        struct scene x;
        set_up(&x, SW_UDP, true);
        from_pbx(&x, "INVITE", "sip:b@b.test", ROUTES OURS, "", 1);
        struct raw_message m = *raw_nth(x.carrier, "INVITE", 0);
        m.text = strdup(m.text);
        assert_non_null(m.text);
        damage(m.text, params[i], 30);
        raw_answer(x.carrier, &m, "200 OK", THEIRS);
        run(&x);
        assert_int_equal(raw_count(x.pbx, "SIP/2.0 200"), 0);
        assert_int_equal(gate_counted(&x.gate, SW_COUNT_FOREIGN_RESPONSES), 1);
        free(m.text);
        carrier_answers(&x, "INVITE", 0, "486 Busy Here", "");
        assert_int_equal(raw_count(x.pbx, "SIP/2.0 486"), 1);
        tear_down(&x);
    }
}

/* A response that brings a further Via with it: it left with ours alone. */
static void test_response_with_a_further_via_does_not_reach_the_inside(void **state)
{
    (void)state;
    struct scene x;
    set_up(&x, SW_UDP, true);
    from_pbx(&x, "INVITE", "sip:b@b.test", ROUTES OURS, "", 1);
    carrier_answers(&x, "INVITE", 0, "200 OK",
                    THEIRS "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n");
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 200"), 0);
    carrier_answers(&x, "INVITE", 0, "486 Busy Here", "");
    tear_down(&x);
}

/* Without the parameter that hides them, no Via is behind ours: "MUST NOT be forwarded", a late 2xx
 * neither. RFC 3261 16.7 step 3 */
static void test_response_that_lost_what_was_hidden_does_not_reach_the_inside(void **state)
{
    (void)state;
    struct scene x;
    set_up(&x, SW_UDP, true);
    from_pbx(&x, "INVITE", "sip:b@b.test", ROUTES OURS, "", 1);
    struct raw_message m = *raw_nth(x.carrier, "INVITE", 0);
    char *text = m.text = strdup(m.text), *sv = strstr(text, ";sv=");
    assert_non_null(sv);
    char *end = strpbrk(sv + 1, ";\r");
    memmove(sv, end, strlen(end) + 1);
    unsigned before = x.pbx->count;
    raw_answer(x.carrier, &m, "180 Ringing", THEIRS);
    run(&x);
    raw_answer(x.carrier, &m, "200 OK", THEIRS);
    run(&x);
    assert_int_equal(x.pbx->count, before);
    assert_int_equal(gate_counted(&x.gate, SW_COUNT_FOREIGN_RESPONSES), 2);
    carrier_answers(&x, "INVITE", 0, "200 OK", THEIRS);
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 200"), 1);
    raw_answer(x.carrier, &m, "200 OK", THEIRS);
    run(&x);
    assert_int_equal(gate_counted(&x.gate, SW_COUNT_FOREIGN_RESPONSES), 3);
    free(text);
    tear_down(&x);
}

static struct conf *next_conf(enum sw_transport outside, bool hide, const char *key,
                              const struct sw_hmac_key *older)
{
    struct conf *k = calloc(1, sizeof(*k));
    assert_non_null(k);
    configure(k, outside, hide);
    sw_hmac_key_init(&k->proxy.seal_key, key, strlen(key));
    if (older)
        k->proxy.seal_older[k->proxy.seal_older_count++] = *older;
    return k;
}

static void hang_up_by_both(struct scene *x)
{
    from_carrier(x, "BYE", x->target, x->route, ";tag=raw", 10);
    assert_int_equal(raw_count(x->pbx, "BYE sip:phone@10.1.0.77:5070;transport=tcp SIP/2.0"), 1);
    pbx_answers(x, "BYE", 0, "200 OK", "", "");
    from_pbx(x, "BYE", "sip:far@192.0.2.77", strstr(x->pbx_route, "<sip:10.1.0.1") - 7, ";tag=raw",
             11);
    carrier_answers(x, "BYE", 0, "481 Call Does Not Exist", "");
    assert_int_equal(raw_count(x->pbx, "SIP/2.0 481"), 1);
}

static void test_call_goes_on_under_the_next_key_while_the_old_one_opens(void **state)
{
    (void)state;
    struct scene x;
    set_up(&x, SW_TLS, true);
    establish(&x);
    const struct sw_hmac_key before = x.gate.conf.proxy.seal_key;
    gate_adopt(&x.gate, next_conf(SW_TLS, true, "the next key", &before), 1);
    hang_up_by_both(&x);
    gate_adopt(&x.gate, next_conf(SW_TLS, true, "a third key", NULL), 1);
    from_carrier(&x, "BYE", x.target, x.route, ";tag=raw", 20);
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 403"), 1); /* its Route is of no key any more */
    tear_down(&x);
}

/* A reload that ends the hiding does not end the call, nor does an answer get lost that is due. */
static void test_call_goes_on_when_hiding_is_switched_off(void **state)
{
    (void)state;
    struct scene x;
    set_up(&x, SW_TLS, true);
    from_pbx(&x, "OPTIONS", "sip:b@b.test", "", "", 3);
    establish(&x);
    gate_adopt(&x.gate, next_conf(SW_TLS, false, "a key for tests only", NULL), 1);
    carrier_answers(&x, "OPTIONS", 0, "200 OK", "");
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 200"), 2);
    assert_non_null(strstr(raw_nth(x.pbx, "SIP/2.0 200", 1)->text, "core.inside"));
    hang_up_by_both(&x);
    tear_down(&x);
}

/* More than SW_HIDE_TEXT_MAX of Via, or a Contact that is none: nothing leaves half hidden. */
static void test_request_that_cannot_be_hidden_gets_500(void **state)
{
    (void)state;
    static const enum sw_transport outside[] = {SW_UDP, SW_TLS};
    for (int i = 0; i < 2; i++) {
        struct scene x;
        char more[4096];
        set_up(&x, outside[i], true);
        snprintf(more, sizeof(more), "Via: SIP/2.0/UDP %02100d.inside;branch=z9hG4bKl\r\n", 1);
        from_pbx(&x, "MESSAGE", "sip:b@b.test", more, "", 1);
        assert_int_equal(raw_count(x.pbx, "SIP/2.0 500 Cannot Be Hidden"), 1);
        from_pbx(&x, "MESSAGE", "sip:b@b.test", "Contact: <sip:a@core.inside\r\n", "", 2);
        assert_int_equal(raw_count(x.pbx, "SIP/2.0 500 Cannot Be Hidden"), 2);
        assert_int_equal(raw_count(x.carrier, "MESSAGE"), 0);
        tear_down(&x);
    }
}

/* RFC 3261 16.4: our value comes as Request-URI, and the Contact last in Route. */
static void test_strict_router_before_us_brings_it_back_too(void **state)
{
    (void)state;
    struct scene x;
    char uri[TEXT_MAX], route[TEXT_MAX + 32];
    set_up(&x, SW_TLS, true);
    establish(&x);
    const char *own = strchr(x.route, '<') + 1;
    snprintf(uri, sizeof(uri), "%.*s", (int)strcspn(own, ">"), own);
    snprintf(route, sizeof(route), "Route: <%s>\r\n", x.target);
    from_carrier(&x, "BYE", uri, route, ";tag=raw", 10);
    const struct raw_message *bye =
        raw_nth(x.pbx, "BYE sip:phone@10.1.0.77:5070;transport=tcp SIP/2.0", 0);
    assert_non_null(bye);
    assert_non_null(strstr(bye->text, "Route: <sip:10.1.0.9;lr;ftag=1>\r\n"
                                      "Route: \"a, b\" <sip:core.inside:5070;lr>;x=y\r\n"));
    pbx_answers(&x, "BYE", 0, "200 OK", "", "");
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 200"), 1);
    tear_down(&x);
}

/* RFC 5630 4.1: a target that is asked for as sips is not reached as less. */
static void test_contact_that_was_made_sips_stays_sips(void **state)
{
    (void)state;
    struct scene x;
    char target[TEXT_MAX + 1];
    set_up(&x, SW_TLS, true);
    establish(&x);
    snprintf(target, sizeof(target), "sips%.*s", TEXT_MAX - 8, x.target + 3);
    from_carrier(&x, "BYE", target, x.route, ";tag=raw", 10);
    assert_int_equal(raw_count(x.carrier, "SIP/2.0 480"), 1); /* the PBX has no TLS */
    assert_int_equal(raw_count(x.pbx, "BYE"), 0);
    tear_down(&x);
}

/* The carrier as a proxy: the request comes back to us with another target. RFC 3261 16.3 step 4 */
static void carrier_passes_on(struct scene *x, const struct raw_message *m, const char *line)
{
    static unsigned passes;
    char text[TEXT_MAX];
    assert_non_null(m);
    snprintf(text, sizeof(text), "%s\r\nVia: SIP/2.0/TLS 10.0.0.9:5061;branch=z9hG4bKpass%u\r\n%s",
             line, passes++, strstr(m->text, "\r\n") + 2);
    raw_send(x->carrier, "10.0.0.1:5061", SW_TLS, text);
    run(x);
}

static void test_spiral_through_the_carrier_comes_back_to_the_inside(void **state)
{
    (void)state;
    struct scene x;
    char text[TEXT_MAX];
    set_up(&x, SW_TLS, true);
    from_pbx(&x, "INVITE", "sip:b@b.test", ROUTES OURS, "", 1);
    carrier_passes_on(&x, raw_nth(x.carrier, "INVITE", 0), "INVITE sip:d@example.test SIP/2.0");
    pbx_answers(&x, "INVITE sip:d@10.1.0.9", 0, "200 OK", "", OURS_2);
    const struct raw_message *ok = raw_nth(x.carrier, "SIP/2.0 200", 0);
    assert_non_null(ok);
    assert_false(names_inside(ok->text));
    const char *via = strstr(ok->text, "Via: "); /* the carrier takes its own off */
    snprintf(text, sizeof(text), "SIP/2.0 200 OK\r\n%s", strstr(via, "\r\n") + 2);
    raw_send(x.carrier, "10.0.0.1:5061", SW_TLS, text);
    run(&x);
    ok = raw_nth(x.pbx, "SIP/2.0 200", 0);
    assert_non_null(ok);
    assert_non_null(strstr(ok->text, "Via: SIP/2.0/TCP core.inside;branch=z9hG4bKc, SIP/2.0/TLS"));
    assert_non_null(strstr(ok->text, "Record-Route: \"a, b\" <sip:core.inside:5070;lr>;x=y\r\n"));
    tear_down(&x);
}

/* Each pass towards the carrier hides the ones before it, and yet they are found: RFC 5393 4.2.2 */
static void test_loop_between_two_that_see_nothing_gets_482(void **state)
{
    (void)state;
    struct scene x;
    memset(&x, 0, sizeof(x));
    struct conf *k = &x.gate.conf;
    x.sim = sim_new(17);
    x.sim->verbose = getenv("SIM_VERBOSE");
    x.outside = SW_TLS;
    configure(k, SW_TLS, true);
    conf_peer(k, "third", "10.1.0.8:5060", SW_UDP, NULL)->listener = 1;
    k->peers[2].hide_inside = true;
    k->routes[0].to = k->to[4]; /* carrier to third, third to carrier */
    k->to[4][0] = 2;
    conf_route(k, "third", "carrier", NULL);
    gate_start(&x.gate, x.sim, "gate", 1, "example.test", 17);
    x.carrier = raw_new(x.sim, "carrier", "10.0.0.9:5061", SW_TLS);
    x.pbx = raw_new(x.sim, "third", "10.1.0.8:5060", SW_UDP);
    raw_proves(x.carrier, "carrier.test");
    from_carrier(&x, "MESSAGE", "sip:a@example.test", "", "", 1);
    for (int i = 0; i < 6 && !raw_count(x.carrier, "SIP/2.0 482"); i++) {
        const struct raw_message *m = raw_nth(x.pbx, "MESSAGE", (unsigned)i);
        char text[TEXT_MAX];
        if (!m)
            break;
        snprintf(text, sizeof(text),
                 "MESSAGE sip:a@example.test SIP/2.0\r\n"
                 "Via: SIP/2.0/UDP 10.1.0.8:5060;branch=z9hG4bKloop%d\r\n%s",
                 i, strstr(m->text, "\r\n") + 2);
        raw_send(x.pbx, "10.1.0.1:5060", SW_UDP, text);
        run(&x);
        m = raw_nth(x.carrier, "MESSAGE", (unsigned)i);
        if (m)
            carrier_passes_on(&x, m, "MESSAGE sip:a@example.test SIP/2.0");
    }
    assert_true(raw_count(x.carrier, "SIP/2.0 482") + raw_count(x.pbx, "SIP/2.0 482") > 0);
    assert_true(raw_count(x.pbx, "MESSAGE") <= 3);
    tear_down(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forged_contact_gets_404_and_forged_route_403),
        cmocka_unit_test(test_route_of_another_call_gets_403),
        cmocka_unit_test(test_damaged_response_does_not_reach_the_inside),
        cmocka_unit_test(test_response_with_a_further_via_does_not_reach_the_inside),
        cmocka_unit_test(test_response_that_lost_what_was_hidden_does_not_reach_the_inside),
        cmocka_unit_test(test_call_goes_on_under_the_next_key_while_the_old_one_opens),
        cmocka_unit_test(test_call_goes_on_when_hiding_is_switched_off),
        cmocka_unit_test(test_request_that_cannot_be_hidden_gets_500),
        cmocka_unit_test(test_strict_router_before_us_brings_it_back_too),
        cmocka_unit_test(test_contact_that_was_made_sips_stays_sips),
        cmocka_unit_test(test_spiral_through_the_carrier_comes_back_to_the_inside),
        cmocka_unit_test(test_loop_between_two_that_see_nothing_gets_482),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

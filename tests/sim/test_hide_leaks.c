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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contact_that_is_no_valid_uri_does_not_leave),
        cmocka_unit_test(test_star_does_not_cover_another_contact),
        cmocka_unit_test(test_answer_with_a_contact_that_is_no_valid_uri_does_not_leave),
        cmocka_unit_test(test_short_contact_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

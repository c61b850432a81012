#include "support/unit.h"

#include "sip/uri.h"
#include <stdio.h>

static struct sw_uri parse(const char *text)
{
    struct sw_uri u;
    if (sw_uri_parse(sw_slice_str(text), &u, NULL) != SW_OK) {
        print_error("%s\n", text);
        fail();
    }
    return u;
}

/* RFC 3261 19.1.1, 19.1.3 and 25.1 */
static void test_uri_parts_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum sw_scheme scheme;
        const char *userinfo, *user, *host;
        uint16_t port;
        const char *params, *headers;
    } rows[] = {
        {"sip:alice@atlanta.com", SW_SCHEME_SIP, "alice", "alice", "atlanta.com", 0, "", ""},
        {"sip:alice:secretword@atlanta.com;transport=tcp", SW_SCHEME_SIP, "alice:secretword",
         "alice", "atlanta.com", 0, ";transport=tcp", ""},
        {"sips:alice@atlanta.com?subject=project%20x&priority=urgent", SW_SCHEME_SIPS, "alice",
         "alice", "atlanta.com", 0, "", "subject=project%20x&priority=urgent"},
        {"sip:+1-212-555-1212:1234@gateway.com;user=phone", SW_SCHEME_SIP, "+1-212-555-1212:1234",
         "+1-212-555-1212", "gateway.com", 0, ";user=phone", ""},
        {"sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com", SW_SCHEME_SIP, NULL, NULL,
         "atlanta.com", 0, ";method=REGISTER", "to=alice%40atlanta.com"},
        {"sip:alice;day=tuesday@atlanta.com", SW_SCHEME_SIP, "alice;day=tuesday",
         "alice;day=tuesday", "atlanta.com", 0, "", ""},
        {"SIP:a:@[2001:db8::1]:5060;lr", SW_SCHEME_SIP, "a:", "a", "[2001:db8::1]", 5060, ";lr",
         ""},
        {"sip:#31#+49%2e30@h:65535", SW_SCHEME_SIP, "#31#+49%2e30", "#31#+49%2e30", "h", 65535, "",
         ""},
        {"sip:h?a=b@c", SW_SCHEME_SIP, "h?a=b", "h?a=b", "c", 0, "", ""},
        {"tel:+1-201-555-0123", SW_SCHEME_TEL, NULL, NULL, "+1-201-555-0123", 0, "", ""},
        {"tel:7042;phone-context=example.com", SW_SCHEME_TEL, NULL, NULL, "7042", 0,
         ";phone-context=example.com", ""},
        {"Tel:(0)1.2-3*#aF", SW_SCHEME_TEL, NULL, NULL, "(0)1.2-3*#aF", 0, "", ""},
        {"http://example.com/a?b", SW_SCHEME_OTHER, NULL, NULL, NULL, 0, NULL, NULL},
        {"urn:service:sos", SW_SCHEME_OTHER, NULL, NULL, NULL, 0, NULL, NULL},
        {"x-1+2.3:y", SW_SCHEME_OTHER, NULL, NULL, NULL, 0, NULL, NULL},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_uri u = parse(rows[i].text);
        assert_slice(u.text, rows[i].text);
        assert_int_equal(u.scheme, rows[i].scheme);
        assert_int_equal(sw_uri_is_sip(&u), rows[i].scheme <= SW_SCHEME_SIPS);
        assert_slice(u.userinfo, rows[i].userinfo);
        assert_slice(u.user, rows[i].user);
        assert_int_equal(u.port, rows[i].port);
        if (rows[i].host)
            assert_slice(u.host, rows[i].host);
        assert_true(sw_slice_eq(u.params, sw_slice_str(rows[i].params)));
        assert_true(sw_slice_eq(u.headers, sw_slice_str(rows[i].headers)));
    }
}

static void test_uri_routing_parameters_are_remembered(void **state)
{
    (void)state;
    struct sw_uri u = parse("sip:h;x=1;LR;Maddr=[::1];TRANSPORT=Tcp");
    struct sw_param x;
    assert_true(u.lr);
    assert_slice(u.maddr, "[::1]");
    assert_slice(u.transport, "Tcp");
    assert_true(sw_uri_param_find(&u, SW_SLICE("X"), &x));
    assert_slice(x.value, "1");
    assert_false(sw_uri_param_find(&u, SW_SLICE("ttl"), &x));
    u = parse("sip:h;lr=on");
    assert_true(u.lr);
    u = parse("sip:h;lrx");
    assert_false(u.lr || u.transport.n || u.maddr.n);
}

static const struct {
    const char *text;
    size_t offset; /* SIZE_MAX: only that it lies in the text */
} broken[] = {
    {"", 0},
    {"sip", 0},
    {":", 0},
    {"s ip:h", 0},
    {"1sip:h", 0},
    {"+:h", 0},
    {"sip:", 4},
    {"sip:@h", 4},
    {"sip::pw@h", 4},
    {"sip:a b@h", 4},
    {"sip:a@b@h", SIZE_MAX},
    {"sip:a%4@h", 4},
    {"sip:a%zz@h", 4},
    {"sip:a<b@h", 4},
    {"sip:u@", 6},
    {"sip:u@.h", SIZE_MAX},
    {"sip:u@[::1", SIZE_MAX},
    {"sip:u@[::1]x", 11},
    {"sip:h:", 6},
    {"sip:h:0", SIZE_MAX},
    {"sip:h:65536", SIZE_MAX},
    {"sip:h:99999999999999999999", SIZE_MAX},
    {"sip:h:+1", 6},
    {"sip:h:5060x", 10},
    {"sip:h;", SIZE_MAX},
    {"sip:h;;lr", SIZE_MAX},
    {"sip:h;=x", SIZE_MAX},
    {"sip:h;transport=", SIZE_MAX},
    {"sip:h;a=%f", SIZE_MAX},
    {"sip:h?a=b c", SIZE_MAX},
    {"sip:h?a=%", SIZE_MAX},
    {"sip:h?", SIZE_MAX},
    {"sip:h?=b", SIZE_MAX},
    {"sip:h?a=b&", SIZE_MAX},
    {"sip:h?a=b&&c=d", SIZE_MAX},
    {"sip:h ", 5},
    {" sip:h", 0},
    {"sip:h\r\n", 5},
    {"tel:", 4},
    {"tel:+", 5},
    {"tel:--", 6},
    {"tel:12x", SIZE_MAX},
    {"tel:12;", SIZE_MAX},
    {"http:", 5},
    {"http://a b", 8},
    {"x:\x7f", 2},
    {"x:<y>", 2},
};

static void test_uri_broken_text_is_refused_with_offset_and_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < UNIT_COUNT(broken); i++) {
        struct sw_slice text = unit_exact(broken[i].text, strlen(broken[i].text));
        struct sw_uri u = {.host = SW_SLICE("untouched")};
        struct sw_parse_error err = {0};
        enum sw_status s = sw_uri_parse(text, &u, &err);
        if (s != SW_PEER_SYNTAX || (broken[i].offset != SIZE_MAX && err.offset != broken[i].offset))
            print_error("%s: offset %zu\n", broken[i].text, err.offset);
        assert_int_equal(s, SW_PEER_SYNTAX);
        assert_non_null(err.rule);
        assert_true(err.offset <= text.n);
        if (broken[i].offset != SIZE_MAX)
            assert_int_equal(err.offset, broken[i].offset);
        assert_slice(u.host, "untouched");
        assert_int_equal(sw_uri_parse(text, &u, NULL), SW_PEER_SYNTAX);
        unit_free(text);
    }
    struct sw_uri u;
    assert_int_equal(sw_uri_parse(sw_slice("sip:a\0@h", 8), &u, NULL), SW_PEER_SYNTAX);
    assert_int_equal(sw_uri_parse(sw_slice("sip:h\0", 6), &u, NULL), SW_PEER_SYNTAX);
}

/* RFC 3261 19.1.1: any given parameter-name MUST NOT appear more than once */
static void test_uri_parameter_may_stand_once(void **state)
{
    (void)state;
    static const char *const texts[] = {"sip:h;a;a", "sip:h;a=1;b;A=2", "sip:h;lr;lr=on",
                                        "sip:h;transport=udp;x;Transport=tcp", "tel:1;ext=1;EXT=2"};
    struct sw_uri u;
    for (size_t i = 0; i < UNIT_COUNT(texts); i++)
        assert_int_equal(sw_uri_parse(sw_slice_str(texts[i]), &u, NULL), SW_PEER_SYNTAX);
}

/* Each parameter is compared with the others: without a limit a long URI would cost seconds. */
static void test_uri_parts_have_a_limit(void **state)
{
    (void)state;
    static const char *const forms[] = {";p%d", "&p%d=1"};
    for (size_t f = 0; f < UNIT_COUNT(forms); f++)
        for (int count = SW_URI_PARTS_MAX - 1; count <= SW_URI_PARTS_MAX + 1; count++) {
            char text[1024];
            size_t n = (size_t)snprintf(text, sizeof(text), "sip:h");
            for (int i = 0; i < count; i++)
                n += (size_t)snprintf(text + n, sizeof(text) - n, forms[f], i);
            if (f == 1)
                text[5] = '?';
            struct sw_uri u;
            assert_int_equal(sw_uri_parse(sw_slice(text, n), &u, NULL),
                             count <= SW_URI_PARTS_MAX ? SW_OK : SW_PEER_SYNTAX);
        }
}

/* RFC 3261 19.1.2 */
static void test_uri_port_defaults_by_scheme_and_transport(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint16_t port;
    } rows[] = {
        {"sip:h", 5060},
        {"sips:h", 5061},
        {"sip:h;transport=tls", 5061},
        {"sip:h;transport=TLS", 5061},
        {"sip:h;transport=tcp", 5060},
        {"sips:h;transport=tcp", 5061},
        {"sips:h:5060", 5060},
        {"sip:h:7;transport=tls", 7},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_uri u = parse(rows[i].text);
        assert_int_equal(sw_uri_port(&u), rows[i].port);
    }
}

static void test_uri_transport_names_are_known_in_any_case(void **state)
{
    (void)state;
    enum sw_transport t;
    assert_true(sw_transport_parse(SW_SLICE("udp"), &t) && t == SW_UDP);
    assert_true(sw_transport_parse(SW_SLICE("Tcp"), &t) && t == SW_TCP);
    assert_true(sw_transport_parse(SW_SLICE("TLS"), &t) && t == SW_TLS);
    assert_false(sw_transport_parse(SW_SLICE("sctp"), &t));
    assert_false(sw_transport_parse(SW_SLICE("tl"), &t));
    assert_false(sw_transport_parse(SW_SLICE(""), &t));
    assert_int_equal(t, SW_TLS);
}

/* RFC 3261 19.1.4: the examples, and one pair for each rule. */
static const struct {
    const char *a, *b;
    bool equal;
} pairs[] = {
    {"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", true},
    {"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true},
    {"sip:carol@chicago.com", "sip:carol@chicago.com;security=on", true},
    {"sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on", true},
    {"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
     "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com", true},
    {"sip:alice@atlanta.com?subject=project%20x&priority=urgent",
     "sip:alice@atlanta.com?priority=urgent&subject=project%20x", true},
    {"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false},
    {"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false},
    {"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false},
    {"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false},
    {"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false},
    {"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false},
    {"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false},
    {"sip:a@h", "sips:a@h", false},
    {"sip:a@h", "sip:h", false},
    {"sip:a:pw@h", "sip:a@h", false},
    {"sip:a:pw@h", "sip:a:PW@h", false},
    {"sip:a:@h", "sip:a@h", false},
    {"sip:a@h;user=phone", "sip:a@h", false},
    {"sip:a@h;ttl=1", "sip:a@h", false},
    {"sip:a@h;method=INVITE", "sip:a@h", false},
    {"sip:a@h;maddr=192.0.2.1", "sip:a@h", false},
    {"sip:a@h;maddr=192.0.2.1", "sip:a@h;maddr=192.0.2.2", false},
    {"sip:a@h;x", "sip:a@h;x=1", false},
    {"sip:a@h;X=%41", "sip:a@h;x=a", true},
    {"sip:a@h;a=1;b=2", "sip:a@h;b=2;a=1", true},
    {"sip:%41@h", "sip:A@h", true},
    {"sip:%41@h", "sip:a@h", false},
    {"sip:a%3bb@h", "sip:a%3Bb@h", true},
    {"sip:a%3bb@h", "sip:a;b@h", false}, /* reserved: not the same as its escape */
    {"sip:%2b49@h", "sip:+49@h", false},
    {"sip:a%3ab@h", "sip:a:b@h", false},
    {"sip:a%00@h", "sip:a%00@h", true},
    {"sip:a%00@h", "sip:a%01@h", false},
    {"sip:h?a=1&b=2&a=1", "sip:h?a=1&a=1&b=2", true},
    {"sip:h?a=1&b=2&a=1", "sip:h?b=2&a=1&b=2", false},
    {"sip:h?a=1", "sip:h?a=1&b=2", false},
    {"sip:h?a=1%26b=2", "sip:h?a=1&b=2", false},
    {"sip:h?Subject=A", "sip:h?subject=A", true},
    {"tel:+1", "tel:+1", true},
    {"tel:+1", "tel:+2", false},
    {"urn:a", "tel:1", false},
};

/* RFC 3261 19.1.4: sip and sips are never equal */
static void test_uri_equality_is_that_of_the_standard(void **state)
{
    (void)state;
    for (size_t i = 0; i < UNIT_COUNT(pairs); i++) {
        struct sw_uri a = parse(pairs[i].a), b = parse(pairs[i].b);
        if (sw_uri_eq(&a, &b) != pairs[i].equal || sw_uri_eq(&b, &a) != pairs[i].equal)
            print_error("%s and %s\n", pairs[i].a, pairs[i].b);
        assert_int_equal(sw_uri_eq(&a, &b), pairs[i].equal);
        assert_int_equal(sw_uri_eq(&b, &a), pairs[i].equal);
        assert_true(sw_uri_eq(&a, &a) && sw_uri_eq(&b, &b));
    }
}

static void test_uri_move_points_every_part_into_the_copy(void **state)
{
    (void)state;
    static const char text[] = "sip:a:b@h:1;transport=tcp;maddr=m;lr?x=y";
    struct sw_slice first = unit_exact(text, sizeof(text) - 1);
    struct sw_slice second = unit_exact(text, sizeof(text) - 1);
    struct sw_uri u;
    assert_int_equal(sw_uri_parse(first, &u, NULL), SW_OK);
    sw_uri_move(&u, first.p, second.p);
    unit_free(first);
    assert_ptr_equal(u.text.p, second.p);
    assert_slice(u.text, text);
    assert_slice(u.user, "a");
    assert_slice(u.userinfo, "a:b");
    assert_slice(u.host, "h");
    assert_slice(u.params, ";transport=tcp;maddr=m;lr");
    assert_slice(u.headers, "x=y");
    assert_slice(u.transport, "tcp");
    assert_slice(u.maddr, "m");
    unit_free(second);
    u = parse("sip:h");
    sw_uri_move(&u, u.text.p, text);
    assert_null(u.user.p);
    assert_null(u.userinfo.p);
}

/* Parts lie in the text, and put together they are the text. */
static void test_uri_parts_rebuild_the_text(void **state)
{
    (void)state;
    struct rng r = rng_start(__func__);
    static const char bytes[] = "sip:ab@h.[::1]:50;lr=x?y&%41 \r\n\0\xe9";
    unsigned parsed = 0;
    for (int round = 0; round < 100000; round++) {
        char text[32] = "sip:";
        size_t n = 4 + rng_below(&r, sizeof(text) - 4);
        for (size_t i = 4; i < n; i++)
            text[i] = bytes[rng_below(&r, round % 2 ? 18 : sizeof(bytes) - 1)];
        struct sw_slice s = unit_exact(text, n);
        struct sw_uri u;
        if (sw_uri_parse(s, &u, NULL) == SW_OK && u.scheme == SW_SCHEME_SIP) {
            char out[128];
            int m =
                snprintf(out, sizeof(out), "sip:%.*s%s%.*s%s%.*s%s%.*s", SW_SLICE_ARG(u.userinfo),
                         u.userinfo.p ? "@" : "", SW_SLICE_ARG(u.host), u.port ? ":PORT" : "",
                         SW_SLICE_ARG(u.params), u.headers.p ? "?" : "", SW_SLICE_ARG(u.headers));
            const char *port = strstr(out, ":PORT");
            size_t head = port ? (size_t)(port - out) : (size_t)m;
            size_t tail = port ? (size_t)m - head - 5 : 0;
            assert_true(n >= head + tail && memcmp(out, s.p, head) == 0);
            assert_memory_equal(out + m - tail, s.p + n - tail, tail);
            assert_int_equal(port != NULL, n > head + tail);
            parsed++;
        }
        unit_free(s);
    }
    assert_true(parsed > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uri_parts_are_found),
        cmocka_unit_test(test_uri_routing_parameters_are_remembered),
        cmocka_unit_test(test_uri_broken_text_is_refused_with_offset_and_rule),
        cmocka_unit_test(test_uri_parameter_may_stand_once),
        cmocka_unit_test(test_uri_parts_have_a_limit),
        cmocka_unit_test(test_uri_port_defaults_by_scheme_and_transport),
        cmocka_unit_test(test_uri_transport_names_are_known_in_any_case),
        cmocka_unit_test(test_uri_equality_is_that_of_the_standard),
        cmocka_unit_test(test_uri_move_points_every_part_into_the_copy),
        cmocka_unit_test(test_uri_parts_rebuild_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

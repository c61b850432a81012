#include "support/unit.h"

#include "sip/via.h"

#include <stdio.h>

/* RFC 3261 20.42 and 25.1 */
static void test_via_parts_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *text, *transport, *host, *branch;
        uint16_t port, assumed;
        bool version_ok;
    } rows[] = {
        {"SIP/2.0/UDP erlang.bell-telephone.com:5060;branch=z9hG4bK87asdks7", "UDP",
         "erlang.bell-telephone.com", "z9hG4bK87asdks7", 5060, 5060, true},
        {"SIP/2.0/TLS h", "TLS", "h", "", 0, 5061, true},
        {"SIP/2.0/tls h", "tls", "h", "", 0, 5061, true},
        {"SIP/2.0/TCP h", "TCP", "h", "", 0, 5060, true},
        {"SIP/2.0/SCTP [2001:db8::1]:6061;branch=x", "SCTP", "[2001:db8::1]", "x", 6061, 6061,
         true},
        {"SIP / 2.0 / UDP first.example.com: 4000;ttl=16 ;maddr=224.2.0.1 "
         ";branch=z9hG4bKa7c6a8dlze.1",
         "UDP", "first.example.com", "z9hG4bKa7c6a8dlze.1", 4000, 4000, true},
        {"sip/2.0/UDP\r\n h\r\n : \r\n 7\r\n ; branch\r\n =\r\n b", "UDP", "h", "b", 7, 7, true},
        {"SIP/2.0/X h;x=1", "X", "h", "", 0, 5060, true},
        {"SIP/1.0/UDP h", "UDP", "h", "", 0, 5060, false},
        {"HTTP/2.0/UDP h", "UDP", "h", "", 0, 5060, false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_slice text = unit_exact(rows[i].text, strlen(rows[i].text));
        struct sw_lex l = sw_lex(text);
        struct sw_via v;
        assert_int_equal(sw_via_next(&l, &v), SW_OK);
        assert_true(sw_lex_end(&l));
        assert_slice(v.whole, rows[i].text);
        assert_slice(v.transport, rows[i].transport);
        assert_slice(v.host, rows[i].host);
        assert_true(sw_slice_eq(v.branch, sw_slice_str(rows[i].branch)));
        assert_int_equal(v.port, rows[i].port);
        assert_int_equal(sw_via_port(&v), rows[i].assumed);
        assert_int_equal(v.version_ok, rows[i].version_ok);
        unit_free(text);
    }
}

/* RFC 3261 18.2.1, RFC 3581 3 */
static void test_via_parameters_are_remembered(void **state)
{
    (void)state;
    struct sw_lex l = sw_lex(SW_SLICE("SIP/2.0/UDP h;RPORT;received = 192.0.2.1;maddr=m;ttl=1;x"));
    struct sw_via v;
    assert_int_equal(sw_via_next(&l, &v), SW_OK);
    assert_slice(v.rport.name, "RPORT");
    assert_slice(v.rport.value, NULL);
    assert_slice(v.received, "192.0.2.1");
    assert_slice(v.received_whole, "received = 192.0.2.1");
    assert_slice(v.maddr, "m");
    assert_slice(v.ttl, "1");
    l = sw_lex(SW_SLICE("SIP/2.0/UDP h;rport=5;received=2001:db8::1"));
    assert_int_equal(sw_via_next(&l, &v), SW_OK);
    assert_slice(v.rport.value, "5");
    assert_slice(v.received, "2001:db8::1");
    l = sw_lex(SW_SLICE("SIP/2.0/UDP h;x=1;y"));
    assert_int_equal(sw_via_next(&l, &v), SW_OK);
    assert_slice(v.rport.name, NULL);
    assert_slice(v.received_whole, NULL);
    assert_int_equal(v.branch.n + v.received.n + v.maddr.n + v.ttl.n, 0);
}

static void test_via_first_of_two_equal_parameters_counts(void **state)
{
    (void)state;
    struct sw_lex l = sw_lex(SW_SLICE("SIP/2.0/UDP h;branch=a;branch=b;rport;rport=6"));
    struct sw_via v;
    assert_int_equal(sw_via_next(&l, &v), SW_OK);
    assert_slice(v.branch, "a");
    assert_true(v.branch_twice);
    assert_slice(v.rport.value, NULL);
}

static void test_via_next_walks_a_list(void **state)
{
    (void)state;
    struct sw_lex l =
        sw_lex(SW_SLICE(" SIP/2.0/UDP a;x=\"1,2\" ,\r\n SIP/2.0/TCP b , SIP/2.0/TLS c"));
    struct sw_via v;
    static const char *const wholes[] = {"SIP/2.0/UDP a;x=\"1,2\"", "SIP/2.0/TCP b",
                                         "SIP/2.0/TLS c"};
    for (size_t i = 0; i < UNIT_COUNT(wholes); i++) {
        assert_int_equal(sw_via_next(&l, &v), SW_OK);
        assert_slice(v.whole, wholes[i]);
    }
    assert_true(sw_lex_end(&l));
}

/* RFC 3261 25.1: a comma stands between two values */
static void test_via_comma_without_a_further_value_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool comma_last;
    } rows[] = {{"SIP/2.0/UDP h", false},
                {"SIP/2.0/UDP h, SIP/2.0/UDP i", false},
                {"SIP/2.0/UDP h,x", false},
                {"SIP/2.0/UDP h,", true},
                {"SIP/2.0/UDP h;branch=b ,\r\n ", true}};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_slice text = unit_exact(rows[i].text, strlen(rows[i].text));
        struct sw_lex l = sw_lex(text);
        struct sw_via v;
        assert_int_equal(sw_via_next(&l, &v), SW_OK);
        assert_int_equal(v.comma_last, rows[i].comma_last);
        unit_free(text);
    }
}

static void test_via_broken_values_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "SIP",
        "SIP/2.0",
        "SIP/2.0/",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0 UDP h",
        "SIP h",
        "SIP/2.0/UDPh",
        "/2.0/UDP h",
        "SIP//UDP h",
        "SIP/2.0/UDP ;branch=x",
        "SIP/2.0/UDP :5060",
        "SIP/2.0/UDP h:",
        "SIP/2.0/UDP h:0",
        "SIP/2.0/UDP h:65536",
        "SIP/2.0/UDP h:x",
        "SIP/2.0/UDP [::1",
        "SIP/2.0/UDP h;",
        "SIP/2.0/UDP h;branch=",
        "SIP/2.0/UDP h;branch=\"x",
        "SIP/2.0/UDP h g",
        "SIP/2.0/UDP h;a\rb",
        ",SIP/2.0/UDP h",
    };
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        struct sw_slice text = unit_exact(texts[i], strlen(texts[i]));
        struct sw_lex l = sw_lex(text);
        struct sw_via v = {.host = SW_SLICE("untouched")};
        enum sw_status s = sw_via_next(&l, &v);
        if (s != SW_PEER_SYNTAX)
            print_error("%s\n", texts[i]);
        assert_int_equal(s, SW_PEER_SYNTAX);
        assert_slice(v.host, "untouched");
        unit_free(text);
    }
}

static struct sw_overload overload(const char *params)
{
    char text[256];
    struct sw_via v;
    struct sw_overload o;
    snprintf(text, sizeof(text), "SIP/2.0/TLS h:5061%s", params);
    struct sw_slice whole = unit_exact(text, strlen(text));
    struct sw_lex l = sw_lex(whole);
    assert_int_equal(sw_via_next(&l, &v), SW_OK);
    sw_via_overload(&v, &o);
    assert_true(!o.algos.n || (o.algos.p > whole.p && o.algos.p + o.algos.n <= whole.p + whole.n));
    o.algos.p = o.algos.n ? "x" : NULL;
    unit_free(whole);
    return o;
}

/* The messages of RFC 7339 6 */
static void test_via_overload_is_read_as_the_standard_shows_it(void **state)
{
    (void)state;
    struct sw_overload o =
        overload(";branch=z9hG4bK2d4790.1;received=192.0.2.111;oc;oc-algo=\"loss,A\"");
    assert_true(o.supported && o.loss && !o.has_oc && !o.has_seq && !o.has_validity);
    assert_int_equal(o.algos.n, 6);
    o = overload(";oc=0;oc-algo=\"loss\";oc-validity=0");
    assert_true(o.supported && o.has_oc && o.has_validity && o.loss);
    assert_int_equal(o.oc + o.validity_ms, 0);
    o = overload(";oc=20;oc-algo=\"loss\";oc-validity=1000;oc-seq=1282321615.782");
    assert_true(o.has_oc && o.has_validity && o.has_seq);
    assert_int_equal(o.oc, 20);
    assert_int_equal(o.validity_ms, 1000);
    assert_int_equal(o.seq, UINT64_C(128232161578200));
    o = overload("");
    assert_false(o.supported || o.has_oc || o.has_seq || o.has_validity || o.loss || o.algos.n);
    assert_int_equal(o.validity_ms, 500); /* RFC 7339 4.3 */
}

/* RFC 7339 9; what the grammar does not allow is as if it were not there */
static void test_via_overload_ignores_what_is_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *params;
        int oc; /* -1: none, -2: offered, -3: the largest */
        int64_t seq;
        int validity_ms; /* -1: none */
        size_t algos;
        bool loss;
    } rows[] = {
        {";OC=7;OC-ALGO=\"LOSS\";Oc-Seq=1.00001", 7, 100001, -1, 4, true},
        {"; oc = 7 ; oc-algo = \"rate , loss\"", 7, -1, -1, 11, true},
        {";oc=4294967295", -3, -1, -1, 0, false},
        {";oc=4294967296", -1, -1, -1, 0, false},
        {";oc=-1", -1, -1, -1, 0, false},
        {";oc=1.5", -1, -1, -1, 0, false},
        {";oc=\"5\"", -1, -1, -1, 0, false},
        {";oc=x;oc=5", -1, -1, -1, 0, false},
        {";oc=5;oc=6", 5, -1, -1, 0, false},
        {";oc;oc=6", -2, -1, -1, 0, false},
        {";oc=1;oc-validity", 1, -1, 500, 0, false},
        {";oc=1;oc-validity=x", 1, -1, -1, 0, false},
        {";oc-validity=100", -1, -1, -1, 0, false},
        {";oc=x;oc-validity=100", -1, -1, -1, 0, false},
        {";oc-validity=0", -1, -1, 0, 0, false},
        {";oc-algo=loss", -1, -1, -1, 0, false},
        {";oc-algo", -1, -1, -1, 0, false},
        {";oc-algo=\"\"", -1, -1, -1, 0, false},
        {";oc-algo=\"loss,\"", -1, -1, -1, 0, false},
        {";oc-algo=\",loss\"", -1, -1, -1, 0, false},
        {";oc-algo=\"lo-ss\"", -1, -1, -1, 0, false},
        {";oc-algo=\"loss rate\"", -1, -1, -1, 0, false},
        {";oc-algo=\"rate\"", -1, -1, -1, 4, false},
        {";oc-algo=\"glossy\"", -1, -1, -1, 6, false},
        {";oc-seq=0.0", -1, 0, -1, 0, false},
        {";oc-seq=999999999999.99999", -1, INT64_C(99999999999999999), -1, 0, false},
        {";oc-seq=1234567890123.0", -1, -1, -1, 0, false},
        {";oc-seq=1.123456", -1, -1, -1, 0, false},
        {";oc-seq=1", -1, -1, -1, 0, false},
        {";oc-seq=1.", -1, -1, -1, 0, false},
        {";oc-seq=.1", -1, -1, -1, 0, false},
        {";oc-seq=1.2.3", -1, -1, -1, 0, false},
        {";oc-seq", -1, -1, -1, 0, false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_overload o = overload(rows[i].params);
        int oc = o.has_oc ? (int)o.oc : o.supported ? -2 : -1;
        if (o.has_oc && o.oc == UINT32_MAX)
            oc = -3;
        bool same = oc == rows[i].oc && (o.has_seq ? (int64_t)o.seq : -1) == rows[i].seq &&
                    (o.has_validity ? (int)o.validity_ms : -1) == rows[i].validity_ms &&
                    o.algos.n == rows[i].algos && o.loss == rows[i].loss;
        if (!same)
            print_error("%s\n", rows[i].params);
        assert_true(same);
    }
}

/* RFC 3261 8.1.1.7; tokens are case-insensitive (7.3.1) */
static void test_via_magic_cookie_tells_the_new_branches(void **state)
{
    (void)state;
    static const struct {
        const char *branch;
        bool is;
    } rows[] = {{"z9hG4bKx", true},  {"Z9HG4BKx", true}, {"z9hG4bK", false},
                {"z9hG4bLx", false}, {"", false},        {"xz9hG4bKx", false}};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_via v = {.branch = sw_slice_str(rows[i].branch)};
        assert_int_equal(sw_via_is_3261(&v), rows[i].is);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_via_parts_are_found),
        cmocka_unit_test(test_via_parameters_are_remembered),
        cmocka_unit_test(test_via_first_of_two_equal_parameters_counts),
        cmocka_unit_test(test_via_next_walks_a_list),
        cmocka_unit_test(test_via_comma_without_a_further_value_is_told),
        cmocka_unit_test(test_via_broken_values_are_refused),
        cmocka_unit_test(test_via_overload_is_read_as_the_standard_shows_it),
        cmocka_unit_test(test_via_overload_ignores_what_is_malformed),
        cmocka_unit_test(test_via_magic_cookie_tells_the_new_branches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

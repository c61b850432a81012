#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/endpoint.h"
#include "support/random.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct sw_endpoint endpoint(const char *text)
{
    struct sw_endpoint e;
    if (!sw_endpoint_parse(sw_slice_str(text), 0, &e))
        fail_msg("not read: %s", text);
    return e;
}

static struct sw_cidr cidr(const char *text)
{
    struct sw_cidr c;
    if (!sw_cidr_parse(sw_slice_str(text), &c))
        fail_msg("not read: %s", text);
    return c;
}

static void test_endpoint_parse_reads_address_and_port(void **state)
{
    static const struct {
        const char *text, *back;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1:5060"},
        {"192.0.2.1:5061", "192.0.2.1:5061"},
        {"192.0.2.1:65535", "192.0.2.1:65535"},
        {"192.0.2.1:0", "192.0.2.1:0"},
        {"0.0.0.0", "0.0.0.0:5060"},
        {"255.255.255.255", "255.255.255.255:5060"},
        {"010.001.000.09", "10.1.0.9:5060"}, /* decimal, whatever the zeros: RFC 3261 25.1 */
        {"::", "[::]:5060"},
        {"::1", "[::1]:5060"},
        {"[::1]", "[::1]:5060"},
        {"[::1]:5061", "[::1]:5061"},
        {"2001:DB8::A:b", "[2001:db8::a:b]:5060"},
        {"[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.1]:1"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:5060"},
    };
    (void)state;
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct sw_endpoint e;
        char text[SW_ENDPOINT_TEXT_MAX];
        assert_true(sw_endpoint_parse(sw_slice_str(rows[i].text), 5060, &e));
        assert_string_equal(sw_endpoint_text(&e, text), rows[i].back);
    }
}

static void test_endpoint_parse_refuses_everything_else_and_leaves_the_output(void **state)
{
    static const struct sw_slice rows[] = {
        SW_SLICE(""),
        SW_SLICE(" "),
        SW_SLICE(":"),
        SW_SLICE(":5060"),
        SW_SLICE("["),
        SW_SLICE("]"),
        SW_SLICE("[]"),
        SW_SLICE("[]:5060"),
        SW_SLICE("1.2.3"),
        SW_SLICE("1.2.3."),
        SW_SLICE("1.2.3.4."),
        SW_SLICE("1.2.3.4.5"),
        SW_SLICE("1..2.3"),
        SW_SLICE(".1.2.3"),
        SW_SLICE("1.2.3.256"),
        SW_SLICE("1.2.3.1000"),
        SW_SLICE("1.2.3.0004"),
        SW_SLICE("4294967298.2.3.4"), /* 2 if it wrapped */
        SW_SLICE("1.2.3.-4"),
        SW_SLICE("1.2.3.+4"),
        SW_SLICE("0x1.2.3.4"),
        SW_SLICE(" 1.2.3.4"),
        SW_SLICE("1.2.3.4 "),
        SW_SLICE("1.2.3.4\0"),
        SW_SLICE("1.2.3.4\0:5060"),
        SW_SLICE("1.2.3.4:"),
        SW_SLICE("1.2.3.4:65536"),
        SW_SLICE("1.2.3.4:4294972356"), /* 5060 if it wrapped */
        SW_SLICE("1.2.3.4:-1"),
        SW_SLICE("1.2.3.4:+1"),
        SW_SLICE("1.2.3.4: 1"),
        SW_SLICE("1.2.3.4:5060x"),
        SW_SLICE("1.2.3.4:5060:1"),
        SW_SLICE("[1.2.3.4]"),
        SW_SLICE("[1.2.3.4]:5060"),
        SW_SLICE(":::"),
        SW_SLICE("::1::"),
        SW_SLICE("12345::"),
        SW_SLICE("g::"),
        SW_SLICE("1:2:3:4:5:6:7"),
        SW_SLICE("1:2:3:4:5:6:7:8:9"),
        SW_SLICE("::1\0"),
        SW_SLICE("[::1"),
        SW_SLICE("::1]"),
        SW_SLICE("[::1]:"),
        SW_SLICE("[::1]5060"),
        SW_SLICE("[::1]]:5060"),
        SW_SLICE("[[::1]]:5060"),
        SW_SLICE("[::1] :5060"),
        SW_SLICE("[::1]:65536"),
        SW_SLICE("fe80::1%1"),
        SW_SLICE("0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"),
        SW_SLICE("example.com"),
        SW_SLICE("localhost:5060"),
    };
    struct sw_endpoint e, before;
    (void)state;
    memset(&before, 0x5a, sizeof(before));
    e = before;
    for (unsigned i = 0; i < COUNT(rows); i++) {
        if (sw_endpoint_parse(rows[i], 5060, &e))
            fail_msg("read: %s", rows[i].p);
        assert_memory_equal(&e, &before, sizeof(e));
    }
    assert_false(sw_endpoint_parse((struct sw_slice){NULL, 0}, 5060, &e));
}

static void test_endpoint_ip_parse_takes_no_port(void **state)
{
    struct sw_endpoint e;
    (void)state;
    assert_true(sw_endpoint_ip_parse(SW_SLICE("[2001:db8::1]"), &e));
    assert_int_equal(e.family, 6);
    assert_int_equal(e.port, 0);
    assert_true(sw_endpoint_ip_parse(SW_SLICE("192.0.2.1"), &e));
    assert_int_equal(e.family, 4);
    assert_false(sw_endpoint_ip_parse(SW_SLICE("192.0.2.1:5060"), &e));
    assert_false(sw_endpoint_ip_parse(SW_SLICE("[2001:db8::1]:5060"), &e));
}

/* RFC 5952 4.1, 4.2.1, 4.2.2, 4.2.3, 4.3 */
static void test_endpoint_text_of_ipv6_is_canonical(void **state)
{
    static const struct {
        const char *text, *canonical;
    } rows[] = {
        {"2001:0db8::0001", "2001:db8::1"},
        {"2001:db8:0:0:0:0:2:1", "2001:db8::2:1"},
        {"2001:db8::0:1", "2001:db8::1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:DB8:ABCD::", "2001:db8:abcd::"},
    };
    (void)state;
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct sw_endpoint e = endpoint(rows[i].text);
        char text[64];
        struct sw_buf b = sw_buf(text, sizeof(text));
        sw_endpoint_ip_put(&b, &e, false);
        assert_true(sw_slice_eq(sw_buf_view(&b), sw_slice_str(rows[i].canonical)));
    }
}

static struct sw_endpoint some_endpoint(struct rng *r)
{
    struct sw_endpoint e = {.family = rng_below(r, 2) ? 4 : 6, .port = (uint16_t)rng_next(r)};
    for (int i = 0; i < (e.family == 4 ? 4 : 16); i++)
        e.ip[i] = rng_below(r, 3) ? 0 : (uint8_t)rng_next(r); /* zeros make the "::" move */
    return e;
}

static void test_endpoint_comes_back_from_its_text(void **state)
{
    struct rng r = rng_start(__func__);
    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct sw_endpoint e = some_endpoint(&r), back;
        char text[SW_ENDPOINT_TEXT_MAX];
        assert_true(sw_endpoint_parse(sw_slice_str(sw_endpoint_text(&e, text)), 1, &back));
        assert_true(sw_endpoint_eq(&e, &back));
        assert_memory_equal(&e, &back, sizeof(e));
    }
}

static void test_endpoint_equality_minds_family_port_and_scope(void **state)
{
    struct sw_endpoint a = endpoint("1.2.3.4:5"), b = endpoint("1.2.3.4:6");
    struct sw_endpoint six = endpoint("[::1]:5"), mapped = endpoint("[::ffff:1.2.3.4]:5");
    (void)state;
    assert_true(sw_endpoint_ip_eq(&a, &b));
    assert_false(sw_endpoint_eq(&a, &b));
    assert_false(sw_endpoint_ip_eq(&a, &mapped));
    struct sw_endpoint zone = six;
    zone.scope = 2;
    assert_true(sw_endpoint_eq(&six, &six));
    assert_false(sw_endpoint_eq(&six, &zone));
    struct sw_endpoint prefix = {.ip = {1, 2, 3, 4}, .family = 6, .port = 5};
    assert_false(sw_endpoint_ip_eq(&a, &prefix));
}

static void test_endpoint_wildcard_is_all_zeros(void **state)
{
    static const struct {
        const char *text;
        bool wildcard;
    } rows[] = {{"0.0.0.0:5060", true},   {"::", true},   {"0.0.0.1", false},
                {"128.0.0.0", false},     {"::1", false}, {"8000::", false},
                {"::ffff:0.0.0.0", false}};
    (void)state;
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct sw_endpoint e = endpoint(rows[i].text);
        assert_int_equal(sw_endpoint_is_wildcard(&e), rows[i].wildcard);
    }
}

static void test_endpoint_cidr_holds_its_range(void **state)
{
    static const struct {
        const char *range, *address;
        bool in;
    } rows[] = {
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.6", false},
        {"192.0.2.0/24", "192.0.2.255", true},
        {"192.0.2.0/24", "192.0.3.0", false},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.6/31", "192.0.2.7", true},
        {"192.0.2.6/31", "192.0.2.8", false},
        {"0.0.0.0/0", "255.255.255.255", true},
        {"0.0.0.0/0", "::", false},
        {"::/0", "ffff::", true},
        {"::/0", "1.2.3.4", false},
        {"128.0.0.0/1", "127.255.255.255", false},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::", false},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"[2001:db8::1]", "2001:db8::1", true},
        {"2001:db8::1/128", "2001:db8::", false},
        {"::ffff:1.2.3.0/120", "1.2.3.4", false},
    };
    (void)state;
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct sw_cidr c = cidr(rows[i].range);
        struct sw_endpoint e = endpoint(rows[i].address);
        if (sw_cidr_has(&c, &e) != rows[i].in)
            fail_msg("%s and %s", rows[i].range, rows[i].address);
    }
}

static void test_endpoint_cidr_refuses_bad_ranges_and_leaves_the_output(void **state)
{
    static const char *const rows[] = {
        "",
        "/",
        "/24",
        "192.0.2.0/",
        "192.0.2.0/33",
        "192.0.2.0/-1",
        "192.0.2.0/a",
        "192.0.2.0/24/",
        "192.0.2.1/24",
        "128.0.0.0/0",
        "::1/127",
        "::/129",
        "::/256",
        "::1/",
        "192.0.2/24",
        "192.0.2.0 /24",
        "192.0.2.0/ 24",
        "192.0.2.0:5/24",
    };
    struct sw_cidr c, before;
    (void)state;
    memset(&before, 0x5a, sizeof(before));
    c = before;
    for (unsigned i = 0; i < COUNT(rows); i++) {
        if (sw_cidr_parse(sw_slice_str(rows[i]), &c))
            fail_msg("read: %s", rows[i]);
        assert_memory_equal(&c, &before, sizeof(c));
    }
}

static void test_endpoint_cidr_agrees_with_comparing_bit_by_bit(void **state)
{
    struct rng r = rng_start(__func__);
    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct sw_endpoint e = some_endpoint(&r);
        unsigned width = e.family == 4 ? 32 : 128, flip = (unsigned)rng_below(&r, width);
        struct sw_cidr c = {.base = e, .bits = (uint8_t)rng_below(&r, width + 1)};
        for (unsigned i = c.bits; i < width; i++)
            c.base.ip[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
        assert_true(sw_cidr_has(&c, &e));
        e.ip[flip / 8] ^= (uint8_t)(0x80 >> flip % 8);
        assert_int_equal(sw_cidr_has(&c, &e), flip >= c.bits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_endpoint_parse_reads_address_and_port),
        cmocka_unit_test(test_endpoint_parse_refuses_everything_else_and_leaves_the_output),
        cmocka_unit_test(test_endpoint_ip_parse_takes_no_port),
        cmocka_unit_test(test_endpoint_text_of_ipv6_is_canonical),
        cmocka_unit_test(test_endpoint_comes_back_from_its_text),
        cmocka_unit_test(test_endpoint_equality_minds_family_port_and_scope),
        cmocka_unit_test(test_endpoint_wildcard_is_all_zeros),
        cmocka_unit_test(test_endpoint_cidr_holds_its_range),
        cmocka_unit_test(test_endpoint_cidr_refuses_bad_ranges_and_leaves_the_output),
        cmocka_unit_test(test_endpoint_cidr_agrees_with_comparing_bit_by_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

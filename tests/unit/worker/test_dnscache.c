#include "support/unit.h"

#include "worker/dnscache.h"

static struct sw_slab slab;

static struct sw_dns_question question(const char *name, enum sw_dns_type type)
{
    struct sw_dns_question q;
    assert_int_equal(sw_dns_ask(&q, sw_slice_str(name), type), SW_OK);
    return q;
}

static struct sw_dns_answer answer(const char *records, uint32_t ttl_s)
{
    return (struct sw_dns_answer){
        .secure = true, .ttl_s = ttl_s, .count = 1, .records = sw_slice_str(records)};
}

static void start(struct sw_dnscache *c)
{
    sw_slab_init(&slab);
    assert_int_equal(sw_dnscache_init(c, &slab, 16), SW_OK);
}

static void end(struct sw_dnscache *c)
{
    sw_dnscache_fini(c);
    assert_int_equal(slab.used_bytes, 0);
    sw_slab_fini(&slab);
}

/* RFC 1035 3.2.1 */
static void test_an_answer_is_kept_for_its_ttl_and_no_longer(void **state)
{
    struct sw_dnscache c;
    struct sw_dns_answer a = answer("abc", 10), got;
    const struct sw_dns_question q = question("Example.Test.", SW_DNS_A);
    (void)state;
    start(&c);
    assert_false(sw_dnscache_get(&c, &q, 1000, &got));
    sw_dnscache_put(&c, &q, &a, 16, 1000);
    assert_true(sw_dnscache_get(&c, &q, 4000, &got));
    assert_int_equal(got.ttl_s, 7); /* what is left */
    assert_true(got.secure && got.count == 1 && sw_slice_eq(got.records, SW_SLICE("abc")));
    assert_true(got.records.p != a.records.p);
    assert_true(sw_dnscache_get(&c, &q, 10999, &got));
    assert_false(sw_dnscache_get(&c, &q, 11000, &got));
    a = answer("other", 5); /* a newer one takes its place */
    sw_dnscache_put(&c, &q, &a, 16, 2000);
    assert_true(sw_dnscache_get(&c, &q, 6999, &got));
    assert_true(sw_slice_eq(got.records, SW_SLICE("other")));
    assert_int_equal(c.count, 1);
    end(&c);
}

static void test_name_and_type_make_the_question(void **state)
{
    struct sw_dnscache c;
    struct sw_dns_answer a = answer("abc", 10), got;
    struct sw_dns_question q = question("example.test", SW_DNS_A);
    (void)state;
    start(&c);
    sw_dnscache_put(&c, &q, &a, 16, 0);
    q = question("example.test", SW_DNS_AAAA);
    assert_false(sw_dnscache_get(&c, &q, 0, &got));
    q = question("xample.test", SW_DNS_A);
    assert_false(sw_dnscache_get(&c, &q, 0, &got));
    end(&c);
}

/* RFC 2308 5, RFC 9520 3.2: denials and failures are kept, too; RFC 1035 3.2.1: a TTL of 0 is not
 */
static void test_denials_and_failures_are_kept_and_a_ttl_of_0_is_not(void **state)
{
    struct sw_dnscache c;
    struct sw_dns_answer a = {.status = SW_PEER_NO_NAME, .ttl_s = 60}, got;
    struct sw_dns_question q = question("none.test", SW_DNS_SRV);
    (void)state;
    start(&c);
    sw_dnscache_put(&c, &q, &a, 16, 0);
    assert_true(sw_dnscache_get(&c, &q, 59999, &got));
    assert_int_equal(got.status, SW_PEER_NO_NAME);
    assert_int_equal(got.records.n, 0);
    a = answer("abc", 0); /* and the one of before is not used either */
    sw_dnscache_put(&c, &q, &a, 16, 0);
    assert_false(sw_dnscache_get(&c, &q, 0, &got));
    end(&c);
}

static void test_the_one_that_was_not_used_for_the_longest_makes_room(void **state)
{
    struct sw_dnscache c;
    struct sw_dns_answer a = answer("abc", 100), got;
    const struct sw_dns_question one = question("one.test", SW_DNS_A),
                                 two = question("two.test", SW_DNS_A),
                                 three = question("three.test", SW_DNS_A);
    (void)state;
    start(&c);
    assert_int_equal(sw_dnscache_put(&c, &one, &a, 2, 0), 0);
    assert_int_equal(sw_dnscache_put(&c, &two, &a, 2, 0), 0);
    assert_true(sw_dnscache_get(&c, &one, 1, &got));
    assert_int_equal(sw_dnscache_put(&c, &three, &a, 2, 1), 1);
    assert_true(sw_dnscache_get(&c, &one, 1, &got) && sw_dnscache_get(&c, &three, 1, &got));
    assert_false(sw_dnscache_get(&c, &two, 1, &got));
    /* one whose life is over is no loss */
    assert_int_equal(sw_dnscache_put(&c, &two, &a, 2, 200000), 0);
    assert_int_equal(sw_dnscache_put(&c, &one, &a, 0, 200000), 0);
    end(&c);
}

static void test_bytes_are_limited(void **state)
{
    static char large[32 * 1024];
    struct sw_dnscache c;
    const struct sw_dns_answer a = {
        .ttl_s = 100, .count = 1, .records = sw_slice(large, sizeof(large))};
    uint32_t dropped = 0;
    (void)state;
    start(&c);
    for (int i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "n%d.test", i);
        const struct sw_dns_question q = question(name, SW_DNS_SRV);
        dropped += sw_dnscache_put(&c, &q, &a, 10000, 0);
        assert_true(c.bytes <= SW_DNSCACHE_BYTES_MAX);
    }
    assert_int_equal(dropped + c.count, 1000);
    assert_true(c.count > 100);
    end(&c);
}

static void test_another_version_begins_with_nothing(void **state)
{
    struct sw_dnscache c;
    struct sw_dns_answer a = answer("abc", 100), got;
    const struct sw_dns_question q = question("one.test", SW_DNS_A);
    (void)state;
    start(&c);
    sw_dnscache_put(&c, &q, &a, 16, 0);
    sw_dnscache_clear(&c, 7);
    assert_false(sw_dnscache_get(&c, &q, 0, &got));
    assert_int_equal(c.version, 7);
    assert_int_equal(c.bytes, 0);
    end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_is_kept_for_its_ttl_and_no_longer),
        cmocka_unit_test(test_name_and_type_make_the_question),
        cmocka_unit_test(test_denials_and_failures_are_kept_and_a_ttl_of_0_is_not),
        cmocka_unit_test(test_the_one_that_was_not_used_for_the_longest_makes_room),
        cmocka_unit_test(test_bytes_are_limited),
        cmocka_unit_test(test_another_version_begins_with_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

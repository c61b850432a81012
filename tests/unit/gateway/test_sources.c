#include "support/unit.h"

#include "gateway/sources.h"

static const struct sw_sip_key key = {1, 2};

static struct sw_flow address(uint32_t n)
{
    struct sw_flow f = {.remote = {.family = 4, .port = 5060}};
    memcpy(f.remote.ip, &n, sizeof(n));
    return f;
}

static unsigned taken(struct sw_sources *s, uint32_t from, unsigned messages, int64_t now_ms)
{
    unsigned n = 0;
    uint32_t say;
    const struct sw_flow e = address(from);
    for (unsigned i = 0; i < messages; i++)
        n += sw_sources_take(s, &e, now_ms, &say);
    return n;
}

static void test_sources_take_so_many_at_once_and_per_second(void **state)
{
    struct sw_sources s;
    (void)state;
    assert_int_equal(sw_sources_init(&s, 10, key, NULL), SW_OK);
    assert_int_equal(taken(&s, 1, 100, 5000), 10);
    assert_int_equal(taken(&s, 2, 100, 5000), 10); /* another has a bucket of its own */
    assert_int_equal(taken(&s, 1, 100, 5099), 0);
    assert_int_equal(taken(&s, 1, 100, 5100), 1);
    assert_int_equal(taken(&s, 1, 100, 5600), 5);
    assert_int_equal(taken(&s, 1, 100, 5600), 0);
    assert_int_equal(taken(&s, 1, 100, 60000), 10); /* never more than that at once */
    unsigned n = 0;
    for (int64_t t = 61000; t < 71000; t += 7)
        n += taken(&s, 1, 3, t);
    assert_in_range(n, 100, 110); /* ten seconds, and what the bucket held */
    sw_sources_fini(&s);
}

static void test_sources_largest_rate_does_not_overflow(void **state)
{
    struct sw_sources s;
    (void)state;
    assert_int_equal(sw_sources_init(&s, 1000000, key, NULL), SW_OK);
    assert_int_equal(taken(&s, 1, 1000005, 0), 1000000);
    assert_int_equal(taken(&s, 1, 5000, 1), 1000);
    assert_int_equal(taken(&s, 1, 1000005, (INT64_C(1) << 60) + 5000), 1000000);
    sw_sources_fini(&s);
}

static void test_sources_without_limit_all_are_taken(void **state)
{
    struct sw_sources s;
    (void)state;
    assert_int_equal(sw_sources_init(&s, 0, key, NULL), SW_OK);
    assert_null(s.table);
    assert_int_equal(taken(&s, 1, 100000, 0), 100000);
    sw_sources_fini(&s);
}

/* The port says nothing: a sender can have all of them. */
static void test_sources_go_by_the_address_alone(void **state)
{
    struct sw_sources s;
    struct sw_flow e = address(7);
    unsigned n = 0;
    uint32_t say;
    (void)state;
    assert_int_equal(sw_sources_init(&s, 3, key, NULL), SW_OK);
    for (; e.remote.port < 5160; e.remote.port++)
        n += sw_sources_take(&s, &e, 0, &say);
    assert_int_equal(n, 3);
    e.remote.family = 6;
    assert_true(sw_sources_take(&s, &e, 0, &say));
    sw_sources_fini(&s);
}

/* Whoever has an IPv6 address has its /64, as with limits.handshakes_per_source. */
static void test_sources_go_by_the_network_of_an_ipv6_address(void **state)
{
    struct sw_sources s;
    struct sw_flow e = {.remote = {.family = 6, .ip = {0x20, 1, 0xd, 0xb8, 1, 2, 3, 4}}};
    unsigned n = 0;
    uint32_t say;
    (void)state;
    assert_int_equal(sw_sources_init(&s, 3, key, NULL), SW_OK);
    for (; e.remote.ip[15] < 100; e.remote.ip[15]++)
        n += sw_sources_take(&s, &e, 0, &say);
    assert_int_equal(n, 3);
    e.remote.ip[7]++;
    assert_true(sw_sources_take(&s, &e, 0, &say));
    sw_sources_fini(&s);
}

/* Whatever its address. Who proved nothing is not answered. */
static void test_sources_go_by_the_domain_that_was_proved(void **state)
{
    struct sw_sources s;
    unsigned n = 0, answers = 0;
    uint32_t say;
    (void)state;
    assert_int_equal(sw_sources_init(&s, 3, key, NULL), SW_OK);
    for (uint32_t i = 0; i < 20; i++) {
        struct sw_flow e = address(i);
        e.peer = SW_PEER_VERIFIED;
        e.domain_id = 77;
        n += sw_sources_take(&s, &e, 0, &say);
        answers += sw_sources_may_answer(&s, &e, 0);
        e.peer = SW_PEER_NOBODY;
        assert_true(sw_sources_take(&s, &e, 0, &say));
        assert_false(sw_sources_may_answer(&s, &e, 0));
        e.peer = SW_PEER_VERIFIED;
        e.domain_id = 1000 + i;
        assert_true(sw_sources_take(&s, &e, 0, &say));
    }
    assert_int_equal(n, 3);
    assert_int_equal(answers, 3);
    sw_sources_fini(&s);
}

static void test_sources_say_it_once_per_interval_with_the_number(void **state)
{
    struct sw_sources s;
    struct sw_flow e = address(9);
    uint32_t say, lines = 0, told = 0, dropped = 0;
    (void)state;
    assert_int_equal(sw_sources_init(&s, 1, key, NULL), SW_OK);
    for (int64_t t = 0; t <= 2 * SW_SOURCE_SAY_MS + 100; t += 100) {
        dropped += !sw_sources_take(&s, &e, t, &say);
        lines += say > 0;
        told += say;
    }
    assert_int_equal(lines, 3);
    assert_in_range(dropped - told, 0, 20);
    assert_true(told > 100);
    sw_sources_fini(&s);
}

/* More senders than there is room for: memory stays, and one that is held stays held as long as
 * there are fuller buckets beside it. */
static void test_sources_table_does_not_grow_and_forgets_the_fullest_first(void **state)
{
    struct sw_sources s;
    (void)state;
    assert_int_equal(sw_sources_init(&s, 2, key, NULL), SW_OK);
    assert_int_equal(taken(&s, 0, 50, 1000), 2);
    for (uint32_t i = 1; i < 20 * SW_SOURCE_SETS * SW_SOURCE_WAYS; i++)
        assert_int_equal(taken(&s, i, 1, 1000), 1);
    assert_int_equal(taken(&s, 0, 50, 1000), 0);
    sw_sources_fini(&s);
}

/* "over UDP and over all its connections", which are spread over the workers: docs/config.md */
static void test_sources_are_limited_over_all_workers(void **state)
{
    struct sw_source_table *table = sw_source_table_new();
    struct sw_sources s[4];
    unsigned n = 0;
    uint32_t say, lines = 0;
    const struct sw_flow e = address(9);
    (void)state;
    assert_non_null(table);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(sw_sources_init(&s[i], 10, key, table), SW_OK);
    for (unsigned i = 0; i < 400; i++) { /* their clocks differ by a turn */
        n += sw_sources_take(&s[i % 4], &e, 5000 + i % 3, &say);
        lines += say > 0;
    }
    assert_int_equal(n, 10);
    assert_int_equal(lines, 1);
    n = 0;
    for (unsigned i = 0; i < 400; i++)
        n += sw_sources_take(&s[i % 4], &e, 5500 + i % 3, &say);
    assert_int_equal(n, 5);
    for (unsigned i = 0; i < 4; i++)
        sw_sources_fini(&s[i]);
    sw_source_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources_take_so_many_at_once_and_per_second),
        cmocka_unit_test(test_sources_largest_rate_does_not_overflow),
        cmocka_unit_test(test_sources_without_limit_all_are_taken),
        cmocka_unit_test(test_sources_go_by_the_address_alone),
        cmocka_unit_test(test_sources_go_by_the_network_of_an_ipv6_address),
        cmocka_unit_test(test_sources_go_by_the_domain_that_was_proved),
        cmocka_unit_test(test_sources_say_it_once_per_interval_with_the_number),
        cmocka_unit_test(test_sources_are_limited_over_all_workers),
        cmocka_unit_test(test_sources_table_does_not_grow_and_forgets_the_fullest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

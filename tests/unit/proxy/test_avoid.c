#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/flow.h"
#include "proxy/avoid.h"

static struct sw_avoid avoid, other;

static struct sw_endpoint place(uint32_t i)
{
    return (struct sw_endpoint){
        .ip = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}, .port = 5061, .family = 4};
}

/* RFC 3263 4.3 */
static void test_avoid_knows_a_place_until_its_time_is_over(void **state)
{
    (void)state;
    struct sw_endpoint e = place(1), f = place(2);
    sw_avoid_add(&avoid, 7, &e, SW_TLS, 1000);
    assert_true(sw_avoid_has(&avoid, 7, &e, SW_TLS, 999));
    assert_false(sw_avoid_has(&avoid, 7, &e, SW_TLS, 1000));
    assert_false(sw_avoid_has(&avoid, 7, &e, SW_TCP, 0));
    assert_false(sw_avoid_has(&avoid, 7, &f, SW_TLS, 0));
    assert_false(sw_avoid_has(&avoid, 8, &e, SW_TLS, 0)); /* another's */
    sw_avoid_copy(&avoid, &other);
    sw_avoid_clear(&avoid, 7, &e, SW_TLS);
    assert_false(sw_avoid_has(&avoid, 7, &e, SW_TLS, 0));
    assert_true(sw_avoid_has(&other, 7, &e, SW_TLS, 0));
    sw_avoid_add(NULL, 7, &e, SW_TLS, 1000);
    assert_false(sw_avoid_has(NULL, 7, &e, SW_TLS, 0));
}

/* RFC 3261 21.5.4: what a place said of itself holds, until it says something else. */
static void test_avoid_holds_what_a_place_said(void **state)
{
    (void)state;
    struct sw_endpoint e = place(3);
    assert_int_equal(sw_avoid_until(&avoid, 7, &e, SW_TLS), INT64_MIN);
    sw_avoid_add(&avoid, 7, &e, SW_TLS, 1000);
    assert_int_equal(sw_avoid_until(&avoid, 7, &e, SW_TLS), 1000);
    sw_avoid_hold(&avoid, 7, &e, SW_TLS, 5000);
    sw_avoid_add(&avoid, 7, &e, SW_TLS, 2000);
    sw_avoid_clear(&avoid, 7, &e, SW_TLS);
    assert_int_equal(sw_avoid_until(&avoid, 7, &e, SW_TLS), 5000);
    sw_avoid_hold(&avoid, 7, &e, SW_TLS, 3000);
    assert_int_equal(sw_avoid_until(&avoid, 7, &e, SW_TLS), 3000);
    sw_avoid_add(&avoid, 7, &e, SW_TLS, 4000);
    assert_int_equal(sw_avoid_until(&avoid, 7, &e, SW_TLS), 4000);
    sw_avoid_clear(&avoid, 7, &e, SW_TLS);
    assert_int_equal(sw_avoid_until(&avoid, 7, &e, SW_TLS), INT64_MIN);
    sw_avoid_hold(NULL, 7, &e, SW_TLS, 1000);
    assert_int_equal(sw_avoid_until(NULL, 7, &e, SW_TLS), INT64_MIN);
}

/* What is told of them: each once, whole, and as long as it counts. */
static void test_avoid_tells_what_it_knows(void **state)
{
    (void)state;
    static struct sw_avoid a, copy;
    struct sw_endpoint e = place(1), f = {.ip = {0xfe, 0x80, [15] = 9}, .port = 7, .family = 6};
    struct sw_avoided x;
    uint32_t at = 0, n = 0;
    f.scope = 3;
    assert_false(sw_avoid_next(&a, &at, 0, &x));
    assert_false(sw_avoid_next(NULL, &at, 0, &x));
    sw_avoid_add(&a, 7, &e, SW_TLS, 1000);
    sw_avoid_add(&a, 7, &e, SW_TLS, 1500);
    sw_avoid_add(&a, 0x80000001, &f, SW_UDP, 2000);
    sw_avoid_copy(&a, &copy);
    sw_avoid_clear(&copy, 9, &f, SW_UDP);
    for (at = 0; sw_avoid_next(&copy, &at, 999, &x); n++) {
        bool first = x.whose == 7;
        assert_true(sw_endpoint_eq(&x.remote, first ? &e : &f));
        assert_int_equal(x.transport, first ? SW_TLS : SW_UDP);
        assert_int_equal(x.until_ms, first ? 1500 : 2000);
        assert_int_equal(x.remote.scope, first ? 0 : 3);
    }
    assert_int_equal(n, 2);
    at = 0;
    assert_true(sw_avoid_next(&a, &at, 1500, &x) && x.whose == 0x80000001);
    assert_false(sw_avoid_next(&a, &at, 1500, &x));
    for (unsigned i = 0; i < SW_AVOID_SETS * SW_AVOID_WAYS; i++)
        atomic_store(&copy.set[i / SW_AVOID_WAYS][i % SW_AVOID_WAYS].ip[0], 1);
    at = 0; /* torn by another writer: no place at all */
    assert_false(sw_avoid_next(&copy, &at, 0, &x));
}

/* However many fail, the youngest are known, and nothing grows. */
static void test_avoid_forgets_what_ends_first(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    unsigned known = 0;
    for (uint32_t i = 0; i < MANY; i++) {
        struct sw_endpoint e = place(i);
        sw_avoid_add(&avoid, 7, &e, SW_TLS, 1000 + i);
    }
    for (uint32_t i = MANY - 100; i < MANY; i++) {
        struct sw_endpoint e = place(i);
        known += sw_avoid_has(&avoid, 7, &e, SW_TLS, 0);
    }
    assert_in_range(known, 90, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_avoid_knows_a_place_until_its_time_is_over),
        cmocka_unit_test(test_avoid_holds_what_a_place_said),
        cmocka_unit_test(test_avoid_tells_what_it_knows),
        cmocka_unit_test(test_avoid_forgets_what_ends_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls/tickets.h"

static const uint8_t g_secret[SW_SHA256_BYTES] = {7};

static void test_tickets_are_the_same_for_all_who_have_the_secret(void **state)
{
    struct sw_ticket_keys a, b;
    (void)state;
    sw_ticket_keys_init(&a, g_secret);
    sw_ticket_keys_init(&b, g_secret);
    for (int period = 1; period < 5; period++)
        sw_ticket_keys_turn(&a, period); /* one by one, and at once */
    sw_ticket_keys_turn(&b, 4);
    assert_memory_equal(&a.now, &b.now, sizeof(a.now));
    assert_memory_equal(&a.before, &b.before, sizeof(a.before));
}

static void test_tickets_keys_differ_in_every_part(void **state)
{
    struct sw_ticket_keys k;
    (void)state;
    sw_ticket_keys_init(&k, g_secret);
    sw_ticket_keys_turn(&k, 1);
    assert_memory_not_equal(k.now.name, k.before.name, sizeof(k.now.name));
    assert_memory_not_equal(k.now.cipher, k.before.cipher, sizeof(k.now.cipher));
    assert_memory_not_equal(k.now.mac, k.before.mac, sizeof(k.now.mac));
    assert_memory_not_equal(k.now.mac, k.now.cipher, sizeof(k.now.mac));
    assert_memory_not_equal(k.secret, g_secret, sizeof(k.secret));
}

/* RFC 9325 3.4: keys are destroyed. What is left does not tell them. */
static void test_tickets_know_two_periods(void **state)
{
    struct sw_ticket_keys k;
    uint8_t name[4][SW_TICKET_NAME_BYTES];
    (void)state;
    sw_ticket_keys_init(&k, g_secret);
    for (int period = 0; period < 4; period++) {
        sw_ticket_keys_turn(&k, period);
        memcpy(name[period], k.now.name, SW_TICKET_NAME_BYTES);
    }
    assert_ptr_equal(sw_ticket_keys_find(&k, name[3]), &k.now);
    assert_ptr_equal(sw_ticket_keys_find(&k, name[2]), &k.before);
    assert_null(sw_ticket_keys_find(&k, name[1]));
    assert_null(sw_ticket_keys_find(&k, name[0]));
    sw_ticket_keys_turn(&k, 1); /* time that goes back */
    assert_ptr_equal(sw_ticket_keys_find(&k, name[3]), &k.now);
}

static void test_tickets_wipe_leaves_nothing(void **state)
{
    struct sw_ticket_keys k, zero;
    (void)state;
    memset(&zero, 0, sizeof(zero));
    sw_ticket_keys_init(&k, g_secret);
    sw_ticket_keys_wipe(&k);
    assert_memory_equal(&k, &zero, sizeof(k));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tickets_are_the_same_for_all_who_have_the_secret),
        cmocka_unit_test(test_tickets_keys_differ_in_every_part),
        cmocka_unit_test(test_tickets_know_two_periods),
        cmocka_unit_test(test_tickets_wipe_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

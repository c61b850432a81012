#include "support/unit.h"

#include "proxy/calls.h"
#include <string.h>

static const struct sw_sip_key key = {1, 2};

static uint64_t key_of(const struct sw_calls *c, const char *id, const char *from, const char *to)
{
    return sw_calls_key(c, sw_slice_str(id), sw_slice_str(from), sw_slice_str(to));
}

/* RFC 3261 12: either side names the dialog by the same three, with the tags the other way round */
static void test_calls_key_is_the_same_from_both_sides(void **state)
{
    (void)state;
    struct sw_calls c;
    assert_int_equal(sw_calls_init(&c, 0, key), SW_OK);
    assert_true(key_of(&c, "id", "a", "b") == key_of(&c, "id", "b", "a"));
    assert_true(key_of(&c, "id", "a", "b") != key_of(&c, "ie", "a", "b"));
    assert_true(key_of(&c, "id", "a", "b") != key_of(&c, "id", "a", "c"));
    assert_true(key_of(&c, "id", "a", "a") != key_of(&c, "id", "b", "b"));
    assert_true(key_of(&c, "", "", "") != 0);
    sw_calls_fini(&c);
}

static void test_calls_keep_the_newest_and_forget_what_is_over(void **state)
{
    (void)state;
    struct sw_calls c;
    enum { ROOM = 3 };
    assert_int_equal(sw_calls_init(&c, ROOM, key), SW_OK);
    for (uint64_t i = 1; i <= 5; i++) { /* all in one bucket */
        struct sw_call *x = sw_calls_put(&c, i * 1024 + 1);
        assert_non_null(x);
        x->at_ms = (int64_t)i;
        assert_ptr_equal(sw_calls_put(&c, i * 1024 + 1), x);
    }
    int64_t sum = 0;
    for (uint32_t i = 0; i < c.count; i++)
        sum += sw_calls_at(&c, i) ? sw_calls_at(&c, i)->at_ms : 0;
    assert_int_equal(sum, 3 + 4 + 5);
    assert_false(sw_calls_del(&c, 1 * 1024 + 1));
    assert_true(sw_calls_del(&c, 4 * 1024 + 1));
    assert_false(sw_calls_del(&c, 4 * 1024 + 1));
    sw_calls_put(&c, 6 * 1024 + 1)->at_ms = 6; /* in the room that became free */
    sum = 0;
    for (uint32_t i = 0; i < c.count; i++)
        sum += sw_calls_at(&c, i)->at_ms;
    assert_int_equal(sum, 3 + 5 + 6);
    assert_null(sw_calls_at(&c, ROOM));
    sw_calls_fini(&c);
}

static void test_calls_without_room_keep_none(void **state)
{
    (void)state;
    struct sw_calls c;
    assert_int_equal(sw_calls_init(&c, 0, key), SW_OK);
    assert_null(sw_calls_put(&c, 77));
    assert_false(sw_calls_del(&c, 77));
    assert_null(sw_calls_at(&c, 0));
    sw_calls_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_key_is_the_same_from_both_sides),
        cmocka_unit_test(test_calls_keep_the_newest_and_forget_what_is_over),
        cmocka_unit_test(test_calls_without_room_keep_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

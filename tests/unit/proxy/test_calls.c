#include "support/unit.h"

#include "proxy/calls.h"
#include <stdio.h>
#include <stdlib.h>
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
    assert_int_equal(sw_calls_init(&c, 0, key, NULL), SW_OK);
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
    assert_int_equal(sw_calls_init(&c, ROOM, key, NULL), SW_OK);
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
    assert_int_equal(sw_calls_init(&c, 0, key, NULL), SW_OK);
    assert_null(sw_calls_put(&c, 77));
    assert_false(sw_calls_del(&c, 77));
    assert_null(sw_calls_at(&c, 0));
    sw_calls_fini(&c);
}

static unsigned kept(struct sw_calls *c)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < c->count; i++)
        n += sw_calls_at(c, i) != NULL;
    return n;
}

/* A BYE goes over the connection of whoever sends it, and that may be another worker's. RFC
 * 3261 15 */
static void test_calls_end_whatever_worker_the_bye_comes_to(void **state)
{
    (void)state;
    enum { ROOM = 64 };
    struct sw_calls a, b;
    struct sw_calls_open *open = sw_calls_open_new(2 * ROOM);
    assert_non_null(open);
    assert_int_equal(sw_calls_init(&a, ROOM, key, open), SW_OK);
    assert_int_equal(sw_calls_init(&b, ROOM, key, open), SW_OK);
    char id[16];
    for (unsigned i = 0; i < ROOM; i++) {
        snprintf(id, sizeof(id), "%u", i);
        assert_non_null(sw_calls_put(&a, key_of(&a, id, "f", "t")));
    }
    for (unsigned i = 0; i < ROOM; i += 2) {
        snprintf(id, sizeof(id), "%u", i);
        assert_true(sw_calls_del(&b, key_of(&b, id, "t", "f")));
        assert_false(sw_calls_del(i % 4 ? &a : &b, key_of(&b, id, "t", "f"))); /* a repeat */
    }
    assert_int_equal(kept(&a), ROOM / 2);
    assert_int_equal(kept(&b), 0);
    for (unsigned i = 0; i < ROOM; i++) { /* what makes room is open no more */
        snprintf(id, sizeof(id), "new %u", i);
        assert_non_null(sw_calls_put(&a, key_of(&a, id, "f", "t")));
    }
    assert_int_equal(kept(&a), ROOM);
    assert_false(sw_calls_del(&b, key_of(&b, "1", "t", "f")));
    assert_true(sw_calls_del(&b, key_of(&b, "new 1", "t", "f")));
    assert_non_null(
        sw_calls_put(&a, key_of(&a, "new 1", "f", "t"))); /* its record is there again */
    assert_int_equal(kept(&a), ROOM);
    sw_calls_fini(&a);
    sw_calls_fini(&b);
    free(open);
}

/* A full set: then only the worker itself takes the call out, as it is without others. */
static void test_calls_without_a_shared_place_are_kept(void **state)
{
    (void)state;
    struct sw_calls a;
    struct sw_calls_open *open = sw_calls_open_new(1); /* one set */
    assert_non_null(open);
    assert_int_equal(sw_calls_init(&a, 20, key, open), SW_OK);
    for (uint64_t i = 0; i < 20; i++)
        assert_non_null(sw_calls_put(&a, i * 2 + 1));
    assert_int_equal(kept(&a), 20);
    for (uint64_t i = 0; i < 20; i++)
        assert_true(sw_calls_del(&a, i * 2 + 1));
    assert_int_equal(kept(&a), 0);
    for (int i = 0; i < SW_CALLS_OPEN_WAYS; i++)
        assert_int_equal(open->key[0][i], 0);
    sw_calls_fini(&a);
    free(open);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_key_is_the_same_from_both_sides),
        cmocka_unit_test(test_calls_keep_the_newest_and_forget_what_is_over),
        cmocka_unit_test(test_calls_without_room_keep_none),
        cmocka_unit_test(test_calls_end_whatever_worker_the_bye_comes_to),
        cmocka_unit_test(test_calls_without_a_shared_place_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

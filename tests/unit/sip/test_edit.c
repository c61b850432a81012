#include "support/unit.h"

#include "sip/edit.h"

static const struct sw_slice original = {"0123456789", 10};

/* The edited text, or NULL if there is none. */
static const char *rendered(const struct sw_edits *e, struct sw_slice text)
{
    static char out[4096];
    struct sw_slice segs[SW_SEGS_MAX];
    size_t total = SIZE_MAX, count = sw_edits_render(e, text, segs, &total);
    if (count == 0)
        return NULL;
    assert_true(count <= SW_SEGS_MAX);
    assert_int_equal(total, sw_segs_total(segs, count));
    for (size_t i = 0; i < count; i++)
        assert_true(segs[i].n > 0);
    assert_true(total < sizeof(out));
    sw_segs_copy(segs, count, out);
    out[total] = 0;
    return out;
}

static void test_edit_without_edits_the_original_is_one_piece(void **state)
{
    (void)state;
    struct sw_edits e;
    struct sw_slice segs[SW_SEGS_MAX];
    size_t total;
    sw_edits_init(&e);
    assert_int_equal(sw_edits_render(&e, original, segs, &total), 1);
    assert_ptr_equal(segs[0].p, original.p);
    assert_int_equal(total, 10);
}

static void test_edit_single_changes_come_out(void **state)
{
    (void)state;
    static const struct {
        size_t at, n;
        const char *text, *result;
    } rows[] = {
        {0, 0, "ab", "ab0123456789"}, {10, 0, "ab", "0123456789ab"}, {5, 0, "ab", "01234ab56789"},
        {0, 1, "ab", "ab123456789"},  {9, 1, "", "012345678"},       {2, 3, "", "0156789"},
        {0, 10, "ab", "ab"},          {5, 0, "", "0123456789"},      {4, 2, "45", "0123456789"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_edits e;
        sw_edits_init(&e);
        sw_edit_add(&e, rows[i].at, rows[i].n, sw_slice_str(rows[i].text));
        assert_false(e.full);
        assert_string_equal(rendered(&e, original), rows[i].result);
    }
}

static void test_edit_at_one_place_the_later_stands_behind(void **state)
{
    (void)state;
    struct sw_edits e;
    sw_edits_init(&e);
    sw_edit_add(&e, 5, 0, SW_SLICE("a"));
    sw_edit_add(&e, 2, 3, SW_SLICE("-"));
    sw_edit_add(&e, 5, 0, SW_SLICE("b"));
    sw_edit_add(&e, 5, 2, SW_SLICE("c"));
    assert_false(e.full);
    assert_string_equal(rendered(&e, original), "01-abc789");
}

static void test_edit_overlaps_are_refused_in_any_order(void **state)
{
    (void)state;
    static const struct {
        size_t at[2], n[2];
        bool overlap;
    } rows[] = {
        {{2, 4}, {3, 2}, true},  {{2, 3}, {5, 1}, true},  {{2, 2}, {3, 3}, true},
        {{2, 4}, {3, 0}, true},  {{2, 5}, {3, 2}, false}, {{2, 5}, {3, 0}, false},
        {{2, 4}, {2, 1}, false}, {{0, 0}, {0, 5}, false}, {{0, 9}, {10, 1}, true},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        for (int first = 0; first < 2; first++) {
            struct sw_edits e;
            if (first && rows[i].at[0] == rows[i].at[1])
                continue;
            sw_edits_init(&e);
            sw_edit_add(&e, rows[i].at[first], rows[i].n[first], SW_SLICE("x"));
            sw_edit_add(&e, rows[i].at[!first], rows[i].n[!first], SW_SLICE("y"));
            assert_int_equal(e.full, rows[i].overlap);
            assert_int_equal(rendered(&e, original) == NULL, rows[i].overlap);
        }
}

static void test_edit_beyond_the_message_renders_nothing(void **state)
{
    (void)state;
    static const size_t at[] = {11, 10, 5, 0, UINT32_MAX}, n[] = {0, 1, 6, 11, UINT32_MAX};
    for (size_t i = 0; i < UNIT_COUNT(at); i++) {
        struct sw_edits e;
        sw_edits_init(&e);
        sw_edit_add(&e, at[i], n[i], SW_SLICE("x"));
        assert_null(rendered(&e, original));
    }
}

static void test_edit_number_has_a_limit(void **state)
{
    (void)state;
    char text[2 * SW_EDITS_MAX + 2];
    memset(text, '.', sizeof(text));
    struct sw_edits e;
    sw_edits_init(&e);
    for (size_t i = 0; i < SW_EDITS_MAX; i++)
        sw_edit_add(&e, 2 * i + 1, 0, SW_SLICE("x"));
    assert_false(e.full);
    assert_int_equal(strlen(rendered(&e, sw_slice(text, sizeof(text)))),
                     sizeof(text) + SW_EDITS_MAX);
    sw_edit_add(&e, 0, 0, SW_SLICE("x"));
    assert_true(e.full);
    assert_null(rendered(&e, sw_slice(text, sizeof(text))));
}

/* Against a model: one replacement per byte, one list of insertions before each. */
static void test_edit_random_changes_equal_those_of_a_model(void **state)
{
    (void)state;
    enum { N = 40 };
    struct rng r = rng_start(__func__);
    for (int round = 0; round < 3000; round++) {
        char text[N], insert[N + 1][8] = {{0}}, want[1024];
        bool gone[N] = {false}, start[N + 1] = {false};
        struct sw_edits e;
        size_t total = 0;
        for (size_t i = 0; i < N; i++)
            text[i] = (char)('a' + rng_below(&r, 26));
        sw_edits_init(&e);
        for (uint64_t k = rng_below(&r, SW_EDITS_MAX); k > 0; k--) {
            static const char marks[] = "0123456789";
            size_t at = rng_below(&r, N + 1), n = rng_below(&r, 3) ? 0 : 1 + rng_below(&r, 4);
            bool clash = at + n > N || strlen(insert[at]) == 7 || start[at];
            for (size_t i = at; i < at + n && !clash; i++)
                clash = gone[i] || (i > at && *insert[i]);
            if (clash || (at < N && gone[at]))
                continue;
            size_t mark = rng_below(&r, 10);
            sw_edit_add(&e, at, n, sw_slice(marks + mark, 1));
            insert[at][strlen(insert[at])] = marks[mark];
            for (size_t i = at; i < at + n; i++)
                gone[i] = true;
            start[at] = n > 0;
        }
        for (size_t i = 0; i <= N; i++) {
            total += (size_t)sprintf(want + total, "%s", insert[i]);
            if (i < N && !gone[i])
                want[total++] = text[i];
        }
        want[total] = 0;
        assert_false(e.full);
        assert_string_equal(rendered(&e, sw_slice(text, N)), want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edit_without_edits_the_original_is_one_piece),
        cmocka_unit_test(test_edit_single_changes_come_out),
        cmocka_unit_test(test_edit_at_one_place_the_later_stands_behind),
        cmocka_unit_test(test_edit_overlaps_are_refused_in_any_order),
        cmocka_unit_test(test_edit_beyond_the_message_renders_nothing),
        cmocka_unit_test(test_edit_number_has_a_limit),
        cmocka_unit_test(test_edit_random_changes_equal_those_of_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

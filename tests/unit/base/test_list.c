#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"
#include "support/random.h"
#include <string.h>

struct item {
    int before; /* so that the node is not the first member */
    struct sw_list node;
    int number;
};

static struct item *item_of(struct sw_list *node)
{
    return SW_CONTAINER(node, struct item, node);
}

/* The numbers in `l`, read forwards, are `n` of `want`; backwards they are the same. */
static void assert_numbers(struct sw_list *l, const int *want, size_t n)
{
    struct sw_list *at = l->next;
    for (size_t i = 0; i < n; i++, at = at->next)
        assert_int_equal(item_of(at)->number, want[i]);
    assert_ptr_equal(at, l);
    at = l->prev;
    for (size_t i = n; i-- > 0; at = at->prev)
        assert_int_equal(item_of(at)->number, want[i]);
    assert_ptr_equal(at, l);
}

static void fill(struct sw_list *l, struct item *items, size_t n, int first)
{
    sw_list_init(l);
    for (size_t i = 0; i < n; i++) {
        items[i].number = first + (int)i;
        sw_list_add(l, &items[i].node);
    }
}

static void test_list_is_empty_until_something_is_added(void **state)
{
    struct sw_list l;
    struct item a = {.number = 1};
    (void)state;
    sw_list_init(&l);
    assert_true(sw_list_empty(&l));
    sw_list_add(&l, &a.node);
    assert_false(sw_list_empty(&l));
    sw_list_del(&a.node);
    assert_true(sw_list_empty(&l));
}

static void test_list_keeps_the_order_of_adding(void **state)
{
    struct sw_list l;
    struct item items[3];
    (void)state;
    fill(&l, items, 3, 1);
    assert_numbers(&l, (const int[]){1, 2, 3}, 3);
}

static void test_list_second_removal_is_harmless(void **state)
{
    struct sw_list l;
    struct item items[3];
    (void)state;
    fill(&l, items, 3, 1);
    sw_list_del(&items[1].node);
    sw_list_del(&items[1].node);
    assert_true(sw_list_empty(&items[1].node));
    assert_numbers(&l, (const int[]){1, 3}, 2);
}

static void test_list_splice_moves_all_to_the_end(void **state)
{
    struct sw_list a, b;
    struct item x[2], y[3];
    (void)state;
    fill(&a, x, 2, 1);
    fill(&b, y, 3, 3);
    sw_list_splice(&a, &b);
    assert_numbers(&a, (const int[]){1, 2, 3, 4, 5}, 5);
    assert_true(sw_list_empty(&b));
    sw_list_splice(&a, &b);
    assert_numbers(&a, (const int[]){1, 2, 3, 4, 5}, 5);
    sw_list_splice(&b, &a);
    assert_numbers(&b, (const int[]){1, 2, 3, 4, 5}, 5);
    assert_true(sw_list_empty(&a));
}

static void test_list_agrees_with_an_array(void **state)
{
    enum { N = 20 };
    struct rng r = rng_start(__func__);
    struct sw_list l;
    struct item items[N];
    int model[N];
    size_t n = 0;
    (void)state;
    fill(&l, items, 0, 0);
    for (int i = 0; i < N; i++) {
        items[i].number = i;
        sw_list_init(&items[i].node);
    }
    for (int round = 0; round < 5000; round++) {
        int pick = (int)rng_below(&r, N);
        size_t at = 0;
        while (at < n && model[at] != pick)
            at++;
        sw_list_del(&items[pick].node);
        if (at < n)
            memmove(&model[at], &model[at + 1], (--n - at) * sizeof(model[0]));
        if (rng_below(&r, 2)) {
            sw_list_add(&l, &items[pick].node);
            model[n++] = pick;
        }
        assert_numbers(&l, model, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_is_empty_until_something_is_added),
        cmocka_unit_test(test_list_keeps_the_order_of_adding),
        cmocka_unit_test(test_list_second_removal_is_harmless),
        cmocka_unit_test(test_list_splice_moves_all_to_the_end),
        cmocka_unit_test(test_list_agrees_with_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "support/random.h"

static struct sw_slab g_slab;

static int start(void **state)
{
    (void)state;
    sw_slab_init(&g_slab);
    return 0;
}

/* Whatever a test did, its arenas must have given everything back. */
static int finish(void **state)
{
    (void)state;
    assert_int_equal(g_slab.used_bytes, 0);
    sw_slab_fini(&g_slab);
    return 0;
}

/* Takes `n` bytes and uses each of them. */
static void fill(struct sw_arena *a, size_t n, int value)
{
    void *p = sw_arena_get(a, n);
    assert_non_null(p);
    memset(p, value, n);
}

static void test_arena_pieces_are_aligned_and_apart(void **state)
{
    enum { N = 500 };
    struct rng r = rng_start(__func__);
    struct sw_arena a;
    uint8_t *p[N];
    size_t size[N];
    (void)state;
    sw_arena_init(&a, &g_slab);
    for (size_t i = 0; i < N; i++) {
        size[i] = 1 + rng_below(&r, i % 50 == 0 ? 300000 : 200);
        p[i] = sw_arena_get(&a, size[i]);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % _Alignof(max_align_t), 0);
        assert_non_null(p[i]);
        memset(p[i], (int)(i & 0xff), size[i]);
    }
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < size[i]; k++)
            assert_int_equal(p[i][k], i & 0xff);
    sw_arena_release(&a);
}

static void test_arena_dup_copies(void **state)
{
    struct sw_arena a;
    char text[] = "abc";
    (void)state;
    sw_arena_init(&a, &g_slab);
    struct sw_slice s = sw_arena_dup(&a, sw_slice(text, 3));
    text[0] = 'x';
    assert_true(sw_slice_eq(s, SW_SLICE("abc")));
    struct sw_slice empty = sw_arena_dup(&a, (struct sw_slice){NULL, 0});
    assert_non_null(empty.p);
    assert_int_equal(empty.n, 0);
    sw_arena_release(&a);
}

static void test_arena_release_gives_everything_back_and_leaves_it_usable(void **state)
{
    struct sw_arena a;
    (void)state;
    sw_arena_init(&a, &g_slab);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++)
            assert_non_null(sw_arena_get(&a, 1000));
        assert_true(g_slab.used_bytes >= 100000);
        sw_arena_release(&a);
        assert_int_equal(g_slab.used_bytes, 0);
    }
    sw_arena_release(&a);
}

static void test_arena_reset_keeps_one_chunk_only(void **state)
{
    struct sw_arena a;
    (void)state;
    sw_arena_init(&a, &g_slab);
    sw_arena_reset(&a);
    for (int i = 0; i < 100; i++)
        assert_non_null(sw_arena_get(&a, 1000));
    size_t all = g_slab.used_bytes;
    sw_arena_reset(&a);
    size_t kept = g_slab.used_bytes;
    assert_in_range(kept, 1, all - 1);
    for (int i = 0; i < 100; i++) {
        fill(&a, 1000, i);
        sw_arena_reset(&a);
        assert_int_equal(g_slab.used_bytes, kept);
    }
    sw_arena_release(&a);
}

static void test_arena_reset_keeps_the_largest_chunk(void **state)
{
    struct sw_arena a;
    (void)state;
    sw_arena_init(&a, &g_slab);
    sw_arena_reserve(&a, 60000);
    size_t kept = g_slab.used_bytes;
    assert_non_null(sw_arena_get(&a, 60000));
    assert_non_null(sw_arena_get(&a, 9000)); /* a smaller one, newer */
    assert_true(g_slab.used_bytes > kept);
    sw_arena_reset(&a);
    assert_int_equal(g_slab.used_bytes, kept);
    fill(&a, 60000, 1);
    assert_int_equal(g_slab.used_bytes, kept);
    sw_arena_release(&a);
}

static void test_arena_reserve_makes_room_for_one_piece_of_that_size(void **state)
{
    static const size_t sizes[] = {1, 15, 16, 1000, 5000, 131056, 131057, 200001, 1000001};
    struct sw_arena a;
    (void)state;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        sw_arena_init(&a, &g_slab);
        sw_arena_reserve(&a, sizes[i]);
        size_t used = g_slab.used_bytes;
        assert_non_null(sw_arena_get(&a, sizes[i]));
        assert_int_equal(g_slab.used_bytes, used);
        sw_arena_release(&a);
    }
}

static void test_arena_join_keeps_memory_alive_in_the_other(void **state)
{
    struct sw_arena to, from;
    (void)state;
    sw_arena_init(&to, &g_slab);
    sw_arena_init(&from, &g_slab);
    sw_arena_join(&to, &from);
    assert_int_equal(g_slab.used_bytes, 0);
    struct sw_slice x = sw_arena_dup(&to, SW_SLICE("first"));
    struct sw_slice y = sw_arena_dup(&from, SW_SLICE("second"));
    assert_non_null(sw_arena_get(&from, 100000));
    sw_arena_join(&to, &from);
    sw_arena_release(&from);
    fill(&to, 500, 0xee);
    fill(&from, 500, 0xee);
    assert_true(sw_slice_eq(x, SW_SLICE("first")));
    assert_true(sw_slice_eq(y, SW_SLICE("second")));
    sw_arena_release(&from);
    sw_arena_release(&to);
}

static void test_arena_join_into_an_empty_one_moves_all(void **state)
{
    struct sw_arena to, from;
    (void)state;
    sw_arena_init(&to, &g_slab);
    sw_arena_init(&from, &g_slab);
    struct sw_slice x = sw_arena_dup(&from, SW_SLICE("kept"));
    sw_arena_join(&to, &from);
    fill(&to, 1000, 0xee);
    assert_true(sw_slice_eq(x, SW_SLICE("kept")));
    sw_arena_release(&to);
    assert_int_equal(g_slab.used_bytes, 0);
}

/* Rounding such a size up must not end at a small one. */
static void test_arena_get_of_an_impossible_size_gives_null(void **state)
{
    struct sw_arena a;
    (void)state;
    sw_arena_init(&a, &g_slab);
    for (size_t less = 0; less < 64; less++) {
        assert_null(sw_arena_get(&a, SIZE_MAX - less));
        sw_arena_reserve(&a, SIZE_MAX - less);
    }
    assert_non_null(sw_arena_get(&a, 10));
    assert_null(sw_arena_get(&a, SIZE_MAX));
    sw_arena_release(&a);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_arena_pieces_are_aligned_and_apart),
        TEST(test_arena_dup_copies),
        TEST(test_arena_release_gives_everything_back_and_leaves_it_usable),
        TEST(test_arena_reset_keeps_one_chunk_only),
        TEST(test_arena_reset_keeps_the_largest_chunk),
        TEST(test_arena_reserve_makes_room_for_one_piece_of_that_size),
        TEST(test_arena_join_keeps_memory_alive_in_the_other),
        TEST(test_arena_join_into_an_empty_one_moves_all),
        TEST(test_arena_get_of_an_impossible_size_gives_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

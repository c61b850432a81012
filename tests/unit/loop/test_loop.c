#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/loop.h"
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LONG_MS = 30000 };

static struct sw_loop g_loop;
static struct sw_ready g_ready[SW_READY_MAX];
static int g_pair[2];

static int start(void **state)
{
    (void)state;
    if (sw_loop_init(&g_loop) != SW_OK)
        return -1;
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, g_pair);
}

static int finish(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        if (g_pair[i] >= 0)
            close(g_pair[i]);
    sw_loop_fini(&g_loop);
    return 0;
}

static void put(int fd)
{
    assert_int_equal(write(fd, "x", 1), 1);
}

static void take(int fd)
{
    char c;
    assert_int_equal(read(fd, &c, 1), 1);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void assert_one(uint64_t tag, unsigned want)
{
    assert_int_equal(sw_loop_wait(&g_loop, LONG_MS, g_ready), 1);
    assert_true(g_ready[0].tag == tag);
    assert_int_equal(g_ready[0].want, want);
}

static void assert_none(void)
{
    assert_int_equal(sw_loop_wait(&g_loop, 0, g_ready), 0);
}

static void test_loop_tells_what_can_be_read_with_its_whole_tag(void **state)
{
    const uint64_t tag = UINT64_C(0xfedcba9876543210);
    (void)state;
    assert_int_equal(sw_loop_add(&g_loop, g_pair[0], SW_WANT_READ, tag), SW_OK);
    assert_none();
    put(g_pair[1]);
    assert_one(tag, SW_WANT_READ);
}

/* Level-triggered: what was not read is told again. */
static void test_loop_tells_again_until_all_is_read(void **state)
{
    (void)state;
    assert_int_equal(sw_loop_add(&g_loop, g_pair[0], SW_WANT_READ, 1), SW_OK);
    put(g_pair[1]);
    put(g_pair[1]);
    assert_one(1, SW_WANT_READ);
    take(g_pair[0]);
    assert_one(1, SW_WANT_READ);
    take(g_pair[0]);
    assert_none();
}

static void test_loop_tells_of_room_to_write_only_when_it_is_wanted(void **state)
{
    (void)state;
    assert_int_equal(sw_loop_add(&g_loop, g_pair[0], SW_WANT_WRITE, 2), SW_OK);
    assert_one(2, SW_WANT_WRITE);
    char block[4096] = {0};
    while (write(g_pair[0], block, sizeof(block)) > 0)
        ;
    assert_none();
    while (read(g_pair[1], block, sizeof(block)) > 0)
        ;
    assert_one(2, SW_WANT_WRITE);
    sw_loop_change(&g_loop, g_pair[0], SW_WANT_READ, 2);
    assert_none();
}

static void test_loop_change_replaces_what_is_wanted_and_the_tag(void **state)
{
    (void)state;
    assert_int_equal(sw_loop_add(&g_loop, g_pair[0], SW_WANT_READ, 3), SW_OK);
    put(g_pair[1]);
    sw_loop_change(&g_loop, g_pair[0], SW_WANT_READ | SW_WANT_WRITE, 4);
    assert_one(4, SW_WANT_READ | SW_WANT_WRITE);
    sw_loop_change(&g_loop, g_pair[0], 0, 4);
    assert_none();
}

static void test_loop_tells_a_hang_up_even_if_nothing_is_wanted(void **state)
{
    (void)state;
    assert_int_equal(sw_loop_add(&g_loop, g_pair[0], 0, 5), SW_OK);
    close(g_pair[1]);
    g_pair[1] = -1;
    assert_one(5, SW_WANT_BROKEN);
    sw_loop_change(&g_loop, g_pair[0], SW_WANT_READ, 5);
    assert_one(5, SW_WANT_BROKEN | SW_WANT_READ); /* reading tells the end */
}

static void test_loop_del_ends_it(void **state)
{
    (void)state;
    assert_int_equal(sw_loop_add(&g_loop, g_pair[0], SW_WANT_READ, 6), SW_OK);
    put(g_pair[1]);
    sw_loop_del(&g_loop, g_pair[0]);
    assert_none();
    assert_int_equal(sw_loop_add(&g_loop, g_pair[0], SW_WANT_READ, 7), SW_OK);
    assert_one(7, SW_WANT_READ);
}

static void test_loop_add_refuses_what_cannot_be_watched(void **state)
{
    (void)state;
    assert_int_equal(sw_loop_add(&g_loop, -1, SW_WANT_READ, 0), SW_SYS);
    assert_int_equal(sw_loop_add(&g_loop, g_pair[0], SW_WANT_READ, 0), SW_OK);
    assert_int_equal(sw_loop_add(&g_loop, g_pair[0], SW_WANT_READ, 0), SW_SYS);
    sw_loop_del(&g_loop, -1); /* without effect */
}

/* More than one wait can tell: the next tells the rest, none is left out for ever. */
static void test_loop_tells_of_many_in_turns(void **state)
{
    enum { MANY = 3 * SW_READY_MAX + 5 };
    int fds[MANY][2];
    unsigned seen[MANY] = {0};
    (void)state;
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(pipe(fds[i]), 0);
        assert_int_equal(sw_loop_add(&g_loop, fds[i][0], SW_WANT_READ, (uint64_t)i), SW_OK);
        put(fds[i][1]);
    }
    for (int turn = 0; turn < 4; turn++) {
        unsigned n = sw_loop_wait(&g_loop, LONG_MS, g_ready);
        assert_in_range(n, 1, SW_READY_MAX);
        for (unsigned k = 0; k < n; k++)
            seen[g_ready[k].tag]++;
    }
    for (int i = 0; i < MANY; i++) {
        assert_true(seen[i] > 0);
        close(fds[i][0]);
        close(fds[i][1]);
    }
}

static void test_loop_waits_as_long_as_it_is_told_and_no_longer(void **state)
{
    int64_t begun = now_ms();
    (void)state;
    assert_int_equal(sw_loop_wait(&g_loop, 30, g_ready), 0);
    assert_in_range(now_ms() - begun, 29, LONG_MS);
    begun = now_ms();
    assert_none();
    put(g_pair[1]);
    assert_int_equal(sw_loop_add(&g_loop, g_pair[0], SW_WANT_READ, 8), SW_OK);
    assert_one(8, SW_WANT_READ); /* at once */
    assert_true(now_ms() - begun < LONG_MS);
}

static void *put_one(void *fd)
{
    return write(*(int *)fd, "x", 1) == 1 ? fd : NULL;
}

static void test_loop_that_waits_for_ever_is_woken(void **state)
{
    pthread_t thread;
    void *wrote;
    (void)state;
    assert_int_equal(sw_loop_add(&g_loop, g_pair[0], SW_WANT_READ, 9), SW_OK);
    assert_int_equal(pthread_create(&thread, NULL, put_one, &g_pair[1]), 0);
    assert_int_equal(sw_loop_wait(&g_loop, -1, g_ready), 1);
    assert_int_equal(pthread_join(thread, &wrote), 0);
    assert_non_null(wrote);
}

static void test_loop_fini_may_be_called_twice(void **state)
{
    struct sw_loop l;
    (void)state;
    assert_int_equal(sw_loop_init(&l), SW_OK);
    int fd = l.fd;
    sw_loop_fini(&l);
    assert_int_equal(close(fd), -1); /* it was closed */
    assert_int_equal(l.fd, -1);
    sw_loop_fini(&l);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_loop_tells_what_can_be_read_with_its_whole_tag),
        TEST(test_loop_tells_again_until_all_is_read),
        TEST(test_loop_tells_of_room_to_write_only_when_it_is_wanted),
        TEST(test_loop_change_replaces_what_is_wanted_and_the_tag),
        TEST(test_loop_tells_a_hang_up_even_if_nothing_is_wanted),
        TEST(test_loop_del_ends_it),
        TEST(test_loop_add_refuses_what_cannot_be_watched),
        TEST(test_loop_tells_of_many_in_turns),
        TEST(test_loop_waits_as_long_as_it_is_told_and_no_longer),
        TEST(test_loop_that_waits_for_ever_is_woken),
        TEST(test_loop_fini_may_be_called_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

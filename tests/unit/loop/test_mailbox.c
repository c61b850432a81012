#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/mailbox.h"
#include "support/random.h"
#include <poll.h>
#include <pthread.h>
#include <sched.h>

enum { BOX = 1 << 20 }; /* the smallest that a box may be */
_Static_assert(BOX >= 4 * SW_MAIL_MAX && BOX < 8 * SW_MAIL_MAX, "smallest box");

static int start(void **state)
{
    static struct sw_mailbox m;
    *state = &m;
    return sw_mailbox_init(&m, BOX) == SW_OK ? 0 : -1;
}

static int finish(void **state)
{
    sw_mailbox_fini(*state);
    return 0;
}

static enum sw_status put(struct sw_mailbox *m, struct sw_slice s)
{
    return sw_mailbox_put(m, &s, 1);
}

static bool woken(const struct sw_mailbox *m, int timeout_ms)
{
    struct pollfd p = {.fd = m->wake, .events = POLLIN};
    return poll(&p, 1, timeout_ms) == 1;
}

static void test_mailbox_is_empty_at_first(void **state)
{
    assert_null(sw_mailbox_peek(*state).p);
    assert_true(sw_mailbox_sleep(*state));
    assert_false(woken(*state, 0));
}

static void test_mailbox_block_is_its_parts_in_order(void **state)
{
    const struct sw_slice parts[] = {
        SW_SLICE("ab"), {NULL, 0}, SW_SLICE("c"), SW_SLICE(""), SW_SLICE("\0de")};
    assert_int_equal(sw_mailbox_put(*state, parts, 5), SW_OK);
    assert_int_equal(put(*state, SW_SLICE("next")), SW_OK);
    assert_true(sw_slice_eq(sw_mailbox_peek(*state), SW_SLICE("abc\0de")));
    assert_true(sw_slice_eq(sw_mailbox_peek(*state), SW_SLICE("abc\0de")));
    sw_mailbox_done(*state);
    assert_true(sw_slice_eq(sw_mailbox_peek(*state), SW_SLICE("next")));
    sw_mailbox_done(*state);
    assert_null(sw_mailbox_peek(*state).p);
}

static void test_mailbox_empty_block_is_a_block(void **state)
{
    assert_int_equal(sw_mailbox_put(*state, NULL, 0), SW_OK);
    assert_int_equal(put(*state, SW_SLICE("x")), SW_OK);
    struct sw_slice s = sw_mailbox_peek(*state);
    assert_non_null(s.p);
    assert_int_equal(s.n, 0);
    sw_mailbox_done(*state);
    assert_true(sw_slice_eq(sw_mailbox_peek(*state), SW_SLICE("x")));
}

static void test_mailbox_takes_blocks_up_to_its_limit(void **state)
{
    static char bytes[SW_MAIL_MAX + 1];
    memset(bytes, 'x', sizeof(bytes));
    const struct sw_slice two[] = {{bytes, SW_MAIL_MAX}, {bytes, 1}};
    assert_int_equal(put(*state, sw_slice(bytes, SW_MAIL_MAX + 1)), SW_LIMIT);
    assert_int_equal(sw_mailbox_put(*state, two, 2), SW_LIMIT);
    assert_null(sw_mailbox_peek(*state).p);
    assert_int_equal(put(*state, sw_slice(bytes, SW_MAIL_MAX)), SW_OK);
    assert_true(sw_slice_eq(sw_mailbox_peek(*state), sw_slice(bytes, SW_MAIL_MAX)));
}

static void test_mailbox_says_full_and_loses_nothing(void **state)
{
    static char bytes[10000];
    uint32_t sent = 0, got = 0;
    for (int round = 0; round < 5; round++) { /* each at another place in the ring */
        for (;; sent++) {
            memcpy(bytes, &sent, sizeof(sent));
            if (put(*state, sw_slice(bytes, sizeof(bytes))) != SW_OK)
                break;
        }
        assert_in_range(sent - got, BOX / sizeof(bytes) - 3, BOX / sizeof(bytes));
        assert_int_equal(put(*state, sw_slice(bytes, sizeof(bytes))), SW_LIMIT);
        for (struct sw_slice s; (s = sw_mailbox_peek(*state)).p; got++) {
            assert_int_equal(s.n, sizeof(bytes));
            assert_memory_equal(s.p, &got, sizeof(got));
            sw_mailbox_done(*state);
        }
        assert_int_equal(got, sent);
    }
}

static size_t some_size(struct rng *r)
{
    return rng_below(r, 4) ? rng_below(r, 300) : rng_below(r, SW_MAIL_MAX + 1);
}

/* Blocks of all sizes, so that the end of the ring is met in every way. */
static void test_mailbox_agrees_with_a_queue(void **state)
{
    enum { QUEUE = 1 << 14 };
    static char bytes[SW_MAIL_MAX];
    static uint32_t sizes[QUEUE];
    struct rng r = rng_start(__func__);
    uint32_t first = 0, last = 0;
    size_t held = 0;
    for (int round = 0; round < 20000; round++) {
        size_t n = some_size(&r);
        if (rng_below(&r, 2)) {
            memset(bytes, (int)(last & 0xff), n);
            if (put(*state, sw_slice(bytes, n)) != SW_OK) {
                /* up to one block's room is lost at the end of the ring */
                assert_true(held + n + SW_MAIL_MAX + 32 > BOX);
                continue;
            }
            held += (n + 15) & ~(size_t)7;
            sizes[last++ % QUEUE] = (uint32_t)n;
            continue;
        }
        struct sw_slice s = sw_mailbox_peek(*state);
        assert_int_equal(s.p != NULL, first != last);
        if (!s.p)
            continue;
        assert_int_equal(s.n, sizes[first % QUEUE]);
        for (size_t i = 0; i < s.n; i++)
            if ((uint8_t)s.p[i] != (first & 0xff))
                fail_msg("block %u is damaged", first);
        held -= (s.n + 15) & ~(size_t)7;
        first++;
        sw_mailbox_done(*state);
    }
}

static void test_mailbox_wakes_only_who_sleeps(void **state)
{
    assert_int_equal(put(*state, SW_SLICE("a")), SW_OK);
    assert_false(woken(*state, 0));
    assert_false(sw_mailbox_sleep(*state)); /* there is mail */
    assert_int_equal(put(*state, SW_SLICE("b")), SW_OK);
    assert_false(woken(*state, 0));
    for (int i = 0; i < 2; i++) {
        assert_non_null(sw_mailbox_peek(*state).p);
        sw_mailbox_done(*state);
    }
    for (int round = 0; round < 3; round++) {
        assert_true(sw_mailbox_sleep(*state));
        assert_false(woken(*state, 0));
        assert_int_equal(put(*state, SW_SLICE("c")), SW_OK);
        assert_int_equal(put(*state, SW_SLICE("d")), SW_OK);
        assert_true(woken(*state, 0));
        sw_mailbox_awake(*state, true);
        assert_false(woken(*state, 0));
        for (int i = 0; i < 2; i++)
            sw_mailbox_done((sw_mailbox_peek(*state), *state));
    }
    assert_true(sw_mailbox_sleep(*state));
    sw_mailbox_awake(*state, false); /* another descriptor was ready */
    assert_int_equal(put(*state, SW_SLICE("e")), SW_OK);
    assert_false(woken(*state, 0));
}

/* ---- several senders ---- */

enum { SENDERS = 4, BLOCKS = 4000, WAIT_MS = 30000 };

struct sender {
    pthread_t thread;
    struct sw_mailbox *m;
    uint32_t number;
    struct rng r;
    bool credit;           /* has no more than one block in the box */
    _Atomic uint32_t seen; /* blocks that the receiver has taken */
    uint32_t refused;
};

struct head {
    uint32_t sender, number, n;
};

static void *send_blocks(void *user)
{
    struct sender *s = user;
    char bytes[8192];
    memset(bytes, (int)s->number, sizeof(bytes));
    for (uint32_t i = 0; i < BLOCKS; i++) {
        const struct head h = {s->number, i, (uint32_t)rng_below(&s->r, sizeof(bytes))};
        const struct sw_slice parts[] = {{(const char *)&h, sizeof(h)}, {bytes, h.n}};
        while (s->credit && atomic_load(&s->seen) != i)
            sched_yield();
        while (sw_mailbox_put(s->m, parts, 2) != SW_OK) {
            s->refused++;
            sched_yield();
        }
    }
    return NULL;
}

/* Takes one block; what is wrong with it, or NULL. */
static const char *take(struct sender *senders, struct sw_slice s, uint32_t *next)
{
    struct head h;
    memcpy(&h, s.p, sizeof(h));
    if (h.sender >= SENDERS || s.n != sizeof(h) + h.n)
        return "torn";
    if (h.number != next[h.sender]++)
        return "lost or out of order";
    for (size_t i = sizeof(h); i < s.n; i++)
        if ((uint8_t)s.p[i] != h.sender)
            return "damaged";
    atomic_store(&senders[h.sender].seen, h.number + 1);
    return NULL;
}

static void run_senders(struct sw_mailbox *m, struct sender *senders)
{
    uint32_t next[SENDERS] = {0}, left = SENDERS * BLOCKS;
    const char *wrong = NULL;
    for (uint32_t i = 0; i < SENDERS; i++) {
        senders[i].m = m;
        senders[i].number = i;
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_blocks, &senders[i]), 0);
    }
    while (left) {
        struct sw_slice s = sw_mailbox_peek(m);
        if (!s.p && sw_mailbox_sleep(m)) {
            if (!woken(m, WAIT_MS))
                fail_msg("%u blocks left and nobody wakes the receiver", left);
            sw_mailbox_awake(m, true);
        }
        if (!s.p)
            continue;
        const char *w = take(senders, s, next);
        wrong = wrong ? wrong : w;
        sw_mailbox_done(m);
        left--;
    }
    for (uint32_t i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
    if (wrong)
        fail_msg("a block was %s", wrong);
    assert_null(sw_mailbox_peek(m).p);
}

static void test_mailbox_brings_every_block_in_its_senders_order(void **state)
{
    static struct sender senders[SENDERS];
    struct rng r = rng_start(__func__);
    for (int i = 0; i < SENDERS; i++)
        senders[i] = (struct sender){.r = {rng_next(&r)}};
    run_senders(*state, senders);
}

/* What waits here is never more than a small part of the box. */
static void test_mailbox_never_says_full_while_there_is_room(void **state)
{
    static struct sender senders[SENDERS];
    struct rng r = rng_start(__func__);
    for (int i = 0; i < SENDERS; i++)
        senders[i] = (struct sender){.r = {rng_next(&r)}, .credit = true};
    run_senders(*state, senders);
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(senders[i].refused, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_mailbox_is_empty_at_first),
        TEST(test_mailbox_block_is_its_parts_in_order),
        TEST(test_mailbox_empty_block_is_a_block),
        TEST(test_mailbox_takes_blocks_up_to_its_limit),
        TEST(test_mailbox_says_full_and_loses_nothing),
        TEST(test_mailbox_agrees_with_a_queue),
        TEST(test_mailbox_wakes_only_who_sleeps),
        TEST(test_mailbox_brings_every_block_in_its_senders_order),
        TEST(test_mailbox_never_says_full_while_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "support/unit.h"

#include "proxy/seal.h"
#include "sip/lex.h"

static struct sw_hmac_key key;

static int make_key(void **state)
{
    (void)state;
    sw_hmac_key_init(&key, "a key of the test", 17);
    return 0;
}

static struct sw_slice seal_text(const struct sw_seal *s, struct sw_slice call_id, char *text)
{
    struct sw_buf b = sw_buf(text, SW_SEAL_LETTERS_MAX);
    sw_seal_put(&b, &key, call_id, s);
    assert_false(b.full);
    return sw_buf_view(&b);
}

static struct sw_side side(struct rng *r, uint16_t node)
{
    struct sw_side s = {
        .peer = (uint32_t)rng_next(r),
        .listener = (uint16_t)rng_next(r),
        .transport = (uint8_t)rng_below(r, SW_TRANSPORTS),
        .outbound = rng_below(r, 2),
        .remote = {.family = rng_below(r, 2) ? 6 : 4, .port = (uint16_t)rng_next(r)},
    };
    for (int i = 0; i < (s.remote.family == 6 ? 16 : 4); i++)
        s.remote.ip[i] = (uint8_t)rng_next(r);
    s.flow = (struct sw_flow_id){.node = node, .worker = SW_WORKER_ANY, .slot = s.listener};
    if (s.transport != SW_UDP) {
        s.flow.instance = (uint32_t)rng_next(r);
        s.flow.worker = (uint16_t)rng_next(r);
        s.flow.slot = (uint32_t)rng_next(r);
        s.flow.generation = (uint32_t)rng_next(r) | 1;
    }
    return s;
}

static void assert_side(const struct sw_side *a, const struct sw_side *b)
{
    assert_true(sw_flow_id_eq(&a->flow, &b->flow));
    assert_true(sw_endpoint_eq(&a->remote, &b->remote));
    assert_int_equal(a->peer, b->peer);
    assert_int_equal(a->listener, b->listener);
    assert_int_equal(a->transport, b->transport);
    assert_int_equal(a->outbound, b->outbound);
}

static struct sw_seal sample(void)
{
    struct rng fixed = {42};
    struct sw_seal s = {{side(&fixed, 7), side(&fixed, 7)}};
    s.side[0].transport = SW_UDP;
    s.side[0].flow =
        (struct sw_flow_id){.node = 7, .worker = SW_WORKER_ANY, .slot = s.side[0].listener};
    return s;
}

static void test_seal_round_trip_keeps_both_sides(void **state)
{
    (void)state;
    struct rng r = rng_start(__func__);
    size_t longest = 0;
    for (int round = 0; round < 5000; round++) {
        uint16_t node = (uint16_t)rng_next(&r);
        struct sw_seal in = {{side(&r, node), side(&r, node)}}, out;
        char text[SW_SEAL_LETTERS_MAX];
        struct sw_slice sealed = seal_text(&in, SW_SLICE("call"), text);
        longest = sealed.n > longest ? sealed.n : longest;
        assert_int_equal(sw_seal_get(&key, SW_SLICE("call"), sealed, &out), SW_OK);
        assert_side(&in.side[0], &out.side[0]);
        assert_side(&in.side[1], &out.side[1]);
    }
    assert_true(longest <= SW_SEAL_LETTERS_MAX);
}

/* It stands in a URI parameter. */
static void test_seal_letters_are_paramchars(void **state)
{
    (void)state;
    char text[SW_SEAL_LETTERS_MAX];
    struct sw_seal s = sample();
    struct sw_slice sealed = seal_text(&s, SW_SLICE("call"), text);
    for (size_t i = 0; i < sealed.n; i++)
        assert_true(sw_ch(sealed.p[i], SW_CH_PARAM));
}

static void test_seal_any_changed_bit_fails(void **state)
{
    (void)state;
    char text[SW_SEAL_LETTERS_MAX];
    struct sw_seal s = sample(), out = {0};
    struct sw_slice sealed = seal_text(&s, SW_SLICE("call"), text);
    for (size_t i = 0; i < sealed.n; i++)
        for (int bit = 0; bit < 8; bit++) {
            text[i] = (char)(text[i] ^ 1 << bit);
            assert_int_equal(sw_seal_get(&key, SW_SLICE("call"), sealed, &out), SW_DENIED_SEAL);
            text[i] = (char)(text[i] ^ 1 << bit);
        }
    assert_int_equal(out.side[0].peer, 0);
    assert_int_equal(sw_seal_get(&key, SW_SLICE("call"), sealed, &out), SW_OK);
}

static void test_seal_other_lengths_fail(void **state)
{
    (void)state;
    char text[400];
    struct sw_seal s = sample(), out;
    memset(text, 'A', sizeof(text));
    struct sw_slice sealed = seal_text(&s, SW_SLICE("call"), text);
    for (size_t n = 0; n < sizeof(text); n++) {
        struct sw_slice exact = unit_exact(text, n);
        assert_int_equal(sw_seal_get(&key, SW_SLICE("call"), exact, &out),
                         n == sealed.n ? SW_OK : SW_DENIED_SEAL);
        unit_free(exact);
    }
    assert_int_equal(sw_seal_get(&key, SW_SLICE("call"), (struct sw_slice){NULL, 0}, &out),
                     SW_DENIED_SEAL);
}

static void test_seal_is_good_for_one_call_and_one_key(void **state)
{
    (void)state;
    static const char *const others[] = {"", "cal", "call1", "Call", "dall"};
    char text[SW_SEAL_LETTERS_MAX];
    struct sw_seal s = sample(), out;
    struct sw_slice sealed = seal_text(&s, SW_SLICE("call"), text);
    for (size_t i = 0; i < UNIT_COUNT(others); i++)
        assert_int_equal(sw_seal_get(&key, sw_slice_str(others[i]), sealed, &out), SW_DENIED_SEAL);
    struct sw_hmac_key other;
    sw_hmac_key_init(&other, "a key of the tesu", 17);
    assert_int_equal(sw_seal_get(&other, SW_SLICE("call"), sealed, &out), SW_DENIED_SEAL);
}

static void test_seal_random_text_fails(void **state)
{
    (void)state;
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    struct rng r = rng_start(__func__);
    for (int round = 0; round < 5000; round++) {
        char text[SW_SEAL_LETTERS_MAX + 8];
        struct sw_seal out;
        size_t n = rng_below(&r, sizeof(text));
        for (size_t i = 0; i < n; i++)
            text[i] = letters[rng_below(&r, 64)];
        assert_int_equal(sw_seal_get(&key, SW_SLICE("call"), sw_slice(text, n), &out),
                         SW_DENIED_SEAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seal_round_trip_keeps_both_sides),
        cmocka_unit_test(test_seal_letters_are_paramchars),
        cmocka_unit_test(test_seal_any_changed_bit_fails),
        cmocka_unit_test(test_seal_other_lengths_fail),
        cmocka_unit_test(test_seal_is_good_for_one_call_and_one_key),
        cmocka_unit_test(test_seal_random_text_fails),
    };
    return cmocka_run_group_tests(tests, make_key, NULL);
}

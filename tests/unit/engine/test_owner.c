#include "support/message.h"

#include "engine/owner.h"

static const struct sw_owner sample = {.instance = 0x01020304,
                                       .worker = 0x0506,
                                       .client = {0x0708090a, 0x0b0c0d0e},
                                       .loop = UINT64_C(0xf1f2f3f4f5f6)};

static struct sw_slice branch_of(const struct sw_owner *o, char text[64])
{
    struct sw_buf b = sw_buf(text, 64);
    sw_owner_put(&b, o);
    assert_false(b.full);
    return sw_buf_view(&b);
}

static bool same(const struct sw_owner *a, const struct sw_owner *b)
{
    return a->instance == b->instance && a->worker == b->worker && a->loop == b->loop &&
           a->client.slot == b->client.slot && a->client.generation == b->client.generation;
}

static void test_owner_branch_is_a_token_with_the_cookie(void **state)
{
    (void)state;
    char text[64];
    struct sw_slice branch = branch_of(&sample, text);
    assert_int_equal(branch.n, SW_BRANCH_LEN);
    assert_true(sw_slice_eq(sw_slice(branch.p, 7), SW_MAGIC_COOKIE)); /* RFC 3261 8.1.1.7 */
    for (size_t i = 0; i < branch.n; i++)
        assert_true(sw_ch(branch.p[i], SW_CH_TOKEN));
}

static void test_owner_round_trip_keeps_every_value(void **state)
{
    (void)state;
    struct rng r = rng_start(__func__);
    for (int round = 0; round < 10000; round++) {
        struct sw_owner in = {(uint32_t)rng_next(&r),
                              (uint16_t)rng_next(&r),
                              {(uint32_t)rng_next(&r), (uint32_t)rng_next(&r)},
                              rng_next(&r) & UINT64_C(0xffffffffffff)},
                        out = {0};
        char text[64];
        if (round < 2)
            in = (struct sw_owner){round ? UINT32_MAX : 0,
                                   round ? UINT16_MAX : 0,
                                   {round ? SW_OWNER_NONE : 0, round ? UINT32_MAX : 0},
                                   round ? UINT64_C(0xffffffffffff) : 0};
        assert_true(sw_owner_get(branch_of(&in, text), &out));
        assert_true(same(&in, &out));
    }
}

static void test_owner_of_a_foreign_branch_is_none(void **state)
{
    (void)state;
    char text[64];
    struct sw_slice branch = branch_of(&sample, text);
    struct sw_owner o = {.worker = 77};
    assert_false(sw_owner_get(sw_slice("", 0), &o));
    for (size_t n = 0; n < branch.n; n++)
        assert_false(sw_owner_get(sw_slice(branch.p, n), &o));
    text[branch.n] = 'A';
    assert_false(sw_owner_get(sw_slice(branch.p, branch.n + 1), &o));
    for (size_t i = 0; i < branch.n; i++) {
        char was = text[i];
        text[i] = i < 7 ? 'x' : '.';
        assert_false(sw_owner_get(branch, &o));
        text[i] = was;
    }
    assert_int_equal(o.worker, 77);
}

/* One owner has one spelling, so that a changed letter is another owner or none. */
static void test_owner_every_changed_letter_is_noticed(void **state)
{
    (void)state;
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char text[64];
    struct sw_slice branch = branch_of(&sample, text);
    for (size_t i = 7; i < branch.n; i++)
        for (size_t k = 0; k < sizeof(letters) - 1; k++) {
            struct sw_owner o;
            char was = text[i];
            text[i] = letters[k];
            if (letters[k] != was && sw_owner_get(branch, &o))
                assert_false(same(&o, &sample));
            text[i] = was;
        }
}

/* %s becomes the branch of `sample`. */
static const struct {
    const char *text;
    bool found;
} peeks[] = {
    {"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=%s\r\n\r\n", true},
    {"SIP/2.0 200 OK\r\nv:SIP/2.0/UDP h;branch=%s\r\n\r\n", true},
    {"SIP/2.0 200 OK\r\nVIA : SIP/2.0/TLS h:5061;rport;BRANCH=%s;x=y\r\n\r\n", true},
    {"SIP/2.0 200 OK\r\nTo: a\r\nVary: x\r\nX: v: y\r\nVia: SIP/2.0/UDP h;branch=%s\r\n\r\n", true},
    {"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\n ;branch=%s\r\n\r\n", true},
    {"SIP/2.0 200 OK\r\nVia:\r\n SIP/2.0/UDP h;rport\r\n\t;branch\r\n =\r\n %s\r\nTo: x\r\n\r\n",
     true},
    {"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h ; branch = %s\r\n\r\n", true},
    {"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=%s, SIP/2.0/UDP b;branch=c\r\n\r\n", true},
    {"SIP/2.0 200 OK\r\nSubject: a\r\n Via: b;branch=c\r\nVia: SIP/2.0/UDP h;branch=%s\r\n\r\n",
     true},
    {"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;x=\";branch=y\";branch=%s\r\n\r\n", true},
    {"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\nVia: SIP/2.0/UDP h;branch=%s\r\n\r\n", false},
    {"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKx, SIP/2.0/UDP b;branch=%s\r\n\r\n",
     false},
    {"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a, SIP/2.0/UDP b;branch=%s\r\n\r\n", false},
    {"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=%sx\r\n\r\n", false},
    {"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;xbranch=%s\r\n\r\n", false},
    {"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;x=\";branch=%s\"\r\n\r\n", false},
    {"SIP/2.0 200 OK\r\nSubject: a\r\n Via: SIP/2.0/UDP h;branch=%s\r\n\r\n", false},
    {"SIP/2.0 200 OK\r\nXVia: SIP/2.0/UDP h;branch=%s\r\n\r\n", false},
    {"SIP/2.0 200 OK\r\nVx: SIP/2.0/UDP h;branch=%s\r\n\r\n", false},
    {"SIP/2.0 200 OK\r\n\r\nVia: SIP/2.0/UDP h;branch=%s\r\n\r\n", false},
    {"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP;branch=%s\r\n\r\n", false},
    {"Via: SIP/2.0/UDP h;branch=%s", false},
    {"", false},
    {"\r\n", false},
    {"SIP/2.0 200 OK\r\nv", false},
    {"SIP/2.0 200 OK\r\nv\r\nv\r\n\r\n", false},
};

static void test_owner_peek_finds_the_branch_of_the_top_via(void **state)
{
    (void)state;
    char branch[64] = {0};
    branch_of(&sample, branch);
    for (size_t i = 0; i < UNIT_COUNT(peeks); i++) {
        char text[512];
        struct sw_owner o = {.worker = 77};
        size_t n = (size_t)snprintf(text, sizeof(text), peeks[i].text, branch);
        struct sw_slice s = unit_exact(text, n);
        if (sw_owner_peek(s, &o) != peeks[i].found)
            print_error("row %zu\n", i);
        assert_int_equal(sw_owner_peek(s, &o), peeks[i].found);
        assert_true(peeks[i].found ? same(&o, &sample) : o.worker == 77);
        unit_free(s);
    }
}

/* What a peek says of any bytes that are a message is what parsing says afterwards. */
static void test_owner_peek_agrees_with_the_parser(void **state)
{
    (void)state;
    static struct message x;
    static const char bytes[] = "\r\n\r\n v:;=,\t\"Vz\0\xff";
    struct rng r = rng_start(__func__);
    char branch[64] = {0};
    branch_of(&sample, branch);
    unsigned parsed = 0, found = 0;
    for (int round = 0; round < 50000; round++) {
        char text[512];
        size_t n = (size_t)snprintf(text, sizeof(text), peeks[rng_below(&r, 20)].text, branch);
        for (uint64_t k = rng_below(&r, 4); k > 0; k--)
            text[rng_below(&r, n)] = bytes[rng_below(&r, sizeof(bytes) - 1)];
        n = rng_below(&r, 4) ? n : rng_below(&r, n);
        enum sw_status s = message_parse(&x, text, n);
        struct sw_owner o, wanted;
        bool got = sw_owner_peek(x.bytes, &o);
        if (s == SW_OK && !x.m.bad.rule) {
            struct sw_values values = sw_values(&x.m, SW_HDR_VIA);
            struct sw_via via;
            bool want = sw_values_via(&values, &via) == SW_OK && sw_owner_get(via.branch, &wanted);
            if (got != want)
                print_error("%.*s\n", SW_SLICE_ARG(x.bytes));
            assert_int_equal(got, want);
            assert_true(!got || same(&o, &wanted));
            parsed++;
            found += got;
        }
        message_free(&x);
    }
    assert_true(parsed > 1000 && found > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_owner_branch_is_a_token_with_the_cookie),
        cmocka_unit_test(test_owner_round_trip_keeps_every_value),
        cmocka_unit_test(test_owner_of_a_foreign_branch_is_none),
        cmocka_unit_test(test_owner_every_changed_letter_is_noticed),
        cmocka_unit_test(test_owner_peek_finds_the_branch_of_the_top_via),
        cmocka_unit_test(test_owner_peek_agrees_with_the_parser),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "support/unit.h"

#include "sip/frame.h"

static const struct sw_frame_limits limits = {.head_max = 1024, .body_max = 256};

/* What a stream was cut into. */
enum { CUTS_MAX = 64 };
struct cuts {
    struct {
        size_t at, n;
        unsigned pings; /* since the message before */
    } message[CUTS_MAX];
    unsigned count;
    unsigned pings; /* behind the last message */
    enum sw_status status;
    uint32_t error_n;
};

/* Feeds a stream in pieces of `size` bytes, or (0) of random sizes, as a connection does. */
static struct cuts cut(struct sw_slice stream, size_t size, struct rng *r)
{
    struct cuts c = {.status = SW_AGAIN};
    struct sw_frame f = {0};
    size_t from = 0, have = 0;
    while (have < stream.n && c.status == SW_AGAIN) {
        size_t piece = size ? size : 1 + rng_below(r, 40);
        have = have + piece > stream.n ? stream.n : have + piece;
        struct sw_slice held = unit_exact(stream.p + from, have - from);
        size_t at = 0;
        struct sw_framed out;
        while ((c.status = sw_frame_next(&f, held.p + at, held.n - at, &limits, &out)) == SW_OK) {
            assert_true(out.n > 0 && out.n <= held.n - at);
            if (out.kind == SW_FRAME_MESSAGE) {
                assert_true(c.count < CUTS_MAX);
                c.message[c.count].at = from + at;
                c.message[c.count].pings = c.pings;
                c.message[c.count++].n = out.n;
                c.pings = 0;
            }
            c.pings += out.kind == SW_FRAME_PING;
            at += out.n;
        }
        c.error_n = out.n;
        from += at;
        unit_free(held);
    }
    return c;
}

/* RFC 3261 18.3, 7.3.1, 7.3.3: every way to write the length */
static const char *const lengths[] = {
    "Content-Length: %u\r\n",
    "l:%u\r\n",
    "L\t : %u \r\n",
    "CONTENT-LENGTH \t:\t%u\r\n",
    "content-length:\r\n %u\r\n",
    "Content-Length: %u\r\n \r\n",
    "l: 00%u\r\nX: y\r\n",
    "l: %1$u\r\nTo: t\r\nContent-Length: %1$u\r\n",
};

/* Rows that only look like a length. */
static const char *const decoys[] = {
    "X-Content-Length: 99\r\n",  "Content-Lengthy: 99\r\n",
    "Language: l: 99\r\n",       "Subject: a\r\n Content-Length: 99\r\n",
    "Subject: x\r\n\tl: 99\r\n", "Content-Type: a/b\r\n",
    "Content-Length99: 1\r\n",
};

static size_t put_message(char *p, size_t room, struct rng *r)
{
    unsigned body = (unsigned)rng_below(r, 64);
    size_t n = (size_t)snprintf(p, room, "INVITE sip:b SIP/2.0\r\n");
    for (uint64_t k = rng_below(r, 4); k > 0; k--)
        n += (size_t)snprintf(p + n, room - n, "%s", decoys[rng_below(r, UNIT_COUNT(decoys))]);
    n += (size_t)snprintf(p + n, room - n, lengths[rng_below(r, UNIT_COUNT(lengths))], body);
    for (uint64_t k = rng_below(r, 3); k > 0; k--)
        n += (size_t)snprintf(p + n, room - n, "%s", decoys[rng_below(r, UNIT_COUNT(decoys))]);
    n += (size_t)snprintf(p + n, room - n, "\r\n");
    for (unsigned i = 0; i < body; i++)
        p[n++] = "\r\n\r\nl:5 \0SIP"[rng_below(r, 12)];
    return n;
}

/* RFC 3261 7.5 and 18.3; RFC 5626 4.4.1: pings between messages */
static void test_frame_cuts_do_not_depend_on_the_pieces(void **state)
{
    (void)state;
    struct rng r = rng_start(__func__);
    for (int round = 0; round < 40; round++) {
        char stream[16384];
        struct cuts want = {.status = SW_AGAIN};
        size_t n = 0;
        for (uint64_t k = 1 + rng_below(&r, 12); k > 0; k--) {
            uint64_t blanks = rng_below(&r, 3) ? 0 : rng_below(&r, 7);
            for (uint64_t i = 0; i < blanks; i++, n += 2)
                memcpy(stream + n, "\r\n", 2);
            size_t len = put_message(stream + n, sizeof(stream) - n, &r);
            want.message[want.count].at = n;
            want.message[want.count].pings = (unsigned)(blanks / 2);
            want.message[want.count++].n = len;
            n += len;
        }
        for (size_t size = 0; size <= n + 1; size += size < 100 ? 1 : 397) {
            struct cuts got = cut(sw_slice(stream, n), size, &r);
            assert_int_equal(got.status, SW_AGAIN);
            assert_int_equal(got.count, want.count);
            for (unsigned i = 0; i < want.count; i++) {
                assert_int_equal(got.message[i].at, want.message[i].at);
                assert_int_equal(got.message[i].n, want.message[i].n);
                assert_int_equal(got.message[i].pings, want.message[i].pings);
            }
            assert_int_equal(got.pings, 0);
        }
    }
}

#define HEAD "SIP/2.0 200 OK\r\n"

static void test_frame_verdicts_do_not_depend_on_the_pieces(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum sw_status status;
        bool whole_head; /* the error tells the head's length */
    } rows[] = {
        {HEAD "\r\n", SW_PEER_MISSING, true},
        {HEAD "To: t\r\n\r\n", SW_PEER_MISSING, true},
        {HEAD "l: x\r\n\r\n", SW_PEER_MISSING, true},
        {HEAD "l:\r\n\r\n", SW_PEER_MISSING, true},
        {HEAD "l: -1\r\n\r\n", SW_PEER_MISSING, true},
        {HEAD "l: +1\r\n\r\n", SW_PEER_MISSING, true},
        {HEAD "l: 1 2\r\n\r\n", SW_PEER_MISSING, true},
        {HEAD "l: 1,1\r\n\r\n", SW_PEER_MISSING, true},
        {HEAD "l: 1;a\r\n\r\n", SW_PEER_MISSING, true},
        {HEAD "l: 0x1\r\n\r\n", SW_PEER_MISSING, true},
        {HEAD "l: 1\r\n 2\r\n\r\n", SW_PEER_MISSING, true},
        {HEAD "l: 4294967296\r\n\r\n", SW_PEER_MISSING, true},
        {HEAD "l: 99999999999999999999999\r\n\r\n", SW_PEER_MISSING, true},
        {HEAD "l: 1\r\nContent-Length: 2\r\n\r\n", SW_PEER_MISSING, true},
        {HEAD "l: 1\r\nl: x\r\n\r\n", SW_PEER_MISSING, true},
        {HEAD "l: x\r\nl: 1\r\n\r\n", SW_PEER_MISSING, true},
        {HEAD " l: 1\r\n\r\n", SW_PEER_MISSING, true},
        {HEAD "l\r\n : 1\r\n\r\n", SW_PEER_MISSING, true},
        {HEAD "To: a\rl: 1\r\n\r\n", SW_PEER_MISSING, true},
        {HEAD "l: 257\r\n\r\n", SW_LIMIT_SIZE, true},
        {HEAD "l: 4294967295\r\n\r\n", SW_LIMIT_SIZE, true},
        {"SIP/2.0 200 OK\nl: 0\r\n\r\n", SW_PEER_SYNTAX, false},
        {HEAD "l: 0\n\r\n", SW_PEER_SYNTAX, false},
        {HEAD "l: 0\r\n\n", SW_PEER_SYNTAX, false},
        {"\n", SW_PEER_SYNTAX, false},
        {" " HEAD, SW_PEER_SYNTAX, false},
        {"\t", SW_PEER_SYNTAX, false},
        {"\rX", SW_PEER_SYNTAX, false},
        {"\r\r\n", SW_PEER_SYNTAX, false},
        {"\r\n\rX", SW_PEER_SYNTAX, false},
        {"\r\n\r\n\r\n\n", SW_PEER_SYNTAX, false},
    };
    struct rng r = rng_start(__func__);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        for (size_t size = 0; size <= strlen(rows[i].text); size++) {
            struct cuts c = cut(sw_slice_str(rows[i].text), size, &r);
            if (c.status != rows[i].status)
                print_error("row %zu in pieces of %zu\n", i, size);
            assert_int_equal(c.status, rows[i].status);
            assert_int_equal(c.count, 0);
            assert_int_equal(c.error_n, rows[i].whole_head ? strlen(rows[i].text) : 0);
        }
    struct cuts c = cut(sw_slice("\0INVITE", 7), 7, &r);
    assert_int_equal(c.status, SW_PEER_SYNTAX);
}

static void test_frame_head_limit_is_exact(void **state)
{
    (void)state;
    struct rng r = rng_start(__func__);
    for (unsigned head = limits.head_max - 1; head <= limits.head_max + 1; head++)
        for (size_t size = 0; size <= 1100; size += 275) {
            char text[1100];
            size_t n = (size_t)sprintf(text, HEAD "l: 0\r\nSubject: ");
            memset(text + n, 'x', head - n);
            memcpy(text + head - 4, "\r\n\r\n", 4);
            struct cuts c = cut(sw_slice(text, head), size, &r);
            bool fits = head <= limits.head_max;
            assert_int_equal(c.count, fits);
            assert_int_equal(c.status, fits ? SW_AGAIN : SW_LIMIT_SIZE);
            if (!fits)
                assert_int_equal(c.error_n, 0);
        }
}

/* A line without end must not be waited for without end. */
static void test_frame_endless_line_reaches_the_limit(void **state)
{
    (void)state;
    struct rng r = rng_start(__func__);
    char text[2000];
    memset(text, 'a', sizeof(text));
    assert_int_equal(cut(sw_slice(text, limits.head_max), 7, &r).status, SW_AGAIN);
    assert_int_equal(cut(sw_slice(text, limits.head_max + 1), 7, &r).status, SW_LIMIT_SIZE);
    assert_int_equal(cut(sw_slice(text, sizeof(text)), sizeof(text), &r).status, SW_LIMIT_SIZE);
}

static void test_frame_body_limit_is_exact(void **state)
{
    (void)state;
    struct rng r = rng_start(__func__);
    char text[1024];
    size_t n = (size_t)sprintf(text, HEAD "l: %u\r\n\r\n", limits.body_max);
    memset(text + n, '\n', limits.body_max);
    for (size_t size = 0; size < 20; size++) {
        struct cuts c = cut(sw_slice(text, n + limits.body_max), size, &r);
        assert_int_equal(c.count, 1);
        assert_int_equal(c.message[0].n, n + limits.body_max);
    }
}

static void test_frame_every_shorter_prefix_waits(void **state)
{
    (void)state;
    static const char text[] = "\r\n" HEAD "Content-Length: 5\r\nTo: t\r\n\r\nab\r\nc";
    struct rng r = rng_start(__func__);
    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        struct cuts c = cut(sw_slice(text, n), n ? n : 1, &r);
        assert_int_equal(c.status, SW_AGAIN);
        assert_int_equal(c.count, 0);
    }
    assert_int_equal(cut(sw_slice(text, sizeof(text) - 1), 64, &r).count, 1);
}

/* RFC 5626 4.4.1, 5.4: a double CRLF is a ping, a single one a pong or nothing */
static void test_frame_pings_are_double_line_ends(void **state)
{
    (void)state;
    struct rng r = rng_start(__func__);
    char text[32];
    for (unsigned count = 0; count <= 15; count++) {
        for (unsigned i = 0; i < count; i++)
            memcpy(text + 2 * i, "\r\n", 2);
        for (size_t size = 0; size <= 2 * count; size++) {
            struct cuts c = cut(sw_slice(text, 2 * count), size ? size : 0, &r);
            assert_int_equal(c.pings, count / 2);
            assert_int_equal(c.status, SW_AGAIN);
        }
    }
}

static void test_frame_line_end_before_a_message_is_no_half_of_a_later_ping(void **state)
{
    (void)state;
    struct rng r = rng_start(__func__);
    static const char text[] = "\r\n" HEAD "l: 0\r\n\r\n\r\n" HEAD "l: 0\r\n\r\n\r\n";
    for (size_t size = 0; size < sizeof(text); size++) {
        struct cuts c = cut(sw_slice(text, sizeof(text) - 1), size, &r);
        assert_int_equal(c.count, 2);
        assert_int_equal(c.message[0].pings + c.message[1].pings + c.pings, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame_cuts_do_not_depend_on_the_pieces),
        cmocka_unit_test(test_frame_verdicts_do_not_depend_on_the_pieces),
        cmocka_unit_test(test_frame_head_limit_is_exact),
        cmocka_unit_test(test_frame_endless_line_reaches_the_limit),
        cmocka_unit_test(test_frame_body_limit_is_exact),
        cmocka_unit_test(test_frame_every_shorter_prefix_waits),
        cmocka_unit_test(test_frame_pings_are_double_line_ends),
        cmocka_unit_test(test_frame_line_end_before_a_message_is_no_half_of_a_later_ping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

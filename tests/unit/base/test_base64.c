#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"
#include "support/random.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static struct sw_slice encode(char *p, size_t cap, const void *bytes, size_t n)
{
    struct sw_buf b = sw_buf(p, cap);
    sw_base64_put(&b, bytes, n);
    assert_false(b.full);
    return sw_buf_view(&b);
}

/* RFC 4648 10, without the padding that 5 and 3.2 allow to leave out */
static void test_base64_has_the_vectors_of_the_standard(void **state)
{
    static const struct {
        const char *plain, *text;
    } rows[] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"},
    };
    char p[16], back[16];
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t n = strlen(rows[i].plain);
        struct sw_slice s = encode(p, sizeof(p), rows[i].plain, n);
        assert_true(sw_slice_eq(s, sw_slice_str(rows[i].text)));
        assert_true(sw_base64_get(s, back, n));
        assert_memory_equal(back, rows[i].plain, n);
    }
}

/* RFC 4648 5, table 2 */
static void test_base64_uses_the_url_safe_letters_in_order(void **state)
{
    char p[8];
    (void)state;
    for (uint8_t v = 0; v < 64; v++) {
        uint8_t byte = (uint8_t)(v << 2);
        assert_int_equal(encode(p, sizeof(p), &byte, 1).p[0], alphabet[v]);
    }
}

static void test_base64_decoding_gives_back_what_was_encoded(void **state)
{
    struct rng r = rng_start(__func__);
    (void)state;
    for (size_t n = 0; n <= 200; n++) {
        uint8_t in[200], out[201];
        char p[SW_BASE64_LEN(200)];
        for (size_t i = 0; i < n; i++)
            in[i] = (uint8_t)rng_next(&r);
        out[n] = 0xa5;
        struct sw_slice s = encode(p, sizeof(p), in, n);
        assert_int_equal(s.n, SW_BASE64_LEN(n));
        assert_int_equal(sw_base64_bytes(s.n), n);
        assert_true(sw_base64_get(s, out, n));
        assert_memory_equal(out, in, n);
        assert_int_equal(out[n], 0xa5);
    }
}

/* RFC 4648 3.3 */
static void test_base64_refuses_every_foreign_letter(void **state)
{
    uint8_t out[3];
    (void)state;
    for (int c = 0; c < 256; c++)
        for (size_t at = 0; at < 4; at++) {
            char text[4] = {'A', 'A', 'A', 'A'};
            text[at] = (char)c;
            bool ours = c && strchr(alphabet, c);
            assert_int_equal(sw_base64_get(sw_slice(text, 4), out, 3), ours);
        }
}

/* RFC 4648 3.5: one value has one spelling, or a seal could be changed and still hold. */
static void test_base64_refuses_stray_bits_at_the_end(void **state)
{
    uint8_t out[2];
    (void)state;
    for (unsigned v = 0; v < 64; v++) {
        const char one[2] = {'A', alphabet[v]}, two[3] = {'A', 'A', alphabet[v]};
        assert_int_equal(sw_base64_get(sw_slice(one, 2), out, 1), v % 16 == 0);
        assert_int_equal(sw_base64_get(sw_slice(two, 3), out, 2), v % 4 == 0);
    }
}

static void test_base64_refuses_another_length(void **state)
{
    uint8_t out[16];
    (void)state;
    for (size_t letters = 0; letters <= 12; letters++)
        for (size_t n = 0; n <= 9; n++)
            assert_int_equal(sw_base64_get(sw_slice("AAAAAAAAAAAA", letters), out, n),
                             letters == n / 3 * 4 + (n % 3 ? n % 3 + 1 : 0));
    assert_false(sw_base64_get(SW_SLICE("Zg=="), out, 1));
}

static void test_base64_remembers_that_the_buffer_was_too_small(void **state)
{
    char p[8];
    (void)state;
    for (size_t cap = 0; cap < 8; cap++) {
        struct sw_buf b = sw_buf(p, cap);
        sw_base64_put(&b, "foobar", 6);
        assert_true(b.full);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64_has_the_vectors_of_the_standard),
        cmocka_unit_test(test_base64_uses_the_url_safe_letters_in_order),
        cmocka_unit_test(test_base64_decoding_gives_back_what_was_encoded),
        cmocka_unit_test(test_base64_refuses_every_foreign_letter),
        cmocka_unit_test(test_base64_refuses_stray_bits_at_the_end),
        cmocka_unit_test(test_base64_refuses_another_length),
        cmocka_unit_test(test_base64_remembers_that_the_buffer_was_too_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

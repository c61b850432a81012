#include "support/unit.h"

#include "crypto/siv.h"

enum { TEXT_MAX = 300 };

static struct sw_siv_key key_of(const char *secret, const char *label)
{
    struct sw_hmac_key master;
    struct sw_siv_key k;
    sw_hmac_key_init(&master, secret, strlen(secret));
    sw_siv_key_init(&k, &master, sw_slice_str(label));
    return k;
}

static struct sw_slice view(const uint8_t *p, size_t n)
{
    return sw_slice((const char *)p, n);
}

/* RFC 5297 1.3.2: deterministic, so that a repeat is the same bytes */
static void test_every_length_opens_again_and_is_the_same_each_time(void **state)
{
    (void)state;
    const struct sw_siv_key k = key_of("secret", "a");
    uint8_t text[TEXT_MAX], sealed[TEXT_MAX + SW_SIV_TAG_BYTES], again[sizeof(sealed)],
        open[TEXT_MAX];
    for (size_t i = 0; i < TEXT_MAX; i++)
        text[i] = (uint8_t)(i * 7);
    for (size_t n = 0; n <= TEXT_MAX; n++) {
        sw_siv_seal(&k, SW_SLICE("call"), view(text, n), sealed);
        sw_siv_seal(&k, SW_SLICE("call"), view(text, n), again);
        assert_memory_equal(sealed, again, n + SW_SIV_TAG_BYTES);
        assert_true(sw_siv_open(&k, SW_SLICE("call"), view(sealed, n + SW_SIV_TAG_BYTES), open));
        assert_memory_equal(open, text, n);
        if (n >= 16)
            assert_memory_not_equal(sealed + SW_SIV_TAG_BYTES, text, n);
    }
}

/* RFC 5297 2.7 */
static void test_any_changed_bit_and_any_cut_is_refused(void **state)
{
    (void)state;
    const struct sw_siv_key k = key_of("secret", "a");
    const struct sw_slice text = SW_SLICE("Via: SIP/2.0/UDP 10.1.0.9;branch=z9hG4bK");
    uint8_t sealed[128], open[128], nothing[128] = {0};
    size_t n = text.n + SW_SIV_TAG_BYTES;
    sw_siv_seal(&k, SW_SLICE("c"), text, sealed);
    for (size_t bit = 0; bit < n * 8; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(sw_siv_open(&k, SW_SLICE("c"), view(sealed, n), open));
        assert_memory_equal(open, nothing, text.n); /* nothing of it is left */
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < n; cut++)
        assert_false(sw_siv_open(&k, SW_SLICE("c"), view(sealed, cut), open));
    assert_true(sw_siv_open(&k, SW_SLICE("c"), view(sealed, n), open));
}

static void test_context_key_and_label_are_part_of_it(void **state)
{
    (void)state;
    const struct sw_siv_key k = key_of("secret", "a"), other = key_of("secreu", "a"),
                            label = key_of("secret", "b");
    uint8_t sealed[64], open[64];
    sw_siv_seal(&k, SW_SLICE("ab"), SW_SLICE("cdef"), sealed);
    const struct sw_slice s = view(sealed, 4 + SW_SIV_TAG_BYTES);
    assert_true(sw_siv_open(&k, SW_SLICE("ab"), s, open));
    assert_false(sw_siv_open(&k, SW_SLICE("abc"), s, open));
    assert_false(sw_siv_open(&k, SW_SLICE(""), s, open));
    assert_false(sw_siv_open(&other, SW_SLICE("ab"), s, open));
    assert_false(sw_siv_open(&label, SW_SLICE("ab"), s, open));
    uint8_t moved[64]; /* the border between context and text counts */
    sw_siv_seal(&k, SW_SLICE("abc"), SW_SLICE("def"), moved);
    assert_memory_not_equal(moved, sealed, SW_SIV_TAG_BYTES);
}

/* Texts that differ in one bit share nothing. RFC 5297 1.3.2 */
static void test_texts_that_differ_use_other_key_streams(void **state)
{
    (void)state;
    const struct sw_siv_key k = key_of("secret", "a");
    uint8_t a[64], b[64];
    sw_siv_seal(&k, SW_SLICE(""), SW_SLICE("the same but for the end 0"), a);
    sw_siv_seal(&k, SW_SLICE(""), SW_SLICE("the same but for the end 1"), b);
    unsigned same = 0;
    for (size_t i = SW_SIV_TAG_BYTES; i < SW_SIV_TAG_BYTES + 26; i++)
        same += a[i] == b[i];
    assert_true(same < 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_length_opens_again_and_is_the_same_each_time),
        cmocka_unit_test(test_any_changed_bit_and_any_cut_is_refused),
        cmocka_unit_test(test_context_key_and_label_are_part_of_it),
        cmocka_unit_test(test_texts_that_differ_use_other_key_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

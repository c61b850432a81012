#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "crypto/hmac.h"
#include "support/random.h"

static void assert_digest(const uint8_t digest[SW_SHA256_BYTES], const char *hex)
{
    char text[2 * SW_SHA256_BYTES];
    struct sw_buf b = sw_buf(text, sizeof(text));
    sw_buf_hex(&b, digest, SW_SHA256_BYTES);
    assert_memory_equal(text, hex, strlen(hex));
}

/* The examples that come with the standard (FIPS 180), and the empty message. */
static void test_hmac_sha256_has_the_published_values(void **state)
{
    static const struct {
        const char *text, *hex;
    } rows[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    uint8_t out[SW_SHA256_BYTES];
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        sw_sha256(rows[i].text, strlen(rows[i].text), out);
        assert_digest(out, rows[i].hex);
    }
}

struct vector {
    struct sw_slice key, data;
    const char *hex;
};

static char aa[131], dd[50], cd[50], ob[20], oc[20];

/* RFC 4231 4.2 to 4.8; 4.6 gives the first 128 bits only */
static const struct vector vectors[] = {
    {{ob, 20},
     SW_SLICE("Hi There"),
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {SW_SLICE("Jefe"), SW_SLICE("what do ya want for nothing?"),
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {{aa, 20}, {dd, 50}, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {SW_SLICE("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15"
              "\x16\x17\x18\x19"),
     {cd, 50},
     "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    {{oc, 20}, SW_SLICE("Test With Truncation"), "a3b6167473100ee06e0c796c2955552b"},
    {{aa, 131},
     SW_SLICE("Test Using Larger Than Block-Size Key - Hash Key First"),
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {{aa, 131},
     SW_SLICE("This is a test using a larger than block-size key and a larger than block-size data."
              " The key needs to be hashed before being used by the HMAC algorithm."),
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
};

static int fill(void **state)
{
    (void)state;
    memset(aa, 0xaa, sizeof(aa));
    memset(dd, 0xdd, sizeof(dd));
    memset(cd, 0xcd, sizeof(cd));
    memset(ob, 0x0b, sizeof(ob));
    memset(oc, 0x0c, sizeof(oc));
    return 0;
}

static void test_hmac_has_the_vectors_of_the_standard(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct sw_hmac_key k;
        uint8_t out[SW_SHA256_BYTES];
        sw_hmac_key_init(&k, vectors[i].key.p, vectors[i].key.n);
        sw_hmac(&k, &vectors[i].data, 1, out);
        assert_digest(out, vectors[i].hex);
        sw_hmac(&k, &vectors[i].data, 1, out); /* the key is not used up */
        assert_digest(out, vectors[i].hex);
    }
}

static void test_hmac_of_parts_is_that_of_the_whole(void **state)
{
    struct rng r = rng_start(__func__);
    struct sw_hmac_key k;
    uint8_t whole[SW_SHA256_BYTES], out[SW_SHA256_BYTES];
    char text[200];
    (void)state;
    sw_hmac_key_init(&k, "key", 3);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)rng_next(&r);
    for (int round = 0; round < 2000; round++) {
        size_t n = rng_below(&r, sizeof(text) + 1), a = rng_below(&r, n + 1);
        size_t b = a + rng_below(&r, n - a + 1);
        const struct sw_slice all = {text, n};
        const struct sw_slice parts[] = {
            {text, a}, {NULL, 0}, {text + a, b - a}, {text + b, n - b}};
        sw_hmac(&k, &all, 1, whole);
        sw_hmac(&k, parts, 4, out);
        assert_memory_equal(out, whole, sizeof(out));
    }
}

static void test_hmac_without_parts_is_that_of_nothing(void **state)
{
    struct sw_hmac_key k;
    uint8_t a[SW_SHA256_BYTES], b[SW_SHA256_BYTES];
    const struct sw_slice empty = {NULL, 0};
    (void)state;
    sw_hmac_key_init(&k, "", 0);
    sw_hmac(&k, NULL, 0, a);
    sw_hmac(&k, &empty, 1, b);
    assert_memory_equal(a, b, sizeof(a));
    assert_digest(a, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* RFC 2104 2: a key is filled with zeros up to a block, a longer one is hashed first. */
static void test_hmac_key_is_padded_to_a_block_or_hashed(void **state)
{
    struct sw_hmac_key k, same;
    uint8_t a[SW_SHA256_BYTES], b[SW_SHA256_BYTES], hashed[SW_SHA256_BYTES];
    char padded[64] = "short key";
    const struct sw_slice data = SW_SLICE("data");
    (void)state;
    sw_hmac_key_init(&k, padded, 9);
    sw_hmac_key_init(&same, padded, 64);
    sw_hmac(&k, &data, 1, a);
    sw_hmac(&same, &data, 1, b);
    assert_memory_equal(a, b, sizeof(a));
    sw_sha256(aa, 65, hashed);
    sw_hmac_key_init(&k, aa, 65);
    sw_hmac_key_init(&same, hashed, sizeof(hashed));
    sw_hmac(&k, &data, 1, a);
    sw_hmac(&same, &data, 1, b);
    assert_memory_equal(a, b, sizeof(a));
}

static void test_hmac_equality_minds_every_bit(void **state)
{
    uint8_t a[32] = {0}, b[32] = {0};
    (void)state;
    assert_true(sw_equal_const(a, b, 32));
    assert_true(sw_equal_const(a, b, 0));
    for (unsigned bit = 0; bit < 256; bit++) {
        b[bit / 8] = (uint8_t)(1 << bit % 8);
        assert_false(sw_equal_const(a, b, 32));
        assert_true(sw_equal_const(a, b, bit / 8));
        b[bit / 8] = 0;
    }
}

static void test_hmac_wipe_leaves_nothing_and_stays_inside(void **state)
{
    uint8_t p[34];
    (void)state;
    memset(p, 0x5a, sizeof(p));
    sw_wipe(p + 1, 32);
    for (unsigned i = 1; i < 33; i++)
        assert_int_not_equal(p[i], 0x5a);
    assert_int_equal(p[0], 0x5a);
    assert_int_equal(p[33], 0x5a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hmac_sha256_has_the_published_values),
        cmocka_unit_test(test_hmac_has_the_vectors_of_the_standard),
        cmocka_unit_test(test_hmac_of_parts_is_that_of_the_whole),
        cmocka_unit_test(test_hmac_without_parts_is_that_of_nothing),
        cmocka_unit_test(test_hmac_key_is_padded_to_a_block_or_hashed),
        cmocka_unit_test(test_hmac_equality_minds_every_bit),
        cmocka_unit_test(test_hmac_wipe_leaves_nothing_and_stays_inside),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}

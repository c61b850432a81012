#include "support/unit.h"

#include "base/ident.h"

/* A certificate whose digests begin with these bytes. */
static struct sw_ident ident(uint8_t certificate, uint8_t key)
{
    struct sw_ident id = {0};
    id.fingerprint[0] = certificate;
    id.key_sha256[0] = key;
    return id;
}

/* The digest of a certificate is none of a key, and the other way round. */
static void test_ident_pin_is_of_certificate_or_key(void **state)
{
    static const struct sw_pin pins[] = {
        {{1}, false, "one"}, {{2}, true, "two"}, {{3}, false, "three"}};
    static const struct {
        uint8_t certificate, key;
        const char *pin;
    } rows[] = {
        {1, 9, "one"}, {9, 2, "two"}, {3, 9, "three"}, {2, 1, NULL}, {9, 3, NULL}, {3, 2, "two"},
    };
    (void)state;
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_ident id = ident(rows[i].certificate, rows[i].key);
        const struct sw_pin *found = sw_pin_find(pins, UNIT_COUNT(pins), &id);
        assert_int_equal(found != NULL, rows[i].pin != NULL);
        if (found)
            assert_string_equal(found->name, rows[i].pin);
    }
    struct sw_ident id = ident(1, 2);
    assert_null(sw_pin_find(pins, 0, &id));
    assert_null(sw_pin_find(NULL, 0, &id));
}

static void test_ident_pin_minds_every_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < 32; i++) {
        struct sw_pin pin = {.of_key = i % 2};
        struct sw_ident id = {0};
        assert_ptr_equal(sw_pin_find(&pin, 1, &id), &pin);
        (pin.of_key ? id.key_sha256 : id.fingerprint)[i] = 1;
        assert_null(sw_pin_find(&pin, 1, &id));
    }
}

/* What nobody vouches for may be used for nothing. */
static void test_ident_uses_are_those_of_the_trust_entry(void **state)
{
    static const uint32_t vouched[] = {7, 9};
    static const uint8_t uses[] = {SW_USE_SERVER, SW_USE_ALL};
    struct sw_ident id = {.vouched = vouched, .uses = uses, .vouched_count = 2};
    (void)state;
    assert_int_equal(sw_ident_uses(&id, 7), SW_USE_SERVER);
    assert_int_equal(sw_ident_uses(&id, 9), SW_USE_ALL);
    assert_int_equal(sw_ident_uses(&id, 8), 0);
    id.uses = NULL;
    assert_int_equal(sw_ident_uses(&id, 7), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ident_pin_is_of_certificate_or_key),
        cmocka_unit_test(test_ident_pin_minds_every_byte),
        cmocka_unit_test(test_ident_uses_are_those_of_the_trust_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

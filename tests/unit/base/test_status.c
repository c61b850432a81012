#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"
#include <string.h>

static const struct {
    enum sw_status status;
    enum sw_status_class class;
    const char *name;
} all[] = {
    {SW_OK, SW_CLASS_OK, "ok"},
    {SW_AGAIN, SW_CLASS_AGAIN, "again"},
    {SW_PEER_SYNTAX, SW_CLASS_PEER, "peer_syntax"},
    {SW_PEER_MISSING, SW_CLASS_PEER, "peer_missing"},
    {SW_PEER_CLOSED, SW_CLASS_PEER, "peer_closed"},
    {SW_PEER_RESET, SW_CLASS_PEER, "peer_reset"},
    {SW_PEER_TIMEOUT, SW_CLASS_PEER, "peer_timeout"},
    {SW_PEER_REFUSED, SW_CLASS_PEER, "peer_refused"},
    {SW_PEER_PROTOCOL, SW_CLASS_PEER, "peer_protocol"},
    {SW_PEER_NO_NAME, SW_CLASS_PEER, "peer_no_name"},
    {SW_PEER_DNS, SW_CLASS_PEER, "peer_dns"},
    {SW_DENIED, SW_CLASS_DENIED, "denied"},
    {SW_DENIED_IDENTITY, SW_CLASS_DENIED, "denied_identity"},
    {SW_DENIED_SEAL, SW_CLASS_DENIED, "denied_seal"},
    {SW_LIMIT_PEER, SW_CLASS_LIMIT, "limit_peer"},
    {SW_DENIED_BOGUS, SW_CLASS_DENIED, "denied_bogus"},
    {SW_DENIED_UNSIGNED, SW_CLASS_DENIED, "denied_unsigned"},
    {SW_LIMIT, SW_CLASS_LIMIT, "limit"},
    {SW_LIMIT_MEMORY, SW_CLASS_LIMIT, "limit_memory"},
    {SW_LIMIT_SIZE, SW_CLASS_LIMIT, "limit_size"},
    {SW_SYS, SW_CLASS_SYS, "sys"},
    {SW_SYS_UNREACHABLE, SW_CLASS_SYS, "sys_unreachable"},
    {SW_SYS_AWAY, SW_CLASS_SYS, "sys_away"},
    {SW_CRYPTO, SW_CLASS_CRYPTO, "crypto"},
    {SW_CRYPTO_VERIFY, SW_CLASS_CRYPTO, "crypto_verify"},
    {SW_CRYPTO_ALERT, SW_CLASS_CRYPTO, "crypto_alert"},
    {SW_CRYPTO_NO_CERT, SW_CLASS_CRYPTO, "crypto_no_certificate"},
    {SW_BUG, SW_CLASS_BUG, "bug"},
};

enum { COUNT = sizeof(all) / sizeof(all[0]) };

static void test_status_class_stands_in_the_upper_byte(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(sw_status_class(all[i].status), all[i].class);
}

/* Scripts match on these words: a changed one breaks them. */
static void test_status_name_is_stable(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT; i++)
        assert_string_equal(sw_status_name(all[i].status), all[i].name);
}

static void test_status_name_tells_codes_apart(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT; i++)
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(sw_status_name(all[i].status), sw_status_name(all[k].status));
}

static void test_status_name_of_an_unknown_code_is_a_word(void **state)
{
    (void)state;
    assert_string_equal(sw_status_name((enum sw_status)0x7ff), "unknown");
    assert_string_equal(sw_status_name((enum sw_status)0xffff), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_class_stands_in_the_upper_byte),
        cmocka_unit_test(test_status_name_is_stable),
        cmocka_unit_test(test_status_name_tells_codes_apart),
        cmocka_unit_test(test_status_name_of_an_unknown_code_is_a_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

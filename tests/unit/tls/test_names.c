#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls/names.h"
#include "tls/session.h"
#include <stdio.h>

enum { MANY = 10000 };

static const struct sw_tls_identity g_one = {.id = 1}, g_two = {.id = 2};

static const struct sw_tls_identity *find(const struct sw_tls_names *n, const char *name)
{
    return sw_tls_names_find(n, sw_slice_str(name));
}

static void test_names_are_found_whole_and_without_case(void **state)
{
    struct sw_tls_names *n = sw_tls_names_new(2);
    (void)state;
    assert_non_null(n);
    assert_int_equal(sw_tls_names_add(n, SW_SLICE("A.Example.test"), &g_one), SW_OK);
    assert_ptr_equal(find(n, "a.example.test"), &g_one);
    assert_ptr_equal(find(n, "A.EXAMPLE.TEST."), &g_one);
    assert_null(find(n, "b.a.example.test"));
    assert_null(find(n, "example.test"));
    assert_null(find(n, "a.example.tes"));
    assert_null(find(n, ""));
    sw_tls_names_free(n);
}

static void test_names_with_a_wildcard_stand_for_one_label(void **state)
{
    struct sw_tls_names *n = sw_tls_names_new(2);
    (void)state;
    assert_int_equal(sw_tls_names_add(n, SW_SLICE("*.example.test"), &g_one), SW_OK);
    assert_int_equal(sw_tls_names_add(n, SW_SLICE("b.example.test"), &g_two), SW_OK);
    assert_ptr_equal(find(n, "a.example.test"), &g_one);
    assert_ptr_equal(find(n, "b.example.test"), &g_two); /* an exact name comes first */
    assert_null(find(n, "a.b.example.test"));
    assert_null(find(n, "example.test"));
    assert_null(find(n, ".example.test"));
    assert_null(find(n, "*.example.test"));
    sw_tls_names_free(n);
}

static void test_names_stay_with_the_first_that_has_them(void **state)
{
    struct sw_tls_names *n = sw_tls_names_new(2);
    (void)state;
    assert_int_equal(sw_tls_names_add(n, SW_SLICE("a.test"), &g_one), SW_OK);
    assert_int_equal(sw_tls_names_add(n, SW_SLICE("A.test"), &g_one), SW_OK);
    assert_int_equal(sw_tls_names_add(n, SW_SLICE("a.TEST"), &g_two), SW_DENIED);
    assert_ptr_equal(find(n, "a.test"), &g_one);
    sw_tls_names_free(n);
}

static void test_names_that_are_none_are_refused(void **state)
{
    struct sw_tls_names *n = sw_tls_names_new(0);
    char text[300];
    (void)state;
    memset(text, 'a', sizeof(text));
    assert_int_equal(sw_tls_names_add(n, SW_SLICE(""), &g_one), SW_PEER_SYNTAX);
    assert_int_equal(sw_tls_names_add(n, sw_slice(text, 254), &g_one), SW_PEER_SYNTAX);
    assert_int_equal(sw_tls_names_add(n, sw_slice(text, 253), &g_one), SW_OK);
    assert_ptr_equal(sw_tls_names_find(n, sw_slice(text, 253)), &g_one);
    assert_null(sw_tls_names_find(n, sw_slice(text, 254)));
    text[1] = '.';
    assert_null(sw_tls_names_find(n, sw_slice(text, 300)));
    sw_tls_names_free(n);
}

static void test_names_are_found_among_ten_thousand(void **state)
{
    static struct sw_tls_identity ids[MANY];
    struct sw_tls_names *n = sw_tls_names_new(MANY);
    char name[64];
    (void)state;
    for (uint32_t i = 0; i < MANY; i++) {
        ids[i].id = i + 1;
        snprintf(name, sizeof(name), "h%u.example.test", i);
        assert_int_equal(sw_tls_names_add(n, sw_slice_str(name), &ids[i]), SW_OK);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "H%u.example.test", i);
        assert_ptr_equal(find(n, name), &ids[i]);
    }
    assert_null(find(n, "h10000.example.test"));
    sw_tls_names_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_found_whole_and_without_case),
        cmocka_unit_test(test_names_with_a_wildcard_stand_for_one_label),
        cmocka_unit_test(test_names_stay_with_the_first_that_has_them),
        cmocka_unit_test(test_names_that_are_none_are_refused),
        cmocka_unit_test(test_names_are_found_among_ten_thousand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "support/unit.h"

#include "sip/scan.h"

/* At every distance, also where fewer than sixteen bytes are left; the sanitizer watches the end.
 */
static void test_scan_finds_the_first_and_reads_no_further(void **state)
{
    (void)state;
    enum { LONGEST = 70 };
    char text[LONGEST];
    memset(text, 'x', sizeof(text));
    for (size_t n = 0; n <= LONGEST; n++)
        for (size_t at = 0; at <= n; at++) {
            struct sw_slice s = unit_exact(text, n);
            char *p = (char *)(uintptr_t)s.p;
            if (at < n)
                p[at] = at % 2 ? '\r' : '\n';
            if (at + 2 < n)
                p[at + 2] = '\n'; /* a later one */
            assert_ptr_equal(sw_scan_line_end(p, p + n), p + at);
            unit_free(s);
        }
}

static void test_scan_stops_at_no_other_byte(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[40];
        memset(text, c, sizeof(text));
        bool stops = c == '\r' || c == '\n';
        assert_ptr_equal(sw_scan_line_end(text, text + sizeof(text)),
                         stops ? text : text + sizeof(text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan_finds_the_first_and_reads_no_further),
        cmocka_unit_test(test_scan_stops_at_no_other_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What unit tests of SIP text share: cmocka with the headers it needs, random numbers, assertions
 * on slices, and bytes in memory of exactly their size. */
#ifndef TESTS_SUPPORT_UNIT_H
#define TESTS_SUPPORT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/random.h"

#define UNIT_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Both must be the same bytes; NULL stands for a slice without memory. */
#define assert_slice(s, text) unit_slice((s), (text), __FILE__, __LINE__)

static inline void unit_slice(struct sw_slice s, const char *text, const char *file, int line)
{
    if (text ? s.p && sw_slice_eq(s, sw_slice_str(text)) : !s.p)
        return;
    print_error("\"%.*s\" is not \"%s\"\n", SW_SLICE_ARG(s), text ? text : "(NULL)");
    _fail(file, line);
}

/* A copy without a byte behind it, so that the address sanitizer sees every step too far. */
static inline struct sw_slice unit_exact(const char *p, size_t n)
{
    char *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    if (n)
        memcpy(copy, p, n);
    return sw_slice(n ? copy : copy + 1, n);
}

static inline void unit_free(struct sw_slice s)
{
    free((char *)(uintptr_t)(s.n ? s.p : s.p - 1));
}

#endif

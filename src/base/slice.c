#include "base/slice.h"

bool sw_bytes_eq_case(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i] && sw_ascii_lower(a[i]) != sw_ascii_lower(b[i]))
            return false;
    return true;
}

size_t sw_slice_find(struct sw_slice s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

bool sw_slice_u64(struct sw_slice s, uint64_t max, uint64_t *value)
{
    uint64_t v = 0;
    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!sw_ascii_digit(s.p[i]))
            return false;
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v))
            return false;
    }
    if (v > max)
        return false;
    *value = v;
    return true;
}

bool sw_slice_glob(struct sw_slice pattern, struct sw_slice s)
{
    size_t p = 0, i = 0, star = SIZE_MAX, mark = 0;
    while (i < s.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            mark = i;
        } else if (p < pattern.n && sw_ascii_lower(pattern.p[p]) == sw_ascii_lower(s.p[i])) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

void sw_segs_copy(const struct sw_slice *segs, size_t count, char *p)
{
    for (size_t i = 0; i < count; i++) {
        memcpy(p, segs[i].p, segs[i].n);
        p += segs[i].n;
    }
}

size_t sw_segs_total(const struct sw_slice *segs, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += segs[i].n;
    return n;
}

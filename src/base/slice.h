/* A borrowed run of bytes. It owns nothing: it is valid as long as what it was cut from. */
#ifndef SW_BASE_SLICE_H
#define SW_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sw_slice {
    const char *p;
    size_t n;
};

/* A slice of a string literal. */
#define SW_SLICE(literal) ((struct sw_slice){(literal), sizeof(literal) - 1})

/* printf("%.*s", SW_SLICE_ARG(s)) */
#define SW_SLICE_ARG(s) (int)(s).n, (s).p ? (s).p : ""

static inline struct sw_slice sw_slice(const char *p, size_t n)
{
    return (struct sw_slice){p, n};
}

static inline struct sw_slice sw_slice_str(const char *s)
{
    return (struct sw_slice){s, s ? strlen(s) : 0};
}

static inline bool sw_slice_eq(struct sw_slice a, struct sw_slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/** The lower-case form of an ASCII letter; other bytes unchanged, whatever the locale. */
static inline char sw_ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline bool sw_ascii_digit(char c)
{
    return c >= '0' && c <= '9';
}

/** Equality of `n` bytes without regard to ASCII case. */
bool sw_bytes_eq_case(const char *a, const char *b, size_t n);

/** Equality without regard to ASCII case. */
static inline bool sw_slice_eq_case(struct sw_slice a, struct sw_slice b)
{
    return a.n == b.n && sw_bytes_eq_case(a.p, b.p, a.n);
}

/** True if `s` starts with `prefix`, without regard to ASCII case. */
static inline bool sw_slice_starts_case(struct sw_slice s, struct sw_slice prefix)
{
    return s.n >= prefix.n && sw_bytes_eq_case(s.p, prefix.p, prefix.n);
}

static inline bool sw_ascii_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/** Without white space (SP HTAB CR LF) at both ends. */
static inline struct sw_slice sw_slice_trim(struct sw_slice s)
{
    while (s.n && sw_ascii_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n && sw_ascii_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

/** The offset of the first `c`, or s.n if there is none. */
size_t sw_slice_find(struct sw_slice s, char c);

/**
 * A decimal number without sign, all of `s` digits.
 * False if it is not one or is over `max`; `value` is then untouched.
 */
bool sw_slice_u64(struct sw_slice s, uint64_t max, uint64_t *value);

/** A glob match where `*` stands for any run of bytes; the rest compares without ASCII case. */
bool sw_slice_glob(struct sw_slice pattern, struct sw_slice s);

/** Copies pieces, one after the other, into one run of bytes; `p` holds their sum. */
void sw_segs_copy(const struct sw_slice *segs, size_t count, char *p);

/** The sum of the pieces. */
size_t sw_segs_total(const struct sw_slice *segs, size_t count);

static inline struct sw_slice sw_slice_from(struct sw_slice s, size_t at)
{
    if (at >= s.n)
        return sw_slice(s.n ? s.p + s.n : s.p, 0);
    return sw_slice(s.p + at, s.n - at);
}

#endif

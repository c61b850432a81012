/* A writer over memory it is given: it never grows and never overruns; what does not fit is
 * remembered as `full`, so that a builder checks once at the end. */
#ifndef SW_BASE_BUF_H
#define SW_BASE_BUF_H

#include "base/slice.h"

struct sw_buf {
    char *p;
    size_t n;
    size_t cap;
    bool full;
};

static inline struct sw_buf sw_buf(void *p, size_t cap)
{
    return (struct sw_buf){.p = p, .cap = cap};
}

/** Appends bytes, all or none. */
static inline void sw_buf_put(struct sw_buf *b, const void *p, size_t n)
{
    if (n > b->cap - b->n) {
        b->full = true;
        return;
    }
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
}

static inline void sw_buf_slice(struct sw_buf *b, struct sw_slice s)
{
    sw_buf_put(b, s.p, s.n);
}

static inline void sw_buf_char(struct sw_buf *b, char c)
{
    sw_buf_put(b, &c, 1);
}

/** Appends a string literal. */
#define sw_buf_lit(b, literal) sw_buf_put((b), (literal), sizeof(literal) - 1)

static inline void sw_buf_str(struct sw_buf *b, const char *s)
{
    sw_buf_put(b, s, strlen(s));
}

/** Appends a decimal number. */
void sw_buf_u64(struct sw_buf *b, uint64_t v);
void sw_buf_i64(struct sw_buf *b, int64_t v);

/** Appends bytes as lower-case hexadecimal digits. */
void sw_buf_hex(struct sw_buf *b, const void *p, size_t n);

static inline struct sw_slice sw_buf_view(const struct sw_buf *b)
{
    return sw_slice(b->p, b->n);
}

#endif

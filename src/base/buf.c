#include "base/buf.h"

void sw_buf_u64(struct sw_buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    sw_buf_put(b, digits + at, sizeof(digits) - at);
}

void sw_buf_i64(struct sw_buf *b, int64_t v)
{
    if (v < 0)
        sw_buf_char(b, '-');
    sw_buf_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void sw_buf_hex(struct sw_buf *b, const void *p, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *u = p;
    for (size_t i = 0; i < n; i++) {
        char two[2] = {hex[u[i] >> 4], hex[u[i] & 15]};
        sw_buf_put(b, two, 2);
    }
}

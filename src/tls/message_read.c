#include "tls/message_read.h"

unsigned sw_tls_reader_get(struct sw_tls_reader *r, unsigned bytes)
{
    unsigned v = 0;
    if (r->s.n < bytes) {
        r->bad = true;
        r->s.n = 0;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | (uint8_t)r->s.p[i];
    r->s = sw_slice_from(r->s, bytes);
    return v;
}

struct sw_tls_reader sw_tls_reader_sub(struct sw_tls_reader *r, unsigned bytes)
{
    unsigned n = sw_tls_reader_get(r, bytes);
    struct sw_tls_reader x = {.bad = r->bad || n > r->s.n};
    if (x.bad) {
        r->bad = true;
        return x;
    }
    x.s = sw_slice(r->s.p, n);
    r->s = sw_slice_from(r->s, n);
    return x;
}

bool sw_tls_reader_extension(struct sw_tls_reader list, unsigned wanted, struct sw_tls_reader *out)
{
    while (list.s.n && !list.bad) {
        unsigned type = sw_tls_reader_get(&list, 2);
        struct sw_tls_reader body = sw_tls_reader_sub(&list, 2);
        if (type == wanted && !body.bad) {
            *out = body;
            return true;
        }
    }
    return false;
}

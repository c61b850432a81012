/* A ClientHello made by hand, that offers what no library would. cmocka.h comes first. */
#ifndef SW_TESTS_OFFER_H
#define SW_TESTS_OFFER_H

#include "base/buf.h"
#include "tls/policy.h"

enum { LIST = 4096, X25519 = 0x001d, HELLO_BYTES = 32 * 1024 };
enum { SSL_3_0 = 0x0300, SCSV_RENEGOTIATION = 0x00ff, SCSV_FALLBACK = 0x5600 };

struct list {
    unsigned n;
    uint16_t v[LIST];
};

/* A ClientHello to be made. */
struct offer {
    unsigned version; /* the highest, or the only one of TLS 1.3 */
    struct list suites, groups, signatures;
};

static inline void add(struct list *l, unsigned v)
{
    assert_true(l->n < LIST);
    l->v[l->n++] = (uint16_t)v;
}

static inline void range(struct list *l, unsigned from, unsigned to)
{
    l->n = 0;
    for (unsigned v = from; v <= to; v++)
        if (v != SCSV_RENEGOTIATION && v != SCSV_FALLBACK)
            add(l, v);
}

static inline void put16(struct sw_buf *b, unsigned v)
{
    sw_buf_char(b, (char)(v >> 8));
    sw_buf_char(b, (char)v);
}

static inline void put_list(struct sw_buf *b, const struct list *l)
{
    put16(b, l->n * 2);
    for (unsigned i = 0; i < l->n; i++)
        put16(b, l->v[i]);
}

static inline void put_list_extension(struct sw_buf *b, unsigned type, const struct list *l)
{
    put16(b, type);
    put16(b, l->n * 2 + 2);
    put_list(b, l);
}

static inline bool in_list(const struct list *l, unsigned v)
{
    for (unsigned i = 0; i < l->n; i++)
        if (l->v[i] == v)
            return true;
    return false;
}

static inline void put_tls_1_3(struct sw_buf *b, const struct offer *o)
{
    static const char point[32] = {9};
    bool share = in_list(&o->groups, X25519);
    put16(b, 43);
    put16(b, 3);
    sw_buf_char(b, 2);
    put16(b, o->version);
    put16(b, 51);
    put16(b, share ? 38 : 2);
    put16(b, share ? 36 : 0);
    if (!share)
        return;
    put16(b, X25519);
    put16(b, sizeof(point));
    sw_buf_put(b, point, sizeof(point));
}

/* A ClientHello, without its header, that also offers compression, which TLS 1.3 has not. RFC 8446
 * 4.1.2 */
static inline void put_hello(struct sw_buf *b, const struct offer *o)
{
    static const char random[32] = "a client that offers everything";
    static char space[HELLO_BYTES];
    struct sw_buf ext = sw_buf(space, sizeof(space));
    put16(b, o->version < SW_TLS_1_2 ? o->version : SW_TLS_1_2);
    sw_buf_put(b, random, sizeof(random));
    sw_buf_char(b, 0);
    put_list(b, &o->suites);
    if (o->version < SW_TLS_1_3)
        sw_buf_put(b, "\2\1\0", 3); /* DEFLATE (RFC 3749), null */
    else
        sw_buf_put(b, "\1\0", 2);
    sw_buf_put(&ext, "\xff\x01\0\1\0", 5);
    sw_buf_put(&ext, "\0\x0b\0\2\1\0", 6);       /* uncompressed points */
    sw_buf_put(&ext, "\0\x16\0\0\0\x17\0\0", 8); /* encrypt_then_mac, extended_master_secret */
    put_list_extension(&ext, 10, &o->groups);
    if (o->version >= SW_TLS_1_2)
        put_list_extension(&ext, 13, &o->signatures);
    if (o->version >= SW_TLS_1_3)
        put_tls_1_3(&ext, o);
    put16(b, (unsigned)ext.n);
    sw_buf_put(b, ext.p, ext.n);
    assert_false(b->full || ext.full);
}

#endif

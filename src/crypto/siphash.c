#include "crypto/siphash.h"

static inline uint64_t rotl(uint64_t x, int b)
{
    return x << b | x >> (64 - b);
}

static inline void rounds(struct sw_siphash *h, int n)
{
    while (n--) {
        h->v0 += h->v1;
        h->v1 = rotl(h->v1, 13) ^ h->v0;
        h->v0 = rotl(h->v0, 32);
        h->v2 += h->v3;
        h->v3 = rotl(h->v3, 16) ^ h->v2;
        h->v0 += h->v3;
        h->v3 = rotl(h->v3, 21) ^ h->v0;
        h->v2 += h->v1;
        h->v1 = rotl(h->v1, 17) ^ h->v2;
        h->v2 = rotl(h->v2, 32);
    }
}

static inline void word(struct sw_siphash *h, uint64_t m)
{
    h->v3 ^= m;
    rounds(h, 2);
    h->v0 ^= m;
}

static inline uint64_t load(const void *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static void init(struct sw_siphash *h, struct sw_sip_key key)
{
    *h = (struct sw_siphash){
        .v0 = key.k0 ^ UINT64_C(0x736f6d6570736575),
        .v1 = key.k1 ^ UINT64_C(0x646f72616e646f6d),
        .v2 = key.k0 ^ UINT64_C(0x6c7967656e657261),
        .v3 = key.k1 ^ UINT64_C(0x7465646279746573),
    };
}

void sw_siphash_init(struct sw_siphash *h, struct sw_sip_key key)
{
    init(h, key);
    h->v1 ^= 0xee;
}

void sw_siphash_add(struct sw_siphash *h, const void *p, size_t n)
{
    const uint8_t *u = p;
    unsigned held = h->total & 7;
    h->total += n;
    for (; held && n; n--) {
        h->tail |= (uint64_t)*u++ << 8 * held;
        held = (held + 1) & 7;
        if (!held) {
            word(h, h->tail);
            h->tail = 0;
        }
    }
    for (; n >= 8; n -= 8, u += 8)
        word(h, load(u));
    for (; n; n--, held++)
        h->tail |= (uint64_t)*u++ << 8 * held;
}

void sw_siphash_slice(struct sw_siphash *h, struct sw_slice s)
{
    uint32_t n = (uint32_t)s.n;
    sw_siphash_add(h, &n, sizeof(n));
    sw_siphash_add(h, s.p, s.n);
}

void sw_siphash_slice_lower(struct sw_siphash *h, struct sw_slice s)
{
    uint32_t n = (uint32_t)s.n;
    sw_siphash_add(h, &n, sizeof(n));
    while (s.n) {
        char piece[64];
        size_t k = s.n < sizeof(piece) ? s.n : sizeof(piece);
        for (size_t i = 0; i < k; i++)
            piece[i] = sw_ascii_lower(s.p[i]);
        sw_siphash_add(h, piece, k);
        s = sw_slice_from(s, k);
    }
}

static void last(struct sw_siphash *h)
{
    word(h, h->tail | h->total << 56);
}

struct sw_key sw_siphash_end(struct sw_siphash *h)
{
    struct sw_key k;
    last(h);
    h->v2 ^= 0xee;
    rounds(h, 4);
    k.a = h->v0 ^ h->v1 ^ h->v2 ^ h->v3;
    h->v1 ^= 0xdd;
    rounds(h, 4);
    k.b = h->v0 ^ h->v1 ^ h->v2 ^ h->v3;
    return k;
}

uint64_t sw_siphash64(struct sw_sip_key key, const void *p, size_t n)
{
    struct sw_siphash h;
    init(&h, key);
    sw_siphash_add(&h, p, n);
    last(&h);
    h.v2 ^= 0xff;
    rounds(&h, 4);
    return h.v0 ^ h.v1 ^ h.v2 ^ h.v3;
}

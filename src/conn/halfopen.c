#include "conn/halfopen.h"

#include "crypto/siphash.h"
#include "sys/random.h"
#include <stdatomic.h>
#include <stdlib.h>

struct sw_halfopen {
    struct sw_sip_key key; /* secret: nobody can choose whose counters are shared */
    _Atomic uint32_t n[SW_HALFOPEN_ROWS][SW_HALFOPEN_COUNTERS];
};

struct sw_halfopen *sw_halfopen_new(void)
{
    struct sw_halfopen *h = calloc(1, sizeof(*h));
    if (h && sw_random(&h->key, sizeof(h->key)) == SW_OK)
        return h;
    free(h);
    return NULL;
}

void sw_halfopen_free(struct sw_halfopen *h)
{
    free(h);
}

/* The counters of a source. */
static void find(struct sw_halfopen *h, const struct sw_endpoint *from,
                 _Atomic uint32_t *out[SW_HALFOPEN_ROWS])
{
    enum { PREFIX_BYTES = 8 };
    uint8_t source[sizeof(from->ip) + 1] = {from->family};
    memcpy(source + 1, from->ip, from->family == 6 ? PREFIX_BYTES : sizeof(from->ip));
    uint64_t hash = sw_siphash64(h->key, source, sizeof(source));
    for (int i = 0; i < SW_HALFOPEN_ROWS; i++, hash >>= 32)
        out[i] = &h->n[i][hash % SW_HALFOPEN_COUNTERS];
}

void sw_halfopen_leave(struct sw_halfopen *h, const struct sw_endpoint *from)
{
    _Atomic uint32_t *n[SW_HALFOPEN_ROWS];
    find(h, from, n);
    for (int i = 0; i < SW_HALFOPEN_ROWS; i++)
        atomic_fetch_sub_explicit(n[i], 1, memory_order_relaxed);
}

bool sw_halfopen_enter(struct sw_halfopen *h, const struct sw_endpoint *from, uint32_t max)
{
    _Atomic uint32_t *n[SW_HALFOPEN_ROWS];
    uint32_t least = UINT32_MAX;
    find(h, from, n);
    for (int i = 0; i < SW_HALFOPEN_ROWS; i++) {
        uint32_t before = atomic_fetch_add_explicit(n[i], 1, memory_order_relaxed);
        least = before < least ? before : least;
    }
    if (!max || least < max)
        return true;
    sw_halfopen_leave(h, from);
    return false;
}

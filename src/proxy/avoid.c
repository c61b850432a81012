#include "proxy/avoid.h"

#include "crypto/siphash.h"

/* Whoever finds another place with the same hash has it avoided, no more. */
static uint64_t hash(uint32_t whose, const struct sw_endpoint *e, unsigned transport)
{
    const struct sw_sip_key fixed = {UINT64_C(0x5369707761726421), UINT64_C(0x706c616365732121)};
    const uint32_t rest[] = {e->port, e->family, e->scope, transport, whose};
    struct sw_siphash h;
    sw_siphash_init(&h, fixed);
    sw_siphash_add(&h, e->ip, sizeof(e->ip));
    sw_siphash_add(&h, rest, sizeof(rest));
    return sw_siphash_end(&h).a | 1;
}

/* A value of `until`, and what stands in it. They keep the order of the times. */
enum { HELD = 1 };

static int64_t value_of(int64_t until_ms, int held)
{
    return until_ms * 2 + held;
}

static int64_t value_at(const struct sw_avoid *a, unsigned set, unsigned way)
{
    return atomic_load_explicit(&a->set[set][way].until, memory_order_relaxed);
}

static int64_t ms_of(int64_t value)
{
    return value == INT64_MIN ? value : (value - (value & HELD)) / 2;
}

/* Each word is written for itself; one who reads a mixture of two places sees another hash. */
static void put_place(struct sw_avoid *a, unsigned set, unsigned way, const struct sw_avoided *x)
{
    const struct sw_endpoint *e = &x->remote;
    uint64_t ip[2];
    memcpy(ip, e->ip, sizeof(ip));
    for (int i = 0; i < 2; i++)
        atomic_store_explicit(&a->set[set][way].ip[i], ip[i], memory_order_relaxed);
    atomic_store_explicit(&a->set[set][way].more,
                          (uint64_t)e->scope << 32 | (uint64_t)e->port << 16 |
                              (uint64_t)e->family << 8 | x->transport,
                          memory_order_relaxed);
    atomic_store_explicit(&a->set[set][way].whose, x->whose, memory_order_relaxed);
}

static void get_place(const struct sw_avoid *a, unsigned set, unsigned way, struct sw_avoided *out)
{
    uint64_t ip[2], more = atomic_load_explicit(&a->set[set][way].more, memory_order_relaxed);
    for (int i = 0; i < 2; i++)
        ip[i] = atomic_load_explicit(&a->set[set][way].ip[i], memory_order_relaxed);
    *out = (struct sw_avoided){
        .remote = {.port = (uint16_t)(more >> 16),
                   .family = (uint8_t)(more >> 8),
                   .scope = (uint32_t)(more >> 32)},
        .whose = (uint32_t)atomic_load_explicit(&a->set[set][way].whose, memory_order_relaxed),
        .transport = (uint8_t)more,
        .until_ms = ms_of(value_at(a, set, way)),
    };
    memcpy(out->remote.ip, ip, sizeof(ip));
}

/* The way of a hash in its set; -1: none. */
static int way_of(const struct sw_avoid *a, uint64_t what)
{
    for (unsigned i = 0; i < SW_AVOID_WAYS; i++)
        if (atomic_load_explicit(&a->set[what / 2 % SW_AVOID_SETS][i].what, memory_order_relaxed) ==
            what)
            return (int)i;
    return -1;
}

static void put(struct sw_avoid *a, const struct sw_avoided *x, int64_t value)
{
    uint64_t what = hash(x->whose, &x->remote, x->transport);
    unsigned set = what / 2 % SW_AVOID_SETS;
    int way = way_of(a, what);
    if (way >= 0 && !(value & HELD) && value_at(a, set, (unsigned)way) & HELD &&
        value_at(a, set, (unsigned)way) > value)
        return;
    if (way < 0) {
        way = 0;
        for (unsigned k = 1; k < SW_AVOID_WAYS; k++)
            if (value_at(a, set, k) < value_at(a, set, (unsigned)way))
                way = (int)k;
    }
    put_place(a, set, (unsigned)way, x);
    atomic_store_explicit(&a->set[set][way].until, value, memory_order_relaxed);
    atomic_store_explicit(&a->set[set][way].what, what, memory_order_relaxed);
}

void sw_avoid_add(struct sw_avoid *a, uint32_t whose, const struct sw_endpoint *remote,
                  unsigned transport, int64_t until_ms)
{
    const struct sw_avoided x = {
        .remote = *remote, .whose = whose, .transport = (uint8_t)transport};
    if (a)
        put(a, &x, value_of(until_ms, 0));
}

void sw_avoid_hold(struct sw_avoid *a, uint32_t whose, const struct sw_endpoint *remote,
                   unsigned transport, int64_t until_ms)
{
    const struct sw_avoided x = {
        .remote = *remote, .whose = whose, .transport = (uint8_t)transport};
    if (a)
        put(a, &x, value_of(until_ms, HELD));
}

void sw_avoid_clear(struct sw_avoid *a, uint32_t whose, const struct sw_endpoint *remote,
                    unsigned transport)
{
    uint64_t what = a ? hash(whose, remote, transport) : 0;
    int way = a ? way_of(a, what) : -1;
    unsigned set = what / 2 % SW_AVOID_SETS;
    if (way >= 0 && !(value_at(a, set, (unsigned)way) & HELD))
        atomic_store_explicit(&a->set[set][way].until, INT64_MIN, memory_order_relaxed);
}

int64_t sw_avoid_until(const struct sw_avoid *a, uint32_t whose, const struct sw_endpoint *remote,
                       unsigned transport)
{
    uint64_t what = a ? hash(whose, remote, transport) : 0;
    int way = a ? way_of(a, what) : -1;
    int64_t value = way >= 0 ? value_at(a, what / 2 % SW_AVOID_SETS, (unsigned)way) : INT64_MIN;
    return ms_of(value);
}

bool sw_avoid_has(const struct sw_avoid *a, uint32_t whose, const struct sw_endpoint *remote,
                  unsigned transport, int64_t now_ms)
{
    return sw_avoid_until(a, whose, remote, transport) > now_ms;
}

bool sw_avoid_next(const struct sw_avoid *a, uint32_t *at, int64_t now_ms, struct sw_avoided *out)
{
    while (a && *at < SW_AVOID_SETS * SW_AVOID_WAYS) {
        unsigned set = *at / SW_AVOID_WAYS, way = (*at)++ % SW_AVOID_WAYS;
        uint64_t what = atomic_load_explicit(&a->set[set][way].what, memory_order_relaxed);
        get_place(a, set, way, out);
        if (what && out->until_ms > now_ms &&
            hash(out->whose, &out->remote, out->transport) == what)
            return true;
    }
    return false;
}

void sw_avoid_copy(const struct sw_avoid *from, struct sw_avoid *to)
{
    for (unsigned i = 0; i < SW_AVOID_SETS; i++)
        for (unsigned k = 0; k < SW_AVOID_WAYS; k++) {
            struct sw_avoided x;
            get_place(from, i, k, &x);
            put_place(to, i, k, &x);
            atomic_store(&to->set[i][k].until, atomic_load(&from->set[i][k].until));
            atomic_store(&to->set[i][k].what, atomic_load(&from->set[i][k].what));
        }
}

#include "proxy/calls_open.h"

#include <stdlib.h>

enum { PER_SET = SW_CALLS_OPEN_WAYS / 4 }; /* calls: most sets keep room, by chance */

struct sw_calls_open *sw_calls_open_new(uint32_t calls)
{
    uint32_t sets = 1;
    while (sets < calls / PER_SET + 1)
        sets *= 2;
    struct sw_calls_open *o = calloc(1, sizeof(*o) + sets * sizeof(o->key[0]));
    if (o)
        o->mask = sets - 1;
    return o;
}

/* Bits that the buckets of one worker do not use: see calls.c. */
static uint32_t set_of(const struct sw_calls_open *o, uint64_t key)
{
    return (uint32_t)(key >> 32) & o->mask;
}

static bool change(struct sw_calls_open *o, uint64_t key, uint64_t from, uint64_t to)
{
    uint32_t set = o ? set_of(o, key) : 0;
    for (int i = 0; o && i < SW_CALLS_OPEN_WAYS; i++) {
        uint64_t expected = from;
        if (atomic_load_explicit(&o->key[set][i], memory_order_relaxed) == from &&
            atomic_compare_exchange_strong_explicit(&o->key[set][i], &expected, to,
                                                    memory_order_relaxed, memory_order_relaxed))
            return true;
    }
    return false;
}

bool sw_calls_open_add(struct sw_calls_open *o, uint64_t key)
{
    return sw_calls_open_has(o, key) || change(o, key, 0, key);
}

bool sw_calls_open_del(struct sw_calls_open *o, uint64_t key)
{
    return change(o, key, key, 0);
}

bool sw_calls_open_has(const struct sw_calls_open *o, uint64_t key)
{
    uint32_t set = o ? set_of(o, key) : 0;
    for (int i = 0; o && i < SW_CALLS_OPEN_WAYS; i++)
        if (atomic_load_explicit(&o->key[set][i], memory_order_relaxed) == key)
            return true;
    return false;
}

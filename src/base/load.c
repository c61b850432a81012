#include "base/load.h"

#include <stdlib.h>

static const int64_t second_ns = 1000000000;

struct sw_load *sw_load_new(void)
{
    struct sw_load *l = calloc(1, sizeof(*l));
    if (l)
        atomic_store_explicit(&l->refs, 1, memory_order_relaxed);
    return l;
}

struct sw_load *sw_load_ref(struct sw_load *l)
{
    atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    return l;
}

void sw_load_unref(struct sw_load *l)
{
    if (l && atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) == 1)
        free(l);
}

/* Counts first and looks then: two at once cannot both pass for the last place. */
static bool count(struct sw_load *l, _Atomic uint32_t *n, uint32_t most)
{
    if (atomic_fetch_add_explicit(n, 1, memory_order_relaxed) >= (most ? most : UINT32_MAX)) {
        atomic_fetch_sub_explicit(n, 1, memory_order_relaxed);
        return false;
    }
    sw_load_ref(l);
    return true;
}

static void uncount(struct sw_load **l, _Atomic uint32_t *n)
{
    atomic_fetch_sub_explicit(n, 1, memory_order_relaxed);
    sw_load_unref(*l);
    *l = NULL;
}

bool sw_load_enter(struct sw_load *l, enum sw_load_way_of way, uint32_t most)
{
    return count(l, &l->way[way].now, most);
}

void sw_load_leave(struct sw_load **l, enum sw_load_way_of way)
{
    if (*l)
        uncount(l, &(*l)->way[way].now);
}

bool sw_load_connect(struct sw_load *l, enum sw_load_way_of way, uint32_t most)
{
    return count(l, &l->way[way].connections, most);
}

void sw_load_disconnect(struct sw_load **l, enum sw_load_way_of way)
{
    if (*l)
        uncount(l, &(*l)->way[way].connections);
}

/* When the bucket would be full if one more were taken; it may lack a second's tokens at most. */
static bool after_one(int64_t full_ns, uint32_t per_s, int64_t now_ms, int64_t *then_ns)
{
    int64_t now_ns = now_ms * (second_ns / 1000);
    *then_ns = (full_ns > now_ns ? full_ns : now_ns) + second_ns / per_s;
    return *then_ns - now_ns <= second_ns;
}

bool sw_load_has_token(const struct sw_load_way *w, uint32_t per_s, int64_t now_ms)
{
    int64_t then;
    return !per_s ||
           after_one(atomic_load_explicit(&w->full_ns, memory_order_relaxed), per_s, now_ms, &then);
}

bool sw_load_take(struct sw_load_way *w, uint32_t per_s, int64_t now_ms)
{
    int64_t was = atomic_load_explicit(&w->full_ns, memory_order_relaxed), then;
    if (!per_s)
        return true;
    do {
        if (!after_one(was, per_s, now_ms, &then))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&w->full_ns, &was, then, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static uint64_t second_of(int64_t now_ms)
{
    return (uint64_t)(now_ms / 1000) << 32;
}

void sw_load_begun(struct sw_load_way *w, int64_t now_ms)
{
    uint64_t was = atomic_load_explicit(&w->second, memory_order_relaxed), now = second_of(now_ms);
    atomic_fetch_add_explicit(&w->begun, 1, memory_order_relaxed);
    /* a worker whose turn began in the last second adds to this one */
    while (!atomic_compare_exchange_weak_explicit(&w->second, &was,
                                                  (was >> 32 << 32) >= now ? was + 1 : now + 1,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
    if ((was >> 32 << 32) < now)
        atomic_store_explicit(&w->before, was, memory_order_relaxed);
}

uint32_t sw_load_per_second(const struct sw_load_way *w, int64_t now_ms)
{
    uint64_t last = now_ms < 1000 ? UINT64_MAX : second_of(now_ms - 1000);
    uint64_t n[2] = {atomic_load_explicit(&w->second, memory_order_relaxed),
                     atomic_load_explicit(&w->before, memory_order_relaxed)};
    for (int i = 0; i < 2; i++)
        if (n[i] >> 32 << 32 == last)
            return (uint32_t)n[i];
    return 0;
}

uint32_t sw_load_refused(struct sw_load_way *w, int64_t now_ms)
{
    int64_t at = atomic_load_explicit(&w->say_at_ms, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->refused, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->held, 1, memory_order_relaxed);
    if (now_ms < at ||
        !atomic_compare_exchange_strong_explicit(&w->say_at_ms, &at, now_ms + SW_LOAD_SAY_MS,
                                                 memory_order_relaxed, memory_order_relaxed))
        return 0;
    return atomic_exchange_explicit(&w->held, 0, memory_order_relaxed);
}

/* What several threads use and one replaces: how many still use the old one. */
#ifndef SW_BASE_HOLD_H
#define SW_BASE_HOLD_H

#include <stdatomic.h>
#include <stdint.h>

struct sw_hold {
    _Atomic uint32_t users;
};

/** One more uses it. Any thread that uses it already, or whoever publishes it. */
static inline void sw_hold_take(struct sw_hold *h)
{
    if (h)
        atomic_fetch_add_explicit(&h->users, 1, memory_order_relaxed);
}

/** One less: what it wrote is seen by who finds nobody left. */
static inline void sw_hold_drop(struct sw_hold *h)
{
    if (h)
        atomic_fetch_sub_explicit(&h->users, 1, memory_order_release);
}

/** True if somebody uses it. Whoever replaced it. */
static inline int sw_hold_used(const struct sw_hold *h)
{
    return atomic_load_explicit(&h->users, memory_order_acquire) != 0;
}

#endif

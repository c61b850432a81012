/* What `ctl peers` says of a peer's health and load. docs/groups.md */
#ifndef SW_DAEMON_ANSWERS_LOAD_H
#define SW_DAEMON_ANSWERS_LOAD_H

#include "proxy/proxy.h"

enum { SW_HEALTH_BYTES = 160 };

/** True if the peer is passed over, or would be but for the one request that tries it again. */
bool sw_answer_is_down(const struct sw_peer_state *s, int64_t now_ms);

/** "up", "not asked", or "down: " and why, in static memory or `text`. */
const char *sw_answer_health(const struct sw_peer_conf *p, const struct sw_peer_state *s,
                             int64_t now_ms, char text[SW_HEALTH_BYTES]);

/** When it went down or came up last, by the wall clock; 0: not since the start. */
int64_t sw_answer_since_s(const struct sw_peer_state *s, int64_t now_ms);

static inline struct sw_field sw_answer_loaded(const char *name, const _Atomic uint32_t *n)
{
    return sw_field_number(name, atomic_load_explicit(n, memory_order_relaxed));
}

static inline struct sw_field sw_answer_counted(const char *name, const _Atomic uint64_t *n)
{
    return sw_field_number(name, (int64_t)atomic_load_explicit(n, memory_order_relaxed));
}

#endif

#include "daemon/answers_load.h"

#include "sys/clock.h"
#include <stdio.h>

static bool failed_in_a_row(const struct sw_peer_state *s)
{
    return s->load && atomic_load_explicit(&s->load->try_at_ms, memory_order_relaxed);
}

bool sw_answer_is_down(const struct sw_peer_state *s, int64_t now_ms)
{
    return atomic_load_explicit(&s->down_until_ms, memory_order_relaxed) > now_ms ||
           atomic_load_explicit(&s->ping_failed, memory_order_relaxed) || failed_in_a_row(s);
}

const char *sw_answer_health(const struct sw_peer_conf *p, const struct sw_peer_state *s,
                             int64_t now_ms, char text[SW_HEALTH_BYTES])
{
    if (atomic_load_explicit(&s->down_until_ms, memory_order_relaxed) > now_ms)
        return "down: 503 with Retry-After";
    if (atomic_load_explicit(&s->ping_failed, memory_order_relaxed))
        return "down: OPTIONS is not answered";
    if (failed_in_a_row(s)) {
        const char *why = atomic_load_explicit(&s->load->why, memory_order_relaxed);
        snprintf(text, SW_HEALTH_BYTES, "down: %u attempts in a row failed, the last: %s",
                 atomic_load_explicit(&s->load->failed, memory_order_relaxed), why ? why : "-");
        return text;
    }
    return p->ping_ms && (p->address_count || p->domain_count) ? "up" : "not asked";
}

int64_t sw_answer_since_s(const struct sw_peer_state *s, int64_t now_ms)
{
    int64_t at_ms = s->load ? atomic_load_explicit(&s->load->since_ms, memory_order_relaxed) : 0;
    return at_ms ? sw_clock_wall_s() - (now_ms - at_ms) / 1000 : 0;
}

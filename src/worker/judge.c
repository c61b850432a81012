/* Another configuration, and what it means for the connections that are open. */
#include "conn/attempt.h"
#include "crypto/revoke.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "worker/lookup.h"

/* A chain that is not in the cache costs a fifth of a millisecond. */
enum { PER_TURN = 64, TURN_US = 1000 };

void sw_worker_adopt(struct sw_worker *w)
{
    struct sw_worker_conf *next = atomic_load_explicit(&w->all->conf, memory_order_acquire);
    if (next == w->conf)
        return;
    if (sw_conns_adopt(&w->conns, &next->conn) != SW_OK) {
        SW_LOG(SW_LEVEL_ERROR, "adopt_delayed", sw_field_number("worker", w->index),
               sw_field_str("why", "memory is out"), sw_field_str("help", "it tries again"));
        return;
    }
    const struct sw_event ev = {.kind = SW_EV_ADOPT, .conf = next->step};
    sw_worker_event(w, &ev);
    sw_hold_take(&next->hold);
    sw_hold_drop(&w->conf->hold);
    w->conf = next;
    sw_worker_dns_adopt(w);
    w->judged = 0;
    w->judge_at_ms = w->now_ms;
    atomic_fetch_add_explicit(&w->adopted, 1, memory_order_release);
}

void sw_worker_judge_later(struct sw_worker *w)
{
    uint32_t every_ms = w->conf->conn.limits.recheck_ms;
    w->judge_at_ms = every_ms ? w->now_ms + every_ms : SW_TIMER_NEVER;
}

int64_t sw_worker_judge_at(const struct sw_worker *w)
{
    return w->judge_at_ms;
}

void sw_worker_learn(struct sw_worker *w)
{
    const struct sw_revocations *r = w->conns.conf.revocations;
    struct sw_ref ref;
    if (!r || sw_revocations_answers(r) == w->answers)
        return;
    w->answers = sw_revocations_answers(r);
    for (uint32_t i = 0; w->conns.waiting && i < w->conns.table.slots; i++) {
        struct sw_conn *c = sw_table_at(&w->conns.table, i, &ref);
        if (c && c->state == SW_CONN_IDENTITY && c->waits)
            sw_worker_settle(w, c, false);
    }
    if (sw_revocations_version(r) == w->revocations)
        return;
    w->revocations = sw_revocations_version(r);
    w->judged = 0;
    w->judge_at_ms = w->now_ms;
}

/* First what the certificate still proves, then whose the connection is by that. */
static void judge(struct sw_worker *w, struct sw_conn *c)
{
    enum sw_status s = sw_conn_judge_again(&w->conns, c);
    if (s == SW_LIMIT_MEMORY) /* then at the next time */
        return;
    if (s != SW_OK) {
        sw_attempt_failed(&w->conns, c, s, NULL, sw_slice("", 0));
        sw_worker_conn_over(w, c, s, "its certificate does not hold any more");
        return;
    }
    const struct sw_event ev = {.kind = SW_EV_IDENTIFY,
                                .flow = &c->flow,
                                .flow_id = c->flow.id,
                                .domain = sw_conn_domain(c),
                                .server = sw_conn_server(c),
                                .located = sw_conn_located(c)};
    sw_worker_event(w, &ev);
}

bool sw_worker_judge(struct sw_worker *w)
{
    struct sw_ref ref;
    if (w->judge_at_ms > w->now_ms)
        return false;
    int64_t until = sw_clock_us() + TURN_US;
    for (int n = 0; w->judged < w->conns.table.slots; w->judged++) {
        struct sw_conn *c = sw_table_at(&w->conns.table, w->judged, &ref);
        if (!c || c->state != SW_CONN_OPEN)
            continue;
        if (n++ == PER_TURN || sw_clock_us() >= until)
            return true;
        judge(w, c);
    }
    w->judged = 0;
    sw_worker_judge_later(w);
    return false;
}

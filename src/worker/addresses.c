/* Addresses that come and go: what a listener does while its address is on another machine, and the
 * end of the connections that were made with it. */
#include "conn/attempt.h"
#include "loop/address.h"
#include "loop/sock.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "worker/worker.h"

enum {
    SETTLE_MS = 20, /* the system tells of an address before its route follows; and they come many
                       at once */
    KNOWN = 8,      /* addresses that are not asked for again */
    TURN_US = 1000,
};

/* What the system said of some addresses. */
struct known {
    struct sw_endpoint address[KNOWN];
    bool here[KNOWN];
    unsigned count, next;
};

void sw_worker_addresses_changed(struct sw_worker *w)
{
    sw_address_seen(w->address_fd);
    w->addresses_at_ms = w->now_ms + SETTLE_MS;
    w->addresses_slot = 0;
}

static bool is_here(struct known *k, const struct sw_endpoint *e)
{
    for (unsigned i = 0; i < k->count; i++)
        if (sw_endpoint_ip_eq(&k->address[i], e))
            return k->here[i];
    unsigned i = k->next++ % KNOWN;
    k->count = k->count < KNOWN ? k->count + 1 : KNOWN;
    k->address[i] = *e;
    k->here[i] = sw_address_is_here(e);
    return k->here[i];
}

static void note(const struct sw_conn_listener *l, bool here)
{
    char text[SW_ENDPOINT_TEXT_MAX];
    struct sw_field f[] = {
        sw_field_str("listener", l->name),
        sw_field_str("address", sw_endpoint_text(&l->address, text)),
        sw_field_str("why", here ? "its address is on this machine now"
                                 : "its address is not on this machine: nothing is sent from it"),
        sw_field_str("help",
                     "give the address back to an interface, or set freebind: true if it is "
                     "to come and go"),
    };
    bool expected = here || l->freebind;
    sw_log(expected ? SW_LEVEL_INFO : SW_LEVEL_WARN, here ? "listener_here" : "listener_away", f,
           expected ? 3 : 4);
}

static void judge_listeners(struct sw_worker *w, struct known *k)
{
    for (uint16_t i = 0; i < w->all->listener_count; i++) {
        const struct sw_conn_listener *l = &w->conns.conf.listeners[i];
        bool here = is_here(k, &l->address);
        if (here != w->away[i])
            continue;
        w->away[i] = !here;
        if (w->index == 0)
            note(l, here);
        const struct sw_event ev = {
            .kind = SW_EV_LISTENER, .status = here ? SW_OK : SW_SYS_AWAY, .listener = i};
        sw_worker_event(w, &ev);
    }
}

/* Nothing that we send arrives any more, so that nobody is told: the peer learns it from the node
 * that has the address now. */
static void leave(struct sw_worker *w, struct sw_conn *c)
{
    const char *why = "our address is not on this machine any more";
    if (c->state < SW_CONN_OPEN) {
        sw_count(w->counters, SW_COUNT_CONNECTIONS_FAILED);
        sw_attempt_failed(&w->conns, c, SW_SYS_AWAY, why, sw_slice("", 0));
    }
    sw_sock_reset_on_close(c->fd);
    sw_worker_conn_over(w, c, SW_SYS_AWAY, why);
    if (w->pending_count)
        sw_worker_pending(w);
}

bool sw_worker_addresses(struct sw_worker *w)
{
    struct known known = {0};
    struct sw_ref ref;
    if (w->addresses_at_ms > w->now_ms)
        return false;
    int64_t until = sw_clock_us() + TURN_US;
    if (w->addresses_slot == 0)
        judge_listeners(w, &known);
    for (; w->addresses_slot < w->conns.table.slots; w->addresses_slot++) {
        struct sw_conn *c = sw_table_at(&w->conns.table, w->addresses_slot, &ref);
        if (!c || c->state == SW_CONN_GONE || is_here(&known, &c->flow.local))
            continue;
        if (sw_clock_us() >= until)
            return true;
        leave(w, c);
    }
    w->addresses_slot = 0;
    w->addresses_at_ms = SW_TIMER_NEVER;
    return false;
}

/* Connections that are more than a peer is to have, such as when both sides dialled at one moment,
 * or that were made with an identity which the peer is shown no longer. RFC 5923 8.1, 8.3, 9.3 */
#include "worker/worker.h"

static bool is_surplus(struct sw_worker *w, const struct sw_conn *c)
{
    const struct sw_conn_peer *peer = sw_conn_peer_find(&w->conns, c->flow.peer);
    uint32_t now = sw_conn_shown_id(&w->conns, c->flow.peer, c->flow.listener, c->local_domain);
    return c->listed && peer && c->tls &&
           sw_pool_is_surplus(w->all->pool, &c->flow, now, w->conf->connections_per_peer);
}

/* By default nothing has passed for longer than any transaction can last without a message: those
 * that ran are over. A shorter limit abandons them, and their users are told. RFC 5923 8.3 */
bool sw_worker_surplus(struct sw_worker *w, struct sw_conn *c)
{
    int64_t idle_until = c->active_ms + w->conns.conf.limits.idle_ms;
    if (c->part_late || idle_until <= w->now_ms)
        return false;
    if (is_surplus(w, c)) {
        sw_worker_conn_over(
            w, c, SW_OK, "limit surplus: its peer has enough others, or is shown another identity");
        return true;
    }
    int64_t again = w->now_ms + w->conns.conf.limits.surplus_ms;
    sw_timer_start(&w->conns.timers, &c->timer, again < idle_until ? again : idle_until);
    return true;
}

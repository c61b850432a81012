/* What a worker waits for, and what it does when a descriptor is ready: connections that are to be
 * accepted, datagrams, refused ones, and connections. */
#include "worker/worker.h"

#include "engine/owner.h"
#include "loop/address.h"
#include "loop/sock.h"
#include "sys/log.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    ACCEPTS_PER_TURN = 16,
    UDP_BATCHES_PER_TURN = 2,
    ACCEPT_PAUSE_MS = 100, /* after descriptors ran out */
};

/* Tags of descriptors that are no connections: generation 0, the kind above the index. */
enum {
    TAG_MAILBOX = 1u << 24,
    TAG_UDP = 2u << 24,
    TAG_ACCEPT = 3u << 24,
    TAG_ADDRESS = 4u << 24,
    TAG_KIND = 0xffu << 24
};

enum sw_status sw_worker_watch_listeners(struct sw_worker *w)
{
    for (uint16_t i = 0; i < w->all->listener_count; i++) {
        const struct sw_worker_listener *l = &w->all->listeners[i];
        enum sw_status s = SW_OK;
        if (l->udp)
            s = sw_loop_add(&w->loop, l->udp[w->index], SW_WANT_READ, TAG_UDP | i);
        if (s == SW_OK && l->tcp)
            s = sw_loop_add(&w->loop, l->tcp[w->index], SW_WANT_READ, TAG_ACCEPT | i);
        if (s != SW_OK)
            return s;
    }
    return sw_loop_add(&w->loop, w->mailbox.wake, SW_WANT_READ, TAG_MAILBOX);
}

enum sw_status sw_worker_watch_addresses(struct sw_worker *w)
{
    w->away = calloc(w->all->listener_count + 1u, sizeof(*w->away));
    if (!w->away)
        return SW_LIMIT_MEMORY;
    w->address_fd = sw_address_watch();
    if (w->address_fd >= 0)
        return sw_loop_add(&w->loop, w->address_fd, SW_WANT_READ, TAG_ADDRESS);
    if (w->index == 0)
        SW_LOG(SW_LEVEL_WARN, "addresses_unwatched", sw_field_str("why", strerror(errno)),
               sw_field_str("help", "AF_NETLINK must be allowed (RestrictAddressFamilies of the "
                                    "service), or an address that moves is noticed late"));
    return SW_OK;
}

static struct sw_worker *lightest(struct sw_worker *w)
{
    struct sw_worker *best = w;
    uint32_t least = atomic_load_explicit(&w->load, memory_order_relaxed);
    for (uint16_t i = 0; i < w->all->count; i++) {
        struct sw_worker *x = &w->all->worker[i];
        uint32_t load = atomic_load_explicit(&x->load, memory_order_relaxed);
        if (load < least) {
            least = load;
            best = x;
        }
    }
    return best;
}

static void take_up(struct sw_worker *w, int fd, uint16_t listener, bool tls,
                    const struct sw_endpoint *remote)
{
    struct sw_worker *to = lightest(w);
    atomic_fetch_add_explicit(&to->load, 1, memory_order_relaxed);
    if (to != w) {
        const struct sw_mail mail = {.kind = SW_MAIL_ACCEPTED,
                                     .from = w->index,
                                     .fd = fd,
                                     .listener = listener,
                                     .tls = tls,
                                     .remote = *remote};
        if (sw_worker_post(to, &mail, NULL, 0) == SW_OK)
            return;
        atomic_fetch_sub_explicit(&to->load, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&w->load, 1, memory_order_relaxed);
    }
    sw_worker_accepted(w, fd, listener, tls, false, remote);
}

void sw_worker_watch_accept(struct sw_worker *w, bool on)
{
    for (uint16_t i = 0; i < w->all->listener_count; i++)
        if (w->all->listeners[i].tcp)
            sw_loop_change(&w->loop, w->all->listeners[i].tcp[w->index], on ? SW_WANT_READ : 0,
                           TAG_ACCEPT | i);
}

static void accept_some(struct sw_worker *w, uint16_t listener)
{
    const struct sw_worker_listener *l = &w->all->listeners[listener];
    struct sw_endpoint remote;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = sw_sock_accept(l->tcp[w->index], &remote);
        if (fd >= 0) {
            take_up(w, fd, listener, l->tls, &remote);
            continue;
        }
        if (sw_sock_status(errno) == SW_LIMIT) {
            SW_LOG(SW_LEVEL_ERROR, "accept_paused",
                   sw_field_str("why", "the system gives no more descriptors"),
                   sw_field_str("help", "raise LimitNOFILE of the service (ulimit -n)"));
            sw_count(w->counters, SW_LIMITED_DESCRIPTORS);
            w->accept_again_ms = w->now_ms + ACCEPT_PAUSE_MS;
            sw_worker_watch_accept(w, false);
        }
        return;
    }
}

static void read_datagrams(struct sw_worker *w, uint16_t listener)
{
    int fd = w->all->listeners[listener].udp[w->index];
    struct sw_flow flow = {
        .id = {.instance = w->conns.conf.instance, .worker = SW_WORKER_ANY, .slot = listener},
        .local = w->conns.conf.listeners[listener].address,
        .listener = listener,
        .transport = SW_UDP,
    };
    struct sw_event ev = {.kind = SW_EV_MESSAGE, .flow = &flow};
    for (int n = 0; n < UDP_BATCHES_PER_TURN && sw_udp_read(&w->udp, fd); n++) {
        for (unsigned i = 0; i < w->udp.count; i++) {
            flow.remote = w->udp.from[i];
            if (w->udp.bytes[i].n <= 4) /* a keep-alive: CRLF, or nothing */
                continue;
            ev.bytes = w->udp.bytes[i];
            sw_worker_message(w, &ev);
        }
        if (w->udp.count < SW_UDP_BATCH)
            return;
    }
}

/* ICMP refused a datagram: if it was a request of ours, its transaction is told. RFC 3261 18.4 */
static void read_refused(struct sw_worker *w, uint16_t listener)
{
    int fd = w->all->listeners[listener].udp[w->index];
    struct sw_slice bytes;
    struct sw_endpoint to;
    enum sw_status why;
    for (int i = 0; i < SW_UDP_BATCH && sw_udp_refused(&w->udp, fd, &bytes, &to, &why); i++) {
        struct sw_owner owner;
        if (!sw_owner_peek(bytes, &owner) || owner.instance != w->conns.conf.instance ||
            owner.worker >= w->all->count)
            continue;
        const struct sw_mail mail = {
            .kind = SW_MAIL_SEND_FAILED,
            .from = w->index,
            .status = why,
            .remote = to,
            .cookie = {.why = SW_FOR_CLIENT, .listener = listener, .ref = owner.client}};
        if (sw_worker_post(&w->all->worker[owner.worker], &mail, NULL, 0) != SW_OK)
            return;
    }
}

static void conn_ready(struct sw_worker *w, const struct sw_ready *r)
{
    struct sw_ref ref = {(uint32_t)r->tag, (uint32_t)(r->tag >> 32)};
    struct sw_conn *c = sw_conn_get(&w->conns, ref);
    char junk[4096];
    if (!c)
        return;
    switch ((enum sw_conn_state)c->state) {
    case SW_CONN_CONNECTING:
        sw_worker_conn_step(w, c);
        return;
    case SW_CONN_HANDSHAKE:
        if (r->want & SW_WANT_WRITE && sw_conn_flush(&w->conns, c) != SW_OK)
            sw_worker_conn_failed(w, c, SW_PEER_RESET, "sending failed");
        else if (r->want & (SW_WANT_READ | SW_WANT_BROKEN) && !sw_worker_pass_on(w, c))
            sw_conn_queue_step(&w->conns, c);
        return;
    case SW_CONN_OPEN:
        if (r->want & SW_WANT_WRITE && sw_conn_flush(&w->conns, c) != SW_OK)
            sw_worker_conn_broken(w, c);
        else if (r->want & SW_WANT_BROKEN ||
                 (r->want & SW_WANT_READ && !sw_conn_pause(&w->conns, c)))
            sw_worker_conn_read(w, c, false);
        return;
    case SW_CONN_CLOSING: /* what comes now is discarded: RFC 5923 8.3 */
        if (r->want & SW_WANT_WRITE && sw_conn_close_further(&w->conns, c) != SW_OK) {
            sw_conn_drop(&w->conns, c);
            return;
        }
        if (read(c->fd, junk, sizeof(junk)) == 0 || r->want & SW_WANT_BROKEN)
            sw_conn_drop(&w->conns, c);
        return;
    case SW_CONN_IDENTITY: /* it waits for an answer */
        if (r->want & SW_WANT_BROKEN ||
            (r->want & SW_WANT_WRITE && sw_conn_flush(&w->conns, c) != SW_OK))
            sw_worker_conn_over(w, c, SW_PEER_RESET, NULL);
        return;
    case SW_CONN_GONE:
        return;
    }
}

void sw_worker_ready(struct sw_worker *w, const struct sw_ready *r)
{
    uint32_t tag = (uint32_t)r->tag;
    if (r->tag >> 32)
        conn_ready(w, r);
    else if ((tag & TAG_KIND) == TAG_MAILBOX)
        sw_mailbox_awake(&w->mailbox, true);
    else if ((tag & TAG_KIND) == TAG_ADDRESS)
        sw_worker_addresses_changed(w);
    else if ((tag & TAG_KIND) == TAG_ACCEPT)
        accept_some(w, (uint16_t)tag);
    else if (r->want & SW_WANT_BROKEN)
        read_refused(w, (uint16_t)tag);
    else
        read_datagrams(w, (uint16_t)tag);
    if (w->pending_count)
        sw_worker_pending(w);
}

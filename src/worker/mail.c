#include "worker/mail.h"

#include "worker/lookup.h"
#include "worker/walk.h"
#include "worker/worker.h"
#include <unistd.h>

enum sw_status sw_worker_post(struct sw_worker *to, const struct sw_mail *mail,
                              const struct sw_slice *segs, size_t count)
{
    enum { MANY = 128 };
    struct sw_slice parts[MANY];
    if (count + 1 > MANY)
        return SW_LIMIT;
    parts[0] = sw_slice((const char *)mail, sizeof(*mail));
    for (size_t i = 0; i < count; i++)
        parts[i + 1] = segs[i];
    enum sw_status s = sw_mailbox_put(&to->mailbox, parts, count + 1);
    if (s != SW_OK && mail->kind != SW_MAIL_WAKE) /* which other threads send */
        sw_count(to->all->worker[mail->from].counters, SW_LIMITED_MAILBOX);
    return s;
}

static struct sw_conn *conn_of(struct sw_worker *w, const struct sw_flow_id *id)
{
    return sw_conn_get(&w->conns, (struct sw_ref){id->slot, id->generation});
}

/* Another worker's message over a connection of ours. */
static void send(struct sw_worker *w, const struct sw_mail *m, struct sw_slice bytes)
{
    struct sw_conn *c = conn_of(w, &m->flow_id);
    enum sw_status st = c ? sw_conn_send(&w->conns, c, &bytes, 1, bytes.n) : SW_PEER_CLOSED;
    if (st == SW_OK) {
        c->users |= UINT64_C(1) << (m->from % 64);
        return;
    }
    struct sw_mail back = *m;
    back.kind = SW_MAIL_SEND_FAILED;
    back.from = w->index;
    back.status = st;
    if (sw_worker_post(&w->all->worker[m->from], &back, &bytes, 1) != SW_OK)
        return; /* its timers will find out */
}

static void wait(struct sw_worker *w, const struct sw_mail *m)
{
    struct sw_conn *c = conn_of(w, &m->flow_id);
    struct sw_waiter *x =
        c && c->state < SW_CONN_OPEN ? sw_slab_get(&w->conns.slab, sizeof(*x)) : NULL;
    if (x) {
        x->job = m->job;
        x->worker = m->from;
        sw_list_add(&c->waiters, &x->node);
        return;
    }
    bool open = c && c->state == SW_CONN_OPEN;
    struct sw_mail back = {.kind = SW_MAIL_OPENED,
                           .from = w->index,
                           .job = m->job,
                           .status = open ? SW_OK : SW_PEER_CLOSED};
    if (open)
        back.flow = c->flow;
    back.flow.ident = NULL;
    if (sw_worker_post(&w->all->worker[m->from], &back, NULL, 0) != SW_OK)
        return; /* its timers will find out */
}

static void handle(struct sw_worker *w, const struct sw_mail *m, struct sw_slice bytes)
{
    struct sw_event ev = {.status = m->status,
                          .flow_id = m->flow_id,
                          .job = m->job,
                          .cookie = m->cookie,
                          .remote = m->remote};
    switch ((enum sw_mail_kind)m->kind) {
    case SW_MAIL_ACCEPTED:
        sw_worker_accepted(w, m->fd, m->listener, m->tls, m->passed, &m->remote);
        return;
    case SW_MAIL_MESSAGE:
        ev.kind = SW_EV_MESSAGE;
        ev.flow = &m->flow;
        ev.bytes = bytes;
        ev.handed = true;
        sw_worker_message(w, &ev);
        return;
    case SW_MAIL_SEND:
        send(w, m, bytes);
        return;
    case SW_MAIL_SEND_FAILED:
        ev.kind = SW_EV_SEND_FAILED;
        ev.segs = &bytes;
        ev.seg_count = 1;
        sw_worker_event(w, &ev);
        return;
    case SW_MAIL_WAIT:
        wait(w, m);
        return;
    case SW_MAIL_OPENED:
        ev.kind = SW_EV_OPENED;
        ev.flow = m->status == SW_OK ? &m->flow : NULL;
        sw_worker_event(w, &ev);
        return;
    case SW_MAIL_CLOSED:
        ev.kind = SW_EV_CLOSED;
        sw_worker_event(w, &ev);
        return;
    case SW_MAIL_ANSWER:
        sw_worker_answered(w, m, bytes);
        return;
    case SW_MAIL_WALK:
        sw_worker_walk(w, m->walk);
        return;
    case SW_MAIL_WAKE:
        return;
    }
}

bool sw_worker_mail(struct sw_worker *w)
{
    enum { PER_TURN = 256 };
    bool any = false;
    for (int i = 0; i < PER_TURN; i++) {
        struct sw_slice block = sw_mailbox_peek(&w->mailbox);
        struct sw_mail m;
        if (!block.p)
            break;
        memcpy(&m, block.p, sizeof(m));
        handle(w, &m, sw_slice_from(block, sizeof(m)));
        sw_mailbox_done(&w->mailbox);
        any = true;
    }
    return any;
}

void sw_worker_wake(struct sw_worker *w)
{
    const struct sw_mail mail = {.kind = SW_MAIL_WAKE};
    if (sw_worker_post(w, &mail, NULL, 0) != SW_OK)
        return; /* a full box is no sleeping worker's */
}

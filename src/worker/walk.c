#include "worker/walk.h"

#include "conn/attempt.h"
#include "sys/log.h"
#include "worker/worker.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct sw_walk *sw_walk_new(enum sw_walk_what what, const char *peer)
{
    size_t n = strlen(peer) + 1;
    struct sw_walk *x = calloc(1, sizeof(*x) + n); /* it may outlive who asked */
    if (!x)
        return NULL;
    x->peer = memcpy(x + 1, peer, n);
    atomic_store(&x->users, 1);
    x->what = (uint8_t)what;
    x->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (x->done_fd < 0) {
        free(x);
        return NULL;
    }
    return x;
}

void sw_walk_unref(struct sw_walk *x)
{
    if (!x || atomic_fetch_sub(&x->users, 1) != 1)
        return;
    close(x->done_fd);
    free(x);
}

enum sw_status sw_walk_ask(struct sw_walk *x, struct sw_worker *w, int timeout_ms)
{
    const struct sw_mail mail = {.kind = SW_MAIL_WALK, .walk = x};
    struct pollfd p = {.fd = x->done_fd, .events = POLLIN};
    uint64_t n;
    x->n = x->rows = 0;
    x->more = false;
    atomic_fetch_add(&x->users, 1);
    if (sw_worker_post(w, &mail, NULL, 0) != SW_OK) {
        sw_walk_unref(x);
        return SW_LIMIT;
    }
    if (poll(&p, 1, timeout_ms) != 1 || read(x->done_fd, &n, sizeof(n)) != sizeof(n))
        return SW_PEER_TIMEOUT;
    return SW_OK;
}

void sw_walk_row(struct sw_walk *x, const struct sw_field *fields, size_t count, uint32_t next)
{
    if (x->rows == SW_WALK_ROWS || x->more) {
        x->more = true;
        return;
    }
    struct sw_buf b = sw_buf(x->text + x->n, sizeof(x->text) - x->n);
    if (x->n)
        sw_buf_char(&b, ',');
    sw_log_object(&b, fields, count);
    if (b.full) {
        x->more = true;
        return;
    }
    x->n += b.n;
    x->rows++;
    x->next = next;
}

static void connections(struct sw_worker *w, struct sw_walk *x)
{
    struct sw_ref ref;
    for (uint32_t i = x->next; i < w->conns.table.slots && !x->more; i++) {
        const struct sw_conn *c = sw_table_at(&w->conns.table, i, &ref);
        struct sw_field f[SW_ATTEMPT_FIELDS_MAX];
        struct sw_attempt_text text;
        if (c && c->state < SW_CONN_GONE &&
            (!x->peer[0] || strcmp(x->peer, sw_attempt_peer(&w->conns, &c->flow)) == 0))
            sw_walk_row(x, f, sw_attempt_row(&w->conns, c, &text, f), i + 1);
    }
}

/* The step lists at most so many at once that all fit into the actions: it is asked until nothing
 * comes. */
static void step_rows(struct sw_worker *w, struct sw_walk *x, enum sw_list_what what)
{
    unsigned before;
    do {
        const struct sw_event ev = {.kind = SW_EV_LIST, .list = (uint8_t)what, .from = x->next};
        before = x->rows;
        w->walk = x;
        sw_worker_event(w, &ev);
        w->walk = NULL;
    } while (x->rows > before && !x->more);
}

void sw_worker_walk(struct sw_worker *w, struct sw_walk *x)
{
    uint64_t one = 1;
    if (x->what == SW_WALK_CONNECTIONS)
        connections(w, x);
    else
        step_rows(w, x, x->what == SW_WALK_CALLS ? SW_LIST_CALLS : SW_LIST_TRANSACTIONS);
    if (write(x->done_fd, &one, sizeof(one)) != sizeof(one))
        x->more = false; /* who asked finds out by its timeout */
    sw_walk_unref(x);
}

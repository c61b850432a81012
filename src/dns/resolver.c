#include "dns/resolver.h"

#include "dns/flight.h"
#include "loop/loop.h"
#include "loop/mailbox.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    BOX_BYTES = 1 << 20, /* 3,000 questions */
    PER_TURN = 256,      /* questions: answers are read in between */
    TAG_BOX = 0,
    TAG_CONTEXT = 1,
};

struct sw_resolver {
    pthread_t thread;
    struct sw_mailbox box;
    struct sw_loop loop;
    struct sw_flight flight;
    pthread_mutex_t lock;
    struct sw_dns_conf next; /* under the lock */
    bool changed;            /* under the lock */
    _Atomic bool ending;
};

/* A block of the box. */
struct request {
    struct sw_dns_question question; /* type 0: only look at the flags */
    struct sw_dns_asker who;
};

static void adopt(struct sw_resolver *r)
{
    struct sw_dns_conf conf;
    pthread_mutex_lock(&r->lock);
    bool changed = r->changed;
    conf = r->next;
    r->changed = false;
    pthread_mutex_unlock(&r->lock);
    if (changed)
        sw_flight_adopt(&r->flight, &conf, sw_clock_ms());
}

/* True if there was one: it may only have said that a flag was set. */
static bool requests(struct sw_resolver *r)
{
    struct sw_slice block;
    int n = 0;
    for (; n < PER_TURN && (block = sw_mailbox_peek(&r->box)).p; n++) {
        struct request q;
        memcpy(&q, block.p, sizeof(q));
        sw_mailbox_done(&r->box);
        adopt(r); /* what was set before it was asked counts for it */
        if (q.question.type)
            sw_flight_ask(&r->flight, &q.question, &q.who);
    }
    return n > 0;
}

static void wait(struct sw_resolver *r)
{
    struct sw_ready ready[SW_READY_MAX];
    int64_t at = sw_flight_deadline(&r->flight), ms = at - sw_clock_ms();
    bool woken = false;
    if (!sw_mailbox_sleep(&r->box))
        return;
    unsigned n = sw_loop_wait(&r->loop,
                              at == SW_TIMER_NEVER ? -1
                              : ms < 0             ? 0
                              : ms > 60000         ? 60000
                                                   : (int)ms,
                              ready);
    for (unsigned i = 0; i < n; i++)
        woken = woken || ready[i].tag == TAG_BOX;
    sw_mailbox_awake(&r->box, woken);
}

static void *resolver(void *p)
{
    struct sw_resolver *r = p;
    while (!atomic_load(&r->ending)) {
        adopt(r);
        sw_flight_run(&r->flight, sw_clock_ms());
        if (!requests(r))
            wait(r);
    }
    sw_flight_fini(&r->flight);
    return NULL;
}

/* A context comes or goes. */
static void watch(void *user, int fd, bool on)
{
    struct sw_resolver *r = user;
    if (!on)
        sw_loop_del(&r->loop, fd);
    else if (sw_loop_add(&r->loop, fd, SW_WANT_READ, TAG_CONTEXT) != SW_OK)
        SW_LOG(SW_LEVEL_ERROR, "dns_watch_failed", sw_field_str("why", "memory is out"));
}

static void dispose(struct sw_resolver *r)
{
    sw_loop_fini(&r->loop);
    sw_mailbox_fini(&r->box);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

struct sw_resolver *sw_resolver_new(const struct sw_dns_conf *conf, sw_dns_answer_fn *answer,
                                    void *user)
{
    /* struct sw_mailbox wants its alignment */
    struct sw_resolver *r = aligned_alloc(64, (sizeof(*r) + 63) & ~(size_t)63);
    if (!r)
        return NULL;
    memset(r, 0, sizeof(*r));
    r->loop.fd = -1;
    pthread_mutex_init(&r->lock, NULL);
    enum sw_status s = sw_mailbox_init(&r->box, BOX_BYTES);
    if (s == SW_OK)
        s = sw_loop_init(&r->loop);
    if (s == SW_OK)
        s = sw_loop_add(&r->loop, r->box.wake, SW_WANT_READ, TAG_BOX);
    if (s == SW_OK) {
        const struct sw_flight_user u = {
            .answer = answer, .user = user, .watch = watch, .watcher = r};
        s = sw_flight_init(&r->flight, conf, &u, sw_clock_ms());
        if (s == SW_OK && pthread_create(&r->thread, NULL, resolver, r) == 0)
            return r;
        sw_flight_fini(&r->flight);
    }
    dispose(r);
    return NULL;
}

static enum sw_status put(struct sw_resolver *r, const struct request *q)
{
    const struct sw_slice part = sw_slice((const char *)q, sizeof(*q));
    return sw_mailbox_put(&r->box, &part, 1);
}

/* A full box is no sleeping thread's. */
static void wake(struct sw_resolver *r)
{
    const struct request nothing = {.question = {.type = 0}};
    if (put(r, &nothing) != SW_OK)
        return;
}

void sw_resolver_free(struct sw_resolver *r)
{
    if (!r)
        return;
    atomic_store(&r->ending, true);
    wake(r);
    pthread_join(r->thread, NULL);
    dispose(r);
}

enum sw_status sw_resolver_ask(struct sw_resolver *r, const struct sw_dns_question *q,
                               const struct sw_dns_asker *who)
{
    const struct request x = {.question = *q, .who = *who};
    return put(r, &x);
}

void sw_resolver_set(struct sw_resolver *r, const struct sw_dns_conf *conf)
{
    pthread_mutex_lock(&r->lock);
    r->next = *conf;
    r->changed = true;
    pthread_mutex_unlock(&r->lock);
    wake(r);
}

/* ---- one question ---- */

struct once {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool answered;
    struct sw_dns_answer *out;
    char *records;
};

static void once_answered(void *user, const struct sw_dns_asker *who, const struct sw_dns_result *r)
{
    struct once *x = user;
    (void)who;
    pthread_mutex_lock(&x->lock);
    *x->out = *r->answer;
    if (r->answer->records.n)
        memcpy(x->records, r->answer->records.p, r->answer->records.n);
    x->out->records = sw_slice(x->records, r->answer->records.n);
    x->answered = true;
    pthread_cond_signal(&x->done);
    pthread_mutex_unlock(&x->lock);
}

void sw_resolver_once(const struct sw_dns_conf *conf, const struct sw_dns_question *q,
                      struct sw_dns_answer *out, char *records)
{
    struct once x = {.out = out, .records = records};
    const struct sw_dns_asker who = {{0, 0}, 0};
    *out = (struct sw_dns_answer){.status = SW_PEER_DNS};
    pthread_mutex_init(&x.lock, NULL);
    pthread_cond_init(&x.done, NULL);
    struct sw_resolver *r = sw_resolver_new(conf, once_answered, &x);
    bool asked = r && sw_resolver_ask(r, q, &who) == SW_OK;
    pthread_mutex_lock(&x.lock);
    while (asked && !x.answered)
        pthread_cond_wait(&x.done, &x.lock);
    pthread_mutex_unlock(&x.lock);
    sw_resolver_free(r);
    pthread_cond_destroy(&x.done);
    pthread_mutex_destroy(&x.lock);
}

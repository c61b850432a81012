#include "daemon/reload.h"

#include "crypto/mem.h"
#include "daemon/proof.h"
#include "sys/clock.h"
#include "sys/log.h"
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum phase {
    IDLE,
    LOADING,  /* by the thread */
    LOADED,   /* the thread is done */
    ADOPTING, /* published: workers take it up at their next turn */
};

enum { FROMS = SW_CONFIG_LISTS + 1 };

struct sw_loader {
    struct sw_daemon *d;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int done_fd;
    enum phase phase; /* under the lock while LOADING */
    bool ending;      /* under the lock */
    enum sw_config_from from;
    const char *why[FROMS]; /* per kind: why it was asked for; NULL: it was not */
    int64_t started_ms;
    uint64_t goal; /* ADOPTING: what each worker's `adopted` becomes */
    struct sw_snapshot *loaded;
    struct sw_snapshot *dead; /* to be freed by the thread, which made them; under the lock */
    struct sw_diags diags;
    unsigned proved;
};

/* ---- the thread ---- */

static void load(struct sw_loader *l)
{
    struct sw_daemon *d = l->d;
    l->loaded = NULL;
    l->proved = 0;
    if (sw_snapshot_again(d->path, d->now, l->from, d->instance, &l->diags, &l->loaded) != SW_OK)
        return;
    if (l->from == SW_CONFIG_FILE)
        sw_snapshot_compare(d->now, l->loaded, &l->diags);
    if (!l->diags.errors && l->from != SW_CONFIG_LISTS) /* which show the same identities */
        l->proved = sw_proof_after(&d->now->config, &l->loaded->config, &l->diags);
    if (!l->diags.errors)
        return;
    sw_snapshot_free(l->loaded);
    l->loaded = NULL;
}

/* Here, so that the main thread never waits for it. Called with the lock. */
static void bury(struct sw_loader *l)
{
    while (l->dead) {
        struct sw_snapshot *s = l->dead;
        l->dead = s->next;
        pthread_mutex_unlock(&l->lock);
        sw_snapshot_free(s);
        pthread_mutex_lock(&l->lock);
    }
}

static void *loader(void *p)
{
    struct sw_loader *l = p;
    uint64_t one = 1;
    sw_crypto_mem_end(); /* what workers allocated within a snapshot is not to be kept here */
    pthread_mutex_lock(&l->lock);
    for (;;) {
        bury(l);
        if (l->ending)
            break;
        if (l->phase != LOADING) {
            pthread_cond_wait(&l->wake, &l->lock);
            continue;
        }
        pthread_mutex_unlock(&l->lock);
        load(l);
        pthread_mutex_lock(&l->lock);
        l->phase = LOADED;
        if (write(l->done_fd, &one, sizeof(one)) != sizeof(one))
            continue; /* the main thread looks again in a moment anyway */
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

struct sw_loader *sw_loader_new(struct sw_daemon *d)
{
    struct sw_loader *l = calloc(1, sizeof(*l));
    if (!l)
        return NULL;
    l->d = d;
    l->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->wake, NULL);
    if (l->done_fd >= 0 && pthread_create(&l->thread, NULL, loader, l) == 0)
        return l;
    if (l->done_fd >= 0)
        close(l->done_fd);
    free(l);
    return NULL;
}

void sw_loader_free(struct sw_loader *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->ending = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    if (l->phase == LOADED || l->phase == ADOPTING)
        sw_snapshot_free(l->loaded);
    sw_diags_free(&l->diags);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    close(l->done_fd);
    free(l);
}

int sw_loader_fd(const struct sw_loader *l)
{
    return l->done_fd;
}

/* ---- the main thread ---- */

static void enter(struct sw_loader *l, enum phase phase)
{
    pthread_mutex_lock(&l->lock);
    l->phase = phase;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

static bool is_asked(const struct sw_loader *l)
{
    return l->why[SW_CONFIG_FILE] || l->why[SW_CONFIG_RUNNING] || l->why[SW_CONFIG_LISTS];
}

/* Lists first: they are what keeps somebody out, and nothing that is wrong elsewhere holds them up.
 */
static enum sw_config_from first_asked(const struct sw_loader *l)
{
    return l->why[SW_CONFIG_LISTS]  ? SW_CONFIG_LISTS
           : l->why[SW_CONFIG_FILE] ? SW_CONFIG_FILE
                                    : SW_CONFIG_RUNNING;
}

const char *sw_reload_what(enum sw_config_from from)
{
    switch (from) {
    case SW_CONFIG_FILE:
        break;
    case SW_CONFIG_RUNNING:
        return "files";
    case SW_CONFIG_LISTS:
        return "lists";
    }
    return "configuration";
}

static void start(struct sw_loader *l)
{
    l->from = first_asked(l);
    l->started_ms = sw_clock_ms();
    sw_diags_free(&l->diags);
    l->diags = (struct sw_diags){0};
    SW_LOG(SW_LEVEL_INFO, "reloading", sw_field_str("what", sw_reload_what(l->from)),
           sw_field_str("why", l->why[l->from]));
    l->why[l->from] = NULL;
    enter(l, LOADING);
}

static enum phase phase_of(struct sw_loader *l)
{
    pthread_mutex_lock(&l->lock);
    enum phase p = l->phase;
    pthread_mutex_unlock(&l->lock);
    return p;
}

void sw_reload_ask(struct sw_daemon *d, enum sw_config_from from, const char *why)
{
    struct sw_loader *l = d->loader;
    l->why[from] = why;
    if (phase_of(l) == IDLE)
        start(l);
}

bool sw_reload_pending(const struct sw_daemon *d)
{
    return phase_of(d->loader) != IDLE || is_asked(d->loader);
}

bool sw_reload_busy(const struct sw_daemon *d)
{
    enum phase p = phase_of(d->loader);
    return d->retired || p > LOADING || (p == IDLE && is_asked(d->loader));
}

/* Old ones whose last handshake has ended. */
static void free_retired(struct sw_daemon *d)
{
    for (struct sw_snapshot **at = &d->retired; *at;) {
        struct sw_snapshot *s = *at;
        if (sw_hold_used(&s->live.hold)) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        pthread_mutex_lock(&d->loader->lock);
        s->next = d->loader->dead;
        d->loader->dead = s;
        pthread_cond_signal(&d->loader->wake);
        pthread_mutex_unlock(&d->loader->lock);
    }
}

static void publish(struct sw_daemon *d, struct sw_loader *l)
{
    l->goal = atomic_load(&d->all.worker[0].adopted) + 1;
    enter(l, ADOPTING);
    atomic_store_explicit(&d->all.conf, &l->loaded->live, memory_order_release);
    sw_daemon_wake(d);
}

static bool adopted_by_all(const struct sw_daemon *d, const struct sw_loader *l)
{
    for (unsigned i = 0; i < d->started; i++)
        if (atomic_load_explicit(&d->all.worker[i].adopted, memory_order_acquire) < l->goal)
            return false;
    return true;
}

static void ended(struct sw_daemon *d, struct sw_loader *l, bool done, struct sw_reload_result *out)
{
    l->loaded = NULL;
    enter(l, IDLE);
    l->diags.path = d->path;
    d->reloads += done;
    d->reloads_failed += !done;
    *out = (struct sw_reload_result){.done = done,
                                     .newest = !l->why[SW_CONFIG_FILE],
                                     .from = l->from,
                                     .before = done ? d->retired : NULL,
                                     .diags = &l->diags,
                                     .proved = l->proved,
                                     .ms = sw_clock_ms() - l->started_ms};
}

bool sw_reload_step(struct sw_daemon *d, struct sw_reload_result *out)
{
    struct sw_loader *l = d->loader;
    uint64_t n;
    if (read(l->done_fd, &n, sizeof(n)) < 0)
        n = 0; /* it was only time that passed */
    if (d->retired)
        free_retired(d);
    switch (phase_of(l)) {
    case IDLE:
        if (is_asked(l))
            start(l);
        return false;
    case LOADING:
        return false;
    case LOADED:
        if (!l->loaded) {
            ended(d, l, false, out);
            return true;
        }
        publish(d, l);
        return false;
    case ADOPTING:
        if (!adopted_by_all(d, l))
            return false;
        sw_snapshot_merge(d->now, l->loaded);
        d->now->next = d->retired;
        d->retired = d->now;
        d->now = l->loaded;
        d->reloaded_s = sw_clock_wall_s();
        ended(d, l, true, out);
        return true;
    }
    return false;
}

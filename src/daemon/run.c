#include "daemon/run.h"

#include "conn/failures.h"
#include "conn/halfopen.h"
#include "crypto/hmac.h"
#include "daemon/admin.h"
#include "daemon/expiry.h"
#include "daemon/learner.h"
#include "daemon/proof.h"
#include "daemon/reload.h"
#include "dns/resolver.h"
#include "fetch/watch.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/random.h"
#include "worker/lookup.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { POLL_MS = 20 };

/* ---- workers ---- */

static uint32_t pending(void *user)
{
    return sw_gateway_pending(user);
}

static enum sw_status make_gateway(struct sw_daemon *d, uint16_t i, bool trace)
{
    const struct sw_config *c = &d->now->config;
    struct sw_gateway_conf conf = {
        .engine = {.instance = d->instance,
                   .worker = i,
                   .directory = c->workers > 1,
                   .transactions_max = sw_share(c->limits.transactions, c->workers, 16),
                   .table_key = d->table_key,
                   .counters = &d->counters[i]},
        .live = d->now->gateway,
        .calls = c->limits.calls ? sw_share(c->limits.calls, c->workers, 1) : 0,
        .calls_open = d->calls_open,
        .sources = d->sources,
        .pings = i == 0,
        .trace = trace,
    };
    enum sw_status s = sw_random(&conf.engine.seed, sizeof(conf.engine.seed));
    return s == SW_OK ? sw_gateway_init(&d->gateways[i], &conf, sw_clock_ms()) : s;
}

static enum sw_status make_worker(struct sw_daemon *d, uint16_t i, bool trace)
{
    const struct sw_step step = {&d->gateways[i], sw_gateway_step, sw_gateway_deadline};
    return sw_worker_init(&d->all.worker[i], &d->all, i, &step, pending, trace);
}

/* Before there is a worker, and once in the process: a reload keeps the sessions. */
static enum sw_status start_resumption(struct sw_daemon *d)
{
    const struct sw_conn_limits *l = &d->now->live.conn.limits;
    struct sw_tls_resumption *r = &d->resumption;
    if (!l->resumption_s)
        return SW_OK;
    r->lifetime_s = l->resumption_s;
    r->sessions_max = l->sessions;
    r->begin_s = sw_clock_ms() / 1000;
    d->now->live.conn.resumption = r;
    return sw_random(r->secret, sizeof(r->secret));
}

/* Each worker has made what it needs of it: older tickets cannot be read with what is left. */
static void forget_resumption(struct sw_daemon *d)
{
    d->now->live.conn.resumption = NULL;
    sw_wipe(&d->resumption, sizeof(d->resumption));
}

static enum sw_status make_all(struct sw_daemon *d)
{
    const struct sw_config *c = &d->now->config;
    unsigned n = c->workers;
    bool trace = c->log_level >= SW_LEVEL_DEBUG;
    enum sw_status s = sw_random(&d->table_key, sizeof(d->table_key));
    d->gateways = calloc(n, sizeof(*d->gateways));
    d->counters = calloc(n, sizeof(*d->counters));
    d->all.worker = aligned_alloc(64, n * ((sizeof(struct sw_worker) + 63) & ~(size_t)63));
    d->all.pool = sw_pool_new();
    d->all.failures = sw_failures_new();
    d->all.halfopen = sw_halfopen_new();
    d->all.resolver = sw_resolver_new(&d->now->config.dns, sw_worker_dns_answer, &d->all);
    d->sources = sw_source_table_new();
    bool shares_calls = n > 1 && c->limits.calls;
    d->calls_open = shares_calls ? sw_calls_open_new(c->limits.calls) : NULL;
    d->all.directory = n > 1 ? sw_directory_new(c->limits.transactions) : NULL;
    if (s != SW_OK || !d->gateways || !d->counters || !d->all.worker || !d->all.pool ||
        !d->sources || !d->all.failures || !d->all.halfopen || !d->all.resolver ||
        (n > 1 && !d->all.directory) || (shares_calls && !d->calls_open))
        return s == SW_OK ? SW_LIMIT_MEMORY : s;
    memset(d->all.worker, 0, n * sizeof(*d->all.worker));
    d->all.count = (uint16_t)n;
    d->all.counters = d->counters;
    d->all.listeners = d->listeners;
    d->all.listener_count = (uint16_t)c->proxy.listener_count;
    atomic_store(&d->all.conf, &d->now->live);
    s = start_resumption(d);
    for (unsigned i = 0; s == SW_OK && i < n; i++) {
        s = make_gateway(d, (uint16_t)i, trace);
        if (s == SW_OK)
            s = make_worker(d, (uint16_t)i, trace);
    }
    forget_resumption(d);
    return s;
}

static void free_all(struct sw_daemon *d)
{
    sw_resolver_free(d->all.resolver); /* it sends mail to workers */
    for (unsigned i = 0; d->all.worker && i < d->all.count; i++)
        sw_worker_fini(&d->all.worker[i]);
    for (unsigned i = 0; d->gateways && i < d->all.count; i++)
        if (d->gateways[i].proxy.e)
            sw_gateway_fini(&d->gateways[i]);
    sw_loader_free(d->loader);
    sw_pool_free(d->all.pool);
    sw_failures_free(d->all.failures);
    sw_halfopen_free(d->all.halfopen);
    sw_directory_free(d->all.directory);
    free(d->all.worker);
    free(d->gateways);
    free(d->calls_open);
    sw_source_table_free(d->sources);
    free(d->counters);
    if (d->now)
        sw_listeners_close(d);
    while (d->retired) {
        struct sw_snapshot *s = d->retired;
        d->retired = s->next;
        sw_snapshot_free(s);
    }
    sw_snapshot_free(d->now);
}

static bool start_threads(struct sw_daemon *d)
{
    for (; d->started < d->all.count; d->started++)
        if (pthread_create(&d->all.worker[d->started].thread, NULL, sw_worker_run,
                           &d->all.worker[d->started]) != 0)
            return false;
    return true;
}

void sw_daemon_wake(struct sw_daemon *d)
{
    for (unsigned i = 0; i < d->started; i++)
        sw_worker_wake(&d->all.worker[i]);
}

uint64_t sw_daemon_open_transactions(const struct sw_daemon *d)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < d->started; i++)
        n += atomic_load_explicit(&d->all.worker[i].open_transactions, memory_order_relaxed);
    return n;
}

/* ---- stopping ---- */

/* With what all workers counted. */
static void log_stopped(const struct sw_daemon *d, uint64_t abandoned)
{
    struct sw_field fields[SW_COUNTERS + 1] = {sw_field_number("abandoned", (int64_t)abandoned)};
    size_t n = 1;
    for (int c = 0; c < SW_COUNTERS; c++) {
        uint64_t total = 0;
        for (unsigned i = 0; i < d->all.count; i++)
            total += sw_counted(&d->counters[i], (enum sw_counter)c);
        if (total)
            fields[n++] = sw_field_number(sw_counter_name((enum sw_counter)c), (int64_t)total);
    }
    sw_log(SW_LEVEL_INFO, "stopped", fields, n);
}

static void stop(struct sw_daemon *d)
{
    int64_t until = sw_clock_ms() + d->now->config.limits.drain_ms;
    SW_LOG(SW_LEVEL_INFO, "draining",
           sw_field_number("transactions", (int64_t)sw_daemon_open_transactions(d)),
           sw_field_number("limit_ms", d->now->config.limits.drain_ms));
    atomic_store(&d->all.draining, true);
    sw_daemon_wake(d);
    usleep(POLL_MS * 1000); /* let each worker count once more */
    while (sw_daemon_open_transactions(d) > 0 && sw_clock_ms() < until)
        usleep(POLL_MS * 1000);
    uint64_t left = sw_daemon_open_transactions(d);
    atomic_store(&d->all.stopping, true);
    sw_daemon_wake(d);
    for (unsigned i = 0; i < d->started; i++)
        pthread_join(d->all.worker[i].thread, NULL);
    log_stopped(d, left);
}

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread: all inherit it */
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static void raise_descriptors(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &r) != 0)
            return; /* then the limit stays where it was */
    }
}

/* What an operator needs to change or ask it while it runs. */
static bool open_control(struct sw_daemon *d)
{
    d->loader = sw_loader_new(d);
    d->learner = sw_learner_new(d);
    d->admin = sw_admin_open(d);
    d->watch = sw_watch_new();
    return d->loader && d->learner && (d->admin || !d->now->config.d.admin.socket.s.n);
}

static int serve(struct sw_daemon *d)
{
    bool ok = sw_listeners_open(d);
    enum sw_status s = ok ? make_all(d) : SW_SYS;
    if (ok && s != SW_OK)
        SW_LOG(SW_LEVEL_ERROR, "start_failed", sw_field_str("status", sw_status_name(s)),
               sw_field_str("why", "the workers could not be set up"));
    ok = s == SW_OK && start_threads(d) && open_control(d);
    if (ok) {
        SW_LOG(SW_LEVEL_INFO, "ready", sw_field_number("workers", d->all.count),
               sw_field_number("listeners", d->all.listener_count),
               sw_field_number("peers", d->now->config.proxy.peer_count),
               sw_field_number("pid", getpid()));
        sw_control_run(d);
    }
    sw_admin_close(d->admin);
    sw_watch_free(d->watch);
    if (d->started)
        stop(d);
    sw_learner_free(d->learner);
    return ok ? 0 : 1;
}

static void log_weak(const struct sw_diags *diags)
{
    char place[512];
    for (size_t i = 0; i < diags->count; i++) {
        const struct sw_diag *x = &diags->d[i];
        sw_diag_place(diags, x, place, sizeof(place));
        SW_LOG(x->kind == SW_DIAG_NOTE ? SW_LEVEL_INFO : SW_LEVEL_WARN,
               x->kind == SW_DIAG_NOTE ? "config_note" : "config_weak", sw_field_str("at", place),
               sw_field_str("why", x->text ? x->text : ""));
    }
}

static int start(struct sw_daemon *d, struct sw_diags *diags)
{
    uint64_t random;
    if (sw_random(&random, sizeof(random)) != SW_OK)
        return 1;
    d->instance = (uint32_t)random | 1;
    d->started_s = d->reloaded_s = sw_clock_wall_s();
    if (sw_snapshot_load(d->path, NULL, d->instance, diags, &d->now) == SW_OK)
        sw_proof(&d->now->config, diags);
    if (diags->errors) {
        sw_diags_print(diags, stderr, false);
        return 2;
    }
    const struct sw_config *c = &d->now->config;
    const struct sw_log_conf log = {
        .fd = STDERR_FILENO, .level = c->log_level, .json = c->log_json};
    if (sw_log_open(&log) != SW_OK || d->signals < 0)
        return 1;
    log_weak(diags);
    sw_certs_warn(c, d->started_s);
    return serve(d);
}

int sw_daemon_run(const char *config_path)
{
    struct sw_daemon d = {.path = config_path};
    struct sw_diags diags = {0};
    d.signals = open_signals();
    mallopt(M_ARENA_MAX, 4); /* memory that threads give back is to be seen as given back */
    raise_descriptors();
    int code = start(&d, &diags);
    free_all(&d);
    sw_log_close();
    sw_diags_free(&diags);
    if (d.signals >= 0)
        close(d.signals);
    return code;
}

#include "daemon/run.h"

#include "conn/attempt.h"
#include "crypto/prng.h"
#include "daemon/expiry.h"
#include "gateway/pipeline.h"
#include "loop/sock.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/random.h"
#include "worker/worker.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { UDP_BUFFER_BYTES = 8 << 20, POLL_MS = 20 };

struct daemon {
    struct sw_config config;
    struct sw_workers all;
    struct sw_worker_listener *listeners;
    struct sw_gateway *gateways;
    struct sw_peer_state *peers;
    unsigned started; /* workers whose thread runs */
    uint32_t instance;
    struct sw_sip_key table_key;
};

/* ---- sockets ---- */

static void note_listen_failed(const struct sw_config_listener *l, bool datagram, const char *name)
{
    char text[SW_ENDPOINT_TEXT_MAX];
    int error = errno;
    enum sw_transport t = datagram ? SW_UDP : l->transport == SW_UDP ? SW_TCP : l->transport;
    SW_LOG(SW_LEVEL_ERROR, "listen_failed", sw_field_str("listener", name),
           sw_field_text("transport", sw_transport_name(t)),
           sw_field_str("address", sw_endpoint_text(&l->address, text)),
           sw_field_str("why", strerror(error)),
           sw_field_str("help", error == EADDRINUSE
                                    ? "another process has the address: stop it, or change it"
                                    : "the address must be this machine's (or freebind: true), and "
                                      "ports below 1024 need the right to bind them"));
}

static int open_one(const struct sw_config_listener *l, bool datagram, bool share_port,
                    const char *name)
{
    const struct sw_sock_conf conf = {
        .address = l->address,
        .datagram = datagram,
        .freebind = l->freebind,
        .share_port = share_port,
        .receive_bytes = datagram ? UDP_BUFFER_BYTES : 0,
    };
    int fd = sw_sock_listen(&conf);
    if (fd < 0)
        note_listen_failed(l, datagram, name);
    return fd;
}

/* A first socket without SO_REUSEPORT finds out whether another process has the address: with it,
 * two gateways would share the traffic unnoticed. */
static bool is_free(const struct sw_config_listener *l, bool datagram, const char *name)
{
    int fd = open_one(l, datagram, false, name);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool open_kind(struct daemon *d, uint32_t i, bool datagram, int **out)
{
    const struct sw_config_listener *l = &d->config.listeners[i];
    const char *name = d->config.conn_listeners[i].name;
    if (!is_free(l, datagram, name))
        return false;
    *out = malloc(d->config.workers * sizeof(int));
    for (unsigned w = 0; *out && w < d->config.workers; w++)
        (*out)[w] = -1;
    for (unsigned w = 0; *out && w < d->config.workers; w++) {
        (*out)[w] = open_one(l, datagram, true, name);
        if ((*out)[w] < 0)
            return false;
    }
    return *out;
}

static bool open_listeners(struct daemon *d)
{
    uint32_t n = d->config.proxy.listener_count;
    d->listeners = calloc(n, sizeof(*d->listeners));
    if (!d->listeners)
        return false;
    bool ok = true;
    for (uint32_t i = 0; i < n; i++) {
        struct sw_worker_listener *l = &d->listeners[i];
        l->tls = d->config.listeners[i].transport == SW_TLS;
        l->datagram = d->config.listeners[i].transport == SW_UDP;
        if (l->datagram && !open_kind(d, i, true, &l->udp))
            ok = false;
        if (!open_kind(d, i, false, &l->tcp)) /* TCP beside UDP: RFC 3261 18.2.1 */
            ok = false;
    }
    return ok;
}

static void close_kind(int *fds, unsigned count)
{
    for (unsigned w = 0; fds && w < count; w++)
        if (fds[w] >= 0)
            close(fds[w]);
    free(fds);
}

static void close_listeners(struct daemon *d)
{
    for (uint32_t i = 0; d->listeners && i < d->config.proxy.listener_count; i++) {
        close_kind(d->listeners[i].udp, d->config.workers);
        close_kind(d->listeners[i].tcp, d->config.workers);
    }
    free(d->listeners);
    d->listeners = NULL;
}

/* ---- workers ---- */

static uint32_t pending(void *user)
{
    return sw_gateway_pending(user);
}

static uint32_t share(uint32_t total, unsigned workers, uint32_t least)
{
    uint32_t n = total / workers + (total % workers != 0);
    return n < least ? least : n;
}

static enum sw_status make_gateway(struct daemon *d, uint16_t i, bool trace)
{
    struct sw_gateway_conf conf = {
        .engine = {.instance = d->instance,
                   .worker = i,
                   .directory = d->config.workers > 1,
                   .transactions_max = share(d->config.limits.transactions, d->config.workers, 16),
                   .table_key = d->table_key},
        .proxy = &d->config.proxy,
        .peers = d->peers,
        .pings = i == 0,
        .trace = trace,
    };
    enum sw_status s = sw_random(&conf.engine.seed, sizeof(conf.engine.seed));
    return s == SW_OK ? sw_gateway_init(&d->gateways[i], &conf, sw_clock_ms()) : s;
}

static enum sw_status make_worker(struct daemon *d, uint16_t i, bool trace)
{
    struct sw_conn_conf conf = {
        .limits = d->config.limits.conn,
        .listeners = d->config.conn_listeners,
        .peers = d->config.conn_peers,
        .policies = d->config.policies,
        .listener_count = d->config.proxy.listener_count,
        .peer_count = d->config.proxy.peer_count,
        .policy_count = d->config.policy_count,
        .instance = d->instance,
        .node = d->config.proxy.node,
        .worker = i,
    };
    conf.limits.connections = share(d->config.limits.connections, d->config.workers, 1);
    const struct sw_step step = {&d->gateways[i], sw_gateway_step, sw_gateway_deadline};
    return sw_worker_init(&d->all.worker[i], &d->all, i, &conf, &step, pending, trace);
}

static enum sw_status make_all(struct daemon *d)
{
    unsigned n = d->config.workers;
    bool trace = d->config.log_level >= SW_LEVEL_DEBUG;
    uint64_t random;
    enum sw_status s = sw_random(&random, sizeof(random));
    if (s == SW_OK)
        s = sw_random(&d->table_key, sizeof(d->table_key));
    d->instance = (uint32_t)random | 1;
    d->peers = calloc(d->config.proxy.peer_count + 1, sizeof(*d->peers));
    d->gateways = calloc(n, sizeof(*d->gateways));
    d->all.worker = aligned_alloc(64, n * ((sizeof(struct sw_worker) + 63) & ~(size_t)63));
    d->all.pool = sw_pool_new();
    d->all.directory = n > 1 ? sw_directory_new(d->config.limits.transactions) : NULL;
    if (s != SW_OK || !d->peers || !d->gateways || !d->all.worker || !d->all.pool ||
        (n > 1 && !d->all.directory))
        return s == SW_OK ? SW_LIMIT_MEMORY : s;
    memset(d->all.worker, 0, n * sizeof(*d->all.worker));
    d->all.count = (uint16_t)n;
    d->all.listeners = d->listeners;
    d->all.listener_count = (uint16_t)d->config.proxy.listener_count;
    d->all.connections_per_peer = d->config.limits.connections_per_peer;
    for (unsigned i = 0; s == SW_OK && i < n; i++) {
        s = make_gateway(d, (uint16_t)i, trace);
        if (s == SW_OK)
            s = make_worker(d, (uint16_t)i, trace);
    }
    return s;
}

static void free_all(struct daemon *d)
{
    for (unsigned i = 0; d->all.worker && i < d->all.count; i++)
        sw_worker_fini(&d->all.worker[i]);
    for (unsigned i = 0; d->gateways && i < d->config.workers; i++)
        if (d->gateways[i].proxy.e)
            sw_gateway_fini(&d->gateways[i]);
    sw_pool_free(d->all.pool);
    sw_directory_free(d->all.directory);
    free(d->all.worker);
    free(d->gateways);
    free(d->peers);
    close_listeners(d);
    sw_config_free(&d->config);
}

static bool start_threads(struct daemon *d)
{
    for (; d->started < d->all.count; d->started++)
        if (pthread_create(&d->all.worker[d->started].thread, NULL, sw_worker_run,
                           &d->all.worker[d->started]) != 0)
            return false;
    return true;
}

/* ---- stopping ---- */

static void wake_all(struct daemon *d)
{
    for (unsigned i = 0; i < d->started; i++)
        sw_worker_wake(&d->all.worker[i]);
}

static uint64_t open_transactions(struct daemon *d)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < d->started; i++)
        n += atomic_load_explicit(&d->all.worker[i].open_transactions, memory_order_relaxed);
    return n;
}

static void stop(struct daemon *d)
{
    int64_t until = sw_clock_ms() + d->config.limits.drain_ms;
    SW_LOG(SW_LEVEL_INFO, "draining",
           sw_field_number("transactions", (int64_t)open_transactions(d)),
           sw_field_number("limit_ms", d->config.limits.drain_ms));
    atomic_store(&d->all.draining, true);
    wake_all(d);
    usleep(POLL_MS * 1000); /* let each worker count once more */
    while (open_transactions(d) > 0 && sw_clock_ms() < until)
        usleep(POLL_MS * 1000);
    uint64_t left = open_transactions(d);
    atomic_store(&d->all.stopping, true);
    wake_all(d);
    for (unsigned i = 0; i < d->started; i++)
        pthread_join(d->all.worker[i].thread, NULL);
    SW_LOG(SW_LEVEL_INFO, "stopped", sw_field_number("abandoned", (int64_t)left));
}

static void wait_for_signal(const struct sw_config *config, int fd)
{
    struct signalfd_siginfo info;
    for (;;) {
        sw_certs_watch(config, fd, SW_CERTS_WARN_MS);
        ssize_t n = read(fd, &info, sizeof(info));
        if (n < 0 && errno == EINTR)
            continue;
        if (n != sizeof(info) || info.ssi_signo != SIGHUP)
            return;
        SW_LOG(SW_LEVEL_WARN, "reload_ignored",
               sw_field_str("why", "this version does not reload yet"),
               sw_field_str("help", "restart to take up a changed configuration"));
    }
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

static int serve(struct daemon *d, int signals)
{
    bool ok = open_listeners(d);
    enum sw_status s = ok ? make_all(d) : SW_SYS;
    if (ok && s != SW_OK)
        SW_LOG(SW_LEVEL_ERROR, "start_failed", sw_field_str("status", sw_status_name(s)),
               sw_field_str("why", "the workers could not be set up"));
    ok = s == SW_OK && start_threads(d);
    if (ok) {
        SW_LOG(SW_LEVEL_INFO, "ready", sw_field_number("workers", d->all.count),
               sw_field_number("listeners", d->all.listener_count),
               sw_field_number("peers", d->config.proxy.peer_count),
               sw_field_number("pid", getpid()));
        wait_for_signal(&d->config, signals);
    }
    if (d->started)
        stop(d);
    return ok ? 0 : 1;
}

static void log_weak(const struct sw_diags *diags)
{
    char place[512];
    for (size_t i = 0; i < diags->count; i++) {
        const struct sw_diag *x = &diags->d[i];
        int n = snprintf(place, sizeof(place), "%s", diags->path);
        if (x->mark.line && n > 0 && (size_t)n < sizeof(place))
            snprintf(place + n, sizeof(place) - (size_t)n, ":%u:%u", x->mark.line, x->mark.column);
        SW_LOG(x->kind == SW_DIAG_NOTE ? SW_LEVEL_INFO : SW_LEVEL_WARN,
               x->kind == SW_DIAG_NOTE ? "config_note" : "config_weak", sw_field_str("at", place),
               sw_field_str("why", x->text ? x->text : ""));
    }
}

int sw_daemon_run(const char *config_path)
{
    struct daemon d = {0};
    struct sw_diags diags = {0};
    int signals = open_signals(), code = 2;
    mallopt(M_ARENA_MAX, 4); /* memory that threads give back is to be seen as given back */
    raise_descriptors();
    if (sw_config_load(config_path, &d.config, &diags) != SW_OK) {
        sw_diags_print(&diags, stderr, false);
    } else {
        const struct sw_log_conf log = {
            .fd = STDERR_FILENO, .level = d.config.log_level, .json = d.config.log_json};
        code = sw_log_open(&log) == SW_OK && signals >= 0 ? 0 : 1;
        log_weak(&diags);
        sw_certs_warn(&d.config, sw_clock_wall_s());
        if (code == 0)
            code = serve(&d, signals);
    }
    free_all(&d);
    sw_log_close();
    sw_diags_free(&diags);
    if (signals >= 0)
        close(signals);
    return code;
}

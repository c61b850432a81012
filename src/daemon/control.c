/* The main thread while the workers run: signals, questions, changed files, reloads. */
#include "daemon/admin.h"
#include "daemon/daemon.h"
#include "daemon/expiry.h"
#include "daemon/learner.h"
#include "daemon/lists.h"
#include "daemon/reload.h"
#include "daemon/served.h"
#include "dns/resolver.h"
#include "fetch/watch.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    BUSY_MS = 5,        /* workers take up a configuration within a turn */
    RETIRED_MS = 500,   /* handshakes under the old one end in their own time */
    SETTLE_MS = 1000,   /* files change one after the other: certificate, key, chain */
    SETTLED_MS = 5000,  /* who changes them all the time does not keep the others from being read */
    AGAIN_MS = 10000,   /* after something failed that may have been the moment's */
    UNREAD_MS = 600000, /* lists that cannot be read are tried again; a change is noticed at once */
};

/* What changed files want to have read. */
enum { FILES = 1, LISTS = 2 };

/* Files of one kind that changed: when they are read. */
struct due {
    int64_t at_ms; /* 0: none changed */
    int64_t latest_ms;
};

struct control {
    struct sw_daemon *d;
    struct due files, lists;
    int64_t unread_at_ms; /* lists are tried again; 0: all were read */
    int64_t warn_at_ms;   /* of certificates that end, each day */
    uint32_t dns_version; /* that the resolver has */
    bool stop;
};

/* They are read some time after the last change. */
static void put_off(struct due *d)
{
    int64_t now = sw_clock_ms();
    if (!d->at_ms)
        d->latest_ms = now + SETTLED_MS;
    d->at_ms = now + SETTLE_MS < d->latest_ms ? now + SETTLE_MS : d->latest_ms;
}

static void files_changed(struct control *x)
{
    unsigned kinds = sw_watch_changed(x->d->watch);
    if (kinds & FILES)
        put_off(&x->files);
    if (kinds & LISTS)
        put_off(&x->lists);
}

/* Which files are watched is what the newest configuration names; not its own file, which is taken
 * up when somebody says so. */
static void watch_files(struct control *x)
{
    unsigned missed = 0;
    struct sw_daemon *d = x->d;
    if (!d->watch)
        return;
    files_changed(x); /* while they were read */
    sw_watch_clear(d->watch);
    for (const struct sw_config_file *f = d->now->config.files; f; f = f->next)
        missed += sw_watch_add(d->watch, f->path, f->list ? LISTS : FILES) != SW_OK;
    if (missed)
        SW_LOG(SW_LEVEL_WARN, "watch_failed", sw_field_number("files", missed),
               sw_field_str("why", "the system watches no more folders, or they cannot be read"),
               sw_field_str("help", "reload by hand after a change, or raise fs.inotify limits"));
}

/* What ends soon: said when it is new, and again each day. */
static void warn_of_ends(struct control *x)
{
    sw_certs_warn(&x->d->now->config, sw_clock_wall_s());
    sw_lists_warn(&x->d->now->config);
    x->warn_at_ms = sw_clock_ms() + SW_CERTS_WARN_MS;
}

/* The workers have forgotten what other servers said. */
static void adopt_dns(struct control *x)
{
    const struct sw_dns_conf *c = &x->d->now->config.dns;
    if (c->version != x->dns_version)
        sw_resolver_set(x->d->all.resolver, c);
    x->dns_version = c->version;
}

/* What is to be tried again, and when. */
static void try_later(struct control *x, const struct sw_reload_result *r)
{
    int64_t now = sw_clock_ms();
    if (r->done && x->d->now->config.unread) /* once soon: it may be the system that was short */
        x->unread_at_ms = now + (r->before->config.unread ? UNREAD_MS : AGAIN_MS);
    else if (r->done)
        x->unread_at_ms = 0;
    else if (r->from == SW_CONFIG_LISTS)
        x->unread_at_ms = now + AGAIN_MS;
    else if (r->from == SW_CONFIG_FILE) /* who asked may have put a list in place */
        sw_reload_ask(x->d, SW_CONFIG_LISTS, "a reload was refused");
}

static void reload_result(struct control *x, const struct sw_reload_result *r)
{
    char place[512];
    for (size_t i = 0; !r->done && i < r->diags->count; i++) {
        const struct sw_diag *d = &r->diags->d[i];
        if (d->kind != SW_DIAG_ERROR)
            continue;
        sw_diag_place(r->diags, d, place, sizeof(place));
        SW_LOG(SW_LEVEL_ERROR, "reload_error", sw_field_str("at", place),
               sw_field_str("why", d->text ? d->text : "memory is out"));
    }
    if (r->done) {
        if (r->from != SW_CONFIG_LISTS) /* which change no identity */
            sw_served_log(&r->before->config, &x->d->now->config);
        watch_files(x);
        adopt_dns(x);
        sw_learner_adopt(x->d->learner);
        warn_of_ends(x);
        SW_LOG(SW_LEVEL_INFO, "reloaded", sw_field_str("what", sw_reload_what(r->from)),
               sw_field_number("ms", r->ms), sw_field_number("warnings", r->diags->warnings),
               sw_field_number("proved", r->proved),
               sw_field_number("identities", x->d->now->config.identity_count),
               sw_field_number("peers", x->d->now->config.proxy.peer_count));
    } else {
        SW_LOG(SW_LEVEL_ERROR, "reload_failed", sw_field_str("what", sw_reload_what(r->from)),
               sw_field_number("errors", r->diags->errors),
               sw_field_str("why", "the configuration that ran before goes on"),
               sw_field_str("help", "mend what event=reload_error names, and reload again"));
    }
    sw_admin_reloaded(x->d->admin, r);
    try_later(x, r); /* last: what it starts forgets the findings */
}

static void signalled(struct control *x)
{
    struct signalfd_siginfo info;
    ssize_t n = read(x->d->signals, &info, sizeof(info));
    if (n < 0 && errno == EINTR)
        return;
    if (n == sizeof(info) && info.ssi_signo == SIGHUP)
        sw_reload_ask(x->d, SW_CONFIG_FILE, "SIGHUP");
    else
        x->stop = true;
}

static int wait_ms(const struct control *x)
{
    const int64_t moments[] = {x->warn_at_ms, x->files.at_ms, x->lists.at_ms, x->unread_at_ms};
    int64_t now = sw_clock_ms(), ms = x->warn_at_ms - now;
    for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++)
        if (moments[i] && moments[i] - now < ms)
            ms = moments[i] - now;
    ms = ms < 0 ? 0 : ms;
    if (sw_reload_busy(x->d)) {
        int busy = sw_reload_pending(x->d) ? BUSY_MS : RETIRED_MS;
        ms = ms > busy ? busy : ms;
    }
    return (int)ms;
}

static bool is_due(struct due *d)
{
    if (!d->at_ms || d->at_ms > sw_clock_ms())
        return false;
    *d = (struct due){0};
    return true;
}

/* Of what changed, and nothing else: the configuration's own text stays. */
static void read_changed(struct control *x)
{
    if (is_due(&x->lists))
        sw_reload_ask(x->d, SW_CONFIG_LISTS, "lists changed");
    if (is_due(&x->files))
        sw_reload_ask(x->d, SW_CONFIG_RUNNING, "files changed");
    if (x->unread_at_ms && x->unread_at_ms <= sw_clock_ms()) {
        x->unread_at_ms = 0;
        sw_reload_ask(x->d, SW_CONFIG_LISTS, "lists are tried again");
    }
}

static void one_turn(struct control *x)
{
    enum { SIGNALS, LOADER, WATCH, FIXED };
    struct pollfd p[FIXED + SW_ADMIN_FDS] = {
        [SIGNALS] = {.fd = x->d->signals, .events = POLLIN},
        [LOADER] = {.fd = sw_loader_fd(x->d->loader), .events = POLLIN},
        [WATCH] = {.fd = x->d->watch ? sw_watch_fd(x->d->watch) : -1, .events = POLLIN},
    };
    unsigned admin = sw_admin_poll(x->d->admin, p + FIXED);
    struct sw_reload_result r;
    if (poll(p, FIXED + admin, wait_ms(x)) < 0 && errno != EINTR)
        return;
    if (p[SIGNALS].revents)
        signalled(x);
    if (p[WATCH].revents)
        files_changed(x);
    read_changed(x);
    if (x->warn_at_ms <= sw_clock_ms())
        warn_of_ends(x);
    sw_admin_serve(x->d->admin, p + FIXED, admin);
    if (sw_reload_step(x->d, &r))
        reload_result(x, &r);
    x->stop = x->stop || sw_admin_wants_stop(x->d->admin);
}

void sw_control_run(struct sw_daemon *d)
{
    struct control x = {.d = d,
                        .warn_at_ms = sw_clock_ms() + SW_CERTS_WARN_MS,
                        .dns_version = d->now->config.dns.version};
    watch_files(&x);
    while (!x.stop)
        one_turn(&x);
}

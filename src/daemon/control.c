/* The main thread while the workers run: signals, questions, changed files, reloads. */
#include "daemon/admin.h"
#include "daemon/daemon.h"
#include "daemon/expiry.h"
#include "daemon/learner.h"
#include "daemon/reload.h"
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
    BUSY_MS = 5,      /* workers take up a configuration within a turn */
    RETIRED_MS = 500, /* handshakes under the old one end in their own time */
    SETTLE_MS = 1000, /* files change one after the other: certificate, key, chain */
};

struct control {
    struct sw_daemon *d;
    int64_t reload_at_ms; /* files changed: reload then; 0: they did not */
    int64_t warn_at_ms;   /* of certificates that end, each day */
    uint32_t dns_version; /* that the resolver has */
    bool stop;
};

/* Which files are watched is what the newest configuration names; not its own file, which is taken
 * up when somebody says so. */
static void watch_files(struct sw_daemon *d)
{
    unsigned missed = 0;
    if (!d->watch)
        return;
    sw_watch_clear(d->watch);
    for (const struct sw_config_file *f = d->now->config.files; f; f = f->next)
        missed += sw_watch_add(d->watch, f->path) != SW_OK;
    if (missed)
        SW_LOG(SW_LEVEL_WARN, "watch_failed", sw_field_number("files", missed),
               sw_field_str("why", "the system watches no more folders, or they cannot be read"),
               sw_field_str("help", "reload by hand after a change, or raise fs.inotify limits"));
}

/* What ends soon: said when it is new, and again each day. */
static void warn_of_ends(struct control *x)
{
    sw_certs_warn(&x->d->now->config, sw_clock_wall_s());
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
        watch_files(x->d);
        adopt_dns(x);
        sw_learner_adopt(x->d->learner);
        warn_of_ends(x);
        SW_LOG(SW_LEVEL_INFO, "reloaded", sw_field_number("ms", r->ms),
               sw_field_number("warnings", r->diags->warnings),
               sw_field_number("proved", r->proved),
               sw_field_number("identities", x->d->now->config.identity_count),
               sw_field_number("peers", x->d->now->config.proxy.peer_count));
    } else {
        SW_LOG(SW_LEVEL_ERROR, "reload_failed", sw_field_number("errors", r->diags->errors),
               sw_field_str("why", "the configuration that ran before goes on"),
               sw_field_str("help", "mend what event=reload_error names, and reload again"));
    }
    sw_admin_reloaded(x->d->admin, r);
}

static void signalled(struct control *x)
{
    struct signalfd_siginfo info;
    ssize_t n = read(x->d->signals, &info, sizeof(info));
    if (n < 0 && errno == EINTR)
        return;
    if (n == sizeof(info) && info.ssi_signo == SIGHUP)
        sw_reload_ask(x->d, "SIGHUP");
    else
        x->stop = true;
}

static int wait_ms(const struct control *x)
{
    int64_t ms = x->warn_at_ms - sw_clock_ms();
    ms = ms < 0 ? 0 : ms;
    if (x->reload_at_ms) {
        int64_t then = x->reload_at_ms - sw_clock_ms();
        ms = then < 0 ? 0 : then < ms ? then : ms;
    }
    if (sw_reload_busy(x->d)) {
        int busy = sw_reload_pending(x->d) ? BUSY_MS : RETIRED_MS;
        ms = ms > busy ? busy : ms;
    }
    return (int)ms;
}

static void files_changed(struct control *x)
{
    if (sw_watch_changed(x->d->watch))
        x->reload_at_ms = sw_clock_ms() + SETTLE_MS; /* after the last change */
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
    if (x->reload_at_ms && x->reload_at_ms <= sw_clock_ms()) {
        x->reload_at_ms = 0;
        sw_reload_ask(x->d, "files changed");
    }
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
    watch_files(d);
    while (!x.stop)
        one_turn(&x);
}

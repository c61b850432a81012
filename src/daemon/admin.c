#include "daemon/admin.h"

#include "daemon/answers.h"
#include "loop/sock.h"
#include "sys/log.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* A script that got its answer finds what led to it in the log; it waits for a log that is stuck no
 * longer than this. */
enum { LINE_MAX_BYTES = 512, LOG_WAIT_MS = 1000 };

struct client {
    int fd; /* -1: free */
    char line[LINE_MAX_BYTES];
    size_t line_n;
    bool waits; /* for the end of a reload */
    struct sw_answer answer;
    size_t sent;
};

struct sw_admin {
    struct sw_daemon *d;
    const char *path; /* copy */
    int fd;
    bool stop;
    struct client clients[SW_ADMIN_CLIENTS];
};

struct sw_admin *sw_admin_open(struct sw_daemon *d)
{
    const char *path = d->now->config.admin_socket;
    struct sw_admin *a = path ? calloc(1, sizeof(*a)) : NULL;
    if (!a)
        return NULL;
    a->d = d;
    a->path = strdup(path);
    a->fd = a->path ? sw_sock_unix_listen(path) : -1;
    for (int i = 0; i < SW_ADMIN_CLIENTS; i++)
        a->clients[i].fd = -1;
    if (a->fd >= 0)
        return a;
    SW_LOG(SW_LEVEL_ERROR, "admin_failed", sw_field_str("socket", path),
           sw_field_str("why",
                        errno == EADDRINUSE ? "another process listens there" : strerror(errno)),
           sw_field_str("help", "give admin.socket a path of its own that can be written, or \"\" "
                                "to do without `sipward ctl`"));
    sw_admin_close(a);
    return NULL;
}

static void let_go(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    free(c->answer.p);
    *c = (struct client){.fd = -1};
}

void sw_admin_close(struct sw_admin *a)
{
    if (!a)
        return;
    for (int i = 0; i < SW_ADMIN_CLIENTS; i++)
        let_go(&a->clients[i]);
    if (a->fd >= 0) {
        unlink(a->path);
        close(a->fd);
    }
    free((char *)(uintptr_t)a->path);
    free(a);
}

unsigned sw_admin_poll(const struct sw_admin *a, struct pollfd p[SW_ADMIN_FDS])
{
    unsigned n = 0;
    bool full = true;
    for (int i = 0; a && i < SW_ADMIN_CLIENTS; i++) {
        const struct client *c = &a->clients[i];
        full = full && c->fd >= 0;
        if (c->fd >= 0)
            p[n++] = (struct pollfd){.fd = c->fd, .events = c->answer.n ? POLLOUT : POLLIN};
    }
    if (a && !full)
        p[n++] = (struct pollfd){.fd = a->fd, .events = POLLIN};
    return n;
}

static void send_some(struct client *c)
{
    while (c->sent < c->answer.n) {
        ssize_t n = write(c->fd, c->answer.p + c->sent, c->answer.n - c->sent);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0)
            break;
        c->sent += (size_t)n;
    }
    let_go(c);
}

static void reply(struct client *c)
{
    if (c->answer.failed || !c->answer.n) {
        let_go(c);
        return;
    }
    sw_log_settle(LOG_WAIT_MS);
    send_some(c);
}

static void asked(struct sw_admin *a, struct client *c)
{
    char *word = c->line, *arg = strchr(word, ' ');
    if (arg)
        *arg++ = 0;
    if (strcmp(word, "reload") == 0) {
        c->waits = true;
        sw_reload_ask(a->d, SW_CONFIG_FILE, "sipward ctl reload");
        return;
    }
    if (strcmp(word, "drain") == 0) {
        a->stop = true;
        sw_answer_text(&c->answer, "{\"drain\":{\"begun\":1}}\n", 22);
    } else if (!sw_answer_question(a->d, word, arg ? arg : "", &c->answer)) {
        sw_answer_error(&c->answer, "this gateway does not know that question");
    }
    reply(c);
}

static void hear(struct sw_admin *a, struct client *c)
{
    ssize_t n = read(c->fd, c->line + c->line_n, sizeof(c->line) - 1 - c->line_n);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || c->waits) { /* it went away, or says more than it should */
        let_go(c);
        return;
    }
    c->line_n += (size_t)n;
    c->line[c->line_n] = 0;
    char *end = memchr(c->line, '\n', c->line_n);
    if (end) {
        *end = 0;
        asked(a, c);
    } else if (c->line_n == sizeof(c->line) - 1) {
        let_go(c);
    }
}

static void take_up(struct sw_admin *a)
{
    for (int i = 0; i < SW_ADMIN_CLIENTS; i++)
        if (a->clients[i].fd < 0) {
            a->clients[i].fd = sw_sock_unix_accept(a->fd);
            return;
        }
}

void sw_admin_serve(struct sw_admin *a, const struct pollfd *p, unsigned n)
{
    for (unsigned k = 0; a && k < n; k++) {
        if (!p[k].revents)
            continue;
        if (p[k].fd == a->fd)
            take_up(a);
        for (int i = 0; i < SW_ADMIN_CLIENTS; i++) {
            struct client *c = &a->clients[i];
            if (p[k].fd != a->fd && c->fd == p[k].fd) {
                if (c->answer.n)
                    send_some(c);
                else
                    hear(a, c);
                break;
            }
        }
    }
}

void sw_admin_reloaded(struct sw_admin *a, const struct sw_reload_result *r)
{
    if (r->from != SW_CONFIG_FILE || !r->newest) /* not yet what they have asked for */
        return;
    for (int i = 0; a && i < SW_ADMIN_CLIENTS; i++) {
        struct client *c = &a->clients[i];
        if (c->fd < 0 || !c->waits)
            continue;
        c->waits = false;
        sw_answer_reload(a->d, r, &c->answer);
        reply(c);
    }
}

bool sw_admin_wants_stop(const struct sw_admin *a)
{
    return a && a->stop;
}

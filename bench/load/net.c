#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { IN_BYTES = 64 * 1024, EVENTS = 256, SOCKET_BYTES = 8 << 20 };

enum kind { LISTENER, STREAM, DATAGRAMS };

struct load_conn {
    struct load_conn *dirty; /* the next one with output */
    SSL *ssl;
    char *in, *out;
    size_t in_n, out_n, out_cap;
    double begun_s;
    struct sockaddr_in remote; /* of datagrams */
    int fd, port;
    enum kind kind;
    bool tls, up, to_gateway, watches_out, is_dirty, closed, has_session;
};

struct load_net_count load_net;
void (*load_on_up)(struct load_conn *c, double ms);
void (*load_on_session)(struct load_conn *c);

static const struct load_options *g_o;
static load_on_message *g_on_message;
static SSL_CTX *g_client, *g_server;
static struct load_conn *g_dirty;
static int g_epoll;

static void die(const char *what)
{
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(2);
}

/* Sessions that nobody has taken up yet: one for each connection at once. */
enum { SESSIONS_MAX = 4096 };
static SSL_SESSION *g_sessions[SESSIONS_MAX];
static int g_session_count;

static int session_came(SSL *ssl, SSL_SESSION *session)
{
    struct load_conn *c = SSL_get_app_data(ssl);
    if (!c || g_session_count == SESSIONS_MAX)
        return 0;
    c->has_session = true;
    g_sessions[g_session_count++] = session;
    return 1;
}

static SSL_CTX *context(const SSL_METHOD *method, int verify, bool bare)
{
    SSL_CTX *x = SSL_CTX_new(method);
    if (!x ||
        (!bare && (SSL_CTX_use_certificate_chain_file(x, g_o->cert) != 1 ||
                   SSL_CTX_use_PrivateKey_file(x, g_o->key, SSL_FILETYPE_PEM) != 1)) ||
        SSL_CTX_load_verify_locations(x, g_o->ca, NULL) != 1)
        die("certificate, key or CA");
    SSL_CTX_set_verify(x, verify, NULL);
    SSL_CTX_set_mode(x, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_OFF);
    return x;
}

void load_net_start(const struct load_options *o, load_on_message *on_message)
{
    struct rlimit r;
    g_o = o;
    g_on_message = on_message;
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
    g_epoll = epoll_create1(0);
    if (o->cert) {
        g_client = context(TLS_client_method(), SSL_VERIFY_PEER, o->bare);
        g_server =
            context(TLS_server_method(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, false);
        if (o->resume) {
            SSL_CTX_set_session_cache_mode(g_client,
                                           SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
            SSL_CTX_sess_set_new_cb(g_client, session_came);
        }
    }
}

static struct load_conn *add(int fd, enum kind kind, bool tls)
{
    struct load_conn *c = calloc(1, sizeof(*c));
    struct sockaddr_in a;
    socklen_t n = sizeof(a);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    int one = 1;
    if (!c || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        die("socket");
    *c = (struct load_conn){.fd = fd, .kind = kind, .tls = tls, .begun_s = load_now_s()};
    if (kind == STREAM)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (getsockname(fd, (struct sockaddr *)&a, &n) == 0)
        c->port = ntohs(a.sin_port);
    if (epoll_ctl(g_epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
        die("epoll");
    return c;
}

static void watch_out(struct load_conn *c, bool on)
{
    struct epoll_event ev = {.events = EPOLLIN | (on ? EPOLLOUT : 0), .data.ptr = c};
    if (c->watches_out != on)
        epoll_ctl(g_epoll, EPOLL_CTL_MOD, c->fd, &ev);
    c->watches_out = on;
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int datagram_socket(int port)
{
    struct sockaddr_in a = loopback(port);
    int fd = socket(AF_INET, SOCK_DGRAM, 0), big = SOCKET_BYTES;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
        die("bind");
    return fd;
}

struct load_conn *load_connect(void)
{
    struct sockaddr_in to = loopback(g_o->gateway_port);
    struct load_conn *c;
    if (g_o->caller == LOAD_UDP) {
        c = add(datagram_socket(0), DATAGRAMS, false);
        c->remote = to;
        c->up = true;
        load_net.up++;
        return c;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS))
        die("connect");
    c = add(fd, STREAM, g_o->caller == LOAD_TLS);
    c->to_gateway = true;
    if (c->tls) {
        c->ssl = SSL_new(g_client);
        SSL_set_fd(c->ssl, fd);
        SSL_set_tlsext_host_name(c->ssl, g_o->domain);
        SSL_set_app_data(c->ssl, c);
        if (g_session_count) {
            SSL_set_session(c->ssl, g_sessions[--g_session_count]);
            SSL_SESSION_free(g_sessions[g_session_count]);
        }
        SSL_set_connect_state(c->ssl);
    }
    watch_out(c, true);
    return c;
}

void load_listen(void)
{
    struct sockaddr_in a = loopback(g_o->callee_port);
    int one = 1;
    if (g_o->callee == LOAD_UDP) {
        add(datagram_socket(g_o->callee_port), DATAGRAMS, false)->up = true;
        return;
    }
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 1024) != 0)
        die("listen");
    add(fd, LISTENER, g_o->callee == LOAD_TLS);
}

int load_local_port(const struct load_conn *c)
{
    return c->port;
}

void load_close(struct load_conn *c)
{
    if (c->closed)
        return;
    if (c->ssl) {
        SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
    }
    ERR_clear_error();
    close(c->fd);
    free(c->in);
    free(c->out);
    c->in = c->out = NULL;
    c->ssl = NULL;
    c->out_n = 0;
    c->closed = true; /* the block stays: events of this turn may name it */
}

/* ---- output ---- */

void load_send(struct load_conn *c, const char *bytes, size_t n)
{
    if (c->closed)
        return;
    if (c->kind == DATAGRAMS) {
        (void)sendto(c->fd, bytes, n, 0, (struct sockaddr *)&c->remote, sizeof(c->remote));
        return;
    }
    if (c->out_n + n > c->out_cap) {
        c->out_cap = (c->out_n + n) * 2;
        c->out = realloc(c->out, c->out_cap);
        if (!c->out)
            die("memory");
    }
    memcpy(c->out + c->out_n, bytes, n);
    c->out_n += n;
    if (!c->is_dirty) {
        c->is_dirty = true;
        c->dirty = g_dirty;
        g_dirty = c;
    }
}

static void flush(struct load_conn *c)
{
    size_t done = 0;
    while (done < c->out_n) {
        size_t k = 0;
        if (c->tls && SSL_write_ex(c->ssl, c->out + done, c->out_n - done, &k) != 1)
            break;
        if (!c->tls) {
            ssize_t r = write(c->fd, c->out + done, c->out_n - done);
            if (r <= 0)
                break;
            k = (size_t)r;
        }
        done += k;
    }
    ERR_clear_error();
    memmove(c->out, c->out + done, c->out_n - done);
    c->out_n -= done;
    watch_out(c, c->out_n > 0);
}

/* ---- input ---- */

static size_t content_length(const char *p, const char *end)
{
    for (const char *line = p; line && line < end; line++) {
        if (strncasecmp(line, "Content-Length:", 15) == 0)
            return strtoul(line + 15, NULL, 10);
        line = memchr(line, '\n', (size_t)(end - line));
        if (!line)
            break;
    }
    return 0;
}

static void take_messages(struct load_conn *c)
{
    size_t at = 0;
    while (at < c->in_n && !c->closed) {
        char *p = c->in + at, *end = memmem(p, c->in_n - at, "\r\n\r\n", 4);
        if (!end)
            break;
        size_t head = (size_t)(end + 4 - p), n = head + content_length(p, end);
        if (n > c->in_n - at)
            break;
        g_on_message(c, p, head, n);
        at += n;
    }
    if (c->closed)
        return;
    memmove(c->in, c->in + at, c->in_n - at);
    c->in_n -= at;
}

static void read_stream(struct load_conn *c)
{
    for (;;) {
        size_t k = 0;
        if (!c->in)
            c->in = malloc(IN_BYTES);
        if (!c->in)
            die("memory");
        if (c->tls) {
            int r = SSL_read_ex(c->ssl, c->in + c->in_n, IN_BYTES - c->in_n, &k);
            int e = r == 1 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, r);
            ERR_clear_error();
            if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
                break;
        } else {
            ssize_t r = read(c->fd, c->in + c->in_n, IN_BYTES - c->in_n);
            if (r < 0 && errno == EAGAIN)
                break;
            k = r > 0 ? (size_t)r : 0;
        }
        if (k == 0) {
            load_net.lost++;
            load_close(c);
            return;
        }
        c->in_n += k;
        take_messages(c);
        if (c->closed)
            return;
    }
    if (c->in_n == 0) { /* an idle connection holds no buffer */
        free(c->in);
        c->in = NULL;
    }
}

static void read_datagrams(struct load_conn *c)
{
    static char bytes[65536];
    struct sockaddr_in from;
    socklen_t n = sizeof(from);
    ssize_t r;
    while ((r = recvfrom(c->fd, bytes, sizeof(bytes) - 1, 0, (struct sockaddr *)&from, &n)) > 0) {
        bytes[r] = 0;
        char *end = memmem(bytes, (size_t)r, "\r\n\r\n", 4);
        if (c->port == g_o->callee_port)
            c->remote = from;
        if (end)
            g_on_message(c, bytes, (size_t)(end + 4 - bytes), (size_t)r);
    }
}

static void accept_all(struct load_conn *l)
{
    int fd;
    while ((fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct load_conn *c = add(fd, STREAM, l->tls);
        c->up = !c->tls;
        if (c->tls) {
            c->ssl = SSL_new(g_server);
            SSL_set_fd(c->ssl, fd);
            SSL_set_accept_state(c->ssl);
        }
    }
}

/* TCP, then TLS; false while it is under way or after it failed. */
static bool come_up(struct load_conn *c)
{
    int e = 0;
    socklen_t n = sizeof(e);
    if (c->tls) {
        int r = SSL_do_handshake(c->ssl);
        e = r == 1 ? 0 : SSL_get_error(c->ssl, r);
        ERR_clear_error();
        if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) {
            watch_out(c, e == SSL_ERROR_WANT_WRITE);
            return false;
        }
    } else {
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &n);
    }
    if (e) {
        load_net.failed += c->to_gateway;
        load_close(c);
        return false;
    }
    c->up = true;
    watch_out(c, false);
    if (c->to_gateway) {
        load_net.up++;
        load_net.resumed += c->tls && SSL_session_reused(c->ssl);
        if (load_on_up)
            load_on_up(c, (load_now_s() - c->begun_s) * 1000);
    }
    return !c->closed;
}

static void serve(struct load_conn *c, uint32_t events)
{
    if (c->closed)
        return;
    if (c->kind == LISTENER) {
        accept_all(c);
    } else if (c->kind == DATAGRAMS) {
        read_datagrams(c);
    } else if (c->up || come_up(c)) {
        if (events & EPOLLOUT)
            flush(c);
        read_stream(c);
        if (c->has_session && !c->closed && load_on_session)
            load_on_session(c);
    }
}

void load_turn(int ms)
{
    struct epoll_event ev[EVENTS];
    int n = epoll_wait(g_epoll, ev, EVENTS, g_dirty ? 0 : ms);
    for (int i = 0; i < n; i++)
        serve(ev[i].data.ptr, ev[i].events);
    while (g_dirty) {
        struct load_conn *c = g_dirty;
        g_dirty = c->dirty;
        c->is_dirty = false;
        if (!c->closed && c->up)
            flush(c);
    }
}

/* The bare TLS library as a server: accept, handshake, read until the client closes, free. What it
 * costs is the anchor that the gateway's figures for handshakes and idle connections are compared
 * with. See bench/README.md. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, BACKLOG = 4096 };

struct link {
    SSL *ssl;
    int fd;
    bool up;
};

static int usage(void)
{
    fputs("sipward-bare PORT CERT KEY [--ca FILE] [--tickets N] [--release]\n"
          "  --ca FILE    clients show a certificate of this CA\n"
          "  --tickets N  session tickets after a handshake; the library's own number is 2\n"
          "  --release    buffers of idle connections are freed\n",
          stderr);
    return 2;
}

static SSL_CTX *context(int argc, char **argv)
{
    SSL_CTX *x = SSL_CTX_new(TLS_server_method());
    if (!x || SSL_CTX_use_certificate_chain_file(x, argv[2]) != 1 ||
        SSL_CTX_use_PrivateKey_file(x, argv[3], SSL_FILETYPE_PEM) != 1)
        return NULL;
    SSL_CTX_set_session_id_context(x, (const unsigned char *)"bare", 4);
    for (int i = 4; i < argc; i++) {
        if (strcmp(argv[i], "--release") == 0) {
            SSL_CTX_set_mode(x, SSL_MODE_RELEASE_BUFFERS);
        } else if (strcmp(argv[i], "--tickets") == 0 && i + 1 < argc) {
            SSL_CTX_set_num_tickets(x, (size_t)atoi(argv[++i]));
        } else if (strcmp(argv[i], "--ca") == 0 && i + 1 < argc) {
            if (SSL_CTX_load_verify_locations(x, argv[++i], NULL) != 1)
                return NULL;
            SSL_CTX_set_verify(x, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        } else {
            return NULL;
        }
    }
    return x;
}

static int listening(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, BACKLOG) != 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        return -1;
    return fd;
}

static void accept_all(int listener, int epoll, SSL_CTX *x)
{
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct link *l = calloc(1, sizeof(*l));
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = l};
        if (!l || !(l->ssl = SSL_new(x)))
            exit(2);
        l->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        SSL_set_fd(l->ssl, fd);
        SSL_set_accept_state(l->ssl);
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
    }
}

/* One step of a connection: handshake, then whatever comes is thrown away until its end. */
static void step(struct link *l)
{
    char bytes[4096];
    int r = l->up ? 1 : SSL_do_handshake(l->ssl);
    if (r == 1) {
        l->up = true;
        while ((r = SSL_read(l->ssl, bytes, sizeof(bytes))) > 0)
            ;
    }
    if (SSL_get_error(l->ssl, r) == SSL_ERROR_WANT_READ)
        return;
    if (l->up && SSL_get_shutdown(l->ssl) & SSL_RECEIVED_SHUTDOWN)
        (void)SSL_shutdown(l->ssl);
    SSL_free(l->ssl);
    close(l->fd);
    free(l);
}

int main(int argc, char **argv)
{
    SSL_CTX *x = argc >= 4 ? context(argc, argv) : NULL;
    int listener = x ? listening(atoi(argv[1])) : -1, epoll = epoll_create1(0);
    struct epoll_event events[EVENTS], first = {.events = EPOLLIN};
    struct rlimit r;
    if (listener < 0)
        return usage();
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &first);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                step(events[i].data.ptr);
            else
                accept_all(listener, epoll, x);
        }
    }
}

#include "loop/sock.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

socklen_t sw_sockaddr_put(const struct sw_endpoint *e, union sw_sockaddr *out)
{
    memset(out, 0, sizeof(*out));
    if (e->family == 4) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(e->port);
        memcpy(&out->v4.sin_addr, e->ip, 4);
        return sizeof(out->v4);
    }
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(e->port);
    out->v6.sin6_scope_id = e->scope;
    memcpy(&out->v6.sin6_addr, e->ip, 16);
    return sizeof(out->v6);
}

struct sw_endpoint sw_sockaddr_get(const union sw_sockaddr *a)
{
    struct sw_endpoint e = {0};
    if (a->any.sa_family == AF_INET) {
        e.family = 4;
        e.port = ntohs(a->v4.sin_port);
        memcpy(e.ip, &a->v4.sin_addr, 4);
    } else if (a->any.sa_family == AF_INET6) {
        e.family = 6;
        e.port = ntohs(a->v6.sin6_port);
        e.scope = a->v6.sin6_scope_id;
        memcpy(e.ip, &a->v6.sin6_addr, 16);
    }
    return e;
}

static void set_on(int fd, int level, int option)
{
    int one = 1;
    if (setsockopt(fd, level, option, &one, sizeof(one)) != 0)
        return; /* what matters fails again, and audibly, at bind */
}

static void set_freebind(int fd, bool v4)
{
    set_on(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_FREEBIND : IPV6_FREEBIND);
}

static void prepare(int fd, const struct sw_sock_conf *c)
{
    bool v4 = c->address.family == 4;
    if (!c->datagram) /* datagram sockets would share the port by it, unasked */
        set_on(fd, SOL_SOCKET, SO_REUSEADDR);
    if (c->share_port)
        set_on(fd, SOL_SOCKET, SO_REUSEPORT);
    if (!v4)
        set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    if (c->freebind)
        set_freebind(fd, v4);
    if (!c->datagram)
        return;
    set_on(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR);
    if (c->receive_bytes &&
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &c->receive_bytes, sizeof(int)) != 0 &&
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &c->receive_bytes, sizeof(int)) != 0)
        return; /* a smaller buffer is no error */
}

int sw_sock_listen(const struct sw_sock_conf *c)
{
    union sw_sockaddr a;
    socklen_t n = sw_sockaddr_put(&c->address, &a);
    int type = (c->datagram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int fd = socket(a.any.sa_family, type, 0);
    if (fd < 0)
        return -1;
    prepare(fd, c);
    if (bind(fd, &a.any, n) == 0 && (c->datagram || listen(fd, 4096) == 0))
        return fd;
    int e = errno;
    close(fd);
    errno = e;
    return -1;
}

static int start_connect(int type, const struct sw_endpoint *to, const struct sw_endpoint *from,
                         bool freebind)
{
    union sw_sockaddr a, b;
    socklen_t n = sw_sockaddr_put(to, &a);
    int fd = socket(a.any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (type == SOCK_STREAM)
        set_on(fd, IPPROTO_TCP, TCP_NODELAY);
    if (from->family == to->family && !sw_endpoint_is_wildcard(from)) {
        struct sw_endpoint any_port = *from;
        any_port.port = 0;
        socklen_t m = sw_sockaddr_put(&any_port, &b);
        set_on(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
        if (freebind)
            set_freebind(fd, from->family == 4);
        if (bind(fd, &b.any, m) != 0)
            goto fail;
    }
    if (connect(fd, &a.any, n) == 0 || errno == EINPROGRESS)
        return fd;
fail:;
    int e = errno;
    close(fd);
    errno = e;
    return -1;
}

int sw_sock_connect(const struct sw_endpoint *to, const struct sw_endpoint *from, bool freebind)
{
    return start_connect(SOCK_STREAM, to, from, freebind);
}

int sw_sock_connect_datagram(const struct sw_endpoint *to, const struct sw_endpoint *from)
{
    return start_connect(SOCK_DGRAM, to, from, false);
}

void sw_sock_limit_unacknowledged(int fd, uint32_t ms)
{
    unsigned v = ms;
    if (setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &v, sizeof(v)) != 0)
        return; /* then the system's time counts, a quarter of an hour */
}

void sw_sock_reset_on_close(int fd)
{
    const struct linger none = {.l_onoff = 1};
    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)) != 0)
        return; /* then it ends in good order, or tries to */
}

enum sw_status sw_sock_connected(int fd)
{
    int e = 0;
    socklen_t n = sizeof(e);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n) != 0)
        e = errno;
    return e ? sw_sock_status(e) : SW_OK;
}

int sw_sock_accept(int fd, struct sw_endpoint *remote)
{
    union sw_sockaddr a;
    socklen_t n = sizeof(a);
    int c = accept4(fd, &a.any, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (c < 0)
        return -1;
    set_on(c, IPPROTO_TCP, TCP_NODELAY);
    *remote = sw_sockaddr_get(&a);
    return c;
}

enum sw_status sw_sock_status(int error)
{
    switch (error) {
    case EAGAIN:
    case EINTR:
        return SW_AGAIN;
    case ECONNREFUSED:
        return SW_PEER_REFUSED;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
        return SW_PEER_RESET;
    case ETIMEDOUT:
        return SW_PEER_TIMEOUT;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL:
    case EINVAL: /* older kernels: the socket's own address is not here */
        return SW_SYS_UNREACHABLE;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return SW_LIMIT;
    default:
        return SW_SYS;
    }
}

struct sw_endpoint sw_sock_local(int fd)
{
    union sw_sockaddr a;
    socklen_t n = sizeof(a);
    if (getsockname(fd, &a.any, &n) != 0)
        return (struct sw_endpoint){0};
    return sw_sockaddr_get(&a);
}

/* ---- unix sockets ---- */

static bool unix_address(const char *path, struct sockaddr_un *a)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n >= sizeof(a->sun_path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(a->sun_path, path, n);
    return true;
}

int sw_sock_unix_connect(const char *path)
{
    struct sockaddr_un a;
    if (!unix_address(path, &a))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

int sw_sock_unix_listen(const char *path)
{
    struct sockaddr_un a;
    if (!unix_address(path, &a))
        return -1;
    int other = sw_sock_unix_connect(path);
    if (other >= 0) {
        close(other);
        errno = EADDRINUSE;
        return -1;
    }
    if (errno == ECONNREFUSED)
        unlink(path); /* left by a process that died */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t old = umask(0177);
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 16) == 0;
    int error = errno;
    umask(old);
    if (ok || fd < 0)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

int sw_sock_unix_accept(int fd)
{
    return accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

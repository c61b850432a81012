/* Sockets and their addresses: the only place that knows sockaddr. */
#ifndef SW_LOOP_SOCK_H
#define SW_LOOP_SOCK_H

#include "base/endpoint.h"
#include "base/status.h"
#include <netinet/in.h>
#include <sys/socket.h>

/* What a listening socket is to be. */
struct sw_sock_conf {
    struct sw_endpoint address;
    bool datagram;
    bool freebind;     /* the address may not be here yet */
    bool share_port;   /* further sockets will listen on the same address */
    int receive_bytes; /* of a datagram socket's buffer; 0: the system's */
};

union sw_sockaddr {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/** The system's form of an endpoint, and its length. */
socklen_t sw_sockaddr_put(const struct sw_endpoint *e, union sw_sockaddr *out);

/** The endpoint of a system address; family 0 if it is none of ours. */
struct sw_endpoint sw_sockaddr_get(const union sw_sockaddr *a);

/** A bound socket, listening if it is not for datagrams; -1 with errno. */
int sw_sock_listen(const struct sw_sock_conf *conf);

/**
 * Starts a connection from the address `from` (its port is not used; family 0: any), which with
 * `freebind` may be one that is not here. -1 with errno; else a socket that becomes writable when
 * it is connected or has failed.
 */
int sw_sock_connect(const struct sw_endpoint *to, const struct sw_endpoint *from, bool freebind);

/** A datagram socket that talks to `to` only, with its errors; `from` as above. -1 with errno. */
int sw_sock_connect_datagram(const struct sw_endpoint *to, const struct sw_endpoint *from);

/** Ends a connection when what was sent over it was not acknowledged for that long. RFC 5482 */
void sw_sock_limit_unacknowledged(int fd, uint32_t ms);

/** Lets the next close end a connection at once, with nothing more sent than a reset. */
void sw_sock_reset_on_close(int fd);

/** SW_OK if a started connection is there, else why it is not. */
enum sw_status sw_sock_connected(int fd);

/** Accepts one connection; -1 with errno. */
int sw_sock_accept(int fd, struct sw_endpoint *remote);

/** A listening unix socket, mode 0600; a file that nobody listens on any more is replaced. -1 with
 * errno, EADDRINUSE: another process listens there. */
int sw_sock_unix_listen(const char *path);

/** Connects to a unix socket; -1 with errno. */
int sw_sock_unix_connect(const char *path);

/** Accepts one connection of a unix socket; -1 with errno. */
int sw_sock_unix_accept(int fd);

/** The status that an errno of a socket call means. */
enum sw_status sw_sock_status(int error);

/** The local address of a socket. */
struct sw_endpoint sw_sock_local(int fd);

#endif

#include "conn/udp.h"

#include "loop/sock.h"
#include <errno.h>
#include <linux/errqueue.h>
#include <stdlib.h>
#include <sys/uio.h>

struct sw_udp_ring {
    struct mmsghdr msg[SW_UDP_BATCH];
    struct iovec iov[SW_UDP_BATCH];
    union sw_sockaddr from[SW_UDP_BATCH];
    char bytes[SW_UDP_BATCH][SW_UDP_MAX + 1];
};

enum sw_status sw_udp_init(struct sw_udp_batch *b)
{
    *b = (struct sw_udp_batch){.ring = malloc(sizeof(struct sw_udp_ring))};
    if (!b->ring)
        return SW_LIMIT_MEMORY;
    for (unsigned i = 0; i < SW_UDP_BATCH; i++) {
        b->ring->iov[i] = (struct iovec){b->ring->bytes[i], SW_UDP_MAX};
        b->ring->msg[i] = (struct mmsghdr){0};
        b->ring->msg[i].msg_hdr.msg_iov = &b->ring->iov[i];
        b->ring->msg[i].msg_hdr.msg_iovlen = 1;
        b->ring->msg[i].msg_hdr.msg_name = &b->ring->from[i];
    }
    return SW_OK;
}

void sw_udp_fini(struct sw_udp_batch *b)
{
    free(b->ring);
    b->ring = NULL;
}

bool sw_udp_read(struct sw_udp_batch *b, int fd)
{
    struct sw_udp_ring *r = b->ring;
    for (unsigned i = 0; i < SW_UDP_BATCH; i++)
        r->msg[i].msg_hdr.msg_namelen = sizeof(r->from[i]);
    int n = recvmmsg(fd, r->msg, SW_UDP_BATCH, MSG_DONTWAIT, NULL);
    b->count = n > 0 ? (unsigned)n : 0;
    for (unsigned i = 0; i < b->count; i++) {
        b->bytes[i] = sw_slice(r->bytes[i], r->msg[i].msg_len);
        b->from[i] = sw_sockaddr_get(&r->from[i]);
    }
    return b->count > 0;
}

enum sw_status sw_udp_send(int fd, const struct sw_endpoint *to, const struct sw_slice *segs,
                           size_t count)
{
    struct iovec iov[SW_UDP_PIECES_MAX];
    union sw_sockaddr a;
    struct msghdr m = {.msg_name = &a, .msg_iov = iov, .msg_iovlen = count};
    m.msg_namelen = sw_sockaddr_put(to, &a);
    if (count > SW_UDP_PIECES_MAX)
        return SW_LIMIT;
    for (size_t i = 0; i < count; i++)
        iov[i] = (struct iovec){(void *)(uintptr_t)segs[i].p, segs[i].n};
    for (int tries = 0; tries < 3; tries++) {
        if (sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return SW_OK;
        /* an error queued by an earlier datagram is reported here first: it is not about this one
         */
        if (errno != ECONNREFUSED && errno != EHOSTUNREACH && errno != ENETUNREACH)
            break;
    }
    return sw_sock_status(errno);
}

static bool icmp_status(struct msghdr *m, enum sw_status *why)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
        bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
        struct sock_extended_err e;
        if (!v4 && !v6)
            continue;
        memcpy(&e, CMSG_DATA(c), sizeof(e));
        *why = sw_sock_status((int)e.ee_errno);
        return true;
    }
    return false;
}

bool sw_udp_refused(struct sw_udp_batch *b, int fd, struct sw_slice *bytes, struct sw_endpoint *to,
                    enum sw_status *why)
{
    char control[512];
    struct msghdr m = {
        .msg_name = &b->ring->from[0],
        .msg_namelen = sizeof(b->ring->from[0]),
        .msg_iov = &b->ring->iov[0],
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof(control),
    };
    ssize_t n = recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (n < 0)
        return false;
    *bytes = sw_slice(b->ring->bytes[0], (size_t)n);
    *to = sw_sockaddr_get(&b->ring->from[0]);
    return icmp_status(&m, why);
}

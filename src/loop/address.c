#include "loop/address.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BYTES = 8192 };

/* The question which way leads to an address. */
struct question {
    struct nlmsghdr head;
    struct rtmsg route;
    char attributes[64];
};

static int open_netlink(unsigned groups)
{
    struct sockaddr_nl a = {.nl_family = AF_NETLINK, .nl_groups = groups};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int sw_address_watch(void)
{
    return open_netlink(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
}

/* What was lost because too much came (ENOBUFS) is no different from what was read. */
void sw_address_seen(int fd)
{
    char bytes[BYTES];
    while (recv(fd, bytes, sizeof(bytes), 0) >= 0 || errno == ENOBUFS)
        ;
}

static void put(struct question *q, unsigned short type, const void *p, size_t n)
{
    struct rtattr *a = (struct rtattr *)((char *)q + NLMSG_ALIGN(q->head.nlmsg_len));
    a->rta_type = type;
    a->rta_len = (unsigned short)RTA_LENGTH(n);
    memcpy(RTA_DATA(a), p, n);
    q->head.nlmsg_len = (unsigned)(NLMSG_ALIGN(q->head.nlmsg_len) + RTA_ALIGN(a->rta_len));
}

static struct question ask_for(const struct sw_endpoint *e)
{
    size_t n = e->family == 4 ? 4 : 16;
    struct question q = {
        .head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
                 .nlmsg_type = RTM_GETROUTE,
                 .nlmsg_flags = NLM_F_REQUEST},
        .route = {.rtm_family = e->family == 4 ? AF_INET : AF_INET6,
                  .rtm_dst_len = (unsigned char)(n * 8)},
    };
    put(&q, RTA_DST, e->ip, n);
    if (e->scope)
        put(&q, RTA_OIF, &e->scope, sizeof(e->scope));
    return q;
}

bool sw_address_is_here(const struct sw_endpoint *e)
{
    union {
        struct nlmsghdr head;
        char bytes[BYTES];
    } answer;
    struct question q = ask_for(e);
    if (sw_endpoint_is_wildcard(e))
        return true;
    int fd = open_netlink(0);
    if (fd < 0)
        return true;
    ssize_t n = send(fd, &q, q.head.nlmsg_len, 0);
    if (n >= 0) /* it answers before send returns */
        n = recv(fd, &answer, sizeof(answer), 0);
    close(fd);
    if (n < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)))
        return true;
    if (answer.head.nlmsg_type == NLMSG_ERROR) /* such as: no route at all */
        return false;
    const struct rtmsg *r = NLMSG_DATA(&answer.head);
    return answer.head.nlmsg_type != RTM_NEWROUTE || r->rtm_type == RTN_LOCAL;
}

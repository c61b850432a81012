#include "loop/loop.h"

#include <sys/epoll.h>
#include <unistd.h>

enum sw_status sw_loop_init(struct sw_loop *l)
{
    l->fd = epoll_create1(EPOLL_CLOEXEC);
    return l->fd < 0 ? SW_SYS : SW_OK;
}

void sw_loop_fini(struct sw_loop *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

static struct epoll_event event(unsigned want, uint64_t tag)
{
    return (struct epoll_event){
        .events = (want & SW_WANT_READ ? EPOLLIN : 0u) | (want & SW_WANT_WRITE ? EPOLLOUT : 0u),
        .data.u64 = tag,
    };
}

enum sw_status sw_loop_add(struct sw_loop *l, int fd, unsigned want, uint64_t tag)
{
    struct epoll_event ev = event(want, tag);
    return epoll_ctl(l->fd, EPOLL_CTL_ADD, fd, &ev) == 0 ? SW_OK : SW_SYS;
}

void sw_loop_change(struct sw_loop *l, int fd, unsigned want, uint64_t tag)
{
    struct epoll_event ev = event(want, tag);
    epoll_ctl(l->fd, EPOLL_CTL_MOD, fd, &ev);
}

void sw_loop_del(struct sw_loop *l, int fd)
{
    epoll_ctl(l->fd, EPOLL_CTL_DEL, fd, NULL);
}

unsigned sw_loop_wait(struct sw_loop *l, int timeout_ms, struct sw_ready ready[SW_READY_MAX])
{
    struct epoll_event ev[SW_READY_MAX];
    int n = epoll_wait(l->fd, ev, SW_READY_MAX, timeout_ms);
    for (int i = 0; i < n; i++) {
        ready[i].tag = ev[i].data.u64;
        ready[i].want = (ev[i].events & EPOLLIN ? SW_WANT_READ : 0u) |
                        (ev[i].events & EPOLLOUT ? SW_WANT_WRITE : 0u) |
                        (ev[i].events & (EPOLLERR | EPOLLHUP) ? SW_WANT_BROKEN : 0u);
    }
    return n > 0 ? (unsigned)n : 0;
}

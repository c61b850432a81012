#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/sock.h"
#include "support/random.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

enum { WAIT_MS = 30000 };

static struct sw_endpoint endpoint(const char *text)
{
    struct sw_endpoint e;
    assert_true(sw_endpoint_parse(sw_slice_str(text), 0, &e));
    return e;
}

/* A listening socket at `text`, or the test is skipped where the machine has no such address. */
static int listen_at(const char *text)
{
    const struct sw_sock_conf conf = {.address = endpoint(text)};
    int fd = sw_sock_listen(&conf);
    if (fd < 0 && conf.address.family == 6)
        skip();
    assert_true(fd >= 0);
    return fd;
}

static bool ready(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, WAIT_MS) == 1;
}

static void assert_careful(int fd)
{
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void test_sock_address_comes_back_from_the_systems_form(void **state)
{
    struct rng r = rng_start(__func__);
    (void)state;
    for (int round = 0; round < 1000; round++) {
        struct sw_endpoint e = {.family = rng_below(&r, 2) ? 4 : 6, .port = (uint16_t)rng_next(&r)};
        union sw_sockaddr a;
        for (int i = 0; i < (e.family == 4 ? 4 : 16); i++)
            e.ip[i] = (uint8_t)rng_next(&r);
        e.scope = e.family == 6 ? (uint32_t)rng_next(&r) : 0;
        memset(&a, 0xff, sizeof(a));
        assert_int_equal(sw_sockaddr_put(&e, &a), e.family == 4 ? sizeof(a.v4) : sizeof(a.v6));
        struct sw_endpoint back = sw_sockaddr_get(&a);
        assert_memory_equal(&back, &e, sizeof(e));
    }
}

static void test_sock_address_of_another_family_is_none(void **state)
{
    union sw_sockaddr a = {.any.sa_family = AF_UNIX};
    (void)state;
    assert_int_equal(sw_sockaddr_get(&a).family, 0);
    assert_int_equal(sw_sock_local(-1).family, 0);
}

static void connect_and_talk(const char *address)
{
    struct sw_endpoint remote, none = {0};
    char got[8];
    int l = listen_at(address);
    struct sw_endpoint to = sw_sock_local(l);
    assert_int_not_equal(to.port, 0);
    assert_careful(l);
    assert_int_equal(sw_sock_accept(l, &remote), -1);
    assert_int_equal(sw_sock_status(errno), SW_AGAIN);
    int c = sw_sock_connect(&to, &none, false);
    assert_true(c >= 0);
    assert_careful(c);
    assert_true(ready(c, POLLOUT));
    assert_int_equal(sw_sock_connected(c), SW_OK);
    assert_true(ready(l, POLLIN));
    int s = sw_sock_accept(l, &remote);
    assert_true(s >= 0);
    assert_careful(s);
    struct sw_endpoint mine = sw_sock_local(c), theirs = sw_sock_local(s);
    assert_true(sw_endpoint_eq(&remote, &mine));
    assert_true(sw_endpoint_eq(&to, &theirs));
    assert_int_equal(write(c, "hello", 5), 5);
    assert_true(ready(s, POLLIN));
    assert_int_equal(read(s, got, sizeof(got)), 5);
    assert_memory_equal(got, "hello", 5);
    close(s);
    close(c);
    close(l);
}

static void test_sock_connects_over_ipv4(void **state)
{
    (void)state;
    connect_and_talk("127.0.0.1:0");
}

static void test_sock_connects_over_ipv6(void **state)
{
    (void)state;
    connect_and_talk("[::1]:0");
}

static void test_sock_connects_from_the_given_address_and_any_port(void **state)
{
    static const struct {
        const char *from, *seen;
    } rows[] = {{"127.0.0.2", "127.0.0.2"},
                {"127.0.0.3:1", "127.0.0.3"},
                {"0.0.0.0", "127.0.0.1"},
                {"::1", "127.0.0.1"}};
    int l = listen_at("127.0.0.1:0");
    struct sw_endpoint to = sw_sock_local(l);
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_endpoint from = endpoint(rows[i].from), seen = endpoint(rows[i].seen), remote;
        int c = sw_sock_connect(&to, &from, false);
        assert_true(c >= 0);
        assert_true(ready(l, POLLIN));
        int s = sw_sock_accept(l, &remote);
        assert_true(sw_endpoint_ip_eq(&remote, &seen));
        assert_int_not_equal(remote.port, 1);
        close(s);
        close(c);
    }
    close(l);
}

static void test_sock_refused_connection_says_so(void **state)
{
    struct sw_endpoint none = {0};
    int l = listen_at("127.0.0.1:0");
    struct sw_endpoint to = sw_sock_local(l);
    (void)state;
    close(l);
    int c = sw_sock_connect(&to, &none, false);
    if (c < 0) { /* some systems know at once */
        assert_int_equal(sw_sock_status(errno), SW_PEER_REFUSED);
        return;
    }
    assert_true(ready(c, POLLOUT));
    assert_int_equal(sw_sock_connected(c), SW_PEER_REFUSED);
    close(c);
}

static void test_sock_connect_to_no_address_fails_at_once(void **state)
{
    struct sw_endpoint none = {0}, to = endpoint("255.255.255.255:5060");
    (void)state;
    errno = 0;
    assert_int_equal(sw_sock_connect(&to, &none, false), -1);
    assert_int_not_equal(errno, 0);
}

/* Two gateways on one address would share the traffic unnoticed. */
static void test_sock_address_is_given_away_once_unless_shared(void **state)
{
    (void)state;
    for (int datagram = 0; datagram < 2; datagram++) {
        struct sw_sock_conf conf = {.address = endpoint("127.0.0.1:0"), .datagram = datagram};
        int first = sw_sock_listen(&conf);
        assert_true(first >= 0);
        conf.address = sw_sock_local(first);
        assert_int_equal(sw_sock_listen(&conf), -1);
        assert_int_equal(errno, EADDRINUSE);
        close(first);
        conf.share_port = true;
        int second = sw_sock_listen(&conf), third = sw_sock_listen(&conf);
        assert_true(second >= 0 && third >= 0);
        conf.share_port = false;
        assert_int_equal(sw_sock_listen(&conf), -1);
        assert_int_equal(errno, EADDRINUSE);
        close(second);
        close(third);
    }
}

static void test_sock_can_listen_again_where_connections_just_ended(void **state)
{
    struct sw_endpoint none = {0}, remote;
    int l = listen_at("127.0.0.1:0");
    struct sw_sock_conf conf = {.address = sw_sock_local(l)};
    int c = sw_sock_connect(&conf.address, &none, false);
    (void)state;
    assert_true(c >= 0 && ready(l, POLLIN));
    int s = sw_sock_accept(l, &remote);
    close(s); /* our side first: it is the one that stays in TIME_WAIT */
    assert_true(ready(c, POLLIN));
    close(c);
    close(l);
    l = sw_sock_listen(&conf);
    assert_true(l >= 0);
    close(l);
}

static void test_sock_ipv6_wildcard_leaves_ipv4_alone(void **state)
{
    int l = listen_at("[::]:0");
    const struct sw_sock_conf four = {.address = {.family = 4, .port = sw_sock_local(l).port}};
    int fd = sw_sock_listen(&four);
    (void)state;
    assert_true(fd >= 0);
    close(fd);
    close(l);
}

/* 192.0.2.0/24 is for documentation: no machine has it. */
static void test_sock_listens_on_an_absent_address_only_if_allowed(void **state)
{
    (void)state;
    for (int datagram = 0; datagram < 2; datagram++) {
        struct sw_sock_conf conf = {.address = endpoint("192.0.2.1:0"), .datagram = datagram};
        assert_int_equal(sw_sock_listen(&conf), -1);
        assert_int_equal(sw_sock_status(errno), SW_SYS_UNREACHABLE);
        conf.freebind = true;
        int fd = sw_sock_listen(&conf);
        assert_true(fd >= 0);
        assert_careful(fd);
        close(fd);
    }
}

/* A connection from a virtual address starts from no other one: RFC 3261 18.1.1 has the Via say
 * where answers go, and the peer's rules may go by the address. */
static void test_sock_connects_from_an_absent_address_never(void **state)
{
    const struct sw_endpoint to = endpoint("127.0.0.1:5060"), from = endpoint("192.0.2.1");
    (void)state;
    for (int freebind = 0; freebind < 2; freebind++) {
        assert_int_equal(sw_sock_connect(&to, &from, freebind), -1);
        assert_int_equal(sw_sock_status(errno), SW_SYS_UNREACHABLE);
    }
}

static void test_sock_unacknowledged_bytes_have_the_time_asked_for(void **state)
{
    int l = listen_at("127.0.0.1:0");
    const struct sw_endpoint to = sw_sock_local(l), none = {0};
    unsigned ms = 0;
    socklen_t n = sizeof(ms);
    (void)state;
    int c = sw_sock_connect(&to, &none, false);
    assert_true(c >= 0);
    sw_sock_limit_unacknowledged(c, 1234);
    assert_int_equal(getsockopt(c, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, &n), 0);
    assert_int_equal(ms, 1234);
    close(c);
    close(l);
}

static void test_sock_reset_is_what_the_other_end_sees(void **state)
{
    int l = listen_at("127.0.0.1:0");
    struct sw_endpoint to = sw_sock_local(l), none = {0}, remote;
    char byte;
    (void)state;
    int c = sw_sock_connect(&to, &none, false);
    assert_true(ready(l, POLLIN));
    int s = sw_sock_accept(l, &remote);
    assert_true(s >= 0);
    sw_sock_reset_on_close(c);
    close(c);
    assert_true(ready(s, POLLIN));
    assert_int_equal(read(s, &byte, 1), -1);
    assert_int_equal(sw_sock_status(errno), SW_PEER_RESET);
    close(s);
    close(l);
}

static void test_sock_datagram_buffer_has_the_size_asked_for(void **state)
{
    struct sw_sock_conf conf = {
        .address = endpoint("127.0.0.1:0"), .datagram = true, .receive_bytes = 16384};
    int fd = sw_sock_listen(&conf), bytes = 0;
    socklen_t n = sizeof(bytes);
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &n), 0);
    assert_int_equal(bytes, 2 * 16384); /* Linux doubles it for its own use: socket(7) */
    close(fd);
}

/* A connected datagram socket hears that nobody is there. */
static void test_sock_connected_datagrams_are_exchanged_or_refused(void **state)
{
    const struct sw_sock_conf conf = {.address = endpoint("127.0.0.1"), .datagram = true};
    const struct sw_endpoint anywhere = {0};
    int server = sw_sock_listen(&conf);
    char p[8];
    (void)state;
    struct sw_endpoint at = sw_sock_local(server);
    int fd = sw_sock_connect_datagram(&at, &anywhere);
    assert_true(fd >= 0);
    assert_careful(fd);
    assert_int_equal(send(fd, "hello", 5, 0), 5);
    assert_true(ready(server, POLLIN));
    assert_int_equal(recv(server, p, sizeof(p), 0), 5);
    close(server);
    assert_int_equal(send(fd, "hello", 5, 0), 5);
    assert_true(ready(fd, POLLIN));
    assert_int_equal(recv(fd, p, sizeof(p), 0), -1);
    assert_int_equal(sw_sock_status(errno), SW_PEER_REFUSED);
    close(fd);
}

static void test_sock_status_tells_what_an_errno_means(void **state)
{
    static const struct {
        int error;
        enum sw_status status;
    } rows[] = {
        {EAGAIN, SW_AGAIN},
        {EINTR, SW_AGAIN},
        {ECONNREFUSED, SW_PEER_REFUSED},
        {ECONNRESET, SW_PEER_RESET},
        {EPIPE, SW_PEER_RESET},
        {ECONNABORTED, SW_PEER_RESET},
        {ETIMEDOUT, SW_PEER_TIMEOUT},
        {ENETUNREACH, SW_SYS_UNREACHABLE},
        {EHOSTUNREACH, SW_SYS_UNREACHABLE},
        {EADDRNOTAVAIL, SW_SYS_UNREACHABLE},
        {EINVAL, SW_SYS_UNREACHABLE},
        {EMFILE, SW_LIMIT},
        {ENFILE, SW_LIMIT},
        {ENOMEM, SW_LIMIT},
        {ENOBUFS, SW_LIMIT},
        {EADDRINUSE, SW_SYS},
        {EACCES, SW_SYS},
        {EBADF, SW_SYS},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(sw_sock_status(rows[i].error), rows[i].status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sock_address_comes_back_from_the_systems_form),
        cmocka_unit_test(test_sock_address_of_another_family_is_none),
        cmocka_unit_test(test_sock_connects_over_ipv4),
        cmocka_unit_test(test_sock_connects_over_ipv6),
        cmocka_unit_test(test_sock_connects_from_the_given_address_and_any_port),
        cmocka_unit_test(test_sock_refused_connection_says_so),
        cmocka_unit_test(test_sock_connect_to_no_address_fails_at_once),
        cmocka_unit_test(test_sock_address_is_given_away_once_unless_shared),
        cmocka_unit_test(test_sock_can_listen_again_where_connections_just_ended),
        cmocka_unit_test(test_sock_ipv6_wildcard_leaves_ipv4_alone),
        cmocka_unit_test(test_sock_listens_on_an_absent_address_only_if_allowed),
        cmocka_unit_test(test_sock_connects_from_an_absent_address_never),
        cmocka_unit_test(test_sock_unacknowledged_bytes_have_the_time_asked_for),
        cmocka_unit_test(test_sock_reset_is_what_the_other_end_sees),
        cmocka_unit_test(test_sock_datagram_buffer_has_the_size_asked_for),
        cmocka_unit_test(test_sock_connected_datagrams_are_exchanged_or_refused),
        cmocka_unit_test(test_sock_status_tells_what_an_errno_means),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/address.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 30000 };

static bool is_here(const char *text)
{
    struct sw_endpoint e;
    assert_true(sw_endpoint_parse(sw_slice_str(text), 0, &e));
    return sw_address_is_here(&e);
}

/* 192.0.2.0/24 and 2001:db8::/32 are for documentation: no machine has them. */
static void test_address_is_here_if_a_route_ends_with_it(void **state)
{
    (void)state;
    assert_true(is_here("127.0.0.1:5060"));
    assert_true(is_here("127.0.0.77"));
    assert_true(is_here("0.0.0.0:5060"));
    assert_true(is_here("::"));
    assert_false(is_here("192.0.2.1:5060"));
    assert_false(is_here("2001:db8::1"));
}

/* The loopback interface has this address from now on, and not the one before. */
static void give(const char *text)
{
    struct ifreq r = {.ifr_flags = IFF_UP};
    struct sockaddr_in a = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    strncpy(r.ifr_name, "lo", sizeof(r.ifr_name) - 1);
    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &r), 0);
    assert_int_equal(inet_pton(AF_INET, text, &a.sin_addr), 1);
    memcpy(&r.ifr_addr, &a, sizeof(a));
    assert_int_equal(ioctl(fd, SIOCSIFADDR, &r), 0);
    close(fd);
}

static void wait_told(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    sw_address_seen(fd);
}

static void test_address_that_comes_and_goes_is_told(void **state)
{
    static const char *const addresses[] = {"192.0.2.1", "198.51.100.1"};
    (void)state;
    if (unshare(CLONE_NEWNET) != 0)
        skip(); /* this needs a network namespace of its own */
    int fd = sw_address_watch();
    assert_true(fd >= 0);
    for (int i = 0; i < 2; i++) {
        assert_false(is_here(addresses[i]));
        give(addresses[i]);
        wait_told(fd);
        assert_true(is_here(addresses[i]));
        assert_false(is_here(addresses[1 - i]));
    }
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_is_here_if_a_route_ends_with_it),
        cmocka_unit_test(test_address_that_comes_and_goes_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

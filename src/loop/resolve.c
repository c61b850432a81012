#include "loop/resolve.h"

#include "loop/sock.h"
#include <netdb.h>

static bool known(const struct sw_endpoint *list, size_t n, const struct sw_endpoint *e)
{
    for (size_t i = 0; i < n; i++)
        if (sw_endpoint_eq(&list[i], e))
            return true;
    return false;
}

enum sw_status sw_resolve(const char *host, uint16_t port, struct sw_endpoint *out, size_t cap,
                          size_t *count, const char **why)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    size_t n = 0;
    int e = getaddrinfo(host, NULL, &hints, &found);
    *why = "the name has no address";
    if (e != 0) {
        *why = gai_strerror(e);
        return SW_SYS_UNREACHABLE;
    }
    for (const struct addrinfo *a = found; a && n < cap; a = a->ai_next) {
        union sw_sockaddr address = {0};
        if (a->ai_addrlen > sizeof(address))
            continue;
        memcpy(&address, a->ai_addr, a->ai_addrlen);
        struct sw_endpoint x = sw_sockaddr_get(&address);
        x.port = port;
        if (x.family && !known(out, n, &x))
            out[n++] = x;
    }
    freeaddrinfo(found);
    *count = n;
    return n ? SW_OK : SW_SYS_UNREACHABLE;
}

#include "sys/random.h"

#include <errno.h>
#include <sys/random.h>

enum sw_status sw_random(void *p, size_t n)
{
    char *at = p;
    while (n) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return SW_SYS;
        at += got;
        n -= (size_t)got;
    }
    return SW_OK;
}

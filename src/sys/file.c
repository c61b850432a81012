#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* `size` is what the file said: it then fits at once, and no copy of a key stays behind. */
static enum sw_status read_fd(int fd, size_t size, size_t max, struct sw_slice *out)
{
    size_t cap = size < max ? size + 1 : 8192, n = 0;
    char *p = malloc(cap + 1);
    while (p) {
        ssize_t got = read(fd, p + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            if (got < 0)
                break;
            p[n] = 0;
            *out = sw_slice(p, n);
            return SW_OK;
        }
        n += (size_t)got;
        if (n > max) {
            free(p);
            return SW_LIMIT_SIZE;
        }
        if (n < cap)
            continue;
        cap *= 2;
        char *more = realloc(p, cap + 1);
        if (!more)
            break;
        p = more;
    }
    int e = errno;
    free(p);
    errno = e;
    return SW_SYS;
}

enum sw_status sw_file_read(const char *path, size_t max, struct sw_slice *out)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return SW_SYS;
    enum sw_status s = SW_SYS;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        errno = EISDIR;
    else
        s = read_fd(fd, st.st_size > 0 ? (size_t)st.st_size : 8191, max, out);
    int e = errno;
    close(fd);
    errno = e;
    return s;
}

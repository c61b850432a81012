#include "cmd/ask.h"

#include "loop/sock.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

json_t *sw_ask(int fd, const char *line, char **raw)
{
    char *p = NULL;
    size_t n = 0, cap = 0;
    ssize_t got = write(fd, line, strlen(line)) == (ssize_t)strlen(line) ? 1 : -1;
    while (got > 0) {
        if (cap - n < 65536) {
            char *q = realloc(p, cap = cap * 2 + 131072);
            if (!q)
                break;
            p = q;
        }
        got = read(fd, p + n, cap - n - 1);
        n += got > 0 ? (size_t)got : 0;
    }
    if (p)
        p[n] = 0;
    *raw = p;
    return p ? json_loadb(p, n, 0, NULL) : NULL;
}

json_t *sw_ask_at(const char *path, const char *line)
{
    char *raw = NULL;
    int fd = path ? sw_sock_unix_connect(path) : -1;
    if (fd < 0)
        return NULL;
    json_t *answer = sw_ask(fd, line, &raw);
    free(raw);
    close(fd);
    return answer;
}

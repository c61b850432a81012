#include "fetch/watch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* What tells one content from another without reading it. */
struct look {
    ino_t inode;
    dev_t device;
    off_t size;
    struct timespec changed;
};

struct file {
    char *path;
    struct look seen;
    unsigned kind;
};

struct sw_watch {
    int fd;
    struct file *files;
    size_t count, cap;
    int *folders; /* their watch descriptors; the same folder has one */
    size_t folder_count, folder_cap;
};

/* A folder is watched, not the file: editors and clients of ACME write a new one and rename it. */
enum {
    EVENTS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB |
             IN_MOVE_SELF | IN_DELETE_SELF
};

static struct look look_at(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return (struct look){0};
    return (struct look){st.st_ino, st.st_dev, st.st_size, st.st_ctim};
}

static bool same(const struct look *a, const struct look *b)
{
    return a->inode == b->inode && a->device == b->device && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

struct sw_watch *sw_watch_new(void)
{
    struct sw_watch *w = calloc(1, sizeof(*w));
    if (!w)
        return NULL;
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd < 0) {
        free(w);
        return NULL;
    }
    return w;
}

void sw_watch_clear(struct sw_watch *w)
{
    for (size_t i = 0; i < w->count; i++)
        free(w->files[i].path);
    for (size_t i = 0; i < w->folder_count; i++)
        inotify_rm_watch(w->fd, w->folders[i]);
    w->count = w->folder_count = 0;
}

void sw_watch_free(struct sw_watch *w)
{
    if (!w)
        return;
    sw_watch_clear(w);
    close(w->fd);
    free(w->files);
    free(w->folders);
    free(w);
}

/* Makes room for one more. */
static bool grow(void **p, size_t *cap, size_t count, size_t size)
{
    if (count < *cap)
        return true;
    size_t more = *cap ? *cap * 2 : 16;
    void *q = realloc(*p, more * size);
    if (!q)
        return false;
    *p = q;
    *cap = more;
    return true;
}

static enum sw_status watch_folder(struct sw_watch *w, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = !slash          ? strdup(".")
                   : slash == path ? strdup("/")
                                   : strndup(path, (size_t)(slash - path));
    if (!folder)
        return SW_LIMIT_MEMORY;
    int wd = inotify_add_watch(w->fd, folder, EVENTS);
    free(folder);
    if (wd < 0)
        return SW_SYS;
    for (size_t i = w->folder_count; i-- > 0;) /* most files share the folder of the one before */
        if (w->folders[i] == wd)
            return SW_OK;
    if (!grow((void **)&w->folders, &w->folder_cap, w->folder_count, sizeof(*w->folders)))
        return SW_LIMIT_MEMORY;
    w->folders[w->folder_count++] = wd;
    return SW_OK;
}

enum sw_status sw_watch_add(struct sw_watch *w, const char *path, unsigned kind)
{
    enum sw_status s = watch_folder(w, path);
    if (s != SW_OK)
        return s;
    if (!grow((void **)&w->files, &w->cap, w->count, sizeof(*w->files)))
        return SW_LIMIT_MEMORY;
    char *copy = strdup(path);
    if (!copy)
        return SW_LIMIT_MEMORY;
    w->files[w->count++] = (struct file){copy, look_at(path), kind};
    return SW_OK;
}

int sw_watch_fd(const struct sw_watch *w)
{
    return w->fd;
}

unsigned sw_watch_changed(struct sw_watch *w)
{
    _Alignas(struct inotify_event) char junk[4096];
    unsigned kinds = 0;
    while (read(w->fd, junk, sizeof(junk)) > 0)
        ;
    for (size_t i = 0; i < w->count; i++) {
        struct look now = look_at(w->files[i].path);
        if (!same(&now, &w->files[i].seen))
            kinds |= w->files[i].kind;
        w->files[i].seen = now;
    }
    return kinds;
}

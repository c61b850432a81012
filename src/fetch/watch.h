/* Notices that files change, also when they are replaced by renaming or behind a symbolic link.
 * One thread at a time. */
#ifndef SW_FETCH_WATCH_H
#define SW_FETCH_WATCH_H

#include "base/status.h"

struct sw_watch;

/** Watches nothing yet. NULL: the system gives no inotify, or memory is out. */
struct sw_watch *sw_watch_new(void);
void sw_watch_free(struct sw_watch *w);

/** Forgets all files. */
void sw_watch_clear(struct sw_watch *w);

/** Watches a file as it is now; it need not exist. `kind`: a bit that sw_watch_changed gives back.
 * SW_SYS, SW_LIMIT_MEMORY: it is not watched. */
SW_MUST_USE enum sw_status sw_watch_add(struct sw_watch *w, const char *path, unsigned kind);

/** Becomes readable when something happened in a folder of a watched file. */
int sw_watch_fd(const struct sw_watch *w);

/** Takes what happened, and looks. The kinds of those files that are others than when they were
 * looked at last; 0: none is. */
unsigned sw_watch_changed(struct sw_watch *w);

#endif

/* Questions over the admin socket: one line in, one JSON document out. The main thread serves them.
 */
#ifndef SW_DAEMON_ADMIN_H
#define SW_DAEMON_ADMIN_H

#include "daemon/reload.h"
#include <poll.h>

/* Who asks at once, at most; others wait in the socket's queue. */
enum { SW_ADMIN_CLIENTS = 16, SW_ADMIN_FDS = SW_ADMIN_CLIENTS + 1 };

/** Listens on the configuration's socket. NULL: it wants none, or it has said why it cannot. */
struct sw_admin *sw_admin_open(struct sw_daemon *d);
void sw_admin_close(struct sw_admin *a);

/** Fills in what to wait for; returns how many. */
unsigned sw_admin_poll(const struct sw_admin *a, struct pollfd p[SW_ADMIN_FDS]);

/** Serves what is ready. */
void sw_admin_serve(struct sw_admin *a, const struct pollfd *p, unsigned n);

/** Answers those who asked for the reload that ended, if it is of what they asked for. */
void sw_admin_reloaded(struct sw_admin *a, const struct sw_reload_result *r);

/** True once `drain` was asked for. */
bool sw_admin_wants_stop(const struct sw_admin *a);

#endif

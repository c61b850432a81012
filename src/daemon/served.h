/* Which certificates are shown since a reload that were not shown before it. */
#ifndef SW_DAEMON_SERVED_H
#define SW_DAEMON_SERVED_H

#include "daemon/config.h"

/** Logs each certificate of ours that a listener or a peer is shown in `now` and was not in
 * `before`: its fingerprint, when it ends, and who is shown it. */
void sw_served_log(const struct sw_config *before, const struct sw_config *now);

#endif

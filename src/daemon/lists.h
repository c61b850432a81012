/* What is told of revocation lists that could not be read. */
#ifndef SW_DAEMON_LISTS_H
#define SW_DAEMON_LISTS_H

#include "daemon/config.h"

/** Logs each file of lists whose earlier content is still in use, or that says nothing. */
void sw_lists_warn(const struct sw_config *c);

#endif

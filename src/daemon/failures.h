/* The answer to `sipward ctl failures`. */
#ifndef SW_DAEMON_FAILURES_H
#define SW_DAEMON_FAILURES_H

#include "daemon/answers.h"

/**
 * The records of failed connections, oldest first. `peer` is a name, or "" for all: then also those
 * of connections that came from one of its addresses or named one of its domains and were taken for
 * nobody's.
 */
void sw_answer_failures(const struct sw_daemon *d, const char *peer, struct sw_answer *a);

#endif

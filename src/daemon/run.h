/* The gateway as a process: sockets, workers, signals, stopping. */
#ifndef SW_DAEMON_RUN_H
#define SW_DAEMON_RUN_H

#include "daemon/config.h"

/** Runs until SIGTERM or SIGINT, then drains. Returns the exit code: 0 done, 1 failed, 2
 * configuration. */
int sw_daemon_run(const char *config_path);

#endif

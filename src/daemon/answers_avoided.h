/* The answer to `ctl avoided`. */
#ifndef SW_DAEMON_ANSWERS_AVOIDED_H
#define SW_DAEMON_ANSWERS_AVOIDED_H

#include "daemon/answers.h"

/** A row for each place that failed lately, and is tried after the others until then: all, or those
 * of the peer or domain `only`. RFC 3263 4.3 */
void sw_answer_avoided(const struct sw_daemon *d, const char *only, struct sw_answer *a);

#endif

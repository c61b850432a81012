/* The thread that fetches what is to be known of revocations: OCSP answers and lists. */
#ifndef SW_DAEMON_LEARNER_H
#define SW_DAEMON_LEARNER_H

#include "daemon/daemon.h"

/** Starts the thread, which wakes the workers after each answer. NULL: it could not. */
struct sw_learner *sw_learner_new(struct sw_daemon *d);

/** Ends it; after the workers, who call it. */
void sw_learner_free(struct sw_learner *l);

/** Takes up what the configuration of now says of it, and asks for the answers that are to be sent
 * with our own certificates. */
void sw_learner_adopt(struct sw_learner *l);

#endif

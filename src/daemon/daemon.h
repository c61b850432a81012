/* The gateway's process as its own files see it: the main thread's state. Only the files of this
 * folder include it. */
#ifndef SW_DAEMON_DAEMON_H
#define SW_DAEMON_DAEMON_H

#include "daemon/snapshot.h"

struct sw_loader;
struct sw_watch;
struct sw_admin;
struct sw_learner;

struct sw_daemon {
    const char *path; /* of the configuration */
    struct sw_snapshot *now;
    struct sw_snapshot *retired; /* replaced, perhaps still in use by a handshake */
    struct sw_workers all;
    struct sw_worker_listener *listeners;
    struct sw_gateway *gateways;
    struct sw_counters *counters; /* per worker */
    struct sw_source_table *sources;
    struct sw_calls_open *calls_open; /* NULL: one worker, or none are kept */
    unsigned started;                 /* workers whose thread runs */
    uint32_t instance;
    struct sw_sip_key table_key;
    struct sw_tls_resumption resumption; /* what workers start with; its secret is wiped then */
    struct sw_loader *loader;
    struct sw_watch *watch; /* NULL: changed files are not noticed */
    struct sw_learner *learner;
    struct sw_admin *admin; /* NULL: nobody can ask */
    int signals;
    int64_t started_s; /* wall clock */
    uint64_t reloads, reloads_failed;
    int64_t reloaded_s; /* of `now` */
};

/** Opens the sockets of all listeners. False: it has said why. */
bool sw_listeners_open(struct sw_daemon *d);
void sw_listeners_close(struct sw_daemon *d);

/** Serves signals, questions and reloads until it is to stop. */
void sw_control_run(struct sw_daemon *d);

/** Wakes every worker, so that it looks at what is shared. */
void sw_daemon_wake(struct sw_daemon *d);

/** Server transactions without a final response, of all workers. */
uint64_t sw_daemon_open_transactions(const struct sw_daemon *d);

#endif

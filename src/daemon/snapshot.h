/* A configuration in the form in which workers take it up: loaded beside the one that runs, proved,
 * published, and freed when nobody uses it any more. */
#ifndef SW_DAEMON_SNAPSHOT_H
#define SW_DAEMON_SNAPSHOT_H

#include "daemon/config.h"
#include "gateway/pipeline.h"
#include "worker/worker.h"

struct sw_snapshot {
    struct sw_config config;
    struct sw_peer_state *peers; /* in the order of the configuration's */
    struct sw_avoid *avoid;      /* places that failed */
    struct sw_gateway_live gateway;
    struct sw_worker_conf live;
    struct sw_revocations *learnt; /* the same for all */
    struct sw_snapshot *next;      /* of the retired ones */
};

/**
 * Loads a file after `before` (NULL: it is the first). SW_OK, with warnings in `diags`. Otherwise
 * all that is wrong is in `diags`, and `before` is as it was. `instance`: of this process.
 */
SW_MUST_USE enum sw_status sw_snapshot_load(const char *path, const struct sw_snapshot *before,
                                            uint32_t instance, struct sw_diags *diags,
                                            struct sw_snapshot **out);

/** The same from the text that runs: see enum sw_config_from. */
SW_MUST_USE enum sw_status sw_snapshot_again(const char *path, const struct sw_snapshot *before,
                                             enum sw_config_from from, uint32_t instance,
                                             struct sw_diags *diags, struct sw_snapshot **out);

/**
 * Adds an error to `diags` for each change that a running process cannot make, and a note for each
 * that it makes only after a restart.
 */
void sw_snapshot_compare(const struct sw_snapshot *before, const struct sw_snapshot *after,
                         struct sw_diags *diags);

/** Keeps what was learnt of peers while both were in use. */
void sw_snapshot_merge(const struct sw_snapshot *before, struct sw_snapshot *after);

/** Its part of a limit of the process for one of `workers`. */
uint32_t sw_share(uint32_t total, unsigned workers, uint32_t least);

void sw_snapshot_free(struct sw_snapshot *s);

#endif

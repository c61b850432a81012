/* Another configuration while the gateway runs: loaded and proved by a thread of its own, taken up
 * by each worker at one point of its turn, or refused with everything that is wrong. */
#ifndef SW_DAEMON_RELOAD_H
#define SW_DAEMON_RELOAD_H

#include "daemon/daemon.h"

/* What came of a reload; valid until the next call of sw_reload_step. */
struct sw_reload_result {
    bool done;   /* false: the old configuration stays */
    bool newest; /* nobody has asked for the file itself since it was read */
    enum sw_config_from from;
    const struct sw_snapshot *before; /* done: what it replaced */
    struct sw_diags *diags;           /* of the new one */
    unsigned proved;                  /* handshakes with itself that held */
    int64_t ms;
};

/** Starts the thread that loads. NULL: the system gives none. */
struct sw_loader *sw_loader_new(struct sw_daemon *d);

/** Waits for a load that runs, and ends the thread. */
void sw_loader_free(struct sw_loader *l);

/** Asks for a reload; one that runs already is followed by another, lists first. `why` is static
 * text. */
void sw_reload_ask(struct sw_daemon *d, enum sw_config_from from, const char *why);

/** What is read again, in a word for the log: configuration, files, lists. */
const char *sw_reload_what(enum sw_config_from from);

/** Becomes readable when sw_reload_step has something to do. */
int sw_loader_fd(const struct sw_loader *l);

/** True while a reload is on its way, or old configurations wait to be freed: call step soon. */
bool sw_reload_busy(const struct sw_daemon *d);

/** True while a reload that was asked for has not ended. */
bool sw_reload_pending(const struct sw_daemon *d);

/** Goes on with it. True: one ended, see `out`. The main thread. */
bool sw_reload_step(struct sw_daemon *d, struct sw_reload_result *out);

#endif

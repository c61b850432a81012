/* Fetches over HTTP, several at once, for one thread that may wait. */
#ifndef SW_FETCH_DOWNLOAD_H
#define SW_FETCH_DOWNLOAD_H

#include "base/slice.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

struct sw_downloads;

/* At once, and the rest waits: a responder that does not answer is not to hold up the others. */
enum { SW_DOWNLOADS_MAX = 32 };

struct sw_download {
    const char *url;          /* copied; http only */
    struct sw_slice body;     /* posted, and stays until it is done; .p NULL: GET */
    const char *content_type; /* of `body` */
    size_t bytes_max;         /* of the answer */
    uint32_t timeout_ms;      /* of the whole */
    void *tag;
};

/** `done` is told of each once: the answer, or .p NULL and why not. NULL: memory is out. */
struct sw_downloads *sw_downloads_new(void (*done)(void *user, void *tag, struct sw_slice answer,
                                                   const char *why),
                                      void *user);

/** Ends all; those that were not done are done without an answer. */
void sw_downloads_free(struct sw_downloads *d);

/** True if one more may be started. */
bool sw_downloads_room(const struct sw_downloads *d);

/** Starts one. SW_LIMIT_MEMORY: it never is done. */
SW_MUST_USE enum sw_status sw_downloads_start(struct sw_downloads *d, const struct sw_download *x);

/** Waits for something to happen, and lets it. */
void sw_downloads_run(struct sw_downloads *d, int timeout_ms);

/** Ends the wait. Any thread. */
void sw_downloads_wake(struct sw_downloads *d);

#endif

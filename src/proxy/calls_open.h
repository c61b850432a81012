/* Which of the answered calls that workers keep are not over yet: a BYE may come to another worker
 * than the one that has the record. Shared by all workers, without locks. */
#ifndef SW_PROXY_CALLS_OPEN_H
#define SW_PROXY_CALLS_OPEN_H

#include "base/status.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Keys that may have one place: 64 bytes. */
enum { SW_CALLS_OPEN_WAYS = 8 };

struct sw_calls_open {
    uint32_t mask;                              /* of the sets */
    _Atomic uint64_t key[][SW_CALLS_OPEN_WAYS]; /* 0: free */
};

/** For so many calls of all workers; to be freed with free(). NULL: memory is out. */
struct sw_calls_open *sw_calls_open_new(uint32_t calls);

/** The call with this key is kept by a worker. False: there is no room for it, which happens to one
 * of thousands when all records are in use. `o` may be NULL in all of these: false. */
bool sw_calls_open_add(struct sw_calls_open *o, uint64_t key);

/** It is over, or is kept no more. False: it was not there. */
bool sw_calls_open_del(struct sw_calls_open *o, uint64_t key);

bool sw_calls_open_has(const struct sw_calls_open *o, uint64_t key);

#endif

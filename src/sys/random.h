/* Random bytes of the system, for seeds and keys. */
#ifndef SW_SYS_RANDOM_H
#define SW_SYS_RANDOM_H

#include "base/status.h"
#include <stddef.h>

/** Fills `p` with random bytes. SW_SYS. Any thread. */
SW_MUST_USE enum sw_status sw_random(void *p, size_t n);

#endif

/* Which worker has which INVITE server transaction: asked by the CANCEL or ACK that arrives on
 * another. */
#ifndef SW_CONN_DIRECTORY_H
#define SW_CONN_DIRECTORY_H

#include "base/map.h"

struct sw_directory;

/** NULL: memory is out. `expected` transactions at a time. */
struct sw_directory *sw_directory_new(size_t expected);
void sw_directory_free(struct sw_directory *d);

/** The transaction `key` is on `worker`. Any thread. SW_LIMIT_MEMORY: it will not be found. */
SW_MUST_USE enum sw_status sw_directory_put(struct sw_directory *d, struct sw_key key,
                                            uint16_t worker);

/** It is no more. Any thread. */
void sw_directory_del(struct sw_directory *d, struct sw_key key, uint16_t worker);

/** The worker that has it, or SW_WORKER_ANY. Any thread. */
uint16_t sw_directory_find(struct sw_directory *d, struct sw_key key);

#endif

/* Names by the system's resolver. It blocks: for commands, never for a worker. */
#ifndef SW_LOOP_RESOLVE_H
#define SW_LOOP_RESOLVE_H

#include "base/endpoint.h"
#include "base/status.h"

/**
 * The addresses of a name (or the address it is), in the system's order (RFC 6724), with `port`; at
 * most `cap`. SW_SYS_UNREACHABLE with `why`, static text: there is none.
 */
SW_MUST_USE enum sw_status sw_resolve(const char *host, uint16_t port, struct sw_endpoint *out,
                                      size_t cap, size_t *count, const char **why);

#endif

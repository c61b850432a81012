/* As whom we use a connection: with which identity of ours, and for which of our domains. */
#ifndef SW_BASE_LOCAL_H
#define SW_BASE_LOCAL_H

#include <stdint.h>

/**
 * The id of a connection that is made with the identity `id` for one of our domains, as in struct
 * sw_flow. `own` is the domain that the identity is itself for: its connections, and those for none
 * of our domains in particular (0), have the id of the identity; 0: no identity. RFC 5923 9.3
 */
static inline uint32_t sw_local_id(uint32_t id, uint32_t own, uint32_t domain)
{
    if (!domain || domain == own)
        return id;
    return id ^ domain ? id ^ domain : 1;
}

#endif

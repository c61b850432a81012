/* As whom we use a connection: with which identity of ours, and for which of our domains. */
#ifndef SW_BASE_LOCAL_H
#define SW_BASE_LOCAL_H

#include <stdint.h>

/* In place of a domain: for any of ours, since the peer lets them share connections. */
#define SW_LOCAL_SHARED UINT32_MAX

/**
 * The id of a connection that is made with the identity `id` for one of our domains, as in struct
 * sw_flow. `own` is the domain that the identity is itself for: the connections that are for none
 * of our domains in particular (0) are for that one. An id means the same domain whatever else
 * becomes one of ours at a reload. RFC 5923 9.3
 */
static inline uint32_t sw_local_id(uint32_t id, uint32_t own, uint32_t domain)
{
    uint32_t is_for = domain == SW_LOCAL_SHARED ? 0 : domain ? domain : own;
    return id == is_for && id ? 1 : id ^ is_for;
}

#endif

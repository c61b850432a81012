/* Addresses of this machine that come and go, such as virtual ones that keepalived moves. */
#ifndef SW_LOOP_ADDRESS_H
#define SW_LOOP_ADDRESS_H

#include "base/endpoint.h"

/**
 * A descriptor that becomes readable when this machine gets or loses an address, or an interface
 * goes up or down; -1 with errno.
 */
int sw_address_watch(void);

/** Takes off what the descriptor has to say. */
void sw_address_seen(int fd);

/**
 * Does this machine answer for the address? By its routes: what may be bound says nothing where
 * net.ipv4.ip_nonlocal_bind is set. True for wildcards, and if the system does not tell.
 */
bool sw_address_is_here(const struct sw_endpoint *e);

#endif

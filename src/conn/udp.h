/* Datagrams: read in batches, sent one by one; refused ones come back as errors. */
#ifndef SW_CONN_UDP_H
#define SW_CONN_UDP_H

#include "base/endpoint.h"
#include "base/slice.h"
#include "base/status.h"

/* Datagrams of one read, and the largest. RFC 3261 18.1.1 */
enum { SW_UDP_BATCH = 32, SW_UDP_MAX = 65535, SW_UDP_PIECES_MAX = 128 };

struct sw_udp_batch {
    struct sw_udp_ring *ring;
    unsigned count;
    struct sw_slice bytes[SW_UDP_BATCH];
    struct sw_endpoint from[SW_UDP_BATCH];
};

/** Room for a batch. SW_LIMIT_MEMORY */
SW_MUST_USE enum sw_status sw_udp_init(struct sw_udp_batch *b);
void sw_udp_fini(struct sw_udp_batch *b);

/** Reads what is there, at most a batch; false if there was nothing. Valid until the next read. */
bool sw_udp_read(struct sw_udp_batch *b, int fd);

/**
 * Sends one datagram made of at most SW_UDP_PIECES_MAX pieces. SW_AGAIN: the kernel's buffer is
 * full, it is lost.
 */
SW_MUST_USE enum sw_status sw_udp_send(int fd, const struct sw_endpoint *to,
                                       const struct sw_slice *segs, size_t count);

/**
 * Takes the next error report off the socket's queue: the datagram that an ICMP message refused, or
 * as much of it as came back, into the batch's memory. False: none. RFC 3261 18.4
 */
bool sw_udp_refused(struct sw_udp_batch *b, int fd, struct sw_slice *bytes, struct sw_endpoint *to,
                    enum sw_status *why);

#endif

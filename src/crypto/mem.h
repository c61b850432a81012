/* The heap of the cryptographic library: blocks that it gives back stay with the thread that freed
 * them, and are given out again without a lock or a search. A handshake takes and returns some
 * thousand; an open connection's record buffers come and go with each message. */
#ifndef SW_CRYPTO_MEM_H
#define SW_CRYPTO_MEM_H

#include <stdint.h>

/** Before anything else of the library; a second call does nothing. Any thread, once. */
void sw_crypto_mem_start(void);

/**
 * How many of the library's requests on this thread found no memory so far. The library itself
 * calls a signature wrong, and nothing more, if it could not check it for want of memory.
 */
uint64_t sw_crypto_mem_failures(void);

/** Gives back what this thread keeps. Last call of a thread that used the library. */
void sw_crypto_mem_end(void);

#endif

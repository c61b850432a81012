/* The heap of the cryptographic library: blocks that it gives back stay with the thread that freed
 * them, and are given out again without a lock or a search. A handshake takes and returns some
 * thousand; an open connection's record buffers come and go with each message. */
#ifndef SW_CRYPTO_MEM_H
#define SW_CRYPTO_MEM_H

/** Before anything else of the library; a second call does nothing. Any thread, once. */
void sw_crypto_mem_start(void);

/** Gives back what this thread keeps. Last call of a thread that used the library. */
void sw_crypto_mem_end(void);

#endif

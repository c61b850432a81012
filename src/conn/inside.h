/* What the files of connections share. No file of another room includes it. */
#ifndef SW_CONN_INSIDE_H
#define SW_CONN_INSIDE_H

#include "conn/conn.h"

/* Encrypted bytes read in one go: several records. */
enum { SW_CONN_WIRE_BYTES = 64 * 1024 };

/** The one place where a connection changes its state. `limit_ms`: how long it may last; 0: no
 * limit. */
void sw_conn_enter(struct sw_conns *s, struct sw_conn *c, enum sw_conn_state state,
                   int64_t limit_ms);

/** A connection around a socket, which is closed if this fails. `tls` NULL: it has none. SW_LIMIT,
 * SW_CRYPTO, or a failure of the system. */
SW_MUST_USE enum sw_status sw_conn_make(struct sw_conns *s, int fd, const struct sw_flow *flow,
                                        const struct sw_tls_params *tls, unsigned want,
                                        struct sw_conn **out);

/** Watches the socket for what the connection waits for now. */
void sw_conn_watch_needed(struct sw_conns *s, struct sw_conn *c);

/** Whether the kernel is to say when it takes more. */
void sw_conn_want_write(struct sw_conns *s, struct sw_conn *c, bool want);

/** Takes the session's output: to the kernel, or behind what waits for it. SW_AGAIN: something
 * waits. */
SW_MUST_USE enum sw_status sw_conn_take_output(struct sw_conns *s, struct sw_conn *c);

#endif

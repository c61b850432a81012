/* The receiving side of a connection that carries bytes, not messages: cuts what comes with the
 * framer, as src/conn does, so that a test can send any pieces. */
#ifndef TESTS_SIM_STREAM_H
#define TESTS_SIM_STREAM_H

#include "base/slice.h"
#include "base/status.h"

struct sim_stream;

typedef void sim_stream_fn(void *user, struct sw_slice message, enum sw_status status);

/**
 * Takes bytes and hands on each message that is complete. `*s` is made when it is NULL. What cannot
 * be cut is handed on once more, with its status, if its head is there. False: the connection is to
 * be closed.
 */
bool sim_stream_feed(struct sim_stream **s, struct sw_slice bytes, sim_stream_fn *deliver,
                     void *user);
void sim_stream_free(struct sim_stream *s);

#endif

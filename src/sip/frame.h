/* Cuts a byte stream into SIP messages by Content-Length. It looks at every byte once, however the
 * stream is broken into pieces, and keeps no bytes itself. RFC 3261 18.3 */
#ifndef SW_SIP_FRAME_H
#define SW_SIP_FRAME_H

#include "base/slice.h"
#include "base/status.h"

struct sw_frame_limits {
    uint32_t head_max; /* start line and headers, bytes */
    uint32_t body_max; /* bytes */
};

struct sw_frame {
    uint32_t seen;   /* bytes of the current message already looked at */
    uint32_t line;   /* where the current line starts */
    uint32_t field;  /* where the header the line belongs to starts; 0: in the start line */
    uint32_t total;  /* length of the message once its head is complete; 0: not yet */
    uint32_t length; /* Content-Length */
    bool has_length;
    bool bad_length; /* not a number, or two that differ */
    bool half_ping;  /* a lone CRLF was taken: a second one makes a ping */
};

enum sw_frame_kind {
    SW_FRAME_MESSAGE, /* `n` bytes are a message */
    SW_FRAME_PING,    /* `n` bytes are a double CRLF: answer with one CRLF (RFC 5626 4.4.1, 5.4) */
    SW_FRAME_BLANK,   /* `n` bytes of CRLF to skip: a pong, or before a message (RFC 3261 7.5) */
};

struct sw_framed {
    enum sw_frame_kind kind;
    uint32_t n;
};

/** Ready for the first byte of a message. */
static inline void sw_frame_reset(struct sw_frame *f)
{
    *f = (struct sw_frame){0};
}

/**
 * Looks for the next message at the start of `p`. Until it is complete the caller keeps what it has
 * and calls again with more behind it; after SW_OK it drops `out->n` bytes. SW_AGAIN: more bytes
 * are needed. SW_PEER_MISSING: no Content-Length (or a bad one) on a stream; `out->n` is the length
 * of the head, so that it can be answered with 400 before closing. SW_LIMIT_SIZE: head or body over
 * the limit; `out->n` as above, 0 if the head is not complete. SW_PEER_SYNTAX: a line that ends
 * with LF alone, or NUL where a message should start: this is not SIP.
 */
SW_MUST_USE enum sw_status sw_frame_next(struct sw_frame *f, const char *p, size_t n,
                                         const struct sw_frame_limits *limits,
                                         struct sw_framed *out);

#endif

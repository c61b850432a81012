/* What a route changes in one request, worked out: it needs the configuration no more, so that
 * targets that are tried after a reload get the same request. */
#ifndef SW_PROXY_REWRITE_H
#define SW_PROXY_REWRITE_H

#include "base/arena.h"
#include "sip/uri.h"

struct sw_rewrite {
    struct sw_slice user; /* the user part, or the number of a tel URI; .p NULL: as it came */
    struct sw_slice host; /* HOST or HOST:PORT; .p NULL: as without rules */
    struct sw_slice add;  /* header lines with their CRLF, or empty */
    const uint16_t *rows; /* header rows that go, by their index, ascending */
    uint32_t row_count;
};

/** A copy with all it points to in `arena`. NULL: memory is out. */
const struct sw_rewrite *sw_rewrite_keep(const struct sw_rewrite *w, struct sw_arena *arena);

/**
 * Appends the URI with what `w` changes (NULL: nothing). `host` (.p NULL: none) takes the place of
 * host and port; scheme, password and user parameters stay, and what named the old host goes:
 * transport, maddr, ttl, lr. A tel URI that gets a host becomes a SIP URI. RFC 3261 19.1.6
 */
void sw_rewrite_uri(struct sw_buf *b, const struct sw_uri *u, const struct sw_rewrite *w,
                    struct sw_slice host);

/**
 * The URI as `w` changes it (NULL: as it is), for those who look for where it leads; in `arena`.
 * False: memory is out, or what comes of it is no URI.
 */
bool sw_rewrite_target(const struct sw_uri *u, const struct sw_rewrite *w, struct sw_arena *arena,
                       struct sw_uri *out);

/** Bytes that sw_rewrite_uri may take beside those of the URI and of `host`. */
size_t sw_rewrite_room(const struct sw_rewrite *w);

/** Appends a user part: what may not stand in one is escaped, escapes stay. RFC 3261 25.1 */
void sw_rewrite_user(struct sw_buf *b, struct sw_slice user);

#endif

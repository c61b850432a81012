/* What requests tell of a peer's health: attempts in a row without any answer take it down, one
 * request at a time tries it again, and any answer brings it back. And what the log is told of a
 * peer's health, whoever found it out: once per change. docs/groups.md "Health" */
#ifndef SW_PROXY_PASSIVE_H
#define SW_PROXY_PASSIVE_H

#include "proxy/proxy.h"

/**
 * True unless attempts failed in a row and the time for the next one has not come. NULL: true.
 */
bool sw_passive_may_try(const struct sw_load *l, int64_t now_ms);

/**
 * A request is about to be sent to the peer: if it is the one that tries it again, the others wait
 * for `retry_after` more.
 */
void sw_passive_trying(struct sw_proxy *p, const struct sw_peer_conf *peer);

/** An attempt got no answer; `why` is static text. */
void sw_passive_failed(struct sw_proxy *p, const struct sw_peer_conf *peer, const char *why);

/** A connection was lost under a request: what it took along with it counts once. */
void sw_passive_lost(struct sw_proxy *p, const struct sw_peer_conf *peer);

/** It answered: no attempts in a row have failed any more. The log is not told. */
void sw_passive_clear(struct sw_proxy *p, const struct sw_peer_conf *peer);

/** It answered a request, whatever: it is back at once. */
void sw_passive_answered(struct sw_proxy *p, const struct sw_peer_conf *peer);

/**
 * Tells the log that a peer went down or came up, if what counts has changed: `key` and `n` are a
 * field that says more, `why` is static text.
 */
void sw_passive_tell(struct sw_proxy *p, const struct sw_peer_conf *peer, const char *key,
                     int64_t n, const char *why);

#endif

/* Whose failure it is when a request got no answer: that of the place, that of its whole peer, or
 * our own. docs/groups.md "Health" */
#ifndef SW_PROXY_BLAME_H
#define SW_PROXY_BLAME_H

#include "proxy/fork.h"
#include "sip/locate.h"

/**
 * True if what failed says nothing of the other side: a limit of ours, or an address of ours that
 * is not here. SW_LIMIT_SIZE is no such: the peer does not read what it is sent.
 */
bool sw_blame_is_ours(enum sw_status status);

/**
 * True if the DNS was not really asked: it would have taken more questions or memory than we have.
 */
bool sw_blame_is_unasked(const struct sw_locate *x);

/**
 * An attempt at one place of a target's peer got no answer; `why` is static text. It counts as the
 * peer's if nothing else of it is left to be tried for this request.
 */
void sw_blame_peer(struct sw_proxy *p, const struct sw_fork *f, const struct sw_choice *c,
                   const struct sw_target *t, const char *why);

/** The same for a connection that was lost: see sw_passive_lost. */
void sw_blame_loss(struct sw_proxy *p, const struct sw_fork *f, const struct sw_choice *c,
                   const struct sw_target *t);

#endif

/* Header rows that do not leave: what a route or a peer says, and asserted identities that RFC 3325
 * keeps inside. */
#ifndef SW_PROXY_ROWS_H
#define SW_PROXY_ROWS_H

#include "proxy/conf.h"
#include "proxy/rewrite.h"
#include "sip/edit.h"
#include "sip/msg.h"

/** True if a row of `m` has this name: in any case, and compact. RFC 3261 7.3.1, 7.3.3 */
bool sw_row_is(const struct sw_msg *m, const struct sw_hdr *h, const struct sw_header_name *name);

/** True if `remove` of a peer (NULL: none) has a header that we know. */
bool sw_rows_removes(const struct sw_peer_conf *to, enum sw_hdr_id id);

/**
 * Takes rows out of a message from one peer to another (ids of peers, or of what is none): those
 * that `w` names (NULL: none), those that `remove` of the receiver does, P-Asserted-Identity and
 * P-Preferred-Identity as trust demands. Call it after all other edits. RFC 3325 5 to 7
 */
void sw_rows_drop(const struct sw_proxy_conf *c, const struct sw_msg *m, const struct sw_rewrite *w,
                  uint32_t from, uint32_t to, struct sw_edits *edits);

#endif

/* Who may learn who a caller is: P-Asserted-Identity and P-Preferred-Identity by trust.
 * docs/rules.md "Asserted identity", RFC 3325, RFC 5876 */
#ifndef SW_PROXY_ASSERTED_H
#define SW_PROXY_ASSERTED_H

#include "proxy/policy.h"
#include "sip/edit.h"
#include "sip/msg.h"

/**
 * True if P-Asserted-Identity of a message must not pass from one peer to another; NULL stands for
 * what is no peer. RFC 3325 5: what a node asserts that is not trusted is removed; 7: to one that
 * is not trusted nothing goes that the user wants kept private, and all that the user wants shown.
 */
bool sw_asserted_goes(const struct sw_msg *m, const struct sw_peer_conf *from,
                      const struct sw_peer_conf *to);

/** The same for P-Preferred-Identity: it passes within the Trust Domain only. RFC 3325 6 */
bool sw_preferred_goes(const struct sw_peer_conf *from, const struct sw_peer_conf *to);

/** Tells the log, once per peer, that what it asserts is removed because nobody said whether it is
 * to be believed: a PBX that names its callers would be silenced without a word. */
void sw_asserted_tell(struct sw_proxy *p, const struct sw_request *q);

/**
 * Takes out of a header that passes what receivers must ignore: it may have one SIP or SIPS URI and
 * one tel URI. "A proxy MUST NOT forward a URI ... if that URI is to be ignored": RFC 5876 4.5,
 * RFC 3325 9.1
 */
void sw_asserted_filter(const struct sw_msg *m, enum sw_hdr_id id, struct sw_edits *edits);

#endif

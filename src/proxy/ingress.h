/* Who is it: whose a connection or a datagram is. */
#ifndef SW_PROXY_INGRESS_H
#define SW_PROXY_INGRESS_H

#include "base/ident.h"
#include "proxy/conf.h"

/* The answer, with what a log line needs to explain it. */
struct sw_ingress {
    uint32_t peer;         /* a peer's id, SW_PEER_NOBODY or SW_PEER_VERIFIED */
    const char *why;       /* static text: what decided */
    const char *help;      /* likewise: what would make it somebody's; may be NULL */
    uint32_t claimed;      /* the peer whose rule refused it; 0: none's, or it is not refused */
    enum sw_status status; /* inbound: SW_DENIED_IDENTITY, SW_DENIED_PURPOSE: it is to be closed;
                            * else SW_OK */
    struct sw_slice
        got; /* the identity that counted, or the first one that did not; may be empty */
};

/**
 * Whose an accepted connection is, or a datagram. On TLS the certificate must be vouched for by the
 * peer's own trust entry and prove one of its domains, or be its pin; `source` counts on the peer's
 * listener for what showed no certificate. A certificate that would prove a peer or a domain but is
 * not made for it is refused (RFC 5280 4.2.1.12), and one that names a peer's domain, and no other,
 * but is not what the peer's trust entry or pin wants (RFC 5922 7.1). Of two peers that match, the
 * first in the file. RFC 3261 26.3.2.2; RFC 5922 7.4, 7.5
 */
struct sw_ingress sw_ingress_inbound(const struct sw_proxy_conf *c, const struct sw_flow *flow);

/**
 * Whether the server that we connected to as peer `p` is that peer. SW_DENIED_IDENTITY or
 * SW_DENIED_PURPOSE with `out` telling what came instead: the connection is closed before SIP.
 * RFC 3261 26.2.2, 26.3.2.2; RFC 5922 7.3, 7.5; RFC 9325 3.7, 7.1
 */
SW_MUST_USE enum sw_status sw_ingress_outbound(const struct sw_proxy_conf *c,
                                               const struct sw_peer_conf *p,
                                               const struct sw_flow *flow, struct sw_ingress *out);

/**
 * What an admitted connection of peer `p` was known by, and in `*domain` which of the peer's
 * domains its certificate proves, counted from 1; 0: none.
 */
enum sw_proof sw_ingress_proof(const struct sw_peer_conf *p, const struct sw_flow *flow,
                               uint32_t *domain);

/**
 * The same for a server that is no peer: it must prove `domain`, which went into the DNS, and a
 * trust entry of its listener vouch for it as a server. RFC 5922 4, 7.3
 */
SW_MUST_USE enum sw_status sw_ingress_stranger(const struct sw_proxy_conf *c,
                                               struct sw_slice domain, const struct sw_flow *flow,
                                               struct sw_ingress *out);

/** Why a certificate with these uses (enum sw_use) is not enough under a rule, static text; NULL:
 * it is. `outbound`: it is a server's. */
const char *sw_ingress_unfit(unsigned uses, enum sw_purposes rule, bool outbound);

/* A server that we connected to, and what it was looked for as. */
struct sw_ingress_server {
    const struct sw_peer_conf *peer; /* NULL: none, then it must prove `domain` */
    struct sw_slice domain;
    struct sw_slice host;    /* the name of the server whose TLSA records count; empty: none do */
    struct sw_slice located; /* the domain that led to it: the peer's, or `domain` */
};

/**
 * Whether signed TLSA records say that a server is who was wanted. SW_OK: it is; SW_AGAIN: they do
 * not vouch for it, or may not any more, so the usual rules decide; SW_DENIED_IDENTITY,
 * SW_DENIED_PURPOSE. RFC 7671 5.1, 5.2; RFC 7673 4.2
 */
SW_MUST_USE enum sw_status sw_ingress_dane(const struct sw_proxy_conf *c,
                                           const struct sw_ingress_server *s,
                                           const struct sw_flow *flow, struct sw_ingress *out);

#endif

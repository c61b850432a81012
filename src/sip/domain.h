/* Which SIP domains a certificate proves, and whether one of them is the one that was wanted. */
#ifndef SW_SIP_DOMAIN_H
#define SW_SIP_DOMAIN_H

#include "base/ident.h"

/* How far a peer's configuration lets the name rule go. */
enum sw_verify {
    SW_VERIFY_DOMAIN,   /* to the letter: RFC 5922 7.1, 7.2 */
    SW_VERIFY_WILDCARD, /* "*.example.com" also stands for one label */
    SW_VERIFY_ADDRESS,  /* an iPAddress that is the peer's address also counts */
    SW_VERIFY_CHAIN,    /* outbound: no name is asked for; inbound: as SW_VERIFY_DOMAIN */
};

/**
 * True if name `i` of the certificate is a SIP domain identity, which then becomes `domain`: a sip
 * URI without user part; a DNS name only if there is no such URI; a CN only if there is no
 * subjectAltName. A name with "*" is none: "Implementations MUST NOT match any form of wildcard".
 * RFC 5922 7.1, 7.2
 */
bool sw_domain_identity(const struct sw_ident *ident, uint32_t i, struct sw_slice *domain);

/** True if name `i` is a wildcard, "*.example.com", that SW_VERIFY_WILDCARD would take for an
 * identity, which then becomes `pattern`. It identifies no SIP domain: RFC 5922 7.2 */
bool sw_domain_wildcard(const struct sw_ident *ident, uint32_t i, struct sw_slice *pattern);

/** True if such a wildcard stands for `wanted`: "*" for exactly one label of it. RFC 6125 6.4.3 */
bool sw_domain_covers(struct sw_slice pattern, struct sw_slice wanted);

/** True if two domains are the same name: whole, without case, a trailing dot ignored. A name with
 * other letters than ASCII has its form with "xn--" on both sides. RFC 5922 7.2, RFC 5280 7.2 */
bool sw_domain_eq(struct sw_slice a, struct sw_slice b);

/**
 * True if the certificate proves `wanted`; `address` is what SW_VERIFY_ADDRESS compares with. Only
 * SW_VERIFY_DOMAIN and SW_VERIFY_CHAIN keep to RFC 5922 7.2; the others are a peer's exception.
 */
bool sw_domain_proves(const struct sw_ident *ident, struct sw_slice wanted, enum sw_verify verify,
                      const struct sw_endpoint *address);

#endif

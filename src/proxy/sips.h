/* What a sips URI demands: who may send a request for one, and where it may go. docs/sips.md has
 * the table of all combinations. RFC 3261 26.2.2, RFC 5630 */
#ifndef SW_PROXY_SIPS_H
#define SW_PROXY_SIPS_H

#include "proxy/policy.h"

/** The scheme of the target: that of the Request-URI, or of what a strict router put in its place.
 * RFC 3261 16.4 */
enum sw_scheme sw_target_scheme(const struct sw_vitals *v, const struct sw_routes *r);

/** True if the request leaves over TLS or not at all: its target is a sips URI, or the next Route
 * value is one. RFC 3261 16.6 step 4, 26.2.2; RFC 5630 5.1.1 */
bool sw_tls_is_demanded(const struct sw_vitals *v, const struct sw_routes *r);

static inline bool sw_request_needs_tls(const struct sw_request *q)
{
    return sw_tls_is_demanded(q->v, q->r);
}

/** True if the target is a sips URI: TLS on every hop, to the last. RFC 5630 5.3 */
static inline bool sw_request_is_sips(const struct sw_request *q)
{
    return sw_target_scheme(q->v, q->r) == SW_SCHEME_SIPS;
}

/**
 * True if the request may go on as far as its sender and its own URIs are concerned. Otherwise
 * `out` says what it is answered with: 400, 416 or 480. Inside a dialog (`q->side` set) the
 * sender's `sips` is not asked for again. RFC 3261 8.1.1.8, 19.1.1, 26.2.2; RFC 5630 5.3
 */
bool sw_sips_sender(struct sw_proxy *p, const struct sw_request *q, struct sw_refusal *out);

/** True if each value of a header is a sips URI, and can be read. */
bool sw_sips_all(const struct sw_msg *m, enum sw_hdr_id id);

/** True if a request may have a sips Request-URI as far as its Contact is concerned. RFC 3261
 * 8.1.1.8, RFC 5630 5.1.1.2 */
bool sw_sips_contact_fits(const struct sw_msg *m);

/* The codes of a 480's Warning. RFC 5630 5.3, 7 */
enum { SW_WARN_SIPS_NOT_ALLOWED = 380, SW_WARN_SIPS_REQUIRED = 381 };

/** The Warning of a 480 to a request that came over `flow`, in scratch memory. RFC 5630 5.3 */
struct sw_slice sw_sips_warning(struct sw_proxy *p, const struct sw_flow *flow, unsigned code);

/* Why a peer is no target for a request. */
enum sw_sips_fit {
    SW_SIPS_FITS,
    SW_SIPS_WANTS,       /* the peer has sips: require, and this is no sips request */
    SW_SIPS_ONLY_TLS,    /* a sip request for a sips Contact, and the peer has no TLS */
    SW_SIPS_NO_TLS,      /* TLS is demanded, and the peer has none */
    SW_SIPS_NO_IDENTITY, /* TLS is demanded, and the peer's name is not asked for */
    SW_SIPS_DENIES,      /* the peer has sips: deny */
};

/** Whether a peer is fit for a request. RFC 3261 26.2.2, RFC 5630 5.3 */
enum sw_sips_fit sw_sips_target(const struct sw_request *q, const struct sw_peer_conf *peer);

/** Which of two is told: docs/sips.md "Which answer goes before". */
enum sw_sips_fit sw_sips_first(enum sw_sips_fit a, enum sw_sips_fit b);

/** Refuses a request for which no peer was fit, and `target` not for this reason: 416, or 480 with
 * the Warning that is due. `target` may be NULL. Always false. RFC 5630 5.3 */
bool sw_sips_refuse(struct sw_proxy *p, const struct sw_request *q, enum sw_sips_fit fit,
                    const struct sw_peer_conf *target, struct sw_refusal *out);

/**
 * Whether a request that demands TLS may leave over a connection: it is TLS, and either the other
 * side proved a name or a key, or it is `prefer`, the connection that the dialog's own request came
 * over. RFC 3261 26.2.2, RFC 5630 5.3; RFC 5626 for those who have no certificate
 */
bool sw_sips_flow_fits(const struct sw_flow *flow, const struct sw_flow_id *prefer);

#endif

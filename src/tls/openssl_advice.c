/* What would help against a handshake that failed. */
#include "tls/openssl_words.h"

#include "tls/message.h"
#include <openssl/err.h>
#include <openssl/ssl.h>

/* ---- which policy would do ---- */

static bool lists(const char *list, struct sw_slice name)
{
    struct sw_slice rest = sw_slice_str(list), element;
    while (sw_tls_list_next(&rest, &element))
        if (sw_slice_eq(element, name))
            return true;
    return false;
}

/* True if a policy has one of the offered suites for these versions. */
static bool has_suite(const struct sw_tls_policy *p, const struct sw_tls_offer *o, bool of_1_3)
{
    for (unsigned i = 0; i < o->suite_count && i < SW_TLS_OFFER_SUITES; i++) {
        const char *name = sw_tls_suite_name(o->suites[i]);
        if (!name || (o->suites[i] >> 8 == 0x13) != of_1_3)
            continue;
        if (of_1_3 ? lists(p->ciphersuites, sw_slice_str(name))
                   : lists(p->ciphers, sw_slice_str(OPENSSL_cipher_name(name))))
            return true;
    }
    return false;
}

/* True if a version and a suite of the peer's hello are in the policy. A client of old names its
 * highest version only; a server chose one. RFC 5246 E.1 */
static bool has_in_common(const struct sw_tls_policy *p, const struct sw_tls_offer *o)
{
    unsigned low = p->min_version & 7u, high = p->max_version & 7u;
    unsigned both = o->versions;
    if (!o->listed && !o->answer)
        for (unsigned v = both; v; v >>= 1)
            both |= v;
    both &= (2u << high) - (1u << low);
    const bool old = both & ~(1u << (SW_TLS_1_3 & 7));
    return (old && has_suite(p, o, false)) ||
           (both & 1u << (SW_TLS_1_3 & 7) && has_suite(p, o, true));
}

/* The first of the policies that admit more and more which has what the peer can do; NULL: none. */
static const struct sw_tls_policy *would_do(const struct sw_tls_offer *o)
{
    for (unsigned i = SW_POLICY_STANDARD; i <= SW_POLICY_LEGACY; i++)
        if (has_in_common(sw_tls_policy_builtin(i), o))
            return sw_tls_policy_builtin(i);
    return NULL;
}

/* The peer's hello is not known: it ended it with an alert. What we had in it is. */
static const char *help_with_version(const struct sw_tls_trouble *x)
{
    if (x->policy->min_version > SW_TLS_1_2)
        return "the peer has no TLS 1.3: policy standard on this peer alone admits TLS 1.2, legacy "
               "only what has not even that";
    if (x->policy->max_version < SW_TLS_1_3)
        return "the peer may be newer than our policy: standard has TLS 1.3";
    if (x->policy->min_version > SW_TLS_1_0)
        return "the peer has nothing newer than TLS 1.1: policy legacy on this peer alone admits "
               "it, until it is updated";
    return "no policy has a TLS version of the peer: it must be updated";
}

/* Nothing in common, and the peer's hello says what it has. */
static const char *help_with_gap(const struct sw_tls_trouble *x, enum sw_tls_gap gap)
{
    const struct sw_tls_policy *p = x->offer ? would_do(x->offer) : NULL;
    if (gap == SW_TLS_GAP_GROUP || gap == SW_TLS_GAP_SIGNATURE)
        return "legacy has no more of them: compare groups and signature_algorithms of both sides; "
               "a policy under tls_policies may list others";
    if (!x->offer)
        return help_with_version(x);
    if (has_in_common(x->policy, x->offer))
        return "the key of our certificate fits none of its suites: give the identity one with the "
               "other kind of key, too";
    if (!p)
        return "neither standard nor legacy has what the peer can do: it must be updated";
    return p == sw_tls_policy_builtin(SW_POLICY_STANDARD)
               ? "policy standard has what this peer can do: for it alone, if not for all; legacy "
                 "is not needed"
               : "nothing newer is in common: policy legacy for this peer alone admits it, until "
                 "it "
                 "is updated";
}

static const char help_with_ssl2[] =
    "a scanner, or software of before 2008: it must be updated, or SSL 2.0 be switched off in it";

/* ---- what the peer said ---- */

/* A client of TLS 1.2 is told so by both: the server's hello has chosen a suite before it asks. */
static const char *help_with_failure(const struct sw_tls_trouble *x)
{
    if (x->server || !x->offer)
        return "no suite or group in common: compare those of both sides; or, up to TLS 1.2, the "
               "peer wants a certificate of ours";
    return "a suite was agreed on: the peer wants a certificate of ours, or does not take the one "
           "that it was shown (`shown`); `identity` of the peer says which";
}

static const char *help_with_alert(const struct sw_tls_trouble *x)
{
    if (x->settled)
        return x->refused_renegotiations
                   ? "its software must do without renegotiation, as TLS 1.3 does"
                   : "the connection was open: neither policy nor certificate is to blame. The "
                     "peer's own log should say more";
    switch (x->alert) {
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_CERTIFICATE_UNKNOWN:
        return "the peer does not believe our certificate: give it the CA of our identity";
    case SSL_AD_CERTIFICATE_EXPIRED:
        return "our certificate has expired, or the peer's clock is wrong";
    case SSL_AD_CERTIFICATE_REQUIRED: /* TLS 1.3: suites were agreed on. RFC 8446 6.2 */
        return "the peer wants a certificate of ours and got none: `identity` of the peer names "
               "it, and none shows none";
    case SSL_AD_HANDSHAKE_FAILURE:
        return help_with_failure(x);
    case SSL_AD_INSUFFICIENT_SECURITY:
        return "the peer wants stronger suites than our policy has: compare those of both sides";
    case SSL_AD_PROTOCOL_VERSION:
        return help_with_version(x);
    case SSL_AD_UNRECOGNIZED_NAME:
        return "the peer does not serve the domain that we asked for";
    default:
        return "the peer's own log should say more";
    }
}

const char *sw_tls_trouble_help(enum sw_status failed, const struct sw_tls_trouble *x)
{
    int reason = x->library ? ERR_GET_REASON(x->library) : 0;
    switch (failed) {
    case SW_CRYPTO_VERIFY:
        return sw_tls_refusal_help(x->verify_error, x->names_no_source);
    case SW_CRYPTO_ALERT:
        return help_with_alert(x);
    case SW_CRYPTO_NO_CERT:
        return "give the peer a client certificate. client_certificate: request alone lets it in "
               "as "
               "nobody: without one it is a peer only by its `source`, with without_certificate: "
               "allow";
    case SW_PEER_PROTOCOL:
        if (x->wire == SW_WIRE_SSL2)
            return help_with_ssl2;
        return "the peer must use TLS on this port";
    case SW_CRYPTO:
        if (x->key_flood)
            return "an attack on our time, or software of the peer with a fault: its own log "
                   "should say more";
        if (x->wire == SW_WIRE_SSL2)
            return help_with_ssl2;
        if (sw_tls_of_token(x))
            return "is the token there, and its service up? restart the gateway once it is";
        if (x->alert == SSL_AD_UNRECOGNIZED_NAME)
            return "list the identity for this name under sni, or sni_unknown: default";
        if (x->alert == SSL_AD_NO_APPLICATION_PROTOCOL)
            return "a client of another protocol; a SIP client must offer sip/2, or leave ALPN out";
        if (sw_tls_gap_of(reason) != SW_TLS_GAP_NONE)
            return help_with_gap(x, sw_tls_gap_of(reason));
        return "a scanner, or software of the peer with a fault: its own log should say more";
    default:
        return "the peer's own log should say more";
    }
}

#include "tls/openssl_words.h"

#include "crypto/openssl_types.h"
#include "tls/message.h"
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <time.h>

/* Bytes of a name in a text, so that the words around it have room. */
enum { NAME_MAX_BYTES = 96 };

static void put_name(struct sw_buf *b, const char *name)
{
    sw_buf_put(b, name, strnlen(name, NAME_MAX_BYTES));
}

static void put_date(struct sw_buf *b, int64_t at_s)
{
    char text[32];
    struct tm tm;
    time_t t = (time_t)at_s;
    sw_buf_put(b, text, strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", gmtime_r(&t, &tm)));
}

static void put_asked(struct sw_buf *b, const struct sw_trust *trust)
{
    sw_buf_lit(b, "no trust entry asked (");
    sw_trust_put_names(trust, b);
    sw_buf_lit(b, ") ");
}

void sw_tls_refusal_why(struct sw_buf *b, int verify_error, const struct sw_cert_facts *cert,
                        const struct sw_trust *trust)
{
    if (verify_error == X509_V_ERR_DANE_NO_MATCH) {
        sw_buf_lit(b, "the server has TLSA records, signed with DNSSEC, and none is of this "
                      "certificate, its key or a CA of its chain");
        return;
    }
    if (!trust) {
        sw_buf_lit(b, "no trust entry is named for this side, so nobody is believed");
        return;
    }
    switch (verify_error) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        put_asked(b, trust);
        sw_buf_lit(b, "has the CA that issued the certificate: ");
        put_name(b, cert->issuer);
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        put_asked(b, trust);
        sw_buf_lit(b, "pins this self-signed certificate");
        break;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        put_asked(b, trust);
        sw_buf_lit(b, "has the CA that the chain ends in: ");
        put_name(b, cert->subject);
        break;
    case X509_V_ERR_CERT_UNTRUSTED:
        put_asked(b, trust);
        sw_buf_lit(b, "believes the certificate or its CA: ");
        put_name(b, cert->issuer);
        break;
    case X509_V_ERR_OUT_OF_MEM:
        sw_buf_lit(b, "memory is out: the certificate could not be judged");
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        sw_buf_lit(b, "the certificate expired on ");
        put_date(b, cert->not_after_s);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        sw_buf_lit(b, "the certificate is valid only from ");
        put_date(b, cert->not_before_s);
        break;
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
        sw_buf_lit(b, "the chain has more CA certificates than depth of the trust entry allows (");
        sw_trust_put_names(trust, b);
        sw_buf_lit(b, ")");
        break;
    case X509_V_ERR_CERT_REVOKED:
        sw_buf_lit(b, "the certificate is revoked: serial ");
        sw_buf_str(b, cert->serial);
        sw_buf_lit(b, " of ");
        put_name(b, cert->issuer);
        break;
    case X509_V_ERR_CRL_HAS_EXPIRED:
        sw_buf_lit(b, "the revocation list that would tell of the certificate is past its "
                      "nextUpdate, and the trust entry wants a current one: the list of ");
        put_name(b, cert->issuer);
        break;
    case X509_V_ERR_UNABLE_TO_GET_CRL:
        sw_buf_lit(b, "nothing tells whether the certificate is revoked, and the trust entry wants "
                      "to know: serial ");
        sw_buf_str(b, cert->serial);
        sw_buf_lit(b, " of ");
        put_name(b, cert->issuer);
        break;
    case X509_V_ERR_OCSP_VERIFY_FAILED:
        sw_buf_lit(b, "the OCSP answer that the server stapled cannot be believed: it is broken, "
                      "out of date, not signed for the CA, or about another certificate");
        break;
    case SW_V_ERR_STAPLE_MISSING:
        sw_buf_lit(b, "the server stapled no OCSP answer, and its certificate, or a CA above it, "
                      "says that it must (TLS Feature status_request, RFC 7633)");
        break;
    case X509_V_ERR_OCSP_CERT_UNKNOWN:
        sw_buf_lit(b, "the CA's OCSP responder does not know the certificate: serial ");
        sw_buf_str(b, cert->serial);
        sw_buf_lit(b, " of ");
        put_name(b, cert->issuer);
        break;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
        sw_buf_lit(b, "a key in the certificate chain is too weak: ");
        sw_buf_str(b, cert->key);
        sw_buf_lit(b, ", and RSA 2048 or EC 224 is the least");
        break;
    case X509_V_ERR_CA_MD_TOO_WEAK:
        sw_buf_lit(b, "a certificate in the chain is signed with a hash that is broken: ");
        sw_buf_str(b, cert->signature);
        break;
    default:
        sw_buf_lit(b, "the certificate was refused: ");
        sw_buf_str(b, X509_verify_cert_error_string(verify_error));
    }
}

/* What we offered to a peer that refused it. */
static void put_offered(struct sw_buf *b, const struct sw_tls_trouble *x)
{
    if (x->alert != SSL_AD_PROTOCOL_VERSION && x->alert != SSL_AD_HANDSHAKE_FAILURE &&
        x->alert != SSL_AD_INSUFFICIENT_SECURITY)
        return;
    sw_buf_lit(b, ": policy ");
    sw_buf_str(b, x->policy->name);
    sw_buf_lit(b, " has ");
    sw_tls_policy_put_versions(b, x->policy);
}

/* What is missing, under which policy, and what the peer offers, or chose. */
static void put_gap(struct sw_buf *b, const struct sw_tls_trouble *x, enum sw_tls_gap gap)
{
    static const char *const what[] = {"TLS version", "cipher suite", "group",
                                       "signature algorithm"};
    sw_buf_lit(b, "no ");
    sw_buf_str(b, what[gap]);
    sw_buf_lit(b, " in common under policy ");
    sw_buf_str(b, x->policy->name);
    if (gap == SW_TLS_GAP_VERSION) {
        sw_buf_lit(b, " (");
        sw_tls_policy_put_versions(b, x->policy);
        sw_buf_lit(b, ")");
    } else if (gap != SW_TLS_GAP_GROUP) {
        sw_buf_lit(b, ", or none for the key of our certificate");
    }
    if (!x->offer)
        return;
    sw_buf_lit(b, ": ");
    sw_tls_offer_put_gap(b, x->offer, gap);
}

/* True if the first error is of no library of OpenSSL's own: of an engine, which holds a key. */
static bool of_token(const struct sw_tls_trouble *x)
{
    return x->library && ERR_GET_LIB(x->library) >= ERR_LIB_USER;
}

/* The library gives up at the first record that is none. */
static bool not_tls(int reason)
{
    return reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST ||
           reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_UNKNOWN_PROTOCOL;
}

void sw_tls_trouble_why(struct sw_buf *b, const struct sw_tls_trouble *x)
{
    const char *reason = x->library ? ERR_reason_error_string(x->library) : NULL;
    int code = x->library ? ERR_GET_REASON(x->library) : 0;
    if (x->alert >= 0 && !x->alert_sent) {
        sw_buf_lit(b, "the peer refused with alert ");
        sw_buf_str(b, sw_tls_alert_name((unsigned)x->alert));
        put_offered(b, x);
    } else if (of_token(x)) {
        sw_buf_lit(b, "our own key could not be used, its token says: ");
        sw_buf_str(b, reason ? reason : "no reason");
    } else if (code == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        sw_buf_lit(b, "the peer showed no certificate, and one is required here");
    } else if (not_tls(code) && x->wire != SW_WIRE_TLS) {
        sw_buf_str(b, x->wire == SW_WIRE_HTTP  ? "the peer speaks HTTP, not TLS"
                      : x->wire == SW_WIRE_SIP ? "what came is not TLS: plain SIP on the TLS port"
                                               : "what came is not TLS");
    } else if (code == SSL_R_NO_SHARED_CIPHER || code == SSL_R_WRONG_CIPHER_RETURNED ||
               code == SSL_R_UNKNOWN_CIPHER_RETURNED) {
        put_gap(b, x, SW_TLS_GAP_SUITE);
    } else if (code == SSL_R_UNSUPPORTED_PROTOCOL || code == SSL_R_VERSION_TOO_LOW ||
               code == SSL_R_WRONG_SSL_VERSION) {
        put_gap(b, x, SW_TLS_GAP_VERSION);
    } else if (code == SSL_R_NO_SUITABLE_KEY_SHARE || code == SSL_R_NO_SUITABLE_GROUPS) {
        put_gap(b, x, SW_TLS_GAP_GROUP);
    } else if (code == SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM ||
               code == SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS) {
        put_gap(b, x, SW_TLS_GAP_SIGNATURE);
    } else if (code == SSL_R_NO_APPLICATION_PROTOCOL) {
        sw_buf_lit(b, "no application protocol in common: the peer offers others by ALPN, but not "
                      "sip/2");
    } else if (x->alert == SSL_AD_UNRECOGNIZED_NAME) {
        sw_buf_lit(b, "no certificate of the listener has the server name that was asked for");
    } else if (code == SSL_R_EXCESSIVE_MESSAGE_SIZE) {
        sw_buf_lit(b, "a handshake message of the peer is longer than any that is needed");
    } else if (code == SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED) {
        sw_buf_lit(b, "the peer lacks the renegotiation_info extension (RFC 5746), without which "
                      "no policy speaks to a server");
    } else {
        sw_buf_str(b, reason ? reason : "the TLS library gave no reason");
    }
}

/* What would help, by what the verification said. */
static const char *help_with_chain(int error)
{
    switch (error) {
    case X509_V_ERR_OUT_OF_MEM:
        return "more memory, or lower limits";
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "the peer must renew its certificate; check the clocks of both sides";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "check the clocks of both sides";
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
        return "raise depth of the trust entry, or ask for a shorter chain";
    case X509_V_ERR_CERT_REVOKED:
        return "the peer needs a new certificate";
    case X509_V_ERR_CRL_HAS_EXPIRED:
        return "put the CA's newest list in place: it is taken up without a restart";
    case X509_V_ERR_UNABLE_TO_GET_CRL:
        return "is the CA's responder up, or its list in crl of the trust entry? "
               "revocation_failure: soft believes all the same";
    case X509_V_ERR_OCSP_VERIFY_FAILED:
        return "the server's own OCSP cache must be renewed";
    case SW_V_ERR_STAPLE_MISSING:
        return "the server must have stapling switched on, and reach its CA's responder; a server "
               "that hides a revocation looks the same";
    case X509_V_ERR_OCSP_CERT_UNKNOWN:
        return "was it issued a moment ago? else ask the CA";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return "if it is the peer's own, add it to the trust entry under pinned";
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
        return "no policy admits it: the peer needs a certificate with RSA of 2048 bits or EC of "
               "224 bits and more, signed with SHA-256 or better, and so do its CAs";
    case X509_V_ERR_DANE_NO_MATCH:
        return "did the server get a new certificate before its TLSA records (RFC 7671 8.1)? its "
               "operator must mend them; dane: off goes by trust alone";
    case X509_V_ERR_CERT_UNTRUSTED:
        return "if it is the peer's new certificate, replace the pinned one, or believe its CA";
    default:
        return "add the CA that issued it to the trust entry, or ask the peer to send its chain";
    }
}

static const char *help_with_alert(int alert)
{
    switch (alert) {
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_CERTIFICATE_UNKNOWN:
        return "the peer does not believe our certificate: give it the CA of our identity";
    case SSL_AD_CERTIFICATE_EXPIRED:
        return "our certificate has expired, or the peer's clock is wrong";
    case SSL_AD_CERTIFICATE_REQUIRED:
    case SSL_AD_HANDSHAKE_FAILURE:
        return "the peer wants a certificate of ours, or has no suite in common with our policy";
    case SSL_AD_PROTOCOL_VERSION:
        return "no TLS version in common: policy legacy on this peer alone admits old ones";
    case SSL_AD_UNRECOGNIZED_NAME:
        return "the peer does not serve the domain that we asked for";
    default:
        return "the peer's own log should say more";
    }
}

const char *sw_tls_refusal_code(int verify_error)
{
    switch (verify_error) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return "issuer_unknown";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return "self_signed";
    case X509_V_ERR_CERT_UNTRUSTED:
        return "not_trusted";
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "not_yet_valid";
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
        return "chain_too_long";
    case X509_V_ERR_CERT_REVOKED:
        return "revoked";
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
        return "crl_signature";
    case X509_V_ERR_CRL_HAS_EXPIRED:
        return "crl_stale";
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_OCSP_CERT_UNKNOWN:
        return "revocation_unknown";
    case X509_V_ERR_OCSP_VERIFY_FAILED:
        return "ocsp_staple";
    case SW_V_ERR_STAPLE_MISSING:
        return "staple_missing";
    case X509_V_ERR_OUT_OF_MEM:
        return "no_memory";
    case X509_V_ERR_DANE_NO_MATCH:
        return "dane_no_match";
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
        return "key_too_weak";
    case X509_V_ERR_CA_MD_TOO_WEAK:
        return "signature_too_weak";
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return "bad_signature";
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
        return "not_a_ca";
    default:
        return "chain_invalid";
    }
}

/* What the peer did wrong, by the alert that it got for it. RFC 8446 6.2, RFC 5246 7.2.2 */
static const char *code_of_alert(const struct sw_tls_trouble *x)
{
    switch (x->alert) {
    case SSL_AD_BAD_RECORD_MAC:
    case SSL_AD_DECRYPTION_FAILED:
    case SSL_AD_RECORD_OVERFLOW:
        return "bad_record";
    case SSL_AD_DECODE_ERROR:
    case SSL_AD_ILLEGAL_PARAMETER:
    case SSL_AD_UNEXPECTED_MESSAGE:
    case SSL_AD_MISSING_EXTENSION:
    case SSL_AD_UNSUPPORTED_EXTENSION:
        return "bad_message";
    case SSL_AD_DECRYPT_ERROR:
        return "key_not_proved";
    case SSL_AD_NO_APPLICATION_PROTOCOL:
        return "no_common_protocol";
    case SSL_AD_UNRECOGNIZED_NAME:
        return "unknown_server_name";
    default:
        return "tls_failed";
    }
}

/* What the two sides have not in common. */
static const char *code_of_gap(int reason)
{
    switch (reason) {
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_WRONG_CIPHER_RETURNED:
    case SSL_R_UNKNOWN_CIPHER_RETURNED:
        return "no_common_suite";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_WRONG_SSL_VERSION:
        return "no_common_version";
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
        return "no_common_group";
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
        return "no_common_signature";
    default:
        return NULL;
    }
}

static const char *code_of_library(const struct sw_tls_trouble *x)
{
    int reason = x->library ? ERR_GET_REASON(x->library) : 0;
    int library = x->library ? ERR_GET_LIB(x->library) : 0;
    if (of_token(x))
        return "key_unusable";
    if (library == ERR_LIB_ASN1 || library == ERR_LIB_X509 || library == ERR_LIB_X509V3)
        return "certificate_malformed";
    if (library == ERR_LIB_SSL && reason == SSL_R_EXCESSIVE_MESSAGE_SIZE)
        return "message_too_large";
    if (library == ERR_LIB_SSL && reason == SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED)
        return "no_secure_renegotiation";
    const char *gap = library == ERR_LIB_SSL ? code_of_gap(reason) : NULL;
    return gap ? gap : code_of_alert(x);
}

const char *sw_tls_trouble_code(enum sw_status failed, const struct sw_tls_trouble *x)
{
    switch (failed) {
    case SW_CRYPTO_VERIFY:
        return sw_tls_refusal_code(x->verify_error);
    case SW_CRYPTO_NO_CERT:
        return "no_certificate";
    case SW_CRYPTO_ALERT:
        return "alert_received";
    case SW_PEER_PROTOCOL:
        return x->wire == SW_WIRE_HTTP ? "http" : x->wire == SW_WIRE_SIP ? "plain_sip" : "not_tls";
    default:
        return code_of_library(x);
    }
}

const char *sw_tls_trouble_help(enum sw_status failed, const struct sw_tls_trouble *x)
{
    switch (failed) {
    case SW_CRYPTO_VERIFY:
        return help_with_chain(x->verify_error);
    case SW_CRYPTO_ALERT:
        return help_with_alert(x->alert);
    case SW_CRYPTO_NO_CERT:
        return "give the peer a client certificate, or set client_certificate: request";
    case SW_PEER_PROTOCOL:
        return "the peer must use TLS on this port";
    case SW_CRYPTO:
        if (of_token(x))
            return "is the token there, and its service up? restart the gateway once it is";
        if (x->alert == SSL_AD_UNRECOGNIZED_NAME)
            return "list the identity for this name under sni, or sni_unknown: default";
        if (x->alert == SSL_AD_NO_APPLICATION_PROTOCOL)
            return "a client of another protocol; a SIP client must offer sip/2, or leave ALPN out";
        if (x->library && !code_of_gap(ERR_GET_REASON(x->library)))
            return "a scanner, or software of the peer with a fault: its own log should say more";
        return "compare versions and suites of both sides: policy legacy admits old ones";
    default:
        return "compare versions and suites of both sides: policy legacy admits old ones";
    }
}

enum sw_status sw_tls_trouble_status(const struct sw_tls_trouble *x)
{
    int code = x->library && !of_token(x) ? ERR_GET_REASON(x->library) : 0;
    if (x->verify_error != X509_V_OK)
        return SW_CRYPTO_VERIFY;
    if (code == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        return SW_CRYPTO_NO_CERT;
    if (x->alert >= 0 && !x->alert_sent)
        return SW_CRYPTO_ALERT;
    if (not_tls(code) && x->wire != SW_WIRE_TLS)
        return SW_PEER_PROTOCOL;
    return SW_CRYPTO;
}

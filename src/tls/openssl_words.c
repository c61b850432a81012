/* A handshake that failed, in words; refused certificates: openssl_refusal.c, what
 * would help: openssl_advice.c. */
#include "tls/openssl_words.h"

#include "tls/message.h"
#include "tls/session.h"
#include <openssl/err.h>
#include <openssl/ssl.h>

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

bool sw_tls_of_token(const struct sw_tls_trouble *x)
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
    if (x->key_flood) {
        sw_buf_lit(b, "the peer changed its key more than ");
        sw_buf_u64(b, SW_TLS_KEY_UPDATES_PER_MINUTE);
        sw_buf_lit(b, " times in a minute");
    } else if (x->alert >= 0 && !x->alert_sent) {
        sw_buf_str(b, x->settled ? "the peer ended the open connection with alert "
                                 : "the peer refused with alert ");
        sw_buf_str(b, sw_tls_alert_name((unsigned)x->alert));
        if (!x->settled)
            put_offered(b, x);
        else if (x->refused_renegotiations)
            sw_buf_lit(b, ", after its renegotiation was turned down");
    } else if (x->wire == SW_WIRE_SSL2) {
        sw_buf_lit(b, "the peer greets in the form of SSL 2.0, which ended in 2011 (RFC 6176), and "
                      "offers nothing in it that is taken here");
    } else if (sw_tls_of_token(x)) {
        sw_buf_lit(b, "our own key could not be used, its token says: ");
        sw_buf_str(b, reason ? reason : "no reason");
    } else if (code == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        sw_buf_lit(b, "the peer showed no certificate, and one is required here");
    } else if (not_tls(code) && x->wire != SW_WIRE_TLS) {
        sw_buf_str(b, x->wire == SW_WIRE_HTTP  ? "the peer speaks HTTP, not TLS"
                      : x->wire == SW_WIRE_SIP ? "what came is not TLS: plain SIP on the TLS port"
                                               : "what came is not TLS");
    } else if (sw_tls_gap_of(code) != SW_TLS_GAP_NONE) {
        put_gap(b, x, sw_tls_gap_of(code));
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

enum sw_tls_gap sw_tls_gap_of(int reason)
{
    switch (reason) {
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_WRONG_CIPHER_RETURNED:
    case SSL_R_UNKNOWN_CIPHER_RETURNED:
        return SW_TLS_GAP_SUITE;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_WRONG_SSL_VERSION:
        return SW_TLS_GAP_VERSION;
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
        return SW_TLS_GAP_GROUP;
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
        return SW_TLS_GAP_SIGNATURE;
    default:
        return SW_TLS_GAP_NONE;
    }
}

static const char *code_of_gap(int reason)
{
    static const char *const codes[] = {"no_common_version", "no_common_suite", "no_common_group",
                                        "no_common_signature", NULL};
    return codes[sw_tls_gap_of(reason)];
}

static const char *code_of_library(const struct sw_tls_trouble *x)
{
    int reason = x->library ? ERR_GET_REASON(x->library) : 0;
    int library = x->library ? ERR_GET_LIB(x->library) : 0;
    if (x->key_flood)
        return "key_updates";
    if (x->wire == SW_WIRE_SSL2)
        return "ssl2_hello";
    if (sw_tls_of_token(x))
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
        return x->wire == SW_WIRE_HTTP   ? "http"
               : x->wire == SW_WIRE_SIP  ? "plain_sip"
               : x->wire == SW_WIRE_SSL2 ? "ssl2_hello"
                                         : "not_tls";
    default:
        return code_of_library(x);
    }
}

enum sw_status sw_tls_trouble_status(const struct sw_tls_trouble *x)
{
    if (x->key_flood)
        return SW_CRYPTO;
    int code = x->library && !sw_tls_of_token(x) ? ERR_GET_REASON(x->library) : 0;
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

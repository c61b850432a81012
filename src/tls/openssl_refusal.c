/* A certificate that was refused, in words. */
#include "crypto/openssl_types.h"
#include "tls/openssl_words.h"

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
                        bool names_no_source, const struct sw_trust *trust)
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
        if (names_no_source)
            sw_buf_lit(b, "; it names neither a responder nor a list");
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

const char *sw_tls_refusal_help(int error, bool names_no_source)
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
        if (names_no_source)
            return "there is nobody to ask: put the CA's list in crl of the trust entry; "
                   "revocation_failure: soft believes all the same";
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

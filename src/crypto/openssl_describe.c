/* What certificates, keys and lists say of themselves, in words and numbers. */
#include "crypto/openssl_types.h"

#include "base/buf.h"
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

static void name_line(X509_NAME *name, char *out, size_t cap)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *p = NULL;
    long n = 0;
    if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) >= 0)
        n = BIO_get_mem_data(bio, &p);
    size_t take = n > 0 ? (size_t)n : 0;
    if (take >= cap)
        take = cap - 1;
    if (take)
        memcpy(out, p, take);
    out[take] = 0;
    BIO_free(bio);
}

void sw_pkey_name(EVP_PKEY *key, char *out, size_t cap)
{
    struct sw_buf b = sw_buf(out, cap - 1);
    char group[32];
    size_t n = 0;
    if (key && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
        EVP_PKEY_get_group_name(key, group, sizeof(group), &n) == 1) {
        sw_buf_lit(&b, "EC ");
        sw_buf_str(&b, strcmp(group, "prime256v1") == 0 ? "P-256" : group);
    } else if (key) {
        const char *type = EVP_PKEY_get0_type_name(key);
        sw_buf_str(&b, type ? type : "unknown");
        sw_buf_char(&b, ' ');
        sw_buf_u64(&b, (uint64_t)EVP_PKEY_get_bits(key));
    }
    out[b.n] = 0;
}

static void facts(X509 *x, struct sw_cert_facts *f)
{
    memset(f, 0, sizeof(*f));
    name_line(X509_get_subject_name(x), f->subject, sizeof(f->subject));
    name_line(X509_get_issuer_name(x), f->issuer, sizeof(f->issuer));
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
    struct sw_buf b = sw_buf(f->serial, sizeof(f->serial) - 1);
    sw_buf_hex(&b, ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));
    sw_pkey_name(X509_get0_pubkey(x), f->key, sizeof(f->key));
    b = sw_buf(f->signature, sizeof(f->signature) - 1);
    sw_buf_str(&b, OBJ_nid2ln(X509_get_signature_nid(x)));
    if (!sw_x509_key_sha256(x, f->key_sha256))
        memset(f->key_sha256, 0, sizeof(f->key_sha256));
    f->uses = sw_x509_uses(x);
    f->weak_key = sw_x509_weak_key(x);
    f->weak_signature = sw_x509_weak_signature(x);
    if (!sw_x509_sha256(x, f->sha256))
        memset(f->sha256, 0, sizeof(f->sha256));
    f->not_before_s = sw_asn1_time_s(X509_get0_notBefore(x));
    f->not_after_s = sw_asn1_time_s(X509_get0_notAfter(x));
    f->is_ca = X509_check_ca(x) > 0;
    f->self_issued = X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0;
    ERR_clear_error();
}

void sw_cert_facts(const struct sw_cert *cert, struct sw_cert_facts *out)
{
    facts(sw_x509(cert), out);
}

enum sw_status sw_cert_der_facts(struct sw_slice der, struct sw_cert_facts *out)
{
    const unsigned char *p = (const unsigned char *)der.p;
    X509 *x = der.n <= LONG_MAX ? d2i_X509(NULL, &p, (long)der.n) : NULL;
    if (!x) {
        ERR_clear_error();
        return SW_PEER_SYNTAX;
    }
    facts(x, out);
    X509_free(x);
    return SW_OK;
}

/* The names of RFC 5280 4.2.1.12 and RFC 5924 4; others by number. */
static const char *purpose_name(const ASN1_OBJECT *o, char text[64])
{
    OBJ_obj2txt(text, 64, o, 1);
    switch (OBJ_obj2nid(o)) {
    case NID_server_auth:
        return "serverAuth";
    case NID_client_auth:
        return "clientAuth";
    case NID_anyExtendedKeyUsage:
        return "any";
    default:
        return strcmp(text, "1.3.6.1.5.5.7.3.20") == 0 ? "sipDomain" : text;
    }
}

void sw_cert_purposes_put(struct sw_buf *b, const struct sw_cert *cert)
{
    char text[64];
    int critical;
    EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(sw_x509(cert), NID_ext_key_usage, &critical, NULL);
    if (!eku)
        sw_buf_str(b, critical == -1 ? "any" : "unreadable");
    for (int i = 0; eku && i < sk_ASN1_OBJECT_num(eku); i++) {
        if (i)
            sw_buf_char(b, ' ');
        sw_buf_str(b, purpose_name(sk_ASN1_OBJECT_value(eku, i), text));
    }
    EXTENDED_KEY_USAGE_free(eku);
    ERR_clear_error();
}

enum sw_status sw_name_der_text(struct sw_slice der, char out[256])
{
    const unsigned char *p = (const unsigned char *)der.p;
    X509_NAME *name = der.n <= LONG_MAX ? d2i_X509_NAME(NULL, &p, (long)der.n) : NULL;
    if (name)
        name_line(name, out, 256);
    X509_NAME_free(name);
    ERR_clear_error();
    return name ? SW_OK : SW_PEER_SYNTAX;
}

void sw_crl_facts(const struct sw_crl *crl, struct sw_crl_facts *out)
{
    memset(out, 0, sizeof(*out));
    name_line(X509_CRL_get_issuer(sw_x509_crl(crl)), out->issuer, sizeof(out->issuer));
    out->this_update_s = sw_asn1_time_s(X509_CRL_get0_lastUpdate(sw_x509_crl(crl)));
    out->next_update_s = sw_crl_next_update_s(crl);
    ERR_clear_error();
}

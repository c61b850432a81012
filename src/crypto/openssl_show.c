/* OpenSSL behind crypto/show.h. */
#include "crypto/show.h"

#include "base/buf.h"
#include "crypto/openssl_types.h"
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

/* ---- what stands in a file ---- */

static void set_label(struct sw_pem_item *item, const char *label)
{
    size_t n = 0;
    for (; label[n] && n + 1 < sizeof(item->label); n++)
        item->label[n] = label[n] >= ' ' && label[n] <= '~' ? label[n] : '?';
    item->label[n] = 0;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* One PEM block by the name in its first line. RFC 7468 */
static void read_block(const char *name, const char *header, const unsigned char *p, long n,
                       struct sw_pem_item *item)
{
    set_label(item, name);
    item->kind = SW_PEM_OTHER;
    if (strcmp(name, PEM_STRING_X509) == 0 || strcmp(name, PEM_STRING_X509_OLD) == 0) {
        item->cert = (struct sw_cert *)d2i_X509(NULL, &p, n);
        item->kind = item->cert ? SW_PEM_CERT : SW_PEM_BROKEN;
    } else if (strcmp(name, PEM_STRING_X509_TRUSTED) == 0) {
        item->cert = (struct sw_cert *)d2i_X509_AUX(NULL, &p, n);
        item->kind = item->cert ? SW_PEM_CERT : SW_PEM_BROKEN;
    } else if (strcmp(name, PEM_STRING_X509_CRL) == 0) {
        item->crl = (struct sw_crl *)d2i_X509_CRL(NULL, &p, n);
        item->kind = item->crl ? SW_PEM_CRL : SW_PEM_BROKEN;
    } else if (strcmp(name, PEM_STRING_PUBLIC) == 0) {
        item->key = (struct sw_key *)d2i_PUBKEY(NULL, &p, n);
        item->kind = item->key ? SW_PEM_PUBLIC : SW_PEM_BROKEN;
    } else if (strcmp(name, PEM_STRING_PKCS8) == 0 || strstr(header, "ENCRYPTED")) {
        item->kind = SW_PEM_LOCKED;
    } else if (ends_with(name, "PRIVATE KEY")) {
        item->key = (struct sw_key *)d2i_AutoPrivateKey(NULL, &p, n);
        item->kind = item->key ? SW_PEM_KEY : SW_PEM_BROKEN;
    }
}

static bool read_der(struct sw_slice text, struct sw_pem_item *item)
{
    const unsigned char *p = (const unsigned char *)text.p;
    long n = (long)text.n;
    set_label(item, "DER");
    if ((item->cert = (struct sw_cert *)d2i_X509(NULL, &p, n)))
        item->kind = SW_PEM_CERT;
    else if ((item->crl = (struct sw_crl *)d2i_X509_CRL(NULL, &p, n)))
        item->kind = SW_PEM_CRL;
    else if ((item->key = (struct sw_key *)d2i_AutoPrivateKey(NULL, &p, n)))
        item->kind = SW_PEM_KEY;
    else
        return false;
    return true;
}

static struct sw_pem_item *more(struct sw_pem_items *items)
{
    struct sw_pem_item *p = realloc(items->item, (items->count + 1) * sizeof(*p));
    if (!p)
        return NULL;
    items->item = p;
    p[items->count] = (struct sw_pem_item){0};
    return &p[items->count++];
}

static void read_pem(BIO *bio, struct sw_pem_items *items)
{
    char *name, *header;
    unsigned char *p;
    long n;
    struct sw_pem_item *item;
    while (PEM_read_bio(bio, &name, &header, &p, &n) == 1) {
        if ((item = more(items)))
            read_block(name, header, p, n, item);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(p, (size_t)n); /* it may have been a key */
        if (!item)
            return;
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE && (item = more(items))) {
        item->kind = SW_PEM_BROKEN; /* where the reading ends: what follows has no known start */
        set_label(item, "PEM");
    }
}

enum sw_status sw_pem_items_parse(struct sw_slice text, struct sw_pem_items *out)
{
    struct sw_pem_items items = {0};
    if (text.n == 0 || text.n > INT_MAX)
        return SW_PEER_SYNTAX;
    if (memmem(text.p, text.n, "-----BEGIN", 10)) {
        BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
        if (bio)
            read_pem(bio, &items);
        BIO_free(bio);
    } else {
        struct sw_pem_item *item = more(&items);
        if (item && !read_der(text, item))
            items.count = 0;
    }
    ERR_clear_error();
    if (items.count == 0) {
        sw_pem_items_free(&items);
        return SW_PEER_SYNTAX;
    }
    *out = items;
    return SW_OK;
}

void sw_pem_items_free(struct sw_pem_items *items)
{
    for (size_t i = 0; i < items->count; i++) {
        X509_free(sw_x509(items->item[i].cert));
        X509_CRL_free(sw_x509_crl(items->item[i].crl));
        sw_key_free(items->item[i].key);
    }
    free(items->item);
    *items = (struct sw_pem_items){0};
}

/* ---- facts ---- */

static void pkey_facts(EVP_PKEY *key, struct sw_key_facts *out)
{
    unsigned char *der = NULL;
    int n = key ? i2d_PUBKEY(key, &der) : 0;
    *out = (struct sw_key_facts){0};
    sw_pkey_name(key, out->name, sizeof(out->name));
    out->bits = key ? (unsigned)EVP_PKEY_get_bits(key) : 0;
    out->rsa = key && (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA ||
                       EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA_PSS);
    if (n > 0)
        sw_sha256(der, (size_t)n, out->sha256);
    OPENSSL_free(der);
    ERR_clear_error();
}

void sw_key_facts(const struct sw_key *key, struct sw_key_facts *out)
{
    pkey_facts(sw_pkey(key), out);
}

static void signature_name(int nid, char *out, size_t cap)
{
    struct sw_buf b = sw_buf(out, cap - 1);
    sw_buf_str(&b, nid == NID_undef ? "unknown" : OBJ_nid2ln(nid));
    out[b.n] = 0;
}

static bool weak(int digest)
{
    return digest == NID_md5 || digest == NID_md4 || digest == NID_md2 || digest == NID_sha1;
}

static bool weak_signature(int nid)
{
    int digest = NID_undef;
    return OBJ_find_sigid_algs(nid, &digest, NULL) == 1 && weak(digest);
}

static const char *purpose(const ASN1_OBJECT *o, struct sw_cert_details *d, char number[64])
{
    OBJ_obj2txt(number, 64, o, 1);
    switch (OBJ_obj2nid(o)) {
    case NID_server_auth:
        d->server = true;
        return "serverAuth";
    case NID_client_auth:
        d->client = true;
        return "clientAuth";
    case NID_anyExtendedKeyUsage:
        d->any_purpose = true;
        return "anyExtendedKeyUsage";
    default:
        break;
    }
    if (strcmp(number, "1.3.6.1.5.5.7.3.20") != 0) /* RFC 5924 4.1 */
        return number;
    d->sip_domain = true;
    return "sipDomain";
}

static void purposes(X509 *x, struct sw_cert_details *d)
{
    int critical;
    char number[64];
    struct sw_buf b = sw_buf(d->purposes, sizeof(d->purposes) - 1);
    EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(x, NID_ext_key_usage, &critical, NULL);
    d->has_purposes = eku || critical != -1;
    for (int i = 0; eku && i < sk_ASN1_OBJECT_num(eku); i++) {
        if (i)
            sw_buf_char(&b, ' ');
        sw_buf_str(&b, purpose(sk_ASN1_OBJECT_value(eku, i), d, number));
    }
    d->purposes[b.n] = 0;
    EXTENDED_KEY_USAGE_free(eku);
}

void sw_cert_details(const struct sw_cert *cert, struct sw_cert_details *out)
{
    X509 *x = sw_x509(cert);
    int digest = NID_undef;
    memset(out, 0, sizeof(*out));
    pkey_facts(X509_get0_pubkey(x), &out->key);
    signature_name(X509_get_signature_nid(x), out->signature, sizeof(out->signature));
    /* knows the digest of RSA-PSS too, which stands in the parameters */
    out->weak_digest = X509_get_signature_info(x, &digest, NULL, NULL, NULL) == 1 && weak(digest);
    out->has_san = X509_get_ext_by_NID(x, NID_subject_alt_name, -1) >= 0;
    out->path_length = (int)X509_get_pathlen(x);
    purposes(x, out);
    struct sw_buf b = sw_buf(out->features, sizeof(out->features) - 1);
    sw_cert_features_put(&b, cert);
    out->features[b.n] = 0;
    ERR_clear_error();
}

void sw_crl_details(const struct sw_crl *crl, struct sw_crl_details *out)
{
    X509_CRL *x = sw_x509_crl(crl);
    STACK_OF(X509_REVOKED) *revoked = X509_CRL_get_REVOKED(x);
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(x, NID_crl_number, NULL, NULL);
    int nid = X509_CRL_get_signature_nid(x);
    memset(out, 0, sizeof(*out));
    signature_name(nid, out->signature, sizeof(out->signature));
    out->weak_digest = weak_signature(nid);
    out->revoked = revoked ? (size_t)sk_X509_REVOKED_num(revoked) : 0;
    if (number) {
        struct sw_buf b = sw_buf(out->number, sizeof(out->number) - 1);
        sw_buf_hex(&b, ASN1_STRING_get0_data(number), (size_t)ASN1_STRING_length(number));
        out->number[b.n] = 0;
    }
    ASN1_INTEGER_free(number);
    ERR_clear_error();
}

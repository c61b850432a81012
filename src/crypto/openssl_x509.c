/* OpenSSL behind crypto/x509.h. */
#include "crypto/openssl_types.h"

#include "base/buf.h"
#include "crypto/hmac.h"
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

static enum sw_status explain(char why[SW_WHY_MAX], const char *what)
{
    unsigned long e = ERR_peek_last_error();
    const char *reason = e ? ERR_reason_error_string(e) : NULL;
    struct sw_buf b = sw_buf(why, SW_WHY_MAX - 1);
    sw_buf_str(&b, what);
    if (reason) {
        sw_buf_lit(&b, ": ");
        sw_buf_str(&b, reason);
    }
    why[b.n] = 0;
    ERR_clear_error();
    return SW_PEER_SYNTAX;
}

/* No pass phrase is ever asked for on a terminal. */
static int no_passphrase(char *buf, int size, int writing, void *user)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)user;
    return -1;
}

static bool is_pem(struct sw_slice text)
{
    return memmem(text.p, text.n, "-----BEGIN", 10) != NULL;
}

static bool add(void ***list, size_t *count, void *item)
{
    void **more = realloc(*list, (*count + 1) * sizeof(void *));
    if (!more)
        return false;
    *list = more;
    more[(*count)++] = item;
    return true;
}

/* True if the last read of a PEM text found nothing more, false if it found something broken. */
static bool read_to_the_end(void)
{
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

enum sw_status sw_certs_parse(struct sw_slice text, struct sw_certs *out, char why[SW_WHY_MAX])
{
    struct sw_certs certs = {0};
    X509 *x;
    if (text.n == 0 || text.n > INT_MAX)
        return explain(why, "no certificate in it");
    if (!is_pem(text)) {
        const unsigned char *p = (const unsigned char *)text.p;
        x = d2i_X509(NULL, &p, (long)text.n);
        if (!x || !add((void ***)&certs.c, &certs.count, x)) {
            X509_free(x);
            return explain(why, "neither PEM nor DER");
        }
        *out = certs;
        return SW_OK;
    }
    BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
    while (bio && (x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)))
        if (!add((void ***)&certs.c, &certs.count, x)) {
            X509_free(x);
            break;
        }
    BIO_free(bio);
    bool whole = read_to_the_end();
    if (certs.count == 0 || !whole) {
        sw_certs_free(&certs);
        return explain(why, whole ? "no certificate in it" : "a certificate in it is broken");
    }
    ERR_clear_error();
    *out = certs;
    return SW_OK;
}

void sw_certs_free(struct sw_certs *certs)
{
    for (size_t i = 0; i < certs->count; i++)
        X509_free(sw_x509(certs->c[i]));
    free(certs->c);
    *certs = (struct sw_certs){0};
}

enum sw_status sw_key_parse(struct sw_slice text, struct sw_key **out, char why[SW_WHY_MAX])
{
    BIO *bio = text.n && text.n <= INT_MAX ? BIO_new_mem_buf(text.p, (int)text.n) : NULL;
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    if (!key) {
        bool encrypted = memmem(text.p, text.n, "ENCRYPTED", 9) != NULL;
        return explain(why, encrypted ? "the key is encrypted, which this version cannot open"
                                      : "no private key in it");
    }
    ERR_clear_error();
    *out = (struct sw_key *)key;
    return SW_OK;
}

void sw_key_free(struct sw_key *key)
{
    EVP_PKEY_free(sw_pkey(key));
}

bool sw_key_fits(const struct sw_key *key, const struct sw_cert *cert)
{
    bool fits = X509_check_private_key(sw_x509(cert), sw_pkey(key)) == 1;
    ERR_clear_error();
    return fits;
}

enum sw_status sw_crls_parse(struct sw_slice text, struct sw_crls *out, char why[SW_WHY_MAX])
{
    struct sw_crls crls = {0};
    X509_CRL *x;
    if (text.n == 0 || text.n > INT_MAX)
        return explain(why, "no CRL in it");
    if (!is_pem(text)) {
        const unsigned char *p = (const unsigned char *)text.p;
        x = d2i_X509_CRL(NULL, &p, (long)text.n);
        if (!x || !add((void ***)&crls.c, &crls.count, x)) {
            X509_CRL_free(x);
            return explain(why, "neither PEM nor DER");
        }
        *out = crls;
        return SW_OK;
    }
    BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
    while (bio && (x = PEM_read_bio_X509_CRL(bio, NULL, no_passphrase, NULL)))
        if (!add((void ***)&crls.c, &crls.count, x)) {
            X509_CRL_free(x);
            break;
        }
    BIO_free(bio);
    bool whole = read_to_the_end();
    if (crls.count == 0 || !whole) {
        sw_crls_free(&crls);
        return explain(why, whole ? "no CRL in it" : "a CRL in it is broken");
    }
    ERR_clear_error();
    *out = crls;
    return SW_OK;
}

void sw_crls_free(struct sw_crls *crls)
{
    for (size_t i = 0; i < crls->count; i++)
        X509_CRL_free(sw_x509_crl(crls->c[i]));
    free(crls->c);
    *crls = (struct sw_crls){0};
}

int64_t sw_asn1_time_s(const ASN1_TIME *t)
{
    struct tm tm;
    return t && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

int64_t sw_crl_next_update_s(const struct sw_crl *crl)
{
    return sw_asn1_time_s(X509_CRL_get0_nextUpdate(sw_x509_crl(crl)));
}

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

static void key_line(X509 *x, char *out, size_t cap)
{
    EVP_PKEY *key = X509_get0_pubkey(x);
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
    unsigned n = sizeof(f->sha256);
    memset(f, 0, sizeof(*f));
    name_line(X509_get_subject_name(x), f->subject, sizeof(f->subject));
    name_line(X509_get_issuer_name(x), f->issuer, sizeof(f->issuer));
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
    struct sw_buf b = sw_buf(f->serial, sizeof(f->serial) - 1);
    sw_buf_hex(&b, ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));
    key_line(x, f->key, sizeof(f->key));
    if (X509_digest(x, EVP_sha256(), f->sha256, &n) != 1)
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

/* ---- what a certificate proves ---- */

/* One name into `out`; false for kinds that prove nothing to a SIP element. */
static bool one_name(const GENERAL_NAME *g, struct sw_cert_name *out)
{
    int type;
    const ASN1_STRING *s = GENERAL_NAME_get0_value(g, &type);
    *out = (struct sw_cert_name){0};
    if (type != GEN_URI && type != GEN_DNS && type != GEN_IPADD)
        return false;
    const unsigned char *p = ASN1_STRING_get0_data(s);
    size_t n = (size_t)ASN1_STRING_length(s);
    out->kind = type == GEN_URI ? SW_NAME_URI : type == GEN_DNS ? SW_NAME_DNS : SW_NAME_IP;
    if (type == GEN_IPADD && (n == 4 || n == 16)) {
        out->ip.family = n == 4 ? 4 : 6;
        memcpy(out->ip.ip, p, n);
        n = 0;
    } else if (type == GEN_IPADD) {
        return false;
    }
    out->text = sw_slice((const char *)p, n);
    return true;
}

/* The last CN of the subject; a NUL in it makes it no name at all. */
static bool common_name(X509 *x, struct sw_cert_name *out)
{
    X509_NAME *subject = X509_get_subject_name(x);
    int at = -1, last = -1;
    while ((at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0)
        last = at;
    if (last < 0)
        return false;
    const ASN1_STRING *s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last));
    int type = ASN1_STRING_type(s);
    if (type != V_ASN1_PRINTABLESTRING && type != V_ASN1_UTF8STRING && type != V_ASN1_IA5STRING)
        return false;
    *out = (struct sw_cert_name){
        .kind = SW_NAME_CN,
        .text = sw_slice((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s))};
    return sw_slice_find(out->text, 0) == out->text.n;
}

static struct sw_ident *pack(X509 *x, const struct sw_cert_name *names, uint32_t count,
                             const uint32_t *vouched, uint32_t vouched_count)
{
    size_t text = 0;
    unsigned n = SW_SHA256_BYTES;
    for (uint32_t i = 0; i < count; i++)
        text += names[i].text.n;
    struct sw_ident *id =
        calloc(1, sizeof(*id) + count * sizeof(*names) + vouched_count * sizeof(*vouched) + text);
    if (!id)
        return NULL;
    struct sw_cert_name *to = (struct sw_cert_name *)(void *)(id + 1);
    uint32_t *ids = (uint32_t *)(void *)(to + count);
    char *bytes = (char *)(ids + vouched_count);
    for (uint32_t i = 0; i < count; i++) {
        to[i] = names[i];
        to[i].text.p = bytes;
        memcpy(bytes, names[i].text.p ? names[i].text.p : "", names[i].text.n);
        bytes += names[i].text.n;
    }
    if (vouched_count)
        memcpy(ids, vouched, vouched_count * sizeof(*vouched));
    id->names = to;
    id->name_count = count;
    id->vouched = ids;
    id->vouched_count = vouched_count;
    id->not_after_s = sw_asn1_time_s(X509_get0_notAfter(x));
    if (X509_digest(x, EVP_sha256(), id->fingerprint, &n) != 1) {
        free(id);
        return NULL;
    }
    return id;
}

struct sw_ident *sw_ident_new(const struct sw_cert *cert, const uint32_t *vouched,
                              uint32_t vouched_count)
{
    struct sw_cert_name names[SW_CERT_NAMES_MAX];
    uint32_t count = 0;
    int critical;
    X509 *x = sw_x509(cert);
    GENERAL_NAMES *san = X509_get_ext_d2i(x, NID_subject_alt_name, &critical, NULL);
    int total = san ? sk_GENERAL_NAME_num(san) : 0;
    struct sw_ident *id = NULL;
    for (int i = 0; i < total && count < SW_CERT_NAMES_MAX; i++)
        count += one_name(sk_GENERAL_NAME_value(san, i), &names[count]);
    if (!san && critical == -1) /* no subjectAltName at all: RFC 5922 7.1 */
        count += common_name(x, &names[count]);
    if (total <= SW_CERT_NAMES_MAX)
        id = pack(x, names, count, vouched, vouched_count);
    GENERAL_NAMES_free(san);
    ERR_clear_error();
    return id;
}

void sw_ident_free(struct sw_ident *ident)
{
    free(ident);
}

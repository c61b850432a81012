/* OpenSSL behind crypto/x509.h. */
#include "crypto/openssl_types.h"

#include "base/buf.h"
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum sw_status sw_crypto_refuse(char why[SW_WHY_MAX], const char *what)
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
        return sw_crypto_refuse(why, "no certificate in it");
    if (!is_pem(text)) {
        const unsigned char *p = (const unsigned char *)text.p;
        x = d2i_X509(NULL, &p, (long)text.n);
        if (!x || !add((void ***)&certs.c, &certs.count, x)) {
            X509_free(x);
            return sw_crypto_refuse(why, "neither PEM nor DER");
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
        return sw_crypto_refuse(why,
                                whole ? "no certificate in it" : "a certificate in it is broken");
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

static int give_passphrase(char *buf, int size, int writing, void *user)
{
    const struct sw_slice *passphrase = user;
    (void)writing;
    if (!passphrase->p || passphrase->n > (size_t)size)
        return -1;
    memcpy(buf, passphrase->p, passphrase->n);
    return (int)passphrase->n;
}

enum sw_status sw_key_parse(struct sw_slice text, struct sw_key **out, char why[SW_WHY_MAX])
{
    return sw_key_open(text, (struct sw_slice){0}, out, why);
}

/* Building the library's decoders takes 300 us, and decoding a key 40 us: they are kept for the
 * next key. Whoever reads takes the reader and puts it back, so that any thread may. */
struct reader {
    OSSL_DECODER_CTX *decoders;
    EVP_PKEY *key; /* where they leave it */
};

static _Atomic(struct reader *) g_reader;

static void reader_free(struct reader *r)
{
    if (r)
        OSSL_DECODER_CTX_free(r->decoders);
    free(r);
}

static struct reader *reader_take(void)
{
    struct reader *r = atomic_exchange(&g_reader, NULL);
    if (r)
        return r;
    r = calloc(1, sizeof(*r));
    if (r)
        r->decoders =
            OSSL_DECODER_CTX_new_for_pkey(&r->key, "PEM", NULL, NULL, EVP_PKEY_KEYPAIR, NULL, NULL);
    if (r && r->decoders)
        return r;
    reader_free(r);
    return NULL;
}

/* The first PKCS#8 key, the usual form, that is not encrypted; NULL: there is none. */
static EVP_PKEY *read_plain(struct sw_slice text)
{
    static const char begin[] = "-----BEGIN PRIVATE KEY-----";
    const unsigned char *p = memmem(text.p, text.n, begin, sizeof(begin) - 1);
    struct reader *r = p ? reader_take() : NULL;
    size_t n = p ? (size_t)((const unsigned char *)text.p + text.n - p) : 0;
    if (!r)
        return NULL;
    r->key = NULL;
    EVP_PKEY *key = OSSL_DECODER_from_data(r->decoders, &p, &n) == 1 ? r->key : NULL;
    reader_free(atomic_exchange(&g_reader, r));
    return key;
}

enum sw_status sw_key_open(struct sw_slice text, struct sw_slice passphrase, struct sw_key **out,
                           char why[SW_WHY_MAX])
{
    EVP_PKEY *key = text.n ? read_plain(text) : NULL;
    BIO *bio = !key && text.n && text.n <= INT_MAX ? BIO_new_mem_buf(text.p, (int)text.n) : NULL;
    if (bio)
        key = PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, &passphrase);
    BIO_free(bio);
    if (!key) {
        bool encrypted = memmem(text.p, text.n, "ENCRYPTED", 9) != NULL;
        if (encrypted) /* what the library says of it differs by kind and helps nobody */
            ERR_clear_error();
        return sw_crypto_refuse(why, !encrypted ? "no private key in it"
                                     : !passphrase.p
                                         ? "the key is encrypted, and no passphrase is given"
                                         : "the passphrase does not open the encrypted key");
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
        return sw_crypto_refuse(why, "no CRL in it");
    if (!is_pem(text)) {
        const unsigned char *p = (const unsigned char *)text.p;
        x = d2i_X509_CRL(NULL, &p, (long)text.n);
        if (!x || !add((void ***)&crls.c, &crls.count, x)) {
            X509_CRL_free(x);
            return sw_crypto_refuse(why, "neither PEM nor DER");
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
        return sw_crypto_refuse(why, whole ? "no CRL in it" : "a CRL in it is broken");
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

enum sw_status sw_crls_append(struct sw_crls *to, struct sw_crls *from)
{
    size_t count = to->count + from->count;
    struct sw_crl **c = realloc(to->c, (count + 1) * sizeof(struct sw_crl *));
    if (!c)
        return SW_LIMIT_MEMORY;
    if (from->count)
        memcpy(c + to->count, from->c, from->count * sizeof(struct sw_crl *));
    free(from->c);
    *from = (struct sw_crls){0};
    *to = (struct sw_crls){c, count};
    return SW_OK;
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

/* ---- what it may be used for, and whether it is strong enough ---- */

/* One purpose of an extendedKeyUsage. */
static uint8_t one_purpose(const ASN1_OBJECT *o)
{
    static const unsigned char sip_domain[] = {0x2b, 6, 1, 5, 5, 7, 3, 20}; /* RFC 5924 4.1 */
    switch (OBJ_obj2nid(o)) {
    case NID_anyExtendedKeyUsage:
        return SW_USE_PURPOSES;
    case NID_server_auth:
        return SW_USE_SERVER;
    case NID_client_auth:
        return SW_USE_CLIENT;
    default:
        return OBJ_length(o) == sizeof(sip_domain) &&
                       memcmp(OBJ_get0_data(o), sip_domain, sizeof(sip_domain)) == 0
                   ? SW_USE_SIP
                   : 0;
    }
}

uint8_t sw_x509_uses(X509 *x)
{
    int critical;
    EXTENDED_KEY_USAGE *list = X509_get_ext_d2i(x, NID_ext_key_usage, &critical, NULL);
    uint32_t key = X509_get_key_usage(x); /* all bits if there is no such extension */
    uint8_t uses = !list && critical == -1 ? SW_USE_PURPOSES : 0;
    for (int i = 0; list && i < sk_ASN1_OBJECT_num(list); i++)
        uses |= one_purpose(sk_ASN1_OBJECT_value(list, i));
    EXTENDED_KEY_USAGE_free(list);
    if (key & KU_DIGITAL_SIGNATURE)
        uses |= SW_USE_SIGN;
    if (key & KU_KEY_ENCIPHERMENT)
        uses |= SW_USE_ENCIPHER;
    ERR_clear_error();
    return uses;
}

/* Bits of strength: RFC 9325 4.1, 4.5 have no place for less. */
enum { STRENGTH_LEAST = 112, RSA_LEAST = 2048 };

bool sw_x509_weak_key(X509 *x)
{
    EVP_PKEY *key = X509_get0_pubkey(x);
    if (!key)
        return true;
    if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS"))
        return EVP_PKEY_get_bits(key) < RSA_LEAST;
    return EVP_PKEY_get_security_bits(key) < STRENGTH_LEAST;
}

bool sw_x509_weak_signature(X509 *x)
{
    int strength;
    return X509_get_signature_info(x, NULL, NULL, &strength, NULL) != 1 ||
           strength < STRENGTH_LEAST;
}

/* The hash of RSASSA-PSS stands in its parameters, and is SHA-1 if it does not. RFC 4055 3.1 */
static int hash_of_pss(const X509_ALGOR *a)
{
    const void *value;
    int type, digest = NID_sha1;
    X509_ALGOR_get0(NULL, &type, &value, a);
    RSA_PSS_PARAMS *pss =
        type == V_ASN1_SEQUENCE ? ASN1_item_unpack(value, ASN1_ITEM_rptr(RSA_PSS_PARAMS)) : NULL;
    if (pss && pss->hashAlgorithm)
        digest = OBJ_obj2nid(pss->hashAlgorithm->algorithm);
    RSA_PSS_PARAMS_free(pss);
    return digest;
}

bool sw_weak_algorithm(const X509_ALGOR *a)
{
    int digest, nid = OBJ_obj2nid(a->algorithm);
    if (nid == NID_ED25519 || nid == NID_ED448) /* the hash is a part of them */
        return false;
    if (nid == NID_rsassaPss)
        digest = hash_of_pss(a);
    else if (OBJ_find_sigid_algs(nid, &digest, NULL) != 1)
        return true;
    const EVP_MD *md = EVP_get_digestbynid(digest);
    return !md || EVP_MD_get_size(md) * 4 < STRENGTH_LEAST; /* half of the bits: collisions */
}

static EVP_MD *g_sha256; /* as long as the process lives */

static void find_sha256(void)
{
    g_sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
}

/* The method, found once: the library looks for it by name in each digest of a certificate. */
static const EVP_MD *sha256(void)
{
    static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
    return CRYPTO_THREAD_run_once(&once, find_sha256) == 1 && g_sha256 ? g_sha256 : EVP_sha256();
}

static bool sha256_of(unsigned char *der, int n, uint8_t out[SW_SHA256_BYTES])
{
    bool ok = n > 0 && EVP_Digest(der, (size_t)n, out, NULL, sha256(), NULL) == 1;
    OPENSSL_free(der);
    return ok;
}

bool sw_x509_sha256(X509 *x, uint8_t out[SW_SHA256_BYTES])
{
    unsigned char *der = NULL;
    int n = i2d_X509(x, &der);
    return sha256_of(der, n, out);
}

bool sw_x509_key_sha256(X509 *x, uint8_t out[SW_SHA256_BYTES])
{
    unsigned char *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
    return sha256_of(der, n, out);
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

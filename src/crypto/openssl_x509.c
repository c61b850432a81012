/* OpenSSL behind crypto/x509.h. */
#include "crypto/openssl_types.h"

#include "base/buf.h"
#include "crypto/mem.h"
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

static enum sw_status parse(struct sw_slice text, struct sw_certs *out, char why[SW_WHY_MAX])
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

/* A certificate whose key could not be read for lack of memory is no error to the library: it would
 * be one that has issued nothing. */
enum sw_status sw_certs_parse(struct sw_slice text, struct sw_certs *out, char why[SW_WHY_MAX])
{
    uint64_t failures = sw_crypto_mem_failures();
    enum sw_status s = parse(text, out, why);
    if (sw_crypto_mem_failures() == failures)
        return s;
    if (s == SW_OK)
        sw_certs_free(out);
    ERR_clear_error();
    memcpy(why, "memory is out", sizeof("memory is out"));
    return SW_LIMIT_MEMORY;
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
    uint64_t failures = sw_crypto_mem_failures(); /* what lacks memory is left out without a word */
    r = calloc(1, sizeof(*r));
    if (r)
        r->decoders =
            OSSL_DECODER_CTX_new_for_pkey(&r->key, "PEM", NULL, NULL, EVP_PKEY_KEYPAIR, NULL, NULL);
    if (r && r->decoders && sw_crypto_mem_failures() == failures)
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

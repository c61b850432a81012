/* OpenSSL behind crypto/issue.h. */
#include "crypto/issue.h"

#include "crypto/hmac.h"
#include "crypto/openssl_types.h"
#include <limits.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

/* OWASP's figure for PBKDF2 with HMAC-SHA-256: about 0.2 s per guess. */
enum { PBKDF2_ROUNDS = 600000 };

/* id-kp-sipDomain of RFC 5924 4.1, which OpenSSL has no name for. */
#define SIP_DOMAIN "1.3.6.1.5.5.7.3.20"

static enum sw_status done(bool ok)
{
    ERR_clear_error();
    return ok ? SW_OK : SW_CRYPTO;
}

enum sw_status sw_serial_make(uint8_t out[SW_SERIAL_BYTES])
{
    bool ok = RAND_bytes(out, SW_SERIAL_BYTES) == 1;
    out[0] = (uint8_t)((out[0] & 0x7f) | 0x40);
    return done(ok);
}

/* ---- keys ---- */

enum sw_status sw_key_make(unsigned rsa_bits, struct sw_key **out)
{
    EVP_PKEY *key = rsa_bits ? EVP_RSA_gen(rsa_bits) : EVP_EC_gen("P-256");
    if (key)
        *out = (struct sw_key *)key;
    return done(key != NULL);
}

void sw_cert_free(struct sw_cert *cert)
{
    X509_free(sw_x509(cert));
}

void sw_crl_free(struct sw_crl *crl)
{
    X509_CRL_free(sw_x509_crl(crl));
}

static enum sw_status take(BIO *bio, bool ok, struct sw_slice *out)
{
    char *p = NULL;
    long n = ok ? BIO_get_mem_data(bio, &p) : 0;
    char *copy = n > 0 ? malloc((size_t)n) : NULL;
    if (copy) {
        memcpy(copy, p, (size_t)n);
        *out = sw_slice(copy, (size_t)n);
    }
    BIO_free(bio); /* wipes its memory */
    return done(copy != NULL);
}

void sw_pem_free(struct sw_slice *text)
{
    if (text->p)
        sw_wipe((void *)(uintptr_t)text->p, text->n);
    free((void *)(uintptr_t)text->p);
    *text = (struct sw_slice){0};
}

static X509_SIG *lock(EVP_PKEY *key, struct sw_slice passphrase)
{
    PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(key);
    X509_ALGOR *how =
        PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), PBKDF2_ROUNDS, NULL, 0, NULL, NID_hmacWithSHA256);
    X509_SIG *locked = NULL;
    if (plain && how && passphrase.n <= INT_MAX)
        locked = PKCS8_set0_pbe(passphrase.p, (int)passphrase.n, plain, how);
    if (!locked)
        X509_ALGOR_free(how); /* the locked key owns it otherwise */
    PKCS8_PRIV_KEY_INFO_free(plain);
    return locked;
}

enum sw_status sw_key_pem(const struct sw_key *key, struct sw_slice passphrase,
                          struct sw_slice *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = bio != NULL;
    if (ok && passphrase.n == 0) {
        ok = PEM_write_bio_PKCS8PrivateKey(bio, sw_pkey(key), NULL, NULL, 0, NULL, NULL) == 1;
    } else if (ok) {
        X509_SIG *locked = lock(sw_pkey(key), passphrase);
        ok = locked && PEM_write_bio_PKCS8(bio, locked) == 1;
        X509_SIG_free(locked);
    }
    return take(bio, ok, out);
}

enum sw_status sw_cert_pem(const struct sw_cert *cert, struct sw_slice *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    return take(bio, bio && PEM_write_bio_X509(bio, sw_x509(cert)) == 1, out);
}

enum sw_status sw_crl_pem(const struct sw_crl *crl, struct sw_slice *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    return take(bio, bio && PEM_write_bio_X509_CRL(bio, sw_x509_crl(crl)) == 1, out);
}

bool sw_key_is_locked(struct sw_slice text)
{
    return memmem(text.p, text.n, "-----BEGIN ENCRYPTED PRIVATE KEY", 32) ||
           memmem(text.p, text.n, "Proc-Type: 4,ENCRYPTED", 22);
}

static int give(char *buf, int size, int writing, void *user)
{
    const struct sw_slice *passphrase = user;
    (void)writing;
    if (passphrase->n > (size_t)size)
        return -1;
    memcpy(buf, passphrase->p, passphrase->n);
    return (int)passphrase->n;
}

enum sw_status sw_key_unlock(struct sw_slice text, struct sw_slice passphrase, struct sw_key **out)
{
    BIO *bio = text.n <= INT_MAX ? BIO_new_mem_buf(text.p, (int)text.n) : NULL;
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, give, &passphrase) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    if (!key)
        return SW_DENIED;
    *out = (struct sw_key *)key;
    return SW_OK;
}

/* ---- certificates ---- */

static ASN1_INTEGER *serial_number(const uint8_t serial[SW_SERIAL_BYTES])
{
    BIGNUM *n = BN_bin2bn(serial, SW_SERIAL_BYTES, NULL);
    ASN1_INTEGER *i = n ? BN_to_ASN1_INTEGER(n, NULL) : NULL;
    BN_free(n);
    return i;
}

/* Name, serial, dates and public key: what all certificates have. */
static bool put_basics(X509 *x, const struct sw_issue *what, EVP_PKEY *key)
{
    ASN1_INTEGER *serial = serial_number(what->serial);
    bool ok =
        serial && X509_set_version(x, X509_VERSION_3) == 1 &&
        X509_set_serialNumber(x, serial) == 1 &&
        ASN1_TIME_set(X509_getm_notBefore(x), (time_t)what->not_before_s) &&
        ASN1_TIME_set(X509_getm_notAfter(x), (time_t)what->not_after_s) &&
        X509_NAME_add_entry_by_NID(X509_get_subject_name(x), NID_commonName, MBSTRING_UTF8,
                                   (const unsigned char *)what->common_name, -1, -1, 0) == 1 &&
        X509_set_pubkey(x, key) == 1;
    ASN1_INTEGER_free(serial);
    return ok;
}

/* An extension in OpenSSL's words; only constants come here, never an operator's text. */
static bool put_extension(X509 *issuer, X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&ctx);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = e && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

static bool add_name(GENERAL_NAMES *names, int type, const void *bytes, size_t n)
{
    GENERAL_NAME *g = GENERAL_NAME_new();
    ASN1_STRING *s =
        ASN1_STRING_type_new(type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
    if (!g || !s || ASN1_STRING_set(s, bytes, (int)n) != 1) {
        GENERAL_NAME_free(g);
        ASN1_STRING_free(s);
        return false;
    }
    GENERAL_NAME_set0_value(g, type, s);
    if (sk_GENERAL_NAME_push(names, g) > 0)
        return true;
    GENERAL_NAME_free(g);
    return false;
}

/* RFC 5922 7.1: the sip URI is the identity; the DNS name is for those who know no other. */
static bool add_domain(GENERAL_NAMES *names, const char *domain)
{
    char uri[4 + 256];
    size_t n = strlen(domain);
    if (n > 253)
        return false;
    memcpy(uri, "sip:", 4);
    memcpy(uri + 4, domain, n);
    return add_name(names, GEN_URI, uri, 4 + n) && add_name(names, GEN_DNS, domain, n);
}

static bool put_names(X509 *x, const struct sw_issue *what)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    bool ok = names != NULL;
    for (size_t i = 0; ok && i < what->domain_count; i++)
        ok = add_domain(names, what->domains[i]);
    for (size_t i = 0; ok && i < what->address_count; i++)
        ok = add_name(names, GEN_IPADD, what->addresses[i].ip,
                      what->addresses[i].family == 4 ? 4 : 16);
    if (ok)
        ok = X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
    GENERAL_NAMES_free(names);
    return ok;
}

static enum sw_status finish(X509 *x, bool ok, const struct sw_key *by, struct sw_cert **out)
{
    if (!ok || X509_sign(x, sw_pkey(by), EVP_sha256()) == 0) {
        X509_free(x);
        return done(false);
    }
    *out = (struct sw_cert *)x;
    return done(true);
}

enum sw_status sw_issue_ca(const struct sw_key *key, const struct sw_issue *what,
                           struct sw_cert **out)
{
    X509 *x = X509_new();
    bool ok = x && put_basics(x, what, sw_pkey(key)) &&
              X509_set_issuer_name(x, X509_get_subject_name(x)) == 1 &&
              put_extension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
              put_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") &&
              put_extension(x, x, NID_subject_key_identifier, "hash") &&
              put_extension(x, x, NID_authority_key_identifier, "keyid:always");
    return finish(x, ok, key, out);
}

enum sw_status sw_issue_cert(const struct sw_issuer *by, const struct sw_key *key,
                             const struct sw_issue *what, struct sw_cert **out)
{
    static const char *const purposes[2][2] = {
        {SIP_DOMAIN, "serverAuth," SIP_DOMAIN},
        {"clientAuth," SIP_DOMAIN, "serverAuth,clientAuth," SIP_DOMAIN},
    };
    X509 *x = X509_new(), *ca = sw_x509(by->cert);
    /* static RSA suites of a legacy policy encipher with the key: RFC 5246 7.4.2 */
    bool rsa = EVP_PKEY_get_base_id(sw_pkey(key)) == EVP_PKEY_RSA;
    bool ok = x && put_basics(x, what, sw_pkey(key)) &&
              X509_set_issuer_name(x, X509_get_subject_name(ca)) == 1 &&
              put_extension(ca, x, NID_basic_constraints, "critical,CA:FALSE") &&
              put_extension(ca, x, NID_key_usage,
                            rsa ? "critical,digitalSignature,keyEncipherment"
                                : "critical,digitalSignature") &&
              put_extension(ca, x, NID_ext_key_usage, purposes[what->client][what->server]) &&
              put_extension(ca, x, NID_subject_key_identifier, "hash") &&
              put_extension(ca, x, NID_authority_key_identifier, "keyid:always") &&
              put_names(x, what);
    return finish(x, ok, by->key, out);
}

/* ---- revocation lists ---- */

static bool add_revoked(X509_CRL *crl, const struct sw_revoked *row)
{
    X509_REVOKED *r = X509_REVOKED_new();
    ASN1_INTEGER *serial = serial_number(row->serial);
    ASN1_TIME *at = ASN1_TIME_set(NULL, (time_t)row->at_s);
    bool ok = r && serial && at && X509_REVOKED_set_serialNumber(r, serial) == 1 &&
              X509_REVOKED_set_revocationDate(r, at) == 1 && X509_CRL_add0_revoked(crl, r) == 1;
    if (!ok)
        X509_REVOKED_free(r);
    ASN1_INTEGER_free(serial);
    ASN1_TIME_free(at);
    return ok;
}

static bool put_dates(X509_CRL *crl, const struct sw_crl_dates *dates)
{
    ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)dates->this_update_s);
    ASN1_TIME *until = ASN1_TIME_set(NULL, (time_t)dates->next_update_s);
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    bool ok = from && until && number && X509_CRL_set1_lastUpdate(crl, from) == 1 &&
              X509_CRL_set1_nextUpdate(crl, until) == 1 &&
              ASN1_INTEGER_set_uint64(number, dates->number) == 1 &&
              X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, X509V3_ADD_DEFAULT) == 1;
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    ASN1_INTEGER_free(number);
    return ok;
}

static bool put_authority(X509_CRL *crl, X509 *ca)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, ca, NULL, NULL, crl, 0);
    X509V3_set_ctx_nodb(&ctx);
    X509_EXTENSION *e =
        X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
    bool ok = e && X509_CRL_add_ext(crl, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

enum sw_status sw_issue_crl(const struct sw_issuer *by, const struct sw_revoked *rows, size_t count,
                            const struct sw_crl_dates *dates, struct sw_crl **out)
{
    X509_CRL *crl = X509_CRL_new();
    X509 *ca = sw_x509(by->cert);
    bool ok = crl && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
              X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca)) == 1 &&
              put_dates(crl, dates) && put_authority(crl, ca);
    for (size_t i = 0; ok && i < count; i++)
        ok = add_revoked(crl, &rows[i]);
    ok = ok && X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, sw_pkey(by->key), EVP_sha256()) > 0;
    if (!ok) {
        X509_CRL_free(crl);
        return done(false);
    }
    *out = (struct sw_crl *)crl;
    return done(true);
}

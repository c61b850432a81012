/* Makes many certificates fast, for bench/certs.py: sipward-certs DIR COUNT. DIR/ca.pem issues
 * DIR/id-N.pem with DIR/id-N.key, for hN.example.test; DIR/root-N.pem are CAs of their own.
 * DIR/peer.pem with DIR/peer.key is a client's. */
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

enum { DAYS = 365 };

static void die(const char *what)
{
    fprintf(stderr, "sipward-certs: %s\n", what);
    exit(1);
}

static FILE *create(const char *dir, const char *name, const char *end)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s.%s", dir, name, end);
    FILE *f = fopen(path, "w");
    if (!f)
        die(path);
    return f;
}

static void extend(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    if (!e || X509_add_ext(x, e, -1) != 1)
        die(value);
    X509_EXTENSION_free(e);
}

/* A certificate for `key`; `issuer` NULL: a CA that signs itself. */
static X509 *certificate(EVP_PKEY *key, const char *cn, const char *san, X509 *issuer,
                         EVP_PKEY *issuer_key, long serial)
{
    X509 *x = X509_new();
    X509_NAME *name = X509_NAME_new();
    if (!x || !name ||
        !X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0))
        die("memory is out");
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), (long)DAYS * 24 * 3600);
    X509_set_subject_name(x, name);
    X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : name);
    X509_set_pubkey(x, key);
    extend(x, NID_basic_constraints, issuer ? "CA:FALSE" : "critical,CA:TRUE");
    extend(x, NID_key_usage, issuer ? "digitalSignature" : "critical,keyCertSign,cRLSign");
    if (san) {
        extend(x, NID_ext_key_usage, "serverAuth,clientAuth");
        extend(x, NID_subject_alt_name, san);
    }
    if (!X509_sign(x, issuer_key, EVP_sha256()))
        die("a certificate cannot be signed");
    X509_NAME_free(name);
    return x;
}

static void write_certificate(const char *dir, const char *name, X509 *x)
{
    FILE *f = create(dir, name, "pem");
    PEM_write_X509(f, x);
    fclose(f);
}

static void leaf(const char *dir, const char *name, const char *domain, X509 *ca, EVP_PKEY *ca_key,
                 long serial)
{
    char san[256];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    snprintf(san, sizeof(san), "URI:sip:%s,DNS:%s,IP:127.0.0.1", domain, domain);
    X509 *x = certificate(key, name, san, ca, ca_key, serial);
    write_certificate(dir, name, x);
    FILE *f = create(dir, name, "key");
    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    X509_free(x);
    EVP_PKEY_free(key);
}

int main(int argc, char **argv)
{
    char name[64], domain[64];
    long count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    if (count < 1)
        die("DIR COUNT");
    EVP_PKEY *ca_key = EVP_EC_gen("P-256");
    X509 *ca = certificate(ca_key, "Bench CA", NULL, NULL, ca_key, 1);
    write_certificate(argv[1], "ca", ca);
    leaf(argv[1], "peer", "peer.test", ca, ca_key, 2);
    for (long i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "id-%ld", i);
        snprintf(domain, sizeof(domain), "h%ld.example.test", i);
        leaf(argv[1], name, domain, ca, ca_key, i + 3);
        EVP_PKEY *key = EVP_EC_gen("P-256");
        snprintf(name, sizeof(name), "root-%ld", i);
        snprintf(domain, sizeof(domain), "Root %ld", i);
        X509 *root = certificate(key, domain, NULL, NULL, key, 1);
        write_certificate(argv[1], name, root);
        X509_free(root);
        EVP_PKEY_free(key);
    }
    X509_free(ca);
    EVP_PKEY_free(ca_key);
    return 0;
}

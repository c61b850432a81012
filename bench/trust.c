/* What a new leaf costs under many trust entries on one listener, each with a CA of its own, and
 * what it costs to make the store: see README.md. */
#include "crypto/openssl_types.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LEAVES = 64 };

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void put_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    if (!e || X509_add_ext(x, e, -1) != 1)
        abort();
    X509_EXTENSION_free(e);
}

/* A certificate for `key`, signed by the issuer's key; without issuer it is a CA's own. */
static X509 *make(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
    uint64_t serial = 0;
    X509 *x = X509_new();
    if (!x || RAND_bytes((unsigned char *)&serial, sizeof(serial) - 1) != 1)
        abort();
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x));
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_set_pubkey(x, key);
    put_extension(x, x, NID_subject_key_identifier, "hash");
    put_extension(x, issuer ? issuer : x, NID_authority_key_identifier, "keyid");
    if (!issuer) {
        put_extension(x, x, NID_basic_constraints, "critical,CA:TRUE");
        put_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign");
    }
    if (X509_sign(x, issuer_key, EVP_sha256()) <= 0)
        abort();
    return x;
}

static struct sw_cert *as_cert(X509 *x)
{
    return (struct sw_cert *)(uintptr_t)x;
}

static uint32_t verify(const struct sw_trust *t, X509 *leaf, struct sw_leafcache *cache)
{
    struct sw_trust_verdict v;
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    if (!ctx || X509_STORE_CTX_init(ctx, sw_trust_store(t), leaf, NULL) != 1 ||
        X509_STORE_CTX_set_default(ctx, "ssl_client") != 1)
        abort();
    sw_trust_verify(t, ctx, true, cache, &v);
    X509_STORE_CTX_free(ctx);
    return v.vouched.count == 1 ? v.vouched.id[0] : 0;
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000;
    struct sw_trust_entry *entries = calloc(count, sizeof(*entries));
    const struct sw_trust_entry **list = calloc(count, sizeof(*list));
    struct sw_cert **anchors = calloc(count, sizeof(*anchors));
    EVP_PKEY **keys = calloc(count, sizeof(*keys)), *leaf_key = EVP_EC_gen("P-256");
    struct sw_leafcache *cache = sw_leafcache_new();
    X509 *leaf[LEAVES];
    if (!count || !entries || !list || !anchors || !keys || !cache)
        return 2;
    for (size_t i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "CA %zu", i);
        keys[i] = EVP_EC_gen("P-256");
        anchors[i] = as_cert(make(name, keys[i], NULL, keys[i]));
        entries[i] = (struct sw_trust_entry){
            .id = (uint32_t)i + 1, .depth = 4, .anchors = {.c = &anchors[i], .count = 1}};
        list[i] = &entries[i];
    }
    double start = now_us();
    struct sw_trust *t = sw_trust_new(list, count);
    printf("%zu entries: store made in %.1f ms of CPU\n", count, (now_us() - start) / 1e3);
    if (!t)
        return 2;
    for (size_t k = 0; k < LEAVES; k++) {
        size_t ca = k * (count - 1) / (LEAVES - 1);
        leaf[k] = make("leaf", leaf_key, (X509 *)(uintptr_t)anchors[ca], keys[ca]);
        if (k == 0 && verify(t, leaf[0], cache) != 1) /* keys and algorithms are fetched */
            return 1;
    }
    start = now_us();
    for (size_t k = 1; k < LEAVES; k++)
        if (verify(t, leaf[k], cache) != k * (count - 1) / (LEAVES - 1) + 1)
            return 1;
    printf("new leaf: %.1f us of CPU\n", (now_us() - start) / (LEAVES - 1));
    start = now_us();
    for (size_t k = 0; k < LEAVES; k++)
        if (!verify(t, leaf[k], cache))
            return 1;
    printf("known leaf: %.1f us of CPU\n", (now_us() - start) / LEAVES);
    return 0;
}

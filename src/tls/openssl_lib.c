/* OpenSSL 3.0 looks through all decoders of a context, and builds each, whenever it reads the
 * public key of a certificate: a third of a handshake's time. The provider here is the library's
 * default one with the decoders left out that no certificate needs. */
#include "tls/openssl_lib.h"

#include <openssl/core_dispatch.h>
#include <openssl/decoder.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/provider.h>
#include <string.h>

enum { KINDS_MAX = 24 };

static const char g_name[] = "sipward-default";

/* The same in every context: functions and tables of the library's code. */
static OSSL_FUNC_provider_query_operation_fn *g_query;
static OSSL_ALGORITHM g_decoders[KINDS_MAX + 1], g_keys[KINDS_MAX + 1];
static OSSL_DISPATCH g_dispatch[8];
static CRYPTO_ONCE g_once = CRYPTO_ONCE_STATIC_INIT;
static bool g_ready;

/* What the provider that is being loaded passes on. */
static _Thread_local const OSSL_PROVIDER *t_base;

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
    const OSSL_ALGORITHM *all = g_query(provider, operation, no_cache);
    return operation == OSSL_OP_DECODER ? g_decoders : operation == OSSL_OP_KEYMGMT ? g_keys : all;
}

/* Kinds of keys: those that sign in TLS first, then those that are agreed or derived. */
static const char *const g_kinds[] = {"RSA",  "RSA-PSS", "EC",   "ED25519",  "ED448", "X25519",
                                      "X448", "DH",      "HMAC", "TLS1-PRF", "HKDF"};
enum { SIGNING = 5, ALL = sizeof(g_kinds) / sizeof(g_kinds[0]) };

static bool is_one_of(const OSSL_ALGORITHM *a, size_t kinds)
{
    size_t n = strcspn(a->algorithm_names, ":");
    for (size_t i = 0; i < kinds; i++)
        if (strlen(g_kinds[i]) == n && strncmp(a->algorithm_names, g_kinds[i], n) == 0)
            return true;
    return false;
}

/* A key as it stands in a certificate. RFC 5280 4.1.2.7 */
static bool decodes_certificate(const OSSL_ALGORITHM *a)
{
    return is_one_of(a, SIGNING) &&
           strstr(a->property_definition, "structure=SubjectPublicKeyInfo");
}

static bool is_key(const OSSL_ALGORITHM *a)
{
    return is_one_of(a, ALL);
}

static size_t choose(const OSSL_PROVIDER *p, int operation, bool wanted(const OSSL_ALGORITHM *),
                     OSSL_ALGORITHM out[KINDS_MAX])
{
    int no_cache;
    size_t n = 0;
    const OSSL_ALGORITHM *a = OSSL_PROVIDER_query_operation(p, operation, &no_cache);
    for (; a && a->algorithm_names && n < KINDS_MAX; a++)
        if (wanted(a))
            out[n++] = *a;
    return n;
}

/* The library makes the methods of an operation when one of them is first asked for. A method that
 * finds no memory then is left out for as long as the context lives, so this is done at the start.
 * These are the ones that the provider itself asks for, such as SHA-512 in each ECDSA signature. */
static bool make_primitives(OSSL_LIB_CTX *ctx)
{
    EVP_MD *md = EVP_MD_fetch(ctx, "SHA2-256", NULL);
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(ctx, "AES-128-GCM", NULL);
    EVP_MAC *mac = EVP_MAC_fetch(ctx, "HMAC", NULL);
    EVP_KDF *kdf = EVP_KDF_fetch(ctx, "HKDF", NULL);
    EVP_RAND *rand = EVP_RAND_fetch(ctx, "CTR-DRBG", NULL);
    bool all = md && cipher && mac && kdf && rand;
    EVP_MD_free(md);
    EVP_CIPHER_free(cipher);
    EVP_MAC_free(mac);
    EVP_KDF_free(kdf);
    EVP_RAND_free(rand);
    return all;
}

static bool make_methods(OSSL_LIB_CTX *ctx)
{
    EVP_KEYMGMT *keys = EVP_KEYMGMT_fetch(ctx, "RSA", NULL);
    EVP_KEYEXCH *exchange = EVP_KEYEXCH_fetch(ctx, "X25519", NULL);
    EVP_SIGNATURE *signature = EVP_SIGNATURE_fetch(ctx, "RSA", NULL);
    EVP_ASYM_CIPHER *asym = EVP_ASYM_CIPHER_fetch(ctx, "RSA", NULL);
    OSSL_DECODER *decoder = OSSL_DECODER_fetch(ctx, "RSA", NULL);
    bool all = keys && exchange && signature && asym && decoder && make_primitives(ctx);
    EVP_KEYMGMT_free(keys);
    EVP_KEYEXCH_free(exchange);
    EVP_SIGNATURE_free(signature);
    EVP_ASYM_CIPHER_free(asym);
    OSSL_DECODER_free(decoder);
    return all;
}

static void read_default(void)
{
    OSSL_LIB_CTX *ctx = OSSL_LIB_CTX_new();
    OSSL_PROVIDER *p = ctx ? OSSL_PROVIDER_load(ctx, "default") : NULL;
    const OSSL_DISPATCH *d = p ? OSSL_PROVIDER_get0_dispatch(p) : NULL;
    size_t n = 0;
    for (; d && d->function_id && n < sizeof(g_dispatch) / sizeof(g_dispatch[0]) - 1; d++) {
        if (d->function_id == OSSL_FUNC_PROVIDER_TEARDOWN)
            continue; /* the base does that */
        g_dispatch[n] = *d;
        if (d->function_id == OSSL_FUNC_PROVIDER_QUERY_OPERATION) {
            g_query = OSSL_FUNC_provider_query_operation(d);
            g_dispatch[n].function = (void (*)(void))query;
        }
        n++;
    }
    g_ready = p && g_query && choose(p, OSSL_OP_DECODER, decodes_certificate, g_decoders) > 0 &&
              choose(p, OSSL_OP_KEYMGMT, is_key, g_keys) > 0 && make_methods(NULL);
    OSSL_PROVIDER_unload(p);
    OSSL_LIB_CTX_free(ctx);
}

static int start(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                 void **provider)
{
    (void)handle;
    (void)in;
    *out = g_dispatch;
    *provider = OSSL_PROVIDER_get0_provider_ctx(t_base);
    return *provider != NULL;
}

bool sw_tls_lib_open(struct sw_tls_lib *l)
{
    *l = (struct sw_tls_lib){.base = OSSL_LIB_CTX_new(), .ctx = OSSL_LIB_CTX_new()};
    if (!l->base || !l->ctx || !CRYPTO_THREAD_run_once(&g_once, read_default) || !g_ready)
        return false;
    l->base_provider = OSSL_PROVIDER_load(l->base, "default");
    t_base = l->base_provider;
    if (t_base && OSSL_PROVIDER_add_builtin(l->ctx, g_name, start) == 1)
        l->provider = OSSL_PROVIDER_load(l->ctx, g_name);
    t_base = NULL;
    return l->provider && make_primitives(l->base) && make_methods(l->ctx);
}

void sw_tls_lib_close(struct sw_tls_lib *l)
{
    OSSL_PROVIDER_unload(l->provider); /* it uses the base */
    OSSL_LIB_CTX_free(l->ctx);
    OSSL_PROVIDER_unload(l->base_provider);
    OSSL_LIB_CTX_free(l->base);
    *l = (struct sw_tls_lib){0};
}

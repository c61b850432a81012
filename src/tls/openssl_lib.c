/* OpenSSL 3.0 looks through all decoders of a context, and builds each, whenever it reads the
 * public key of a certificate, and through all other methods to find the kinds of keys: a third of
 * a handshake's time. The provider here is the library's default one without the methods that
 * neither a certificate nor a suite of TLS needs. */
#include "tls/openssl_lib.h"

#include <openssl/core_dispatch.h>
#include <openssl/decoder.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/provider.h>
#include <string.h>

enum { METHODS_MAX = 64, OPERATIONS_MAX = 32 };

static const char g_name[] = "sipward-default";

/* The same in every context: functions and tables of the library's code. */
static OSSL_FUNC_provider_query_operation_fn *g_query;
static OSSL_DISPATCH g_dispatch[8];
static CRYPTO_ONCE g_once = CRYPTO_ONCE_STATIC_INIT;
static bool g_ready;

/* What the provider that is being loaded passes on. */
static _Thread_local const OSSL_PROVIDER *t_base;

/* Kinds of keys: those that sign in TLS first, then those that are agreed or derived. */
static const char *const g_kinds[] = {"RSA",  "RSA-PSS", "EC",   "ED25519",  "ED448", "X25519",
                                      "X448", "DH",      "HMAC", "TLS1-PRF", "HKDF",  NULL};
enum { SIGNING = 5 };

static const char *const g_digests[] = {"SHA1",     "SHA2-224", "SHA2-256", "SHA2-384",
                                        "SHA2-512", "MD5",      "MD5-SHA1", NULL};
static const char *const g_macs[] = {"HMAC", NULL};
static const char *const g_kdfs[] = {"HKDF", "TLS13-KDF", "TLS1-PRF", NULL};
static const char *const g_ciphers[] = {"ChaCha20-Poly1305", "NULL", NULL};

/* Ends of the names of block ciphers in the modes that suites have; CBC also for tickets. */
static const char *const g_modes[] = {"-GCM", "-CCM", "-CBC", "-CBC-HMAC-SHA1", "-CBC-HMAC-SHA256",
                                      NULL};

static bool is_named(const OSSL_ALGORITHM *a, const char *const *names, size_t max, bool by_end)
{
    size_t n = strcspn(a->algorithm_names, ":");
    for (size_t i = 0; i < max && names[i]; i++) {
        size_t m = strlen(names[i]);
        if ((by_end ? n > m : n == m) && strncmp(a->algorithm_names + n - m, names[i], m) == 0)
            return true;
    }
    return false;
}

static bool is_needed(int operation, const OSSL_ALGORITHM *a)
{
    switch (operation) {
    case OSSL_OP_DIGEST:
        return is_named(a, g_digests, SIZE_MAX, false);
    case OSSL_OP_CIPHER:
        return is_named(a, g_ciphers, SIZE_MAX, false) || is_named(a, g_modes, SIZE_MAX, true);
    case OSSL_OP_MAC:
        return is_named(a, g_macs, SIZE_MAX, false);
    case OSSL_OP_KDF:
        return is_named(a, g_kdfs, SIZE_MAX, false);
    case OSSL_OP_KEYMGMT:
        return is_named(a, g_kinds, SIZE_MAX, false);
    case OSSL_OP_DECODER: /* of a key as it stands in a certificate: RFC 5280 4.1.2.7 */
        return is_named(a, g_kinds, SIGNING, false) &&
               strstr(a->property_definition, "structure=SubjectPublicKeyInfo");
    case OSSL_OP_ENCODER: /* nothing is written */
    case OSSL_OP_STORE:
        return false;
    default:
        return true;
    }
}

/* What is passed on, by operation; the same in every context. The table's end has no name. */
static OSSL_ALGORITHM g_methods[OPERATIONS_MAX][METHODS_MAX + 1];

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
    const OSSL_ALGORITHM *all = g_query(provider, operation, no_cache);
    if (!all || operation < 0 || operation >= OPERATIONS_MAX)
        return all;
    return g_methods[operation][0].algorithm_names ? g_methods[operation] : NULL;
}

static bool choose(const OSSL_PROVIDER *p, int operation)
{
    int no_cache;
    size_t n = 0;
    const OSSL_ALGORITHM *a = OSSL_PROVIDER_query_operation(p, operation, &no_cache);
    for (; a && a->algorithm_names; a++) {
        if (!is_needed(operation, a))
            continue;
        if (n == METHODS_MAX)
            return false;
        g_methods[operation][n++] = *a;
    }
    return true;
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
    g_ready = p && g_query && make_methods(NULL);
    for (int operation = 0; g_ready && operation < OPERATIONS_MAX; operation++)
        g_ready = choose(p, operation);
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

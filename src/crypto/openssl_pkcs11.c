/* OpenSSL behind crypto/x509.h: keys that stay in a PKCS#11 token. Debian 12 has no PKCS#11
 * provider, but libp11's engine. An engine's key carries its own way to sign, so the library does
 * not move it into a provider: it signs under every worker's library context. */
#define OPENSSL_SUPPRESS_DEPRECATED /* engines */
#include "crypto/openssl_types.h"

#include "crypto/hmac.h"
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/ui.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIN_MAX = 255, MODULE_MAX = 255 };

#ifdef OPENSSL_NO_ENGINE

enum sw_status sw_key_from_token(const char *uri, struct sw_slice pin, struct sw_key **out,
                                 char why[SW_WHY_MAX])
{
    (void)uri;
    (void)pin;
    (void)out;
    return sw_crypto_refuse(why, "the TLS library was built without engines, which PKCS#11 needs");
}

#else

/* One engine for the process: it holds the token's library and is never given back, because keys of
 * running connections point into it. */
static ENGINE *g_engine;
static char g_module[MODULE_MAX + 1]; /* the token's library; empty: the engine's own choice */

static int hex(char c)
{
    char low = sw_ascii_lower(c);
    return sw_ascii_digit(c) ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* Takes the attribute `module-path` out of a URI, with %XX decoded; the engine does not know it.
 * False: it cannot be read. RFC 7512 2.4 */
static bool take_module(char *uri, char out[MODULE_MAX + 1])
{
    static const char key[] = "module-path=";
    size_t n = 0;
    char *query = strchr(uri, '?'), *at = query ? strstr(query, key) : NULL;
    char *p = at ? at + sizeof(key) - 1 : NULL;
    out[0] = 0;
    if (!at)
        return true;
    for (; *p && *p != '&'; p++) {
        int value = (unsigned char)*p;
        if (*p == '%') {
            if (hex(p[1]) < 0 || hex(p[2]) < 0)
                return false;
            value = hex(p[1]) * 16 + hex(p[2]);
            p += 2;
        }
        if (n == MODULE_MAX || value == 0)
            return false;
        out[n++] = (char)value;
    }
    out[n] = 0;
    if (*p)
        memmove(at, p + 1, strlen(p + 1) + 1);
    else
        at[-1] = 0; /* with the '?' or '&' before it */
    return n > 0;
}

static enum sw_status open_engine(const char *module, char why[SW_WHY_MAX])
{
    if (g_engine && strcmp(module, g_module) != 0)
        return sw_crypto_refuse(why,
                                "another key has another module-path, and one process can load one "
                                "(name p11-kit-proxy.so in both, or neither)");
    if (g_engine)
        return SW_OK;
    if (module[0] && access(module, R_OK) != 0) /* the engine finds out later and says less */
        return sw_crypto_refuse(why, "the library of its module-path cannot be read");
    ENGINE_load_dynamic();
    ENGINE *e = ENGINE_by_id("pkcs11");
    if (!e)
        return sw_crypto_refuse(why, "OpenSSL's PKCS#11 engine is not there (Debian: "
                                     "libengine-pkcs11-openssl)");
    if ((module[0] && ENGINE_ctrl_cmd_string(e, "MODULE_PATH", module, 0) != 1) ||
        ENGINE_ctrl_cmd_string(e, "QUIET", NULL, 1) != 1 || ENGINE_init(e) != 1) {
        ENGINE_free(e);
        return sw_crypto_refuse(why, "the token's library cannot be loaded");
    }
    memcpy(g_module, module, MODULE_MAX + 1);
    g_engine = e;
    return SW_OK;
}

static int ask_nobody(UI *ui, UI_STRING *string)
{
    (void)ui;
    (void)string;
    return 0;
}

/* Without a PIN the engine is given an empty one, so that it does not use another token's. */
static bool give_pin(struct sw_slice pin)
{
    char text[PIN_MAX + 1];
    if (pin.n > PIN_MAX)
        return false;
    if (pin.n)
        memcpy(text, pin.p, pin.n);
    text[pin.n] = 0;
    bool given = ENGINE_ctrl_cmd_string(g_engine, "PIN", text, 0) == 1;
    sw_wipe(text, sizeof(text));
    return given;
}

static EVP_PKEY *load(const char *uri, struct sw_slice pin)
{
    UI_METHOD *nobody = UI_create_method("sipward");
    EVP_PKEY *key = NULL;
    if (nobody && UI_method_set_reader(nobody, ask_nobody) == 0 && give_pin(pin))
        key = ENGINE_load_private_key(g_engine, uri, nobody, NULL);
    UI_destroy_method(nobody);
    return key;
}

enum sw_status sw_key_from_token(const char *uri, struct sw_slice pin, struct sw_key **out,
                                 char why[SW_WHY_MAX])
{
    char module[MODULE_MAX + 1];
    char *rest = strdup(uri);
    enum sw_status s = !rest || !take_module(rest, module)
                           ? sw_crypto_refuse(why, "its module-path cannot be read")
                           : open_engine(module, why);
    EVP_PKEY *key = s == SW_OK ? load(rest, pin) : NULL;
    if (s == SW_OK && !key)
        s = sw_crypto_refuse(
            why, pin.p ? "the token does not give the key"
                       : "the token does not give the key, and no passphrase (the token's "
                         "PIN) is given");
    if (rest)
        sw_wipe(rest, strlen(rest)); /* it may hold a pin-value */
    free(rest);
    if (s != SW_OK)
        return s;
    ERR_clear_error();
    *out = (struct sw_key *)key;
    return SW_OK;
}

#endif

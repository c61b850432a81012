/* Whether both sides showed a certificate, and what else both ends of a session know. RFC 5923 9 */
#include "tls/openssl_types.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

static CRYPTO_ONCE g_once = CRYPTO_ONCE_STATIC_INIT;
static int g_shown = -1;
static char g_mark; /* its address says yes */

static void once(void)
{
    g_shown = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* A Certificate message is the type, three bytes of length, in TLS 1.3 a context with its own byte
 * of length, and the list with three: an empty one shows nothing. RFC 8446 4.4.2, RFC 5246 7.4.6 */
void sw_tls_shown_note(struct sw_tls *t, struct sw_slice message)
{
    const uint8_t *p = (const uint8_t *)message.p;
    size_t at = 4;
    if (message.n < 7 || p[0] != SSL3_MT_CERTIFICATE)
        return;
    if (SSL_version(t->ssl) == TLS1_3_VERSION)
        at += 1 + (size_t)p[4];
    t->showed = at + 3 <= message.n && (p[at] || p[at + 1] || p[at + 2]);
}

void sw_tls_shown_keep(struct sw_tls *t)
{
    SSL_SESSION *session = SSL_get_session(t->ssl);
    if (SSL_is_server(t->ssl) || !session || CRYPTO_THREAD_run_once(&g_once, once) != 1 ||
        g_shown < 0)
        return;
    if (SSL_session_reused(t->ssl))
        t->showed = SSL_SESSION_get_ex_data(session, g_shown) == &g_mark;
    else if (t->showed && SSL_SESSION_set_ex_data(session, g_shown, &g_mark) != 1)
        ERR_clear_error(); /* then what resumes it counts as one that showed none */
}

uint32_t sw_tls_local_id(const struct sw_tls *t)
{
    return t->local_id;
}

uint32_t sw_tls_local_domain(const struct sw_tls *t)
{
    return t->local_domain;
}

bool sw_tls_has_shown(const struct sw_tls *t)
{
    return SSL_is_server(t->ssl) || t->showed;
}

uint32_t sw_tls_order(const struct sw_tls *t)
{
    static const char label[] = "EXPERIMENTAL sipward connection order";
    uint8_t x[4] = {0};
    ERR_clear_error();
    if (SSL_export_keying_material(t->ssl, x, sizeof(x), label, sizeof(label) - 1, NULL, 0, 0) != 1)
        memset(x, 0, sizeof(x));
    ERR_clear_error();
    return (uint32_t)x[0] << 24 | (uint32_t)x[1] << 16 | (uint32_t)x[2] << 8 | x[3];
}

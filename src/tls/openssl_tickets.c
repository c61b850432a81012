/* A server's tickets: how they are sealed and opened, and whether one is used. RFC 5077, RFC 8446
 * 4.6.1 */
#include "tls/openssl_memory.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <time.h>

static void turn_keys(struct sw_tls_memory *m)
{
    struct timespec t;
    if (clock_gettime(CLOCK_MONOTONIC, &t) == 0)
        sw_ticket_keys_turn(&m->tickets, (t.tv_sec - m->begin_s) / m->lifetime_s);
}

static bool set_keys(const struct sw_tls_memory *m, const struct sw_ticket_key *k,
                     const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int enc)
{
    uint8_t key[sizeof(k->mac)];
    char digest[] = "SHA2-256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key, sizeof(key)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    memcpy(key, k->mac, sizeof(key));
    bool ok = EVP_CipherInit_ex2(cipher, m->cipher, k->cipher, iv, enc, NULL) == 1 &&
              EVP_MAC_CTX_set_params(mac, params) == 1;
    sw_wipe(key, sizeof(key));
    return ok;
}

int sw_tls_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                      EVP_MAC_CTX *mac, int enc)
{
    struct sw_tls_past *p = sw_tls_past_of(ssl);
    bool old = SSL_version(ssl) < TLS1_3_VERSION;
    if (!p)
        return 0;
    struct sw_tls_memory *m = p->memory;
    turn_keys(m);
    const struct sw_ticket_key *k = enc ? &m->tickets.now : sw_ticket_keys_find(&m->tickets, name);
    if (!k || (old && !p->ems) || (enc && SSL_get0_peer_certificate(ssl)))
        return 0;
    if (enc) {
        if (RAND_bytes_ex(m->lib, iv, (size_t)EVP_CIPHER_get_iv_length(m->cipher), 0) != 1)
            return -1;
        memcpy(name, k->name, sizeof(k->name));
    }
    if (!set_keys(m, k, iv, cipher, mac, enc))
        return -1;
    return enc || (old && k == &m->tickets.now) ? 1 : 2;
}

int sw_tls_ticket_made(SSL *ssl, void *unused)
{
    const struct sw_tls_past *p = sw_tls_past_of(ssl);
    SSL_SESSION *session = SSL_get_session(ssl);
    (void)unused;
    if (!p)
        return 1;
    if (SSL_version(ssl) >= TLS1_3_VERSION)
        sw_tls_session_keep(ssl, SSL_get0_peer_certificate(ssl));
    int64_t left = sw_tls_session_end_s(p->memory, session, true) - SSL_SESSION_get_time(session);
    SSL_SESSION_set_timeout(session, left > 1 ? (long)left : 1);
    return 1;
}

SSL_TICKET_RETURN sw_tls_ticket_read(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                     size_t n, SSL_TICKET_STATUS status, void *unused)
{
    const struct sw_tls_past *p = sw_tls_past_of(ssl);
    (void)name;
    (void)n;
    (void)unused;
    if ((status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) || !p ||
        SSL_SESSION_get0_peer(session) ||
        sw_tls_session_end_s(p->memory, session, true) <= sw_tls_now_s())
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

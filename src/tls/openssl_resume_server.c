/* A server's side of resumption: what a client offers, and sessions that are kept in memory. */
#include "tls/openssl_memory.h"

#include "crypto/openssl_types.h"
#include "tls/hello.h"

#include <openssl/rand.h>

/* A name that we give: random bytes, the worker, and a seal over both. */
enum { RANDOM_BYTES = 22, SEALED_BYTES = 24, SEAL_BYTES = 8 };

/* ---- the hello ---- */

/* In lower case, without a dot at the end; empty: none, or no name that could be right. */
static struct sw_slice name_in(SSL *ssl, char lower[256])
{
    enum { LIST = 2, TYPE = 1, LENGTH = 2, HEAD = LIST + TYPE + LENGTH };
    const unsigned char *p;
    size_t n;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) != 1 || n < HEAD ||
        p[LIST] != TLSEXT_NAMETYPE_host_name)
        return sw_slice("", 0);
    size_t len = (size_t)p[LIST + TYPE] << 8 | p[LIST + TYPE + 1];
    if (len > n - HEAD || len > 255)
        return sw_slice("", 0);
    for (size_t i = 0; i < len; i++)
        lower[i] = sw_ascii_lower((char)p[HEAD + i]);
    return sw_slice(lower, len && lower[len - 1] == '.' ? len - 1 : len);
}

static bool offers_1_3(SSL *ssl)
{
    const unsigned char *p;
    size_t n;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &p, &n) != 1)
        return false;
    for (size_t i = 1; i + 1 < n; i += 2)
        if ((p[i] << 8 | p[i + 1]) == TLS1_3_VERSION)
            return true;
    return false;
}

/* Whether what the client offers is, and what it gets will be, kept in memory. Who may or may not
 * show a certificate is known by the kind of what it offers in TLS 1.3; before, there is one kind.
 */
static bool is_kept(SSL *ssl, const struct sw_tls_past *p)
{
    const unsigned char *psk;
    size_t n;
    struct sw_slice identity;
    if (p->params->client_cert != SW_CERT_REQUEST)
        return p->params->client_cert == SW_CERT_REQUIRE;
    if (p->policy->max_version < SW_TLS_1_3 || !offers_1_3(ssl))
        return true;
    return SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_psk, &psk, &n) == 1 &&
           sw_tls_hello_psk(sw_slice((const char *)psk, n), &identity) &&
           identity.n == SW_TLS_SESSION_ID_BYTES;
}

void sw_tls_session_keep(SSL *ssl, bool on)
{
    if (on)
        SSL_set_options(ssl, SSL_OP_NO_TICKET);
    else
        SSL_clear_options(ssl, SSL_OP_NO_TICKET);
}

int sw_tls_resume_hello(SSL *ssl, int *alert, void *unused)
{
    struct sw_tls_past *p = sw_tls_past_of(ssl);
    const unsigned char *ext;
    size_t n;
    char lower[256];
    (void)unused;
    if (!p || !p->params || !p->params->scope) {
        SSL_set_num_tickets(ssl, 0);
        return SSL_CLIENT_HELLO_SUCCESS;
    }
    const struct sw_slice name = name_in(ssl, lower);
    const struct sw_tls_identity *shown = NULL;
    if (name.n && p->params->names)
        shown = sw_tls_names_find(p->params->names, name);
    sw_tls_past_context(p, shown ? shown : p->params->identity, name, p->context);
    p->ems = SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_extended_master_secret, &ext, &n) == 1;
    sw_tls_session_keep(ssl, is_kept(ssl, p));
    if (SSL_set_session_id_context(ssl, p->context, sizeof(p->context)) == 1)
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
}

/* ---- sessions in memory ---- */

struct sw_key sw_tls_memory_key(const struct sw_tls_memory *m, const void *id)
{
    struct sw_siphash h;
    sw_siphash_init(&h, m->name_key);
    sw_siphash_add(&h, id, SW_TLS_SESSION_ID_BYTES);
    return sw_siphash_end(&h);
}

int sw_tls_resume_name(SSL *ssl, unsigned char *id, unsigned *n)
{
    const struct sw_tls_past *p = sw_tls_past_of(ssl);
    if (!p || *n != SW_TLS_SESSION_ID_BYTES ||
        RAND_bytes_ex(p->memory->lib, id, RANDOM_BYTES, 0) != 1)
        return 0;
    memcpy(id + RANDOM_BYTES, &p->memory->worker, sizeof(p->memory->worker));
    uint64_t seal = sw_siphash64(p->memory->name_key, id, SEALED_BYTES);
    memcpy(id + SEALED_BYTES, &seal, SEAL_BYTES);
    return 1;
}

bool sw_tls_memory_owner(const struct sw_tls_memory *m, struct sw_slice id, uint16_t *worker)
{
    if (id.n != SW_TLS_SESSION_ID_BYTES)
        return false;
    uint64_t seal = sw_siphash64(m->name_key, id.p, SEALED_BYTES);
    if (memcmp(&seal, id.p + SEALED_BYTES, SEAL_BYTES) != 0)
        return false;
    memcpy(worker, id.p + RANDOM_BYTES, sizeof(*worker));
    return true;
}

SSL_SESSION *sw_tls_resume_find(SSL *ssl, const unsigned char *id, int n, int *copy)
{
    struct sw_tls_past *p = sw_tls_past_of(ssl);
    unsigned size;
    *copy = 1;
    if (!p || !p->params || n != SW_TLS_SESSION_ID_BYTES)
        return NULL;
    struct sw_key key = sw_tls_memory_key(p->memory, id);
    struct sw_tls_kept *x = sw_tls_kept_get(&p->memory->kept, key);
    if (!x)
        return NULL;
    const unsigned char *made_in = SSL_SESSION_get0_id_context(x->session, &size);
    if (size != sizeof(p->context) || memcmp(made_in, p->context, size) != 0)
        return NULL; /* it is good elsewhere */
    X509 *leaf = SSL_SESSION_get0_peer(x->session);
    if (!sw_tls_kept_is_good(x) || (leaf && !p->memory->holds(ssl, leaf, x->sent))) {
        sw_tls_kept_drop(&p->memory->kept, x);
        return NULL;
    }
    p->key = key;
    p->has_key = true;
    return x->session;
}

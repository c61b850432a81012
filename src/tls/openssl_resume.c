#include "tls/openssl_resume.h"

#include "crypto/openssl_types.h"
#include "crypto/siphash.h"
#include "tls/hello.h"
#include "tls/openssl_kept.h"
#include "tls/tickets.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <time.h>

/* A server may offer several at once, for clients that open several connections: RFC 8446 C.4 */
enum { PER_TARGET = 2 };

/* A name that we give: random bytes, the worker, and a seal over both. */
enum { RANDOM_BYTES = 22, SEALED_BYTES = 24, SEAL_BYTES = 8 };

struct sw_tls_memory {
    struct sw_tls_kept_table kept;
    uint32_t lifetime_s;
    uint16_t worker;
    int64_t begin_s;
    struct sw_hmac_key context_key;
    struct sw_sip_key name_key;
    struct sw_ticket_keys tickets;
    EVP_CIPHER *cipher;
    OSSL_LIB_CTX *lib;
    sw_tls_holds_fn *holds;
};

static CRYPTO_ONCE g_once = CRYPTO_ONCE_STATIC_INIT;
static int g_past = -1;

static void once(void)
{
    g_past = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

static struct sw_tls_past *past_of(const SSL *ssl)
{
    return SSL_get_ex_data(ssl, g_past);
}

static int64_t now_s(void)
{
    return (int64_t)time(NULL);
}

/* ---- for how long ---- */

/* When the peer's key signed last, which tickets made from tickets do not change. RFC 8446 4.6.1 */
static int64_t proved_s(SSL_SESSION *session)
{
    void *p;
    size_t n = 0;
    int64_t s = now_s();
    if (SSL_SESSION_get0_ticket_appdata(session, &p, &n) == 1 && n == sizeof(s))
        memcpy(&s, p, sizeof(s));
    else if (SSL_SESSION_set1_ticket_appdata(session, &s, sizeof(s)) != 1)
        s = 0; /* then it is over */
    return s;
}

/* Not beyond the end of the peer's certificate, nor what the server said. */
static int64_t end_s(const struct sw_tls_memory *m, SSL_SESSION *session, bool server)
{
    int64_t end = proved_s(session) + m->lifetime_s;
    X509 *leaf = SSL_SESSION_get0_peer(session);
    int64_t cert = leaf ? sw_asn1_time_s(X509_get0_notAfter(leaf)) : end;
    unsigned long hint = server ? 0 : SSL_SESSION_get_ticket_lifetime_hint(session);
    int64_t said = hint ? SSL_SESSION_get_time(session) + (int64_t)hint : end;
    end = cert < end ? cert : end;
    return said < end ? said : end;
}

static bool is_1_3(SSL_SESSION *session)
{
    return SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION;
}

/* ---- where it may be resumed ---- */

static void add_text(struct sw_slice *parts, size_t *n, const char *text)
{
    parts[(*n)++] = sw_slice(text, strlen(text) + 1); /* with its end: texts do not flow together */
}

/* Listener or peer, role, policy, whom we believe, what we show, and the name that was asked for:
 * a session of one is none of another. RFC 6066 3, RFC 8446 4.6.1 */
static void context(const struct sw_tls_past *p, const struct sw_tls_identity *shown,
                    struct sw_slice name, uint8_t out[SW_SHA256_BYTES])
{
    enum { KEYS_MAX = 4 };
    struct sw_slice parts[16];
    uint8_t leaf[KEYS_MAX][SW_SHA256_BYTES] = {{0}};
    const struct sw_tls_params *q = p->params;
    const uint16_t facts[] = {q->server, (uint16_t)q->client_cert, p->policy->min_version,
                              p->policy->max_version};
    size_t n = 0;
    for (int i = 0; shown && i < KEYS_MAX; shown = shown->also, i++)
        X509_digest(sw_x509(shown->chain.c[0]), EVP_sha256(), leaf[i], NULL);
    parts[n++] = sw_slice((const char *)facts, sizeof(facts));
    add_text(parts, &n, q->scope);
    for (unsigned kind = 0; kind < SW_TLS_LISTS; kind++)
        add_text(parts, &n, sw_tls_list_of(p->policy, (enum sw_tls_list)kind));
    parts[n++] = sw_slice((const char *)leaf, sizeof(leaf));
    if (q->trust)
        parts[n++] = sw_slice((const char *)sw_trust_scope(q->trust), SW_SHA256_BYTES);
    parts[n++] = name;
    sw_hmac(&p->memory->context_key, parts, n, out);
}

/* ---- server: the hello ---- */

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

static void set_kept(SSL *ssl, bool on)
{
    if (on)
        SSL_set_options(ssl, SSL_OP_NO_TICKET);
    else
        SSL_clear_options(ssl, SSL_OP_NO_TICKET);
}

/* The first that is known of a client, before its session is looked for. */
static int hello_seen(SSL *ssl, int *alert, void *unused)
{
    struct sw_tls_past *p = past_of(ssl);
    const unsigned char *ext;
    size_t n;
    char lower[256];
    (void)unused;
    if (!p || !p->memory || !p->params || !p->params->scope) {
        SSL_set_num_tickets(ssl, 0);
        return SSL_CLIENT_HELLO_SUCCESS;
    }
    const struct sw_slice name = name_in(ssl, lower);
    const struct sw_tls_identity *shown = NULL;
    if (name.n && p->params->names)
        shown = sw_tls_names_find(p->params->names, name);
    context(p, shown ? shown : p->params->identity, name, p->context);
    p->ems = SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_extended_master_secret, &ext, &n) == 1;
    set_kept(ssl, is_kept(ssl, p));
    if (SSL_set_session_id_context(ssl, p->context, sizeof(p->context)) == 1)
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
}

/* ---- server: sessions in memory ---- */

static struct sw_key key_of_name(const struct sw_tls_memory *m, const void *id)
{
    struct sw_siphash h;
    sw_siphash_init(&h, m->name_key);
    sw_siphash_add(&h, id, SW_TLS_SESSION_ID_BYTES);
    return sw_siphash_end(&h);
}

/* The name says who keeps the session, so that a worker that was asked passes the client on. */
static int make_name(SSL *ssl, unsigned char *id, unsigned *n)
{
    const struct sw_tls_past *p = past_of(ssl);
    if (!p || !p->memory || *n != SW_TLS_SESSION_ID_BYTES ||
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

/* What the client proved is judged with the rules of now; if it does not hold any more, the session
 * is gone and the handshake is a full one. */
static SSL_SESSION *find(SSL *ssl, const unsigned char *id, int n, int *copy)
{
    struct sw_tls_past *p = past_of(ssl);
    unsigned size;
    *copy = 1;
    if (!p || !p->memory || !p->params || n != SW_TLS_SESSION_ID_BYTES)
        return NULL;
    struct sw_key key = key_of_name(p->memory, id);
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

/* ---- server: tickets ---- */

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

/* RFC 5077 4, RFC 9325 3.4. Who showed a certificate gets no ticket, nor who lacks
 * extended_master_secret (RFC 7627 5.4). Each ticket of TLS 1.3 is followed by a new one: RFC 8446
 * C.4 */
static int ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                      EVP_MAC_CTX *mac, int enc)
{
    struct sw_tls_past *p = past_of(ssl);
    bool old = SSL_version(ssl) < TLS1_3_VERSION;
    if (!p || !p->memory)
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

/* Before a ticket, or the name of a session, is given out. */
static int ticket_made(SSL *ssl, void *unused)
{
    const struct sw_tls_past *p = past_of(ssl);
    SSL_SESSION *session = SSL_get_session(ssl);
    (void)unused;
    if (!p || !p->memory)
        return 1;
    if (SSL_version(ssl) >= TLS1_3_VERSION)
        set_kept(ssl, SSL_get0_peer_certificate(ssl));
    int64_t left = end_s(p->memory, session, true) - SSL_SESSION_get_time(session);
    SSL_SESSION_set_timeout(session, left > 1 ? (long)left : 1);
    return 1;
}

static SSL_TICKET_RETURN ticket_read(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                     size_t n, SSL_TICKET_STATUS status, void *unused)
{
    const struct sw_tls_past *p = past_of(ssl);
    (void)name;
    (void)n;
    (void)unused;
    if ((status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) || !p || !p->memory ||
        SSL_SESSION_get0_peer(session) || end_s(p->memory, session, true) <= now_s())
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/* ---- both ---- */

static struct sw_key slot_of(struct sw_key target, unsigned slot)
{
    return (struct sw_key){target.a, target.b ^ slot};
}

/* Up to TLS 1.2 the newest does for all connections. Later two are kept, and the one that ends
 * first makes room. */
static struct sw_key slot_for(const struct sw_tls_memory *m, struct sw_key target,
                              SSL_SESSION *session)
{
    int64_t least = INT64_MAX;
    unsigned best = 0;
    for (unsigned i = 0; i < PER_TARGET && is_1_3(session); i++) {
        const struct sw_tls_kept *x = sw_tls_kept_get(&m->kept, slot_of(target, i));
        int64_t until = x ? x->until_s : 0;
        if (until < least) {
            least = until;
            best = i;
        }
    }
    return slot_of(target, best);
}

static int made(SSL *ssl, SSL_SESSION *session)
{
    const struct sw_tls_past *p = past_of(ssl);
    bool server = SSL_is_server(ssl);
    unsigned n;
    if (!p || !p->memory)
        return 0;
    struct sw_tls_memory *m = p->memory;
    if (!server)
        return p->has_key && sw_tls_kept_put(&m->kept, slot_for(m, p->key, session), ssl, session,
                                             end_s(m, session, false));
    const unsigned char *id = SSL_SESSION_get_id(session, &n);
    if (!(SSL_get_options(ssl) & SSL_OP_NO_TICKET) || n != SW_TLS_SESSION_ID_BYTES || !p->params ||
        !p->params->scope || (!is_1_3(session) && !p->ems)) /* RFC 7627 5.4 */
        return 0;
    if (p->has_key && is_1_3(session)) /* what was resumed has done its work: RFC 8446 C.4 */
        sw_tls_kept_drop(&m->kept, sw_tls_kept_get(&m->kept, p->key));
    return sw_tls_kept_put(&m->kept, key_of_name(m, id), ssl, session, end_s(m, session, true));
}

void sw_tls_memory_attach(SSL_CTX *ctx, bool server)
{
    SSL_CTX_set_session_cache_mode(ctx, (server ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_CLIENT) |
                                            SSL_SESS_CACHE_NO_INTERNAL |
                                            SSL_SESS_CACHE_NO_AUTO_CLEAR);
    SSL_CTX_sess_set_new_cb(ctx, made);
    if (!server)
        return;
    SSL_CTX_sess_set_get_cb(ctx, find);
    SSL_CTX_set_generate_session_id(ctx, make_name);
    SSL_CTX_set_client_hello_cb(ctx, hello_seen, NULL);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, ticket_key);
    SSL_CTX_set_session_ticket_cb(ctx, ticket_made, ticket_read, NULL);
    SSL_CTX_set_num_tickets(ctx, 1);
}

static void derive(const struct sw_tls_resumption *r, const char *label,
                   uint8_t out[SW_SHA256_BYTES])
{
    struct sw_hmac_key key;
    const struct sw_slice text = sw_slice_str(label);
    sw_hmac_key_init(&key, r->secret, sizeof(r->secret));
    sw_hmac(&key, &text, 1, out);
    sw_wipe(&key, sizeof(key));
}

struct sw_tls_memory *sw_tls_memory_new(const struct sw_tls_resumption *r, OSSL_LIB_CTX *lib,
                                        sw_tls_holds_fn *holds)
{
    struct sw_tls_memory *m = aligned_alloc(_Alignof(struct sw_tls_memory), sizeof(*m));
    uint8_t secret[SW_SHA256_BYTES];
    if (!m)
        return NULL;
    memset(m, 0, sizeof(*m));
    m->lifetime_s = r->lifetime_s;
    m->worker = r->worker;
    m->begin_s = r->begin_s;
    m->lib = lib;
    m->holds = holds;
    derive(r, "context", secret);
    sw_hmac_key_init(&m->context_key, secret, sizeof(secret));
    derive(r, "name", secret);
    memcpy(&m->name_key, secret, sizeof(m->name_key));
    derive(r, "tickets", secret);
    sw_ticket_keys_init(&m->tickets, secret);
    sw_wipe(secret, sizeof(secret));
    m->cipher = EVP_CIPHER_fetch(lib, "AES-256-CBC", NULL);
    if (sw_tls_kept_init(&m->kept, r->sessions_max) != SW_OK || !m->cipher ||
        CRYPTO_THREAD_run_once(&g_once, once) != 1 || g_past < 0) {
        sw_tls_memory_free(m);
        return NULL;
    }
    return m;
}

void sw_tls_memory_free(struct sw_tls_memory *m)
{
    if (!m)
        return;
    sw_tls_kept_fini(&m->kept);
    EVP_CIPHER_free(m->cipher);
    sw_wipe(m, sizeof(*m));
    free(m);
}

/* ---- one session ---- */

bool sw_tls_past_init(struct sw_tls_past *p, struct sw_tls_memory *m, SSL *ssl,
                      const struct sw_tls_params *params, const struct sw_tls_policy *policy)
{
    *p = (struct sw_tls_past){.memory = m, .params = params, .policy = policy};
    if (!params->server)
        SSL_set_options(ssl, SSL_OP_NO_TICKET); /* until it has a target */
    return !m || SSL_set_ex_data(ssl, g_past, p) == 1;
}

void sw_tls_past_target(struct sw_tls_past *p, const struct sw_endpoint *remote)
{
    const char *name = p->params->server_name ? p->params->server_name : "";
    uint8_t made_in[SW_SHA256_BYTES];
    struct sw_siphash h;
    if (!p->memory || !p->params->scope)
        return;
    context(p, p->params->identity, sw_slice_str(name), made_in);
    sw_siphash_init(&h, p->memory->name_key);
    sw_siphash_add(&h, made_in, sizeof(made_in));
    sw_siphash_add(&h, &remote->family, sizeof(remote->family));
    sw_siphash_add(&h, remote->ip, sizeof(remote->ip));
    sw_siphash_add(&h, &remote->port, sizeof(remote->port));
    p->key = sw_siphash_end(&h);
    p->has_key = true;
}

/* What is offered under TLS 1.3 is not offered again: RFC 8446 C.4 */
void sw_tls_past_offer(struct sw_tls_past *p, SSL *ssl)
{
    if (!p->has_key || p->offered || SSL_is_server(ssl))
        return;
    p->offered = true;
    SSL_clear_options(ssl, SSL_OP_NO_TICKET);
    for (unsigned i = 0; i < PER_TARGET; i++) {
        struct sw_tls_kept *x = sw_tls_kept_get(&p->memory->kept, slot_of(p->key, i));
        X509 *leaf = x ? SSL_SESSION_get0_peer(x->session) : NULL;
        if (!x)
            continue;
        bool good = leaf && sw_tls_kept_is_good(x) && p->memory->holds(ssl, leaf, x->sent) &&
                    SSL_set_session(ssl, x->session) == 1;
        if (!good || is_1_3(x->session))
            sw_tls_kept_drop(&p->memory->kept, x);
        if (good)
            return;
    }
}

static void drop_target(struct sw_tls_past *p)
{
    for (unsigned i = 0; i < PER_TARGET; i++)
        sw_tls_kept_drop(&p->memory->kept, sw_tls_kept_get(&p->memory->kept, slot_of(p->key, i)));
}

void sw_tls_past_done(struct sw_tls_past *p, SSL *ssl)
{
    SSL_SESSION *session = SSL_get_session(ssl);
    p->params = NULL;
    p->policy = NULL;
    if (!p->has_key || !session || SSL_is_server(ssl))
        return;
    (void)proved_s(session);                                 /* tickets may come much later */
    if (!is_1_3(session) && SSL_get_extms_support(ssl) != 1) /* RFC 7627 5.3 */
        drop_target(p);
}

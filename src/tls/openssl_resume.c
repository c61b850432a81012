#include "tls/openssl_resume.h"

#include "crypto/openssl_types.h"
#include "crypto/siphash.h"
#include "tls/hello.h"
#include "tls/openssl_memory.h"
#include "tls/openssl_types.h"

#include <stdlib.h>

/* A server may offer several at once, for clients that open several connections: RFC 8446 C.4 */
enum { PER_TARGET = 2 };

struct sw_tls_past *sw_tls_past_of(const SSL *ssl)
{
    struct sw_tls *t = sw_tls_of(ssl);
    return t ? t->past : NULL;
}

/* ---- for how long ---- */

/* When the peer's key signed last, which tickets made from tickets do not change. RFC 8446 4.6.1 */
static int64_t proved_s(SSL_SESSION *session)
{
    void *p;
    size_t n = 0;
    int64_t s = sw_tls_now_s();
    if (SSL_SESSION_get0_ticket_appdata(session, &p, &n) == 1 && n == sizeof(s))
        memcpy(&s, p, sizeof(s));
    else if (SSL_SESSION_set1_ticket_appdata(session, &s, sizeof(s)) != 1)
        s = 0; /* then it is over */
    return s;
}

int64_t sw_tls_session_end_s(const struct sw_tls_memory *m, SSL_SESSION *session, bool server)
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

void sw_tls_past_context(const struct sw_tls_past *p, const struct sw_tls_identity *shown,
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
        if (!sw_x509_sha256(sw_x509(shown->chain.c[0]), leaf[i]))
            memcpy(leaf[i], &p, sizeof(p)); /* then it is no other's: nothing is resumed */
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
    const struct sw_tls_past *p = sw_tls_past_of(ssl);
    bool server = SSL_is_server(ssl);
    unsigned n;
    if (!p)
        return 0;
    struct sw_tls_memory *m = p->memory;
    if (!server)
        return p->has_key && sw_tls_kept_put(&m->kept, slot_for(m, p->key, session), ssl, session,
                                             sw_tls_session_end_s(m, session, false));
    const unsigned char *id = SSL_SESSION_get_id(session, &n);
    if (!(SSL_get_options(ssl) & SSL_OP_NO_TICKET) || n != SW_TLS_SESSION_ID_BYTES || !p->params ||
        !p->params->scope || (!is_1_3(session) && !p->ems)) /* RFC 7627 5.4 */
        return 0;
    if (p->has_key && is_1_3(session)) /* what was resumed has done its work: RFC 8446 C.4 */
        sw_tls_kept_drop(&m->kept, sw_tls_kept_get(&m->kept, p->key));
    return sw_tls_kept_put(&m->kept, sw_tls_memory_key(m, id), ssl, session,
                           sw_tls_session_end_s(m, session, true));
}

void sw_tls_memory_attach(SSL_CTX *ctx, bool server)
{
    SSL_CTX_set_session_cache_mode(ctx, (server ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_CLIENT) |
                                            SSL_SESS_CACHE_NO_INTERNAL |
                                            SSL_SESS_CACHE_NO_AUTO_CLEAR);
    SSL_CTX_sess_set_new_cb(ctx, made);
    if (!server)
        return;
    SSL_CTX_sess_set_get_cb(ctx, sw_tls_resume_find);
    SSL_CTX_set_generate_session_id(ctx, sw_tls_resume_name);
    SSL_CTX_set_client_hello_cb(ctx, sw_tls_resume_hello, NULL);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, sw_tls_ticket_key);
    SSL_CTX_set_session_ticket_cb(ctx, sw_tls_ticket_made, sw_tls_ticket_read, NULL);
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
    if (sw_tls_kept_init(&m->kept, r->sessions_max) != SW_OK || !m->cipher) {
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

struct sw_tls_past *sw_tls_past_new(struct sw_tls_memory *m, const struct sw_tls_params *params,
                                    const struct sw_tls_policy *policy)
{
    struct sw_tls_past *p = calloc(1, sizeof(*p));
    if (p)
        *p = (struct sw_tls_past){.memory = m, .params = params, .policy = policy};
    return p;
}

void sw_tls_past_target(struct sw_tls_past *p, const struct sw_endpoint *remote)
{
    const char *name = p->params->server_name ? p->params->server_name : "";
    uint8_t made_in[SW_SHA256_BYTES];
    struct sw_siphash h;
    if (!p->params->scope)
        return;
    sw_tls_past_context(p, p->params->identity, sw_slice_str(name), made_in);
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

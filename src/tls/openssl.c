/* OpenSSL behind tls/session.h. Each worker has a library context of its own, and in it one SSL_CTX
 * per role and policy: threads that share one wait for each other. Certificates, keys and stores
 * are shared. */
#include "crypto/openssl_types.h"
#include "tls/hello.h"
#include "tls/message.h"
#include "tls/openssl_evidence.h"
#include "tls/openssl_lib.h"
#include "tls/openssl_policy.h"
#include "tls/openssl_resume.h"
#include "tls/openssl_words.h"
#include "tls/session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

/* A chunk, its records' overhead, and a handshake flight with a long chain. */
enum { OUT_BYTES = 96 * 1024 };

struct sw_tls_worker {
    struct sw_tls_lib lib;
    const struct sw_tls_policy *policies;
    SSL_CTX **ctx; /* [policy * 2 + server] */
    unsigned policy_count;
    BIO_METHOD *bio;
    void (*seen)(void *user, const struct sw_tls_seen *m);
    struct sw_leafcache *leaves;
    struct sw_tls_memory *memory; /* of sessions; NULL: none is resumed */
    size_t out_n;
    char out[OUT_BYTES];
};

struct sw_tls {
    SSL *ssl;
    struct sw_tls_worker *w;
    const struct sw_trust *trust;
    const struct sw_tls_policy *policy;
    struct sw_tls_hellos *hellos; /* until data came: a refusal may come that late; NULL: none */
    struct sw_tls_refused refusal;
    const struct sw_tls_identity *shown;
    const struct sw_tls_names *names; /* NULL: the server name chooses nothing */
    void *user;
    struct sw_tls_past past;
    struct sw_slice in; /* not read yet by the library */
    char *kept;         /* where `in` is, if not with the caller */
    struct sw_trust_verdict verdict;
    enum sw_status failed;
    unsigned long library; /* the library's error of it */
    int16_t alert;
    bool alert_sent;
    bool verified; /* a chain was judged */
    bool name_unknown;
    uint8_t first_n; /* of what came first */
    char first[SW_WIRE_BYTES];
    unsigned renegotiations; /* that the peer asked for */
    uint32_t key_records;    /* that one key may protect, */
    uint32_t records;        /* and has, of those sent */
    bool names_only;         /* a server name that is in none of `names` is refused */
    char *why;               /* of the failure, SW_WHY_MAX; NULL: did not fail */
    char *refused;           /* subject of the certificate that was refused; NULL: none was */
};

/* ---- the library reads from the fed bytes and writes to the worker's output ---- */

static int bio_read(BIO *bio, char *p, int cap)
{
    struct sw_tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (t->in.n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t n = t->in.n < (size_t)cap ? t->in.n : (size_t)cap;
    memcpy(p, t->in.p, n);
    t->in = sw_slice_from(t->in, n);
    return (int)n;
}

static int bio_write(BIO *bio, const char *p, int n)
{
    struct sw_tls *t = BIO_get_data(bio);
    struct sw_tls_worker *w = t->w;
    BIO_clear_retry_flags(bio);
    if ((size_t)n > OUT_BYTES - w->out_n) {
        BIO_set_retry_write(bio);
        return -1;
    }
    memcpy(w->out + w->out_n, p, (size_t)n);
    w->out_n += (size_t)n;
    return n;
}

static long bio_ctrl(BIO *bio, int cmd, long larg, void *parg)
{
    (void)bio;
    (void)larg;
    (void)parg;
    return cmd == BIO_CTRL_FLUSH;
}

/* ---- callbacks ---- */

/* Remembers which certificate it was and why: the library forgets the chain of a failed handshake.
 */
static void keep_refused(struct sw_tls *t, X509_STORE_CTX *ctx)
{
    struct sw_cert_facts facts;
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
    X509 *x = sk_X509_value(chain, t->verdict.depth);
    if (!x) /* no chain was built */
        x = X509_STORE_CTX_get0_cert(ctx);
    sw_tls_refused_keep(&t->refusal, ctx, x);
    if (!x)
        return;
    sw_cert_facts((struct sw_cert *)x, &facts);
    free(t->refused);
    t->refused = strdup(facts.subject);
    if (!t->why)
        t->why = calloc(1, SW_WHY_MAX);
    if (t->why) {
        struct sw_buf b = sw_buf(t->why, SW_WHY_MAX - 1);
        sw_tls_refusal_why(&b, t->verdict.error, &facts, t->trust);
    }
}

static int verify(X509_STORE_CTX *ctx, void *unused)
{
    (void)unused;
    SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct sw_tls *t = SSL_get_app_data(ssl);
    t->verified = true;
    const bool server = SSL_is_server(ssl);
    const struct sw_trust_ask ask = {.of_client = server,
                                     .staple_follows =
                                         !server && t->trust && sw_trust_wants_ocsp(t->trust)};
    if (t->trust && sw_trust_verify(t->trust, ctx, &ask, t->w->leaves, &t->verdict))
        return 1;
    if (!t->trust) {
        t->verdict.error = X509_V_ERR_CERT_UNTRUSTED;
        X509_STORE_CTX_set_error(ctx, t->verdict.error);
    }
    keep_refused(t, ctx);
    return 0;
}

/* As the library asks `verify` in a handshake: RFC 5280 6.1 at the time of now. */
static bool chain_holds(struct sw_tls *t, X509 *leaf, STACK_OF(X509) * sent,
                        const struct sw_trust_ask *ask, bool keep)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new_ex(t->w->lib.ctx, NULL);
    bool good = ctx && X509_STORE_CTX_init(ctx, sw_trust_store(t->trust), leaf, sent) == 1 &&
                X509_STORE_CTX_set_default(ctx, ask->of_client ? "ssl_client" : "ssl_server") == 1;
    if (good) {
        X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
        X509_VERIFY_PARAM_set_auth_level(param, SSL_get_security_level(t->ssl));
        good = X509_VERIFY_PARAM_set1(param, SSL_get0_param(t->ssl)) == 1 &&
               sw_trust_verify(t->trust, ctx, ask, t->w->leaves, &t->verdict);
        if (!good && keep && t->verdict.error != X509_V_ERR_OUT_OF_MEM)
            keep_refused(t, ctx);
    }
    X509_STORE_CTX_free(ctx);
    return good;
}

/* What the server says of its own certificate; the library ends the handshake with
 * bad_certificate_status_response if it does not satisfy. RFC 6066 8 */
static int staple_seen(SSL *ssl, void *unused)
{
    struct sw_tls *t = SSL_get_app_data(ssl);
    X509 *leaf = SSL_get0_peer_certificate(ssl);
    const unsigned char *p = NULL;
    long n = SSL_get_tlsext_status_ocsp_resp(ssl, &p);
    (void)unused;
    const bool stapled = n > 0 && p;
    if (!t->trust || !leaf || (!stapled && !t->verdict.pending))
        return 1;
    const struct sw_trust_ask ask = {.staple = sw_slice((const char *)p, stapled ? (size_t)n : 0)};
    t->verdict = (struct sw_trust_verdict){.error = X509_V_ERR_CERT_UNTRUSTED};
    return chain_holds(t, leaf, SSL_get_peer_cert_chain(ssl), &ask, true);
}

/* The certificate that the library has chosen, and whoever stands next in its chain. */
static int staple_wanted(SSL *ssl, void *unused)
{
    struct sw_tls *t = SSL_get_app_data(ssl);
    const X509 *chosen = SSL_get_certificate(ssl);
    const struct sw_tls_identity *id = t->shown;
    (void)unused;
    while (id && sw_x509(id->chain.c[0]) != chosen)
        id = id->also;
    if (!id || !id->staples || id->chain.count < 2)
        return SSL_TLSEXT_ERR_NOACK;
    struct sw_slice staple = sw_revocations_staple(id->staples, id->chain.c[0], id->chain.c[1]);
    if (!staple.p)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, (unsigned char *)(uintptr_t)staple.p, (long)staple.n);
    return SSL_TLSEXT_ERR_OK;
}

/* Each certificate with a chain of its own: the library chooses by what the peer can verify.
 * RFC 8446 4.4.2.2, RFC 5246 7.4.2 */
static bool show_identity(SSL *ssl, const struct sw_tls_identity *id)
{
    for (; id; id = id->also) {
        if (SSL_use_certificate(ssl, sw_x509(id->chain.c[0])) != 1 ||
            SSL_use_PrivateKey(ssl, sw_pkey(id->key)) != 1)
            return false;
        for (size_t i = 1; i < id->chain.count; i++)
            if (SSL_add1_chain_cert(ssl, sw_x509(id->chain.c[i])) != 1)
                return false;
    }
    return true;
}

/* The server name of a ClientHello chooses what we show. A name that is not ours gets the default,
 * which RFC 6066 3 allows, and the client judges what it is shown; or it is refused, if the
 * listener says so: RFC 9325 3.7 */
static int name_seen(SSL *ssl, int *alert, void *unused)
{
    struct sw_tls *t = SSL_get_app_data(ssl);
    const struct sw_slice name = sw_slice_str(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    (void)unused;
    if (!t->names || !name.n)
        return SSL_TLSEXT_ERR_NOACK;
    const struct sw_tls_identity *id = sw_tls_names_find(t->names, name);
    t->name_unknown = !id;
    if (!id && t->names_only)
        *alert = SSL_AD_UNRECOGNIZED_NAME;
    if (!id)
        return t->names_only ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
    if (id != t->shown) {
        SSL_certs_clear(ssl);
        if (!show_identity(ssl, id)) {
            *alert = SSL_AD_INTERNAL_ERROR;
            return SSL_TLSEXT_ERR_ALERT_FATAL;
        }
        t->shown = id;
    }
    return SSL_TLSEXT_ERR_OK;
}

static void alert_seen(const SSL *ssl, int where, int value)
{
    if (!(where & SSL_CB_ALERT))
        return;
    struct sw_tls *t = SSL_get_app_data(ssl);
    if ((value & 255) == SSL_AD_NO_RENEGOTIATION && where & SSL_CB_WRITE)
        t->renegotiations++; /* a warning: the session goes on. RFC 5246 7.2.2 */
    else if ((value & 255) != SSL_AD_CLOSE_NOTIFY && t->alert < 0) {
        t->alert = (int16_t)(value & 255);
        t->alert_sent = where & SSL_CB_WRITE;
    }
}

static void drop_hellos(struct sw_tls *t)
{
    free(t->hellos);
    t->hellos = NULL;
}

static void message_seen(int sent, int version, int type, const void *p, size_t n, SSL *ssl,
                         void *unused)
{
    (void)unused;
    struct sw_tls *t = SSL_get_app_data(ssl);
    if (!t || (type != SW_TLS_HANDSHAKE && type != SW_TLS_ALERT && type != SW_TLS_CCS))
        return;
    const struct sw_tls_seen m = {
        .sent = sent,
        .content_type = (unsigned)type,
        .version = (unsigned)(SSL_version(ssl) ? SSL_version(ssl) : version),
        .bytes = sw_slice(p, n),
    };
    if (type == SW_TLS_HANDSHAKE && sent && n && *(const uint8_t *)p == SSL3_MT_KEY_UPDATE)
        t->records = 0;
    if (type == SW_TLS_HANDSHAKE)
        sw_tls_hellos_keep(&t->hellos, sent, m.bytes);
    if (t->w->seen)
        t->w->seen(t->user, &m);
}

/* ---- contexts ---- */

const char *sw_tls_library(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}

static SSL_CTX *make_ctx(struct sw_tls_worker *w, unsigned policy, bool server)
{
    SSL_CTX *ctx =
        SSL_CTX_new_ex(w->lib.ctx, NULL, server ? TLS_server_method() : TLS_client_method());
    if (!ctx)
        return NULL;
    if (!sw_tls_policy_apply(ctx, &w->policies[policy])) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_max_cert_list(ctx, SW_TLS_CHAIN_MAX);
    SSL_CTX_set_cert_verify_callback(ctx, verify, NULL);
    SSL_CTX_set_info_callback(ctx, alert_seen);
    SSL_CTX_set_msg_callback(ctx, message_seen);
    if (server)
        SSL_CTX_set_tlsext_servername_callback(ctx, name_seen);
    if (w->memory)
        sw_tls_memory_attach(ctx, server);
    SSL_CTX_set_tlsext_status_cb(ctx, (server ? staple_wanted : staple_seen));
    return ctx;
}

static SSL_CTX *get_ctx(struct sw_tls_worker *w, unsigned policy, bool server)
{
    if (policy >= w->policy_count)
        return NULL;
    SSL_CTX **slot = &w->ctx[policy * 2 + server];
    if (!*slot)
        *slot = make_ctx(w, policy, server);
    return *slot;
}

struct sw_tls_worker *sw_tls_worker_new(const struct sw_tls_policy *policies, unsigned count,
                                        void (*seen)(void *user, const struct sw_tls_seen *m))
{
    struct sw_tls_worker *w = calloc(1, sizeof(*w));
    if (!w)
        return NULL;
    w->seen = seen;
    w->policies = policies;
    w->policy_count = count;
    w->ctx = calloc(count * 2 + 1, sizeof(SSL_CTX *));
    w->bio = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sipward");
    w->leaves = sw_leafcache_new();
    if (!sw_tls_lib_open(&w->lib) || !w->ctx || !w->bio || !w->leaves) {
        sw_tls_worker_free(w);
        return NULL;
    }
    BIO_meth_set_read(w->bio, bio_read);
    BIO_meth_set_write(w->bio, bio_write);
    BIO_meth_set_ctrl(w->bio, bio_ctrl);
    for (unsigned i = 0; i < count * 2;
         i++)                     /* with memory: a context made without leaves out what */
        get_ctx(w, i / 2, i % 2); /* it found none for, and says nothing */
    return w;
}

static bool holds_now(SSL *ssl, X509 *leaf, STACK_OF(X509) * sent);

enum sw_status sw_tls_worker_remember(struct sw_tls_worker *w, const struct sw_tls_resumption *r)
{
    w->memory = sw_tls_memory_new(r, w->lib.ctx, holds_now);
    if (!w->memory)
        return SW_LIMIT_MEMORY;
    for (unsigned i = 0; i < w->policy_count * 2; i++)
        if (w->ctx[i])
            sw_tls_memory_attach(w->ctx[i], i % 2);
    return SW_OK;
}

bool sw_tls_session_owner(const struct sw_tls_worker *w, struct sw_slice first_bytes,
                          uint16_t *worker)
{
    struct sw_slice id;
    return w->memory && sw_tls_hello_session(first_bytes, &id) &&
           sw_tls_memory_owner(w->memory, id, worker);
}

static void drop_contexts(struct sw_tls_worker *w)
{
    for (unsigned i = 0; w->ctx && i < w->policy_count * 2; i++)
        SSL_CTX_free(w->ctx[i]);
    free(w->ctx);
}

enum sw_status sw_tls_worker_adopt(struct sw_tls_worker *w, const struct sw_tls_policy *policies,
                                   unsigned count)
{
    SSL_CTX **ctx = calloc(count * 2 + 1, sizeof(SSL_CTX *));
    if (!ctx)
        return SW_LIMIT_MEMORY;
    drop_contexts(w); /* sessions hold theirs */
    sw_leafcache_clear(w->leaves);
    w->ctx = ctx;
    w->policies = policies;
    w->policy_count = count;
    return SW_OK;
}

void sw_tls_worker_free(struct sw_tls_worker *w)
{
    if (!w)
        return;
    drop_contexts(w);
    BIO_meth_free(w->bio);
    sw_leafcache_free(w->leaves);
    sw_tls_memory_free(w->memory);
    sw_tls_lib_close(&w->lib);
    free(w);
}

/* ---- a session ---- */

static int verify_mode(const struct sw_tls_params *p)
{
    if (!p->server)
        return SSL_VERIFY_PEER;
    switch (p->client_cert) {
    case SW_CERT_REQUIRE:
        return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    case SW_CERT_REQUEST:
        return SSL_VERIFY_PEER;
    case SW_CERT_NONE:
        break;
    }
    return SSL_VERIFY_NONE;
}

static bool set_up(struct sw_tls *t, const struct sw_tls_params *p)
{
    BIO *bio = BIO_new(t->w->bio);
    if (!bio)
        return false;
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    if (SSL_set_app_data(t->ssl, t) != 1) /* the callbacks count on it */
        return false;
    if (!sw_tls_past_init(&t->past, t->w->memory, t->ssl, p, t->policy))
        return false;
    SSL_set_verify(t->ssl, verify_mode(p), NULL);
    SSL_set_verify_depth(t->ssl, 100); /* the entries' own depth decides */
    if (p->trust && SSL_set1_verify_cert_store(t->ssl, sw_trust_store(p->trust)) != 1)
        return false;
    if (p->identity && !show_identity(t->ssl, p->identity))
        return false;
    if (!p->server && p->trust && sw_trust_wants_ocsp(p->trust) &&
        SSL_set_tlsext_status_type(t->ssl, TLSEXT_STATUSTYPE_ocsp) != 1) /* RFC 6066 8 */
        return false;
    if (!p->server && p->server_name && SSL_set_tlsext_host_name(t->ssl, p->server_name) != 1)
        return false;
    if (p->server)
        SSL_set_accept_state(t->ssl);
    else
        SSL_set_connect_state(t->ssl);
    return true;
}

struct sw_tls *sw_tls_new(struct sw_tls_worker *w, const struct sw_tls_params *params, void *user)
{
    SSL_CTX *ctx = get_ctx(w, params->policy, params->server);
    struct sw_tls *t = ctx ? calloc(1, sizeof(*t)) : NULL;
    if (!t)
        return NULL;
    *t = (struct sw_tls){.w = w,
                         .trust = params->trust,
                         .policy = &w->policies[params->policy],
                         .user = user,
                         .alert = -1};
    t->shown = params->identity;
    t->names = params->server ? params->names : NULL;
    t->names_only = params->names_only;
    t->key_records = t->policy->key_records;
    t->ssl = SSL_new(ctx);
    if (!t->ssl || !set_up(t, params)) {
        ERR_clear_error();
        sw_tls_free(t);
        return NULL;
    }
    return t;
}

void sw_tls_free(struct sw_tls *t)
{
    if (!t)
        return;
    /* a connection that broke may be resumed, one that failed may not: RFC 8446 6.2 */
    if (t->ssl && !t->failed)
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(t->ssl);
    drop_hellos(t);
    sk_X509_pop_free(t->refusal.came, X509_free);
    free(t->kept);
    free(t->why);
    free(t->refused);
    free(t);
}

void sw_tls_target(struct sw_tls *t, const struct sw_endpoint *remote)
{
    sw_tls_past_target(&t->past, remote);
}

void sw_tls_feed(struct sw_tls *t, struct sw_slice bytes)
{
    for (size_t i = 0; t->first_n < SW_WIRE_BYTES && i < bytes.n; i++)
        t->first[t->first_n++] = bytes.p[i];
    t->in = bytes;
}

struct sw_slice sw_tls_output(struct sw_tls_worker *w)
{
    return sw_slice(w->out, w->out_n);
}

void sw_tls_output_taken(struct sw_tls_worker *w)
{
    w->out_n = 0;
}

/* ---- failure ---- */

static struct sw_tls_trouble trouble(const struct sw_tls *t)
{
    return (struct sw_tls_trouble){
        .library = t->failed ? t->library : ERR_peek_error(),
        .alert = t->alert,
        .alert_sent = t->alert_sent,
        .verify_error = t->verified ? t->verdict.error : X509_V_OK,
        .offer = sw_tls_hellos_theirs(t->hellos),
        .policy = t->policy,
        .wire = sw_tls_wire_of(sw_slice(t->first, t->first_n)),
    };
}

static enum sw_status fail(struct sw_tls *t)
{
    const struct sw_tls_trouble x = trouble(t);
    t->library = x.library;
    t->failed = sw_tls_trouble_status(&x);
    if (!t->why)
        t->why = calloc(1, SW_WHY_MAX);
    if (t->why && !t->why[0]) {
        struct sw_buf b = sw_buf(t->why, SW_WHY_MAX - 1);
        sw_tls_trouble_why(&b, &x);
    }
    ERR_clear_error();
    return t->failed;
}

static enum sw_status outcome(struct sw_tls *t, int r)
{
    switch (SSL_get_error(t->ssl, r)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return SW_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return SW_PEER_CLOSED;
    default:
        return fail(t);
    }
}

/* The library takes the memory that a message announces before the message has come. */
static bool hello_is_too_long(struct sw_tls *t)
{
    static const char alert[] = {SSL3_RT_ALERT,           3, 1, 0, 2, SSL3_AL_FATAL,
                                 SSL_AD_ILLEGAL_PARAMETER};
    if (!SSL_is_server(t->ssl) ||
        sw_tls_wire_hello_bytes(sw_slice(t->first, t->first_n)) <= SW_WIRE_HELLO_MAX)
        return false;
    memcpy(t->w->out, alert, sizeof(alert)); /* a handshake step begins with no output */
    t->w->out_n = sizeof(alert);
    t->alert = SSL_AD_ILLEGAL_PARAMETER;
    t->alert_sent = true;
    ERR_raise(ERR_LIB_SSL, SSL_R_EXCESSIVE_MESSAGE_SIZE);
    return true;
}

enum sw_status sw_tls_handshake(struct sw_tls *t)
{
    ERR_clear_error();
    if (hello_is_too_long(t))
        return fail(t);
    sw_tls_past_offer(&t->past, t->ssl);
    int r = SSL_do_handshake(t->ssl);
    if (r == 1)
        sw_tls_past_done(&t->past, t->ssl);
    return r == 1 ? SW_OK : outcome(t, r);
}

enum sw_status sw_tls_read(struct sw_tls *t, char *p, size_t cap, size_t *n)
{
    ERR_clear_error();
    int r = SSL_read_ex(t->ssl, p, cap, n);
    if (r == 1 && t->hellos)
        drop_hellos(t);
    return r == 1 ? SW_OK : outcome(t, r);
}

/* A key of TLS 1.3 is changed in good time, and the peer asked to change its own. One of TLS 1.2
 * stays: it would take a renegotiation. RFC 9325 4.4, RFC 8446 4.6.3 */
static void change_key(struct sw_tls *t, size_t bytes)
{
    t->records += (uint32_t)(bytes / SSL3_RT_MAX_PLAIN_LENGTH) + 1;
    if (t->records > t->key_records && SSL_version(t->ssl) == TLS1_3_VERSION)
        SSL_key_update(t->ssl, SSL_KEY_UPDATE_REQUESTED); /* goes out before the next record */
}

enum sw_status sw_tls_write(struct sw_tls *t, struct sw_slice bytes)
{
    size_t done;
    ERR_clear_error();
    if (bytes.n)
        change_key(t, bytes.n);
    while (bytes.n) {
        int r = SSL_write_ex(t->ssl, bytes.p, bytes.n, &done);
        if (r != 1)
            return outcome(t, r);
        bytes = sw_slice_from(bytes, done);
    }
    return SW_OK;
}

void sw_tls_close(struct sw_tls *t)
{
    ERR_clear_error();
    if (!SSL_in_init(t->ssl))
        SSL_shutdown(t->ssl);
    ERR_clear_error();
}

/* What would be resumed: if it does not hold, the handshake is a full one, which says why. */
static bool holds_now(SSL *ssl, X509 *leaf, STACK_OF(X509) * sent)
{
    struct sw_tls *t = SSL_get_app_data(ssl);
    const struct sw_trust_ask ask = {.of_client = SSL_is_server(ssl)};
    return t->trust && chain_holds(t, leaf, sent, &ask, false);
}

enum sw_status sw_tls_judge_again(struct sw_tls *t, const struct sw_trust *trust, bool last)
{
    X509 *leaf = SSL_get0_peer_certificate(t->ssl);
    const struct sw_trust_ask ask = {.of_client = SSL_is_server(t->ssl), .last = last};
    const struct sw_trust_verdict was = t->verdict;
    if (!leaf)
        return SW_OK;
    t->trust = trust;
    t->verdict = (struct sw_trust_verdict){.error = X509_V_ERR_OUT_OF_MEM};
    bool good = trust && chain_holds(t, leaf, SSL_get_peer_cert_chain(t->ssl), &ask, true);
    t->trust = NULL; /* it is used in no other way, and may be replaced */
    if (trust && t->verdict.error == X509_V_ERR_OUT_OF_MEM) {
        t->verdict = was;
        return SW_LIMIT_MEMORY;
    }
    if (!good)
        return fail(t);
    if (!t->verdict.pending)
        return SW_OK;
    t->verdict = was;
    return SW_AGAIN;
}

bool sw_tls_waits(const struct sw_tls *t)
{
    return t->verdict.pending;
}

enum sw_status sw_tls_keep_fed(struct sw_tls *t)
{
    char *copy = t->in.n ? malloc(t->in.n) : NULL;
    if (t->in.n && !copy)
        return SW_LIMIT_MEMORY;
    if (copy)
        memcpy(copy, t->in.p, t->in.n);
    free(t->kept);
    t->kept = copy;
    t->in.p = copy ? copy : t->in.p;
    return SW_OK;
}

/* ---- what came of it ---- */

void sw_tls_info(const struct sw_tls *t, struct sw_tls_info *out)
{
    /* before the first hello there is no session, and the library would look into it */
    int nid = SSL_get0_session(t->ssl) ? (int)SSL_get_negotiated_group(t->ssl) : 0;
    const char *group = nid ? SSL_group_to_name(t->ssl, nid) : NULL;
    *out = (struct sw_tls_info){
        .version = SSL_get_version(t->ssl),
        .suite = SSL_CIPHER_standard_name(SSL_get_current_cipher(t->ssl)),
        .group = group ? group : "-",
        .server_name = sw_slice_str(SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name)),
        .shown = t->shown,
        .resumed = SSL_session_reused(t->ssl),
    };
    if (!out->suite)
        out->suite = "-";
}

bool sw_tls_has_certificate(const struct sw_tls *t)
{
    return SSL_get0_peer_certificate(t->ssl) != NULL;
}

unsigned sw_tls_renegotiations(const struct sw_tls *t)
{
    return t->renegotiations;
}

bool sw_tls_heard(const struct sw_tls *t, enum sw_tls_wire wire)
{
    return t->failed == SW_PEER_PROTOCOL && trouble(t).wire == wire;
}

bool sw_tls_name_unknown(const struct sw_tls *t)
{
    return t->name_unknown && !t->names_only;
}

void sw_tls_failure(const struct sw_tls *t, struct sw_tls_failure *out)
{
    const struct sw_tls_trouble x = trouble(t);
    *out = (struct sw_tls_failure){.status = t->failed,
                                   .alert = t->alert,
                                   .alert_sent = t->alert_sent,
                                   .help = sw_tls_trouble_help(t->failed, &x)};
    if (t->failed)
        out->code = sw_tls_trouble_code(t->failed, &x);
    if (t->why)
        memcpy(out->why, t->why, SW_WHY_MAX);
    if (t->refused)
        memcpy(out->subject, t->refused, strnlen(t->refused, sizeof(out->subject) - 1));
}

/* What a server name chose among several identities. */
static const char *name_outcome(const struct sw_tls *t, bool asked)
{
    if (!t->names)
        return NULL;
    if (!asked)
        return "no server name was asked for: the default identity";
    if (!SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name))
        return "it failed before the server name was looked at: the default identity";
    return !t->name_unknown ? "the server name chose the identity"
           : t->names_only  ? "no identity has the server name: it is refused"
                            : "no identity has the server name: the default identity";
}

void sw_tls_evidence(const struct sw_tls *t, struct sw_tls_evidence *out)
{
    out->policy = t->policy->name;
    sw_tls_evidence_put(t->ssl, t->hellos, &t->refusal, out);
    out->name_outcome = name_outcome(t, out->server_name[0]);
}

/* A server's key signs, but with static RSA it decrypts: then that is what its keyUsage must allow.
 * RFC 5246 7.4.2 */
static uint8_t use_of_key(const SSL *ssl, uint8_t uses)
{
    const SSL_CIPHER *c = SSL_get_current_cipher(ssl);
    if (SSL_is_server(ssl) || !c || SSL_CIPHER_get_kx_nid(c) != NID_kx_rsa)
        return uses;
    uses &= (uint8_t)~SW_USE_SIGN;
    return uses & SW_USE_ENCIPHER ? uses | SW_USE_SIGN : uses;
}

struct sw_ident *sw_tls_ident(const struct sw_tls *t)
{
    X509 *leaf = SSL_get0_peer_certificate(t->ssl);
    const struct sw_vouched *v = &t->verdict.vouched;
    struct sw_ident *id = leaf ? sw_ident_new((struct sw_cert *)leaf, v->id, v->count) : NULL;
    for (uint32_t i = 0; id && i < v->count; i++)
        ((uint8_t *)(uintptr_t)id->uses)[i] = use_of_key(t->ssl, v->uses[i]);
    return id;
}

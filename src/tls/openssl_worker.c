/* A worker's part of TLS. Each worker has a library context of its own, and in it one SSL_CTX per
 * role and policy: threads that share one wait for each other. Certificates, keys and stores are
 * shared. */
#include "tls/hello.h"
#include "tls/openssl_policy.h"
#include "tls/openssl_types.h"

#include <openssl/ssl.h>
#include <stdlib.h>

/* ---- the library reads from the fed bytes and writes to the worker's output ---- */

static int bio_read(BIO *bio, char *p, int cap)
{
    struct sw_tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (t->key_flood) /* the library would go on with what has come */
        return -1;
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
    if ((size_t)n > SW_TLS_OUT_BYTES - w->out_n) {
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
    SSL_CTX_set_cert_verify_callback(ctx, sw_tls_verify, NULL);
    SSL_CTX_set_info_callback(ctx, sw_tls_alert_seen);
    SSL_CTX_set_msg_callback(ctx, sw_tls_message_seen);
    if (server)
        SSL_CTX_set_tlsext_servername_callback(ctx, sw_tls_name_seen);
    if (w->memory)
        sw_tls_memory_attach(ctx, server);
    if (!server && SSL_CTX_dane_enable(ctx) != 1) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_tlsext_status_cb(ctx, (server ? sw_tls_staple_wanted : sw_tls_staple_seen));
    return ctx;
}

SSL_CTX *sw_tls_worker_ctx(struct sw_tls_worker *w, unsigned policy, bool server)
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
    /* with memory: a context made without leaves out what it found none for, and says nothing */
    for (unsigned i = 0; i < count * 2; i++)
        sw_tls_worker_ctx(w, i / 2, i % 2);
    return w;
}

enum sw_status sw_tls_worker_remember(struct sw_tls_worker *w, const struct sw_tls_resumption *r)
{
    w->memory = sw_tls_memory_new(r, w->lib.ctx, sw_tls_holds_now);
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

struct sw_slice sw_tls_output(struct sw_tls_worker *w)
{
    return sw_slice(w->out, w->out_n);
}

void sw_tls_output_taken(struct sw_tls_worker *w)
{
    w->out_n = 0;
}

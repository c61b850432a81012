/* OpenSSL behind tls/session.h: a session from its first byte to its end. */
#include "tls/openssl_types.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

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
    if (!p->server)
        SSL_set_options(t->ssl, SSL_OP_NO_TICKET); /* until it has a target */
    if (t->w->memory && !(t->past = sw_tls_past_new(t->w->memory, p, t->policy)))
        return false;
    SSL_set_verify(t->ssl, verify_mode(p), NULL);
    SSL_set_verify_depth(t->ssl, 100); /* the entries' own depth decides */
    if (p->trust && SSL_set1_verify_cert_store(t->ssl, sw_trust_store(p->trust)) != 1)
        return false;
    if (p->identity && !sw_tls_identity_show(t->ssl, p->identity))
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
    SSL_CTX *ctx = sw_tls_worker_ctx(w, params->policy, params->server);
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

void sw_tls_forget_hellos(struct sw_tls *t)
{
    free(t->hellos);
    t->hellos = NULL;
    t->settled = true;
}

void sw_tls_free(struct sw_tls *t)
{
    if (!t)
        return;
    /* a connection that broke may be resumed, one that failed may not: RFC 8446 6.2 */
    if (t->ssl && !t->failed)
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(t->ssl);
    sw_tls_forget_hellos(t);
    sk_X509_pop_free(t->refusal.came, X509_free);
    free(t->kept);
    free(t->vouched);
    free(t->why);
    free(t->refused);
    free(t->past);
    sw_tls_had_drop(&t->w->had, t->had);
    free(t->shown_name);
    free(t);
}

void sw_tls_target(struct sw_tls *t, const struct sw_endpoint *remote)
{
    if (t->past)
        sw_tls_past_target(t->past, remote);
}

void sw_tls_feed(struct sw_tls *t, struct sw_slice bytes)
{
    for (size_t i = 0; t->first_n < SW_WIRE_BYTES && i < bytes.n; i++)
        t->first[t->first_n++] = bytes.p[i];
    t->in = bytes;
}

/* ---- its steps ---- */

static enum sw_status outcome(struct sw_tls *t, int r)
{
    switch (SSL_get_error(t->ssl, r)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return SW_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return SW_PEER_CLOSED;
    default:
        return sw_tls_fail(t);
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

/* The connection may outlive the configuration that it was made with: what is told of it later is
 * copied. */
static void leave_configuration(struct sw_tls *t)
{
    static const struct sw_tls_policy unknown = {
        .name = "-", .min_version = SW_TLS_1_2, .max_version = SW_TLS_1_3};
    t->had = sw_tls_had_take(&t->w->had, t->policy);
    t->shown_name = t->shown && t->shown->name ? strdup(t->shown->name) : NULL;
    t->policy = t->had ? &t->had->policy : &unknown;
    t->local_id = t->shown ? t->shown->local_id : 0;
    t->local_domain = t->shown ? t->shown->local_domain : 0;
    t->shown = NULL;
}

/* A client of TLS 1.3 is given tickets later; a server has given its own. RFC 8446 4.6.1 */
static void past_done(struct sw_tls *t)
{
    if (!t->past)
        return;
    sw_tls_past_done(t->past, t->ssl);
    if (t->past->has_key && !SSL_is_server(t->ssl))
        return;
    free(t->past);
    t->past = NULL;
}

enum sw_status sw_tls_handshake(struct sw_tls *t)
{
    ERR_clear_error();
    if (hello_is_too_long(t))
        return sw_tls_fail(t);
    if (t->past)
        sw_tls_past_offer(t->past, t->ssl);
    int r = SSL_do_handshake(t->ssl);
    if (r != 1)
        return outcome(t, r);
    past_done(t);
    sw_tls_shown_keep(t);
    leave_configuration(t);
    return SW_OK;
}

enum sw_status sw_tls_read(struct sw_tls *t, char *p, size_t cap, size_t *n)
{
    ERR_clear_error();
    int r = SSL_read_ex(t->ssl, p, cap, n);
    if (r == 1 && !t->settled)
        sw_tls_forget_hellos(t);
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

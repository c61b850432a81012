/* What came of a session: what was seen of it, why it failed, and whom it proved. */
#include "tls/message.h"
#include "tls/openssl_types.h"
#include "tls/openssl_words.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <time.h>

/* ---- callbacks ---- */

void sw_tls_alert_seen(const SSL *ssl, int where, int value)
{
    if (!(where & SSL_CB_ALERT))
        return;
    struct sw_tls *t = sw_tls_of(ssl);
    if ((value & 255) == SSL_AD_NO_RENEGOTIATION && where & SSL_CB_WRITE)
        t->renegotiations++; /* a warning: the session goes on. RFC 5246 7.2.2 */
    else if ((value & 255) != SSL_AD_CLOSE_NOTIFY && t->alert < 0) {
        t->alert = (int16_t)(value & 255);
        t->alert_sent = where & SSL_CB_WRITE;
    }
}

/* The peer's keys change: each costs a derivation, and an answer if it asks for one. RFC 8446 4.6.3
 */
static void key_update_came(struct sw_tls *t)
{
    int64_t now_s = (int64_t)time(NULL);
    if (now_s - t->key_updates_s >= 60 || now_s < t->key_updates_s) {
        t->key_updates_s = now_s;
        t->key_updates = 0;
    }
    t->key_flood = ++t->key_updates > SW_TLS_KEY_UPDATES_PER_MINUTE;
}

void sw_tls_message_seen(int sent, int version, int type, const void *p, size_t n, SSL *ssl,
                         void *unused)
{
    (void)unused;
    struct sw_tls *t = sw_tls_of(ssl);
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
    if (type == SW_TLS_HANDSHAKE && !sent && n && *(const uint8_t *)p == SSL3_MT_KEY_UPDATE)
        key_update_came(t);
    if (type == SW_TLS_HANDSHAKE && sent)
        sw_tls_shown_note(t, m.bytes);
    if (type == SW_TLS_HANDSHAKE)
        sw_tls_hellos_keep(&t->hellos, sent, m.bytes);
    if (t->w->seen)
        t->w->seen(t->user, &m);
}

/* ---- failure ---- */

/* The library reads an SSL 2.0 hello if it offers TLS: what fails once it was answered is TLS. */
static enum sw_tls_wire wire_of(const struct sw_tls *t)
{
    enum sw_tls_wire wire = sw_tls_wire_of(sw_slice(t->first, t->first_n));
    return wire == SW_WIRE_SSL2 && SSL_get_pending_cipher(t->ssl) ? SW_WIRE_TLS : wire;
}

static struct sw_tls_trouble trouble(const struct sw_tls *t)
{
    return (struct sw_tls_trouble){
        .library = t->failed ? t->library : ERR_peek_error(),
        .alert = t->alert,
        .alert_sent = t->alert_sent,
        .verify_error = t->verified ? t->verify_error : X509_V_OK,
        .offer = sw_tls_hellos_theirs(t->hellos),
        .policy = t->policy,
        .names_no_source = t->names_no_source,
        .server = SSL_is_server(t->ssl),
        .settled = t->settled,
        .refused_renegotiations = t->renegotiations,
        .key_flood = t->key_flood,
        .wire = wire_of(t),
    };
}

enum sw_status sw_tls_fail(struct sw_tls *t)
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

/* ---- what came of it ---- */

void sw_tls_info(const struct sw_tls *t, struct sw_tls_info *out)
{
    /* before the first hello there is no session, and the library would look into it */
    int nid = SSL_get0_session(t->ssl) ? (int)SSL_get_negotiated_group(t->ssl) : 0;
    const char *group = nid ? SSL_group_to_name(t->ssl, nid) : NULL;
    const SSL_CIPHER *cipher = SSL_get_current_cipher(t->ssl);
    *out = (struct sw_tls_info){
        .version = SSL_get_version(t->ssl),
        .suite = SSL_CIPHER_standard_name(cipher),
        .suite_number = cipher ? SSL_CIPHER_get_protocol_id(cipher) : 0,
        .minor = (uint8_t)(SSL_version(t->ssl) & 0xff),
        .group = group ? group : "-",
        .server_name = sw_slice_str(SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name)),
        .shown = t->shown ? t->shown->name : t->shown_name,
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
                                   .settled = t->settled,
                                   .help = sw_tls_trouble_help(t->failed, &x)};
    if (t->failed)
        out->code = sw_tls_trouble_code(t->failed, &x);
    if (t->why)
        memcpy(out->why, t->why, SW_WHY_MAX);
    if (t->refused)
        memcpy(out->subject, t->refused, strnlen(t->refused, sizeof(out->subject) - 1));
}

/* What a server name chose among several identities; NULL: no hello came that may ask for one. */
static const char *name_outcome(const struct sw_tls *t, bool asked)
{
    if (!t->names || (!sw_tls_hellos_theirs(t->hellos) && !t->settled))
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

struct sw_ident *sw_tls_take_ident(struct sw_tls *t)
{
    X509 *leaf = SSL_get0_peer_certificate(t->ssl);
    static const struct sw_vouched nobody;
    const struct sw_vouched *v = t->vouched ? t->vouched : &nobody;
    struct sw_ident *id = leaf ? sw_ident_new((struct sw_cert *)leaf, v->id, v->count) : NULL;
    for (uint32_t i = 0; id && i < v->count; i++)
        ((uint8_t *)(uintptr_t)id->uses)[i] = use_of_key(t->ssl, v->uses[i]);
    free(t->vouched);
    t->vouched = NULL;
    return id;
}

#include "tls/openssl_evidence.h"

#include "crypto/openssl_types.h"
#include <stdlib.h>

void sw_tls_hellos_keep(struct sw_tls_hellos **h, bool sent, struct sw_slice message)
{
    struct sw_tls_offer offer;
    if (!sw_tls_offer_read(message, &offer))
        return;
    if (!*h)
        *h = calloc(1, sizeof(**h));
    if (!*h)
        return;
    if (sent) {
        (*h)->ours = offer;
        (*h)->has_ours = true;
    } else {
        (*h)->theirs = offer;
        (*h)->has_theirs = true;
    }
}

/* A server's library keeps the leaf apart once the handshake is over. */
static STACK_OF(X509) * chain_of(X509_STORE_CTX *ctx)
{
    X509 *leaf = X509_STORE_CTX_get0_cert(ctx);
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(ctx);
    STACK_OF(X509) *all = sent ? X509_chain_up_ref(sent) : sk_X509_new_null();
    bool has = sk_X509_num(all) > 0 && X509_cmp(sk_X509_value(all, 0), leaf) == 0;
    if (all && !has && X509_up_ref(leaf) == 1 && sk_X509_insert(all, leaf, 0) <= 0)
        X509_free(leaf);
    return all;
}

void sw_tls_refused_keep(struct sw_tls_refused *r, X509_STORE_CTX *ctx, const X509 *which)
{
    sk_X509_pop_free(r->came, X509_free);
    r->came = chain_of(ctx);
    r->at = -1;
    for (int i = 0; i < sk_X509_num(r->came); i++)
        if (which && X509_cmp(sk_X509_value(r->came, i), which) == 0) {
            r->at = i;
            return;
        }
}

/* Leaves room for the NUL at the end. */
static struct sw_buf text(char *p, size_t cap)
{
    memset(p, 0, cap);
    return sw_buf(p, cap - 1);
}

static void put_offer(struct sw_buf *b, struct sw_tls_suites *all, const struct sw_tls_offer *o)
{
    all->count = o->suite_count < SW_TLS_OFFER_SUITES ? o->suite_count : SW_TLS_OFFER_SUITES;
    memcpy(all->number, o->suites, all->count * sizeof(o->suites[0]));
    sw_tls_offer_put(b, o);
}

/* As a server we offer nothing, we choose: what our policy has is what we would have taken. */
static void put_policy(const SSL *ssl, struct sw_buf *b, struct sw_tls_suites *all)
{
    struct sw_tls_offer o = {.listed = true};
    const STACK_OF(SSL_CIPHER) *suites = SSL_get_ciphers(ssl);
    int low = (int)SSL_get_min_proto_version((SSL *)(uintptr_t)ssl);
    int high = (int)SSL_get_max_proto_version((SSL *)(uintptr_t)ssl);
    for (int v = low; v >= TLS1_VERSION && v <= high; v++)
        o.versions |= (uint8_t)(1u << (v & 7));
    for (int i = 0; i < sk_SSL_CIPHER_num(suites); i++) {
        uint16_t id = SSL_CIPHER_get_protocol_id(sk_SSL_CIPHER_value(suites, i));
        bool of_1_3 = id >> 8 == 0x13;
        if (of_1_3 ? high < TLS1_3_VERSION : low >= TLS1_3_VERSION)
            continue;
        if (o.suite_count < SW_TLS_OFFER_SUITES)
            o.suites[o.suite_count] = id;
        o.suite_count++;
    }
    put_offer(b, all, &o);
}

/* Of a session whose hellos are gone the library still knows what came of them. */
static void put_agreed(const SSL *ssl, struct sw_buf *name, struct sw_buf *chosen)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
    const struct sw_tls_offer agreed = {
        .answer = true,
        .versions = (uint8_t)(1u << (SSL_version(ssl) & 7)),
        .suite_count = 1,
        .suites = {cipher ? SSL_CIPHER_get_protocol_id(cipher) : 0},
    };
    const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (!SSL_is_init_finished(ssl) || !cipher)
        return;
    if (asked)
        sw_buf_put(name, asked, strnlen(asked, name->cap));
    sw_tls_offer_put(chosen, &agreed);
}

static void put_hellos(const SSL *ssl, const struct sw_tls_hellos *h, struct sw_tls_evidence *out)
{
    struct sw_buf ours = text(out->ours, sizeof(out->ours));
    struct sw_buf theirs = text(out->theirs, sizeof(out->theirs));
    struct sw_buf chosen = text(out->chosen, sizeof(out->chosen));
    struct sw_buf name = text(out->server_name, sizeof(out->server_name));
    bool server = SSL_is_server(ssl);
    const struct sw_tls_offer *client = server ? &h->theirs : &h->ours;
    const struct sw_tls_offer *answer = server ? &h->ours : &h->theirs;
    if (server ? h->has_theirs : h->has_ours)
        sw_buf_put(&name, client->name, client->name_n);
    if (server ? h->has_ours : h->has_theirs)
        sw_tls_offer_put(&chosen, answer);
    if (!h->has_ours && !h->has_theirs)
        put_agreed(ssl, &name, &chosen);
    if (server)
        put_policy(ssl, &ours, &out->our_suites);
    else if (h->has_ours)
        put_offer(&ours, &out->our_suites, &h->ours);
    if (h->has_theirs)
        put_offer(&theirs, &out->their_suites, &h->theirs);
}

static void put_came(X509 *x, struct sw_tls_came *out)
{
    struct sw_cert_facts f;
    sw_cert_facts((struct sw_cert *)x, &f);
    *out = (struct sw_tls_came){.not_before_s = f.not_before_s, .not_after_s = f.not_after_s};
    memcpy(out->subject, f.subject, strnlen(f.subject, sizeof(out->subject) - 1));
    memcpy(out->issuer, f.issuer, strnlen(f.issuer, sizeof(out->issuer) - 1));
    memcpy(out->sha256, f.sha256, sizeof(f.sha256));
}

static void put_names(X509 *leaf, struct sw_tls_evidence *out)
{
    struct sw_ident *ident = sw_ident_new((struct sw_cert *)leaf, NULL, 0);
    struct sw_buf b = text(out->names, sizeof(out->names));
    if (ident)
        sw_ident_put_names(ident, &b);
    sw_ident_free(ident);
}

static void add_came(struct sw_tls_evidence *out, X509 *x)
{
    if (!out->told)
        put_names(x, out);
    if (out->told < SW_TLS_CAME_MAX)
        put_came(x, &out->came[out->told++]);
    out->came_count++;
}

/* A server's library keeps the client's leaf apart from the rest of the chain. */
static void put_chain(const SSL *ssl, const struct sw_tls_refused *r, struct sw_tls_evidence *out)
{
    const STACK_OF(X509) *came = r->came ? r->came : SSL_get_peer_cert_chain(ssl);
    X509 *leaf = r->came || !SSL_is_server(ssl) ? NULL : SSL_get0_peer_certificate(ssl);
    out->refused = r->came && r->at < SW_TLS_CAME_MAX ? r->at : -1;
    if (leaf)
        add_came(out, leaf);
    for (int i = 0; i < sk_X509_num(came); i++)
        add_came(out, sk_X509_value(came, i));
}

void sw_tls_evidence_put(const SSL *ssl, const struct sw_tls_hellos *h,
                         const struct sw_tls_refused *r, struct sw_tls_evidence *out)
{
    static const struct sw_tls_hellos none;
    out->came_count = out->told = 0;
    out->names[0] = 0;
    out->our_suites.count = out->their_suites.count = 0;
    put_hellos(ssl, h ? h : &none, out);
    put_chain(ssl, r, out);
}

/* OpenSSL's side of policies: a context made from one, and what is wrong or weak in one. */
#include "tls/openssl_policy.h"

#include "tls/session.h"

#include <openssl/err.h>

/* Security level 2 of the library, which always holds: 112 bits, no SHA-1, and so for the chains
 * that are shown to us (RFC 9325 4.5). */
enum { LEVEL = 2, LEAST_BITS = 112 };

/* MD5 with SHA-1, and SHA-1 alone, as the library counts them: TLS 1.0 and 1.1 sign with nothing
 * else. RFC 4346 4.7, RFC 8422 5.4 */
enum { OLD_SIGNATURE_BITS = 63 };

/* The library's level 2, but for what TLS 1.0 and 1.1 cannot do without, and for the strength of
 * the certificates that we show: a peer that old may believe nothing else. */
static int old_versions(const SSL *ssl, const SSL_CTX *ctx, int op, int bits, int nid, void *other,
                        void *unused)
{
    (void)ssl;
    (void)ctx;
    (void)unused;
    switch (op) {
    case SSL_SECOP_SIGALG_SUPPORTED:
    case SSL_SECOP_SIGALG_SHARED:
    case SSL_SECOP_SIGALG_CHECK:
    case SSL_SECOP_SIGALG_MASK:
        return bits >= OLD_SIGNATURE_BITS;
    case SSL_SECOP_EE_KEY:
    case SSL_SECOP_CA_KEY:
    case SSL_SECOP_CA_MD:
        return 1;
    case SSL_SECOP_VERSION:
        return nid > SSL3_VERSION;
    case SSL_SECOP_COMPRESSION:
        return 0;
    case SSL_SECOP_TICKET: /* an option of each session decides */
        return 1;
    case SSL_SECOP_CIPHER_SUPPORTED:
    case SSL_SECOP_CIPHER_SHARED:
    case SSL_SECOP_CIPHER_CHECK:
        return bits >= LEAST_BITS && SSL_CIPHER_get_auth_nid(other) != NID_auth_null;
    default:
        return bits >= LEAST_BITS;
    }
}

/* Of what a client offers. "sip/2" is SIP's name at IANA, "sip" that of its older draft, which some
 * still say. Without one of them it is told no_application_protocol, so that what it means for
 * another protocol is never taken for SIP. One that offers nothing goes on. RFC 7301 3.2 */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                           const unsigned char *offered, unsigned offered_n, void *unused)
{
    static const unsigned char ours[] = "\5sip/2\3sip";
    unsigned char *chosen;
    (void)ssl;
    (void)unused;
    if (SSL_select_next_proto(&chosen, out_n, ours, sizeof(ours) - 1, offered, offered_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool set_lists(SSL_CTX *ctx, const struct sw_tls_policy *p)
{
    return SSL_CTX_set_cipher_list(ctx, p->ciphers) == 1 &&
           SSL_CTX_set_ciphersuites(ctx, p->ciphersuites) == 1 &&
           SSL_CTX_set1_groups_list(ctx, p->groups) == 1 &&
           SSL_CTX_set1_sigalgs_list(ctx, p->signature_algorithms) == 1 &&
           SSL_CTX_set1_client_sigalgs_list(ctx, p->signature_algorithms) == 1;
}

bool sw_tls_policy_apply(SSL_CTX *ctx, const struct sw_tls_policy *p)
{
    SSL_CTX_clear_options(ctx, SSL_CTX_get_options(ctx)); /* openssl.cnf may have set any */
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
    SSL_CTX_set_max_early_data(ctx, 0);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    SSL_CTX_set_dh_auto(ctx, 1); /* DHE of an own policy: 2048 bits and more, by the level */
    if (p->min_version < SW_TLS_1_2)
        SSL_CTX_set_security_callback(ctx, old_versions);
    bool ok = SSL_CTX_set_min_proto_version(ctx, p->min_version) == 1 &&
              SSL_CTX_set_max_proto_version(ctx, p->max_version) == 1 && set_lists(ctx, p);
    SSL_CTX_set_security_level(ctx, LEVEL); /* whatever @SECLEVEL said */
    return ok;
}

/* ---- what is wrong ---- */

static bool knows(SSL_CTX *ctx, enum sw_tls_list kind, const char *element)
{
    switch (kind) {
    case SW_TLS_CIPHERS: /* what only takes away or orders selects nothing by itself */
        return strchr("!-+@", element[0]) || SSL_CTX_set_cipher_list(ctx, element) == 1;
    case SW_TLS_SUITES:
        return SSL_CTX_set_ciphersuites(ctx, element) == 1;
    case SW_TLS_GROUPS:
        return SSL_CTX_set1_groups_list(ctx, element) == 1;
    case SW_TLS_SIGNATURES:
        return SSL_CTX_set1_sigalgs_list(ctx, element) == 1;
    case SW_TLS_LISTS:
        break;
    }
    return false;
}

static void put_element(struct sw_buf *b, struct sw_slice element, enum sw_tls_list kind)
{
    sw_buf_slice(b, element);
    sw_buf_lit(b, " in ");
    sw_buf_str(b, sw_tls_list_name(kind));
    sw_buf_lit(b, ": ");
}

/* Each element by itself: the library passes over names that it does not know if it knows one. */
static bool elements_are_good(SSL_CTX *ctx, const struct sw_tls_policy *p, enum sw_tls_list kind,
                              struct sw_buf *why)
{
    char name[80];
    struct sw_slice list = sw_slice_str(sw_tls_list_of(p, kind)), element;
    while (sw_tls_list_next(&list, &element)) {
        const char *never = sw_tls_list_never(kind, element);
        struct sw_buf b = sw_buf(name, sizeof(name) - 1);
        sw_buf_slice(&b, element);
        name[b.n] = 0;
        if (!never && !b.full && knows(ctx, kind, name))
            continue;
        put_element(why, sw_slice(element.p, element.n < sizeof(name) ? element.n : sizeof(name)),
                    kind);
        if (never) {
            sw_buf_str(why, never);
            sw_buf_lit(why, ": it is never used (leave it out)");
        } else {
            sw_buf_lit(why, "the TLS library does not know it (a name that openssl knows)");
        }
        return false;
    }
    return true;
}

/* A suite that protects nothing or proves nobody, whatever a policy says; NULL: there is none.
 * Words such as ALL bring them in. RFC 9325 4.1 */
static const SSL_CIPHER *useless_suite(SSL_CTX *ctx)
{
    STACK_OF(SSL_CIPHER) *list = SSL_CTX_get_ciphers(ctx);
    for (int i = 0; i < sk_SSL_CIPHER_num(list); i++) {
        const SSL_CIPHER *c = sk_SSL_CIPHER_value(list, i);
        if (SSL_CIPHER_get_bits(c, NULL) < LEAST_BITS ||
            SSL_CIPHER_get_auth_nid(c) == NID_auth_null || SSL_CIPHER_get_cipher_nid(c) == NID_rc4)
            return c;
    }
    return NULL;
}

/* ---- what is weak ---- */

/* RFC 9325 4.1, 4.2; NULL: it is not */
static const char *suite_weakness(const SSL_CIPHER *c)
{
    int kx = SSL_CIPHER_get_kx_nid(c);
    if (kx == NID_kx_rsa)
        return "has no forward secrecy (RFC 9325 4.1)";
    if (kx == NID_kx_dhe)
        return "is DHE (RFC 9325 4.1)";
    if (!SSL_CIPHER_is_aead(c))
        return "has no AEAD (RFC 9325 4.2)";
    return strstr(SSL_CIPHER_get_name(c), "CCM8") || strstr(SSL_CIPHER_get_name(c), "CCM_8")
               ? "has a tag of 64 bits only (RFC 8446 B.4)"
               : NULL;
}

static bool is_old(const SSL_CIPHER *c)
{
    const char *since = SSL_CIPHER_get_version(c);
    return strcmp(since, "TLSv1.2") != 0 && strcmp(since, "TLSv1.3") != 0;
}

static void put_weak(SSL_CTX *ctx, const struct sw_tls_policy *p, struct sw_buf *why)
{
    STACK_OF(SSL_CIPHER) *list = SSL_CTX_get_ciphers(ctx);
    const SSL_CIPHER *first = NULL;
    unsigned weak = 0, old = 0;
    for (int i = 0; i < sk_SSL_CIPHER_num(list) && p->min_version < SW_TLS_1_3; i++) {
        const SSL_CIPHER *c = sk_SSL_CIPHER_value(list, i);
        old += is_old(c);
        if (suite_weakness(c) && weak++ == 0)
            first = c;
    }
    if (p->min_version < SW_TLS_1_2) {
        sw_buf_str(why, p->min_version == SW_TLS_1_0 ? "it admits TLS 1.0 and 1.1"
                                                     : "it admits TLS 1.1");
        sw_buf_lit(why, " (RFC 8996)");
        sw_buf_str(why, old ? "" : ", for which ciphers has no suite");
    }
    if (!first)
        return;
    sw_buf_str(why, why->n ? "; " : "");
    sw_buf_str(why, SSL_CIPHER_standard_name(first));
    sw_buf_char(why, ' ');
    sw_buf_str(why, suite_weakness(first));
    if (weak > 1) {
        sw_buf_lit(why, ", and ");
        sw_buf_u64(why, weak - 1);
        sw_buf_str(why, weak > 2 ? " more are weak" : " more is weak");
    }
}

enum sw_status sw_tls_policy_check(const struct sw_tls_policy *p, char why[SW_WHY_MAX])
{
    SSL_CTX *probe = SSL_CTX_new(TLS_method()), *ctx = SSL_CTX_new(TLS_method());
    struct sw_buf b = sw_buf(why, SW_WHY_MAX - 1);
    bool good = probe && ctx;
    if (good && p->max_version < p->min_version) {
        sw_buf_lit(&b, "max_version is below min_version (the other way round)");
        good = false;
    }
    for (unsigned kind = 0; good && kind < SW_TLS_LISTS; kind++)
        good = elements_are_good(probe, p, kind, &b);
    if (good && !sw_tls_policy_apply(ctx, p)) {
        unsigned long e = ERR_peek_error();
        const char *reason = e ? ERR_reason_error_string(e) : NULL;
        sw_buf_lit(&b, "the TLS library does not take it: ");
        sw_buf_str(&b, reason ? reason : "no reason given");
        good = false;
    }
    const SSL_CIPHER *useless = good ? useless_suite(ctx) : NULL;
    if (useless) {
        sw_buf_lit(&b, "ciphers contains ");
        sw_buf_str(&b, SSL_CIPHER_get_name(useless));
        sw_buf_lit(&b, ", which encrypts nothing, too weakly, or proves nobody: it is never used "
                       "(append :!eNULL:!aNULL)");
        good = false;
    }
    if (good)
        put_weak(ctx, p, &b);
    why[b.n] = 0;
    ERR_clear_error();
    SSL_CTX_free(probe);
    SSL_CTX_free(ctx);
    return good ? SW_OK : SW_PEER_SYNTAX;
}

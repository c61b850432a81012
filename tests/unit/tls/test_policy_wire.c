/* What each named policy is on the wire, as text in tests/unit/tls/policy: the ClientHello of a
 * client, and what a server picks out of everything that can be offered. A change of a policy, or
 * of the library, shows there. To renew the texts: SIPWARD_RENEW=1 unit-tls-policy_wire
 *
 * The system's openssl.cnf asks for what is forbidden while these tests run: it must change
 * nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/offer.h"
#include "support/tlspair.h"
#include "tls/message.h"
#include <openssl/ssl.h>

enum { TEXT = 64 * 1024 };

/* Policies that ask for all that the library has: sw_tls_policy_check refuses them. */
enum { GREEDY = SW_POLICIES, GREEDY_LEGACY, ALL_POLICIES };

/* What a server answered. */
struct answer {
    int alert; /* -1: none */
    bool hello;
    unsigned version, suite, compression, group, signature;
    struct list extensions, asked; /* of ServerHello; signatures in the CertificateRequest */
};

static const char hostile[] = "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n"
                              "MinProtocol = TLSv1\nMaxProtocol = TLSv1.2\n"
                              "CipherString = ALL:COMPLEMENTOFALL:@SECLEVEL=0\n"
                              "Groups = P-521\n"
                              "SignatureAlgorithms = RSA+SHA1\n"
                              "ClientSignatureAlgorithms = RSA+SHA1\n"
                              "Options = UnsafeLegacyRenegotiation,UnsafeLegacyServerConnect,"
                              "Compression,SessionTicket,-ServerPreference,-EncryptThenMac,"
                              "-MiddleboxCompat,NoResumptionOnRenegotiation\n";

static struct sw_tls_worker *g_worker;
static struct sw_tls_identity *g_rsa, *g_ecdsa;
static struct sw_trust_entry g_entry = {.id = 1, .depth = 3};
static struct sw_trust *g_trust;
static struct answer g_answer;
static char g_hello[HELLO_BYTES]; /* the last ClientHello that was sent */
static size_t g_hello_n;

/* ---- reading ---- */

static unsigned u16(struct sw_slice s, size_t at)
{
    assert_true(at + 2 <= s.n);
    return (unsigned)(uint8_t)s.p[at] << 8 | (uint8_t)s.p[at + 1];
}

static unsigned u8(struct sw_slice s, size_t at)
{
    assert_true(at < s.n);
    return (uint8_t)s.p[at];
}

static void remove_value(struct list *l, unsigned v)
{
    unsigned n = 0;
    for (unsigned i = 0; i < l->n; i++)
        if (l->v[i] != v)
            l->v[n++] = l->v[i];
    assert_int_equal(n + 1, l->n); /* a server picks one that was offered */
    l->n = n;
}

static struct list read_list(struct sw_slice s)
{
    static struct list l;
    l.n = 0;
    for (size_t at = 0; at + 2 <= s.n; at += 2)
        add(&l, u16(s, at));
    return l;
}

/* Calls `f` with each extension of a block that starts at `at`. */
static void each_extension(struct sw_slice m, size_t at,
                           void (*f)(void *user, unsigned type, struct sw_slice body), void *user)
{
    if (at == m.n)
        return;
    for (at += 2; at < m.n; at += 4 + u16(m, at + 2))
        f(user, u16(m, at), sw_slice(m.p + at + 4, u16(m, at + 2)));
}

static void server_extension(void *user, unsigned type, struct sw_slice body)
{
    struct answer *a = user;
    add(&a->extensions, type);
    if (type == 43)
        a->version = u16(body, 0);
    if (type == 51)
        a->group = u16(body, 0);
}

static void asked_extension(void *user, unsigned type, struct sw_slice body)
{
    struct answer *a = user;
    if (type == 13)
        a->asked = read_list(sw_slice_from(body, 2));
}

/* What the server sends, before it is encrypted. */
static void server_said(struct answer *a, const struct sw_tls_seen *m)
{
    if (m->content_type == SW_TLS_ALERT && a->alert < 0)
        a->alert = (int)u8(m->bytes, 1);
    if (m->content_type != SW_TLS_HANDSHAKE)
        return;
    switch (u8(m->bytes, 0)) {
    case 2: { /* ServerHello: RFC 8446 4.1.3 */
        size_t id = u8(m->bytes, 38), at = 39 + id;
        a->hello = true;
        a->version = u16(m->bytes, 4);
        a->suite = u16(m->bytes, at);
        a->compression = u8(m->bytes, at + 2);
        each_extension(m->bytes, at + 3, server_extension, a);
        break;
    }
    case 12: /* ServerKeyExchange with a named curve: RFC 8422 5.4 */
        assert_int_equal(u8(m->bytes, 4), 3);
        a->group = u16(m->bytes, 5);
        if (a->version == SW_TLS_1_2)
            a->signature = u16(m->bytes, 8 + u8(m->bytes, 7));
        break;
    case 13: /* CertificateRequest: RFC 8446 4.3.2, RFC 5246 7.4.4 */
        if (a->version == SW_TLS_1_3)
            each_extension(m->bytes, 5 + u8(m->bytes, 4), asked_extension, a);
        else if (a->version == SW_TLS_1_2)
            a->asked = read_list(
                sw_slice(m->bytes.p + 7 + u8(m->bytes, 4), u16(m->bytes, 5 + u8(m->bytes, 4))));
        break;
    case 15:
        a->signature = u16(m->bytes, 4);
        break;
    default:
        break;
    }
}

static void seen(void *user, const struct sw_tls_seen *m)
{
    if (!m->sent)
        return;
    if (user) {
        server_said(user, m);
    } else if (m->content_type == SW_TLS_HANDSHAKE && u8(m->bytes, 0) == 1) {
        assert_true(m->bytes.n <= sizeof(g_hello));
        memcpy(g_hello, m->bytes.p, m->bytes.n);
        g_hello_n = m->bytes.n;
    }
}

/* ---- offering ---- */

/* Gives the hello to a server of this policy. */
static const struct answer *ask(unsigned policy, const struct sw_tls_identity *identity,
                                const struct offer *o)
{
    static char hello[HELLO_BYTES], wire[HELLO_BYTES + 64];
    const struct sw_tls_params p = {.server = true,
                                    .policy = policy,
                                    .identity = identity,
                                    .trust = g_trust,
                                    .client_cert = SW_CERT_REQUIRE};
    struct sw_buf h = sw_buf(hello, sizeof(hello)), w = sw_buf(wire, sizeof(wire));
    sw_buf_put(&h, "\1\0", 2);
    put16(&h, 0);
    put_hello(&h, o);
    hello[2] = (char)((h.n - 4) >> 8);
    hello[3] = (char)(h.n - 4);
    for (size_t at = 0, n; at < h.n; at += n) { /* records of at most 2^14: RFC 8446 5.1 */
        n = h.n - at < 16384 ? h.n - at : 16384;
        sw_buf_char(&w, 22);
        put16(&w, o->version == SSL_3_0 ? SSL_3_0 : SW_TLS_1_0);
        put16(&w, (unsigned)n);
        sw_buf_put(&w, h.p + at, n);
    }
    g_answer = (struct answer){.alert = -1};
    struct sw_tls *t = sw_tls_new(g_worker, &p, &g_answer);
    assert_non_null(t);
    sw_tls_feed(t, sw_buf_view(&w));
    enum sw_status st = sw_tls_handshake(t);
    assert_int_equal(st == SW_AGAIN, g_answer.hello);
    assert_int_equal(st != SW_AGAIN, g_answer.alert >= 0);
    sw_tls_output_taken(g_worker);
    sw_tls_free(t);
    return &g_answer;
}

/* What a server picks of a list, one after the other: each that it picked is not offered again. */
static struct list picks(unsigned policy, const struct sw_tls_identity *id, struct offer *o,
                         struct list *offered, const unsigned *picked, int *refusal)
{
    static struct list out;
    out.n = 0;
    while (offered->n) {
        const struct answer *a = ask(policy, id, o);
        *refusal = a->alert;
        if (!a->hello)
            break;
        assert_int_equal(a->version, o->version);
        assert_int_equal(a->compression, 0); /* RFC 9325 3.3 */
        add(&out, *picked);
        remove_value(offered, *picked);
    }
    return out;
}

static struct offer *everything(unsigned version)
{
    static struct offer o;
    o.version = version;
    range(&o.groups, 1, 0x1ff);
    range(&o.signatures, 0x0101, 0x08ff);
    return &o;
}

/* The suites of the 65536 that the server has at a version, in its order. */
static struct list suites_of(unsigned policy, const struct sw_tls_identity *id, unsigned version,
                             int *refusal)
{
    static struct list all;
    struct offer *o = everything(version);
    all.n = 0;
    for (unsigned from = 0; from < 0x10000; from += LIST) {
        range(&o->suites, from, from + LIST - 1);
        struct list some = picks(policy, id, o, &o->suites, &g_answer.suite, refusal);
        for (unsigned i = 0; i < some.n; i++)
            add(&all, some.v[i]);
    }
    int ignored;
    o->suites = all;
    return picks(policy, id, o, &o->suites, &g_answer.suite, &ignored);
}

/* ---- the text ---- */

__attribute__((format(printf, 2, 3))) static void say(struct sw_buf *b, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    assert_in_range(n, 0, sizeof(line) - 1);
    sw_buf_put(b, line, (size_t)n);
    assert_false(b->full);
}

static const char *version_text(unsigned version)
{
    static char text[32];
    struct sw_buf b = sw_buf(text, sizeof(text) - 1);
    sw_tls_version_put(&b, version);
    text[b.n] = 0;
    return text;
}

static const char *extension_name(unsigned type)
{
    static const struct {
        unsigned type;
        const char *name;
    } names[] = {
        {0, "server_name"},           {10, "supported_groups"},   {11, "ec_point_formats"},
        {13, "signature_algorithms"}, {22, "encrypt_then_mac"},   {23, "extended_master_secret"},
        {35, "session_ticket"},       {43, "supported_versions"}, {45, "psk_key_exchange_modes"},
        {49, "post_handshake_auth"},  {51, "key_share"},          {0xff01, "renegotiation_info"}};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].type == type)
            return names[i].name;
    return NULL;
}

static void say_list(struct sw_buf *b, const char *title, const struct list *l,
                     const char *name(unsigned))
{
    say(b, "%s\n", title);
    for (unsigned i = 0; i < l->n; i++)
        say(b, "    0x%04x %s\n", l->v[i], name(l->v[i]) ? name(l->v[i]) : "?");
    if (l->n == 0)
        say(b, "    none\n");
}

static void client_extension(void *user, unsigned type, struct sw_slice body)
{
    struct sw_buf *b = user;
    struct list l;
    if (type == 43) {
        say(b, "versions\n");
        for (size_t at = 1; at < body.n; at += 2)
            say(b, "    0x%04x %s\n", u16(body, at), version_text(u16(body, at)));
    } else if (type == 10) {
        l = read_list(sw_slice_from(body, 2));
        say_list(b, "groups", &l, sw_tls_group_name);
    } else if (type == 13) {
        l = read_list(sw_slice_from(body, 2));
        say_list(b, "signatures", &l, sw_tls_signature_name);
    } else if (type == 51) {
        say(b, "key shares\n");
        for (size_t at = 2; at < body.n; at += 4 + u16(body, at + 2))
            say(b, "    0x%04x %s\n", u16(body, at), sw_tls_group_name(u16(body, at)));
    } else if (type == 11) {
        say(b, "point formats:");
        for (size_t at = 1; at < body.n; at++)
            say(b, " %u", u8(body, at));
        say(b, "\n");
    }
}

static void add_extension(void *user, unsigned type, struct sw_slice body)
{
    (void)body;
    add(user, type);
}

/* The ClientHello that a session really sends. */
static void say_client(struct sw_buf *b, unsigned policy)
{
    const struct sw_tls_params p = {
        .policy = policy, .identity = g_rsa, .trust = g_trust, .server_name = "sip.example.test"};
    struct sw_tls *t = sw_tls_new(g_worker, &p, NULL);
    struct list l, extensions = {0};
    assert_non_null(t);
    g_hello_n = 0;
    assert_int_equal(sw_tls_handshake(t), SW_AGAIN);
    sw_tls_output_taken(g_worker);
    sw_tls_free(t);
    struct sw_slice m = sw_slice(g_hello, g_hello_n);
    size_t at = 39 + u8(m, 38), n = u16(m, at);
    say(b, "CLIENT\n\nClientHello version: %s\n", version_text(u16(m, 4)));
    l = read_list(sw_slice(m.p + at + 2, n));
    for (unsigned i = 0; i < l.n; i++)
        if (l.v[i] == SCSV_RENEGOTIATION)
            l.n = i; /* the last: shown below */
    say_list(b, "suites", &l, sw_tls_suite_name);
    at += 2 + n;
    say(b, "renegotiation_info signal: %s\n", u16(m, at - 2) == SCSV_RENEGOTIATION ? "yes" : "no");
    assert_int_equal(u8(m, at), 1);
    assert_int_equal(u8(m, at + 1), 0);
    say(b, "compression: none\n");
    each_extension(m, at + 2, client_extension, b);
    each_extension(m, at + 2, add_extension, &extensions);
    say_list(b, "extensions, in this order", &extensions, extension_name);
}

static void say_server_suites(struct sw_buf *b, unsigned policy, const struct sw_tls_identity *id,
                              const char *key, unsigned version)
{
    int refusal = -1;
    struct list l = suites_of(policy, id, version, &refusal);
    say(b, "%s, %s key", version_text(version), key);
    if (l.n)
        say_list(b, ": picks in this order", &l, sw_tls_suite_name);
    say(b, l.n ? "    of all others none: alert %s\n" : ": refused: alert %s\n",
        sw_tls_alert_name((unsigned)refusal));
}

/* Groups and signatures, at a version in which the server has one of these suites. */
static void say_server_rest(struct sw_buf *b, unsigned policy, const struct sw_tls_identity *id,
                            const char *key, unsigned version)
{
    static const uint16_t suites[] = {0xc02b, 0xc02f, 0x1301};
    char title[80];
    struct list l;
    int refusal;
    struct offer *o = everything(version);
    o->suites.n = 0;
    for (unsigned i = 0; i < 3; i++)
        add(&o->suites, suites[i]);
    const struct answer *a = ask(policy, id, o);
    if (!a->hello || a->version != version)
        return;
    say(b, "\n%s, %s key\n", version_text(version), key);
    l = a->extensions;
    say_list(b, "extensions of the ServerHello", &l, extension_name);
    l = a->asked;
    say_list(b, "signatures asked of clients", &l, sw_tls_signature_name);
    l = picks(policy, id, o, &o->groups, &g_answer.group, &refusal);
    snprintf(title, sizeof(title), "groups, of others none: alert %s",
             sw_tls_alert_name((unsigned)refusal));
    say_list(b, title, &l, sw_tls_group_name);
    range(&o->groups, 1, 0x1ff);
    l = picks(policy, id, o, &o->signatures, &g_answer.signature, &refusal);
    snprintf(title, sizeof(title), "signs with, of others none: alert %s",
             sw_tls_alert_name((unsigned)refusal));
    say_list(b, title, &l, sw_tls_signature_name);
}

/* RFC 9325 4.2: CBC with encrypt_then_mac */
static void say_server_cbc(struct sw_buf *b, unsigned policy)
{
    static const uint16_t suites[] = {0xc013, 0xc014, 0xc027, 0x002f, 0x0035, 0x003c};
    struct offer *o = everything(SW_TLS_1_2);
    o->suites.n = 0;
    for (unsigned i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
        add(&o->suites, suites[i]);
    struct list l = ask(policy, g_rsa, o)->extensions;
    if (g_answer.hello)
        say_list(b, "\nTLS 1.2 with CBC: extensions of the ServerHello", &l, extension_name);
}

static struct sw_slice describe(unsigned policy)
{
    static char text[TEXT];
    struct sw_buf b = sw_buf(text, sizeof(text));
    say(&b, "What policy %s is on the wire. Made by tests/unit/tls/test_policy_wire.c.\n\n",
        sw_tls_policy_builtin(policy)->name);
    say_client(&b, policy);
    say(&b, "\nSERVER, offered all of 65536 suites at one version\n\n");
    for (unsigned v = SSL_3_0; v <= SW_TLS_1_3; v++) {
        say_server_suites(&b, policy, g_rsa, "RSA", v);
        say_server_suites(&b, policy, g_ecdsa, "P-256", v);
    }
    say(&b, "\nSERVER, offered all groups and signatures\n");
    for (unsigned v = SW_TLS_1_2; v <= SW_TLS_1_3; v++) {
        say_server_rest(&b, policy, g_rsa, "RSA", v);
        say_server_rest(&b, policy, g_ecdsa, "P-256", v);
    }
    say_server_cbc(&b, policy);
    return sw_buf_view(&b);
}

/* RFC 9325 3.1.1, 4.1, 4.2, 4.2.1; 4.6: no truncated_hmac is offered or answered */
static void compare(unsigned policy)
{
    char path[512];
    struct sw_slice text = describe(policy);
    snprintf(path, sizeof(path), "%s/%s.txt", POLICY_DIR, sw_tls_policy_builtin(policy)->name);
    if (getenv("SIPWARD_RENEW")) {
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
        assert_int_equal(fclose(f), 0);
    }
    struct sw_slice kept = pki_read(path);
    if (!sw_slice_eq(text, kept))
        print_error("%s is now:\n%.*s\n", path, SW_SLICE_ARG(text));
    assert_true(sw_slice_eq(text, kept));
    pki_drop(kept);
}

static void test_policy_wire_of_modern(void **state)
{
    (void)state;
    compare(SW_POLICY_MODERN);
}

static void test_policy_wire_of_standard(void **state)
{
    (void)state;
    compare(SW_POLICY_STANDARD);
}

static void test_policy_wire_of_legacy(void **state)
{
    (void)state;
    compare(SW_POLICY_LEGACY);
}

/* RFC 7568, RFC 7465, RFC 9325 4.1: with whatever lists, these never come to be used */
static void test_policy_wire_never_has_what_is_broken(void **state)
{
    static const uint16_t never[] = {0x0001, 0x0002, 0x003b, 0x0003, 0x0004, 0x0005,
                                     0x0006, 0x0008, 0x0009, 0x000a, 0x0018, 0x0034,
                                     0xc006, 0xc010, 0xc011, 0xc012, 0xc015, 0xc018};
    int refusal;
    struct offer *o;
    (void)state;
    for (unsigned v = SSL_3_0; v <= SW_TLS_1_3; v++) {
        o = everything(v);
        o->suites.n = 0;
        for (unsigned i = 0; i < sizeof(never) / sizeof(never[0]); i++)
            add(&o->suites, never[i]);
        for (unsigned p = SW_POLICIES; p < ALL_POLICIES; p++) {
            struct list l = picks(p, g_rsa, o, &o->suites, &g_answer.suite, &refusal);
            assert_int_equal(l.n, 0);
        }
    }
}

/* RFC 9325 3.5: a server without renegotiation_info is one that can be attacked */
static void test_policy_wire_needs_secure_renegotiation(void **state)
{
    static const char hello[] = "\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03"
                                "a server of before two thousand9"
                                "\x00\xc0\x2f\x00";
    const struct sw_tls_params p = {.policy = SW_POLICY_LEGACY, .trust = g_trust};
    struct answer a = {.alert = -1};
    struct sw_tls_failure f;
    struct sw_tls *t = sw_tls_new(g_worker, &p, &a);
    (void)state;
    assert_non_null(t);
    assert_int_equal(sw_tls_handshake(t), SW_AGAIN);
    sw_tls_feed(t, sw_slice(hello, sizeof(hello) - 1));
    assert_int_equal(sw_tls_handshake(t), SW_CRYPTO);
    sw_tls_failure(t, &f);
    assert_int_equal(f.alert, 40); /* handshake_failure */
    assert_non_null(strstr(f.why, "renegotiation_info"));
    sw_tls_output_taken(g_worker);
    sw_tls_free(t);
}

static int start(void **state)
{
    static struct sw_tls_policy policies[ALL_POLICIES];
    if (pki_start(state) != 0)
        return -1;
    FILE *f = fopen("hostile.cnf", "w");
    if (!f || fputs(hostile, f) < 0 || fclose(f) != 0)
        return -1;
    setenv("OPENSSL_CONF", "hostile.cnf", 1);
    if (OPENSSL_init_ssl(0, NULL) != 1)
        return -1;
    unsetenv("OPENSSL_CONF");
    pki_make(&(struct pki_cert){.name = "ca", .subject = "/CN=Test CA", .options = PKI_CA});
    pki_make(
        &(struct pki_cert){.name = "rsa", .issuer = "ca", .subject = "/CN=r", .key = "rsa:2048"});
    pki_make(&(struct pki_cert){.name = "ecdsa", .issuer = "ca", .subject = "/CN=e"});
    g_rsa = pair_identity(1, "rsa", NULL);
    g_ecdsa = pair_identity(2, "ecdsa", NULL);
    g_entry.anchors = pki_certs("ca.pem");
    g_trust = sw_trust_new((const struct sw_trust_entry *const[]){&g_entry}, 1);
    for (unsigned i = 0; i < SW_POLICIES; i++)
        policies[i] = *sw_tls_policy_builtin(i);
    policies[GREEDY] = *sw_tls_policy_builtin(SW_POLICY_STANDARD);
    policies[GREEDY_LEGACY] = *sw_tls_policy_builtin(SW_POLICY_LEGACY);
    policies[GREEDY].ciphers = policies[GREEDY_LEGACY].ciphers = "ALL:COMPLEMENTOFALL:@SECLEVEL=0";
    g_worker = sw_tls_worker_new(policies, ALL_POLICIES, seen);
    return g_trust && g_worker ? 0 : -1;
}

static int finish(void **state)
{
    sw_tls_worker_free(g_worker);
    sw_trust_free(g_trust);
    sw_certs_free(&g_entry.anchors);
    pair_identity_free(g_rsa);
    pair_identity_free(g_ecdsa);
    return pki_finish(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy_wire_of_modern),
        cmocka_unit_test(test_policy_wire_of_standard),
        cmocka_unit_test(test_policy_wire_of_legacy),
        cmocka_unit_test(test_policy_wire_never_has_what_is_broken),
        cmocka_unit_test(test_policy_wire_needs_secure_renegotiation),
    };
    return cmocka_run_group_tests(tests, start, finish);
}

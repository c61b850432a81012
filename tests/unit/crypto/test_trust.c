#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/openssl_types.h"
#include "support/pki.h"
#include <time.h>

/* Which of two CAs of the same name: RFC 5280 4.2.1.1 */
#define KEY_ID "-addext authorityKeyIdentifier=keyid"

/* CAs below each other, "ca0" the root, and under each "leaf0" to "leaf3". */
enum { LEVELS = 4, DAY_S = 86400 };

/* What a peer shows, and what is to be kept in mind. */
struct shown {
    const char *leaf;  /* a certificate's name */
    const char *chain; /* file with what it sends besides; NULL: nothing */
    int64_t at_s;      /* the time it is judged at; 0: now */
    bool of_client;
    struct sw_leafcache *cache; /* NULL: a new one */
};

static int make_certificates(void **state)
{
    char name[8], issuer[8], subject[16];
    if (pki_start(state) != 0)
        return -1;
    for (int i = 0; i < LEVELS; i++) {
        snprintf(name, sizeof(name), "ca%d", i);
        snprintf(issuer, sizeof(issuer), "ca%d", i - 1);
        snprintf(subject, sizeof(subject), "/CN=CA %d", i);
        pki_make(&(struct pki_cert){
            .name = name, .issuer = i ? issuer : NULL, .subject = subject, .options = PKI_CA});
    }
    for (int i = 0; i < LEVELS; i++) {
        snprintf(name, sizeof(name), "leaf%d", i);
        snprintf(issuer, sizeof(issuer), "ca%d", i);
        pki_make(&(struct pki_cert){.name = name,
                                    .issuer = issuer,
                                    .subject = "/CN=leaf",
                                    .options = i ? "-set_serial 0x51 " KEY_ID
                                                 : "-set_serial 0x50 " KEY_ID});
    }
    pki_sh("cat ca1.pem ca2.pem ca3.pem >chain.pem");
    return 0;
}

/* An entry that believes the certificates of a file; NULL: none. */
static struct sw_trust_entry entry(uint32_t id, unsigned depth, const char *anchors)
{
    struct sw_trust_entry e = {.id = id, .depth = depth};
    if (anchors)
        e.anchors = pki_certs(anchors);
    return e;
}

static void entry_crl(struct sw_trust_entry *e, const char *file)
{
    char why[SW_WHY_MAX];
    struct sw_slice s = pki_read(file);
    assert_int_equal(sw_crls_parse(s, &e->crls, why), SW_OK);
    pki_drop(s);
}

static void entry_free(struct sw_trust_entry *e)
{
    sw_certs_free(&e->anchors);
    sw_crls_free(&e->crls);
}

static void fingerprint(const char *name, uint8_t out[SW_SHA256_BYTES])
{
    char file[64];
    struct sw_cert_facts f;
    snprintf(file, sizeof(file), "%s.pem", name);
    struct sw_certs certs = pki_certs(file);
    sw_cert_facts(certs.c[0], &f);
    memcpy(out, f.sha256, sizeof(f.sha256));
    sw_certs_free(&certs);
}

/* The certificate's digest, or its key's, into a pin. */
static void pin_of(const char *name, struct sw_pin *pin)
{
    char file[64];
    struct sw_cert_facts f;
    snprintf(file, sizeof(file), "%s.pem", name);
    struct sw_certs certs = pki_certs(file);
    sw_cert_facts(certs.c[0], &f);
    memcpy(pin->sha256, pin->of_key ? f.key_sha256 : f.sha256, SW_SHA256_BYTES);
    sw_certs_free(&certs);
}

static struct sw_trust_verdict verify(const struct sw_trust *t, const struct shown *s)
{
    char file[64];
    struct sw_trust_verdict v;
    snprintf(file, sizeof(file), "%s.pem", s->leaf);
    struct sw_certs leaf = pki_certs(file), more = {0};
    struct sw_leafcache *cache = s->cache ? s->cache : sw_leafcache_new();
    STACK_OF(X509) *untrusted = sk_X509_new_null();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    assert_non_null(t);
    assert_non_null(cache);
    if (s->chain)
        more = pki_certs(s->chain);
    for (size_t i = 0; i < more.count; i++)
        assert_true(sk_X509_push(untrusted, sw_x509(more.c[i])) > 0);
    assert_int_equal(X509_STORE_CTX_init(ctx, sw_trust_store(t), sw_x509(leaf.c[0]), untrusted), 1);
    assert_int_equal(X509_STORE_CTX_set_default(ctx, s->of_client ? "ssl_client" : "ssl_server"),
                     1);
    if (s->at_s)
        X509_STORE_CTX_set_time(ctx, 0, (time_t)s->at_s);
    bool good =
        sw_trust_verify(t, ctx, &(struct sw_trust_ask){.of_client = s->of_client}, cache, &v);
    assert_int_equal(good, v.error == X509_V_OK);
    assert_int_equal(good, v.vouched.count > 0);
    assert_int_equal(X509_STORE_CTX_get_error(ctx), v.error); /* which decides the alert */
    X509_STORE_CTX_free(ctx);
    sk_X509_free(untrusted);
    sw_certs_free(&leaf);
    sw_certs_free(&more);
    if (!s->cache)
        sw_leafcache_free(cache);
    return v;
}

/* What a store made of these entries for the moment says. */
static struct sw_trust_verdict judge_as(const struct sw_trust_entry *entries, size_t count,
                                        const struct shown *s)
{
    const struct sw_trust_entry *list[128];
    assert_in_range(count, 0, 128);
    for (size_t i = 0; i < count; i++)
        list[i] = &entries[i];
    struct sw_trust *t = sw_trust_new(list, count);
    assert_non_null(t);
    struct sw_trust_verdict v = verify(t, s);
    sw_trust_free(t);
    return v;
}

static struct sw_trust_verdict judge(const struct sw_trust_entry *entries, size_t count,
                                     const char *leaf, const char *chain)
{
    return judge_as(entries, count, &(struct shown){.leaf = leaf, .chain = chain});
}

/* Exactly these vouch, in any order; `ids` ends with 0. */
static void assert_vouched(const struct sw_trust_verdict *v, const uint32_t *ids)
{
    uint32_t n = 0;
    for (; ids[n]; n++) {
        bool found = false;
        for (uint32_t k = 0; k < v->vouched.count; k++)
            found |= v->vouched.id[k] == ids[n];
        if (!found)
            print_error("%u does not vouch: error %d, %s\n", ids[n], v->error,
                        X509_verify_cert_error_string(v->error));
        assert_true(found);
    }
    assert_int_equal(v->vouched.count, n);
}

#define IDS(...) ((const uint32_t[]){__VA_ARGS__, 0})

static void assert_refused(const struct sw_trust_verdict *v, int error, int depth)
{
    if (v->error != error)
        print_error("%d, %s\n", v->error, X509_verify_cert_error_string(v->error));
    if (v->error == X509_V_OK || v->vouched.count) /* not even where a failed assertion is: for */
        abort();                                   /* want of memory, see support/fault_unit.c */
    assert_int_equal(v->error, error);
    assert_int_equal(v->depth, depth);
    assert_int_equal(v->vouched.count, 0);
}

/* ---- anchors and depth ---- */

static void test_trust_without_entries_believes_nobody(void **state)
{
    struct sw_trust_verdict v = judge(NULL, 0, "leaf0", "ca0.pem");
    (void)state;
    assert_refused(&v, X509_V_ERR_CERT_UNTRUSTED, 0);
    struct sw_trust_entry empty = entry(1, 4, NULL);
    v = judge(&empty, 1, "leaf0", "ca0.pem");
    assert_refused(&v, X509_V_ERR_CERT_UNTRUSTED, 0);
    sw_trust_free(NULL);
}

/* Each CA as the anchor, each leaf below it, and each depth. */
static void test_trust_refuses_a_chain_deeper_than_its_entry_allows(void **state)
{
    (void)state;
    for (int anchor = 0; anchor < LEVELS; anchor++)
        for (int leaf = anchor; leaf < LEVELS; leaf++)
            for (int depth = 0; depth <= LEVELS + 1; depth++) {
                char file[16], name[16];
                int length = leaf - anchor + 1; /* CA certificates, the anchor counted */
                snprintf(file, sizeof(file), "ca%d.pem", anchor);
                snprintf(name, sizeof(name), "leaf%d", leaf);
                struct sw_trust_entry e = entry(5, (unsigned)depth, file);
                struct sw_trust_verdict v = judge(&e, 1, name, "chain.pem");
                if (length <= depth)
                    assert_vouched(&v, IDS(5));
                else
                    assert_refused(&v, X509_V_ERR_CERT_CHAIN_TOO_LONG, depth);
                entry_free(&e);
            }
}

static void test_trust_counts_depth_for_each_entry_by_itself(void **state)
{
    struct sw_trust_entry e[] = {entry(1, 1, "ca0.pem"), entry(2, 2, "ca0.pem"),
                                 entry(3, 3, "ca0.pem")};
    (void)state;
    struct sw_trust_verdict v = judge(e, 3, "leaf0", NULL);
    assert_vouched(&v, IDS(1, 2, 3));
    v = judge(e, 3, "leaf1", "chain.pem");
    assert_vouched(&v, IDS(2, 3));
    v = judge(e, 3, "leaf2", "chain.pem");
    assert_vouched(&v, IDS(3));
    v = judge(e, 3, "leaf3", "chain.pem");
    assert_int_equal(v.error, X509_V_ERR_CERT_CHAIN_TOO_LONG);
    for (int i = 0; i < 3; i++)
        entry_free(&e[i]);
}

static void test_trust_refuses_what_ends_in_no_anchor(void **state)
{
    struct sw_trust_entry e = entry(1, 8, "ca0.pem");
    (void)state;
    pki_make(&(struct pki_cert){.name = "other", .subject = "/CN=Other CA", .options = PKI_CA});
    pki_make(&(struct pki_cert){.name = "stray", .issuer = "other", .subject = "/CN=stray"});
    struct sw_trust_verdict v = judge(&e, 1, "stray", NULL);
    assert_refused(&v, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 0);
    v = judge(&e, 1, "stray", "other.pem"); /* its own root is not believed for being sent */
    assert_refused(&v, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, 1);
    v = judge(&e, 1, "other", NULL);
    assert_refused(&v, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, 0);
    v = judge(&e, 1, "leaf2", "ca2.pem"); /* ca1 is missing */
    assert_refused(&v, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 1);
    entry_free(&e);
}

/* The name alone makes no CA: another key signed. */
static void test_trust_refuses_a_ca_of_the_same_name_with_another_key(void **state)
{
    struct sw_trust_entry e = entry(1, 8, "ca0.pem");
    (void)state;
    pki_make(&(struct pki_cert){.name = "twin", .subject = "/CN=CA 0", .options = PKI_CA});
    pki_make(&(struct pki_cert){
        .name = "fake", .issuer = "twin", .subject = "/CN=leaf", .options = KEY_ID});
    struct sw_trust_verdict v = judge(&e, 1, "fake", NULL);
    assert_int_not_equal(v.error, X509_V_OK);
    v = judge(&e, 1, "fake", "twin.pem");
    assert_int_not_equal(v.error, X509_V_OK);
    entry_free(&e);
    struct sw_trust_entry both[] = {entry(1, 8, "ca0.pem"), entry(2, 8, "twin.pem")};
    v = judge(both, 2, "fake", NULL);
    assert_vouched(&v, IDS(2));
    v = judge(both, 2, "leaf0", NULL);
    assert_vouched(&v, IDS(1));
    entry_free(&both[0]);
    entry_free(&both[1]);
}

/* RFC 5280 4.2.1.9: a leaf is no CA, even if it has signed */
static void test_trust_refuses_a_leaf_that_signs(void **state)
{
    struct sw_trust_entry e = entry(1, 8, "ca0.pem");
    (void)state;
    pki_make(&(struct pki_cert){.name = "signs",
                                .issuer = "ca0",
                                .subject = "/CN=signs",
                                .options = "-addext basicConstraints=critical,CA:FALSE"});
    pki_make(&(struct pki_cert){.name = "signed", .issuer = "signs", .subject = "/CN=signed"});
    struct sw_trust_verdict v = judge(&e, 1, "signed", "signs.pem");
    assert_int_equal(v.error, X509_V_ERR_INVALID_CA);
    assert_int_equal(v.vouched.count, 0);
    entry_free(&e);
}

/* ---- time ---- */

static void test_trust_refuses_outside_of_the_time_of_validity(void **state)
{
    int64_t now_s = (int64_t)time(NULL);
    struct sw_trust_entry e = entry(1, 8, "ca0.pem"), *one = &e;
    (void)state;
    pki_make(
        &(struct pki_cert){.name = "short", .issuer = "ca0", .subject = "/CN=short", .days = 2});
    struct shown s = {.leaf = "short", .at_s = now_s + DAY_S};
    struct sw_trust_verdict v = judge_as(one, 1, &s);
    assert_vouched(&v, IDS(1));
    s.at_s = now_s + 3 * DAY_S;
    v = judge_as(one, 1, &s);
    assert_refused(&v, X509_V_ERR_CERT_HAS_EXPIRED, 0);
    s.at_s = now_s - DAY_S; /* the anchor is not valid yet either: the library tells it first */
    v = judge_as(one, 1, &s);
    assert_int_equal(v.error, X509_V_ERR_CERT_NOT_YET_VALID);
    entry_free(&e);
}

static void test_trust_refuses_an_expired_certificate_anywhere_in_the_chain(void **state)
{
    (void)state;
    pki_make(
        &(struct pki_cert){.name = "oldleaf", .issuer = "ca0", .subject = "/CN=l", .days = -1});
    pki_make(&(struct pki_cert){
        .name = "oldsub", .issuer = "ca0", .subject = "/CN=s", .options = PKI_CA, .days = -1});
    pki_make(&(struct pki_cert){.name = "under", .issuer = "oldsub", .subject = "/CN=u"});
    struct sw_trust_entry root = entry(1, 8, "ca0.pem"), sub = entry(1, 8, "oldsub.pem");
    struct sw_trust_verdict v = judge(&root, 1, "oldleaf", NULL);
    assert_refused(&v, X509_V_ERR_CERT_HAS_EXPIRED, 0);
    v = judge(&root, 1, "under", "oldsub.pem");
    assert_refused(&v, X509_V_ERR_CERT_HAS_EXPIRED, 1);
    v = judge(&sub, 1, "under", NULL); /* an anchor too */
    assert_refused(&v, X509_V_ERR_CERT_HAS_EXPIRED, 1);
    entry_free(&root);
    entry_free(&sub);
}

/* ---- strength: RFC 9325 4.5 ---- */

#define EC(curve) "ec -pkeyopt ec_paramgen_curve:" curve

static void make_weak(void)
{
    static const struct pki_cert certs[] = {
        {"rsa1024", "ca0", "/CN=l", NULL, "rsa:1024", 0},
        {"rsa2047", "ca0", "/CN=l", NULL, "rsa:2047", 0},
        {"rsa2048", "ca0", "/CN=l", NULL, "rsa:2048", 0},
        {"ec192", "ca0", "/CN=l", NULL, EC("prime192v1"), 0},
        {"ec224", "ca0", "/CN=l", NULL, EC("secp224r1"), 0},
        {"ed25519", "ca0", "/CN=l", NULL, "ed25519", 0},
        {"sha1", "ca0", "/CN=l", "-sha1", NULL, 0},
        {"sha224", "ca0", "/CN=l", "-sha224", NULL, 0},
        {"weakca", "ca0", "/CN=Weak CA", PKI_CA, "rsa:1024", 0},
        {"underweakca", "weakca", "/CN=l", NULL, NULL, 0},
        {"sha1ca", "ca0", "/CN=SHA-1 CA", PKI_CA " -sha1", NULL, 0},
        {"undersha1ca", "sha1ca", "/CN=l", NULL, NULL, 0},
        {"sha1root", NULL, "/CN=SHA-1 root", PKI_CA " -sha1", "rsa:2048", 0},
        {"undersha1root", "sha1root", "/CN=l", NULL, NULL, 0},
        {"md5leaf", "sha1root", "/CN=l", "-md5", NULL, 0},
        {"weakroot", NULL, "/CN=Weak root", PKI_CA, "rsa:1024", 0},
        {"underweakroot", "weakroot", "/CN=l", NULL, NULL, 0},
    };
    for (unsigned i = 0; i < sizeof(certs) / sizeof(certs[0]); i++)
        pki_make(&certs[i]);
}

/* No security level is set here, as under a policy that admits old suites: the rule is our own. */
static void test_trust_refuses_weak_keys_and_signatures_by_itself(void **state)
{
    static const struct {
        const char *leaf, *chain, *anchor;
        int error, depth;
    } rows[] = {
        {"rsa1024", NULL, "ca0.pem", X509_V_ERR_EE_KEY_TOO_SMALL, 0},
        {"rsa2047", NULL, "ca0.pem", X509_V_ERR_EE_KEY_TOO_SMALL, 0},
        {"rsa2048", NULL, "ca0.pem", X509_V_OK, 0},
        {"ec192", NULL, "ca0.pem", X509_V_ERR_EE_KEY_TOO_SMALL, 0},
        {"ec224", NULL, "ca0.pem", X509_V_OK, 0},
        {"ed25519", NULL, "ca0.pem", X509_V_OK, 0},
        {"sha1", NULL, "ca0.pem", X509_V_ERR_CA_MD_TOO_WEAK, 0},
        {"sha224", NULL, "ca0.pem", X509_V_OK, 0},
        {"md5leaf", NULL, "sha1root.pem", X509_V_ERR_CA_MD_TOO_WEAK, 0},
        {"underweakca", "weakca.pem", "ca0.pem", X509_V_ERR_CA_KEY_TOO_SMALL, 1},
        {"underweakca", NULL, "weakca.pem", X509_V_ERR_CA_KEY_TOO_SMALL, 1},
        {"undersha1ca", "sha1ca.pem", "ca0.pem", X509_V_ERR_CA_MD_TOO_WEAK, 1},
        {"undersha1ca", NULL, "sha1ca.pem", X509_V_OK, 0}, /* an anchor is believed as it is */
        {"undersha1root", NULL, "sha1root.pem", X509_V_OK, 0},
        {"underweakroot", NULL, "weakroot.pem", X509_V_ERR_CA_KEY_TOO_SMALL, 1},
    };
    (void)state;
    make_weak();
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_trust_entry e = entry(1, 4, rows[i].anchor);
        struct sw_trust_verdict v = judge(&e, 1, rows[i].leaf, rows[i].chain);
        print_message("%s under %s\n", rows[i].leaf, rows[i].anchor);
        if (rows[i].error == X509_V_OK)
            assert_vouched(&v, IDS(1));
        else
            assert_refused(&v, rows[i].error, rows[i].depth);
        entry_free(&e);
    }
}

/* docs/trust.md: a pin does not stand for a key that others can find out */
static void test_trust_refuses_a_pinned_certificate_with_a_weak_key(void **state)
{
    struct sw_pin pins[2] = {{.of_key = false}, {.of_key = true}};
    struct sw_trust_entry e[] = {{.id = 1, .pins = pins, .pin_count = 2}, entry(2, 4, "ca0.pem")};
    (void)state;
    make_weak();
    pin_of("rsa1024", &pins[0]);
    pin_of("rsa1024", &pins[1]);
    struct sw_trust_verdict v = judge(e, 1, "rsa1024", NULL);
    assert_refused(&v, X509_V_ERR_EE_KEY_TOO_SMALL, 0);
    v = judge(e, 2, "rsa1024", NULL);
    assert_refused(&v, X509_V_ERR_EE_KEY_TOO_SMALL, 0);
    pin_of("sha1", &pins[0]); /* its issuer's signature is not what a pin rests on */
    v = judge(e, 1, "sha1", NULL);
    assert_vouched(&v, IDS(1));
    entry_free(&e[1]);
}

/* ---- purposes: RFC 5280 4.2.1.3, 4.2.1.12, RFC 5924 ---- */

#define EKU(list) "-addext extendedKeyUsage=" list
#define KU(list)  "-addext keyUsage=" list
#define SIP_OID   "1.3.6.1.5.5.7.3.20"

static unsigned uses_under(const char *anchor, const char *leaf, const char *chain)
{
    struct sw_trust_entry e = entry(1, 4, anchor);
    struct sw_trust_verdict v = judge(&e, 1, leaf, chain);
    assert_vouched(&v, IDS(1));
    entry_free(&e);
    return v.vouched.uses[0];
}

static void test_trust_tells_what_a_certificate_may_be_used_for(void **state)
{
    enum { C = SW_USE_CLIENT, S = SW_USE_SERVER, P = SW_USE_SIP, KEY = SW_USE_KEY };
    static const struct {
        const char *options;
        unsigned uses;
    } rows[] = {
        {NULL, C | S | P | KEY}, /* RFC 5924 5: no extension, no restriction */
        {EKU("clientAuth"), C | KEY},
        {EKU("serverAuth"), S | KEY},
        {EKU("serverAuth,clientAuth"), C | S | KEY},
        {EKU(SIP_OID), P | KEY},
        {EKU("serverAuth," SIP_OID), S | P | KEY},
        {EKU("critical,anyExtendedKeyUsage"), C | S | P | KEY},
        {EKU("codeSigning,anyExtendedKeyUsage"), C | S | P | KEY},
        {EKU("codeSigning,emailProtection"), KEY},
        {EKU("1.3.6.1.5.5.7.3.21"), KEY},
        {KU("digitalSignature"), C | S | P | SW_USE_SIGN},
        {KU("keyEncipherment"), C | S | P | SW_USE_ENCIPHER},
        {KU("nonRepudiation"), C | S | P},
        {KU("critical,digitalSignature,keyEncipherment") " " EKU("serverAuth"), S | KEY},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_make(&(struct pki_cert){
            .name = "use", .issuer = "ca0", .subject = "/CN=u", .options = rows[i].options});
        print_message("%s\n", rows[i].options ? rows[i].options : "-");
        assert_int_equal(uses_under("ca0.pem", "use", NULL), rows[i].uses);
    }
}

/* A CA that may vouch for one purpose does so for no other, as anchor and below one. */
static void test_trust_narrows_purposes_by_those_of_the_cas(void **state)
{
    static const struct {
        const char *ca, *leaf;
        unsigned uses;
    } rows[] = {
        {EKU("serverAuth"), EKU("serverAuth,clientAuth"), SW_USE_SERVER},
        {EKU("serverAuth,clientAuth"), EKU("serverAuth,clientAuth"), SW_USE_SERVER | SW_USE_CLIENT},
        {EKU("serverAuth"), EKU(SIP_OID), SW_USE_SIP}, /* RFC 5924 5 */
        {EKU(SIP_OID), EKU("clientAuth," SIP_OID), SW_USE_SIP},
        {EKU("codeSigning"), EKU("serverAuth,clientAuth," SIP_OID), 0},
        {EKU("codeSigning"), NULL, 0},
        {EKU("clientAuth"), NULL, SW_USE_CLIENT | SW_USE_SIP},
        {EKU("anyExtendedKeyUsage"), EKU("clientAuth"), SW_USE_CLIENT},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char options[512];
        snprintf(options, sizeof(options), PKI_CA " %s", rows[i].ca);
        pki_make(&(struct pki_cert){
            .name = "useca", .issuer = "ca0", .subject = "/CN=Use CA", .options = options});
        pki_make(&(struct pki_cert){
            .name = "use", .issuer = "useca", .subject = "/CN=u", .options = rows[i].leaf});
        print_message("%s, %s\n", rows[i].ca, rows[i].leaf ? rows[i].leaf : "-");
        assert_int_equal(uses_under("ca0.pem", "use", "useca.pem"), rows[i].uses | SW_USE_KEY);
        assert_int_equal(uses_under("useca.pem", "use", NULL), rows[i].uses | SW_USE_KEY);
    }
}

/* The same leaf by two chains: each entry tells what its own allows. */
static void test_trust_tells_purposes_for_each_entry_by_itself(void **state)
{
    (void)state;
    pki_make(&(struct pki_cert){.name = "wide", .subject = "/CN=Cross", .options = PKI_CA});
    pki_sh("openssl req -x509 -config cnf -utf8 -key wide.key -out narrow.pem -days 60 -subj "
           "'/CN=Cross' " PKI_CA " " EKU("serverAuth"));
    pki_make(&(struct pki_cert){.name = "use", .issuer = "wide", .subject = "/CN=u"});
    struct sw_trust_entry e[] = {entry(1, 4, "wide.pem"), entry(2, 4, "narrow.pem")};
    struct sw_leafcache *cache = sw_leafcache_new();
    const struct sw_trust_entry *list[] = {&e[0], &e[1]};
    struct sw_trust *t = sw_trust_new(list, 2);
    assert_non_null(t);
    for (int round = 0; round < 2; round++) { /* the second time it is remembered */
        struct sw_trust_verdict v = verify(t, &(struct shown){.leaf = "use", .cache = cache});
        assert_vouched(&v, IDS(1, 2));
        for (uint32_t i = 0; i < 2; i++)
            assert_int_equal(v.vouched.uses[i], v.vouched.id[i] == 1
                                                    ? SW_USE_ALL
                                                    : SW_USE_SERVER | SW_USE_SIP | SW_USE_KEY);
    }
    sw_trust_free(t);
    sw_leafcache_free(cache);
    entry_free(&e[0]);
    entry_free(&e[1]);
}

/* ---- revocation ---- */

static void test_trust_refuses_what_a_list_of_its_issuer_names(void **state)
{
    struct sw_trust_entry e = entry(1, 8, "ca0.pem");
    (void)state;
    pki_crl("ca0", "leaf0", "leaf0.crl");
    entry_crl(&e, "leaf0.crl");
    struct sw_trust_verdict v = judge(&e, 1, "leaf0", NULL);
    assert_refused(&v, X509_V_ERR_CERT_REVOKED, 0);
    v = judge(&e, 1, "leaf1", "chain.pem");
    assert_vouched(&v, IDS(1));
    entry_free(&e);
}

static void test_trust_refuses_below_a_revoked_intermediate(void **state)
{
    struct sw_trust_entry e = entry(1, 8, "ca0.pem");
    (void)state;
    pki_crl("ca1", "ca2", "ca2.crl");
    entry_crl(&e, "ca2.crl");
    struct sw_trust_verdict v = judge(&e, 1, "leaf1", "chain.pem");
    assert_vouched(&v, IDS(1));
    v = judge(&e, 1, "leaf2", "chain.pem");
    assert_refused(&v, X509_V_ERR_CERT_REVOKED, 1);
    v = judge(&e, 1, "leaf3", "chain.pem");
    assert_refused(&v, X509_V_ERR_CERT_REVOKED, 2);
    entry_free(&e);
}

/* Serial numbers are one issuer's: leaf1 and leaf2 have the same. */
static void test_trust_minds_a_list_for_its_own_issuer_only(void **state)
{
    struct sw_trust_entry e = entry(1, 8, "ca0.pem");
    (void)state;
    pki_crl("ca1", "leaf1", "leaf1.crl");
    entry_crl(&e, "leaf1.crl");
    struct sw_trust_verdict v = judge(&e, 1, "leaf1", "chain.pem");
    assert_refused(&v, X509_V_ERR_CERT_REVOKED, 0);
    v = judge(&e, 1, "leaf2", "chain.pem");
    assert_vouched(&v, IDS(1));
    entry_free(&e);
}

static void test_trust_applies_a_list_to_its_own_entry_only(void **state)
{
    struct sw_trust_entry e[] = {entry(1, 8, "ca0.pem"), entry(2, 8, "ca0.pem")};
    (void)state;
    pki_crl("ca0", "leaf0", "leaf0.crl");
    entry_crl(&e[0], "leaf0.crl");
    struct sw_trust_verdict v = judge(e, 2, "leaf0", NULL);
    assert_vouched(&v, IDS(2));
    entry_crl(&e[1], "leaf0.crl");
    v = judge(e, 2, "leaf0", NULL);
    assert_refused(&v, X509_V_ERR_CERT_REVOKED, 0);
    entry_free(&e[0]);
    entry_free(&e[1]);
}

static void test_trust_finds_a_revocation_in_any_of_several_lists(void **state)
{
    (void)state;
    pki_crl("ca0", NULL, "none.crl");
    pki_crl("ca1", NULL, "other.crl");
    pki_crl("ca0", "leaf0", "leaf0.crl");
    pki_sh("cat none.crl other.crl leaf0.crl >last.crl; cat leaf0.crl none.crl other.crl "
           ">first.crl; cat none.crl other.crl >clean.crl");
    static const struct {
        const char *file;
        bool good;
    } rows[] = {{"last.crl", false}, {"first.crl", false}, {"clean.crl", true}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_trust_entry e = entry(1, 8, "ca0.pem");
        entry_crl(&e, rows[i].file);
        struct sw_trust_verdict v = judge(&e, 1, "leaf0", NULL);
        if (rows[i].good)
            assert_vouched(&v, IDS(1));
        else
            assert_refused(&v, X509_V_ERR_CERT_REVOKED, 0);
        entry_free(&e);
    }
}

/* A list that its issuer has not signed says nothing, so the revocation is not known: refuse. */
static void test_trust_refuses_under_a_list_with_a_foreign_signature(void **state)
{
    struct sw_trust_entry e = entry(1, 8, "ca0.pem");
    (void)state;
    pki_make(&(struct pki_cert){.name = "twin", .subject = "/CN=CA 0", .options = PKI_CA});
    pki_crl("twin", NULL, "twin.crl");
    entry_crl(&e, "twin.crl");
    struct sw_trust_verdict v = judge(&e, 1, "leaf0", NULL);
    assert_refused(&v, X509_V_ERR_CRL_SIGNATURE_FAILURE, 0);
    entry_free(&e);
}

/* A CA that changed its key signs one list with each: each counts for what its key has signed. */
static void test_trust_uses_the_list_of_the_right_key_after_a_ca_changed_its_key(void **state)
{
    (void)state;
    pki_make(&(struct pki_cert){.name = "new", .subject = "/CN=CA 0", .options = PKI_CA});
    pki_make(&(struct pki_cert){
        .name = "newleaf", .issuer = "new", .subject = "/CN=leaf", .options = KEY_ID});
    pki_make(&(struct pki_cert){
        .name = "newgone", .issuer = "new", .subject = "/CN=leaf", .options = KEY_ID});
    pki_crl("ca0", "leaf0", "old.crl");
    pki_crl("new", "newgone", "new.crl");
    pki_sh("cat ca0.pem new.pem >both.pem");
    for (int order = 0; order < 2; order++) {
        struct sw_trust_entry e = entry(1, 8, "both.pem");
        pki_sh(order ? "cat new.crl old.crl >both.crl" : "cat old.crl new.crl >both.crl");
        entry_crl(&e, "both.crl");
        struct sw_trust_verdict v = judge(&e, 1, "newleaf", NULL);
        assert_vouched(&v, IDS(1));
        v = judge(&e, 1, "newgone", NULL);
        assert_refused(&v, X509_V_ERR_CERT_REVOKED, 0);
        v = judge(&e, 1, "leaf0", NULL);
        assert_refused(&v, X509_V_ERR_CERT_REVOKED, 0);
        v = judge(&e, 1, "leaf1", "chain.pem");
        assert_vouched(&v, IDS(1));
        entry_free(&e);
    }
}

/* ---- pins ---- */

static void test_trust_believes_a_pinned_certificate_as_it_is(void **state)
{
    struct sw_pin pin[1] = {0};
    struct sw_trust_entry e = {.id = 9, .pins = pin, .pin_count = 1};
    (void)state;
    pki_make(&(struct pki_cert){.name = "old", .issuer = "ca0", .subject = "/CN=l", .days = -1});
    fingerprint("old", pin[0].sha256); /* expired, of a CA nobody knows, and no depth allowed */
    struct sw_trust_verdict v = judge(&e, 1, "old", NULL);
    assert_vouched(&v, IDS(9));
    v = judge(&e, 1, "leaf0", NULL);
    assert_refused(&v, X509_V_ERR_CERT_UNTRUSTED, 0);
}

/* A pinned key stays the same when its certificate is renewed, by whomever. RFC 7469 2.4 */
static void test_trust_believes_a_pinned_key_in_any_certificate(void **state)
{
    struct sw_pin pins[2] = {{.of_key = true}, {.of_key = true}};
    struct sw_trust_entry e = {.id = 9, .pins = pins, .pin_count = 2};
    (void)state;
    pin_of("leaf0", &pins[0]);
    pki_sh(
        "openssl req -x509 -config cnf -utf8 -key leaf0.key -out renewedleaf.pem -days 60 -subj "
        "'/CN=other' && openssl x509 -in leaf0.pem -pubkey -noout | openssl pkey -pubin -outform "
        "DER | openssl dgst -sha256 -binary >digest");
    struct sw_slice digest = pki_read("digest"); /* as others compute it */
    assert_memory_equal(digest.p, pins[0].sha256, SW_SHA256_BYTES);
    pki_drop(digest);
    struct sw_trust_verdict v = judge(&e, 1, "renewedleaf", NULL);
    assert_vouched(&v, IDS(9));
    assert_int_equal(v.vouched.uses[0], SW_USE_ALL);
    v = judge(&e, 1, "leaf0", NULL);
    assert_vouched(&v, IDS(9));
    v = judge(&e, 1, "leaf1", "chain.pem");
    assert_refused(&v, X509_V_ERR_CERT_UNTRUSTED, 0);
    pin_of("leaf1", &pins[1]); /* a roll-over: both at once */
    v = judge(&e, 1, "leaf1", "chain.pem");
    assert_vouched(&v, IDS(9));
    v = judge(&e, 1, "leaf0", NULL);
    assert_vouched(&v, IDS(9));
    pins[0].of_key = false; /* the digest of a key is none of a certificate */
    v = judge(&e, 1, "leaf0", NULL);
    assert_refused(&v, X509_V_ERR_CERT_UNTRUSTED, 0);
}

/* A pin is the leaf's, never that of a CA that the peer sends along. */
static void test_trust_does_not_believe_below_a_pinned_ca(void **state)
{
    struct sw_pin pin[1] = {0};
    struct sw_trust_entry e = {.id = 9, .depth = 8, .pins = pin, .pin_count = 1};
    (void)state;
    fingerprint("ca0", pin[0].sha256);
    struct sw_trust_verdict v = judge(&e, 1, "leaf0", "ca0.pem");
    assert_refused(&v, X509_V_ERR_CERT_UNTRUSTED, 0);
}

static void test_trust_minds_every_bit_of_a_pin(void **state)
{
    (void)state;
    for (int bit = 0; bit < 256; bit++) {
        struct sw_pin pin[1] = {0};
        struct sw_trust_entry e = {.id = 9, .pins = pin, .pin_count = 1};
        fingerprint("leaf0", pin[0].sha256);
        pin[0].sha256[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct sw_trust_verdict v = judge(&e, 1, "leaf0", NULL);
        assert_int_equal(v.vouched.count, 0);
    }
}

/* Many pins in several entries, some twice: all that have it vouch, nobody else. */
static void test_trust_finds_a_pin_in_every_entry_that_has_it(void **state)
{
    enum { ENTRIES = 5, PINS = 33 };
    static struct sw_pin pins[ENTRIES][PINS];
    struct sw_trust_entry e[ENTRIES];
    (void)state;
    for (int i = 0; i < ENTRIES; i++) {
        for (int k = 0; k < PINS; k++)
            memset(pins[i][k].sha256, (k * 8 + i) & 0xff, SW_SHA256_BYTES);
        if (i % 2 == 0) {
            fingerprint("leaf0", pins[i][i].sha256);
            fingerprint("leaf0", pins[i][PINS - 1].sha256);
        }
        e[i] = (struct sw_trust_entry){
            .id = (uint32_t)i + 1, .pins = pins[i], .pin_count = (size_t)PINS};
    }
    struct sw_trust_verdict v = judge(e, ENTRIES, "leaf0", NULL);
    assert_vouched(&v, IDS(1, 3, 5));
    v = judge(e, ENTRIES, "leaf1", NULL);
    assert_int_equal(v.vouched.count, 0);
}

/* ---- several entries ---- */

static void test_trust_vouches_for_every_entry_with_the_same_ca(void **state)
{
    struct sw_trust_entry e[] = {entry(7, 4, "ca0.pem"), entry(3, 4, "ca1.pem"),
                                 entry(8, 4, "ca0.pem")};
    (void)state;
    pki_sh("cat ca0.pem ca0.pem >twice.pem");
    struct sw_trust_verdict v = judge(e, 3, "leaf0", NULL);
    assert_vouched(&v, IDS(7, 8));
    entry_free(&e[0]);
    e[0] = entry(7, 4, "twice.pem"); /* a certificate twice in one file */
    v = judge(e, 3, "leaf0", NULL);
    assert_vouched(&v, IDS(7, 8));
    for (int i = 0; i < 3; i++)
        entry_free(&e[i]);
}

/* One entry has the root, others have an intermediate below: each accepts the chain. */
static void test_trust_vouches_for_entries_with_anchors_above_each_other(void **state)
{
    struct sw_trust_entry e[] = {entry(1, 4, "ca0.pem"), entry(2, 4, "ca1.pem"),
                                 entry(3, 4, "ca2.pem"), entry(4, 1, "ca1.pem"),
                                 entry(5, 4, "ca3.pem")};
    (void)state;
    struct sw_trust_verdict v = judge(e, 5, "leaf2", "chain.pem");
    assert_vouched(&v, IDS(1, 2, 3));
    v = judge(e, 5, "leaf2", NULL); /* what one entry lists helps no other */
    assert_vouched(&v, IDS(3));
    v = judge(e + 1, 4, "leaf2", "chain.pem"); /* without a root */
    assert_vouched(&v, IDS(2, 3));
    for (int i = 0; i < 5; i++)
        entry_free(&e[i]);
}

/* A CA's certificate was renewed under the same key: one entry has the old, one the new. */
static void test_trust_vouches_for_entries_with_an_old_and_a_new_certificate_of_a_ca(void **state)
{
    (void)state;
    pki_sh("openssl req -x509 -config cnf -utf8 -key ca0.key -out renewed.pem -days 60 "
           "-subj '/CN=CA 0' " PKI_CA);
    struct sw_trust_entry e[] = {entry(1, 4, "ca0.pem"), entry(2, 4, "renewed.pem")};
    struct sw_trust_verdict v = judge(e, 2, "leaf0", NULL);
    assert_vouched(&v, IDS(1, 2));
    v = judge(e, 2, "leaf2", "chain.pem");
    assert_vouched(&v, IDS(1, 2));
    entry_free(&e[0]);
    entry_free(&e[1]);
}

/* A peer that one entry pins does not lose what another entry says of its chain. */
static void test_trust_vouches_for_pin_and_anchor_together(void **state)
{
    struct sw_pin pin[1] = {0};
    struct sw_trust_entry e[] = {entry(1, 4, "ca0.pem"), {.id = 2, .pins = pin, .pin_count = 1}};
    (void)state;
    fingerprint("leaf0", pin[0].sha256);
    struct sw_trust_verdict v = judge(e, 2, "leaf0", NULL);
    assert_vouched(&v, IDS(1, 2));
    pki_crl("ca0", "leaf0", "leaf0.crl");
    entry_crl(&e[0], "leaf0.crl"); /* what the first refuses is the second's own decision */
    v = judge(e, 2, "leaf0", NULL);
    assert_vouched(&v, IDS(2));
    entry_free(&e[0]);
}

static void test_trust_names_no_more_entries_than_it_has_room_for(void **state)
{
    struct sw_trust_entry e[SW_VOUCHED_MAX + 6];
    const unsigned count = sizeof(e) / sizeof(e[0]);
    (void)state;
    for (unsigned i = 0; i < count; i++)
        e[i] = entry(i + 1, 4, "ca0.pem");
    struct sw_trust_verdict v = judge(e, count, "leaf0", NULL);
    assert_int_equal(v.error, X509_V_OK);
    assert_int_equal(v.vouched.count, SW_VOUCHED_MAX);
    const struct sw_trust_entry *list[SW_VOUCHED_MAX + 1];
    for (unsigned i = 0; i <= SW_VOUCHED_MAX; i++)
        list[i] = &e[i];
    for (unsigned more = 0; more < 2; more++) { /* `check` tells which is too many */
        struct sw_trust *t = sw_trust_new(list, SW_VOUCHED_MAX + more);
        assert_non_null(t);
        assert_ptr_equal(sw_trust_crowded(t), more ? &e[SW_VOUCHED_MAX] : NULL);
        sw_trust_free(t);
    }
    for (unsigned i = 0; i < count; i++)
        entry_free(&e[i]);
}

/* Entries that could not vouch do not hide those that can, wherever they stand. */
static void test_trust_finds_the_few_that_vouch_among_many(void **state)
{
    enum { MANY = 100 };
    struct sw_trust_entry e[MANY];
    (void)state;
    pki_make(&(struct pki_cert){.name = "other", .subject = "/CN=Other CA", .options = PKI_CA});
    pki_make(&(struct pki_cert){.name = "twin", .subject = "/CN=CA 0", .options = PKI_CA});
    pki_sh("cat other.pem twin.pem ca1.pem >three.pem");
    for (unsigned i = 0; i < MANY; i++)
        e[i] = entry(i + 1, 4, i % 2 ? "other.pem" : "twin.pem");
    for (unsigned at = 0; at < MANY; at += 33) {
        entry_free(&e[at]);
        e[at] = entry(at + 1, at ? 4 : 1, at == 66 ? "three.pem" : "ca0.pem");
    }
    struct sw_trust_verdict v = judge(e, MANY, "leaf1", "chain.pem");
    assert_vouched(&v, IDS(34, 67, 100)); /* the first allows one CA only */
    v = judge(e, MANY, "leaf0", NULL);
    assert_vouched(&v, IDS(1, 34, 100));
    for (unsigned i = 0; i < MANY; i++)
        entry_free(&e[i]);
}

/* ---- what is remembered ---- */

static void test_trust_remembers_a_success_and_never_a_failure(void **state)
{
    struct sw_trust_entry e = entry(4, 4, "ca0.pem");
    const struct sw_trust_entry *list[] = {&e};
    struct sw_trust *t = sw_trust_new(list, 1);
    struct sw_leafcache *cache = sw_leafcache_new();
    assert_non_null(t);
    assert_non_null(cache);
    struct shown bare = {.leaf = "leaf1", .cache = cache};
    struct shown whole = {.leaf = "leaf1", .chain = "ca1.pem", .cache = cache};
    struct shown as_client = {.leaf = "leaf1", .of_client = true, .cache = cache};
    (void)state;
    struct sw_trust_verdict v = verify(t, &bare);
    assert_refused(&v, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 0);
    v = verify(t, &whole); /* the failure before is not held against it */
    assert_vouched(&v, IDS(4));
    v = verify(t, &whole);
    assert_vouched(&v, IDS(4));
    v = verify(t, &bare); /* nor is the success held in its favour */
    assert_refused(&v, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 0);
    v = verify(t, &as_client); /* in the other role it was never judged */
    assert_int_not_equal(v.error, X509_V_OK);
    sw_trust_free(t);
    e.depth = 0;
    t = sw_trust_new(list, 1); /* another store knows nothing of it */
    assert_non_null(t);
    v = verify(t, &whole);
    assert_refused(&v, X509_V_ERR_CERT_CHAIN_TOO_LONG, 0);
    sw_trust_free(t);
    sw_leafcache_free(cache);
    entry_free(&e);
}

/* The certificate is judged before its key is proved: a stranger who shows it with less of its
 * chain takes nothing from its owner. */
static void test_trust_keeps_a_verdict_for_the_chain_that_came(void **state)
{
    (void)state;
    struct sw_trust_entry e[] = {entry(1, 8, "ca1.pem"), entry(2, 8, "ca0.pem")};
    const struct sw_trust_entry *list[] = {&e[0], &e[1]};
    struct sw_trust *t = sw_trust_new(list, 2);
    struct sw_leafcache *cache = sw_leafcache_new();
    struct shown bare = {.leaf = "leaf1", .cache = cache};
    struct shown whole = {.leaf = "leaf1", .chain = "ca1.pem", .cache = cache};
    struct sw_trust_verdict v = verify(t, &bare);
    assert_vouched(&v, IDS(1));
    v = verify(t, &whole);
    assert_vouched(&v, IDS(1, 2));
    v = verify(t, &bare);
    assert_vouched(&v, IDS(1));
    sw_trust_free(t);
    sw_leafcache_free(cache);
    entry_free(&e[0]);
    entry_free(&e[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trust_without_entries_believes_nobody),
        cmocka_unit_test(test_trust_keeps_a_verdict_for_the_chain_that_came),
        cmocka_unit_test(test_trust_refuses_a_chain_deeper_than_its_entry_allows),
        cmocka_unit_test(test_trust_counts_depth_for_each_entry_by_itself),
        cmocka_unit_test(test_trust_refuses_what_ends_in_no_anchor),
        cmocka_unit_test(test_trust_refuses_a_ca_of_the_same_name_with_another_key),
        cmocka_unit_test(test_trust_refuses_a_leaf_that_signs),
        cmocka_unit_test(test_trust_refuses_outside_of_the_time_of_validity),
        cmocka_unit_test(test_trust_refuses_an_expired_certificate_anywhere_in_the_chain),
        cmocka_unit_test(test_trust_refuses_weak_keys_and_signatures_by_itself),
        cmocka_unit_test(test_trust_refuses_a_pinned_certificate_with_a_weak_key),
        cmocka_unit_test(test_trust_tells_what_a_certificate_may_be_used_for),
        cmocka_unit_test(test_trust_narrows_purposes_by_those_of_the_cas),
        cmocka_unit_test(test_trust_tells_purposes_for_each_entry_by_itself),
        cmocka_unit_test(test_trust_refuses_what_a_list_of_its_issuer_names),
        cmocka_unit_test(test_trust_refuses_below_a_revoked_intermediate),
        cmocka_unit_test(test_trust_minds_a_list_for_its_own_issuer_only),
        cmocka_unit_test(test_trust_applies_a_list_to_its_own_entry_only),
        cmocka_unit_test(test_trust_finds_a_revocation_in_any_of_several_lists),
        cmocka_unit_test(test_trust_refuses_under_a_list_with_a_foreign_signature),
        cmocka_unit_test(test_trust_uses_the_list_of_the_right_key_after_a_ca_changed_its_key),
        cmocka_unit_test(test_trust_believes_a_pinned_certificate_as_it_is),
        cmocka_unit_test(test_trust_believes_a_pinned_key_in_any_certificate),
        cmocka_unit_test(test_trust_does_not_believe_below_a_pinned_ca),
        cmocka_unit_test(test_trust_minds_every_bit_of_a_pin),
        cmocka_unit_test(test_trust_finds_a_pin_in_every_entry_that_has_it),
        cmocka_unit_test(test_trust_vouches_for_every_entry_with_the_same_ca),
        cmocka_unit_test(test_trust_vouches_for_entries_with_anchors_above_each_other),
        cmocka_unit_test(test_trust_vouches_for_entries_with_an_old_and_a_new_certificate_of_a_ca),
        cmocka_unit_test(test_trust_vouches_for_pin_and_anchor_together),
        cmocka_unit_test(test_trust_names_no_more_entries_than_it_has_room_for),
        cmocka_unit_test(test_trust_finds_the_few_that_vouch_among_many),
        cmocka_unit_test(test_trust_remembers_a_success_and_never_a_failure),
    };
    return cmocka_run_group_tests(tests, make_certificates, pki_finish);
}

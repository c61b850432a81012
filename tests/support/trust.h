/* Trust entries made in a test, and chains judged under them. cmocka.h comes first. */
#ifndef SW_TESTS_TRUST_H
#define SW_TESTS_TRUST_H

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

static inline int make_certificates(void **state)
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
static inline struct sw_trust_entry entry(uint32_t id, unsigned depth, const char *anchors)
{
    struct sw_trust_entry e = {.id = id, .depth = depth};
    if (anchors)
        e.anchors = pki_certs(anchors);
    return e;
}

static inline void entry_crl(struct sw_trust_entry *e, const char *file)
{
    char why[SW_WHY_MAX];
    struct sw_slice s = pki_read(file);
    assert_int_equal(sw_crls_parse(s, &e->crls, why), SW_OK);
    pki_drop(s);
}

static inline void entry_free(struct sw_trust_entry *e)
{
    sw_certs_free(&e->anchors);
    sw_crls_free(&e->crls);
}

static inline void fingerprint(const char *name, uint8_t out[SW_SHA256_BYTES])
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
static inline void pin_of(const char *name, struct sw_pin *pin)
{
    char file[64];
    struct sw_cert_facts f;
    snprintf(file, sizeof(file), "%s.pem", name);
    struct sw_certs certs = pki_certs(file);
    sw_cert_facts(certs.c[0], &f);
    memcpy(pin->sha256, pin->of_key ? f.key_sha256 : f.sha256, SW_SHA256_BYTES);
    sw_certs_free(&certs);
}

static inline struct sw_trust_verdict verify(const struct sw_trust *t, const struct shown *s)
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
static inline struct sw_trust_verdict judge_as(const struct sw_trust_entry *entries, size_t count,
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

static inline struct sw_trust_verdict judge(const struct sw_trust_entry *entries, size_t count,
                                            const char *leaf, const char *chain)
{
    return judge_as(entries, count, &(struct shown){.leaf = leaf, .chain = chain});
}

/* Exactly these vouch, in any order; `ids` ends with 0. */
static inline void assert_vouched(const struct sw_trust_verdict *v, const uint32_t *ids)
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

static inline void assert_refused(const struct sw_trust_verdict *v, int error, int depth)
{
    if (v->error != error)
        print_error("%d, %s\n", v->error, X509_verify_cert_error_string(v->error));
    if (v->error == X509_V_OK || v->vouched.count) /* not even where a failed assertion is: for */
        abort();                                   /* want of memory, see support/fault_unit.c */
    assert_int_equal(v->error, error);
    assert_int_equal(v->depth, depth);
    assert_int_equal(v->vouched.count, 0);
}

#endif

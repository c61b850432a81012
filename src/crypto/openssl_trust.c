/* OpenSSL behind crypto/trust.h: one X509_STORE for several trust entries. */
#include "crypto/mem.h"
#include "crypto/openssl_types.h"

#include <openssl/err.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct anchor {
    const X509 *x;  /* the store's object: chains point to it */
    uint32_t entry; /* index */
};

struct pin {
    uint8_t sha256[SW_SHA256_BYTES];
    uint32_t entry;
};

struct sw_trust {
    uint64_t number; /* never given twice */
    X509_STORE *store;
    const struct sw_trust_entry **entries;
    STACK_OF(X509) * *alone; /* each entry's own anchors, borrowed from it */
    struct anchor *anchors;  /* sorted by pointer; a certificate of two entries stands twice */
    struct pin *pins;        /* sorted by digest */
    size_t entry_count, anchor_count, pin_count;
};

static _Atomic uint64_t g_last_number;

static int anchor_order(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const struct anchor *)a)->x;
    uintptr_t y = (uintptr_t)((const struct anchor *)b)->x;
    return (x > y) - (x < y);
}

static int pin_order(const void *a, const void *b)
{
    return memcmp(((const struct pin *)a)->sha256, ((const struct pin *)b)->sha256,
                  SW_SHA256_BYTES);
}

/* The store keeps one object per certificate: entries that repeat one share it. */
static const X509 *store_add(X509_STORE *store, X509 *x)
{
    if (X509_STORE_add_cert(store, x) != 1)
        return NULL;
    ERR_clear_error();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    const X509 *found = x;
    if (ctx && X509_STORE_CTX_init(ctx, store, NULL, NULL) == 1) {
        STACK_OF(X509) *same = X509_STORE_CTX_get1_certs(ctx, X509_get_subject_name(x));
        for (int i = 0; same && i < sk_X509_num(same); i++)
            if (X509_cmp(sk_X509_value(same, i), x) == 0)
                found = sk_X509_value(same, i); /* the store holds a reference for good */
        sk_X509_pop_free(same, X509_free);
    }
    X509_STORE_CTX_free(ctx);
    return found;
}

static bool fill(struct sw_trust *t, const struct sw_trust_entry *e, uint32_t index)
{
    t->entries[index] = e;
    t->alone[index] = sk_X509_new_null();
    for (size_t i = 0; i < e->anchors.count; i++) {
        const X509 *x = store_add(t->store, sw_x509(e->anchors.c[i]));
        if (!x || sk_X509_push(t->alone[index], sw_x509(e->anchors.c[i])) <= 0)
            return false;
        t->anchors[t->anchor_count++] = (struct anchor){x, index};
    }
    for (size_t i = 0; i < e->pin_count; i++) {
        struct pin *p = &t->pins[t->pin_count++];
        memcpy(p->sha256, e->pins[i], SW_SHA256_BYTES);
        p->entry = index;
    }
    return true;
}

struct sw_trust *sw_trust_new(const struct sw_trust_entry *const *entries, size_t count)
{
    struct sw_trust *t = calloc(1, sizeof(*t));
    size_t anchors = 1, pins = 1;
    bool ok = t != NULL;
    if (!t)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        anchors += entries[i]->anchors.count;
        pins += entries[i]->pin_count;
    }
    t->number = atomic_fetch_add(&g_last_number, 1) + 1;
    t->store = X509_STORE_new();
    t->entries = calloc(count + 1, sizeof(*t->entries));
    t->alone = calloc(count + 1, sizeof(*t->alone));
    t->entry_count = count;
    t->anchors = calloc(anchors, sizeof(*t->anchors));
    t->pins = calloc(pins, sizeof(*t->pins));
    ok = t->store && t->entries && t->alone && t->anchors && t->pins;
    for (size_t i = 0; ok && i < count; i++)
        ok = fill(t, entries[i], (uint32_t)i);
    if (!ok) {
        sw_trust_free(t);
        return NULL;
    }
    qsort(t->anchors, t->anchor_count, sizeof(*t->anchors), anchor_order);
    qsort(t->pins, t->pin_count, sizeof(*t->pins), pin_order);
    /* an intermediate that is listed is believed by itself: peers may then send their leaf only */
    X509_VERIFY_PARAM *param = X509_STORE_get0_param(t->store);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
    return t;
}

void sw_trust_free(struct sw_trust *t)
{
    if (!t)
        return;
    X509_STORE_free(t->store);
    for (size_t i = 0; t->alone && i < t->entry_count; i++)
        sk_X509_free(t->alone[i]);
    free(t->alone);
    free(t->entries);
    free(t->anchors);
    free(t->pins);
    free(t);
}

void sw_trust_put_names(const struct sw_trust *t, struct sw_buf *b)
{
    enum { FEW = 4 };
    if (t->entry_count == 0)
        sw_buf_lit(b, "none");
    for (size_t i = 0; i < t->entry_count && i < FEW; i++) {
        if (i)
            sw_buf_lit(b, ", ");
        sw_buf_str(b, t->entries[i]->name ? t->entries[i]->name : "-");
    }
    if (t->entry_count > FEW)
        sw_buf_lit(b, ", ...");
}

X509_STORE *sw_trust_store(const struct sw_trust *t)
{
    return t->store;
}

static void vouch(struct sw_trust_verdict *out, uint32_t id)
{
    struct sw_vouched *v = &out->vouched;
    for (uint32_t i = 0; i < v->count; i++)
        if (v->id[i] == id)
            return;
    if (v->count < SW_VOUCHED_MAX)
        v->id[v->count++] = id;
}

static void match_pins(const struct sw_trust *t, const uint8_t sha256[SW_SHA256_BYTES],
                       struct sw_trust_verdict *out)
{
    struct pin wanted;
    size_t low = 0, high = t->pin_count;
    memcpy(wanted.sha256, sha256, SW_SHA256_BYTES);
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (pin_order(&t->pins[mid], &wanted) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < t->pin_count && pin_order(&t->pins[low], &wanted) == 0; low++)
        vouch(out, t->entries[t->pins[low].entry]->id);
}

/* X509_V_OK unless one of the entry's lists, signed by the issuer, names the certificate. A CA that
 * changed its key has lists of both: one under the issuer's name that another key signed says
 * nothing, and if there is no other, nothing is known. */
static int revoked_one(const struct sw_trust_entry *e, X509 *x, X509 *issuer)
{
    bool known = false, foreign = false;
    for (size_t k = 0; k < e->crls.count; k++) {
        X509_CRL *crl = sw_x509_crl(e->crls.c[k]);
        X509_REVOKED *entry = NULL;
        if (X509_NAME_cmp(X509_get_issuer_name(x), X509_CRL_get_issuer(crl)) != 0)
            continue;
        uint64_t failures = sw_crypto_mem_failures();
        if (X509_CRL_verify(crl, X509_get0_pubkey(issuer)) != 1) {
            if (sw_crypto_mem_failures() != failures) /* it may be the one that says it */
                return X509_V_ERR_OUT_OF_MEM;
            foreign = true;
            continue;
        }
        known = true;
        if (X509_CRL_get0_by_cert(crl, &entry, x) == 1) /* 2: removed from the list again */
            return X509_V_ERR_CERT_REVOKED;
    }
    return foreign && !known ? X509_V_ERR_CRL_SIGNATURE_FAILURE : X509_V_OK;
}

static int revoked(const struct sw_trust_entry *e, STACK_OF(X509) * chain, int below_anchor,
                   int *depth)
{
    for (int i = 0; i < below_anchor; i++) {
        int error = revoked_one(e, sk_X509_value(chain, i), sk_X509_value(chain, i + 1));
        if (error != X509_V_OK) {
            *depth = i;
            return error;
        }
    }
    return X509_V_OK;
}

/* An entry vouches if one of its anchors stands in the chain, not deeper than it allows. */
static int judge_entry(const struct sw_trust *t, uint32_t entry, STACK_OF(X509) * chain,
                       int anchor_at, int *depth)
{
    const struct sw_trust_entry *e = t->entries[entry];
    if ((unsigned)anchor_at > e->depth) {
        *depth = (int)e->depth;
        return X509_V_ERR_CERT_CHAIN_TOO_LONG;
    }
    return revoked(e, chain, anchor_at, depth);
}

static void match_anchors(const struct sw_trust *t, STACK_OF(X509) * chain,
                          struct sw_trust_verdict *out)
{
    int worst = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, depth = 0;
    for (int i = 1; chain && i < sk_X509_num(chain); i++) {
        const struct anchor wanted = {.x = sk_X509_value(chain, i)};
        struct anchor *a = bsearch(&wanted, t->anchors, t->anchor_count, sizeof(*a), anchor_order);
        if (!a)
            continue;
        while (a > t->anchors && anchor_order(a - 1, &wanted) == 0)
            a--;
        for (; a < t->anchors + t->anchor_count && anchor_order(a, &wanted) == 0; a++) {
            int e = judge_entry(t, a->entry, chain, i, &depth);
            if (e == X509_V_OK) {
                vouch(out, t->entries[a->entry]->id);
            } else {
                worst = e;
                out->depth = depth;
            }
        }
    }
    out->error = out->vouched.count ? X509_V_OK : worst;
}

/* The earliest end of validity in a chain. */
static int64_t chain_end_s(STACK_OF(X509) * chain)
{
    int64_t end = INT64_MAX;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        int64_t e = sw_asn1_time_s(X509_get0_notAfter(sk_X509_value(chain, i)));
        end = e < end ? e : end;
    }
    return end;
}

static bool vouched(const struct sw_trust_verdict *v, uint32_t id)
{
    for (uint32_t i = 0; i < v->vouched.count; i++)
        if (v->vouched.id[i] == id)
            return true;
    return false;
}

/* Judges the chain to one entry's own anchors. */
static bool accepts_alone(const struct sw_trust *t, uint32_t entry, X509_STORE_CTX *asked,
                          int64_t *end_s)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    int depth = 0;
    bool good = ctx && X509_STORE_CTX_init(ctx, t->store, X509_STORE_CTX_get0_cert(asked),
                                           X509_STORE_CTX_get0_untrusted(asked)) == 1;
    if (good) {
        X509_STORE_CTX_set0_trusted_stack(ctx, t->alone[entry]);
        good = X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(ctx),
                                      X509_STORE_CTX_get0_param(asked)) == 1 &&
               X509_verify_cert(ctx) == 1;
    }
    STACK_OF(X509) *chain = good ? X509_STORE_CTX_get0_chain(ctx) : NULL;
    int top = good ? sk_X509_num(chain) - 1 : 0;
    good = top > 0 && judge_entry(t, entry, chain, top, &depth) == X509_V_OK;
    if (good && chain_end_s(chain) < *end_s)
        *end_s = chain_end_s(chain);
    X509_STORE_CTX_free(ctx);
    return good;
}

/* The chain that was built ends at the first anchor of any entry, and has one of several
 * certificates of a CA: another entry may accept the leaf by another chain. */
static void ask_others(const struct sw_trust *t, X509_STORE_CTX *ctx, int64_t *end_s,
                       struct sw_trust_verdict *out)
{
    for (uint32_t i = 0; i < t->entry_count && out->vouched.count < SW_VOUCHED_MAX; i++)
        if (sk_X509_num(t->alone[i]) > 0 && !vouched(out, t->entries[i]->id) &&
            accepts_alone(t, i, ctx, end_s))
            vouch(out, t->entries[i]->id);
    if (out->vouched.count)
        out->error = X509_V_OK;
}

/* Builds the chain once against all entries' anchors, and asks who vouches for it. */
static void build(const struct sw_trust *t, X509_STORE_CTX *ctx, struct sw_leafcache *cache,
                  const struct sw_leaf_key *key, struct sw_trust_verdict *out)
{
    int64_t now_s = (int64_t)time(NULL);
    if (sw_leafcache_find(cache, key, now_s, &out->vouched)) {
        out->error = X509_V_OK;
        return;
    }
    if (X509_verify_cert(ctx) != 1) {
        out->error = X509_STORE_CTX_get_error(ctx);
        out->depth = X509_STORE_CTX_get_error_depth(ctx);
        return;
    }
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
    int64_t end_s = chain_end_s(chain);
    match_anchors(t, chain, out);
    ask_others(t, ctx, &end_s, out);
    if (out->error == X509_V_OK)
        sw_leafcache_add(cache, key, now_s, end_s, &out->vouched);
}

bool sw_trust_verify(const struct sw_trust *t, X509_STORE_CTX *ctx, bool of_client,
                     struct sw_leafcache *cache, struct sw_trust_verdict *out)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    struct sw_leaf_key key = {
        .trust = t->number,
        .of_client = of_client,
        .security_level = (uint32_t)X509_VERIFY_PARAM_get_auth_level(param),
    };
    unsigned n = sizeof(key.sha256);
    *out = (struct sw_trust_verdict){.error = X509_V_ERR_CERT_UNTRUSTED};
    if (X509_digest(X509_STORE_CTX_get0_cert(ctx), EVP_sha256(), key.sha256, &n) == 1) {
        if (t->anchor_count)
            build(t, ctx, cache, &key, out);
        match_pins(t, key.sha256, out);
        if (out->vouched.count) { /* a pin stands for its chain */
            out->error = X509_V_OK;
            out->depth = 0;
        }
    }
    X509_STORE_CTX_set_error(ctx, out->error);
    X509_STORE_CTX_set_error_depth(ctx, out->depth);
    ERR_clear_error();
    return out->error == X509_V_OK;
}

/* OpenSSL behind crypto/trust.h: several trust entries seen as one store. Its anchors stand in one
 * sorted table, which the library asks for issuers: its own store sorts again after each
 * certificate that is added, and takes a lock for each look. */
#include "crypto/openssl_trust.h"

#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdlib.h>

static _Atomic uint64_t g_last_number;
static CRYPTO_ONCE g_once = CRYPTO_ONCE_STATIC_INIT;
static int g_trust_of_store = -1;

static void once(void)
{
    g_trust_of_store = X509_STORE_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

uint32_t sw_trust_name_hash(const X509_NAME *name)
{
    return (uint32_t)X509_NAME_hash_ex(name, NULL, NULL, NULL);
}

static int anchor_order(const void *x, const void *y)
{
    const struct sw_trust_anchor *a = x, *b = y;
    if (a->subject != b->subject)
        return a->subject < b->subject ? -1 : 1;
    int d = a->x == b->x ? 0 : X509_cmp(a->x, b->x);
    return d ? d : (a->entry > b->entry) - (a->entry < b->entry);
}

int sw_trust_pin_order(const void *x, const void *y)
{
    const struct sw_pin *a = &((const struct sw_trust_pin *)x)->is,
                        *b = &((const struct sw_trust_pin *)y)->is;
    int d = memcmp(a->sha256, b->sha256, SW_SHA256_BYTES);
    return d ? d : (a->of_key > b->of_key) - (a->of_key < b->of_key);
}

/* ---- what the library asks the store ---- */

const struct sw_trust_anchor *sw_trust_first_of(const struct sw_trust *t, uint32_t subject)
{
    size_t low = 0, high = t->anchor_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (t->anchors[mid].subject < subject)
            low = mid + 1;
        else
            high = mid;
    }
    return t->anchors + low;
}

static const struct sw_trust *trust_of(X509_STORE_CTX *ctx)
{
    return X509_STORE_get_ex_data(X509_STORE_CTX_get0_store(ctx), g_trust_of_store);
}

/* An anchor that may have issued `x`: one that is valid now, or else the one that ends last. */
static int get_issuer(X509 **issuer, X509_STORE_CTX *ctx, X509 *x)
{
    const struct sw_trust *t = trust_of(ctx);
    uint32_t name = sw_trust_name_hash(X509_get_issuer_name(x));
    X509 *best = NULL, *last = NULL;
    for (const struct sw_trust_anchor *a = sw_trust_first_of(t, name);
         sw_trust_is_among(t, a, name); a++) {
        if (a->x == last)
            continue;
        last = a->x;
        if (!X509_STORE_CTX_get_check_issued(ctx)(ctx, x, a->x))
            continue;
        if (X509_cmp_timeframe(X509_STORE_CTX_get0_param(ctx), X509_get0_notBefore(a->x),
                               X509_get0_notAfter(a->x)) == 0) {
            best = a->x;
            break;
        }
        if (!best || ASN1_TIME_compare(X509_get0_notAfter(a->x), X509_get0_notAfter(best)) > 0)
            best = a->x;
    }
    if (!best || X509_up_ref(best) != 1)
        return 0;
    *issuer = best;
    return 1;
}

/* The anchors with this subject. An empty list: none; NULL: memory is out. */
static STACK_OF(X509) * lookup(X509_STORE_CTX *ctx, const X509_NAME *subject)
{
    const struct sw_trust *t = trust_of(ctx);
    uint32_t name = sw_trust_name_hash(subject);
    STACK_OF(X509) *found = sk_X509_new_null();
    const X509 *last = NULL;
    for (const struct sw_trust_anchor *a = sw_trust_first_of(t, name);
         found && sw_trust_is_among(t, a, name); a++) {
        if (a->x == last || X509_NAME_cmp(X509_get_subject_name(a->x), subject) != 0)
            continue;
        last = a->x;
        if (X509_add_cert(found, a->x, X509_ADD_FLAG_UP_REF) != 1) {
            sk_X509_pop_free(found, X509_free);
            return NULL;
        }
    }
    return found;
}

/* ---- making one ---- */

static bool fill(struct sw_trust *t, const struct sw_trust_entry *e, uint32_t index)
{
    t->entries[index] = e;
    t->alone[index] = sk_X509_new_null();
    for (size_t i = 0; i < e->anchors.count; i++) {
        X509 *x = sw_x509(e->anchors.c[i]);
        if (!t->alone[index] || sk_X509_push(t->alone[index], x) <= 0)
            return false;
        t->anchors[t->anchor_count++] =
            (struct sw_trust_anchor){sw_trust_name_hash(X509_get_subject_name(x)), index, x};
    }
    for (size_t i = 0; i < e->pin_count; i++)
        t->pins[t->pin_count++] = (struct sw_trust_pin){e->pins[i], index};
    return true;
}

static void sort(struct sw_trust *t)
{
    qsort(t->anchors, t->anchor_count, sizeof(*t->anchors), anchor_order);
    qsort(t->pins, t->pin_count, sizeof(*t->pins), sw_trust_pin_order);
    for (size_t i = 1; i < t->anchor_count; i++)
        if (t->anchors[i].subject == t->anchors[i - 1].subject &&
            X509_cmp(t->anchors[i].x, t->anchors[i - 1].x) == 0)
            t->anchors[i].x = t->anchors[i - 1].x;
}

const struct sw_trust_entry *sw_trust_crowded(const struct sw_trust *t)
{
    size_t same = 1;
    for (size_t i = 1; i < t->anchor_count; i++) {
        bool repeats = t->anchors[i].x == t->anchors[i - 1].x;
        same = !repeats ? 1 : same + (t->anchors[i].entry != t->anchors[i - 1].entry);
        if (same > SW_VOUCHED_MAX)
            return t->entries[t->anchors[i].entry];
    }
    return NULL;
}

static bool make_store(struct sw_trust *t)
{
    t->store = X509_STORE_new();
    if (!t->store || CRYPTO_THREAD_run_once(&g_once, once) != 1 ||
        X509_STORE_set_ex_data(t->store, g_trust_of_store, t) != 1)
        return false;
    X509_STORE_set_get_issuer(t->store, get_issuer);
    X509_STORE_set_lookup_certs(t->store, lookup);
    /* an intermediate that is listed is believed by itself: peers may then send their leaf only */
    X509_VERIFY_PARAM *param = X509_STORE_get0_param(t->store);
    return X509_VERIFY_PARAM_set_flags(param,
                                       X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST) == 1;
}

/* In the order of the configuration: another order costs a full handshake, and no more. */
static void make_scope(struct sw_trust *t)
{
    for (size_t i = 0; i < t->entry_count; i++) {
        uint8_t run[SW_SHA256_BYTES + sizeof(t->entries[i]->id)];
        memcpy(run, t->scope, SW_SHA256_BYTES);
        memcpy(run + SW_SHA256_BYTES, &t->entries[i]->id, sizeof(t->entries[i]->id));
        sw_sha256(run, sizeof(run), t->scope);
    }
}

struct sw_trust *sw_trust_new(const struct sw_trust_entry *const *entries, size_t count)
{
    struct sw_trust *t = calloc(1, sizeof(*t));
    size_t anchors = 1, pins = 1;
    if (!t)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        anchors += entries[i]->anchors.count;
        pins += entries[i]->pin_count;
    }
    t->number = atomic_fetch_add(&g_last_number, 1) + 1;
    t->entries = calloc(count + 1, sizeof(*t->entries));
    t->alone = calloc(count + 1, sizeof(*t->alone));
    t->entry_count = count;
    t->anchors = calloc(anchors, sizeof(*t->anchors));
    t->pins = calloc(pins, sizeof(*t->pins));
    bool ok = make_store(t) && t->entries && t->alone && t->anchors && t->pins;
    for (size_t i = 0; ok && i < count; i++)
        ok = fill(t, entries[i], (uint32_t)i);
    if (!ok) {
        sw_trust_free(t);
        return NULL;
    }
    sort(t);
    make_scope(t);
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

const uint8_t *sw_trust_scope(const struct sw_trust *t)
{
    return t->scope;
}

void sw_trust_learn(struct sw_trust *t, struct sw_revocations *r)
{
    t->learnt = r;
}

bool sw_trust_wants_ocsp(const struct sw_trust *t)
{
    for (size_t i = 0; i < t->entry_count; i++)
        if (t->entries[i]->revocation >= SW_REVOCATION_OCSP)
            return t->learnt;
    return false;
}

X509_STORE *sw_trust_store(const struct sw_trust *t)
{
    return t->store;
}

/* OpenSSL behind crypto/trust.h: several trust entries seen as one store. Its anchors stand in one
 * sorted table, which the library asks for issuers: its own store sorts again after each
 * certificate that is added, and takes a lock for each look. */
#include "crypto/mem.h"
#include "crypto/openssl_types.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct anchor {
    uint32_t subject; /* hash of the name */
    uint32_t entry;   /* index */
    X509 *x;          /* the entry's; equal certificates of several entries are one object here */
};

struct pin {
    struct sw_pin is;
    uint32_t entry;
};

struct sw_trust {
    uint64_t number; /* never given twice */
    uint8_t scope[SW_SHA256_BYTES];
    struct sw_revocations *learnt; /* NULL: nothing is fetched */
    X509_STORE *store;
    const struct sw_trust_entry **entries;
    STACK_OF(X509) * *alone; /* each entry's own anchors, borrowed from it */
    struct anchor *anchors;  /* sorted; a certificate of two entries stands twice */
    struct pin *pins;        /* sorted */
    size_t entry_count, anchor_count, pin_count;
};

static _Atomic uint64_t g_last_number;
static CRYPTO_ONCE g_once = CRYPTO_ONCE_STATIC_INIT;
static int g_trust_of_store = -1;

static void once(void)
{
    g_trust_of_store = X509_STORE_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

static uint32_t name_hash(const X509_NAME *name)
{
    return (uint32_t)X509_NAME_hash_ex(name, NULL, NULL, NULL);
}

static int anchor_order(const void *x, const void *y)
{
    const struct anchor *a = x, *b = y;
    if (a->subject != b->subject)
        return a->subject < b->subject ? -1 : 1;
    int d = a->x == b->x ? 0 : X509_cmp(a->x, b->x);
    return d ? d : (a->entry > b->entry) - (a->entry < b->entry);
}

static int pin_order(const void *x, const void *y)
{
    const struct sw_pin *a = &((const struct pin *)x)->is, *b = &((const struct pin *)y)->is;
    int d = memcmp(a->sha256, b->sha256, SW_SHA256_BYTES);
    return d ? d : (a->of_key > b->of_key) - (a->of_key < b->of_key);
}

/* ---- what the library asks the store ---- */

/* The first anchor whose subject has this hash; the end of the table if there is none. */
static const struct anchor *first_of(const struct sw_trust *t, uint32_t subject)
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

static bool among(const struct sw_trust *t, const struct anchor *a, uint32_t subject)
{
    return a < t->anchors + t->anchor_count && a->subject == subject;
}

static const struct sw_trust *trust_of(X509_STORE_CTX *ctx)
{
    return X509_STORE_get_ex_data(X509_STORE_CTX_get0_store(ctx), g_trust_of_store);
}

/* An anchor that may have issued `x`: one that is valid now, or else the one that ends last. */
static int get_issuer(X509 **issuer, X509_STORE_CTX *ctx, X509 *x)
{
    const struct sw_trust *t = trust_of(ctx);
    uint32_t name = name_hash(X509_get_issuer_name(x));
    X509 *best = NULL, *last = NULL;
    for (const struct anchor *a = first_of(t, name); among(t, a, name); a++) {
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
    uint32_t name = name_hash(subject);
    STACK_OF(X509) *found = sk_X509_new_null();
    const X509 *last = NULL;
    for (const struct anchor *a = first_of(t, name); found && among(t, a, name); a++) {
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
            (struct anchor){name_hash(X509_get_subject_name(x)), index, x};
    }
    for (size_t i = 0; i < e->pin_count; i++)
        t->pins[t->pin_count++] = (struct pin){e->pins[i], index};
    return true;
}

static void sort(struct sw_trust *t)
{
    qsort(t->anchors, t->anchor_count, sizeof(*t->anchors), anchor_order);
    qsort(t->pins, t->pin_count, sizeof(*t->pins), pin_order);
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

/* ---- who vouches ---- */

/* One judging of a chain. */
struct judging {
    const struct sw_trust *t;
    const struct sw_trust_ask *ask;
    X509_STORE_CTX *ctx;
    int64_t now_s;
    int64_t end_s; /* until when it holds */
    struct sw_trust_verdict *out;
};

/* The same entry may vouch by two chains, or by a chain and a pin: either is enough. */
static void vouch(struct sw_trust_verdict *out, uint32_t id, uint8_t uses)
{
    struct sw_vouched *v = &out->vouched;
    for (uint32_t i = 0; i < v->count; i++)
        if (v->id[i] == id) {
            v->uses[i] |= uses;
            return;
        }
    if (v->count < SW_VOUCHED_MAX) {
        v->uses[v->count] = uses;
        v->id[v->count++] = id;
    }
}

/* A pin stands for the chain, so for the purposes and the revocation that a CA would tell. */
static void match_pins(const struct sw_trust *t, const struct sw_pin *is,
                       struct sw_trust_verdict *out)
{
    const struct pin wanted = {.is = *is};
    size_t low = 0, high = t->pin_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (pin_order(&t->pins[mid], &wanted) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < t->pin_count && pin_order(&t->pins[low], &wanted) == 0; low++)
        vouch(out, t->entries[t->pins[low].entry]->id, SW_USE_ALL);
}

/* Pins of the certificate and of its key, unless the key is too weak to stand for anybody. */
static void judge_pins(const struct sw_trust *t, X509 *leaf, const uint8_t sha256[SW_SHA256_BYTES],
                       struct sw_trust_verdict *out)
{
    struct sw_trust_verdict pinned = {0};
    struct sw_pin is = {0};
    memcpy(is.sha256, sha256, SW_SHA256_BYTES);
    match_pins(t, &is, &pinned);
    is.of_key = true;
    if (t->pin_count && sw_x509_key_sha256(leaf, is.sha256))
        match_pins(t, &is, &pinned);
    if (!pinned.vouched.count)
        return;
    if (sw_x509_weak_key(leaf)) {
        if (!out->vouched.count)
            *out = (struct sw_trust_verdict){.error = X509_V_ERR_EE_KEY_TOO_SMALL};
        return;
    }
    for (uint32_t i = 0; i < pinned.vouched.count; i++)
        vouch(out, pinned.vouched.id[i], pinned.vouched.uses[i]);
    out->error = X509_V_OK;
    out->depth = 0;
}

/* All answers that are missing are asked for at once. */
static int revoked(struct judging *j, const struct sw_trust_entry *e, STACK_OF(X509) * chain,
                   int below_anchor, int *depth)
{
    struct sw_revocation_ask ask = {.learnt = j->t->learnt,
                                    .staple = j->ask->staple,
                                    .last = j->ask->last,
                                    .staple_follows = j->ask->staple_follows,
                                    .now_s = j->now_s};
    int found = X509_V_OK;
    for (int i = 0; i < below_anchor; i++) {
        int error =
            sw_revoked(e, &ask, sk_X509_value(chain, i), sk_X509_value(chain, i + 1), &j->end_s);
        ask.staple = sw_slice("", 0);
        ask.staple_follows = false;
        if (error == X509_V_OK)
            continue;
        *depth = i;
        found = error;
        if (error != X509_V_ERR_OCSP_VERIFY_NEEDED)
            break;
    }
    return found;
}

/* Keys and signatures that nobody should believe any more, whatever a TLS policy allows. The
 * anchor's own signature proves nothing and is not looked at. RFC 9325 4.5 */
static int weak(STACK_OF(X509) * chain, int anchor_at, int *depth)
{
    for (int i = 0; i <= anchor_at; i++) {
        X509 *x = sk_X509_value(chain, i);
        *depth = i;
        if (sw_x509_weak_key(x))
            return i ? X509_V_ERR_CA_KEY_TOO_SMALL : X509_V_ERR_EE_KEY_TOO_SMALL;
        if (i < anchor_at && sw_x509_weak_signature(x))
            return X509_V_ERR_CA_MD_TOO_WEAK;
    }
    return X509_V_OK;
}

/* What the leaf may be used for: a CA's extendedKeyUsage holds for all below it. One that may vouch
 * for TLS may vouch for SIP: RFC 5924 5 wants a certificate with sipDomain accepted. */
static uint8_t uses_of(STACK_OF(X509) * chain, int anchor_at)
{
    uint8_t uses = sw_x509_uses(sk_X509_value(chain, 0));
    for (int i = 1; i <= anchor_at; i++) {
        uint8_t ca = sw_x509_uses(sk_X509_value(chain, i));
        if (ca & (SW_USE_CLIENT | SW_USE_SERVER))
            ca |= SW_USE_SIP;
        uses &= ca | SW_USE_KEY;
    }
    return uses;
}

/* An entry vouches if one of its anchors stands in the chain, not deeper than it allows. */
static int judge_entry(struct judging *j, uint32_t entry, STACK_OF(X509) * chain, int anchor_at,
                       int *depth)
{
    const struct sw_trust_entry *e = j->t->entries[entry];
    if ((unsigned)anchor_at > e->depth) {
        *depth = (int)e->depth;
        return X509_V_ERR_CERT_CHAIN_TOO_LONG;
    }
    int error = weak(chain, anchor_at, depth);
    if (error == X509_V_OK)
        error = revoked(j, e, chain, anchor_at, depth);
    j->out->pending |= error == X509_V_ERR_OCSP_VERIFY_NEEDED;
    return error;
}

/* The first place of a certificate among the anchors; the end of the table if it is none. */
static const struct anchor *find(const struct sw_trust *t, X509 *x)
{
    uint32_t name = name_hash(X509_get_subject_name(x));
    const struct anchor *a = first_of(t, name);
    while (among(t, a, name) && a->x != x && X509_cmp(a->x, x) != 0)
        a++;
    return among(t, a, name) ? a : t->anchors + t->anchor_count;
}

static void match_anchors(struct judging *j, STACK_OF(X509) * chain)
{
    const struct sw_trust *t = j->t;
    struct sw_trust_verdict *out = j->out;
    int worst = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, depth = 0;
    for (int i = 1; chain && i < sk_X509_num(chain); i++) {
        const struct anchor *first = find(t, sk_X509_value(chain, i));
        for (const struct anchor *a = first; a < t->anchors + t->anchor_count && a->x == first->x;
             a++) {
            int e = judge_entry(j, a->entry, chain, i, &depth);
            if (e == X509_V_OK) {
                vouch(out, t->entries[a->entry]->id, uses_of(chain, i));
            } else {
                worst = e;
                out->depth = depth;
            }
            if (out->vouched.count == SW_VOUCHED_MAX)
                break;
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

/* Judges the chain to one entry's own anchors, and vouches for what it allows. */
static void ask_alone(struct judging *j, uint32_t entry)
{
    const struct sw_trust *t = j->t;
    X509_STORE_CTX *ctx = X509_STORE_CTX_new(), *asked = j->ctx;
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
    if (top > 0 && judge_entry(j, entry, chain, top, &depth) == X509_V_OK) {
        vouch(j->out, t->entries[entry]->id, uses_of(chain, top));
        if (chain_end_s(chain) < j->end_s)
            j->end_s = chain_end_s(chain);
    }
    X509_STORE_CTX_free(ctx);
}

/* Asks the entries that did not vouch yet and have an anchor that may have issued `x`. Those that
 * have nothing but `judged`, where the chain ended, would see the same chain again. */
static void ask_issuers_of(struct judging *j, X509 *x, const X509 *judged)
{
    const struct sw_trust *t = j->t;
    const struct sw_trust_verdict *out = j->out;
    uint32_t name = name_hash(X509_get_issuer_name(x));
    for (const struct anchor *a = first_of(t, name);
         among(t, a, name) && out->vouched.count < SW_VOUCHED_MAX; a++)
        if ((a->x != judged || sk_X509_num(t->alone[a->entry]) > 1) &&
            !vouched(out, t->entries[a->entry]->id) && X509_check_issued(a->x, x) == X509_V_OK)
            ask_alone(j, a->entry);
}

/* The chain that was built ends at the first anchor of any entry, and has one of several
 * certificates of a CA: another entry may accept the leaf by another chain. Its anchor has then
 * issued the leaf or one of the certificates that came with it. */
static void ask_others(struct judging *j)
{
    const struct sw_trust *t = j->t;
    X509_STORE_CTX *ctx = j->ctx;
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
    const struct anchor *end = t->anchors + t->anchor_count;
    const struct anchor *top = find(t, sk_X509_value(chain, sk_X509_num(chain) - 1));
    const X509 *judged = top == end ? NULL : top->x;
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(ctx);
    ask_issuers_of(j, X509_STORE_CTX_get0_cert(ctx), judged);
    for (int i = 0; sent && i < sk_X509_num(sent); i++)
        if (X509_cmp(sk_X509_value(sent, i), X509_STORE_CTX_get0_cert(ctx)) != 0)
            ask_issuers_of(j, sk_X509_value(sent, i), judged);
    if (j->out->vouched.count)
        j->out->error = X509_V_OK;
}

/* Builds the chain once against all entries' anchors, and asks who vouches for it. */
static void build(struct judging *j, struct sw_leafcache *cache, const struct sw_leaf_key *key)
{
    struct sw_trust_verdict *out = j->out;
    X509_STORE_CTX *ctx = j->ctx;
    if (!j->ask->staple.n && sw_leafcache_find(cache, key, j->now_s, &out->vouched)) {
        out->error = X509_V_OK;
        return;
    }
    if (X509_verify_cert(ctx) != 1) {
        out->error =
            sw_crypto_memory_failed() ? X509_V_ERR_OUT_OF_MEM : X509_STORE_CTX_get_error(ctx);
        out->depth = X509_STORE_CTX_get_error_depth(ctx);
        return;
    }
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
    j->end_s = chain_end_s(chain);
    match_anchors(j, chain);
    ask_others(j);
    if (sw_crypto_memory_failed()) { /* who did not vouch may not have been asked */
        out->vouched.count = 0;
        out->pending = false;
        out->error = X509_V_ERR_OUT_OF_MEM;
    } else if (out->pending)
        out->error = X509_V_OK;
    else if (out->error == X509_V_OK)
        sw_leafcache_add(cache, key, j->now_s, j->end_s, &out->vouched);
}

bool sw_trust_verify(const struct sw_trust *t, X509_STORE_CTX *ctx, const struct sw_trust_ask *ask,
                     struct sw_leafcache *cache, struct sw_trust_verdict *out)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509 *leaf = X509_STORE_CTX_get0_cert(ctx);
    struct sw_leaf_key key = {
        .trust = t->number,
        .revocations = t->learnt ? sw_revocations_version(t->learnt) : 0,
        .of_client = ask->of_client,
        .security_level = (uint32_t)X509_VERIFY_PARAM_get_auth_level(param),
    };
    unsigned n = sizeof(key.sha256);
    *out = (struct sw_trust_verdict){.error = X509_V_ERR_CERT_UNTRUSTED};
    ERR_clear_error();
    /* whose connection it is is not known yet: which purposes it needs is judged with the peer */
    if (X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY) != 1 ||
        X509_digest(leaf, EVP_sha256(), key.sha256, &n) != 1) {
        out->error = X509_V_ERR_OUT_OF_MEM;
    } else {
        struct judging j = {
            .t = t, .ask = ask, .ctx = ctx, .now_s = (int64_t)time(NULL), .out = out};
        if (t->anchor_count)
            build(&j, cache, &key);
        judge_pins(t, leaf, key.sha256, out);
    }
    /* the alert would say that the certificate itself has expired */
    X509_STORE_CTX_set_error(
        ctx, out->error == X509_V_ERR_CRL_HAS_EXPIRED ? X509_V_ERR_UNABLE_TO_GET_CRL : out->error);
    X509_STORE_CTX_set_error_depth(ctx, out->depth);
    ERR_clear_error();
    return out->error == X509_V_OK;
}

/* How a chain is judged against trust entries: who vouches for it, and for what. */
#include "crypto/openssl_trust.h"

#include "crypto/hmac.h"
#include "crypto/mem.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

/* One judging of a chain. */
struct judging {
    const struct sw_trust *t;
    const struct sw_trust_ask *ask;
    X509_STORE_CTX *ctx;
    int64_t now_s;
    int64_t end_s;    /* until when it holds */
    bool unknown;     /* by the entry asked last: of one in the chain nothing tells */
    bool must_staple; /* a chain's server must: each handshake is judged by itself */
    struct sw_trust_verdict *out;
};

/* The same entry may vouch by two chains, or by a chain and a pin: either is enough. */
static void vouch(struct sw_trust_verdict *out, uint32_t id, uint8_t uses)
{
    struct sw_vouched *v = &out->vouched;
    for (uint32_t i = 0; i < v->count; i++)
        if (v->id[i] == id) {
            v->uses[i] = (uint8_t)((v->uses[i] | uses) &
                                   (SW_USE_ALL | (v->uses[i] & uses & SW_USE_UNCHECKED)));
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
    const struct sw_trust_pin wanted = {.is = *is};
    size_t low = 0, high = t->pin_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (sw_trust_pin_order(&t->pins[mid], &wanted) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < t->pin_count && sw_trust_pin_order(&t->pins[low], &wanted) == 0; low++)
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
                                    .now_s = j->now_s,
                                    .unknown = &j->unknown};
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

/* Whatever a TLS policy allows. */
int sw_x509_chain_weak(STACK_OF(X509) * chain, int anchor_at, int *depth)
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

/* A CA that may vouch for TLS may vouch for SIP: RFC 5924 5 wants a certificate with sipDomain
 * accepted. */
uint8_t sw_x509_chain_uses(STACK_OF(X509) * chain, int anchor_at)
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

/* RFC 7633 4.3.3: a client treats a certificate as invalid whose server does not do what it was
 * asked for, and what the certificate promises. */
static bool staple_missing(struct judging *j, STACK_OF(X509) * chain, int anchor_at)
{
    if (j->ask->of_client || !sw_trust_wants_ocsp(j->t) || !sw_chain_must_staple(chain, anchor_at))
        return false;
    j->must_staple = true;
    return j->ask->due == SW_STAPLE_DUE || (j->ask->due == SW_STAPLE_DUE_ONCE &&
                                            !sw_is_known_good(j->t->learnt, sk_X509_value(chain, 0),
                                                              sk_X509_value(chain, 1), j->now_s));
}

/* What a chain may be used for by the entry that was asked last. */
static uint8_t uses_of(const struct judging *j, STACK_OF(X509) * chain, int anchor_at)
{
    return sw_x509_chain_uses(chain, anchor_at) | (j->unknown ? SW_USE_UNCHECKED : 0);
}

/* An entry vouches if one of its anchors stands in the chain, not deeper than it allows. */
static int judge_entry(struct judging *j, uint32_t entry, STACK_OF(X509) * chain, int anchor_at,
                       int *depth)
{
    const struct sw_trust_entry *e = j->t->entries[entry];
    j->unknown = false;
    if ((unsigned)anchor_at > e->depth) {
        *depth = (int)e->depth;
        return X509_V_ERR_CERT_CHAIN_TOO_LONG;
    }
    int error = sw_x509_chain_weak(chain, anchor_at, depth);
    if (error == X509_V_OK && staple_missing(j, chain, anchor_at)) {
        *depth = 0;
        error = SW_V_ERR_STAPLE_MISSING;
    }
    if (error == X509_V_OK)
        error = revoked(j, e, chain, anchor_at, depth);
    j->out->pending |= error == X509_V_ERR_OCSP_VERIFY_NEEDED;
    return error;
}

/* The first place of a certificate among the anchors; the end of the table if it is none. */
static const struct sw_trust_anchor *find(const struct sw_trust *t, X509 *x)
{
    uint32_t name = sw_trust_name_hash(X509_get_subject_name(x));
    const struct sw_trust_anchor *a = sw_trust_first_of(t, name);
    while (sw_trust_is_among(t, a, name) && a->x != x && X509_cmp(a->x, x) != 0)
        a++;
    return sw_trust_is_among(t, a, name) ? a : t->anchors + t->anchor_count;
}

static void match_anchors(struct judging *j, STACK_OF(X509) * chain)
{
    const struct sw_trust *t = j->t;
    struct sw_trust_verdict *out = j->out;
    int worst = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, depth = 0;
    for (int i = 1; chain && i < sk_X509_num(chain); i++) {
        const struct sw_trust_anchor *first = find(t, sk_X509_value(chain, i));
        for (const struct sw_trust_anchor *a = first;
             a < t->anchors + t->anchor_count && a->x == first->x; a++) {
            int e = judge_entry(j, a->entry, chain, i, &depth);
            if (e == X509_V_OK) {
                vouch(out, t->entries[a->entry]->id, uses_of(j, chain, i));
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
        vouch(j->out, t->entries[entry]->id, uses_of(j, chain, top));
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
    uint32_t name = sw_trust_name_hash(X509_get_issuer_name(x));
    for (const struct sw_trust_anchor *a = sw_trust_first_of(t, name);
         sw_trust_is_among(t, a, name) && out->vouched.count < SW_VOUCHED_MAX; a++)
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
    const struct sw_trust_anchor *end = t->anchors + t->anchor_count;
    const struct sw_trust_anchor *top = find(t, sk_X509_value(chain, sk_X509_num(chain) - 1));
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
    uint64_t failures = sw_crypto_mem_failures();
    if (!j->ask->staple.n && sw_leafcache_find(cache, key, j->now_s, &out->vouched)) {
        out->error = X509_V_OK;
        return;
    }
    if (X509_verify_cert(ctx) != 1) {
        out->error = sw_crypto_mem_failures() != failures ? X509_V_ERR_OUT_OF_MEM
                                                          : X509_STORE_CTX_get_error(ctx);
        out->depth = X509_STORE_CTX_get_error_depth(ctx);
        return;
    }
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
    j->end_s = chain_end_s(chain);
    match_anchors(j, chain);
    ask_others(j);
    if (sw_crypto_mem_failures() != failures) { /* who did not vouch may not have been asked */
        out->vouched.count = 0;
        out->pending = false;
        out->error = X509_V_ERR_OUT_OF_MEM;
    } else if (out->pending) {
        out->error = X509_V_OK;
    } else if (out->error == X509_V_OK && !j->must_staple) {
        sw_leafcache_add(cache, key, j->now_s, j->end_s, &out->vouched);
    }
}

/* The verdict is of a leaf and of what came with it: anybody may show the leaf of another, with
 * less of its chain, before a key is proved. */
static bool digest_of(X509_STORE_CTX *ctx, const uint8_t leaf[SW_SHA256_BYTES],
                      uint8_t out[SW_SHA256_BYTES])
{
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(ctx);
    uint8_t run[2][SW_SHA256_BYTES];
    memcpy(run[0], leaf, SW_SHA256_BYTES);
    for (int i = 0; i < sk_X509_num(sent); i++) {
        if (!sw_x509_sha256(sk_X509_value(sent, i), run[1]))
            return false;
        if (memcmp(run[1], leaf, SW_SHA256_BYTES) != 0) /* it is not always among them */
            sw_sha256(run, sizeof(run), run[0]);
    }
    memcpy(out, run[0], SW_SHA256_BYTES);
    return true;
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
    uint8_t leaf_sha256[SW_SHA256_BYTES];
    *out = (struct sw_trust_verdict){.error = X509_V_ERR_CERT_UNTRUSTED};
    /* whose connection it is is not known yet: which purposes it needs is judged with the peer */
    if (X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY) != 1 ||
        !sw_x509_sha256(leaf, leaf_sha256) || !digest_of(ctx, leaf_sha256, key.sha256)) {
        out->error = X509_V_ERR_OUT_OF_MEM;
    } else {
        struct judging j = {
            .t = t, .ask = ask, .ctx = ctx, .now_s = (int64_t)time(NULL), .out = out};
        if (t->anchor_count)
            build(&j, cache, &key);
        judge_pins(t, leaf, leaf_sha256, out);
    }
    X509_STORE_CTX_set_error(ctx, out->error);
    X509_STORE_CTX_set_error_depth(ctx, out->depth);
    ERR_clear_error();
    return out->error == X509_V_OK;
}

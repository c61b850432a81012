/* OpenSSL behind crypto/revoke.h: the table of what was learnt. Certificates stand in it as bytes:
 * the objects belong to the library context of a worker. */
#include "crypto/openssl_facts.h"

#include "crypto/mem.h"

#include <stdatomic.h>
#include <time.h>

/* ---- the table ---- */

struct sw_revocations *sw_revocations_new(void)
{
    struct sw_revocations *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    if (sw_map_init(&r->map, SW_REVOCATIONS_MAX) != SW_OK) {
        free(r);
        return NULL;
    }
    pthread_mutex_init(&r->lock, NULL);
    r->refs = 1;
    r->refresh_s = 3600;
    sw_list_init(&r->by_age);
    sw_list_init(&r->wanted);
    return r;
}

struct sw_revocations *sw_revocations_ref(struct sw_revocations *r)
{
    atomic_fetch_add(&r->refs, 1);
    return r;
}

void sw_fact_drop_bytes(struct sw_fact_bytes *b)
{
    OPENSSL_free(b->p);
    *b = (struct sw_fact_bytes){0};
}

static void drop(struct sw_revocations *r, struct sw_fact_entry *f)
{
    sw_map_del(&r->map, &f->node);
    sw_list_del(&f->age);
    sw_list_del(&f->queue);
    X509_CRL_free(f->list);
    sw_fact_drop_bytes(&f->cert);
    sw_fact_drop_bytes(&f->issuer);
    sw_fact_drop_bytes(&f->staple);
    OPENSSL_free(f->url);
    free(f->why);
    free(f);
}

void sw_revocations_unref(struct sw_revocations *r)
{
    if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    while (!sw_list_empty(&r->by_age))
        drop(r, SW_CONTAINER(r->by_age.next, struct sw_fact_entry, age));
    sw_map_fini(&r->map);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void sw_revocations_lock(struct sw_revocations *r)
{
    pthread_mutex_lock(&r->lock);
}

void sw_revocations_unlock(struct sw_revocations *r)
{
    pthread_mutex_unlock(&r->lock);
}

void sw_revocations_set(struct sw_revocations *r, uint32_t refresh_s, void (*wake)(void *user),
                        void *user)
{
    sw_revocations_lock(r);
    r->refresh_s = refresh_s;
    r->wake = wake;
    r->user = user;
    sw_revocations_unlock(r);
}

uint64_t sw_revocations_answers(const struct sw_revocations *r)
{
    return atomic_load_explicit(&r->answers, memory_order_acquire);
}

uint64_t sw_revocations_version(const struct sw_revocations *r)
{
    return atomic_load_explicit(&r->version, memory_order_acquire);
}

/* A digest is as good as the keyed hash that the map wants. */
static struct sw_key key_of(const uint8_t what[32])
{
    struct sw_key k;
    memcpy(&k, what, sizeof(k));
    return k;
}

struct sw_fact_entry *sw_fact_find(const struct sw_revocations *r, const uint8_t what[32])
{
    struct sw_map_node *n = sw_map_get(&r->map, key_of(what));
    struct sw_fact_entry *f = n ? SW_CONTAINER(n, struct sw_fact_entry, node) : NULL;
    return f && memcmp(f->what, what, 32) == 0 ? f : NULL;
}

static struct sw_fact_entry *add(struct sw_revocations *r, const uint8_t what[32])
{
    struct sw_fact_entry *f = calloc(1, sizeof(*f));
    struct sw_map_node *same = sw_map_get(&r->map, key_of(what));
    if (!f)
        return NULL;
    if (same) /* half a digest in common: never seen */
        drop(r, SW_CONTAINER(same, struct sw_fact_entry, node));
    while (r->map.count >= SW_REVOCATIONS_MAX)
        drop(r, SW_CONTAINER(r->by_age.next, struct sw_fact_entry, age));
    memcpy(f->what, what, sizeof(f->what));
    sw_list_init(&f->queue);
    sw_map_add(&r->map, &f->node, key_of(what));
    sw_list_add(&r->by_age, &f->age);
    return f;
}

static bool digest_of(X509 *x, X509 *issuer, uint8_t what[32])
{
    struct {
        uint8_t cert[32], key[32];
    } both;
    unsigned n;
    return sw_x509_sha256(x, both.cert) && sw_x509_key_sha256(issuer, both.key) &&
           EVP_Digest(&both, sizeof(both), what, &n, EVP_sha256(), NULL) == 1;
}

/* A new place for the answer about a certificate. */
static struct sw_fact_entry *add_ocsp(struct sw_revocations *r, const uint8_t what[32], X509 *x,
                                      X509 *issuer)
{
    struct sw_fact_entry *f = add(r, what);
    if (!f)
        return NULL;
    uint64_t failures = sw_crypto_mem_failures();
    f->url = sw_ocsp_url(x);
    f->cert.n = i2d_X509(x, &f->cert.p);
    f->issuer.n = i2d_X509(issuer, &f->issuer.p);
    if (f->cert.n > 0 && f->issuer.n > 0 && sw_crypto_mem_failures() == failures)
        return f;
    drop(r, f);
    return NULL;
}

/* ---- asking ---- */

char *sw_fetchable(const char *url)
{
    size_t n = strlen(url);
    bool fits =
        n < SW_INQUIRY_URL_MAX && sw_slice_starts_case(sw_slice_str(url), SW_SLICE("http://"));
    for (size_t i = 0; i < n && fits; i++)
        fits = url[i] > ' ' && url[i] < 127;
    return fits ? OPENSSL_strdup(url) : NULL;
}

/* What a place says at a time; `*wake`: somebody has to fetch. */
static enum sw_fact use(struct sw_revocations *r, struct sw_fact_entry *f, int64_t now_s,
                        int64_t *until_s, bool *wake)
{
    bool holds = f->said != SW_FACT_NONE && f->until_s > now_s;
    bool wanted = !holds || f->refresh_s <= now_s;
    sw_list_del(&f->age);
    sw_list_add(&r->by_age, &f->age);
    if (wanted && f->url && !f->asking && f->retry_s <= now_s && sw_list_empty(&f->queue)) {
        sw_list_add(&r->wanted, &f->queue);
        *wake = true;
    }
    bool coming = f->asking || !sw_list_empty(&f->queue);
    /* while a newer one is coming, nothing is built on this one for longer than now */
    int64_t again_s = coming ? now_s : f->retry_s > now_s ? f->retry_s : f->refresh_s;
    if ((coming || again_s > now_s) && again_s < *until_s)
        *until_s = again_s;
    if (holds && f->until_s < *until_s)
        *until_s = f->until_s;
    if (holds || f->said == SW_FACT_REVOKED) /* until somebody says otherwise */
        return f->said;
    return coming ? SW_FACT_WAIT : SW_FACT_NONE;
}

/* Leaves the lock, and wakes who is to fetch. */
static void leave(struct sw_revocations *r, bool wake)
{
    void (*call)(void *) = wake ? r->wake : NULL;
    void *user = r->user;
    sw_revocations_unlock(r);
    if (call)
        call(user);
}

enum sw_fact sw_fact_ocsp(struct sw_revocations *r, X509 *x, X509 *issuer, int64_t now_s,
                          int64_t *until_s)
{
    uint8_t what[32];
    bool wake = false;
    if (!digest_of(x, issuer, what))
        return SW_FACT_NONE;
    sw_revocations_lock(r);
    struct sw_fact_entry *f = sw_fact_find(r, what);
    if (!f)
        f = add_ocsp(r, what, x, issuer);
    enum sw_fact said = f ? use(r, f, now_s, until_s, &wake) : SW_FACT_NONE;
    leave(r, wake);
    return said;
}

enum sw_fact sw_fact_list(struct sw_revocations *r, const char *url, int64_t now_s,
                          int64_t *until_s, X509_CRL **list)
{
    uint8_t what[32];
    unsigned n;
    bool wake = false;
    if (EVP_Digest(url, strlen(url), what, &n, EVP_sha256(), NULL) != 1)
        return SW_FACT_NONE;
    sw_revocations_lock(r);
    struct sw_fact_entry *f = sw_fact_find(r, what);
    if (!f) {
        f = add(r, what);
        if (f && !(f->url = OPENSSL_strdup(url))) { /* it would never be fetched */
            drop(r, f);
            f = NULL;
        }
    }
    enum sw_fact said = f ? use(r, f, now_s, until_s, &wake) : SW_FACT_NONE;
    *list = f ? f->list : NULL; /* an old one still counts for what it names */
    if (*list && X509_CRL_up_ref(*list) != 1)
        *list = NULL;
    leave(r, wake);
    return said;
}

struct sw_slice sw_revocations_staple(struct sw_revocations *r, const struct sw_cert *cert,
                                      const struct sw_cert *issuer)
{
    int64_t now_s = (int64_t)time(NULL), until_s = INT64_MAX;
    struct sw_slice out = {0};
    uint8_t what[32];
    bool wake = false;
    if (!digest_of(sw_x509(cert), sw_x509(issuer), what))
        return out;
    sw_revocations_lock(r);
    struct sw_fact_entry *f = sw_fact_find(r, what);
    if (!f)
        f = add_ocsp(r, what, sw_x509(cert), sw_x509(issuer));
    if (f) {
        f->is_ours = true;
        if (use(r, f, now_s, &until_s, &wake) > SW_FACT_WAIT && f->staple.p && f->until_s > now_s)
            out = sw_slice(OPENSSL_memdup(f->staple.p, (size_t)f->staple.n), (size_t)f->staple.n);
    }
    leave(r, wake);
    return out.p ? out : (struct sw_slice){0};
}

void sw_revocations_drop_staple(struct sw_slice staple)
{
    OPENSSL_free((void *)(uintptr_t)staple.p);
}

void sw_revocations_renew(struct sw_revocations *r)
{
    int64_t now_s = (int64_t)time(NULL);
    sw_revocations_lock(r);
    for (struct sw_list *l = r->by_age.next; l != &r->by_age; l = l->next) {
        struct sw_fact_entry *f = SW_CONTAINER(l, struct sw_fact_entry, age);
        if (f->is_ours && f->url && f->refresh_s <= now_s && f->retry_s <= now_s && !f->asking &&
            sw_list_empty(&f->queue))
            sw_list_add(&r->wanted, &f->queue);
    }
    sw_revocations_unlock(r);
}

/* ---- what was said ---- */

void sw_fact_say(struct sw_revocations *r, struct sw_fact_entry *f, enum sw_fact said,
                 int64_t now_s, int64_t until_s)
{
    if (said != SW_FACT_GOOD && f->said != said)
        atomic_fetch_add_explicit(&r->version, 1, memory_order_release);
    f->said = said;
    f->until_s = until_s;
    f->refresh_s = now_s + r->refresh_s;
    f->retry_s = 0;
}

bool sw_fact_take(struct sw_revocations *r, X509 *x, X509 *issuer, struct sw_slice staple,
                  int64_t now_s)
{
    struct sw_ocsp_answer a;
    uint8_t what[32];
    char why[SW_WHY_MAX];
    if (!sw_ocsp_read(staple, NULL, x, issuer, now_s, &a, why) || !digest_of(x, issuer, what))
        return false;
    sw_revocations_lock(r);
    struct sw_fact_entry *f = sw_fact_find(r, what);
    if (!f)
        f = add_ocsp(r, what, x, issuer);
    /* the peer chooses what it staples: an older answer takes nothing back */
    if (f && (f->said != SW_FACT_REVOKED || a.said == SW_FACT_REVOKED) &&
        (f->said == SW_FACT_NONE || f->until_s <= a.until_s || a.said != SW_FACT_GOOD))
        sw_fact_say(r, f, a.said, now_s, a.until_s);
    sw_revocations_unlock(r);
    return f;
}

void sw_revocations_count(struct sw_revocations *r, struct sw_revocations_count *out)
{
    *out = (struct sw_revocations_count){0};
    sw_revocations_lock(r);
    for (const struct sw_list *l = r->by_age.next; l != &r->by_age; l = l->next) {
        const struct sw_fact_entry *f = SW_CONTAINER(l, struct sw_fact_entry, age);
        if (sw_fact_is_empty(f))
            continue;
        uint32_t *n = f->asking || !sw_list_empty(&f->queue) ? &out->waiting
                      : f->said == SW_FACT_NONE    ? &out->failed /* there is an address */
                      : !f->cert.p                 ? &out->lists
                      : f->said == SW_FACT_GOOD    ? &out->good
                      : f->said == SW_FACT_REVOKED ? &out->revoked
                                                   : &out->unknown;
        ++*n;
    }
    sw_revocations_unlock(r);
}

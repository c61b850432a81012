/* OpenSSL behind crypto/revoke.h: the table of what was learnt. Certificates stand in it as bytes:
 * the objects belong to the library context of a worker. */
#include "crypto/openssl_learnt.h"

#include "base/list.h"
#include "base/map.h"
#include "crypto/mem.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { RETRY_S = 60 }; /* after a failure */

struct bytes {
    uint8_t *p;
    int n;
};

/* One answer or list, or the wish for it. */
struct fact {
    struct sw_map_node node;
    struct sw_list age;   /* the one used last is the last */
    struct sw_list queue; /* in `wanted` */
    uint8_t what[32];
    char *url;                 /* NULL: it only comes stapled */
    struct bytes cert, issuer; /* empty: it is a list */
    enum sw_fact said;         /* NONE: nothing yet */
    int64_t until_s, refresh_s, retry_s;
    X509_CRL *list;
    uint8_t list_sha256[32];
    struct bytes staple; /* the answer itself, of a certificate of ours */
    bool asking, is_ours;
};

struct sw_revocations {
    _Atomic uint32_t refs;
    _Atomic uint64_t answers, version;
    pthread_mutex_t lock;
    struct sw_map map;
    struct sw_list by_age, wanted;
    uint32_t refresh_s;
    void (*wake)(void *user);
    void *user;
};

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

static void drop_bytes(struct bytes *b)
{
    OPENSSL_free(b->p);
    *b = (struct bytes){0};
}

static void drop(struct sw_revocations *r, struct fact *f)
{
    sw_map_del(&r->map, &f->node);
    sw_list_del(&f->age);
    sw_list_del(&f->queue);
    X509_CRL_free(f->list);
    drop_bytes(&f->cert);
    drop_bytes(&f->issuer);
    drop_bytes(&f->staple);
    OPENSSL_free(f->url);
    free(f);
}

void sw_revocations_unref(struct sw_revocations *r)
{
    if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    while (!sw_list_empty(&r->by_age))
        drop(r, SW_CONTAINER(r->by_age.next, struct fact, age));
    sw_map_fini(&r->map);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static void lock(struct sw_revocations *r)
{
    pthread_mutex_lock(&r->lock);
}

static void unlock(struct sw_revocations *r)
{
    pthread_mutex_unlock(&r->lock);
}

void sw_revocations_set(struct sw_revocations *r, uint32_t refresh_s, void (*wake)(void *user),
                        void *user)
{
    lock(r);
    r->refresh_s = refresh_s;
    r->wake = wake;
    r->user = user;
    unlock(r);
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

static struct fact *find(const struct sw_revocations *r, const uint8_t what[32])
{
    struct sw_map_node *n = sw_map_get(&r->map, key_of(what));
    struct fact *f = n ? SW_CONTAINER(n, struct fact, node) : NULL;
    return f && memcmp(f->what, what, 32) == 0 ? f : NULL;
}

static struct fact *add(struct sw_revocations *r, const uint8_t what[32])
{
    struct fact *f = calloc(1, sizeof(*f));
    struct sw_map_node *same = sw_map_get(&r->map, key_of(what));
    if (!f)
        return NULL;
    if (same) /* half a digest in common: never seen */
        drop(r, SW_CONTAINER(same, struct fact, node));
    while (r->map.count >= SW_REVOCATIONS_MAX)
        drop(r, SW_CONTAINER(r->by_age.next, struct fact, age));
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
    return X509_digest(x, EVP_sha256(), both.cert, &n) == 1 &&
           sw_x509_key_sha256(issuer, both.key) &&
           EVP_Digest(&both, sizeof(both), what, &n, EVP_sha256(), NULL) == 1;
}

/* A new place for the answer about a certificate. */
static struct fact *add_ocsp(struct sw_revocations *r, const uint8_t what[32], X509 *x,
                             X509 *issuer)
{
    struct fact *f = add(r, what);
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
static enum sw_fact use(struct sw_revocations *r, struct fact *f, int64_t now_s, int64_t *until_s,
                        bool *wake)
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
    unlock(r);
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
    lock(r);
    struct fact *f = find(r, what);
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
    lock(r);
    struct fact *f = find(r, what);
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
    lock(r);
    struct fact *f = find(r, what);
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
    lock(r);
    for (struct sw_list *l = r->by_age.next; l != &r->by_age; l = l->next) {
        struct fact *f = SW_CONTAINER(l, struct fact, age);
        if (f->is_ours && f->url && f->refresh_s <= now_s && f->retry_s <= now_s && !f->asking &&
            sw_list_empty(&f->queue))
            sw_list_add(&r->wanted, &f->queue);
    }
    unlock(r);
}

/* ---- what is to be fetched ---- */

/* What an answer is checked against, outside of the lock. */
struct asked {
    OCSP_REQUEST *request;
    X509 *x, *issuer;
};

static X509 *read_cert(const struct bytes *b)
{
    const unsigned char *p = b->p;
    return d2i_X509(NULL, &p, b->n);
}

static void asked_free(struct asked *a)
{
    if (!a)
        return;
    OCSP_REQUEST_free(a->request);
    X509_free(a->x);
    X509_free(a->issuer);
    free(a);
}

/* The request as bytes; false: memory is out. */
static bool make_request(const struct fact *f, struct sw_inquiry *out)
{
    unsigned char *der = NULL;
    struct asked *a = calloc(1, sizeof(*a));
    if (!a)
        return false;
    a->x = read_cert(&f->cert);
    a->issuer = read_cert(&f->issuer);
    a->request = a->x && a->issuer ? sw_ocsp_request(a->x, a->issuer) : NULL;
    int n = a->request ? i2d_OCSP_REQUEST(a->request, &der) : -1;
    if (n <= 0) {
        asked_free(a);
        return false;
    }
    out->request = a;
    out->body = sw_slice((char *)der, (size_t)n);
    return true;
}

bool sw_revocations_next(struct sw_revocations *r, struct sw_inquiry *out)
{
    bool found = false;
    lock(r);
    while (!found && !sw_list_empty(&r->wanted)) {
        struct fact *f = SW_CONTAINER(r->wanted.next, struct fact, queue);
        sw_list_del(&f->queue);
        *out = (struct sw_inquiry){.of_list = !f->cert.p};
        memcpy(out->what, f->what, sizeof(out->what));
        memcpy(out->url, f->url, strlen(f->url) + 1);
        found = out->of_list || make_request(f, out);
        f->asking = found;
        if (!found)
            f->retry_s = (int64_t)time(NULL) + RETRY_S;
    }
    unlock(r);
    return found;
}

/* ---- what came ---- */

/* What said something else before is to be judged again. */
static void say(struct sw_revocations *r, struct fact *f, enum sw_fact said, int64_t now_s,
                int64_t until_s)
{
    if (said != SW_FACT_GOOD && f->said != said)
        atomic_fetch_add_explicit(&r->version, 1, memory_order_release);
    f->said = said;
    f->until_s = until_s;
    f->refresh_s = now_s + r->refresh_s;
    f->retry_s = 0;
}

static void keep_staple(struct fact *f, struct sw_slice der)
{
    drop_bytes(&f->staple);
    f->staple = (struct bytes){OPENSSL_memdup(der.p, der.n), (int)der.n};
}

static void take_ocsp(struct sw_revocations *r, const struct sw_inquiry *q,
                      const struct sw_ocsp_answer *a, struct sw_slice body, int64_t now_s,
                      struct sw_learnt *out)
{
    static const char *const names[] = {
        [SW_FACT_GOOD] = "good", [SW_FACT_REVOKED] = "revoked", [SW_FACT_UNKNOWN] = "unknown"};
    struct fact *f = find(r, q->what);
    if (!f)
        return;
    say(r, f, a->said, now_s, a->until_s);
    if (f->is_ours)
        keep_staple(f, body);
    out->said = names[a->said];
    out->until_s = a->until_s;
}

static void refuse(struct sw_learnt *out, const char *why)
{
    struct sw_buf b = sw_buf(out->why, SW_WHY_MAX - 1);
    sw_buf_str(&b, why);
    out->why[b.n] = 0;
}

/* The list, parsed and checked for its own sake; who signed it is judged where it is used. */
static X509_CRL *read_list(struct sw_slice body, uint8_t sha256[32], struct sw_learnt *out)
{
    struct sw_crls lists = {0};
    unsigned n;
    if (sw_crls_parse(body, &lists, out->why) != SW_OK)
        return NULL;
    X509_CRL *crl = sw_x509_crl(lists.c[0]);
    X509_CRL_up_ref(crl);
    sw_crls_free(&lists);
    if (EVP_Digest(body.p, body.n, sha256, &n, EVP_sha256(), NULL) != 1) {
        X509_CRL_free(crl);
        return NULL;
    }
    return crl;
}

static void take_list(struct sw_revocations *r, const struct sw_inquiry *q, X509_CRL *crl,
                      const uint8_t sha256[32], int64_t now_s, struct sw_learnt *out)
{
    struct fact *f = find(r, q->what);
    int64_t next_s = sw_asn1_time_s(X509_CRL_get0_nextUpdate(crl));
    if (!f)
        return;
    if (!f->list || memcmp(f->list_sha256, sha256, 32) != 0) {
        X509_CRL_free(f->list);
        f->list = crl;
        X509_CRL_up_ref(crl);
        memcpy(f->list_sha256, sha256, 32);
        atomic_fetch_add_explicit(&r->version, 1, memory_order_release);
    }
    bool current = !next_s || next_s > now_s;
    say(r, f, SW_FACT_GOOD, now_s, current && next_s ? next_s : now_s + r->refresh_s);
    if (!current) {
        f->refresh_s = now_s + RETRY_S;
        refuse(out, "it is past its nextUpdate");
    }
    out->said = current ? "list" : "stale";
    out->until_s = next_s;
}

static void put_failed(struct sw_revocations *r, const struct sw_inquiry *q, int64_t now_s)
{
    struct fact *f = find(r, q->what);
    if (f)
        f->retry_s = now_s + RETRY_S;
}

void sw_revocations_answer(struct sw_revocations *r, struct sw_inquiry *q, struct sw_slice body,
                           const char *why, struct sw_learnt *out)
{
    int64_t now_s = (int64_t)time(NULL);
    uint8_t sha256[32];
    *out = (struct sw_learnt){.said = "failed"};
    if (!body.p)
        refuse(out, why);
    X509_CRL *crl = body.p && q->of_list ? read_list(body, sha256, out) : NULL;
    struct asked *asked = q->request;
    struct sw_ocsp_answer a;
    bool good = body.p && asked &&
                sw_ocsp_read(body, asked->request, asked->x, asked->issuer, now_s, &a, out->why);
    lock(r);
    struct fact *f = find(r, q->what);
    if (f)
        f->asking = false;
    if (crl)
        take_list(r, q, crl, sha256, now_s, out);
    else if (good)
        take_ocsp(r, q, &a, body, now_s, out);
    if (strcmp(out->said, "failed") == 0)
        put_failed(r, q, now_s);
    atomic_fetch_add_explicit(&r->answers, 1, memory_order_release);
    unlock(r);
    X509_CRL_free(crl);
    OPENSSL_free((void *)(uintptr_t)q->body.p);
    asked_free(asked);
    q->body = (struct sw_slice){0};
    q->request = NULL;
    ERR_clear_error();
}

bool sw_fact_take(struct sw_revocations *r, X509 *x, X509 *issuer, struct sw_slice staple,
                  int64_t now_s)
{
    struct sw_ocsp_answer a;
    uint8_t what[32];
    char why[SW_WHY_MAX];
    if (!sw_ocsp_read(staple, NULL, x, issuer, now_s, &a, why) || !digest_of(x, issuer, what))
        return false;
    lock(r);
    struct fact *f = find(r, what);
    if (!f)
        f = add_ocsp(r, what, x, issuer);
    /* the peer chooses what it staples: an older answer takes nothing back */
    if (f && (f->said != SW_FACT_REVOKED || a.said == SW_FACT_REVOKED) &&
        (f->said == SW_FACT_NONE || f->until_s <= a.until_s || a.said != SW_FACT_GOOD))
        say(r, f, a.said, now_s, a.until_s);
    unlock(r);
    return f;
}

void sw_revocations_count(struct sw_revocations *r, struct sw_revocations_count *out)
{
    *out = (struct sw_revocations_count){0};
    lock(r);
    for (const struct sw_list *l = r->by_age.next; l != &r->by_age; l = l->next) {
        const struct fact *f = SW_CONTAINER(l, struct fact, age);
        uint32_t *n = f->asking || !sw_list_empty(&f->queue) ? &out->waiting
                      : f->said == SW_FACT_NONE              ? &out->failed
                      : !f->cert.p                           ? &out->lists
                      : f->said == SW_FACT_GOOD              ? &out->good
                      : f->said == SW_FACT_REVOKED           ? &out->revoked
                                                             : &out->unknown;
        ++*n;
    }
    unlock(r);
}

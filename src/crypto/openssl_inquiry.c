/* OpenSSL behind crypto/revoke.h: what is to be fetched, and what becomes of what came. */
#include "crypto/openssl_facts.h"

#include <openssl/err.h>
#include <stdatomic.h>
#include <time.h>

/* ---- what is to be fetched ---- */

/* What an answer is checked against, outside of the lock. */
struct asked {
    OCSP_REQUEST *request;
    X509 *x, *issuer;
};

static X509 *read_cert(const struct sw_fact_bytes *b)
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
static bool make_request(const struct sw_fact_entry *f, struct sw_inquiry *out)
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

/* A failure is not waited out longer than an answer is used. */
static int64_t retry_after_s(const struct sw_revocations *r)
{
    return r->refresh_s < SW_FACT_RETRY_S ? r->refresh_s : SW_FACT_RETRY_S;
}

bool sw_revocations_next(struct sw_revocations *r, struct sw_inquiry *out)
{
    bool found = false;
    sw_revocations_lock(r);
    while (!found && !sw_list_empty(&r->wanted)) {
        struct sw_fact_entry *f = SW_CONTAINER(r->wanted.next, struct sw_fact_entry, queue);
        sw_list_del(&f->queue);
        *out = (struct sw_inquiry){.of_list = !f->cert.p};
        memcpy(out->what, f->what, sizeof(out->what));
        memcpy(out->url, f->url, strlen(f->url) + 1);
        found = out->of_list || make_request(f, out);
        f->asking = found;
        if (!found)
            f->retry_s = (int64_t)time(NULL) + retry_after_s(r);
    }
    sw_revocations_unlock(r);
    return found;
}

/* ---- what came ---- */

static void keep_staple(struct sw_fact_entry *f, struct sw_slice der)
{
    sw_fact_drop_bytes(&f->staple);
    f->staple = (struct sw_fact_bytes){OPENSSL_memdup(der.p, der.n), (int)der.n};
}

static void take_ocsp(struct sw_revocations *r, const struct sw_inquiry *q,
                      const struct sw_ocsp_answer *a, struct sw_slice body, int64_t now_s,
                      struct sw_learnt *out)
{
    static const char *const names[] = {
        [SW_FACT_GOOD] = "good", [SW_FACT_REVOKED] = "revoked", [SW_FACT_UNKNOWN] = "unknown"};
    struct sw_fact_entry *f = sw_fact_find(r, q->what);
    if (!f)
        return;
    sw_fact_say(r, f, a->said, now_s, a->until_s);
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
    struct sw_fact_entry *f = sw_fact_find(r, q->what);
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
    sw_fact_say(r, f, SW_FACT_GOOD, now_s, current && next_s ? next_s : now_s + r->refresh_s);
    if (!current) {
        f->refresh_s = now_s + retry_after_s(r);
        refuse(out, "it is past its nextUpdate");
    }
    out->said = current ? "list" : "stale";
    out->until_s = next_s;
}

static void put_failed(struct sw_revocations *r, const struct sw_inquiry *q, int64_t now_s,
                       const char *why)
{
    struct sw_fact_entry *f = sw_fact_find(r, q->what);
    if (!f)
        return;
    f->retry_s = now_s + retry_after_s(r);
    f->failed_s = now_s;
    free(f->why);
    f->why = strdup(why);
}

static void put_list(X509_CRL *crl, struct sw_learnt *out)
{
    struct sw_crl_facts facts;
    sw_crl_facts((const struct sw_crl *)crl, &facts);
    memcpy(out->about.issuer, facts.issuer, sizeof(facts.issuer));
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
    if (asked)
        sw_cert_facts((const struct sw_cert *)asked->x, &out->about);
    else if (crl)
        put_list(crl, out);
    sw_revocations_lock(r);
    struct sw_fact_entry *f = sw_fact_find(r, q->what);
    if (f)
        f->asking = false;
    if (crl)
        take_list(r, q, crl, sha256, now_s, out);
    else if (good)
        take_ocsp(r, q, &a, body, now_s, out);
    if (strcmp(out->said, "failed") == 0)
        put_failed(r, q, now_s, out->why);
    atomic_fetch_add_explicit(&r->answers, 1, memory_order_release);
    sw_revocations_unlock(r);
    X509_CRL_free(crl);
    OPENSSL_free((void *)(uintptr_t)q->body.p);
    asked_free(asked);
    q->body = (struct sw_slice){0};
    q->request = NULL;
    ERR_clear_error();
}

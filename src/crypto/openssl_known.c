/* OpenSSL behind crypto/revoke.h: what is known of revocations, for those who ask. */
#include "crypto/openssl_facts.h"

#include <openssl/err.h>
#include <time.h>

enum { DIGEST = 32 };

/* A copy of one place, so that nobody who judges a certificate waits while it is told. */
struct copy {
    struct sw_revocation_row row;
    X509_CRL *list;
    unsigned char *der;
    int der_n;
    char *url, *why;
};

static const char *word(const struct sw_fact_entry *f, int64_t now_s)
{
    const bool over = f->said != SW_FACT_REVOKED && f->until_s <= now_s;
    if (f->said == SW_FACT_NONE || over)
        return f->asking || !sw_list_empty(&f->queue) ? "waiting" : f->failed_s ? "failed" : "old";
    return f->said == SW_FACT_REVOKED   ? "revoked"
           : f->said == SW_FACT_UNKNOWN ? "unknown"
           : f->cert.p                  ? "good"
                                        : "list";
}

/* False: it is gone, or there is nothing to tell. */
static bool copy_of(struct sw_revocations *r, const uint8_t what[DIGEST], struct copy *out)
{
    sw_revocations_lock(r);
    const struct sw_fact_entry *f = sw_fact_find(r, what);
    bool there = f && !sw_fact_is_empty(f);
    if (there) {
        *out = (struct copy){
            .row = {.kind = f->cert.p ? "ocsp" : "crl",
                    .said = word(f, (int64_t)time(NULL)),
                    .of_ours = f->is_ours,
                    .until_s = f->said == SW_FACT_NONE ? 0 : f->until_s,
                    .failed_s = f->failed_s},
            .url = f->url ? strdup(f->url) : NULL,
            .why = f->why ? strdup(f->why) : NULL,
            .der = f->cert.p ? OPENSSL_memdup(f->cert.p, (size_t)f->cert.n) : NULL,
            .der_n = f->cert.n,
            .list = f->list && X509_CRL_up_ref(f->list) == 1 ? f->list : NULL,
        };
    }
    sw_revocations_unlock(r);
    return there;
}

static void tell(struct copy *c, void (*row)(void *, const struct sw_revocation_row *), void *user)
{
    struct sw_cert_facts cert = {0};
    struct sw_crl_facts list = {0};
    if (c->der && sw_cert_der_facts(sw_slice((char *)c->der, (size_t)c->der_n), &cert) != SW_OK)
        cert = (struct sw_cert_facts){0};
    if (c->list)
        sw_crl_facts((const struct sw_crl *)c->list, &list);
    c->row.url = c->url;
    c->row.why = c->why;
    c->row.issuer = c->list ? list.issuer : cert.issuer;
    c->row.subject = cert.subject;
    c->row.serial = cert.serial;
    row(user, &c->row);
    X509_CRL_free(c->list);
    OPENSSL_free(c->der);
    free(c->url);
    free(c->why);
}

bool sw_revocations_list(struct sw_revocations *r,
                         void (*row)(void *user, const struct sw_revocation_row *x), void *user)
{
    uint8_t(*what)[DIGEST] = malloc((size_t)SW_REVOCATIONS_MAX * DIGEST);
    size_t n = 0;
    struct copy c;
    if (!what)
        return false;
    sw_revocations_lock(r);
    for (const struct sw_list *l = r->by_age.next; l != &r->by_age && n < SW_REVOCATIONS_MAX;
         l = l->next)
        memcpy(what[n++], SW_CONTAINER(l, struct sw_fact_entry, age)->what, DIGEST);
    sw_revocations_unlock(r);
    for (size_t i = 0; i < n; i++)
        if (copy_of(r, what[i], &c))
            tell(&c, row, user);
    free(what);
    ERR_clear_error();
    return true;
}

#include "daemon/learner.h"

#include "crypto/mem.h"
#include "crypto/revoke.h"
#include "fetch/download.h"
#include "sys/log.h"

#include <stdlib.h>
#include <time.h>

enum {
    OCSP_MS = 3000,  /* below limits.revocation_wait: who waits is to hear of the failure */
    LIST_MS = 30000, /* some are large; the connection goes on as revocation_failure says */
    LOOK_MS = 30000, /* whether an answer of ours is to be renewed */
};

struct sw_learner {
    struct sw_daemon *d;
    struct sw_revocations *r;
    struct sw_downloads *downloads;
    pthread_t thread;
    _Atomic bool ending;
};

static const char *or_none(const char *s)
{
    return s[0] ? s : "-";
}

static void tell(const struct sw_inquiry *q, const struct sw_learnt *x)
{
    char until[32] = "-";
    struct tm tm;
    time_t t = (time_t)x->until_s;
    const char *kind = q->of_list ? "crl" : "ocsp";
    if (x->why[0]) {
        SW_LOG(SW_LEVEL_WARN, "revocation_failed", sw_field_str("kind", kind),
               sw_field_str("serial", or_none(x->about.serial)),
               sw_field_str("subject", or_none(x->about.subject)),
               sw_field_str("issuer", or_none(x->about.issuer)), sw_field_str("url", q->url),
               sw_field_str("why", x->why),
               sw_field_str("help", "can it be reached from here? until it answers, "
                                    "revocation_failure of the trust entry decides"));
        return;
    }
    if (t && gmtime_r(&t, &tm))
        strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%SZ", &tm);
    SW_LOG(SW_LEVEL_INFO, "revocation_learnt", sw_field_str("kind", kind),
           sw_field_str("said", x->said), sw_field_str("until", until),
           sw_field_str("serial", or_none(x->about.serial)),
           sw_field_str("subject", or_none(x->about.subject)),
           sw_field_str("issuer", or_none(x->about.issuer)), sw_field_str("url", q->url));
}

static void done(void *user, void *tag, struct sw_slice answer, const char *why)
{
    struct sw_learner *l = user;
    struct sw_inquiry *q = tag;
    struct sw_learnt x;
    sw_revocations_answer(l->r, q, answer, why, &x);
    if (!l->ending) {
        tell(q, &x);
        sw_daemon_wake(l->d);
    }
    free(q);
}

static void start(struct sw_learner *l, struct sw_inquiry *asked)
{
    struct sw_inquiry *q = malloc(sizeof(*q));
    struct sw_learnt x;
    if (q) {
        *q = *asked;
        const struct sw_download get = {.url = q->url,
                                        .body = q->body,
                                        .content_type = "application/ocsp-request",
                                        .bytes_max =
                                            q->of_list ? SW_CRL_BYTES_MAX : SW_OCSP_BYTES_MAX,
                                        .timeout_ms = q->of_list ? LIST_MS : OCSP_MS,
                                        .tag = q};
        if (sw_downloads_start(l->downloads, &get) == SW_OK)
            return;
        free(q);
    }
    sw_revocations_answer(l->r, asked, (struct sw_slice){0}, "memory is out", &x);
    sw_daemon_wake(l->d);
}

static void *learner(void *p)
{
    struct sw_learner *l = p;
    struct sw_inquiry q;
    while (!l->ending) {
        sw_revocations_renew(l->r);
        while (sw_downloads_room(l->downloads) && sw_revocations_next(l->r, &q))
            start(l, &q);
        sw_downloads_run(l->downloads, LOOK_MS);
    }
    sw_crypto_mem_end();
    return NULL;
}

static void wake(void *user)
{
    struct sw_learner *l = user;
    sw_downloads_wake(l->downloads);
}

struct sw_learner *sw_learner_new(struct sw_daemon *d)
{
    struct sw_learner *l = calloc(1, sizeof(*l));
    if (!l)
        return NULL;
    l->d = d;
    l->downloads = sw_downloads_new(done, l);
    if (!l->downloads) {
        free(l);
        return NULL;
    }
    l->r = sw_revocations_ref(d->now->learnt);
    sw_learner_adopt(l);
    if (pthread_create(&l->thread, NULL, learner, l) == 0)
        return l;
    sw_revocations_set(l->r, d->now->config.limits.revocation_refresh_s, NULL, NULL);
    sw_downloads_free(l->downloads);
    sw_revocations_unref(l->r);
    free(l);
    return NULL;
}

void sw_learner_free(struct sw_learner *l)
{
    if (!l)
        return;
    sw_revocations_set(l->r, l->d->now->config.limits.revocation_refresh_s, NULL, NULL);
    l->ending = true;
    sw_downloads_wake(l->downloads);
    pthread_join(l->thread, NULL);
    sw_downloads_free(l->downloads);
    sw_revocations_unref(l->r);
    free(l);
}

void sw_learner_adopt(struct sw_learner *l)
{
    const struct sw_config *c = &l->d->now->config;
    sw_revocations_set(l->r, c->limits.revocation_refresh_s, wake, l);
    for (uint32_t i = 0; i < c->identity_count; i++)
        for (const struct sw_tls_identity *id = &c->identities[i]; id; id = id->also)
            if (id->staples && id->chain.count > 1)
                sw_revocations_drop_staple(
                    sw_revocations_staple(id->staples, id->chain.c[0], id->chain.c[1]));
}

#include "daemon/expiry.h"

#include "sys/clock.h"
#include "sys/log.h"
#include <time.h>

enum { DAY_S = 24 * 3600, SOON_S = 30 * DAY_S };

/* One that ends. */
struct ending {
    const char *kind; /* the key that names it: certificate, ca, crl */
    const char *file, *subject;
    const char *entry; /* identity or trust entry */
    const struct sw_config_use *use;
    struct sw_mark mark;
    int64_t end_s, days;
};

struct walk {
    const struct sw_config *c;
    int64_t now_s;
    struct sw_diags *diags; /* NULL: the log */
};

static const char *help(const struct ending *e)
{
    if (strcmp(e->kind, "crl") == 0)
        return "fetch the new list: what was revoked since is not known here";
    if (strcmp(e->kind, "ca") == 0)
        return "peers that it issued for are refused then: add the CA that takes its place";
    return "peers refuse it then: put a new one in place";
}

static void tell(const struct walk *w, const struct ending *e)
{
    char by[256], day[32];
    struct tm tm;
    time_t t = (time_t)e->end_s;
    strftime(day, sizeof(day), "%Y-%m-%d", gmtime_r(&t, &tm));
    sw_use_text(e->use, by, sizeof(by));
    if (w->diags) {
        char when[64];
        if (e->end_s < w->now_s)
            snprintf(when, sizeof(when), "expired on %s", day);
        else
            snprintf(when, sizeof(when), "expires on %s, in %lld days", day, (long long)e->days);
        sw_diag_warning(w->diags, e->mark, "%s: %s %s (used by %s; %s)", e->kind, e->subject, when,
                        by, help(e));
        return;
    }
    SW_LOG(SW_LEVEL_WARN, "certificate_ends", sw_field_str("kind", e->kind),
           sw_field_str("entry", e->entry), sw_field_str("subject", e->subject),
           sw_field_str("ends", day), sw_field_number("days_left", e->days),
           sw_field_str("used_by", by), sw_field_str("file", e->file),
           sw_field_str("why", e->end_s < w->now_s ? "it has expired" : "it expires soon"),
           sw_field_str("help", help(e)));
}

/* True if the end is near; whole days are counted down, the last one is 0. */
static bool is_near(const struct walk *w, struct ending *e, int64_t soon_s)
{
    int64_t left = e->end_s - w->now_s;
    e->days = left >= 0 ? left / DAY_S : -((-left + DAY_S - 1) / DAY_S);
    return left < soon_s;
}

static void certificate(const struct walk *w, struct ending *e, const struct sw_cert *cert)
{
    struct sw_cert_facts f;
    e->end_s = sw_cert_not_after_s(cert);
    if (!is_near(w, e, SOON_S))
        return;
    sw_cert_facts(cert, &f);
    e->subject = f.subject;
    tell(w, e);
}

static void identity(const struct walk *w, uint32_t i)
{
    const struct sw_config *c = w->c;
    const struct sw_identity_directive *d = c->d.identities.item;
    size_t n = 0;
    for (const struct sw_tls_identity *id = &c->identities[i]; id; id = id->also, n++) {
        for (size_t k = 0; k < id->chain.count; k++) {
            struct ending e = {.kind = "certificate",
                               .file = d[i].certificate.t[n].s.p,
                               .entry = id->name ? id->name : "",
                               .use = &c->identity_use[i],
                               .mark = d[i].certificate.t[n].mark};
            certificate(w, &e, id->chain.c[k]);
        }
    }
}

static void trust(const struct walk *w, uint32_t i)
{
    const struct sw_config *c = w->c;
    const struct sw_trust_directive *d = (const struct sw_trust_directive *)c->d.trust.item + i;
    const struct sw_trust_entry *t = &c->trusts[i];
    const struct ending of = {.entry = t->name ? t->name : "", .use = &c->trust_use[i]};
    for (size_t k = 0; k < t->anchors.count; k++) {
        struct ending e = of;
        e.kind = "ca";
        e.file = d->ca.s.p;
        e.mark = d->ca.mark;
        certificate(w, &e, t->anchors.c[k]);
    }
    for (size_t k = 0; k < t->crls.count; k++) {
        struct ending e = of;
        int64_t made_s = sw_crl_this_update_s(t->crls.c[k]);
        e.kind = "crl";
        e.file = e.subject = c->crl_from[i][k].file;
        e.mark = c->crl_from[i][k].mark;
        e.end_s = sw_crl_next_update_s(t->crls.c[k]);
        int64_t third_s = (e.end_s - made_s) / 3;
        if (e.end_s && is_near(w, &e, third_s < SOON_S ? third_s : SOON_S))
            tell(w, &e);
    }
}

static void walk(const struct walk *w)
{
    for (uint32_t i = 0; w->c->identity_use && i < w->c->identity_count; i++)
        if (w->c->identity_use[i].count)
            identity(w, i);
    for (uint32_t i = 0; w->c->trust_use && i < w->c->trust_count; i++)
        if (w->c->trust_use[i].count)
            trust(w, i);
}

void sw_certs_check(const struct sw_config *c, int64_t now_s, struct sw_diags *diags)
{
    walk(&(const struct walk){.c = c, .now_s = now_s, .diags = diags});
}

void sw_certs_warn(const struct sw_config *c, int64_t now_s)
{
    walk(&(const struct walk){.c = c, .now_s = now_s});
}

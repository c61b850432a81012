/* Trust entries and TLS policies of a configuration. */
#include "cert/load.h"
#include "daemon/config.h"

#include <stdlib.h>
#include <time.h>

enum { DEPTH_DEFAULT = 4, DEPTH_MAX = 64, SOON_S = 30 * 24 * 3600 };

static const char *day(int64_t seconds, char text[32])
{
    struct tm tm;
    time_t t = (time_t)seconds;
    gmtime_r(&t, &tm);
    strftime(text, 32, "%Y-%m-%d", &tm);
    return text;
}

/* Dates only warn: the operator may be about to put the new file in place. */
static void check_dates(struct sw_config_build *b, struct sw_mark mark, const char *what,
                        const struct sw_cert *cert)
{
    struct sw_cert_facts f;
    char text[32];
    sw_cert_facts(cert, &f);
    if (f.not_after_s < b->now_s)
        sw_diag_warning(b->diags, mark,
                        "%s: %s expired on %s (peers will refuse it: put a new one in place)", what,
                        f.subject, day(f.not_after_s, text));
    else if (f.not_before_s > b->now_s)
        sw_diag_warning(b->diags, mark, "%s: %s is not valid before %s (is the clock right?)", what,
                        f.subject, day(f.not_before_s, text));
    else if (f.not_after_s - b->now_s < SOON_S)
        sw_diag_warning(b->diags, mark, "%s: %s expires on %s (renew it soon)", what, f.subject,
                        day(f.not_after_s, text));
}

static void load_ca(struct sw_config_build *b, const struct sw_text *path, struct sw_trust_entry *e)
{
    struct sw_cert_facts f;
    char why[SW_WHY_MAX];
    const char *file = sw_config_path(b, path);
    if (sw_cert_load_chain(file, &e->anchors, why) != SW_OK) {
        sw_diag_error(b->diags, path->mark, "ca \"%s\": %s (a PEM list that can be read)", file,
                      why);
        return;
    }
    for (size_t i = 0; i < e->anchors.count; i++) {
        sw_cert_facts(e->anchors.c[i], &f);
        if (!f.is_ca)
            sw_diag_error(b->diags, path->mark,
                          "ca \"%s\": %s is no CA certificate (a single certificate that is to be "
                          "believed as it is belongs in pinned)",
                          file, f.subject);
        if (f.not_before_s > b->now_s)
            check_dates(b, path->mark, "ca", e->anchors.c[i]); /* ends: src/daemon/expiry.c */
    }
}

static void load_pins(struct sw_config_build *b, const struct sw_text *path,
                      struct sw_trust_entry *e)
{
    struct sw_certs certs;
    struct sw_cert_facts f;
    char why[SW_WHY_MAX];
    const char *file = sw_config_path(b, path);
    if (sw_cert_load_chain(file, &certs, why) != SW_OK) {
        sw_diag_error(b->diags, path->mark, "pinned \"%s\": %s (a PEM file that can be read)", file,
                      why);
        return;
    }
    e->pins = sw_config_alloc(b, certs.count * sizeof(*e->pins));
    for (size_t i = 0; i < certs.count; i++) {
        sw_cert_facts(certs.c[i], &f);
        memcpy(e->pins[e->pin_count++], f.sha256, sizeof(f.sha256));
        check_dates(b, path->mark, "pinned", certs.c[i]);
    }
    sw_certs_free(&certs);
}

static void load_crl(struct sw_config_build *b, const struct sw_text *path,
                     struct sw_trust_entry *e)
{
    char why[SW_WHY_MAX];
    const char *file = sw_config_path(b, path);
    if (sw_cert_load_crls(file, &e->crls, why) != SW_OK) {
        sw_diag_error(b->diags, path->mark, "crl \"%s\": %s (a CRL in PEM or DER that can be read)",
                      file, why);
        return;
    }
    sw_diag_note(b->diags, path->mark,
                 "crl is read at the start only: this version does not act on later changes");
}

static void trust_entries(struct sw_config_build *b)
{
    struct sw_config *c = b->c;
    const struct sw_trust_directive *d = c->d.trust.item;
    c->trust_count = (uint32_t)c->d.trust.count;
    c->trusts = sw_config_alloc(b, c->trust_count * sizeof(*c->trusts));
    c->trust_store = sw_config_alloc(b, c->trust_count * sizeof(*c->trust_store));
    sw_names_build(b, &c->trust_names, "trust entry", &c->d.trust, sizeof(*d),
                   offsetof(struct sw_trust_directive, name));
    for (uint32_t i = 0; i < c->trust_count; i++) {
        struct sw_trust_entry *e = &c->trusts[i];
        e->id = i + 1;
        e->name = d[i].name.s.p;
        e->depth = d[i].depth.given ? (unsigned)d[i].depth.v : DEPTH_DEFAULT;
        if (d[i].depth.given && (d[i].depth.v < 1 || d[i].depth.v > DEPTH_MAX))
            sw_diag_error(b->diags, d[i].depth.mark, "depth: %lld is not possible (1 to %d)",
                          (long long)d[i].depth.v, DEPTH_MAX);
        if (!d[i].ca.s.p && !d[i].pinned.s.p)
            sw_diag_error(b->diags, d[i].mark,
                          "a trust entry believes nobody (ca or pinned must be given)");
        if (d[i].ca.s.p)
            load_ca(b, &d[i].ca, e);
        if (d[i].pinned.s.p)
            load_pins(b, &d[i].pinned, e);
        if (d[i].crl.s.p)
            load_crl(b, &d[i].crl, e);
    }
}

static uint16_t version_of(const struct sw_text *t)
{
    if (!t->s.p)
        return SW_TLS_1_2;
    return (uint16_t)(SW_TLS_1_0 + (t->s.p[2] - '0'));
}

static const char *or_default(const struct sw_text *t, const char *standard)
{
    return t->s.p && t->s.n ? t->s.p : standard;
}

static void policies(struct sw_config_build *b)
{
    struct sw_config *c = b->c;
    const struct sw_policy_directive *d = c->d.tls_policies.item;
    const struct sw_tls_policy *standard = sw_tls_policy_builtin(SW_POLICY_STANDARD);
    char why[SW_WHY_MAX];
    c->policy_count = (uint32_t)(SW_POLICIES + c->d.tls_policies.count);
    c->policies = sw_config_alloc(b, c->policy_count * sizeof(*c->policies));
    for (unsigned i = 0; i < SW_POLICIES; i++)
        c->policies[i] = *sw_tls_policy_builtin(i);
    sw_names_build(b, &c->policy_names, "TLS policy", &c->d.tls_policies, sizeof(*d),
                   offsetof(struct sw_policy_directive, name));
    for (size_t i = 0; i < c->d.tls_policies.count; i++) {
        struct sw_tls_policy *p = &c->policies[SW_POLICIES + i];
        uint16_t min = version_of(&d[i].min_version);
        *p = (struct sw_tls_policy){
            .name = d[i].name.s.p,
            .min_version = min,
            .max_version = SW_TLS_1_3,
            .ciphers = or_default(&d[i].ciphers, standard->ciphers),
            .ciphersuites = or_default(&d[i].ciphersuites, standard->ciphersuites),
            .groups = or_default(&d[i].groups, standard->groups),
            .security_level = min < SW_TLS_1_2 ? 0 : standard->security_level,
        };
        if (sw_tls_policy_builtin_find(d[i].name.s) >= 0)
            sw_diag_error(b->diags, d[i].name.mark,
                          "\"%s\" is a policy that always exists (another "
                          "name)",
                          d[i].name.s.p);
        if (sw_tls_policy_check(p, why) != SW_OK)
            sw_diag_error(b->diags, d[i].mark, "TLS policy \"%s\": %s", p->name ? p->name : "",
                          why);
        else if (why[0])
            sw_diag_warning(b->diags, d[i].ciphers.mark.line ? d[i].ciphers.mark : d[i].mark,
                            "TLS policy \"%s\": %s", p->name ? p->name : "", why);
        if (min < SW_TLS_1_2)
            sw_diag_warning(
                b->diags, d[i].min_version.mark,
                "TLS 1.0 and 1.1 are broken (RFC 8996): only for a peer that has nothing "
                "better");
    }
}

unsigned sw_config_policy(struct sw_config_build *b, const struct sw_text *name)
{
    int builtin = name->s.p ? sw_tls_policy_builtin_find(name->s) : SW_POLICY_STANDARD;
    if (builtin == SW_POLICY_LEGACY)
        sw_diag_warning(
            b->diags, name->mark,
            "policy legacy admits TLS 1.0, CBC and static RSA: only for a peer that has "
            "nothing better");
    if (builtin >= 0)
        return (unsigned)builtin;
    int64_t i = sw_names_find(b, &b->c->policy_names, name, "policy");
    return i < 0 ? SW_POLICY_STANDARD : (unsigned)(SW_POLICIES + i);
}

struct sw_trust *sw_config_store(struct sw_config_build *b, const uint32_t *entries, size_t count)
{
    struct sw_config *c = b->c;
    if (count == 0 || b->diags->errors)
        return NULL;
    if (count == 1 && c->trust_store[entries[0]])
        return c->trust_store[entries[0]];
    const struct sw_trust_entry **list = calloc(count, sizeof(struct sw_trust_entry *));
    struct sw_trust **more = realloc(c->stores, (c->store_count + 1) * sizeof(struct sw_trust *));
    if (more)
        c->stores = more;
    struct sw_trust *t = NULL;
    for (size_t i = 0; list && i < count; i++)
        list[i] = &c->trusts[entries[i]];
    if (list && more)
        t = sw_trust_new(list, count);
    free(list);
    if (!t) {
        sw_diag_error(b->diags, ((struct sw_mark){0, 0}), "memory is out");
        return NULL;
    }
    c->stores[c->store_count++] = t;
    if (count == 1)
        c->trust_store[entries[0]] = t;
    return t;
}

void sw_config_trust(struct sw_config_build *b)
{
    sw_config_identities(b);
    trust_entries(b);
    policies(b);
}

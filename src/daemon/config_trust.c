/* Trust entries and TLS policies of a configuration. */
#include "base/base64.h"
#include "cert/load.h"
#include "crypto/leafcache.h"
#include "daemon/config.h"

#include <stdio.h>
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

/* Ids outlive a reload, names that are gone and come again get another one: what a connection
 * proved under an id is judged by what stands under it now. */
static uint32_t id_of_trust(struct sw_config_build *b, struct sw_slice name)
{
    int64_t was = b->before && name.p ? sw_names_index(&b->before->trust_names, name) : -1;
    return was >= 0 ? b->before->trusts[was].id : ++b->c->last_id;
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
        else if (f.weak_key)
            sw_diag_warning(b->diags, path->mark,
                            "ca \"%s\": %s has a weak key, %s: what it vouches for is refused (RSA "
                            "2048 or EC 224 is the least)",
                            file, f.subject, f.key);
        if (f.not_before_s > b->now_s)
            check_dates(b, path->mark, "ca", e->anchors.c[i]); /* ends: src/daemon/expiry.c */
    }
}

static void add_pin(struct sw_config_build *b, struct sw_trust_entry *e, const struct sw_pin *pin)
{
    struct sw_pin *more = sw_config_alloc(b, (e->pin_count + 1) * sizeof(*more));
    if (!more)
        return;
    if (e->pin_count)
        memcpy(more, e->pins, e->pin_count * sizeof(*more));
    more[e->pin_count++] = *pin;
    e->pins = more;
}

/* A certificate that is pinned; the second and later ones of a file are told apart by number. */
static void pin_certificate(struct sw_config_build *b, const struct sw_text *path, size_t number,
                            const struct sw_cert *cert, struct sw_trust_entry *e)
{
    struct sw_cert_facts f;
    size_t n = path->s.n + 24;
    char *name = sw_config_alloc(b, n);
    struct sw_pin pin = {.name = name};
    if (!name)
        return;
    sw_cert_facts(cert, &f);
    snprintf(name, n, number ? "%s#%zu" : "%s", path->s.p, number + 1);
    memcpy(pin.sha256, f.sha256, sizeof(f.sha256));
    add_pin(b, e, &pin);
    check_dates(b, path->mark, "pinned", cert);
    if (f.weak_key)
        sw_diag_warning(b->diags, path->mark,
                        "pinned: %s has a weak key, %s, and will be refused (RSA 2048 or EC 224 is "
                        "the least)",
                        f.subject, f.key);
}

/* 32 bytes in hexadecimal, with colons between them or without. */
static bool hex_digest(struct sw_slice s, uint8_t out[SW_SHA256_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        const char *d = s.p[i] ? strchr(digits, sw_ascii_lower(s.p[i])) : NULL;
        if (s.p[i] == ':' && n % 2 == 0 && n)
            continue;
        if (!d || n == 2 * SW_SHA256_BYTES)
            return false;
        unsigned digit = (unsigned)(d - digits);
        out[n / 2] = (uint8_t)(n % 2 ? out[n / 2] | digit : digit << 4);
        n++;
    }
    return n == 2 * SW_SHA256_BYTES;
}

/* 32 bytes in base64 as RFC 7469 2.1.1 has them: with + and / and one = at the end. */
static bool base64_digest(struct sw_slice s, uint8_t out[SW_SHA256_BYTES])
{
    char url[SW_BASE64_LEN(SW_SHA256_BYTES)];
    if (s.n != sizeof(url) + 1 || s.p[sizeof(url)] != '=')
        return false;
    for (size_t i = 0; i < sizeof(url); i++)
        url[i] = (char)(s.p[i] == '+' ? '-' : s.p[i] == '/' ? '_' : s.p[i]);
    return sw_base64_get(sw_slice(url, sizeof(url)), out, SW_SHA256_BYTES);
}

/* A pin that stands in the configuration itself; false: it is a file's name. */
static bool pin_as_text(struct sw_config_build *b, const struct sw_text *t,
                        struct sw_trust_entry *e)
{
    struct sw_pin pin = {.name = t->s.p};
    bool ok;
    if (sw_slice_starts_case(t->s, SW_SLICE("sha256:"))) {
        ok = hex_digest(sw_slice_from(t->s, 7), pin.sha256);
    } else if (sw_slice_starts_case(t->s, SW_SLICE("spki:sha256:"))) {
        struct sw_slice digest = sw_slice_from(t->s, 12);
        pin.of_key = true;
        ok = hex_digest(digest, pin.sha256) || base64_digest(digest, pin.sha256);
    } else if (sw_slice_starts_case(t->s, SW_SLICE("sha256/"))) {
        pin.of_key = true;
        ok = base64_digest(sw_slice_from(t->s, 7), pin.sha256);
    } else {
        return false;
    }
    if (!ok)
        sw_diag_error(b->diags, t->mark,
                      "pinned: \"%s\" is no pin (a PEM file, sha256:HEX of a certificate, "
                      "spki:sha256:HEX or spki:sha256:BASE64 of a public key)",
                      t->s.p);
    else
        add_pin(b, e, &pin);
    return true;
}

/* Moves the certificates of a file to those that the entry has. */
static void keep_pinned(struct sw_config_build *b, struct sw_trust_entry *e, struct sw_certs *certs)
{
    size_t n = e->pinned.count + certs->count;
    struct sw_cert **more = realloc(e->pinned.c, n * sizeof(struct sw_cert *));
    if (!more) {
        sw_config_memory_out(b);
        sw_certs_free(certs);
        return;
    }
    memcpy(more + e->pinned.count, certs->c, certs->count * sizeof(*more));
    e->pinned = (struct sw_certs){more, n};
    free(certs->c);
}

static void load_pins(struct sw_config_build *b, const struct sw_text *t, struct sw_trust_entry *e)
{
    struct sw_certs certs;
    char why[SW_WHY_MAX];
    if (pin_as_text(b, t, e))
        return;
    const char *file = sw_config_path(b, t);
    if (sw_cert_load_chain(file, &certs, why) != SW_OK) {
        sw_diag_error(b->diags, t->mark,
                      "pinned \"%s\": %s (a PEM file that can be read, or sha256:HEX, or "
                      "spki:sha256:BASE64)",
                      file, why);
        return;
    }
    for (size_t i = 0; i < certs.count; i++)
        pin_certificate(b, t, i, certs.c[i], e);
    keep_pinned(b, e, &certs);
}

static void load_entry(struct sw_config_build *b, const struct sw_trust_directive *d,
                       struct sw_trust_entry *e)
{
    if (d->ca.s.p)
        load_ca(b, &d->ca, e);
    for (size_t k = 0; k < d->pinned.count; k++)
        load_pins(b, &d->pinned.t[k], e);
}

static void trust_entries(struct sw_config_build *b)
{
    struct sw_config *c = b->c;
    const struct sw_trust_directive *d = c->d.trust.item;
    uint32_t count = (uint32_t)c->d.trust.count;
    c->trusts = sw_config_alloc(b, count * sizeof(*c->trusts));
    c->trust_store = sw_config_alloc(b, count * sizeof(*c->trust_store));
    c->crl_from = sw_config_alloc(b, count * sizeof(*c->crl_from));
    if (!c->trusts || !c->trust_store || !c->crl_from)
        return;
    c->trust_count = count;
    sw_names_build(b, &c->trust_names, "trust entry", &c->d.trust, sizeof(*d),
                   offsetof(struct sw_trust_directive, name));
    for (uint32_t i = 0; i < c->trust_count; i++) {
        struct sw_trust_entry *e = &c->trusts[i];
        e->id = id_of_trust(b, d[i].name.s);
        e->name = d[i].name.s.p;
        e->depth = d[i].depth.given ? (unsigned)d[i].depth.v : DEPTH_DEFAULT;
        if (d[i].depth.given && (d[i].depth.v < 1 || d[i].depth.v > DEPTH_MAX))
            sw_diag_error(b->diags, d[i].depth.mark, "depth: %lld is not possible (1 to %d)",
                          (long long)d[i].depth.v, DEPTH_MAX);
        if (!d[i].ca.s.p && !d[i].pinned.count)
            sw_diag_error(b->diags, d[i].mark,
                          "a trust entry believes nobody (ca or pinned must be given)");
        if (b->from == SW_CONFIG_LISTS)
            sw_config_share_trust(b, i);
        else
            load_entry(b, &d[i], e);
        sw_config_crls(b, &d[i], i);
    }
}

static uint16_t version_of(const struct sw_text *t, uint16_t standard)
{
    bool fits = t->s.n == 3 && t->s.p[2] >= '0' && t->s.p[2] <= '3';
    return fits ? (uint16_t)(SW_TLS_1_0 + (t->s.p[2] - '0')) : standard;
}

static const char *or_default(const struct sw_text *t, const char *standard)
{
    return t->s.p && t->s.n ? t->s.p : standard;
}

/* Keeps what is weak in a policy, for each that uses it. */
static void judge_policy(struct sw_config_build *b, uint32_t number, struct sw_mark mark, bool own)
{
    const struct sw_tls_policy *p = &b->c->policies[number];
    char *why = sw_config_alloc(b, SW_WHY_MAX);
    b->policy_weakness[number] = why ? why : "";
    if (!why)
        return;
    if (sw_tls_policy_check(p, why) != SW_OK) {
        sw_diag_error(b->diags, mark, "TLS policy \"%s\": %s", p->name ? p->name : "", why);
        why[0] = 0;
    } else if (why[0] && own) {
        sw_diag_warning(b->diags, mark, "TLS policy \"%s\": %s", p->name ? p->name : "", why);
    }
}

static void own_policy(struct sw_config_build *b, const struct sw_policy_directive *d,
                       uint32_t number)
{
    const struct sw_tls_policy *standard = sw_tls_policy_builtin(SW_POLICY_STANDARD);
    b->c->policies[number] = (struct sw_tls_policy){
        .name = d->name.s.p ? d->name.s.p : "",
        .min_version = version_of(&d->min_version, standard->min_version),
        .max_version = version_of(&d->max_version, standard->max_version),
        .ciphers = or_default(&d->ciphers, standard->ciphers),
        .ciphersuites = or_default(&d->ciphersuites, standard->ciphersuites),
        .groups = or_default(&d->groups, standard->groups),
        .signature_algorithms =
            or_default(&d->signature_algorithms, standard->signature_algorithms),
        .key_records = standard->key_records,
    };
    if (sw_tls_policy_builtin_find(d->name.s) >= 0)
        sw_diag_error(b->diags, d->name.mark,
                      "\"%s\" is a policy that always exists (another name)", d->name.s.p);
    judge_policy(b, number, d->ciphers.mark.line ? d->ciphers.mark : d->mark, true);
}

static void policies(struct sw_config_build *b)
{
    struct sw_config *c = b->c;
    const struct sw_policy_directive *d = c->d.tls_policies.item;
    uint32_t count = (uint32_t)(SW_POLICIES + c->d.tls_policies.count);
    c->policies = sw_config_alloc(b, count * sizeof(*c->policies));
    b->policy_weakness = sw_config_alloc(b, count * sizeof(*b->policy_weakness));
    if (!c->policies || !b->policy_weakness)
        return;
    c->policy_count = count;
    for (uint32_t i = 0; i < SW_POLICIES; i++) {
        c->policies[i] = *sw_tls_policy_builtin(i);
        judge_policy(b, i, c->d.mark, false);
    }
    sw_names_build(b, &c->policy_names, "TLS policy", &c->d.tls_policies, sizeof(*d),
                   offsetof(struct sw_policy_directive, name));
    for (uint32_t i = 0; i < c->d.tls_policies.count; i++)
        own_policy(b, &d[i], SW_POLICIES + i);
}

unsigned sw_config_policy(struct sw_config_build *b, const struct sw_text *name, const char *whose,
                          const struct sw_text *user)
{
    int64_t number = name->s.p ? sw_tls_policy_builtin_find(name->s) : SW_POLICY_STANDARD;
    if (number < 0) {
        int64_t i = sw_names_find(b, &b->c->policy_names, name, "policy");
        number = i < 0 ? SW_POLICY_STANDARD : SW_POLICIES + i;
    }
    const char *weakness = b->policy_weakness[number];
    if (weakness[0])
        sw_diag_warning(b->diags, name->mark,
                        "%s \"%s\" uses policy %s: %s (only for a peer that has nothing better)",
                        whose, user->s.p ? user->s.p : "", b->c->policies[number].name, weakness);
    return (unsigned)number;
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
        sw_config_memory_out(b);
        return NULL;
    }
    const struct sw_trust_entry *crowded = sw_trust_crowded(t);
    if (crowded)
        sw_diag_warning(
            b->diags,
            ((const struct sw_trust_directive *)c->d.trust.item)[crowded - c->trusts].mark,
            "more than %d trust entries of one listener list the same CA: for a "
            "certificate of it only that many are asked (make them one entry)",
            SW_VOUCHED_MAX);
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

/* `sipward pki show`: what a file of certificates, revocation lists and keys says, in words. */
#include "cmd/cmd.h"
#include "cmd/pki.h"
#include "crypto/show.h"
#include "sip/domain.h"
#include "sys/clock.h"
#include "sys/file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    DAY_S = 24 * 3600,
    SOON_DAYS = 30,
    WARNINGS_MAX = 16,
    RSA_BITS_MIN = 2048,
    EC_BITS_MIN = 224
};

/* One certificate, whole. */
struct cert_view {
    struct sw_cert_facts facts;
    struct sw_cert_details more;
    struct sw_ident *ident; /* NULL: more names than are read */
    size_t identities;
};

/* Where it is printed, and what is wrong or weak in the item at hand. */
struct view {
    bool json;
    const char *path;
    int64_t now_s;
    bool open_to_others; /* the file can be read by more than its owner */
    const char *warning[WARNINGS_MAX];
    size_t warnings;
};

static void warn(struct view *v, bool is, const char *text)
{
    if (is && v->warnings < WARNINGS_MAX)
        v->warning[v->warnings++] = text;
}

/* ---- what is wrong or weak ---- */

static void warn_dates(struct view *v, const struct sw_cert_facts *f)
{
    warn(v, f->not_after_s < v->now_s, "it has expired: every peer refuses it");
    warn(v, f->not_before_s > v->now_s, "it is not valid yet (is the clock right?)");
    warn(v, f->not_after_s >= v->now_s && f->not_after_s - v->now_s < SOON_DAYS * DAY_S,
         "it expires within 30 days: renew it");
}

static void warn_key(struct view *v, const struct sw_key_facts *k)
{
    warn(v, k->rsa && k->bits < RSA_BITS_MIN, "the RSA key has less than 2048 bits: RFC 9325 4.5");
    warn(v, !k->rsa && k->bits && k->bits < EC_BITS_MIN, "the key has less than 224 bits");
}

static bool has_wildcard(const struct cert_view *c)
{
    for (uint32_t i = 0; c->ident && i < c->ident->name_count; i++)
        if (memchr(c->ident->names[i].text.p, '*', c->ident->names[i].text.n))
            return true;
    return false;
}

static void warn_names(struct view *v, const struct cert_view *c)
{
    bool cn = !c->more.has_san && c->identities;
    warn(v, cn,
         "no subjectAltName: the domain stands in the CN only, which peers may refuse: RFC 5922 "
         "7.1");
    warn(v, !c->more.has_san && !c->identities,
         "no subjectAltName, and no CN that is a domain: it proves no SIP domain (RFC 5922 7.1)");
    warn(v, c->more.has_san && c->ident && !c->identities,
         "no SIP domain among its names: it proves none (RFC 5922 7.1)");
    warn(v, !c->ident, "it has more names than are read");
    warn(v, has_wildcard(c),
         "a wildcard proves nothing unless a peer has verify: wildcard "
         "(RFC 5922 7.2)");
}

static void warn_purposes(struct view *v, const struct sw_cert_details *d)
{
    bool limited = d->has_purposes && !d->any_purpose;
    warn(v, limited && !d->client,
         "no clientAuth purpose: peers may refuse it on connections that its holder opens");
    warn(v, limited && !d->server,
         "no serverAuth purpose: peers refuse it on connections that its holder accepts");
}

static void warn_cert(struct view *v, const struct cert_view *c)
{
    warn_dates(v, &c->facts);
    warn_key(v, &c->more.key);
    /* nobody needs the signature of a CA over itself */
    warn(v, c->more.weak_digest && !(c->facts.is_ca && c->facts.self_issued),
         "it is signed over SHA-1 or MD5, which can be forged: RFC 9155");
    if (c->facts.is_ca)
        return;
    warn_names(v, c);
    warn_purposes(v, &c->more);
}

/* ---- printing ---- */

/* Bytes of a certificate, which may be anything, on a terminal. */
static void print_bytes(struct sw_slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] > ' ' && s.p[i] <= '~' && s.p[i] != '\\')
            fputc(s.p[i], stdout);
        else
            printf("\\x%02x", (unsigned char)s.p[i]);
}

static void put_text(const struct view *v, const char *key, const char *label, const char *text)
{
    if (v->json) {
        printf(", \"%s\": ", key);
        sw_pki_json(stdout, sw_slice_str(text));
    } else {
        printf("  %-12s %s\n", label, text);
    }
}

static void put_digest(const struct view *v, const char *key, const char *label,
                       const uint8_t digest[SW_SHA256_BYTES])
{
    char text[2 * SW_SHA256_BYTES + 1];
    struct sw_buf b = sw_buf(text, sizeof(text) - 1);
    sw_buf_hex(&b, digest, SW_SHA256_BYTES);
    text[b.n] = 0;
    put_text(v, key, label, text);
}

static void put_time(const struct view *v, const char *key, const char *label, int64_t at_s)
{
    char text[SW_PKI_TIME_MAX];
    put_text(v, key, label, sw_pki_time(at_s, text));
}

/* Days until a moment, whole ones; below 0 it is past. */
static void put_days(const struct view *v, int64_t at_s)
{
    int64_t left_s = at_s - v->now_s;
    long long days = left_s >= 0 ? left_s / DAY_S : -((-left_s + DAY_S - 1) / DAY_S);
    if (v->json)
        printf(", \"days_left\": %lld", days);
    else
        printf("  %-12s %lld\n", "days left", days);
}

static void put_key(const struct view *v, const struct sw_key_facts *k)
{
    put_text(v, "key", "key", k->name);
    if (v->json)
        printf(", \"key_bits\": %u", k->bits);
    else
        printf("  %-12s %u\n", "key bits", k->bits);
    put_digest(v, "public_key_sha256", "public key", k->sha256);
}

static void put_warnings(struct view *v)
{
    if (v->json)
        fputs(", \"warnings\": [", stdout);
    for (size_t i = 0; i < v->warnings; i++) {
        if (v->json) {
            fputs(i ? ", " : "", stdout);
            sw_pki_json(stdout, sw_slice_str(v->warning[i]));
        } else {
            printf("  %-12s %s\n", "warning:", v->warning[i]);
        }
    }
    if (v->json)
        fputs("]", stdout);
}

/* The identities that RFC 5922 7.1 finds. */
static void put_identities(const struct view *v, const struct cert_view *c)
{
    bool first = true;
    struct sw_slice domain;
    if (v->json)
        fputs(", \"identities\": [", stdout);
    else
        printf("  %-12s ", "proves");
    for (uint32_t i = 0; c->ident && i < c->ident->name_count; i++) {
        if (!sw_domain_identity(c->ident, i, &domain))
            continue;
        fputs(first ? "" : v->json ? ", " : " ", stdout);
        if (v->json)
            sw_pki_json(stdout, domain);
        else
            print_bytes(domain);
        first = false;
    }
    fputs(v->json ? "]" : first ? "no SIP domain\n" : "\n", stdout);
}

static void put_name(const struct view *v, const struct sw_cert_name *n, bool first)
{
    static const char *const kinds[] = {"URI", "DNS", "IP", "CN"};
    char text[SW_ENDPOINT_TEXT_MAX];
    struct sw_buf b = sw_buf(text, sizeof(text));
    if (n->kind == SW_NAME_IP)
        sw_endpoint_ip_put(&b, &n->ip, false);
    struct sw_slice shown = n->kind == SW_NAME_IP ? sw_buf_view(&b) : n->text;
    if (v->json) {
        printf("%s{\"kind\": \"%s\", \"text\": ", first ? "" : ", ", kinds[n->kind]);
        sw_pki_json(stdout, shown);
        fputs("}", stdout);
    } else {
        printf(" %s:", kinds[n->kind]);
        print_bytes(shown);
    }
}

static void put_names(const struct view *v, const struct cert_view *c)
{
    if (v->json)
        fputs(", \"names\": [", stdout);
    else
        printf("  %-12s", "names");
    for (uint32_t i = 0; c->ident && i < c->ident->name_count; i++)
        put_name(v, &c->ident->names[i], i == 0);
    fputs(v->json ? "]" : "\n", stdout);
}

static void put_ca(const struct view *v, const struct cert_view *c)
{
    if (v->json) {
        printf(", \"ca\": %s", c->facts.is_ca ? "true" : "false");
        if (c->facts.is_ca && c->more.path_length >= 0)
            printf(", \"path_length\": %d", c->more.path_length);
    } else if (c->facts.is_ca && c->more.path_length >= 0) {
        printf("  %-12s yes, with at most %d CAs below it\n", "CA", c->more.path_length);
    } else if (c->facts.is_ca) {
        printf("  %-12s yes\n", "CA");
    }
}

static void show_cert(struct view *v, const struct sw_cert *cert)
{
    struct cert_view c = {.ident = sw_ident_new(cert, NULL, 0)};
    struct sw_slice domain;
    sw_cert_facts(cert, &c.facts);
    sw_cert_details(cert, &c.more);
    for (uint32_t i = 0; c.ident && i < c.ident->name_count; i++)
        c.identities += sw_domain_identity(c.ident, i, &domain);
    warn_cert(v, &c);
    put_text(v, "subject", "subject", c.facts.subject);
    put_text(v, "issuer", "issuer", c.facts.issuer);
    put_text(v, "serial", "serial", c.facts.serial);
    put_ca(v, &c);
    put_time(v, "not_before", "from", c.facts.not_before_s);
    put_time(v, "not_after", "until", c.facts.not_after_s);
    put_days(v, c.facts.not_after_s);
    if (!c.facts.is_ca || v->json)
        put_identities(v, &c);
    if (!c.facts.is_ca || v->json)
        put_names(v, &c);
    put_text(v, "purposes", "purposes", c.more.has_purposes ? c.more.purposes : "any");
    if (c.more.features[0] || v->json)
        put_text(v, "tls_features", "TLS features", c.more.features);
    put_key(v, &c.more.key);
    put_text(v, "signature", "signature", c.more.signature);
    put_digest(v, "sha256", "SHA-256", c.facts.sha256);
    sw_ident_free(c.ident);
}

static void show_crl(struct view *v, const struct sw_crl *crl)
{
    struct sw_crl_facts f;
    struct sw_crl_details d;
    sw_crl_facts(crl, &f);
    sw_crl_details(crl, &d);
    warn(v, f.next_update_s && f.next_update_s < v->now_s,
         "it was to be replaced by now: peers may refuse every certificate of this CA");
    warn(v, !f.next_update_s, "it does not say when it is to be replaced: RFC 5280 5.1.2.5");
    warn(v, f.this_update_s > v->now_s, "it is not valid yet (is the clock right?)");
    warn(v, d.weak_digest, "it is signed over SHA-1 or MD5, which can be forged: RFC 9155");
    put_text(v, "issuer", "issuer", f.issuer);
    if (d.number[0])
        put_text(v, "number", "number", d.number);
    put_time(v, "this_update", "from", f.this_update_s);
    if (f.next_update_s) {
        put_time(v, "next_update", "until", f.next_update_s);
        put_days(v, f.next_update_s);
    }
    if (v->json)
        printf(", \"revoked\": %zu", d.revoked);
    else
        printf("  %-12s %zu\n", "revoked", d.revoked);
    put_text(v, "signature", "signature", d.signature);
}

static void show_key(struct view *v, const struct sw_key *key)
{
    struct sw_key_facts k;
    sw_key_facts(key, &k);
    warn_key(v, &k);
    put_key(v, &k);
}

static void show_item(struct view *v, const struct sw_pem_item *item, bool first)
{
    static const char *const kinds[] = {
        "certificate",           "crl",   "private key", "public key",
        "encrypted private key", "other", "broken"};
    static const char *const titles[] = {
        "certificate", "revocation list",       "private key",
        "public key",  "encrypted private key", "something that is not read",
        "broken"};
    bool is_private = item->kind == SW_PEM_KEY || item->kind == SW_PEM_LOCKED;
    v->warnings = 0;
    if (v->json)
        printf("%s\n  {\"kind\": \"%s\", \"label\": \"%s\"", first ? "" : ",", kinds[item->kind],
               item->label);
    else
        printf("%s%s: %s (%s)\n", first ? "" : "\n", v->path, titles[item->kind], item->label);
    if (item->kind == SW_PEM_CERT)
        show_cert(v, item->cert);
    else if (item->kind == SW_PEM_CRL)
        show_crl(v, item->crl);
    else if (item->key)
        show_key(v, item->key);
    warn(v, is_private && v->open_to_others,
         "others than its owner may read the key: chmod 600 (or 640 for the gateway's group)");
    put_warnings(v);
    fputs(v->json ? "}" : "", stdout);
}

int sw_pki_show(const struct sw_pki_options *o)
{
    struct sw_slice text;
    struct sw_pem_items items;
    struct stat st;
    struct view v = {.json = o->json, .path = o->place, .now_s = sw_clock_wall_s()};
    size_t broken = 0;
    enum sw_status s = sw_file_read(o->place, SW_PKI_FILE_MAX, &text);
    if (s != SW_OK)
        return sw_pki_fail(o, "%s: %s", o->place,
                           s == SW_LIMIT_SIZE ? "larger than 64 MiB" : strerror(errno));
    v.open_to_others = stat(o->place, &st) == 0 && (st.st_mode & (S_IRWXO | S_IWGRP));
    s = sw_pem_items_parse(text, &items);
    sw_pem_free(&text);
    if (s != SW_OK)
        return sw_pki_fail(o,
                           "%s: no certificate, revocation list or key in it (PEM, or one of them "
                           "in DER)",
                           o->place);
    fputs(v.json ? "[" : "", stdout);
    for (size_t i = 0; i < items.count; i++) {
        show_item(&v, &items.item[i], i == 0);
        broken += items.item[i].kind == SW_PEM_BROKEN;
    }
    fputs(v.json ? "\n]\n" : "", stdout);
    sw_pem_items_free(&items);
    return broken ? sw_pki_fail(o, "%s: broken in %zu places", o->place, broken) : SW_EXIT_OK;
}

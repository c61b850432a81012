/* What a configuration's own certificates are warned of: chains, purposes, names. And who uses
 * which. */
#include "daemon/config.h"

#include <stdlib.h>
#include <time.h>

/* ---- who uses what ---- */

/* Uses of one listener or peer, as they are told. */
struct teller {
    const struct sw_config *c;
    void (*use)(void *user, const struct sw_use_of *u);
    void *user;
    struct sw_use_of of;
};

static void tell_identity(struct teller *t, const struct sw_tls_identity *identity)
{
    t->of.identity = identity;
    t->of.trust = NULL;
    if (identity)
        t->use(t->user, &t->of);
}

static void tell_trust(struct teller *t, const struct sw_text *name)
{
    int64_t at = name->s.p ? sw_names_index(&t->c->trust_names, name->s) : -1;
    t->of.identity = NULL;
    t->of.trust = at >= 0 ? &t->c->trusts[at] : NULL;
    if (t->of.trust)
        t->use(t->user, &t->of);
}

static void tell_listener(struct teller *t, uint32_t i)
{
    const struct sw_config *c = t->c;
    const struct sw_listen_directive *l = (const struct sw_listen_directive *)c->d.listen.item + i;
    t->of = (struct sw_use_of){.kind = "listener", .name = c->conn_listeners[i].name};
    tell_identity(t, c->conn_listeners[i].tls.identity);
    for (size_t k = 0; k < l->sni.count; k++) {
        int64_t at = sw_names_index(&c->identity_names, l->sni.t[k].s);
        tell_identity(t, at < 0 ? NULL : &c->identities[at]);
    }
    for (size_t k = 0; k < l->trust.count; k++)
        tell_trust(t, &l->trust.t[k]);
}

void sw_config_uses(const struct sw_config *c, void (*use)(void *user, const struct sw_use_of *u),
                    void *user)
{
    const struct sw_peer_directive *p = c->d.peers.item;
    struct teller t = {.c = c, .use = use, .user = user};
    for (uint32_t i = 0; i < c->proxy.listener_count; i++)
        if (c->conn_listeners[i].transport == SW_TLS)
            tell_listener(&t, i);
    for (uint32_t i = 0; i < c->proxy.peer_count; i++) {
        const struct sw_conn_peer *cp = &c->conn_peers[i];
        t.of = (struct sw_use_of){.kind = "peer", .name = cp->name, .as_client = true};
        tell_identity(&t, cp->tls.identity);
    }
    for (size_t i = 0; i < c->d.peers.count; i++) {
        t.of = (struct sw_use_of){.kind = "peer", .name = p[i].name.s.p ? p[i].name.s.p : ""};
        tell_trust(&t, &p[i].trust);
    }
}

static void count_use(void *user, const struct sw_use_of *u)
{
    struct sw_config *c = user;
    struct sw_config_use *x = u->identity ? &c->identity_use[u->identity - c->identities]
                                          : &c->trust_use[u->trust - c->trusts];
    if (!x->count++) {
        x->kind = u->kind;
        x->name = u->name;
    }
    *(u->as_client ? &x->as_client : &x->as_server) = true;
}

void sw_use_text(const struct sw_config_use *u, char *out, size_t cap)
{
    if (u->count == 0)
        snprintf(out, cap, "nobody");
    else if (u->count == 1)
        snprintf(out, cap, "%s %s", u->kind, u->name);
    else
        snprintf(out, cap, "%s %s and %u more", u->kind, u->name, u->count - 1);
}

/* ---- what is weak ---- */

/* Known CAs by a number of their subject, sorted. */
struct issuer {
    uint32_t number;
    const struct sw_cert *cert;
};

struct check {
    struct sw_config_build *b;
    struct issuer *issuers;
    size_t issuer_count;
    struct sw_tls_names *domains, *proved; /* ours; those that an identity in use proves */
    struct sw_system_cas *system;          /* read when first asked; NULL: not yet */
};

static int issuer_order(const void *a, const void *b)
{
    uint32_t x = ((const struct issuer *)a)->number, y = ((const struct issuer *)b)->number;
    return (x > y) - (x < y);
}

/* What is known of a certificate's issuer. */
enum issuer_is { ISSUER_UNKNOWN, ISSUER_BETWEEN, ISSUER_ROOT };

static enum issuer_is issuer_of(struct check *k, const struct sw_cert *cert)
{
    enum issuer_is is = ISSUER_UNKNOWN;
    const struct issuer wanted = {.number = sw_cert_issuer_number(cert)};
    size_t low = 0, high = k->issuer_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (issuer_order(&k->issuers[mid], &wanted) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < k->issuer_count && k->issuers[low].number == wanted.number; low++)
        if (sw_cert_issued_by(cert, k->issuers[low].cert)) {
            const struct sw_cert *ca = k->issuers[low].cert;
            is = ISSUER_BETWEEN;
            if (sw_cert_issued_by(ca, ca))
                return ISSUER_ROOT;
        }
    if (!k->system)
        k->system = sw_system_cas_new();
    return k->system && sw_system_cas_issued(k->system, cert) ? ISSUER_ROOT : is;
}

/* Where the link after certificate `at` is broken: out of order, or of another chain. */
static void tell_broken(struct check *k, struct sw_mark mark, const struct sw_certs *chain,
                        size_t at)
{
    struct sw_cert_facts f, next;
    sw_cert_facts(chain->c[at], &f);
    for (size_t i = 0; i < chain->count; i++) {
        sw_cert_facts(chain->c[i], &next);
        if (i == at || !sw_cert_issued_by(chain->c[at], chain->c[i]))
            continue;
        sw_diag_warning(k->b->diags, mark,
                        "certificate: the chain is out of order: %s must be followed by %s, which "
                        "issued it (the leaf first, then each one's issuer: RFC 5246 7.4.2)",
                        f.subject, next.subject);
        return;
    }
    sw_cert_facts(chain->c[at + 1], &next);
    sw_diag_warning(k->b->diags, mark,
                    "certificate: %s did not issue %s, which stands before it (put the certificate "
                    "of %s between them, or take out what is not of this chain)",
                    next.subject, f.subject, f.issuer);
}

/* RFC 5246 7.4.2, RFC 8446 4.4.2 */
static void check_chain(struct check *k, struct sw_mark mark, const struct sw_certs *chain)
{
    struct sw_cert_facts f;
    for (size_t i = 0; i + 1 < chain->count; i++)
        if (!sw_cert_issued_by(chain->c[i], chain->c[i + 1])) {
            tell_broken(k, mark, chain, i);
            return;
        }
    const struct sw_cert *last = chain->c[chain->count - 1];
    const enum issuer_is is = sw_cert_issued_by(last, last) ? ISSUER_ROOT : issuer_of(k, last);
    if (is == ISSUER_ROOT)
        return;
    sw_cert_facts(last, &f);
    if (is == ISSUER_BETWEEN) { /* what we believe is not what peers have */
        sw_diag_warning(k->b->diags, mark,
                        "certificate: the chain ends at %s, and its issuer %s is an intermediate: "
                        "it is in ca of a trust entry, but it is not sent, and peers may have its "
                        "root alone (append it to the file)",
                        f.subject, f.issuer);
        return;
    }
    sw_diag_warning(k->b->diags, mark,
                    "certificate: the chain ends at %s, and its issuer %s is neither in the file "
                    "nor known here: peers may lack it, too (append the missing intermediates; if "
                    "it is a root that peers have, list it as ca of a trust entry)",
                    f.subject, f.issuer);
}

static void check_begin(struct check *k, struct sw_mark mark, const struct sw_certs *chain)
{
    for (size_t i = 0; i < chain->count; i++) {
        struct sw_cert_facts f;
        char text[32];
        struct tm tm;
        time_t t = (time_t)sw_cert_not_before_s(chain->c[i]);
        if (t <= (time_t)k->b->now_s)
            continue;
        sw_cert_facts(chain->c[i], &f);
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", gmtime_r(&t, &tm));
        sw_diag_warning(k->b->diags, mark,
                        "certificate: %s is not valid before %s (peers refuse it until then; is "
                        "the clock right?)",
                        f.subject, text);
    }
}

static void check_purpose(struct check *k, struct sw_mark mark, const struct sw_tls_identity *id,
                          const struct sw_config_use *u)
{
    char by[256];
    sw_use_text(u, by, sizeof(by));
    for (int client = 0; client < 2; client++) {
        if (!(client ? u->as_client : u->as_server) || sw_cert_purpose(id->chain.c[0], client))
            continue;
        sw_diag_warning(k->b->diags, mark,
                        "certificate of \"%s\": its extendedKeyUsage lacks %s, and it is shown as "
                        "%s (used by %s): strict peers refuse it (%s)",
                        id->name ? id->name : "", client ? "clientAuth" : "serverAuth",
                        client ? "client" : "server", by,
                        client ? "another identity for the peer, or a certificate with both"
                               : "a certificate for servers");
    }
}

/* True if it proves one of `domains`; those that it does are noted. RFC 5922 7.1 */
static bool proves_ours(struct check *k, const struct sw_tls_identity *id)
{
    struct sw_ident *ident = sw_ident_new(id->chain.c[0], NULL, 0);
    struct sw_slice domain;
    bool ours = false;
    for (uint32_t i = 0; ident && i < ident->name_count; i++)
        if (sw_domain_identity(ident, i, &domain) && sw_tls_names_find(k->domains, domain) &&
            sw_tls_names_add(k->proved, domain, id) != SW_LIMIT_MEMORY)
            ours = true;
    sw_ident_free(ident);
    return ours;
}

static void check_identity(struct check *k, uint32_t i)
{
    const struct sw_config *c = k->b->c;
    const struct sw_identity_directive *d = c->d.identities.item;
    const struct sw_config_use *u = &c->identity_use[i];
    size_t n = 0;
    for (const struct sw_tls_identity *id = &c->identities[i]; id; id = id->also, n++) {
        if (!id->chain.count)
            continue;
        struct sw_mark mark = d[i].certificate.t[n].mark;
        check_begin(k, mark, &id->chain);
        check_chain(k, mark, &id->chain);
        if (!u->count)
            continue;
        check_purpose(k, mark, id, u);
        if (u->as_server)
            sw_config_check_staple(k->b, mark, id, d[i].staple.v);
        if (!proves_ours(k, id))
            sw_diag_warning(k->b->diags, mark,
                            "certificate of \"%s\" proves none of `domains`: peers that ask for "
                            "one of them refuse it (SAN URI sip:DOMAIN or DNS:DOMAIN: RFC 5922 "
                            "7.1)",
                            id->name ? id->name : "");
    }
}

/* The domain by which we are reached must stand in a certificate of ours: RFC 5922 6. */
static void check_domains(struct check *k)
{
    const struct sw_texts *t = &k->b->c->d.domains;
    for (size_t i = 0; i < t->count; i++)
        if (!sw_tls_names_find(k->proved, t->t[i].s))
            sw_diag_warning(k->b->diags, t->t[i].mark,
                            "domains: no identity in use proves %s: over TLS nobody can be sure "
                            "to have reached it (a certificate with SAN URI sip:%s or DNS:%s)",
                            t->t[i].s.p, t->t[i].s.p, t->t[i].s.p);
}

static bool open_check(struct check *k)
{
    const struct sw_config *c = k->b->c;
    size_t anchors = 0;
    for (uint32_t i = 0; i < c->trust_count; i++)
        anchors += c->trusts[i].anchors.count;
    k->issuers = calloc(anchors + 1, sizeof(*k->issuers));
    k->domains = sw_tls_names_new(c->d.domains.count);
    k->proved = sw_tls_names_new(c->d.domains.count);
    if (!k->issuers || !k->domains || !k->proved)
        return false;
    for (uint32_t i = 0; i < c->trust_count; i++)
        for (size_t n = 0; n < c->trusts[i].anchors.count; n++) {
            const struct sw_cert *x = c->trusts[i].anchors.c[n];
            k->issuers[k->issuer_count++] = (struct issuer){sw_cert_subject_number(x), x};
        }
    qsort(k->issuers, k->issuer_count, sizeof(*k->issuers), issuer_order);
    for (size_t i = 0; i < c->d.domains.count; i++) /* the identity stands for "it is ours" */
        if (sw_tls_names_add(k->domains, c->d.domains.t[i].s, c->identities) == SW_LIMIT_MEMORY)
            return false;
    return true;
}

void sw_config_identities_check(struct sw_config_build *b)
{
    struct sw_config *c = b->c;
    struct check k = {.b = b};
    bool tls = false;
    c->identity_use = sw_config_alloc(b, c->identity_count * sizeof(*c->identity_use));
    c->trust_use = sw_config_alloc(b, c->trust_count * sizeof(*c->trust_use));
    if (!c->identity_use || !c->trust_use)
        return;
    sw_config_uses(c, count_use, c);
    if (open_check(&k)) {
        for (uint32_t i = 0; i < c->identity_count; i++) {
            check_identity(&k, i);
            tls |= c->identity_use[i].count > 0;
        }
        if (tls)
            check_domains(&k);
    } else {
        sw_config_memory_out(b);
    }
    sw_system_cas_free(k.system);
    sw_tls_names_free(k.domains);
    sw_tls_names_free(k.proved);
    free(k.issuers);
}

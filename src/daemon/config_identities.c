/* Identities of a configuration: certificates and keys, and what a listener shows by server name.
 */
#include "cert/load.h"
#include "crypto/siphash.h"
#include "daemon/config.h"
#include "proxy/local.h"
#include "sip/domain.h"

/* ---- loading ---- */

/* Others than the owner and its group, who need the right to read for ssl-cert and the like. */
static void check_mode(struct sw_config_build *b, struct sw_mark mark, const char *key,
                       const char *path)
{
    unsigned mode = sw_cert_file_mode(path);
    if (mode & 027)
        sw_diag_warning(b->diags, mark,
                        "%s \"%s\": mode %04o lets %s it (chmod 600, or 640 with a group of its "
                        "own)",
                        key, path, mode,
                        mode & 07 ? "everybody on this machine use" : "its group change");
}

/* False: an error was told. Not given is no passphrase. */
static bool passphrase(struct sw_config_build *b, const struct sw_identity_directive *d,
                       struct sw_slice *out)
{
    char why[SW_WHY_MAX];
    const struct sw_text *t = &d->passphrase;
    *out = (struct sw_slice){0};
    if (!t->s.p)
        return true;
    bool credential = sw_slice_starts_case(t->s, SW_SLICE("credential:"));
    const char *path = credential ? t->s.p : sw_config_path(b, t);
    enum sw_status s = sw_cert_load_passphrase(path, out, why);
    if (s != SW_OK)
        sw_diag_error(b->diags, t->mark,
                      "passphrase \"%s\": %s (a file that holds nothing else, or credential:NAME "
                      "as systemd's LoadCredential gives it)",
                      path, why);
    else if (!credential)
        check_mode(b, t->mark, "passphrase", path);
    return s == SW_OK;
}

static void load_key(struct sw_config_build *b, const struct sw_text *t, struct sw_slice secret,
                     struct sw_tls_identity *id)
{
    char why[SW_WHY_MAX];
    bool token = sw_cert_key_is_in_token(t->s.p);
    const char *path = token ? t->s.p : sw_config_path(b, t);
    if (sw_cert_open_key(path, secret, &id->key, why) != SW_OK) {
        /* a URI may hold a PIN: it is not repeated */
        sw_diag_error(b->diags, t->mark, "key \"%s\": %s (%s)", token ? "pkcs11:..." : path, why,
                      token ? "a URI that names one private key, the token's PIN as passphrase"
                            : "a PEM private key that can be read, and its passphrase if it is "
                              "encrypted");
        return;
    }
    if (!token)
        check_mode(b, t->mark, "key", path);
}

/* One certificate and its key. */
static void load_pair(struct sw_config_build *b, const struct sw_text *certificate,
                      const struct sw_text *key, struct sw_slice secret, struct sw_tls_identity *id)
{
    char why[SW_WHY_MAX];
    const char *cert = sw_config_path(b, certificate);
    if (sw_cert_load_chain(cert, &id->chain, why) != SW_OK)
        sw_diag_error(b->diags, certificate->mark,
                      "certificate \"%s\": %s (a PEM file, the leaf first, that can be read)", cert,
                      why);
    load_key(b, key, secret, id);
    if (id->chain.count && id->key && !sw_key_fits(id->key, id->chain.c[0]))
        sw_diag_error(
            b->diags, key->mark,
            "key \"%s\" does not fit certificate \"%s\" (the key that the certificate was "
            "made for; the leaf must be the first certificate of its file)",
            sw_cert_key_is_in_token(key->s.p) ? "pkcs11:..." : sw_config_path(b, key), cert);
}

static void check_kinds(struct sw_config_build *b, const struct sw_identity_directive *d,
                        const struct sw_tls_identity *first, const struct sw_tls_identity *id,
                        size_t i)
{
    for (const struct sw_tls_identity *x = first; x != id; x = x->also)
        if (x->key && id->key && sw_key_same_kind(x->key, id->key))
            sw_diag_error(b->diags, d->key.t[i].mark,
                          "two keys of one identity are of one kind (one RSA and one ECDSA; for "
                          "other names make an identity of its own and list it under sni)");
}

static void check_staple(struct sw_config_build *b, const struct sw_identity_directive *d,
                         const struct sw_tls_identity *first)
{
    for (const struct sw_tls_identity *id = first; d->staple.v && id; id = id->also)
        if (id->chain.count == 1 || (id->chain.count && !sw_cert_has_responder(id->chain.c[0])))
            sw_diag_warning(b->diags, d->staple.mark,
                            "staple: the certificate %s, so no answer can be sent with it (%s)",
                            id->chain.count == 1 ? "comes without its issuer"
                                                 : "names no OCSP responder",
                            id->chain.count == 1 ? "add the issuer to its file"
                                                 : "staple: false, or ask its CA");
}

static uint32_t name_id(struct sw_slice name)
{
    const struct sw_sip_key fixed = {UINT64_C(0x5369707761726421), UINT64_C(0x6e616d6520696421)};
    struct sw_siphash h;
    sw_siphash_init(&h, fixed); /* nodes that share a seal_key have the same */
    sw_siphash_slice_lower(&h, name);
    return (uint32_t)sw_siphash_end(&h).a;
}

/* Certificates with the same names stand for the same local identity, whatever their keys and
 * dates: a renewed one keeps its connections, one with other names has none of them. RFC 5923 9.3
 */
static uint32_t local_id_of(const struct sw_tls_identity *id)
{
    struct sw_ident *ident = id->chain.count ? sw_ident_new(id->chain.c[0], NULL, 0) : NULL;
    uint32_t sum = 0;
    for (uint32_t i = 0; ident && i < ident->name_count; i++)
        sum += name_id(ident->names[i].text); /* in any order */
    if (ident && !ident->name_count)
        memcpy(&sum, ident->fingerprint, sizeof(sum));
    sw_ident_free(ident);
    return sum ? sum : 1;
}

/* Connections with it that are for no domain of ours in particular are for this one, the first of
 * `domains` that it has: the names of a certificate come in any order. RFC 5923 9.3 */
static uint32_t local_domain_of(const struct sw_texts *domains, const struct sw_tls_identity *id)
{
    struct sw_ident *ident = id->chain.count ? sw_ident_new(id->chain.c[0], NULL, 0) : NULL;
    struct sw_slice domain;
    uint32_t found = 0;
    for (size_t k = 0; ident && k < domains->count && !found; k++)
        for (uint32_t i = 0; i < ident->name_count; i++)
            if (sw_domain_identity(ident, i, &domain) && sw_domain_eq(domains->t[k].s, domain))
                found = sw_local_domain_id(domains->t[k].s);
    sw_ident_free(ident);
    return found;
}

static void load_identity(struct sw_config_build *b, const struct sw_identity_directive *d,
                          struct sw_tls_identity *first)
{
    struct sw_tls_identity *id = first;
    struct sw_slice secret;
    if (d->certificate.count != d->key.count)
        sw_diag_error(b->diags, d->key.mark.line ? d->key.mark : d->mark,
                      "%zu certificates and %zu keys (one key for each certificate, in the same "
                      "order)",
                      d->certificate.count, d->key.count);
    size_t count = d->certificate.count < d->key.count ? d->certificate.count : d->key.count;
    if (!count || !passphrase(b, d, &secret))
        return;
    for (size_t i = 0; i < count; i++) {
        if (i) {
            id->also = sw_config_alloc(b, sizeof(*id));
            if (!id->also)
                break;
            *id->also = (struct sw_tls_identity){.id = id->id, .name = id->name};
            id = id->also;
        }
        load_pair(b, &d->certificate.t[i], &d->key.t[i], secret, id);
        check_kinds(b, d, first, id, i);
    }
    sw_cert_drop_passphrase(&secret);
    check_staple(b, d, first);
    first->local_id = local_id_of(first);
    first->local_domain = local_domain_of(&b->c->d.domains, first);
}

/* Ids outlive a reload, as those of trust entries. */
static uint32_t id_of(struct sw_config_build *b, struct sw_slice name)
{
    int64_t was = b->before && name.p ? sw_names_index(&b->before->identity_names, name) : -1;
    return was >= 0 ? b->before->identities[was].id : ++b->c->last_id;
}

void sw_config_identities(struct sw_config_build *b)
{
    struct sw_config *c = b->c;
    const struct sw_identity_directive *d = c->d.identities.item;
    c->identities = sw_config_alloc(b, c->d.identities.count * sizeof(*c->identities));
    if (!c->identities)
        return;
    c->identity_count = (uint32_t)c->d.identities.count;
    sw_names_build(b, &c->identity_names, "identity", &c->d.identities, sizeof(*d),
                   offsetof(struct sw_identity_directive, name));
    for (uint32_t i = 0; i < c->identity_count; i++) {
        c->identities[i].id = id_of(b, d[i].name.s);
        c->identities[i].name = d[i].name.s.p;
        if (b->from == SW_CONFIG_LISTS)
            sw_config_share_identity(b, i);
        else
            load_identity(b, &d[i], &c->identities[i]);
    }
}

void sw_config_identities_free(struct sw_config *c)
{
    for (uint32_t i = 0; i < c->identity_count; i++)
        for (struct sw_tls_identity *id = &c->identities[i]; id; id = id->also) {
            sw_certs_free(&id->chain);
            sw_key_free(id->key);
        }
}

/* ---- what a listener shows by server name ---- */

/* The name under which a certificate is found: a DNS name, or the host of a sip URI. A wildcard
 * only as the certificate has it, for one whole label: a SIP client must not accept it (RFC 5922
 * 7.2), but what is shown proves nothing, and clients that do accept it are judges of that. */
bool sw_config_shown_name(const struct sw_cert_name *x, struct sw_slice *name)
{
    const struct sw_cert_name one = {.kind = SW_NAME_URI, .text = x->text};
    const struct sw_ident alone = {.names = &one, .name_count = 1};
    if (x->kind == SW_NAME_URI)
        return sw_domain_identity(&alone, 0, name);
    *name = x->text;
    size_t star = sw_slice_find(*name, '*');
    if (x->kind == SW_NAME_IP || (star < name->n && star > 0))
        return false;
    struct sw_slice rest = sw_slice_from(*name, 2);
    return star == name->n ||
           (name->n > 2 && name->p[1] == '.' && sw_slice_find(rest, '*') == rest.n &&
            sw_slice_find(rest, '.') < rest.n);
}

static void add_names(struct sw_config_build *b, struct sw_mark mark, struct sw_tls_names *names,
                      const struct sw_tls_identity *id, const struct sw_ident *ident)
{
    struct sw_slice name;
    for (uint32_t i = 0; i < ident->name_count; i++) {
        if (!sw_config_shown_name(&ident->names[i], &name))
            continue;
        enum sw_status s = sw_tls_names_add(names, name, id);
        if (s == SW_LIMIT_MEMORY)
            sw_config_memory_out(b);
        if (s != SW_DENIED)
            continue;
        const struct sw_tls_identity *other = sw_tls_names_find(names, name);
        sw_diag_warning(b->diags, mark,
                        "identities \"%s\" and \"%s\" both have the name %.*s: the first is shown "
                        "for it (an RSA and an ECDSA certificate belong in one identity)",
                        other && other->name ? other->name : "", id->name ? id->name : "",
                        SW_SLICE_ARG(name));
    }
}

/* Adds one identity of a listener; true if it proves `host`. RFC 5922 7.5 */
static bool add_shown(struct sw_config_build *b, struct sw_mark mark, struct sw_tls_names *names,
                      const struct sw_tls_identity *id, struct sw_slice host)
{
    struct sw_endpoint ip = {0};
    bool numeric = sw_endpoint_ip_parse(host, &ip), proves = false;
    for (const struct sw_tls_identity *x = id; x; x = x->also) {
        struct sw_ident *ident = x->chain.count ? sw_ident_new(x->chain.c[0], NULL, 0) : NULL;
        if (x->chain.count && !ident)
            sw_diag_error(b->diags, mark,
                          "the names in the certificate of \"%s\" cannot be read (at most %d, and "
                          "enough memory)",
                          id->name ? id->name : "", SW_CERT_NAMES_MAX);
        if (!ident)
            continue;
        add_names(b, mark, names, id, ident);
        proves |=
            sw_domain_proves(ident, host, numeric ? SW_VERIFY_ADDRESS : SW_VERIFY_DOMAIN, &ip);
        sw_ident_free(ident);
    }
    return proves;
}

bool sw_config_shown(struct sw_config_build *b, const struct sw_listen_directive *d,
                     struct sw_slice host, struct sw_tls_params *tls)
{
    struct sw_config *c = b->c;
    struct sw_tls_names *names = sw_tls_names_new(2 * d->sni.count + 2);
    if (!names) {
        sw_config_memory_out(b);
        return true;
    }
    tls->names = names;
    bool proves = tls->identity && add_shown(b, d->identity.mark, names, tls->identity, host);
    for (size_t i = 0; i < d->sni.count; i++) {
        int64_t at = sw_names_find(b, &c->identity_names, &d->sni.t[i], "sni");
        if (at >= 0)
            proves |= add_shown(b, d->sni.t[i].mark, names, &c->identities[at], host);
    }
    return proves;
}

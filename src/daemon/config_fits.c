/* Whether a TLS policy can take what a trust entry vouches for: its signature algorithms against
 * the keys of the CAs and of the certificates that are pinned. */
#include "daemon/config.h"

struct fits {
    struct sw_config_build *b;
    uint8_t *told; /* per policy and trust entry */
};

/* How many of them have keys whose signatures the policy takes; `f`: of the last that has not. */
static size_t taken(const struct sw_tls_policy *p, const struct sw_certs *certs,
                    struct sw_cert_facts *f)
{
    struct sw_cert_facts x;
    size_t n = 0;
    for (size_t i = 0; i < certs->count; i++) {
        sw_cert_facts(certs->c[i], &x);
        bool takes = sw_tls_policy_takes_key(p, sw_slice_str(x.key));
        n += takes;
        if (!takes)
            *f = x;
    }
    return n;
}

/* A chain is signed with what the policy has offered, and so is the handshake with the leaf's key:
 * RFC 5246 7.4.1.4.1, RFC 8446 4.2.3, 4.4.2.2. */
static void check(struct fits *x, const char *kind, const struct sw_text *user, unsigned policy,
                  const struct sw_text *trust)
{
    const struct sw_config *c = x->b->c;
    int64_t at = trust->s.p ? sw_names_index(&c->trust_names, trust->s) : -1;
    if (at < 0 || policy >= c->policy_count || !x->told ||
        x->told[(size_t)at * c->policy_count + policy])
        return;
    x->told[(size_t)at * c->policy_count + policy] = 1;
    const struct sw_trust_entry *e = &c->trusts[at];
    const struct sw_tls_policy *p = &c->policies[policy];
    struct sw_cert_facts f;
    if (e->anchors.count && !taken(p, &e->anchors, &f))
        sw_diag_warning(x->b->diags, trust->mark,
                        "%s \"%s\": policy %s takes no signature of a CA of trust entry \"%s\" (%s "
                        "has a key %s): a peer may have no certificate of it that it can show "
                        "(signature_algorithms that fit the key)",
                        kind, user->s.p ? user->s.p : "", p->name, e->name ? e->name : "",
                        f.subject, f.key);
    if (e->pinned.count && !taken(p, &e->pinned, &f))
        sw_diag_warning(x->b->diags, trust->mark,
                        "%s \"%s\": policy %s takes no signature of a certificate that trust entry "
                        "\"%s\" has pinned (%s has a key %s): the handshake fails "
                        "(signature_algorithms that fit the key)",
                        kind, user->s.p ? user->s.p : "", p->name, e->name ? e->name : "",
                        f.subject, f.key);
}

void sw_config_fits(struct sw_config_build *b)
{
    const struct sw_config *c = b->c;
    const struct sw_listen_directive *l = c->d.listen.item;
    const struct sw_peer_directive *p = c->d.peers.item;
    struct fits x = {.b = b, .told = sw_config_alloc(b, (size_t)c->trust_count * c->policy_count)};
    if (b->diags->errors) /* what it would look at may not be there */
        return;
    for (uint32_t i = 0; i < c->proxy.listener_count; i++)
        for (size_t k = 0; c->conn_listeners[i].transport == SW_TLS && k < l[i].trust.count; k++)
            check(&x, "listener", &l[i].name, c->conn_listeners[i].tls.policy, &l[i].trust.t[k]);
    for (uint32_t i = 0; i < c->proxy.peer_count; i++) {
        int64_t at = sw_names_index(&c->peer_names, sw_slice_str(c->conn_peers[i].name));
        if (at >= 0)
            check(&x, "peer", &p[at].name, c->conn_peers[i].tls.policy, &p[at].trust);
    }
}

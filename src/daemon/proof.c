#include "daemon/proof.h"

#include "crypto/hmac.h"
#include <stdlib.h>

enum { FLIGHTS_MAX = 12, WIRE_BYTES = 128 * 1024 };

struct end {
    struct sw_tls_worker *w;
    struct sw_tls *t;
    enum sw_status status;
    char *wire; /* what the other one sent last */
};

/* Identities under `sni` that are tried, so that thousands of them do not hold up a start: about a
 * second. */
enum { SNI_MAX = 1000 };

struct proof {
    const struct sw_config *c, *before; /* before: NULL: nothing ran */
    struct sw_diags *diags;
    struct end client, server;
    unsigned held;
    uint8_t *tried; /* per identity and policy */
    unsigned sni_tried, sni_left;
};

/* Who shows an identity, and how. */
struct profile {
    const struct sw_tls_identity *identity;
    unsigned policy;
    struct sw_mark mark;
};

static void step(struct end *from, struct end *to)
{
    from->status = sw_tls_handshake(from->t);
    struct sw_slice out = sw_tls_output(from->w);
    size_t n = out.n < WIRE_BYTES ? out.n : WIRE_BYTES;
    memcpy(to->wire, out.p, n);
    sw_tls_output_taken(from->w);
    sw_tls_feed(to->t, sw_slice(to->wire, n));
}

/* Both must end; what was left over by one is fed by the other's next flight. */
static const struct end *shake(struct proof *p)
{
    for (int i = 0; i < FLIGHTS_MAX; i++) {
        struct end *x = i % 2 ? &p->server : &p->client, *y = i % 2 ? &p->client : &p->server;
        if (x->status == SW_AGAIN)
            step(x, y);
        if (x->status != SW_OK && x->status != SW_AGAIN)
            return x;
        if (p->client.status == SW_OK && p->server.status == SW_OK)
            return NULL;
    }
    return &p->client;
}

/* The certificate is its own trust: what is proved is that key, chain and policy work. */
static struct sw_trust *trust_in(const struct sw_cert_facts *facts, struct sw_trust_entry *entry,
                                 struct sw_pin *pin)
{
    *pin = (struct sw_pin){.name = "itself"};
    memcpy(pin->sha256, facts->sha256, SW_SHA256_BYTES);
    *entry = (struct sw_trust_entry){.name = "itself", .id = 1, .pins = pin, .pin_count = 1};
    const struct sw_trust_entry *list[] = {entry};
    return sw_trust_new(list, 1);
}

/* What came of a handshake of one key under a policy. */
struct outcome {
    bool held, as_client;
    struct sw_tls_failure failure;
};

static struct outcome handshake(struct proof *p, const struct sw_tls_params *client,
                                const struct sw_tls_params *server)
{
    struct outcome o = {.failure = {.why = "memory is out"}};
    p->client.t = client->trust ? sw_tls_new(p->client.w, client, NULL) : NULL;
    p->server.t = p->client.t ? sw_tls_new(p->server.w, server, NULL) : NULL;
    p->client.status = p->server.status = SW_AGAIN;
    const struct end *bad = p->server.t ? shake(p) : &p->server;
    o.held = !bad;
    o.as_client = bad == &p->client;
    if (bad && bad->t)
        sw_tls_failure(bad->t, &o.failure);
    sw_tls_free(p->client.t);
    sw_tls_free(p->server.t);
    sw_trust_free((struct sw_trust *)(uintptr_t)client->trust);
    return o;
}

static struct outcome attempt(struct proof *p, const struct sw_tls_identity *half, unsigned policy)
{
    struct sw_trust_entry entry;
    struct sw_pin pin;
    struct sw_cert_facts facts;
    sw_cert_facts(half->chain.c[0], &facts);
    struct sw_tls_params params = {.policy = policy,
                                   .identity = half,
                                   .client_cert = SW_CERT_REQUIRE,
                                   .trust = trust_in(&facts, &entry, &pin)};
    struct sw_tls_params server = params;
    server.server = true;
    return handshake(p, &params, &server);
}

static void tell(struct proof *p, const struct profile *x, const struct sw_tls_identity *half,
                 const struct outcome *o, enum sw_diag_kind kind)
{
    struct sw_cert_facts f;
    sw_cert_facts(half->chain.c[0], &f);
    const char *name = x->identity->name ? x->identity->name : "";
    sw_diag(p->diags, kind, x->mark,
            "identity \"%s\" (%s) cannot shake hands with itself under policy %s, as %s: %s (%s)",
            name, f.key, p->c->policies[x->policy].name, o->as_client ? "client" : "server",
            o->failure.why,
            o->failure.help ? o->failure.help
                            : "try the certificate and its key with openssl s_server");
}

static struct outcome try_half(struct proof *p, const struct sw_tls_identity *half, unsigned policy)
{
    struct sw_tls_identity alone = *half;
    alone.also = NULL;
    return attempt(p, &alone, policy);
}

static bool another_holds(struct proof *p, const struct profile *x,
                          const struct sw_tls_identity *half)
{
    for (const struct sw_tls_identity *y = x->identity; y; y = y->also)
        if (y != half && try_half(p, y, x->policy).held)
            return true;
    return false;
}

/* One key of a pair that the policy never takes is only a warning if another one holds; a key that
 * fails under every policy is broken. */
static void prove_half(struct proof *p, const struct profile *x, const struct sw_tls_identity *half)
{
    struct outcome o = try_half(p, half, x->policy);
    if (o.held)
        p->held++;
    else if (another_holds(p, x, half) && try_half(p, half, SW_POLICY_LEGACY).held)
        tell(p, x, half, &o, SW_DIAG_WARNING);
    else
        tell(p, x, half, &o, SW_DIAG_ERROR);
}

static void prove(struct proof *p, const struct profile *x)
{
    const struct sw_tls_identity *id = x->identity;
    uint8_t *tried = &p->tried[(size_t)(id - p->c->identities) * p->c->policy_count + x->policy];
    struct sw_cert_facts f;
    if (*tried)
        return;
    *tried = 1;
    for (const struct sw_tls_identity *half = id; half; half = half->also) {
        sw_cert_facts(half->chain.c[0], &f);
        if (!f.weak_key) /* we would not believe it ourselves; the policy has warned of it */
            prove_half(p, x, half);
    }
}

/* ---- the choice by server name ---- */

enum { HOST_BYTES = 256, PINS = 8 /* one per kind of key */ };

/* A name by which a half is found; of a wildcard one that it covers. */
static bool host_of(struct proof *p, const struct sw_tls_params *tls,
                    const struct sw_tls_identity *id, const struct sw_tls_identity *half,
                    char host[HOST_BYTES])
{
    struct sw_ident *ident = sw_ident_new(half->chain.c[0], NULL, 0);
    struct sw_slice name;
    bool found = false;
    if (!ident)
        sw_diag_error(p->diags, ((struct sw_mark){0, 0}), "memory is out");
    for (uint32_t i = 0; ident && i < ident->name_count && !found; i++) {
        struct sw_buf b = sw_buf(host, HOST_BYTES - 1);
        if (!sw_config_shown_name(&ident->names[i], &name))
            continue;
        bool star = name.n && name.p[0] == '*';
        sw_buf_str(&b, star ? "any" : "");
        sw_buf_slice(&b, sw_slice_from(name, star));
        host[b.n] = 0;
        found = !b.full && sw_tls_names_find(tls->names, sw_buf_view(&b)) == id;
    }
    sw_ident_free(ident);
    return found;
}

/* Any of its certificates is right: which one, the peer's algorithms decide. */
static struct sw_trust *trust_in_all(const struct sw_tls_identity *id, struct sw_trust_entry *entry,
                                     struct sw_pin pins[PINS])
{
    size_t n = 0;
    struct sw_cert_facts f;
    for (const struct sw_tls_identity *half = id; half && n < PINS; half = half->also, n++) {
        sw_cert_facts(half->chain.c[0], &f);
        pins[n] = (struct sw_pin){.name = "itself"};
        memcpy(pins[n].sha256, f.sha256, SW_SHA256_BYTES);
    }
    *entry = (struct sw_trust_entry){.name = "itself", .id = 1, .pins = pins, .pin_count = n};
    const struct sw_trust_entry *list[] = {entry};
    return sw_trust_new(list, 1);
}

/* With all that the listener has: who asks by a name of it gets this identity. RFC 6066 3 */
static void prove_choice(struct proof *p, const struct sw_tls_params *tls, const struct profile *x)
{
    char host[HOST_BYTES];
    struct sw_trust_entry entry;
    struct sw_pin pins[PINS];
    struct sw_cert_facts f;
    const char *name = x->identity->name ? x->identity->name : "";
    bool found = false;
    for (const struct sw_tls_identity *half = x->identity; half && !found; half = half->also)
        found = host_of(p, tls, x->identity, half, host);
    sw_cert_facts(x->identity->chain.c[0], &f);
    if (!found)
        sw_diag_warning(p->diags, x->mark,
                        "sni: identity \"%s\" is never shown: no server name chooses it (a DNS or "
                        "sip name in its certificate that no identity before it has)",
                        name);
    if (!found || f.weak_key)
        return;
    struct sw_tls_params client = {
        .policy = x->policy, .server_name = host, .trust = trust_in_all(x->identity, &entry, pins)};
    struct sw_tls_params server = {.server = true,
                                   .policy = x->policy,
                                   .identity = tls->identity,
                                   .names = tls->names,
                                   .names_only = tls->names_only};
    struct outcome o = handshake(p, &client, &server);
    if (o.held)
        p->held++;
    else
        sw_diag_error(p->diags, x->mark,
                      "sni: who asks for %s does not get identity \"%s\" under policy %s: %s (try "
                      "openssl s_client -servername with it alone)",
                      host, name, p->c->policies[x->policy].name, o.failure.why);
}

/* ---- what is tried ---- */

static bool same_leaf(const struct sw_tls_identity *a, const struct sw_tls_identity *b)
{
    struct sw_cert_facts x, y;
    for (; a && b; a = a->also, b = b->also) {
        sw_cert_facts(a->chain.c[0], &x);
        sw_cert_facts(b->chain.c[0], &y);
        if (memcmp(x.sha256, y.sha256, sizeof(x.sha256)) != 0)
            return false;
    }
    return !a && !b;
}

static bool is_changed(const struct proof *p, const struct sw_tls_identity *id)
{
    int64_t was = p->before && id->name
                      ? sw_names_index(&p->before->identity_names, sw_slice_str(id->name))
                      : -1;
    return was < 0 || !same_leaf(id, &p->before->identities[was]);
}

static void prove_sni(struct proof *p, const struct sw_listen_directive *l,
                      const struct sw_tls_params *tls, bool changed)
{
    for (size_t k = 0; k < l->sni.count; k++) {
        int64_t at = sw_names_index(&p->c->identity_names, l->sni.t[k].s);
        if (at < 0 || is_changed(p, &p->c->identities[at]) != changed)
            continue;
        if (p->sni_tried == SNI_MAX) {
            p->sni_left++;
            continue;
        }
        p->sni_tried++;
        const struct profile x = {&p->c->identities[at], tls->policy, l->sni.t[k].mark};
        unsigned errors = p->diags->errors;
        prove(p, &x);
        if (p->diags->errors == errors)
            prove_choice(p, tls, &x);
    }
}

static void prove_all_sni(struct proof *p, bool changed)
{
    const struct sw_listen_directive *l = p->c->d.listen.item;
    for (uint32_t i = 0; i < p->c->proxy.listener_count; i++)
        if (p->c->conn_listeners[i].transport == SW_TLS)
            prove_sni(p, &l[i], &p->c->conn_listeners[i].tls, changed);
}

static void prove_all(struct proof *p)
{
    const struct sw_config *c = p->c;
    const struct sw_listen_directive *l = c->d.listen.item;
    const struct sw_peer_directive *d = c->d.peers.item;
    for (uint32_t i = 0; i < c->proxy.listener_count; i++) {
        const struct sw_tls_params *tls = &c->conn_listeners[i].tls;
        if (c->conn_listeners[i].transport != SW_TLS)
            continue;
        if (tls->identity)
            prove(p, &(const struct profile){tls->identity, tls->policy, l[i].mark});
    }
    prove_all_sni(p, true);
    prove_all_sni(p, false);
    for (uint32_t i = 0; i < c->proxy.peer_count; i++) {
        const struct sw_conn_peer *peer = &c->conn_peers[i];
        int64_t at = sw_names_index(&c->peer_names, sw_slice_str(peer->name));
        if (peer->tls.identity && at >= 0)
            prove(p, &(const struct profile){peer->tls.identity, peer->tls.policy, d[at].mark});
    }
    if (p->sni_left)
        sw_diag_note(p->diags, c->d.listen.mark,
                     "%u identities under sni were not tried in a handshake (%d are, those that "
                     "changed first)",
                     p->sni_left, SNI_MAX);
}

unsigned sw_proof(const struct sw_config *c, struct sw_diags *diags)
{
    return sw_proof_after(NULL, c, diags);
}

unsigned sw_proof_after(const struct sw_config *before, const struct sw_config *c,
                        struct sw_diags *diags)
{
    struct proof p = {.c = c, .before = before, .diags = diags};
    p.client.w = sw_tls_worker_new(c->policies, c->policy_count, NULL);
    p.server.w = sw_tls_worker_new(c->policies, c->policy_count, NULL);
    p.client.wire = malloc(WIRE_BYTES);
    p.server.wire = malloc(WIRE_BYTES);
    p.tried = calloc((size_t)c->identity_count * c->policy_count + 1, sizeof(*p.tried));
    if (p.client.w && p.server.w && p.client.wire && p.server.wire && p.tried)
        prove_all(&p);
    else
        sw_diag_error(diags, ((struct sw_mark){0, 0}), "memory is out");
    free(p.tried);
    free(p.client.wire);
    free(p.server.wire);
    sw_tls_worker_free(p.client.w);
    sw_tls_worker_free(p.server.w);
    return p.held;
}
